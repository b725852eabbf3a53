/* SPDX-License-Identifier: Apache-2.0 */
/* Bounded JSON reader (RFC 8259): one pass over a document validates all of it and picks out the
 * values of a set of paths compiled beforehand. Pure, no recursion, no allocation per document.
 *
 * More liberal than the RFC in one point: raw control bytes inside strings and invalid UTF-8 are
 * kept as they are, because log lines have them. Of duplicate keys the last one counts, with all
 * that is below it. */
#ifndef PIPELINE_JSON_H
#define PIPELINE_JSON_H

#include "lib/err.h"
#include "lib/str.h"

#define JSON_DEPTH_MAX 64         /* nested objects and arrays */
#define JSON_PATH_NAMES_MAX 32    /* names and indices in one path */
#define JSON_PATHS_SLOTS_MAX 2048 /* names and indices in one set */
#define JSON_NAME_BYTES_MAX 255   /* of one quoted or plain name */

enum json_type {
	JSON_ABSENT,
	JSON_NULL,
	JSON_BOOL,
	JSON_NUMBER,
	JSON_STRING,
	JSON_OBJECT,
	JSON_ARRAY,
};

struct json_value {
	struct str raw;  /* borrowed from the document; a string's stands without its quotes */
	uint8_t type;    /* enum json_type */
	bool is_escaped; /* string with at least one escape sequence */
};

enum json_error {
	JSON_MALFORMED = -1,
	JSON_TOO_DEEP = -2,
};

/* A set of paths as a tree of names; constant while documents are read with it, so threads may
 * share it. */
struct json_paths;

struct json_paths *json_paths_new(void);
void json_paths_free(struct json_paths *paths);

/* Adds a path: JMESPath identifiers (plain [A-Za-z_][A-Za-z0-9_]*, or a JSON string in double
 * quotes) joined by dots, and [n]. Returns its slot (> 0, the same for equal paths), negative for
 * everything else of JMESPath (jmespath/) and what is none. */
int json_paths_add(struct json_paths *paths, struct str expression);

/* Number of values json_extract() writes: the caller's array has at least this many. */
size_t json_paths_slots(const struct json_paths *paths);

/* Reads one document. Returns its outermost type (enum json_type, never JSON_ABSENT) or an
 * enum json_error; after an error the values are not to be used. values[slot] is what the path
 * points at, JSON_ABSENT when nothing is there; it lives as long as doc's bytes. White space
 * around the document is fine, other bytes behind it are an error. */
int json_extract(const struct json_paths *paths, struct str doc, struct json_value *values);

/* Bytes json_text() may write for v; 0 when it borrows from the document. */
size_t json_text_size(const struct json_value *v);

/* The value as text; out has json_text_size(v) bytes. False for absent, null and numbers beyond
 * float64. Strings unescaped (lone surrogates become U+FFFD); true, false; whole numbers as they
 * are written; other numbers as the shortest decimal that reads back as the same float64, never
 * with an exponent; objects and arrays without white space and with < > & U+2028 U+2029 escaped
 * inside strings, as Go's encoder writes them, keys in the document's order. */
bool json_text(const struct json_value *v, char *out, struct str *ret);

/* Resolves the escapes of a string's raw bytes, which json_extract() has validated; out has raw.n
 * bytes. */
struct str json_unescape(struct str raw, char *out);

/* The bytes of s up to the closing quote, s starting behind the opening one; false when the string
 * does not end or has an invalid escape. */
bool json_string(struct str s, struct str *ret_raw, bool *ret_is_escaped);

#endif
