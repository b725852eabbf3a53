/* SPDX-License-Identifier: Apache-2.0 */
/* From a message to a record: its line, its time, its fields as structured metadata. */
#include "inputs/syslog/syslog.h"
#include "lib/clock.h"
#include "lib/utf8.h"

/* What from(), header() and set_time() may put, and one that does not count. */
#define ATTRS_MAX (5 + SYSLOG_PRI_ATTRS + 8 + 1 + 1)
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

/* As rec_attr() between rec_attrs_begin() and rec_attrs_end(). */
static inline struct attr *put(struct attr *a, uint16_t key, enum attr_kind kind, struct str value)
{
	*a = (struct attr){ value.p, (uint32_t)value.n, key, (uint8_t)kind, ATTR_STRING };
	return a + (value.n > 0);
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

/* "0" to "23". */
static struct str number_name(unsigned n)
{
	static const char digits[] = "0001020304050607080910111213141516171819202122232425";

	return n < 10 ? str_make(digits + 2 * n + 1, 1) : str_make(digits + 2 * n, 2);
}

void syslog_pri_attrs(const struct syslog_keys *k, unsigned pri, struct attr ret[SYSLOG_PRI_ATTRS])
{
	unsigned facility = pri >> 3, severity = pri & 7;

	ret = put(ret, k->facility, ATTR_META, syslog_facility_name(facility));
	ret = put(ret, k->severity, ATTR_META, syslog_severity_name(severity));
	ret = put(ret, k->detected_level, ATTR_META, syslog_level_name(severity));
	ret = put(ret, k->facility_code, ATTR_EXTRACTED, number_name(facility));
	put(ret, k->severity_code, ATTR_EXTRACTED, number_name(severity));
}

static struct attr *header(const struct syslog *s, struct attr *a, struct rec *r,
			   const struct syslog_msg *m)
{
	const struct syslog_keys *k = &s->keys;

	if (m->has_pri) {
		r->facility = m->facility;
		r->severity = m->severity;
		memcpy(a, s->of_pri[m->facility << 3 | m->severity], sizeof(s->of_pri[0]));
		a += SYSLOG_PRI_ATTRS;
	}
	a = put(a, k->hostname, ATTR_META, m->hostname);
	a = put(a, k->appname, ATTR_META, m->appname);
	a = put(a, k->procid, ATTR_META, m->procid);
	a = put(a, k->msgid, ATTR_META, m->msgid);
	if (s->conf->structured_data == SYSLOG_SD_KEEP)
		a = put(a, k->structured_data, ATTR_META, m->sd);
	a = put(a, k->sequence, ATTR_META, m->seq);
	if (m->flags & SYSLOG_NO_SYNC)
		a = put(a, k->is_synced, ATTR_META, STR("0"));
	if ((m->flags & SYSLOG_ODD_HEADER) && s->conf->line != SYSLOG_LINE_RAW)
		a = put(a, k->header, ATTR_META, syslog_header_text(m));
	return a;
}

/* A clock that says it is not set, and is far off. */
static bool is_unset(const struct syslog_scribe *w, const struct syslog_msg *m)
{
	return (m->flags & SYSLOG_NO_SYNC) && (m->time_ns < w->now_ns - UNSYNCED_MAX_NS ||
					       m->time_ns > w->now_ns + UNSYNCED_MAX_NS);
}

/* The sender's time when that is wanted and there is one, else the time of receipt. */
static struct attr *set_time(struct syslog_scribe *w, struct attr *a, struct rec *r,
			     struct syslog_msg *m)
{
	const struct syslog *s = w->syslog;

	r->time_ns = w->now_ns;
	if (s->conf->use_incoming_timestamp && is_unset(w, m))
		m->flags |= SYSLOG_BAD_TIME;
	if (m->flags & SYSLOG_BAD_TIME) {
		if (s->conf->use_incoming_timestamp)
			r->flags |= REC_TIME_GUESSED;
		/* Not lost, for whoever can read it. */
		return put(a, s->keys.timestamp, ATTR_META, m->time_text);
	}
	if (s->conf->use_incoming_timestamp && m->time_ns != STAMP_NONE_NS)
		r->time_ns = m->time_ns;
	return put(a, s->keys.timestamp, ATTR_EXTRACTED, m->time_text);
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
static struct attr *from(struct attr *a, const struct syslog_keys *k,
			 const struct syslog_peer *peer)
{
	a = put(a, k->peer, ATTR_META, peer->address);
	if (!(peer->name.n | peer->pid.n))
		return a;
	a = put(a, k->peer_name, ATTR_META, peer->name);
	a = put(a, k->peer_pid, ATTR_META, peer->pid);
	a = put(a, k->peer_uid, ATTR_META, peer->uid);
	return put(a, k->peer_gid, ATTR_META, peer->gid);
}

void syslog_scribe_add(struct syslog_scribe *w, struct batch *b, const struct frame *f,
		       const struct syslog_peer *peer)
{
	const struct syslog *s = w->syslog;
	struct syslog_msg m;
	struct attr *a;
	struct rec *r;

	syslog_parse(&w->parser, f->bytes, w->now_ns, &m);
	if (!m.raw.n) {
		w->empty++;
		return;
	}
	r = batch_add(b);
	r->line = s->conf->line == SYSLOG_LINE_RAW ? m.raw : m.msg;
	a = rec_attrs_begin(b, ATTRS_MAX);
	a = from(a, &s->keys, peer);
	a = header(s, a, r, &m);
	a = set_time(w, a, r, &m);
	rec_attrs_end(b, r, a);
	if (m.sd.n && s->conf->structured_data == SYSLOG_SD_EXPAND && !expand_sd(b, r, m.sd))
		meta(b, r, s->keys.structured_data, m.sd);
	set_flags(w, b, r, f, &m);
	/* The parser cuts at ASCII bytes only, so what is valid as a whole is valid in parts. */
	if (utf8_is_valid(m.raw) && (!peer->name.n || utf8_is_valid(peer->name)))
		r->flags |= REC_UTF8;
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
