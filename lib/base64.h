/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 (RFC 4648 sections 4 and 5). */
#ifndef LIB_BASE64_H
#define LIB_BASE64_H

#include "lib/buf.h"

/* Appends what text stands for; either alphabet, with padding or without. False (and ret is as before)
 * when it is not base64, or ret is at its cap. */
bool base64_decode(struct str text, struct buf *ret);
/* Appends bytes as text: the alphabet with + and /, with padding. */
void base64_encode(struct str bytes, struct buf *ret);

#endif
