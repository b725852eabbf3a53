/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C (Castagnoli, RFC 3720 appendix B.4): reflected polynomial 0x82f63b78. */
#ifndef LIB_CRC32C_H
#define LIB_CRC32C_H

#include "lib/str.h"

/* Of "123456789": 0xe3069283. */
uint32_t crc32c(struct str s);

#endif
