/* SPDX-License-Identifier: Apache-2.0 */
/* What explain has written down, as text for people and as JSON lines. Every byte of a record goes
 * through explain_shown(). */
#include "agent/explain_impl.h"
#include "lib/rfc3339.h"
#include "outputs/render.h"

/* ---- what a step changed ---- */

static const struct view_attr *attr_like(const struct view *v, const struct view_attr *like)
{
	for (uint32_t i = 0; i < v->nattrs; i++)
		if (v->attrs[i].kind == like->kind && str_eq(v->attrs[i].name, like->name))
			return &v->attrs[i];
	return NULL;
}

static const struct label *label_like(const struct view *v, struct str name)
{
	for (uint32_t i = 0; i < v->nlabels; i++)
		if (str_eq(v->labels[i].name, name))
			return &v->labels[i];
	return NULL;
}

static enum explain_what what_of(const struct view_attr *a)
{
	return a->kind == ATTR_META ? CHANGED_METADATA : CHANGED_EXTRACTED;
}

static void attr_changes(const struct view *before, const struct view *after,
			 void (*put)(void *ctx, const struct explain_change *change), void *ctx)
{
	for (uint32_t i = 0; i < before->nattrs; i++)
		if (!attr_like(after, &before->attrs[i]))
			put(ctx, &(struct explain_change){ .what = what_of(&before->attrs[i]),
							   .name = before->attrs[i].name });
	for (uint32_t i = 0; i < after->nattrs; i++) {
		const struct view_attr *now = &after->attrs[i], *was = attr_like(before, now);

		if (!was || !str_eq(was->value, now->value) || was->type != now->type)
			put(ctx, &(struct explain_change){
					 what_of(now), now->name,
					 now->type == ATTR_NULL ? STR("null") : now->value, !was });
	}
}

void explain_changes(const struct view *before, const struct view *after,
		     void (*put)(void *ctx, const struct explain_change *change), void *ctx)
{
	char text[REC_FLAGS_TEXT_MAX > RFC3339_MAX ? REC_FLAGS_TEXT_MAX : RFC3339_MAX];

	if (!str_eq(before->line, after->line))
		put(ctx, &(struct explain_change){ .what = CHANGED_LINE, .value = after->line });
	if (before->time_ns != after->time_ns)
		put(ctx, &(struct explain_change){
				 .what = CHANGED_TIME,
				 .value = str_make(text, rfc3339_utc(after->time_ns, 9, text)) });
	if (before->flags != after->flags)
		put(ctx, &(struct explain_change){ .what = CHANGED_FLAGS,
						   .value = rec_flags_text(after->flags, text) });
	for (uint32_t i = 0; i < before->nlabels; i++)
		if (!label_like(after, before->labels[i].name))
			put(ctx, &(struct explain_change){ .what = CHANGED_LABEL,
							   .name = before->labels[i].name });
	for (uint32_t i = 0; i < after->nlabels; i++) {
		const struct label *now = &after->labels[i], *was = label_like(before, now->name);

		if (!was || !str_eq(was->value, now->value))
			put(ctx,
			    &(struct explain_change){ CHANGED_LABEL, now->name, now->value, !was });
	}
	attr_changes(before, after, put, ctx);
}

/* ---- both forms ---- */

static const char *const what_names[] = {
	"line", "time", "flags", "label", "metadata", "extracted"
};

struct show {
	struct explain *e;
	struct buf *out;
	bool is_coloured, is_before, is_first;
	unsigned depth;
	const char *detector; /* of the last thing hidden */
};

static struct str shown(struct show *s, struct str text)
{
	return explain_shown(s->e, text, s->is_before, &s->detector);
}

const struct explain_step *explain_last_redact(const struct explain_trail *t)
{
	const struct explain_step *last = NULL;

	for (const struct explain_step *s = t->steps; s; s = s->next)
		if (s->is_redact)
			last = s;
	return last;
}

