# SPDX-License-Identifier: Apache-2.0
"""The real Loki at its limits, set per tenant while it runs: blocked, too many streams, too fast. What is limited
waits and arrives when it may; nothing else waits for it."""

import itertools
import json
import pathlib
import shutil
import tempfile
import time

import pytest

import loki as loki_module
from conftest import missing
from scale import scale
from work import arrived, config, difference, file_input, loki_output, numbered, text

LIMITS = """\
auth_enabled: true
runtime_config: {{file: {overrides}, period: 100ms}}
limits_config:
  discover_log_levels: false
  discover_service_name: []
  shard_streams: {{enabled: false}}
"""


@pytest.fixture(scope="module")
def limited_loki(request):
	"""A Loki whose limits the tests may change: limited_loki(tenant, limit=value) gives a client."""
	folder = pathlib.Path(tempfile.mkdtemp(prefix="tailrace-loki-"))
	overrides = folder / "overrides.yaml"
	tenants: dict[str, dict] = {}
	marks = itertools.count()

	def put():
		overrides.with_suffix(".part").write_text(json.dumps({"overrides": tenants}))
		overrides.with_suffix(".part").rename(overrides)

	put()
	try:
		process = loki_module.Process("limited", LIMITS.format(overrides=overrides), folder / "loki").start()
	except loki_module.LokiMissing as e:
		missing(request, "Loki", str(e))

	def limit(tenant: str, **limits) -> loki_module.Client:
		process.wait_ready()
		mark = 1000 + next(marks)  # one of the limits that Loki shows says that it has taken them
		tenants[tenant] = limits | {"max_query_series": mark}
		put()
		client = loki_module.Client(process.url, tenant)
		deadline = time.monotonic() + scale(20)
		while f"max_query_series: {mark}\n" not in client.request("GET", "/config/tenant/v1/limits").text:
			assert time.monotonic() < deadline, f"Loki did not take {limits}"
			time.sleep(0.05)
		return client

	yield limit
	process.stop()
	shutil.rmtree(folder, ignore_errors=True)


def test_blocked_ingestion_is_held_until_it_ends(agent, limited_loki, tenant, tmp_path):
	client = limited_loki(tenant, block_ingestion_until="2100-01-01T00:00:00Z", block_ingestion_status_code=260)
	log = tmp_path / "app.log"
	lines = numbered(200)
	log.write_text(text(lines))
	one = agent(config({"app": file_input(log)}, loki_output(client.push_url, tenant)))
	one.wait_metric("tailrace_push_requests_total", 2, 30, result="blocked")
	metrics = one.metrics()
	assert metrics.sum("tailrace_records_delivered_total") == 0
	assert metrics.sum("tailrace_output_up") == 0
	limited_loki(tenant)
	arrived(one, client, '{job="app"}', lines)


def split_by_stream(log, url, tenant, **output) -> dict:
	"""A line's second word is its stream."""
	stages = [{"regex": {"expression": r"^\S+ (?P<kind>\S+)"}}, {"labels": {"kind": None}}]
	return config({"app": file_input(log)}, loki_output(url, tenant, shards=1, **output), stages)


def test_a_stream_too_many_holds_no_other(agent, limited_loki, tenant, tmp_path):
	client = limited_loki(tenant, max_global_streams_per_user=3)
	log = tmp_path / "app.log"
	log.write_text(text([f"{i:04d} s{i % 3} x" for i in range(300)]))
	one = agent(split_by_stream(log, client.push_url, tenant))
	assert client.wait_count('{job="app"}', 300) == 300
	with open(log, "a") as f:
		f.write(text([f"{i:04d} s{i % 5} x" for i in range(300, 800)]))
	assert client.wait_count('{job="app"}', 600) == 600
	one.wait_metric("tailrace_push_requests_total", 2, 30, result="stream_limited")
	with open(log, "a") as f:
		f.write(text([f"{i:04d} s{i % 5} x" for i in range(800, 1000)]))
	assert client.wait_count('{job="app"}', 720) == 720
	assert one.metrics().sum("tailrace_records_dropped_total") == 0
	limited_loki(tenant, max_global_streams_per_user=5)
	assert client.wait_count('{job="app"}', 1000) == 1000
	one.wait_idle()
	for kind in ("s3", "s4"):
		lines = client.lines(f'{{kind="{kind}"}}')
		assert lines == sorted(lines) and len(lines) == 140


