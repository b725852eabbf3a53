/* SPDX-License-Identifier: Apache-2.0 */
/* Choosing, naming and encoding structured metadata. */
#include <stdio.h>

#include "lib/arena.h"
#include "lib/check.h"
#include "outputs/loki/meta.h"
#include "outputs/loki/push.h"
#include "lib/wire.h"
#include "pipeline/labels.h"
#include "pipeline/loki_name.h"

#define KNOWN_NAMES 64 /* power of two */
#define SUFFIX_MAX 8   /* _128 */
/* A name with what the wire has around it, and the values that keep a pair's length below 128. */
#define HEAD_MAX 32
#define SHORT_NAME_MAX (HEAD_MAX - 6)
#define SHORT_VALUE_MAX (127 - (HEAD_MAX - 2))
#define PLAIN_BYTES_MAX ((size_t)16 * 1024) /* far from every limit */

struct pair {
	struct str name, value;
	struct str original; /* the name before it was made valid */
};

/* A batch mentions few names, and the same ones in every record. */
struct known_name {
	uint16_t key;
	bool is_valid;    /* sent as it is */
	uint8_t head_n;   /* 0: too long, or not valid */
	uint32_t seen_in; /* the last record that had it */
	struct str name;
	uint8_t head[HEAD_MAX]; /* pair, name, value: tags, lengths to be filled in, and the name */
};

struct meta {
	struct arena *scratch;
	size_t batch_bytes;
	uint32_t record;  /* number of the one at hand, from 1 */
	bool may_collide; /* names of it can only be compared as text */
	uint32_t npairs;
	size_t bytes; /* of the names and values of the pairs */
	uint64_t renamed;
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
	m->renamed = 0;
	for (size_t i = 0; i < KNOWN_NAMES; i++) {
		m->known[i].key = KEY_INLINE; /* none */
		m->known[i].head_n = 0;
	}
	return m;
}

uint64_t meta_renamed(const struct meta *m)
{
	return m->renamed;
}

static struct str valid_name(struct meta *m, struct str name)
{
	struct str valid;
	char *out;

	if (loki_name_is_fine(name))
		return name;
	out = arena_room(m->scratch, LOKI_NAME_ROOM);
	valid = loki_name(name, out);
	if (valid.p == out)
		arena_take(m->scratch, valid.n);
	return valid;
}

static void make_head(struct known_name *k)
{
	uint8_t *p = k->head;

	*p++ = WIRE_TAG_BYTES(3);
	*p++ = 0; /* of the pair */
	*p++ = WIRE_TAG_BYTES(1);
	*p++ = (uint8_t)k->name.n;
	memcpy(p, k->name.p, k->name.n);
	p += k->name.n;
	*p++ = WIRE_TAG_BYTES(2);
	*p++ = 0; /* of the value */
	k->head_n = (uint8_t)(p - k->head);
}

