/* SPDX-License-Identifier: Apache-2.0 */
/* What stands between {{ and }}: variables, commands, arguments. */
#include "pipeline/template/parse.h"

static void *node_alloc(struct parser *p, size_t n)
{
	return memset(arena_alloc(&p->t->arena, n), 0, n);
}

/* .a.b behind something; an error for what Go does not take as a name. */
static bool parse_fields(struct parser *p, struct arg *arg)
{
	struct str fields[DEPTH_MAX], *copy;
	size_t n = 0;

	while (parse_byte(p, 0) == '.') {
		struct str name;

		p->at++;
		name = parse_word(p);
		if (!name.n || (name.p[0] >= '0' && name.p[0] <= '9'))
			return parse_fail(p, p->at - 1, "a name is expected behind '.'");
		if (n == DEPTH_MAX)
			return parse_fail(p, p->at, "too many names in a row");
		fields[n++] = name;
		p->at += name.n;
	}
	copy = arena_alloc(&p->t->arena, n * sizeof(*copy) + 1);
	if (n)
		memcpy(copy, fields, n * sizeof(*copy));
	arg->fields = copy;
	arg->nfields = n;
	return true;
}

static bool parse_dot(struct parser *p, struct arg *arg)
{
	struct str word;

	arg->kind = ARG_DOT;
	p->at++;
	word = parse_word(p);
	if (!word.n)
		return true;
	p->at--;
	return parse_fields(p, arg);
}

static bool parse_variable(struct parser *p, struct arg *arg)
{
	struct str name;

	p->at++;
	name = parse_word(p);
	p->at += name.n;
	arg->kind = ARG_VARIABLE;
	for (unsigned i = p->nvariables; i-- > 0;) {
		if (str_eq(p->variables[i], name)) {
			arg->slot = i;
			return parse_fields(p, arg);
		}
	}
	return parse_fail(p, arg->at, "undefined variable \"$" STR_FMT "\"", STR_ARG(name));
}

static bool parse_parenthesis(struct parser *p, struct arg *arg)
{
	if (p->depth >= DEPTH_MAX)
		return parse_fail(p, p->at, "nested too deeply");
	p->depth++;
	p->at++;
	arg->kind = ARG_PIPE;
	arg->pipe = parse_pipe(p, false);
	p->depth--;
	if (!arg->pipe)
		return false;
	if (parse_byte(p, 0) != ')')
		return parse_fail(p, arg->at, "the parenthesis is not closed");
	p->at++;
	return parse_fields(p, arg);
}

static bool unknown_function(struct parser *p, struct str name, const char *why)
{
	const char *near = template_func_nearest(name);

	if (why)
		return parse_fail(p, p->at, "function \"" STR_FMT "\" is not offered: %s",
				  STR_ARG(name), why);
	if (near)
		return parse_fail(p, p->at,
				  "function \"" STR_FMT "\" not defined (did you mean '%s'?)",
				  STR_ARG(name), near);
	return parse_fail(p, p->at, "function \"" STR_FMT "\" not defined", STR_ARG(name));
}

static bool parse_name(struct parser *p, struct arg *arg)
{
	struct str name = parse_word(p);
	const char *why = NULL;

	arg->kind = ARG_CONSTANT;
	if (str_is(name, "true") || str_is(name, "false")) {
		arg->constant = value_bool(name.n == 4);
	} else if (str_is(name, "nil")) {
		arg->kind = ARG_NIL;
	} else {
		arg->kind = ARG_FUNC;
		arg->func = template_func_find(name, &why);
		if (!arg->func)
			return unknown_function(p, name, why);
	}
	p->at += name.n;
	return true;
}

static bool parse_literal(struct parser *p, struct arg *arg, char c)
{
	struct str text;

	arg->kind = ARG_CONSTANT;
	if (c != '"' && c != '`')
		return parse_number(p, &arg->constant);
	if (!parse_string(p, &text))
		return false;
	arg->constant = value_str(text);
	return true;
}

static bool parse_operand(struct parser *p, struct arg *arg)
{
	char c = parse_byte(p, 0), next = parse_byte(p, 1);
	bool is_fine;

	arg->at = (uint32_t)p->at;
	if (c == '.' && !(next >= '0' && next <= '9'))
		is_fine = parse_dot(p, arg);
	else if (c == '$')
		is_fine = parse_variable(p, arg);
	else if (c == '(')
		is_fine = parse_parenthesis(p, arg);
	else if (c == '"' || c == '`' || c == '\'' || c == '+' || c == '-' || c == '.' ||
		 (c >= '0' && c <= '9'))
		is_fine = parse_literal(p, arg, c);
	else if (parse_word(p).n)
		is_fine = parse_name(p, arg);
	else
		return parse_fail(p, p->at, "unexpected '%c'", c >= ' ' && c < 127 ? c : '?');
	if (!is_fine)
		return false;
	c = parse_byte(p, 0);
	if (c && !strchr(" \t\r\n|)", c) && !parse_at_close(p))
		return parse_fail(p, p->at,
				  "unexpected '%c' behind a value (names with other characters "
				  "than letters, digits and _ need: index . \"my-name\")",
				  c >= ' ' && c < 127 ? c : '?');
	return true;
}

