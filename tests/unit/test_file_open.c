/* SPDX-License-Identifier: Apache-2.0 */
/* What is opened and what is not: links by `follow`, files that are no files, permissions that are
 * missing and come. */
#include <sys/file.h>

#include "tests/unit/file_rig.h"

static void point(const struct rig *g, const char *name, const char *to)
{
	char temp[140];

	/* As `ln -sfn`: the name never leads nowhere. */
	snprintf(temp, sizeof(temp), "%s.ln", rig_path(g, name));
	OK(symlink(to, temp) == 0);
	OK(rename(temp, rig_path(g, name)) == 0);
}

static void make(const struct rig *g, const char *name)
{
	OK(mkdir(rig_path(g, name), 0755) == 0);
}

/* ---- links -------------------------------------------------------------------------------- */

/* logs/ is where the pattern begins. */
static struct rig *linked_rig(unsigned follow)
{
	struct rig *g = rig_new("logs/**/*.log");

	g->conf.follow = follow;
	make(g, "logs");
	make(g, "logs/sub");
	make(g, "secret");
	append(g, "logs/sub/a.log", "a\n");
	append(g, "secret/s.log", "secret\n");
	append(g, "logs/data", "within\n");
	return g;
}

/* A directory of ours is swapped for a link to a secret one, and what was read is emptied: the copy
 * that is looked for beside it would be the secret. */
static void no_copy_behind_a_link(void)
{
	for (unsigned follow = FOLLOW_WITHIN; follow <= FOLLOW_NONE; follow++) {
		struct rig *g = linked_rig(follow);

		ROW(follow == FOLLOW_NONE ? "none" : "within");
		append(g, "logs/sub/s.log", "-- key --\n");
		append(g, "secret/s.log.1", "-- key --\nsecret\n");
		rig_start(g);
		UNTIL(g, g->ngot == 2);
		rig_run(g, 10);
		OK(rename(rig_path(g, "logs/sub"), rig_path(g, "logs/old")) == 0);
		point(g, "logs/sub", rig_path(g, "secret"));
		OK(truncate(rig_path(g, "logs/old/s.log"), 0) == 0);
		append(g, "logs/old/s.log", "b\n");
		UNTIL(g, g->ngot >= 3);
		rig_run(g, 30);
		for (size_t i = 0; i < g->ngot; i++)
			OK(strcmp(g->got[i].line, "secret") != 0);
		rig_end(g);
	}
}

static void follow_all(void)
{
	struct rig *g = linked_rig(FOLLOW_ALL);

	point(g, "logs/in.log", "sub/../data");
	point(g, "logs/out", rig_path(g, "secret"));
	rig_start(g);
	UNTIL(g, g->ngot == 3);
	rig_end(g);
}

/* Files and directories, relative and absolute links, chains; a link appears while we look. */
static void follow_within(void)
{
	struct rig *g = linked_rig(FOLLOW_WITHIN);
	int64_t refused = error_count("symlink");

	point(g, "logs/in.log", rig_path(g, "logs/data"));
	point(g, "logs/out.log", "../secret/s.log");
	point(g, "logs/chain.log", "chain");
	point(g, "logs/chain", rig_path(g, "secret/s.log"));
	point(g, "logs/dir", "../secret");
	point(g, "logs/loop", ".");
	rig_start(g);
	UNTIL(g, g->ngot == 2);
	point(g, "logs/later.log", "../secret/s.log");
	UNTIL(g, error_count("symlink") - refused == 3);
	append(g, "logs/sub/a.log", "b\n");
	UNTIL(g, g->ngot == 3);
	find_scan(rig_input(g));
	find_scan(rig_input(g));
	rig_run(g, 30);
	for (size_t i = 0; i < g->ngot; i++)
		OK(strcmp(g->got[i].line, "secret") != 0);
	EQ_INT(g->ngot, 3);
	EQ_INT(error_count("symlink") - refused, 3); /* each said once */
	ROW("a file that was read becomes a link");
	OK(unlink(rig_path(g, "logs/sub/a.log")) == 0);
	point(g, "logs/sub/a.log", "../../secret/s.log");
	UNTIL(g, error_count("symlink") - refused == 4);
	rig_run(g, 30);
	EQ_INT(g->ngot, 3);
	rig_end(g);
}

