# SPDX-License-Identifier: Apache-2.0
"""System calls that fail, are interrupted, or do less than asked (tests/plugins/os_fault.c): nothing is lost."""

import socket
import time

import pytest

from conftest import missing
from faultloki import Fault
from loki import free_port
from work import Udp, arrived, config, file_input, loki_output, numbered, octets, rfc5424, syslog_input, text


@pytest.fixture(autouse=True)
def with_faults(request, agent):
	probe = agent({}, start=False, name="probe")
	probe.env["TAILRACE_FAULT"] = "read:EINTR:1000000"
	if "os_fault" not in probe.command("version").stderr:
		missing(request, "fault injection", "the program has none: build tailrace-test")


def injected(one, call: str) -> int:
	"""How often, as the program says at its end."""
	return sum(int(e["injected"]) for e in one.events("os_fault") if e["call"] == call)


@pytest.mark.parametrize(
	"fault",
	[
		"read:EINTR:2", "read:short:1", "pread:EINTR:2", "pread:short:2", "pread:EIO:3:0:10",
		"epoll_wait:EINTR:3", "statx:EINTR:3:0:9", "statx:EIO:2:1:5", "write:EINTR:2", "write:short:2",
		"open:EMFILE:1:0:2@tailed.log",
	],
)
def test_files(agent, loki, tenant, tmp_path, fault):
	log = tmp_path / "tailed.log"
	lines = numbered(2000)
	log.write_text(text(lines[:1000]))
	one = agent(
		config({"app": file_input(log, poll_interval="100ms", scan_interval="300ms")}, loki_output(loki.push_url, tenant)),
		TAILRACE_FAULT=fault,
	)
	with open(log, "a") as f:
		for start in range(1000, 2000, 100):
			f.write(text(lines[start : start + 100]))
			f.flush()
			time.sleep(0.02)
	arrived(one, loki, '{job="app"}', lines, timeout_s=60)
	one.stop()
	assert injected(one, fault.split(":")[0]) > 0, "nothing was injected: the test proves nothing"
	# And the positions are right: nothing is read again.
	one.start()
	one.wait_idle()
	assert one.metrics().sum("tailrace_records_in_total") == 0
	one.stop()


@pytest.mark.parametrize(
	"fault",
	[
		"recv:EINTR:3", "recv:EAGAIN:3", "recv:short:1", "recvmmsg:EINTR:3", "recvmmsg:EAGAIN:3", "recvmmsg:short:1",
		"accept4:EINTR:2", "accept4:ECONNABORTED:2", "accept4:EMFILE:2:0:6", "epoll_wait:EINTR:2", "send:short:1",
	],
)
def test_syslog(agent, loki, tenant, fault):
	port = free_port()
	one = agent(config({"net": syslog_input(port)}, loki_output(loki.push_url, tenant)), TAILRACE_FAULT=fault)
	udp, want = Udp(port), []
	for turn in range(4):
		for line in numbered(50, f"u{turn}"):
			udp.send(rfc5424(line))
			want.append(line)
		lines = numbered(300, f"t{turn}")
		with socket.create_connection(("127.0.0.1", port)) as conn:
			conn.sendall(b"".join(octets(rfc5424(line)) for line in lines))
		want += lines
	udp.close()
	arrived(one, loki, '{job="net"}', want, timeout_s=60, ordered=False)
	assert one.metrics().sum("tailrace_input_dropped_total") == 0
	one.stop()
	call = fault.split(":")[0]
	assert injected(one, call) > 0, "nothing was injected: the test proves nothing"


@pytest.mark.parametrize(
	"what", ["write:ENOSPC:1:4:40@positions/", "write:EIO:3@positions/", "rename:ENOSPC:1:1:3", "fsync:EIO:1:4"]
)
def test_positions_that_cannot_be_written(agent, loki, tenant, tmp_path, what):
	"""A full disk is counted and said; lines go on, and a restart repeats at most what Loki recognises."""
	log = tmp_path / "app.log"
	lines = numbered(6000)
	log.write_text("")
	one = agent(config({"app": file_input(log)}, loki_output(loki.push_url, tenant)), TAILRACE_FAULT=what)
	with open(log, "a") as f:
		for start in range(0, len(lines), 200):
			f.write(text(lines[start : start + 200]))
			f.flush()
			if start % 1000 == 0:
				loki.wait_count('{job="app"}', start, 5)
	arrived(one, loki, '{job="app"}', lines, timeout_s=60)
	if what.startswith("write"):
		assert one.metrics().sum("tailrace_position_errors_total") > 0
	one.stop()
	one.env.pop("TAILRACE_FAULT")
	with open(log, "a") as f:
		f.write(text(numbered(10, "later")))
	one.start()
	assert loki.wait_count('{job="app"} |= "later"', 10) == 10
	assert set(loki.lines('{job="app"}')) == set(lines + numbered(10, "later"))


def test_enospc_then_kill(agent, loki, tenant, tmp_path):
	"""What could not be noted is read again: never lost."""
	log = tmp_path / "app.log"
	lines = numbered(3000)
	log.write_text("")
	one = agent(
		config({"app": file_input(log)}, loki_output(loki.push_url, tenant)), TAILRACE_FAULT="write:ENOSPC:1:4@positions/",
	)
	with open(log, "a") as f:
		for start in range(0, 1500, 100):
			f.write(text(lines[start : start + 100]))
			f.flush()
			loki.wait_count('{job="app"}', start + 100)
	one.wait_metric("tailrace_position_errors_total", 1)
	one.kill()
	one.env.pop("TAILRACE_FAULT")
	with open(log, "a") as f:
		f.write(text(lines[1500:]))
	one.start()
	one.wait(lambda: set(loki.lines('{job="app"}')) == set(lines), 30, "every line is there")


def test_dead_letters_that_cannot_be_written(agent, fault_loki, tenant, tmp_path):
	log = tmp_path / "app.log"
	log.write_text(text(numbered(20)))
	fault_loki.otherwise = lambda push: Fault.partial(
		lambda s, e: True, "20 errors like: max entry size '262144' bytes exceeded for stream '{}' while adding an entry\n"
	)
	one = agent(
		config({"app": file_input(log)}, loki_output(fault_loki.push_url, tenant)),
		TAILRACE_FAULT="write:ENOSPC:1@dead-letters/",
	)
	one.wait_idle(40)
	metrics = one.metrics()
	assert metrics.sum("tailrace_dead_letters_dropped_total") == 20
	assert one.stop()["main", "loki"]["dropped"] == 20
