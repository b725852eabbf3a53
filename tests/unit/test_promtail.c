/* SPDX-License-Identifier: Apache-2.0 */
/* Every stage and option as Promtail's documentation writes them: they load unchanged and do what it
 * says. A row is what stands below `pipeline_stages:`. */
#include "agent/registry.h"
#include "tests/unit/stage_test.h"

static const struct conf_plugin *plugins;
static size_t nplugins;

static void parsing(void)
{
	static const struct stage_test_row rows[] = {
		{ "- docker: {}",
		  "{\"log\":\"log "
		  "message\\n\",\"stream\":\"stderr\",\"time\":\"1970-01-01T00:00:00."
		  "000002Z\"}\nno JSON",
		  "log message; time=2000; {app=\"web\", job=\"t\", stream=\"stderr\"}; output=log "
		  "message\n; stream=stderr; timestamp=1970-01-01T00:00:00.000002Z\nno JSON" },
		{ "- cri: {}", "1970-01-01T00:00:00.000002Z stdout F message",
		  "message; time=2000; {app=\"web\", job=\"t\", stream=\"stdout\"}; "
		  "time=1970-01-01T00:00:00.000002Z; stream=stdout; flags=F; content=message" },
		{ "- cri:\n    max_partial_lines: 100\n    max_partial_line_size: 4\n"
		  "    max_partial_line_size_truncate: true",
		  "1970-01-01T00:00:00.000002Z stderr P abc\n1970-01-01T00:00:00.000003Z stderr F "
		  "defg",
		  "abcd; time=3000; {app=\"web\", job=\"t\", stream=\"stderr\"}; "
		  "time=1970-01-01T00:00:00.000003Z; stream=stderr; flags=F; content=defg; "
		  "+tailrace_full_length=7(number); cut" },
		{ "- regex:\n    expression: \"^(?s)(?P<time>\\\\S+?) (?P<stream>stdout|stderr) "
		  "(?P<flags>\\\\S+?) (?P<content>.*)$\"",
		  "2019-01-01T01:00:00.000000001Z stderr P i'm a log message!",
		  "2019-01-01T01:00:00.000000001Z stderr P i'm a log message!; "
		  "time=2019-01-01T01:00:00.000000001Z; stream=stderr; flags=P; content=i'm a log "
		  "message!" },
		{ "- json:\n    expressions:\n      time:\n- regex:\n    expression: "
		  "\"^(?P<year>\\\\d+)\"\n"
		  "    source: \"time\"",
		  "{\"time\":\"2019-01-01T01:00:00.000000001Z\"}",
		  "{\"time\":\"2019-01-01T01:00:00.000000001Z\"}; "
		  "time=2019-01-01T01:00:00.000000001Z; "
		  "year=2019" },
		{ "- json:\n    expressions:\n      output: log\n      stream: stream\n      "
		  "timestamp: time",
		  "{\"log\":\"log message\\n\",\"stream\":\"stderr\",\"time\":\"T\"}",
		  "{\"log\":\"log message\\n\",\"stream\":\"stderr\",\"time\":\"T\"}; output=log "
		  "message\n; "
		  "stream=stderr; timestamp=T" },
		{ "- json:\n    expressions:\n      output: log\n      extra:\n- json:\n    "
		  "expressions:\n"
		  "      user:\n    source: extra",
		  "{\"log\":\"l\",\"extra\":\"{\\\"user\\\":\\\"marco\\\"}\"}",
		  "{\"log\":\"l\",\"extra\":\"{\\\"user\\\":\\\"marco\\\"}\"}; output=l; "
		  "extra={\"user\":\"marco\"}; user=marco" },
		{ "- json:\n    expressions:\n      message: rust.message\n    drop_malformed: "
		  "true",
		  "no JSON", "no JSON; dropped" },
		{ "- json:\n    expressions:\n      http_user_agent: '\"grpc.request-id\"'",
		  "{\"grpc.request-id\":\"x\"}", "{\"grpc.request-id\":\"x\"}; http_user_agent=x" },
		{ "- logfmt:\n    mapping:\n      timestamp: time\n      app:\n      duration:\n   "
		  "   unknown:",
		  "time=2012-11-01T22:08:41+00:00 app=loki level=WARN duration=125 message=\"this "
		  "is\"",
		  "time=2012-11-01T22:08:41+00:00 app=loki level=WARN duration=125 message=\"this "
		  "is\"; "
		  "timestamp=2012-11-01T22:08:41+00:00; app=loki; duration=125" },
		{ "- logfmt:\n    mapping:\n      extra:\n- logfmt:\n    mapping:\n      user:\n"
		  "    source: extra",
		  "extra=\"user=foo\"", "extra=\"user=foo\"; extra=user=foo; user=foo" },
		{ "- eventlogmessage:\n    source: m\n    drop_invalid_labels: true\n"
		  "    overwrite_existing: true",
		  "x", "x" },
		{ "- json:\n    expressions:\n      message:\n      Overwritten:\n- "
		  "eventlogmessage:\n"
		  "    source: message\n    overwrite_existing: true",
		  "{\"message\":\"Overwritten: new\\r\\na b: c\",\"Overwritten\":\"old\"}",
		  "{\"message\":\"Overwritten: new\\r\\na b: c\",\"Overwritten\":\"old\"}; "
		  "message=Overwritten: new\r\na b: c; Overwritten=new; a_b=c" },
		{ "- {}\n- decolorize:", "\x1b[0;34mfoo\x1b[0m", "foo" },
		{ "- decolorize: true", "\x1b[0;34mfoo\x1b[0m", "foo" },
		{ "- docker: yes\n- output: {source: a}", "no JSON", "no JSON" },
		{ "- docker:", "no JSON", "no JSON" },
		{ "- docker: []", "no JSON", "no JSON" },
		{ "- cri:", "not CRI", "not CRI" },
		{ "- multiline: {firstline: '^a', max_lines: -1, max_wait_time: 3s}", "a\nb\nc",
		  "a\nb\nc" },
		{ "- decolorize: {}", "\x1b[0;34mfoo\x1b[0m", "foo" },
	};

	stage_test_rows(plugins, nplugins, rows, ARRAY_LEN(rows), NULL);
}

