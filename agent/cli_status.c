/* SPDX-License-Identifier: Apache-2.0 */
/* `tailrace status` and `top`: the agent says it all, this shows it. */
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "agent/cli_common.h"
#include "agent/control_client.h"
#include "lib/clock.h"

#define TIMEOUT_MS 10000

int cli_socket(const struct cli_args *args, struct buf *ret, struct err *err)
{
	struct config *c;
	int rc = 0;

	if (args->socket) {
		buf_c(ret, args->socket);
		return 0;
	}
	c = cli_load(args->config, false);
	if (!c)
		return err_set(err, -EINVAL, "--socket PATH would do without a configuration");
	if (c->plan.admin_socket)
		buf_c(ret, c->plan.admin_socket);
	else
		rc = err_set(err, -ENOENT, "admin.socket is none");
	config_free(c);
	return rc;
}

int cli_ask(const struct cli_args *args, const char *method, const char *target, int timeout_ms,
	    struct control_answer *ret, struct err *err)
{
	struct buf path = BUF_INIT;
	int rc = cli_socket(args, &path, err);

	if (rc == 0)
		rc = control_ask(buf_cstr(&path), method, target, timeout_ms, ret, err);
	buf_fini(&path);
	return rc;
}

static int ask_status(const struct cli_args *args, bool as_json, struct buf *ret, struct err *err)
{
	struct control_answer answer;
	int rc = cli_ask(args, "GET", as_json ? "/status" : "/status?format=text", TIMEOUT_MS,
			 &answer, err);

	if (rc < 0)
		return rc;
	if (answer.status != 200) {
		rc = err_set(err, -EPERM, "the agent says: " STR_FMT,
			     STR_ARG(str_rtrim(buf_as_str(&answer.body))));
		buf_fini(&answer.body);
		return rc;
	}
	*ret = answer.body;
	return 0;
}

int cli_status(const struct cli_args *args)
{
	struct err err = ERR_NONE;
	struct buf text = BUF_INIT;

	if (ask_status(args, args->json, &text, &err) < 0)
		return cli_fail(&err);
	cli_print(stdout, &text);
	return 0;
}

/* As much of each line as the terminal is wide, and of the lines as it is high: nothing may scroll. Bytes
 * stand for columns, which cuts names in other scripts early. */
static void put_screen(struct buf *out, struct str text)
{
	struct winsize size = { 0 };

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_col || !size.ws_row)
		size = (struct winsize){ .ws_col = 80, .ws_row = 24 };
	buf_c(out, "\033[H");
	for (unsigned row = 1; text.n && row < size.ws_row; row++) {
		struct str line = str_cut(&text, '\n');
		bool is_head = line.n > 1 && line.p[0] >= 'A' && line.p[0] <= 'Z' &&
			       line.p[1] >= 'A' && line.p[1] <= 'Z';

		buf_c(out, is_head ? "\033[1m" : "");
		buf_str(out, str_sub(line, 0, size.ws_col));
		buf_c(out, is_head ? "\033[0m\033[K\n" : "\033[K\n");
	}
	buf_c(out, "\033[J");
}

/* Negative: no answer. 1: nobody reads it any more. */
static int show(const struct cli_args *args, bool is_screen, struct err *err)
{
	struct buf text = BUF_INIT, screen = BUF_INIT;

	if (ask_status(args, false, &text, err) < 0)
		return err->code;
	if (is_screen) {
		put_screen(&screen, buf_as_str(&text));
		buf_fini(&text);
		text = screen;
	} else if (!args->once) {
		buf_ch(&text, '\n');
	}
	cli_print(stdout, &text);
	return fflush(stdout) || ferror(stdout) ? 1 : 0;
}

int cli_top(const struct cli_args *args)
{
	bool is_screen = isatty(STDOUT_FILENO) && !args->once;
	int64_t interval_ns = 2 * NS_PER_S;
	struct buf path = BUF_INIT;
	struct cli_args a = *args;
	struct err err = ERR_NONE;
	int rc = 0;

	if (args->interval &&
	    (!str_duration(str_c(args->interval), &interval_ns) || interval_ns < NS_PER_S / 10)) {
		err_set(&err, -EINVAL, "--interval is a time like 2s, at least 100ms");
		return cli_wrong(&err);
	}
	if (cli_socket(args, &path, &err) < 0)
		return cli_fail(&err);
	a.socket = buf_cstr(&path);
	while (rc == 0) {
		rc = show(&a, is_screen, &err);
		if (args->once)
			break;
		usleep((useconds_t)(interval_ns / 1000));
	}
	buf_fini(&path);
	return rc < 0 ? cli_fail(&err) : 0;
}
