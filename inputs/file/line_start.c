/* SPDX-License-Identifier: Apache-2.0 */
/* Looking back for a line end. */
#include "inputs/file/line_start.h"
#include "inputs/file/ident.h"

bool line_decoder(int fd, struct decoder *configured, struct decoder **ret)
{
	char head[4];
	ssize_t got = file_read(fd, head, BOM.n, 0);

	if (got < 0)
		return false;
	*ret = decoder_for(str_make(head, (size_t)got), configured);
	return true;
}

bool line_start(int fd, const struct decoder *d, uint64_t at, uint64_t *ret)
{
	size_t unit = decoder_unit(d);
	char bytes[4096];

	at -= at % unit;
	*ret = at;
	for (uint64_t end = at; end && at - end < LINE_START_BYTES;) {
		size_t n = end < sizeof(bytes) ? (size_t)end : sizeof(bytes);
		const char *nl;

		if (file_read(fd, bytes, n, end - n) != (ssize_t)n)
			return false;
		nl = decoder_last_line_end(d, str_make(bytes, n));
		end -= n;
		if (nl || end == 0) {
			*ret = nl ? end + (size_t)(nl - bytes) + unit : 0;
			return true;
		}
	}
	return true;
}
