/* SPDX-License-Identifier: Apache-2.0 */
/* Reads an ExportLogsServiceRequest in place: no memory, no recursion, everything is a slice of the body.
 *
 *	why = otlp_check(body)           NULL: all of it can be read
 *	otlp_walk_init(&w, body)         of a body that was checked
 *	while ((got = otlp_next(&w, &log)) != OTLP_END)
 *		OTLP_NEW_RESOURCE  w.resource: otlp_pair(&rest, RESOURCE_ATTRIBUTES, ..)
 *		OTLP_NEW_SCOPE     w.scope
 *		OTLP_RECORD        log
 *
 * Fields that are not known are passed over; a known one of another wire type, a message that stands twice
 * where it may stand once, and what is beyond the limits is refused. */
#ifndef INPUTS_OTLP_WALK_H
#define INPUTS_OTLP_WALK_H

#include "inputs/otlp/schema.h"

#define OTLP_DEPTH_MAX 128 /* messages within each other: 60 arrays, 40 maps */
#define OTLP_VALUES_MAX                                                                            \
	16384 /* values of one record, resource or scope, those within others included */

const char *otlp_check(struct str body);

enum otlp_step { OTLP_END, OTLP_NEW_RESOURCE, OTLP_NEW_SCOPE, OTLP_RECORD };

struct otlp_walk {
	struct str resources, scopes, records; /* what is left of them */
	struct str resource, scope;            /* the newest; empty when it has none */
};

struct otlp_log {
	uint64_t time_ns, observed_ns; /* 0: not set */
	int32_t severity;              /* 0: not set */
	uint32_t dropped, flags;
	struct str severity_text, body, trace_id, span_id, event_name;
	struct str message; /* otlp_pair(&message, LOG_ATTRIBUTES, ..) */
};

void otlp_walk_init(struct otlp_walk *w, struct str body);
enum otlp_step otlp_next(struct otlp_walk *w, struct otlp_log *ret);

struct otlp_scope {
	struct str name, version;
	uint32_t dropped;
};
void otlp_scope(struct str message, struct otlp_scope *ret);

/* An AnyValue. */
struct otlp_any {
	uint8_t field;    /* ANY_*; 0: it has no value */
	uint64_t bits;    /* of ANY_BOOL, ANY_INT, ANY_DOUBLE */
	struct str bytes; /* of ANY_STRING, ANY_BYTES; a message of ANY_ARRAY, ANY_LIST */
};
void otlp_any(struct str message, struct otlp_any *ret);
/* The next KeyValue in fields of that number. False: there is no further one. */
bool otlp_pair(struct str *rest, uint32_t number, struct str *key, struct otlp_any *value);
/* The next value of an array. */
bool otlp_item(struct str *rest, struct otlp_any *value);

#endif
