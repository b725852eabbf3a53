/* SPDX-License-Identifier: Apache-2.0 */
/* Level of a line: a bounded look for the places where programs write it. */
#include "lib/check.h"
#include "pipeline/level.h"

#define WORD_MAX 13          /* bytes of the longest spelling and of the longest name of a field */
#define BRACKETED_MAX 256    /* bytes in which a word in brackets is looked for, */
#define PLAIN_MAX 128        /* and one by itself: further on it is prose */
#define JSON_LEVELS_DEPTH 2u /* {"log": {"level": ..}}, as deep as Loki looks */

struct str level_name(enum level level)
{
	static const struct str names[] = {
		[LEVEL_UNKNOWN] = { "unknown", 7 },   [LEVEL_TRACE] = { "trace", 5 },
		[LEVEL_DEBUG] = { "debug", 5 },       [LEVEL_INFO] = { "info", 4 },
		[LEVEL_WARN] = { "warn", 4 },         [LEVEL_ERROR] = { "error", 5 },
		[LEVEL_CRITICAL] = { "critical", 8 }, [LEVEL_FATAL] = { "fatal", 5 },
	};

	return (size_t)level < ARRAY_LEN(names) ? names[level] : names[0];
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

static bool is_letter(char c)
{
	return is_upper((char)(c & ~0x20));
}

/* Lower case, NUL-terminated; false for what is too long or has anything but letters. */
static bool fold(struct str word, char out[WORD_MAX + 1])
{
	if (!word.n || word.n > WORD_MAX)
		return false;
	for (size_t i = 0; i < word.n; i++) {
		if (!is_letter(word.p[i]))
			return false;
		out[i] = (char)(word.p[i] | 0x20);
	}
	out[word.n] = 0;
	return true;
}

static enum level level_of_word(struct str word)
{
	static const struct {
		char word[WORD_MAX + 1];
		enum level level;
	} words[] = {
		{ "info", LEVEL_INFO },        { "error", LEVEL_ERROR },
		{ "warn", LEVEL_WARN },        { "debug", LEVEL_DEBUG },
		{ "warning", LEVEL_WARN },     { "err", LEVEL_ERROR },
		{ "notice", LEVEL_INFO },      { "trace", LEVEL_TRACE },
		{ "fatal", LEVEL_FATAL },      { "critical", LEVEL_CRITICAL },
		{ "crit", LEVEL_CRITICAL },    { "inf", LEVEL_INFO },
		{ "wrn", LEVEL_WARN },         { "dbg", LEVEL_DEBUG },
		{ "trc", LEVEL_TRACE },        { "severe", LEVEL_ERROR },
		{ "fine", LEVEL_DEBUG },       { "finer", LEVEL_TRACE },
		{ "finest", LEVEL_TRACE },     { "config", LEVEL_DEBUG },
		{ "emerg", LEVEL_FATAL },      { "emergency", LEVEL_FATAL },
		{ "alert", LEVEL_CRITICAL },   { "panic", LEVEL_FATAL },
		{ "dpanic", LEVEL_FATAL },     { "verbose", LEVEL_TRACE },
		{ "information", LEVEL_INFO }, { "informational", LEVEL_INFO },
		{ "ftl", LEVEL_FATAL },
	};
	char folded[WORD_MAX + 1];

	if (!fold(word, folded))
		return LEVEL_UNKNOWN;
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (words[i].word[0] == folded[0] && strcmp(words[i].word, folded) == 0)
			return words[i].level;
	return LEVEL_UNKNOWN;
}

static enum level level_of_letter(char c)
{
	switch (c & ~0x20) {
	case 'T':
	case 'V':
		return LEVEL_TRACE;
	case 'D':
		return LEVEL_DEBUG;
	case 'I':
		return LEVEL_INFO;
	case 'W':
		return LEVEL_WARN;
	case 'E':
		return LEVEL_ERROR;
	case 'C':
		return LEVEL_CRITICAL;
	case 'F':
		return LEVEL_FATAL;
	}
	return LEVEL_UNKNOWN;
}

enum level level_of_severity(unsigned severity)
{
	static const enum level levels[] = { LEVEL_FATAL, LEVEL_CRITICAL, LEVEL_CRITICAL,
					     LEVEL_ERROR, LEVEL_WARN,     LEVEL_INFO,
					     LEVEL_INFO,  LEVEL_DEBUG };

