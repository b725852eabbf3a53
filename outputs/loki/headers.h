/* SPDX-License-Identifier: Apache-2.0 */
/* The header lines that all requests of an output share, credentials included. libcurl sends lines as
 * they are, so nothing with a line break in it may get into one. */
#ifndef OUTPUTS_LOKI_HEADERS_H
#define OUTPUTS_LOKI_HEADERS_H

#include "lib/err.h"
#include "lib/str.h"

#define HEADERS_MAX 70

struct loki_conf;

struct headers {
	size_t n;
	char *lines[HEADERS_MAX]; /* "Name: value" */
};

/* Reads the secrets. NULL with err, which names only where they come from. */
struct headers *headers_new(const struct loki_conf *conf, struct err *err);
void headers_free(struct headers *h); /* wipes them */
/* Those of a token request: a form. */
struct headers *headers_for_form(void);
/* Adds a line; the texts are checked by the caller. */
void headers_basic(struct headers *h, struct str username, struct str password);
void headers_bearer(struct headers *h, struct str token);
bool headers_are_equal(const struct headers *a, const struct headers *b);

/* A name of RFC 9110 5.1 that a user may set, and a value that cannot end the line. */
bool header_name_is_allowed(struct str name);
bool header_value_is_valid(struct str value);

#endif
