/* SPDX-License-Identifier: Apache-2.0 */
/* The stages of a page or less: keep, label_drop, label_keep, structured_metadata_drop, decolorize,
 * sampling, tenant, pack, unpack, eventlogmessage. */
#include "tests/unit/stage_test.h"

extern const struct stage_ops stage_logfmt, stage_labels, stage_structured_metadata,
	stage_static_labels, stage_keep, stage_label_drop, stage_label_keep,
	stage_structured_metadata_drop, stage_decolorize, stage_sampling, stage_tenant, stage_pack,
	stage_unpack, stage_eventlogmessage, stage_json;

static struct conf_plugin plugins[15];

static void init_plugins(void)
{
	const struct stage_ops *ops[] = { &stage_logfmt,
					  &stage_labels,
					  &stage_structured_metadata,
					  &stage_static_labels,
					  &stage_keep,
					  &stage_label_drop,
					  &stage_label_keep,
					  &stage_structured_metadata_drop,
					  &stage_decolorize,
					  &stage_sampling,
					  &stage_tenant,
					  &stage_pack,
					  &stage_unpack,
					  &stage_eventlogmessage,
					  &stage_json };

	for (size_t i = 0; i < ARRAY_LEN(ops); i++)
		plugins[i] = (struct conf_plugin){ .kind = CONF_STAGE,
						   .name = ops[i]->name,
						   .alias = ops[i]->alias,
						   .conf = ops[i]->conf,
						   .ops = ops[i] };
}

static void run(const struct stage_test_row *rows, size_t n,
		void (*prepare)(struct batch *, struct rec *))
{
	stage_test_rows(plugins, ARRAY_LEN(plugins), rows, n, prepare);
}

#define EXTRACT "- logfmt: {mapping: {level: , app: }}\n"

static void keep_rows(void)
{
	static const struct stage_test_row rows[] = {
		{ "- keep: {expression: 'err'}", "an err\nok", "an err\nok; dropped" },
		{ EXTRACT "- keep: {source: level}", "level=a\nx", "level=a; level=a\nx; dropped" },
		{ EXTRACT "- keep: {source: level, value: warn}", "level=warn\nlevel=info",
		  "level=warn; level=warn\nlevel=info; level=info; dropped" },
		{ EXTRACT "- keep: {source: [level, app], expression: '^a;b$'}", "level=a app=b",
		  "level=a app=b; level=a; app=b" },
	};
	static const struct stage_test_row bad[] = {
		{ "- keep: {}", "", "needs at least one of" },
		{ "- keep: {expression: '('}", "", "missing closing )" },
		{ "- keep: {older_than: 1h}", "", "unknown option 'older_than'" },
	};

	run(rows, ARRAY_LEN(rows), NULL);
	stage_test_errors(plugins, ARRAY_LEN(plugins), bad, ARRAY_LEN(bad));
}

static void label_rows(void)
{
	static const struct stage_test_row rows[] = {
		{ "- label_drop: [app, nope]", "a\nb", "a; {job=\"t\"}\nb; {job=\"t\"}" },
		{ "- labeldrop: [nope]", "a", "a" },
		{ "- label_keep: [app]", "a", "a; {app=\"web\"}" },
		{ "- labelallow: [nope]", "a", "a; {}" },
		{ EXTRACT "- labels: {level: }\n- label_keep: [level]", "level=a\nx\nlevel=b",
		  "level=a; {level=\"a\"}; level=a\nx; {}\nlevel=b; {level=\"b\"}; level=b" },
	};
	static const struct stage_test_row bad[] = {
		{ "- label_drop: []", "", "label_drop" },
		{ "- label_drop:", "", "label_drop" },
	};

	run(rows, ARRAY_LEN(rows), NULL);
	stage_test_errors(plugins, ARRAY_LEN(plugins), bad, ARRAY_LEN(bad));
}

static void add_metadata(struct batch *b, struct rec *r)
{
	rec_attr(b, r, key_intern(STR("peer")), ATTR_META, ATTR_STRING, STR("10.0.0.1"));
	rec_attr_inline(b, r, STR("sd.x"), ATTR_META, STR("1"));
	rec_attr(b, r, key_intern(STR("peer")), ATTR_EXTRACTED, ATTR_STRING, STR("e"));
}

