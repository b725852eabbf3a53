/* SPDX-License-Identifier: Apache-2.0 */
/* Families and their series. The lock is for the lists: taken when a series is made or forgotten, and
 * by whoever reads /metrics. Values are atomics that only their lane writes. */
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "lib/check.h"
#include "lib/clock.h"
#include "lib/map.h"
#include "lib/mem.h"
#include "lib/metric.h"
#include "pipeline/labels.h"
#include "pipeline/series.h"
#include "pipeline/value.h"

struct series {
	struct map_node node;       /* in its set */
	struct series *next, *prev; /* in its family; under the lock */
	struct series_set *set;
	struct str text; /* a="x",b="y" as Prometheus writes it */
	struct label *items;
	uint32_t nitems;
	_Atomic int64_t used_ns;
	_Atomic bool is_expired;
	_Atomic int64_t set_ns; /* of a gauge that was set; 0: it never was */
	_Atomic double value;   /* of a histogram the sum */
	_Atomic uint64_t counts[];
};

struct family {
	struct series_conf conf; /* with its own copies of name and help */
	struct family *next;
	struct series *first;
	unsigned users;
	_Atomic size_t nseries;
	struct metric *overflow;
};

struct series_set {
	struct family *family;
	struct map map;
	int64_t now_ns, max_idle_ns;
	const struct labels *last_labels; /* of this batch */
	struct series *last;
	_Atomic unsigned nexpired;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct family *families;

/* ---- text --------------------------------------------------------------------------------- */

static void put_escaped(struct buf *out, struct str s, bool is_quoted)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\n') {
			buf_c(out, "\\n");
			continue;
		}
		if (s.p[i] == '\\' || (is_quoted && s.p[i] == '"'))
			buf_ch(out, '\\');
		buf_ch(out, s.p[i]);
	}
}

static void put_number(struct buf *out, double x)
{
	if (isnan(x))
		buf_c(out, "NaN");
	else if (isinf(x))
		buf_c(out, x < 0 ? "-Inf" : "+Inf");
	else
		value_write_float(out, x, true);
}

static void put_labels(struct buf *out, const struct series *s, bool is_histogram)
{
	for (uint32_t i = 0; i < s->nitems; i++) {
		buf_c(out, i ? "," : "");
		/* A second `le` would make the whole page unreadable. */
		if (is_histogram && str_is(s->items[i].name, "le"))
			buf_c(out, "exported_");
		buf_str(out, s->items[i].name);
		buf_c(out, "=\"");
		put_escaped(out, s->items[i].value, true);
		buf_ch(out, '"');
	}
}

static void put_sample(struct buf *out, const struct family *f, const char *suffix,
		       struct str labels, const char *le, double value)
{
	buf_str(out, f->conf.name);
	buf_c(out, suffix);
	if (labels.n || le) {
		buf_ch(out, '{');
		buf_str(out, labels);
		if (le)
			buf_printf(out, "%sle=\"%s\"", labels.n ? "," : "", le);
		buf_ch(out, '}');
	}
	buf_ch(out, ' ');
	put_number(out, value);
	buf_ch(out, '\n');
}

static double value_of(const struct series *s)
{
	return atomic_load_explicit(&((struct series *)(uintptr_t)s)->value, memory_order_relaxed);
}

static uint64_t count_of(const struct series *s, size_t bucket)
{
	return atomic_load_explicit(&((struct series *)(uintptr_t)s)->counts[bucket],
				    memory_order_relaxed);
}

/* n series with the same labels, of several lanes or stages. */
static void put_histogram(struct buf *out, const struct family *f, struct series *const *all,
			  size_t n)
{
	uint64_t count = 0;
	double sum = 0;

	for (size_t k = 0; k <= f->conf.nbuckets; k++) {
		struct buf le = BUF_INIT;

		for (size_t i = 0; i < n; i++)
			count += count_of(all[i], k);
		put_number(&le, k < f->conf.nbuckets ? f->conf.buckets[k] : INFINITY);
		put_sample(out, f, "_bucket", all[0]->text, buf_cstr(&le), (double)count);
		buf_fini(&le);
	}
	for (size_t i = 0; i < n; i++)
		sum += value_of(all[i]);
	put_sample(out, f, "_sum", all[0]->text, NULL, sum);
	put_sample(out, f, "_count", all[0]->text, NULL, (double)count);
}

