/* SPDX-License-Identifier: Apache-2.0 */
/* TZif files and the rule string at their end. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/civil.h"
#include "lib/mem.h"
#include "lib/tz.h"
#include "lib/tz_rule.h"

#define FILE_BYTES_MAX ((size_t)256 * 1024)
#define HEADER_BYTES 44
#define OFFSET_MAX_S (26 * 3600) /* RFC 8536 section 3.2 */

struct zone_type {
	int32_t offset_s;
	bool is_dst;
	struct str name;
};

struct change {
	int64_t at_s;
	uint32_t type;
};

/* Owns its arrays and the texts that the names and the rule point into. */
struct tz {
	char *text, *rule_text;
	uint32_t ntypes, nchanges;
	struct zone_type *types;
	struct change *changes; /* ascending */
	bool has_rule;
	struct tz_rule rule; /* behind the last change */
};

struct counts {
	uint32_t isut, isstd, leap, time, type, abbrev;
};

static uint32_t be32(const char *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return __builtin_bswap32(v);
}

static int64_t be64(const char *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return (int64_t)__builtin_bswap64(v);
}

/* Reads a header and cuts it off; false when it is none. */
static bool header(struct str *s, char *ret_version, struct counts *ret)
{
	const char *p = s->p;

	if (s->n < HEADER_BYTES || memcmp(p, "TZif", 4) != 0)
		return false;
	*ret_version = p[4];
	*ret = (struct counts){ be32(p + 20), be32(p + 24), be32(p + 28),
				be32(p + 32), be32(p + 36), be32(p + 40) };
	*s = str_skip(*s, HEADER_BYTES);
	return true;
}

/* Bytes of a block whose times have `width` bytes. */
static uint64_t block_bytes(const struct counts *c, uint64_t width)
{
	return c->time * (width + 1) + c->type * UINT64_C(6) + c->abbrev + c->leap * (width + 4) +
	       (uint64_t)c->isstd + c->isut;
}

static bool types_and_names(struct tz *tz, const struct counts *c, const char *p)
{
	const char *names = p + c->type * (size_t)6;

	tz->text = mem_dup(names, c->abbrev);
	tz->types = mem_array(c->type, sizeof(*tz->types));
	tz->ntypes = c->type;
	for (uint32_t i = 0; i < c->type; i++, p += 6) {
		struct zone_type *type = &tz->types[i];
		uint8_t at = (uint8_t)p[5];
		struct str name;

		type->offset_s = (int32_t)be32(p);
		type->is_dst = p[4] != 0;
		if (at >= c->abbrev || type->offset_s > OFFSET_MAX_S ||
		    type->offset_s < -OFFSET_MAX_S)
			return false;
		name = str_make(tz->text + at, c->abbrev - at);
		type->name = str_sub(name, 0, str_chr(name, 0));
	}
	return true;
}

/* The block at p, whose length has been checked. */
static bool block(struct tz *tz, const struct counts *c, const char *p, size_t width)
{
	const char *types = p + c->time * width;

	if (!types_and_names(tz, c, types + c->time))
		return false;
	tz->nchanges = c->time;
	tz->changes = mem_array(c->time ? c->time : 1, sizeof(*tz->changes));
	for (uint32_t i = 0; i < c->time; i++, p += width) {
		struct change *change = &tz->changes[i];

		change->at_s = width == 8 ? be64(p) : (int32_t)be32(p);
		change->type = (uint8_t)types[i];
		if (change->type >= c->type || (i > 0 && change->at_s <= change[-1].at_s))
			return false;
	}
	return true;
}

static bool parse(struct tz *tz, struct str s)
{
	struct counts c;
	size_t width = 4;
	char version;

	if (!header(&s, &version, &c))
		return false;
	if (version >= '2') {
		uint64_t skip = block_bytes(&c, 4);

		if (skip > s.n)
			return false;
		s = str_skip(s, skip);
		width = 8;
		if (!header(&s, &version, &c))
			return false;
	}
	if (c.type == 0 || c.type > 256 || block_bytes(&c, width) > s.n ||
	    !block(tz, &c, s.p, width))
		return false;
	if (width == 8) {
		struct str rule = str_skip(s, block_bytes(&c, width));

		if (rule.n < 2 || rule.p[0] != '\n')
			return false;
		rule = str_sub(rule, 1, 1 + str_chr(str_skip(rule, 1), '\n'));
		tz->rule_text = mem_dup(rule.p, rule.n);
		tz->has_rule = tz_rule_parse(str_make(tz->rule_text, rule.n), &tz->rule);
	}
	return true;
}

struct tz *tz_parse(struct str tzif, struct err *err)
{
	struct tz *tz = mem_zalloc(sizeof(*tz));

	if (tzif.n <= FILE_BYTES_MAX && parse(tz, tzif))
		return tz;
	tz_free(tz);
	err_set(err, -EINVAL, "not a valid time zone file (TZif, RFC 8536)");
	return NULL;
}

void tz_free(struct tz *tz)
{
	if (!tz)
		return;
	mem_free(tz->text);
	mem_free(tz->rule_text);
	mem_free(tz->types);
	mem_free(tz->changes);
	mem_free(tz);
}

