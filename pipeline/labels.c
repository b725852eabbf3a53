/* SPDX-License-Identifier: Apache-2.0 */
/* Interning label sets: a hash table of sets by content, and one of steps (set + changes -> set), so
 * that the usual case is one look-up without sorting or rendering. */
#include <stdatomic.h>

#include "lib/buf.h"
#include "lib/check.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/utf8.h"
#include "pipeline/label_guard.h"
#include "pipeline/labels.h"

#define BUCKETS 1024
#define IDLE_EPOCHS 4096 /* batches a set may be unused before it can be thrown out */
#define STEP_CHANGES_MAX 16
#define STEP_BYTES_MAX ((size_t)2 << 20) /* values come from data: long ones must not add up */

/* base with these changes is `result`. Keeps its own copy of the values. */
struct step {
	struct step *next;
	uint64_t hash;
	const struct labels *base, *result;
	uint32_t n;
	bool is_guarded;
	struct label_moves moves;
	struct label changes[];
};

struct label_table {
	size_t max_sets, nsets, nsteps, step_bytes;
	size_t reserve; /* sets beyond max_sets that the present call may make */
	uint64_t epoch, forgot_at;
	uint64_t
		id; /* of what is in it: changes when sets are thrown out, no two tables have the same */
	struct label_limits limits;
	struct label_guard *guard; /* NULL: nothing is watched */
	struct labels *sets[BUCKETS];
	struct step *steps[BUCKETS];
};

static _Atomic uint64_t nids;

struct label_table *label_table_new(size_t max_sets)
{
	struct label_table *t = mem_zalloc(sizeof(*t));

	t->max_sets = max_sets ? max_sets : 1;
	t->id = ++nids;
	return t;
}

void label_table_limit(struct label_table *t, const struct label_limits *limits)
{
	CHECK(!t->guard);
	t->limits = *limits;
	if (limits->max_new_values)
		t->guard = label_guard_new(limits->max_new_values, limits->window_ns);
}

static void forget_steps(struct label_table *t)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		while (t->steps[i]) {
			struct step *s = t->steps[i];

			t->steps[i] = s->next;
			mem_free(s);
		}
	}
	t->nsteps = t->step_bytes = 0;
}

void label_table_free(struct label_table *t)
{
	if (!t)
		return;
	label_guard_free(t->guard);
	forget_steps(t);
	for (size_t i = 0; i < BUCKETS; i++) {
		while (t->sets[i]) {
			struct labels *l = t->sets[i];

			t->sets[i] = l->next;
			mem_free(l);
		}
	}
	mem_free(t);
}

size_t label_table_size(const struct label_table *t)
{
	return t->nsets;
}

void labels_pin(const struct labels *l)
{
	((struct labels *)(uintptr_t)l)->pins++;
}

void labels_unpin(const struct labels *l)
{
	CHECK(l->pins);
	((struct labels *)(uintptr_t)l)->pins--;
}

struct str labels_get(const struct labels *l, struct str name)
{
	for (uint32_t i = 0; i < l->n; i++)
		if (str_eq(l->items[i].name, name))
			return l->items[i].value;
	return STR_NONE;
}

/* Go's strconv.Quote for printable text: what Loki's label parser reads back exactly. But
 * U+FFFD, which is what repaired bytes become, it takes for invalid UTF-8, escaped or not. */
static void put_quoted(struct buf *b, struct str s)
{
	buf_ch(b, '"');
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (buf_escape(b, (char)c))
			continue;
		if (c < 0x20 || c == 0x7f) {
			buf_printf(b, "\\x%02x", c);
		} else if (c == 0xef && str_starts(str_skip(s, i), STR("\xef\xbf\xbd"))) {
			buf_ch(b, '?');
			i += 2;
		} else {
			buf_ch(b, (char)c);
		}
	}
	buf_ch(b, '"');
}

static void render(struct buf *b, const struct label *items, size_t n)
{
	bool is_first = true;

	buf_ch(b, '{');
	for (size_t i = 0; i < n; i++) {
		if (str_is(items[i].name, LABEL_TENANT))
			continue;
		if (!is_first)
			buf_c(b, ", ");
		is_first = false;
		buf_str(b, items[i].name);
		buf_ch(b, '=');
		put_quoted(b, items[i].value);
	}
	buf_ch(b, '}');
}

static uint64_t content_hash(const struct label *items, size_t n)
{
	uint64_t h = 0x7a11;

	for (size_t i = 0; i < n; i++)
		h = str_hash(items[i].value, str_hash(items[i].name, h));
	return h;
}

