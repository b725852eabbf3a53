/* SPDX-License-Identifier: Apache-2.0 */
/* tailrace(1) and tailrace.yaml(5). */
#include "agent/agent_conf.h"
#include "agent/conf_doc.h"
#include "agent/doc_cli.h"

#define COLUMNS 78

static const char made_by[] =
	".\\\" Generated from the tables of commands and options: edit those, then run\n"
	".\\\" `test_conf_doc --update`.\n";

/* ---- text ---- */

struct writer {
	struct buf *out;
	size_t col;
	bool is_code;
};

static size_t visible(struct str word)
{
	size_t n = 0;

	for (size_t i = 0; i < word.n; i++)
		n += word.p[i] != '`';
	return n;
}

/* A character that roff would take for its own. */
static void put_char(struct writer *w, char c)
{
	static const struct {
		char c;
		const char *text;
	} own[] = {
		{ '\\', "\\e" },  { '-', "\\-" },    { '^', "\\(ha" },
		{ '~', "\\(ti" }, { '\'', "\\(aq" },
	};

	if (c == '`') {
		w->is_code = !w->is_code;
		buf_c(w->out, w->is_code ? "\\fB" : "\\fR");
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(own); i++) {
		if (own[i].c == c) {
			buf_c(w->out, own[i].text);
			return;
		}
	}
	buf_ch(w->out, c);
}

static void put_word(struct writer *w, struct str word)
{
	size_t n = visible(word);

	if (w->col && w->col + 1 + n > COLUMNS) {
		buf_ch(w->out, '\n');
		w->col = 0;
	} else if (w->col) {
		buf_ch(w->out, ' ');
		w->col++;
	}
	if (w->col == 0 && word.n && word.p[0] == '.')
		buf_c(w->out, "\\&");
	for (size_t i = 0; i < word.n; i++)
		put_char(w, word.p[i]);
	w->col += n;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\t';
}

/* One paragraph, `code` in bold. */
static void put_text(struct buf *out, struct str text)
{
	struct writer w = { .out = out };
	size_t at = 0;

	while (at < text.n) {
		size_t begin = at;

		while (at < text.n && !is_space(text.p[at]))
			at++;
		if (at > begin)
			put_word(&w, str_make(text.p + begin, at - begin));
		while (at < text.n && is_space(text.p[at]))
			at++;
	}
	if (w.is_code)
		buf_c(out, "\\fR");
	buf_ch(out, '\n');
}

static void put_c(struct buf *out, const char *text)
{
	put_text(out, str_c(text));
}

/* ---- options ---- */

static void put_field(struct buf *out, const struct conf_field *f, unsigned depth)
{
	struct buf head = BUF_INIT;

	if (f->flags & CONF_BODY)
		buf_c(&head, "(the value itself)");
	else
		buf_printf(&head, "`%s`", conf_field_key(f));
	buf_c(&head, " (");
	conf_doc_type(&head, f);
	if (f->flags & CONF_REQUIRED)
		buf_c(&head, "; required");
	else if (f->def)
		buf_printf(&head, "; default %s", f->def);
	buf_ch(&head, ')');
	buf_c(out, ".TP\n");
	/* The tag is one line, however long. */
	for (struct writer w = { .out = out }; head.n; head.n = 0)
		for (size_t i = 0; i < head.n; i++)
			put_char(&w, head.p[i]);
	buf_ch(out, '\n');
	buf_fini(&head);
	put_c(out, f->doc);
	for (const struct conf_enum *e = f->names; e && e->name; e++) {
		struct buf line = BUF_INIT;

		if (!e->doc)
			continue;
		buf_printf(&line, "`%s`: %s.", e->name, e->doc);
		put_text(out, buf_as_str(&line));
		buf_fini(&line);
	}
	if (!f->table)
		return;
	buf_c(out, ".RS\n");
	conf_doc_in_order(out, f->table, depth + 1, put_field);
	buf_c(out, ".RE\n");
}

static void put_options(struct buf *out, const char *title, const char *text,
			const struct conf_table *table)
{
	buf_printf(out, ".SS %s\n", title);
	put_c(out, text);
	conf_doc_in_order(out, table, 0, put_field);
}

static void put_plugins(struct buf *out, const struct doc_cli *doc, const char *title,
			enum conf_plugin_kind kind)
{
	buf_printf(out, ".SH %s\n", title);
	put_c(out, "`tailrace help` and a name shows the whole manual of each, with a sample.");
	for (size_t i = 0; i < doc->nplugins; i++) {
		const struct conf_plugin *p = &doc->plugins[i];

		if (p->kind != kind)
			continue;
		buf_printf(out, ".SS %s\n", p->name);
		put_c(out, p->summary);
		conf_doc_in_order(out, p->conf, 0, put_field);
	}
}

/* ---- the pages ---- */

static void put_head(struct buf *out, const char *name, int section, const char *summary)
{
	buf_c(out, made_by);
	buf_printf(out, ".TH %s %d 2026-11-21 Tailrace\n.ad l\n.SH NAME\n%s \\- %s\n", name,
		   section, name, summary);
}

