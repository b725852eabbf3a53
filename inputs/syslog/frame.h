/* SPDX-License-Identifier: Apache-2.0 */
/* Syslog over a byte stream (RFC 6587): octet counting ("LEN SP MSG") and messages that end in LF
 * or NUL, told apart per connection and, where a stream mixes them, per message. No I/O: the caller
 * keeps the bytes, the result does not depend on how reads split them.
 *
 * Senders that end messages in NUL do so to have line ends inside (Python's logging does): once one was
 * seen, a line end is text, unless a PRI follows: then it was a stray NUL, and messages end in LF.
 *
 *	avail = the bytes read and not yet framed
 *	while ((got = frame_next(&f, &avail, &frame)) == FRAME_MESSAGE)
 *		use frame.bytes (a slice of avail);
 *	FRAME_MORE: avail is what must be kept (at most max_message + FRAME_EXTRA bytes, it may have lost bytes
 *		at both ends); read more right behind it
 *	FRAME_BAD: close the connection; what is left cannot be told apart
 */
#ifndef INPUTS_SYSLOG_FRAME_H
#define INPUTS_SYSLOG_FRAME_H

#include "lib/str.h"

enum frame_mode {
	FRAME_AUTO,  /* "LEN <PRI>" is octet counting and makes the stream FRAME_OCTET */
	FRAME_OCTET, /* a digit at a frame's start is a count; other bytes are read up to a LF */
	FRAME_LF,    /* never octet counting */
	FRAME_NUL,   /* ends in NUL and nothing else */
};

/* Bytes looked at behind the longest message: the CR of one that just fits, or LF and PRI. */
#define FRAME_EXTRA ((size_t)8)

enum frame_result { FRAME_MORE, FRAME_MESSAGE, FRAME_BAD };

struct frame {
	struct str bytes;    /* without count and delimiter; at most max_message */
	uint64_t full_bytes; /* as sent, or announced by the count; more than bytes.n = cut */
	bool is_cut;         /* longer than max_message; the rest is discarded */
	bool is_partial;     /* the stream ended before the message did */
	bool is_resync;      /* stood where an octet count should be; taken up to the next LF */
};

/* One per connection. No memory of its own. */
struct framer {
	unsigned mode;  /* enum frame_mode, FRAME_AUTO may become FRAME_OCTET */
	bool has_count; /* the count of the message at hand has been read */
	bool is_text;   /* the message at hand is known not to begin with a count */
	bool is_resync;
	bool has_nul; /* FRAME_AUTO: a message has ended in NUL */
	size_t max_message;
	uint64_t count;       /* its length */
	uint64_t discard;     /* bytes of an octet-counted message still to be skipped */
	uint64_t skipped;     /* bytes of a LF message dropped behind the first max_message */
	size_t scanned;       /* bytes of avail known to hold no delimiter */
	uint64_t cut_bytes;   /* discarded because of max_message, ever */
	uint64_t stray_bytes; /* spaces and delimiters between frames, ever */
};

/* max_message: at least 64, in bytes. */
void framer_init(struct framer *f, enum frame_mode mode, size_t max_message);
enum frame_result frame_next(struct framer *f, struct str *avail, struct frame *ret);
/* The stream has ended: the message that frame_next() was waiting for, if there is any of it. */
bool frame_end(struct framer *f, struct str avail, struct frame *ret);

/* A datagram without the octet count that some senders put in front of it, if there is one: a number
 * that counts exactly the rest (a line end may be missing in it), with a PRI behind it. */
struct str frame_datagram(struct str bytes);

#endif
