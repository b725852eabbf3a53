/* SPDX-License-Identifier: Apache-2.0 */
/* Compiling and matching path patterns. */
#include <errno.h>

#include "inputs/file/glob.h"
#include "lib/buf.h"
#include "lib/mem.h"
#include "lib/utf8.h"

/* ---- one element -------------------------------------------------------------------------- */

/* The character at *at, which moves behind it. An invalid byte is a character of its own that is
 * equal to no valid one. */
static uint32_t next_char(struct str s, size_t *at)
{
	const unsigned char *p = (const unsigned char *)s.p + *at;
	size_t n = *p < 0x80 ? 1 : utf8_valid_char(str_skip(s, *at));

	*at += n ? n : 1;
	switch (n) {
	case 1:
		return p[0];
	case 2:
		return (uint32_t)(p[0] & 0x1f) << 6 | (p[1] & 0x3f);
	case 3:
		return (uint32_t)(p[0] & 0x0f) << 12 | (uint32_t)(p[1] & 0x3f) << 6 | (p[2] & 0x3f);
	case 4:
		return (uint32_t)(p[0] & 0x07) << 18 | (uint32_t)(p[1] & 0x3f) << 12 |
		       (uint32_t)(p[2] & 0x3f) << 6 | (p[3] & 0x3f);
	default:
		return 0x110000u + p[0];
	}
}

static uint32_t class_char(struct str pattern, size_t *at)
{
	if (pattern.p[*at] == '\\' && *at + 1 < pattern.n)
		++*at;
	return next_char(pattern, at);
}

/* Behind the ']' of the class that begins at `at`, or 0 when it has none. A ']' right at the
 * beginning stands for itself, as in POSIX. */
static size_t class_end(struct str pattern, size_t at)
{
	size_t first;

	at++;
	if (at < pattern.n && (pattern.p[at] == '^' || pattern.p[at] == '!'))
		at++;
	for (first = at; at < pattern.n; at++) {
		if (pattern.p[at] == ']' && at > first)
			return at + 1;
		if (pattern.p[at] == '\\')
			at++;
	}
	return 0;
}

static bool class_has(struct str pattern, size_t at, size_t end, uint32_t c)
{
	bool is_negated, is_in = false;

	at++;
	is_negated = pattern.p[at] == '^' || pattern.p[at] == '!';
	at += is_negated;
	end--; /* the bracket */
	while (at < end) {
		uint32_t lo = class_char(pattern, &at), hi = lo;

		if (at + 1 < end && pattern.p[at] == '-') {
			at++;
			hi = class_char(pattern, &at);
		}
		is_in |= lo <= c && c <= hi;
	}
	return is_in != is_negated;
}

/* Matches one step of the pattern, anything but '*', against one character; both places move. */
static bool step(struct str pattern, size_t *p, struct str name, size_t *at)
{
	size_t end;

	if (*at == name.n)
		return false;
	if (pattern.p[*p] == '?') {
		++*p;
		next_char(name, at);
		return true;
	}
	if (pattern.p[*p] == '[') {
		end = class_end(pattern, *p);
		if (!class_has(pattern, *p, end, next_char(name, at)))
			return false;
		*p = end;
		return true;
	}
	if (pattern.p[*p] == '\\')
		++*p;
	return pattern.p[(*p)++] == name.p[(*at)++];
}

bool glob_elem_match(const struct glob_elem *e, struct str name)
{
	struct str pattern = e->text;
	size_t p = 0, at = 0, star = SIZE_MAX, star_at = 0;

	if (e->kind == GLOB_DIRS)
		return true;
	if (e->kind == GLOB_NAME)
		return str_eq(pattern, name);
	for (;;) {
		if (p < pattern.n && pattern.p[p] == '*') {
			star = ++p;
			star_at = at;
			continue;
		}
		if (p == pattern.n && at == name.n)
			return true;
		if (p < pattern.n && step(pattern, &p, name, &at))
			continue;
		/* Only the newest star needs to try a longer match: quadratic at worst. */
		if (star == SIZE_MAX || star_at == name.n)
			return false;
		next_char(name, &star_at);
		p = star;
		at = star_at;
	}
}

/* ---- whole paths -------------------------------------------------------------------------- */

