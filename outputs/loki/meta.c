/* SPDX-License-Identifier: Apache-2.0 */
/* Choosing, naming and encoding structured metadata. */
#include <stdio.h>

#include "lib/arena.h"
#include "lib/check.h"
#include "outputs/loki/meta.h"
#include "outputs/loki/push.h"
#include "outputs/loki/wire.h"
#include "pipeline/labels.h"

#define KNOWN_NAMES 64 /* power of two */
#define SUFFIX_MAX 8   /* _128 */

struct pair {
	struct str name, value;
	struct str original; /* the name before it was made valid */
};

/* A batch mentions few names, and the same ones in every record. */
struct known_name {
	bool is_set, is_valid; /* is_valid: sent as it is */
	uint16_t key;
	uint32_t seen_in; /* the last record that had it */
	struct str name, original;
};

struct meta {
	struct arena *scratch;
	size_t batch_bytes;
	uint32_t record;  /* number of the one at hand, from 1 */
	bool may_collide; /* names of it can only be compared as text */
	uint32_t npairs;
	size_t bytes; /* of the names and values of the pairs */
	struct pair pairs[PUSH_META_PAIRS];
	struct known_name known[KNOWN_NAMES];
	uint32_t flags; /* of flags_text */
	struct str flags_text;
	char flags_room[REC_FLAGS_TEXT_MAX];
};

struct meta *meta_new(struct arena *scratch)
{
	struct meta *m = arena_alloc(scratch, sizeof(*m));

	m->scratch = scratch;
	m->batch_bytes = 0;
	m->record = 0;
	m->flags = 0;
	for (size_t i = 0; i < KNOWN_NAMES; i++)
		m->known[i].is_set = false;
	return m;
}

static bool has_letter_or_digit(struct str name)
{
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] != '_')
			return true;
	return false;
}

static struct str valid_name(struct meta *m, struct str name)
{
	struct str valid;
	char *out;

	if (label_name_is_valid(name) && has_letter_or_digit(name))
		return name;
	out = arena_room(m->scratch, LABEL_NAME_MAX + 1);
	valid = label_name_sanitise(name, out);
	if (valid.p == out)
		arena_take(m->scratch, valid.n);
	return valid;
}

/* The name to send. *ret_is_new: no earlier pair of the record can have it. */
static struct str name_of(struct meta *m, const struct attr *a, struct str *ret_original,
			  bool *ret_is_new)
{
	struct known_name *k = &m->known[a->key % KNOWN_NAMES];

	if (a->key == KEY_INLINE) {
		m->may_collide = true;
		*ret_is_new = m->npairs == 0;
		*ret_original = attr_name(a);
		return valid_name(m, *ret_original);
	}
	if (!k->is_set || k->key != a->key) {
		if (k->is_set && k->seen_in == m->record)
			m->may_collide = true; /* its mark is lost */
		*k = (struct known_name){ .is_set = true, .key = a->key };
		k->original = key_name(a->key);
		k->name = valid_name(m, k->original);
		k->is_valid = k->name.p == k->original.p;
	}
	if (!k->is_valid)
		m->may_collide = true;
	*ret_is_new = m->npairs == 0 || (!m->may_collide && k->seen_in != m->record);
	k->seen_in = m->record;
	*ret_original = k->original;
	return k->name;
}

static struct pair *find(struct meta *m, struct str name)
{
	for (uint32_t i = 0; i < m->npairs; i++)
		if (str_eq(m->pairs[i].name, name))
			return &m->pairs[i];
	return NULL;
}

/* name_2, name_3 ... until it is free. */
static struct str numbered(struct meta *m, struct str name)
{
	size_t base = name.n < LABEL_NAME_MAX - SUFFIX_MAX ? name.n : LABEL_NAME_MAX - SUFFIX_MAX;
	char *out = arena_bytes(m->scratch, base + SUFFIX_MAX);
	struct str s = { out, 0 };

	memcpy(out, name.p, base);
	for (unsigned i = 2; !s.n || find(m, s); i++) {
		int n = snprintf(out + base, SUFFIX_MAX, "_%u", i);

		s.n = base + (size_t)n;
	}
	return s;
}

/* False when it does not fit. The last pair and some bytes are kept for the flags. */
static bool add(struct meta *m, struct str name, struct str original, struct str value, bool is_new)
{
	size_t room = PUSH_META_BYTES - REC_FLAGS_TEXT_MAX - sizeof(REC_FLAGS_NAME) - m->bytes;
	struct pair *old = is_new ? NULL : find(m, name);

	if (old && str_eq(old->original, original)) {
		if (value.n > old->value.n && value.n - old->value.n > room)
			return false;
		m->bytes = m->bytes - old->value.n + value.n;
		old->value = value;
		return true;
	}
	if (m->npairs == PUSH_META_PAIRS - 1 || value.n > room)
		return false;
	if (old || str_is(name, REC_FLAGS_NAME))
		name = numbered(m, name);
	if (name.n + value.n > room)
		return false;
	m->bytes += name.n + value.n;
	m->pairs[m->npairs++] = (struct pair){ name, value, original };
	return true;
}

static struct str flags_text(struct meta *m, uint32_t flags)
{
	if (m->flags != flags) {
		m->flags = flags;
		m->flags_text = rec_flags_text(flags, m->flags_room);
	}
	return m->flags_text;
}

static struct str write_pairs(struct meta *m, size_t bytes)
{
	/* Tags and lengths: at most 1 + 4 of the pair, 1 + 2 of the name, 1 + 3 of the value. */
	size_t bound = bytes + 12 * m->npairs;
	uint8_t *start = (uint8_t *)arena_room(m->scratch, bound), *p = start;

	for (uint32_t i = 0; i < m->npairs; i++) {
		const struct pair *pair = &m->pairs[i];
		size_t value_size = pair->value.n ? wire_field_size(pair->value.n) : 0;

		p = wire_put_head(p, WIRE_TAG_BYTES(3), wire_field_size(pair->name.n) + value_size);
		p = wire_put_bytes(p, WIRE_TAG_BYTES(1), pair->name);
		if (pair->value.n)
			p = wire_put_bytes(p, WIRE_TAG_BYTES(2), pair->value);
	}
	CHECK((size_t)(p - start) <= bound);
	arena_take(m->scratch, (size_t)(p - start));
	return str_make((char *)start, (size_t)(p - start));
}

struct str meta_encode(struct meta *m, const struct rec *r, uint32_t extra_flags, bool *ret_was_cut)
{
	uint32_t flags = (r->flags & REC_FLAGS) | extra_flags;

	m->record++;
	m->may_collide = false;
	m->npairs = 0;
	m->bytes = 0;
	*ret_was_cut = false;
	for (uint16_t i = 0; i < r->nattrs; i++) {
		const struct attr *a = &r->attrs[i];
		struct str name, original;
		bool is_new;

		if (a->kind != ATTR_META || a->type == ATTR_NULL)
			continue;
		name = name_of(m, a, &original, &is_new);
		if (m->batch_bytes + m->bytes > PUSH_META_BATCH_BYTES ||
		    !add(m, name, original, attr_value(a), is_new))
			*ret_was_cut = true;
	}
	if (*ret_was_cut)
		flags |= REC_METADATA_CUT;
	m->batch_bytes += m->bytes;
	if (flags)
		m->pairs[m->npairs++] = (struct pair){
			.name = STR(REC_FLAGS_NAME),
			.value = flags_text(m, flags),
		};
	if (!m->npairs)
		return STR_NONE;
	return write_pairs(m, m->bytes + REC_FLAGS_TEXT_MAX + sizeof(REC_FLAGS_NAME));
}
