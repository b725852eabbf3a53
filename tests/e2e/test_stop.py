# SPDX-License-Identifier: Apache-2.0
"""SIGTERM: what was accepted is delivered, or its whereabouts are said, within the deadline."""

import os
import signal
import socket
import time

import pytest

from faultloki import Fault
from loki import free_port
from scale import scale
from work import Udp, config, difference, file_input, loki_output, numbered, octets, rfc5424, syslog_input, text


def test_with_loki_alive_everything_is_delivered(agent, loki, tenant, tmp_path):
	"""Also what still lingers to become a larger batch."""
	port = free_port()
	log = tmp_path / "app.log"
	log.write_text(text(numbered(2000)))
	one = agent(config(
		{"app": file_input(log), "net": syslog_input(port)}, loki_output(loki.push_url, tenant, batch_wait="30s"),
	))
	with socket.create_connection(("127.0.0.1", port)) as conn:
		conn.sendall(b"".join(octets(rfc5424(line)) for line in numbered(500, "t")))
		udp = Udp(port)
		for line in numbered(100, "u"):
			udp.send(rfc5424(line))
		udp.close()
		one.wait_metric("tailrace_input_records_total", 2600)
		began = time.monotonic()
		ledger = one.stop()
	assert time.monotonic() - began < 8
	assert ledger["main", "loki"] == {
		"in": 2600, "delivered": 2600, "filtered": 0, "joined": 0, "withdrawn": 0, "dropped": 0, "held": 0,
	}
	assert loki.count('{job="app"}') == 2000 and loki.count('{job="net"}') == 600


def test_with_loki_dead_it_ends_in_time_and_says_what_is_left(agent, fault_loki, tenant, tmp_path):
	port = free_port()
	log = tmp_path / "app.log"
	lines = numbered(1000)
	log.write_text(text(lines))
	fault_loki.down()
	one = agent(config(
		{"app": file_input(log), "net": syslog_input(port, "tcp")},
		loki_output(fault_loki.push_url, tenant),
		shutdown_timeout="2s",
	))
	with socket.create_connection(("127.0.0.1", port)) as conn:
		conn.sendall(b"".join(octets(rfc5424(line)) for line in numbered(300, "t")))
		one.wait_metric("tailrace_input_records_total", 1300)
		began = time.monotonic()
		ledger = one.stop()
		took = time.monotonic() - began
	assert 1.5 < took < 6, f"{took:.1f} s"
	row = ledger["main", "loki"]
	assert row["in"] == 1300 and row["delivered"] == 0
	assert row["held"] == 1000, "files: read again after the restart"
	assert row["dropped"] == 300, "syslog cannot be had again"
	fault_loki.up()
	one.start()
	assert difference(fault_loki.wait_lines(1000, job="app"), lines) == ""
	one.wait_idle()
	assert len(fault_loki.lines()) == 1000


def test_loki_that_hangs_is_not_waited_for_longer(agent, fault_loki, tenant, tmp_path):
	log = tmp_path / "app.log"
	log.write_text(text(numbered(10)))
	fault_loki.otherwise = lambda push: Fault.ok().slow(8)
	one = agent(config({"app": file_input(log)}, loki_output(fault_loki.push_url, tenant), shutdown_timeout="1s"))
	fault_loki.wait(lambda s: s.in_flight.total() > 0, 20, "a push is under way")
	began = time.monotonic()
	ledger = one.stop()
	assert time.monotonic() - began < 5
	assert ledger["main", "loki"]["held"] == 10


def test_a_second_signal_ends_at_once(agent, fault_loki, tenant, tmp_path):
	log = tmp_path / "app.log"
	log.write_text(text(numbered(10)))
	fault_loki.down()
	one = agent(config({"app": file_input(log)}, loki_output(fault_loki.push_url, tenant), shutdown_timeout="60s"))
	one.wait_metric("tailrace_input_records_total", 10)
	one.signal(signal.SIGTERM)
	one.wait(lambda: one.get("/ready")[0] == 503, 10, "not ready any more")
	began = time.monotonic()
	ledger = one.stop()  # the second
	assert time.monotonic() - began < 5
	assert ledger["main", "loki"]["held"] == 10


def test_the_port_is_free_afterwards_and_no_file_is_left_open(agent, loki, tenant, tmp_path):
	port = free_port()
	one = agent(config({"net": syslog_input(port)}, loki_output(loki.push_url, tenant)))
	before = one.open_files()
	for _ in range(20):
		conn = socket.create_connection(("127.0.0.1", port))
		conn.sendall(rfc5424("x") + b"\n")
		conn.close()
	assert loki.wait_count('{job="net"}', 20) == 20
	one.wait(lambda: one.open_files() <= before + 2, 10, "connections are closed")
	one.stop()
	with socket.socket() as s:
		s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
		s.bind(("127.0.0.1", port))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stop_before_anything_was_started(agent, number):
	"""Still reading its configuration, which comes slowly: an orderly end, as at any other time."""
	one = agent({}, start=False)
	one.config_path.unlink()
	os.mkfifo(one.config_path)
	one.start(wait=False)
	with open(one.config_path, "wb"):  # waits until it is opened for reading
		one.signal(number)
		process, one.process = one.process, None
		assert process.wait(20) == 0, one.tail()
	assert not any(one.state_dir.iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stop_while_reading_at_full_speed(agent, loki, tenant, tmp_path, number):
	"""Stopped in the middle, started again: every line once."""
	log = tmp_path / "app.log"
	lines = numbered(scale(30_000))
	log.write_text(text(lines))
	one = agent(config({"app": file_input(log)}, loki_output(loki.push_url, tenant)))
	if number == signal.SIGINT:
		one.signal(number)
		process, one.process = one.process, None
		assert process.wait(30) == 0
		one.check_sanitizers()
	else:
		one.stop()
	one.start()
	assert loki.wait_count('{job="app"}', len(lines), 60) == len(lines)
	assert difference(loki.lines('{job="app"}'), lines) == ""
