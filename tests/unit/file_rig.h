/* SPDX-License-Identifier: Apache-2.0 */
/* The file input with real files in a temporary folder, a fused lane, and a sink that notes records
 * and settles them at once, or holds them. A kill is simulated exactly: what is on disk at that
 * moment is kept, the input is taken down in order (so that nothing leaks), and the disk is put back
 * to what it was. */
#ifndef TESTS_UNIT_FILE_RIG_H
#define TESTS_UNIT_FILE_RIG_H

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inputs/file/file.h"
#include "inputs/intake.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "pipeline/block.h"
#include "pipeline/chain.h"
#include "pipeline/labels.h"
#include "pipeline/lane.h"
#include "tests/unit/test.h"

extern const struct input_ops input_file;

#define WAIT_NS (60 * NS_PER_S)
#define GOT_MAX 250000

struct got {
	char *line, *filename;
	size_t n;
	int64_t time_ns;
	unsigned flags;
	uint64_t full_length;
	bool is_settled;
};

struct rig {
	char dir[64], state[80], pattern[4][128];
	struct str patterns[4], excludes[1];
	struct file_conf conf;
	struct input input;
	struct chain *chain;
	struct intake intake;
	struct flow *flow;
	struct loop *loop;
	struct lane *lane;
	struct sink sink;
	struct budget budget;
	int64_t total_bytes;
	struct got *got;
	size_t ngot;
	struct block *held[4096];
	size_t held_at[4096]; /* in got */
	unsigned nheld;
	bool holds;
	bool is_paced; /* every round lasts as long as with a thousand files (pace.c) */
};

/* Scaled down, so that nobody waits; a test that needs otherwise changes it before start. */
static inline struct rig *rig_new(const char *pattern)
{
	struct rig *g = mem_zalloc(sizeof(*g));

	snprintf(g->dir, sizeof(g->dir), "/tmp/tailrace-file-XXXXXX");
	OK(mkdtemp(g->dir) != NULL);
	snprintf(g->state, sizeof(g->state), "%s/state", g->dir);
	OK(mkdir(g->state, 0700) == 0);
	snprintf(g->pattern[0], sizeof(g->pattern[0]), "%s/%s", g->dir, pattern);
	g->patterns[0] = str_c(g->pattern[0]);
	g->total_bytes = 16 << 20;
	g->got = mem_array(GOT_MAX, sizeof(*g->got));
	g->conf = (struct file_conf){ .paths = { 1, g->patterns },
				      .max_line = 262144,
				      .encoding = STR("utf-8"),
				      .rotate_wait_ns = 100 * NS_PER_MS,
				      .partial_wait_ns = 100 * NS_PER_MS,
				      .poll_interval_ns = 20 * NS_PER_MS,
				      .scan_interval_ns = 10 * NS_PER_S,
				      .max_open_files = 100,
				      .max_rotated_files = 1000,
				      .max_rotated_bytes = (size_t)1 << 40 };
	return g;
}

static inline struct file_input *rig_input(struct rig *g)
{
	return g->input.state;
}

static inline uint64_t meta_number(const struct rec *r, const char *name)
{
	uint64_t ret = 0;

	for (uint16_t i = 0; i < r->nattrs; i++)
		if (str_is(attr_name(&r->attrs[i]), name) && r->attrs[i].kind == ATTR_META)
			OK(str_u64(attr_value(&r->attrs[i]), &ret));
	return ret;
}

static inline struct block *rig_encode(void *ctx, const struct batch *b, struct arena *scratch)
{
	struct rig *g = ctx;
	struct block *block;
	size_t bytes = 0;

	(void)scratch;
	for (uint32_t i = 0; i < b->nrecs; i++)
		bytes += b->recs[i].line.n + 16;
	block = block_new(1, 0, bytes); /* as large as a real one: it holds credit */
	for (uint32_t i = 0; i < b->nrecs; i++) {
		const struct rec *r = &b->recs[i];
		struct got *got = &g->got[g->ngot];
		struct str filename = labels_get(rec_labels(b, r), STR("filename"));

		OK(g->ngot < GOT_MAX);
		if (g->ngot == GOT_MAX)
			break;
		g->ngot++;
		got->line = mem_alloc(r->line.n + 1);
		memcpy(got->line, r->line.p, r->line.n);
		got->line[r->line.n] = 0;
		got->n = r->line.n;
		got->is_settled = false;
		got->time_ns = r->time_ns;
		got->flags = r->flags;
		got->full_length = meta_number(r, "tailrace_full_length");
		got->filename = mem_alloc(filename.n + 1);
		memcpy(got->filename, filename.p, filename.n);
		got->filename[filename.n] = 0;
	}
	block->nrecs = block->runs[0].nrecs = b->nrecs;
	return block;
}

