/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are found, lost and found again: by links, in directories that come later or are moved,
 * where inotify is blind or used up. No scan helps unless a test says so. */
#include <sched.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "tests/unit/file_rig.h"

static struct rig *find_rig(const char *pattern)
{
	struct rig *g = rig_new(pattern);

	g->conf.scan_interval_ns = 3600 * NS_PER_S;
	return g;
}

static void make(const struct rig *g, const char *name)
{
	OK(mkdir(rig_path(g, name), 0755) == 0);
}

static void move(const struct rig *g, const char *from, const char *to)
{
	OK(rename(rig_path(g, from), rig_path(g, to)) == 0);
}

/* As `ln -sfn`: the name never leads nowhere. */
static void point(const struct rig *g, const char *name, const char *to)
{
	char temp[140];

	snprintf(temp, sizeof(temp), "%s.ln", rig_path(g, name));
	OK(symlink(to, temp) == 0);
	OK(rename(temp, rig_path(g, name)) == 0);
}

static void expect_label(const struct rig *g, const char *name)
{
	for (size_t i = 0; i < g->ngot; i++)
		EQ_STR(str_c(g->got[i].filename), rig_path(g, name));
}

static int64_t dirs(const char *by)
{
	return counter(METRIC_FILE_DIRS, "by", by);
}

/* ---- links -------------------------------------------------------------------------------- */

/* As the kubelet lays them out: what happens to the file happens in a directory that no pattern
 * names, behind two links. */
static void link_to_a_rotated_file(void)
{
	struct rig *g = find_rig("containers/*.log");

	make(g, "containers");
	make(g, "pods");
	make(g, "docker");
	append_numbered(g, "docker/x-json.log", "n", 0, 10);
	point(g, "pods/0.log", "../docker/x-json.log");
	point(g, "containers/c.log", "../pods/0.log");
	rig_start(g);
	UNTIL(g, g->ngot == 10);
	append_numbered(g, "docker/x-json.log", "n", 10, 10);
	UNTIL(g, g->ngot == 20);
	for (int round = 2; round < 6; round++) {
		move(g, "docker/x-json.log", "docker/x-json.log.1");
		append_numbered(g, "docker/x-json.log.1", "n", round * 10, 5);
		rig_run(g, 10 * (round % 2));
		append_numbered(g, "docker/x-json.log", "n", round * 10 + 5, 5);
		UNTIL(g, g->ngot == (size_t)round * 10 + 10);
	}
	ROW("the link in the middle");
	append_numbered(g, "docker/y-json.log", "n", 60, 10);
	point(g, "pods/0.log", "../docker/y-json.log");
	expect_numbered(g, "n", 0, 70);
	expect_label(g, "containers/c.log");
	rig_end(g);
}

/* Each target is read to its end, also what is written after the link had left it. */
static void link_to_one_file_after_the_other(void)
{
	struct rig *g = find_rig("current.log");
	char name[32], line[32];
	int n = 0;

	for (int i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "release-%d", i);
		append_numbered(g, name, "n", n, 10);
		n += 10;
		point(g, "current.log", name);
		if (i == 0)
			rig_start(g);
		UNTIL(g, g->ngot > (size_t)n - 5);
		snprintf(line, sizeof(line), "n %d\n", n++);
		append(g, name, line);
		if (i % 2)
			UNTIL(g, g->ngot == (size_t)n);
	}
	UNTIL(g, g->ngot == (size_t)n);
	append(g, "release-7", "last\n");
	UNTIL(g, g->ngot == (size_t)n + 1);
	rig_forget(g);
	ROW("there and back, at once: nothing comes again");
	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "release-%d", i % 8);
		point(g, "current.log", name);
		rig_run(g, i % 3);
	}
	append(g, "release-1", "after\n");
	EXPECT(g, "after\n");
	expect_label(g, "current.log");
	rig_end(g);
}

static void dangling_link(void)
{
	struct rig *g = find_rig("logs/*.log");

	make(g, "logs");
	make(g, "data");
	point(g, "logs/a.log", "../data/later");
	point(g, "logs/loop.log", "loop.log");
	rig_start(g);
	rig_run(g, 20);
	EQ_INT(rig_input(g)->nopen, 0);
	append(g, "data/later", "one\n");
	EXPECT(g, "one\n");
	ROW("it goes, and comes back");
	OK(unlink(rig_path(g, "data/later")) == 0);
	rig_run(g, 20);
	append(g, "data/later", "two\n");
	EXPECT(g, "one\ntwo\n");
	rig_end(g);
}

