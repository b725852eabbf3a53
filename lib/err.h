/* SPDX-License-Identifier: Apache-2.0 */
/* An error a user can act on: what is wrong and where (file:line:column, peer address, path). */
#ifndef LIB_ERR_H
#define LIB_ERR_H

#include "lib/check.h"
#include "lib/str.h"

struct err {
	int code;        /* negative errno-like, 0 = none */
	char where[256]; /* origin, may be empty */
	char text[512];  /* sentence without trailing period */
};

#define ERR_NONE ((struct err){ 0 })

/* Set text (and code) and return code, so that `return err_set(err, -EINVAL, "...")` works.
 * e may be NULL. The origin is kept. */
int err_set(struct err *e, int code, const char *fmt, ...) PRINTF(3, 4);
/* Sets the origin. */
void err_where(struct err *e, const char *fmt, ...) PRINTF(2, 3);
/* As err_set(), with ": <strerror>" of the errno value appended; returns -errnum. */
int err_errno(struct err *e, int errnum, const char *fmt, ...) PRINTF(3, 4);

#endif
