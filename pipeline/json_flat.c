/* SPDX-License-Identifier: Apache-2.0 */
/* Flattening: a stack of lengths of one name. */
#include "lib/utf8.h"
#include "pipeline/json_flat.h"
#include "pipeline/json_bytes.h"

static int failed(struct json_flat *f, enum json_error error)
{
	f->error = error;
	return error;
}

bool json_flat_begin(struct json_flat *f, struct str doc)
{
	f->p = doc.n ? doc.p : "";
	f->end = f->p + doc.n;
	f->depth = 0;
	f->error = 0;
	if (next_byte(&f->p, f->end) != '{')
		return false;
	f->p++;
	f->depth = 1;
	f->names[1] = 0;
	f->wants_comma = false;
	return true;
}

/* Behind the array or object at p, which is opened at `depth`; NULL: malformed, with *ret saying how. */
static const char *skip_container(const char *p, const char *end, unsigned depth,
				  enum json_error *ret)
{
	uint64_t arrays = 0; /* a bit for each that is open, the innermost lowest */
	unsigned open = 0;
	struct json_value v;

	*ret = JSON_MALFORMED;
	do {
		char c = next_byte(&p, end);

		if (c == '{' || c == '[') {
			if (++open + depth > JSON_DEPTH_MAX) {
				*ret = JSON_TOO_DEEP;
				return NULL;
			}
			arrays = arrays << 1 | (c == '[');
			p++;
			c = next_byte(&p, end);
			if (c != (arrays & 1 ? ']' : '}')) {
				if (arrays & 1)
					continue; /* its first element */
				goto name;
			}
		} else {
			if (!c)
				return NULL;
			p = scan_scalar(p, end, &v);
			if (!p)
				return NULL;
		}
		/* Behind a value, or at the end of an empty one. */
		while (open && next_byte(&p, end) == (arrays & 1 ? ']' : '}')) {
			p++;
			arrays >>= 1;
			open--;
		}
		if (!open)
			return p;
		if (next_byte(&p, end) != ',')
			return NULL;
		p++;
		if (arrays & 1)
			continue;
	name:
		if (next_byte(&p, end) != '"')
			return NULL;
		p = scan_scalar(p, end, &v);
		if (!p || next_byte(&p, end) != ':')
			return NULL;
		p++;
	} while (true);
}

/* Appends a name to those of the open objects; the length of all, or 0: there is no room. */
static size_t join(struct json_flat *f, const struct json_value *key)
{
	size_t n = f->names[f->depth], room;
	char plain[6 * JSON_FLAT_NAME_MAX];
	struct str name = key->raw;

	if (n)
		f->name[n++] = '.';
	room = JSON_FLAT_NAME_MAX > n ? JSON_FLAT_NAME_MAX - n : 0;
	if (key->is_escaped) {
		if (name.n > sizeof(plain))
			return 0;
		name = json_unescape(name, plain);
	}
	if (name.n > room)
		return 0;
	memcpy(f->name + n, name.p, name.n);
	return n + name.n;
}

/* As join() for what has no room: as much of it as there is. */
static size_t join_cut(struct json_flat *f, const struct json_value *key)
{
	size_t n = f->names[f->depth], part;

	if (n && n < JSON_FLAT_NAME_MAX)
		f->name[n++] = '.';
	else if (n)
		return n;
	part = utf8_cut(key->raw, JSON_FLAT_NAME_MAX - n);
	if (part)
		memcpy(f->name + n, key->raw.p, part);
	return n + part;
}

/* Reads `"name":` and leaves f->p at the value. Sets the length of the whole name. */
static bool read_key(struct json_flat *f, size_t *ret_n, bool *ret_is_cut)
{
	struct json_value key;

	if (next_byte(&f->p, f->end) != '"')
		return false;
	f->p = scan_scalar(f->p, f->end, &key);
	if (!f->p || next_byte(&f->p, f->end) != ':')
		return false;
	f->p++;
	*ret_n = join(f, &key);
	*ret_is_cut = !*ret_n && (key.raw.n || f->names[f->depth]);
	if (*ret_is_cut)
		*ret_n = join_cut(f, &key);
	return next_byte(&f->p, f->end) != 0;
}

int json_flat_next(struct json_flat *f, struct str *ret_name, struct json_value *ret)
{
	enum json_error error;
	const char *from;
	bool is_cut;
	size_t n;
	char c;

	if (f->error)
		return f->error;
	while (f->depth) {
		c = next_byte(&f->p, f->end);
		if (c == '}') {
			f->p++;
			f->depth--;
			f->wants_comma = true;
			continue;
		}
		if (f->wants_comma) {
			if (c != ',')
				return failed(f, JSON_MALFORMED);
			f->p++;
		}
		if (!read_key(f, &n, &is_cut))
			return failed(f, JSON_MALFORMED);
		from = f->p;
		if (*from == '{' && !is_cut) {
			if (f->depth == JSON_DEPTH_MAX)
				return failed(f, JSON_TOO_DEEP);
			f->names[++f->depth] = n;
			f->wants_comma = false;
			f->p++;
			continue;
		}
		if (*from == '{' || *from == '[') {
			f->p = skip_container(from, f->end, f->depth, &error);
			if (!f->p)
				return failed(f, error);
			*ret = (struct json_value){ .raw = str_make(from, (size_t)(f->p - from)),
						    .type = *from == '{' ? JSON_OBJECT
									 : JSON_ARRAY };
		} else {
			f->p = scan_scalar(from, f->end, ret);
			if (!f->p)
				return failed(f, JSON_MALFORMED);
		}
		f->wants_comma = true;
		*ret_name = str_make(f->name, n);
		return 1;
	}
	next_byte(&f->p, f->end);
	return f->p < f->end ? failed(f, JSON_MALFORMED) : 0;
}