	return severity < ARRAY_LEN(levels) ? levels[severity] : LEVEL_UNKNOWN;
}

enum level level_of_value(struct str value)
{
	static const enum level tens[] = { LEVEL_UNKNOWN, LEVEL_TRACE, LEVEL_DEBUG, LEVEL_INFO,
					   LEVEL_WARN,    LEVEL_ERROR, LEVEL_FATAL };
	uint64_t number;

	value = str_trim(value);
	if (value.n == 1 && is_letter(value.p[0]))
		return level_of_letter(value.p[0]);
	if (!str_u64(value, &number))
		return level_of_word(value);
	if (number < 8)
		return level_of_severity((unsigned)number);
	return number < 70 ? tens[number / 10] : LEVEL_UNKNOWN;
}

/* Whether a field of this name has a level: level, LogLevel, log.level, severity_text, @level. */
static bool is_level_field(struct str name)
{
	static const char *const names[] = { "level",    "lvl",          "severity", "loglevel",
					     "priority", "severitytext", "levelname" };
	char folded[WORD_MAX + 1];
	size_t n = 0;

	if (name.n < 3 || name.n > WORD_MAX)
		return false;
	for (size_t i = 0; i < name.n; i++) {
		if (is_letter(name.p[i]))
			folded[n++] = (char)(name.p[i] | 0x20);
		else if (name.p[i] != '.' && name.p[i] != '_' && name.p[i] != '@')
			return false;
	}
	folded[n] = 0;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(names[i], folded) == 0)
			return true;
	return false;
}

/* ---- JSON --------------------------------------------------------------------------------- */

/* The bytes of a string up to its closing quote; *at is moved behind it. */
static struct str json_string_at(struct str s, size_t *at)
{
	size_t from = *at;

	for (size_t i = from; i < s.n; i++) {
		if (s.p[i] == '\\') {
			i++;
		} else if (s.p[i] == '"') {
			*at = i + 1;
			return str_sub(s, from, i);
		}
	}
	*at = s.n;
	return str_sub(s, from, s.n);
}

static size_t skip_blanks(struct str s, size_t at)
{
	while (at < s.n && (s.p[at] == ' ' || s.p[at] == '\t'))
		at++;
	return at;
}

/* The text or number that stands at `at`. */
static enum level json_value_level(struct str s, size_t at)
{
	size_t end;

	at = skip_blanks(s, at);
	if (at < s.n && s.p[at] == '"') {
		at++;
		return level_of_value(json_string_at(s, &at));
	}
	for (end = at; end < s.n && is_digit(s.p[end]);)
		end++;
	return level_of_value(str_sub(s, at, end));
}

/* Not a parser: whoever has a level has it early, and what is broken further on does not matter. */
static enum level level_of_json(struct str s)
{
	enum level deeper = LEVEL_UNKNOWN;
	unsigned depth = 0;
	size_t at = 0;

	while (at < s.n) {
		char c = s.p[at++];
		enum level level;
		struct str name;

		if (c == '{' || c == '[')
			depth++;
		else if (c == '}' || c == ']')
			depth -= depth > 0;
		if (c != '"')
			continue;
		name = json_string_at(s, &at);
		at = skip_blanks(s, at);
		if (depth > JSON_LEVELS_DEPTH || at >= s.n || s.p[at] != ':' ||
		    !is_level_field(name))
			continue;
		level = json_value_level(s, at + 1);
		if (level && depth <= 1)
			return level;
		if (!deeper)
			deeper = level;
	}
	return deeper;
}

/* ---- other forms -------------------------------------------------------------------------- */

/* From each '=' back to where its key begins, so that text around the pairs does not matter. */
static enum level level_of_pair(struct str s)
{
	size_t from = 0, at;

