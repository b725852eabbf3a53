/* SPDX-License-Identifier: Apache-2.0 */
/* What an event becomes: time, line, labels, metadata, level. */
#include "inputs/beats/event.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "tests/unit/test.h"

#define NOW (INT64_C(1800000000) * NS_PER_S)

static struct event_names *names;

/* "line|labels|metadata|flags": name=value of each, in the order of the record; labels are what is extracted under
 * a name without dots. */
static unsigned told(struct str doc, bool keeps_json, struct buf *out, int64_t *ret_ns)
{
	struct source source = { .magic = SOURCE_MAGIC };
	struct batch *b = batch_new(NULL, &source, doc.n, true);
	struct event_reader *e = mem_zalloc(sizeof(*e));
	struct str text = arena_dup(&b->arena, doc);
	struct attr found;
	const struct rec *r;
	unsigned flags;

	e->names = names;
	e->keeps_json = keeps_json;
	e->now_ns = NOW;
	flags = event_read(e, b, text);
	EQ_INT(b->nrecs, 1);
	r = &b->recs[0];
	*ret_ns = r->time_ns;
	buf_clear(out);
	buf_str(out, r->line);
	for (unsigned kind = 0; kind < 2; kind++) {
		buf_ch(out, '|');
		for (unsigned i = 0; i < r->nattrs; i++) {
			const struct attr *a = &r->attrs[i];
			struct str name = attr_name(a);
			bool is_label = a->kind == ATTR_EXTRACTED && str_chr(name, '.') == name.n &&
					!str_is(name, "@timestamp") && !str_is(name, "message");

			/* Stages find each by its name, and the last of equal ones. */
			OK(rec_find(b, r, name, &found));
			if (kind == 0 ? !is_label : a->kind != ATTR_META)
				continue;
			buf_printf(out, STR_FMT "=" STR_FMT "%s,", STR_ARG(name),
				   STR_ARG(attr_value(a)),
				   a->type == ATTR_NUMBER ? "#"
				   : a->type == ATTR_BOOL ? "?"
				   : a->type == ATTR_NULL ? "0"
							  : "");
		}
	}
	buf_ch(out, '|');
	buf_str(out, rec_flags_text(r->flags, (char[REC_FLAGS_TEXT_MAX]){ 0 }));
	mem_free(e);
	batch_free(b);
	return flags;
}

#define T "\"@timestamp\":\"2026-11-21T15:45:44.611Z\""
#define T_NS INT64_C(1795275944611000000)

