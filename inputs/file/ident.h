/* SPDX-License-Identifier: Apache-2.0 */
/* Which file is this? Device, inode and birth time say so while the system runs and the file system
 * knows them; the hash of its beginning and of the bytes before the position tell a file from
 * another that was given the same inode, and a file from its own rewritten self. */
#ifndef INPUTS_FILE_IDENT_H
#define INPUTS_FILE_IDENT_H

#include <sys/types.h>

#include "lib/str.h"

#define HEAD_BYTES 1024 /* of the beginning that are hashed at most */
#define MARKER_BYTES 64 /* before the position that are hashed at most */

struct file_id {
	uint64_t dev, ino;
	int64_t btime_ns; /* 0: the file system does not say */
};

struct file_look {
	struct file_id id;
	uint64_t size;
	int64_t mtime_ns;
	uint32_t mode, nlink;
	bool is_mount; /* a file that is mounted by itself */
};

/* False (errno) when the descriptor cannot be looked at. */
bool file_look(int fd, struct file_look *ret);
/* The same of a path; a symlink is looked through. */
bool file_look_path(const char *path, struct file_look *ret);

static inline bool file_id_eq(const struct file_id *a, const struct file_id *b)
{
	return a->dev == b->dev && a->ino == b->ino &&
	       (a->btime_ns == b->btime_ns || !a->btime_ns || !b->btime_ns);
}

/* The same, except that the device may have another number now: it can, when the machine starts or a
 * file system is mounted again. Content must agree as well. */
static inline bool file_id_alike(const struct file_id *a, const struct file_id *b)
{
	return a->ino == b->ino && (a->btime_ns == b->btime_ns || !a->btime_ns || !b->btime_ns);
}

/* FNV-1a, 64 bits: written to disk, so it never changes. Not the bytes themselves, which may hold a
 * secret that the pipeline would redact. */
uint64_t ident_hash(const char *p, size_t n);
/* The same of more bytes, when what stands before them has this hash. */
uint64_t ident_hash_on(uint64_t hash, const char *p, size_t n);

static inline size_t marker_size(uint64_t offset)
{
	return offset < MARKER_BYTES ? (size_t)offset : MARKER_BYTES;
}

/* As pread(), but interrupted and short reads go on: less than n only at the end of the file. -1 when a part
 * cannot be read. */
ssize_t file_read(int fd, void *p, size_t n, uint64_t at);

/* Do the n <= HEAD_BYTES bytes at `at` have this hash? Fewer bytes do not. */
enum same { SAME_NO, SAME_YES, SAME_UNKNOWN /* cannot be read: errno */ };
enum same hash_is(int fd, uint64_t at, size_t n, uint64_t hash);
/* The marker before offset. */
enum same marker_is(int fd, uint64_t offset, uint64_t hash);
/* Hash of the marker before offset; false when it cannot be read whole. */
bool marker_read(int fd, uint64_t offset, uint64_t *ret);
/* How many bytes of the beginning to hash for a file of this size: grows in few steps. */
uint32_t head_size(uint64_t size);

#define COMPRESSED_BYTES 6 /* enough to tell */
/* A gzip, zstd, xz or bzip2 file by its first bytes. */
bool is_compressed(struct str head);
/* One that we can decompress: gzip or zstd. */
bool is_unpackable(struct str head);

#endif
