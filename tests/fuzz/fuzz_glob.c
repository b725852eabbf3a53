/* SPDX-License-Identifier: Apache-2.0 */
/* Path patterns: any pattern compiles or is refused, any path is matched without a read outside. The
 * pattern ends at the first line end, the path is the rest. */
#include "inputs/file/glob.h"
#include "lib/check.h"
#include "lib/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str rest = str_make((const char *)data, n), pattern = str_cut(&rest, '\n');
	struct err err = ERR_NONE;
	struct glob g;
	char *path;

	if (rest.n > 4096)
		rest.n = 4096;
	if (glob_init(&g, pattern, STR("/base/dir"), &err) < 0) {
		CHECK(err.text[0] && g.n == 0);
		return 0;
	}
	CHECK(g.n >= 1 && g.n <= GLOB_ALTERNATIVES_MAX);
	path = mem_alloc(rest.n + 1);
	path[0] = '/';
	if (rest.n)
		memcpy(path + 1, rest.p, rest.n);
	glob_match(&g, str_make(path, rest.n + 1));
	/* A file that is called like the pattern is always found. */
	CHECK(g.text.n < 2 || glob_match(&g, g.text));
	mem_free(path);
	glob_fini(&g);
	return 0;
}