/* The end of a command stands here. */
static bool at_end(const struct parser *p)
{
	char c = parse_byte(p, 0);

	return c == '|' || c == ')' || !c || parse_at_close(p);
}

static const char *count_words(const char *args, size_t *ret_least, size_t *ret_most)
{
	*ret_least = strlen(args);
	*ret_most = *ret_least;
	if (strchr(args, '*')) {
		*ret_least -= 2;
		*ret_most = ARGS_MAX;
		return "at least ";
	}
	return "";
}

/* final: the result of the command before it becomes the last argument. */
static bool check_call(struct parser *p, const struct command *c, bool has_final)
{
	size_t given = c->nargs + has_final, least, most;
	const char *words = count_words(c->func->args, &least, &most);

	if (given < least || given > most)
		return parse_fail(p, c->at,
				  "wrong number of arguments for %s: it takes %s%zu, and has %zu",
				  c->func->name, words, least, given);
	return true;
}

static bool parse_command(struct parser *p, struct command *c, bool has_final)
{
	struct arg **link = &c->args;

	c->at = (uint32_t)p->at;
	while (!at_end(p)) {
		struct arg *arg = node_alloc(p, sizeof(*arg));

		if (c->nargs == ARGS_MAX)
			return parse_fail(p, p->at, "too many arguments");
		if (!parse_operand(p, arg))
			return false;
		*link = arg;
		link = &arg->next;
		c->nargs++;
		parse_skip_space(p);
	}
	if (!c->nargs)
		return parse_fail(p, p->at, "missing value for command");
	if (c->args->kind == ARG_FUNC) {
		c->func = c->args->func;
		c->args = c->args->next;
		c->nargs--;
		return check_call(p, c, has_final);
	}
	if (c->args->kind == ARG_NIL && c->nargs == 1)
		return parse_fail(p, c->at, "nil is not a command");
	if (c->nargs > 1 || has_final)
		return parse_fail(p, c->at,
				  "can't give an argument to a value that is no function");
	return true;
}

static bool declare(struct parser *p, struct str name, unsigned *ret_slot)
{
	if (p->nvariables == VARIABLES_MAX)
		return parse_fail(p, p->at, "more than %d variables", VARIABLES_MAX);
	*ret_slot = p->nvariables;
	p->variables[p->nvariables++] = name;
	return true;
}

static bool find_variable(struct parser *p, struct str name, unsigned *ret_slot)
{
	for (unsigned i = p->nvariables; i-- > 0;) {
		if (str_eq(p->variables[i], name)) {
			*ret_slot = i;
			return true;
		}
	}
	return parse_fail(p, p->at, "undefined variable \"$" STR_FMT "\"", STR_ARG(name));
}

static struct str variable_name(struct parser *p)
{
	struct str name = STR_NONE;

	if (parse_byte(p, 0) == '$') {
		p->at++;
		name = parse_word(p);
		if (!name.p)
			name = STR("");
		p->at += name.n;
		parse_skip_space(p);
	}
	return name;
}

/* `$x :=`, `$x =`, `$i, $v :=` in front of a pipeline; nothing is consumed when there is none. */
static bool parse_declaration(struct parser *p, struct pipe *pipe, bool is_range)
{
	size_t began = p->at;
	struct str names[2] = { variable_name(p), STR_NONE };
	unsigned n = 1;

	if (is_range && names[0].p && parse_byte(p, 0) == ',') {
		p->at++;
		parse_skip_space(p);
		names[n++] = variable_name(p);
		if (!names[1].p)
			return parse_fail(p, p->at, "a variable is expected behind ','");
	}
	pipe->is_assignment = parse_byte(p, 0) == '=';
	if (!names[0].p ||
	    (!pipe->is_assignment && !(parse_byte(p, 0) == ':' && parse_byte(p, 1) == '='))) {
		p->at = began;
		return true;
	}
	if (!names[0].n)
		return parse_fail(p, began, "$ cannot be set");
	p->at += pipe->is_assignment ? 1 : 2;
	pipe->nslots = n;
	for (unsigned i = 0; i < n; i++)
		if (!(pipe->is_assignment ? find_variable : declare)(p, names[i], &pipe->slots[i]))
			return false;
	return true;
}

struct pipe *parse_pipe(struct parser *p, bool is_range)
{
	struct pipe *pipe = node_alloc(p, sizeof(*pipe));
	struct command **link = &pipe->commands;

	parse_skip_space(p);
	pipe->at = (uint32_t)p->at;
	if (!parse_declaration(p, pipe, is_range))
		return NULL;
	for (;;) {
		struct command *c = node_alloc(p, sizeof(*c));

		parse_skip_space(p);
		if (!parse_command(p, c, link != &pipe->commands))
			return NULL;
		*link = c;
		link = &c->next;
		if (parse_byte(p, 0) != '|')
			return pipe;
		p->at++;
		parse_skip_space(p);
		if (parse_at_close(p)) /* Go takes a pipe without a command behind it */
			return pipe;
	}
}
