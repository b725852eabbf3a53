/* SPDX-License-Identifier: Apache-2.0 */
/* Whole configurations: files merged, names resolved, what is switched off left out. */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/agent_conf.h"
#include "agent/conf_yaml.h"

struct fake_conf {
	struct str path;
};
static const struct conf_field fake_fields[] = {
	CONF_STR(struct fake_conf, path, NULL, "x", .flags = CONF_REQUIRED),
};
static const struct conf_table fake_table = CONF_TABLE(struct fake_conf, fake_fields);
static const struct conf_table empty_table = { 0 };

static const struct input_ops fake_input = { .name = "file" };
static const struct output_ops loki = { .name = "loki", .is_blocking_by_default = true };
static const struct output_ops print = { .name = "stdout" };

static const struct conf_plugin plugins[] = {
	{ CONF_INPUT, "file", NULL, "x", NULL, &fake_table, &fake_input },
	{ CONF_OUTPUT, "loki", NULL, "x", NULL, &empty_table, &loki },
	{ CONF_OUTPUT, "stdout", NULL, "x", NULL, &empty_table, &print },
	{ CONF_STAGE, "decolorize", NULL, "x", NULL, &empty_table, NULL },
};

static char dir[] = "/tmp/tailrace-conf-XXXXXX";

static void put(const char *name, const char *text)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	OK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static void drop(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	unlink(path);
}

static const char *env_get(void *ctx, const char *name)
{
	(void)ctx;
	return strcmp(name, "ON") ? NULL : "1";
}
static const struct conf_env env = { env_get, NULL };

static struct config *load(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s%s%s", dir, name[0] ? "/" : "", name);
	return config_load(path, &env, plugins, ARRAY_LEN(plugins));
}

/* The messages with the folder's name taken out. */
static void messages(const struct config *c, bool is_notice, struct buf *out)
{
	struct buf text = BUF_INIT;
	struct str rest;

	conf_errors_print(c->doc, &text, is_notice);
	rest = buf_as_str(&text);
	while (rest.n) {
		size_t at = str_find(rest, str_c(dir));

		buf_str(out, str_sub(rest, 0, at));
		rest = str_skip(rest, at + (at < rest.n ? strlen(dir) + 1 : 0));
	}
	buf_fini(&text);
}

#define WHOLE                                                                                      \
	"inputs: {app: {type: file, path: /a}}\n"                                                  \
	"outputs: {main: {type: loki}}\n"                                                          \
	"pipelines: {p: {from: app, to: main, stages: [decolorize]}}\n"

static const struct {
	const char *name, *yaml, *errors, *notices;
} rows[] = {
	{ "whole", WHOLE, "", "" },
	{ "empty", "", "m.yaml:1:1: no pipeline is switched on: there is nothing to do\n", "" },
	{ "list", "- a\n",
	  "m.yaml:1:1: expected a map with inputs, outputs and pipelines, found a list\n", "" },
	{ "syntax", "a: [\n",
	  "m.yaml:2:1: did not find expected node content while parsing a flow "
	  "node that begins at line 2\n",
	  "" },
	{ "unknown option", WHOLE "thread: 2\n",
	  "m.yaml:4:1: unknown option 'thread' (did you mean 'threads'?)\n", "" },
	{ "bounds", WHOLE "threads: 65\nmemory: 1MiB\nadmin: {listen: x}\n",
	  "m.yaml:4:10: threads: is 65, must be from 1 to 64\n"
	  "m.yaml:5:9: memory: is 1MiB, must be from 24MiB to 64GiB\n"
	  "m.yaml:6:17: admin.listen: 'x' has no port; write host:port\n",
	  "" },
	{ "many at once",
	  "inputs:\n  a: {type: fil, path: x}\n  b: {type: file}\n  c: {path: x}\n  d: x\n"
	  "  'e/f': {type: file, path: x}\noutputs:\n  o: {type: stdout, when_full: wait}\n"
	  "pipelines:\n  p: {from: [b, bb], to: oo, stages: [decolorise]}\n",
	  "m.yaml:2:13: inputs.a.type: unknown input type 'fil' (did you mean 'file'?)\n"
	  "m.yaml:3:6: inputs.b: the option 'path' is required\n"
	  "m.yaml:4:6: inputs.c: the option 'type' is required\n"
	  "m.yaml:5:6: inputs.d: expected the options of an input, found a single value\n"
	  "m.yaml:6:3: inputs: 'e/f' is no name: letters, digits, _ - and . (not in front), at "
	  "most "
	  "64\n"
	  "m.yaml:8:32: outputs.o.when_full: 'wait' is not one of block, drop\n"
	  "m.yaml:10:17: pipelines.p.from[1]: there is no input 'bb' (did you mean 'b'?)\n"
	  "m.yaml:10:26: pipelines.p.to: there is no output 'oo' (did you mean 'o'?)\n"
	  "m.yaml:10:39: pipelines.p.stages[0]: unknown stage 'decolorise' (did you mean "
	  "'decolorize'?)\n",
	  "" },
	{ "switched off",
	  "inputs: {a: {type: file, path: x}, b: {type: file, path: x, enabled: false}}\n"
	  "outputs: {o: {type: stdout}, l: {type: loki, enabled: '${OFF:+true}'}}\n"
	  "pipelines:\n  p: {from: [a, b], to: [o, l]}\n  q: {from: b, to: o}\n"
	  "  r: {from: a, to: o, enabled: no}\n",
	  "",
	  "m.yaml:4:17: pipelines.p.from[1]: the input 'b' is switched off and left out\n"
	  "m.yaml:4:29: pipelines.p.to[1]: the output 'l' is switched off and left out\n"
	  "m.yaml:5:6: pipelines.q: every input it names is switched off: the pipeline does not "
	  "run\n"
	  "m.yaml:5:13: pipelines.q.from: the input 'b' is switched off and left out\n" },
	{ "nowhere to go",
	  "inputs: {a: {type: file, path: x}}\noutputs: {o: {type: stdout, enabled: no}}\n"
	  "pipelines: {p: {from: a, to: o}}\n",
	  "m.yaml:3:30: pipelines.p.to: every output it names is switched off; switch the pipeline "
	  "off "
	  "as well (enabled: false)\n",
	  "m.yaml:1:13: inputs.a: no pipeline uses this input\n"
	  "m.yaml:3:30: pipelines.p.to: the output 'o' is switched off and left out\n" },
	{ "twice fed", WHOLE "inputs2: x\n",
	  "m.yaml:4:1: unknown option 'inputs2' (did you mean "
	  "'inputs'?)\n",
	  "" },
	{ "two pipelines",
	  "inputs: {a: {type: file, path: x}}\noutputs: {o: {type: stdout}}\n"
	  "pipelines: {p: {from: [a, a], to: o}, q: {from: a, to: o}}\n",
	  "m.yaml:3:27: pipelines.p.from[1]: 'a' is named twice\n"
	  "m.yaml:3:49: pipelines.q.from: the input 'a' feeds another pipeline already\n",
	  "" },
	{ "unused", WHOLE "log: {level: debug}\n", "", "" },
};

