/* SPDX-License-Identifier: Apache-2.0 */
/* Search for one literal, or any of a few, in a short text: the step before a regular expression
 * and the whole of a `|=` filter. Compares two rare bytes of the literal 16 or 32 places at a time,
 * and for sets the first bytes of all of them by nibble look-up. */
#ifndef PIPELINE_LITERAL_H
#define PIPELINE_LITERAL_H

#include "lib/str.h"

#define LITERAL_BYTES_MAX 32
#define LITERAL_SET_MAX 32
#define LITERAL_NONE ((size_t)-1)

struct literal {
	uint8_t n;                        /* bytes; 0 = finds itself everywhere */
	uint8_t rare1, rare2;             /* places of the two bytes compared first */
	bool is_folded;                   /* some byte ignores ASCII case */
	uint8_t bytes[LITERAL_BYTES_MAX]; /* folded ones in lower case */
	uint8_t fold[LITERAL_BYTES_MAX];  /* 0x20 for a folded letter, else 0 */
};

/* fold: ASCII letters match in both cases. text.n <= LITERAL_BYTES_MAX. */
void literal_init(struct literal *l, struct str text, bool fold);
/* The same with a fold mask (0x20 or 0) for each byte. */
void literal_init_masked(struct literal *l, const uint8_t *bytes, const uint8_t *fold, size_t n);
/* Place of the first occurrence at `from` or later, LITERAL_NONE when there is none. */
size_t literal_find(const struct literal *l, struct str text, size_t from);
/* How seldom the literal is met in log lines, in bits (an estimate, capped). */
unsigned literal_rarity(const struct literal *l);

struct literal_set {
	uint32_t n;
	uint8_t width; /* leading bytes looked at, 1..3 */
	struct literal items[LITERAL_SET_MAX];
	uint8_t lo[3][16], hi[3][16]; /* bit b: bytes with this nibble occur in bucket b */
};

/* Prepares the tables after items were filled in; n >= 1, no empty items. */
void literal_set_init(struct literal_set *set);
/* Place of the first occurrence of any, LITERAL_NONE when there is none. */
size_t literal_set_find(const struct literal_set *set, struct str text, size_t from);
/* Bit i: one of them is in texts[i]; n <= TEXT_RUN_MAX. One search for those that are a text_run(). */
uint64_t literal_set_texts(const struct literal_set *set, const struct str *texts, uint32_t n);

#endif