/* What was set last, and on top what others added. */
static void put_simple(struct buf *out, const struct family *f, struct series *const *all, size_t n)
{
	double sum = 0, set = 0;
	int64_t latest_ns = 0;

	for (size_t i = 0; i < n; i++) {
		int64_t set_ns = atomic_load_explicit(&all[i]->set_ns, memory_order_acquire);

		if (!set_ns) {
			sum += value_of(all[i]);
		} else if (set_ns > latest_ns) {
			latest_ns = set_ns;
			set = value_of(all[i]);
		}
	}
	put_sample(out, f, "", all[0]->text, NULL, sum + set);
}

static int by_text(const void *a, const void *b)
{
	return str_cmp((*(struct series *const *)a)->text, (*(struct series *const *)b)->text);
}

/* Its lane may be using it at this moment: then it stays. */
static void expire_if_idle(struct series *s, int64_t now_ns)
{
	int64_t used_ns = atomic_load(&s->used_ns);

	if (now_ns - used_ns <= s->set->max_idle_ns)
		return;
	atomic_store(&s->is_expired, true);
	if (atomic_load(&s->used_ns) != used_ns)
		atomic_store(&s->is_expired, false);
	else
		atomic_fetch_add(&s->set->nexpired, 1);
}

static void render_family(struct buf *out, struct family *f, enum metric_format format)
{
	static const char *const types[] = { "counter", "gauge", "histogram" };
	struct series **all = mem_array(atomic_load(&f->nseries) + 1, sizeof(struct series *));
	int64_t now_ns = clock_mono_ns();
	size_t n = 0, end;

	for (struct series *s = f->first; s; s = s->next)
		if (!atomic_load(&s->is_expired))
			all[n++] = s;
	qsort(all, n, sizeof(struct series *), by_text);
	if (n) {
		struct buf help = BUF_INIT;

		put_escaped(&help, f->conf.help, format == METRIC_OPEN);
		metric_render_head(out, f->conf.name, types[f->conf.type], buf_as_str(&help),
				   format);
		buf_fini(&help);
	}
	for (size_t i = 0; i < n; i = end) {
		for (end = i + 1; end < n && str_eq(all[end]->text, all[i]->text);)
			end++;
		if (f->conf.type == SERIES_HISTOGRAM)
			put_histogram(out, f, all + i, end - i);
		else
			put_simple(out, f, all + i, end - i);
	}
	for (size_t i = 0; i < n; i++)
		expire_if_idle(all[i], now_ns);
	mem_free(all);
}

static void render(struct buf *out, enum metric_format format)
{
	pthread_mutex_lock(&lock);
	for (struct family *f = families; f; f = f->next)
		render_family(out, f, format);
	pthread_mutex_unlock(&lock);
}

/* ---- life --------------------------------------------------------------------------------- */

static struct str dup_str(struct str s)
{
	char *p = mem_alloc(s.n + 1);

	if (s.n)
		memcpy(p, s.p, s.n);
	p[s.n] = 0;
	return str_make(p, s.n);
}

static bool is_same_kind(const struct series_conf *a, const struct series_conf *b)
{
	return a->type == b->type && a->nbuckets == b->nbuckets &&
	       memcmp(a->buckets, b->buckets, a->nbuckets * sizeof(a->buckets[0])) == 0;
}

static struct family *find_family(const struct series_conf *conf)
{
	struct family *f = families;

	while (f && !str_eq(f->conf.name, conf->name))
		f = f->next;
	if (f)
		return f;
	f = mem_zalloc(sizeof(*f));
	f->conf = *conf;
	f->conf.name = dup_str(conf->name);
	f->conf.help = dup_str(conf->help);
	f->overflow = metric_get(METRIC_CUSTOM_OVERFLOW, "metric", f->conf.name.p, NULL);
	f->next = families;
	families = f;
	metrics_render_also(render);
	return f;
}