static bool path_match(const struct glob_path *g, struct str path)
{
	size_t i = 0, dirs = SIZE_MAX;
	struct str rest = str_skip(path, 1), dirs_rest = rest;

	for (;;) {
		struct str after = rest, name;

		if (i < g->n && g->elems[i].kind == GLOB_DIRS) {
			dirs = ++i;
			dirs_rest = rest;
			continue;
		}
		if (i == g->n && !rest.p)
			return true;
		if (rest.p && i < g->n) {
			name = str_cut(&after, '/');
			if (glob_elem_match(&g->elems[i], name)) {
				rest = after;
				i++;
				continue;
			}
		}
		if (dirs == SIZE_MAX || !dirs_rest.p)
			return false;
		str_cut(&dirs_rest, '/');
		rest = dirs_rest;
		i = dirs;
	}
}

bool glob_match(const struct glob *g, struct str path)
{
	if (path.n < 2 || path.p[0] != '/')
		return false;
	if (str_eq(g->text, path))
		return true;
	for (size_t i = 0; i < g->n; i++)
		if (path_match(&g->paths[i], path))
			return true;
	return false;
}

void glob_root(const struct glob_path *path, struct buf *out)
{
	size_t from = out->n;

	for (size_t i = 0; i + 1 < path->n && path->elems[i].kind == GLOB_NAME; i++) {
		buf_ch(out, '/');
		buf_str(out, path->elems[i].text);
	}
	if (out->n == from)
		buf_ch(out, '/');
}

/* ---- compiling ---------------------------------------------------------------------------- */

struct compiler {
	struct buf texts; /* expanded patterns, each with its '\n'-free length in `lengths` */
	struct buf lengths;
	struct err *err;
	size_t n;
};

/* Behind the unit at `at`: an escaped character, a class, or one byte. */
static size_t unit_end(struct str s, size_t at)
{
	size_t end;

	if (s.p[at] == '\\')
		return at + 2 > s.n ? s.n : at + 2;
	end = s.p[at] == '[' ? class_end(s, at) : 0;
	return end ? end : at + 1;
}

/* The '}' that closes the brace at `at`; s.n when there is none. */
static size_t brace_end(struct str s, size_t at)
{
	unsigned depth = 0;

	for (; at < s.n; at = unit_end(s, at)) {
		if (s.p[at] == '{')
			depth++;
		else if (s.p[at] == '}' && --depth == 0)
			return at;
	}
	return s.n;
}

/* Writes out the alternatives of the first brace and goes on with each. */
static int expand(struct compiler *c, struct str s, unsigned depth)
{
	size_t open = 0, close, from, at;
	unsigned inner = 0;
	int r = 0;

	while (open < s.n && s.p[open] != '{')
		open = unit_end(s, open);
	if (open == s.n) {
		if (c->n++ == GLOB_ALTERNATIVES_MAX)
			return err_set(c->err, -E2BIG, "more than %d alternatives by {}",
				       GLOB_ALTERNATIVES_MAX);
		buf_put(&c->lengths, &s.n, sizeof(s.n));
		buf_str(&c->texts, s);
		return 0;
	}
	close = brace_end(s, open);
	if (close == s.n)
		return err_set(c->err, -EINVAL, "'{' without '}' (write \\{ for the character)");
	if (depth == 0)
		return err_set(c->err, -E2BIG, "braces nested too deeply");
	for (from = at = open + 1; at <= close && r == 0; at = unit_end(s, at)) {
		struct buf one = { .max = 2 * GLOB_BYTES_MAX };

		if (s.p[at] == '{')
			inner++;
		else if (s.p[at] == '}' && at < close)
			inner--;
		if (at != close && (s.p[at] != ',' || inner))
			continue;
		buf_str(&one, str_sub(s, 0, open));
		buf_str(&one, str_sub(s, from, at));
		buf_str(&one, str_skip(s, close + 1));
		r = expand(c, buf_as_str(&one), depth - 1);
		buf_fini(&one);
		from = at + 1;
	}
	return r;
}

/* What kind of element s is; a plain name loses its escapes, in place. */
static int elem_init(struct glob_elem *e, char *p, size_t n, struct err *err)
{
	struct str s = str_make(p, n);
	size_t out = 0;

	*e = (struct glob_elem){ GLOB_NAME, s };
	if (str_is(s, "**")) {
		e->kind = GLOB_DIRS;
		return 0;
	}
	for (size_t i = 0; i < n; i = unit_end(s, i)) {
		if (p[i] == '[' && !class_end(s, i))
			return err_set(err, -EINVAL,
				       "'[' without ']' (write \\[ for the character)");
		if (p[i] == '\\' && i + 1 == n)
			return err_set(err, -EINVAL, "a lone backslash at the end of a name");
		if (p[i] == '*' || p[i] == '?' || p[i] == '[')
			e->kind = GLOB_PATTERN;
	}
	if (e->kind != GLOB_NAME)
		return 0;
	for (size_t i = 0; i < n; i++) {
		if (p[i] == '\\')
			i++;
		p[out++] = p[i];
	}
	e->text.n = out;
	return 0;
}

