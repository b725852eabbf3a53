# SPDX-License-Identifier: Apache-2.0
"""Memory used up because Loki is away: the agent stops reading what feeds it, and nothing else stops."""

import contextlib
import pathlib
import socket
import threading
import time
import uuid

import pytest

from agent import ROOT
from cgroup import NoCgroup, memory_cgroup
from conftest import note, once
from loki import free_port
from scale import scale
from work import (
	Udp, arrived, config, difference, file_input, loki_output, numbered, octets, rfc5424, syslog_input, text,
	udp_drops,
)

MIB = 1 << 20


def big_lines(count: int, source: str = "big") -> list[str]:
	return [f"{source} n={i:07d} " + "b" * 480 for i in range(count)]


def test_a_full_pipeline_stops_reading_and_others_go_on(agent, loki, fault_loki, tenant, tmp_path):
	dead, live = tmp_path / "dead.log", tmp_path / "live.log"
	lines = big_lines(20_000)  # 10 MB against 1.7 MiB of credit
	dead.write_text(text(lines))
	live.write_text("")
	fault_loki.down()
	one = agent({
		"memory": "24MiB",
		"inputs": {"dead": file_input(dead), "live": file_input(live)},
		"outputs": {
			"away": loki_output(fault_loki.push_url, tenant),
			"loki": loki_output(loki.push_url, tenant),
		},
		"pipelines": {"a": {"from": ["dead"], "to": ["away"]}, "b": {"from": ["live"], "to": ["loki"]}},
	})
	one.wait_metric("tailrace_input_paused_total", 1, input="dead")
	held = one.metrics().sum("tailrace_records_held", pipeline="a")
	with open(live, "a") as f:
		f.write(text(numbered(5000, "live")))
	assert loki.wait_count('{job="live"}', 5000) == 5000
	metrics = one.metrics()
	assert metrics.sum("tailrace_records_held", pipeline="a") == held, "reads on, although nobody takes it"
	# What is encoded may be larger than what was read and is charged all the same: credit goes a little below zero.
	budget = metrics.sum("tailrace_budget_bytes", pipeline="a")
	assert metrics.sum("tailrace_budget_used_bytes", pipeline="a") <= 1.3 * budget
	assert metrics.sum("tailrace_file_bytes_behind", input="dead") > 5 * MIB
	fault_loki.up()
	assert difference(fault_loki.wait_lines(len(lines), 90), lines) == ""
	one.wait_idle(60)


def release() -> pathlib.Path | None:
	path = ROOT / "build" / "release" / "tailrace"
	return path if path.exists() else None


@pytest.mark.skipif(release() is None, reason="memory is measured with the release build: ./dev build")
@pytest.mark.parametrize("memory", [24, 32], ids=lambda n: f"{n}MiB")
def test_memory_stays_within_its_bound(agent, fault_loki, tenant, tmp_path, memory):
	"""`memory` is the whole process, from the least that is accepted on. Short lines need most of it."""
	log = tmp_path / "app.log"
	lines = numbered(250_000, pad=60)  # 12 MB, twice that as records
	log.write_text(text(lines))
	fault_loki.down()
	one = agent(
		config({"app": file_input(log)}, loki_output(fault_loki.push_url, tenant), memory=f"{memory}MiB"),
		start=False,
	)
	one.program = str(release())
	one.start()
	one.wait_metric("tailrace_input_paused_total", 1)
	time.sleep(0.5)
	full = one.peak_rss_bytes()
	fault_loki.up()
	one.wait_metric("tailrace_records_delivered_total", len(lines), 90)
	peak = one.peak_rss_bytes()
	assert max(full, peak) <= memory * MIB, f"{full / MIB:.1f} MiB full, {peak / MIB:.1f} MiB at most"


@once
@pytest.mark.skipif(release() is None, reason="memory is measured with the release build: ./dev build")
def test_in_a_cgroup_of_little_more_than_memory(agent, fault_loki, tenant, tmp_path, request):
	"""Files, TCP and UDP at once, Loki away and then slow, status and tap beside it: the kernel has no reason to kill. What
	it charges besides the process are buffers of sockets; the cache of files it can take back."""
	log, port = tmp_path / "app.log", free_port()
	lines = numbered(40_000, pad=60)
	log.write_text(text(lines))
	fault_loki.down()
	fault_loki.ordered = False  # several connections, one stream
	conf = config(
		{"app": file_input(log), "net": syslog_input(port)}, loki_output(fault_loki.push_url, tenant),
		[{"regex": {"expression": r"n=(?P<n>\d+)"}}, {"redact": {}}], memory="32MiB",
	)  # fmt: skip
	one = agent(conf, start=False)
	one.program = str(release())
	stack = contextlib.ExitStack()
	try:
		group = stack.enter_context(memory_cgroup(f"tailrace-{uuid.uuid4().hex[:8]}", int(1.25 * 32 * MIB) + 8 * MIB))
		one.prefix = group.prefix()
	except NoCgroup as e:
		note(request, f"a memory cgroup ({e})")
		group = None
	with stack:
		one.start()
		tap = one.spawn("tap", "--before", "--rate", "1000", "--json")
		udp = Udp(port)
		data = b"".join(octets(rfc5424(line)) for line in big_lines(4_000, "t"))
		conns = [socket.create_connection(("127.0.0.1", port)) for _ in range(8)]
		for conn in conns:
			conn.setblocking(False)
			with contextlib.suppress(BlockingIOError):
				conn.sendall(data)
		for line in big_lines(2_000, "u"):
			udp.send(rfc5424(line))
		one.wait_metric("tailrace_input_paused_total", 1)
		assert one.command("status", "--config", str(one.config_path)).returncode == 0
		fault_loki.up()
		for conn in conns:
			conn.close()
		udp.close()
		one.wait_metric("tailrace_records_delivered_total", len(lines), 90)
		tap.kill()
		tap.communicate()
		said = f"{one.peak_rss_bytes() / MIB:.1f} MiB, the group {group.peak() / MIB if group else 0:.1f}"
		assert one.peak_rss_bytes() <= 1.25 * 32 * MIB and not (group and group.kills()), said
		one.stop()


