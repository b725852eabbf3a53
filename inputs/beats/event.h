/* SPDX-License-Identifier: Apache-2.0 */
/* From an event as the Beats write it (a JSON object, Elastic Common Schema) to a record. No I/O.
 *
 *	time       `@timestamp`
 *	line       `message`, or the whole object: without a message, and when that is asked for
 *	labels     some fields become extracted values named like the labels that event_stage() makes of them
 *	metadata   every other field, its names joined by dots; arrays as JSON. `@metadata`, and all fields when
 *	           the line is the whole object, are extracted values: stages see them, nothing is sent */
#ifndef INPUTS_BEATS_EVENT_H
#define INPUTS_BEATS_EVENT_H

#include "inputs/input.h"
#include "pipeline/batch.h"
#include "pipeline/json_flat.h"

#define EVENT_ROOM                                                                                 \
	((size_t)640) /* what the record of an event takes in a batch beyond its text, about */
#define EVENT_FIELDS_MAX 512 /* further ones are passed over and counted */

/* Names that are known beforehand. Made at load (it interns), then constant. What the configuration gives a label of its
 * own is metadata. */
struct event_names;
struct event_names *event_names_new(const struct conf_map *configured);
void event_names_free(struct event_names *names);

/* What is told of an event beyond its record. */
enum {
	EVENT_UNPARSED = 1 << 0,    /* it is no JSON object: the line is what came */
	EVENT_NO_TIME = 1 << 1,     /* the record has now_ns */
	EVENT_MANY_FIELDS = 1 << 2, /* it had more than EVENT_FIELDS_MAX fields */
	EVENT_HAS_PLACE = 1 << 3,   /* log.offset: no other event is like it */
};

struct event_reader {
	const struct event_names *names;
	bool keeps_json; /* the line is always the whole object */
	int64_t now_ns;  /* for events without a time */
	/* Scratch. */
	struct json_flat flat;
	struct attr attrs[EVENT_FIELDS_MAX + 16];
};

/* Adds the event to b, in whose arena its bytes are. Returns flags of the above. */
unsigned event_read(struct event_reader *e, struct batch *b, struct str doc);

/* As event_read(); of one that is cut, the line is what there is of it. Tallies the flags. */
struct event_tally {
	uint64_t unparsed, cut, no_time, many_fields;
};
unsigned event_add(struct event_reader *e, struct batch *b, struct str doc, bool is_cut,
		   struct event_tally *tally);
/* Counts what was tallied. */
void event_tally_count(struct event_tally *tally, struct input *in);

/* The largest event there may be: what is wanted, and an eighth of the pipeline's memory at most, which is said. */
size_t event_max(const struct input *in, size_t wanted);

/* The stage that makes labels of what event_read() found, but for those that are configured. */
struct input_stage event_stage(struct conf_doc *doc, const struct conf_map *configured);

/* Equal events of one request or window, which Loki would take for one: those that follow another with the
 * same time and line get a nanosecond more each, by their place in it, so that the times are the same when
 * it is sent again. */
struct event_equal {
	uint64_t hash, n; /* hash 0: free */
};
struct event_equals {
	struct event_equal *slots;
	size_t n, cap;
};
/* Makes the time of r its own. Returns how many bytes of memory that took. */
size_t event_equals_part(struct event_equals *q, struct rec *r);
/* Returns how many bytes it had. */
size_t event_equals_fini(struct event_equals *q);

#endif
