/* SPDX-License-Identifier: Apache-2.0 */
/* What a host, a tag and a level look like in messages without a grammar. */
#include "inputs/syslog/header.h"
#include "inputs/syslog/span.h"
#include "lib/check.h"

#define HOST WORD_HOST
#define TAG WORD_TAG
#define ADDRESS WORD_ADDRESS

#define DIGITS_MAX 10 /* as many digits and a colon are a counter, not a tag */

static const uint8_t classes[256] = {
	['a' ... 'f'] = HOST | TAG | ADDRESS,
	['A' ... 'F'] = HOST | TAG | ADDRESS,
	['g' ... 'z'] = HOST | TAG,
	['G' ... 'Z'] = HOST | TAG,
	['0' ... '9'] = HOST | TAG | ADDRESS,
	['.'] = HOST | TAG | ADDRESS,
	['-'] = HOST | TAG,
	['_'] = HOST | TAG,
	['@'] = HOST | TAG,
	['/'] = HOST | TAG,
	[':'] = ADDRESS,
	['%'] = TAG | ADDRESS,
	['#'] = TAG,
	['('] = TAG,
	[')'] = TAG,
	['+'] = TAG,
	['*'] = TAG,
	['~'] = TAG,
	['!'] = TAG,
	['$'] = TAG,
	['&'] = TAG,
	['|'] = TAG,
	[','] = TAG,
	['\\'] = TAG,
	[0x80 ... 0xff] = TAG,
};

size_t word_span(struct str s, unsigned class)
{
	size_t n = 0;

	while (n < s.n && (classes[(unsigned char)s.p[n]] & class))
		n++;
	return n;
}

/* Address with at least two colons, optionally with a zone: "fe80::1%eth0". */
static bool is_ipv6(struct str word)
{
	size_t n = word_span(word, ADDRESS), colons = 0;

	for (size_t i = 0; i < n; i++) {
		if (word.p[i] == '%')
			return i > 2 && colons >= 2;
		colons += word.p[i] == ':';
	}
	return n && n == word.n && colons >= 2 && word.p[n - 1] != '.' &&
	       (word.p[n - 1] != ':' || word.p[n - 2] == ':');
}

static bool is_ipv4(struct str word)
{
	size_t dots = 0;

	for (size_t i = 0; i < word.n; i++) {
		if (word.p[i] == '.')
			dots++;
		else if (!word_is_digit(word.p[i]))
			return false;
	}
	return dots == 3 && word.n >= 7 && word.n <= 15;
}

bool word_is_address(struct str word)
{
	return is_ipv4(word) || is_ipv6(word);
}

/* "10.1.2.3:514" */
static bool is_with_port(struct str word)
{
	size_t colon = str_chr(word, ':');
	struct str port = str_skip(word, colon + 1);

	return colon < word.n && port.n && word_digits(port) == port.n &&
	       is_ipv4(str_sub(word, 0, colon));
}

static size_t address_word(struct str s, struct str *ret)
{
	size_t n = str_chr(str_sub(s, 0, HOST_MAX + 1), ' ');
	struct str word;

	if (n > HOST_MAX || n == s.n)
		return 0;
	word = str_sub(s, 0, n);
	if (n > 2 && word.p[0] == '[' && word.p[n - 1] == ']')
		word = str_sub(word, 1, n - 1);
	if (!is_ipv6(word) && !is_with_port(word) &&
	    (word.n == n || word_span(word, HOST) != word.n))
		return 0;
	*ret = word;
	return n;
}

/* A word that is nothing else, before a tag that cannot be anything else: "höst app[1]: ",
 * "U7LR,0418d6,v3.9 hostapd: ". */
