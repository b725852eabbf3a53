/* SPDX-License-Identifier: Apache-2.0 */
/* OAuth2 client credentials (RFC 6749 section 4.4): what is asked, and what the answer says. Pure. */
#ifndef OUTPUTS_LOKI_TOKEN_H
#define OUTPUTS_LOKI_TOKEN_H

#include "lib/buf.h"
#include "lib/err.h"
#include "outputs/loki/headers.h"
#include "outputs/loki/loki.h"

#define TOKEN_ANSWER_MAX ((size_t)32 * 1024)
#define TOKEN_LIFE_NS INT64_C(300000000000) /* when the answer does not say, 5 min */

/* Puts the form into *form and returns the header lines. Reads the secret. NULL with err. The caller wipes
 * the form (secret_wipe()). */
struct headers *token_request(const struct loki_oauth2 *conf, struct buf *form, struct err *err);

/* Puts access_token into *ret (cleared first) and how long to use it into *ret_life_ns: until a minute, or
 * a fifth of it, before its end. 0, or negative with err, which quotes no token. */
int token_read(struct str json, struct buf *ret, int64_t *ret_life_ns, struct err *err) MUST_USE;

#endif
