/* SPDX-License-Identifier: Apache-2.0 */
/* `tailrace dry-run`: lines through one pipeline to stdout, and what became of them. */
#include <errno.h>
#include <unistd.h>

#include "agent/dry_run.h"
#include "agent/dry_tally.h"
#include "agent/registry.h"
#include "inputs/file/walk.h"
#include "lib/clock.h"
#include "lib/mem.h"

#define LINE_MAX_BYTES ((size_t)1 << 20)

struct dry_run {
	const struct config *config;
	const struct dry_run_args *args;
	struct output out; /* the stdout output, used for its encoder only */
	struct loop *loop;
	struct flow *flow;
	struct sink sink;
	struct offline offline;
	struct source *source; /* of what is read now */
	struct batch *batch;
	struct tally tally;
	int64_t last_ns;
	bool is_broken; /* stdout is gone */
	struct err err; /* of a file among many */
};

/* ---- the end: stdout ---- */

static struct block *encode(void *ctx, const struct batch *b, struct arena *scratch)
{
	struct dry_run *d = ctx;

	return d->out.ops->encode(&d->out, b, scratch);
}

static void write_block(void *ctx, uint32_t lane, struct block *block)
{
	struct dry_run *d = ctx;

	(void)lane;
	for (size_t at = 0; at < block->nbytes && !d->is_broken;) {
		ssize_t n = write(STDOUT_FILENO, block->bytes + at, block->nbytes - at);

		if (n < 0 && errno == EINTR)
			continue;
		d->is_broken = n <= 0;
		at += n > 0 ? (size_t)n : 0;
	}
	flow_delivered(block->flow, block->nrecs);
	block_end(block, block->nruns);
}

static int open_output(struct dry_run *d, struct conf_doc *doc, struct err *err)
{
	const struct conf_plugin *plugin;
	struct conf_node *map = conf_node_map(doc);
	size_t n;

	plugin = registry(&n);
	plugin = conf_plugin_find(plugin, n, CONF_OUTPUT, STR("stdout"));
	CHECK(plugin);
	conf_map_add(doc, map, conf_node_scalar(doc, STR("format"), false),
		     conf_node_scalar(doc, d->args->as_json ? STR("json") : STR("text"), false));
	d->out.conf = conf_alloc(doc, plugin->conf->size);
	CHECK(conf_read(doc, plugin->conf, map, (void *)(uintptr_t)d->out.conf) == 0);
	d->out.magic = OUTPUT_MAGIC;
	d->out.name = "dry-run";
	d->out.ops = plugin->ops;
	d->out.loop = d->loop;
	d->out.state = mem_zalloc(d->out.ops->state_size);
	return d->out.ops->open ? d->out.ops->open(&d->out, err) : 0;
}

/* ---- the beginning: lines ---- */

static bool is_enough(const struct dry_run *d)
{
	return d->is_broken || (d->args->limit && d->tally.lines_in == d->args->limit);
}

static bool run_batch(void *ctx)
{
	struct dry_run *d = ctx;

	if (d->batch)
		chain_run(d->offline.chain, TAKE(d->batch));
	loop_once(d->loop, 0); /* timers of stages that hold records */
	return !is_enough(d);
}

static bool add_line(void *ctx, struct str line, bool is_cut)
{
	struct dry_run *d = ctx;
	struct rec *r;

	if (!d->batch) {
		int64_t now_ns = clock_wall_ns();

		d->batch = batch_new(NULL, d->source, 65536, true);
		d->last_ns = now_ns > d->last_ns ? now_ns : d->last_ns;
	}
	r = batch_add(d->batch);
	r->time_ns = ++d->last_ns;
	r->line = arena_dup(&d->batch->arena, line);
	r->flags = is_cut ? REC_CUT : 0;
	metric_add(d->flow->in, 1);
	metric_add(d->flow->held, 1);
	d->tally.lines_in++;
	d->tally.bytes_in += line.n + 1;
	if (d->batch->nrecs == BATCH_RECS_MAX)
		return run_batch(d);
	return !is_enough(d);
}

static int read_fd(struct dry_run *d, int fd, struct err *err)
{
	struct offline_reader reader = { d, LINE_MAX_BYTES, add_line, run_batch };
	int rc = offline_lines(fd, &reader, err);

	run_batch(d);
	return rc;
}

