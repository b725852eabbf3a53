/* SPDX-License-Identifier: Apache-2.0 */
/* The Loki push receiver: options and the life of an instance. */
#include "inputs/lokipush/lokipush.h"

#include "lib/log.h"

static const struct conf_field lokipush_fields[] = {
	HTTP_CONF_ROWS(struct lokipush_conf, http, "[tcp://127.0.0.1:3500]", "4MiB", "1GiB"),
	CONF_MAP(struct lokipush_conf, labels, NULL,
		 "Labels of every stream, over those that come with it."),
	CONF_TIME(struct lokipush_conf, hold_ns, "5s", "10ms", "1m",
		  "How long an answer may wait for the records to be settled; then the client is "
		  "told to send again (503), and what is not in a push yet is withdrawn.",
		  .key = "hold"),
};

static void lokipush_check(struct conf_doc *doc, const struct conf_node *node, const void *conf)
{
	http_conf_check(doc, node, &((const struct lokipush_conf *)conf)->http);
}

static const struct conf_table lokipush_table =
	CONF_TABLE(struct lokipush_conf, lokipush_fields, .check = lokipush_check);

static int lokipush_open(struct input *in, struct err *err)
{
	struct lokipush *lp = in->state;
	size_t quarter = (size_t)in->budget->total_bytes / 4;

	lp->input = in;
	lp->conf = in->conf;
	lp->asks =
		(struct asks){ .input = in, .ops = &lokipush_asks, .hold_ns = lp->conf->hold_ns };
	streams_init(&lp->streams, in, &lp->conf->labels);
	lp->max_bytes = lp->conf->http.max_body < quarter ? lp->conf->http.max_body : quarter;
	if (lp->max_bytes < lp->conf->http.max_body)
		log_info("max_body is more than a quarter of what the pipeline has of memory",
			 KV_S("input", in->name), KV_I("largest_push_bytes", lp->max_bytes));
	return http_server_new(&lp->server, in->loop, in->name, &lp->conf->http, &lokipush_http, lp,
			       err);
}

static void lokipush_start(struct input *in)
{
	struct lokipush *lp = in->state;

	http_server_start(lp->server);
}

static void lokipush_resume(struct input *in)
{
	struct lokipush *lp = in->state;

	if (!lp->is_stopping)
		asks_resume(&lp->asks);
}

static void lokipush_stop(struct input *in)
{
	struct lokipush *lp = in->state;

	lp->is_stopping = true;
	http_server_stop(lp->server);
	asks_stop(&lp->asks);
}

static bool lokipush_is_idle(struct input *in)
{
	const struct lokipush *lp = in->state;

	return !lp->asks.first && http_server_is_idle(lp->server);
}

static void lokipush_close(struct input *in)
{
	struct lokipush *lp = in->state;

	http_server_free(lp->server);
	asks_abandon(&lp->asks);
	streams_fini(&lp->streams);
}

static void lokipush_doctor(struct doctor *d, const char *name, const void *conf)
{
	(void)name;
	stream_conf_doctor(d, &((const struct lokipush_conf *)conf)->http.stream,
			   &(struct conf_addrs){ 0 });
}

extern const struct input_ops input_loki;
const struct input_ops input_loki = {
	.name = "loki",
	.summary = "Loki's push API, for Promtail, Alloy, Docker's driver or another Tailrace",
	.doc = "`POST /loki/api/v1/push` (and `/api/prom/push`) with protobuf in Snappy or JSON "
	       "(`streams`, with structured metadata), also gzip. Streams keep their labels, times "
	       "are never changed, and `X-Scope-OrgID` stays the tenant.\n"
	       "\n"
	       "The answer is 204 when all records of the request are settled: delivered by every "
	       "blocking output, filtered, or refused for good and in the dead-letter file. Until "
	       "then it is held, at most for `hold`. What cannot be read is refused whole (400). "
	       "Without memory a request waits, too; a client that leaves takes back what was not "
	       "in a push yet.",
	.conf = &lokipush_table,
	.state_size = sizeof(struct lokipush),
	.open = lokipush_open,
	.start = lokipush_start,
	.resume = lokipush_resume,
	.stop = lokipush_stop,
	.is_idle = lokipush_is_idle,
	.doctor = lokipush_doctor,
	.close = lokipush_close,
};