/* A file keeps the name it has without links, wherever in the walk the links come. */
static void links_are_second(void)
{
	struct rig *g = find_rig("**/*.log");

	make(g, "m");
	append(g, "m/x.log", "one\n");
	for (char c = 'a'; c <= 'z'; c++) {
		char name[8] = { c == 'm' ? '0' : c, '.', 'l', 'o', 'g' };
		char dir[8] = { c == 'm' ? '1' : c, 'd' };

		point(g, name, "m/x.log");
		point(g, dir, "m");
	}
	point(g, "m/round", "..");
	rig_start(g);
	EXPECT(g, "one\n");
	expect_label(g, "m/x.log");
	rig_end(g);
}

/* ---- directories -------------------------------------------------------------------------- */

static void directories_that_come_later(void)
{
	struct rig *g = find_rig("logs/*/app/**/x.log");

	rig_start(g);
	make(g, "logs");
	make(g, "logs/1");
	make(g, "logs/1/app");
	make(g, "logs/1/app/a");
	make(g, "logs/1/app/a/b");
	append(g, "logs/1/app/a/b/x.log", "one\n");
	EXPECT(g, "one\n");
	ROW("one level at a time");
	make(g, "logs/2");
	rig_run(g, 20);
	make(g, "logs/2/app");
	rig_run(g, 20);
	append(g, "logs/2/app/x.log", "two\n");
	EXPECT(g, "one\ntwo\n");
	ROW("a whole tree is moved in");
	make(g, "t");
	make(g, "t/app");
	make(g, "t/app/deep");
	append(g, "t/app/deep/x.log", "three\n");
	move(g, "t", "logs/3");
	EXPECT(g, "one\ntwo\nthree\n");
	append(g, "logs/3/app/deep/x.log", "four\n");
	EXPECT(g, "one\ntwo\nthree\nfour\n");
	ROW("and out again, and in under another name");
	move(g, "logs/3", "t");
	append(g, "t/app/deep/x.log", "five\n");
	EXPECT(g, "one\ntwo\nthree\nfour\nfive\n");
	move(g, "t", "logs/4");
	append(g, "logs/4/app/deep/x.log", "six\n");
	EXPECT(g, "one\ntwo\nthree\nfour\nfive\nsix\n");
	rig_end(g);
}

/* One file, whatever its name: it is never read twice, and is followed at once under the new one. */
static void moves_between_directories(void)
{
	struct rig *g = find_rig("{in,out}/**/*.log");

	make(g, "in");
	make(g, "out");
	make(g, "out/sub");
	rig_start(g);
	append_numbered(g, "in/a.log", "n", 0, 10);
	UNTIL(g, g->ngot == 10);
	append_numbered(g, "in/a.log", "n", 10, 10);
	move(g, "in/a.log", "out/a.log");
	append_numbered(g, "out/a.log", "n", 20, 10);
	UNTIL(g, g->ngot == 30);
	move(g, "out/a.log", "out/sub/b.log");
	append_numbered(g, "out/sub/b.log", "n", 30, 10);
	UNTIL(g, g->ngot == 40);
	ROW("with its directory");
	move(g, "out/sub", "in/sub");
	append_numbered(g, "in/sub/b.log", "n", 40, 10);
	UNTIL(g, g->ngot == 50);
	ROW("out of sight, for longer than it is held, and back");
	move(g, "in/sub/b.log", "hidden");
	UNTIL(g, rig_input(g)->nopen == 0);
	append_numbered(g, "hidden", "n", 50, 10);
	move(g, "hidden", "out/c.log");
	expect_numbered(g, "n", 0, 60);
	expect_label(g, "in/a.log");
	rig_end(g);
}

static void excluded(void)
{
	struct rig *g = find_rig("**/*.log");

	snprintf(g->pattern[1], sizeof(g->pattern[1]), "%s/{skip/**,**/*-[0-9].log}", g->dir);
	g->excludes[0] = str_c(g->pattern[1]);
	g->conf.exclude = (struct conf_list){ 1, g->excludes };
	make(g, "skip");
	make(g, "d");
	append(g, "skip/a.log", "no\n");
	append(g, "d/a-1.log", "no\n");
	append(g, "d/a-x.log", "one\n");
	rig_start(g);
	EXPECT(g, "one\n");
	append(g, "skip/b.log", "no\n");
	append(g, "d/a-2.log", "no\n");
	move(g, "skip/a.log", "d/b-3.log");
	append(g, "d/c.log", "two\n");
	EXPECT(g, "one\ntwo\n");
	rig_end(g);
}

