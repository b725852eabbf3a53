/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Floor of "file, eight redactions, one label from the line, to Loki". One pass of vector compares
 * over each 256 KiB block gives the newlines and the few places where one of the patterns could
 * match; only there a hand-written matcher looks. Matches are spliced while the line is copied into
 * the push buffer. The patterns, as the regular expressions they stand for:
 *
 *   card       (?<!\d)\d(?:[ -]?\d){12,18}(?!\d) and Luhn
 *   email      [A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}
 *   ipv4       \b\d{1,3}(?:\.\d{1,3}){3}\b
 *   bearer     (?i)bearer +([A-Za-z0-9._~+/=-]+)
 *   basic      (?i)basic +([A-Za-z0-9._~+/=-]+)
 *   key=value  (?i)(?:password|passwd|secret|token|api_key|apikey)=([^\s&"',;]+)
 *   jwt        eyJ[\w-]+\.[\w-]+\.[\w-]+
 *   cloud key  AKIA[0-9A-Z]{16}
 *   label      level=(\w+)
 *
 * bearer, basic and key=value lose their value only. `floor-redact --count FILE` prints the number
 * of redactions without sending, to compare with any other implementation.
 */
#include "bench/push.h"
#include "bench/redact_scan.h"

#include <fcntl.h>
#include <strings.h>
#include <unistd.h>

#define BLOCK_BYTES (256u << 10)
#define MATCHES_MAX 64
#define REPLACEMENT "<redacted>"
#define REPLACEMENT_LEN (sizeof(REPLACEMENT) - 1)

enum {
	C_WORD = 1,
	C_DIGIT = 2,
	C_ALPHA = 4,
	C_MAIL = 8,
	C_HOST = 16,
	C_BEARER = 32,
	C_VALUE = 64,
	C_UPPER_DIGIT = 128
};

static uint8_t class_of[256];
static bool count_only;

struct match {
	const uint8_t *start, *end;
};

struct line {
	const uint8_t *start;
	struct match matches[MATCHES_MAX];
	unsigned n_matches;
	const uint8_t *level;
	size_t level_len;
};

/* What earlier groups still say about the bytes just before this one. */
struct carry {
	uint64_t digit, dot, hop1, hop2, run1, run2, run4, run8, run13;
};

static void init_classes(void)
{
	for (unsigned c = 0; c < 256; c++) {
		bool digit = c >= '0' && c <= '9', upper = c >= 'A' && c <= 'Z';
		bool alpha = upper || (c >= 'a' && c <= 'z'), alnum = alpha || digit;
		unsigned m = 0;
		m |= alnum || c == '_' ? C_WORD : 0u;
		m |= digit ? C_DIGIT : 0u;
		m |= alpha ? C_ALPHA : 0u;
		m |= alnum || (c && strchr("._%+-", (int)c)) ? C_MAIL : 0u;
		m |= alnum || c == '.' || c == '-' ? C_HOST : 0u;
		m |= alnum || (c && strchr("._~+/=-", (int)c)) ? C_BEARER : 0u;
		m |= c > ' ' && !strchr("&\"',;", (int)c) ? C_VALUE : 0u;
		m |= digit || upper ? C_UPPER_DIGIT : 0u;
		class_of[c] = (uint8_t)m;
	}
}

/* Every class lacks the newline, so a run always ends inside the block, which ends with one. */
static const uint8_t *skip(const uint8_t *p, unsigned class)
{
	while (class_of[*p] & class)
		p++;
	return p;
}

static const uint8_t *skip_back(const uint8_t *p, const uint8_t *floor, unsigned class)
{
	while (p > floor && class_of[p[-1]] & class)
		p--;
	return p;
}

static void add(struct line *l, const uint8_t *start, const uint8_t *end)
{
	if (start == end)
		return;
	struct match *last = l->n_matches ? &l->matches[l->n_matches - 1] : NULL;
	if (last && start < last->end) {
		if (end > last->end)
			last->end = end;
	} else if (l->n_matches < MATCHES_MAX) {
		l->matches[l->n_matches++] = (struct match){ start, end };
	} else {
		last->end = end; /* no room: rather hide what lies between than let it pass */
	}
}

static void match_email(struct line *l, const uint8_t *at)
{
	const uint8_t *start = skip_back(at, l->start, C_MAIL);
	const uint8_t *end = skip(at + 1, C_HOST);

	if (start == at)
		return;
	for (const uint8_t *dot = end; dot-- > at + 2;) {
		if (*dot != '.')
			continue;
		const uint8_t *tld_end = skip(dot + 1, C_ALPHA);
		if (tld_end - dot > 2) {
			add(l, start, tld_end);
			return;
		}
	}
}

/* `p` is the first digit of the fourth number; the scan has seen the three dots before it. */
static void match_ipv4(struct line *l, const uint8_t *p)
{
	const uint8_t *end = skip(p, C_WORD), *start = p;

	for (int i = 0; i < 3; i++)
		start = skip_back(start - 1, l->start, C_DIGIT);
	const uint8_t *first_end = skip(start, C_DIGIT);
	if (end - p > 3 || skip(p, C_DIGIT) != end || first_end - start > 3 ||
	    (start > l->start && class_of[start[-1]] & C_WORD))
		return;
	add(l, start, end);
}

static bool luhn(const uint8_t *digits, unsigned n)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < n; i++) {
		unsigned v = (unsigned)digits[n - 1 - i] << (i & 1);
		sum += v > 9 ? v - 9 : v;
	}
	return sum % 10 == 0;
}

