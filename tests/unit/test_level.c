/* SPDX-License-Identifier: Apache-2.0 */
/* Levels of values and of lines, and the stage that writes them. */
#include "pipeline/level.h"
#include "tests/unit/stage_test.h"

extern const struct stage_ops stage_level, stage_labels, stage_logfmt;

struct level_row {
	const char *text, *want;
};

static void values(void)
{
	static const struct level_row rows[] = {
		{ "info", "info" },
		{ "INFO", "info" },
		{ "Information", "info" },
		{ "notice", "info" },
		{ "warn", "warn" },
		{ "WARNING", "warn" },
		{ "wrn", "warn" },
		{ "error", "error" },
		{ "Err", "error" },
		{ "SEVERE", "error" },
		{ "critical", "critical" },
		{ "crit", "critical" },
		{ "alert", "critical" },
		{ "fatal", "fatal" },
		{ "emerg", "fatal" },
		{ "panic", "fatal" },
		{ "debug", "debug" },
		{ "dbg", "debug" },
		{ "trace", "trace" },
		{ "TRC", "trace" },
		{ " warn ", "warn" },
		{ "E", "error" },
		{ "w", "warn" },
		{ "v", "trace" },
		{ "0", "fatal" },
		{ "3", "error" },
		{ "4", "warn" },
		{ "5", "info" },
		{ "7", "debug" },
		{ "8", "unknown" },
		{ "10", "trace" },
		{ "30", "info" },
		{ "50", "error" },
		{ "60", "fatal" },
		{ "70", "unknown" },
		{ "18446744073709551615", "unknown" },
		{ "", "unknown" },
		{ "inform", "unknown" },
		{ "err1", "unknown" },
		{ "x", "unknown" },
		{ "informationalx", "unknown" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		ROW(rows[i].text);
		EQ_STR(level_name(level_of_value(str_c(rows[i].text))), rows[i].want);
	}
}

static void lines(void)
{
	static const struct level_row rows[] = {
		/* JSON: the outermost counts, then one below; strings with escapes are passed over */
		{ "{\"level\":\"warn\"}", "warn" },
		{ "  {\"ts\":1, \"Level\" : \"ERROR\" , \"m\":\"x\"}", "error" },
		{ "{\"level\":30,\"msg\":\"error\"}", "info" },
		{ "{\"level\":3}", "error" },
		{ "{\"log\":{\"level\":\"error\"},\"severity\":\"info\"}", "info" },
		{ "{\"log\":{\"level\":\"error\"}}", "error" },
		{ "{\"a\":{\"b\":{\"level\":\"error\"}}}", "unknown" },
		{ "{\"log.level\":\"debug\"}", "debug" },
		{ "{\"severity_text\":\"FATAL\"}", "fatal" },
		{ "{\"levelname\":\"CRITICAL\"}", "critical" },
		{ "{\"msg\":\"say \\\"level\\\":\\\"error\\\"\",\"lvl\":\"dbg\"}", "debug" },
		{ "{\"msg\":\"level=error ERROR [error]\"}", "unknown" },
		{ "{\"x\":[\"level\"],\"level\":null}", "unknown" },
		{ "{\"level\":\"warn", "warn" },
		{ "{\"level", "unknown" },
		/* pairs, with anything around them */
		{ "ts=1 level=info msg=\"an error\"", "info" },
		{ "ts=1 level=\"WARN\" x", "warn" },
		{ "Jan 2 host app[3]: lvl=eror log_level=dbg", "debug" },
		{ "a=b;severity=ERROR;", "error" },
		{ "sublevel=error", "unknown" },
		{ "level=", "unknown" },
		{ "msg==level=warn", "warn" },
		/* klog, priority */
		{ "I0102 15:04:05.000001       1 main.go:1] an error", "info" },
		{ "W1231 23:59:59.1 x", "warn" },
		{ "F0102 15:04:05 x", "fatal" },
		{ "E0102x15:04:05 x", "unknown" },
		{ "<3>failed", "error" },
		{ "<191>x", "debug" },
		{ "<192>x", "unknown" },
		{ "<>x", "unknown" },
		{ "<b>ERROR</b>", "error" },
		/* brackets: the first word that is a level */
		{ "[Fri] [error] [pid 7] INFO", "error" },
		{ "2026-01-02 [ WARN ] x", "warn" },
		{ "10:00 [I] x", "info" },
		{ "10:00 [i] x", "unknown" },
		{ "10:00 [3] x", "unknown" },
		{ "x [error", "unknown" },
		/* words by themselves */
		{ "2026-01-02 10:00:00,123 ERROR com.example.A - x", "error" },
		{ "2026-01-02 10:00:00 main WARN|x", "warn" },
		{ "ERROR:root:x", "error" },
		{ "make: error: no rule", "error" },
		{ "Warning something", "warn" },
		{ "there was no error", "unknown" },
		{ "INFORMAL", "unknown" },
		{ "see ERROR_CODE and a-WARN and b/INFO", "unknown" },
		{ "panic: runtime error", "fatal" },
		{ "", "unknown" },
		{ "   ", "unknown" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		ROW(rows[i].text);
		EQ_STR(level_name(level_of_line(str_c(rows[i].text), SEVERITY_NONE)), rows[i].want);
	}
}

/* The record's own severity stands between what is written for machines and plain words. */
static void severities(void)
{
	static const struct level_row rows[] = {
		{ "level=debug", "debug" },    { "[info] x", "info" },
		{ "ERROR x", "warn" },         { "x", "warn" },
		{ "{\"level\":50}", "error" }, { "{}", "warn" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		ROW(rows[i].text);
		EQ_STR(level_name(level_of_line(str_c(rows[i].text), 4)), rows[i].want);
	}
	EQ_STR(level_name(level_of_severity(0)), "fatal");
	EQ_STR(level_name(level_of_severity(8)), "unknown");
}

static void the_head_only(void)
{
	char line[4096];

	memset(line, 'x', sizeof(line));
	memcpy(line + LEVEL_HEAD_BYTES, " level=error", 12);
	EQ_STR(level_name(level_of_line(str_make(line, sizeof(line)), SEVERITY_NONE)), "unknown");
	memcpy(line + LEVEL_HEAD_BYTES - 20, " level=error ", 13);
	EQ_STR(level_name(level_of_line(str_make(line, sizeof(line)), SEVERITY_NONE)), "error");
}

static void from_syslog(struct batch *b, struct rec *r)
{
	(void)b;
	r->severity = 2;
}

static void stage(void)
{
	static const struct conf_plugin plugins[] = {
		{ .kind = CONF_STAGE, .name = "level", .ops = &stage_level },
		{ .kind = CONF_STAGE, .name = "labels", .ops = &stage_labels },
		{ .kind = CONF_STAGE, .name = "logfmt", .ops = &stage_logfmt },
	};
	static const struct stage_test_row rows[] = {
		{ "- level: {}", "level=warn\nx", "level=warn; +level=warn\nx" },
		{ "- level:", "level=warn", "level=warn; +level=warn" },
		{ "- level: {unknown: true}", "x", "x; +level=unknown" },
		{ "- level: {to: label}", "INFO x",
		  "INFO x; {app=\"web\", job=\"t\", level=\"info\"}" },
		{ "- level: {to: extracted, name: sev}\n- labels: {sev: }", "INFO x",
		  "INFO x; {app=\"web\", job=\"t\", sev=\"info\"}; sev=info" },
		{ "- level: {}\n- labels: {level: }", "[E] x",
		  "[E] x; {app=\"web\", job=\"t\", level=\"error\"}; +level=error" },
		{ "- logfmt: {mapping: {p: }}\n- level: {source: p}", "p=6 level=error\np=x ERROR",
		  "p=6 level=error; p=6; +level=info\np=x ERROR; p=x; +level=error" },
	};
	static const struct stage_test_row bad[] = {
		{ "- level: {name: 'a b'}", "", "no valid label name" },
		{ "- level: {to: labels}", "", "label" },
	};
	static struct conf_plugin all[ARRAY_LEN(plugins)];

	memcpy(all, plugins, sizeof(all));
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		all[i].conf = ((const struct stage_ops *)all[i].ops)->conf;
	stage_test_rows(all, ARRAY_LEN(all), rows, ARRAY_LEN(rows), NULL);
	stage_test_errors(all, ARRAY_LEN(all), bad, ARRAY_LEN(bad));
	EQ_STR(stage_test_run(all, ARRAY_LEN(all), "- level: {}", STR("x"), from_syslog),
	       "x; +level=critical");
}

int main(void)
{
	RUN(values);
	RUN(lines);
	RUN(severities);
	RUN(the_head_only);
	RUN(stage);
	return test_end();
}
