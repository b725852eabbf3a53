/* SPDX-License-Identifier: Apache-2.0 */
/* Heap allocation that never returns NULL. Sizes that come from outside are capped by the caller;
 * after that a failure ends the process with a message. */
#ifndef LIB_MEM_H
#define LIB_MEM_H

#include <stddef.h>

void *mem_alloc(size_t n);              /* uninitialised */
void *mem_zalloc(size_t n);             /* zeroed */
void *mem_array(size_t n, size_t size); /* zeroed; the product is checked for overflow */
void *mem_realloc(void *p, size_t n);
void *mem_dup(const void *p, size_t n);
char *mem_strdup(const char *s); /* s NUL-terminated, ours */
void mem_free(void *p);          /* NULL is fine */

#endif
