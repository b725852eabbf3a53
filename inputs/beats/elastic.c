/* SPDX-License-Identifier: Apache-2.0 */
/* The input that looks like Elasticsearch: options and the life of an instance. */
#include "inputs/beats/elastic.h"

static const struct conf_enum line_names[] = {
	{ "message", ELASTIC_LINE_MESSAGE,
	  "the field `message`, all others are structured metadata; an event without one is "
	  "whole" },
	{ "json", ELASTIC_LINE_JSON, "the whole event as it came" },
	{ NULL, 0, NULL },
};

static const struct conf_field elastic_fields[] = {
	HTTP_CONF_ROWS(struct elastic_conf, http, "[tcp://127.0.0.1:9200]", "100MiB", "1GiB"),
	CONF_STR(struct elastic_conf, path, NULL, "What clients have in front of every path.",
		 .example = "/tailrace"),
	CONF_MAP(struct elastic_conf, labels, NULL,
		 "Labels of every record, over those that its event gives."),
	CONF_ENUM(struct elastic_conf, line, "message", line_names, "What becomes the log line."),
	CONF_SIZE(struct elastic_conf, max_event, "1MiB", "1KiB", "64MiB",
		  "Longest event; a longer one is cut, flagged and counted. An eighth of the "
		  "memory for records is the most."),
	CONF_STR(struct elastic_conf, version, "8.19.0",
		 "Version of Elasticsearch to look like; to a Beat it is always the Beat's own.",
		 .flags = CONF_ADVANCED),
	CONF_TIME(struct elastic_conf, hold_ns, "20s", "10ms", "1m",
		  "How long an answer may wait for the events to be settled, or a body for memory; "
		  "then "
		  "the client is told to send again (503), and what is not in a push yet is "
		  "withdrawn.",
		  .key = "hold"),
};

static void elastic_check(struct conf_doc *doc, const struct conf_node *node, const void *conf)
{
	const struct elastic_conf *c = conf;

	http_conf_check(doc, node, &c->http);
	if (c->path.n && (c->path.p[0] != '/' || c->path.p[c->path.n - 1] == '/'))
		conf_error(doc, conf_get(node, "path"), "must begin with a / and not end with one");
}

static const struct conf_table elastic_table =
	CONF_TABLE(struct elastic_conf, elastic_fields, .check = elastic_check);

static size_t elastic_stages(struct conf_doc *doc, const void *conf, struct input_stage *ret)
{
	ret[0] = event_stage(doc, &((const struct elastic_conf *)conf)->labels);
	return 1;
}

static int elastic_open(struct input *in, struct err *err)
{
	struct elastic *e = in->state;

	e->input = in;
	e->conf = in->conf;
	e->max_event = event_max(in, e->conf->max_event);
	e->names = event_names_new(&e->conf->labels);
	e->reader.names = e->names;
	e->reader.keeps_json = e->conf->line == ELASTIC_LINE_JSON;
	e->asks = (struct asks){ .input = in, .ops = &elastic_asks, .hold_ns = e->conf->hold_ns };
	streams_init(&e->streams, in, &e->conf->labels);
	return http_server_new(&e->http, in->loop, in->name, &e->conf->http, &elastic_http, e, err);
}

static void elastic_start(struct input *in)
{
	http_server_start(((struct elastic *)in->state)->http);
}

static void elastic_resume(struct input *in)
{
	struct elastic *e = in->state;

	if (!e->is_stopping)
		asks_resume(&e->asks);
}

static void elastic_stop(struct input *in)
{
	struct elastic *e = in->state;

	e->is_stopping = true;
	http_server_stop(e->http);
	asks_stop(&e->asks);
}

static bool elastic_is_idle(struct input *in)
{
	const struct elastic *e = in->state;

	return !e->asks.first && http_server_is_idle(e->http);
}

static void elastic_close(struct input *in)
{
	struct elastic *e = in->state;

	http_server_free(e->http);
	asks_abandon(&e->asks);
	streams_fini(&e->streams);
	event_names_free(e->names);
}

static void elastic_doctor(struct doctor *d, const char *name, const void *conf)
{
	(void)name;
	stream_conf_doctor(d, &((const struct elastic_conf *)conf)->http.stream,
			   &(struct conf_addrs){ 0 });
}

extern const struct input_ops input_elasticsearch;
const struct input_ops input_elasticsearch = {
	.name = "elasticsearch",
	.summary = "Filebeat and whatever else sends events to Elasticsearch, and POST of JSON",
	.doc = "What `output.elasticsearch` of the Beats, Logstash, Fluent Bit, Vector and "
	       "Elastic's "
	       "clients need to send: the checks at connecting are answered so that nothing is set "
	       "up, "
	       "and `_bulk` takes `create` and `index`. Indices mean nothing here; nothing can be "
	       "searched "
	       "or deleted. `POST /ingest` takes the same events without actions: one JSON object "
	       "to a line, an array, or a single one.\n"
	       "\n"
	       "The answer comes when all events of the request are settled: delivered by every "
	       "blocking output, filtered, or refused for good and in the dead-letter file. Until "
	       "then it is held, at most for `hold`; then it is 503, which every client sends "
	       "again. A "
	       "body is taken in as there is memory for it. Events become records as those of the "
	       "input "
	       "`beats` do; one that is no JSON object is refused by itself (400).",
	.conf = &elastic_table,
	.state_size = sizeof(struct elastic),
	.stages = elastic_stages,
	.open = elastic_open,
	.start = elastic_start,
	.resume = elastic_resume,
	.stop = elastic_stop,
	.is_idle = elastic_is_idle,
	.doctor = elastic_doctor,
	.close = elastic_close,
};
