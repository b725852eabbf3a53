/* SPDX-License-Identifier: Apache-2.0 */
/* logfmt reader with the grammar of go-logfmt 0.6.0: pairs `key=value key="quoted \n value" key`,
 * separated by bytes up to space. Pure; values borrow from the text. */
#ifndef PIPELINE_LOGFMT_H
#define PIPELINE_LOGFMT_H

#include "lib/str.h"

struct logfmt_value {
	struct str raw;  /* borrowed, without quotes; p == NULL: the field does not occur */
	bool is_escaped; /* needs logfmt_unescape() */
};

/* One text, pair by pair. */
struct logfmt {
	const char *p, *end;
	bool is_broken; /* a syntax error: what came before it counts, nothing behind it is read */
};

static inline struct logfmt logfmt_start(struct str text)
{
	return (struct logfmt){ .p = text.p, .end = text.n ? text.p + text.n : text.p };
}

/* The next pair; false at the end and at a syntax error: `=` without a key, `=` or `"` in a bare
 * value, `"` in a key, a quoted value that does not end on its line or has a bad escape, invalid
 * UTF-8 (or U+FFFD) in a key. `key` and `key=` have an empty value. */
bool logfmt_next(struct logfmt *l, struct str *ret_key, struct logfmt_value *ret_value);

/* A set of field names; constant while texts are read with it. */
struct logfmt_fields;

struct logfmt_fields *logfmt_fields_new(void);
void logfmt_fields_free(struct logfmt_fields *fields);
/* The field's slot (the same for equal names), or -1 beyond 1,024 different ones. */
int logfmt_fields_add(struct logfmt_fields *fields, struct str name);
size_t logfmt_fields_slots(const struct logfmt_fields *fields);

/* Sets values[slot] of every field (of repeated ones the last), raw.p == NULL for the absent.
 * False at a syntax error; the values before it are set then too. */
bool logfmt_extract(const struct logfmt_fields *fields, struct str text,
		    struct logfmt_value *values);

/* Bytes logfmt_unescape() may write. */
static inline size_t logfmt_unescape_size(const struct logfmt_value *v)
{
	return v->is_escaped ? 3 * v->raw.n : 0; /* an invalid byte becomes U+FFFD */
}

/* The value with its escapes resolved (in those values, and only there, invalid UTF-8 becomes
 * U+FFFD); out has logfmt_unescape_size(v) bytes. */
struct str logfmt_unescape(const struct logfmt_value *v, char *out);

#endif
