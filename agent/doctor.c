/* SPDX-License-Identifier: Apache-2.0 */
/* The order of the checks, and how they are shown. */
#include "agent/doctor.h"

#include <stdio.h>

#include "inputs/input.h"
#include "outputs/output.h"

static void check_configuration(struct doctor *d, const struct config *c)
{
	struct err err = ERR_NONE;
	bool is_fine = true;

	d->subject = "agent";
	for (size_t i = 0; i < c->files.n; i++)
		is_fine &= doctor_readable(d, "configuration", c->files.items[i].p);
	if (agent_check(&c->plan, &err) < 0) {
		doctor_say(d, DOCTOR_FAIL, "configuration", "%s%s%s", err.where,
			   err.where[0] ? ": " : "", err.text);
		doctor_fix(d, "correct it; `tailrace check` says the same");
	} else if (is_fine) {
		doctor_say(d, DOCTOR_OK, "configuration",
			   "%zu files, %zu inputs, %zu pipelines, %zu outputs", c->files.n,
			   c->plan.ninputs, c->plan.npipelines, c->plan.noutputs);
	}
}

void doctor_run(struct doctor *d, const struct config *c, const struct doctor_clock *clock)
{
	char subject[300];

	d->state_dir = c->plan.state_dir;
	check_configuration(d, c);
	doctor_state(d, c);
	for (size_t i = 0; i < c->plan.ninputs; i++) {
		const struct plan_input *in = &c->plan.inputs[i];

		snprintf(subject, sizeof(subject), "input %s", in->name);
		d->subject = subject;
		if (in->ops->doctor)
			in->ops->doctor(d, in->name, in->conf);
	}
	for (size_t i = 0; i < c->plan.noutputs; i++) {
		const struct plan_output *out = &c->plan.outputs[i];

		snprintf(subject, sizeof(subject), "output %s", out->name);
		d->subject = subject;
		if (out->ops->doctor)
			out->ops->doctor(d, out->name, out->conf);
	}
	d->subject = "secrets";
	doctor_secrets(d, c);
	d->subject = "system";
	doctor_limits(d, c, clock);
}

/* ---- showing ------------------------------------------------------------------------------ */

static const char *const results[] = { "ok", "warn", "fail" };

/* A path with control characters must not do things to a terminal. */
static void put_plain(struct buf *out, const char *text)
{
	for (; *text; text++)
		buf_ch(out, (unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text);
}

void doctor_show(const struct doctor *d, struct buf *out, bool is_coloured)
{
	static const char *const colours[] = { "\x1b[32m", "\x1b[33m", "\x1b[31m" };
	size_t counts[3] = { 0 };

	for (size_t i = 0; i < d->n; i++) {
		const struct doctor_line *l = &d->lines[i];

		counts[l->result]++;
		buf_printf(out, "%s%-4s%s  ", is_coloured ? colours[l->result] : "",
			   results[l->result], is_coloured ? "\x1b[0m" : "");
		put_plain(out, l->subject);
		buf_printf(out, ": %s: ", l->check);
		put_plain(out, l->text);
		buf_ch(out, '\n');
		if (l->fix) {
			buf_c(out, "      -> ");
			put_plain(out, l->fix);
			buf_ch(out, '\n');
		}
	}
	buf_printf(out, "%zu ok, %zu to look at, %zu that will not work\n", counts[DOCTOR_OK],
		   counts[DOCTOR_WARN], counts[DOCTOR_FAIL]);
}

void doctor_show_json(const struct doctor *d, struct buf *out)
{
	for (size_t i = 0; i < d->n; i++) {
		const struct doctor_line *l = &d->lines[i];

		buf_printf(out, "{\"result\":\"%s\",\"subject\":", results[l->result]);
		buf_json_str(out, str_c(l->subject));
		buf_printf(out, ",\"check\":\"%s\",\"text\":", l->check);
		buf_json_str(out, str_c(l->text));
		if (l->fix) {
			buf_c(out, ",\"fix\":");
			buf_json_str(out, str_c(l->fix));
		}
		buf_c(out, "}\n");
	}
}
