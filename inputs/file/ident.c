/* SPDX-License-Identifier: Apache-2.0 */
/* Identity of files: statx, hashes of head and marker. */
#include "inputs/file/ident.h"
#include "lib/clock.h"
#include "lib/os.h"

static bool look(int fd, const char *path, int flags, struct file_look *ret)
{
	struct statx s;

	if (os->statx(fd, path, flags, STATX_BASIC_STATS | STATX_BTIME, &s) != 0)
		return false;
	*ret = (struct file_look){
		.id = { .dev = (uint64_t)s.stx_dev_major << 32 | s.stx_dev_minor,
			.ino = s.stx_ino },
		.size = s.stx_size,
		.mtime_ns = s.stx_mtime.tv_sec * NS_PER_S + s.stx_mtime.tv_nsec,
		.mode = s.stx_mode,
		.nlink = s.stx_nlink,
	};
	if (s.stx_mask & STATX_BTIME)
		ret->id.btime_ns = s.stx_btime.tv_sec * NS_PER_S + s.stx_btime.tv_nsec;
	return true;
}

bool file_look(int fd, struct file_look *ret)
{
	return look(fd, "", AT_EMPTY_PATH, ret);
}

bool file_look_path(const char *path, struct file_look *ret)
{
	return look(AT_FDCWD, path, 0, ret);
}

uint64_t ident_hash(const char *p, size_t n)
{
	uint64_t h = 0xcbf29ce484222325;

	for (size_t i = 0; i < n; i++)
		h = (h ^ (uint8_t)p[i]) * 0x100000001b3;
	return h;
}

static bool hash_at(int fd, uint64_t at, size_t n, uint64_t *ret)
{
	char bytes[HEAD_BYTES];

	if (n && os->pread(fd, bytes, n, (off_t)at) != (ssize_t)n)
		return false;
	*ret = ident_hash(bytes, n);
	return true;
}

bool marker_read(int fd, uint64_t offset, uint64_t *ret)
{
	size_t n = marker_size(offset);

	return hash_at(fd, offset - n, n, ret);
}

bool head_read(int fd, size_t n, uint64_t *ret)
{
	return n <= HEAD_BYTES && hash_at(fd, 0, n, ret);
}

uint32_t head_size(uint64_t size)
{
	if (size < 64)
		return (uint32_t)size;
	for (uint32_t n = HEAD_BYTES; n > 64; n /= 2)
		if (size >= n)
			return n;
	return 64;
}

bool is_compressed(struct str head)
{
	return str_starts(head, STR("\x1f\x8b\x08")) || str_starts(head, STR("\x28\xb5\x2f\xfd")) ||
	       str_starts(head, STR("\xfd"
				    "7zXZ\0")) ||
	       str_starts(head, STR("BZh"));
}
