/* SPDX-License-Identifier: Apache-2.0 */
/* Copies of records that outlive their batch. */
#include "agent/view.h"

static bool has_newer(const struct rec *r, const struct attr *a)
{
	for (const struct attr *later = a + 1; later < r->attrs + r->nattrs; later++)
		if (later->kind == a->kind && str_eq(attr_name(later), attr_name(a)))
			return true;
	return false;
}

static void copy_labels(struct arena *arena, struct view *v, const struct label *labels, uint32_t n)
{
	v->nlabels = n;
	v->labels = arena_alloc(arena, (n + 1) * sizeof(*v->labels));
	for (uint32_t i = 0; i < n; i++)
		v->labels[i] = (struct label){ arena_dup(arena, labels[i].name),
					       arena_dup(arena, labels[i].value) };
}

struct view *view_of(struct arena *arena, const struct rec *r, const struct label *labels,
		     uint32_t nlabels)
{
	struct view *v = arena_alloc(arena, sizeof(*v));

	*v = (struct view){ .line = arena_dup(arena, r->line),
			    .time_ns = r->time_ns,
			    .flags = r->flags & REC_FLAGS };
	copy_labels(arena, v, labels, nlabels);
	v->attrs = arena_alloc(arena, (r->nattrs + 1U) * sizeof(*v->attrs));
	for (const struct attr *a = r->attrs; a < r->attrs + r->nattrs; a++)
		if (a->kind != ATTR_GONE && !has_newer(r, a))
			v->attrs[v->nattrs++] = (struct view_attr){ arena_dup(arena, attr_name(a)),
								    arena_dup(arena, attr_value(a)),
								    a->kind, a->type };
	return v;
}
