/* SPDX-License-Identifier: Apache-2.0 */
/* Compiles plain paths into the tree the JSON walker follows. */
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

static struct str skip_space(struct str s)
{
	while (s.n && (s.p[0] == ' ' || (s.p[0] >= '\t' && s.p[0] <= '\r')))
		s = str_skip(s, 1);
	return s;
}

static bool is_name_byte(char byte, bool is_first)
{
	char lower = (char)(byte | 32);

	return (lower >= 'a' && lower <= 'z') || byte == '_' ||
	       (!is_first && byte >= '0' && byte <= '9');
}

static bool quoted_name(struct str *rest, struct str *ret_key)
{
	struct str raw;
	bool is_escaped;
	char *key;

	if (!json_string(str_skip(*rest, 1), &raw, &is_escaped) || raw.n > JSON_NAME_BYTES_MAX)
		return false;
	*rest = str_skip(*rest, raw.n + 2);
	key = mem_alloc(raw.n ? raw.n : 1);
	*ret_key = json_unescape(raw, key);
	return true;
}

/* An identifier at the unread part; *ret_key is the caller's to free. */
static bool name(struct str *rest, struct str *ret_key)
{
	size_t n = 0;

	*rest = skip_space(*rest);
	if (rest->n && rest->p[0] == '"')
		return quoted_name(rest, ret_key);
	while (n < rest->n && is_name_byte(rest->p[n], n == 0))
		n++;
	if (n == 0 || n > JSON_NAME_BYTES_MAX)
		return false;
	*ret_key = str_make(mem_dup(rest->p, n), n);
	*rest = str_skip(*rest, n);
	return true;
}

/* `[n]` at the unread part. */
static bool bracket(struct str *rest, uint32_t *ret_index)
{
	size_t end = str_chr(*rest, ']');
	uint64_t index;

	if (end == rest->n || !str_u64(str_trim(str_sub(*rest, 1, end)), &index) ||
	    index > UINT32_MAX)
		return false;
	*ret_index = (uint32_t)index;
	*rest = str_skip(*rest, end + 1);
	return true;
}

int json_paths_add(struct json_paths *paths, struct str expression)
{
	struct str rest = skip_space(expression);
	uint32_t node = JSON_ROOT;

	for (int names = 0; rest.n; names++) {
		struct str key = STR_NONE;
		uint32_t index = 0;
		bool is_fine = names < JSON_PATH_NAMES_MAX;

		if (is_fine && rest.p[0] == '[') {
			is_fine = bracket(&rest, &index);
		} else if (is_fine) {
			is_fine = names == 0 || rest.p[0] == '.';
			rest = str_skip(rest, names > 0);
			is_fine = is_fine && name(&rest, &key);
		}
		node = is_fine ? child(paths, node, key, index) : 0;
		if (!node)
			return -EINVAL;
		rest = skip_space(rest);
	}
	return node == JSON_ROOT ? -EINVAL : (int)node;
}
