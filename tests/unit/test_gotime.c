/* SPDX-License-Identifier: Apache-2.0 */
/* Go time layouts and time zones, against rows that Go itself made (golden/gotime). */
#include "test.h"

#include "lib/civil.h"
#include "lib/mem.h"
#include "pipeline/gotime.h"

#define NS_PER_S INT64_C(1000000000)

static int64_t utc(const char *rfc3339)
{
	struct gotime *g = gotime_new(STR("RFC3339"), STR_NONE, NULL);
	struct gotime_cache cache = { 0 };
	int64_t ns = 0;

	OK(gotime_parse(g, &cache, str_c(rfc3339), 0, &ns));
	gotime_free(g);
	return ns;
}

/* Parses text, copied to its exact size; INT64_MIN when it does not fit. */
static int64_t parse(const struct gotime *g, struct gotime_cache *cache, struct str text,
		     int64_t now_ns)
{
	char *exact = mem_dup(text.p, text.n);
	int64_t ns;

	if (!gotime_parse(g, cache, str_make(exact, text.n), now_ns, &ns))
		ns = INT64_MIN;
	mem_free(exact);
	return ns;
}

static void golden_row(struct str line)
{
	struct str format = str_cut(&line, '\t'), location = str_cut(&line, '\t');
	struct str now = str_cut(&line, '\t'), text = str_cut(&line, '\t');
	struct gotime_cache cache = { 0 };
	struct gotime *g;
	int64_t want = INT64_MIN, got;
	char now_text[32];

	if (str_is(location, "-"))
		location = STR_NONE;
	snprintf(now_text, sizeof(now_text), STR_FMT, STR_ARG(now));
	g = gotime_new(format, location, NULL);
	OK(g && (str_is(line, "x") || str_i64(line, &want)));
	for (int twice = 0; twice < 2; twice++) { /* the second time from the cache */
		got = parse(g, &cache, text, utc(now_text));
		if (got != want)
			FAIL(STR_FMT " | " STR_FMT " | " STR_FMT ": %" PRId64 ", want %" PRId64,
			     STR_ARG(format), STR_ARG(location), STR_ARG(text), got, want);
	}
	gotime_free(g);
}

static void golden(const char *path)
{
	FILE *f = fopen(path, "r");
	char line[1024];
	int rows = 0;

	OK(f != NULL);
	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		struct str s = str_c(line);

		golden_row(str_sub(s, 0, str_chr(s, '\n')));
		rows++;
	}
	fclose(f);
	OK(rows > 500);
}

static void rows_from_go(void)
{
	golden(GOLDEN_DIR "/gotime/times.tsv");
}

static void numbers(void)
{
	static const struct {
		const char *format, *text;
		int64_t want;
	} rows[] = {
		{ "Unix", "1700000000", 1700000000 * NS_PER_S },
		{ "Unix", "+1700000000", 1700000000 * NS_PER_S },
		{ "Unix", "-5", -5 * NS_PER_S },
		{ "Unix", "1700000000.5", 1700000000 * NS_PER_S + 500000000 },
		{ "Unix", "1700000000.123456789", 1700000000123456789 },
		{ "Unix", "1700000000.1234567899", 1700000000123456789 },
		{ "Unix", "-1.5", -500000000 },
		{ "Unix", "0", 0 },
		{ "Unix", "1.", INT64_MIN },
		{ "Unix", ".5", INT64_MIN },
		{ "Unix", "1.2.3", INT64_MIN },
		{ "Unix", "1.-5", INT64_MIN },
		{ "Unix", "1e9", INT64_MIN },
		{ "Unix", "", INT64_MIN },
		{ "Unix", " 1", INT64_MIN },
		{ "Unix", "9223372036854775807", INT64_MIN },
		{ "UnixMs", "1700000000123", 1700000000123 * 1000000 },
		{ "UnixMs", "1700000000123.5", INT64_MIN },
		{ "UnixMs", "9223372036854775", INT64_MIN },
		{ "UnixUs", "1700000000123456", 1700000000123456 * 1000 },
		{ "UnixNs", "1700000000123456789", 1700000000123456789 },
		{ "UnixNs", "-1", -1 },
		{ "UnixNs", "9223372036854775808", INT64_MIN },
		{ "UnixNs", "--1", INT64_MIN },
		{ "UnixNs", "x", INT64_MIN },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct gotime *g = gotime_new(str_c(rows[i].format), STR_NONE, NULL);
		struct gotime_cache cache = { 0 };

		ROW(rows[i].text);
		EQ_INT(parse(g, &cache, str_c(rows[i].text), 0), rows[i].want);
		gotime_free(g);
	}
}