static bool is_same(const struct labels *l, const struct label *items, size_t n)
{
	if (l->n != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!str_eq(l->items[i].name, items[i].name) ||
		    !str_eq(l->items[i].value, items[i].value))
			return false;
	return true;
}

static struct labels *make(const struct label *items, size_t n, uint64_t hash)
{
	struct buf text = BUF_INIT;
	struct labels *l;
	size_t bytes = 0;
	char *p;

	render(&text, items, n);
	for (size_t i = 0; i < n; i++)
		bytes += items[i].name.n + items[i].value.n;
	l = mem_zalloc(sizeof(*l) + n * sizeof(struct label) + bytes + text.n);
	l->hash = hash;
	l->n = (uint32_t)n;
	p = (char *)&l->items[n];
	for (size_t i = 0; i < n; i++) {
		l->items[i].name = str_make(p, items[i].name.n);
		memcpy(p, items[i].name.p, items[i].name.n);
		p += items[i].name.n;
		l->items[i].value = str_make(p, items[i].value.n);
		if (items[i].value.n)
			memcpy(p, items[i].value.p, items[i].value.n);
		p += items[i].value.n;
		if (str_is(l->items[i].name, LABEL_TENANT))
			l->tenant = l->items[i].value;
	}
	memcpy(p, text.p, text.n);
	l->text = str_make(p, text.n);
	buf_fini(&text);
	return l;
}

/* Sorted, unique, clean items. */
static const struct labels *intern_sorted(struct label_table *t, const struct label *items,
					  size_t n)
{
	uint64_t hash = content_hash(items, n);
	struct labels **bucket = &t->sets[hash % BUCKETS], *l;

	for (l = *bucket; l; l = l->next) {
		if (l->hash == hash && is_same(l, items, n)) {
			l->used_at = t->epoch;
			return l;
		}
	}
	if (t->nsets >= t->max_sets + t->reserve)
		return NULL;
	l = make(items, n, hash);
	l->used_at = t->epoch;
	l->next = *bucket;
	*bucket = l;
	t->nsets++;
	return l;
}

/* Inserts or replaces by name; value.p == NULL removes. Returns the new count. */
static size_t put_sorted(struct label *items, size_t n, struct label item)
{
	size_t i = 0;
	bool is_there;

	while (i < n && str_cmp(items[i].name, item.name) < 0)
		i++;
	is_there = i < n && str_eq(items[i].name, item.name);
	if (!item.value.p) {
		if (!is_there)
			return n;
		memmove(&items[i], &items[i + 1], (n - i - 1) * sizeof(*items));
		return n - 1;
	}
	if (!is_there) {
		if (n == LABELS_MAX)
			return n;
		memmove(&items[i + 1], &items[i], (n - i) * sizeof(*items));
		n++;
	}
	items[i] = item;
	return n;
}

static bool is_clean(struct str value)
{
	return value.n <= LABEL_VALUE_MAX && utf8_is_valid(value);
}

/* Repairs and cuts one value; scratch holds it if it had to change. */
static struct str clean_value(struct str value, struct buf *scratch)
{
	size_t at = scratch->n, size;

	if (is_clean(value))
		return value;
	value = str_sub(value, 0, LABEL_VALUE_MAX);
	size = utf8_repaired_size(value);
	/* The caller reserved enough for all values, so earlier ones do not move. */
	CHECK(buf_reserve(scratch, size));
	value = utf8_repair(value, scratch->p + at);
	scratch->n += size;
	value.n = utf8_cut(value, LABEL_VALUE_MAX);
	return value;
}

static bool has_room(const struct label_table *t, const struct label *items, size_t n,
		     struct str name)
{
	size_t shown = 0;

	for (size_t i = 0; i < n; i++) {
		if (str_eq(items[i].name, name))
			return true;
		shown += !str_is(items[i].name, LABEL_TENANT);
	}
	return n < LABELS_MAX && (!t->limits.max_labels || shown < t->limits.max_labels);
}

/* What becomes of one change; false when it is left out. */
static bool guard(const struct label_table *t, const struct label *items, size_t n, bool is_watched,
		  struct label *item, size_t i, struct label_moves *moves)
{
	uint64_t bit = i < 64 ? UINT64_C(1) << i : 0;

