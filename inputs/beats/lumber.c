/* SPDX-License-Identifier: Apache-2.0 */
/* Frames: version byte, type byte, numbers in network order, payload. */
#include "inputs/beats/lumber.h"

#include "lib/check.h"

void lumber_init(struct lumber *l, uint32_t max_window)
{
	*l = (struct lumber){ .max_window = max_window };
}

void lumber_fini(struct lumber *l)
{
	inflate_free(l->inflate);
	l->inflate = NULL;
}

static enum lumber_result bad(struct lumber *l, const char *why)
{
	l->why = why;
	return LUMBER_BAD;
}

static uint32_t be32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

enum fill { FILL_OK, FILL_MORE, FILL_END, FILL_BAD };

static enum fill fill_packed(struct lumber *l, struct str *avail, char *to, size_t n, size_t *at)
{
	while (*at < n) {
		struct str in = str_sub(*avail, 0, l->packed);
		size_t before = in.n, got;
		enum inflate_result result;

		if (!in.n && !l->may_have_more && l->packed)
			return FILL_MORE;
		result = inflate_run(l->inflate, &in, to + *at, n - *at, &got);
		*avail = str_skip(*avail, before - in.n);
		l->packed -= before - in.n;
		l->plain += got;
		*at += got;
		l->may_have_more = result == INFLATE_OK && *at == n;
		if (result == INFLATE_BAD)
			return FILL_BAD;
		if (result == INFLATE_END)
			return *at == n ? FILL_OK : FILL_END;
		if (!got && before == in.n && !l->packed)
			return FILL_BAD; /* it ends before what it holds */
	}
	return FILL_OK;
}

/* Up to n bytes of what frames are made of; *at of them are there. */
static enum fill fill(struct lumber *l, struct str *avail, char *to, size_t n, size_t *at)
{
	size_t take = n - *at < avail->n ? n - *at : avail->n;

	if (l->inflate)
		return fill_packed(l, avail, to, n, at);
	if (take)
		memcpy(to + *at, avail->p, take);
	*avail = str_skip(*avail, take);
	*at += take;
	return *at == n ? FILL_OK : FILL_MORE;
}

static enum lumber_result begin_window(struct lumber *l)
{
	uint32_t n = be32(l->head + 2);

	l->nhead = 0;
	if (l->inflate)
		return bad(l, "a window begins within a compressed frame");
	if (l->left)
		return bad(l, "a window begins before the last one is complete");
	if (n > l->max_window)
		return bad(l, "a window of more events than max_window");
	l->window = l->left = n;
	return LUMBER_WINDOW;
}

static enum lumber_result begin_event(struct lumber *l)
{
	l->nhead = 0;
	l->seq = be32(l->head + 2);
	l->bytes = be32(l->head + 6);
	if (!l->left)
		return bad(l, "an event that belongs to no window");
	if (!l->bytes)
		return bad(l, "an event without bytes");
	if (l->bytes > LUMBER_FRAME_MAX)
		return bad(l, "an event of more than 64 MiB");
	if (l->inflate && l->bytes > LUMBER_PLAIN_MAX - l->plain)
		return bad(l, "a compressed frame that holds more than 256 MiB");
	l->state = LUMBER_BEFORE_EVENT;
	return LUMBER_EVENT;
}

static enum lumber_result begin_packed(struct lumber *l)
{
	l->nhead = 0;
	l->packed = be32(l->head + 2);
	l->plain = 0;
	if (l->inflate)
		return bad(l, "a compressed frame within another");
	if (!l->packed)
		return bad(l, "a compressed frame without bytes");
	if (l->packed > LUMBER_FRAME_MAX)
		return bad(l, "a compressed frame of more than 64 MiB");
	l->state = LUMBER_BEFORE_PACKED;
	return LUMBER_PACKED;
}

