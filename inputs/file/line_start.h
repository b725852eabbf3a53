/* SPDX-License-Identifier: Apache-2.0 */
/* Where a line begins. */
#ifndef INPUTS_FILE_LINE_START_H
#define INPUTS_FILE_LINE_START_H

#include <stdbool.h>
#include <stdint.h>

#include "inputs/file/encoding.h"

#define LINE_START_BYTES ((uint64_t)256 * 1024) /* looked through at most */

/* By the file's byte order mark, else `configured` (NULL: UTF-8). False (errno) when it cannot be read. */
bool line_decoder(int fd, struct decoder *configured, struct decoder **ret);
/* The place behind the last line end at or before `at`: `at` itself where a line begins there, or
 * where none does within LINE_START_BYTES before it (then where its unit begins). False (errno) when
 * it cannot be read. */
bool line_start(int fd, const struct decoder *d, uint64_t at, uint64_t *ret);

#endif
