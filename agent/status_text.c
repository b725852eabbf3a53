/* SPDX-License-Identifier: Apache-2.0 */
/* The status as a person reads it: `status`, and each screen of `top`. */
#include <stdio.h>
#include <unistd.h>

#include "agent/agent_impl.h"
#include "agent/status.h"
#include "lib/log.h"
#include "outputs/render.h"
#include "pipeline/stage.h"

#define NAME_WIDTH 18

/* ---- numbers ---- */

/* "0", "7.5", "999", "12.3k", "4.0M". */
static const char *count_text(char ret[16], double n)
{
	static const char units[] = { 0, 'k', 'M', 'G', 'T' };
	size_t unit = 0;
	bool is_fine;

	for (; n >= 999.5 && unit < sizeof(units) - 1; unit++)
		n /= 1000;
	is_fine = unit ? n < 99.95 : n < 9.95 && n > (double)(int64_t)n;
	snprintf(ret, 16, is_fine ? "%.1f%c" : "%.0f%c", n, units[unit] ? units[unit] : ' ');
	if (!units[unit])
		ret[strlen(ret) - 1] = 0;
	return ret;
}

static const char *bytes_text(char ret[16], double n)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	size_t unit = 0;

	for (; n >= 1023.5 && unit < 4; unit++)
		n /= 1024;
	snprintf(ret, 16, unit && n < 99.95 ? "%.1f %s" : "%.0f %s", n, units[unit]);
	return ret;
}

static const char *seconds_text(char ret[16], double s)
{
	if (s < 100)
		snprintf(ret, 16, "%.1f s", s);
	else if (s < 7200)
		snprintf(ret, 16, "%.0f min", s / 60);
	else if (s < 172800)
		snprintf(ret, 16, "%.0f h", s / 3600);
	else
		snprintf(ret, 16, "%.0f d", s / 86400 < 99999 ? s / 86400 : 99999);
	return ret;
}

/* ---- cells ---- */

static void put_left(struct buf *out, int width, const char *text)
{
	buf_printf(out, "%-*s ", width, text);
}

static void put_right(struct buf *out, int width, const char *text)
{
	buf_printf(out, "%*s ", width, text);
}

static void put_count(struct buf *out, int width, double n)
{
	char text[16];

	put_right(out, width, count_text(text, n));
}

static void put_bytes(struct buf *out, int width, double n)
{
	char text[16];

	put_right(out, width, bytes_text(text, n));
}

static void end_line(struct buf *out)
{
	while (out->n && out->p[out->n - 1] == ' ')
		out->n--;
	buf_ch(out, '\n');
}

/* What is said behind the columns: "dropped 3 too_long, 1 full; paused 2". */
struct notes {
	struct buf *out;
	const char *what;
	bool has_what, has_any;
};

static void put_note(void *ctx, struct str name, struct total total)
{
	struct notes *n = ctx;
	char count[16];

	buf_c(n->out, n->has_what ? ", " : n->has_any ? "; " : " ");
	if (!n->has_what && n->what)
		buf_printf(n->out, "%s ", n->what);
	n->has_what = n->has_any = true;
	buf_printf(n->out, "%s " STR_FMT, count_text(count, (double)total.value), STR_ARG(name));
}

static void note_by(struct notes *n, const char *what, const struct status *s, enum metric_id id,
		    const char *label, const char *value, const char *by)
{
	n->what = what;
	n->has_what = false;
	status_by(s, id, label, value, by, put_note, n);
}

static void note_total(struct notes *n, const char *what, struct total total)
{
	if (!total.value)
		return;
	n->what = NULL;
	n->has_what = false;
	put_note(n, str_c(what), total);
}

/* ---- tables ---- */

struct column {
	int width; /* negative: on the left */
	const char *title;
};
static const struct column input_columns[] = {
	{ -NAME_WIDTH, "INPUT" }, { -9, "TYPE" },   { 9, "RECORDS/S" }, { 10, "BYTES/S" },
	{ 10, "BEHIND" },         { 8, "RECORDS" }, { 0, NULL },
};
static const struct column pipeline_columns[] = {
	{ -NAME_WIDTH - 10, "PIPELINE" },
	{ 9, "RECORDS/S" },
	{ 10, "REMOVED/S" },
	{ 10, "REMOVED" },
	{ 8, "RECORDS" },
	{ 0, NULL },
};
static const struct column output_columns[] = {
	{ -NAME_WIDTH, "OUTPUT" }, { -9, "TYPE" }, { 9, "RECORDS/S" },
	{ 10, "BYTES/S" },         { 10, "HELD" }, { 8, "OLDEST" },
	{ 8, "RECORDS" },          { 0, NULL },
};

static void put_head(struct buf *out, const struct column *columns)
{
	buf_ch(out, '\n');
	for (; columns->title; columns++) {
		if (columns->width < 0)
			put_left(out, -columns->width, columns->title);
		else
			put_right(out, columns->width, columns->title);
	}
	end_line(out);
}