static const char *tenant_or(struct str name, struct str *ret)
{
	*ret = name;
	if (!str_is(name, LABEL_TENANT))
		return what_names[CHANGED_LABEL];
	*ret = STR_NONE;
	return "tenant";
}

static const char *what_name(const struct explain_change *c, struct str *ret_name)
{
	*ret_name = c->name;
	return c->what == CHANGED_LABEL ? tenant_or(c->name, ret_name) : what_names[c->what];
}

/* ---- text ---- */

static void put_colour(struct show *s, const char *code)
{
	if (s->is_coloured)
		buf_printf(s->out, "\033[%sm", code);
}

static void put_indent(struct show *s)
{
	for (unsigned i = 0; i <= s->depth; i++)
		buf_c(s->out, "  ");
}

/* Further lines of one value stand below the first, each behind a bar. */
static void put_value(struct show *s, struct str value)
{
	struct str rest = shown(s, value);

	for (;;) {
		render_printable(s->out, str_cut(&rest, '\n'));
		if (!rest.p)
			return;
		buf_ch(s->out, '\n');
		put_indent(s);
		buf_c(s->out, "   | ");
	}
}

static void text_change(void *ctx, const struct explain_change *c)
{
	struct show *s = ctx;
	struct str name;
	const char *what = what_name(c, &name);
	bool is_gone = c->value.p == NULL, is_named = name.n > 0;

	put_indent(s);
	put_colour(s, is_gone ? "31" : c->is_new ? "32" : "33");
	buf_printf(s->out, "  %s %s", is_gone ? "-" : c->is_new ? "+" : "~", what);
	if (is_named) {
		buf_ch(s->out, ' ');
		put_value(s, name);
	}
	if (!is_gone) {
		buf_c(s->out, is_named ? " = " : ": ");
		put_value(s, c->value);
	}
	put_colour(s, "0");
	buf_ch(s->out, '\n');
}

static void text_labels(struct show *s, const struct view *v)
{
	const char *between = "";

	buf_ch(s->out, '{');
	for (uint32_t i = 0; i < v->nlabels; i++) {
		if (str_is(v->labels[i].name, LABEL_TENANT))
			continue;
		buf_c(s->out, between);
		between = ", ";
		put_value(s, v->labels[i].name);
		buf_c(s->out, "=\"");
		put_value(s, v->labels[i].value);
		buf_ch(s->out, '"');
	}
	buf_ch(s->out, '}');
}

/* The record as it is sent. */
static void text_record(struct show *s, const struct view *v)
{
	const struct label *tenant = label_like(v, STR(LABEL_TENANT));
	char text[REC_FLAGS_TEXT_MAX > RFC3339_MAX ? REC_FLAGS_TEXT_MAX : RFC3339_MAX];

	buf_put(s->out, text, rfc3339_utc(v->time_ns, 9, text));
	buf_ch(s->out, ' ');
	text_labels(s, v);
	if (tenant) {
		buf_c(s->out, " tenant=");
		put_value(s, tenant->value);
	}
	buf_c(s->out, "\n     ");
	put_value(s, v->line);
	for (uint32_t i = 0; i < v->nattrs; i++) {
		if (v->attrs[i].kind != ATTR_META)
			continue;
		buf_c(s->out, "\n     ");
		put_value(s, v->attrs[i].name);
		buf_ch(s->out, '=');
		put_value(s, v->attrs[i].value);
	}
	if (v->flags) {
		buf_c(s->out, "\n     " REC_FLAGS_NAME "=");
		buf_str(s->out, rec_flags_text(v->flags, text));
	}
	buf_ch(s->out, '\n');
}

void explain_view_text(struct explain *e, const struct view *v, bool is_before, struct buf *out)
{
	struct show s = { .e = e, .out = out, .is_before = is_before };

	text_record(&s, v);
}

