/* SPDX-License-Identifier: Apache-2.0 */
/* Records in the making: what multiline, cri and docker have in common. A stage gives the records of
 * a batch to what it collects, and says when that is complete.
 *
 * As long as everything comes in one batch nothing is copied away: the joined record stands in the
 * place of one of its parts. What is still open at the end of a batch is stored: bytes are copied
 * and charged, label sets pinned, and a reference of the batch's ack is kept, so that no cursor
 * passes it. While it is open, the ack of each later batch of the series carries the one before: the
 * older batch settles not before the newer. So a position never stands inside a joined record, and
 * after a kill the same batches give the same records.
 *
 * What nobody completes is emitted alone: after max_wait without a new part, at the end, and when
 * too much credit is held or too much of a source waits for one record (chain_run()).
 *
 * One thread: a lane's. */
#ifndef PIPELINE_HOLD_H
#define PIPELINE_HOLD_H

#include "lib/buf.h"
#include "lib/loop.h"
#include "lib/map.h"
#include "pipeline/stage.h"

struct hold;
struct held;

struct hold_conf {
	int64_t max_wait_ns;
	size_t max_bytes; /* of a joined line; the rest is cut, flagged, and counted in its full length */
	size_t max_open;    /* stored at once, 0 = no limit; the oldest is emitted then */
	struct str between; /* stands between parts */
	bool takes_last;    /* time, labels and attributes are the last part's, else the first's */
	bool is_whole_at_end; /* only what was completed is whole: anything else is flagged partial */
	bool waits_from_first; /* max_wait counts from the first part instead of the newest */
	/* A newer part takes the older one's place instead of being joined to it; the older one is
	 * removed, counted under this reason. NULL: parts are joined. */
	const char *replaced_reason;
	/* Has the last word on what is complete; may be NULL. */
	void (*finish)(const struct hold *h, const struct held *d, struct batch *b, struct rec *r);
};

/* What is stored of one series. */
struct held_series {
	struct map_node node;
	uint64_t series;
	struct held *first;
};

struct held {
	struct map_node node;
	uint64_t series, key;
	struct held_series *siblings; /* while is_stored */
	struct held *next_sibling, *prev_sibling;
	struct held *next, *prev; /* in hold.stored or hold.idle */
	struct held *next_touched;
	bool is_touched, is_stored, is_rolled, has_model;
	bool is_remembered;
	bool has_begun;    /* for the stage: a first line was seen once */
	uint32_t nlines;   /* parts of what is open */
	struct str mark;   /* what is remembered, see hold_remember() */
	int64_t marked_ns; /* for the stage */
	size_t full_bytes; /* joined, without the cap */
	struct rec *rec;   /* in the current batch: what is open, or (stored) takes its place */
	struct rec model;  /* in the current batch: gives its fields to what follows, hold_roll() */
	char *room;        /* of rec->line, in the arena */
	size_t room_bytes;
	/* While is_stored: */
	struct buf text, attrs, mark_text;
	struct source *source;              /* of the newest part; its ack keeps it alive */
	const struct labels *base, *labels; /* pinned */
	struct ack *ack;
	int64_t time_ns, deadline_ns, charged_bytes;
	uint16_t flags;
	uint8_t severity, facility;
};

struct held_list {
	struct held *first, *last;
	size_t n;
};

struct hold {
	struct stage *stage;
	struct hold_conf conf;
	struct map map, by_series; /* all; of those that are stored, the held_series */
	struct held_list stored;   /* by deadline */
	struct held_list idle;     /* remembered, oldest first */
	struct held *touched;      /* by the current batch, */
	struct held **touched_end; /* in this order */
	struct timer timer;
	uint64_t njoined;
	uint16_t full_length_key;
};

void hold_init(struct hold *h, struct stage *s, const struct hold_conf *conf);
void hold_fini(struct hold *h);

/* What is collected for the batch's source (and those it continues, source.series) under a key of
 * the stage's choice. Valid until hold_stop(). */
struct held *hold_find(struct hold *h, const struct batch *b, uint64_t key);
static inline bool held_is_open(const struct held *d)
{
	return d->rec || d->is_stored || d->is_rolled;
}
/* r opens it, or continues what is open. */
void hold_add(struct hold *h, struct held *d, struct batch *b, struct rec *r);
/* What is open is complete. */
void hold_end(struct hold *h, struct held *d, struct batch *b);
/* As hold_end(), but what comes next belongs to it: gets the same time, labels and attributes. */
void hold_roll(struct hold *h, struct held *d, struct batch *b);
/* Nothing is open, but what comes later depends on what was here: d is stored with this mark (bytes
 * that live as long as the batch, copied at its end) until hold_end() or max_wait. */
void hold_remember(struct held *d, struct str mark);
/* The end of run(): stores what is open or remembered. */
void hold_stop(struct hold *h, struct batch *b);
/* As stage_ops.flush. */
void hold_flush(struct hold *h, struct source *source);

#endif
