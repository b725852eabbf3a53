/* SPDX-License-Identifier: Apache-2.0 */
/* malloc with one answer to failure. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/check.h"
#include "lib/mem.h"

static void *must(void *p, size_t n)
{
	if (!p) {
		fprintf(stderr, "tailrace: out of memory allocating %zu bytes\n", n);
		abort();
	}
	return p;
}

void *mem_alloc(size_t n)
{
	return must(malloc(n ? n : 1), n);
}

void *mem_zalloc(size_t n)
{
	return must(calloc(1, n ? n : 1), n);
}

void *mem_array(size_t n, size_t size)
{
	CHECK(size == 0 || n <= SIZE_MAX / size);
	return mem_zalloc(n * size);
}

void *mem_realloc(void *p, size_t n)
{
	return must(realloc(p, n ? n : 1), n);
}

void *mem_dup(const void *p, size_t n)
{
	void *copy = mem_alloc(n);

	if (n)
		memcpy(copy, p, n);
	return copy;
}

char *mem_strdup(const char *s)
{
	return mem_dup(s, strlen(s) + 1);
}

void mem_free(void *p)
{
	free(p);
}
