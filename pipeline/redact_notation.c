/* SPDX-License-Identifier: Apache-2.0 */
/* The detector key_value where a program has escaped the marks (JSON of .NET and Gson: \u0022, \u003d), in
 * XML elements, and in lists of names and values. What stands around a value is found by a pattern of
 * redact_known.c, the key here. */
#include "pipeline/redact_impl.h"
#include "pipeline/redact_known.h"

#define ESCAPE 6     /* bytes of \u0022 */
#define NAME_LOOK 80 /* how far a name reaches back */

static bool ends_in(struct str text, size_t end, const char *what)
{
	size_t n = strlen(what);

	return end >= n && memcmp(text.p + end - n, what, n) == 0;
}

static size_t before_spaces(struct str text, size_t i)
{
	while (i && (text.p[i - 1] == ' ' || text.p[i - 1] == '\t'))
		i--;
	return i;
}

static bool is_key(struct str text, size_t end)
{
	while (end && (text.p[end - 1] == '\\' || text.p[end - 1] == ']' || text.p[end - 1] == '['))
		end--;
	return redact_key_kind((const uint8_t *)text.p, end) != REDACT_KEY_NONE;
}

/* Is it the escape of a byte that ends a value: quotes, & or white space? */
static bool is_closing_escape(struct str rest)
{
	static const char *const codes[] = { "u0022", "u0026", "u0027", "u003c", "u003C" };

	if (rest.n < 2)
		return true;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (str_starts(str_skip(rest, 1), str_c(codes[i])))
			return true;
	return memchr("\"'\\nrt", rest.p[1], 6) != NULL;
}

static size_t bare_end(struct str text, size_t i)
{
	for (; i < text.n && !memchr(" \t\r\n\"'&;,<}", text.p[i], 12); i++)
		if (text.p[i] == '\\' && is_closing_escape(str_skip(text, i)))
			break;
	return i;
}

/* To the escaped quote that has no backslash of its own in front. */
static size_t quoted_end(struct str text, size_t i)
{
	for (; i < text.n; i++)
		if (str_starts(str_skip(text, i), STR("\\u0022")) && text.p[i - 1] != '\\')
			return i;
	return text.n;
}

/* <password>x</password> */
static size_t in_element(struct str text, size_t start)
{
	size_t name = start - 1;
	const char *end;

	while (name && start - name < NAME_LOOK && text.p[name - 1] != '<')
		name--;
	if (!name || text.p[name - 1] != '<' || text.p[name] == '/' || !is_key(text, start - 1))
		return 0;
	end = memchr(text.p + start, '<', text.n - start);
	if (!end || !str_starts(str_skip(text, (size_t)(end - text.p)), STR("</")))
		return 0;
	return (size_t)(end - text.p);
}

/* password\u0022:\u0022x\u0022, password\u0022: 12 */
static size_t behind_escaped_quote(struct str text, size_t start)
{
	bool is_quoted = ends_in(text, start, "\\u0022") && !ends_in(text, start, ":\\\\u0022");
	size_t i = before_spaces(text, is_quoted ? start - ESCAPE : start);

	i = before_spaces(text, i ? i - 1 : 0); /* the colon */
	if (!ends_in(text, i, "\\u0022") || !is_key(text, i - ESCAPE))
		return 0;
	return is_quoted ? quoted_end(text, start) : bare_end(text, start);
}

/* To the quote that has an even number of backslashes in front. */
static size_t string_end(struct str text, size_t i)
{
	while (i < text.n && text.p[i] != '"')
		i += text.p[i] == '\\' ? 2 : 1;
	return i < text.n ? i : text.n;
}

/* {"name": "DB_PASSWORD", "value": "x"} */
static size_t behind_name(struct str text, size_t start)
{
	static const char *const names[] = { "name\"", "Name\"", "key\"", "Key\"", "field\"" };
	size_t i = before_spaces(text, start - 1), name;

	i = before_spaces(text, i ? i - 1 : 0); /* the colon */
	i = i > 7 ? before_spaces(text, i - 7) : 0;
	if (!i || text.p[i - 1] != ',')
		return 0;
	i = before_spaces(text, i - 1);
	if (!i || text.p[i - 1] != '"' || !is_key(text, i - 1))
		return 0;
	for (name = i - 1; name && i - name < NAME_LOOK && text.p[name - 1] != '"';)
		name--;
	name = before_spaces(text, name ? name - 1 : 0);
	if (!name || text.p[name - 1] != ':')
		return 0;
	name = before_spaces(text, name - 1);
	for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++)
		if (ends_in(text, name, names[k]))
			return string_end(text, start);
	return 0;
}

size_t redact_check_notation(struct str text, size_t start, size_t end)
{
	if (ends_in(text, start, ">"))
		end = in_element(text, start);
	else if (ends_in(text, start, "\\u003d") || ends_in(text, start, "\\u003D"))
		end = is_key(text, start - ESCAPE) ? bare_end(text, start) : 0;
	else if (ends_in(text, start, "\""))
		end = behind_name(text, start);
	else
		end = behind_escaped_quote(text, start);
	if (end <= start || redact_is_harmless((const uint8_t *)text.p + start, end - start))
		return 0;
	return end;
}