/* Layouts and texts in UTC, where the result is easily written down. */
static void layouts(void)
{
	static const struct {
		const char *format, *text, *want; /* NULL: refused */
	} rows[] = {
		{ "RFC3339", "2024-05-01T12:34:56Z", "2024-05-01T12:34:56Z" },
		{ "RFC3339", "2024-05-01T12:34:56.5Z", "2024-05-01T12:34:56.5Z" },
		{ "RFC3339", "2024-05-01T12:34:56,25Z", "2024-05-01T12:34:56.25Z" },
		{ "RFC3339", "2024-05-01T14:34:56+02:00", "2024-05-01T12:34:56Z" },
		{ "RFC3339", "2024-05-01t12:34:56Z", NULL },
		{ "RFC3339", "2024-05-01T12:34:56z", NULL },
		{ "RFC3339", "2024-05-01T12:34:56", NULL },
		{ "RFC3339", "2024-05-01T24:00:00Z", NULL },
		{ "RFC3339", "2024-02-30T00:00:00Z", NULL },
		{ "RFC3339", "2023-02-29T00:00:00Z", NULL },
		{ "RFC3339", "2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z" },
		{ "RFC3339", "1600-01-01T00:00:00Z", NULL },
		{ "RFC3339", "9999-01-01T00:00:00Z", NULL },
		{ "RFC3339Nano", "2024-05-01T12:34:56.123456789123Z",
		  "2024-05-01T12:34:56.123456789Z" },
		{ "2006-01-02 15:04:05", "2024-05-01 12:34:56.789", "2024-05-01T12:34:56.789Z" },
		{ "2006-01-02 15:04:05", "2024-05-01   12:34:56", "2024-05-01T12:34:56Z" },
		{ "2006-01-02 15:04:05", "2024-05-01 12:34:56 x", NULL },
		{ "2006-01-02 15:04:05.000", "2024-05-01 12:34:56,789",
		  "2024-05-01T12:34:56.789Z" },
		{ "2006-01-02 15:04:05.000", "2024-05-01 12:34:56.78", NULL },
		{ "2006-01-02 15:04:05.999", "2024-05-01 12:34:56", "2024-05-01T12:34:56Z" },
		{ "_2 Jan 2006", "1 may 2024", "2024-05-01T00:00:00Z" },
		{ "_2 Jan 2006", " 1 MAY 2024", "2024-05-01T00:00:00Z" },
		{ "_2 Jan 2006", "01 May 2024", "2024-05-01T00:00:00Z" },
		{ "Mon 2006", "Xyz 2024", NULL },
		{ "2006 3PM", "2024 12AM", "2024-01-01T00:00:00Z" },
		{ "2006 3PM", "2024 12PM", "2024-01-01T12:00:00Z" },
		{ "2006 3PM", "2024 1pm", NULL },
		{ "2006 MST", "2024 CEST", "2024-01-01T00:00:00Z" },
		{ "2006 MST", "2024 GMT-8", "2024-01-01T00:00:00Z" },
		{ "2006 MST", "2024 ABCDE", NULL },
		{ "2006-002", "2024-366", "2024-12-31T00:00:00Z" },
		{ "2006-002", "2023-366", NULL },
		{ "2006 002 Jan", "2024 060 Feb", "2024-02-29T00:00:00Z" },
		{ "2006 002 Jan", "2024 060 Mar", NULL },
		{ "no token", "no token", "1970-01-01T00:00:00Z" }, /* year-less, see now below */
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct gotime *g = gotime_new(str_c(rows[i].format), STR_NONE, NULL);
		struct gotime_cache cache = { 0 };

		ROW(rows[i].text);
		EQ_INT(parse(g, &cache, str_c(rows[i].text), 180 * S_PER_DAY * NS_PER_S),
		       rows[i].want ? utc(rows[i].want) : INT64_MIN);
		gotime_free(g);
	}
}

