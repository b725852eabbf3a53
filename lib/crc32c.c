/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C: the processor's own instruction, else four bits at a time with a table that fits one cache
 * line, for short texts. */
#include <stdint.h>
#include <string.h>

#include "lib/crc32c.h"

/* Remainder of each nibble: four steps of c = c & 1 ? c >> 1 ^ 0x82f63b78 : c >> 1. */
static const uint32_t table[16] = {
	0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
	0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
	0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

static uint32_t by_table(uint32_t c, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		c ^= (uint8_t)s.p[i];
		c = c >> 4 ^ table[c & 15];
		c = c >> 4 ^ table[c & 15];
	}
	return c;
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t c, struct str s)
{
	uint64_t wide = c;

	for (; s.n >= 8; s.p += 8, s.n -= 8) {
		uint64_t word;

		memcpy(&word, s.p, 8);
		wide = __builtin_ia32_crc32di(wide, word);
	}
	c = (uint32_t)wide;
	for (size_t i = 0; i < s.n; i++)
		c = __builtin_ia32_crc32qi(c, (uint8_t)s.p[i]);
	return c;
}
#endif

uint32_t crc32c(struct str s)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("sse4.2"))
		return ~by_instruction(0xffffffff, s);
#endif
	return ~by_table(0xffffffff, s);
}
