/* SPDX-License-Identifier: Apache-2.0 */
/* Framing of syslog streams. */
#include "inputs/syslog/frame.h"
#include "inputs/syslog/span.h"

#include "lib/check.h"

#define COUNT_DIGITS_MAX 7 /* RFC 6587 knows no bound; nobody sends messages of 10 MB */

enum count_result {
	COUNT_NONE, /* not a count */
	COUNT_OK,
	COUNT_MORE, /* could become either */
	COUNT_BAD,  /* digits, but no count that can be believed */
};

void framer_init(struct framer *f, enum frame_mode mode, size_t max_message)
{
	CHECK(max_message >= 64);
	*f = (struct framer){ .mode = mode, .max_message = max_message };
}

static bool is_digit(char c)
{
	return (unsigned char)(c - '0') < 10;
}

/* "<0>".."<999>" at s[at]: what makes digits in front of it a count beyond doubt. */
static enum count_result pri_at(struct str s, size_t at)
{
	size_t n = at;

	if (n == s.n)
		return COUNT_MORE;
	if (s.p[n++] != '<')
		return COUNT_NONE;
	while (n < s.n && n - at < 4 && is_digit(s.p[n]))
		n++;
	if (n == s.n)
		return COUNT_MORE;
	return s.p[n] == '>' && n - at > 1 ? COUNT_OK : COUNT_NONE;
}

/* Digits, a space and, while the stream has not shown that it counts, a PRI. */
static enum count_result read_count(const struct framer *f, struct str s, size_t *ret_used,
				    uint64_t *ret_count)
{
	enum count_result bad = f->mode == FRAME_OCTET ? COUNT_BAD : COUNT_NONE;
	uint64_t count = 0;
	size_t n = 0;

	if (f->mode == FRAME_LF || f->mode == FRAME_NUL || !is_digit(s.p[0]))
		return COUNT_NONE;
	if (s.p[0] == '0')
		return bad;
	for (; n < s.n && n < COUNT_DIGITS_MAX && is_digit(s.p[n]); n++)
		count = count * 10 + (uint64_t)(s.p[n] - '0');
	if (n == s.n)
		return COUNT_MORE;
	if (s.p[n] != ' ')
		return bad;
	*ret_used = n + 1;
	*ret_count = count;
	return f->mode == FRAME_OCTET ? COUNT_OK : pri_at(s, n + 1);
}

static void skip(struct str *s, size_t n)
{
	*s = str_skip(*s, n);
}

/* Between frames: delimiters nobody asked for, and spaces where a count is due. */
static void skip_stray(struct framer *f, struct str *s)
{
	size_t n = 0;

	while (n < s->n && (s->p[n] == '\n' || s->p[n] == '\r' || s->p[n] == '\0' ||
			    (s->p[n] == ' ' && f->mode == FRAME_OCTET)))
		n++;
	f->stray_bytes += n;
	skip(s, n);
}

static void start_over(struct framer *f)
{
	f->has_count = f->is_text = f->is_resync = false;
	f->skipped = 0;
	f->scanned = 0;
}

/* What remains of a message that was handed out cut. */
static void discard(struct framer *f, struct str *avail)
{
	size_t n = avail->n < f->discard ? avail->n : (size_t)f->discard;

	f->discard -= n;
	skip(avail, n);
}

static enum frame_result counted(struct framer *f, struct str *avail, struct frame *ret)
{
	size_t want = f->count < f->max_message ? (size_t)f->count : f->max_message;

	if (avail->n < want)
		return FRAME_MORE;
	*ret = (struct frame){
		.bytes = str_sub(*avail, 0, want),
		.full_bytes = f->count,
		.is_cut = f->count > want,
	};
	f->discard = f->count - want;
	f->cut_bytes += f->discard;
	skip(avail, want);
	start_over(f);
	return FRAME_MESSAGE;
}

/* Index of the byte that ends the message, or s.n. What is before f->scanned is known to hold none. */
static size_t delimiter(struct framer *f, struct str s)
{
	bool is_line = f->mode != FRAME_NUL && !f->has_nul;
	size_t lf, nul = s.n;
	enum count_result pri;

	if (is_line)
		nul = f->scanned + str_chr(str_skip(s, f->scanned), '\n');
	nul = f->scanned + str_chr(str_sub(s, f->scanned, nul), '\0');
	if (is_line || f->mode == FRAME_NUL) {
		f->scanned = nul;
		return nul;
	}
	/* Lines end it only where the next one has a PRI, and never behind what is kept of it: what has
	 * been dropped cannot be looked at again. */
	for (;; f->scanned = lf + 1) {
		lf = f->scanned + str_chr(str_sub(s, f->scanned, nul), '\n');
		if (lf >= nul || lf > f->max_message || f->skipped) {
			f->scanned = nul;
			return nul;
		}
		pri = pri_at(s, lf + 1);
		if (pri == COUNT_OK)
			return lf;
		if (pri == COUNT_MORE && nul == s.n) {
			f->scanned = lf;
			return s.n;
		}
	}
}

