# SPDX-License-Identifier: Apache-2.0
"""Stages by way of a configuration, file to Loki; and that a secret which is redacted stands nowhere at all."""

import time

import pytest

from loki import free_port
from faultloki import Fault
from work import arrived, config, everywhere, file_input, loki_output, syslog_input, text, Udp, rfc5424


@pytest.fixture
def run(agent, loki, tenant, tmp_path):
	"""run(stages, lines): what Loki has when the agent is done with the lines."""

	def run(stages: list, lines: list[str], job: str = "app", **more):
		log = tmp_path / f"{job}.log"
		log.write_text(text(lines))
		one = agent(config({job: file_input(log)}, loki_output(loki.push_url, tenant), stages, **more), name=job)
		one.wait_metric("tailrace_input_records_total", len(lines))
		metrics = one.wait_idle()
		delivered = metrics.sum("tailrace_records_delivered_total")
		assert loki.wait_count('{job="%s"}' % job, delivered) == delivered
		return loki.read('{job="%s"}' % job), metrics

	return run


def test_regex_labels_and_output(run):
	read, _ = run(
		[
			{"regex": {"expression": r"^(?P<ip>\S+) (?P<level>\w+) (?P<msg>.*)$$"}},
			{"labels": {"level": None, "address": "ip"}},
			{"static_labels": {"env": "test"}},
			{"output": {"source": "msg"}},
		],
		["192.0.2.1 info hello there", "nomatch", "192.0.2.2 warn careful"],
	)
	assert [r.line for r in read] == ["hello there", "nomatch", "careful"]
	assert [(r.label.get("level"), r.label.get("address")) for r in read] == [
		("info", "192.0.2.1"), (None, None), ("warn", "192.0.2.2"),
	]
	assert {r.label["env"] for r in read} == {"test"}


def test_json_and_timestamp_and_metadata(run):
	at = time.time_ns() // 10**9 * 10**9 - 60 * 10**9
	stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at / 1e9)) + ".123456789Z"
	read, _ = run(
		[
			{"json": {"expressions": {"ts": "time", "msg": "message", "user": "request.user.id", "n": ""}}},
			{"timestamp": {"source": "ts", "format": "RFC3339Nano"}},
			{"structured_metadata": {"user": None, "n": None}},
			{"output": {"source": "msg"}},
		],
		[
			'{"time":"%s","message":"a \\"quoted\\" \\u00fc","n":5.50,"request":{"user":{"id":"u1"}}}' % stamp,
			"not json",
		],
	)
	by_line = {r.line: r for r in read}
	first = by_line['a "quoted" ü']
	assert first.ts == at + 123456789
	assert first.metadata == {"user": "u1", "n": "5.5"}
	assert by_line["not json"].metadata == {}


def test_logfmt(run):
	read, _ = run(
		[{"logfmt": {"mapping": {"level": "", "who": "user"}}}, {"labels": {"level": None}}, {"structured_metadata": {"who": None}}],
		['level=warn msg="x y" user="bob b"', "level=info"],
	)
	assert [(r.label["level"], r.metadata) for r in read] == [("warn", {"who": "bob b"}), ("info", {})]


def test_drop_and_match(run):
	read, metrics = run(
		[
			{"regex": {"expression": r"level=(?P<level>\w+)"}},
			{"labels": {"level": None}},
			{"match": {"selector": '{level="debug"}', "action": "drop", "drop_counter_reason": "chatter"}},
			{"match": {
				"selector": '{level=~"warn|error"} |= "disk"',
				"stages": [{"static_labels": {"team": "storage"}}],
			}},
			{"drop": {"expression": "healthz", "drop_counter_reason": "probes"}},
			{"drop": {"longer_than": "200"}},
		],
		[
			"level=debug x", "level=warn disk full", "level=error net down", "level=info GET /healthz",
			"level=info " + "z" * 300, "level=info stays",
		],
	)
	assert [r.line for r in read] == ["level=warn disk full", "level=error net down", "level=info stays"]
	assert [r.label.get("team") for r in read] == ["storage", None, None]
	assert metrics.sum("tailrace_records_filtered_total", pipeline="main") == 3
	reasons = metrics.by("tailrace_stage_dropped_total", "reason")
	assert (reasons["chatter"], reasons["probes"], reasons["drop_stage"]) == (1, 1, 1)


def test_replace(run):
	read, _ = run(
		[
			{"replace": {"expression": r"id=(\d+)", "replace": "<{{ .Value }}>"}},
			{"replace": {"expression": r"(token)", "replace": "***"}},
		],
		["id=15 token=token", "nothing here"],
	)
	assert [r.line for r in read] == ["id=<15> ***=***", "nothing here"]


def test_a_label_that_explodes_becomes_metadata(agent, loki, tenant, tmp_path, threads):
	log = tmp_path / "app.log"
	log.write_text(text([f"id={i} x" for i in range(500)]))
	conf = config(
		{"app": file_input(log)},
		loki_output(loki.push_url, tenant),
		[{"regex": {"expression": r"id=(?P<id>\d+)"}}, {"labels": {"id": None}}],
	)
	conf["pipelines"]["main"]["max_streams"] = 100
	one = agent(conf)
	arrived(one, loki, '{job="app"}', [f"id={i} x" for i in range(500)], ordered=False)
	assert len(loki.streams('{job="app"}')) <= 100 * threads
	overflow = one.metrics().sum("tailrace_label_overflow_total")
	assert 400 <= overflow <= 500
	flagged = [r for r in loki.read('{job="app"}') if "id" not in r.label]
	assert len(flagged) == overflow
	assert all(r.metadata["id"] == r.line.split()[0][3:] for r in flagged)


