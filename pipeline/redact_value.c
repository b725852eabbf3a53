/* SPDX-License-Identifier: Apache-2.0 */
/* The detector key_value: key=value in its many shapes, --key value, and both when percent-encoded.
 * Where the end of a value is open to doubt the longer reading is taken. */
#include "pipeline/redact_impl.h"

#define KIND 5
#define SPACES_MAX 16 /* between key, mark and value */

static bool is_quote(const struct redact_search *s, size_t i)
{
	return i < s->n && (s->p[i] == '"' || s->p[i] == '\'' || s->p[i] == '`');
}

static bool is_text(const uint8_t *p, size_t n, const char *text)
{
	return n == strlen(text) && redact_ends_with(p, n, text, n);
}

/* ---- values that hide nothing ---- */

/* What stands behind a key's colon, or behind --key, when a sentence goes on there. */
static bool is_of_sentence(const uint8_t *p, size_t n)
{
	static const char *const words[] = {
		"a",        "an",           "and",        "are",      "as",        "at",
		"be",       "by",           "cannot",     "can",      "contains",  "could",
		"denied",   "did",          "does",       "empty",    "error",     "errors",
		"expected", "expired",      "fail",       "failed",   "failure",   "flag",
		"for",      "found",        "from",       "has",      "have",      "if",
		"in",       "incorrect",    "invalid",    "is",       "it",        "length",
		"looks",    "malformed",    "may",        "mismatch", "missing",   "must",
		"need",     "needs",        "no",         "not",      "of",        "ok",
		"on",       "only",         "option",     "or",       "parameter", "please",
		"rejected", "required",     "reset",      "revoked",  "set",       "should",
		"string",   "that",         "the",        "this",     "to",        "too",
		"unable",   "unauthorized", "unexpected", "unknown",  "unset",     "updated",
		"use",      "used",         "using",      "valid",    "value",     "was",
		"when",     "will",         "with",       "without",  "wrong",     "you",
		"your",     "yes",          "changed",    "created",  "deleted",   "refreshed",
		"accepted", "verified",     "generated",  "enabled",  "disabled",  "optional",
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (is_text(p, n, words[i]))
			return true;
	return false;
}

static bool is_in_case(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!redact_is(p[i], RC_ALPHA) || (i && !(p[i] & 0x20)))
			return false;
	return true;
}

#define WORD_MAX 15

/* "unexpected token: identifier": people choose words as passwords, machines do not as tokens. */
static bool is_prose(const uint8_t *p, size_t n, enum redact_key kind)
{
	size_t digits = 0;

	while (n && (p[n - 1] == '.' || p[n - 1] == ',' || p[n - 1] == '!' || p[n - 1] == ':'))
		n--;
	if (is_of_sentence(p, n))
		return true;
	if (kind != REDACT_KEY_TOKEN && kind != REDACT_KEY_CREDENTIALS)
		return false;
	while (digits < n && redact_is(p[digits], RC_DIGIT))
		digits++;
	return digits == n ? n <= 3 : n <= WORD_MAX && is_in_case(p, n);
}

/* <redacted:email>, <card:0123456789abcdef>, <password>, ${DB_PASSWORD}, [FILTERED]: what stands in
 * place of a secret. */
static bool is_stand_in(const uint8_t *p, size_t n)
{
	static const char *const masked[] = { "filtered", "redacted", "masked",
					      "hidden",   "removed",  "secret" };
	const uint8_t *end = p + n - 1;
	bool is_plain = true;

	if (n > 3 && p[0] == '$' && p[1] == '{' && *end == '}')
		p++;
	else if (n < 3 || !((p[0] == '<' && *end == '>') || (p[0] == '[' && *end == ']')))
		return false;
	p++;
	n = (size_t)(end - p);
	for (size_t i = 0; i < n; i++)
		is_plain &= redact_is(p[i], RC_ALPHA | RC_DIGIT) || p[i] == '_' || p[i] == '-' ||
			    p[i] == ':' || p[i] == ' ';
	if (!is_plain)
		return false;
	for (size_t i = 0; i < sizeof(masked) / sizeof(masked[0]); i++)
		if (is_text(p, n, masked[i]))
			return true;
	if (p[-1] == '[')
		return false;
	return p[-1] == '{' || redact_key_kind(p, n) || (n > 9 && !memcmp(p, "redacted:", 9)) ||
	       (n > 17 && p[n - 17] == ':');
}

/* Nothing, a constant of some language, a mask, or something that stands for a secret. */
bool redact_is_harmless(const uint8_t *p, size_t n)
{
	static const char *const nothing[] = {
		"null", "true", "false", "none", "nil", "undefined"
	};
	bool has_word = false, is_one = true;

	for (size_t i = 0; i < n; i++) {
		has_word |= redact_is(p[i], RC_ALPHA | RC_DIGIT) || p[i] >= 0x80;
		is_one &= p[i] == p[0];
	}
	if ((!has_word && n <= 2) || (is_one && (p[0] == '*' || (n > 3 && (p[0] | 32) == 'x'))))
		return true;
	for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++)
		if (is_text(p, n, nothing[i]))
			return true;
	return is_stand_in(p, n);
}