/* A pattern that takes in our own position file: each line would make another. */
static void never_our_own_state(void)
{
	struct rig *g = find_rig("**");

	append(g, "a", "one\n");
	rig_start(g);
	EXPECT(g, "one\n");
	append(g, "a", "two\n");
	EXPECT(g, "one\ntwo\n");
	EQ_INT(dirs("inotify"), 1);
	rig_end(g);
}

/* The same where links lead to it. */
static void nor_through_links(void)
{
	static const char *const patterns[] = { "way/**", "way/state/positions/*",
						"*/positions/*" };

	for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
		struct rig *g = find_rig(patterns[i]);

		ROW(patterns[i]);
		OK(symlink(g->dir, rig_path(g, "way")) == 0);
		OK(symlink(g->state, rig_path(g, "other")) == 0);
		make(g, "d");
		make(g, "d/positions");
		append(g, "d/positions/a", "one\n");
		rig_start(g);
		rig_run(g, 100);
		append(g, "d/positions/a", "two\n");
		rig_run(g, 100);
		for (size_t k = 0; k < g->ngot; k++)
			OK(strcmp(g->got[k].line, "one") == 0 ||
			   strcmp(g->got[k].line, "two") == 0);
		rig_end(g);
	}
}

/* Directories whose times are long past, and still change. */
static int old_stat(const char *path, struct stat *st)
{
	int r = os_kernel.stat(path, st);

	st->st_mtim.tv_sec -= 1000;
	st->st_ctim.tv_sec -= 1000;
	return r;
}

/* A scan that finds no directory changed is a short one; whatever could matter makes it whole. */
static void short_scans(void)
{
	struct rig *g = find_rig("{d,e}/*.log");
	struct os_ops ops = os_kernel;
	struct file_input *fi;

	make(g, "d");
	make(g, "e");
	append(g, "d/a.log", "one\n");
	ops.stat = old_stat;
	os = &ops;
	rig_start(g);
	EXPECT(g, "one\n");
	fi = rig_input(g);
	ROW("nothing changed: five short ones, then a whole one");
	find_scan(fi);
	for (uint64_t i = 1, before = fi->round; i <= 12; i++) {
		find_scan_if_needed(fi);
		EQ_INT(fi->round - before, i / 6);
	}
	ROW("each of these: whole");
	for (int i = 0; i < 5; i++) {
		uint64_t before = fi->round;

		find_scan_if_needed(fi);
		EQ_INT(fi->round, before);
		switch (i) {
		case 0:
			append(g, "d/b.log", "");
			break;
		case 1:
			OK(unlink(rig_path(g, "d/b.log")) == 0);
			break;
		case 2:
			move(g, "d", "x");
			make(g, "d");
			break;
		case 3:
			make(g, "e/sub"); /* may lead to more */
			break;
		case 4:
			open_refuse(fi, STR("x"), 0, "open", "again");
			break;
		}
		fi->must_walk = false;
		find_scan_if_needed(fi);
		EQ_INT(fi->round, before + 1);
	}
	ROW("a directory that changed a moment ago can change again without its time doing so");
	find_scan_if_needed(fi);
	os = &os_kernel;
	find_scan(fi);
	for (uint64_t i = 1, before = fi->round; i <= 3; i++) {
		find_scan_if_needed(fi);
		EQ_INT(fi->round - before, i);
	}
	rig_end(g);
}

/* What the kernel has for this process. */
static int kernel_watches(void)
{
	char command[100];
	FILE *p;
	int n = -1;

	snprintf(command, sizeof(command), "cat /proc/%d/fdinfo/* 2>/dev/null | grep -c '^inotify'",
		 (int)getpid());
	p = popen(command, "r");
	OK(p && fscanf(p, "%d", &n) == 1);
	if (p)
		pclose(p);
	return n;
}

/* A directory is moved to where nobody looks, and made again: its watches do not stay behind. */
static void moved_away(void)
{
	struct rig *g = find_rig("d/*.log");
	int before;

	make(g, "d");
	append(g, "d/a.log", "one\n");
	rig_start(g);
	EXPECT(g, "one\n");
	before = kernel_watches();
	OK(before > 0);
	OK(rename(rig_path(g, "d"), rig_path(g, "old")) == 0);
	make(g, "d");
	append(g, "d/a.log", "two\n");
	EXPECT(g, "one\ntwo\n");
	UNTIL(g, kernel_watches() == before);
	rig_end(g);
}