static size_t strange_host(struct str s, struct str *ret)
{
	size_t n = 0;
	struct tag tag;

	while (n < s.n && n <= HOST_MAX && (unsigned char)s.p[n] > ' ' && s.p[n] != '=' &&
	       s.p[n] != '{' && s.p[n] != '<')
		n++;
	if (!n || n > HOST_MAX || word_at(s, n) != ' ' || s.p[0] == '"' || s.p[0] == '%' ||
	    s.p[0] == '[' || s.p[n - 1] == ':' || s.p[n - 1] == ']' || s.p[n - 1] == ',')
		return 0;
	if (!word_tag(str_skip(s, n + 1), &tag) || !tag.used)
		return 0;
	*ret = str_sub(s, 0, n);
	return n;
}

size_t word_host(struct str s, struct str *ret)
{
	size_t n = word_span(s, HOST);
	struct tag tag;

	if (n && (n == s.n || s.p[n] == ' ')) {
		if (n > HOST_MAX || s.p[0] == '@' || s.p[0] == '/' ||
		    (classes[(unsigned char)s.p[n - 1]] != (HOST | TAG | ADDRESS) &&
		     !word_is_alpha(s.p[n - 1]) && s.p[n - 1] != '_'))
			return 0;
		*ret = str_sub(s, 0, n);
		return n;
	}
	if (word_at(s, 0) == '[' || word_at(s, n) == ':' || word_at(s, n) == '%') {
		size_t used = address_word(s, ret);

		if (used)
			return used;
	}
	if (n == s.n || s.p[n] == '[' || (s.p[n] == ':' && word_at(s, n + 1) == ' ') ||
	    (word_tag(s, &tag) && tag.used))
		return 0;
	return strange_host(s, ret);
}