	while ((at = from + str_chr(str_skip(s, from), '=')) < s.n) {
		size_t begin = at, end = at + 1;
		enum level level;

		while (begin > from && (is_letter(s.p[begin - 1]) || s.p[begin - 1] == '_' ||
					s.p[begin - 1] == '.' || s.p[begin - 1] == '@'))
			begin--;
		from = at + 1;
		if (!is_level_field(str_sub(s, begin, at)))
			continue;
		end += end < s.n && s.p[end] == '"';
		for (begin = end; end < s.n && (is_letter(s.p[end]) || is_digit(s.p[end]));)
			end++;
		level = level_of_value(str_sub(s, begin, end));
		if (level)
			return level;
	}
	return LEVEL_UNKNOWN;
}

/* "E0102 15:04:05.123456": letter, month and day, time. */
static enum level level_of_klog(struct str s)
{
	static const char shape[] = "L0000 00:00:00";

	if (s.n < sizeof(shape) - 1 || !memchr("IWEF", s.p[0], 4))
		return LEVEL_UNKNOWN;
	for (size_t i = 1; shape[i]; i++)
		if (shape[i] == '0' ? !is_digit(s.p[i]) : s.p[i] != shape[i])
			return LEVEL_UNKNOWN;
	return level_of_letter(s.p[0]);
}

/* "<11>text" (RFC 3164) and "<3>text" (sd-daemon(3)). */
static enum level level_of_pri(struct str s)
{
	size_t end = str_chr(str_sub(s, 0, 5), '>');
	uint64_t pri;

	if (!s.n || s.p[0] != '<' || end > 4 || !str_u64(str_sub(s, 1, end), &pri) || pri > 191)
		return LEVEL_UNKNOWN;
	return level_of_severity((unsigned)pri & 7);
}

static enum level level_of_bracketed(struct str s)
{
	s = str_sub(s, 0, BRACKETED_MAX);
	for (size_t at = 0; (at += str_chr(str_skip(s, at), '[')) < s.n; at++) {
		struct str inside = str_sub(s, at + 1, at + 2 + WORD_MAX + 2);
		size_t end = str_chr(inside, ']');
		enum level level;

		if (end == inside.n)
			continue;
		inside = str_trim(str_sub(inside, 0, end));
		/* One letter may be anything, a number the pid. */
		level = inside.n == 1 && is_upper(inside.p[0]) ? level_of_letter(inside.p[0])
							       : level_of_word(inside);
		if (level)
			return level;
	}
	return LEVEL_UNKNOWN;
}

static bool is_upper_word(struct str word)
{
	for (size_t i = 0; i < word.n; i++)
		if (!is_upper(word.p[i]))
			return false;
	return true;
}

static bool is_of_word(char c)
{
	return is_letter(c) || is_digit(c) || c == '_' || c == '-' || c == '/' || c == '.';
}

static enum level level_of_plain(struct str s)
{
	bool is_first = true;
	size_t at = 0, end;

	s = str_sub(s, 0, PLAIN_MAX);
	for (; at < s.n; at = end + 1) {
		struct str word;
		bool has_colon;
		enum level level;

		for (end = at; end < s.n && is_of_word(s.p[end]);)
			end++;
		word = str_sub(s, at, end);
		if (!word.n)
			continue;
		has_colon = end < s.n && s.p[end] == ':';
		if (is_first || has_colon || is_upper_word(word)) {
			level = level_of_word(word);
			if (level)
				return level;
		}
		is_first = false;
	}
	return LEVEL_UNKNOWN;
}

enum level level_of_line(struct str line, unsigned severity)
{
	struct str s = str_trim(str_sub(line, 0, LEVEL_HEAD_BYTES));
	enum level level;

	if (s.n && s.p[0] == '{') {
		level = level_of_json(s);
		return level ? level : level_of_severity(severity);
	}
	if ((level = level_of_klog(s)) || (level = level_of_pri(s)) || (level = level_of_pair(s)) ||
	    (level = level_of_bracketed(s)) || (level = level_of_severity(severity)))
		return level;
	return level_of_plain(s);
}
