/* SPDX-License-Identifier: Apache-2.0 */
/* Reads what a client of the Lumberjack protocol, version 2, sends (elastic/go-lumber protocol/v2;
 * logstash-input-beats PROTOCOL.md), without I/O:
 *
 *	while ((got = lumber_next(&l, &avail)) != LUMBER_MORE)
 *		LUMBER_WINDOW   l.window events follow, which want one acknowledgement
 *		LUMBER_PACKED   a compressed frame begins: lumber_unpack(&l) when there is memory for that
 *		LUMBER_EVENT    an event of l.bytes: lumber_into(&l, to, n) when there is room for its first n
 *		LUMBER_TAKEN    its bytes are there. It is number l.seq; l.left are to follow
 *		LUMBER_BAD      l.why: close, what follows cannot be told apart
 *	LUMBER_MORE: all of avail was taken
 *
 * LUMBER_PACKED and LUMBER_EVENT come again until they were followed, and nothing is taken from avail
 * meanwhile. However the input is split, the output is the same. Compressed bytes are unpacked straight to
 * where they belong; memory is that of lib/inflate.h, within a compressed frame only. */
#ifndef INPUTS_BEATS_LUMBER_H
#define INPUTS_BEATS_LUMBER_H

#include "lib/inflate.h"

#define LUMBER_INFLATE_BYTES ((size_t)48 * 1024)
#define LUMBER_FRAME_MAX ((size_t)64 << 20)  /* of an event, or compressed */
#define LUMBER_PLAIN_MAX ((size_t)256 << 20) /* what comes out of one compressed frame */
#define LUMBER_ACK_BYTES 6

enum lumber_result {
	LUMBER_MORE,
	LUMBER_WINDOW,
	LUMBER_PACKED,
	LUMBER_EVENT,
	LUMBER_TAKEN,
	LUMBER_BAD,
};

struct lumber {
	uint32_t max_window;
	uint32_t window, left, seq;
	size_t bytes;
	const char *why; /* a sentence without a period */
	enum { LUMBER_HEAD, LUMBER_BEFORE_EVENT, LUMBER_IN_EVENT, LUMBER_BEFORE_PACKED } state;
	unsigned char head[10];
	size_t nhead;
	char *to; /* of the event: where its bytes go ... */
	size_t at, room;
	struct inflate *inflate; /* within a compressed frame ... */
	size_t packed, plain;    /* of which this much is to come, and this much came out */
	bool may_have_more;      /* comes out without more to put in */
};

void lumber_init(struct lumber *l, uint32_t max_window);
void lumber_fini(struct lumber *l);
enum lumber_result lumber_next(struct lumber *l, struct str *avail);
void lumber_unpack(struct lumber *l);
/* to stays valid until LUMBER_TAKEN; n is at most l->bytes, the rest is passed over. */
void lumber_into(struct lumber *l, char *to, size_t n);
/* Everything up to seq of the oldest window is accepted; 0: not yet, but it is being worked on. */
void lumber_ack(uint32_t seq, unsigned char out[LUMBER_ACK_BYTES]);

/* It stands between windows: nothing is incomplete. */
static inline bool lumber_is_idle(const struct lumber *l)
{
	return !l->left && !l->nhead && l->state == LUMBER_HEAD && !l->inflate;
}

#endif