static void put_family(struct family *f)
{
	if (f->users)
		return;
	CHECK(!f->first);
	for (struct family **at = &families; *at; at = &(*at)->next) {
		if (*at == f) {
			*at = f->next;
			break;
		}
	}
	mem_free((char *)(uintptr_t)f->conf.name.p);
	mem_free((char *)(uintptr_t)f->conf.help.p);
	mem_free(f);
}

int series_open(const struct series_conf *conf, struct series_set **ret, struct err *err)
{
	struct series_set *s;
	struct family *f;

	*ret = NULL;
	pthread_mutex_lock(&lock);
	f = find_family(conf);
	if (!is_same_kind(&f->conf, conf)) {
		pthread_mutex_unlock(&lock);
		return err_set(err, -1,
			       "metric " STR_FMT
			       " has another type or other buckets in another stage",
			       STR_ARG(conf->name));
	}
	f->users++;
	pthread_mutex_unlock(&lock);
	s = mem_zalloc(sizeof(*s));
	s->family = f;
	s->max_idle_ns = conf->max_idle_ns;
	*ret = s;
	return 0;
}

/* Under the lock. */
static void forget(struct series *s)
{
	struct family *f = s->set->family;

	if (s->prev)
		s->prev->next = s->next;
	else
		f->first = s->next;
	if (s->next)
		s->next->prev = s->prev;
	map_del(&s->set->map, &s->node);
	atomic_fetch_sub(&f->nseries, 1);
	mem_free(s->items);
	mem_free((char *)(uintptr_t)s->text.p);
	mem_free(s);
}

static void sweep(struct series_set *set, bool is_all)
{
	struct series *next;

	pthread_mutex_lock(&lock);
	for (struct series *s = set->family->first; s; s = next) {
		next = s->next;
		if (s->set == set && (is_all || atomic_load(&s->is_expired)))
			forget(s);
	}
	atomic_store(&set->nexpired, 0);
	pthread_mutex_unlock(&lock);
}

void series_close(struct series_set *s)
{
	if (!s)
		return;
	sweep(s, true);
	pthread_mutex_lock(&lock);
	s->family->users--;
	put_family(s->family);
	pthread_mutex_unlock(&lock);
	map_fini(&s->map);
	mem_free(s);
}

void series_begin(struct series_set *s, int64_t now_ns)
{
	s->now_ns = now_ns;
	s->last = NULL;
	s->last_labels = NULL;
	if (atomic_load_explicit(&s->nexpired, memory_order_relaxed))
		sweep(s, false);
}

/* ---- finding ------------------------------------------------------------------------------ */

static bool is_shown(const struct label *l)
{
	return !str_starts(l->name, STR("__"));
}

static uint64_t hash_of(const struct labels *labels)
{
	uint64_t h = 0x5e;

	for (uint32_t i = 0; labels && i < labels->n; i++)
		if (is_shown(&labels->items[i]))
			h = str_hash(labels->items[i].value, str_hash(labels->items[i].name, h));
	return h;
}

static bool has_labels(const struct series *s, const struct labels *labels)
{
	uint32_t k = 0;

	for (uint32_t i = 0; labels && i < labels->n; i++) {
		const struct label *l = &labels->items[i];

		if (!is_shown(l))
			continue;
		if (k == s->nitems || !str_eq(l->name, s->items[k].name) ||
		    !str_eq(l->value, s->items[k].value))
			return false;
		k++;
	}
	return k == s->nitems;
}

