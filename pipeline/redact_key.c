/* SPDX-License-Identifier: Apache-2.0 */
/* The detector key_value: is there a telling key before a = or :, and where does the value behind it
 * end? Where that is open to doubt the longer reading is taken. */
#include "pipeline/redact_impl.h"

#define KIND 5
#define SPACES_MAX 16 /* between key, mark and value */

/* ---- keys ---- */

static const struct {
	char text[16];
	uint8_t n;
} keys[] = {
#define KEY(k)                                                                                     \
	{                                                                                          \
		k, sizeof(k) - 1                                                                   \
	}
	KEY("password"),    KEY("passwd"),        KEY("pwd"),        KEY("secret"),
	KEY("token"),       KEY("apikey"),        KEY("api_key"),    KEY("api-key"),
	KEY("accesskey"),   KEY("access_key"),    KEY("access-key"), KEY("privatekey"),
	KEY("private_key"), KEY("private-key"),   KEY("secretkey"),  KEY("secret_key"),
	KEY("secret-key"),  KEY("authorization"),
#undef KEY
};

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

static bool ends_with(const uint8_t *p, size_t n, const char *key, size_t key_n)
{
	if (n < key_n)
		return false;
	for (size_t i = 0; i < key_n; i++)
		if (lower(p[n - key_n + i]) != (uint8_t)key[i])
			return false;
	return true;
}

bool redact_is_secret_key(const uint8_t *p, size_t n)
{
	uint16_t last;

	if (n < 3)
		return false;
	/* Nearly all other keys are told apart by their last two letters. */
	last = (uint16_t)(lower(p[n - 2]) << 8 | lower(p[n - 1]));
	if (last != ('r' << 8 | 'd') && last != ('w' << 8 | 'd') && last != ('e' << 8 | 't') &&
	    last != ('e' << 8 | 'n') && last != ('e' << 8 | 'y') && last != ('o' << 8 | 'n'))
		return false;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (ends_with(p, n, keys[i].text, keys[i].n))
			return true;
	return false;
}

/* Behind the last byte of the key whose mark stands at `mark`: passes spaces, quotes and what closes
 * key[password]. *ret_is_quoted: "key": */
static size_t key_end(const struct redact_search *s, size_t mark, bool *ret_is_quoted)
{
	size_t i = mark;

	while (i > 0 && mark - i < SPACES_MAX && (s->p[i - 1] == ' ' || s->p[i - 1] == '\t'))
		i--;
	*ret_is_quoted = i > 0 && s->p[i - 1] == '"';
	if (i > 0 && (s->p[i - 1] == '"' || s->p[i - 1] == '\''))
		i--;
	if (i > 0 && s->p[i - 1] == '\\')
		i--;
	if (i > 0 && s->p[i - 1] == ']')
		i--;
	else if (i > 2 && s->p[i - 1] == 'D' && s->p[i - 2] == '5' && s->p[i - 3] == '%')
		i -= 3;
	if (i > 0 && (s->p[i - 1] == '"' || s->p[i - 1] == '\''))
		i--; /* config["password"] = */
	return i;
}

/* ---- values ---- */

static bool is_quote(const struct redact_search *s, size_t i)
{
	return i < s->n && (s->p[i] == '"' || s->p[i] == '\'' || s->p[i] == '`');
}

/* The closing quote of the text that starts at `from`, or the end. */
static size_t close_quote(const struct redact_search *s, size_t from, uint8_t quote)
{
	size_t i = from;

	for (; i < s->n && s->p[i] != quote; i++)
		if (s->p[i] == '\\')
			i++;
	return i < s->n ? i : s->n;
}

/* The same for \" inside of a quoted text: up to the next \" of this depth, or the end of the outer
 * text. */
static size_t close_escaped(const struct redact_search *s, size_t from, uint8_t quote)
{
	for (size_t i = from; i < s->n; i++) {
		if (s->p[i] == quote)
			return i;
		if (s->p[i] != '\\')
			continue;
		if (i + 1 < s->n && s->p[i + 1] == quote)
			return i;
		i++; /* the escaped byte, a backslash perhaps */
		if (i + 1 < s->n && s->p[i] == '\\' && s->p[i + 1] == '\\')
			i += 2; /* \\\" stands for \" one level down */
	}
	return s->n;
}

/* Behind the bracket that closes the one at `open`; quoted texts inside may contain any. */
static size_t close_bracket(const struct redact_search *s, size_t open)
{
	size_t depth = 0, i = open;

	for (; i < s->n; i++) {
		if (s->p[i] == '{' || s->p[i] == '[')
			depth++;
		else if ((s->p[i] == '}' || s->p[i] == ']') && --depth == 0)
			return i + 1;
		else if (s->p[i] == '"')
			i = close_quote(s, i + 1, '"');
	}
	return s->n;
}

/* Does a name and another mark follow, so that the byte before is a separator of pairs? */
static bool is_next_pair(const struct redact_search *s, size_t i)
{
	size_t start = i;

	if (i >= s->n || redact_is(s->p[i], RC_SPACE) || is_quote(s, i))
		return true;
	while (i < s->n && (redact_is(s->p[i], RC_ALPHA | RC_DIGIT) || s->p[i] == '_' ||
			    s->p[i] == '-' || s->p[i] == '.'))
		i++;
	return i > start && i < s->n && (s->p[i] == '=' || s->p[i] == ':');
}