static void transforming(void)
{
	static const struct stage_test_row rows[] = {
		{ "- template:\n    source: new_key\n    template: 'hello world!'", "x",
		  "x; new_key=hello world!" },
		{ "- logfmt:\n    mapping:\n      app:\n- template:\n    source: app\n"
		  "    template: '{{ .Value }} some suffix'",
		  "app=loki", "app=loki; app=loki some suffix" },
		{ "- logfmt:\n    mapping:\n      app:\n      level:\n- template:\n    source: "
		  "app\n"
		  "    template: '{{ if eq .Value \"loki1\" }}{{ Replace .Value \"loki\" "
		  "\"blokey\" 1 }}"
		  "{{ else }}{{ ToUpper .Value }}{{ end }} {{ ToLower .level }}'",
		  "app=loki1 level=WARN", "app=loki1 level=WARN; level=WARN; app=blokey1 warn" },
		{ "- template:\n    source: output_msg\n    template: '{{ .level }} for {{ .Entry "
		  "}}'",
		  "x", "x; output_msg=<no value> for x" },
		{ "- replace:\n    expression: \"password (\\\\S+)\"\n    replace: \"****\"",
		  "11.11.11.11 password abc", "11.11.11.11 password ****" },
		{ "- json:\n    expressions:\n      level:\n      msg:\n- replace:\n"
		  "    expression: \"\\\\S+ - \\\"POST (\\\\S+) .*\"\n    source: \"msg\"\n"
		  "    replace: \"redacted_url\"",
		  "{\"level\":\"info\",\"msg\":\"11.11.11.11 - \\\"POST /loki/api/push/ "
		  "HTTP/1.1\\\" 200\"}",
		  "{\"level\":\"info\",\"msg\":\"11.11.11.11 - \\\"POST /loki/api/push/ "
		  "HTTP/1.1\\\" 200\"}; "
		  "level=info; msg=11.11.11.11 - \"POST redacted_url HTTP/1.1\" 200" },
		{ "- replace:\n    expression: \"^(?P<ip>\\\\S+) (?P<identd>\\\\S+) "
		  "(?P<user>\\\\S+)$\"\n"
		  "    replace: '{{ if eq .Value \"200\" }}{{ Replace .Value \"200\" "
		  "\"HttpStatusOk\" -1 }}"
		  "{{ else }}{{ .Value | ToUpper }}{{ end }}'",
		  "a - 200", "A - HttpStatusOk; ip=A; identd=-; user=HttpStatusOk" },
		{ "- pack:\n    labels:\n      - app\n      - env\n    ingest_timestamp: false",
		  "Some log", "{\"app\":\"web\",\"_entry\":\"Some log\"}; {job=\"t\"}" },
		{ "- multiline:\n    firstline: '^\\[\\d+\\]'\n    max_wait_time: 3s\n    "
		  "max_lines: 128",
		  "[1] a\n b\n[2] c", "[1] a\n b\n[2] c" },
		{ "- json:\n    expressions:\n      t:\n- timestamp:\n    source: t\n    format: "
		  "Unix",
		  "{\"t\":1.5}", "{\"t\":1.5}; time=1500000000; t=1.5(number)" },
		{ "- json:\n    expressions:\n      t:\n- timestamp:\n    source: t\n    format: "
		  "RFC3339\n"
		  "    fallback_formats: [UnixMs]\n    action_on_failure: skip",
		  "{\"t\":2}\n{\"t\":\"x\"}",
		  "{\"t\":2}; time=2000000; t=2(number)\n{\"t\":\"x\"}; t=x" },
		{ "- json:\n    expressions:\n      t:\n- timestamp:\n    source: t\n"
		  "    format: \"2006-01-02 15:04:05\"\n    location: \"America/New_York\"\n"
		  "    action_on_failure: fudge",
		  "{\"t\":\"1970-01-01 00:00:00\"}",
		  "{\"t\":\"1970-01-01 00:00:00\"}; time=18000000000000; t=1970-01-01 00:00:00" },
		{ "- json:\n    expressions:\n      content:\n- output:\n    source: content",
		  "{\"content\":\"hello, world!\"}", "hello, world!; content=hello, world!" },
	};

	stage_test_rows(plugins, nplugins, rows, ARRAY_LEN(rows), NULL);
}

