# SPDX-License-Identifier: Apache-2.0
"""A new configuration while the agent runs: nothing lost, nothing twice, order and connections kept; what is wrong
changes nothing."""

import os
import pathlib
import re
import signal
import socket
import threading
import time


from faultloki import FaultLoki
from loki import free_port
from scale import FACTOR, scale
from test_service import Manager
from work import (
	Udp, Writer, arrived, config, difference, file_input, loki_output, numbered, octets, rfc5424, syslog_input, text,
)


def reloads(one) -> tuple[int, int]:
	metrics = one.metrics()
	return (
		metrics.sum("tailrace_config_reloads_total", result="success"),
		metrics.sum("tailrace_config_reloads_total", result="failure"),
	)


def reload(one, whole: dict | str, result: str = "success") -> None:
	"""By signal; until the agent says how it went."""
	scrapes = []
	one.wait(lambda: scrapes.append(one.metrics()) or True, what="/metrics")  # a busy agent may take its time
	before = scrapes[0].sum("tailrace_config_reloads_total", result=result)
	one.configure(whole)
	one.signal(signal.SIGHUP)
	one.wait_metric("tailrace_config_reloads_total", before + 1, result=result)


def sockets_of(pid: int, port: int) -> set[str]:
	"""Inodes of the process's sockets on a local port: listening, connected and UDP ones."""
	mine = set()
	for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir():
		try:
			mine.add(os.readlink(fd))
		except FileNotFoundError:
			pass
	found = set()
	for table in ("tcp", "udp"):
		for line in pathlib.Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
			fields = line.split()
			if int(fields[1].split(":")[1], 16) == port and f"socket:[{fields[9]}]" in mine:
				found.add(fields[9])
	return found


class Senders:
	"""One TCP connection and one UDP socket that do not stop."""

	def __init__(self, port: int):
		self.conn = socket.create_connection(("127.0.0.1", port))
		self.udp = Udp(port)
		self.tcp_lines: list[str] = []
		self.udp_lines: list[str] = []
		self._end = threading.Event()
		self._threads = [threading.Thread(target=run, daemon=True) for run in (self._tcp, self._udp)]
		for thread in self._threads:
			thread.start()

	def _tcp(self) -> None:
		number = 0
		while not self._end.wait(0.01):
			lines = numbered(10, "t", number)
			self.conn.sendall(b"".join(octets(rfc5424(line)) for line in lines))
			self.tcp_lines += lines
			number += 10

	def _udp(self) -> None:
		number = 0
		while not self._end.wait(0.01):
			for line in numbered(3, "u", number):
				self.udp.send(rfc5424(line))
				self.udp_lines.append(line)
			number += 3

	def stop(self) -> None:
		self._end.set()
		for thread in self._threads:
			thread.join(30)

	def close(self) -> None:
		self.conn.close()
		self.udp.close()


# Each line begins a record of its own, so nothing is joined, but the last one is always held.
MULTILINE = {"multiline": {"firstline": r"^[a-z]+ n=", "max_wait_time": "3s"}}
REDACT = {"redact": {"detectors": ["email"]}}


def variants(log, extra, port, url, tenant, folder) -> list[dict]:
	"""Configurations of which each differs from the one before in another way."""
	inputs = {"app": file_input(log), "net": syslog_input(port)}
	out = loki_output(url, tenant)

	def whole(stages, output=out, **more) -> dict:
		return config(inputs, output, stages, **more)

	def label(value) -> dict:
		return {"static_labels": {"variant": value}}

	more_inputs = whole([label("d")])
	more_inputs["inputs"] = inputs | {"extra": file_input(extra)}
	more_inputs["pipelines"]["more"] = {"from": ["extra"], "to": ["loki"]}
	two_outputs = whole([label("e"), MULTILINE])
	two_outputs["outputs"]["copy"] = {"type": "file", "path": str(folder / "copy.jsonl")}
	two_outputs["pipelines"]["main"]["to"] = ["loki", "copy"]
	moved = whole([MULTILINE])
	moved["pipelines"] = {
		"main": {"from": ["app"], "to": ["loki"], "stages": [MULTILINE]},
		"second": {"from": ["net"], "to": ["loki"], "stages": [label("f")]},
	}
	return [
		whole([label("a"), MULTILINE]),
		whole([MULTILINE, REDACT, label("b")]),
		more_inputs,
		two_outputs,
		whole([label("g")], loki_output(url, tenant, batch_wait="50ms")),
		moved,
	]