/* What stands in place of the version byte. */
static enum lumber_result not_v2(struct lumber *l)
{
	switch (l->head[0]) {
	case '1':
		return bad(l, "version 1 of the protocol, which only logstash-forwarder speaks");
	case 0x16:
		return bad(l, "TLS on a port that is not tls://");
	case 'G':
	case 'H':
	case 'P':
		return bad(l, "this looks like HTTP, not like the Lumberjack protocol");
	default:
		return bad(l, "no frame of the Lumberjack protocol, version 2");
	}
}

static bool is_type(unsigned char c)
{
	return c == 'W' || c == 'J' || c == 'C';
}

/* How much of the head must be there before the next look at it. */
static size_t head_wants(const struct lumber *l)
{
	return l->nhead < 2 ? l->nhead + 1 : l->head[1] == 'J' ? 10 : 6;
}

static enum lumber_result begin(struct lumber *l)
{
	return l->head[1] == 'W'   ? begin_window(l)
	       : l->head[1] == 'J' ? begin_event(l)
				   : begin_packed(l);
}

static enum lumber_result read_head(struct lumber *l, struct str *avail)
{
	for (size_t want; (want = head_wants(l)) > l->nhead;) {
		enum fill got = fill(l, avail, (char *)l->head, want, &l->nhead);

		if (got == FILL_MORE)
			return LUMBER_MORE;
		if (got == FILL_END && !l->nhead && !l->packed) {
			lumber_fini(l); /* what follows is not compressed any more */
			continue;
		}
		if (got != FILL_OK)
			return bad(l, "a compressed frame is damaged, or cut off");
		if (l->head[0] != '2')
			return not_v2(l);
		if (l->nhead == 2 && !is_type(l->head[1]))
			return bad(
				l,
				l->head[1] == 'D'
					? "a frame of type D, which only logstash-forwarder sends"
					: "a frame of a type that is not known");
	}
	return begin(l);
}

static enum lumber_result read_event(struct lumber *l, struct str *avail)
{
	char junk[4096];
	enum fill got = FILL_OK;

	while (l->at < l->bytes && got == FILL_OK) {
		size_t n = l->bytes - l->at, at = 0;

		if (l->at < l->room) {
			got = fill(l, avail, l->to, l->room, &l->at);
			continue;
		}
		got = fill(l, avail, junk, n < sizeof(junk) ? n : sizeof(junk), &at);
		l->at += at;
	}
	if (got == FILL_MORE)
		return LUMBER_MORE;
	if (got != FILL_OK)
		return bad(l, "a compressed frame is damaged, or cut off");
	l->state = LUMBER_HEAD;
	l->left--;
	return LUMBER_TAKEN;
}

enum lumber_result lumber_next(struct lumber *l, struct str *avail)
{
	if (l->why)
		return LUMBER_BAD;
	switch (l->state) {
	case LUMBER_HEAD:
		return read_head(l, avail);
	case LUMBER_BEFORE_EVENT:
		return LUMBER_EVENT;
	case LUMBER_IN_EVENT:
		return read_event(l, avail);
	case LUMBER_BEFORE_PACKED:
		return LUMBER_PACKED;
	}
	return LUMBER_BAD;
}

void lumber_unpack(struct lumber *l)
{
	CHECK(l->state == LUMBER_BEFORE_PACKED);
	l->inflate = inflate_new(INFLATE_ZLIB);
	l->may_have_more = false;
	l->state = LUMBER_HEAD;
}

void lumber_into(struct lumber *l, char *to, size_t n)
{
	CHECK(l->state == LUMBER_BEFORE_EVENT && n <= l->bytes);
	l->to = to;
	l->room = n;
	l->at = 0;
	l->state = LUMBER_IN_EVENT;
}

void lumber_ack(uint32_t seq, unsigned char out[LUMBER_ACK_BYTES])
{
	out[0] = '2';
	out[1] = 'A';
	for (unsigned i = 0; i < 4; i++)
		out[2 + i] = (unsigned char)(seq >> (24 - 8 * i));
}
