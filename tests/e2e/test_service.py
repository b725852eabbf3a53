# SPDX-License-Identifier: Apache-2.0
"""What a service manager hears of a whole life: ready, the watchdog fed while Loki is away, stopping."""

import socket
import time

from work import config, file_input, loki_output, numbered, text


class Manager:
	def __init__(self, path):
		self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		self.socket.bind(str(path))
		self.socket.settimeout(1)

	def hear(self, what: str, timeout_s: float = 30) -> list[str]:
		"""Every line up to one that begins with `what`."""
		lines = []
		until = time.monotonic() + timeout_s
		while not any(line.startswith(what) for line in lines):
			assert time.monotonic() < until, f"no {what} among {lines}"
			try:
				lines += self.socket.recv(4096).decode().splitlines()
			except TimeoutError:
				pass
		return lines


def test_ready_fed_and_stopping(agent, fault_loki, tenant, tmp_path, monkeypatch):
	manager = Manager(tmp_path / "notify")
	monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
	monkeypatch.setenv("WATCHDOG_USEC", "400000")
	log = tmp_path / "app.log"
	log.write_text(text(numbered(50)))
	fault_loki.down()
	one = agent(config({"app": file_input(log)}, loki_output(fault_loki.push_url, tenant), shutdown_timeout="1s"))
	assert manager.hear("READY=1")[0] == "READY=1"
	one.wait_metric("tailrace_input_records_total", 50)
	manager.hear("STATUS=0 records/s in, 0 delivered/s, 0 dropped/s, 50 held")
	for _ in range(3):
		manager.hear("WATCHDOG=1")
	one.stop()
	heard = manager.hear("STOPPING=1")
	assert "EXTEND_TIMEOUT_USEC=11000000" in heard