static void metadata_rows(void)
{
	static const struct stage_test_row rows[] = {
		{ "- structured_metadata_drop: [peer]", "a", "a; +sd.x=1; peer=e" },
		{ "- structured_metadata_drop: [sd.x, nope]", "a", "a; +peer=10.0.0.1; peer=e" },
	};

	run(rows, ARRAY_LEN(rows), add_metadata);
}

static void decolorize_rows(void)
{
	static const struct stage_test_row rows[] = {
		{ "- decolorize:", "\x1b[31mred\x1b[0m plain", "red plain" },
		{ "- decolorize: {}", "\x1b[1;32;40mx\x1b[Ky", "xy" },
		{ "- decolorize:", "plain", "plain" },
		{ "- decolorize:",
		  "\xc2\x9b"
		  "31mred",
		  "red" },
		{ "- decolorize:", "\x1b[0m", "" },
		{ "- decolorize:", "gr\xc3\xbcn \x1b[32m\xc3\xbc", "gr\xc3\xbcn \xc3\xbc" },
	};

	run(rows, ARRAY_LEN(rows), NULL);
}

static void tenant_rows(void)
{
	static const struct stage_test_row rows[] = {
		{ "- tenant: {value: team-a}", "a", "a; {app=\"web\", job=\"t\"}; tenant=team-a" },
		{ EXTRACT "- tenant: {source: level}", "level=a\nx\nlevel=",
		  "level=a; {app=\"web\", job=\"t\"}; tenant=a; level=a\nx\nlevel=; level=" },
		{ "- tenant: {label: app}", "a", "a; {app=\"web\", job=\"t\"}; tenant=web" },
		{ "- tenant: {label: nope}", "a", "a" },
		{ "- tenant: {value: x}\n- label_drop: [__tenant_id__]", "a", "a" },
	};
	static const struct stage_test_row bad[] = {
		{ "- tenant: {}", "", "needs exactly one of" },
		{ "- tenant: {value: a, source: b}", "", "needs exactly one of" },
		{ "- tenant: {value: ''}", "", "value" },
	};

	run(rows, ARRAY_LEN(rows), NULL);
	stage_test_errors(plugins, ARRAY_LEN(plugins), bad, ARRAY_LEN(bad));
}

/* With too many streams a record goes to its tenant without its labels, or not at all. */
static void tenants_in_a_crowd(void)
{
	struct buf lines = BUF_INIT;
	size_t plain = 0, overflow = 0, dropped = 0;
	struct str got;

	for (int i = 0; i < 1400; i++)
		buf_printf(&lines, "%slevel=t%d", i ? "\n" : "", i);
	got = stage_test_run(plugins, ARRAY_LEN(plugins), EXTRACT "- tenant: {source: level}",
			     buf_as_str(&lines), NULL);
	for (int i = 0; i < 1400; i++) {
		struct str line = str_cut(&got, '\n');
		char want[32];

		snprintf(want, sizeof(want), "; tenant=t%d;", i);
		if (str_ends(line, STR("; dropped")))
			dropped++;
		else if (str_find(line, str_c(want)) == line.n)
			FAIL("another tenant: " STR_FMT, STR_ARG(line));
		else if (str_find(line, STR("{overflow=\"true\"}")) < line.n)
			overflow += str_find(line, STR("; +app=web; +job=t")) < line.n;
		else
			plain++;
	}
	EQ_INT(overflow, LABELS_RESERVED);
	OK(plain > 900 && dropped > 0);
	EQ_INT(plain + overflow + dropped, 1400);
	buf_fini(&lines);
}