static inline void rig_settle(struct block *block)
{
	flow_delivered(block->flow, block->nrecs);
	block_end(block, block->nruns);
}

/* Its records are those from `at` on. */
static inline void rig_settle_at(struct rig *g, struct block *block, size_t at)
{
	for (size_t i = at; i < at + block->nrecs && i < g->ngot; i++)
		g->got[i].is_settled = true;
	rig_settle(block);
}

static inline void rig_take(void *ctx, uint32_t lane, struct block *block)
{
	struct rig *g = ctx;

	(void)lane;
	if (g->holds && g->nheld < ARRAY_LEN(g->held)) {
		g->held_at[g->nheld] = g->ngot - block->nrecs;
		g->held[g->nheld++] = block;
	} else {
		rig_settle_at(g, block, g->ngot - block->nrecs);
	}
}

static inline void rig_release(struct rig *g)
{
	g->holds = false;
	for (unsigned i = 0; i < g->nheld; i++)
		rig_settle_at(g, g->held[i], g->held_at[i]);
	g->nheld = 0;
}

static inline void rig_open(struct rig *g)
{
	struct chain_conf conf = { .pipeline = "test",
				   .sinks = &g->sink,
				   .nsinks = 1,
				   .budget = &g->budget,
				   .max_streams = 20000 };
	struct err err = ERR_NONE;

	budget_init(&g->budget, g->total_bytes);
	g->loop = conf.loop = loop_new("test");
	g->flow = flow_new("test", "out");
	g->sink = (struct sink){ .ctx = g,
				 .flow = g->flow,
				 .is_blocking = true,
				 .encode = rig_encode,
				 .submit = rig_take };
	g->lane = lane_new(0, g->loop);
	OK(chain_open(&conf, &g->chain, &err) == 0);
	lane_add_chain(g->lane, g->chain);
	g->intake = (struct intake){ .way.chains = &g->chain,
				     .lanes = &g->lane,
				     .nlanes = 1,
				     .flows = &g->flow,
				     .nflows = 1,
				     .budget = &g->budget };
	g->input = (struct input){ .ops = &input_file,
				   .name = "test",
				   .conf = &g->conf,
				   .state = mem_zalloc(input_file.state_size),
				   .loop = g->loop,
				   .state_dir = g->state,
				   .hostname = "host",
				   .intake = &g->intake };
	input_setup(&g->input);
	if (input_file.open(&g->input, &err) < 0) {
		FAIL("%s: %s", err.where, err.text);
		abort();
	}
}

static inline void rig_start(struct rig *g)
{
	rig_open(g);
	if (g->is_paced)
		rig_input(g)->pace_look_ns = NS_PER_S;
	input_file.start(&g->input);
}

static inline void rig_run(struct rig *g, int ms)
{
	int64_t end_ns = clock_mono_ns() + ms * NS_PER_MS;

	while (clock_mono_ns() < end_ns)
		loop_once(g->loop, 2);
}

#define UNTIL(g, cond)                                                                             \
	do {                                                                                       \
		int64_t end_ns_ = clock_mono_ns() + WAIT_NS;                                       \
		while (!(cond) && clock_mono_ns() < end_ns_)                                       \
			loop_once((g)->loop, 5);                                                   \
		OK(cond);                                                                          \
	} while (0)

static inline void rig_down(struct rig *g)
{
	input_file.stop(&g->input);
	lane_stop(g->lane);
	rig_release(g);
	UNTIL(g, input_file.is_idle(&g->input));
	input_file.close(&g->input);
	budget_forget(&g->budget, &g->input.waiter);
	EQ_INT(metric_value(g->flow->held), 0);
	EQ_INT(atomic_load(&g->budget.free_bytes), g->total_bytes);
	EQ_INT(metric_value(metric_get(METRIC_FILES_OPEN, "input", "test", NULL)), 0);
	EQ_INT(metric_value(metric_get(METRIC_FILE_BYTES_BEHIND, "input", "test", NULL)), 0);
	lane_free(g->lane);
	flow_free(g->flow);
	mem_free(g->input.state);
	loop_free(g->loop);
	budget_fini(&g->budget);
}

/* In order: everything is settled and saved. */
static inline void rig_stop(struct rig *g)
{
	rig_release(g);
	rig_run(g, 1);
	rig_down(g);
}