/* Names and values in one piece behind the items. */
static void copy_labels(struct series *s, const struct labels *labels)
{
	size_t bytes = 0;
	char *p;

	for (uint32_t i = 0; labels && i < labels->n; i++) {
		s->nitems += is_shown(&labels->items[i]);
		bytes += labels->items[i].name.n + labels->items[i].value.n;
	}
	s->items = mem_zalloc(s->nitems * sizeof(*s->items) + bytes + 1);
	p = (char *)&s->items[s->nitems];
	for (uint32_t i = 0, k = 0; labels && i < labels->n; i++) {
		const struct label *l = &labels->items[i];

		if (!is_shown(l))
			continue;
		memcpy(p, l->name.p, l->name.n);
		s->items[k].name = str_make(p, l->name.n);
		p += l->name.n;
		if (l->value.n)
			memcpy(p, l->value.p, l->value.n);
		s->items[k++].value = str_make(p, l->value.n);
		p += l->value.n;
	}
}

static struct series *make(struct series_set *set, const struct labels *labels, uint64_t hash)
{
	struct family *f = set->family;
	bool is_histogram = f->conf.type == SERIES_HISTOGRAM;
	size_t ncounts = is_histogram ? f->conf.nbuckets + 1 : 0;
	struct buf text = BUF_INIT;
	struct series *s;

	if (atomic_load_explicit(&f->nseries, memory_order_relaxed) >= SERIES_MAX_OF_FAMILY)
		return NULL;
	s = mem_zalloc(sizeof(*s) + ncounts * sizeof(s->counts[0]));
	s->set = set;
	copy_labels(s, labels);
	put_labels(&text, s, is_histogram);
	s->text = dup_str(buf_as_str(&text));
	buf_fini(&text);
	atomic_store(&s->used_ns, set->now_ns);
	map_add(&set->map, &s->node, hash);
	pthread_mutex_lock(&lock);
	s->next = f->first;
	if (f->first)
		f->first->prev = s;
	f->first = s;
	atomic_fetch_add(&f->nseries, 1);
	pthread_mutex_unlock(&lock);
	return s;
}

/* It was shown for the last time: begins anew. */
static void revive(struct series *s)
{
	size_t ncounts = s->set->family->conf.type == SERIES_HISTOGRAM
				 ? s->set->family->conf.nbuckets + 1
				 : 0;

	pthread_mutex_lock(&lock);
	if (atomic_load(&s->is_expired)) {
		atomic_store(&s->value, 0);
		atomic_store(&s->set_ns, 0);
		for (size_t i = 0; i < ncounts; i++)
			atomic_store(&s->counts[i], 0);
		atomic_store(&s->is_expired, false);
	}
	pthread_mutex_unlock(&lock);
}

static struct series *look_up(struct series_set *set, const struct labels *labels)
{
	uint64_t hash = hash_of(labels);

	for (struct map_node *n = map_first(&set->map, hash); n; n = map_next(n)) {
		struct series *s = container_of(n, struct series, node);

		if (!has_labels(s, labels))
			continue;
		if (atomic_load_explicit(&s->used_ns, memory_order_relaxed) != set->now_ns) {
			atomic_store(&s->used_ns, set->now_ns);
			if (atomic_load(&s->is_expired))
				revive(s);
		}
		return s;
	}
	return make(set, labels, hash);
}

struct series *series_find(struct series_set *set, const struct labels *labels)
{
	if (!set->last || set->last_labels != labels) {
		set->last = look_up(set, labels);
		set->last_labels = labels;
	}
	if (!set->last)
		metric_add(set->family->overflow, 1);
	return set->last;
}

/* ---- values ------------------------------------------------------------------------------- */

void series_add(struct series *s, double value)
{
	atomic_store_explicit(&s->value, value_of(s) + value, memory_order_relaxed);
}

void series_set(struct series *s, double value)
{
	atomic_store_explicit(&s->value, value, memory_order_relaxed);
	atomic_store_explicit(&s->set_ns, s->set->now_ns, memory_order_release);
}

void series_observe(struct series *s, double value)
{
	const struct series_conf *conf = &s->set->family->conf;
	size_t i = 0;

	while (i < conf->nbuckets && !(value <= conf->buckets[i]))
		i++;
	atomic_store_explicit(&s->counts[i], count_of(s, i) + 1, memory_order_relaxed);
	series_add(s, value);
}
