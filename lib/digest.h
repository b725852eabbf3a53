/* SPDX-License-Identifier: Apache-2.0 */
/* Message digests, by OpenSSL. */
#ifndef LIB_DIGEST_H
#define LIB_DIGEST_H

#include "lib/str.h"

enum digest { DIGEST_SHA1, DIGEST_SHA256, DIGEST_SHA512, DIGEST_SHA3_256 };

#define DIGEST_BYTES_MAX 64

/* Digest of the parts one after the other. Writes to out (DIGEST_BYTES_MAX bytes) and returns the
 * length; 0 when the library refuses the algorithm (a FIPS mode without SHA-1). */
size_t digest(enum digest which, const struct str *parts, size_t n, unsigned char *out);

/* HMAC (RFC 2104) with SHA-256: 32 bytes to out. False when the library refuses. */
bool digest_hmac_sha256(struct str key, struct str text, unsigned char *out);

#endif