/* -errno when there is no such file. */
static int load_file(struct tz **ret, const char *path, struct err *err)
{
	char *text;
	size_t n = 0;
	ssize_t got;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	text = mem_alloc(FILE_BYTES_MAX + 1);
	while ((got = read(fd, text + n, FILE_BYTES_MAX + 1 - n)) > 0)
		n += (size_t)got;
	close(fd);
	*ret = got < 0 ? NULL : tz_parse(str_make(text, n), err);
	mem_free(text);
	return got < 0 ? -ENOENT : *ret ? 0 : -EINVAL;
}

static int load_named(struct tz **ret, struct str name, struct err *err)
{
	static const char *const folders[] = {
		"/usr/share/zoneinfo",
		"/usr/share/lib/zoneinfo",
		"/etc/zoneinfo",
	};
	char path[512];

	/* A name never leaves the folder. */
	if (name.n <= 255 && name.p[0] != '/' && str_chr(name, 0) == name.n &&
	    str_find(name, STR("..")) == name.n) {
		for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
			int r;

			snprintf(path, sizeof(path), "%s/" STR_FMT, folders[i], STR_ARG(name));
			r = load_file(ret, path, err);
			if (r == 0)
				return 0;
			if (r == -EINVAL)
				return err_set(err, -EINVAL, "'%s' is no time zone file", path);
		}
	}
	return err_set(err, -EINVAL,
		       "unknown time zone '" STR_FMT "' (no such file in %s; is the package tzdata "
		       "installed?)",
		       STR_ARG(name), folders[0]);
}

/* As the C library and Go: what cannot be read is UTC. */
static void load_local(struct tz **ret)
{
	const char *name = getenv("TZ");

	if (name && *name == ':')
		name++;
	if (!name)
		load_file(ret, "/etc/localtime", NULL);
	else if (*name == '/')
		load_file(ret, name, NULL);
	else if (*name)
		load_named(ret, str_c(name), NULL);
}

int tz_load(struct tz **ret, struct str name, struct err *err)
{
	*ret = NULL;
	if (name.n == 0 || str_is(name, "UTC"))
		return 0;
	if (!str_is(name, "Local"))
		return load_named(ret, name, err);
	load_local(ret);
	return 0;
}

/* The type before the first change: RFC 8536 says 0; older writers did not keep to it, so this
 * follows Go's rules. */
static uint32_t first_type(const struct tz *tz)
{
	bool is_used = false;
	uint32_t i;

	for (i = 0; i < tz->nchanges; i++)
		is_used |= tz->changes[i].type == 0;
	if (!is_used)
		return 0;
	if (tz->nchanges && tz->types[tz->changes[0].type].is_dst)
		for (i = tz->changes[0].type; i-- > 0;)
			if (!tz->types[i].is_dst)
				return i;
	for (i = 0; i < tz->ntypes; i++)
		if (!tz->types[i].is_dst)
			return i;
	return 0;
}

static struct tz_span span_of(const struct tz *tz, uint32_t type, int64_t from_s, int64_t to_s)
{
	const struct zone_type *t = &tz->types[type];

	return (struct tz_span){ from_s, to_s, t->offset_s, t->is_dst, t->name };
}

struct tz_span tz_lookup(const struct tz *tz, int64_t unix_s)
{
	uint32_t low = 0, high;

	if (!tz)
		return (struct tz_span){ INT64_MIN, INT64_MAX, 0, false, STR("UTC") };
	high = tz->nchanges;
	while (low < high) { /* first change behind unix_s */
		uint32_t middle = low + (high - low) / 2;

		if (tz->changes[middle].at_s <= unix_s)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == tz->nchanges && tz->has_rule)
		return tz_rule_lookup(&tz->rule, unix_s);
	if (low == 0)
		return span_of(tz, first_type(tz), INT64_MIN,
			       tz->nchanges ? tz->changes[0].at_s : INT64_MAX);
	return span_of(tz, tz->changes[low - 1].type, tz->changes[low - 1].at_s,
		       low < tz->nchanges ? tz->changes[low].at_s : INT64_MAX);
}

static bool covers(const struct tz_span *span, int64_t unix_s)
{
	return unix_s >= span->from_s && unix_s < span->to_s;
}

int64_t tz_from_wall(const struct tz *tz, struct tz_span *cache, int64_t wall_s)
{
	if (!tz)
		return wall_s;
	/* Go looks up the wall time as if it were UTC, and once more when that was the wrong side of
	 * a change. */
	if (!covers(cache, wall_s))
		*cache = tz_lookup(tz, wall_s);
	if (covers(cache, wall_s - cache->offset_s))
		return wall_s - cache->offset_s;
	return wall_s - tz_lookup(tz, wall_s - cache->offset_s).offset_s;
}

bool tz_offset_of(const struct tz *tz, struct str abbreviation, int64_t wall_s,
		  int32_t *ret_offset_s)
{
	if (!tz) {
		*ret_offset_s = 0;
		return str_is(abbreviation, "UTC");
	}
	for (uint32_t i = 0; i < tz->ntypes; i++) {
		struct tz_span span;

		if (!str_eq(tz->types[i].name, abbreviation))
			continue;
		span = tz_lookup(tz, wall_s - tz->types[i].offset_s);
		if (str_eq(span.name, abbreviation)) {
			*ret_offset_s = span.offset_s;
			return true;
		}
	}
	for (uint32_t i = 0; i < tz->ntypes; i++) {
		if (str_eq(tz->types[i].name, abbreviation)) {
			*ret_offset_s = tz->types[i].offset_s;
			return true;
		}
	}
	return false;
}
