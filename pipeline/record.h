/* SPDX-License-Identifier: Apache-2.0 */
/* One log record and its attributes. Both live in their batch's arena; nothing in them is ever
 * freed alone. See batch.h for the functions that add to them. */
#ifndef PIPELINE_RECORD_H
#define PIPELINE_RECORD_H

#include <assert.h>

#include "lib/str.h"
#include "pipeline/key.h"

struct labels;

/* Extracted values are working notes of the stages and are not sent. Metadata is sent as Loki
 * structured metadata; stages can read it by name, too. */
enum attr_kind { ATTR_EXTRACTED, ATTR_META, ATTR_GONE };

/* What kind of value the text was; stages that convert care, all others take the text.
 * ATTR_NULL: the key exists without a value (JSON null), p is empty. */
enum attr_type { ATTR_STRING, ATTR_NUMBER, ATTR_BOOL, ATTR_NULL };

struct attr {
	const char *p; /* value; for KEY_INLINE preceded by the name and its u16 length */
	uint32_t n;    /* bytes of the value */
	uint16_t key;  /* key.h */
	uint8_t kind, type;
};
static_assert(sizeof(struct attr) == 16, "attr grew");

/* rec.flags */
enum {
	REC_DROP = 1 << 0,          /* leaves the pipeline here (filtered); counted by the chain */
	REC_SKIP = 1 << 1,          /* not selected by an enclosing `match`: stages pass over it */
	REC_HELD = 1 << 2,          /* taken into a stage's own memory (joined later) */
	REC_CUT = 1 << 3,           /* longer than the cap; the rest was discarded and counted */
	REC_BAD_UTF8 = 1 << 4,      /* invalid bytes were replaced by U+FFFD */
	REC_UNPARSED = 1 << 5,      /* the input could not parse it: the line is the raw message */
	REC_PARTIAL = 1 << 6,       /* its end did not come in time */
	REC_TIME_GUESSED = 1 << 7,  /* its own time could not be read: receive time */
	REC_REDACT_FAILED = 1 << 8, /* masked whole because redaction could not finish */
	REC_LABELS_FULL = 1 << 9,   /* labels became metadata: too many streams */
	REC_UTF8 = 1 << 10,         /* by its input, that has looked: line and attributes are valid
				     * UTF-8. Means nothing behind the first stage */
};
#define REC_PASSED_OVER (REC_DROP | REC_SKIP | REC_HELD)
/* Those that users see, as the metadata pair tailrace_flags="cut,bad_utf8". */
#define REC_FLAGS_NAME "tailrace_flags"
#define REC_FLAGS                                                                                  \
	(REC_CUT | REC_BAD_UTF8 | REC_UNPARSED | REC_PARTIAL | REC_TIME_GUESSED |                  \
	 REC_REDACT_FAILED | REC_LABELS_FULL)
#define REC_METADATA_CUT (1u << 16) /* of an output's encoding, not in rec.flags */
#define REC_FLAGS_TEXT_MAX 128

struct rec {
	int64_t time_ns; /* since 1970 UTC; inputs always set it */
	struct str line;
	struct attr *attrs;
	const struct labels *labels; /* NULL = the batch's */
	uint16_t nattrs, attrs_cap;
	uint16_t flags;
	uint8_t severity; /* RFC 5424 number; SEVERITY_NONE when unknown */
	uint8_t facility;
};
static_assert(sizeof(struct rec) == 48, "rec grew");

#define SEVERITY_NONE 0xff
#define FACILITY_NONE 0xff

/* Writes the names of flags (REC_FLAGS and REC_METADATA_CUT), with commas between, to out
 * (REC_FLAGS_TEXT_MAX bytes) and returns the text. */
struct str rec_flags_text(uint32_t flags, char *out);

/* Name of an attribute. */
static inline struct str attr_name(const struct attr *a)
{
	uint16_t n;

	if (a->key != KEY_INLINE)
		return key_name(a->key);
	memcpy(&n, a->p - sizeof(n), sizeof(n));
	return str_make(a->p - sizeof(n) - n, n);
}

static inline struct str attr_value(const struct attr *a)
{
	return str_make(a->p, a->n);
}

#endif
