/* SPDX-License-Identifier: Apache-2.0 */
/* Cuts a Go time layout into tokens, as nextStdChunk() of Go's time/format.go does. */
#include "lib/check.h"
#include "pipeline/gotime_layout.h"

/* Tokens that are plain words, longest first where one is the start of another. */
static const struct {
	struct str text;
	struct gotime_step step;
} words[] = {
#define WORD(text_, ...)                                                                           \
	{                                                                                          \
		{ text_, sizeof(text_) - 1 },                                                      \
		{                                                                                  \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}
	WORD("January", .op = OP_MONTH_NAME),
	WORD("Monday", .op = OP_WEEKDAY_NAME),
	WORD("MST", .op = OP_ZONE_NAME),
	WORD("01", .op = OP_MONTH, .is_fixed = true),
	WORD("02", .op = OP_DAY, .is_fixed = true),
	WORD("03", .op = OP_HOUR_12, .is_fixed = true),
	WORD("04", .op = OP_MINUTE, .is_fixed = true),
	WORD("05", .op = OP_SECOND, .is_fixed = true),
	WORD("06", .op = OP_YEAR_2),
	WORD("002", .op = OP_YEAR_DAY, .is_fixed = true),
	WORD("15", .op = OP_HOUR),
	WORD("1", .op = OP_MONTH),
	WORD("2006", .op = OP_YEAR),
	WORD("2", .op = OP_DAY),
	WORD("_2", .op = OP_DAY_PADDED),
	WORD("__2", .op = OP_YEAR_DAY),
	WORD("3", .op = OP_HOUR_12),
	WORD("4", .op = OP_MINUTE),
	WORD("5", .op = OP_SECOND),
	WORD("PM", .op = OP_PM),
	WORD("pm", .op = OP_PM_LOWER),
	WORD("-070000", .op = OP_OFFSET, .parts = 3),
	WORD("-07:00:00", .op = OP_OFFSET, .parts = 3, .has_colons = true),
	WORD("-0700", .op = OP_OFFSET, .parts = 2),
	WORD("-07:00", .op = OP_OFFSET, .parts = 2, .has_colons = true),
	WORD("-07", .op = OP_OFFSET, .parts = 1),
	WORD("Z070000", .op = OP_OFFSET_OR_Z, .parts = 3),
	WORD("Z07:00:00", .op = OP_OFFSET_OR_Z, .parts = 3, .has_colons = true),
	WORD("Z0700", .op = OP_OFFSET_OR_Z, .parts = 2),
	WORD("Z07:00", .op = OP_OFFSET_OR_Z, .parts = 2, .has_colons = true),
	WORD("Z07", .op = OP_OFFSET_OR_Z, .parts = 1),
#undef WORD
};

/* "Jan" and "Mon" are tokens unless a lower-case letter follows. */
static bool short_name(struct str s, struct gotime_step *ret)
{
	if (s.n > 3 && s.p[3] >= 'a' && s.p[3] <= 'z')
		return false;
	if (str_starts(s, STR("Jan")))
		ret->op = OP_MONTH_SHORT;
	else if (str_starts(s, STR("Mon")))
		ret->op = OP_WEEKDAY_SHORT;
	else
		return false;
	return true;
}

/* A point or comma and a run of 0 or of 9 that no other digit follows. */
static size_t fraction(struct str s, struct gotime_step *ret)
{
	size_t n = 1;

	if (s.n < 2 || (s.p[0] != '.' && s.p[0] != ',') || (s.p[1] != '0' && s.p[1] != '9'))
		return 0;
	while (n < s.n && s.p[n] == s.p[1])
		n++;
	if (gotime_digit_at(s, n))
		return 0;
	ret->op = s.p[1] == '0' ? OP_FRACTION : OP_FRACTION_MORE;
	ret->digits = (uint16_t)(n - 1);
	return n;
}

/* Length of the token s starts with, 0 when it starts with none. */
static size_t token(struct str s, struct gotime_step *ret)
{
	*ret = (struct gotime_step){ 0 };
	/* A literal underscore and the year. */
	if (str_starts(s, STR("_2006")))
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (str_starts(s, words[i].text)) {
			*ret = words[i].step;
			return words[i].text.n;
		}
	}
	return short_name(s, ret) ? 3 : fraction(s, ret);
}

bool gotime_next_step(struct str *layout, struct gotime_step *ret)
{
	size_t i = 0, n = 0;

	while (i < layout->n && (n = token(str_skip(*layout, i), ret)) == 0)
		i++;
	if (i > 0) {
		*ret = (struct gotime_step){ .op = OP_LITERAL, .literal = str_sub(*layout, 0, i) };
		*layout = str_skip(*layout, i);
		return true;
	}
	*layout = str_skip(*layout, n);
	return n > 0;
}
