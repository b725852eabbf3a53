/* SPDX-License-Identifier: Apache-2.0 */
/* Detectors that are a pattern and, where there is one, a check digit. Inside of redact*.c. */
#ifndef PIPELINE_REDACT_KNOWN_H
#define PIPELINE_REDACT_KNOWN_H

#include "lib/str.h"
#include "pipeline/redact.h"

/* What of a text patterns without a literal need so many of. Counted once a text. */
struct redact_counts {
	size_t digits, dashes;
	size_t of_ipv6; /* :: or eight groups */
	size_t of_mac;  /* six groups, or three */
};
struct redact_counts redact_count(struct str text);
bool redact_has_enough(const struct redact_counts *have, const struct redact_counts *least);

struct redact_known {
	const char *name, *expression;
	uint32_t detector, national; /* the bit that turns it on, in one of the two */
	/* The least a text must have to be searched; zeroes when the pattern has a literal. */
	struct redact_counts least;
	/* The end of the secret that begins at text[start] and reaches to `end` at most; 0: there is
	 * none. NULL: whatever matches is one. */
	size_t (*check)(struct str text, size_t start, size_t end);
};

extern const struct redact_known redact_known[REDACT_KNOWN];

/* redact_notation.c */
size_t redact_check_notation(struct str text, size_t start, size_t end);

/* redact_ids.c */
size_t redact_check_us(struct str text, size_t start, size_t end);
size_t redact_check_uk(struct str text, size_t start, size_t end);
size_t redact_check_de(struct str text, size_t start, size_t end);
size_t redact_check_fr(struct str text, size_t start, size_t end);
size_t redact_check_es(struct str text, size_t start, size_t end);
size_t redact_check_it(struct str text, size_t start, size_t end);
size_t redact_check_nl(struct str text, size_t start, size_t end);
size_t redact_check_be(struct str text, size_t start, size_t end);
size_t redact_check_pl(struct str text, size_t start, size_t end);
size_t redact_check_se(struct str text, size_t start, size_t end);
size_t redact_check_ch(struct str text, size_t start, size_t end);
size_t redact_check_br(struct str text, size_t start, size_t end);
size_t redact_check_in(struct str text, size_t start, size_t end);
size_t redact_check_ca(struct str text, size_t start, size_t end);

#endif
