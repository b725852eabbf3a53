/* SPDX-License-Identifier: Apache-2.0 */
/* Stage geoip: what a MaxMind database says about an address. */
#include "lib/clock.h"
#include "lib/log.h"
#include "pipeline/geo.h"
#include "pipeline/stages/names.h"
#include "pipeline/stages/source.h"

#define CUSTOM_MAX 64
#define LOOK_NS (10 * NS_PER_S) /* how often the file is looked at */

enum { DB_CITY, DB_ASN, DB_COUNTRY };
enum { TO_LABELS, TO_METADATA };

struct geoip_conf {
	struct str db, source;
	unsigned db_type, to;
	struct conf_map custom_lookups;
};

/* Names as Promtail has them. */
struct field {
	const char *name;
	const char *path[5];
};

static const struct field city_fields[] = {
	{ "geoip_city_name", { "city", "names", "en" } },
	{ "geoip_country_name", { "country", "names", "en" } },
	{ "geoip_continent_name", { "continent", "names", "en" } },
	{ "geoip_continent_code", { "continent", "code" } },
	{ "geoip_location_latitude", { "location", "latitude" } },
	{ "geoip_location_longitude", { "location", "longitude" } },
	{ "geoip_postal_code", { "postal", "code" } },
	{ "geoip_timezone", { "location", "time_zone" } },
	{ "geoip_subdivision_name", { "subdivisions", "-1", "names", "en" } },
	{ "geoip_subdivision_code", { "subdivisions", "-1", "iso_code" } },
};
static const struct field asn_fields[] = {
	{ "geoip_autonomous_system_number", { "autonomous_system_number" } },
	{ "geoip_autonomous_system_organization", { "autonomous_system_organization" } },
};

/* a.b[0].c as its parts, in bytes of `room`; false when it is none. */
static bool split(struct str path, char *room, const char *parts[GEO_PATH_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < path.n; i++) {
		char c = path.p[i];
		bool is_sep = c == '.' || c == '[';

		if (!is_sep && (i == 0 || room[-1] == 0)) {
			if (n == GEO_PATH_MAX - 1)
				return false;
			parts[n++] = room;
		}
		if (c == ']' && (i + 1 == path.n || path.p[i + 1] == '.' || path.p[i + 1] == '['))
			continue;
		if (is_sep && (i + 1 == path.n || i == 0 || path.p[i + 1] == '.'))
			return false;
		*room++ = is_sep ? 0 : c;
	}
	*room = 0;
	parts[n] = NULL;
	return n > 0;
}

static void geoip_check(struct conf_doc *doc, const struct conf_node *node, const void *arg)
{
	const struct geoip_conf *conf = arg;
	const struct conf_node *custom = conf_get(node, "custom_lookups");
	const char *parts[GEO_PATH_MAX];
	char room[1024];

	check_label_names(doc, custom, &conf->custom_lookups);
	if (conf->custom_lookups.n > CUSTOM_MAX)
		conf_error(doc, custom, "more than %d", CUSTOM_MAX);
	for (size_t i = 0; i < conf->custom_lookups.n; i++) {
		struct str path = pair_value(&conf->custom_lookups.items[i]);

		if (path.n >= sizeof(room) || !split(path, room, parts))
			conf_error(
				doc, map_node(custom, conf->custom_lookups.items[i].key, true),
				"expected names with dots between them, and numbers in brackets");
	}
}

static const struct conf_enum db_types[] = {
	{ "city", DB_CITY,
	  "city, country, continent, location, postal code, time zone, subdivision" },
	{ "asn", DB_ASN, "number and organization of the autonomous system" },
	{ "country", DB_COUNTRY, "as `city`, as far as it is there" },
	{ 0 },
};
static const struct conf_enum places[] = {
	{ "labels", TO_LABELS, "as Promtail does: every place is a stream" },
	{ "metadata", TO_METADATA, "structured metadata" },
	{ 0 },
};

static const struct conf_field geoip_fields[] = {
	CONF_STR(struct geoip_conf, db, NULL, "Database file (`.mmdb`).",
		 .flags = CONF_REQUIRED | CONF_NONEMPTY,
		 .example = "/var/lib/GeoIP/GeoLite2-City.mmdb"),
	CONF_STR(struct geoip_conf, source, NULL,
		 "Extracted value, metadata or label that is the address.",
		 .flags = CONF_REQUIRED | CONF_NONEMPTY, .example = "ip"),
	CONF_ENUM(struct geoip_conf, db_type, NULL, db_types, "What the database is about.",
		  .flags = CONF_REQUIRED, .example = "city"),
	CONF_MAP(struct geoip_conf, custom_lookups, NULL,
		 "More names, each with where its value stands in an entry.",
		 .example = "{geoip_country_code: country.iso_code}"),
	CONF_ENUM(struct geoip_conf, to, "labels", places, "What the values become."),
};
static const struct conf_table geoip_table =
	CONF_TABLE(struct geoip_conf, geoip_fields, .check = geoip_check);

