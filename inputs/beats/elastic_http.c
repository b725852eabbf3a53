/* SPDX-License-Identifier: Apache-2.0 */
/* What Elasticsearch's clients ask before they send, answered so that nothing is set up and nothing uploaded
 * (libbeat: licenser, idxmgmt, template; logstash-output-elasticsearch; elastic-transport). */
#include "inputs/beats/elastic.h"
#include "lib/http_text.h"

#define JSON "application/json"
#define FIELDS "X-Elastic-Product: Elasticsearch\r\n"
#define ACKNOWLEDGED "{\"acknowledged\":true}"

/* In Elasticsearch's form, so that clients show the reason. */
static const char *refusal(struct str type, unsigned status, const char *why, struct buf *ret)
{
	(void)type;
	buf_c(ret, "{\"error\":{\"type\":\"refused\",\"reason\":");
	buf_json_str(ret, str_c(why));
	buf_printf(ret, "},\"status\":%u}", status);
	return JSON;
}

void elastic_answer(struct http_conn *c, unsigned status, struct str body)
{
	http_answer(c, &(struct http_answer){
			       .status = status, .type = JSON, .body = body, .fields = FIELDS });
}

void elastic_refuse(struct http_conn *c, unsigned status, const char *why)
{
	struct buf body = BUF_INIT;

	refusal(STR_NONE, status, why, &body);
	http_answer(c,
		    &(struct http_answer){ .status = status,
					   .type = JSON,
					   .body = buf_as_str(&body),
					   .fields = FIELDS,
					   .retry_after_s = status == 503 ? ELASTIC_RETRY_S : 0 });
	buf_fini(&body);
}

/* "x.y.z" of "Elastic-filebeat/x.y.z (..)": a Beat wants a server that is not older. */
static struct str beat_version(struct str agent)
{
	size_t n = 0;

	if (!str_starts(agent, STR("Elastic-")))
		return STR_NONE;
	str_cut(&agent, '/');
	while (n < agent.n && n < 20 && agent.p[n] != ' ' && agent.p[n] != '-' &&
	       ((agent.p[n] >= '0' && agent.p[n] <= '9') || agent.p[n] == '.'))
		n++;
	return str_sub(agent, 0, n);
}

static void answer_root(struct http_conn *c, const struct http1_head *head)
{
	const struct elastic *e = http_ctx(c);
	struct str version = beat_version(http1_field(head, STR("user-agent")));
	struct buf body = BUF_INIT;

	if (!version.n)
		version = e->conf->version;
	buf_c(&body, "{\"name\":\"tailrace\",\"cluster_name\":\"tailrace\","
		     "\"cluster_uuid\":\"dGFpbHJhY2UtdGFpbHJhYw\",\"version\":{\"number\":");
	buf_json_str(&body, version);
	buf_c(&body,
	      ",\"build_flavor\":\"default\",\"build_type\":\"deb\","
	      "\"build_hash\":\"0000000000000000000000000000000000000000\","
	      "\"build_date\":\"2026-01-01T00:00:00.000000000Z\",\"build_snapshot\":false,"
	      "\"lucene_version\":\"9.12.0\",\"minimum_wire_compatibility_version\":\"7.17.0\","
	      "\"minimum_index_compatibility_version\":\"7.0.0\"},"
	      "\"tagline\":\"You Know, for Search\"}");
	elastic_answer(c, 200, buf_as_str(&body));
	buf_fini(&body);
}

