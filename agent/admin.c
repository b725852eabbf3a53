/* SPDX-License-Identifier: Apache-2.0 */
/* The doors of the operator, and the table of what is answered behind them. */
#include <errno.h>
#include <unistd.h>

#include "agent/admin_impl.h"
#include "agent/agent_conf.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/http_text.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/metric.h"

#define TIMEOUT_NS (5 * NS_PER_S)
#define CONNECTIONS_MAX 16
#define TEXT_PLAIN "text/plain; charset=utf-8"

void admin_answer(struct http_conn *c, unsigned status, const char *type, const struct buf *body)
{
	http_answer(c, &(struct http_answer){ .status = status,
					      .type = type,
					      .body = buf_as_str(body),
					      .fields = "Cache-Control: no-store\r\n"
							"X-Content-Type-Options: nosniff\r\n" });
}

static void answer_metrics(struct admin *a, struct http_conn *c, const struct http1_head *head)
{
	struct str accept = http1_field(head, STR("accept"));
	double open_q = http_accepts(accept, STR("application/openmetrics-text"));
	bool is_open = open_q > 0 && open_q >= http_accepts(accept, STR("text/plain"));
	enum metric_format format = is_open ? METRIC_OPEN : METRIC_TEXT;
	struct buf body = BUF_INIT;

	agent_measure(a->agent);
	metrics_render(&body, format);
	admin_answer(c, 200, metric_media_type(format), &body);
	buf_fini(&body);
}

static void answer_ready(struct admin *a, struct http_conn *c, const struct http1_head *head)
{
	const char *why = agent_unready(a->agent);

	(void)head;
	http_answer_text(c, why ? 503 : 200, why ? why : "ready");
}

static void answer_healthz(struct admin *a, struct http_conn *c, const struct http1_head *head)
{
	(void)a;
	(void)head;
	http_answer_text(c, 200, "ok");
}

static void answer_config(struct admin *a, struct http_conn *c, const struct http1_head *head)
{
	struct buf body = BUF_INIT;

	(void)head;
	if (a->agent->plan->config)
		config_render(a->agent->plan->config, &body, true);
	admin_answer(c, 200, TEXT_PLAIN, &body);
	buf_fini(&body);
}

/* ---- the table ---- */

enum who {
	ANYBODY,
	THIS_MACHINE, /* somebody on it, and not a page of somewhere else that was resolved to here */
	CONTROL,      /* only over the socket */
};

static const struct {
	const char *method; /* GET stands for HEAD, too */
	const char *path;
	enum who who;
	/* Answers now, or later: see struct admin_held. */
	void (*answer)(struct admin *a, struct http_conn *c, const struct http1_head *head);
} requests[] = {
	{ "GET", "/metrics", ANYBODY, answer_metrics },
	{ "GET", "/ready", ANYBODY, answer_ready },
	{ "GET", "/healthz", ANYBODY, answer_healthz },
	{ "GET", "/", THIS_MACHINE, admin_page },
	{ "GET", "/status", THIS_MACHINE, admin_status },
	{ "GET", "/config", THIS_MACHINE, answer_config },
	{ "GET", "/tap", CONTROL, admin_tap },
	{ "POST", "/reload", CONTROL, admin_reload },
};

/* An address, or localhost: a name of somewhere else would be a browser that was led here. */
static bool is_own_name(struct str host)
{
	if (str_starts(host, STR("[")))
		return true;
	host = str_cut(&host, ':');
	if (str_ieq(host, STR("localhost")))
		return true;
	for (size_t i = 0; i < host.n; i++)
		if (host.p[i] != '.' && (host.p[i] < '0' || host.p[i] > '9'))
			return false;
	return true;
}

static bool is_this_machine(struct http_conn *c, const struct http1_head *head)
{
	struct str peer = http_peer(c);

	return (str_starts(peer, STR("127.")) || str_is(peer, "::1")) &&
	       is_own_name(http1_field(head, STR("host")));
}

static bool may(const struct admin_door *door, struct http_conn *c, const struct http1_head *head,
		enum who who)
{
	if (door->is_control)
		return net_unix_peer_may(http_fd(c), door->group);
	return who == ANYBODY || (who == THIS_MACHINE && is_this_machine(c, head));
}

static bool is_method(struct str method, const char *wanted)
{
	return str_is(method, wanted) || (str_is(method, "HEAD") && !strcmp(wanted, "GET"));
}

