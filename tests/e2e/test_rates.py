# SPDX-License-Identifier: Apache-2.0
"""Stages that wait, suppress and count: a rate that stops the input, repeats told by number, also with kills in
between."""

import pytest

from proxy import Proxy
from scale import scale
from test_join import write_slowly
from test_kill import kills
from work import arrived, config, file_input, loki_output, numbered, text


@pytest.fixture
def proxy(loki):
	server = Proxy(loki.url)
	yield server
	server.down()


def test_a_rate_stops_the_input(agent, loki, tenant, tmp_path):
	"""What waits takes the memory there is, the file is read no further, and nothing is lost or out of order."""
	log = tmp_path / "app.log"
	lines = [f"{line} {'y' * 400}" for line in numbered(9000)]
	log.write_text(text(lines))
	one = agent(config(
		{"app": file_input(log)}, loki_output(loki.push_url, tenant), [{"limit": {"rate": 4000, "burst": 100}}],
		memory="24MiB",
	))
	arrived(one, loki, '{job="app"}', lines, timeout_s=60)
	assert one.metrics().sum("tailrace_input_paused_total") > 0


def test_a_rate_and_kills(agent, loki, proxy, tenant, tmp_path):
	"""No position passes what waits; what is read again is the same."""
	log = tmp_path / "app.log"
	lines = numbered(scale(4000))
	log.write_text(text(lines))
	one = agent(config(
		{"app": file_input(log)}, loki_output(proxy.push_url, tenant, batch_size="64KiB"),
		[
			{"match": {"selector": '{job="app"} |~ "n=.*[02468] "', "stages": [{"limit": {"rate": 1500, "burst": 50}}]}},
			{"multiline": {"firstline": "^a n="}},
		],
	), start=False)
	proxy.script(*(["pass", "lose", "pass", "500"] * 200))
	kills(one, scale(5), seed=7, least_s=0.2, most_s=0.6)
	proxy._script.clear()
	one.start()
	loki.wait_count('{job="app"}', len(lines) - 1, 60)
	one.stop() # the last line is complete
	arrived(None, loki, '{job="app"}', lines, timeout_s=30, ordered=False)


@pytest.mark.parametrize("consecutive", [True, False])
def test_repeats_and_kills(agent, loki, proxy, tenant, tmp_path, consecutive):
	"""Lines that passed and numbers that were told add up to what was written."""
	log = tmp_path / "app.log"
	lines = [f"state {i * i // 7 % 5 % 3}" for i in range(scale(3000))]
	one = agent(config(
		{"app": file_input(log)}, loki_output(proxy.push_url, tenant),
		[{"dedup": {"window": "1h", "consecutive": consecutive, "report": "line"}}],
	), start=False)
	proxy.script(*(["pass", "lose", "pass", "500"] * 200))
	log.touch()
	writer = write_slowly(log, lines)
	kills(one, scale(5), seed=6)
	writer.join()
	proxy._script.clear()
	one.start()
	one.wait_metric("tailrace_input_records_total", 1)
	one.wait(lambda: one.metrics().sum("tailrace_file_bytes_behind") == 0, what="the file was read")
	one.stop()
	read = loki.read('{job="app"}')
	assert len(read) < len(lines)
	assert sum(int(r.metadata.get("tailrace_repeated", 1)) for r in read) == len(lines)


def test_metrics_of_records(agent, loki, tenant, tmp_path, threads):
	logs = [tmp_path / f"{n}.log" for n in "abcd"]
	for log in logs:
		log.write_text(text([f"took={i % 4}s" for i in range(100)]))
	one = agent(config(
		{"app": file_input(*logs)}, loki_output(loki.push_url, tenant),
		[
			{"logfmt": {"mapping": {"took": None}}},
			{"label_keep": ["job"]},
			{"metrics": {
				"lines_total": {"type": "Counter", "config": {"match_all": True, "action": "inc"}},
				"took_seconds": {"type": "Histogram", "source": "took", "config": {"buckets": [0.5, 2]}},
			}},
		],
	))
	one.wait_metric("promtail_custom_lines_total", 400, job="app")
	one.wait_idle()
	metrics = one.metrics()
	assert metrics.sum("promtail_custom_took_seconds_bucket", le="0.5") == 100
	assert metrics.sum("promtail_custom_took_seconds_bucket", le="2") == 300
	assert metrics.sum("promtail_custom_took_seconds_sum") == 600
	# Lanes add up to one series.
	assert metrics.text.count("\npromtail_custom_lines_total{") == 1