def test_under_load(agent, loki, tenant, tmp_path):
	"""Files, a connection and datagrams go on while stages, inputs, outputs and pipelines come and go."""
	port = free_port()
	log, extra = tmp_path / "app.log", tmp_path / "extra.log"
	extra_lines = numbered(500, "e")
	extra.write_text(text(extra_lines))
	all_of_them = variants(log, extra, port, loki.push_url, tenant, tmp_path)
	writer = Writer(log, "a", burst=20, pause_s=0.01).start()
	one = agent(all_of_them[0])
	senders = Senders(port)
	one.wait_metric("tailrace_input_connections", 1)
	kept = sockets_of(one.process.pid, port)
	assert len(kept) == 3
	try:
		for i in range(1, (1000 if FACTOR > 1 else 20) + 1):
			reload(one, all_of_them[i % len(all_of_them)])
			if i % 7 == 3:
				reload(one, "inputs: [", "failure")
			assert sockets_of(one.process.pid, port) == kept
	finally:
		senders.stop()
		app_lines = writer.stop()
	# Two configurations are without the input `extra`; the last one is to have it, too.
	reload(one, all_of_them[2])
	want = {"app": app_lines, "extra": extra_lines}
	for job, lines in want.items():
		arrived(one, loki, '{job="%s"}' % job, lines, 60)
	# Of datagrams a busy machine may lose some, but never one that is not counted.
	metrics = one.metrics()
	lost = metrics.sum("tailrace_input_dropped_total", input="net")
	loki.wait_count('{job="net"}', len(senders.tcp_lines) + len(senders.udp_lines) - lost, 60)
	senders.close()
	net = loki.lines('{job="net"}')
	assert difference([line for line in net if line[0] == "t"], senders.tcp_lines) == ""
	got, sent = [line for line in net if line[0] == "u"], iter(senders.udp_lines)
	assert all(line in sent for line in got), "datagrams are in order, and none comes twice"
	assert len(got) == len(senders.udp_lines) - lost
	assert metrics.sum("tailrace_records_dropped_total") == 0
	ledger = one.stop()
	assert ledger["main", "loki"]["held"] == 0 and ledger["more", "loki"]["delivered"] == 500


def test_what_is_wrong_changes_nothing(agent, loki, tenant, tmp_path):
	"""Each mistake is said with its place; the metric goes down, and up again with the next good one."""
	log = tmp_path / "app.log"
	log.write_text(text(numbered(10)))
	good = config({"app": file_input(log)}, loki_output(loki.push_url, tenant))
	one = agent(good)
	assert one.metrics().sum("tailrace_config_last_reload_successful") == 1
	since = one.metrics().sum("tailrace_config_last_reload_success_timestamp_seconds")
	assert abs(time.time() - since) < 60
	taken = socket.socket()
	taken.bind(("127.0.0.1", 0))
	taken.listen()
	busy = config(
		{"app": file_input(log), "net": syslog_input(taken.getsockname()[1], "tcp")}, loki_output(loki.push_url, tenant)
	)
	mistakes = [
		("pipelines: {main: {from: [app], to: [nowhere]}}\n", r"tailrace\.yaml:\d+:\d+: .*nowhere"),
		(good | {"memory": "64MiB"}, r"tailrace\.yaml:\d+:\d+: .*memory cannot be changed while the agent runs"),
		(good | {"threads": 7}, r"threads cannot be changed"),
		(good | {"state_dir": "/elsewhere"}, r"state_dir cannot be changed"),
		(config({"app": file_input(log)}, loki_output(loki.push_url, tenant), [{"regex": {"expression": "("}}]),
		 r"tailrace\.yaml:\d+:\d+"),
		(busy, r"cannot listen on .*Address already in use"),
	]
	for i, (whole, why) in enumerate(mistakes):
		reload(one, whole, "failure")
		refused = [e["why"] for e in one.events("reload refused, nothing was changed")]
		assert any(re.search(why, line) for line in refused), refused
		assert one.metrics().sum("tailrace_config_last_reload_successful") == 0
		with open(log, "a") as f:
			f.write(f"still here {i}\n")
	arrived(one, loki, '{job="app"}', numbered(10) + [f"still here {i}" for i in range(len(mistakes))])
	taken.close()
	refused = one.command("reload", "--config", str(one.config_path))
	assert refused.returncode == 0 and refused.stdout == "reloaded\n", "the port is free now"
	one.configure("pipelines: {main: {from: [app], to: [nowhere]}}\nstate_dir: {state_dir}\n")
	refused = one.command("reload", "--config", str(one.config_path))
	assert refused.returncode == 2 and "there is no output 'nowhere'" in refused.stderr
	assert "tailrace: nothing was changed" in refused.stderr
	assert one.metrics().sum("tailrace_config_last_reload_successful") == 0
	one.configure(good)
	assert one.command("reload", "--config", str(one.config_path)).returncode == 0
	metrics = one.metrics()
	assert metrics.sum("tailrace_config_last_reload_successful") == 1
	assert reloads(one) == (2, len(mistakes) + 1)


