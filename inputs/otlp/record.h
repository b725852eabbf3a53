/* SPDX-License-Identifier: Apache-2.0 */
/* What of OTLP becomes labels, line, time and metadata of a record: as Loki's own OTLP endpoint has it
 * (grafana/loki pkg/loghttp/push/otlp.go). Pure, but for the batch that is filled. */
#ifndef INPUTS_OTLP_RECORD_H
#define INPUTS_OTLP_RECORD_H

#include "inputs/otlp/walk.h"
#include "lib/buf.h"
#include "pipeline/batch.h"

#define OTLP_LINE_MAX ((size_t)1 << 20)          /* of a body that is no string, as JSON */
#define OTLP_ATTRS_BYTES ((size_t)128 * 1024)    /* metadata of one record, twice what Loki takes */
#define OTLP_LABEL_BYTES_MAX ((size_t)64 * 1024) /* of a stream, names and values */

/* Labels of a resource: its attributes that are in `promoted`, and service_name. */
struct otlp_labels {
	struct label items[LABELS_MAX];
	size_t n;
	struct buf text; /* of them, with lengths: the same text is the same stream */
	bool is_too_much;
};

/* labels->text is to be freed. */
void otlp_labels(struct str resource, const struct str *promoted, size_t npromoted,
		 struct otlp_labels *ret);
void otlp_labels_fini(struct otlp_labels *labels);

/* Metadata that all records of a scope have: attributes of the resource that are no labels, the scope's, and
 * what it is. Added to r, of batch b. */
void otlp_put_shared(struct batch *b, struct rec *r, const struct otlp_walk *w,
		     const struct str *promoted, size_t npromoted);

/* Metadata of the record itself; how many bytes of it there are. */
size_t otlp_put_own(struct batch *b, struct rec *r, const struct otlp_log *log);

/* The line, a slice of the log or of scratch. */
struct str otlp_line(const struct otlp_log *log, struct buf *scratch, bool *ret_was_cut);
int64_t otlp_time_ns(const struct otlp_log *log, int64_t now_ns);
uint8_t otlp_severity(int32_t number); /* of RFC 5424 */

#endif