static void text_end(struct show *s, const struct explain_step *step)
{
	if (step->end == EXPLAIN_SENT) {
		s->detector = NULL;
		put_colour(s, "1;32");
		buf_c(s->out, "  => ");
		put_colour(s, "0");
		text_record(s, step->after);
		if (!s->detector)
			return;
		put_colour(s, "1;31");
		buf_printf(s->out,
			   "  !! what is hidden here goes out as it is: %s would have found it, "
			   "but did not see it\n",
			   s->detector);
	} else if (step->end == EXPLAIN_DROPPED) {
		put_colour(s, "1;31");
		buf_c(s->out, "  => dropped");
		if (step->reason.n)
			buf_printf(s->out, " (" STR_FMT ")", STR_ARG(step->reason));
		buf_ch(s->out, '\n');
	} else {
		put_colour(s, "1;36");
		buf_printf(s->out, "  => held by %s: becomes part of another record\n",
			   step->stage);
	}
	put_colour(s, "0");
}

static void text_stage(struct show *s, const struct explain_step *step)
{
	put_indent(s);
	put_colour(s, "1");
	buf_c(s->out, step->stage);
	put_colour(s, "0");
	if (step->node && step->node->file) {
		put_colour(s, "2");
		buf_printf(s->out, "  %s:%u:%u", step->node->file, step->node->line,
			   step->node->col);
		put_colour(s, "0");
	}
	if (step->end == EXPLAIN_UNSELECTED)
		buf_c(s->out, "  does not select it");
	buf_ch(s->out, '\n');
}

/* Behind the stages of a list only what the enclosing one did itself is of interest. */
static bool is_silent(const struct explain_step *step, const struct view *before,
		      unsigned depth_before)
{
	return (!strcmp(step->stage, "clean") || depth_before > step->depth) &&
	       step->after == before;
}

static void text_trail(struct show *s, const struct explain_trail *t)
{
	const struct view *before = t->first;
	const struct explain_step *redact = explain_last_redact(t);
	unsigned depth = 0;

	s->depth = 0;
	s->is_before = true;
	put_colour(s, "1;34");
	if (t->line)
		buf_printf(s->out, "line %zu ", t->line);
	else
		buf_printf(s->out, "from %s ", t->maker);
	put_colour(s, "0");
	if (before) {
		text_labels(s, before);
		buf_c(s->out, "\n  ");
		put_value(s, before->line);
	}
	buf_ch(s->out, '\n');
	for (const struct explain_step *step = t->steps; step; step = step->next) {
		if (step == redact)
			s->is_before = false;
		s->depth = step->depth;
		if (step->stage && !is_silent(step, before, depth))
			text_stage(s, step);
		if (step->end > EXPLAIN_UNSELECTED)
			text_end(s, step);
		else if (before && step->after)
			explain_changes(before, step->after, text_change, s);
		before = step->after;
		depth = step->is_enter ? step->depth + 1 : step->depth;
	}
}

void explain_text(struct explain *e, bool is_coloured, struct buf *out)
{
	struct show s = { .e = e, .out = out, .is_coloured = is_coloured };

	for (const struct explain_trail *t = e->trails; t; t = t->next) {
		if (t != e->trails)
			buf_ch(out, '\n');
		text_trail(&s, t);
	}
	if (e->is_withheld)
		buf_c(out,
		      "\nA secret was found that does not stand in the input as it is: what was "
		      "before the\nredact stage is hidden.\n");
}

/* ---- JSON ---- */

static void json_member(struct show *s, const char *name, struct str value)
{
	buf_printf(s->out, ",\"%s\":", name);
	buf_json_str(s->out, value);
}

static void json_change(void *ctx, const struct explain_change *c)
{
	struct show *s = ctx;
	struct str name;

	buf_c(s->out, s->is_first ? "{" : ",{");
	s->is_first = false;
	buf_c(s->out, "\"what\":");
	buf_json_str(s->out, str_c(what_name(c, &name)));
	if (name.n)
		json_member(s, "name", shown(s, name));
	if (c->value.p)
		json_member(s, "value", shown(s, c->value));
	else
		buf_c(s->out, ",\"value\":null");
	buf_ch(s->out, '}');
}

