/* SPDX-License-Identifier: Apache-2.0 */
/* From a message to a record: its line, its time, its fields as structured metadata. */
#include "inputs/syslog/syslog.h"
#include "lib/clock.h"

void syslog_scribe_init(struct syslog_scribe *w, const struct syslog *s)
{
	*w = (struct syslog_scribe){ .syslog = s };
	syslog_parser_init(&w->parser, 0);
	syslog_scribe_now(w);
}

void syslog_scribe_now(struct syslog_scribe *w)
{
	const struct tz *tz = w->syslog->tz;

	w->now_ns = clock_wall_ns();
	if (tz)
		w->parser.utc_offset_s = tz_lookup(tz, w->now_ns / NS_PER_S).offset_s;
}

static void meta(struct batch *b, struct rec *r, uint16_t key, struct str value)
{
	if (value.n)
		rec_attr(b, r, key, ATTR_META, ATTR_STRING, value);
}

/* sd_<id>_<name> = value, for each parameter. */
static void expand_sd(struct batch *b, struct rec *r, struct str sd)
{
	char *mem = NULL, *name_mem = arena_bytes(&b->arena, sd.n + sizeof("sd__"));
	struct syslog_sd_param param;
	struct syslog_sd it;
	size_t room = 0, n;

	if (str_chr(sd, '\\') < sd.n) {
		mem = arena_bytes(&b->arena, sd.n);
		room = sd.n;
	}
	syslog_sd_init(&it, sd);
	while (syslog_sd_next(&it, &mem, &room, &param)) {
		n = 3;
		memcpy(name_mem, "sd_", n);
		memcpy(name_mem + n, param.id.p, param.id.n);
		n += param.id.n;
		if (param.name.n) {
			name_mem[n++] = '_';
			memcpy(name_mem + n, param.name.p, param.name.n);
			n += param.name.n;
		}
		rec_attr_inline(b, r, str_make(name_mem, n), ATTR_META, param.value);
	}
}

static void structured_data(const struct syslog *s, struct batch *b, struct rec *r, struct str sd)
{
	if (!sd.n || s->conf->structured_data == SYSLOG_SD_DROP)
		return;
	if (s->conf->structured_data == SYSLOG_SD_KEEP)
		meta(b, r, s->keys.structured_data, sd);
	else
		expand_sd(b, r, sd);
}

static void header(const struct syslog *s, struct batch *b, struct rec *r,
		   const struct syslog_msg *m)
{
	const struct syslog_keys *k = &s->keys;

	meta(b, r, k->hostname, m->hostname);
	meta(b, r, k->appname, m->appname);
	meta(b, r, k->procid, m->procid);
	meta(b, r, k->msgid, m->msgid);
	if (m->has_pri) {
		r->facility = m->facility;
		r->severity = m->severity;
		meta(b, r, k->facility, syslog_facility_name(m->facility));
		meta(b, r, k->severity, syslog_severity_name(m->severity));
	}
	meta(b, r, k->sequence, m->seq);
	structured_data(s, b, r, m->sd);
}

/* The sender's time when that is wanted and there is one, else the time of receipt. */
static void set_time(struct syslog_scribe *w, struct batch *b, struct rec *r,
		     const struct syslog_msg *m)
{
	const struct syslog *s = w->syslog;

	r->time_ns = w->now_ns;
	if (m->flags & SYSLOG_BAD_TIME) {
		meta(b, r, s->keys.timestamp, m->time_text); /* not lost, for whoever can read it */
		w->bad_time++;
		if (s->conf->use_incoming_timestamp)
			r->flags |= REC_TIME_GUESSED;
	} else if (s->conf->use_incoming_timestamp && m->time_ns != STAMP_NONE_NS) {
		r->time_ns = m->time_ns;
	}
}

static void set_flags(struct syslog_scribe *w, struct batch *b, struct rec *r,
		      const struct frame *f, const struct syslog_msg *m)
{
	if (m->flags & SYSLOG_UNPARSED) {
		r->flags |= REC_UNPARSED;
		w->unparsed++;
	}
	if (m->flags & SYSLOG_BAD_SD)
		w->bad_sd++;
	if (f->is_cut) {
		r->flags |= REC_CUT;
		w->cut++;
	}
	if (f->is_partial) {
		r->flags |= REC_PARTIAL;
		w->partial++;
	}
	if (f->full_bytes > f->bytes.n)
		rec_attr(b, r, w->syslog->keys.full_length, ATTR_META, ATTR_NUMBER,
			 arena_printf(&b->arena, "%llu", (unsigned long long)f->full_bytes));
}

/* What is known about the sender apart from what it says. */
static void from(struct batch *b, struct rec *r, const struct syslog_keys *k,
		 const struct syslog_peer *peer)
{
	meta(b, r, k->peer, peer->address);
	meta(b, r, k->peer_name, peer->name);
	meta(b, r, k->peer_pid, peer->pid);
	meta(b, r, k->peer_uid, peer->uid);
	meta(b, r, k->peer_gid, peer->gid);
}

void syslog_scribe_add(struct syslog_scribe *w, struct batch *b, const struct frame *f,
		       const struct syslog_peer *peer)
{
	const struct syslog *s = w->syslog;
	struct syslog_msg m;
	struct rec *r;

	syslog_parse(&w->parser, f->bytes, w->now_ns, &m);
	if (!m.raw.n) {
		w->empty++;
		return;
	}
	r = batch_add(b);
	r->line = s->conf->line == SYSLOG_LINE_RAW ? m.raw : m.msg;
	header(s, b, r, &m);
	from(b, r, &s->keys, peer);
	set_time(w, b, r, &m);
	set_flags(w, b, r, f, &m);
}

static void move(struct syslog_scribe *w, uint64_t *count, const char *reason)
{
	if (*count)
		input_count_flagged(w->syslog->input, reason, *count);
	*count = 0;
}

void syslog_scribe_count(struct syslog_scribe *w)
{
	move(w, &w->unparsed, "unparsed");
	move(w, &w->bad_time, "bad_time");
	move(w, &w->bad_sd, "bad_sd");
	move(w, &w->cut, "cut");
	move(w, &w->partial, "partial");
	if (w->empty)
		input_count_dropped(w->syslog->input, "empty", w->empty);
	w->empty = 0;
}
