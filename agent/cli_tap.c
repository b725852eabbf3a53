/* SPDX-License-Identifier: Apache-2.0 */
/* `tailrace tap`: asks for what has come, again and again, until somebody stops it. */
#include <errno.h>

#include "agent/cli_common.h"
#include "agent/control_client.h"

#define TIMEOUT_MS 10000

/* Of a name of ours nothing needs more than this; of others the agent says what is wrong. */
static void put_value(struct buf *out, const char *name, const char *value)
{
	if (!value)
		return;
	buf_printf(out, "&%s=", name);
	for (; *value; value++)
		buf_printf(out, "%%%02x", (unsigned char)*value);
}

static int ask(const struct cli_args *args, struct buf *target, struct control_answer *ret,
	       struct err *err)
{
	int rc = cli_ask(args, "GET", buf_cstr(target), TIMEOUT_MS, ret, err);

	buf_fini(target);
	if (rc < 0 || ret->status == 200)
		return rc;
	rc = err_set(err, -EPERM, "the agent says: " STR_FMT,
		     STR_ARG(str_rtrim(buf_as_str(&ret->body))));
	buf_fini(&ret->body);
	return rc;
}

static int open_session(const struct cli_args *args, uint64_t *ret, struct err *err)
{
	struct buf target = BUF_INIT;
	struct control_answer answer;
	int rc;

	buf_printf(&target, "/tap?format=%s&where=%s", args->json ? "json" : "text",
		   args->before ? "before" : "after");
	put_value(&target, "pipeline", args->pipeline);
	put_value(&target, "stage", args->stage);
	if (args->rate)
		buf_printf(&target, "&rate=%s", args->rate);
	rc = ask(args, &target, &answer, err);
	if (rc == 0 && !str_u64(str_rtrim(buf_as_str(&answer.body)), ret))
		rc = err_set(err, -EPROTO, "whoever listens there is no agent of this kind");
	buf_fini(&answer.body);
	return rc;
}

/* A record begins where a line is not indented. True: enough of them. */
static bool print(struct str text, uint64_t limit, uint64_t *n)
{
	while (text.n) {
		struct str line = str_cut(&text, '\n');

		if (line.n && line.p[0] != ' ' && line.p[0] != '[' && (*n)++ == limit)
			return true;
		printf(STR_FMT "\n", STR_ARG(line));
	}
	return fflush(stdout) || ferror(stdout) || *n >= limit;
}

/* 1: enough. */
static int poll_session(const struct cli_args *args, uint64_t session, uint64_t limit, uint64_t *n,
			struct err *err)
{
	struct buf target = BUF_INIT;
	struct control_answer answer;
	int rc;

	buf_printf(&target, "/tap?session=%llu", (unsigned long long)session);
	rc = ask(args, &target, &answer, err);
	if (rc == 0)
		rc = print(buf_as_str(&answer.body), limit, n);
	buf_fini(&answer.body);
	return rc;
}

static void close_session(const struct cli_args *args, uint64_t session)
{
	struct buf target = BUF_INIT;
	struct control_answer answer;
	struct err err = ERR_NONE;

	buf_printf(&target, "/tap?session=%llu&close=1", (unsigned long long)session);
	if (ask(args, &target, &answer, &err) == 0)
		buf_fini(&answer.body);
}

int cli_tap(const struct cli_args *args)
{
	uint64_t session = 0, limit = UINT64_MAX, n = 0;
	struct buf path = BUF_INIT;
	struct cli_args a = *args;
	struct err err = ERR_NONE;
	int rc;

	if (args->limit && (!str_u64(str_c(args->limit), &limit) || !limit)) {
		err_set(&err, -EINVAL, "--limit is a number of records, 1 or more");
		return cli_wrong(&err);
	}
	if (cli_socket(args, &path, &err) < 0)
		return cli_fail(&err);
	a.socket = buf_cstr(&path);
	rc = open_session(&a, &session, &err);
	while (rc == 0)
		rc = poll_session(&a, session, limit, &n, &err);
	if (rc == 1)
		close_session(&a, session);
	buf_fini(&path);
	return rc < 0 ? cli_fail(&err) : 0;
}
