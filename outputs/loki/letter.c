/* SPDX-License-Identifier: Apache-2.0 */
/* Dead letters back into entries. */
#include "outputs/loki/letter.h"

#include "lib/check.h"
#include "lib/civil.h"
#include "lib/clock.h"
#include "lib/wire.h"
#include "pipeline/json.h"

enum { TIME, TENANT, LABELS, LINE, METADATA, STATUS, REASON, FIELDS };

static const char *const fields[FIELDS] = { "time",     "tenant", "labels", "line",
					    "metadata", "status", "reason" };

static bool number(struct str s, size_t at, size_t n, int64_t *ret)
{
	uint64_t v;

	s = str_sub(s, at, at + n);
	if (s.n != n || !str_u64(s, &v))
		return false;
	*ret = (int64_t)v;
	return true;
}

/* 2026-11-21T15:45:44.611804851Z and nothing else. */
static bool read_time(struct str s, int64_t *ret_ns)
{
	int64_t year, month, day, hour, minute, second, ns;

	if (s.n != 30 || s.p[4] != '-' || s.p[7] != '-' || s.p[10] != 'T' || s.p[13] != ':' ||
	    s.p[16] != ':' || s.p[19] != '.' || s.p[29] != 'Z' || !number(s, 0, 4, &year) ||
	    !number(s, 5, 2, &month) || !number(s, 8, 2, &day) || !number(s, 11, 2, &hour) ||
	    !number(s, 14, 2, &minute) || !number(s, 17, 2, &second) || !number(s, 20, 9, &ns))
		return false;
	if (year < 1678 || year > 2261 || month < 1 || month > 12 || day < 1 || day > 31 ||
	    hour > 23 || minute > 59 || second > 59) /* what 64 bits of nanoseconds hold */
		return false;
	*ret_ns = (civil_days(year, (int)month, (int)day) * S_PER_DAY + hour * 3600 + minute * 60 +
		   second) *
			  NS_PER_S +
		  ns;
	return true;
}

static struct str text_of(const struct json_value *v, struct arena *arena)
{
	if (v->type != JSON_STRING)
		return STR_NONE;
	return v->is_escaped ? json_unescape(v->raw, arena_bytes(arena, v->raw.n)) : v->raw;
}

bool letter_read(struct str json, struct arena *arena, struct letter *ret)
{
	struct json_paths *paths = json_paths_new();
	struct json_value values[2 * FIELDS + 2] = { 0 };
	struct json_value at[FIELDS];
	uint64_t status = 0;
	int slots[FIELDS];
	bool is_fine;

	*ret = (struct letter){ 0 };
	for (int i = 0; i < FIELDS; i++)
		slots[i] = json_paths_add(paths, str_c(fields[i]));
	CHECK(json_paths_slots(paths) <= ARRAY_LEN(values));
	is_fine = json_extract(paths, json, values) == JSON_OBJECT;
	for (int i = 0; i < FIELDS; i++)
		at[i] = values[slots[i]];
	json_paths_free(paths);
	if (!is_fine || at[LABELS].type != JSON_STRING || at[LINE].type != JSON_STRING ||
	    !read_time(at[TIME].raw, &ret->time_ns))
		return false;
	ret->tenant = text_of(&at[TENANT], arena);
	ret->labels = text_of(&at[LABELS], arena);
	ret->line = text_of(&at[LINE], arena);
	ret->reason = text_of(&at[REASON], arena);
	if (at[STATUS].type == JSON_NUMBER && str_u64(at[STATUS].raw, &status))
		ret->status = (int64_t)status;
	if (at[METADATA].type == JSON_OBJECT)
		ret->metadata = str_sub(at[METADATA].raw, 1, at[METADATA].raw.n - 1);
	return ret->labels.n > 1;
}

static bool next_text(struct str *s, char before, struct arena *arena, struct str *ret)
{
	struct str raw;
	bool is_escaped;

	*s = str_trim(*s);
	if (before && s->n && s->p[0] == before)
		*s = str_trim(str_skip(*s, 1));
	if (!s->n || s->p[0] != '"' || !json_string(str_skip(*s, 1), &raw, &is_escaped))
		return false;
	*s = str_skip(*s, raw.n + 2);
	*ret = is_escaped ? json_unescape(raw, arena_bytes(arena, raw.n)) : raw;
	return true;
}

bool letter_next_pair(struct str *metadata, struct arena *arena, struct str *ret_name,
		      struct str *ret_value)
{
	return next_text(metadata, ',', arena, ret_name) &&
	       next_text(metadata, ':', arena, ret_value);
}

static void put_head(struct buf *out, uint8_t tag, size_t n)
{
	uint8_t head[1 + WIRE_VARINT_MAX];

	buf_put(out, head, (size_t)(wire_put_head(head, tag, n) - head));
}

static void put_text(struct buf *out, uint8_t tag, struct str s)
{
	if (!s.n)
		return;
	put_head(out, tag, s.n);
	buf_str(out, s);
}

void letter_encode(const struct letter *letter, struct arena *arena, struct buf *out)
{
	struct str rest = letter->metadata, name, value;
	int64_t s = letter->time_ns / NS_PER_S - (letter->time_ns % NS_PER_S < 0);
	uint8_t stamp[2 * (1 + WIRE_VARINT_MAX)], *p = stamp;
	struct buf entry = BUF_INIT, pair = BUF_INIT;

	p = wire_put(wire_put(p, WIRE_TAG_VARINT(1)), (uint64_t)s);
	p = wire_put(wire_put(p, WIRE_TAG_VARINT(2)), (uint64_t)(letter->time_ns - s * NS_PER_S));
	put_text(&entry, WIRE_TAG_BYTES(1), str_make((char *)stamp, (size_t)(p - stamp)));
	put_text(&entry, WIRE_TAG_BYTES(2), letter->line);
	while (letter_next_pair(&rest, arena, &name, &value)) {
		if (!name.n) /* not of ours, and Loki could not take it */
			continue;
		buf_clear(&pair);
		put_text(&pair, WIRE_TAG_BYTES(1), name);
		put_text(&pair, WIRE_TAG_BYTES(2), value);
		put_text(&entry, WIRE_TAG_BYTES(3), buf_as_str(&pair));
	}
	put_text(out, WIRE_TAG_BYTES(2), buf_as_str(&entry));
	buf_fini(&pair);
	buf_fini(&entry);
}