/* PWD=/home/bob is where somebody is. */
static bool is_directory(const struct redact_search *s, size_t key, size_t value)
{
	return key >= 3 && !memcmp(s->p + key - 3, "PWD", 3) && value < s->n &&
	       s->p[value] == '/' &&
	       (key == 3 || !redact_is(s->p[key - 4], RC_ALPHA | RC_DIGIT) ||
		(key >= 6 && !memcmp(s->p + key - 6, "OLD", 3)));
}

/* ---- where values end ---- */

/* The closing quote of the text from `from` on, which a quote behind `depth` backslashes opened: as
 * many as JSON in JSON has. More of them belong to the text, as do those that are escaped
 * themselves; fewer end a surrounding text, and this one with it. */
static size_t close_quote(const struct redact_search *s, size_t from, uint8_t quote, size_t depth)
{
	size_t slashes = 0, inner = 2 * depth + 1;

	for (size_t i = from; i < s->n; i++) {
		if (s->p[i] == '\\') {
			slashes++;
			continue;
		}
		if (s->p[i] == quote && slashes % (inner + 1) != inner)
			return i - (slashes < depth ? slashes : depth);
		slashes = 0;
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
			i = close_quote(s, i + 1, '"', 0);
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

/* A bracket at the end belongs to the value when its partner does. */
static bool is_own_bracket(const uint8_t *p, size_t n)
{
	static const char pairs[] = "()[]{}<>";
	const char *at = memchr(pairs, p[n - 1], 8);
	size_t open = 0, closed = 0;

	if (!at || (at - pairs) % 2 == 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		open += p[i] == (uint8_t)at[-1];
		closed += p[i] == p[n - 1];
	}
	return open >= closed;
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
	while (i > start && memchr(")]}>,;", s->p[i - 1], 6) &&
	       !is_own_bracket(s->p + start, i - start))
		i--;
	return i;
}

/* The credentials behind the scheme of an Authorization header that has no quotes of its own. */
static size_t credentials_end(const struct redact_search *s, size_t start)
{
	static const char *const one_token[] = { "bearer",    "basic", "token", "apikey",
						 "negotiate", "ntlm",  "key" };
	static const char *const many[] = { "digest", "sha256", "oauth", "hawk", "signature" };
	size_t end = bare_end(s, start), next = end;

	while (next < s->n && (s->p[next] == ' ' || s->p[next] == '\t') && next - end < SPACES_MAX)
		next++;
	if (next == end || next == s->n)
		return end;
	for (size_t i = 0; i < sizeof(one_token) / sizeof(one_token[0]); i++)
		if (is_text(s->p + start, end - start, one_token[i]))
			return bare_end(s, next);
	/* Schemes with parameters: up to the end of it all. */
	for (size_t i = 0; i < sizeof(many) / sizeof(many[0]); i++)
		if (redact_ends_with(s->p + start, end - start, many[i], strlen(many[i])))
			return s->n;
	return end;
}

/* Cookies are many, and go to the end of the header. */
static size_t cookie_end(const struct redact_search *s, size_t start)
{
	size_t i = start;

	while (i < s->n && s->p[i] != '\n' && s->p[i] != '\r' && s->p[i] != '\\' &&
	       !(is_quote(s, i) && is_closing(s, i + 1)))
		i++;
	return i;
}

/* ---- key=value ---- */

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
	while (i > 0 && mark - i < 2 * SPACES_MAX && s->p[i - 1] == '\\')
		i--;
	if (i > 1 && !memcmp(s->p + i - 2, "[]", 2)) /* user[password][]= */
		i -= 2;
	else if (i > 5 && !memcmp(s->p + i - 6, "%5B%5D", 6))
		i -= 6;
	if (i > 0 && s->p[i - 1] == ']')
		i--;
	else if (i > 2 && s->p[i - 1] == 'D' && s->p[i - 2] == '5' && s->p[i - 3] == '%')
		i -= 3;
	if (i > 0 && (s->p[i - 1] == '"' || s->p[i - 1] == '\''))
		i--; /* config["password"] = */
	return i;
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

static void add_value(struct redact_search *s, size_t start, size_t end, bool is_json)
{
	if (redact_is_harmless(s->p + start, end - start))
		return;
	s->key_end = end;
	redact_add(s, KIND, start, end, is_json);
}

/* In quotes of any depth. Returns false when the value has none. */
static bool add_quoted(struct redact_search *s, size_t start)
{
	size_t depth = 0, end;

	while (start + depth < s->n && s->p[start + depth] == '\\')
		depth++;
	if (!is_quote(s, start + depth))
		return false;
	start += depth + 1;
	end = close_quote(s, start, s->p[start - 1], depth);
	/* msg="password=" more: it closes a text that began earlier. */
	if (end == s->n && redact_at(s, start, RC_SPACE))
		return true;
	s->key_end = end;
	add_value(s, start, end, false);
	return true;
}

static void add_bare(struct redact_search *s, size_t start, enum redact_key kind, bool is_json,
		     bool may_be_prose)
{
	size_t end;

	if (kind == REDACT_KEY_CREDENTIALS)
		end = credentials_end(s, start);
	else
		end = kind == REDACT_KEY_COOKIE ? cookie_end(s, start) : bare_end(s, start);
	if (!may_be_prose || !is_prose(s->p + start, end - start, kind))
		add_value(s, start, end, is_json);
}

void redact_key_value(struct redact_search *s, size_t at)
{
	bool is_json;
	size_t mark = at + 1, key = key_end(s, mark, &is_json), start, end;
	enum redact_key kind = redact_key_kind(s->p, key);

	if (!kind || at < s->key_end)
		return;
	start = skip_marks(s, mark + 1);
	if (start >= s->n || is_empty_value(s, mark, start) ||
	    is_directory(s, key, start + is_quote(s, start)))
		return;
	if (kind == REDACT_KEY_COOKIE && s->p[mark] != ':')
		return;
	if (add_quoted(s, start))
		return;
	if ((s->p[start] == '{' || s->p[start] == '[') && kind != REDACT_KEY_COOKIE) {
		end = close_bracket(s, start);
		s->key_end = end;
		if (end > start + 2)
			add_value(s, start, end, is_json);
		return;
	}
	add_bare(s, start, kind, is_json,
		 s->p[mark] == ':' && redact_is(s->p[start - 1], RC_SPACE));
}

/* ---- --key value ---- */

/* Between the words of a command: space, or what lists of arguments have there. */
static size_t skip_to_argument(const struct redact_search *s, size_t i)
{
	size_t start = i;

	if (is_quote(s, i))
		i++;
	if (i < s->n && s->p[i] == ',')
		i++;
	while (i < s->n && i - start < SPACES_MAX && redact_is(s->p[i], RC_SPACE))
		i++;
	return i;
}

void redact_option(struct redact_search *s, size_t at)
{
	size_t end = at + 2, start;
	enum redact_key kind;

	if (at < s->key_end || (at && !redact_is(s->p[at - 1], RC_FENCE)))
		return;
	while (redact_at(s, end, RC_ALPHA | RC_DIGIT) ||
	       (end < s->n && (s->p[end] == '-' || s->p[end] == '_' || s->p[end] == '.')))
		end++;
	kind = redact_key_kind(s->p + at, end - at);
	start = skip_to_argument(s, end);
	if (!kind || kind == REDACT_KEY_COOKIE || start == end || start >= s->n ||
	    s->p[start] == '-')
		return;
	/* --flag, another word: only in lists is a quote behind it not the end. */
	if (!add_quoted(s, start) && redact_is(s->p[start - 1], RC_SPACE))
		add_bare(s, start, kind, false, true);
}

/* ---- percent-encoded ---- */

static bool is_code(const struct redact_search *s, size_t i, const char *code)
{
	return s->n - i >= 3 && s->p[i] == '%' && s->p[i + 1] == code[0] &&
	       (s->p[i + 2] & ~32) == (code[1] & ~32);
}

static bool is_code_of(const struct redact_search *s, size_t i, const char *const *codes, size_t n)
{
	for (size_t k = 0; k < n; k++)
		if (is_code(s, i, codes[k]))
			return true;
	return false;
}

void redact_encoded_value(struct redact_search *s, size_t mark)
{
	static const char *const quotes[] = { "22", "27", "5C", "5D" };
	static const char *const gaps[] = { "22", "27", "5C", "20" };
	static const char *const ends[] = { "26", "22", "27", "2C", "3B", "7D", "5C", "20", "0A" };
	size_t key = mark, start = mark + 3, end;

	while (key >= 3 && mark - key < SPACES_MAX && is_code_of(s, key - 3, quotes, 4))
		key -= 3;
	if (mark < s->key_end || !(is_code(s, mark, "3D") || is_code(s, mark, "3A")) ||
	    !redact_key_kind(s->p, key))
		return;
	while (start < s->n && start - mark < SPACES_MAX &&
	       (s->p[start] == '+' || is_code_of(s, start, gaps, 4)))
		start += s->p[start] == '+' ? 1 : 3;
	for (end = start; end < s->n && !redact_is(s->p[end], RC_FENCE); end++)
		if (s->p[end] == '&' || s->p[end] == '+' || is_code_of(s, end, ends, 9))
			break;
	add_value(s, start, end, false);
}
