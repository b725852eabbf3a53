/* SPDX-License-Identifier: Apache-2.0 */
/* The Beats input: options and the life of an instance. */
#include "inputs/beats/beats.h"

#include "lib/mem.h"

static const struct conf_enum line_names[] = {
	{ "message", BEATS_LINE_MESSAGE,
	  "the field `message`, all others are structured metadata; an event without one is "
	  "whole" },
	{ "json", BEATS_LINE_JSON, "the whole event as it came" },
	{ NULL, 0, NULL },
};

static const struct conf_field beats_fields[] = {
	STREAM_CONF_ROWS(struct beats_conf, stream, "[tcp://127.0.0.1:5044]"),
	CONF_MAP(struct beats_conf, labels, NULL,
		 "Labels of every record, over those that its event gives."),
	CONF_ENUM(struct beats_conf, line, "message", line_names, "What becomes the log line."),
	CONF_SIZE(struct beats_conf, max_event, "1MiB", "1KiB", "64MiB",
		  "Longest event; a longer one is cut, flagged and counted. An eighth of the "
		  "memory for records is the most."),
	CONF_INT(struct beats_conf, max_window, "16384", "1", "1048576",
		 "Most events that want one acknowledgement (`bulk_max_size` of the Beats); a "
		 "client that has more is refused."),
	CONF_TIME(struct beats_conf, keepalive_ns, "5s", "10ms", "1m",
		  "How often a client that waits for its acknowledgement is told that its events "
		  "are being worked on. Beats wait for 30 s.",
		  .key = "keepalive", .flags = CONF_ADVANCED),
	CONF_TIME(struct beats_conf, stall_timeout_ns, "30s", "10ms", "1h",
		  "Close a connection that sends nothing within a window for this long. Time in "
		  "which we do not read does not count.",
		  .key = "stall_timeout", .flags = CONF_ADVANCED),
	CONF_TIME(struct beats_conf, window_timeout_ns, "5m", "10ms", "1h",
		  "Time for a whole window.", .key = "window_timeout", .flags = CONF_ADVANCED),
	CONF_TIME(struct beats_conf, idle_timeout_ns, "15m", "1s", "24h",
		  "Close a connection that has nothing to send for this long.",
		  .key = "idle_timeout"),
};

static void beats_check(struct conf_doc *doc, const struct conf_node *node, const void *conf)
{
	stream_conf_check(doc, node, &((const struct beats_conf *)conf)->stream);
}

static const struct conf_table beats_table =
	CONF_TABLE(struct beats_conf, beats_fields, .check = beats_check);

static size_t beats_stages(struct conf_doc *doc, const void *conf, struct input_stage *ret)
{
	ret[0] = event_stage(doc, &((const struct beats_conf *)conf)->labels);
	return 1;
}

static int beats_open(struct input *in, struct err *err)
{
	struct beats *beats = in->state;

	beats->input = in;
	beats->conf = in->conf;
	beats->max_event = event_max(in, beats->conf->max_event);
	beats->names = event_names_new(&beats->conf->labels);
	beats->reader.names = beats->names;
	beats->reader.keeps_json = beats->conf->line == BEATS_LINE_JSON;
	beats->scratch = mem_alloc(BEATS_READ_BYTES);
	beats->connections = metric_get(METRIC_INPUT_CONNECTIONS, "input", in->name, NULL);
	beats->server =
		stream_server_new(in->loop, in->name, &beats->conf->stream, &beats_stream, beats);
	return stream_server_open(beats->server, err);
}

static void beats_start(struct input *in)
{
	stream_server_start(((struct beats *)in->state)->server);
}

static void beats_resume(struct input *in)
{
	sessions_resume(in->state);
}

static void beats_stop(struct input *in)
{
	struct beats *beats = in->state;

	stream_server_stop(beats->server);
	sessions_stop(beats);
}

static bool beats_is_idle(struct input *in)
{
	return !((const struct beats *)in->state)->sessions;
}

static void beats_close(struct input *in)
{
	struct beats *beats = in->state;

	if (beats->server)
		stream_server_stop(beats->server);
	sessions_abandon(beats);
	stream_server_free(beats->server);
	event_names_free(beats->names);
	mem_free(beats->scratch);
}

static void beats_doctor(struct doctor *d, const char *name, const void *conf)
{
	(void)name;
	stream_conf_doctor(d, &((const struct beats_conf *)conf)->stream,
			   &(struct conf_addrs){ 0 });
}

extern const struct input_ops input_beats;
const struct input_ops input_beats = {
	.name = "beats",
	.summary = "Filebeat and other Beats, Elastic Agent and Logstash, over the Lumberjack "
		   "protocol",
	.doc = "What `output.logstash` of the Beats speaks: version 2 of the protocol, over TCP "
	       "and TLS, "
	       "with compression. A window of events is acknowledged when all of them are settled: "
	       "delivered by every blocking output, filtered, or refused for good and in the "
	       "dead-letter file. Until then the client is told to wait, and nothing more is read "
	       "than there is memory for. What a client has to send again it sends with the same "
	       "times, so "
	       "that Loki has it once.\n"
	       "\n"
	       "Of an event, `@timestamp` is the time and `message` the line. These become labels, "
	       "besides `job` (the name of the input): `host` (`host.name`, else `agent.name`), "
	       "`service_name` (`service.name`), `app` (the Kubernetes label), `namespace`, `pod` "
	       "and "
	       "`container`. `detected_level` is made of `log.level` or a syslog severity. All "
	       "other "
	       "fields are structured metadata, objects flattened to names with dots "
	       "(`log.file.path`), which Loki writes with underscores; stages find all of them by "
	       "these names, also `@metadata.*`, which is not sent, and what became a label.\n"
	       "\n"
	       "An event that is no JSON object is kept as it came, flagged `unparsed` and "
	       "counted.",
	.conf = &beats_table,
	.state_size = sizeof(struct beats),
	.stages = beats_stages,
	.open = beats_open,
	.start = beats_start,
	.resume = beats_resume,
	.stop = beats_stop,
	.is_idle = beats_is_idle,
	.doctor = beats_doctor,
	.close = beats_close,
};
