/* SPDX-License-Identifier: Apache-2.0 */
/* Compiles dotted paths into the tree the JSON walker follows, and says precisely what of
 * JMESPath is not understood. */
#include <errno.h>

#include "lib/mem.h"
#include "pipeline/json_paths.h"

struct json_paths *json_paths_new(void)
{
	struct json_paths *paths = mem_zalloc(sizeof(*paths));

	paths->cap = 8;
	paths->nodes = mem_array(paths->cap, sizeof(*paths->nodes));
	paths->n = JSON_ROOT + 1;
	return paths;
}

void json_paths_free(struct json_paths *paths)
{
	if (!paths)
		return;
	for (uint32_t i = 0; i < paths->n; i++)
		mem_free((char *)(uintptr_t)paths->nodes[i].key.p);
	mem_free(paths->nodes);
	mem_free(paths);
}

size_t json_paths_slots(const struct json_paths *paths)
{
	return paths->n;
}

/* The child of parent named key, or number index when key.p is NULL; made when absent. Takes key.p
 * over. Returns 0 when the set is full. */
static uint32_t child(struct json_paths *paths, uint32_t parent, struct str key, uint32_t index)
{
	struct json_node *nodes = paths->nodes;
	uint32_t *link = &nodes[parent].first_child;

	for (; *link; link = &nodes[*link].next) {
		struct json_node *node = &nodes[*link];

		if (!node->key.p == !key.p &&
		    (key.p ? str_eq(node->key, key) : node->index == index)) {
			mem_free((char *)(uintptr_t)key.p);
			return *link;
		}
	}
	if (paths->n == JSON_PATHS_SLOTS_MAX) {
		mem_free((char *)(uintptr_t)key.p);
		return 0;
	}
	*link = paths->n;
	if (key.p)
		nodes[parent].key_lengths |= (uint64_t)1 << (key.n < 63 ? key.n : 63);
	if (paths->n == paths->cap) {
		paths->cap *= 2;
		paths->nodes = mem_realloc(paths->nodes, paths->cap * sizeof(*nodes));
	}
	paths->nodes[paths->n] = (struct json_node){ .key = key, .index = index, .parent = parent };
	return paths->n++;
}

struct compile {
	struct str all, rest;
	struct err *err;
};

/* 1-based position of the unread part, for messages. */
static size_t position(const struct compile *c)
{
	return c->all.n - c->rest.n + 1;
}

static void skip_space(struct compile *c)
{
	while (c->rest.n && (c->rest.p[0] == ' ' || (c->rest.p[0] >= '\t' && c->rest.p[0] <= '\r')))
		c->rest = str_skip(c->rest, 1);
}

static int missing(const struct compile *c, const char *what)
{
	return err_set(c->err, -EINVAL,
		       "'" STR_FMT
		       "': %s (character %zu) is JMESPath this version does not have yet: "
		       "only paths such as a.b, \"a-b\".c and a[0] are understood",
		       STR_ARG(c->all), what, position(c));
}

static int invalid(const struct compile *c, const char *what)
{
	return err_set(c->err, -EINVAL, "'" STR_FMT "': %s (character %zu)", STR_ARG(c->all), what,
		       position(c));
}

/* What stands where neither a name nor an end may stand. */
static int refuse(const struct compile *c)
{
	static const struct {
		char byte;
		const char *name;
	} beyond[] = {
		{ '(', "a function call" },
		{ '*', "a wildcard" },
		{ '|', "a pipe or 'or'" },
		{ '&', "'and'" },
		{ '!', "'not'" },
		{ '=', "a comparison" },
		{ '<', "a comparison" },
		{ '>', "a comparison" },
		{ '{', "a multi-select hash" },
		{ '[', "a multi-select list" },
		{ '@', "the current node" },
		{ '`', "a literal" },
		{ '\'', "a literal string" },
	};

	if (c->rest.n == 0)
		return invalid(c, "a name is missing at the end");
	for (size_t i = 0; i < ARRAY_LEN(beyond); i++)
		if (c->rest.p[0] == beyond[i].byte)
			return missing(c, beyond[i].name);
	if (c->rest.p[0] == '.')
		return invalid(c, "a name is missing before '.'");
	return invalid(c, "names with other characters than letters, digits and _ must be in "
			  "double quotes, in YAML '\"foo-bar\"'");
}

