/* SPDX-License-Identifier: Apache-2.0 */
/* Growable bytes with a hard cap. Past the cap writes are ignored and `is_cut` stays set, so a
 * producer checks once at the end. Owned by whoever declares it; buf_fini() frees. */
#ifndef LIB_BUF_H
#define LIB_BUF_H

#include "lib/check.h"
#include "lib/str.h"

struct buf {
	char *p;
	size_t n, cap;
	size_t max; /* bytes; 0 = 1 GiB */
	bool is_cut;
};

#define BUF_INIT ((struct buf){ 0 })

void buf_fini(struct buf *b);
void buf_clear(struct buf *b); /* keeps the memory */
/* Room for n more bytes at b->p + b->n; false (and is_cut) past the cap. */
bool buf_reserve(struct buf *b, size_t n);
void buf_put(struct buf *b, const void *p, size_t n);
void buf_str(struct buf *b, struct str s);
void buf_c(struct buf *b, const char *s);
void buf_ch(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
/* In quoted text: writes the escape of " \\ \n \t \r, which Go, JSON and logfmt share; false for
 * every other byte, which the caller writes. */
bool buf_escape(struct buf *b, char c);
/* JSON string with quotes; invalid UTF-8 becomes U+FFFD. */
void buf_json_str(struct buf *b, struct str s);
/* NUL-terminates (not counted in n) and returns p. */
char *buf_cstr(struct buf *b);
static inline struct str buf_as_str(const struct buf *b)
{
	return str_make(b->p, b->n);
}

#endif
