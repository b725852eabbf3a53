/* SPDX-License-Identifier: Apache-2.0 */
/* Where a line begins. */
#ifndef INPUTS_FILE_LINE_START_H
#define INPUTS_FILE_LINE_START_H

#include <stdbool.h>
#include <stdint.h>

#define LINE_START_BYTES ((uint64_t)256 * 1024) /* looked through at most */

/* The place behind the last line end at or before `at`: `at` itself where a line begins there, or
 * where none does within LINE_START_BYTES before it. False (errno) when it cannot be read. */
bool line_start(int fd, uint64_t at, uint64_t *ret);

#endif
