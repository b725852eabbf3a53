/* SPDX-License-Identifier: Apache-2.0 */
/* Replaying dead letters when something is in the way: nothing is deleted that was not kept elsewhere. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/lockfile.h"
#include "lib/log.h"
#include "outputs/loki/deadletter.h"
#include "outputs/loki/loki.h"
#include "outputs/loki/replay.h"
#include "tests/unit/test.h"

static char dir[64];

static const char *at(const char *name)
{
	static char path[2][128];
	static unsigned turn;
	char *p = path[turn++ % 2];

	snprintf(p, sizeof(path[0]), "%s/dead-letters/%s", dir, name);
	return p;
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	OK(f && fputs(text, f) >= 0);
	fclose(f);
}

static int run(struct replay_sum *sum, struct err *err)
{
	static struct loki_conf conf;

	conf.url = STR("http://127.0.0.1:1");
	conf.shards = 1;
	conf.dead_letter.max_size = 1 << 20;
	conf.dead_letter.max_files = 2;
	*err = ERR_NONE;
	return loki_replay("x", &conf, dir, sum, err);
}

static void what_cannot_be_kept_stays(void)
{
	struct replay_sum sum;
	struct err err;

	write_file(at("x.jsonl"), "no letter\n");
	OK(mkdir(at("x.jsonl.unreadable"), 0700) == 0);
	OK(run(&sum, &err) < 0);
	EQ_INT(sum.unreadable, 1);
	OK(access(at("x.jsonl.replaying"), F_OK) == 0);
	OK(rmdir(at("x.jsonl.unreadable")) == 0);
	EQ_INT(run(&sum, &err), 0);
	OK(access(at("x.jsonl.replaying"), F_OK) != 0);
	OK(access(at("x.jsonl.unreadable"), F_OK) == 0);
}

static void one_at_a_time(void)
{
	struct err err = ERR_NONE;
	struct replay_sum sum;
	int lock = lockfile_take(at("x.lock"), &err);

	OK(lock >= 0);
	write_file(at("x.jsonl"), "no letter\n");
	OK(run(&sum, &err) < 0);
	EQ_INT(err.code, -EBUSY);
	OK(access(at("x.jsonl"), F_OK) == 0);
	lockfile_release(lock);
	EQ_INT(run(&sum, &err), 0);
	OK(access(at("x.jsonl"), F_OK) != 0);
}

int main(void)
{
	log_setup(LOG_LVL_ERROR + 1, LOG_LOGFMT);
	snprintf(dir, sizeof(dir), "/tmp/test_replay_XXXXXX");
	OK(mkdtemp(dir) != NULL);
	OK(mkdir(at(""), 0700) == 0);
	RUN(what_cannot_be_kept_stays);
	RUN(one_at_a_time);
	unlink(at("x.jsonl.unreadable"));
	unlink(at("x.lock"));
	rmdir(at(""));
	rmdir(dir);
	return test_end();
}