static const struct {
	const char *doc, *want;
	int64_t want_ns;
	bool keeps_json;
} rows[] = {
	{ "{" T ",\"message\":\"hello\"}", "hello|||", T_NS, false },
	{ "{" T ",\"message\":\"a \\\"b\\\"\\n\\u00e4\"}", "a \"b\"\n\xc3\xa4|||", T_NS, false },
	{ "{" T ",\"message\":\"\"}", "|||", T_NS, false },
	/* Filebeat of a file */
	{ "{" T ",\"@metadata\":{\"beat\":\"filebeat\",\"type\":\"_doc\",\"version\":\"8.19.0\"},"
	  "\"log\":{\"offset\":12,\"file\":{\"path\":\"/a.log\"}},\"message\":\"m\","
	  "\"input\":{\"type\":\"filestream\"},\"host\":{\"name\":\"web\"},"
	  "\"agent\":{\"name\":\"web\",\"type\":\"filebeat\"},\"ecs\":{\"version\":\"8.0.0\"}}",
	  "m|host=web,|log.offset=12#,log.file.path=/a.log,input.type=filestream,agent.name=web,"
	  "agent.type=filebeat,ecs.version=8.0.0,|",
	  T_NS, false },
	/* of a pod */
	{ "{" T
	  ",\"message\":\"m\",\"kubernetes\":{\"namespace\":\"shop\",\"pod\":{\"name\":\"cart-0\","
	  "\"uid\":\"u\"},\"container\":{\"name\":\"cart\"},\"labels\":{\"app_kubernetes_io/"
	  "name\":\"c\","
	  "\"app\":\"x\",\"tier\":\"web\"}},\"container\":{\"name\":\"k8s_cart\",\"id\":\"1\"},"
	  "\"service\":{\"name\":\"s\"},\"stream\":\"stderr\"}",
	  "m|service_name=s,app=c,namespace=shop,pod=cart-0,container=cart,|kubernetes.pod.uid=u,"
	  "kubernetes.labels.app=x,kubernetes.labels.tier=web,container.name=k8s_cart,container.id="
	  "1,"
	  "stream=stderr,|",
	  T_NS, false },
	/* dotted keys, the order does not matter */
	{ "{\"agent.name\":\"a\",\"host.name\":\"h\",\"message\":\"m\"," T "}",
	  "m|host=h,|agent.name=a,|", T_NS, false },
	{ "{\"host\":\"old\",\"message\":\"m\"," T "}", "m|host=old,host=old,||", T_NS, false },
	{ "{\"host\":{\"name\":\"\"},\"agent\":{\"name\":\"a\"},\"message\":\"m\"," T "}",
	  "m|host=a,|host.name=,|", T_NS, false },
	/* values */
	{ "{" T ",\"message\":\"m\",\"tags\":[\"a\",\"b\"],\"x\":{\"y\":true,\"z\":null,\"e\":{}},"
	  "\"n\":-1.5}",
	  "m||tags=[\"a\",\"b\"],x.y=true?,x.z=0,n=-1.5#,|", T_NS, false },
	{ "{" T ",\"message\":\"m\",\"f\\u00e4\":\"\\\"\"}", "m||f\xc3\xa4=\",|", T_NS, false },
	/* levels */
	{ "{" T ",\"message\":\"m\",\"log\":{\"level\":\"WARNING\"}}",
	  "m||log.level=WARNING,detected_level=warn,|", T_NS, false },
	{ "{" T
	  ",\"message\":\"m\",\"log\":{\"level\":\"what\",\"syslog\":{\"severity\":{\"code\":3}}}}",
	  "m||log.level=what,log.syslog.severity.code=3#,detected_level=error,|", T_NS, false },
	{ "{" T ",\"message\":\"m\",\"syslog\":{\"priority\":6},\"log\":{\"level\":\"debug\"}}",
	  "m||syslog.priority=6#,log.level=debug,detected_level=debug,|", T_NS, false },
	/* without a message, or with one that is none: all of it is the line */
	{ "{" T ",\"host\":{\"name\":\"h\"},\"a\":1}",
	  "{" T ",\"host\":{\"name\":\"h\"},\"a\":1}|a=1#,host=h,||", T_NS, false },
	{ "{" T ",\"message\":{\"text\":1}}", "{" T ",\"message\":{\"text\":1}}|||", T_NS, false },
	{ "{" T ",\"message\":null}", "{" T ",\"message\":null}|||", T_NS, false },
	{ "{" T ",\"message\":5}", "{" T ",\"message\":5}|||", T_NS, false },
	{ "{" T ",\"message\":\"m\",\"host\":{\"name\":\"h\"},\"log\":{\"level\":\"info\"}}",
	  "{" T
	  ",\"message\":\"m\",\"host\":{\"name\":\"h\"},\"log\":{\"level\":\"info\"}}|host=h,|"
	  "detected_level=info,|",
	  T_NS, true },
	/* times */
	{ "{\"@timestamp\":1795275944611,\"message\":\"m\"}", "m|||", T_NS, false },
	{ "{\"@timestamp\":\"1795275944611\",\"message\":\"m\"}", "m|||", T_NS, false },
	{ "{\"@timestamp\":\"2026-11-21T15:45:44.611804851Z\",\"message\":\"m\"}", "m|||",
	  INT64_C(1795275944611804851), false },
	{ "{\"message\":\"m\"}", "m|||time_guessed", NOW, false },
	{ "{\"@timestamp\":\"today\",\"message\":\"m\"}", "m||@timestamp=today,|time_guessed", NOW,
	  false },
	{ "{\"@timestamp\":99999999999999999999,\"message\":\"m\"}",
	  "m||@timestamp=99999999999999999999#,|time_guessed", NOW, false },
	/* no event */
	{ "hello", "hello|||unparsed", NOW, false },
	{ "[1]", "[1]|||unparsed", NOW, false },
	{ "{" T ",\"message\":\"m\"", "{" T ",\"message\":\"m\"|||unparsed", NOW, false },
	{ "{}", "{}|||time_guessed", NOW, false },
};

