/* SPDX-License-Identifier: Apache-2.0 */
/* Stage geoip, with databases that make_mmdb.py wrote. */
#include <stdlib.h>
#include <unistd.h>

#include "pipeline/geo.h"
#include "tests/unit/stage_test.h"

extern const struct stage_ops stage_geoip, stage_logfmt;

static struct conf_plugin plugins[2];

static void init_plugins(void)
{
	const struct stage_ops *ops[] = { &stage_geoip, &stage_logfmt };

	for (size_t i = 0; i < ARRAY_LEN(ops); i++)
		plugins[i] = (struct conf_plugin){ .kind = CONF_STAGE,
						   .name = ops[i]->name,
						   .conf = ops[i]->conf,
						   .ops = ops[i] };
}

#define IP "- logfmt: {mapping: {ip: }}\n"
#define CITY "db: " GOLDEN_DIR "/geoip/city.mmdb, db_type: city, source: ip"
#define ASN "db: " GOLDEN_DIR "/geoip/asn.mmdb, db_type: asn, source: ip"

static void rows(void)
{
	static const struct stage_test_row rows[] = {
		{ IP "- geoip: {" CITY "}", "ip=192.0.2.7",
		  "ip=192.0.2.7; {app=\"web\", geoip_city_name=\"Example City\", "
		  "geoip_continent_code=\"EU\", geoip_continent_name=\"Europe\", "
		  "geoip_country_name=\"Germany\", geoip_location_latitude=\"51.5\", "
		  "geoip_location_longitude=\"-0.25\", geoip_postal_code=\"01234\", "
		  "geoip_subdivision_code=\"B\", geoip_subdivision_name=\"Small\", "
		  "geoip_timezone=\"Europe/Berlin\", job=\"t\"}; ip=192.0.2.7" },
		/* unknown, none, missing; empty values make no label */
		{ IP "- geoip: {" CITY "}", "ip=203.0.113.1\nip=x\nip=\nhello",
		  "ip=203.0.113.1; ip=203.0.113.1\nip=x; ip=x\nip=; ip=\nhello" },
		{ IP "- geoip: {" CITY "}", "ip=2001:db8::1",
		  "ip=2001:db8::1; {app=\"web\", geoip_country_name=\"France\", job=\"t\"}; "
		  "ip=2001:db8::1" },
		{ IP "- geoip: {" ASN "}", "ip=198.51.100.127\nip=198.51.100.128",
		  "ip=198.51.100.127; {app=\"web\", geoip_autonomous_system_number=\"64500\", "
		  "geoip_autonomous_system_organization=\"Example GmbH\", job=\"t\"}; "
		  "ip=198.51.100.127\nip=198.51.100.128; ip=198.51.100.128" },
		{ IP "- geoip: {" ASN ", to: metadata}", "ip=198.51.100.1",
		  "ip=198.51.100.1; ip=198.51.100.1; +geoip_autonomous_system_number=64500; "
		  "+geoip_autonomous_system_organization=Example GmbH" },
		{ IP
		  "- geoip: {db: " GOLDEN_DIR
		  "/geoip/city.mmdb, db_type: asn, source: ip, to: metadata, "
		  "custom_lookups: {country: country.iso_code, proxy: traits.is_anonymous_proxy, "
		  "tag: 'traits.tags[1]', score: 'traits.score', none: traits.nothing, map: "
		  "traits}}",
		  "ip=192.0.2.255",
		  "ip=192.0.2.255; ip=192.0.2.255; +country=DE; +proxy=true; +tag=y; +score=7" },
	};
	static const struct stage_test_row bad[] = {
		{ "- geoip: {db_type: city, source: ip}", "", "'db' is required" },
		{ "- geoip: {db: x, db_type: city}", "", "'source' is required" },
		{ "- geoip: {db: x, db_type: isp, source: ip}", "", "db_type" },
		{ "- geoip: {db: /nonexistent.mmdb, db_type: city, source: ip}", "",
		  "/nonexistent.mmdb" },
		{ "- geoip: {db: " GOLDEN_DIR "/README.md, db_type: city, source: ip}", "",
		  "README.md" },
		{ "- geoip: {db: x, db_type: city, source: ip, custom_lookups: {a: '.b'}}", "",
		  "names with dots" },
		{ "- geoip: {db: x, db_type: city, source: ip, custom_lookups: {a-b: x}}", "",
		  "no valid label name" },
	};

	stage_test_rows(plugins, ARRAY_LEN(plugins), rows, ARRAY_LEN(rows), NULL);
	stage_test_errors(plugins, ARRAY_LEN(plugins), bad, ARRAY_LEN(bad));
}

static void put_file(const char *path, const char *text, const char *of)
{
	char cmd[600], next[80];

	snprintf(next, sizeof(next), "%s.new", path);
	if (of)
		snprintf(cmd, sizeof(cmd), "cp %s/geoip/%s %s", GOLDEN_DIR, of, next);
	else
		snprintf(cmd, sizeof(cmd), "echo '%s' >%s", text, next);
	OK(system(cmd) == 0);
	OK(rename(next, path) == 0);
}

static void replaced(void)
{
	char path[] = "/tmp/test-geoip-XXXXXX";
	struct err err = ERR_NONE;
	struct geo *geo = NULL;
	int fd = mkstemp(path);

	close(fd);
	put_file(path, NULL, "city.mmdb");
	EQ_INT(geo_open(path, &geo, &err), 0);
	OK(geo_find(geo, STR("192.0.2.7")));
	EQ_INT(geo_renew(&geo, &err), 0);
	put_file(path, NULL, "asn.mmdb");
	EQ_INT(geo_renew(&geo, &err), 1);
	OK(!geo_find(geo, STR("192.0.2.7")) && geo_find(geo, STR("198.51.100.1")));
	EQ_INT(geo_renew(&geo, &err), 0);
	/* Garbage is refused once, and then left alone; so is a file that is gone. */
	put_file(path, "garbage", NULL);
	OK(geo_renew(&geo, &err) < 0);
	OK(str_find(str_c(err.text), str_c(path)) < strlen(err.text));
	EQ_INT(geo_renew(&geo, &err), 0);
	unlink(path);
	EQ_INT(geo_renew(&geo, &err), 0);
	OK(geo_find(geo, STR("198.51.100.1")));
	put_file(path, NULL, "city.mmdb");
	EQ_INT(geo_renew(&geo, &err), 1);
	OK(geo_find(geo, STR("192.0.2.7")));
	geo_close(geo);
	unlink(path);
}

int main(void)
{
	struct err err = ERR_NONE;
	struct geo *geo;

	/* A program that was built without the library says so, and has nothing to test. */
	if (geo_open(GOLDEN_DIR "/geoip/city.mmdb", &geo, &err) == 0) {
		geo_close(geo);
		init_plugins();
		RUN(rows);
		RUN(replaced);
	} else {
		printf("%s\n", err.text);
		OK(str_find(str_c(err.text), STR("built without")) < strlen(err.text));
	}
	return test_end();
}