def test_udp_while_full_counts_what_it_drops(agent, fault_loki, tenant):
	port = free_port()
	fault_loki.down()
	one = agent(config(
		{"net": syslog_input(port, "udp")}, loki_output(fault_loki.push_url, tenant), memory="24MiB",
	))
	udp = Udp(port)
	lines = big_lines(scale(20_000), "u")
	for i, line in enumerate(lines):
		udp.send(rfc5424(line))
		if i % 200 == 0:
			time.sleep(0.005)
	udp.close()

	def accounted() -> int:
		m = one.metrics()
		return m.sum("tailrace_input_records_total", input="net") + m.sum("tailrace_input_dropped_total", input="net")

	one.wait(lambda: accounted() == udp.sent, 30, "received + dropped = sent")
	metrics = one.metrics()
	dropped = metrics.by("tailrace_input_dropped_total", "reason", input="net")
	assert sum(dropped.values()) - dropped.get("kernel", 0) > 0, f"was never full: {dropped}"
	assert dropped.get("kernel", 0) == udp_drops(port)
	kept = metrics.sum("tailrace_input_records_total", input="net")
	fault_loki.up()
	got = fault_loki.wait_lines(kept, 60)
	one.wait_idle(60)
	assert len(got) == kept and set(got) <= set(lines) and len(set(got)) == kept
	# And it goes on.
	udp = Udp(port)
	udp.send(rfc5424("afterwards"))
	udp.close()
	fault_loki.wait(lambda s: "afterwards" in s.lines(), 20)


def test_tcp_while_full_makes_the_sender_wait(agent, fault_loki, tenant):
	port = free_port()
	fault_loki.down()
	one = agent(config(
		{"net": syslog_input(port, "tcp")}, loki_output(fault_loki.push_url, tenant), memory="24MiB",
	))
	lines = big_lines(scale(15_000), "t")
	data = b"".join(octets(rfc5424(line)) for line in lines)
	sent = [0]

	def send() -> None:
		with socket.create_connection(("127.0.0.1", port)) as conn:
			conn.settimeout(120)
			for at in range(0, len(data), 65536):
				conn.sendall(data[at : at + 65536])
				sent[0] = at

	thread = threading.Thread(target=send, daemon=True)
	thread.start()
	one.wait_metric("tailrace_input_paused_total", 1)
	time.sleep(1)
	before = sent[0]
	time.sleep(0.5)
	assert sent[0] == before < len(data) - 65536, "the sender is not made to wait"
	assert one.metrics().sum("tailrace_records_dropped_total") == 0
	fault_loki.up()
	thread.join(scale(90))
	assert not thread.is_alive()
	assert difference(fault_loki.wait_lines(len(lines), 60), lines) == ""
	one.wait_idle(60)


def test_one_of_two_outputs_is_away(agent, loki, fault_loki, tenant, tmp_path):
	"""With two blocking outputs the cursor follows the slower one; with `drop` it does not wait."""
	log = tmp_path / "app.log"
	lines = numbered(3000)
	log.write_text(text(lines))
	fault_loki.down()
	one = agent({
		"inputs": {"app": file_input(log)},
		"outputs": {
			"good": loki_output(loki.push_url, tenant),
			"away": loki_output(fault_loki.push_url, tenant),
		},
		"pipelines": {"main": {"from": ["app"], "to": ["good", "away"]}},
	})
	assert loki.wait_count('{job="app"}', 3000) == 3000
	one.kill()  # nothing may have been settled
	fault_loki.up()
	one.start()
	assert difference(fault_loki.wait_lines(3000, 30), lines) == ""
	arrived(one, loki, '{job="app"}', lines)


def test_an_output_that_may_drop_stops_nothing(agent, loki, fault_loki, tenant, tmp_path):
	log = tmp_path / "app.log"
	lines = big_lines(20_000)
	log.write_text(text(lines))
	fault_loki.down()
	one = agent({
		"memory": "24MiB",
		"inputs": {"app": file_input(log)},
		"outputs": {
			"good": loki_output(loki.push_url, tenant),
			"away": loki_output(fault_loki.push_url, tenant, when_full="drop"),
		},
		"pipelines": {"main": {"from": ["app"], "to": ["good", "away"]}},
		"shutdown_timeout": "1s",
	})
	assert loki.wait_count('{job="app"}', len(lines), 60) == len(lines)
	metrics = one.metrics()
	assert metrics.sum("tailrace_records_dropped_total", output="away") > 0
	assert metrics.sum("tailrace_records_dropped_total", output="good") == 0
	ledger = one.stop()
	away = ledger["main", "away"]
	assert away["in"] == len(lines) and away["dropped"] + away["held"] == len(lines)
