/* SPDX-License-Identifier: Apache-2.0 */
/* The end of the process when one of our own invariants is broken. */
#include <stdio.h>
#include <stdlib.h>

#include "lib/check.h"

_Noreturn void check_failed(const char *file, int line, const char *func, const char *what)
{
	fprintf(stderr,
		"tailrace: internal error at %s:%d in %s: %s does not hold; "
		"please report this\n",
		file, line, func, what);
	abort();
}
