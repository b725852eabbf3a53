/* SPDX-License-Identifier: Apache-2.0 */
/* Expressions into a tree: a Pratt parser with go-jmespath's binding powers. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "lib/check.h"
#include "lib/mem.h"
#include "pipeline/jmespath/tree.h"
#include "pipeline/json.h"

enum token {
	T_END,
	T_NAME,
	T_QUOTED, /* "name" */
	T_LITERAL,
	T_NUMBER,
	T_DOT,
	T_STAR,
	T_FLATTEN, /* [] */
	T_FILTER,  /* [? */
	T_LBRACKET,
	T_RBRACKET,
	T_LBRACE,
	T_RBRACE,
	T_LPAREN,
	T_RPAREN,
	T_COMMA,
	T_COLON,
	T_PIPE,
	T_OR,
	T_AND,
	T_NOT,
	T_COMPARE,
	T_CURRENT,
	T_REFERENCE,
};

/* How strongly a token binds to what stands left of it. */
static const uint8_t power[] = {
	[T_PIPE] = 1,      [T_OR] = 2,      [T_AND] = 3,       [T_COMPARE] = 5, [T_FLATTEN] = 9,
	[T_STAR] = 20,     [T_FILTER] = 21, [T_DOT] = 40,      [T_NOT] = 45,    [T_LBRACE] = 50,
	[T_LBRACKET] = 55, [T_LPAREN] = 60, [T_REFERENCE] = 0,
};
#define PROJECTION_STOPS 10 /* tokens that bind less end a projection */

struct parser {
	struct jmespath *j;
	struct str text;
	size_t at; /* behind the token */
	struct err *err;
	unsigned depth;
	bool has_failed;
	/* the token */
	enum token token;
	size_t began;
	struct value value; /* T_NAME, T_QUOTED, T_LITERAL, T_NUMBER */
	enum jcompare compare;
};

/* ---- tokens ---- */

