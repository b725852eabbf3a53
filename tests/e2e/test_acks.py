# SPDX-License-Identifier: Apache-2.0
"""What later inputs and stages will need, with the test plugins: an input that holds its answer until its records are
settled, and a stage that holds records beyond their batch."""

import signal
import socket
import time

import pytest

from conftest import missing
from faultloki import Fault
from loki import free_port
from scale import scale
from work import arrived, config, difference, file_input, loki_output, numbered, text


@pytest.fixture(autouse=True)
def with_test_plugins(request, agent, tmp_path):
	probe = agent({}, start=False, name="probe")
	if "test_push" not in probe.command("help").stdout:
		missing(request, "test plugins", "the program has none: build tailrace-test")


class Client:
	"""Speaks test_push: lines and an empty line; an answer per request."""

	def __init__(self, port: int):
		self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
		self.file = self.socket.makefile("r")

	def send(self, lines: list[str]) -> None:
		self.socket.sendall((text(lines) + "\n").encode())

	def answer(self) -> str:
		return self.file.readline().strip()

	def ask(self, lines: list[str]) -> str:
		self.send(lines)
		return self.answer()

	def close(self) -> None:
		self.file.close()
		self.socket.close()


def push_input(port: int, hold: str = "5s") -> dict:
	return {"type": "test_push", "listen": f"127.0.0.1:{port}", "hold": hold}


# --- an input that answers ----------------------------------------------------------------------------------


def test_ok_means_that_loki_has_it(agent, loki, tenant):
	port = free_port()
	one = agent(config({"push": push_input(port)}, loki_output(loki.push_url, tenant)))
	client = Client(port)
	for turn in range(5):
		lines = numbered(50, f"t{turn}")
		assert client.ask(lines) == "OK 50"
		assert loki.lines('{job="push"} |= "t%d "' % turn) == lines, "answered before Loki had it"
	client.close()
	arrived(one, loki, '{job="push"}', [line for t in range(5) for line in numbered(50, f"t{t}")])


def test_many_clients_at_once(agent, loki, tenant):
	port = free_port()
	one = agent(config({"push": push_input(port, "30s")}, loki_output(loki.push_url, tenant)))
	clients = [Client(port) for _ in range(10)]
	for turn in range(scale(5)):
		for number, client in enumerate(clients):
			client.send(numbered(20, f"c{number}t{turn}"))
	for client in clients:
		assert {client.answer() for _ in range(scale(5))} == {"OK 20"}
		client.close()
	assert loki.count('{job="push"}') == 10 * 20 * scale(5)
	one.wait_idle()


def test_filtered_records_are_settled(agent, loki, tenant):
	port = free_port()
	agent(config(
		{"push": push_input(port)}, loki_output(loki.push_url, tenant), [{"drop": {"expression": "away"}}],
	))
	client = Client(port)
	assert client.ask(["away 1", "away 2"]) == "OK 2"
	assert client.ask(["away 3", "stays"]) == "OK 2"
	client.close()
	assert loki.lines('{job="push"}') == ["stays"]


def test_refused_for_good_is_settled(agent, fault_loki, tenant):
	port = free_port()
	one = agent(config({"push": push_input(port)}, loki_output(fault_loki.push_url, tenant)))
	fault_loki.otherwise = lambda push: Fault.partial(
		lambda s, e: True, "1 errors like: max entry size '262144' bytes exceeded for stream '{}' while adding an entry\n"
	)
	client = Client(port)
	assert client.ask(["bad"]) == "OK 1"
	client.close()
	assert one.metrics().sum("tailrace_dead_letters_total") == 1


def test_retry_withdraws_what_is_not_in_a_push(agent, fault_loki, tenant):
	port = free_port()
	fault_loki.otherwise = lambda push: Fault.status(503, "away\n")
	one = agent(config(
		{"push": push_input(port, "1s")}, loki_output(fault_loki.push_url, tenant),
	))
	client = Client(port)
	client.send(numbered(10, "first"))
	fault_loki.wait(lambda s: len(s.pushes) >= 1, 20, "the first request is in a push")
	for turn in range(5):
		client.send(numbered(10, f"again{turn}"))
	assert [client.answer() for _ in range(6)] == ["RETRY"] * 6
	fault_loki.otherwise = lambda push: Fault.ok()
	got = fault_loki.wait_lines(10)
	metrics = one.wait_idle()
	assert difference(fault_loki.lines(), numbered(10, "first")) == "", "what was withdrawn is not sent"
	assert metrics.sum("tailrace_records_withdrawn_total") == 50
	# Told to come again, the client comes again.
	assert client.ask(numbered(10, "again0")) == "OK 10"
	client.close()
	assert len(got) == 10


def test_a_client_that_vanishes(agent, fault_loki, tenant):
	port = free_port()
	fault_loki.otherwise = lambda push: Fault.status(503, "away\n")
	one = agent(config(
		{"push": push_input(port, "60s")}, loki_output(fault_loki.push_url, tenant),
	))
	first, second, third = Client(port), Client(port), Client(port)
	first.send(numbered(5, "in-a-push"))
	fault_loki.wait(lambda s: len(s.pushes) >= 1, 20)
	second.send(numbered(7, "gone"))
	third.send(numbered(3, "stays"))
	one.wait_metric("tailrace_input_records_total", 15)
	second.close()
	first.close()
	time.sleep(0.2)
	fault_loki.otherwise = lambda push: Fault.ok()
	assert third.answer() == "OK 3"
	third.close()
	metrics = one.wait_idle()
	assert metrics.sum("tailrace_records_withdrawn_total") == 7
	assert sorted(fault_loki.lines()) == sorted(numbered(5, "in-a-push") + numbered(3, "stays"))