/* Is the quote at i (or the backslash before one) the end of a surrounding text? */
static bool is_closing(const struct redact_search *s, size_t i)
{
	return i >= s->n || redact_is(s->p[i], RC_FENCE) || s->p[i] == '\\';
}

/* The end of a value without quotes. */
static size_t bare_end(const struct redact_search *s, size_t start)
{
	size_t i = start;

	for (; i < s->n && !redact_is(s->p[i], RC_SPACE); i++) {
		uint8_t c = s->p[i];

		if ((c == ',' || c == ';' || c == '&' || c == '|') && is_next_pair(s, i + 1))
			break;
		if (is_quote(s, i) && is_closing(s, i + 1))
			break;
		if (c == '\\' && is_quote(s, i + 1) && is_closing(s, i + 2))
			break;
	}
	while (i > start && memchr(")]}>,;", s->p[i - 1], 6))
		i--;
	return i;
}

/* true, false, null and the empty value hide nothing. */
static bool is_harmless(const uint8_t *p, size_t n)
{
	return n == 0 || (n == 4 && (!memcmp(p, "null", 4) || !memcmp(p, "true", 4))) ||
	       (n == 5 && !memcmp(p, "false", 5));
}

/* The credentials behind the scheme of an Authorization header that has no quotes of its own. */
static size_t credentials_end(const struct redact_search *s, size_t start)
{
	static const char *const one_token[] = { "bearer",    "basic", "token", "apikey",
						 "negotiate", "ntlm",  "key" };
	size_t end = bare_end(s, start), next = end;

	while (next < s->n && (s->p[next] == ' ' || s->p[next] == '\t') && next - end < SPACES_MAX)
		next++;
	if (next == end || next == s->n)
		return end;
	for (size_t i = 0; i < sizeof(one_token) / sizeof(one_token[0]); i++)
		if (end - start == strlen(one_token[i]) &&
		    ends_with(s->p + start, end - start, one_token[i], end - start))
			return bare_end(s, next);
	/* Digest, AWS4-HMAC-SHA256 and other schemes with parameters: up to the end of it all. */
	if (ends_with(s->p + start, end - start, "digest", 6) ||
	    ends_with(s->p + start, end - start, "sha256", 6) ||
	    ends_with(s->p + start, end - start, "oauth", 5) ||
	    ends_with(s->p + start, end - start, "hawk", 4) ||
	    ends_with(s->p + start, end - start, "signature", 9))
		return s->n;
	return end;
}

/* := => == and the spaces behind. */
static size_t skip_marks(const struct redact_search *s, size_t i)
{
	size_t start = i;

	while (i < s->n && i - start < 2 && (s->p[i] == '=' || s->p[i] == '>' || s->p[i] == ':'))
		i++;
	start = i;
	while (i < s->n && i - start < SPACES_MAX && (s->p[i] == ' ' || s->p[i] == '\t'))
		i++;
	return i;
}

/* "password= user=bob": the value is empty and the next pair follows. */
static bool is_empty_value(const struct redact_search *s, size_t mark, size_t start)
{
	size_t i = start;

	if (s->p[mark] != '=' || start == mark + 1 || !redact_is(s->p[start - 1], RC_SPACE))
		return false;
	while (redact_at(s, i, RC_ALPHA | RC_DIGIT) || (i < s->n && s->p[i] == '_'))
		i++;
	return i > start && i + 1 < s->n && s->p[i] == '=' && s->p[i + 1] != '=' &&
	       !redact_is(s->p[i + 1], RC_SPACE);
}

static void bare_value(struct redact_search *s, size_t start, bool is_json, bool is_header)
{
	size_t end = is_header ? credentials_end(s, start) : bare_end(s, start);

	if (is_harmless(s->p + start, end - start))
		return;
	s->key_end = end;
	redact_add(s, KIND, start, end, is_json);
}

static void quoted_value(struct redact_search *s, size_t start, size_t end)
{
	s->key_end = end;
	if (end > start)
		redact_add(s, KIND, start, end, false);
}

void redact_key_value(struct redact_search *s, size_t at)
{
	bool is_json;
	size_t key = key_end(s, at + 1, &is_json), start, end;

	if (!redact_is_secret_key(s->p, key) || at < s->key_end)
		return;
	start = skip_marks(s, at + 2);
	if (start >= s->n || is_empty_value(s, at + 1, start))
		return;
	if (is_quote(s, start)) {
		quoted_value(s, start + 1, close_quote(s, start + 1, s->p[start]));
	} else if (s->p[start] == '\\' && is_quote(s, start + 1)) {
		quoted_value(s, start + 2, close_escaped(s, start + 2, s->p[start + 1]));
	} else if (s->p[start] == '{' || s->p[start] == '[') {
		end = close_bracket(s, start);
		s->key_end = end;
		if (end > start + 2)
			redact_add(s, KIND, start, end, is_json);
	} else {
		bare_value(s, start, is_json, ends_with(s->p, key, "authorization", 13));
	}
}
