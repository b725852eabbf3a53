/* SPDX-License-Identifier: Apache-2.0 */
/* The OTLP receiver: options and the life of an instance. */
#include "inputs/otlp/otlp.h"

#include "lib/log.h"
#include "lib/mem.h"

/* Loki's default list (distributor.otlp.default_resource_attributes_as_index_labels). */
#define RESOURCE_LABELS                                                                            \
	"[service.name, service.namespace, service.instance.id, deployment.environment, "          \
	"deployment.environment.name, cloud.region, cloud.availability_zone, k8s.cluster.name, "   \
	"k8s.namespace.name, k8s.pod.name, k8s.container.name, container.name, "                   \
	"k8s.replicaset.name, k8s.deployment.name, k8s.statefulset.name, k8s.daemonset.name, "     \
	"k8s.cronjob.name, k8s.job.name]"

static const struct conf_field otlp_fields[] = {
	HTTP_CONF_ROWS(struct otlp_conf, http, "[tcp://127.0.0.1:4318]", "4MiB", "1GiB"),
	CONF_ADDRS(
		struct otlp_conf, grpc_listen, "[tcp://127.0.0.1:4317]",
		CONF_TCP | CONF_TLS | CONF_UNIX | CONF_SYSTEMD | CONF_SYSTEMD_TLS,
		"The same for OTLP/gRPC; `[]` switches it off. All other options hold for both."),
	CONF_INT(struct otlp_conf, max_streams, "100", "1", "10000",
		 "Requests at once on one gRPC connection.", .flags = CONF_ADVANCED),
	CONF_TIME(struct otlp_conf, max_age_ns, "1h", "0s", "24h",
		  "Ask a gRPC client to connect anew after this long, so that load balancers and "
		  "changed certificates take effect; 0 is never.",
		  .key = "max_connection_age", .flags = CONF_ADVANCED),
	CONF_LIST(struct otlp_conf, resource_labels, RESOURCE_LABELS,
		  "Attributes of the resource that become labels, as Loki names them "
		  "(`service.name` is `service_name`); all others are structured metadata. The "
		  "default is Loki's."),
	CONF_MAP(struct otlp_conf, labels, NULL,
		 "Labels of every stream, over those that come with it."),
	CONF_TIME(struct otlp_conf, hold_ns, "5s", "10ms", "1m",
		  "How long an answer may wait for the records to be settled; then the client is "
		  "told to send again (503), and what is not in a push yet is withdrawn.",
		  .key = "hold"),
};

static void otlp_conf_check(struct conf_doc *doc, const struct conf_node *node, const void *conf)
{
	const struct otlp_conf *c = conf;

	http_conf_check(doc, node, &c->http);
	for (size_t i = 0; i < c->grpc_listen.n; i++)
		if (c->grpc_listen.items[i].scheme & (CONF_TLS | CONF_SYSTEMD_TLS) &&
		    !c->http.stream.tls.cert_file.n)
			conf_error(doc, conf_get(node, "grpc_listen"),
				   STR_FMT " needs tls.cert_file and tls.key_file",
				   STR_ARG(c->grpc_listen.items[i].text));
}

static const struct conf_table otlp_table =
	CONF_TABLE(struct otlp_conf, otlp_fields, .check = otlp_conf_check);

static int open_grpc(struct otlp *o, struct err *err)
{
	const struct http_conf *http = &o->conf->http;
	struct buf name = BUF_INIT;

	if (!o->conf->grpc_listen.n)
		return 0;
	buf_printf(&name, "%s/grpc", o->input->name);
	o->grpc_name = mem_strdup(buf_cstr(&name));
	buf_fini(&name);
	o->grpc_conf = (struct h2_conf){
		.stream = http->stream,
		.auth = &http->auth,
		.header_timeout_ns = http->header_timeout_ns,
		.body_timeout_ns = http->body_timeout_ns,
		.idle_timeout_ns = http->idle_timeout_ns,
		.min_body_rate = http->min_body_rate,
		.max_streams = o->conf->max_streams,
		.max_age_ns = o->conf->max_age_ns,
	};
	o->grpc_conf.stream.listen = o->conf->grpc_listen;
	return h2_server_new(&o->grpc, o->input->loop, o->grpc_name, &o->grpc_conf, &otlp_grpc, o,
			     err);
}