struct lookup {
	struct str name;
	uint16_t key;
	const char *path[GEO_PATH_MAX];
	char *room; /* of the parts; NULL when they are ours */
};

struct geoip {
	struct geo *geo;
	int64_t look_at_ns;
	uint16_t source;
	size_t n;
	struct lookup items[ARRAY_LEN(city_fields) + CUSTOM_MAX];
	struct label changes[ARRAY_LEN(city_fields) + CUSTOM_MAX];
	struct buf text;
};

static int open_fields(struct geoip *g, const struct field *fields, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		struct lookup *at = &g->items[g->n++];

		at->name = str_c(fields[i].name);
		memcpy(at->path, fields[i].path, sizeof(fields[i].path));
		if (intern_name(at->name, &at->key, err))
			return -1;
	}
	return 0;
}

static int open_custom(struct geoip *g, const struct conf_pair *pair, struct err *err)
{
	struct lookup *at = &g->items[g->n++];
	struct str path = pair_value(pair);

	at->name = pair->key;
	at->room = mem_alloc(path.n + 1);
	split(path, at->room, at->path);
	return intern_name(at->name, &at->key, err);
}

static int geoip_open(struct stage *s, struct err *err)
{
	const struct geoip_conf *conf = s->conf;
	struct geoip *g = s->state;
	int rc = geo_open(conf->db.p, &g->geo, err);

	if (rc == 0)
		rc = intern_name(conf->source, &g->source, err);
	if (rc == 0 && conf->db_type == DB_ASN)
		rc = open_fields(g, asn_fields, ARRAY_LEN(asn_fields), err);
	else if (rc == 0)
		rc = open_fields(g, city_fields, ARRAY_LEN(city_fields), err);
	for (size_t i = 0; rc == 0 && i < conf->custom_lookups.n; i++)
		rc = open_custom(g, &conf->custom_lookups.items[i], err);
	return rc;
}

/* What the database has of it, in g->changes; values point into g->text. */
static size_t look_up(struct geoip *g)
{
	size_t n = 0, from[ARRAY_LEN(g->changes)];

	buf_clear(&g->text);
	for (size_t i = 0; i < g->n; i++) {
		from[n] = g->text.n;
		if (!geo_get(g->geo, g->items[i].path, &g->text) || g->text.n == from[n])
			continue;
		g->changes[n].name = g->items[i].name;
		g->changes[n].value.n = g->text.n - from[n];
		n++;
	}
	for (size_t i = 0; i < n; i++) /* it may have moved */
		g->changes[i].value.p = g->text.p + from[i];
	return n;
}

/* Databases are replaced every few days. */
static void renew(struct geoip *g, const struct geoip_conf *conf)
{
	int64_t now_ns = clock_mono_ns();
	struct err err = ERR_NONE;
	int rc;

	if (now_ns < g->look_at_ns)
		return;
	g->look_at_ns = now_ns + LOOK_NS;
	rc = geo_renew(&g->geo, &err);
	if (rc < 0)
		log_warn("the new geoip database is none: the old one stays",
			 KV_S("db", conf->db.p), KV_S("error", err.text));
	else if (rc > 0)
		log_info("the geoip database was replaced", KV_S("db", conf->db.p));
}

static void geoip_run(struct stage *s, struct batch *b)
{
	const struct geoip_conf *conf = s->conf;
	struct geoip *g = s->state;

	renew(g, conf);
	BATCH_FOR(b, r)
	{
		struct str address;
		size_t n;

		if (!rec_get_str(b, r, g->source, &address) || !geo_find(g->geo, str_trim(address)))
			continue;
		n = look_up(g);
		if (conf->to == TO_LABELS && n)
			chain_set_labels(s->chain, b, r, g->changes, n);
		for (size_t i = 0; conf->to == TO_METADATA && i < n; i++)
			rec_attr(b, r, key_intern(g->changes[i].name), ATTR_META, ATTR_STRING,
				 arena_dup(&b->arena, g->changes[i].value));
	}
}

static void geoip_close(struct stage *s)
{
	struct geoip *g = s->state;

	geo_close(g->geo);
	for (size_t i = 0; i < g->n; i++)
		mem_free(g->items[i].room);
	buf_fini(&g->text);
}

const struct stage_ops stage_geoip = {
	.name = "geoip",
	.summary = "adds what a MaxMind database says about an address",
	.doc = "Needs libmaxminddb (package `libmaxminddb0`), which is loaded when this stage is "
	       "used. The "
	       "file is looked at every 10 seconds and read anew when it was replaced (by renaming "
	       "another one, as `geoipupdate` does: it must not be written to while it is in use). "
	       "Addresses that it does not know change nothing.",
	.conf = &geoip_table,
	.state_size = sizeof(struct geoip),
	.open = geoip_open,
	.run = geoip_run,
	.close = geoip_close,
};
