/* SPDX-License-Identifier: Apache-2.0 */
/* One look at 64 bytes for everything the redaction floor can be interested in, as bit masks. */
#ifndef BENCH_REDACT_SCAN_H
#define BENCH_REDACT_SCAN_H

#include <stdint.h>

#define SCAN_GROUP 64u
#define SCAN_OVERREAD 2u /* bytes read beyond the group; the buffer must have them */

/* Bit i speaks of byte i. */
struct scan_group {
	uint64_t newline;
	uint64_t at; /* '@' */
	uint64_t digit;
	uint64_t dot;
	uint64_t gap;     /* ' ' or '-', what may stand between the digits of a card */
	uint64_t literal; /* any case: bea bas eyj aki, or rd= wd= et= en= ey= el= starts here */
};

void scan_group(const uint8_t *p, struct scan_group *out);

#endif
