/* SPDX-License-Identifier: Apache-2.0 */
/* Text and actions of a template into a tree (text/template/parse). */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "lib/mem.h"
#include "pipeline/template/parse.h"

void template_place(struct str text, size_t at, struct err *err)
{
	size_t line = 1, column = 1;

	for (size_t i = 0; i < at && i < text.n; i++) {
		column++;
		if (text.p[i] == '\n') {
			line++;
			column = 1;
		}
	}
	if (err)
		err_where(err, "%zu:%zu", line, column);
}

bool parse_fail(struct parser *p, size_t at, const char *fmt, ...)
{
	char text[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	template_place(p->text, at, p->err);
	err_set(p->err, -EINVAL, "%s", text);
	return false;
}

char parse_byte(const struct parser *p, size_t ahead)
{
	return p->at + ahead < p->text.n ? p->text.p[p->at + ahead] : 0;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

void parse_skip_space(struct parser *p)
{
	/* White space in front of -}} belongs to the marker. */
	while (p->at < p->text.n && is_space(p->text.p[p->at]) && !parse_at_close(p))
		p->at++;
}

struct str parse_word(const struct parser *p)
{
	struct str rest = str_skip(p->text, p->at);
	size_t n = 0;

	while (n < rest.n && (((rest.p[n] | 32) >= 'a' && (rest.p[n] | 32) <= 'z') ||
			      (rest.p[n] >= '0' && rest.p[n] <= '9') || rest.p[n] == '_' ||
			      (unsigned char)rest.p[n] >= 0x80))
		n++;
	return str_sub(rest, 0, n);
}

static bool at_trimming_close(const struct parser *p)
{
	return is_space(parse_byte(p, 0)) && parse_byte(p, 1) == '-' && parse_byte(p, 2) == '}' &&
	       parse_byte(p, 3) == '}';
}

bool parse_at_close(const struct parser *p)
{
	return (parse_byte(p, 0) == '}' && parse_byte(p, 1) == '}') || at_trimming_close(p);
}

static bool parse_close(struct parser *p)
{
	parse_skip_space(p);
	if (!parse_at_close(p))
		return parse_fail(p, p->at,
				  p->at < p->text.n ? "}} is expected here"
						    : "the action does not end: }} is "
						      "missing");
	p->trims = at_trimming_close(p);
	p->at += p->trims ? 4 : 2;
	return true;
}

/* What ended a list of nodes. */
enum list_end { LIST_FAILED, LIST_EOF, LIST_END, LIST_ELSE };

static enum list_end parse_list(struct parser *p, struct node **ret);

static struct node *node_new(struct parser *p, enum node_kind kind, size_t at)
{
	struct node *node = arena_alloc(&p->t->arena, sizeof(*node));

	*node = (struct node){ .kind = kind, .at = (uint32_t)at };
	return node;
}

static struct str ltrim(struct str s)
{
	size_t i = 0;

	while (i < s.n && is_space(s.p[i]))
		i++;
	return str_skip(s, i);
}

/* The text up to the next {{ or the end. False when there is no {{. */
static bool parse_text(struct parser *p, struct node ***link)
{
	struct str rest = str_skip(p->text, p->at);
	size_t open = str_find(rest, STR("{{"));
	struct str text = str_sub(rest, 0, open);
	bool is_open = open < rest.n, trims_left = false;

	if (p->trims)
		text = ltrim(text);
	p->trims = false;
	if (is_open) {
		p->at += open + 2;
		trims_left = parse_byte(p, 0) == '-' && is_space(parse_byte(p, 1));
		if (trims_left) {
			p->at++;
			text = str_rtrim(text);
		}
	} else {
		p->at = p->text.n;
	}
	if (text.n) {
		struct node *node = node_new(p, NODE_TEXT, (size_t)(text.p - p->text.p));

		node->text = text;
		**link = node;
		*link = &node->next;
	}
	return is_open;
}

/* {{/ * ... * /}} without the blanks. */
static bool parse_comment(struct parser *p)
{
	size_t began = p->at;
	struct str rest = str_skip(p->text, p->at + 2);
	size_t end = str_find(rest, STR("*/"));

	if (end == rest.n)
		return parse_fail(p, began, "the comment does not end");
	p->at += 2 + end + 2;
	if (!parse_at_close(p))
		return parse_fail(p, p->at, "a comment ends in */}} or */ -}}");
	return parse_close(p);
}

/* {{if}}, {{with}}, {{range}} behind their word, to their {{end}}. */
static bool parse_control(struct parser *p, struct node *node)
{
	unsigned scope = p->nvariables;
	enum list_end ended;

	if (p->depth >= DEPTH_MAX)
		return parse_fail(p, node->at, "nested too deeply");
	p->depth++;
	node->pipe = parse_pipe(p, node->kind == NODE_RANGE);
	if (!node->pipe || !parse_close(p))
		return false;
	p->ranges += node->kind == NODE_RANGE;
	ended = parse_list(p, &node->body);
	p->ranges -= node->kind == NODE_RANGE;
	if (ended == LIST_ELSE) {
		struct str word;

		parse_skip_space(p);
		word = parse_word(p);
		if (node->kind != NODE_RANGE && (str_is(word, "if") || str_is(word, "with"))) {
			/* {{else if}} shares the {{end}}. */
			node->otherwise =
				node_new(p, str_is(word, "if") ? NODE_IF : NODE_WITH, p->at);
			p->at += word.n;
			if (!parse_control(p, node->otherwise))
				return false;
			ended = LIST_END;
		} else {
			ended = parse_close(p) ? parse_list(p, &node->otherwise) : LIST_FAILED;
		}
	}
	if (ended == LIST_EOF)
		return parse_fail(p, node->at, "{{end}} is missing");
	if (ended == LIST_ELSE)
		return parse_fail(p, p->at, "a second {{else}}");
	p->nvariables = scope;
	p->depth--;
	return ended != LIST_FAILED;
}

static bool quoted_name(struct parser *p, struct str *ret)
{
	parse_skip_space(p);
	if (parse_byte(p, 0) != '"' && parse_byte(p, 0) != '`')
		return parse_fail(p, p->at, "a name in quotes is expected");
	return parse_string(p, ret);
}

static bool is_blank(const struct node *list)
{
	for (; list; list = list->next)
		if (list->kind != NODE_TEXT || str_trim(list->text).n)
			return false;
	return true;
}

/* Adds a definition; a later one replaces an earlier one unless it is empty. */
static bool define(struct parser *p, struct str name, struct node *body, size_t at)
{
	struct definition *d = p->t->definitions;

	while (d && !str_eq(d->name, name))
		d = d->next;
	if (d && !d->is_empty && !is_blank(body))
		return parse_fail(p, at, "\"" STR_FMT "\" is defined twice", STR_ARG(name));
	if (!d) {
		d = arena_alloc(&p->t->arena, sizeof(*d));
		*d = (struct definition){ .next = p->t->definitions,
					  .name = name,
					  .is_empty = true };
		p->t->definitions = d;
	}
	if (d->is_empty) {
		d->body = body;
		d->is_empty = is_blank(body);
	}
	return true;
}

/* The body of {{define}} or {{block}}: variables and ranges outside of it are not seen in it. */
static bool parse_body(struct parser *p, struct str name, size_t at)
{
	struct str outer[VARIABLES_MAX];
	unsigned nvariables = p->nvariables, ranges = p->ranges;
	struct node *body = NULL;
	enum list_end ended;

	if (p->depth >= DEPTH_MAX)
		return parse_fail(p, at, "nested too deeply");
	memcpy(outer, p->variables, sizeof(outer));
	p->nvariables = 1;
	p->ranges = 0;
	p->depth++;
	ended = parse_list(p, &body);
	p->depth--;
	p->ranges = ranges;
	p->nvariables = nvariables;
	memcpy(p->variables, outer, sizeof(outer));
	if (ended == LIST_FAILED)
		return false;
	if (ended != LIST_END)
		return parse_fail(p, at, "{{end}} is missing");
	return define(p, name, body, at);
}

static bool parse_define(struct parser *p, size_t at)
{
	struct str name;

	if (p->depth)
		return parse_fail(p, at, "{{define}} must not stand inside of another action");
	return quoted_name(p, &name) && parse_close(p) && parse_body(p, name, at);
}

static bool parse_template_call(struct parser *p, struct node *node, bool is_block)
{
	if (!quoted_name(p, &node->text))
		return false;
	parse_skip_space(p);
	if (!parse_at_close(p)) {
		node->pipe = parse_pipe(p, false);
		if (!node->pipe)
			return false;
	} else if (is_block) {
		return parse_fail(p, p->at, "missing value for block");
	}
	return parse_close(p) && (!is_block || parse_body(p, node->text, node->at));
}

static bool parse_jump(struct parser *p, struct node *node, const char *word)
{
	if (!p->ranges)
		return parse_fail(p, node->at, "{{%s}} outside of {{range}}", word);
	return parse_close(p);
}

/* What follows {{ and is no comment. *ret_end: LIST_EOF when a node was made (or a definition),
 * LIST_END, LIST_ELSE when the list is over. */
static bool parse_action(struct parser *p, struct node ***link, enum list_end *ret_end)
{
	static const struct {
		const char *word;
		enum node_kind kind;
	} controls[] = { { "if", NODE_IF }, { "with", NODE_WITH }, { "range", NODE_RANGE } };
	size_t at = p->at;
	struct str word;
	struct node *node;
	bool is_fine;

	parse_skip_space(p);
	word = parse_word(p);
	*ret_end = LIST_EOF;
	if (str_is(word, "end")) {
		p->at += word.n;
		*ret_end = LIST_END;
		return parse_close(p);
	}
	if (str_is(word, "else")) {
		p->at += word.n;
		*ret_end = LIST_ELSE;
		return true;
	}
	if (str_is(word, "define")) {
		p->at += word.n;
		return parse_define(p, at);
	}
	node = node_new(p, NODE_ACTION, p->at);
	for (size_t i = 0; i < ARRAY_LEN(controls); i++)
		if (str_is(word, controls[i].word))
			node->kind = controls[i].kind;
	if (node->kind != NODE_ACTION) {
		p->at += word.n;
		is_fine = parse_control(p, node);
	} else if (str_is(word, "template") || str_is(word, "block")) {
		node->kind = NODE_TEMPLATE;
		p->at += word.n;
		is_fine = parse_template_call(p, node, str_is(word, "block"));
	} else if (str_is(word, "break") || str_is(word, "continue")) {
		node->kind = str_is(word, "break") ? NODE_BREAK : NODE_CONTINUE;
		p->at += word.n;
		is_fine = parse_jump(p, node, node->kind == NODE_BREAK ? "break" : "continue");
	} else {
		node->pipe = parse_pipe(p, false);
		is_fine = node->pipe && parse_close(p);
	}
	**link = node;
	*link = &node->next;
	return is_fine;
}

static enum list_end parse_list(struct parser *p, struct node **ret)
{
	struct node **link = ret;
	enum list_end ended;

	*ret = NULL;
	while (parse_text(p, &link)) {
		size_t at = p->at;

		parse_skip_space(p);
		if (parse_byte(p, 0) == '/' && parse_byte(p, 1) == '*') {
			if (!parse_comment(p))
				return LIST_FAILED;
			continue;
		}
		p->at = at;
		if (!parse_action(p, &link, &ended))
			return LIST_FAILED;
		if (ended != LIST_EOF)
			return ended;
	}
	return LIST_EOF;
}

/* Calls may stand in front of definitions, so names are looked up at the end. */
static bool resolve(struct parser *p, struct node *list)
{
	for (struct node *n = list; n; n = n->next) {
		if (n->kind == NODE_TEMPLATE) {
			const struct definition *d = p->t->definitions;

			while (d && !str_eq(d->name, n->text))
				d = d->next;
			if (!d)
				return parse_fail(p, n->at, "template \"" STR_FMT "\" not defined",
						  STR_ARG(n->text));
			n->definition = d;
		}
		if (!resolve(p, n->body) || !resolve(p, n->otherwise))
			return false;
	}
	return true;
}

static bool parse_all(struct parser *p)
{
	switch (parse_list(p, &p->t->body)) {
	case LIST_EOF:
		break;
	case LIST_END:
		return parse_fail(p, p->at, "unexpected {{end}}");
	case LIST_ELSE:
		return parse_fail(p, p->at, "unexpected {{else}}");
	default:
		return false;
	}
	for (struct definition *d = p->t->definitions; d; d = d->next)
		if (!resolve(p, d->body))
			return false;
	return resolve(p, p->t->body);
}

int template_parse(struct str text, struct template **ret, struct err *err)
{
	struct template *t = mem_zalloc(sizeof(*t));
	struct parser p = { .t = t, .err = err, .nvariables = 1 };

	*ret = NULL;
	p.variables[0] = STR("");
	if (text.n > TEMPLATE_TEXT_MAX) {
		mem_free(t);
		return err_set(err, -EINVAL, "the template is longer than %d bytes",
			       TEMPLATE_TEXT_MAX);
	}
	t->text = p.text = arena_dup(&t->arena, text);
	if (!parse_all(&p)) {
		template_free(t);
		return -EINVAL;
	}
	*ret = t;
	return 0;
}

void template_free(struct template *t)
{
	if (!t)
		return;
	arena_fini(&t->arena);
	mem_free(t);
}
