/* SPDX-License-Identifier: Apache-2.0 */
/* Executes a template: walks its tree, evaluates pipelines, calls functions. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "lib/mem.h"
#include "pipeline/pattern.h"
#include "pipeline/template/tree.h"

#define STEPS_MAX 100000                 /* nodes and calls of one execution */
#define MEMORY_MAX ((size_t)4 << 20)     /* arena of one execution */
#define MEMORY_KEPT ((size_t)512 * 1024) /* between executions */
#define PATTERNS 16                      /* compiled expressions remembered */
#define NESTED_MAX 200                   /* lists and pipelines being executed: bounds the stack */

struct template_runner {
	struct pattern_scratch *scratch;
	struct arena arena;
	struct buf work;
	struct pattern *patterns[PATTERNS];
	unsigned npatterns, next_pattern;
};

enum jump { JUMP_NONE, JUMP_BREAK, JUMP_CONTINUE };

struct run {
	const struct template *t;
	struct template_runner *runner;
	const struct template_data *data;
	struct value all; /* the data as a map, from when it was first needed */
	struct buf *out;
	struct err *err;
	int64_t now_ns;
	struct value *variables; /* of the template being executed; [0] is $ */
	unsigned depth, steps;
	enum jump jump;
};

/* The data of an execution are looked up by name and made a map only when something needs all of
 * them; from then on that map counts, as `set` may have changed it. This mark stands for them. */
static const struct value_map data_mark;
static const struct value data_value = { .kind = VALUE_MAP, .map = &data_mark };

static bool is_data(struct value v)
{
	return v.kind == VALUE_MAP && v.map == &data_mark;
}

struct collect {
	struct arena *arena;
	struct value_pair *pairs;
	size_t n, cap;
};

static void collect_one(void *arg, struct str name, struct str value)
{
	struct collect *c = arg;

	if (c->n == c->cap) {
		struct value_pair *more;

		c->cap = c->cap ? 2 * c->cap : 32;
		more = value_pairs(c->arena, c->cap);
		if (c->n)
			memcpy(more, c->pairs, c->n * sizeof(*more));
		c->pairs = more;
	}
	c->pairs[c->n++] = (struct value_pair){ name, value_str(value) };
}

static struct value whole(struct run *run, struct value v)
{
	struct collect c = { .arena = &run->runner->arena };

	if (!is_data(v))
		return v;
	if (run->all.kind != VALUE_MAP) {
		run->data->each(run->data->ctx, collect_one, &c);
		run->all = value_map(c.arena, c.pairs, c.n);
	}
	return run->all;
}