static void *fail(struct parser *p, const char *fmt, ...) PRINTF(2, 3);
static void *fail(struct parser *p, const char *fmt, ...)
{
	char text[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (!p->has_failed)
		err_set(p->err, -EINVAL, "%s (at column %zu)", text, p->began + 1);
	p->has_failed = true;
	p->token = T_END;
	return NULL;
}

static char byte_at(const struct parser *p, size_t at)
{
	return at < p->text.n ? p->text.p[at] : 0;
}

static bool is_name_byte(char c, bool is_first)
{
	return ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '_' ||
	       (!is_first && c >= '0' && c <= '9');
}

static void read_name(struct parser *p)
{
	while (is_name_byte(byte_at(p, p->at), p->at == p->began))
		p->at++;
	p->token = T_NAME;
	p->value = value_str(str_sub(p->text, p->began, p->at));
}

static void read_number(struct parser *p)
{
	int64_t i;

	p->at++;
	while (byte_at(p, p->at) >= '0' && byte_at(p, p->at) <= '9')
		p->at++;
	p->token = T_NUMBER;
	if (p->at == p->began + 1 && byte_at(p, p->began) == '-')
		fail(p, "names with other characters than letters, digits and _ must be in double "
			"quotes, in YAML '\"foo-bar\"'");
	else if (!str_i64(str_sub(p->text, p->began, p->at), &i))
		fail(p, "'" STR_FMT "' is no number", STR_ARG(str_sub(p->text, p->began, p->at)));
	else
		p->value = value_int(i);
}

/* "..." is a name, a JSON string. */
static void read_quoted(struct parser *p)
{
	bool is_escaped;
	struct str raw;

	if (!json_string(str_skip(p->text, p->began + 1), &raw, &is_escaped)) {
		fail(p, "the quoted name is no JSON string");
		return;
	}
	p->at = p->began + raw.n + 2;
	p->token = T_QUOTED;
	p->value = value_str(json_unescape(raw, arena_bytes(&p->j->arena, raw.n)));
}

/* The text between two equal marks; \mark stands for the mark. */
static bool between(struct parser *p, char mark, struct str *ret)
{
	char *out = arena_bytes(&p->j->arena, p->text.n);
	size_t n = 0, at = p->began + 1;

	while (at < p->text.n && p->text.p[at] != mark) {
		if (p->text.p[at] == '\\' && byte_at(p, at + 1) == mark)
			at++;
		out[n++] = p->text.p[at++];
	}
	if (at >= p->text.n) {
		fail(p, "%c is not closed", mark);
		return false;
	}
	p->at = at + 1;
	p->token = T_LITERAL;
	*ret = str_make(out, n);
	return true;
}

static void read_literal(struct parser *p)
{
	struct str text;

	if (!between(p, '`', &text))
		return;
	text = str_trim(text);
	if (!value_from_json(&p->j->arena, text, SIZE_MAX, &p->value))
		fail(p, "'" STR_FMT "' is no JSON", STR_ARG(text));
}

static void read_raw(struct parser *p)
{
	struct str text;

	if (between(p, '\'', &text))
		p->value = value_str(text);
}

/* Tokens of one or two bytes, longer ones first. */
static bool read_sign(struct parser *p)
{
	static const struct {
		struct str text;
		enum token token;
		enum jcompare compare;
	} signs[] = {
		{ { "[]", 2 }, T_FLATTEN, 0 },    { { "[?", 2 }, T_FILTER, 0 },
		{ { "||", 2 }, T_OR, 0 },         { { "&&", 2 }, T_AND, 0 },
		{ { "==", 2 }, T_COMPARE, J_EQ }, { { "!=", 2 }, T_COMPARE, J_NE },
		{ { "<=", 2 }, T_COMPARE, J_LE }, { { ">=", 2 }, T_COMPARE, J_GE },
		{ { "<", 1 }, T_COMPARE, J_LT },  { { ">", 1 }, T_COMPARE, J_GT },
		{ { ".", 1 }, T_DOT, 0 },         { { "*", 1 }, T_STAR, 0 },
		{ { "[", 1 }, T_LBRACKET, 0 },    { { "]", 1 }, T_RBRACKET, 0 },
		{ { "{", 1 }, T_LBRACE, 0 },      { { "}", 1 }, T_RBRACE, 0 },
		{ { "(", 1 }, T_LPAREN, 0 },      { { ")", 1 }, T_RPAREN, 0 },
		{ { ",", 1 }, T_COMMA, 0 },       { { ":", 1 }, T_COLON, 0 },
		{ { "|", 1 }, T_PIPE, 0 },        { { "!", 1 }, T_NOT, 0 },
		{ { "@", 1 }, T_CURRENT, 0 },     { { "&", 1 }, T_REFERENCE, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(signs); i++) {
		if (!str_starts(str_skip(p->text, p->began), signs[i].text))
			continue;
		p->at += signs[i].text.n;
		p->token = signs[i].token;
		p->compare = signs[i].compare;
		return true;
	}
	return false;
}

static void advance(struct parser *p)
{
	char c;

	while (byte_at(p, p->at) && strchr(" \t\r\n", byte_at(p, p->at)))
		p->at++;
	p->began = p->at;
	c = byte_at(p, p->at);
	if (p->at >= p->text.n)
		p->token = T_END;
	else if (is_name_byte(c, true))
		read_name(p);
	else if (c == '-' || (c >= '0' && c <= '9'))
		read_number(p);
	else if (c == '"')
		read_quoted(p);
	else if (c == '`')
		read_literal(p);
	else if (c == '\'')
		read_raw(p);
	else if (!read_sign(p))
		fail(p, "'%c' is not understood", c > ' ' && c < 127 ? c : '?');
}

static bool expect(struct parser *p, enum token token, const char *what)
{
	if (p->token != token) {
		fail(p, "%s is expected", what);
		return false;
	}
	advance(p);
	return true;
}

/* ---- the tree; every function returns NULL after fail() ---- */

static struct jnode *expression(struct parser *p, unsigned binding);

static struct jnode *node(struct parser *p, enum jnode_kind kind, struct jnode *left,
			  struct jnode *right)
{
	struct jnode *n = arena_alloc(&p->j->arena, sizeof(*n));

	*n = (struct jnode){ .kind = kind, .left = left, .right = right };
	return p->has_failed ? NULL : n;
}

static struct jnode *current(struct parser *p)
{
	return node(p, J_CURRENT, NULL, NULL);
}

/* Expressions with commas between, up to `close`. */
static struct jnode *list(struct parser *p, struct jnode *of, enum token close, const char *what)
{
	struct jnode **link = of ? &of->args : NULL;
	unsigned n = 0;

	while (of && !p->has_failed && p->token != close) {
		if (n++ && !expect(p, T_COMMA, what))
			break;
		if (n > JMESPATH_ARGS_MAX * 16)
			return fail(p, "too many elements");
		*link = expression(p, 0);
		if (*link)
			link = &(*link)->next;
	}
	expect(p, close, what);
	return p->has_failed ? NULL : of;
}

static struct jnode *multi_list(struct parser *p)
{
	struct jnode *n = node(p, J_LIST, NULL, NULL);

	if (p->token == T_RBRACKET)
		return fail(p, "an expression is expected");
	return list(p, n, T_RBRACKET, "',' or ']'");
}

static struct jnode *multi_hash(struct parser *p)
{
	struct jnode *n = node(p, J_HASH, NULL, NULL), **link = n ? &n->args : NULL;

	while (n && !p->has_failed) {
		struct str key = p->value.s;

		if (p->token != T_NAME && p->token != T_QUOTED)
			return fail(p, "a name is expected");
		advance(p);
		if (!expect(p, T_COLON, "':'"))
			return NULL;
		*link = expression(p, 0);
		if (!*link)
			return NULL;
		/* The key goes into a node of its own: the expression may be a name itself. */
		*link = node(p, J_SUB, current(p), *link);
		if (!*link)
			return NULL;
		(*link)->name = key;
		link = &(*link)->next;
		if (p->token != T_COMMA)
			break;
		advance(p);
	}
	return expect(p, T_RBRACE, "',' or '}'") ? n : NULL;
}

static struct jnode *dot_right(struct parser *p, unsigned binding)
{
	if (p->token == T_NAME || p->token == T_QUOTED || p->token == T_STAR)
		return expression(p, binding);
	if (p->token == T_LBRACKET) {
		advance(p);
		return multi_list(p);
	}
	if (p->token == T_LBRACE) {
		advance(p);
		return multi_hash(p);
	}
	return fail(p, "a name, '*', '[' or '{' is expected behind '.'");
}

static struct jnode *projection_right(struct parser *p, unsigned binding)
{
	if (power[p->token] < PROJECTION_STOPS)
		return current(p);
	if (p->token == T_LBRACKET || p->token == T_FILTER)
		return expression(p, binding);
	if (p->token == T_DOT) {
		advance(p);
		return dot_right(p, binding);
	}
	return fail(p, "this cannot follow a projection");
}

static struct jnode *filter(struct parser *p, struct jnode *left)
{
	struct jnode *condition = expression(p, 0), *right, *n;

	if (!expect(p, T_RBRACKET, "']'"))
		return NULL;
	right = p->token == T_FLATTEN ? current(p) : projection_right(p, power[T_FILTER]);
	n = node(p, J_FILTER, left, right);
	if (n)
		n->condition = condition;
	return n;
}

static struct jnode *flatten(struct parser *p, struct jnode *left)
{
	left = node(p, J_FLATTEN, left, NULL);
	return node(p, J_PROJECTION, left, projection_right(p, power[T_FLATTEN]));
}

/* Behind '[', at a number or colon: an index or a slice of left. */
static struct jnode *index_or_slice(struct parser *p, struct jnode *left)
{
	struct jnode *n = node(p, J_INDEX, NULL, NULL);
	unsigned part = 0;

	while (n && (p->token == T_NUMBER || p->token == T_COLON)) {
		if (p->token == T_COLON) {
			n->kind = J_SLICE;
			if (++part > 2)
				return fail(p, "a slice has at most three parts");
		} else if (n->has[part]) {
			return fail(p, "']' is expected");
		} else {
			n->has[part] = true;
			n->numbers[part] = p->value.i;
		}
		advance(p);
	}
	if (!expect(p, T_RBRACKET, "']'"))
		return NULL;
	left = node(p, J_SUB, left, n);
	if (n->kind == J_INDEX)
		return left;
	return node(p, J_PROJECTION, left, projection_right(p, power[T_STAR]));
}

static struct jnode *star_values(struct parser *p, struct jnode *left, unsigned binding)
{
	struct jnode *right = p->token == T_RBRACKET ? current(p) : projection_right(p, binding);

	return node(p, J_VALUES, left, right);
}

static struct jnode *bracket(struct parser *p, struct jnode *left, bool is_first)
{
	size_t at = p->at;

	if (p->token == T_NUMBER || p->token == T_COLON)
		return index_or_slice(p, left);
	while (byte_at(p, at) && strchr(" \t\r\n", byte_at(p, at)))
		at++;
	if (p->token == T_STAR && byte_at(p, at) == ']') {
		advance(p);
		advance(p);
		return node(p, J_PROJECTION, left, projection_right(p, power[T_STAR]));
	}
	if (is_first)
		return multi_list(p);
	return fail(p, "a number, ':' or '*' is expected behind '['");
}

static struct jnode *field(struct parser *p, bool is_quoted)
{
	struct jnode *n = node(p, J_FIELD, NULL, NULL);

	if (n)
		n->name = p->value.s;
	advance(p);
	if (is_quoted && p->token == T_LPAREN)
		return fail(p, "the name of a function has no quotes");
	return p->has_failed ? NULL : n;
}

static struct jnode *literal(struct parser *p)
{
	struct jnode *n = node(p, J_LITERAL, NULL, NULL);

	if (n)
		n->literal = p->value;
	advance(p);
	return p->has_failed ? NULL : n;
}

/* A token that begins an expression; it has been read, not passed. */
static struct jnode *prefix(struct parser *p)
{
	enum token token = p->token;
	struct jnode *n;

	if (token == T_NAME || token == T_QUOTED)
		return field(p, token == T_QUOTED);
	if (token == T_LITERAL)
		return literal(p);
	if (token == T_END)
		return fail(p, "the expression is not complete");
	advance(p);
	switch (token) {
	case T_CURRENT:
		return current(p);
	case T_STAR:
		return star_values(p, current(p), power[T_STAR]);
	case T_FILTER:
		return filter(p, current(p));
	case T_FLATTEN:
		return flatten(p, current(p));
	case T_LBRACKET:
		return bracket(p, current(p), true);
	case T_LBRACE:
		return multi_hash(p);
	case T_LPAREN:
		n = expression(p, 0);
		return expect(p, T_RPAREN, "')'") ? n : NULL;
	case T_NOT:
		return node(p, J_NOT, expression(p, power[T_NOT]), NULL);
	case T_REFERENCE:
		return node(p, J_REFERENCE, expression(p, power[T_REFERENCE]), NULL);
	default:
		return fail(p, "an expression is expected before this");
	}
}

static struct jnode *check_call(struct parser *p, struct jnode *n)
{
	const char *types = n->function->types;
	size_t least = strlen(types), most = least, has = 0;

	if (strchr(types, '*')) {
		least--;
		most = JMESPATH_ARGS_MAX;
	}
	for (const struct jnode *arg = n->args; arg; arg = arg->next) {
		char type = has < strlen(types) ? types[has] : 'v';

		if ((type == '&') != (arg->kind == J_REFERENCE) && type != '*')
			return fail(p, "argument %zu of %s() %s", has + 1, n->function->name,
				    type == '&' ? "must be an expression such as &name"
						: "must not be an expression with '&'");
		has++;
	}
	if (has < least || has > most)
		return fail(p, "%s() takes %s%zu argument%s, and has %zu", n->function->name,
			    least == most ? "" : "at least ", least, least == 1 ? "" : "s", has);
	return n;
}

static struct jnode *call(struct parser *p, struct jnode *left)
{
	struct jnode *n = node(p, J_FUNCTION, NULL, NULL);

	if (!n || left->kind != J_FIELD)
		return fail(p, "a name is expected before '('");
	n->function = jfunction_find(left->name);
	if (!n->function) {
		const char *near = jfunction_nearest(left->name);

		return fail(p, "there is no function '" STR_FMT "'%s%s%s", STR_ARG(left->name),
			    near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
	}
	n = list(p, n, T_RPAREN, "',' or ')'");
	return n ? check_call(p, n) : NULL;
}

/* A token that goes on with what stands left of it; it has been passed. */
static struct jnode *infix(struct parser *p, enum token token, struct jnode *left)
{
	enum jcompare compare = p->compare;
	struct jnode *n;

	advance(p);
	switch (token) {
	case T_DOT:
		if (p->token != T_STAR)
			return node(p, J_SUB, left, dot_right(p, power[T_DOT]));
		advance(p);
		return star_values(p, left, power[T_DOT]);
	case T_PIPE:
		return node(p, J_PIPE, left, expression(p, power[T_PIPE]));
	case T_OR:
		return node(p, J_OR, left, expression(p, power[T_OR]));
	case T_AND:
		return node(p, J_AND, left, expression(p, power[T_AND]));
	case T_COMPARE:
		n = node(p, J_COMPARE, left, expression(p, power[T_COMPARE]));
		if (n)
			n->compare = compare;
		return n;
	case T_LPAREN:
		return call(p, left);
	case T_FILTER:
		return filter(p, left);
	case T_FLATTEN:
		return flatten(p, left);
	case T_LBRACKET:
		return bracket(p, left, false);
	default:
		return fail(p, "this is not expected here");
	}
}

static struct jnode *expression(struct parser *p, unsigned binding)
{
	struct jnode *left;

	if (++p->depth > JMESPATH_DEPTH_MAX)
		return fail(p, "nested too deeply");
	left = prefix(p);
	/* A chain of n links is a tree n deep: it counts, too. */
	for (unsigned links = 0; left && binding < power[p->token]; links++)
		left = links < JMESPATH_DEPTH_MAX ? infix(p, p->token, left)
						  : fail(p, "the expression is too long");
	p->depth--;
	return p->has_failed ? NULL : left;
}

int jmespath_compile(struct str text, struct jmespath **ret, struct err *err)
{
	struct jmespath *j = mem_zalloc(sizeof(*j));
	struct parser p = { .j = j, .err = err };

	*ret = NULL;
	if (text.n > JMESPATH_TEXT_MAX) {
		mem_free(j);
		return err_set(err, -EINVAL, "the expression is longer than %d bytes",
			       JMESPATH_TEXT_MAX);
	}
	p.text = arena_dup(&j->arena, text);
	advance(&p);
	j->root = expression(&p, 0);
	if (!p.has_failed && p.token != T_END)
		fail(&p, "this is not expected here");
	if (p.has_failed) {
		jmespath_free(j);
		return -EINVAL;
	}
	*ret = j;
	return 0;
}

void jmespath_free(struct jmespath *j)
{
	if (!j)
		return;
	arena_fini(&j->arena);
	mem_free(j);
}
