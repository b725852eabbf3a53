/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of a template, and what its functions are given. Private to this folder. */
#ifndef PIPELINE_TEMPLATE_TREE_H
#define PIPELINE_TEMPLATE_TREE_H

#include "pipeline/template/template.h"

#define DEPTH_MAX 64     /* nested actions, parentheses, template calls: each of the three */
#define VARIABLES_MAX 64 /* in scope at one time */
#define ARGS_MAX 64      /* of one call */

struct call;

/* A function. args: one letter for each argument, the last one repeated when '*' follows it:
 * s string, i whole number, b bool, v anything. A missing value is no string. */
struct template_func {
	const char *name, *args;
	/* 0 with call->ret, or call_fail(). */
	int (*run)(struct call *c);
};

enum arg_kind {
	ARG_DOT,      /* . and .a.b */
	ARG_VARIABLE, /* $x and $x.a.b */
	ARG_CONSTANT,
	ARG_PIPE, /* (...) and (...).a.b */
	ARG_FUNC, /* a function without arguments, used as one */
	ARG_NIL,
};

struct pipe;

struct arg {
	enum arg_kind kind;
	uint32_t at; /* offset in the text */
	struct arg *next;
	unsigned slot; /* ARG_VARIABLE */
	struct value constant;
	const struct pipe *pipe;
	const struct template_func *func;
	const struct str *fields; /* .a.b behind it */
	size_t nfields;
};

/* One command of a pipeline: a value, or a function with its arguments. */
struct command {
	struct command *next;
	uint32_t at;
	const struct template_func *func; /* NULL: the value args[0] */
	struct arg *args;
	size_t nargs;
};

struct pipe {
	uint32_t at;
	struct command *commands;
	unsigned slots[2]; /* variables that get the result; range: index and element, or element */
	unsigned nslots;
	bool is_assignment; /* = and not := */
};

enum node_kind {
	NODE_TEXT,
	NODE_ACTION,
	NODE_IF,
	NODE_WITH,
	NODE_RANGE,
	NODE_TEMPLATE,
	NODE_BREAK,
	NODE_CONTINUE,
};

struct definition;

struct node {
	enum node_kind kind;
	uint32_t at;
	struct node *next;
	struct str text;         /* NODE_TEXT; NODE_TEMPLATE: its name */
	const struct pipe *pipe; /* may be NULL for NODE_TEMPLATE */
	struct node *body, *otherwise;
	const struct definition *definition; /* NODE_TEMPLATE */
};

struct definition {
	struct definition *next;
	struct str name;
	struct node *body;
	bool is_empty; /* nothing but white space: does not replace one that is not */
};

struct template
{
	struct arena arena; /* all of the tree, with a copy of the text */
	struct str text;
	struct node *body;
	struct definition *definitions;
};

/* NULL when there is no function of that name. *ret_why: set for those that exist elsewhere and are
 * refused here on purpose, to the reason. */
const struct template_func *template_func_find(struct str name, const char **ret_why);
/* The nearest name, for messages; NULL when none is near. */
const char *template_func_nearest(struct str name);

/* and, or: they look at their arguments one by one; recognised by run.c. */
extern const struct template_func template_func_and, template_func_or;

/* "line:column" of an offset. */
void template_place(struct str text, size_t at, struct err *err);

/* ---- executing ---- */

struct call {
	struct value *args;
	size_t n;
	struct value ret;
	struct arena *arena; /* lives until the end of this execution */
	struct template_runner *runner;
	int64_t now_ns;
	const struct template_func *func;
	struct err *err;
};

/* Sets the error "name: reason" and returns a negative code. */
int call_fail(struct call *c, const char *fmt, ...) PRINTF(2, 3);
/* Memory this execution may still take. */
size_t call_room(const struct call *c);
/* A buffer for results, empty; what it holds at the end is copied with call_text(). One at a time. */
struct buf *call_buf(struct call *c);
int call_text(struct call *c, struct buf *b);
int call_str(struct call *c, struct str s); /* ret = s, which lives as long as the arena */
int call_int(struct call *c, int64_t i);
int call_bool(struct call *c, bool truth);

struct pattern;
/* A compiled expression out of the runner's cache; NULL after call_fail(). */
const struct pattern *call_pattern(struct call *c, struct str expr);
struct pattern_scratch *call_scratch(const struct call *c);

/* Go's idea of truth: false, 0, "", nil, and what is empty are false. */
bool value_is_true(struct value v);
/* As fmt's %v. A value that is not there is <nil>. */
void value_print(struct buf *out, struct value v);
/* fmt.Fprintf. */
void template_printf(struct buf *out, struct str format, const struct value *args, size_t n);
/* As fmt's %q. */
void value_quote(struct buf *out, struct str s);
/* Name of its Go type. */
const char *value_type(struct value v);

/* The tables, each ended by an entry without a name. */
extern const struct template_func template_funcs_basic[], template_funcs_text[],
	template_funcs_regex[], template_funcs_number[], template_funcs_list[],
	template_funcs_map[], template_funcs_time[], template_funcs_code[];

#endif
