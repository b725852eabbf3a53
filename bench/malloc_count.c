/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LD_PRELOAD library that counts heap calls. The counters live in a file mapped shared, named by
 * MALLOC_COUNT_FILE, so a runner reads them at any moment without disturbing the process; they
 * stay there after it has ended. Layout: the magic "mallcnt1", then six native 64-bit counters:
 * malloc, calloc, realloc, aligned, free, bytes asked for. Children do not inherit the counting.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* glibc's own names: dlsym would allocate before there is anything to allocate with. */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t align, size_t n);
void __libc_free(void *p);

void *memalign(size_t align, size_t n);

struct counters {
	char magic[8];
	_Atomic uint64_t malloc, calloc, realloc, aligned, free, bytes;
};

static struct counters early; /* until the file is mapped, and when there is none */
static struct counters *counters = &early;

__attribute__((constructor)) static void open_file(void)
{
	const char *path = getenv("MALLOC_COUNT_FILE");

	if (!path)
		return;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, (off_t)sizeof(struct counters)) < 0)
		return;
	void *p = mmap(NULL, sizeof(struct counters), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (p == MAP_FAILED)
		return;
	memcpy(p, &early, sizeof(early));
	memcpy(p, "mallcnt1", 8);
	counters = p;
	unsetenv("MALLOC_COUNT_FILE");
}

static inline void count(_Atomic uint64_t *c, size_t bytes)
{
	atomic_fetch_add_explicit(c, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&counters->bytes, bytes, memory_order_relaxed);
}

void *malloc(size_t n)
{
	count(&counters->malloc, n);
	return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	count(&counters->calloc, n * size);
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	count(&counters->realloc, n);
	return __libc_realloc(p, n);
}

void *memalign(size_t align, size_t n)
{
	count(&counters->aligned, n);
	return __libc_memalign(align, n);
}

void *aligned_alloc(size_t align, size_t n)
{
	return memalign(align, n);
}

int posix_memalign(void **out, size_t align, size_t n)
{
	if (align % sizeof(void *) || !align || align & (align - 1))
		return EINVAL;
	void *p = memalign(align, n);
	if (!p)
		return ENOMEM;
	*out = p;
	return 0;
}

void free(void *p)
{
	if (p)
		atomic_fetch_add_explicit(&counters->free, 1, memory_order_relaxed);
	__libc_free(p);
}
