/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of an expression, and what its functions are given. Private to this folder. */
#ifndef PIPELINE_JMESPATH_TREE_H
#define PIPELINE_JMESPATH_TREE_H

#include "pipeline/jmespath/jmespath.h"

#define JMESPATH_DEPTH_MAX 64
#define JMESPATH_ARGS_MAX 16

enum jnode_kind {
	J_CURRENT, /* @ */
	J_FIELD,
	J_INDEX,
	J_SLICE,
	J_SUB,        /* left . right, left [n] */
	J_PIPE,       /* as J_SUB, but ends a projection */
	J_PROJECTION, /* left [*] right */
	J_VALUES,     /* left .* right */
	J_FILTER,     /* left [? condition] right */
	J_FLATTEN,    /* left [] */
	J_LIST,       /* [a, b] */
	J_HASH,       /* {k: a} */
	J_OR,
	J_AND,
	J_NOT,
	J_COMPARE,
	J_LITERAL,
	J_FUNCTION,
	J_REFERENCE, /* &expr */
};

enum jcompare { J_EQ, J_NE, J_LT, J_LE, J_GT, J_GE };

struct jnode {
	enum jnode_kind kind;
	struct jnode *left, *right, *condition;
	struct jnode *args, *next; /* of lists, hashes and functions */
	struct str name;           /* J_FIELD; key of an argument of a hash */
	struct value literal;
	int64_t numbers[3]; /* J_INDEX, J_SLICE */
	bool has[3];
	enum jcompare compare;
	const struct jfunction *function;
};

struct jmespath {
	struct arena arena;
	struct jnode *root;
};

struct jrun {
	struct arena *arena;
	struct err *err;
	size_t max_bytes;
	unsigned steps;
};

/* An argument: a value, or for & an expression. */
struct jarg {
	struct value value;
	const struct jnode *reference;
};

/* types: a letter for each argument, * behind the last one: again and again. s string, n number,
 * l list, o object, & reference, v anything, L list or string, A list, string or object. */
struct jfunction {
	const char *name, *types;
	bool (*run)(struct jrun *run, const struct jarg *args, size_t n, struct value *ret);
};

const struct jfunction *jfunction_find(struct str name);
const char *jfunction_nearest(struct str name);

/* False after setting the error. */
bool jmespath_eval(struct jrun *run, const struct jnode *node, struct value v, struct value *ret);
bool jmespath_fail(struct jrun *run, const char *fmt, ...) PRINTF(2, 3);
/* A list of n nulls; false when there is no room. */
bool jmespath_list(struct jrun *run, size_t n, struct value *ret, struct value **ret_items);
/* null, false, "", [] and {} are not true. */
bool jmespath_is_true(struct value v);

#endif