/* Zone names: the location's own, the process's when there is no location, else UTC, counted. */
static void abbreviations(void)
{
	static const struct {
		const char *location, *tz, *text, *want;
		uint64_t unknown;
	} rows[] = {
		{ "Europe/Berlin", "UTC", "2024-07-01 12:00 CEST", "2024-07-01T10:00:00Z", 0 },
		{ "Europe/Berlin", "UTC", "2024-07-01 12:00 CET", "2024-07-01T11:00:00Z", 0 },
		{ "Europe/Berlin", "UTC", "2024-07-01 12:00 EST", "2024-07-01T12:00:00Z", 1 },
		{ "", "Europe/Berlin", "2024-07-01 12:00 CEST", "2024-07-01T12:00:00Z", 1 },
		{ NULL, "UTC", "2024-07-01 12:00 CEST", "2024-07-01T12:00:00Z", 1 },
		{ NULL, "Europe/Berlin", "2024-07-01 12:00 CEST", "2024-07-01T10:00:00Z", 0 },
		{ NULL, ":America/New_York", "2024-07-01 12:00 EDT", "2024-07-01T16:00:00Z", 0 },
		{ NULL, "No/Such", "2024-07-01 12:00 UTC", "2024-07-01T12:00:00Z", 0 },
		{ "Local", "Europe/Berlin", "2024-07-01 12:00 CEST", "2024-07-01T10:00:00Z", 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct gotime_cache cache = { 0 };
		struct gotime *g;

		ROW(rows[i].text);
		setenv("TZ", rows[i].tz, 1);
		g = gotime_new(STR("2006-01-02 15:04 MST"), str_c(rows[i].location), NULL);
		EQ_INT(parse(g, &cache, str_c(rows[i].text), 0), utc(rows[i].want));
		EQ_INT(cache.unknown_zones, rows[i].unknown);
		gotime_free(g);
	}
	setenv("TZ", "UTC", 1);
}

static void without_year(void)
{
	static const struct {
		const char *now, *text, *want;
	} rows[] = {
		{ "2025-06-15T00:00:00Z", "Jun  1 10:00:00", "2025-06-01T10:00:00Z" },
		{ "2025-06-15T00:00:00Z", "Dec 31 10:00:00", "2025-12-31T10:00:00Z" },
		{ "2025-01-01T00:10:00Z", "Dec 31 23:59:59", "2024-12-31T23:59:59Z" },
		{ "2024-12-31T23:59:59Z", "Jan  1 00:00:01", "2025-01-01T00:00:01Z" },
		{ "2024-03-01T00:00:00Z", "Feb 29 10:00:00", "2024-02-29T10:00:00Z" },
		{ "2025-03-01T00:00:00Z", "Feb 29 10:00:00", "2025-03-01T10:00:00Z" },
	};
	struct gotime *g = gotime_new(STR("Jan _2 15:04:05"), STR_NONE, NULL);
	struct gotime_cache cache = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		ROW(rows[i].text);
		EQ_INT(parse(g, &cache, str_c(rows[i].text), utc(rows[i].now)), utc(rows[i].want));
	}
	gotime_free(g);

	ROW("an abbreviation of the location holds for the guessed year");
	g = gotime_new(STR("Jan _2 15:04 MST"), STR("America/New_York"), NULL);
	EQ_INT(parse(g, &cache, STR("Jul  1 12:00 EDT"), utc("2025-08-01T00:00:00Z")),
	       utc("2025-07-01T16:00:00Z"));
	gotime_free(g);
}