/* `p` lies in a run of at least 13 digits and gaps. */
static void match_card(struct line *l, const uint8_t *p)
{
	const uint8_t *start;
	uint8_t digits[20];
	unsigned n = 0;

	while (p > l->start && (class_of[p[-1]] & C_DIGIT || p[-1] == ' ' || p[-1] == '-'))
		p--;
	for (start = p;; p++) {
		bool gap = *p == ' ' || *p == '-';
		if (class_of[*p] & C_DIGIT) {
			if (!n)
				start = p;
			if (n < 20)
				digits[n++] = (uint8_t)(*p - '0');
		} else if (!(gap && n && class_of[p[1]] & C_DIGIT)) {
			if (n >= 13 && n <= 19 && luhn(digits, n))
				add(l, start, p);
			if (!gap)
				return;
			n = 0;
		}
	}
}

static bool ends_with(const struct line *l, const uint8_t *end, const char *key, size_t n)
{
	return (size_t)(end - l->start) >= n && !strncasecmp((const char *)end - n, key, n);
}

/* `equals` follows one of the endings the scan knows; the last letter says which words to try. */
static void match_value(struct line *l, const uint8_t *equals)
{
#define KEY(k) ends_with(l, equals, k, sizeof(k) - 1)
	bool secret = false;

	switch (equals[-1] | 0x20) {
	case 'l':
		if (!l->level && equals - l->start >= 5 && !memcmp(equals - 5, "level", 5)) {
			l->level = equals + 1;
			l->level_len = (size_t)(skip(equals + 1, C_WORD) - l->level);
		}
		break;
	case 'd':
		secret = KEY("password") || KEY("passwd");
		break;
	case 't':
		secret = KEY("secret");
		break;
	case 'n':
		secret = KEY("token");
		break;
	default:
		secret = KEY("api_key") || KEY("apikey");
		break;
	}
	if (secret)
		add(l, equals + 1, skip(equals + 1, C_VALUE));
#undef KEY
}

static void match_scheme(struct line *l, const uint8_t *p, const char *word, size_t n,
			 unsigned class)
{
	if (strncasecmp((const char *)p, word, n) || p[n] != ' ')
		return;
	p += n;
	while (*p == ' ')
		p++;
	add(l, p, skip(p, class));
}

static const uint8_t *skip_token(const uint8_t *p)
{
	while (class_of[*p] & C_WORD || *p == '-')
		p++;
	return p;
}

static void match_literal(struct line *l, const uint8_t *p)
{
	if (p[2] == '=') {
		match_value(l, p + 2);
	} else if ((p[0] | 0x20) == 'b') {
		match_scheme(l, p, "bearer", 6, C_BEARER);
		match_scheme(l, p, "basic", 5, C_BEARER);
	} else if (!memcmp(p, "eyJ", 3)) {
		const uint8_t *a = skip_token(p + 3);
		const uint8_t *b = *a == '.' ? skip_token(a + 1) : a;
		const uint8_t *c = *b == '.' ? skip_token(b + 1) : b;
		if (a > p + 3 && b > a + 1 && c > b + 1)
			add(l, p, c);
	} else if (!memcmp(p, "AKIA", 4)) {
		unsigned n = 0;
		while (n < 16 && class_of[p[4 + n]] & C_UPPER_DIGIT)
			n++;
		if (n == 16)
			add(l, p, p + 20);
	}
}

static unsigned stream_of(struct push *push, const struct line *l)
{
	static struct {
		uint8_t name[16];
		size_t len;
		unsigned stream;
	} known[PUSH_STREAMS_MAX];
	static unsigned n_known;
	char labels[64];
	size_t len = l->level_len < 16 ? l->level_len : 0;

	for (unsigned i = 0; i < n_known; i++) {
		if (known[i].len == len && !memcmp(known[i].name, l->level, len))
			return known[i].stream;
	}
	if (len)
		snprintf(labels, sizeof(labels), "{job=\"bench\",level=\"%.*s\"}", (int)len,
			 (const char *)l->level);
	else
		snprintf(labels, sizeof(labels), "{job=\"bench\"}");
	unsigned stream = push_stream(push, labels);
	if (n_known < PUSH_STREAMS_MAX) {
		if (len)
			memcpy(known[n_known].name, l->level, len);
		known[n_known].len = len;
		known[n_known++].stream = stream;
	}
	return stream;
}

