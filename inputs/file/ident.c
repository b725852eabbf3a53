/* SPDX-License-Identifier: Apache-2.0 */
/* Identity of files: statx, hashes of head and marker. */
#include <errno.h>
#include <unistd.h>

#include "inputs/file/ident.h"
#include "lib/clock.h"
#include "lib/os.h"

static bool look(int fd, const char *path, int flags, struct file_look *ret)
{
	struct statx s;

	if (OS_RETRY(os->statx(fd, path, flags, STATX_BASIC_STATS | STATX_BTIME, &s)) != 0)
		return false;
	*ret = (struct file_look){
		.id = { .dev = (uint64_t)s.stx_dev_major << 32 | s.stx_dev_minor,
			.ino = s.stx_ino },
		.size = s.stx_size,
		.mtime_ns = s.stx_mtime.tv_sec * NS_PER_S + s.stx_mtime.tv_nsec,
		.mode = s.stx_mode,
		.nlink = s.stx_nlink,
		.is_mount = (s.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0,
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

uint64_t ident_hash_on(uint64_t hash, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		hash = (hash ^ (uint8_t)p[i]) * 0x100000001b3;
	return hash;
}

uint64_t ident_hash(const char *p, size_t n)
{
	return ident_hash_on(0xcbf29ce484222325, p, n);
}

ssize_t file_read(int fd, void *p, size_t n, uint64_t at)
{
	size_t done = 0;

	while (done < n) {
		ssize_t got = os->pread(fd, (char *)p + done, n - done, (off_t)(at + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		done += (size_t)got;
	}
	return (ssize_t)done;
}

enum same hash_is(int fd, uint64_t at, size_t n, uint64_t hash)
{
	char bytes[HEAD_BYTES];
	ssize_t got = n <= sizeof(bytes) ? file_read(fd, bytes, n, at) : 0;

	if (got < 0)
		return SAME_UNKNOWN;
	return (size_t)got == n && ident_hash(bytes, n) == hash ? SAME_YES : SAME_NO;
}

enum same marker_is(int fd, uint64_t offset, uint64_t hash)
{
	size_t n = marker_size(offset);

	return n ? hash_is(fd, offset - n, n, hash) : SAME_YES;
}

bool marker_read(int fd, uint64_t offset, uint64_t *ret)
{
	char bytes[MARKER_BYTES];
	size_t n = marker_size(offset);

	if (file_read(fd, bytes, n, offset - n) != (ssize_t)n)
		return false;
	*ret = ident_hash(bytes, n);
	return true;
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

bool is_unpackable(struct str head)
{
	return str_starts(head, STR("\x1f\x8b\x08")) || str_starts(head, STR("\x28\xb5\x2f\xfd"));
}

bool is_compressed(struct str head)
{
	return is_unpackable(head) ||
	       str_starts(head, STR("\xfd"
				    "7zXZ\0")) ||
	       str_starts(head, STR("BZh"));
}