def test_a_label_with_too_many_values_is_none_any_more(agent, loki, tenant, tmp_path, threads):
	"""It alone: the other label stays one, and what Loki gets are few streams."""
	log = tmp_path / "app.log"
	lines = [f"id={i} kind={i % 3}" for i in range(500)]
	log.write_text(text(lines))
	conf = config(
		{"app": file_input(log)},
		loki_output(loki.push_url, tenant),
		[{"logfmt": {"mapping": {"id": None, "kind": None}}}, {"labels": {"kind": None}}, {"labels": {"id": None}}],
	)
	conf["pipelines"]["main"]["max_label_values"] = 50
	one = agent(conf)
	arrived(one, loki, '{job="app"}', lines, ordered=False)
	moved = one.metrics().sum("tailrace_labels_moved_total", label="id", reason="values")
	assert moved == 450
	read = loki.read('{job="app"}')
	assert {r.label["kind"] for r in read} == {"0", "1", "2"}
	without = [r for r in read if "id" not in r.label]
	assert len(without) == moved and all(f"id={r.metadata['id']} " in r.line for r in without)
	assert one.log().count("a label is beyond a limit") == 1


CANARIES = {
	"password=CANARYpw77": "CANARYpw77",
	"card 4111111111111111 paid": "4111111111111111",
	"mail canary.person@example.com now": "canary.person@example.com",
	"from 192.0.2.177 port 1": "192.0.2.177",
	"sent Bearer CANARYbearer99xyz along": "CANARYbearer99xyz",
	"Authorization: Digest CANARYdigest55": "CANARYdigest55",
	"sent Basic Q0FOQVJZOmNhbmFyeQ== along": "Q0FOQVJZOmNhbmFyeQ==",
	"own CANARYOWN-123456 pattern": "CANARYOWN-123456",
}


REDACT_ALL = {"redact": {
	"detectors": ["card", "email", "ipv4", "bearer", "basic", "key_value"],
	"patterns": [{"name": "own", "expression": "CANARYOWN-[0-9]+"}],
}}


def no_canary(one, folder, texts):
	"""Neither in what was delivered, nor in anything the agent wrote or says."""
	for secret in CANARIES.values():
		for where, text_ in texts.items():
			assert secret not in text_, f"{secret} in {where}"
		found = [p for p in everywhere(folder, secret) if not p.endswith((".log", "tailrace.yaml")) or "agent" in p]
		assert not found, f"{secret} in {found}"


def test_secrets_are_nowhere(agent, loki, tenant, tmp_path, threads):
	"""File and syslog (header fields too) to Loki, with debug logging."""
	port = free_port()
	log = tmp_path / "source.log"
	log.write_text(text([f"{line} #{i}" for i, line in enumerate(CANARIES)] + ["password=CANARYpw77" + "\xff"]))
	one = agent(
		config(
			{"app": file_input(log), "net": syslog_input(port)},
			loki_output(loki.push_url, tenant),
			[REDACT_ALL],
			log={"level": "debug"},
		)
	)
	udp = Udp(port)
	for line in CANARIES:
		udp.send(rfc5424(line, sd=f'[x@1 p="{line}"]'))
	udp.close()
	want = 2 * len(CANARIES) + 1
	assert loki.wait_count('{job=~".+"}', want) == want
	metrics = one.wait_idle()
	read = loki.read('{job=~".+"}')
	assert metrics.sum("tailrace_redacted_total") >= want
	no_canary(one, tmp_path / "agent0", {"Loki": repr(read), "metrics": metrics.text, "log": one.log()})


def test_secrets_are_not_in_dead_letters(agent, fault_loki, tenant, tmp_path):
	log = tmp_path / "source.log"
	log.write_text(text(list(CANARIES)))
	fault_loki.otherwise = lambda push: Fault.partial(
		lambda s, e: True, "1 errors like: max entry size '262144' bytes exceeded for stream '{}' while adding an entry\n"
	)
	one = agent(config(
		{"app": file_input(log)},
		loki_output(fault_loki.push_url, tenant),
		[REDACT_ALL],
		log={"level": "debug"},
	))
	one.wait_metric("tailrace_dead_letters_total", len(CANARIES))
	ledger = one.stop()
	assert ledger["main", "loki"]["dropped"] == len(CANARIES)
	no_canary(one, tmp_path / "agent0", {"log": one.log(), "pushes": repr([p.entries for p in fault_loki.pushes])})


def test_redaction_before_a_secret_leaves_by_metadata(run):
	read, _ = run(
		[
			{"redact": {}},
			{"regex": {"expression": r"password=(?P<pw>\S+)"}},
			{"labels": {"pw": None}},
		],
		["login password=hunter2 ok"],
	)
	(r,) = read
	assert "hunter2" not in repr(r)