static void json_view(struct show *s, const struct view *v)
{
	char text[REC_FLAGS_TEXT_MAX > RFC3339_MAX ? REC_FLAGS_TEXT_MAX : RFC3339_MAX];
	const char *between = "";

	buf_c(s->out, "{\"time\":");
	buf_json_str(s->out, str_make(text, rfc3339_utc(v->time_ns, 9, text)));
	json_member(s, "line", shown(s, v->line));
	buf_c(s->out, ",\"labels\":{");
	for (uint32_t i = 0; i < v->nlabels; i++) {
		buf_c(s->out, i ? "," : "");
		buf_json_str(s->out, shown(s, v->labels[i].name));
		buf_ch(s->out, ':');
		buf_json_str(s->out, shown(s, v->labels[i].value));
	}
	buf_c(s->out, "},\"metadata\":{");
	for (uint32_t i = 0; i < v->nattrs; i++) {
		if (v->attrs[i].kind != ATTR_META)
			continue;
		buf_c(s->out, between);
		between = ",";
		buf_json_str(s->out, shown(s, v->attrs[i].name));
		buf_ch(s->out, ':');
		buf_json_str(s->out, shown(s, v->attrs[i].value));
	}
	buf_ch(s->out, '}');
	if (v->flags)
		json_member(s, "flags", rec_flags_text(v->flags, text));
	buf_ch(s->out, '}');
}

void explain_view_json(struct explain *e, const struct view *v, bool is_before, struct buf *out)
{
	struct show s = { .e = e, .out = out, .is_before = is_before };

	json_view(&s, v);
}

static void json_step(struct show *s, const struct explain_step *step, const struct view *before)
{
	static const char *const ends[] = { NULL, "not selected", "dropped", "held", NULL };

	buf_c(s->out, "{\"stage\":");
	buf_json_str(s->out, str_c(step->stage));
	if (step->node && step->node->file)
		buf_printf(s->out, ",\"at\":\"%s:%u:%u\"", step->node->file, step->node->line,
			   step->node->col);
	buf_printf(s->out, ",\"depth\":%u", step->depth);
	if (step->is_enter)
		buf_c(s->out, ",\"enters\":true");
	if (ends[step->end])
		json_member(s, "end", str_c(ends[step->end]));
	if (step->reason.n)
		json_member(s, "reason", step->reason);
	buf_c(s->out, ",\"changes\":[");
	s->is_first = true;
	if (before && step->after)
		explain_changes(before, step->after, json_change, s);
	buf_c(s->out, "]}");
}

static void json_trail(struct show *s, const struct explain_trail *t)
{
	const struct view *before = t->first, *sent = NULL;
	const struct explain_step *redact = explain_last_redact(t);
	const char *between = "";

	s->is_before = true;
	if (t->line)
		buf_printf(s->out, "{\"line\":%zu", t->line);
	else
		buf_printf(s->out, "{\"from\":\"%s\"", t->maker);
	if (before) {
		buf_c(s->out, ",\"before\":");
		json_view(s, before);
	}
	buf_c(s->out, ",\"steps\":[");
	for (const struct explain_step *step = t->steps; step; step = step->next) {
		if (step == redact)
			s->is_before = false;
		if (step->end == EXPLAIN_SENT) {
			sent = step->after;
			break;
		}
		if (strcmp(step->stage, "clean") != 0 || step->after != before) {
			buf_c(s->out, between);
			between = ",";
			json_step(s, step, before);
		}
		before = step->after;
	}
	buf_c(s->out, "],\"sent\":");
	s->detector = NULL;
	if (sent)
		json_view(s, sent);
	else
		buf_c(s->out, "null");
	if (s->detector)
		json_member(s, "not_redacted", str_c(s->detector));
	buf_c(s->out, "}\n");
}

void explain_json(struct explain *e, struct buf *out)
{
	struct show s = { .e = e, .out = out };

	for (const struct explain_trail *t = e->trails; t; t = t->next)
		json_trail(&s, t);
}