static const struct {
	const char *path; /* with '/' at its end: what is below */
	const char *read,
		*write; /* answers to GET and HEAD, to PUT and POST; NULL: there is none */
} fixed[] = {
	{ "/_license",
	  "{\"license\":{\"uid\":\"00000000-0000-0000-0000-000000000000\",\"type\":\"basic\","
	  "\"status\":\"active\",\"mode\":\"basic\",\"expiry_date_in_millis\":4102444800000}}",
	  NULL },
	{ "/_xpack",
	  "{\"license\":{\"type\":\"basic\",\"mode\":\"basic\",\"status\":\"active\"},"
	  "\"features\":{\"ilm\":{\"available\":true,\"enabled\":true}}}",
	  NULL },
	{ "/_ilm/policy/", "{}", ACKNOWLEDGED },
	{ "/_index_template/", "{}", ACKNOWLEDGED },
	{ "/_component_template/", "{}", ACKNOWLEDGED },
	{ "/_template/", "{}", ACKNOWLEDGED },
	{ "/_ingest/pipeline/", "{}", ACKNOWLEDGED },
	{ "/_data_stream/", "{}", ACKNOWLEDGED },
	{ "/_cluster/health",
	  "{\"cluster_name\":\"tailrace\",\"status\":\"green\",\"timed_out\":false,"
	  "\"number_of_nodes\":1,\"number_of_data_nodes\":1}",
	  NULL },
	{ "/_cat/health", "[{\"cluster\":\"tailrace\",\"status\":\"green\"}]", NULL },
	{ "/_monitoring/bulk", NULL, "{\"took\":0,\"ignored\":true,\"errors\":false}" },
};

static bool is_below(struct str path, struct str of)
{
	return of.p[of.n - 1] == '/' ? str_starts(path, of) && path.n > of.n : str_eq(path, of);
}

static void answer_fixed(struct http_conn *c, struct str path, bool reads, bool writes)
{
	for (size_t i = 0; i < ARRAY_LEN(fixed); i++) {
		if (!is_below(path, str_c(fixed[i].path)))
			continue;
		if (reads && fixed[i].read)
			elastic_answer(c, 200, str_c(fixed[i].read));
		else if (writes && fixed[i].write)
			http_set_user(c, elastic_request_new(http_ctx(c), c, ELASTIC_PASS, STR_NONE,
							     fixed[i].write));
		else
			elastic_refuse(c, 405, "this method is not taken here");
		return;
	}
	elastic_refuse(c, 404, "only what senders of events ask for is answered here");
}

/* What is behind the configured prefix. */
static struct str own_path(const struct elastic *e, struct str path)
{
	struct str prefix = e->conf->path;

	if (prefix.n && str_starts(path, prefix) && (path.n == prefix.n || path.p[prefix.n] == '/'))
		path = str_skip(path, prefix.n);
	while (path.n > 1 && path.p[path.n - 1] == '/')
		path.n--;
	return path.n ? path : STR("/");
}

static void begin_events(struct http_conn *c, const struct http1_head *head, enum elastic_kind kind)
{
	struct str tenant = http1_field(head, STR("x-scope-orgid"));
	struct elastic_request *r;

	if ((tenant.n && !tenant_is_valid(tenant)) ||
	    http1_is_repeated(head, STR("x-scope-orgid"))) {
		elastic_refuse(c, 400, "X-Scope-OrgID is no tenant");
		return;
	}
	r = elastic_request_new(http_ctx(c), c, kind, tenant, NULL);
	if (r)
		http_set_user(c, r);
	else
		elastic_refuse(c, 503, "too many clients");
}

static void on_request(struct http_conn *c, const struct http1_head *head)
{
	struct str path = own_path(http_ctx(c), head->path);
	bool reads = str_is(head->method, "GET") || str_is(head->method, "HEAD");
	bool writes = str_is(head->method, "POST") || str_is(head->method, "PUT");
	bool is_bulk = str_ends(path, STR("/_bulk"));

	if ((is_bulk || str_is(path, "/ingest")) && writes)
		begin_events(c, head, is_bulk ? ELASTIC_BULK : ELASTIC_INGEST);
	else if (str_is(path, "/") && reads)
		answer_root(c, head);
	else
		answer_fixed(c, path, reads, writes);
}

static size_t on_body(struct http_conn *c, struct str bytes)
{
	return elastic_request_bytes(http_user(c), bytes);
}

static void on_end(struct http_conn *c)
{
	elastic_request_end(http_user(c));
}

static void on_gone(struct http_conn *c)
{
	elastic_request_gone(http_user(c));
}

const struct http_ops elastic_http = {
	.on_request = on_request,
	.on_body = on_body,
	.on_end = on_end,
	.on_gone = on_gone,
	.refusal = refusal,
};
