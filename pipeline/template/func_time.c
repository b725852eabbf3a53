/* SPDX-License-Identifier: Apache-2.0 */
/* sprig's functions on times. */
#include "lib/clock.h"
#include "lib/mem.h"
#include "pipeline/gotime.h"
#include "pipeline/template/tree.h"

#define ZONES 8

/* Zones are read from files: once for each thread, and kept. */
static struct tz *zone(struct call *c, struct str name, bool *ret_ok)
{
	static _Thread_local struct {
		char name[64];
		struct tz *tz;
	} known[ZONES];
	static _Thread_local unsigned n;
	struct err err = ERR_NONE;
	struct tz *tz;

	*ret_ok = true;
	for (unsigned i = 0; i < n; i++)
		if (str_is(name, known[i].name))
			return known[i].tz;
	/* A zone nobody can find counts as UTC, as in sprig. */
	if (n == ZONES || name.n >= sizeof(known[0].name) || tz_load(&tz, name, &err)) {
		*ret_ok = n < ZONES || !call_fail(c, "too many time zones");
		return NULL;
	}
	memcpy(known[n].name, name.p, name.n);
	known[n].name[name.n] = 0;
	return known[n++].tz = tz;
}

/* A time, or seconds since 1970; everything else is now. */
static int64_t when(const struct call *c, struct value v)
{
	if (v.kind == VALUE_TIME)
		return v.i;
	if (v.kind == VALUE_INT && v.i > -9000000000 && v.i < 9000000000)
		return v.i * NS_PER_S;
	return c->now_ns;
}

static int format(struct call *c, struct str layout, struct value v, struct str zone_name)
{
	struct buf *out = call_buf(c);
	bool is_fine;
	struct tz *tz = zone(c, zone_name, &is_fine);

	if (!is_fine)
		return -1;
	gotime_format(layout, when(c, v), tz, out);
	return call_text(c, out);
}

static int call_time(struct call *c, int64_t time_ns)
{
	c->ret = (struct value){ .kind = VALUE_TIME, .i = time_ns };
	return 0;
}

static int now_run(struct call *c)
{
	return call_time(c, c->now_ns);
}

static int date_run(struct call *c)
{
	return format(c, c->args[0].s, c->args[1], STR("Local"));
}

static int dateInZone_run(struct call *c)
{
	return format(c, c->args[0].s, c->args[1], c->args[2].s);
}

static int htmlDate_run(struct call *c)
{
	return format(c, STR("2006-01-02"), c->args[0], STR("Local"));
}

static int htmlDateInZone_run(struct call *c)
{
	return format(c, STR("2006-01-02"), c->args[0], c->args[1].s);
}

/* dateModify "-1h" time */
static int dateModify_run(struct call *c)
{
	struct str by = c->args[0].s;
	bool is_negative = by.n && by.p[0] == '-';
	int64_t by_ns, time_ns = when(c, c->args[1]);

	if (by.n && (by.p[0] == '-' || by.p[0] == '+'))
		by = str_skip(by, 1);
	if (!str_duration(by, &by_ns) ||
	    __builtin_add_overflow(time_ns, is_negative ? -by_ns : by_ns, &time_ns))
		time_ns = when(c, c->args[1]);
	return call_time(c, time_ns);
}

/* The zero time of Go when the text does not have the layout. */
#define GO_ZERO_NS INT64_MIN

static bool parse(struct call *c, struct str layout, struct str text, int64_t *ret)
{
	struct gotime_cache cache = { 0 };
	struct err err = ERR_NONE;
	struct gotime *g = gotime_new(layout, STR("Local"), &err);
	bool is_fine = g && gotime_parse(g, &cache, text, c->now_ns, ret);

	gotime_free(g);
	return is_fine;
}

static int toDate_run(struct call *c)
{
	int64_t time_ns;

	return call_time(c, parse(c, c->args[0].s, c->args[1].s, &time_ns) ? time_ns : GO_ZERO_NS);
}

static int mustToDate_run(struct call *c)
{
	int64_t time_ns;

	if (!parse(c, c->args[0].s, c->args[1].s, &time_ns))
		return call_fail(c, "the text does not have the layout");
	return call_time(c, time_ns);
}

static int unixEpoch_run(struct call *c)
{
	int64_t time_ns = c->args[0].i;

	if (c->args[0].kind != VALUE_TIME)
		return call_fail(c, "a time is expected, got %s", value_type(c->args[0]));
	if (time_ns == GO_ZERO_NS)
		return call_str(c, STR("-62135596800"));
	return call_str(c,
			arena_printf(c->arena, "%lld",
				     (long long)(time_ns / NS_PER_S - (time_ns % NS_PER_S < 0))));
}

/* Go's Duration.String() of whole seconds. */
static int call_duration(struct call *c, int64_t seconds)
{
	struct buf *out = call_buf(c);
	uint64_t s = seconds < 0 ? -(uint64_t)seconds : (uint64_t)seconds;

	if (seconds < 0)
		buf_ch(out, '-');
	if (s >= 3600)
		buf_printf(out, "%lluh", (unsigned long long)(s / 3600));
	if (s >= 60)
		buf_printf(out, "%dm", (int)(s / 60 % 60));
	buf_printf(out, "%ds", (int)(s % 60));
	return call_text(c, out);
}

static int duration_run(struct call *c)
{
	int64_t s = 0;

	if (c->args[0].kind == VALUE_INT)
		s = c->args[0].i;
	else if (c->args[0].kind == VALUE_STRING && !str_i64(c->args[0].s, &s))
		s = 0;
	return call_duration(c, s);
}

static int ago_run(struct call *c)
{
	return call_duration(c, (c->now_ns - when(c, c->args[0]) + NS_PER_S / 2) / NS_PER_S);
}

const struct template_func template_funcs_time[] = {
	{ "now", "", now_run },
	{ "date", "sv", date_run },
	{ "dateInZone", "svs", dateInZone_run },
	{ "date_in_zone", "svs", dateInZone_run },
	{ "dateModify", "sv", dateModify_run },
	{ "date_modify", "sv", dateModify_run },
	{ "mustDateModify", "sv", dateModify_run },
	{ "htmlDate", "v", htmlDate_run },
	{ "htmlDateInZone", "vs", htmlDateInZone_run },
	{ "toDate", "ss", toDate_run },
	{ "mustToDate", "ss", mustToDate_run },
	{ "unixEpoch", "v", unixEpoch_run },
	{ "duration", "v", duration_run },
	{ "ago", "v", ago_run },
	{ NULL, NULL, NULL },
};