def test_an_input_that_comes_back_goes_on(agent, loki, tenant, tmp_path):
	"""Its position is saved when it leaves. A changed one goes on where the other had stopped, too."""
	log, other = tmp_path / "app.log", tmp_path / "other.log"
	other.write_text("x\n")
	lines = numbered(300)
	log.write_text(text(lines[:100]))
	out = loki_output(loki.push_url, tenant)
	both = config({"app": file_input(log), "other": file_input(other)}, out)
	one = agent(both)
	loki.wait_count('{job="app"}', 100)
	reload(one, config({"other": file_input(other)}, out))
	with open(log, "a") as f:
		f.write(text(lines[100:200]))
	reload(one, both)
	loki.wait_count('{job="app"}', 200)
	changed = config({"app": file_input(log, labels={"env": "new"}), "other": file_input(other)}, out)
	reload(one, changed)
	with open(log, "a") as f:
		f.write(text(lines[200:]))
	arrived(one, loki, '{job="app"}', lines)
	assert loki.lines('{job="app", env="new"}') == lines[200:]


def test_an_output_that_cannot_deliver_leaves_in_time(agent, fault_loki, tenant, tmp_path):
	"""A wrong address is put right: files are read again from what is settled; what syslog had in memory is counted."""
	port = free_port()
	log = tmp_path / "app.log"
	lines = numbered(1000)
	log.write_text(text(lines[:600]))
	inputs = {"app": file_input(log), "net": syslog_input(port, "tcp")}
	gone = FaultLoki()
	gone.down()
	wrong = config(inputs, loki_output(gone.push_url, tenant), shutdown_timeout="1s")
	right = config(inputs, loki_output(fault_loki.push_url, tenant), shutdown_timeout="1s")
	one = agent(wrong)
	with socket.create_connection(("127.0.0.1", port)) as conn:
		conn.sendall(b"".join(octets(rfc5424(line)) for line in numbered(50, "t")))
		one.wait_metric("tailrace_input_records_total", 650)
		reload(one, right)
		with open(log, "a") as f:
			f.write(text(lines[600:]))
		assert difference(fault_loki.wait_lines(1000, job="app"), lines) == ""
		conn.sendall(b"".join(octets(rfc5424(line)) for line in numbered(50, "t", 50)))
		assert difference(fault_loki.wait_lines(50, job="net"), numbered(50, "t", 50)) == ""
	gone.check()
	ledger = one.stop()["main", "loki"]
	assert ledger["dropped"] == 50 and ledger["delivered"] == 1050
	assert ledger["held"] == 600 and ledger["withdrawn"] == 400, "these are in again"


def test_a_kill_meanwhile_loses_nothing(agent, loki, tenant, tmp_path):
	"""kill -9 at any moment of a reload: files go on, at least once and for Loki exactly once."""
	port = free_port()
	log, extra = tmp_path / "app.log", tmp_path / "extra.log"
	extra.write_text("")
	all_of_them = variants(log, extra, port, loki.push_url, tenant, tmp_path)
	# Labels stay, so that what is read again is the same to Loki.
	for whole in all_of_them:
		for pipeline in whole["pipelines"].values():
			pipeline["stages"] = [s for s in pipeline.get("stages", []) if "static_labels" not in s]
	writer = Writer(log, "a", burst=20, pause_s=0.01).start()
	try:
		one = agent(all_of_them[0])
		for i in range(1, scale(6) + 1):
			one.configure(all_of_them[i % len(all_of_them)])
			one.signal(signal.SIGHUP)
			time.sleep(0.005 * (i % 5))
			one.kill()
			one.start()
	finally:
		lines = writer.stop()
	arrived(one, loki, '{job="app"}', lines, 60)


def test_the_service_manager_hears_of_it(agent, fault_loki, tenant, tmp_path, monkeypatch):
	manager = Manager(tmp_path / "notify")
	monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
	log = tmp_path / "app.log"
	log.write_text("x\n")
	good = config({"app": file_input(log)}, loki_output(fault_loki.push_url, tenant))
	one = agent(good)
	manager.hear("READY=1")
	before_us = time.monotonic_ns() // 1000
	for whole, result in ((good | {"shutdown_timeout": "3s"}, "success"), ("]", "failure")):
		reload(one, whole, result)
		heard = manager.hear("READY=1")
		assert heard[0] == "RELOADING=1" and heard[-1] == "READY=1"
		at_us = int(heard[1].removeprefix("MONOTONIC_USEC="))
		assert before_us < at_us <= time.monotonic_ns() // 1000


def test_a_storm_of_signals(agent, fault_loki, tenant, tmp_path):
	"""One at a time; no descriptor is left behind."""
	log = tmp_path / "app.log"
	log.write_text("x\n")
	good = config({"app": file_input(log)}, loki_output(fault_loki.push_url, tenant), [MULTILINE])
	one = agent(good)
	fault_loki.wait_lines(1, job="app")

	def descriptors() -> int:
		return len(list(pathlib.Path(f"/proc/{one.process.pid}/fd").iterdir()))

	reload(one, config({"app": file_input(log)}, loki_output(fault_loki.push_url, tenant)))
	before = descriptors()
	for i in range(scale(200)):
		if i % 20 == 0:
			stage = [MULTILINE] if i % 40 else []
			one.configure(config({"app": file_input(log)}, loki_output(fault_loki.push_url, tenant), stage))
		one.signal(signal.SIGHUP)
	reload(one, good)
	one.wait(lambda: descriptors() <= before, what="descriptors as before")