static bool is_name_byte(char byte, bool is_first)
{
	char lower = (char)(byte | 32);

	return (lower >= 'a' && lower <= 'z') || byte == '_' ||
	       (!is_first && byte >= '0' && byte <= '9');
}

static int quoted_name(struct compile *c, struct str *ret_key)
{
	struct str raw;
	bool is_escaped;
	char *key;

	if (!json_string(str_skip(c->rest, 1), &raw, &is_escaped))
		return invalid(c, "the quoted name is not a valid JSON string");
	if (raw.n > JSON_NAME_BYTES_MAX)
		return invalid(c, "the name is too long");
	c->rest = str_skip(c->rest, raw.n + 2);
	key = mem_alloc(raw.n ? raw.n : 1);
	*ret_key = json_unescape(raw, key);
	return 0;
}

/* An identifier at the unread part; *ret_key is the caller's to free. */
static int name(struct compile *c, struct str *ret_key)
{
	size_t n = 0;

	skip_space(c);
	if (c->rest.n && c->rest.p[0] == '"')
		return quoted_name(c, ret_key);
	while (n < c->rest.n && is_name_byte(c->rest.p[n], n == 0))
		n++;
	if (n == 0)
		return refuse(c);
	if (n > JSON_NAME_BYTES_MAX)
		return invalid(c, "the name is too long");
	*ret_key = str_make(mem_dup(c->rest.p, n), n);
	c->rest = str_skip(c->rest, n);
	return 0;
}

/* `[n]` at the unread part. */
static int bracket(struct compile *c, uint32_t *ret_index)
{
	const struct compile at = *c;
	struct str inside;
	size_t end = str_chr(c->rest, ']');
	uint64_t index;

	inside = str_trim(str_sub(c->rest, 1, end));
	if (end == c->rest.n)
		return invalid(&at, "'[' without ']'");
	if (inside.n == 0)
		return missing(&at, "a flatten");
	if (inside.p[0] == '?')
		return missing(&at, "a filter");
	if (inside.p[0] == '*')
		return missing(&at, "a wildcard");
	if (str_chr(inside, ':') < inside.n)
		return missing(&at, "a slice");
	if (inside.p[0] == '-')
		return missing(&at, "an index from the end");
	if (!str_u64(inside, &index) || index > UINT32_MAX)
		return missing(&at, "a multi-select list");
	*ret_index = (uint32_t)index;
	c->rest = str_skip(c->rest, end + 1);
	return 0;
}

int json_paths_add(struct json_paths *paths, struct str expression, struct err *err)
{
	struct compile c = { .all = expression, .rest = expression, .err = err };
	uint32_t node = JSON_ROOT;

	skip_space(&c);
	if (c.rest.n == 0)
		return err_set(err, -EINVAL, "the expression is empty");
	for (int names = 0;; names++) {
		struct str key = STR_NONE;
		uint32_t index = 0;
		int r;

		if (names == JSON_PATH_NAMES_MAX)
			return invalid(&c, "the path has too many names");
		if (c.rest.p[0] == '[') {
			r = bracket(&c, &index);
		} else if (names == 0) {
			r = name(&c, &key);
		} else if (c.rest.p[0] == '.') {
			c.rest = str_skip(c.rest, 1);
			r = name(&c, &key);
		} else {
			r = refuse(&c);
		}
		if (r < 0)
			return r;
		node = child(paths, node, key, index);
		if (!node)
			return invalid(&c, "too many different paths");
		skip_space(&c);
		if (c.rest.n == 0)
			return (int)node;
	}
}