static void follow_none(void)
{
	struct rig *g = linked_rig(FOLLOW_NONE);
	int64_t refused = error_count("symlink");

	point(g, "logs/in.log", "data");
	point(g, "logs/dir", "sub");
	rig_start(g);
	EXPECT(g, "a\n");
	EQ_INT(error_count("symlink") - refused, 1);
	rig_stop(g);
	rig_forget(g);
	ROW("the directory of the pattern may be a link: who wrote it chose that");
	OK(rename(rig_path(g, "logs"), rig_path(g, "real")) == 0);
	point(g, "logs", "real");
	append(g, "logs/sub/a.log", "b\n");
	rig_start(g);
	EXPECT(g, "b\n");
	rig_end(g);
}

/* Names are swapped between the question where they lead and the opening: at every step of the way. */
static struct rig *swapped;
static unsigned swap_at, opens;
static const char *swap_name, *swap_to;

static void swap(void)
{
	if (++opens != swap_at)
		return;
	OK(rename(rig_path(swapped, swap_name), rig_path(swapped, "gone")) == 0);
	OK(symlink(rig_path(swapped, swap_to), rig_path(swapped, swap_name)) == 0);
}

static int swapping_open(const char *path, int flags, mode_t mode)
{
	swap();
	return os_kernel.open(path, flags, mode);
}

static int swapping_openat(int dir, const char *path, int flags, mode_t mode)
{
	swap();
	return os_kernel.openat(dir, path, flags, mode);
}

static void swapped_under_us(void)
{
	static const char *const names[][2] = { { "logs/sub", "secret" },
						{ "logs/sub/s.log", "secret/s.log" } };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		for (swap_at = 1;; swap_at++) {
			struct os_ops ops = os_kernel;
			struct file_look look;
			char byte = 0;
			bool done;
			int fd;

			swapped = linked_rig(FOLLOW_WITHIN);
			append(swapped, "logs/sub/s.log", "public\n");
			swapped->conf.watch = WATCH_POLL;
			rig_open(swapped);
			swap_name = names[i][0];
			swap_to = names[i][1];
			opens = 0;
			ops.open = swapping_open;
			ops.openat = swapping_openat;
			os = &ops;
			fd = open_regular(rig_input(swapped),
					  str_c(rig_path(swapped, "logs/sub/s.log")), &look);
			os = &os_kernel;
			if (fd >= 0)
				OK(pread(fd, &byte, 1, 0) == 1 && byte == 'p');
			if (fd >= 0)
				close(fd);
			done = opens < swap_at;
			rig_end(swapped);
			if (done)
				break;
		}
		OK(swap_at > 3); /* there was something to swap in */
	}
}

/* A file that was looked at is swapped for a FIFO that a writer waits at: to open it, even without
 * waiting, would let the writer go on. */
static const char *fifo;

static int fifo_open(const char *path, int flags, mode_t mode)
{
	if (str_ends(str_c(path), STR("/x.log")) || str_ends(str_c(path), STR("/y.log")))
		OK(flags & O_PATH);
	if (str_starts(str_c(path), STR("/proc/")))
		OK(flags & O_NONBLOCK && flags & O_NOCTTY);
	return os_kernel.open(path, flags, mode);
}

