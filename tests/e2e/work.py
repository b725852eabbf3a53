# SPDX-License-Identifier: Apache-2.0
"""What tests feed the agent with, and how they compare what came out: numbered lines, writers that rotate, syslog
senders, a real rsyslog."""

from __future__ import annotations

import itertools
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections import Counter

from loki import free_port


def sbin(name: str) -> str | None:
	"""Programs like rsyslogd are not on everybody's PATH."""
	return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin")


# --- configurations -----------------------------------------------------------------------------------------


def loki_output(url: str, tenant: str, **more) -> dict:
	"""Sends after a tenth of a second and tries again soon, so that tests do not wait."""
	quick = {"batch_wait": "100ms", "backoff": {"min": "100ms", "max": "500ms"}}
	return {"type": "loki", "url": url, "tenant": tenant} | quick | more


def config(inputs: dict, output: dict, stages: list | None = None, **more) -> dict:
	"""Inputs in one pipeline `main`, to one output `loki`."""
	pipeline = {"from": list(inputs), "to": ["loki"]}
	if stages:
		pipeline["stages"] = stages
	return {"inputs": inputs, "outputs": {"loki": output}, "pipelines": {"main": pipeline}} | more


def file_input(*paths, **more) -> dict:
	return {"type": "file", "paths": [str(p) for p in paths]} | more


def syslog_input(port: int, *schemes: str, **more) -> dict:
	return {"type": "syslog", "listen": [f"{s}://127.0.0.1:{port}" for s in schemes or ("udp", "tcp")]} | more


# --- lines --------------------------------------------------------------------------------------------------


def numbered(count: int, source: str = "a", start: int = 0, pad: int = 40) -> list[str]:
	"""Each different from every other, of lengths that vary."""
	return [f"{source} n={i:07d} " + "x" * (1 + i * 7 % pad) for i in range(start, start + count)]


def text(lines: list[str]) -> str:
	return "".join(line + "\n" for line in lines)


def difference(got: list[str], want: list[str]) -> str:
	"""Short words for what is not as it should be; empty when all is well, order included."""
	if got == want:
		return ""
	have, need = Counter(got), Counter(want)
	missing, extra = need - have, have - need
	problems = [f"{len(got)} lines instead of {len(want)}"]
	for what, which in (("missing", missing), ("too many", extra)):
		if which:
			some = [line[:100] for line in itertools.islice(which, 5)]
			problems.append(f"{sum(which.values())} {what}, as {some}")
	if not missing and not extra:
		at = next(i for i, (a, b) in enumerate(zip(got, want)) if a != b)
		problems.append(f"the order differs from line {at} on: {got[at][:80]!r} for {want[at][:80]!r}")
	return "; ".join(problems)


def arrived(agent, client, query: str, want: list[str], timeout_s: float = 30, ordered: bool = True) -> None:
	"""Every line is in Loki, once, in order; asked when the agent holds nothing any more."""
	client.wait_count(query, len(want), timeout_s)
	if agent is not None and agent.process is not None:
		agent.wait_idle()
	got = client.lines(query)
	wrong = difference(got, want) if ordered else difference(sorted(got), sorted(want))
	assert not wrong, wrong
	assert client.count(query) == len(want), "Loki counts otherwise than it lists"


# --- a program that writes a log ----------------------------------------------------------------------------


class Writer:
	"""Appends numbered lines from a thread of its own, in pieces that end anywhere, and rotates.

	rotate: None, "rename" (a new file under the name), "copytruncate". every_s: seconds between rotations.
	"""

	def __init__(self, path: pathlib.Path, source: str = "a", rotate: str | None = None, every_s: float = 0.2,
	             burst: int = 60, pause_s: float = 0.004, keep: int = 10_000):
		self.path = path
		self.source = source
		self.rotate = rotate
		self.every_s = every_s
		self.burst = burst
		self.pause_s = pause_s
		self.keep = keep
		self.generations: list[list[str]] = [[]]  # lines by the file they stood in
		self.rotations = 0
		self._end = threading.Event()
		self._thread = threading.Thread(target=self._run, daemon=True)
		self._failure: BaseException | None = None
		self._file = open(path, "ab", buffering=0)

	@property
	def lines(self) -> list[str]:
		return [line for generation in self.generations for line in generation]

	@property
	def count(self) -> int:
		return sum(len(g) for g in self.generations)

	def start(self) -> "Writer":
		self._thread.start()
		return self

	def stop(self) -> list[str]:
		"""Everything written, whole lines."""
		self._end.set()
		self._thread.join(30)
		self._file.close()
		if self._failure:
			raise self._failure
		return self.lines

	def run_for(self, seconds: float) -> list[str]:
		self.start()
		time.sleep(seconds)
		return self.stop()

	def _run(self) -> None:
		try:
			self._write()
		except BaseException as e:  # shown by stop()
			self._failure = e

	def _write(self) -> None:
		rotated, number, rest = time.monotonic(), 0, b""
		while not self._end.is_set():
			lines = numbered(self.burst, self.source, number)
			number += self.burst
			data = rest + text(lines).encode()
			cut = len(data) - number % 37  # the last line is finished by the next write
			if self.rotate and time.monotonic() - rotated > self.every_s:
				cut = len(data)
			self._file.write(data[:cut])
			rest = data[cut:]
			self.generations[-1] += lines
			if self.rotate and time.monotonic() - rotated > self.every_s:
				self.rotate_now(rest)
				rest, rotated = b"", time.monotonic()
			self._end.wait(self.pause_s)
		self._file.write(rest)

	def rotate_now(self, rest: bytes = b"") -> None:
		if rest:
			self._file.write(rest)
		self.rotations += 1
		old = self.path.with_name(f"{self.path.name}.{self.rotations}")
		if self.rotate == "rename":
			os.rename(self.path, old)
			self._file.close()
			self._file = open(self.path, "ab", buffering=0)
		else:
			shutil.copyfile(self.path, old)
			os.truncate(self.path, 0)
		gone = self.path.with_name(f"{self.path.name}.{self.rotations - self.keep}")
		gone.unlink(missing_ok=True)
		self.generations.append([])


