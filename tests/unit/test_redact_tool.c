/* SPDX-License-Identifier: Apache-2.0 */
/* `tailrace redact`: golden/redact-tool/NAME.in with the stages of NAME.yaml, and with the default ones,
 * gives NAME.out: filtered, told, told as JSON. `test_redact_tool --update` rewrites the answers. */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <unistd.h>

#include "agent/offline.h"
#include "agent/redact_tool.h"
#include "agent/registry.h"
#include "lib/os.h"

static bool is_update;

static void run(const struct conf_stages *stages, const char *in, FILE *out)
{
	for (int how = 0; how < 3; how++) {
		struct err err = ERR_NONE;
		int fd = open(in, O_RDONLY | O_CLOEXEC);

		OK(fd >= 0);
		if (how == 0)
			EQ_INT(redact_tool_filter(stages, fd, out, &err), 0);
		else
			EQ_INT(redact_tool_explain(stages, fd, how == 2, out, &err), 0);
		fputs("----\n", out);
		close(fd);
	}
}

static void test_golden(void)
{
	size_t nplugins;
	const struct conf_plugin *plugins = registry(&nplugins);
	struct config *c =
		config_load(GOLDEN_DIR "/redact-tool/actions.yaml", NULL, plugins, nplugins);
	struct buf want = BUF_INIT;
	struct err err = ERR_NONE;
	struct conf_stages stages;
	char *text = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);
	int fd;

	EQ_INT(conf_error_count(c->doc), 0);
	EQ_INT(redact_tool_find(c->doc, c->plan.pipelines[0].stages, &stages), 4);
	run(&stages, GOLDEN_DIR "/redact-tool/actions.in", out);
	redact_tool_default(c->doc, &stages);
	run(&stages, GOLDEN_DIR "/redact-tool/actions.in", out);
	fclose(out);
	fd = open(GOLDEN_DIR "/redact-tool/actions.out",
		  is_update ? O_RDWR | O_CREAT | O_TRUNC : O_RDONLY, 0644);
	OK(fd >= 0);
	if (is_update)
		OK(write(fd, text, n) == (ssize_t)n && lseek(fd, 0, SEEK_SET) == 0);
	OK(offline_read(fd, 1 << 20, &want, &err) == 0);
	EQ_STR(str_make(text, n), buf_cstr(&want));
	close(fd);
	free(text);
	buf_fini(&want);
	config_free(c);
}

/* ---- reading lines ---- */

struct lines {
	struct buf out;
	int nlines, stop_at;
};

static bool line(void *ctx, struct str text, bool is_cut)
{
	struct lines *l = ctx;

	buf_str(&l->out, text);
	buf_c(&l->out, is_cut ? "!|" : "|");
	return ++l->nlines != l->stop_at;
}

static ssize_t read_one(int fd, void *buf, size_t n)
{
	return read(fd, buf, n ? 1 : 0);
}

static void test_lines(void)
{
	static const struct {
		const char *in, *want;
		int stop_at;
	} rows[] = {
		{ "", "", 0 },
		{ "\n", "|", 0 },
		{ "a\nb\r\nc", "a|b|c|", 0 },
		{ "12345678\n123456789\n\nx\n", "12345678|12345678!||x|", 0 },
		{ "123456789", "12345678!|", 0 },
		{ "a\nb\nc\n", "a|b|", 2 },
	};

	struct os_ops slow = os_kernel;

	slow.read = read_one;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		/* Whole, and byte by byte as a slow pipe gives it. */
		for (int slowly = 0; slowly < 2; slowly++) {
			struct lines l = { .stop_at = rows[i].stop_at };
			struct offline_reader reader = { &l, 8, line, NULL };
			struct err err = ERR_NONE;
			int p[2];

			ROW(rows[i].in);
			OK(pipe(p) == 0);
			OK(write(p[1], rows[i].in, strlen(rows[i].in)) >= 0);
			close(p[1]);
			os = slowly ? &slow : &os_kernel;
			EQ_INT(offline_lines(p[0], &reader, &err), 0);
			os = &os_kernel;
			EQ_STR(buf_as_str(&l.out), rows[i].want);
			close(p[0]);
			buf_fini(&l.out);
		}
	}
}

int main(int argc, char **argv)
{
	is_update = argc > 1 && !strcmp(argv[1], "--update");
	RUN(test_golden);
	RUN(test_lines);
	return test_end();
}
