/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of configurations: those of golden/conf-test/NAME.yaml give NAME.out, the diff of each and the
 * JUnit report. `test_conf_test --update` rewrites the answers: read the diff. */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <glob.h>
#include <unistd.h>

#include "agent/agent_conf.h"
#include "agent/offline.h"
#include "agent/registry.h"
#include "lib/mem.h"
#include "lib/os.h"

static bool is_update;

static void run(const char *path, struct buf *out)
{
	size_t nplugins;
	const struct conf_plugin *plugins = registry(&nplugins);
	struct config *c = config_load(path, NULL, plugins, nplugins);
	struct conf_test_result *results = mem_array(c->ntests, sizeof(*results));

	conf_errors_print(c->doc, out, false);
	EQ_INT(conf_error_count(c->doc), 0);
	for (size_t i = 0; i < c->ntests && !out->is_cut; i++) {
		struct conf_test_result *r = &results[i];

		r->test = &c->tests[i];
		r->is_passed = conf_test_run(c, r->test, &r->diff);
		buf_printf(out, "%s %s:%u:%u %s\n" STR_FMT, r->is_passed ? "ok" : "FAIL", path,
			   r->test->line, r->test->col, r->test->name,
			   STR_ARG(buf_as_str(&r->diff)));
	}
	conf_test_junit(results, c->ntests, out);
	for (size_t i = 0; i < c->ntests; i++)
		buf_fini(&results[i].diff);
	mem_free(results);
	config_free(c);
}

static void golden(const char *yaml)
{
	struct buf got = BUF_INIT, want = BUF_INIT;
	struct err err = ERR_NONE;
	char path[512];
	int fd;

	run(yaml, &got);
	snprintf(path, sizeof(path), "%.*s.out", (int)strlen(yaml) - 5, yaml);
	fd = open(path, is_update ? O_RDWR | O_CREAT | O_TRUNC : O_RDONLY, 0644);
	OK(fd >= 0);
	if (is_update)
		OK(write(fd, got.p, got.n) == (ssize_t)got.n && lseek(fd, 0, SEEK_SET) == 0);
	OK(offline_read(fd, 1 << 20, &want, &err) == 0);
	EQ_STR(buf_as_str(&got), buf_cstr(&want));
	close(fd);
	buf_fini(&got);
	buf_fini(&want);
}

static void test_golden(void)
{
	glob_t found = { 0 };

	OK(chdir(GOLDEN_DIR "/..") == 0);
	OK(glob("golden/conf-test/*.yaml", 0, NULL, &found) == 0);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		ROW(found.gl_pathv[i]);
		golden(found.gl_pathv[i]);
	}
	globfree(&found);
}

/* After a test time goes on. */
static void test_clock(void)
{
	struct timespec before = { 0 }, after = { 0 };

	os->clock_gettime(CLOCK_MONOTONIC, &before);
	usleep(1000);
	os->clock_gettime(CLOCK_MONOTONIC, &after);
	OK(os == &os_kernel);
	OK(after.tv_sec > before.tv_sec || after.tv_nsec > before.tv_nsec);
}

int main(int argc, char **argv)
{
	is_update = argc > 1 && !strcmp(argv[1], "--update");
	RUN(test_golden);
	RUN(test_clock);
	return test_end();
}