static void errors(void)
{
	char longest[GOTIME_LAYOUT_BYTES_MAX + 1];
	struct err err = ERR_NONE;

	memset(longest, 'x', sizeof(longest));
	OK(!gotime_new(STR(""), STR_NONE, &err) && strstr(err.text, "empty"));
	OK(!gotime_new(str_make(longest, sizeof(longest)), STR_NONE, &err) &&
	   strstr(err.text, "too long"));
	OK(!gotime_new(STR("Unix"), STR("Mars/Olympus"), &err) &&
	   strstr(err.text, "unknown time zone 'Mars/Olympus'"));
	OK(!gotime_new(STR("Unix"), STR("../../etc/passwd"), &err));
	OK(!gotime_new(STR("Unix"), STR("/etc/localtime"), &err));
	OK(!gotime_new(STR("Unix"), STR("Europe"), &err));
	OK(!gotime_new(STR("Unix"), STR("zone.tab"), &err));
}

/* A TZif file without a list of changes: only the rule string. */
static void rules(void)
{
	static const struct {
		const char *rule, *wall, *want;
	} rows[] = {
		{ "CET-1CEST,M3.5.0,M10.5.0/3", "2050-01-01T12:00:00Z", "2050-01-01T11:00:00Z" },
		{ "CET-1CEST,M3.5.0,M10.5.0/3", "2050-07-01T12:00:00Z", "2050-07-01T10:00:00Z" },
		{ "CET-1CEST,M3.5.0,M10.5.0/3", "2050-12-31T23:00:00Z", "2050-12-31T22:00:00Z" },
		/* that year's March has only four Sundays */
		{ "CET-1CEST,M3.5.0,M10.5.0/3", "2050-03-28T12:00:00Z", "2050-03-28T10:00:00Z" },
		{ "AEST-10AEDT,M10.1.0,M4.1.0/3", "2050-01-01T12:00:00Z", "2050-01-01T01:00:00Z" },
		{ "AEST-10AEDT,M10.1.0,M4.1.0/3", "2050-07-01T12:00:00Z", "2050-07-01T02:00:00Z" },
		{ "<-03>3", "2050-07-01T12:00:00Z", "2050-07-01T15:00:00Z" },
		{ "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "2050-07-01T12:00:00Z",
		  "2050-07-01T01:30:00Z" },
		{ "EST5EDT", "2050-07-01T12:00:00Z", "2050-07-01T16:00:00Z" },
		{ "AAA0BBB,J60/0,J300/0", "2052-02-29T12:00:00Z", "2052-02-29T12:00:00Z" },
		{ "AAA0BBB,J60/0,J300/0", "2052-03-01T12:00:00Z", "2052-03-01T11:00:00Z" },
		{ "AAA0BBB,59/0,299/0", "2052-02-29T12:00:00Z", "2052-02-29T11:00:00Z" },
		{ "no rule", "2050-07-01T12:00:00Z", "2050-07-01T12:00:00Z" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char file[256] = "TZif2", header2[44] = "TZif2";
		struct tz_span cache = { 0 };
		struct tz *tz;
		size_t n = 44;

		ROW(rows[i].rule);
		header2[39] = 1; /* typecnt */
		header2[43] = 4; /* charcnt */
		memcpy(file + n, header2, sizeof(header2));
		n += sizeof(header2);
		memcpy(file + n, "\0\0\0\0\0\0UTC\0", 10);
		n += 10;
		n += (size_t)snprintf(file + n, sizeof(file) - n, "\n%s\n", rows[i].rule);
		tz = tz_parse(str_make(file, n), NULL);
		OK(tz != NULL);
		EQ_INT(tz_from_wall(tz, &cache, utc(rows[i].wall) / NS_PER_S) * NS_PER_S,
		       utc(rows[i].want));
		tz_free(tz);
		for (size_t cut = 0; cut < 98; cut++) {
			tz = tz_parse(str_make(file, cut), NULL);
			OK(!tz);
			tz_free(tz);
		}
	}
}

int main(int argc, char **argv)
{
	setenv("TZ", "UTC", 1);
	if (argc > 1) {
		golden(argv[1]); /* a larger file from golden/gotime/make.go */
		return test_end();
	}
	RUN(rows_from_go);
	RUN(numbers);
	RUN(layouts);
	RUN(abbreviations);
	RUN(without_year);
	RUN(errors);
	RUN(rules);
	return test_end();
}
