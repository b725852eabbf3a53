/* SPDX-License-Identifier: Apache-2.0 */
/* What the stages cri and docker share: container runtimes cut long lines into parts of 16 KiB; the
 * options of how they are joined, and the label `stream`, which is told apart. */
#ifndef PIPELINE_STAGES_PARTIAL_H
#define PIPELINE_STAGES_PARTIAL_H

#include "pipeline/gotime.h"
#include "pipeline/hold.h"
#include "pipeline/labels.h"
#include "pipeline/stages/names.h"

struct partial_conf {
	int64_t max_wait_ns;
	size_t max_bytes;
};

#define PARTIAL_FIELDS(S, m)                                                                       \
	CONF_TIME(S, m.max_wait_ns, "5s", "1ms", "1h",                                             \
		  "A line whose end does not come for this long is sent as it is, flagged "        \
		  "`partial`.",                                                                    \
		  .key = "max_wait_time", .alias = "max_wait"),                                    \
		CONF_SIZE(S, m.max_bytes, "256KiB", "1KiB", "16MiB",                               \
			  "Longest joined line; a longer one is cut, flagged, and has its full "   \
			  "length as metadata `tailrace_full_length`.",                            \
			  .key = "max_bytes")

enum { STREAM_STDOUT, STREAM_STDERR, STREAMS };

struct partial {
	struct hold hold;
	struct gotime *layout;
	struct gotime_cache cache;
	struct metric *errors;
	/* Of the current batch: the records of a stream mostly share their labels. */
	struct partial_stream {
		const struct labels *before, *after;
		struct held *held;
	} streams[STREAMS];
};

int partial_open(struct partial *p, struct stage *s, const struct partial_conf *conf,
		 size_t max_open, struct err *err);
void partial_close(struct partial *p);
void partial_begin(struct partial *p);
/* The label `stream`, and what is collected of this stream of the record's source. */
struct held *partial_stream(struct partial *p, struct batch *b, struct rec *r, unsigned stream);
/* A line of another form where an input said that there are none: kept, flagged, counted. */
void partial_is_other(struct partial *p, struct rec *r);
/* RFC 3339; a record keeps its own time when this is none. False then. */
bool partial_time(struct partial *p, struct rec *r, struct str text, int64_t now_ns);
/* The record's line is a part, and when is_last the last of its line. */
static inline void partial_join(struct partial *p, struct held *d, struct batch *b, struct rec *r,
				bool is_last)
{
	if (is_last && !held_is_open(d))
		return;
	hold_add(&p->hold, d, b, r);
	if (is_last)
		hold_end(&p->hold, d, b);
}

#endif