/* ---- where inotify does not see ----------------------------------------------------------- */

/* Written to by a name in a directory that nobody watches. */
static void hard_link_elsewhere(void)
{
	struct rig *g = find_rig("logs/*.log");

	make(g, "logs");
	make(g, "app");
	append(g, "app/x", "one\n");
	OK(link(rig_path(g, "app/x"), rig_path(g, "logs/x.log")) == 0);
	rig_start(g);
	EXPECT(g, "one\n");
	append(g, "app/x", "two\n");
	EXPECT(g, "one\ntwo\n");
	OK(!watch_has_polled(rig_input(g)->watch));
	rig_end(g);
}

/* Runs a test in a child that has namespaces of its own. False: they cannot be had here. */
static void in_namespace(int flags, void (*test)(void))
{
	int status = 0, failures = test_failures;
	pid_t pid = fork();

	if (pid == 0) {
		if (unshare(flags) != 0 ||
		    (flags & CLONE_NEWNS && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0))
			_exit(77);
		test();
		_exit(test_failures > failures);
	}
	OK(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		fprintf(stderr, "SKIPPED %s: needs root, for namespaces and mounts\n", test_name);
	else
		EQ_INT(WEXITSTATUS(status), 0);
}

static void set_limit(const char *what, const char *value)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/user/%s", what);
	fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, value, strlen(value)) != (ssize_t)strlen(value))
		_exit(77);
	close(fd);
}

/* What is beyond the limit is polled, and no longer when there is room. */
static void few_watches(void)
{
	struct rig *g = find_rig("logs/*/x.log");

	set_limit("max_inotify_watches", "4");
	make(g, "logs");
	make(g, "logs/1");
	make(g, "logs/2");
	make(g, "logs/3");
	append(g, "logs/1/x.log", "one\n");
	append(g, "logs/2/x.log", "one\n");
	append(g, "logs/3/x.log", "one\n");
	rig_start(g);
	EXPECT(g, "one\none\none\n");
	OK(dirs("polling") > 0);
	EQ_INT(dirs("polling") + dirs("inotify"), 4);
	append(g, "logs/1/x.log", "two\n");
	append(g, "logs/2/x.log", "two\n");
	append(g, "logs/3/x.log", "two\n");
	UNTIL(g, g->ngot == 6);
	set_limit("max_inotify_watches", "100");
	find_scan(rig_input(g));
	EQ_INT(dirs("polling"), 0);
	append(g, "logs/3/x.log", "three\n");
	UNTIL(g, g->ngot == 7);
	rig_end(g);
}

static void no_instances(void)
{
	struct rig *g = find_rig("*.log");

	set_limit("max_inotify_instances", "1");
	append(g, "a.log", "one\n");
	rig_start(g);
	EXPECT(g, "one\n");
	EQ_INT(dirs("polling"), 1);
	append(g, "a.log", "two\n");
	append(g, "b.log", "two\n");
	EXPECT(g, "one\ntwo\ntwo\n");
	set_limit("max_inotify_instances", "10");
	find_scan(rig_input(g));
	EQ_INT(dirs("inotify"), 1);
	append(g, "a.log", "three\n");
	EXPECT(g, "one\ntwo\ntwo\nthree\n");
	rig_end(g);
}

static void limits(void)
{
	ROW("watches");
	in_namespace(CLONE_NEWUSER, few_watches);
	ROW("instances");
	in_namespace(CLONE_NEWUSER, no_instances);
}

static void mount_or_skip(const char *from, const char *to, const char *type, const char *options)
{
	if (mount(from, to, type, 0, options) != 0)
		_exit(77);
}

/* The first write through the overlay copies the file up: the descriptor stays good, inode and birth
 * time do not. A write to the layer below is told to nobody. */