	if (!item->value.p || str_is(item->name, LABEL_TENANT))
		return true;
	if (is_watched && t->guard && label_guard_is_closed(t->guard, item->name)) {
		moves->exploded |= bit;
		item->value = STR_NONE; /* nor the value it had before */
	} else if (!has_room(t, items, n, item->name)) {
		moves->surplus |= bit;
		return false;
	} else if (item->value.n > LABEL_VALUE_MAX) {
		moves->cut |= bit;
	}
	return true;
}

/* True when one of the values is one too many: its label is closed. */
static bool watch(struct label_table *t, const struct label *changes, size_t n,
		  const struct label_moves *moves)
{
	int64_t now_ns = clock_mono_ns();
	bool is_closed = false;

	for (size_t i = 0; i < n; i++)
		if (changes[i].value.p && changes[i].name.n &&
		    !str_is(changes[i].name, LABEL_TENANT) &&
		    !(i < 64 && (moves->surplus >> i & 1)))
			is_closed |= label_guard_see(t->guard, changes[i].name, changes[i].value,
						     now_ns);
	return is_closed;
}

/* moves NULL: without the limits. */
static const struct labels *apply(struct label_table *t, const struct labels *base,
				  const struct label *changes, size_t nchanges,
				  struct label_moves *moves)
{
	struct label items[LABELS_MAX];
	struct buf scratch = BUF_INIT;
	const struct labels *result;
	size_t n = 0, room = 0;

	for (size_t i = 0; i < nchanges; i++)
		if (!is_clean(changes[i].value))
			room += 3 * str_sub(changes[i].value, 0, LABEL_VALUE_MAX).n;
	if (room)
		buf_reserve(&scratch, room);
	if (base) {
		n = base->n < LABELS_MAX ? base->n : LABELS_MAX;
		memcpy(items, base->items, n * sizeof(*items));
	}
	for (size_t i = 0; i < nchanges; i++) {
		struct label item = changes[i];

		if (item.name.n == 0 ||
		    (moves && !guard(t, items, n, base != NULL, &item, i, moves)))
			continue;
		if (room && item.value.p)
			item.value = clean_value(item.value, &scratch);
		n = put_sorted(items, n, item);
	}
	if (moves && base && t->guard && watch(t, changes, nchanges, moves)) {
		buf_fini(&scratch);
		forget_steps(t); /* with the label that is none any more */
		*moves = (struct label_moves){ 0 };
		return apply(t, base, changes, nchanges, moves);
	}
	result = intern_sorted(t, items, n);
	buf_fini(&scratch);
	return result;
}

const struct labels *labels_intern(struct label_table *t, const struct label *items, size_t n)
{
	return apply(t, NULL, items, n, NULL);
}

const struct labels *labels_intern_known(struct label_table *t, struct labels_known *known,
					 const struct label *items, size_t n)
{
	if (known->table == t->id && known->items == items) {
		((struct labels *)(uintptr_t)known->set)->used_at = t->epoch;
		return known->set;
	}
	known->items = items;
	known->moves = (struct label_moves){ 0 };
	known->set = apply(t, NULL, items, n, &known->moves);
	known->table = known->set ? t->id : 0;
	return known->set;
}

const struct labels *labels_intern_reserved(struct label_table *t, const struct label *items,
					    size_t n)
{
	const struct labels *l;

	t->reserve = LABELS_RESERVED;
	l = labels_intern(t, items, n);
	t->reserve = 0;
	return l;
}

static uint64_t step_hash(const struct labels *base, const struct label *changes, size_t n)
{
	uint64_t h = base->hash;

	for (size_t i = 0; i < n; i++) /* names are few and fixed: their address is enough */
		h = str_hash(changes[i].value, h ^ (uint64_t)(uintptr_t)changes[i].name.p);
	return h;
}

static bool step_is(const struct step *s, const struct labels *base, const struct label *changes,
		    size_t n, bool is_guarded)
{
	if (s->base != base || s->n != n || s->is_guarded != is_guarded)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!str_eq(s->changes[i].name, changes[i].name) ||
		    !str_eq(s->changes[i].value, changes[i].value) ||
		    !s->changes[i].value.p != !changes[i].value.p)
			return false;
	return true;
}