static void test_rows(void)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf errors = BUF_INIT, notices = BUF_INIT;
		struct config *c;

		ROW(rows[i].name);
		put("m.yaml", rows[i].yaml);
		c = load("m.yaml");
		messages(c, false, &errors);
		messages(c, true, &notices);
		EQ_STR(buf_as_str(&errors), rows[i].errors);
		if (rows[i].notices[0] || !errors.n)
			EQ_STR(buf_as_str(&notices), rows[i].notices);
		buf_fini(&errors);
		buf_fini(&notices);
		config_free(c);
	}
	drop("m.yaml");
}

static void test_plan(void)
{
	struct config *c;
	const struct plan *p;

	put("m.yaml",
	    "threads: 2\nmemory: 64MiB\nstate_dir: /s\nhostname: h\nshutdown_timeout: 3s\n"
	    "admin: {listen: none}\n"
	    "inputs:\n  off: {type: file, path: x, enabled: no}\n"
	    "  b: {type: file, path: /b}\n  a: {type: file, path: /a}\n"
	    "outputs:\n  unused: {type: stdout}\n  o: {type: stdout}\n  l: {type: loki}\n"
	    "  d: {type: loki, when_full: drop}\n"
	    "pipelines:\n  p: {from: [a, off, b], to: [l, o, d], stages: [decolorize], "
	    "max_streams: 9}\n");
	c = load("m.yaml");
	p = &c->plan;
	EQ_INT(conf_error_count(c->doc), 0);
	EQ_INT(p->threads, 2);
	EQ_INT(p->memory_bytes, 64 << 20);
	EQ_STR(str_c(p->state_dir), "/s");
	EQ_STR(str_c(p->hostname), "h");
	EQ_INT(p->admin.scheme, 0);
	EQ_INT(p->shutdown_timeout_ns, 3000000000);
	EQ_INT(p->ninputs, 2);
	EQ_INT(p->noutputs, 3);
	EQ_INT(p->npipelines, 1);
	if (p->ninputs == 2 && p->noutputs == 3 && p->npipelines == 1) {
		const struct plan_pipeline *pp = &p->pipelines[0];

		EQ_STR(str_c(p->inputs[0].name), "b");
		OK(p->inputs[0].ops == &fake_input);
		EQ_STR(((const struct fake_conf *)p->inputs[1].conf)->path, "/a");
		EQ_STR(str_c(p->outputs[0].name), "o");
		OK(!p->outputs[0].is_blocking);
		OK(p->outputs[1].is_blocking);
		OK(!p->outputs[2].is_blocking);
		EQ_INT(pp->nfrom, 2);
		EQ_INT(pp->from[0], 1);
		EQ_INT(pp->from[1], 0);
		EQ_INT(pp->nto, 3);
		EQ_INT(pp->to[0], 1);
		EQ_INT(pp->to[1], 0);
		EQ_INT(pp->to[2], 2);
		EQ_INT(pp->stages->n, 1);
		EQ_INT(pp->max_streams, 9);
	}
	config_free(c);
	drop("m.yaml");
}