/* Takes the slot of whatever was there. */
static void learn(struct meta *m, uint16_t key)
{
	struct known_name *k = &m->known[key % KNOWN_NAMES];

	k->key = key;
	k->seen_in = 0;
	k->head_n = 0;
	k->name = valid_name(m, key_name(key));
	k->is_valid = k->name.p == key_name(key).p;
	if (k->is_valid && k->name.n <= SHORT_NAME_MAX && !str_is(k->name, REC_FLAGS_NAME))
		make_head(k);
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
	if (k->key != a->key) {
		if (k->key != KEY_INLINE && k->seen_in == m->record)
			m->may_collide = true; /* its mark is lost */
		learn(m, a->key);
	}
	if (!k->is_valid)
		m->may_collide = true;
	*ret_is_new = m->npairs == 0 || (!m->may_collide && k->seen_in != m->record);
	k->seen_in = m->record;
	*ret_original = key_name(a->key);
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
	while (base > 1 && out[base - 1] == '_') /* Loki would make one of two */
		base--;
	m->renamed++;
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

static inline uint8_t *put_pair(uint8_t *p, struct str name, struct str value)
{
	size_t value_size = value.n ? wire_field_size(value.n) : 0;

	p = wire_put_head(p, WIRE_TAG_BYTES(3), wire_field_size(name.n) + value_size);
	p = wire_put_bytes(p, WIRE_TAG_BYTES(1), name);
	return value.n ? wire_put_bytes(p, WIRE_TAG_BYTES(2), value) : p;
}

static struct str write_pairs(struct meta *m, size_t bytes)
{
	/* Tags and lengths: at most 1 + 4 of the pair, 1 + 2 of the name, 1 + 3 of the value. */
	size_t bound = bytes + 12 * m->npairs;
	uint8_t *start = (uint8_t *)arena_room(m->scratch, bound), *p = start;

	for (uint32_t i = 0; i < m->npairs; i++)
		p = put_pair(p, m->pairs[i].name, m->pairs[i].value);
	CHECK((size_t)(p - start) <= bound);
	arena_take(m->scratch, (size_t)(p - start));
	return str_make((char *)start, (size_t)(p - start));
}

/* n bytes without a call: most values are a few bytes. */
static inline uint8_t *put_short(uint8_t *p, const char *s, size_t n)
{
	if (n >= 16) {
		for (size_t i = 0; i + 16 < n; i += 16)
			memcpy(p + i, s + i, 16);
		memcpy(p + n - 16, s + n - 16, 16);
	} else if (n >= 8) {
		memcpy(p, s, 8);
		memcpy(p + n - 8, s + n - 8, 8);
	} else if (n >= 4) {
		memcpy(p, s, 4);
		memcpy(p + n - 4, s + n - 4, 4);
	} else {
		p[0] = (uint8_t)s[0];
		p[n / 2] = (uint8_t)s[n / 2];
		p[n - 1] = (uint8_t)s[n - 1];
	}
	return p + n;
}

/* Fills the slot of a name that needs no scratch. False: it is taken, or the name is not sent as it is. */
static bool learn_sendable(struct meta *m, uint16_t key)
{
	if (m->known[key % KNOWN_NAMES].key != KEY_INLINE || !loki_name_is_fine(key_name(key)))
		return false;
	learn(m, key);
	return true;
}

/* Nearly all records: names that are valid and each there once, far from every limit. Writes them at
 * once. False when it is another one: nothing has happened then. */
static bool encode_plain(struct meta *m, const struct rec *r, struct str *ret)
{
	uint8_t *start = (uint8_t *)m->scratch->p, *p = start;
	size_t room = (size_t)(m->scratch->end - m->scratch->p);
	const struct attr *attr = r->attrs, *end = attr + r->nattrs;
	uint32_t record = m->record;

	if (!p || r->nattrs >= PUSH_META_PAIRS || m->batch_bytes > PUSH_META_BATCH_BYTES / 2)
		return false;
	if (room > PLAIN_BYTES_MAX)
		room = PLAIN_BYTES_MAX;
	for (; attr < end; attr++) {
		const struct attr a = *attr; /* bytes written do not alias it */
		struct known_name *k = &m->known[a.key % KNOWN_NAMES];
		uint32_t head_n;

		if (a.kind != ATTR_META || a.type == ATTR_NULL)
			continue;
		if (k->key != a.key && !learn_sendable(m, a.key))
			return false;
		head_n = k->head_n;
		if (!head_n || k->seen_in == record ||
		    (size_t)(p - start) + HEAD_MAX + 8 + a.n > room)
			return false;
		k->seen_in = record;
		if (a.n - 1 >= SHORT_VALUE_MAX) { /* also without any */
			p = put_pair(p, k->name, str_make(a.p, a.n));
			continue;
		}
		memcpy(p, k->head, HEAD_MAX);
		p[1] = (uint8_t)(head_n - 2 + a.n);
		p += head_n;
		p[-1] = (uint8_t)a.n;
		p = put_short(p, a.p, a.n);
	}
	*ret = str_make((char *)start, (size_t)(p - start));
	m->batch_bytes += ret->n;
	arena_take(m->scratch, ret->n);
	return true;
}

struct str meta_encode(struct meta *m, const struct rec *r, uint32_t extra_flags, bool *ret_was_cut)
{
	uint32_t flags = (r->flags & REC_FLAGS) | extra_flags;
	struct str plain;

	m->record++;
	if (!flags && encode_plain(m, r, &plain)) {
		*ret_was_cut = false;
		return plain;
	}
	m->record++; /* what was marked so far is void */
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
