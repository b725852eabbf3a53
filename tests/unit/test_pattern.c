/* SPDX-License-Identifier: Apache-2.0 */
/* Regular expressions: the same matches as Go, the same refusals, and byte mode against UTF mode. */
#include "tests/unit/test.h"

#include "lib/buf.h"
#include "lib/check.h"
#include "lib/mem.h"
#include "pipeline/pattern.h"

static struct pattern_scratch *scratch;

/* All matches as "start,end group1 ...|next match", "-" for groups without part. */
static struct str find_all(const struct pattern *p, struct str subject, struct buf *out)
{
	size_t ov[PATTERN_OVECTOR_MAX];
	struct pattern_find find = { 0 };
	int rc;

	buf_clear(out);
	while ((rc = pattern_find_next(p, scratch, subject, &find, ov)) == PATTERN_MATCH) {
		if (out->n)
			buf_ch(out, '|');
		for (unsigned g = 0; g <= pattern_groups(p); g++) {
			if (g)
				buf_ch(out, ' ');
			if (ov[2 * g] == PATTERN_UNSET)
				buf_ch(out, '-');
			else
				buf_printf(out, "%zu,%zu", ov[2 * g], ov[2 * g + 1]);
		}
	}
	if (rc < 0)
		buf_c(out, "error");
	return buf_as_str(out);
}

static struct pattern *compile(const char *expr, unsigned flags)
{
	struct err err = ERR_NONE;
	struct pattern *p;

	if (pattern_compile(str_c(expr), flags, &p, &err)) {
		FAIL("does not compile: %s", err.text);
		return NULL;
	}
	return p;
}