static int otlp_open(struct input *in, struct err *err)
{
	struct otlp *o = in->state;
	size_t quarter = (size_t)in->budget->total_bytes / 4;
	int rc;

	o->input = in;
	o->conf = in->conf;
	o->asks = (struct asks){ .input = in, .ops = &otlp_asks, .hold_ns = o->conf->hold_ns };
	streams_init(&o->streams, in, &o->conf->labels);
	o->max_bytes = o->conf->http.max_body < quarter ? o->conf->http.max_body : quarter;
	if (o->max_bytes < o->conf->http.max_body)
		log_info("max_body is more than a quarter of what the pipeline has of memory",
			 KV_S("input", in->name), KV_I("largest_request_bytes", o->max_bytes));
	rc = http_server_new(&o->http, in->loop, in->name, &o->conf->http, &otlp_http, o, err);
	return rc < 0 ? rc : open_grpc(o, err);
}

static void otlp_start(struct input *in)
{
	struct otlp *o = in->state;

	http_server_start(o->http);
	if (o->grpc)
		h2_server_start(o->grpc);
}

static void otlp_resume(struct input *in)
{
	struct otlp *o = in->state;

	if (!o->is_stopping)
		asks_resume(&o->asks);
}

static void otlp_stop(struct input *in)
{
	struct otlp *o = in->state;

	o->is_stopping = true;
	http_server_stop(o->http);
	if (o->grpc)
		h2_server_stop(o->grpc);
	asks_stop(&o->asks);
}

static bool otlp_is_idle(struct input *in)
{
	const struct otlp *o = in->state;

	return !o->asks.first && http_server_is_idle(o->http) &&
	       (!o->grpc || h2_server_is_idle(o->grpc));
}

static void otlp_close(struct input *in)
{
	struct otlp *o = in->state;

	http_server_free(o->http);
	h2_server_free(o->grpc);
	mem_free(o->grpc_name);
	asks_abandon(&o->asks);
	streams_fini(&o->streams);
	buf_fini(&o->text);
}

static void otlp_doctor(struct doctor *d, const char *name, const void *conf)
{
	const struct otlp_conf *c = conf;

	(void)name;
	stream_conf_doctor(d, &c->http.stream, &c->grpc_listen);
}

extern const struct input_ops input_otlp;
const struct input_ops input_otlp = {
	.name = "otlp",
	.summary = "Logs of OpenTelemetry SDKs and Collectors, by OTLP/gRPC and OTLP/HTTP",
	.doc = "gRPC (`LogsService/Export`, with prior knowledge or TLS) and `POST /v1/logs` with "
	       "protobuf or "
	       "JSON, all of them also in gzip. Labels, structured metadata, "
	       "line and "
	       "time of a record are those that Loki's own OTLP endpoint gives it: attributes of "
	       "the "
	       "resource in `resource_labels` are labels, all others, and what else a record has "
	       "(`trace_id`, `span_id`, `severity_text`, `scope_name` ...), structured metadata. "
	       "`X-Scope-OrgID`, if it is sent, is the tenant.\n"
	       "\n"
	       "The answer is 200 when all records of the request are settled: delivered by every "
	       "blocking output, filtered, or refused for good and in the dead-letter file. Until "
	       "then it is held, at most for `hold`; then it is 503 (gRPC: `UNAVAILABLE`), which "
	       "every client sends again. Times are never changed, so Loki drops what it has "
	       "already. What cannot be "
	       "read is refused whole (400, `INVALID_ARGUMENT`).",
	.conf = &otlp_table,
	.state_size = sizeof(struct otlp),
	.open = otlp_open,
	.start = otlp_start,
	.resume = otlp_resume,
	.stop = otlp_stop,
	.is_idle = otlp_is_idle,
	.doctor = otlp_doctor,
	.close = otlp_close,
};