static void put_command(struct buf *out, const struct cli_command *command)
{
	buf_printf(out, ".SS %s\n", command->name);
	buf_c(out, "\\fBtailrace ");
	for (const char *c = command->name; *c; c++)
		put_char(&(struct writer){ .out = out }, *c);
	buf_c(out, "\\fR");
	if (command->flags->name)
		buf_c(out, " [\\fIflags\\fR]");
	if (command->operands[0])
		buf_printf(out, " %s", command->operands);
	buf_c(out, "\n.PP\n");
	put_c(out, command->summary);
	for (const struct cli_flag *f = command->flags; f->name; f++) {
		struct writer w = { .out = out };

		buf_c(out, ".TP\n\\fB\\-\\-");
		for (const char *c = f->name; *c; c++)
			put_char(&w, *c);
		buf_printf(out, "\\fR%s%s%s\n", f->value ? " \\fI" : "", f->value ? f->value : "",
			   f->value ? "\\fR" : "");
		put_c(out, f->help);
	}
}

void doc_man_program(struct buf *out, const struct doc_cli *doc)
{
	put_head(out, "tailrace", 1, "collect logs, clean them, deliver them to Grafana Loki");
	buf_c(out, ".SH SYNOPSIS\n\\fBtailrace\\fR \\fIcommand\\fR [\\fIflags\\fR] "
		   "[\\fIoperands\\fR]\n.SH DESCRIPTION\n");
	put_c(out,
	      "Tailrace follows files, receives syslog and Loki pushes, takes records through "
	      "a pipeline of stages (parse, filter, redact, label) and pushes them to Loki. What "
	      "it has accepted is not lost: positions pass a line only when Loki has it, and "
	      "reading stops while there is no room.");
	buf_c(out, ".SH COMMANDS\n");
	for (size_t i = 0; i < doc->ncommands; i++)
		put_command(out, &doc->commands[i]);
	buf_c(out, ".SH EXIT STATUS\n.TP\n0\nFine.\n.TP\n1\nIt could not be done.\n.TP\n2\n"
		   "The configuration or the command line is wrong; nothing was started.\n"
		   ".SH SIGNALS\n.TP\nSIGTERM, SIGINT\n");
	put_c(out, "Stop reading, deliver what was accepted within `shutdown_timeout`, end. Told "
		   "twice: end now; what can be read again will be.");
	buf_c(out, ".SH ENVIRONMENT\n");
	put_c(out, "Values of the configuration may name any variable: see tailrace.yaml(5).");
	buf_c(out, ".TP\nNOTIFY_SOCKET, WATCHDOG_USEC\n");
	put_c(out,
	      "As sd_notify(3): ready, stopping, rates, and a watchdog that is fed while every "
	      "thread of the pipelines turns, whether Loki is there or not.");
	buf_c(out, ".TP\nLISTEN_FDS, LISTEN_FDNAMES\n");
	put_c(out, "As sd_listen_fds(3): sockets for `systemd://` addresses.");
	buf_c(out, ".SH FILES\n.TP\n" AGENT_CONF_DEFAULT_PATH "\nThe configuration.\n"
		   ".TP\n/var/lib/tailrace\nPositions of files, and what Loki refused for good.\n"
		   ".SH SEE ALSO\n.BR tailrace.yaml (5),\n.BR systemd.service (5),\n"
		   ".BR logger (1)\n");
}

void doc_man_conf(struct buf *out, const struct doc_cli *doc)
{
	put_head(out, "tailrace.yaml", 5, "configuration of the Tailrace log agent");
	buf_c(out, ".SH SYNOPSIS\n.nf\n"
		   "inputs:\n  app: { type: file, paths: [/var/log/app/*.log] }\n"
		   "outputs:\n  loki: { type: loki, url: http://loki:3100 }\n"
		   "pipelines:\n  main:\n    from: [app]\n    stages: [{ redact: {} }]\n"
		   "    to: [loki]\n.fi\n.SH DESCRIPTION\n");
	put_c(out, "A YAML file. An input feeds one pipeline, which takes each record through its "
		   "stages and hands it to every one of its outputs. `tailrace check` says what is "
		   "wrong with a file, all of it at once.");
	buf_c(out, ".SS Values\n");
	put_c(out,
	      "Sizes: `64KiB`, `1MiB`; KB, MB and GB are powers of 1024, too. Durations: `500ms`, "
	      "`10s`, `1m30s`, `1d`. Rates: `100` (per second), `10/m`, `1MiB/s`. Addresses: "
	      "`127.0.0.1:9099`, `[::1]:514`, `:514` for every one. Secrets: `file:/path` or "
	      "`env:NAME`, else the secret itself; never shown. A single value is a list of one. "
	      "In any value: `${NAME}`, `${NAME:-default}`, `${NAME:+text if set}`; `$$` is a "
	      "dollar.");
	buf_c(out, ".SH OPTIONS\n");
	put_options(out, "Top level", "Of the agent itself.", &agent_conf_table);
	put_options(out, "Every input", "Besides those of its type.", &input_item_table);
	put_options(out, "Every output", "Besides those of its type.", &output_item_table);
	put_options(out, "Every pipeline", "Of each entry of `pipelines`.", &pipeline_conf_table);
	put_options(out, "Every test", "Of each entry of `tests`.", &test_conf_table);
	put_plugins(out, doc, "INPUTS", CONF_INPUT);
	put_plugins(out, doc, "STAGES", CONF_STAGE);
	put_plugins(out, doc, "OUTPUTS", CONF_OUTPUT);
	buf_c(out, ".SH SEE ALSO\n.BR tailrace (1)\n");
}