static void never_opens_what_it_did_not_look_at(void)
{
	struct os_ops ops = os_kernel;
	struct rig *g = rig_new("*.log");
	int64_t refused = error_count("not_regular");

	append(g, "a.log", "one\n");
	fifo = rig_path(g, "x.log");
	OK(mkfifo(fifo, 0644) == 0);
	point(g, "y.log", "/dev/zero");
	ops.open = fifo_open;
	os = &ops;
	rig_start(g);
	EXPECT(g, "one\n");
	os = &os_kernel;
	/* Nobody reads it: so a writer that does not wait is sent away. */
	EQ_INT(open(rig_path(g, "x.log"), O_WRONLY | O_NONBLOCK), -1);
	EQ_INT(errno, ENXIO);
	EQ_INT(error_count("not_regular") - refused, 2);
	rig_end(g);
}

/* A lock or a lease of ours would make writers wait or fail. */
static void takes_no_lock(void)
{
	struct rig *g = rig_new("*.log");
	struct flock all = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd;

	append(g, "a.log", "one\n");
	rig_start(g);
	EXPECT(g, "one\n");
	fd = open(rig_path(g, "a.log"), O_RDWR);
	OK(flock(fd, LOCK_EX | LOCK_NB) == 0);
	OK(fcntl(fd, F_OFD_SETLK, &all) == 0);
	EQ_INT(fcntl(fd, F_GETLEASE), F_UNLCK);
	close(fd);
	rig_end(g);
}

/* ---- permissions -------------------------------------------------------------------------- */

/* Root may read everything: be somebody else, for as long as the test runs. */
static bool become_nobody(const struct rig *g)
{
	char command[200];

	if (geteuid() != 0)
		return false;
	snprintf(command, sizeof(command), "chown -R 65534:65534 %s", g->dir);
	OK(system(command) == 0);
	OK(setegid(65534) == 0 && seteuid(65534) == 0);
	return true;
}

static void become_root(bool was_root)
{
	if (was_root)
		OK(seteuid(0) == 0 && setegid(0) == 0);
}

static void unreadable(void)
{
	struct rig *g = rig_new("logs/**/*.log");
	int64_t permission = error_count("permission"), before;
	bool was_root;

	make(g, "logs");
	make(g, "logs/closed");
	append(g, "logs/a.log", "one\n");
	append(g, "logs/b.log", "two\n");
	append(g, "logs/closed/c.log", "three\n");
	was_root = become_nobody(g);
	OK(chmod(rig_path(g, "logs/b.log"), 0) == 0);
	OK(chmod(rig_path(g, "logs/closed"), 0) == 0);
	rig_start(g);
	EXPECT(g, "one\n"); /* unprivileged, and what can be read is read */
	EQ_INT(error_count("permission") - permission, 1);
	EQ_INT(error_count("directory_unreadable"), 1);
	for (int i = 0; i < 3; i++) {
		append(g, "logs/a.log", "more\n");
		find_scan(rig_input(g));
	}
	UNTIL(g, g->ngot == 4);
	EQ_INT(error_count("permission") - permission, 1);
	ROW("permission comes, and is noticed at once");
	before = clock_mono_ns();
	OK(chmod(rig_path(g, "logs/b.log"), 0600) == 0);
	UNTIL(g, g->ngot == 5);
	OK(chmod(rig_path(g, "logs/closed"), 0700) == 0);
	UNTIL(g, g->ngot == 6);
	OK(clock_mono_ns() - before < 9 * NS_PER_S);
	EQ_STR(str_c(g->got[4].line), "two");
	EQ_STR(str_c(g->got[5].line), "three");
	EQ_INT(rig_input(g)->nrefusals, 0);
	become_root(was_root);
	rig_end(g);
}

int main(void)
{
	log_setup(getenv("V") ? LOG_LVL_INFO : LOG_LVL_ERROR + 1, LOG_LOGFMT);
	RUN(follow_all);
	RUN(no_copy_behind_a_link);
	RUN(follow_within);
	RUN(follow_none);
	RUN(swapped_under_us);
	RUN(never_opens_what_it_did_not_look_at);
	RUN(takes_no_lock);
	RUN(unreadable);
	return test_end();
}