static int fail(struct run *run, size_t at, const char *fmt, ...) PRINTF(3, 4);
static int fail(struct run *run, size_t at, const char *fmt, ...)
{
	char text[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	template_place(run->t->text, at, run->err);
	return err_set(run->err, -EINVAL, "%s", text);
}

static int step(struct run *run, size_t at)
{
	if (++run->steps > STEPS_MAX)
		return fail(run, at, "the template takes too many steps");
	if (run->runner->arena.bytes > MEMORY_MAX || run->out->is_cut)
		return fail(run, at, "the template makes too much text");
	return 0;
}

static int enter(struct run *run, size_t at)
{
	if (++run->depth > NESTED_MAX)
		return fail(run, at, "the template nests too deeply");
	return 0;
}

/* ---- values ---- */

static int get_field(struct run *run, size_t at, struct value v, struct str name, struct value *ret)
{
	struct str text;

	*ret = VALUE_NONE;
	if (is_data(v) && run->all.kind == VALUE_MAP)
		v = run->all;
	if (is_data(v)) {
		if (run->data->get(run->data->ctx, name, &text))
			*ret = value_str(text);
		return 0;
	}
	if (v.kind == VALUE_NULL)
		return 0;
	if (v.kind != VALUE_MAP)
		return fail(run, at, "can't evaluate field " STR_FMT " in type %s", STR_ARG(name),
			    value_type(v));
	*ret = value_get(v, name, NULL);
	return 0;
}

static int eval_pipe(struct run *run, struct value dot, const struct pipe *pipe, struct value *ret);
static int eval_call(struct run *run, struct value dot, const struct template_func *func, size_t at,
		     const struct arg *args, const struct value *final, struct value *ret);

static int eval_arg(struct run *run, struct value dot, const struct arg *arg, struct value *ret)
{
	int rc = 0;

	switch (arg->kind) {
	case ARG_DOT:
		*ret = dot;
		break;
	case ARG_VARIABLE:
		*ret = run->variables[arg->slot];
		break;
	case ARG_CONSTANT:
		*ret = arg->constant;
		break;
	case ARG_PIPE:
		rc = eval_pipe(run, dot, arg->pipe, ret);
		break;
	case ARG_FUNC:
		rc = eval_call(run, dot, arg->func, arg->at, NULL, NULL, ret);
		break;
	case ARG_NIL:
		*ret = VALUE_NONE;
		break;
	}
	for (size_t i = 0; rc == 0 && i < arg->nfields; i++)
		rc = get_field(run, arg->at, *ret, arg->fields[i], ret);
	return rc;
}

/* The letter of argument i in a func's args. */
static char letter(const char *args, size_t i)
{
	size_t n = strlen(args);

	if (n && args[n - 1] == '*' && i >= n - 2)
		return args[n - 2];
	return i < n ? args[i] : 0;
}

static int check_arg(struct run *run, size_t at, const struct template_func *func, size_t i,
		     struct value v)
{
	static const struct {
		char letter;
		enum value_kind kind;
		const char *name;
	} kinds[] = { { 's', VALUE_STRING, "string" },
		      { 'i', VALUE_INT, "int" },
		      { 'b', VALUE_BOOL, "bool" } };
	char want = letter(func->args, i);

	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		if (want != kinds[k].letter || v.kind == kinds[k].kind)
			continue;
		if (v.kind == VALUE_NULL)
			return fail(run, at, "%s: argument %zu is missing; expected %s", func->name,
				    i + 1, kinds[k].name);
		return fail(run, at, "%s: wrong type for argument %zu; expected %s, got %s",
			    func->name, i + 1, kinds[k].name, value_type(v));
	}
	return 0;
}

/* and, or: evaluates until one decides. */
static int eval_logic(struct run *run, struct value dot, bool is_and, const struct arg *args,
		      const struct value *final, struct value *ret)
{
	for (; args; args = args->next) {
		int rc = eval_arg(run, dot, args, ret);

		if (rc)
			return rc;
		if (!(args->next || final) || value_is_true(whole(run, *ret)) != is_and)
			return 0;
	}
	if (final)
		*ret = *final;
	return 0;
}

static int eval_call(struct run *run, struct value dot, const struct template_func *func, size_t at,
		     const struct arg *args, const struct value *final, struct value *ret)
{
	struct value values[ARGS_MAX + 1];
	struct call call = { .args = values,
			     .arena = &run->runner->arena,
			     .runner = run->runner,
			     .now_ns = run->now_ns,
			     .func = func,
			     .err = run->err };
	int rc = step(run, at);

	if (rc)
		return rc;
	if (func == &template_func_and || func == &template_func_or)
		return eval_logic(run, dot, func == &template_func_and, args, final, ret);
	for (; args && rc == 0; args = args->next) {
		rc = eval_arg(run, dot, args, &values[call.n]);
		if (rc == 0)
			rc = check_arg(run, args->at, func, call.n, values[call.n]);
		if (rc == 0)
			values[call.n] = whole(run, values[call.n]);
		call.n++;
	}
	if (rc == 0 && final) {
		rc = check_arg(run, at, func, call.n, *final);
		values[call.n++] = whole(run, *final);
	}
	if (rc)
		return rc;
	template_place(run->t->text, at, run->err);
	rc = func->run(&call);
	*ret = call.ret;
	return rc;
}

static int eval_pipe(struct run *run, struct value dot, const struct pipe *pipe, struct value *ret)
{
	int rc = enter(run, pipe->at);

	*ret = VALUE_NONE;
	for (const struct command *c = pipe->commands; c && rc == 0; c = c->next) {
		struct value before = *ret;

		if (c->func)
			rc = eval_call(run, dot, c->func, c->at, c->args,
				       c == pipe->commands ? NULL : &before, ret);
		else
			rc = eval_arg(run, dot, c->args, ret);
	}
	run->depth--;
	return rc;
}

