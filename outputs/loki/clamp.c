/* SPDX-License-Identifier: Apache-2.0 */
/* Copies of records with another time. */
#include "outputs/loki/clamp.h"

#include "lib/rfc3339.h"

#define ATTRS_MAX 1000

static void clamp_one(struct rec *r, int64_t time_ns, uint16_t key, struct arena *scratch)
{
	char *text = arena_bytes(scratch, RFC3339_MAX);
	struct attr *attrs;

	if (r->nattrs < ATTRS_MAX) {
		attrs = arena_alloc(scratch, (r->nattrs + 1u) * sizeof(*attrs));
		if (r->nattrs)
			memcpy(attrs, r->attrs, r->nattrs * sizeof(*attrs));
		attrs[r->nattrs] = (struct attr){ .p = text,
						  .n = (uint32_t)rfc3339_utc(r->time_ns, 9, text),
						  .key = key,
						  .kind = ATTR_META,
						  .type = ATTR_STRING };
		r->attrs = attrs;
		r->attrs_cap = ++r->nattrs;
	}
	r->time_ns = time_ns;
}

const struct batch *clamp_times(const struct batch *b, int64_t oldest_ns, int64_t newest_ns,
				uint16_t key, struct arena *scratch, uint64_t *ret_n)
{
	struct batch *copy = NULL;

	*ret_n = 0;
	for (uint32_t i = 0; i < b->nrecs; i++) {
		int64_t time_ns = b->recs[i].time_ns;

		if (time_ns >= oldest_ns && time_ns <= newest_ns)
			continue;
		if (!copy) {
			copy = arena_alloc(scratch, sizeof(*copy));
			*copy = *b;
			copy->recs = arena_alloc(scratch, b->nrecs * sizeof(*copy->recs));
			memcpy(copy->recs, b->recs, b->nrecs * sizeof(*copy->recs));
		}
		clamp_one(&copy->recs[i],
			  time_ns < oldest_ns ? oldest_ns + i : newest_ns - (b->nrecs - i), key,
			  scratch);
		++*ret_n;
	}
	return copy ? copy : b;
}