static void events(void)
{
	struct buf out = BUF_INIT;
	int64_t ns;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		ROW(rows[i].doc);
		told(str_c(rows[i].doc), rows[i].keeps_json, &out, &ns);
		EQ_STR(buf_as_str(&out), rows[i].want);
		EQ_INT(ns, rows[i].want_ns);
	}
	buf_fini(&out);
}

static void fields_are_bounded(void)
{
	struct buf doc = BUF_INIT, out = BUF_INIT;
	int64_t ns;

	buf_c(&doc, "{\"message\":\"m\"");
	for (int i = 1; i < EVENT_FIELDS_MAX; i++)
		buf_printf(&doc, ",\"f%d\":%d", i, i);
	buf_c(&doc, "}");
	OK(!(told(buf_as_str(&doc), false, &out, &ns) & EVENT_MANY_FIELDS));
	doc.n--;
	buf_c(&doc, ",\"last\":1," T "}");
	OK(told(buf_as_str(&doc), false, &out, &ns) & EVENT_MANY_FIELDS);
	OK(str_find(buf_as_str(&out), STR("last")) == out.n);
	buf_fini(&doc);
	buf_fini(&out);
}

/* Those that are the same get times of their own, by their place among their equals. */
static void equals_get_places(void)
{
	static const struct {
		const char *line;
		int64_t ns, want;
	} same[] = { { "a", 5, 5 }, { "a", 5, 6 }, { "b", 5, 5 },
		     { "a", 6, 6 }, { "a", 5, 7 }, { "b", 5, 6 } };
	struct event_equals q = { 0 };
	char line[32];
	size_t bytes = 0;

	for (size_t i = 0; i < ARRAY_LEN(same); i++) {
		struct rec r = { .line = str_c(same[i].line), .time_ns = same[i].ns };

		bytes += event_equals_part(&q, &r);
		EQ_INT(r.time_ns, same[i].want);
	}
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 20000; i++) {
			struct rec r = { .time_ns = 0 };

			r.line = str_make(line, (size_t)snprintf(line, sizeof(line), "%d", i));
			bytes += event_equals_part(&q, &r);
			EQ_INT(r.time_ns, round);
		}
	EQ_INT(event_equals_fini(&q), bytes);
	EQ_INT(event_equals_fini(&q), 0);
}

/* A label that is configured leaves its field to the metadata. */
static void configured_labels(void)
{
	struct conf_pair pair = { STR("host"), STR("x"), true };
	struct event_names *usual = names;
	struct buf out = BUF_INIT;
	int64_t ns;

	names = event_names_new(&(struct conf_map){ 1, &pair });
	told(STR("{\"message\":\"m\",\"host\":{\"name\":\"h\"},\"service\":{\"name\":\"s\"}}"),
	     false, &out, &ns);
	EQ_STR(buf_as_str(&out), "m|service_name=s,|host.name=h,|time_guessed");
	event_names_free(names);
	names = usual;
	buf_fini(&out);
}

int main(void)
{
	struct conf_map none = { 0 };

	names = event_names_new(&none);
	RUN(events);
	RUN(configured_labels);
	RUN(fields_are_bounded);
	RUN(equals_get_places);
	event_names_free(names);
	return test_end();
}