/* ---- nodes ---- */

static int run_list(struct run *run, struct value dot, const struct node *list);

static void set_variables(struct run *run, const struct pipe *pipe, struct value v)
{
	for (unsigned i = 0; i < pipe->nslots; i++)
		run->variables[pipe->slots[i]] = v;
}

static int run_if(struct run *run, struct value dot, const struct node *node)
{
	struct value v;
	int rc = eval_pipe(run, dot, node->pipe, &v);

	if (rc)
		return rc;
	set_variables(run, node->pipe, v);
	if (!value_is_true(whole(run, v)))
		return run_list(run, dot, node->otherwise);
	return run_list(run, node->kind == NODE_WITH ? v : dot, node->body);
}

/* One element; false when the loop is over (*rc says why). */
static bool run_element(struct run *run, const struct node *node, struct value key, struct value v,
			int *rc)
{
	const struct pipe *pipe = node->pipe;

	if (pipe->nslots == 1)
		run->variables[pipe->slots[0]] = v;
	if (pipe->nslots == 2) {
		run->variables[pipe->slots[0]] = key;
		run->variables[pipe->slots[1]] = v;
	}
	*rc = step(run, node->at);
	if (*rc == 0)
		*rc = run_list(run, v, node->body);
	if (*rc || run->jump == JUMP_BREAK) {
		run->jump = JUMP_NONE;
		return false;
	}
	run->jump = JUMP_NONE;
	return true;
}

static int run_range(struct run *run, struct value dot, const struct node *node)
{
	struct value v;
	int rc = eval_pipe(run, dot, node->pipe, &v);
	bool goes_on = true;

	if (rc)
		return rc;
	v = whole(run, v);
	if (v.kind == VALUE_LIST && v.list->n) {
		for (size_t i = 0; i < v.list->n && goes_on; i++)
			goes_on = run_element(run, node, value_int((int64_t)i), v.list->items[i],
					      &rc);
	} else if (v.kind == VALUE_MAP && v.map->n) {
		for (size_t i = 0; i < v.map->n && goes_on; i++)
			goes_on = run_element(run, node, value_str(v.map->pairs[i].key),
					      v.map->pairs[i].value, &rc);
	} else if (v.kind == VALUE_INT && v.i > 0) { /* Go 1.22 */
		for (int64_t i = 0; i < v.i && goes_on; i++)
			goes_on = run_element(run, node, value_int(i), value_int(i), &rc);
	} else if (v.kind == VALUE_LIST || v.kind == VALUE_MAP || v.kind == VALUE_NULL ||
		   v.kind == VALUE_INT) {
		return run_list(run, dot, node->otherwise);
	} else {
		return fail(run, node->at, "range can't iterate over a %s", value_type(v));
	}
	return rc;
}

static int run_template(struct run *run, struct value dot, const struct node *node)
{
	struct value variables[VARIABLES_MAX], *outer = run->variables;
	struct value v = VALUE_NONE;
	int rc = node->pipe ? eval_pipe(run, dot, node->pipe, &v) : 0;

	if (rc)
		return rc;
	for (size_t i = 0; i < VARIABLES_MAX; i++)
		variables[i] = VALUE_NONE;
	variables[0] = v;
	run->variables = variables;
	rc = run_list(run, v, node->definition->body);
	run->variables = outer;
	return rc;
}

static int run_action(struct run *run, struct value dot, const struct node *node)
{
	struct value v;
	int rc = eval_pipe(run, dot, node->pipe, &v);

	if (rc)
		return rc;
	if (node->pipe->nslots)
		set_variables(run, node->pipe, v);
	else if (v.kind == VALUE_NULL)
		buf_c(run->out, "<no value>");
	else
		value_print(run->out, whole(run, v));
	return 0;
}

