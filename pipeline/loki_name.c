/* SPDX-License-Identifier: Apache-2.0 */
/* Names as Loki stores them. */
#include "pipeline/loki_name.h"

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* __x__: Loki leaves the ends alone. */
static bool is_reserved(struct str name)
{
	return name.n >= 4 && str_starts(name, STR("__")) && str_ends(name, STR("__"));
}

bool loki_name_is_fine(struct str name)
{
	bool has_more = false, was_underscore = false;

	if (!name.n || name.n > LABEL_NAME_MAX || (name.p[0] >= '0' && name.p[0] <= '9'))
		return false;
	if (is_reserved(name))
		name = str_sub(name, 2, name.n - 2);
	for (size_t i = 0; i < name.n; i++) {
		bool is_fine = is_alnum(name.p[i]);

		if (!is_fine && (name.p[i] != '_' || was_underscore))
			return false;
		was_underscore = !is_fine;
		has_more |= is_fine;
	}
	return has_more;
}

struct str loki_name(struct str name, char *out)
{
	bool has_more = false, has_ends = is_reserved(name);
	struct str inner = has_ends ? str_sub(name, 2, name.n - 2) : name;
	size_t n = 0, start = has_ends ? 2 : 0;

	if (loki_name_is_fine(name))
		return name;
	if (has_ends)
		memcpy(out, "__", n = 2);
	else if (name.n && name.p[0] >= '0' && name.p[0] <= '9')
		memcpy(out, "key_", n = start = 4);
	for (size_t i = 0; i < inner.n && n < LABEL_NAME_MAX - 4; i++) {
		bool is_fine = is_alnum(inner.p[i]);

		has_more |= is_fine;
		if (is_fine || n == start || out[n - 1] != '_')
			out[n++] = is_fine ? inner.p[i] : '_';
	}
	if (!has_more)
		return STR("key");
	if (has_ends) {
		memcpy(out + n, "__", 2);
		n += 2;
	}
	return str_make(out, n);
}