/* path: NULL and "-" are stdin. */
static int read_path(struct dry_run *d, const char *path, struct err *err)
{
	bool is_stdin = !path || !strcmp(path, "-");
	int fd = is_stdin ? STDIN_FILENO : os->open(path, O_RDONLY | O_CLOEXEC, 0);
	struct stat st;
	int rc;

	if (fd < 0)
		return err_errno(err, errno, "cannot open %s", path);
	if (!is_stdin && os->fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
		rc = err_errno(err, EISDIR, "cannot open %s", path);
	else
		rc = read_fd(d, fd, err);
	if (!is_stdin)
		os->close(fd);
	return rc;
}

/* ---- the files of an input ---- */

/* An option of the input that is a list; NULL: it has none of that name. */
static const struct conf_list *list_of(const struct dry_run *d, const char *key)
{
	const char *name = offline_input_name(d->config, d->args->way);

	for (size_t i = 0; i < d->config->ninputs; i++) {
		const struct config_item *item = &d->config->inputs[i];
		const struct conf_table *t = item->plugin->conf;

		for (size_t k = 0; k < t->n && !strcmp(item->name, name); k++)
			if (t->fields[k].type == CONF_T_LIST &&
			    !strcmp(conf_field_key(&t->fields[k]), key))
				return (const void *)((const char *)item->conf +
						      t->fields[k].offset);
	}
	return NULL;
}

struct files {
	struct dry_run *d;
	struct glob *excluded;
	size_t nexcluded;
};

static void read_file(void *ctx, const struct walk_file *found)
{
	struct files *f = ctx;
	struct dry_run *d = f->d;
	struct label filename = { STR("filename"), found->path };
	struct source source;
	struct stat st;

	if (os->stat(found->path.p, &st) || !S_ISREG(st.st_mode))
		return;
	for (size_t i = 0; i < f->nexcluded; i++)
		if (glob_match(&f->excluded[i], found->path))
			return;
	if (is_enough(d))
		return;
	offline_source(&d->offline, d->config, &filename, 1, &source);
	d->source = &source;
	read_path(d, found->path.p, &d->err);
	chain_flush(d->offline.chain, &source);
	source_fini(&source);
	d->source = &d->offline.source;
}

static bool may_enter(void *ctx, struct str path, bool is_link)
{
	(void)ctx;
	(void)path;
	(void)is_link;
	return true;
}

static void no_dir(void *ctx, struct str path, unsigned what)
{
	(void)ctx;
	(void)path;
	(void)what;
}

static void trouble(void *ctx, struct str path, int errnum)
{
	struct files *f = ctx;

	err_errno(&f->d->err, errnum, "cannot read " STR_FMT, STR_ARG(path));
}

static int read_input(struct dry_run *d, struct err *err)
{
	static const struct walk_ops ops = {
		.dir = no_dir, .file = read_file, .enter = may_enter, .trouble = trouble
	};
	const struct conf_list *paths = list_of(d, "paths"), *exclude = list_of(d, "exclude");
	struct files f = { .d = d };
	char cwd[4096];
	int rc = 0;

	if (!paths)
		return err_set(err, -EINVAL, "the input '%s' reads no files",
			       offline_input_name(d->config, d->args->way));
	if (!getcwd(cwd, sizeof(cwd)))
		return err_errno(err, errno, "there is no current directory");
	f.excluded = mem_array((exclude ? exclude->n : 0) + 1, sizeof(*f.excluded));
	for (size_t i = 0; exclude && i < exclude->n && rc == 0; i++)
		rc = glob_init(&f.excluded[f.nexcluded++], exclude->items[i], str_c(cwd), err);
	for (size_t i = 0; i < paths->n && rc == 0; i++) {
		struct glob g;

		rc = glob_init(&g, paths->items[i], str_c(cwd), err);
		if (rc == 0)
			walk_glob(&g, &ops, &f);
		glob_fini(&g);
	}
	for (size_t i = 0; i < f.nexcluded; i++)
		glob_fini(&f.excluded[i]);
	mem_free(f.excluded);
	if (rc == 0 && d->err.code) {
		*err = d->err;
		rc = d->err.code;
	}
	return rc;
}

/* ---- all of it ---- */

static int read_all(struct dry_run *d, struct err *err)
{
	const struct dry_run_args *args = d->args;
	int rc = 0;

	if (args->reads_input)
		return read_input(d, err);
	if (!args->npaths)
		return read_path(d, NULL, err);
	for (int i = 0; i < args->npaths && rc == 0 && !is_enough(d); i++)
		rc = read_path(d, args->paths[i], err);
	return rc;
}

static int open_all(struct dry_run *d, struct conf_doc *doc, struct err *err)
{
	const struct config *c = d->config;
	struct label labels[] = { { STR("host"), str_c(c->plan.hostname) },
				  { STR("job"), STR("stdin") } };
	struct offline_conf conf = { .config = c,
				     .way = d->args->way,
				     .has_own_labels = !d->args->has_input && !d->args->reads_input,
				     .labels = labels,
				     .trace = &d->tally.trace,
				     .sink = d->args->is_quiet ? NULL : &d->sink,
				     .loop = d->loop };
	int rc = open_output(d, doc, err);

	conf.nlabels = conf.has_own_labels ? ARRAY_LEN(labels) : 0;
	tally_init(&d->tally);
	if (rc == 0)
		rc = offline_open(&d->offline, &conf, err);
	d->source = &d->offline.source;
	return rc;
}

int agent_dry_run(const struct config *c, const struct dry_run_args *args, struct err *err)
{
	struct conf_doc *doc = conf_doc_new();
	struct dry_run *d = mem_zalloc(sizeof(*d));
	int rc;

	d->config = c;
	d->args = args;
	d->loop = loop_new("dry-run");
	d->flow = flow_new(c->plan.pipelines[args->way.pipeline].name, "dry-run");
	d->sink = (struct sink){ .ctx = d,
				 .flow = d->flow,
				 .is_blocking = true,
				 .encode = encode,
				 .submit = write_block };
	rc = open_all(d, doc, err);
	if (rc == 0)
		rc = read_all(d, err);
	offline_close(&d->offline);
	if (rc == 0)
		tally_print(&d->tally, args->summary);
	if (d->out.ops && d->out.ops->close)
		d->out.ops->close(&d->out);
	mem_free(d->out.state);
	flow_free(d->flow);
	loop_free(d->loop);
	tally_fini(&d->tally);
	mem_free(d);
	conf_doc_free(doc);
	return rc;
}