static int run_node(struct run *run, struct value dot, const struct node *node)
{
	switch (node->kind) {
	case NODE_TEXT:
		buf_str(run->out, node->text);
		return 0;
	case NODE_ACTION:
		return run_action(run, dot, node);
	case NODE_IF:
	case NODE_WITH:
		return run_if(run, dot, node);
	case NODE_RANGE:
		return run_range(run, dot, node);
	case NODE_TEMPLATE:
		return run_template(run, dot, node);
	case NODE_BREAK:
		run->jump = JUMP_BREAK;
		return 0;
	case NODE_CONTINUE:
		run->jump = JUMP_CONTINUE;
		return 0;
	}
	return 0;
}

static int run_list(struct run *run, struct value dot, const struct node *list)
{
	int rc = list ? enter(run, list->at) : 0;

	if (!list)
		return 0;
	for (; list && rc == 0 && run->jump == JUMP_NONE; list = list->next) {
		rc = step(run, list->at);
		if (rc == 0)
			rc = run_node(run, dot, list);
	}
	run->depth--;
	return rc;
}

int template_run(const struct template *t, struct template_runner *r,
		 const struct template_data *data, int64_t now_ns, struct buf *out, struct err *err)
{
	struct value variables[VARIABLES_MAX] = { data_value };
	struct run run = { .t = t,
			   .runner = r,
			   .data = data,
			   .out = out,
			   .err = err,
			   .now_ns = now_ns,
			   .variables = variables };
	size_t max = out->max;
	bool was_cut = out->is_cut;
	int rc;

	out->max = out->n + TEMPLATE_OUTPUT_MAX;
	rc = run_list(&run, data_value, t->body);
	if (rc == 0 && out->is_cut && !was_cut)
		rc = fail(&run, 0, "the template makes too much text");
	out->max = max;
	out->is_cut = was_cut;
	if (r->arena.bytes > MEMORY_KEPT)
		arena_fini(&r->arena);
	return rc;
}

/* ---- the runner, and what functions use of it ---- */

struct template_runner *template_runner_new(struct pattern_scratch *scratch)
{
	struct template_runner *r = mem_zalloc(sizeof(*r));

	r->scratch = scratch;
	return r;
}

void template_runner_free(struct template_runner *r)
{
	if (!r)
		return;
	for (unsigned i = 0; i < r->npatterns; i++)
		pattern_free(r->patterns[i]);
	arena_fini(&r->arena);
	buf_fini(&r->work);
	mem_free(r);
}

int call_fail(struct call *c, const char *fmt, ...)
{
	char text[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return err_set(c->err, -EINVAL, "%s: %s", c->func->name, text);
}

size_t call_room(const struct call *c)
{
	return c->arena->bytes > MEMORY_MAX ? 0 : MEMORY_MAX - c->arena->bytes;
}

struct buf *call_buf(struct call *c)
{
	buf_clear(&c->runner->work);
	c->runner->work.is_cut = false;
	c->runner->work.max = TEMPLATE_OUTPUT_MAX;
	return &c->runner->work;
}

int call_text(struct call *c, struct buf *b)
{
	if (b->is_cut || b->n > call_room(c))
		return call_fail(c, "the result is too long");
	return call_str(c, arena_dup(c->arena, buf_as_str(b)));
}

int call_str(struct call *c, struct str s)
{
	c->ret = value_str(s);
	return 0;
}

int call_int(struct call *c, int64_t i)
{
	c->ret = value_int(i);
	return 0;
}

int call_bool(struct call *c, bool truth)
{
	c->ret = value_bool(truth);
	return 0;
}

struct pattern_scratch *call_scratch(const struct call *c)
{
	return c->runner->scratch;
}

const struct pattern *call_pattern(struct call *c, struct str expr)
{
	struct template_runner *r = c->runner;
	struct err err = ERR_NONE;
	struct pattern *p;

	for (unsigned i = 0; i < r->npatterns; i++)
		if (str_eq(pattern_expr(r->patterns[i]), expr))
			return r->patterns[i];
	if (pattern_compile(expr, 0, &p, &err)) {
		call_fail(c, "%s", err.text);
		return NULL;
	}
	if (r->npatterns < PATTERNS) {
		r->patterns[r->npatterns++] = p;
	} else {
		pattern_free(r->patterns[r->next_pattern]);
		r->patterns[r->next_pattern] = p;
		r->next_pattern = (r->next_pattern + 1) % PATTERNS;
	}
	return p;
}