/* Expectations made with Go's regexp.FindAllSubmatchIndex. */
static void go_matches(void)
{
	static const struct {
		const char *expr, *subject, *matches;
	} rows[] = {
		{ "a(b)?c", "ac abc", "0,2 -|3,6 4,5" },
		{ "(?P<x>a)|(?P<x>b)", "ab", "0,1 0,1 -|1,2 - 1,2" },
		{ "(?<1st>\\d+)", "a12b3", "1,3 1,3|4,5 4,5" },
		{ "a*", "baac", "0,0|1,3|4,4" },
		{ "", "a\303\251b", "0,0|1,1|3,3|4,4" },
		{ "x*", "a\303\251b", "0,0|1,1|3,3|4,4" },
		{ "\\b", "\303\251 ab", "3,3|5,5" },
		{ "\\B", "\303\251a b", "0,0" },
		{ "(a|)b?", "aab", "0,1 0,1|1,3 1,2" },
		{ "$", "a\012", "2,2" },
		{ "^", "a\012b\012", "0,0" },
		{ "(?m)^", "a\012b\012", "0,0|2,2|4,4" },
		{ "(?m)$", "a\012b\012", "1,1|3,3|4,4" },
		{ "(?m:^b$)", "a\012b\012", "2,3" },
		{ "a\\z", "a\012", "" },
		{ "\\Aa", "aa", "0,1" },
		{ ".", "\303\251\012\346\227\245x", "0,2|3,6|6,7" },
		{ "^.{3}$", "\303\251\346\227\245x", "0,6" },
		{ "(.)(.)", "\303\251\346\227\245", "0,5 0,2 2,5" },
		{ ".+?", "\303\251\346\227\245", "0,2|2,5" },
		{ "(.*)(.+)", "\303\251\346\227\245", "0,5 0,2 2,5" },
		{ "(.*?)(.+?)x", "\303\251\346\227\245x", "0,6 0,0 0,5" },
		{ "(?s).", "\012\303\251", "0,1|1,3" },
		{ "[^a]", "\303\251a\346\227\245", "0,2|3,6" },
		{ "[^\"]+\"", "\303\251\346\227\245\"x\"", "0,6|6,8" },
		{ "(.*)[^\"]+\"", "\303\251\346\227\245\"", "0,6 0,2" },
		{ ".?x", "\303\251x", "0,3" },
		{ ".{2,3}", "a\303\251\346\227\245b", "0,6" },
		{ "(?:.+|x)+", "\303\251\346\227\245", "0,5" },
		{ "\\D{2}", "\303\2511\346\227\245\303\251", "3,8" },
		{ "[\303\240-\303\274]+", "\303\200\303\211\303\251\303\250a", "4,8" },
		{ "(?i)[\303\240-\303\274]+", "\303\200\303\211\303\251\303\250a", "0,8" },
		{ "[^\303\251]", "\303\251a", "2,3" },
		{ "\303\251+", "a\303\251\303\251", "1,5" },
		{ "\346\227\245?x", "\346\227\245x", "0,4" },
		{ "(?i)\303\251", "\303\211", "0,2" },
		{ "(?i)k", "\342\204\252kK", "0,3|3,4|4,5" },
		{ "(?i)pass", "PA\305\277S paSS", "0,5|6,10" },
		{ "(?i)[a-z]+", "ab\342\204\252\305\277cD", "0,9" },
		{ "(?i)[^k]", "kK\342\204\252!", "5,6" },
		{ "(?i)\\w+", "a\305\277-", "0,3" },
		{ "(?i)\\W", "\305\277-", "2,3" },
		{ "(?i)token=(\\w+)", "x Token=ab1 TOKEN=c", "2,11 8,11|12,19 18,19" },
		{ "\\s", "\013\011 \015\012\014", "1,2|2,3|3,4|4,5|5,6" },
		{ "[[:space:]]", "\013", "0,1" },
		{ "\\w+", "\303\251_a1", "2,5" },
		{ "[[:word:]]+", "\303\251_a1", "2,5" },
		{ "[[:^alpha:]]+", "ab1\303\251", "2,5" },
		{ "[\\d-x]+", "1-x2", "0,4" },
		{ "[]a]+", "]a]b", "0,3" },
		{ "[^]a]+", "]b", "1,2" },
		{ "[\\s\\S]+", "\303\251\012", "0,3" },
		{ "[\\D]", "1\303\251", "1,3" },
		{ "\\pL+", "\303\251a1", "0,3" },
		{ "\\p{Greek}", "a\316\273", "1,3" },
		{ "\\P{Greek}", "\316\273a", "2,3" },
		{ "[^\\pL]", "\303\2511", "2,3" },
		{ "(?i)\\p{Lu}", "aA1", "0,1|1,2" },
		{ "[\\pN_]+", "1_\331\243", "0,4" },
		{ "a{,3}", "aa{,3}", "1,6" },
		{ "a{2}", "aaaaa", "0,2|2,4" },
		{ "a{2,}", "aaaa", "0,4" },
		{ "a{2,3}?", "aaaaa", "0,2|2,4" },
		{ "{", "{", "0,1" },
		{ "a{1,2", "a{1,2", "0,5" },
		{ "x{0}y", "xy", "1,2" },
		{ "(?U)a+", "aa", "0,1|1,2" },
		{ "(?U)a+?", "aa", "0,2" },
		{ "\\Qa.b\\E+", "a.bbb", "0,5" },
		{ "\\Qa", "a", "0,1" },
		{ "\\x41\\x{e9}\\101\\07\\a\\f\\t\\v\\r\\n",
		  "A\303\251A\007\007\014\011\013\015\012", "0,11" },
		{ "\\-\\_\\/\\@\\ ", "-_/@ ", "0,5" },
		{ "\\.", "a.", "1,2" },
		{ "(?i:a)b", "Ab AB", "0,2" },
		{ "(?-i:a)(?i)b", "aB", "0,2" },
		{ "a(?i)b|c", "AB aB C", "3,5|6,7" },
		{ "(?:a(?i)b)c", "aBc aBC", "0,3" },
		{ "(?is-m:a.)", "A\012", "0,2" },
		{ "^*a", "aa", "0,1|1,2" },
		{ "(a)(b)?(c)?", "ac", "0,2 0,1 - 1,2" },
		{ "(?:(a)|b)*", "ab", "0,2 0,1" },
		{ "a|ab", "ab", "0,1" },
		{ "(?:ab|a)(?:c|bcd)", "abcd", "0,3" },
		{ "[^\\x00-\\x{10ffff}]|a", "ba", "1,2" },
		{ "^(?P<ip>\\S+) - (?P<user>\\S+) \\[(?P<time>[^\\]]+)\\] \"(?P<method>\\S+) "
		  "(?P<path>\\S+)",
		  "10.0.0.1 - bob [x y] \"GET /a?b HTTP/1.1\"",
		  "0,30 0,8 11,14 16,19 22,25 26,30" },
		{ "level=(?P<level>\\w+)", "ts=1 level=info msg=level=warn",
		  "5,15 11,15|20,30 26,30" },
		{ "(?:password|passwd|secret)=(\\S+)", "a passwd=x secret=y",
		  "2,10 9,10|11,19 18,19" },
		{ "(?i)(?:password|api[_-]?key)\\s*[=:]\\s*(\\S+)", "API-KEY : x PassWord=y",
		  "0,11 10,11|12,22 21,22" },
		{ "\\d{4}-(\\d\\d)", "2026-11 1-2 x2027-12", "0,7 5,7|13,20 18,20" },
		{ "[Kk]ey=\\w", "Key=a key=b", "0,5|6,11" },
		{ "\\dkey=", "x key= 5key= 67key=", "7,12|14,19" },
		{ "[ab]{2}quux", "quux cbaquux", "6,12" },
		{ "(?:foo|ba[rz])qux", "foo barqux bazqux", "4,10|11,17" },
	};
	struct buf got = BUF_INIT;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (unsigned flags = 0; flags <= PATTERN_FORCE_UTF; flags += PATTERN_FORCE_UTF) {
			struct pattern *p = compile(rows[i].expr, flags);

			ROW(rows[i].expr);
			if (!p)
				continue;
			EQ_STR(find_all(p, str_c(rows[i].subject), &got), rows[i].matches);
			pattern_free(p);
		}
	}
	buf_fini(&got);
}