static void remember(struct label_table *t, uint64_t hash, const struct labels *base,
		     const struct label *changes, size_t n, const struct labels *result,
		     const struct label_moves *moves)
{
	size_t bytes = 0;
	struct step *s;
	char *p;

	for (size_t i = 0; i < n; i++)
		bytes += changes[i].name.n + changes[i].value.n;
	if (bytes > 4096)
		return;
	bytes += sizeof(*s) + n * sizeof(struct label) + 1;
	if (t->nsteps >= 4 * t->max_sets || t->step_bytes + bytes > STEP_BYTES_MAX)
		forget_steps(t);
	s = mem_alloc(bytes);
	t->step_bytes += bytes;
	*s = (struct step){ t->steps[hash % BUCKETS], hash, base, result, (uint32_t)n };
	if (moves)
		s->moves = *moves;
	s->is_guarded = moves != NULL;
	p = (char *)&s->changes[n];
	for (size_t i = 0; i < n; i++) {
		s->changes[i].name = str_make(p, changes[i].name.n);
		memcpy(p, changes[i].name.p, changes[i].name.n);
		p += changes[i].name.n;
		s->changes[i].value = str_make(changes[i].value.p ? p : NULL, changes[i].value.n);
		if (changes[i].value.n)
			memcpy(p, changes[i].value.p, changes[i].value.n);
		p += changes[i].value.n;
	}
	t->steps[hash % BUCKETS] = s;
	t->nsteps++;
}

static const struct labels *with(struct label_table *t, const struct labels *base,
				 const struct label *changes, size_t n, struct label_moves *moves)
{
	uint64_t hash = step_hash(base, changes, n);
	const struct labels *result;

	if (n <= STEP_CHANGES_MAX) {
		for (struct step *s = t->steps[hash % BUCKETS]; s; s = s->next) {
			if (s->hash == hash && step_is(s, base, changes, n, moves != NULL)) {
				if (moves)
					*moves = s->moves;
				((struct labels *)(uintptr_t)s->result)->used_at = t->epoch;
				return s->result;
			}
		}
	}
	result = apply(t, base, changes, n, moves);
	if (result && n <= STEP_CHANGES_MAX)
		remember(t, hash, base, changes, n, result, moves);
	return result;
}

const struct labels *labels_with(struct label_table *t, const struct labels *base,
				 const struct label *changes, size_t n)
{
	return with(t, base, changes, n, NULL);
}

const struct labels *labels_guarded(struct label_table *t, const struct labels *base,
				    const struct label *changes, size_t n, struct label_moves *ret)
{
	*ret = (struct label_moves){ 0 };
	return with(t, base, changes, n, ret);
}

/* Those that were used before `epoch` only. Returns how many sets left are not pinned. */
static size_t throw_out(struct label_table *t, uint64_t epoch)
{
	size_t before = t->nsets, pinned = 0;

	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct labels **at = &t->sets[i]; *at;) {
			struct labels *l = *at;

			if (l->pins || l->used_at >= epoch) {
				pinned += l->pins != 0;
				at = &l->next;
				continue;
			}
			*at = l->next;
			mem_free(l);
			t->nsets--;
		}
	}
	if (t->nsets != before) {
		forget_steps(t); /* they point at sets */
		t->id = ++nids;
	}
	return t->nsets - pinned;
}

void label_table_sweep(struct label_table *t)
{
	t->epoch++;
	if (t->nsets < t->max_sets - t->max_sets / 8 || t->epoch % 64 || t->epoch < IDLE_EPOCHS)
		return;
	throw_out(t, t->epoch - IDLE_EPOCHS + 1);
}

bool label_table_forget(struct label_table *t)
{
	uint64_t since = t->forgot_at;

	t->forgot_at = t->epoch;
	return throw_out(t, since) > 0;
}

bool tenant_is_valid(struct str tenant)
{
	static const char marks[] = "!-_.*'()";

	if (!tenant.n || tenant.n > 150 || str_is(tenant, ".") || str_is(tenant, ".."))
		return false;
	for (size_t i = 0; i < tenant.n; i++) {
		char c = tenant.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
		    !memchr(marks, c, sizeof(marks) - 1))
			return false;
	}
	return true;
}

bool label_name_is_valid(struct str name)
{
	if (name.n == 0 || name.n > LABEL_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];
		bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';

		if (!is_letter && !(i && c >= '0' && c <= '9'))
			return false;
	}
	return true;
}

struct str label_name_sanitise(struct str name, char *out)
{
	bool has_more = false;
	size_t n = 0;

	if (name.n && name.p[0] >= '0' && name.p[0] <= '9')
		out[n++] = '_';
	for (size_t i = 0; i < name.n && n < LABEL_NAME_MAX; i++) {
		char c = name.p[i];
		bool is_fine =
			(c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

		has_more |= is_fine;
		out[n++] = is_fine ? c : '_';
	}
	if (!has_more)
		return STR("key");
	return str_make(out, n);
}