static void labelling(void)
{
	static const struct stage_test_row rows[] = {
		{ "- json:\n    expressions:\n      stream:\n      s2:\n- labels:\n    stream:\n   "
		  " other: s2",
		  "{\"stream\":\"stderr\",\"s2\":\"\"}",
		  "{\"stream\":\"stderr\",\"s2\":\"\"}; {app=\"web\", job=\"t\", other=\"\", "
		  "stream=\"stderr\"}; stream=stderr; s2=" },
		{ "- labels:", "x", "x" },
		{ "- static_labels:\n    custom_key: custom_val\n    none:", "x",
		  "x; {app=\"web\", custom_key=\"custom_val\", job=\"t\"}" },
		{ "- labeldrop:\n    - app\n    - filename", "x", "x; {job=\"t\"}" },
		{ "- labelallow:\n    - app", "x", "x; {app=\"web\"}" },
		{ "- logfmt:\n    mapping:\n      traceID:\n- structured_metadata:\n    traceID:",
		  "traceID=0242ac120002",
		  "traceID=0242ac120002; traceID=0242ac120002; +traceID=0242ac120002" },
		{ "- structured_metadata:\n    app:", "x", "x; {job=\"t\"}; +app=web" },
		{ "- non_indexed_labels:\n    app:", "x", "x; {job=\"t\"}; +app=web" },
		{ "- tenant:\n    value: team-b", "x",
		  "x; {app=\"web\", job=\"t\"}; tenant=team-b" },
		{ "- tenant:\n    label: app", "x", "x; {app=\"web\", job=\"t\"}; tenant=web" },
		{ "- json:\n    expressions:\n      customer_id:\n- tenant:\n    source: "
		  "customer_id",
		  "{\"customer_id\":\"1\"}",
		  "{\"customer_id\":\"1\"}; {app=\"web\", job=\"t\"}; tenant=1; customer_id=1" },
	};

	stage_test_rows(plugins, nplugins, rows, ARRAY_LEN(rows), NULL);
}