# --- syslog senders -----------------------------------------------------------------------------------------


def octets(message: bytes) -> bytes:
	"""RFC 6587 octet counting."""
	return b"%d %s" % (len(message), message)


def rfc5424(line: str, pri: int = 134, host: str = "h1", app: str = "app", proc: str = "42", msgid: str = "ID7",
            sd: str = "-", stamp: str | None = None) -> bytes:
	stamp = stamp or time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + f".{time.time_ns() // 1000 % 10**6:06d}Z"
	return f"<{pri}>1 {stamp} {host} {app} {proc} {msgid} {sd} {line}".encode()


def tcp_send(port: int, data: bytes, linger_s: float = 0) -> None:
	with socket.create_connection(("127.0.0.1", port), timeout=30) as conn:
		conn.sendall(data)
		if linger_s:
			time.sleep(linger_s)


class Udp:
	"""A sender that knows how many datagrams it sent."""

	def __init__(self, port: int):
		self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		self.socket.connect(("127.0.0.1", port))
		self.sent = 0

	def send(self, data: bytes) -> None:
		self.socket.send(data)
		self.sent += 1

	def close(self) -> None:
		self.socket.close()


def logger(port: int, *args: str, message: str | None = None, stdin: str | None = None) -> None:
	"""util-linux's logger(1), against our port."""
	command = ["logger", "-n", "127.0.0.1", "-P", str(port), *args]
	if message is not None:
		command += ["--", message]
	subprocess.run(command, input=stdin, text=True, check=True, timeout=30)


RSYSLOG = """\
global(workDirectory="{dir}" maxMessageSize="64k")
module(load="imuxsock" SysSock.Use="off")
module(load="imptcp")
input(type="imptcp" address="127.0.0.1" port="{port}" ruleset="out")
ruleset(name="out" queue.type="Direct") {{
{actions}
}}
"""


class Rsyslog:
	"""A real rsyslogd that takes lines on a TCP port and forwards them by the omfwd actions given."""

	def __init__(self, folder: pathlib.Path, *actions: str):
		folder.mkdir()
		self.port = free_port()
		self.folder = folder
		self.config = folder / "rsyslog.conf"
		body = "\n".join(f"\taction(type=\"omfwd\" {a})" for a in actions)
		self.config.write_text(RSYSLOG.format(dir=folder, port=self.port, actions=body))
		self.log = open(folder / "rsyslog.log", "ab")
		self.process: subprocess.Popen | None = None

	def start(self) -> "Rsyslog":
		self.process = subprocess.Popen(
			[sbin("rsyslogd"), "-n", "-f", str(self.config), "-i", str(self.folder / "pid")],
			stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
		)
		deadline = time.monotonic() + 20
		while time.monotonic() < deadline:
			try:
				socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
				return self
			except OSError:
				assert self.process.poll() is None, (self.folder / "rsyslog.log").read_text()
				time.sleep(0.05)
		raise AssertionError("rsyslogd does not listen")

	def stop(self) -> None:
		if self.process is None:
			return
		self.process.send_signal(signal.SIGTERM)
		try:
			self.process.wait(10)
		except subprocess.TimeoutExpired:
			self.process.kill()
			self.process.wait()
		self.process = None


def udp_drops(port: int) -> int:
	"""Datagrams the kernel threw away for the sockets bound to that port, from /proc/net/udp."""
	total = 0
	for row in pathlib.Path("/proc/net/udp").read_text().splitlines()[1:]:
		fields = row.split()
		if int(fields[1].split(":")[1], 16) == port:
			total += int(fields[-1])
	return total


def everywhere(folder: pathlib.Path, needle: str) -> list[str]:
	"""Files below the folder that hold the text."""
	data = needle.encode()
	return [str(p) for p in folder.rglob("*") if p.is_file() and data in p.read_bytes()]
