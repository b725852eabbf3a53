/* SPDX-License-Identifier: Apache-2.0 */
/* `tailrace doctor`: 0 when all is fine, 1 with warnings, 2 when something will not work. */
#include "agent/cli_common.h"
#include "agent/doctor.h"
#include "agent/registry.h"
#include "lib/clock.h"

#define DEADLINE_NS (5 * NS_PER_S)

static void say_errors(struct doctor *d, const struct config *c)
{
	struct buf text = BUF_INIT;
	struct str rest;

	d->subject = "agent";
	conf_errors_print(c->doc, &text, false);
	for (rest = buf_as_str(&text); rest.n;) {
		struct str line = str_cut(&rest, '\n');

		doctor_say(d, DOCTOR_FAIL, "configuration", STR_FMT, STR_ARG(line));
	}
	doctor_fix(d, "correct what is named; `tailrace help NAME` has the options of a plugin");
	buf_fini(&text);
}

static void examine(struct doctor *d, const struct config *c, const char *user)
{
	struct doctor_clock clock = doctor_clock_ask();
	struct buf who = BUF_INIT;
	struct err err = ERR_NONE;

	d->subject = "agent";
	d->agent = doctor_find_agent(d, c->plan.state_dir);
	if (doctor_become(d, user, &who, &err) < 0) {
		doctor_say(d, DOCTOR_WARN, "user", "%s", err.text);
		doctor_fix(d, "sudo tailrace doctor");
	}
	doctor_say(d, DOCTOR_OK, "user", "%s", buf_cstr(&who));
	buf_fini(&who);
	doctor_run(d, c, &clock);
}

int cli_doctor(const struct cli_args *args)
{
	static const int codes[] = { 0, 1, 2 };
	struct cli_args a = cli_with_config(args);
	struct doctor d = { .root = "",
			    .user = "root",
			    .now_s = clock_wall_ns() / NS_PER_S,
			    .deadline_ns = DEADLINE_NS };
	struct buf out = BUF_INIT;
	struct config *c;
	size_t nplugins;
	const struct conf_plugin *plugins = registry(&nplugins);
	int rc;

	log_setup(LOG_LVL_ERROR + 1, LOG_LOGFMT); /* what is wrong is said below */
	c = config_load(a.config  ? a.config
			: a.nrest ? a.rest[0]
				  : AGENT_CONF_DEFAULT_PATH,
			NULL, plugins, nplugins);
	if (conf_error_count(c->doc))
		say_errors(&d, c);
	else
		examine(&d, c, a.user);
	if (a.json)
		doctor_show_json(&d, &out);
	else
		doctor_show(&d, &out, cli_is_coloured());
	cli_print(stdout, &out);
	rc = codes[doctor_worst(&d)];
	doctor_fini(&d);
	config_free(c);
	return rc;
}
