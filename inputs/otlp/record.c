/* SPDX-License-Identifier: Apache-2.0 */
/* Labels, metadata, line and time of a log record. */
#include "inputs/otlp/record.h"

#include <stdio.h>

#include "inputs/otlp/text.h"
#include "pipeline/loki_name.h"

#define ID_BYTES_MAX 16

/* Attributes, those within maps under the name of the map, an underscore and their own. */

struct within {
	struct str rest;
	size_t prefix_n;
};

/* Where they go. False: no more. */
typedef bool put_fn(void *ctx, struct str name, struct str value);

struct flat {
	put_fn *put;
	void *ctx;
	struct buf text;
	char name[2 * LABEL_NAME_MAX + 1];
	struct within stack[OTLP_DEPTH_MAX];
	size_t depth;
};

/* Cut far behind what Loki takes. */
static struct str name_under(struct flat *f, size_t prefix_n, struct str key)
{
	size_t n = prefix_n;

	if (n && n < LABEL_NAME_MAX)
		f->name[n++] = '_';
	key = str_sub(key, 0, n < LABEL_NAME_MAX ? LABEL_NAME_MAX - n : 0);
	if (key.n)
		memcpy(f->name + n, key.p, key.n);
	return str_make(f->name, n + key.n);
}

/* Most of it is never touched. */
static void flat_init(struct flat *f, put_fn *put, void *ctx, size_t max)
{
	f->put = put;
	f->ctx = ctx;
	f->text = (struct buf){ .max = max };
	f->depth = 0;
}

static void flatten(struct flat *f, struct str name, const struct otlp_any *value)
{
	struct otlp_any any = *value;
	bool was_cut, goes_on = true;
	struct str key;

	if (any.field != ANY_LIST) {
		f->put(f->ctx, name, otlp_text(&any, &f->text, &was_cut));
		return;
	}
	name = name_under(f, 0, name);
	f->depth = 0;
	for (;;) {
		if (any.field == ANY_LIST && f->depth < OTLP_DEPTH_MAX)
			f->stack[f->depth++] = (struct within){ any.bytes, name.n };
		else
			goes_on = f->put(f->ctx, name, otlp_text(&any, &f->text, &was_cut));
		while (f->depth && !otlp_pair(&f->stack[f->depth - 1].rest, PAIR_KEY, &key, &any))
			f->depth--;
		if (!f->depth || !goes_on)
			return;
		name = name_under(f, f->stack[f->depth - 1].prefix_n, key);
	}
}

static bool is_in(struct str name, const struct str *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(name, list[i]))
			return true;
	return false;
}

/* Labels */

