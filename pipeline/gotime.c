/* SPDX-License-Identifier: Apache-2.0 */
/* Go time formats: names, Unix numbers, and the usual form of RFC 3339, which is worth a way of its
 * own. */
#include <errno.h>

#include "lib/civil.h"
#include "lib/mem.h"
#include "pipeline/gotime_layout.h"

static const struct {
	const char *name, *layout;
} named[] = {
	{ "ANSIC", "Mon Jan _2 15:04:05 2006" },
	{ "UnixDate", "Mon Jan _2 15:04:05 MST 2006" },
	{ "RubyDate", "Mon Jan 02 15:04:05 -0700 2006" },
	{ "RFC822", "02 Jan 06 15:04 MST" },
	{ "RFC822Z", "02 Jan 06 15:04 -0700" },
	{ "RFC850", "Monday, 02-Jan-06 15:04:05 MST" },
	{ "RFC1123", "Mon, 02 Jan 2006 15:04:05 MST" },
	{ "RFC1123Z", "Mon, 02 Jan 2006 15:04:05 -0700" },
	{ "RFC3339", "2006-01-02T15:04:05Z07:00" },
	{ "RFC3339Nano", "2006-01-02T15:04:05.999999999Z07:00" },
};

static const struct {
	const char *name;
	enum gotime_kind kind;
	int64_t unit_ns;
} numbers[] = {
	{ "Unix", KIND_UNIX, 0 },
	{ "UnixMs", KIND_UNIX_SCALED, 1000000 },
	{ "UnixUs", KIND_UNIX_SCALED, 1000 },
	{ "UnixNs", KIND_UNIX_SCALED, 1 },
};

static void compile(struct gotime *g, struct str layout)
{
	struct gotime_step step;
	struct str rest;

	g->text = mem_dup(layout.p, layout.n);
	rest = str_make(g->text, layout.n);
	while (gotime_next_step(&rest, &step))
		g->nsteps++;
	g->steps = mem_array(g->nsteps, sizeof(*g->steps));
	rest = str_make(g->text, layout.n);
	for (size_t i = 0; i < g->nsteps; i++)
		gotime_next_step(&rest, &g->steps[i]);
	/* Promtail's test for "has a year" */
	g->has_no_year = str_find(layout, STR("06")) == layout.n;
	if (str_is(layout, named[8].layout) || str_is(layout, named[9].layout))
		g->kind = KIND_RFC3339;
}

struct gotime *gotime_new(struct str format, struct str location, struct err *err)
{
	struct gotime *g;

	if (format.n == 0 || format.n > GOTIME_LAYOUT_BYTES_MAX) {
		err_set(err, -EINVAL, format.n ? "the layout is too long" : "the format is empty");
		return NULL;
	}
	g = mem_zalloc(sizeof(*g));
	if (location.p && tz_load(&g->zone, location, err) < 0) {
		gotime_free(g);
		return NULL;
	}
	g->has_location = location.p != NULL;
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		if (str_is(format, numbers[i].name)) {
			g->kind = numbers[i].kind;
			g->unit_ns = numbers[i].unit_ns;
			return g;
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(named); i++) {
		if (str_is(format, named[i].name)) {
			format = str_c(named[i].layout);
			tz_free(TAKE(g->zone));
			g->has_location = false;
		}
	}
	if (!g->has_location)
		tz_load(&g->local, STR("Local"), NULL);
	compile(g, format);
	return g;
}

void gotime_free(struct gotime *g)
{
	if (!g)
		return;
	tz_free(g->zone);
	tz_free(g->local);
	mem_free(g->text);
	mem_free(g->steps);
	mem_free(g);
}

bool gotime_is_constant(const struct gotime *g)
{
	if (g->kind == KIND_UNIX || g->kind == KIND_UNIX_SCALED)
		return false;
	for (size_t i = 0; i < g->nsteps; i++)
		if (g->steps[i].op != OP_LITERAL)
			return false;
	return true;
}

/* ---- numbers -------------------------------------------------------------------------------- */