static void refusals(void)
{
	static const struct {
		const char *expr, *error;
	} rows[] = {
		{ "a**", "two repetition operators in a row (at column 3)" },
		{ "a++", "possessive quantifiers are not supported (at column 3)" },
		{ "a{2}{3}", "two repetition operators in a row (at column 5)" },
		{ "(?=a)", "look-ahead is not supported (at column 1)" },
		{ "x(?!b)", "look-ahead is not supported (at column 2)" },
		{ "(?<=a)b", "look-behind is not supported (at column 1)" },
		{ "(?<!a)b", "look-behind is not supported (at column 1)" },
		{ "(a)\\1", "back-references are not supported (at column 4)" },
		{ "\\8", "back-references are not supported (at column 1)" },
		{ "(?P=a)", "back-references are not supported (at column 1)" },
		{ "(?>a)", "atomic groups are not supported (at column 1)" },
		{ "(?#x)", "comments are not supported (at column 1)" },
		{ "(?R)", "recursion is not supported (at column 1)" },
		{ "a\\Z", "invalid escape sequence \\Z (at column 2)" },
		{ "\\h", "invalid escape sequence \\h (at column 1)" },
		{ "\\G", "invalid escape sequence \\G (at column 1)" },
		{ "\\K", "invalid escape sequence \\K (at column 1)" },
		{ "\\\303\251", "invalid escape sequence \\\303\251 (at column 1)" },
		{ "[\\b]", "invalid escape sequence \\b (at column 2)" },
		{ "[a-\\d]", "invalid escape sequence \\d (at column 4)" },
		{ "[z-a]", "invalid character class range z-a (at column 2)" },
		{ "[[:foo:]]", "unknown character class [:foo:] (at column 2)" },
		{ "a\\p{Foo}", "unknown Unicode property Foo (at column 2)" },
		{ "\\p{L", "missing closing } (at column 1)" },
		{ "(", "missing closing ) (at column 1)" },
		{ "a)", "unexpected ) (at column 2)" },
		{ "[a", "missing closing ] (at column 1)" },
		{ "*a", "nothing to repeat before * (at column 1)" },
		{ "a|*", "nothing to repeat before * (at column 3)" },
		{ "(?i)*", "nothing to repeat before * (at column 5)" },
		{ "a\\", "trailing backslash (at column 2)" },
		{ "x{1001}", "invalid repeat count {1001} (at column 2)" },
		{ "a{3,2}", "invalid repeat count {3,2} (at column 2)" },
		{ "(x{100}){11}", "nested repeat counts multiply to more than 1000 (at column 9)" },
		{ "(?P<a-b>x)",
		  "invalid group name: letters, digits and _ between < and > (at column 1)" },
		{ "\\x{110000}",
		  "\\x needs two hexadecimal digits or {a code point} (at column 1)" },
		{ "(?z)", "unknown group syntax after (? (at column 1)" },
		{ "a\377", "invalid UTF-8 (at column 2)" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = ERR_NONE;
		struct pattern *p = NULL;

		ROW(rows[i].expr);
		OK(pattern_compile(str_c(rows[i].expr), 0, &p, &err) < 0);
		OK(p == NULL);
		EQ_STR(str_c(err.text), rows[i].error);
	}
}

static void limits_of_size(void)
{
	struct buf b = BUF_INIT;
	struct err err = ERR_NONE;
	struct pattern *p;

	ROW("nesting");
	for (int i = 0; i < 100000; i++)
		buf_ch(&b, '(');
	OK(pattern_compile(buf_as_str(&b), 0, &p, &err) < 0);
	b.n = 251;
	OK(pattern_compile(buf_as_str(&b), 0, &p, &err) < 0);
	buf_clear(&b);
	for (int i = 0; i < 250; i++)
		buf_c(&b, "(?:");
	for (int i = 0; i < 250; i++)
		buf_ch(&b, ')');
	OK(pattern_compile(buf_as_str(&b), 0, &p, &err) == 0);
	pattern_free(p);
	ROW("groups");
	buf_clear(&b);
	for (int i = 0; i < 255; i++)
		buf_c(&b, "(a)");
	OK(pattern_compile(buf_as_str(&b), 0, &p, &err) == 0);
	EQ_INT(pattern_groups(p), 255);
	pattern_free(p);
	buf_c(&b, "(a)");
	OK(pattern_compile(buf_as_str(&b), 0, &p, &err) < 0);
	ROW("repetitions without parentheses");
	buf_clear(&b);
	buf_ch(&b, 'a');
	for (int i = 0; i < 300; i++)
		buf_c(&b, "*(?i)");
	OK(pattern_compile(buf_as_str(&b), 0, &p, &err) < 0);
	buf_fini(&b);
}

static void names(void)
{
	struct pattern *p = compile("(?P<a>.)(.)(?<1b>.)(?P<a>.)", 0);

	if (!p)
		return;
	EQ_INT(pattern_groups(p), 4);
	EQ_STR(pattern_group_name(p, 1), "a");
	EQ_INT(pattern_group_name(p, 2).n, 0);
	EQ_STR(pattern_group_name(p, 3), "1b");
	EQ_STR(pattern_group_name(p, 4), "a");
	EQ_INT(pattern_group_name(p, 5).n, 0);
	EQ_STR(pattern_expr(p), "(?P<a>.)(.)(?<1b>.)(?P<a>.)");
	pattern_free(p);
}

static void flags(void)
{
	static const struct {
		const char *expr;
		unsigned flags;
		const char *subject, *matches;
	} rows[] = {
		{ "a|b", PATTERN_ANCHORED, "ab", "" },
		{ "a|b", PATTERN_ANCHORED, "b", "0,1" },
		{ "a.*", PATTERN_ANCHORED, "a\nb", "" },
		{ "a.*", PATTERN_ANCHORED | PATTERN_DOT_ALL, "a\nb", "0,3" },
		{ "a.*", PATTERN_DOT_ALL, "xa\nb", "1,4" },
		{ "a$", PATTERN_ANCHORED, "a\n", "" },
		{ "a.b(", PATTERN_LITERAL, "xa.b(y", "1,5" },
		{ "a.b(", PATTERN_LITERAL, "xaxb(y", "" },
	};
	struct buf got = BUF_INIT;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct pattern *p = compile(rows[i].expr, rows[i].flags);

		ROW(rows[i].expr);
		if (!p)
			continue;
		EQ_STR(find_all(p, str_c(rows[i].subject), &got), rows[i].matches);
		pattern_free(p);
	}
	buf_fini(&got);
}