def test_no_credit_holds_requests_and_gives_it_back(agent, fault_loki, tenant):
	"""Requests beyond the memory wait unread; withdrawing makes room."""
	port = free_port()
	fault_loki.down()
	fault_loki.ordered = False  # sixty clients in one stream
	one = agent(config(
		{"push": push_input(port, "500ms")}, loki_output(fault_loki.push_url, tenant), memory="24MiB",
	))
	clients = [Client(port) for _ in range(60)]
	lines = [f"{i:03d} " + "z" * 1000 for i in range(100)]  # 100 KB each, 6 MB in all against 4
	for client in clients:
		client.send(lines)
	one.wait_metric("tailrace_input_paused_total", 1)
	fault_loki.up()
	answers = [client.answer() for client in clients]
	assert set(answers) <= {"OK 100", "RETRY"}
	for client in clients:
		client.close()
	metrics = one.wait_idle(40)
	assert metrics.sum("tailrace_records_in_total") == 6000
	assert metrics.sum("tailrace_budget_used_bytes") < 1 << 20


def test_sigterm_answers_what_can_be_answered(agent, loki, tenant):
	port = free_port()
	one = agent(config(
		{"push": push_input(port, "60s")}, loki_output(loki.push_url, tenant, batch_wait="10s"),
	))
	client = Client(port)
	client.send(numbered(5))
	one.wait_metric("tailrace_input_records_total", 5)
	one.signal(signal.SIGTERM)
	assert client.answer() == "OK 5"
	client.close()
	assert loki.count('{job="push"}') == 5
	process = one.process
	process.wait(20)
	one.process = None
	assert process.returncode == 0


# --- a stage that holds -------------------------------------------------------------------------------------


def joined(log, tenant, url, wait: str, **more) -> dict:
	return config({"app": file_input(log, **more)}, loki_output(url, tenant), [{"multiline": {"indent": True, "max_wait": wait}}])


def test_lines_are_joined(agent, loki, tenant, tmp_path):
	log = tmp_path / "app.log"
	lines, want = [], []
	for i in range(1500):
		parts = [f"head {i:05d}"] + [f"  at part {k} of {i}" for k in range(i % 5)]
		lines += parts
		want.append("\n".join(parts))
	log.write_text(text(lines))
	one = agent(joined(log, tenant, loki.push_url, "300ms"))
	arrived(one, loki, '{job="app"}', want)
	metrics = one.metrics()
	assert metrics.sum("tailrace_records_joined_total") == len(lines) - len(want)
	one.stop()
	one.start()
	time.sleep(0.5)
	assert one.metrics().sum("tailrace_records_in_total") == 0, "all of it had settled"


def test_parts_that_come_seconds_apart(agent, loki, tenant, tmp_path):
	log = tmp_path / "app.log"
	log.touch()
	one = agent(joined(log, tenant, loki.push_url, "10s"))
	with open(log, "a", buffering=1) as f:
		for part in ("head", "  one", "  two"):
			f.write(part + "\n")
			time.sleep(0.8)
		assert loki.count('{job="app"}') == 0, "still open"
		f.write("next\n")
	assert loki.wait_count('{job="app"}', 1) == 1
	assert loki.lines('{job="app"}') == ["head\n  one\n  two"]
	one.stop()  # what is held goes out at the end
	assert loki.wait_count('{job="app"}', 2) == 2
	assert loki.lines('{job="app"}') == ["head\n  one\n  two", "next"]


def test_held_records_survive_a_kill(agent, loki, tenant, tmp_path):
	"""A held record is not settled: after a kill it is read again, and joined with what came since."""
	log = tmp_path / "app.log"
	log.write_text("before\nhead\n  one\n")
	one = agent(joined(log, tenant, loki.push_url, "60s"))
	assert loki.wait_count('{job="app"}', 1) == 1
	one.kill()
	with open(log, "a") as f:
		f.write("  two\nafter\n")
	one.start()
	assert loki.wait_count('{job="app"}', 2) == 2
	one.stop()
	assert loki.wait_count('{job="app"}', 3) == 3
	assert loki.lines('{job="app"}') == ["before", "head\n  one\n  two", "after"]


def test_holding_gives_way_when_memory_is_short(agent, fault_loki, tenant, tmp_path):
	logs = tmp_path / "logs"
	logs.mkdir()
	for i in range(30):
		(logs / f"{i}.log").write_text("head %d\n" % i + text(["  " + "p" * 900] * 400))  # 360 KB held by each
	one = agent(config(
		{"app": file_input(logs / "*.log")}, loki_output(fault_loki.push_url, tenant),
		[{"multiline": {"indent": True, "max_lines": 0, "max_wait": "1h", "max_bytes": "1MiB"}}], memory="24MiB",
	))
	one.wait_metric("tailrace_input_records_total", 30 * 401, 60)
	one.stop()
	whole = "".join(fault_loki.lines())
	assert whole.count("p" * 900) == 30 * 400


def test_two_sources_are_not_mixed(agent, loki, tenant, tmp_path):
	a, b = tmp_path / "a.log", tmp_path / "b.log"
	for name, path in (("a", a), ("b", b)):
		path.write_text(text([f"{name} head", f"  {name} tail"] * 300))
	one = agent(joined(tmp_path / "*.log", tenant, loki.push_url, "300ms"))
	arrived(one, loki, '{job="app"}', ["a head\n  a tail"] * 300 + ["b head\n  b tail"] * 300, ordered=False)
