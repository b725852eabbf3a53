/* SPDX-License-Identifier: Apache-2.0 */
/* A password or token: given inline, by a file or by an environment variable. It is never printed
 * (errors name the source only) and can be read again, so that a rotated file takes effect. */
#ifndef LIB_SECRET_H
#define LIB_SECRET_H

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/str.h"

enum secret_source {
	SECRET_NONE = 0, /* not given */
	SECRET_INLINE,
	SECRET_FILE, /* file:/path */
	SECRET_ENV,  /* env:NAME */
};

struct secret {
	enum secret_source source;
	struct str ref; /* path, variable name, or the secret itself; lives in the conf_doc */
};

static inline bool secret_is_set(const struct secret *s)
{
	return s->source != SECRET_NONE;
}

/* "file:/path", "env:NAME" or the secret itself. Borrows text. */
struct secret secret_parse(struct str text);
/* Puts the secret as it is now into ret (cleared first): a file without its last line break, at most
 * 64 KiB. Fails when the file cannot be read, the variable is unset or the result is empty. The
 * caller wipes with secret_wipe(). */
int secret_read(const struct secret *s, struct buf *ret, struct err *err) MUST_USE;
/* Overwrites the bytes and frees. */
void secret_wipe(struct buf *b);

#endif