/* Loki's default of discover_service_name. */
static bool is_service_name(struct str label)
{
	static const char *const names[] = {
		"service",
		"app",
		"application",
		"app_name",
		"name",
		"app_kubernetes_io_name",
		"container",
		"container_name",
		"k8s_container_name",
		"component",
		"workload",
		"job",
		"k8s_job_name",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (str_is(label, names[i]))
			return true;
	return false;
}

/* Offsets into the text, which moves while it grows. */
struct label_at {
	size_t name, name_n, value, value_n;
};

struct labelling {
	struct buf *text;
	struct label_at at[LABELS_MAX];
	size_t n, service; /* which of them is service_name; n: none */
	bool is_too_much, has_service;
};

static bool put_label(void *ctx, struct str name, struct str value)
{
	struct labelling *l = ctx;
	char room[LOKI_NAME_ROOM];
	struct label_at at;

	if (l->n == LABELS_MAX - 1 ||
	    l->text->n + name.n + value.n + LOKI_NAME_ROOM > OTLP_LABEL_BYTES_MAX) {
		l->is_too_much = true;
		return false;
	}
	name = loki_name(name, room);
	buf_put(l->text, &name.n, sizeof(name.n));
	buf_put(l->text, &value.n, sizeof(value.n));
	at = (struct label_at){ l->text->n, name.n, l->text->n + name.n, value.n };
	buf_str(l->text, name);
	buf_str(l->text, value);
	if (!l->has_service && is_service_name(name)) {
		l->has_service = true;
		l->service = l->n;
	}
	l->at[l->n++] = at;
	return true;
}

void otlp_labels(struct str resource, const struct str *promoted, size_t npromoted,
		 struct otlp_labels *ret)
{
	struct labelling l = { .text = &ret->text, .service = LABELS_MAX };
	struct flat f;
	struct str rest = resource, key;
	struct otlp_any any;
	bool is_named = false;

	*ret = (struct otlp_labels){ 0 };
	flat_init(&f, put_label, &l, OTLP_LABEL_BYTES_MAX);
	while (otlp_pair(&rest, RESOURCE_ATTRIBUTES, &key, &any))
		/* All values but these have a text. */
		is_named |=
			str_is(key, "service.name") &&
			!((any.field == 0 || any.field == ANY_STRING || any.field == ANY_BYTES) &&
			  !any.bytes.n);
	l.has_service = is_named;
	rest = resource;
	while (!l.is_too_much && otlp_pair(&rest, RESOURCE_ATTRIBUTES, &key, &any))
		if (is_in(key, promoted, npromoted))
			flatten(&f, key, &any);
	buf_fini(&f.text);
	for (size_t i = 0; i < l.n; i++)
		ret->items[ret->n++] = (struct label){
			str_make(ret->text.p + l.at[i].name, l.at[i].name_n),
			str_make(ret->text.p + l.at[i].value, l.at[i].value_n),
		};
	if (!is_named)
		ret->items[ret->n++] = (struct label){
			STR("service_name"),
			l.service < l.n ? ret->items[l.service].value : STR("unknown_service"),
		};
	ret->is_too_much = l.is_too_much;
}

void otlp_labels_fini(struct otlp_labels *labels)
{
	buf_fini(&labels->text);
}

/* Metadata */

struct putting {
	struct batch *b;
	struct rec *r;
	size_t bytes;
};

static bool put_meta(void *ctx, struct str name, struct str value)
{
	struct putting *p = ctx;

	/* What does not fit here fits Loki even less: its output says that something was cut. */
	if (p->bytes > OTLP_ATTRS_BYTES)
		return false;
	if (value.n > OTLP_ATTRS_BYTES)
		value.n = OTLP_ATTRS_BYTES;
	p->bytes += name.n + value.n;
	return rec_attr_inline(p->b, p->r, name, ATTR_META, value) != NULL;
}

static void put_pairs(struct putting *p, struct str message, uint32_t number, const struct str *but,
		      size_t nbut)
{
	struct otlp_any any;
	struct flat f;
	struct str key;

	flat_init(&f, put_meta, p, OTLP_ATTRS_BYTES);
	while (p->bytes <= OTLP_ATTRS_BYTES && otlp_pair(&message, number, &key, &any))
		if (!is_in(key, but, nbut))
			flatten(&f, key, &any);
	buf_fini(&f.text);
}

static void put_number(struct putting *p, struct str name, uint64_t v, bool is_signed)
{
	char text[24];
	int n = is_signed ? snprintf(text, sizeof(text), "%lld", (long long)v)
			  : snprintf(text, sizeof(text), "%llu", (unsigned long long)v);

	rec_attr_inline(p->b, p->r, name, ATTR_META, str_make(text, (size_t)n));
}

/* One of another length, or of zeros, is none (opentelemetry-proto logs.proto). */
static void put_id(struct putting *p, struct str name, struct str id, size_t bytes)
{
	static const char digits[] = "0123456789abcdef", zeros[ID_BYTES_MAX];
	char text[2 * ID_BYTES_MAX];

	if (id.n != bytes || memcmp(id.p, zeros, bytes) == 0)
		return;
	for (size_t i = 0; i < bytes; i++) {
		text[2 * i] = digits[(uint8_t)id.p[i] >> 4];
		text[2 * i + 1] = digits[id.p[i] & 15];
	}
	rec_attr_inline(p->b, p->r, name, ATTR_META, str_make(text, 2 * bytes));
}

size_t otlp_put_own(struct batch *b, struct rec *r, const struct otlp_log *log)
{
	struct putting p = { b, r, 0 };

	put_pairs(&p, log->message, LOG_ATTRIBUTES, NULL, 0);
	if (log->time_ns && log->observed_ns)
		put_number(&p, STR("observed_timestamp"), log->observed_ns, true);
	if (log->severity)
		put_number(&p, STR("severity_number"), (uint64_t)(int64_t)log->severity, true);
	if (log->severity_text.n)
		put_meta(&p, STR("severity_text"), log->severity_text);
	if (log->dropped)
		put_number(&p, STR("dropped_attributes_count"), log->dropped, false);
	if (log->flags)
		put_number(&p, STR("flags"), log->flags, false);
	put_id(&p, STR("trace_id"), log->trace_id, 16);
	put_id(&p, STR("span_id"), log->span_id, 8);
	if (log->event_name.n)
		put_meta(&p, STR("event_name"), log->event_name);
	return p.bytes;
}

void otlp_put_shared(struct batch *b, struct rec *r, const struct otlp_walk *w,
		     const struct str *promoted, size_t npromoted)
{
	struct putting p = { b, r, 0 };
	struct otlp_scope scope;

	put_pairs(&p, w->resource, RESOURCE_ATTRIBUTES, promoted, npromoted);
	put_pairs(&p, w->scope, SCOPE_ATTRIBUTES, NULL, 0);
	otlp_scope(w->scope, &scope);
	if (scope.name.n)
		put_meta(&p, STR("scope_name"), scope.name);
	if (scope.version.n)
		put_meta(&p, STR("scope_version"), scope.version);
	if (scope.dropped)
		put_number(&p, STR("scope_dropped_attributes_count"), scope.dropped, false);
}

/* The rest */

struct str otlp_line(const struct otlp_log *log, struct buf *scratch, bool *ret_was_cut)
{
	struct otlp_any any;

	otlp_any(log->body, &any);
	scratch->max = OTLP_LINE_MAX;
	return otlp_text(&any, scratch, ret_was_cut);
}

int64_t otlp_time_ns(const struct otlp_log *log, int64_t now_ns)
{
	uint64_t ns = log->time_ns ? log->time_ns : log->observed_ns;

	return ns ? (int64_t)ns : now_ns;
}

uint8_t otlp_severity(int32_t number)
{
	static const uint8_t severities[] = {
		7, 7, 6, 4, 3, 2
	}; /* TRACE DEBUG INFO WARN ERROR FATAL */

	return number >= 1 && number <= 24 ? severities[(number - 1) / 4] : SEVERITY_NONE;
}