static void expect(const char *row, const char *path, const char *errors, const char *files)
{
	struct buf got = BUF_INIT, read = BUF_INIT, all = BUF_INIT;
	struct config *c = load(path);

	ROW(row);
	messages(c, false, &got);
	EQ_STR(buf_as_str(&got), errors);
	for (size_t i = 0; i < c->files.n; i++) {
		buf_str(&read, str_skip(c->files.items[i], strlen(dir) + 1));
		buf_ch(&read, ' ');
	}
	EQ_STR(buf_as_str(&read), files);
	if (!got.n)
		config_render(c, &all, true);
	buf_fini(&got);
	buf_fini(&read);
	buf_fini(&all);
	config_free(c);
}

static void test_files(void)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/conf.d", dir);
	OK(mkdir(path, 0700) == 0);
	put("tailrace.yaml",
	    "outputs: {main: {type: loki}}\npipelines: {p: {from: [a, b], to: main}}\n"
	    "inputs:\n");
	put("conf.d/2.yaml", "inputs: {b: {type: file, path: /b}}\n");
	put("conf.d/10.yaml", "inputs: {a: {type: file, path: /a}}\nthreads: 3\n");
	put("conf.d/x.yml", "no: good\n");
	expect("merged, in name order", "tailrace.yaml", "",
	       "tailrace.yaml conf.d/10.yaml conf.d/2.yaml ");
	expect("a folder", "", "", "tailrace.yaml conf.d/10.yaml conf.d/2.yaml ");
	expect("a folder without a main file", "conf.d",
	       "conf.d/10.yaml:1:1: no pipeline is switched on: there is nothing to do\n",
	       "conf.d/10.yaml conf.d/2.yaml ");

	put("conf.d/2.yaml", "inputs: {b: {type: file, path: /b}, a: {type: file, path: /x}}\n"
			     "threads: 4\noutputs: {main: {type: stdout}}\ninclude: x.yaml\n");
	expect("both places", "tailrace.yaml",
	       "conf.d/2.yaml:1:37: inputs: 'a' is given twice, first at conf.d/10.yaml:1:10\n"
	       "conf.d/2.yaml:2:1: 'threads' is given twice, first at conf.d/10.yaml:2:1\n"
	       "conf.d/2.yaml:3:11: outputs: 'main' is given twice, first at tailrace.yaml:1:11\n"
	       "conf.d/2.yaml:4:1: 'include' belongs into the main file only\n",
	       "tailrace.yaml conf.d/10.yaml conf.d/2.yaml ");

	put("conf.d/2.yaml", "inputs: [\n");
	expect("one file broken: no talk of missing names", "tailrace.yaml",
	       "conf.d/2.yaml:2:1: did not find expected node content while parsing a flow node "
	       "that "
	       "begins at line 2\n",
	       "tailrace.yaml conf.d/10.yaml conf.d/2.yaml ");

	put("alone.yaml", WHOLE "include: []\n");
	expect("include nothing", "alone.yaml", "", "alone.yaml ");
	put("more.yaml", "include: [conf.d/1*.yaml, nope.yaml, none-*.yaml]\n"
			 "outputs: {main: {type: loki}}\npipelines: {p: {from: a, to: main}}\n");
	expect("include", "more.yaml", "more.yaml:1:27: include[1]: there is no file nope.yaml\n",
	       "more.yaml conf.d/10.yaml ");
	expect("no such file", "nope.yaml", "nope.yaml: cannot open: No such file or directory\n",
	       "nope.yaml ");

	drop("conf.d/2.yaml");
	drop("conf.d/10.yaml");
	drop("conf.d/x.yml");
	expect("an empty folder", "conf.d",
	       "conf.d: no tailrace.yaml and no other *.yaml in here\n", "");
	rmdir(path);
	drop("tailrace.yaml");
	drop("alone.yaml");
	drop("more.yaml");
}

/* `tailrace config` can be loaded again and says the same. */
static void test_render(void)
{
	struct buf once = BUF_INIT, twice = BUF_INIT, origin = BUF_INIT;
	struct config *c;

	put("m.yaml", WHOLE "threads: 2\nhostname: h\n");
	c = load("m.yaml");
	EQ_INT(conf_error_count(c->doc), 0);
	config_render(c, &once, false);
	config_render(c, &origin, true);
	config_free(c);
	put("m.yaml", buf_cstr(&once));
	c = load("m.yaml");
	EQ_INT(conf_error_count(c->doc), 0);
	if (!conf_error_count(c->doc))
		config_render(c, &twice, false);
	EQ_STR(buf_as_str(&once), buf_cstr(&twice));
	config_free(c);
	OK(str_find(buf_as_str(&origin), STR("memory: 32MiB  # default\n")) < origin.n);
	OK(str_find(buf_as_str(&origin), STR("m.yaml:4\n")) < origin.n);
	drop("m.yaml");
	buf_fini(&once);
	buf_fini(&twice);
	buf_fini(&origin);
}

int main(void)
{
	OK(mkdtemp(dir) != NULL);
	RUN(test_rows);
	RUN(test_plan);
	RUN(test_files);
	RUN(test_render);
	rmdir(dir);
	return test_end();
}
