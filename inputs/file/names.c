/* SPDX-License-Identifier: Apache-2.0 */
/* Names that came and went, as the last events told: what a file was called that is met under another
 * one first. */
#include "inputs/file/file.h"
#include "lib/mem.h"

static void drop(struct str *s)
{
	mem_free((void *)(uintptr_t)s->p);
	*s = STR_NONE;
}

static struct str keep(struct str s)
{
	return str_make(mem_dup(s.p, s.n), s.n);
}

void names_note(struct file_input *fi, struct str path, enum watch_name what, uint32_t cookie)
{
	struct map_node *at = NULL;
	struct str link;
	bool is_from = fi->departed.p && what == NAME_MOVED_TO && cookie == fi->departed_cookie;

	if (what == NAME_MOVED_FROM) {
		drop(&fi->departed);
		fi->departed = keep(path);
		fi->departed_cookie = cookie;
	} else if (what != NAME_DELETED) {
		struct arrival *a = &fi->arrivals[fi->narrivals++ % ARRIVALS];

		drop(&a->from);
		drop(&a->to);
		a->to = keep(path);
		if (is_from) {
			a->from = fi->departed;
			fi->departed = STR_NONE;
		}
	}
	buf_put(&fi->names, path.p, path.n + 1);
	while ((link = links_to(fi, path, &at)).p)
		buf_put(&fi->names, link.p, link.n + 1);
}

/* The newest arrival at a name, then the newest before it at the name it came from, and so on. */
struct str names_origin(const struct file_input *fi, struct str path, unsigned *ret_hops)
{
	uint32_t oldest = fi->narrivals > ARRIVALS ? fi->narrivals - ARRIVALS : 0;

	for (uint32_t i = fi->narrivals; i > oldest; i--) {
		const struct arrival *a = &fi->arrivals[(i - 1) % ARRIVALS];

		if (!str_eq(a->to, path))
			continue;
		if (!a->from.p)
			break;
		path = a->from;
		++*ret_hops;
	}
	return path;
}

struct str names_now(const struct file_input *fi, struct str path)
{
	uint32_t oldest = fi->narrivals > ARRIVALS ? fi->narrivals - ARRIVALS : 0;

	for (uint32_t i = oldest; i != fi->narrivals; i++) {
		const struct arrival *a = &fi->arrivals[i % ARRIVALS];

		if (a->from.p && str_eq(a->from, path))
			path = a->to;
	}
	return path;
}

void names_fini(struct file_input *fi)
{
	for (size_t i = 0; i < ARRIVALS; i++) {
		drop(&fi->arrivals[i].from);
		drop(&fi->arrivals[i].to);
	}
	drop(&fi->departed);
	buf_fini(&fi->names);
}
