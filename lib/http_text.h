/* SPDX-License-Identifier: Apache-2.0 */
/* Texts within HTTP: percent-encoding, queries, media types, dates, names of status codes. No I/O. */
#ifndef LIB_HTTP_TEXT_H
#define LIB_HTTP_TEXT_H

#include "lib/buf.h"

/* Appends text with %XX replaced, in forms also '+' by a space. False when a % is not followed by two
 * hex digits, or stands for NUL; ret then has the part in front. */
bool http_unescape(struct str text, bool is_form, struct buf *ret);
/* Cuts "name=value" off a query; both still encoded, the value empty without '='. False at its end. */
bool http_query_next(struct str *query, struct str *name, struct str *value);
/* Value of the first parameter of that (unencoded) name; p is NULL when there is none. */
struct str http_query_find(struct str query, struct str name);
/* "application/json; charset=utf-8" is "application/json"; letter case aside. */
struct str http_media_type(struct str value);
bool http_is_type(struct str value, struct str type);
/* How much a client wants a media type, by its Accept: the largest q that is given with it, 1 without a number; 0: it
 * is not named. Wildcards name nothing. */
double http_accepts(struct str accept, struct str type);
/* "Retry-After" and "Date" want it: "Sun, 06 Nov 1994 08:49:37 GMT", NUL-terminated. */
#define HTTP_DATE_TEXT 32
size_t http_date(int64_t unix_s, char out[HTTP_DATE_TEXT]);
/* "Not Found"; "Status" for what has no name. */
const char *http_status_name(unsigned status);

#endif