static void on_request(struct http_conn *c, const struct http1_head *head)
{
	struct admin_door *door = http_ctx(c);

	for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
		if (!str_is(head->path, requests[i].path))
			continue;
		if (!may(door, c, head, requests[i].who))
			http_answer_text(c, 403,
					 requests[i].who == CONTROL && !door->is_control
						 ? "only over the control socket"
						 : "only for this machine's own users");
		else if (!is_method(head->method, requests[i].method))
			http_answer(
				c, &(struct http_answer){ .status = 405,
							  .type = "text/plain",
							  .body = STR("not with this method\n"),
							  .fields = requests[i].method[0] == 'G'
									    ? "Allow: GET, HEAD\r\n"
									    : "Allow: POST\r\n" });
		else
			requests[i].answer(door->admin, c, head);
		return;
	}
	http_answer_text(c, 404, "try /metrics, /ready, /healthz or /status");
}

/* No request has a body. */
static size_t on_body(struct http_conn *c, struct str bytes)
{
	(void)c;
	return bytes.n;
}

static void on_end(struct http_conn *c)
{
	(void)c;
}

static void on_gone(struct http_conn *c)
{
	struct admin_held *held = http_user(c);

	if (held)
		held->gone(held);
}

static const struct http_ops ops = {
	.on_request = on_request, .on_body = on_body, .on_end = on_end, .on_gone = on_gone
};

/* ---- doors ---- */

static int open_door(struct admin_door *door, const char *name, struct err *err)
{
	int rc;

	door->conf = (struct http_conf){
		.stream = { .listen = { 1, &door->addr },
			    .max_connections = CONNECTIONS_MAX,
			    .peer_ipv6_bits = 64,
			    .handshake_timeout_ns = TIMEOUT_NS,
			    .socket_mode = door->group < 0 ? STR("0600") : STR("0666") },
		.header_timeout_ns = TIMEOUT_NS,
		.body_timeout_ns = TIMEOUT_NS,
		.min_body_rate = 1024,
		.idle_timeout_ns = 60 * NS_PER_S,
		.max_body = SIZE_MAX, /* on_request() has more to say */
	};
	rc = http_server_new(&door->server, door->admin->agent->loop, name, &door->conf, &ops, door,
			     err);
	if (rc < 0)
		return rc;
	http_server_start(door->server);
	return 0;
}

static int open_port(struct admin *a, const struct plan *plan, struct err *err)
{
	a->port = (struct admin_door){ .admin = a, .addr = plan->admin, .group = -1 };
	if (!plan->admin.scheme)
		return 0;
	if (open_door(&a->port, "admin", err) < 0)
		return err->code;
	log_info("admin port is open", KV("address", plan->admin.text));
	return 0;
}

/* Its mode is no more than a first hurdle: who connects is told by the kernel, with all its groups. So the file
 * need not be given to the group, which a service without privileges could not do. */
static void open_control(struct admin *a, const struct plan *plan)
{
	struct str path = str_c(plan->admin_socket), group = str_c(plan->admin_group);
	struct err err = ERR_NONE;

	a->control = (struct admin_door){
		.admin = a,
		.addr = { .scheme = CONF_UNIX, .path = path, .text = path },
		.is_control = true,
		.group = group.n ? net_group_id(group) : -1,
	};
	if (!path.n)
		return;
	if (group.n && a->control.group < 0)
		log_error("there is no such group: it may not use the control socket",
			  KV("group", group));
	if (open_door(&a->control, "control", &err) < 0)
		log_error("the control socket cannot be opened: no status, top, tap and reload",
			  KV_ERR(&err));
}

int admin_new(struct agent *agent, struct admin **ret, struct err *err)
{
	struct admin *a = mem_zalloc(sizeof(*a));
	int rc;

	a->agent = agent;
	a->status = status_desk_new(a);
	a->tap = tap_desk_new(a);
	rc = open_port(a, agent->plan, err);
	if (rc < 0) {
		admin_free(a);
		return rc;
	}
	open_control(a, agent->plan);
	*ret = a;
	return 0;
}

void admin_stop(struct admin *a)
{
	if (a)
		tap_desk_stop(a->tap);
}

void admin_free(struct admin *a)
{
	if (!a)
		return;
	if (a->control.server)
		unlink(a->control.addr.path.p);
	http_server_free(a->port.server);
	http_server_free(a->control.server);
	status_desk_free(a->status);
	tap_desk_free(a->tap);
	mem_free(a);
}
