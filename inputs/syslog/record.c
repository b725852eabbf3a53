/* SPDX-License-Identifier: Apache-2.0 */
/* From a message to a record: its line, its time, its fields as structured metadata. */
#include "inputs/syslog/syslog.h"
#include "lib/clock.h"

/* Of a message with all fields of RFC 5424 and a sender. */
#define ATTRS_USUAL 12
/* A clock that says it is not set may be believed within a day: it is only a little wrong then. */
#define UNSYNCED_MAX_NS (24 * 3600 * NS_PER_S)

void syslog_scribe_init(struct syslog_scribe *w, const struct syslog *s)
{
	*w = (struct syslog_scribe){ .syslog = s };
	syslog_parser_init(&w->parser, 0);
	w->parser.tz = s->tz;
	syslog_scribe_now(w);
}

void syslog_scribe_now(struct syslog_scribe *w)
{
	w->now_ns = clock_wall_ns();
	syslog_parser_zone(&w->parser, w->parser.tz, w->now_ns);
}

void syslog_scribe_peer(struct syslog_scribe *w, const struct cidr_addr *addr)
{
	const struct syslog *s = w->syslog;
	const struct tz *tz = s->tz;
	unsigned bits = 0;

	for (size_t i = 0; i < s->nzones; i++)
		if (s->zones[i].network.bits >= bits && cidr_has(&s->zones[i].network, addr)) {
			bits = s->zones[i].network.bits;
			tz = s->zones[i].tz;
		}
	if (tz != w->parser.tz)
		syslog_parser_zone(&w->parser, tz, w->now_ns);
}

static void meta(struct batch *b, struct rec *r, uint16_t key, struct str value)
{
	if (value.n)
		rec_attr(b, r, key, ATTR_META, ATTR_STRING, value);
}

/* For the stages only. */
static void extracted(struct batch *b, struct rec *r, uint16_t key, struct str value)
{
	if (value.n)
		rec_attr(b, r, key, ATTR_EXTRACTED, ATTR_STRING, value);
}

/* sd_<id>_<name> = value, for each parameter. False when there are more than we take apart. */
static bool expand_sd(struct batch *b, struct rec *r, struct str sd)
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
		if (str_starts(param.value, STR("\xEF\xBB\xBF")))
			param.value = str_skip(param.value, 3);
		rec_attr_inline(b, r, str_make(name_mem, n), ATTR_META, param.value);
	}
	return !it.is_cut;
}

static void structured_data(const struct syslog *s, struct batch *b, struct rec *r, struct str sd)
{
	if (!sd.n || s->conf->structured_data == SYSLOG_SD_DROP)
		return;
	if (s->conf->structured_data == SYSLOG_SD_KEEP || !expand_sd(b, r, sd))
		meta(b, r, s->keys.structured_data, sd);
}

/* "0" to "23". */
static struct str number_name(unsigned n)
{
	static const char digits[] = "0001020304050607080910111213141516171819202122232425";

	return n < 10 ? str_make(digits + 2 * n + 1, 1) : str_make(digits + 2 * n, 2);
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
		meta(b, r, k->detected_level, syslog_level_name(m->severity));
		extracted(b, r, k->facility_code, number_name(m->facility));
		extracted(b, r, k->severity_code, number_name(m->severity));
	}
	meta(b, r, k->sequence, m->seq);
	if (m->flags & SYSLOG_NO_SYNC)
		meta(b, r, k->is_synced, STR("0"));
	if ((m->flags & SYSLOG_ODD_HEADER) && s->conf->line != SYSLOG_LINE_RAW)
		meta(b, r, k->header, syslog_header_text(m));
	structured_data(s, b, r, m->sd);
}

/* A clock that says it is not set, and is far off. */
static bool is_unset(const struct syslog_scribe *w, const struct syslog_msg *m)
{
	return (m->flags & SYSLOG_NO_SYNC) && (m->time_ns < w->now_ns - UNSYNCED_MAX_NS ||
					       m->time_ns > w->now_ns + UNSYNCED_MAX_NS);
}

/* The sender's time when that is wanted and there is one, else the time of receipt. */
static void set_time(struct syslog_scribe *w, struct batch *b, struct rec *r, struct syslog_msg *m)
{
	const struct syslog *s = w->syslog;

	r->time_ns = w->now_ns;
	if (s->conf->use_incoming_timestamp && is_unset(w, m))
		m->flags |= SYSLOG_BAD_TIME;
	if (m->flags & SYSLOG_BAD_TIME) {
		meta(b, r, s->keys.timestamp, m->time_text); /* not lost, for whoever can read it */
		if (s->conf->use_incoming_timestamp)
			r->flags |= REC_TIME_GUESSED;
		return;
	}
	extracted(b, r, s->keys.timestamp, m->time_text);
	if (s->conf->use_incoming_timestamp && m->time_ns != STAMP_NONE_NS)
		r->time_ns = m->time_ns;
}

/* Why, in the words of the metrics: "no_pri", "bad_header,bad_time". */
static void reason(struct syslog_scribe *w, struct batch *b, struct rec *r, uint32_t flags)
{
	char text[SYSLOG_FLAGS * 16];
	size_t n = 0;

	for (unsigned bit = 0; bit < SYSLOG_FLAGS; bit++) {
		struct str name = syslog_flag_name(1u << bit);

		if (!(flags & 1u << bit))
			continue;
		if (n)
			text[n++] = ',';
		memcpy(text + n, name.p, name.n);
		n += name.n;
		w->problems[bit]++;
	}
	meta(b, r, w->syslog->keys.parse_error, arena_dup(&b->arena, str_make(text, n)));
}

static void set_flags(struct syslog_scribe *w, struct batch *b, struct rec *r,
		      const struct frame *f, const struct syslog_msg *m)
{
	if (m->flags & SYSLOG_UNPARSED)
		r->flags |= REC_UNPARSED;
	if (m->flags & SYSLOG_PROBLEMS)
		reason(w, b, r, m->flags & SYSLOG_PROBLEMS);
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
	rec_attrs_room(b, r, ATTRS_USUAL);
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
	for (unsigned bit = 0; bit < SYSLOG_FLAGS; bit++)
		if (w->problems[bit])
			move(w, &w->problems[bit], syslog_flag_name(1u << bit).p);
	move(w, &w->cut, "cut");
	move(w, &w->partial, "partial");
	if (w->empty)
		input_count_dropped(w->syslog->input, "empty", w->empty);
	w->empty = 0;
}