static void filtering(void)
{
	static const struct stage_test_row rows[] = {
		{ "- match:\n    pipeline_name: \"app2\"\n    selector: '{app=\"web\"}'\n    "
		  "stages:\n"
		  "    - json:\n        expressions:\n          msg: message",
		  "{\"message\":\"m\"}", "{\"message\":\"m\"}; msg=m" },
		{ "- match:\n    selector: '{app=~\"w.*\"} |~ \".*noisy error.*\"'\n    action: "
		  "drop\n"
		  "    drop_counter_reason: promtail_noisy_error",
		  "a noisy error\nb", "a noisy error; dropped\nb" },
		{ "- match:\n    selector: '{app=\"web\"} |= \"a\" != \"b\"'\n    action: keep\n   "
		  " stages: "
		  "[static_labels: {k: v}]",
		  "a\nab", "a; {app=\"web\", job=\"t\", k=\"v\"}\nab" },
		{ "- drop:\n    source: [\"level\",\"msg\"]\n    separator: \"#\"\n"
		  "    expression: \"(error|info)#.*loki.*\"\n    drop_counter_reason: r",
		  "x", "x" },
		{ "- logfmt:\n    mapping:\n      level:\n      msg:\n- drop:\n    source: "
		  "level,msg",
		  "level=a", "level=a; level=a" },
		{ "- drop:\n    expression: \".*debug.*\"", "a debug\nb", "a debug; dropped\nb" },
		{ "- drop:\n    older_than: 24h\n    drop_counter_reason: \"line_too_old\"", "x",
		  "x; dropped" },
		{ "- drop:\n    longer_than: 8kb", "x", "x" },
		{ "- logfmt:\n    mapping:\n      level:\n- drop:\n    source: \"level\"\n    "
		  "value: \"error\"",
		  "level=error\nlevel=info",
		  "level=error; level=error; dropped\nlevel=info; level=info" },
		{ "- limit:\n    rate: 0.001\n    burst: 1\n    drop: true", "a\nb",
		  "a\nb; dropped" },
		{ "- limit:\n    rate: 0.001\n    burst: 1\n    drop: true\n    by_label_name: "
		  "\"app\"\n"
		  "    max_distinct_labels: 10000",
		  "a\nb", "a\nb; dropped" },
		{ "- limit:\n    rate: 10\n    burst: 10", "a", "a" },
		{ "- sampling:\n    rate: 0\n    drop_counter_reason: r", "a", "a; dropped" },
		{ "- sampling:\n    rate: 1", "a", "a" },
		{ "- metrics:\n    log_lines_total:\n      type: Counter\n"
		  "      description: \"total number of log lines\"\n      prefix: "
		  "my_promtail_custom_\n"
		  "      max_idle_duration: 24h\n      config:\n        match_all: true\n        "
		  "action: inc\n"
		  "    log_bytes_total:\n      type: Counter\n      config:\n        match_all: "
		  "true\n"
		  "        count_entry_bytes: true\n        action: add\n"
		  "    retries_total:\n      type: Gauge\n      source: retries\n      config: { "
		  "action: add }\n"
		  "    http_response_time_seconds:\n      type: Histogram\n      source: "
		  "response_time\n"
		  "      config:\n        buckets: [0.001,0.0025,0.005,0.010,0.025,0.050]",
		  "a", "a" },
	};

	stage_test_rows(plugins, nplugins, rows, ARRAY_LEN(rows), NULL);
}

/* What Promtail refuses is refused, and where. */
static void refused(void)
{
	static const struct stage_test_row rows[] = {
		{ "- {json: {expressions: {a: }}, regex: {expression: a}}", "", "stages[0]" },
		{ "- nope: {}", "", "nope" },
		{ "- regex: {expression: ''}", "", "regex.expression" },
		{ "- json: {expressions: {}}", "", "json.expressions" },
		{ "- json: {expressions: {foo-bar: }}", "", "foo-bar" },
		{ "- logfmt: {mapping: {}}", "", "logfmt.mapping" },
		{ "- template: {template: a}", "", "source" },
		{ "- template: {source: a, template: '{{ .x'}", "", "template" },
		{ "- replace: {expression: ''}", "", "replace.expression" },
		{ "- match: {selector: '{}'}", "", "selector" },
		{ "- match: {selector: '{a=\"b\"}'}", "", "stages" },
		{ "- match: {selector: '{a=\"b\"}', action: drop, stages: [docker: {}]}", "",
		  "stages" },
		{ "- timestamp: {source: a}", "", "format" },
		{ "- timestamp: {source: a, format: Unix, location: Nowhere/Land}", "",
		  "location" },
		{ "- timestamp: {source: a, format: Unix, action_on_failure: x}", "",
		  "action_on_failure" },
		{ "- output: {}", "", "source" },
		{ "- labels: {a-b: }", "", "a-b" },
		{ "- labeldrop: []", "", "labeldrop" },
		{ "- tenant: {}", "", "tenant" },
		{ "- tenant: {value: a, label: b}", "", "tenant" },
		{ "- drop: {}", "", "needs at least one" },
		{ "- drop: {value: a}", "", "source" },
		{ "- drop: {expression: a, value: b, source: c}", "", "not both" },
		{ "- limit: {rate: 0, burst: 1}", "", "rate" },
		{ "- multiline: {}", "", "firstline" },
		{ "- multiline: {firstline: a, max_wait_time: 3}", "", "max_wait_time" },
		{ "- sampling: {rate: 2}", "", "rate" },
		{ "- geoip: {source: a, db_type: city}", "", "db" },
		{ "- metrics: {a: {type: Counter, config: {action: dec}}}", "", "a counter has" },
	};

	stage_test_errors(plugins, nplugins, rows, ARRAY_LEN(rows));
}

int main(void)
{
	plugins = registry(&nplugins);
	RUN(parsing);
	RUN(transforming);
	RUN(labelling);
	RUN(filtering);
	RUN(refused);
	return test_end();
}