/* Catastrophic patterns end with an error, in a time that does not grow with the subject. */
static void match_limit(void)
{
	static const char *const exprs[] = { "(a+)+$", "(a|aa)+$", "(?:a*)*b", "(?:.*a){20}[bc]" };
	char text[4000];

	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '!';
	for (size_t i = 0; i < ARRAY_LEN(exprs); i++) {
		struct pattern *p = compile(exprs[i], 0);
		size_t ov[PATTERN_OVECTOR_MAX];

		ROW(exprs[i]);
		if (!p)
			continue;
		EQ_INT(pattern_match(p, scratch, str_make(text + sizeof(text) - 41, 41), 0, ov),
		       i == 2 ? PATTERN_NO_MATCH : PATTERN_ERROR);
		EQ_INT(pattern_match(p, scratch, str_make(text, sizeof(text)), 0, ov),
		       i == 2 ? PATTERN_NO_MATCH : PATTERN_ERROR);
		pattern_free(p);
	}
}

/* A long line is searched to its end: the limit grows with the subject. */
static void long_subject(void)
{
	size_t n = 4 << 20, ov[PATTERN_OVECTOR_MAX];
	struct pattern *p = compile("[a-z]\\d", 0);
	char *text = mem_alloc(n);

	memset(text, 'x', n);
	text[n - 1] = '7';
	if (p) {
		EQ_INT(pattern_match(p, scratch, str_make(text, n), 0, ov), PATTERN_MATCH);
		EQ_INT(ov[0], n - 2);
		EQ_INT(pattern_match(p, scratch, str_make(text, n - 1), 0, ov), PATTERN_NO_MATCH);
	}
	pattern_free(p);
	mem_free(text);
}