static void overlay(void)
{
	struct rig *g = find_rig("merged/*.log");
	struct timespec then[2] = { { 1000000000, 0 }, { 1000000000, 0 } };
	char options[400];

	make(g, "lower");
	make(g, "upper");
	make(g, "work");
	make(g, "merged");
	append_numbered(g, "lower/a.log", "n", 0, 10);
	append(g, "lower/b.log", "");
	snprintf(options, sizeof(options), "lowerdir=%s,upperdir=%s,workdir=%s",
		 rig_path(g, "lower"), rig_path(g, "upper"), rig_path(g, "work"));
	mount_or_skip("overlay", rig_path(g, "merged"), "overlay", options);
	rig_start(g);
	UNTIL(g, g->ngot == 10);
	append_numbered(g, "merged/a.log", "n", 10, 10);
	UNTIL(g, g->ngot == 20);
	append_numbered(g, "merged/a.log", "n", 20, 10);
	expect_numbered(g, "n", 0, 30);
	ROW("it is the same file after a restart");
	rig_stop(g);
	append_numbered(g, "merged/a.log", "n", 30, 5);
	rig_start(g);
	expect_numbered(g, "n", 0, 35);
	ROW("writes below are found, and the directory is polled from then on");
	rig_stop(g);
	rig_forget(g);
	g->conf.scan_interval_ns = 50 * NS_PER_MS;
	rig_start(g);
	rig_run(g, 20); /* nothing is left to read */
	for (int i = 0; i < 2; i++) {
		EQ_INT(dirs("polling"), 0);
		append(g, "lower/b.log", "below\n");
		then[1].tv_sec++;
		OK(utimensat(AT_FDCWD, rig_path(g, "lower/b.log"), then, 0) == 0);
		UNTIL(g, g->ngot == (size_t)i + 1);
	}
	EQ_INT(dirs("polling"), 1);
	append(g, "lower/b.log", "polled\n");
	EXPECT(g, "below\nbelow\npolled\n");
	rig_stop(g);
	OK(umount2(rig_path(g, "merged"), MNT_DETACH) == 0);
	rig_start(g);
	rig_end(g);
}

/* A file that is mounted by itself is written to where it comes from. */
static void bound_file(void)
{
	struct rig *g = find_rig("logs/*.log");

	make(g, "logs");
	append(g, "host", "one\n");
	append(g, "logs/a.log", "");
	if (mount(rig_path(g, "host"), rig_path(g, "logs/a.log"), NULL, MS_BIND, NULL) != 0)
		_exit(77);
	rig_start(g);
	EXPECT(g, "one\n");
	append(g, "host", "two\n");
	EXPECT(g, "one\ntwo\n");
	OK(!watch_has_polled(rig_input(g)->watch));
	OK(umount2(rig_path(g, "logs/a.log"), MNT_DETACH) == 0);
	rig_end(g);
}

/* Unmounted while it is read, and mounted again: we hold what we have open to its end, and go on
 * where we were. */
static void unmounted(void)
{
	struct rig *g = find_rig("mnt/*.log");

	make(g, "disk");
	make(g, "mnt");
	append_numbered(g, "disk/a.log", "n", 0, 10);
	if (mount(rig_path(g, "disk"), rig_path(g, "mnt"), NULL, MS_BIND, NULL) != 0)
		_exit(77);
	rig_start(g);
	UNTIL(g, g->ngot == 10);
	append_numbered(g, "mnt/a.log", "n", 10, 10);
	OK(umount2(rig_path(g, "mnt"), MNT_DETACH) == 0);
	append_numbered(g, "disk/a.log", "n", 20, 10);
	find_scan(rig_input(g));
	UNTIL(g, g->ngot == 30 && rig_input(g)->nopen == 0);
	append_numbered(g, "disk/a.log", "n", 30, 10);
	if (mount(rig_path(g, "disk"), rig_path(g, "mnt"), NULL, MS_BIND, NULL) != 0)
		_exit(77);
	find_scan(rig_input(g));
	expect_numbered(g, "n", 0, 40);
	OK(umount2(rig_path(g, "mnt"), MNT_DETACH) == 0);
	rig_end(g);
}

static void mounts(void)
{
	ROW("overlay");
	in_namespace(CLONE_NEWNS, overlay);
	ROW("a file that is mounted by itself");
	in_namespace(CLONE_NEWNS, bound_file);
	ROW("unmounted");
	in_namespace(CLONE_NEWNS, unmounted);
}

int main(void)
{
	log_setup(getenv("V") ? LOG_LVL_INFO : LOG_LVL_ERROR + 1, LOG_LOGFMT);
	RUN(link_to_a_rotated_file);
	RUN(link_to_one_file_after_the_other);
	RUN(dangling_link);
	RUN(links_are_second);
	RUN(directories_that_come_later);
	RUN(moves_between_directories);
	RUN(excluded);
	RUN(short_scans);
	RUN(moved_away);
	RUN(never_our_own_state);
	RUN(nor_through_links);
	RUN(hard_link_elsewhere);
	RUN(limits);
	RUN(mounts);
	return test_end();
}