/* As kill -9 leaves it: nothing that is held was ever settled, nothing more is saved. */
static inline void rig_kill(struct rig *g)
{
	char path[128], command[500];

	snprintf(path, sizeof(path), "%s/positions", g->state);
	snprintf(command, sizeof(command), "rm -rf %s.kept && cp -a %s %s.kept", path, path, path);
	OK(system(command) == 0);
	rig_down(g);
	snprintf(command, sizeof(command), "rm -r %s && mv %s.kept %s", path, path, path);
	OK(system(command) == 0);
}

static inline void rig_forget(struct rig *g)
{
	for (size_t i = 0; i < g->ngot; i++) {
		mem_free(g->got[i].line);
		mem_free(g->got[i].filename);
	}
	g->ngot = 0;
}

static inline void rig_end(struct rig *g)
{
	char command[100];

	rig_stop(g);
	rig_forget(g);
	snprintf(command, sizeof(command), "rm -rf %s", g->dir);
	OK(system(command) == 0);
	mem_free(g->got);
	mem_free(g);
}

static inline const char *rig_path(const struct rig *g, const char *name)
{
	static char paths[4][128];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", g->dir, name);
	return path;
}

static inline void put_bytes(const struct rig *g, const char *name, const char *p, size_t n,
			     int flags)
{
	int fd = open(rig_path(g, name), O_WRONLY | O_CREAT | flags, 0644);

	OK(fd >= 0 && write(fd, p, n) == (ssize_t)n);
	close(fd);
}

static inline void append(const struct rig *g, const char *name, const char *text)
{
	put_bytes(g, name, text, strlen(text), O_APPEND);
}

static inline void overwrite(const struct rig *g, const char *name, const char *text)
{
	put_bytes(g, name, text, strlen(text), O_TRUNC);
}

/* Lines "<tag> <number>" from first on. */
static inline void append_numbered(const struct rig *g, const char *name, const char *tag,
				   int first, int n)
{
	FILE *f = fopen(rig_path(g, name), "a");

	OK(f != NULL);
	for (int i = first; f && i < first + n; i++)
		fprintf(f, "%s %d\n", tag, i);
	if (f)
		fclose(f);
}

/* All of what came, one line each, in order. */
static inline void expect_lines(struct rig *g, const char *want, const char *file, int at)
{
	struct str rest = str_c(want);
	size_t n = 0;

	for (const char *p = want; *p; p++)
		n += *p == '\n';
	UNTIL(g, g->ngot >= n);
	rig_run(g, 30); /* not one more */
	if (g->ngot != n)
		fprintf(stderr, "%s:%d: %zu records, want %zu\n", file, at, g->ngot, n);
	EQ_INT(g->ngot, n);
	for (size_t i = 0; i < g->ngot && rest.n; i++) {
		struct str line = str_cut(&rest, '\n');

		test_checks++;
		if (!str_eq(str_make(g->got[i].line, g->got[i].n), line))
			FAIL("line %zu is \"%s\", want \"" STR_FMT "\" (from %s:%d)", i,
			     g->got[i].line, STR_ARG(line), file, at);
	}
}
#define EXPECT(g, want) expect_lines(g, want, __FILE__, __LINE__)

/* What came is "<tag> first", "<tag> first+1" ... without gap or repetition. */
static inline void expect_numbered(struct rig *g, const char *tag, int first, int n)
{
	char want[64];

	UNTIL(g, g->ngot >= (size_t)n);
	rig_run(g, 30);
	EQ_INT(g->ngot, n);
	for (int i = 0; i < n && (size_t)i < g->ngot; i++) {
		snprintf(want, sizeof(want), "%s %d", tag, first + i);
		if (strcmp(g->got[i].line, want) != 0) {
			FAIL("record %d is \"%s\", want \"%s\"", i, g->got[i].line, want);
			return;
		}
		test_checks++;
	}
}

static inline int64_t counter(enum metric_id id, const char *key, const char *value)
{
	return metric_value(metric_get(id, "input", "test", key, value, NULL));
}

static inline int64_t error_count(const char *reason)
{
	return counter(METRIC_INPUT_ERRORS, "reason", reason);
}

/* Every time is later than the one before. */
static inline void check_times(const struct rig *g)
{
	for (size_t i = 1; i < g->ngot; i++)
		if (g->got[i].time_ns <= g->got[i - 1].time_ns) {
			FAIL("time of record %zu is not later", i);
			return;
		}
}

#endif