/* Seconds with an optional fraction, which counts forward in negative times, too. */
static bool parse_unix(struct str s, int64_t *ret_ns)
{
	size_t point = str_chr(s, '.');
	struct str fraction = str_skip(s, point + 1);
	int64_t seconds;

	if (point < s.n && fraction.n == 0)
		return false;
	for (size_t i = 0; i < fraction.n; i++)
		if (fraction.p[i] < '0' || fraction.p[i] > '9')
			return false;
	return str_i64(str_sub(s, 0, point), &seconds) &&
	       gotime_make_ns(seconds, gotime_fraction_ns(fraction), ret_ns);
}

/* ---- RFC 3339 ------------------------------------------------------------------------------- */

/* Two digits, or -1. */
static inline int pair(const char *p)
{
	unsigned tens = (unsigned char)(p[0] - '0'), ones = (unsigned char)(p[1] - '0');

	return tens > 9 || ones > 9 ? -1 : (int)(tens * 10 + ones);
}

static bool day_start(struct gotime_cache *cache, const char *p, int64_t *ret_s)
{
	int century, year, month, day;

	if (cache->has_day && memcmp(cache->day, p, sizeof(cache->day)) == 0) {
		*ret_s = cache->day_s;
		return true;
	}
	century = pair(p);
	year = pair(p + 2);
	month = pair(p + 5);
	day = pair(p + 8);
	if (century < 0 || year < 0 || p[4] != '-' || p[7] != '-' || month < 1 || month > 12 ||
	    day < 1 || day > civil_month_days(century * 100 + year, month))
		return false;
	memcpy(cache->day, p, sizeof(cache->day));
	cache->has_day = true;
	*ret_s = cache->day_s = civil_days(century * 100 + year, month, day) * S_PER_DAY;
	return true;
}

/* The strict form; false means only that the general way has to decide. */
static bool parse_rfc3339(struct gotime_cache *cache, struct str s, int64_t *ret_ns)
{
	const char *p = s.p;
	int64_t day_s, ns = 0;
	int hour, minute, second, offset_hour, offset_minute;
	size_t at = 19, digits;

	if (s.n < 20 || p[10] != 'T' || p[13] != ':' || p[16] != ':' ||
	    !day_start(cache, p, &day_s))
		return false;
	hour = pair(p + 11);
	minute = pair(p + 14);
	second = pair(p + 17);
	if ((hour | minute | second) < 0 || hour > 23 || minute > 59 || second > 59)
		return false;
	day_s += hour * 3600 + minute * 60 + second;
	if (p[at] == '.') {
		for (digits = 0; gotime_digit_at(s, at + 1 + digits); digits++)
			;
		if (digits == 0)
			return false;
		ns = gotime_fraction_ns(str_sub(s, at + 1, at + 1 + digits));
		at += 1 + digits;
	}
	if (at + 1 == s.n && p[at] == 'Z')
		return gotime_make_ns(day_s, ns, ret_ns);
	if (at + 6 != s.n || p[at + 3] != ':' || (p[at] != '+' && p[at] != '-'))
		return false;
	offset_hour = pair(p + at + 1);
	offset_minute = pair(p + at + 4);
	if (offset_hour < 0 || offset_minute < 0 || offset_hour > 24 || offset_minute > 60)
		return false;
	offset_minute += offset_hour * 60;
	day_s += (p[at] == '-' ? offset_minute : -offset_minute) * 60;
	return gotime_make_ns(day_s, ns, ret_ns);
}

bool gotime_parse(const struct gotime *g, struct gotime_cache *cache, struct str text,
		  int64_t now_ns, int64_t *ret_ns)
{
	int64_t count;

	switch (g->kind) {
	case KIND_UNIX:
		return parse_unix(text, ret_ns);
	case KIND_UNIX_SCALED:
		return str_i64(text, &count) && !__builtin_mul_overflow(count, g->unit_ns, ret_ns);
	case KIND_RFC3339:
		if (parse_rfc3339(cache, text, ret_ns))
			return true;
		break;
	case KIND_LAYOUT:
		break;
	}
	return gotime_run(g, cache, text, now_ns, ret_ns);
}
