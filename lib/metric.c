/* SPDX-License-Identifier: Apache-2.0 */
/* The registry of series and its text form. */
#include <pthread.h>
#include <stdarg.h>

#include "lib/mem.h"
#include "lib/check.h"
#include "lib/metric.h"

#define SERIES_MAX 10000

struct series {
	struct metric metric;
	struct series *next; /* of the same family, in order of making */
	char *labels;        /* rendered: a="b",c="d" */
};

static const struct {
	const char *name, *type, *help;
} families[] = {
#define METRIC(id, name, type, help) { name, type, help },
#include "lib/metrics.def"
#undef METRIC
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct series *first[METRIC_MAX];
static unsigned nseries;
static void (*_Atomic also)(struct buf *out, enum metric_format format);

static void put_escaped(struct buf *b, const char *s)
{
	for (; *s; s++) {
		if (*s == '\\' || *s == '"')
			buf_ch(b, '\\');
		if (*s == '\n')
			buf_c(b, "\\n");
		else
			buf_ch(b, *s);
	}
}

static struct metric *find_or_make(enum metric_id id, const char *labels)
{
	struct series **at = &first[id];

	for (; *at; at = &(*at)->next)
		if (strcmp((*at)->labels, labels) == 0)
			return &(*at)->metric;
	if (nseries >= SERIES_MAX && *labels)
		return find_or_make(id, "");
	*at = mem_zalloc(sizeof(**at));
	(*at)->labels = mem_strdup(labels);
	nseries++;
	return &(*at)->metric;
}

struct metric *metric_get(enum metric_id id, ...)
{
	struct buf b = BUF_INIT;
	struct metric *m;
	const char *name;
	va_list args;

	va_start(args, id);
	while ((name = va_arg(args, const char *))) {
		const char *value = va_arg(args, const char *);

		buf_printf(&b, "%s%s=\"", b.n ? "," : "", name);
		put_escaped(&b, value ? value : "");
		buf_ch(&b, '"');
	}
	va_end(args);
	pthread_mutex_lock(&lock);
	m = find_or_make(id, buf_cstr(&b));
	pthread_mutex_unlock(&lock);
	buf_fini(&b);
	return m;
}

void metric_walk(enum metric_id id, void (*fn)(void *ctx, const struct metric_point *point),
		 void *ctx)
{
	struct metric_point point = { 0 };

	pthread_mutex_lock(&lock);
	for (const struct series *s = first[id]; s; s = s->next, point.index++) {
		point.labels = str_c(s->labels);
		point.value = metric_value(&s->metric);
		fn(ctx, &point);
	}
	pthread_mutex_unlock(&lock);
}

/* Past the closing quote of a value, whose quotes have backslashes. */
static struct str cut_value(struct str *rest)
{
	struct str value;
	size_t end = 0;

	while (end < rest->n && rest->p[end] != '"')
		end += rest->p[end] == '\\' ? 2 : 1;
	value = str_sub(*rest, 0, end);
	*rest = str_skip(*rest, end + 1);
	return value;
}

struct str metric_label(struct str labels, const char *name)
{
	while (labels.n) {
		struct str found = str_cut(&labels, '='), value;

		labels = str_skip(labels, 1);
		value = cut_value(&labels);
		if (str_is(found, name))
			return value;
		labels = str_skip(labels, 1);
	}
	return STR_NONE;
}

static void add_value(void *ctx, const struct metric_point *point)
{
	struct buf *values = ctx;

	buf_put(values, &point->value, sizeof(point->value));
}

void metric_sample_take(struct metric_sample *ret)
{
	for (int id = 0; id < METRIC_MAX; id++) {
		struct buf values = BUF_INIT;

		metric_walk((enum metric_id)id, add_value, &values);
		ret->n[id] = values.n / sizeof(int64_t);
		ret->values[id] = (int64_t *)(void *)values.p;
	}
}

int64_t metric_sample_get(const struct metric_sample *s, enum metric_id id, size_t index)
{
	return index < s->n[id] ? s->values[id][index] : 0;
}

void metric_sample_fini(struct metric_sample *s)
{
	for (int id = 0; id < METRIC_MAX; id++)
		mem_free(s->values[id]);
	*s = (struct metric_sample){ 0 };
}

/* ---- the page ---- */

const char *metric_media_type(enum metric_format format)
{
	return format == METRIC_OPEN ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
				     : "text/plain; version=0.0.4; charset=utf-8";
}

void metrics_render_also(void (*render)(struct buf *out, enum metric_format format))
{
	void (*expected)(struct buf *, enum metric_format) = NULL;

	CHECK(atomic_compare_exchange_strong(&also, &expected, render) || expected == render);
}

void metric_render_head(struct buf *out, struct str name, const char *type, struct str help,
			enum metric_format format)
{
	bool is_total = str_ends(name, STR("_total"));

	if (format == METRIC_OPEN && !strcmp(type, "counter")) {
		type = is_total ? type : "unknown";
		name.n -= is_total ? strlen("_total") : 0;
	}
	buf_printf(out, "# HELP " STR_FMT " " STR_FMT "\n# TYPE " STR_FMT " %s\n", STR_ARG(name),
		   STR_ARG(help), STR_ARG(name), type);
}

static void put_value(struct buf *out, const char *name, int64_t value)
{
	if (strstr(name, "_seconds"))
		buf_printf(out, "%.3f", (double)value / 1000);
	else
		buf_printf(out, "%lld", (long long)value);
}

void metrics_render(struct buf *out, enum metric_format format)
{
	void (*render)(struct buf *, enum metric_format) = atomic_load(&also);

	pthread_mutex_lock(&lock);
	for (int id = 0; id < METRIC_MAX; id++) {
		if (!first[id])
			continue;
		metric_render_head(out, str_c(families[id].name), families[id].type,
				   str_c(families[id].help), format);
		for (struct series *s = first[id]; s; s = s->next) {
			buf_c(out, families[id].name);
			if (*s->labels)
				buf_printf(out, "{%s}", s->labels);
			buf_ch(out, ' ');
			put_value(out, families[id].name, metric_value(&s->metric));
			buf_ch(out, '\n');
		}
	}
	pthread_mutex_unlock(&lock);
	if (render)
		render(out, format);
	if (format == METRIC_OPEN)
		buf_c(out, "# EOF\n");
}

void metrics_describe(struct buf *out)
{
	buf_c(out, "| Name | Type | What it counts |\n|---|---|---|\n");
	for (int id = 0; id < METRIC_MAX; id++)
		buf_printf(out, "| `%s` | %s | %s |\n", families[id].name, families[id].type,
			   families[id].help);
}
