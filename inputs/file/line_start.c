/* SPDX-License-Identifier: Apache-2.0 */
/* Looking back for a line end. */
#include "inputs/file/line_start.h"
#include "inputs/file/ident.h"

bool line_start(int fd, uint64_t at, uint64_t *ret)
{
	char bytes[4096];

	*ret = at;
	for (uint64_t end = at; end && at - end < LINE_START_BYTES;) {
		size_t n = end < sizeof(bytes) ? (size_t)end : sizeof(bytes);
		const char *nl;

		if (file_read(fd, bytes, n, end - n) != (ssize_t)n)
			return false;
		nl = memrchr(bytes, '\n', n);
		end -= n;
		if (nl || end == 0) {
			*ret = nl ? end + (size_t)(nl - bytes) + 1 : 0;
			return true;
		}
	}
	return true;
}
