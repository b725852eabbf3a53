/* SPDX-License-Identifier: Apache-2.0 */
/* JSON piece by piece. */
#include "pipeline/json_scan.h"

void json_skip_space(struct str *s)
{
	while (s->n && (s->p[0] == ' ' || s->p[0] == '\t' || s->p[0] == '\n' || s->p[0] == '\r'))
		*s = str_skip(*s, 1);
}

bool json_take(struct str *s, char c)
{
	json_skip_space(s);
	if (!s->n || s->p[0] != c)
		return false;
	*s = str_skip(*s, 1);
	return true;
}

bool json_take_string(struct str *s, struct str *ret_raw, bool *ret_is_escaped)
{
	if (!json_take(s, '"') || !json_string(*s, ret_raw, ret_is_escaped))
		return false;
	*s = str_skip(*s, ret_raw->n + 1);
	return true;
}

bool json_take_word(struct str *s, struct str *ret)
{
	size_t n = 0;

	json_skip_space(s);
	while (n < s->n &&
	       ((s->p[n] >= '0' && s->p[n] <= '9') || (s->p[n] >= 'a' && s->p[n] <= 'z') ||
		s->p[n] == '-' || s->p[n] == '+' || s->p[n] == '.' || s->p[n] == 'E'))
		n++;
	*ret = str_sub(*s, 0, n);
	*s = str_skip(*s, n);
	return n > 0;
}

bool json_take_value(struct str *s, struct str *ret)
{
	struct str part;
	unsigned depth = 0;
	bool is_escaped;
	const char *begin;

	json_skip_space(s);
	begin = s->p;
	do {
		if (json_take(s, '{') || json_take(s, '[')) {
			if (++depth > JSON_DEPTH_MAX)
				return false;
		} else if (depth && (json_take(s, '}') || json_take(s, ']'))) {
			depth--;
		} else if (!(depth && (json_take(s, ',') || json_take(s, ':'))) &&
			   !json_take_string(s, &part, &is_escaped) && !json_take_word(s, &part)) {
			return false;
		}
	} while (depth);
	*ret = str_make(begin, (size_t)(s->p - begin));
	return true;
}

int json_next_item(struct str *s, char end, bool *is_begun)
{
	if (json_take(s, end))
		return 0;
	if (*is_begun && !json_take(s, ','))
		return -1;
	*is_begun = true;
	return 1;
}
