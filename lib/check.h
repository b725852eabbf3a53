/* SPDX-License-Identifier: Apache-2.0 */
/* Assertions that stay on in release builds, and magics for what crosses a void pointer.
 * Only for our own invariants: nothing a peer or a file contains may reach one. */
#ifndef LIB_CHECK_H
#define LIB_CHECK_H

#include <stddef.h>

/* Prints "file:line: function: what" to stderr and aborts (core dumps are off). */
_Noreturn void check_failed(const char *file, int line, const char *func, const char *what);

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (__builtin_expect(!(cond), 0))                                                  \
			check_failed(__FILE__, __LINE__, __func__, #cond);                         \
	} while (0)

/* An object's first member is `unsigned magic`; the constant is unique in the tree (linted). */
#define CHECK_OBJ(ptr, MAGIC) CHECK((ptr) && (ptr)->magic == (MAGIC))

/* Moves a pointer out of its variable and leaves NULL behind. */
#define TAKE(p)                                                                                    \
	({                                                                                         \
		__typeof__(p) take_ = (p);                                                         \
		(p) = NULL;                                                                        \
		take_;                                                                             \
	})

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#endif
