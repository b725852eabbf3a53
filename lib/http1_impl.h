/* SPDX-License-Identifier: Apache-2.0 */
/* Between http1.c (lines, bodies) and http1_head.c (what the lines of a head mean). */
#ifndef LIB_HTTP1_IMPL_H
#define LIB_HTTP1_IMPL_H

#include "lib/http1.h"

bool http1_is_token(struct str s); /* RFC 9110 5.6.2 */
bool http1_is_token_byte(char c);
enum http1_result http1_bad(struct http1 *h, unsigned status, const char *why);
/* One line without its end. */
bool http1_parse_field(struct http1 *h, struct str line, struct http1_field *ret);
/* Lines that end in CR LF, the empty one included. */
bool http1_parse_head(struct http1 *h, struct str lines, struct http1_head *ret);

#endif
