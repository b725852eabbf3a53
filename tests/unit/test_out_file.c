/* SPDX-License-Identifier: Apache-2.0 */
/* The file of the file output: rotation, full disks, failed syncs, somebody else's mv. */
#include "test.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/os.h"
#include "outputs/file/archive.h"

static char dir[] = "/tmp/tailrace-test-XXXXXX";
static char path[64];
static struct os_ops faults;
static struct archive a;

static int64_t now_ns;

static int fake_clock(clockid_t id, struct timespec *t)
{
	(void)id;
	*t = (struct timespec){ now_ns / NS_PER_S, now_ns % NS_PER_S };
	return 0;
}

static void begin(size_t max_bytes, unsigned max_files)
{
	struct err err = ERR_NONE;

	faults = os_kernel;
	faults.clock_gettime = fake_clock;
	os = &faults;
	now_ns = INT64_C(1795275944) * NS_PER_S;
	a = (struct archive){
		.path = path, .max_bytes = max_bytes, .max_files = max_files, .fd = -1
	};
	EQ_INT(archive_open(&a, &err), 0);
}

static void end(void)
{
	char name[80];

	archive_close(&a);
	os = &os_kernel;
	unlink(path);
	for (int i = 1; i < 10; i++) {
		snprintf(name, sizeof(name), "%s.%d", path, i);
		unlink(name);
	}
}

static struct str content(const char *suffix)
{
	static char text[8192];
	char name[80];
	size_t n = 0;
	FILE *f;

	snprintf(name, sizeof(name), "%s%s", path, suffix);
	f = fopen(name, "r");
	if (f) {
		n = fread(text, 1, sizeof(text), f);
		fclose(f);
	}
	return str_make(text, n);
}

static bool add(const char *text)
{
	struct err err = ERR_NONE;
	struct str lines = str_c(text);
	bool is_written = archive_write(&a, &lines, &err) == 0;

	OK(is_written == (err.text[0] == 0) && is_written == (lines.n == 0));
	return is_written;
}

static void rotates_by_size_and_count(void)
{
	struct stat st;

	begin(10, 3);
	for (int i = 0; i < 9; i++) {
		char line[8] = "line0\n";

		line[4] = (char)('0' + i);
		OK(add(line));
	}
	EQ_STR(content(""), "line8\n");
	EQ_STR(content(".1"), "line7\n");
	EQ_STR(content(".2"), "line6\n");
	EQ_STR(content(".3"), "");
	OK(add("larger than a file\n"));
	EQ_STR(content(""), "larger than a file\n");
	OK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
	end();
	begin(10, 5); /* cut between lines */
	OK(add("1234\n1234\n5678\nabc\nlonger than all\nx\ny\n"));
	EQ_STR(content(".3"), "1234\n1234\n");
	EQ_STR(content(".2"), "5678\nabc\n");
	EQ_STR(content(".1"), "longer than all\n");
	EQ_STR(content(""), "x\ny\n");
	end();
	begin(10, 1);
	OK(add("one\n") && add("two\n") && add("three\n"));
	EQ_STR(content(""), "three\n");
	EQ_STR(content(".1"), "");
	end();
}

static void rotates_by_time(void)
{
	struct err err = ERR_NONE;

	begin(1000, 5);
	a.every_ns = 3600 * NS_PER_S;
	a.period = now_ns / a.every_ns;
	OK(add("one\n") && add("two\n"));
	now_ns += 3600 * NS_PER_S;
	OK(add("three\n"));
	EQ_STR(content(".1"), "one\ntwo\n");
	EQ_STR(content(""), "three\n");
	/* An old file that is found at the start is as old as its last line. */
	archive_close(&a);
	now_ns = clock_wall_ns();
	os = &os_kernel;
	now_ns = clock_wall_ns() + 2 * 3600 * NS_PER_S;
	os = &faults;
	EQ_INT(archive_open(&a, &err), 0);
	OK(add("four\n"));
	EQ_STR(content(".1"), "three\n");
	end();
}

static int write_left;

static ssize_t full_write(int fd, const void *p, size_t n)
{
	size_t some = n < (size_t)write_left ? n : (size_t)write_left;

	if (!some) {
		errno = ENOSPC;
		return -1;
	}
	write_left -= (int)some;
	return os_kernel.write(fd, p, some);
}

static void a_full_disk_leaves_whole_pieces(void)
{
	begin(1000, 3);
	OK(add("first\n"));
	faults.write = full_write;
	write_left = 4;
	OK(!add("second\n"));
	EQ_STR(content(""), "first\n");
	OK(!add("second\n"));
	write_left = 100;
	OK(add("second\n"));
	EQ_STR(content(""), "first\nsecond\n");
	end();
}

static int fail_sync(int fd)
{
	(void)fd;
	errno = EIO;
	return -1;
}

static void a_failed_sync_takes_back(void)
{
	struct err err = ERR_NONE;

	begin(1000, 3);
	a.takes_back = true;
	OK(add("first\n"));
	EQ_INT(archive_sync(&a, &err), 0);
	OK(add("second\n") && add("third\n"));
	faults.fdatasync = fail_sync;
	OK(archive_sync(&a, &err) < 0);
	EQ_STR(content(""), "first\n");
	OK(add("second\n"));
	faults.fdatasync = os_kernel.fdatasync;
	err = ERR_NONE;
	EQ_INT(archive_sync(&a, &err), 0);
	EQ_STR(content(""), "first\nsecond\n");
	/* Before a rotation, too. */
	a.max_bytes = 20;
	OK(add("lost\n"));
	faults.fdatasync = fail_sync;
	OK(!add("the next one\n"));
	EQ_STR(content(""), "first\nsecond\n");
	end();
	/* For others it stays where it is: they have counted it. */
	begin(1000, 3);
	OK(add("first\n"));
	faults.fdatasync = fail_sync;
	OK(archive_sync(&a, &err) < 0);
	EQ_STR(content(""), "first\n");
	end();
}

static void moved_away_and_half_lines(void)
{
	struct err err = ERR_NONE;
	char name[80];
	FILE *f;

	begin(1000, 3);
	OK(add("first\n"));
	snprintf(name, sizeof(name), "%s.9", path);
	OK(rename(path, name) == 0);
	now_ns += 2 * NS_PER_S;
	OK(add("second\n"));
	EQ_STR(content(".9"), "first\n");
	EQ_STR(content(""), "second\n");
	archive_close(&a);
	f = fopen(path, "a");
	fputs("hal", f);
	fclose(f);
	EQ_INT(archive_open(&a, &err), 0);
	OK(add("third\n"));
	EQ_STR(content(""), "second\nhal\nthird\n");
	end();
}

static void what_is_in_the_way(void)
{
	struct err err = ERR_NONE;

	a = (struct archive){ .path = path, .max_bytes = 100, .max_files = 2, .fd = -1 };
	OK(symlink("/dev/null", path) == 0);
	OK(archive_open(&a, &err) < 0 && str_find(str_c(err.text), STR("symbolic")) < 300);
	unlink(path);
	OK(mkdir(path, 0700) == 0);
	err = ERR_NONE;
	OK(archive_open(&a, &err) < 0);
	rmdir(path);
}

int main(void)
{
	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof(path), "%s/archive", dir);
	RUN(rotates_by_size_and_count);
	RUN(rotates_by_time);
	RUN(a_full_disk_leaves_whole_pieces);
	RUN(a_failed_sync_takes_back);
	RUN(moved_away_and_half_lines);
	RUN(what_is_in_the_way);
	rmdir(dir);
	return test_end();
}