static void put_inputs(struct buf *out, const struct status *s)
{
	const struct plan *plan = s->agent->plan;

	put_head(out, input_columns);
	for (size_t i = 0; i < plan->ninputs; i++) {
		const char *name = plan->inputs[i].name;
		struct total records = status_total(s, METRIC_INPUT_RECORDS, "input", name);
		struct notes notes = { .out = out };

		put_left(out, NAME_WIDTH, name);
		put_left(out, 9, plan->inputs[i].ops->name);
		put_count(out, 9, records.per_s);
		put_bytes(out, 10, status_total(s, METRIC_INPUT_BYTES, "input", name).per_s);
		put_bytes(out, 10,
			  (double)status_total(s, METRIC_FILE_BYTES_BEHIND, "input", name).value);
		put_count(out, 8, (double)records.value);
		note_total(&notes, "connections",
			   status_total(s, METRIC_INPUT_CONNECTIONS, "input", name));
		note_by(&notes, "dropped", s, METRIC_INPUT_DROPPED, "input", name, "reason");
		note_by(&notes, "errors", s, METRIC_INPUT_ERRORS, "input", name, "reason");
		note_by(&notes, "flagged", s, METRIC_INPUT_FLAGGED, "input", name, "reason");
		note_total(&notes, "pauses", status_total(s, METRIC_INPUT_PAUSED, "input", name));
		end_line(out);
	}
}

static void put_stage(void *ctx, const struct status_stage *stage)
{
	struct buf *out = ctx;
	char name[96];

	snprintf(name, sizeof(name), "  %s%s%s %s", stage->input ? stage->input : "",
		 stage->input ? " " : "", stage->number, stage->stage->ops->name);
	put_left(out, NAME_WIDTH + 10, name);
	put_count(out, 9, stage->records.per_s);
	put_count(out, 10, stage->removed.per_s);
	put_count(out, 10, (double)stage->removed.value);
	put_count(out, 8, (double)stage->records.value);
	end_line(out);
}

static void put_pipelines(struct buf *out, const struct status *s)
{
	const struct plan *plan = s->agent->plan;

	put_head(out, pipeline_columns);
	for (size_t i = 0; i < plan->npipelines; i++) {
		const struct pipe_run *run = agent_pipe(s->agent, i);
		const char *name = plan->pipelines[i].name;
		struct notes notes = { .out = out };
		struct total in = { 0 };

		for (size_t k = 0; k < plan->pipelines[i].nfrom; k++) {
			struct total t =
				status_total(s, METRIC_INPUT_RECORDS, "input",
					     plan->inputs[plan->pipelines[i].from[k]].name);

			in.value += t.value;
			in.per_s += t.per_s;
		}
		put_left(out, NAME_WIDTH + 10, name);
		put_count(out, 9, in.per_s);
		put_right(out, 10, "");
		put_right(out, 10, "");
		put_count(out, 8, (double)in.value);
		buf_printf(out, " credit %.0f %% used",
			   100.0 * (double)metric_value(run->share->used) /
				   (double)(run->share->budget.total_bytes
						    ? run->share->budget.total_bytes
						    : 1));
		notes.has_any = true;
		note_total(&notes, "streams", status_total(s, METRIC_STREAMS, "pipeline", name));
		note_by(&notes, "removed", s, METRIC_STAGE_DROPPED, "pipeline", name, "reason");
		end_line(out);
		status_stages(s, i, put_stage, out);
	}
}

static void put_outputs(struct buf *out, const struct status *s)
{
	const struct plan *plan = s->agent->plan;

	put_head(out, output_columns);
	for (size_t i = 0; i < plan->noutputs; i++) {
		const char *name = plan->outputs[i].name;
		struct total records = status_total(s, METRIC_DELIVERED, "output", name);
		struct notes notes = { .out = out };
		char age[16];

		put_left(out, NAME_WIDTH, name);
		put_left(out, 9, plan->outputs[i].ops->name);
		put_count(out, 9, records.per_s);
		put_bytes(out, 10, status_total(s, METRIC_PUSH_BYTES, "output", name).per_s);
		put_count(out, 10, (double)status_total(s, METRIC_HELD, "output", name).value);
		put_right(out, 8, seconds_text(age, agent_oldest_s(s->agent, i)));
		put_count(out, 8, (double)records.value);
		note_by(&notes, "requests", s, METRIC_PUSH_REQUESTS, "output", name, "result");
		note_total(&notes, "retries", status_total(s, METRIC_PUSH_RETRIES, "output", name));
		note_by(&notes, "dropped", s, METRIC_DROPPED, "output", name, "reason");
		note_total(&notes, "dead letters",
			   status_total(s, METRIC_DEAD_LETTERS, "output", name));
		end_line(out);
	}
}

struct lines {
	struct buf *out;
	bool has_any;
};

static void put_line(void *ctx, enum log_level level, struct str line)
{
	struct lines *l = ctx;

	(void)level;
	if (!l->has_any)
		buf_c(l->out, "\nLAST WARNINGS\n");
	l->has_any = true;
	render_printable(l->out, line);
	buf_ch(l->out, '\n');
}

void status_text(const struct status *s, struct buf *out)
{
	const struct agent *a = s->agent;
	struct lines lines = { .out = out };
	char up[16], rss[16], limit[16];

	buf_printf(out, "tailrace " TAILRACE_VERSION ", pid %d, %s for %s, %u thread%s, %s of %s\n",
		   (int)getpid(), a->is_stopping ? "stopping, was up" : "up",
		   seconds_text(up, status_uptime_s(a)), a->plan->threads,
		   a->plan->threads == 1 ? "" : "s", bytes_text(rss, (double)status_rss_bytes()),
		   bytes_text(limit, (double)a->plan->memory_bytes));
	put_inputs(out, s);
	put_pipelines(out, s);
	put_outputs(out, s);
	log_recent(put_line, &lines);
}