static void finish_line(struct push *push, struct line *l, const uint8_t *end)
{
	size_t len = (size_t)(end - l->start);

	if (!count_only) {
		unsigned stream = stream_of(push, l);
		const uint8_t *from = l->start;
		size_t out_len = len + l->n_matches * REPLACEMENT_LEN;
		for (unsigned i = 0; i < l->n_matches; i++)
			out_len -= (size_t)(l->matches[i].end - l->matches[i].start);
		if (out_len > PUSH_LINE_MAX)
			die("line longer than %u bytes", PUSH_LINE_MAX);
		uint8_t *o = push_entry(push, stream, out_len);
		for (unsigned i = 0; i < l->n_matches; i++) {
			size_t n = (size_t)(l->matches[i].start - from);
			memcpy(o, from, n);
			memcpy(o + n, REPLACEMENT, REPLACEMENT_LEN);
			o += n + REPLACEMENT_LEN;
			from = l->matches[i].end;
		}
		memcpy(o, from, (size_t)(end - from));
		push_done(push, stream, o + (end - from), len);
	}
	push->report.redactions += l->n_matches;
	l->n_matches = 0;
	l->level = NULL;
	l->level_len = 0;
	l->start = end + 1;
}

/* m shifted by k towards higher positions, filled from the group before. */
static inline uint64_t up(uint64_t m, uint64_t before, unsigned k)
{
	return m << k | before >> (64 - k);
}

/* Where an IPv4 address reaches its fourth number, and where 13 digits and gaps came together. */
static void find_runs(const struct scan_group *g, struct carry *c, uint64_t *ipv4, uint64_t *card)
{
	uint64_t hop1 = g->digit & up(g->dot, c->dot, 1) & up(g->digit, c->digit, 2);
	uint64_t hop2 = hop1 & (up(hop1, c->hop1, 2) | up(hop1, c->hop1, 3) | up(hop1, c->hop1, 4));
	uint64_t run1 = g->digit | g->gap;
	uint64_t run2 = run1 & up(run1, c->run1, 1);
	uint64_t run4 = run2 & up(run2, c->run2, 2);
	uint64_t run8 = run4 & up(run4, c->run4, 4);
	uint64_t run13 = run8 & up(run8, c->run8, 5);

	*ipv4 = hop2 & (up(hop2, c->hop2, 2) | up(hop2, c->hop2, 3) | up(hop2, c->hop2, 4));
	*card = run13 & ~up(run13, c->run13, 1);
	*c = (struct carry){ g->digit, g->dot, hop1, hop2, run1, run2, run4, run8, run13 };
}

/* [p, end) holds whole lines; at least SCAN_GROUP + SCAN_OVERREAD readable bytes follow. */
static void redact_block(struct push *push, const uint8_t *p, const uint8_t *end)
{
	struct line line = { .start = p };
	struct carry carry = { 0 };

	for (; p < end; p += SCAN_GROUP) {
		struct scan_group g;
		uint64_t ipv4, card;
		scan_group(p, &g);
		find_runs(&g, &carry, &ipv4, &card);
		uint64_t all = g.newline | g.at | g.literal | ipv4 | card;
		if ((size_t)(end - p) < SCAN_GROUP)
			all &= (1ULL << (end - p)) - 1;
		for (; all; all &= all - 1) {
			uint64_t bit = all & -all;
			const uint8_t *q = p + __builtin_ctzll(all);
			if (g.newline & bit)
				finish_line(push, &line, q);
			else if (g.literal & bit)
				match_literal(&line, q);
			else if (g.at & bit)
				match_email(&line, q);
			else if (ipv4 & bit)
				match_ipv4(&line, q);
			if (card & bit)
				match_card(&line, q);
		}
	}
}

int main(int argc, char **argv)
{
	static uint8_t block[PUSH_LINE_MAX + BLOCK_BYTES + 1 + SCAN_GROUP + SCAN_OVERREAD];
	struct push push = { 0 };
	size_t carry = 0;

	if (argc != 3)
		die("usage: floor-redact FILE HOST:PORT | --count FILE");
	count_only = !strcmp(argv[1], "--count");
	const char *path = argv[count_only ? 2 : 1];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die_errno("%s", path);
	init_classes();
	if (!count_only)
		push_init(&push, "floor-redact", argv[2]);
	for (;;) {
		ssize_t r = read(fd, block + carry, BLOCK_BYTES);
		if (r < 0)
			die_errno("read");
		size_t n = carry + (size_t)r;
		if (r == 0) {
			if (!carry)
				break;
			block[n++] = '\n'; /* the last line of a file without one */
		}
		const uint8_t *last = memrchr(block, '\n', n);
		const uint8_t *end = last ? last + 1 : block;
		push_stamp(&push);
		redact_block(&push, block, end);
		carry = (size_t)(block + n - end);
		if (carry > PUSH_LINE_MAX)
			die("line longer than %u bytes", PUSH_LINE_MAX);
		memmove(block, end, carry);
	}
	if (count_only) {
		push.report.program = "floor-redact --count";
	} else {
		push_fini(&push);
	}
	report_print(&push.report);
	return 0;
}