static void pack_rows(void)
{
	static const struct stage_test_row rows[] = {
		{ EXTRACT "- pack: {labels: [level, app, nope], ingest_timestamp: false}",
		  "level=\"<a>\"",
		  "{\"app\":\"web\",\"level\":\"\\u003ca\\u003e\",\"_entry\":\"level="
		  "\\\"\\u003ca\\u003e"
		  "\\\"\"}; {job=\"t\"}; level=<a>" },
		{ "- pack: {labels: [], ingest_timestamp: false}", "x", "{\"_entry\":\"x\"}" },
		{ "- pack: {labels: [app], ingest_timestamp: false}\n- unpack:", "x y", "x y" },
		{ "- unpack:", "no json", "no json" },
		{ "- unpack: {}", "{\"a\":\"1\",\"b\":2,\"c d\":\"3\",\"_entry\":\"l\"}",
		  "l; {a=\"1\", app=\"web\", job=\"t\"}" },
		{ "- unpack:", "{\"a\":\"1\"}", "{\"a\":\"1\"}" },
	};

	run(rows, ARRAY_LEN(rows), NULL);
	OK(!str_eq(stage_test_run(plugins, ARRAY_LEN(plugins), "- pack:", STR("x"), NULL),
		   STR("{\"_entry\":\"x\"}"))); /* the time is another */
}

static void eventlogmessage_rows(void)
{
	static const struct stage_test_row rows[] = {
		{ "- json: {expressions: {message: m}}\n- eventlogmessage:",
		  "{\"m\":\"Subject:\\r\\n  Security ID:  S-1 \\r\\n9x: y\\r\\nplain\\r\\napp: "
		  "z\"}",
		  "{\"m\":\"Subject:\\r\\n  Security ID:  S-1 \\r\\n9x: y\\r\\nplain\\r\\napp: "
		  "z\"}; "
		  "message=Subject:\r\n  Security ID:  S-1 \r\n9x: y\r\nplain\r\napp: z; Subject=; "
		  "Security_ID=S-1; _9x=y; app_extracted=z" },
		{ "- json: {expressions: {m: }}\n- eventlogmessage: {source: m, "
		  "drop_invalid_labels: "
		  "true, overwrite_existing: true}",
		  "{\"m\":\"a b: c\\r\\napp: z\"}",
		  "{\"m\":\"a b: c\\r\\napp: z\"}; m=a b: c\r\napp: z; app=z" },
		{ "- eventlogmessage:", "x", "x" },
	};

	run(rows, ARRAY_LEN(rows), NULL);
}

/* The same lines are decided the same way, and about as many pass as should. */
static void sampling_rows(void)
{
	struct buf lines = BUF_INIT, first = BUF_INIT;
	size_t dropped = 0;
	struct str got;

	for (int i = 0; i < 2000; i++)
		buf_printf(&lines, "%sline %d", i ? "\n" : "", i);
	got = stage_test_run(plugins, ARRAY_LEN(plugins), "- sampling: {rate: 0.25}",
			     buf_as_str(&lines), NULL);
	buf_str(&first, got);
	for (struct str s = got; str_find(s, STR("; dropped")) < s.n; dropped++)
		s = str_skip(s, str_find(s, STR("; dropped")) + 1);
	OK(dropped > 1400 && dropped < 1600);
	got = stage_test_run(plugins, ARRAY_LEN(plugins), "- sampling: {rate: 0.25}",
			     buf_as_str(&lines), NULL);
	OK(str_eq(got, buf_as_str(&first)));
	EQ_STR(stage_test_run(plugins, ARRAY_LEN(plugins), "- sampling: {rate: 0}", STR("a"), NULL),
	       "a; dropped");
	EQ_STR(stage_test_run(plugins, ARRAY_LEN(plugins), "- sampling: {rate: 1}", STR("a"), NULL),
	       "a");
	OK(str_find(stage_test_run(plugins, ARRAY_LEN(plugins), "- sampling: {rate: 2}", STR("a"),
				   NULL),
		    STR("rate")) > 0);
	buf_fini(&lines);
	buf_fini(&first);
}

int main(void)
{
	init_plugins();
	RUN(keep_rows);
	RUN(label_rows);
	RUN(metadata_rows);
	RUN(decolorize_rows);
	RUN(tenant_rows);
	RUN(tenants_in_a_crowd);
	RUN(pack_rows);
	RUN(eventlogmessage_rows);
	RUN(sampling_rows);
	buf_fini(&stage_test_out);
	return test_end();
}