/* A message up to the next delimiter. When it grows beyond the cap its first max_message bytes
 * stay in place and everything behind them is dropped until the delimiter shows how long it was. */
static enum frame_result delimited(struct framer *f, struct str *avail, struct frame *ret)
{
	size_t n = delimiter(f, *avail), kept = f->max_message;

	if (n == avail->n) {
		if (n > kept + FRAME_EXTRA || f->skipped) {
			f->skipped += n - kept;
			f->cut_bytes += n - kept;
			avail->n = kept;
			f->scanned = kept;
		}
		return FRAME_MORE;
	}
	f->has_nul |= f->mode == FRAME_AUTO && avail->p[n] == '\0';
	*ret = (struct frame){
		.bytes = str_sub(*avail, 0, n),
		.full_bytes = n + f->skipped,
		.is_resync = f->is_resync,
	};
	if (!f->skipped && n == kept + 1 && avail->p[kept] == '\r') {
		ret->bytes.n = kept;
		ret->full_bytes = kept;
	}
	if (ret->bytes.n > kept) {
		f->cut_bytes += ret->bytes.n - kept;
		ret->bytes.n = kept;
	}
	ret->is_cut = ret->full_bytes > ret->bytes.n;
	skip(avail, n + 1);
	start_over(f);
	return FRAME_MESSAGE;
}

/* "NNN " of two to four digits and all of the message behind it, in a stream that counts. */
static inline bool usual(const struct framer *f, struct str *avail, struct frame *ret)
{
	const char *p = avail->p;
	size_t count, n = 1;

	if (SYSLOG_PLAIN || f->mode != FRAME_OCTET || f->has_count || f->is_text || f->discard ||
	    avail->n < 6 || (unsigned char)(p[0] - '1') >= 9)
		return false;
	count = (size_t)(p[0] - '0');
	for (; n < 4 && is_digit(p[n]); n++)
		count = count * 10 + (size_t)(p[n] - '0');
	if (p[n] != ' ' || count > f->max_message || count > avail->n - n - 1)
		return false;
	*ret = (struct frame){ .bytes = str_make(p + n + 1, count), .full_bytes = count };
	skip(avail, n + 1 + count);
	return true;
}

enum frame_result frame_next(struct framer *f, struct str *avail, struct frame *ret)
{
	uint64_t count = 0;
	size_t used = 0;

	if (usual(f, avail, ret)) /* what start_over() would set is so */
		return FRAME_MESSAGE;
	if (f->discard)
		discard(f, avail);
	if (!f->has_count && !f->is_text) {
		skip_stray(f, avail);
		if (!avail->n)
			return FRAME_MORE;
		switch (read_count(f, *avail, &used, &count)) {
		case COUNT_MORE:
			return FRAME_MORE;
		case COUNT_BAD:
			return FRAME_BAD;
		case COUNT_OK:
			f->mode = FRAME_OCTET;
			f->has_count = true;
			f->count = count;
			skip(avail, used);
			break;
		case COUNT_NONE:
			f->is_text = true;
			f->is_resync = f->mode == FRAME_OCTET && avail->p[0] != '<';
			break;
		}
	}
	return f->has_count ? counted(f, avail, ret) : delimited(f, avail, ret);
}

bool frame_end(struct framer *f, struct str avail, struct frame *ret)
{
	size_t n = avail.n < f->max_message ? avail.n : f->max_message;
	bool is_count = f->mode == FRAME_OCTET && !f->has_count && !f->is_text;

	if (!n || f->discard || is_count) { /* an unfinished count is no message */
		f->stray_bytes += is_count ? avail.n : 0;
		return false;
	}
	*ret = (struct frame){
		.bytes = str_sub(avail, 0, n),
		.full_bytes = f->has_count ? f->count : avail.n + f->skipped,
		.is_partial = true,
		.is_resync = f->is_resync,
	};
	ret->is_cut = !f->has_count && ret->full_bytes > n;
	f->cut_bytes += avail.n - n;
	start_over(f);
	return true;
}

struct str frame_datagram(struct str bytes)
{
	const struct framer f = { .mode = FRAME_AUTO };
	uint64_t count = 0;
	size_t used = 0;
	struct str rest;

	if (!bytes.n || read_count(&f, bytes, &used, &count) != COUNT_OK)
		return bytes;
	rest = str_skip(bytes, used);
	return count == rest.n || count == str_rtrim(rest).n ? rest : bytes;
}