/* "[pid]" at n, of a tag or behind one: its length, 0 when there is none. */
static size_t brackets(struct str s, size_t n, struct str *ret)
{
	size_t close = n + 1;

	if (word_at(s, n) != '[')
		return 0;
	while (close < s.n && (unsigned char)s.p[close] > ' ' && s.p[close] != ']' &&
	       s.p[close] != '[')
		close++;
	if (word_at(s, close) != ']' || close - n > PID_MAX)
		return 0;
	*ret = str_sub(s, n + 1, close);
	return close + 1 - n;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* name.n bytes and a pid: where the tag ends. "[1]:", "[1] ", "[1]:text", "[a][1]: ". */
static bool with_pid(struct str s, size_t n, struct tag *t)
{
	struct str more;
	size_t used = brackets(s, n, &t->pid), next;

	if (!used)
		return false;
	t->name = str_sub(s, 0, n);
	n += used;
	next = brackets(s, n, &more);
	if (next && word_at(s, n + next) == ':') { /* postfix[smtpd][123]: */
		t->name = str_sub(s, 0, n);
		t->pid = more;
		n += next;
	}
	if (word_at(s, n) == ':')
		n++;
	else if (n < s.n && s.p[n] != ' ')
		return false;
	t->used = word_at(s, n) == ' ' ? n + 1 : n;
	return true;
}

/* A name with colons in it before a number in brackets, as Docker makes of an image's name:
 * "nginx:1.25/web/0f3c[12]: ". */
static bool name_with_colons(struct str s, struct tag *t)
{
	size_t n = word_span(s, TAG | ADDRESS);
	struct str pid = STR_NONE;

	if (!n || n > TAG_MAX || !brackets(s, n, &pid) || word_digits(pid) != pid.n)
		return false;
	return with_pid(s, n, t);
}

/* "Google Chrome Helper[12]: ", "CRON [12]: ": several words with capital letters, or one and a space,
 * need a number in brackets and a colon. */
static bool name_with_spaces(struct str s, struct tag *t)
{
	size_t n = word_span(s, TAG), next = n;
	struct str pid = STR_NONE;

	if (!word_is_alpha(s.p[0]) && s.p[0] != '/' && s.p[0] != '(')
		return false;
	for (size_t words = 1; words < 5 && word_at(s, next) == ' '; words++) {
		char c = word_at(s, ++next);

		if (c == '[') { /* the space is no part of the name */
			if (!brackets(s, next, &pid) || word_digits(pid) != pid.n ||
			    (words > 1 && (s.p[0] < 'A' || s.p[0] > 'Z')))
				return false;
			n = next + pid.n + 2;
			if (word_at(s, n) != ':')
				return false;
			t->name = str_sub(s, 0, next - 1);
			t->pid = pid;
			t->used = n + (word_at(s, n + 1) == ' ' ? 2 : 1);
			t->is_odd = true;
			return true;
		}
		if (c != '(' && !word_is_digit(c) && (c < 'A' || c > 'Z'))
			return false;
		next += word_span(str_skip(s, next), TAG);
	}
	if (s.p[0] < 'A' || s.p[0] > 'Z' || word_at(s, next) != '[' || next > TAG_MAX ||
	    !brackets(s, next, &pid) || word_digits(pid) != pid.n ||
	    word_at(s, next + pid.n + 2) != ':')
		return false;
	return with_pid(s, next, t);
}

bool word_is_mnemonic(struct str s)
{
	size_t n = 1, dashes = 0;

	if (word_at(s, 0) != '%' && word_at(s, 0) != '#')
		return false;
	for (; n < s.n && n < TAG_MAX && word_span(str_sub(s, n, n + 1), TAG); n++)
		dashes += s.p[n] == '-';
	return dashes >= 2 && (word_at(s, n) == ':' || word_at(s, n) == ' ');
}

bool word_is_event_format(struct str s, size_t n)
{
	size_t version = word_at(s, n + 1) == ' ' ? n + 2 : n + 1;

	return (str_is(str_sub(s, 0, n), "CEF") || str_is(str_sub(s, 0, n), "LEEF")) &&
	       word_is_digit(word_at(s, version));
}

/* "WAN Connection: ", "Service Control Manager: ": two or three words and no number, which a tag may be and
 * ordinary text as well. Such a name is told, and left in the text. */
static bool several_words(struct str s, struct tag *t)
{
	size_t n = 0, words = 0;
	unsigned severity;

	if (word_level(s, &severity))
		return false;
	do {
		size_t from = words ? n + 1 : 0;

		n = from + word_span(str_skip(s, from), HOST);
		if (n == from || !word_is_alpha(s.p[from]))
			return false;
		words++;
	} while (words < 3 && word_at(s, n) == ' ');
	if (words < 2 || n > 32 || word_at(s, n) != ':' || word_at(s, n + 1) != ' ')
		return false;
	t->name = str_sub(s, 0, n);
	return true;
}

/* A colon without a space: RFC 3164 ends the tag there, but so looks "key:value", a URL and
 * "CEF:0|". Such a name is told, and left in the text. */
static bool doubtful(struct str s, size_t n, struct tag *t)
{
	char next = word_at(s, n + 1);

	if (n > 48 || !word_is_alpha(s.p[0]) || word_is_digit(next) || next == '/' ||
	    next == '\\' || next == ':' || next == '"' || next == '\0')
		return false;
	t->name = str_sub(s, 0, n);
	return true;
}

static bool begins_json(struct str s)
{
	return word_at(s, 0) == '{' || str_starts(s, STR("@cee:"));
}

bool word_tag(struct str s, struct tag *t)
{
	size_t n = word_span(s, TAG);

	*t = (struct tag){ .used = 0 };
	if (!n || n > TAG_MAX || s.p[0] == '@' || s.p[0] == '\xEF') /* "@cee:", a BOM */
		return false;
	if (word_at(s, n) == '[')
		return s.p[n - 1] != ',' && with_pid(s, n, t);
	if (word_at(s, n) == ':') {
		if (word_is_event_format(s, n) || s.p[n - 1] == ',')
			return false;
		if (n <= DIGITS_MAX && word_digits(s) == n)
			return false;
		if (n + 1 == s.n || is_blank(s.p[n + 1]) || word_is_mnemonic(s) ||
		    begins_json(str_skip(s, n + 1))) {
			t->name = n == 1 && s.p[0] == '-' ? STR_NONE : str_sub(s, 0, n);
			t->is_odd = !t->name.n; /* ESXi: "-: " */
			t->used = n + (word_at(s, n + 1) == ' ' ? 2 : 1);
			return true;
		}
		return name_with_colons(s, t) || doubtful(s, n, t);
	}
	if (word_at(s, n) != ' ')
		return false;
	if (word_is_mnemonic(s)) { /* "%FAC-SEV-MNEMONIC : text" (IOS-XR), and without a colon */
		t->name = str_sub(s, 0, n);
		if (str_starts(str_skip(s, n), STR(" : ")))
			t->used = n + 3;
		t->is_odd = true;
		return true;
	}
	if (name_with_spaces(s, t) || several_words(s, t))
		return true;
	/* "0-PPE-0 : text" (Citrix), "/usr/sbin/cron text": told, and left in the text. */
	*t = (struct tag){ .name = str_sub(s, 0, n) };
	return s.p[0] == '/' || str_starts(str_skip(s, n), STR(" : "));
}

static bool is_plain(char c)
{
	return word_is_alpha(c) || word_is_digit(c);
}

bool word_host_and_tag(struct str s, struct str *ret_host, struct tag *t)
{
	size_t n = word_span(s, HOST), from = n + 1;
	unsigned severity;

	if (SYSLOG_PLAIN || !n || n > HOST_MAX || n + 4 > s.n || s.p[n] != ' ' ||
	    !is_plain(s.p[0]) || !is_plain(s.p[n - 1]) || !word_is_alpha(s.p[from]))
		return false;
	if (n == 4 && s.p[0] == 'F') /* AIX: "From host: " */
		return false;
	if (s.p[0] <= 'Z' && word_is_alpha(s.p[0]) && word_level(s, &severity) == n)
		return false;
	*ret_host = str_sub(s, 0, n);
	n = from + word_span(str_skip(s, from), HOST);
	if (n - from > TAG_MAX)
		return false;
	*t = (struct tag){ .name = str_sub(s, from, n) };
	if (word_at(s, n) == '[') {
		size_t digits = word_digits(str_sub(s, n + 1, n + 1 + DIGITS_MAX));

		t->pid = str_sub(s, n + 1, n + 1 + digits);
		n += 1 + digits;
		if (!digits || word_at(s, n++) != ']')
			return false;
	} else if (t->name.n <= 4 && t->name.p[0] < 'a') { /* CEF, LEEF */
		return false;
	}
	t->used = n + 2;
	return word_at(s, n) == ':' && word_at(s, n + 1) == ' ';
}

size_t word_level(struct str s, unsigned *ret_severity)
{
	static const struct {
		char name[14];
		uint8_t severity;
	} levels[] = {
		{ "emerg", 0 },       { "emergency", 0 },     { "panic", 0 },   { "alert", 1 },
		{ "crit", 2 },        { "critical", 2 },      { "fatal", 2 },   { "err", 3 },
		{ "error", 3 },       { "severe", 3 },        { "failure", 3 }, { "exception", 3 },
		{ "warn", 4 },        { "warning", 4 },       { "notice", 5 },  { "info", 6 },
		{ "information", 6 }, { "informational", 6 }, { "debug", 7 },   { "trace", 7 },
		{ "verbose", 7 },
	};
	size_t n = 0;

	while (n < s.n && n < 14 && word_is_alpha(s.p[n]))
		n++;
	for (size_t i = 0; n >= 3 && i < ARRAY_LEN(levels); i++)
		if (str_ieq(str_sub(s, 0, n), str_c(levels[i].name))) {
			*ret_severity = levels[i].severity;
			return n;
		}
	return 0;
}