static void prefilters(void)
{
	static const struct {
		const char *expr;
		bool has;
	} rows[] = {
		{ "level=(\\w+)", true },
		{ "\\w+@\\w+", true },
		{ "(?i)password\\s*=", true },
		{ "(?:foo|bar)baz", true },
		{ "foo|bar|quux", true },
		{ "(?:ab)+x", true },
		{ "AKIA[0-9A-Z]{16}", true },
		{ "eyJ[\\w-]+\\.[\\w-]+", true },
		{ ".*ERROR.*timeout", true },
		{ "[Ee]rror", true },
		{ "\\d+", false },
		{ "foo|\\d", false },
		{ "(?:abc)?", false },
		{ "(?:\\d{1,3}\\.){3}\\d{1,3}", false },
		{ "x*", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct pattern *p = compile(rows[i].expr, 0);

		ROW(rows[i].expr);
		if (p)
			EQ_INT(pattern_has_prefilter(p), rows[i].has);
		pattern_free(p);
	}
}

static void cut_subjects(void)
{
	static const struct {
		const char *expr, *subject;
		int rc;
		size_t start;
	} rows[] = {
		{ "AKIA[0-9A-Z]{16}", "x AKI", 1, 2 },
		{ "AKIA[0-9A-Z]{16}", "x AKIA0123456789", 1, 2 },
		{ "AKIA[0-9A-Z]{16}", "x AKIB", 0, 0 },
		{ "AKIA[0-9A-Z]{4}", "AKIA0000 AKIA0000 A", 1, 18 },
		{ "\\d+", "a 12", 1, 2 },
		{ "\\d+", "12 a", 0, 0 },
		{ "key=\\S+", "key=ab", 1, 0 },
		{ "(?i)k\\d", "\303\251 \342\204\252", 1, 3 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct pattern *p = compile(rows[i].expr, 0);
		size_t start = 0;

		ROW(rows[i].subject);
		if (!p)
			continue;
		EQ_INT(pattern_match_cut(p, scratch, str_c(rows[i].subject), 0, &start),
		       rows[i].rc);
		if (rows[i].rc == 1)
			EQ_INT(start, rows[i].start);
		pattern_free(p);
	}
}

/* Only the patterns that need UTF mode look at the validity of the subject, and refuse. */
static void invalid_subjects(void)
{
	struct pattern *utf = compile("\\pL+", 0), *bytes = compile("[^a]x", 0);
	size_t ov[PATTERN_OVECTOR_MAX];

	if (utf && bytes) {
		EQ_INT(pattern_match(utf, scratch, STR("a\377"), 0, ov), PATTERN_ERROR);
		EQ_INT(pattern_match(utf, scratch, STR("a\303\251"), 0, ov), PATTERN_MATCH);
		EQ_INT(ov[1], 3);
		OK(pattern_match(bytes, scratch, STR("\303x\377x"), 0, ov) >= 0);
		EQ_INT(pattern_match(bytes, scratch, STR("ab"), 3, ov), PATTERN_NO_MATCH);
		EQ_INT(pattern_match(bytes, scratch, STR_NONE, 0, ov), PATTERN_NO_MATCH);
	}
	pattern_free(utf);
	pattern_free(bytes);
}

int main(void)
{
	scratch = pattern_scratch_new();
	RUN(go_matches);
	RUN(refusals);
	RUN(limits_of_size);
	RUN(names);
	RUN(flags);
	RUN(match_limit);
	RUN(long_subject);
	RUN(prefilters);
	RUN(cut_subjects);
	RUN(invalid_subjects);
	pattern_scratch_free(scratch);
	return test_end();
}
