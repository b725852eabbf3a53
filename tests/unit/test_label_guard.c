/* SPDX-License-Identifier: Apache-2.0 */
/* Limits on labels: too many values of one, too many of a stream, too long. What is no label is
 * metadata. */
#include "lib/metric.h"
#include "pipeline/label_guard.h"
#include "tests/unit/stage_test.h"

extern const struct stage_ops stage_labels, stage_logfmt, stage_static_labels, stage_tenant,
	stage_label_drop, stage_cri;

#define S INT64_C(1000000000)

static bool see(struct label_guard *g, const char *name, int value, int64_t now_ns)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", value);
	return label_guard_see(g, str_c(name), str_c(text), now_ns);
}

static void values(void)
{
	struct label_guard *g = label_guard_new(1000, 10 * S);

	for (int round = 0; round < 3; round++)
		for (int i = 0; i < 1000; i++)
			OK(!see(g, "a", i, 5 * S) && !see(g, "b", i / 2, 5 * S));
	OK(see(g, "a", 1000, 5 * S)); /* said once */
	OK(!see(g, "a", 1001, 5 * S));
	OK(label_guard_is_closed(g, STR("a")) && !label_guard_is_closed(g, STR("b")));
	/* A new window begins at nothing; what is closed stays closed. */
	for (int i = 0; i < 1000; i++)
		OK(!see(g, "b", 5000 + i, 16 * S));
	OK(see(g, "b", 0, 17 * S));
	OK(label_guard_is_closed(g, STR("a")));
	label_guard_free(g);
	g = label_guard_new(0, S);
	OK(!see(g, "a", 1, 1) && !see(g, "a", 2, 1));
	label_guard_free(g);
}

static void sets(void)
{
	static const struct label_limits limits = { 2, 3, 3600 * S };
	struct label_table *t = label_table_new(100);
	struct label base = { STR("job"), STR("x") };
	struct label change[] = { { STR("a"), STR("1") }, { STR("b"), STR("2") } };
	struct label tenant = { STR(LABEL_TENANT), STR("t") };
	const struct labels *l, *m;
	struct label_moves moves;

	label_table_limit(t, &limits);
	l = labels_intern(t, &base, 1);
	for (int i = 0; i < 2; i++) { /* the second time it is remembered */
		m = labels_guarded(t, l, change, 2, &moves);
		EQ_STR(m->text, "{a=\"1\", job=\"x\"}");
		OK(moves.surplus == 2 && !moves.exploded && !moves.cut);
	}
	EQ_STR(labels_with(t, l, change, 2)->text, "{a=\"1\", b=\"2\", job=\"x\"}");
	/* a value in the place of another needs no room; nor does the tenant */
	change[0].value = STR("9");
	EQ_STR(labels_guarded(t, m, change, 1, &moves)->text, "{a=\"9\", job=\"x\"}");
	OK(!moves.surplus);
	OK(labels_guarded(t, m, &tenant, 1, &moves)->tenant.n == 1 && !moves.surplus);
	/* one value too many: not even the one it had stays */
	change[0].value = STR("10");
	labels_guarded(t, m, change, 1, &moves);
	OK(!moves.exploded);
	change[0].value = STR("11");
	EQ_STR(labels_guarded(t, m, change, 1, &moves)->text, "{job=\"x\"}");
	OK(moves.exploded == 1);
	change[0].value = STR("1"); /* nor one that was fine before */
	EQ_STR(labels_guarded(t, l, change, 1, &moves)->text, "{job=\"x\"}");
	OK(moves.exploded == 1);
	label_table_free(t);
}

#define CRI(content)                                                                               \
	"; time=1970-01-01T00:00:00.000002Z; stream=stdout; flags=F; content=" content             \
	"; +stream=stdout"

static void stages(void)
{
	static const struct stage_ops *const ops[] = { &stage_labels, &stage_logfmt,
						       &stage_static_labels, &stage_tenant,
						       &stage_cri };
	static struct conf_plugin plugins[ARRAY_LEN(ops)];
	static char lines[3 * LABEL_VALUE_MAX], want[9 * LABEL_VALUE_MAX];
	static const struct stage_test_row rows[] = {
		{ "- logfmt: {mapping: {k: }}\n- labels: {k: }", "k=1\nk=2\nk=3\nk=1",
		  "k=1; {app=\"web\", job=\"t\", k=\"1\"}; k=1\nk=2; {app=\"web\", job=\"t\", "
		  "k=\"2\"}; k=2\nk=3; k=3; +k=3\nk=1; k=1; +k=1" },
		{ "- static_labels: {a: 1}\n- static_labels: {b: 2}", "x\ny",
		  "x; {a=\"1\", app=\"web\", job=\"t\"}; +b=2\n"
		  "y; {a=\"1\", app=\"web\", job=\"t\"}; +b=2" },
		{ "- static_labels: {a: 1}\n- cri:",
		  "1970-01-01T00:00:00.000002Z stdout F x\n1970-01-01T00:00:00.000002Z stdout F y",
		  "x; time=2000; {a=\"1\", app=\"web\", job=\"t\"}" CRI(
			  "x") "\n"
			       "y; time=2000; {a=\"1\", app=\"web\", job=\"t\"}" CRI("y") },
	};
	char value[LABEL_VALUE_MAX + 11];
	struct metric *count = metric_get(METRIC_LABELS_MOVED, "pipeline", "test", "label", "k",
					  "reason", "values", NULL);

	for (size_t i = 0; i < ARRAY_LEN(ops); i++)
		plugins[i] = (struct conf_plugin){ .kind = CONF_STAGE,
						   .name = ops[i]->name,
						   .conf = ops[i]->conf,
						   .ops = ops[i] };
	stage_test_limits = (struct label_limits){ 3, 2, 3600 * S };
	stage_test_rows(plugins, ARRAY_LEN(plugins), rows, ARRAY_LEN(rows), NULL);
	EQ_INT(metric_value(count), 2);
	/* too long: cut as a label, whole as metadata */
	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = 0;
	snprintf(lines, sizeof(lines), "k=%s", value);
	snprintf(want, sizeof(want), "%s; {app=\"web\", job=\"t\", k=\"%.*s\"}; k=%s; +k=%s", lines,
		 LABEL_VALUE_MAX, value, value, value);
	EQ_STR(stage_test_run(plugins, ARRAY_LEN(plugins), rows[0].stages, str_c(lines), NULL),
	       want);
	/* A source that has too many by itself. */
	stage_test_limits.max_labels = 1;
	EQ_STR(stage_test_run(plugins, ARRAY_LEN(plugins), "- tenant: {value: a}", STR("x"), NULL),
	       "x; {app=\"web\"}; tenant=a; +job=t");
}

int main(void)
{
	RUN(values);
	RUN(sets);
	RUN(stages);
	return test_end();
}