def test_a_stream_too_fast_holds_no_other(agent, limited_loki, tenant, tmp_path):
	client = limited_loki(tenant, per_stream_rate_limit="30KB", per_stream_rate_limit_burst="60KB")
	log = tmp_path / "app.log"
	lines = [f"{i:04d} fast " + "x" * 990 for i in range(150)]
	slow = [f"{i:04d} slow x" for i in range(20)]
	log.write_text(text(lines + slow))
	one = agent(split_by_stream(log, client.push_url, tenant, batch_size="32KiB"))
	assert client.wait_count('{kind="slow"}', 20) == 20
	assert client.wait_count('{kind="fast"}', 150, 60) == 150
	metrics = one.wait_idle(60)
	assert difference(client.lines('{kind="fast"}'), lines) == ""
	assert metrics.sum("tailrace_push_requests_total", result="stream_rate_limited") > 0
	assert metrics.sum("tailrace_records_dropped_total") == 0


def test_requests_over_the_tenants_burst_become_smaller(agent, limited_loki, tenant, tmp_path):
	"""One request would be 429 for ever."""
	client = limited_loki(tenant, ingestion_rate_mb=0.2, ingestion_burst_size_mb=0.2)
	log = tmp_path / "app.log"
	lines = [f"{i:04d} " + "x" * 1000 for i in range(600)]
	log.write_text(text(lines))
	one = agent(config({"app": file_input(log)}, loki_output(client.push_url, tenant)))
	arrived(one, client, '{job="app"}', lines, timeout_s=90)
	assert one.metrics().sum("tailrace_push_requests_total", result="rate_limited") >= 4


def test_times_are_clamped_when_asked_for(agent, limited_loki, tenant, tmp_path):
	client = limited_loki(tenant)
	log = tmp_path / "app.log"
	now = time.time()
	agos = [10] * 20 + [30 * 86400] * 5 + [9] * 10 + [-7200] * 5
	lines = [time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now - ago)) + f" {i:03d} x" for i, ago in enumerate(agos)]
	log.write_text(text(lines))
	conf = config({"app": file_input(log)}, loki_output(
		client.push_url, tenant, clamp_older_than="30m", clamp_newer_than="5m",
	), [{"regex": {"expression": r"^(?P<ts>\S+)"}}, {"timestamp": {"source": "ts", "format": "RFC3339"}}])
	one = agent(conf)
	one.wait_metric("tailrace_records_delivered_total", len(lines))
	metrics = one.wait_idle()
	assert metrics.sum("tailrace_output_clamped_total") == 10
	assert metrics.sum("tailrace_records_dropped_total") == 0
	records = client.read('{job="app"}')
	assert sorted(r.line for r in records) == sorted(lines)
	for record in records:
		was = record.metadata.get("tailrace_time")
		assert (was is None) == (agos[lines.index(record.line)] in (10, 9))
		assert was is None or was.startswith(record.line[:19])


def test_every_refusal_at_once(agent, limited_loki, tenant, tmp_path):
	"""Lines too long, streams with values too long, times too old, more than one of each: each in the dead-letter file
	with Loki's reason, all others in Loki."""
	client = limited_loki(tenant, max_line_size="1KB", max_label_value_length=300)
	log = tmp_path / "app.log"
	now = time.time()

	def stamp(ago: float) -> str:
		return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now - ago))

	lines, refused = [], 0
	for i in range(400):
		kind, ago, body = "good", 60 - i / 10, "x"
		if i % 97 == 5:
			kind, body = "longline", "y" * 2000
		elif i % 97 == 17:
			kind = "longvalue" + "z" * 400
		elif i % 97 == 31:
			kind, ago = "old", 9 * 86400
		refused += kind != "good"
		lines.append(f"{stamp(ago)} {kind} {i:04d} {body}")
	log.write_text(text(lines))
	conf = split_by_stream(log, client.push_url, tenant)
	conf["pipelines"]["main"]["stages"] = [
		{"regex": {"expression": r"^(?P<ts>\S+) (?P<kind>\S+)"}},
		{"timestamp": {"source": "ts", "format": "RFC3339"}},
		{"labels": {"kind": None}},
	]
	one = agent(conf)
	metrics = one.wait_metric("tailrace_dead_letters_total", refused, 60)
	assert client.wait_count('{job="app"}', 400 - refused) == 400 - refused
	metrics = one.wait_idle()
	reasons = metrics.by("tailrace_records_dropped_total", "reason")
	assert set(reasons) == {"loki_line_too_long", "loki_labels", "loki_too_old"}, reasons
	bound = 1 + refused * (2 * 9 + 2)
	assert metrics.sum("tailrace_push_requests_total") <= bound
	letters = [json.loads(line) for p in one.state_dir.glob("dead-letters/*.jsonl") for line in p.open()]
	for letter in letters:
		want = {"longline": "max entry size", "old": "too old"}.get(letter["line"].split()[1], "value too long")
		assert want in letter["reason"]