static int add_elem(struct glob_path *path, char *p, size_t n, struct err *err)
{
	struct glob_elem e;
	int r = elem_init(&e, p, n, err);

	if (r < 0 || n == 0 || str_is(e.text, "."))
		return r;
	if (str_is(e.text, "..")) {
		if (path->n && path->elems[path->n - 1].kind != GLOB_NAME)
			return err_set(err, -EINVAL, "\"..\" behind a pattern");
		path->n -= path->n > 0;
		return 0;
	}
	if (e.kind == GLOB_DIRS && path->n && path->elems[path->n - 1].kind == GLOB_DIRS)
		return 0; /* the same as one */
	if (path->n == GLOB_ELEMS_MAX)
		return err_set(err, -E2BIG, "more than %d path elements", GLOB_ELEMS_MAX);
	path->elems[path->n++] = e;
	return 0;
}

static int path_init(struct glob_path *path, struct str base, char *p, size_t n, struct err *err)
{
	int r = 0;

	path->elems = mem_array(GLOB_ELEMS_MAX, sizeof(*path->elems));
	if (n == 0 || *p != '/') {
		while (base.p && r == 0) {
			struct str name = str_cut(&base, '/');

			if (name.n && path->n < GLOB_ELEMS_MAX)
				path->elems[path->n++] = (struct glob_elem){ GLOB_NAME, name };
			else if (name.n)
				r = err_set(err, -E2BIG, "the working directory is too deep");
		}
	}
	for (size_t from = 0, at = 0; at <= n && r == 0; at++) {
		if (at < n && p[at] != '/')
			continue;
		r = add_elem(path, p + from, at - from, err);
		from = at + 1;
	}
	if (r == 0 && path->n == 0)
		r = err_set(err, -EINVAL, "it names no file");
	path->elems = mem_realloc(path->elems, (path->n ? path->n : 1) * sizeof(*path->elems));
	return r;
}

/* base and the texts of all paths, in one piece of memory that the elements point into. */
static int build(struct glob *g, struct compiler *c, struct str pattern, struct str base)
{
	size_t n = base.n + c->texts.n, at = base.n, length;
	bool is_absolute = pattern.p[0] == '/';
	char *text;
	int r = 0;

	g->memory = mem_alloc(n + base.n + 1 + pattern.n);
	if (base.n)
		memcpy(g->memory, base.p, base.n);
	if (c->texts.n)
		memcpy(g->memory + base.n, c->texts.p, c->texts.n);
	text = g->memory + n;
	g->text = str_make(text, pattern.n + (is_absolute ? 0 : base.n + 1));
	if (!is_absolute) {
		memcpy(text, g->memory, base.n);
		text[base.n] = '/';
		text += base.n + 1;
	}
	memcpy(text, pattern.p, pattern.n);
	g->paths = mem_array(c->n, sizeof(*g->paths));
	for (; g->n < c->n && r == 0; g->n++) {
		memcpy(&length, c->lengths.p + g->n * sizeof(length), sizeof(length));
		r = path_init(&g->paths[g->n], str_make(g->memory, base.n), g->memory + at, length,
			      c->err);
		at += length;
	}
	return r;
}

int glob_init(struct glob *g, struct str pattern, struct str base, struct err *err)
{
	struct compiler c = { .err = err };
	int r;

	*g = (struct glob){ 0 };
	if (pattern.n == 0)
		return err_set(err, -EINVAL, "it is empty");
	if (pattern.n > GLOB_BYTES_MAX)
		return err_set(err, -E2BIG, "longer than %d bytes", GLOB_BYTES_MAX);
	if (memchr(pattern.p, 0, pattern.n))
		return err_set(err, -EINVAL, "a NUL is in it");
	r = expand(&c, pattern, 32);
	if (r == 0)
		r = build(g, &c, pattern, base);
	buf_fini(&c.texts);
	buf_fini(&c.lengths);
	if (r < 0)
		glob_fini(g);
	return r;
}

void glob_fini(struct glob *g)
{
	for (size_t i = 0; i < g->n; i++)
		mem_free(g->paths[i].elems);
	mem_free(g->paths);
	mem_free(g->memory);
	*g = (struct glob){ 0 };
}
