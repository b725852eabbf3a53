/* SPDX-License-Identifier: Apache-2.0 */
/* Small things of lib/: the hash table, CRC-32C, the lock file. */
#include "test.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/crc32c.h"
#include "lib/lockfile.h"
#include "lib/map.h"

struct thing {
	struct map_node node;
	int value;
};

static void maps(void)
{
	static struct thing things[1000];
	struct map m = MAP_INIT;
	struct map_node *n;

	OK(map_first(&m, 1) == NULL);
	for (int i = 0; i < 1000; i++) {
		things[i].value = i;
		map_add(&m, &things[i].node, (uint64_t)(i / 2) << 32);
	}
	EQ_INT(m.n, 1000);
	for (int i = 0; i < 500; i++) {
		/* The newest first, also after the buckets have grown. */
		n = map_first(&m, (uint64_t)i << 32);
		OK(n == &things[2 * i + 1].node);
		n = map_next(n);
		OK(n == &things[2 * i].node && map_next(n) == NULL);
	}
	OK(map_first(&m, 5) == NULL);
	for (int i = 0; i < 1000; i += 2)
		map_del(&m, &things[i].node);
	map_del(&m, &things[0].node);
	EQ_INT(m.n, 500);
	OK(map_first(&m, 0) == &things[1].node && map_next(&things[1].node) == NULL);
	map_fini(&m);
}

static void crc(void)
{
	EQ_INT(crc32c(STR("123456789")), 0xe3069283);
	/* Each length, against the definition: words and single bytes may take different ways. */
	for (size_t n = 0; n < 40; n++) {
		const char *text = "the quick brown fox jumps over a lazy dog";
		uint32_t c = 0xffffffff;

		for (size_t i = 0; i < n; i++) {
			c ^= (uint8_t)text[i];
			for (int bit = 0; bit < 8; bit++)
				c = c & 1 ? c >> 1 ^ 0x82f63b78 : c >> 1;
		}
		EQ_INT(crc32c(str_make(text, n)), ~c);
	}
	EQ_INT(crc32c(STR_NONE), 0);
	/* RFC 3720 B.4: 32 bytes of zeros, and of ones. */
	EQ_INT(crc32c(STR("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0")),
	       0x8a9136aa);
	EQ_INT(crc32c(STR("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
			  "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")),
	       0x62a8ab43);
}

static void locks(void)
{
	char dir[] = "/tmp/tailrace-lock-XXXXXX", path[64], pid[32];
	struct err err = ERR_NONE;
	int fd, status;

	OK(mkdtemp(dir) != NULL);
	snprintf(path, sizeof(path), "%s/lock", dir);
	fd = lockfile_take(path, &err);
	OK(fd >= 0);
	/* Another open file description is another owner, as another process is. */
	EQ_INT(lockfile_take(path, &err), -EBUSY);
	snprintf(pid, sizeof(pid), "process %d", (int)getpid());
	OK(strstr(err.text, pid) != NULL);
	EQ_STR(str_c(err.where), path);
	lockfile_release(fd);
	fd = lockfile_take(path, &err);
	OK(fd >= 0);
	lockfile_release(fd);
	lockfile_release(-1);
	/* It ends with the process, however that ends. */
	if (fork() == 0) {
		lockfile_take(path, &err);
		_exit(9);
	}
	wait(&status);
	fd = lockfile_take(path, &err);
	OK(fd >= 0);
	lockfile_release(fd);
	unlink(path);
	/* Anything but a file of ours is said by name. */
	OK(mkdir(path, 0700) == 0);
	EQ_INT(lockfile_take(path, &err), -EINVAL);
	OK(strstr(err.text, "this is a directory") != NULL);
	EQ_STR(str_c(err.where), path);
	rmdir(path);
	OK(symlink("elsewhere", path) == 0);
	EQ_INT(lockfile_take(path, &err), -EINVAL);
	OK(strstr(err.text, "this is a symbolic link") != NULL);
	unlink(path);
	OK(mkfifo(path, 0600) == 0);
	EQ_INT(lockfile_take(path, &err), -EINVAL);
	OK(strstr(err.text, "this is a named pipe") != NULL);
	unlink(path);
	EQ_INT(lockfile_take("/nowhere/at/all", &err), -ENOENT);
	rmdir(dir);
}

int main(void)
{
	RUN(maps);
	RUN(crc);
	RUN(locks);
	return test_end();
}
