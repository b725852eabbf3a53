# SPDX-License-Identifier: Apache-2.0
"""The agent under test: writes its configuration, starts the program, reads its metrics, stops it, does its sums.

At every orderly stop it checks, from the `msg=ledger` lines the agent writes at exit, as integers and for each
pipeline and output:  in = delivered + filtered + joined + withdrawn + dropped + held
"""

from __future__ import annotations

import http.client
import json
import os
import pathlib
import re
import resource
import signal
import subprocess
import time
from typing import Any

from loki import free_port
from scale import scale

ROOT = pathlib.Path(__file__).resolve().parents[2]
READY_S = 20
STOP_S = 30
SANITIZER = re.compile(r"ERROR: (Address|Leak)Sanitizer|WARNING: ThreadSanitizer|runtime error:")
WAYS = ("delivered", "filtered", "joined", "withdrawn", "dropped", "held")


def binary() -> str | None:
	"""$TAILRACE_BIN, or the newest build there is: with test plugins before without, sanitized before release."""
	given = os.environ.get("TAILRACE_BIN")
	if given:
		return given if os.access(given, os.X_OK) else None
	for path in ("dev/tailrace-test", "dev/tailrace", "release/tailrace-test", "release/tailrace"):
		if os.access(ROOT / "build" / path, os.X_OK):
			return str(ROOT / "build" / path)
	return None


_LOGFMT = re.compile(r'([^\s=]+)=(?:"((?:[^"\\]|\\.)*)"|(\S*))')


def parse_logfmt(line: str) -> dict[str, str]:
	pairs = {}
	for key, quoted, bare in _LOGFMT.findall(line):
		pairs[key] = re.sub(r"\\(.)", r"\1", quoted) if quoted else bare
	return pairs


class Metrics:
	"""One scrape. Strict about the text format: what Prometheus would refuse is an error here."""

	_LINE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$")
	_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')

	def __init__(self, text: str):
		self.text = text
		self.types: dict[str, str] = {}
		self.samples: dict[tuple[str, frozenset], float] = {}
		for line in text.splitlines():
			if line.startswith("# TYPE "):
				name, kind = line[7:].split(" ")
				if name in self.types:
					raise ValueError(f"TYPE of {name} twice")
				self.types[name] = kind
			elif line and not line.startswith("#"):
				self._sample(line)

	def _sample(self, line: str) -> None:
		match = self._LINE.match(line)
		if not match:
			raise ValueError(f"not a sample: {line!r}")
		name, labels, value = match.groups()
		pairs = frozenset(self._LABEL.findall(labels or ""))
		if self._LABEL.sub("", labels or ""):
			raise ValueError(f"bad labels: {line!r}")
		if (name, pairs) in self.samples:
			raise ValueError(f"the same series twice: {line!r}")
		self.samples[name, pairs] = float(value)

	def sum(self, name: str, **labels: str) -> int:
		"""Of every series of that name with these labels; 0 when there is none."""
		want = labels.items()
		return int(sum(v for (n, have), v in self.samples.items() if n == name and want <= set(have)))

	def has(self, name: str) -> bool:
		return any(n == name for n, _ in self.samples)

	def by(self, name: str, label: str, **labels: str) -> dict[str, int]:
		found: dict[str, int] = {}
		for (n, have), value in self.samples.items():
			pairs = dict(have)
			if n == name and labels.items() <= pairs.items():
				found[pairs.get(label, "")] = found.get(pairs.get(label, ""), 0) + int(value)
		return found

	def ledger(self) -> dict[tuple[str, str], dict[str, int]]:
		"""(pipeline, output) -> {in, delivered, ..., held}."""
		found: dict[tuple[str, str], dict[str, int]] = {}
		for way in ("in", *WAYS):
			name = "tailrace_records_held" if way == "held" else f"tailrace_records_{way}_total"
			for (n, have), value in self.samples.items():
				if n != name:
					continue
				pairs = dict(have)
				row = found.setdefault((pairs["pipeline"], pairs["output"]), {})
				row[way] = row.get(way, 0) + int(value)
		return found


def unbalanced(ledger: dict[tuple[str, str], dict[str, int]]) -> list[str]:
	"""The rows whose sums do not come out, as text."""
	return [
		f"{pipeline} -> {output}: in={row.get('in', 0)} but {' + '.join(f'{w}={row.get(w, 0)}' for w in WAYS)}"
		for (pipeline, output), row in ledger.items()
		if row.get("in", 0) != sum(row.get(way, 0) for way in WAYS)
	]


class Agent:
	"""One configuration and its state folder; start and stop as often as the test likes."""

	def __init__(self, folder: pathlib.Path, config: dict | str, threads: int = 1, program: str | None = None):
		self.folder = folder
		self.threads = threads
		self.program = program or binary()
		self.admin_port = free_port()
		self.config_path = folder / "tailrace.yaml"
		self.log_path = folder / "agent.log"
		self.out_path = folder / "agent.out"
		self.state_dir = folder / "state"
		self.process: subprocess.Popen | None = None
		self.env: dict[str, str] = {}
		self.prefix: list[str] = []  # in front of the program
		self._log_start = 0
		self.configure(config)

	# --- life ---

	def configure(self, config: dict | str) -> None:
		"""A dict is written as JSON, which is YAML, with the top level filled in; text is written as it is, with
		{threads}, {admin}, {state_dir} and {dir} replaced. A `$` that is meant as one is written `$$`."""
		if isinstance(config, str):
			for name, value in (
				("threads", self.threads),
				("admin", f"127.0.0.1:{self.admin_port}"),
				("state_dir", self.state_dir),
				("dir", self.folder),
			):
				config = config.replace("{%s}" % name, str(value))
			self.config_path.write_text(config)
			return
		whole: dict[str, Any] = {
			"threads": self.threads,
			"state_dir": str(self.state_dir),
			"log": {"level": "info", "format": "logfmt"},
			"admin": {"listen": f"127.0.0.1:{self.admin_port}"},
		}
		whole.update(config)
		self.config_path.write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n")

	def _environment(self) -> dict[str, str]:
		env = dict(os.environ)
		env.setdefault("ASAN_OPTIONS", "detect_leaks=1:abort_on_error=0:exitcode=99")
		env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1:exitcode=99")
		env.setdefault("TSAN_OPTIONS", "halt_on_error=1:exitcode=99")
		for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
			env.pop(name, None)
		env.update(self.env)
		return env

	def start(self, wait: bool = True) -> "Agent":
		assert self.process is None, "runs already"
		self.state_dir.mkdir(exist_ok=True)
		self._log_start = self.log_path.stat().st_size if self.log_path.exists() else 0
		with open(self.log_path, "ab") as log, open(self.out_path, "ab") as out:
			self.process = subprocess.Popen(
				[*self.prefix, self.program, "run", "--config", str(self.config_path)],
				stdin=subprocess.DEVNULL,
				stdout=out,
				stderr=log,
				cwd=self.folder,
				env=self._environment(),
			)
		if wait:
			self.wait_ready()
		return self

	def command(self, *args: str, stdin: str | bytes = b"", timeout_s: float = 20) -> subprocess.CompletedProcess:
		"""`tailrace <args>` to its end; stdout and stderr as text."""
		data = stdin.encode() if isinstance(stdin, str) else stdin
		done = subprocess.run(
			[self.program, *args],
			input=data,
			capture_output=True,
			timeout=timeout_s,
			cwd=self.folder,
			env=self._environment(),
		)
		done.stdout, done.stderr = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
		assert not SANITIZER.search(done.stderr), done.stderr
		return done

	def spawn(self, *args: str) -> subprocess.Popen:
		"""`tailrace <args>` with the configuration, beside the agent; its text is the test's to read."""
		return subprocess.Popen(
			[self.program, args[0], "--config", str(self.config_path), *args[1:]],
			stdin=subprocess.DEVNULL,
			stdout=subprocess.PIPE,
			stderr=subprocess.PIPE,
			text=True,
			cwd=self.folder,
			env=self._environment(),
		)

	def wait_ready(self, timeout_s: float = READY_S) -> None:
		self.wait(lambda: self.get("/ready")[0] == 200, timeout_s, "/ready")

	def wait(self, condition, timeout_s: float = 20, what: str = "") -> None:
		"""Until the condition holds. An agent that ends meanwhile, or the deadline, fails with the log's end."""
		deadline = time.monotonic() + scale(timeout_s)
		while True:
			if self.process is None or self.process.poll() is not None:
				code = self.process.returncode if self.process else None
				raise AssertionError(f"the agent ended with {code}, waiting for {what or condition}:\n{self.tail()}")
			try:
				if condition():
					return
			except (OSError, http.client.HTTPException):
				pass
			if time.monotonic() > deadline:
				raise AssertionError(f"not within {timeout_s} s: {what or condition}\n{self.tail()}")
			time.sleep(0.03)

	def stop(self, check: bool = True, timeout_s: float = STOP_S) -> dict[tuple[str, str], dict[str, int]]:
		"""SIGTERM, exit code 0, and the ledger it left, whose sums come out (check=False: whatever it says)."""
		assert self.process is not None, "does not run"
		process, self.process = self.process, None
		process.send_signal(signal.SIGTERM)
		try:
			process.wait(timeout_s)
		except subprocess.TimeoutExpired:
			process.send_signal(signal.SIGABRT)
			process.wait()
			raise AssertionError(f"did not end within {timeout_s} s of SIGTERM:\n{self.tail()}") from None
		self.check_sanitizers()
		ledger = self.ledger()
		if check:
			assert process.returncode == 0, f"exit code {process.returncode}:\n{self.tail()}"
			assert ledger, f"no msg=ledger line at exit:\n{self.tail()}"
			wrong = unbalanced(ledger)
			assert not wrong, "records lost or made up:\n" + "\n".join(wrong) + "\n" + self.tail()
		return ledger

	def kill(self) -> None:
		"""kill -9: nothing is written any more, the ledger dies with it."""
		assert self.process is not None, "does not run"
		process, self.process = self.process, None
		process.kill()
		process.wait()
		self.check_sanitizers()

	def signal(self, number: int) -> None:
		assert self.process is not None
		self.process.send_signal(number)

	def close(self) -> None:
		"""For the fixture: an orderly stop of one that still runs, with all its checks."""
		if self.process is None:
			return
		if self.process.poll() is not None:
			code, self.process = self.process.returncode, None
			raise AssertionError(f"the agent had ended by itself with {code}:\n{self.tail()}")
		self.stop()

	# --- looking at it ---

	def get(self, path: str, timeout_s: float = 5) -> tuple[int, str]:
		conn = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=timeout_s)
		try:
			conn.request("GET", path)
			answer = conn.getresponse()
			return answer.status, answer.read().decode()
		finally:
			conn.close()

	def metrics(self) -> Metrics:
		status, text = self.get("/metrics")
		assert status == 200, text
		return Metrics(text)

	def wait_metric(self, name: str, value: int, timeout_s: float = 20, **labels: str) -> Metrics:
		"""Until that sum is `value` or more."""
		self.wait(lambda: self.metrics().sum(name, **labels) >= value, timeout_s, f"{name}{labels} >= {value}")
		return self.metrics()

	def wait_idle(self, timeout_s: float = 20) -> Metrics:
		"""Until nothing is held and the equation holds in the metrics."""

		def idle() -> bool:
			metrics = self.metrics()
			ledger = metrics.ledger()
			return bool(ledger) and not unbalanced(ledger) and not any(row.get("held") for row in ledger.values())

		self.wait(idle, timeout_s, "nothing held and balanced sums")
		return self.metrics()

	def log(self, whole: bool = False) -> str:
		"""stderr since the last start, or of every start."""
		data = self.log_path.read_bytes() if self.log_path.exists() else b""
		return data[0 if whole else self._log_start :].decode(errors="replace")

	def tail(self) -> str:
		return self.log()[-4000:]

	def events(self, msg: str | None = None) -> list[dict[str, str]]:
		"""Log lines since the last start, parsed; only those with that msg when one is given."""
		found = [parse_logfmt(line) for line in self.log().splitlines()]
		return [e for e in found if msg is None or e.get("msg") == msg]

	def output(self) -> str:
		return self.out_path.read_text(errors="replace") if self.out_path.exists() else ""

	def ledger(self) -> dict[tuple[str, str], dict[str, int]]:
		rows = {}
		for event in self.events("ledger"):
			rows[event["pipeline"], event["output"]] = {way: int(event.get(way, 0)) for way in ("in", *WAYS)}
		return rows

	def check_sanitizers(self) -> None:
		assert not SANITIZER.search(self.log()), self.log()[-12000:]

	@property
	def sanitized(self) -> bool:
		"""True for a build whose memory and speed say nothing."""
		return "/release/" not in str(self.program)

	def rss_bytes(self) -> int:
		assert self.process is not None
		pages = int(pathlib.Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
		return pages * resource.getpagesize()

	def peak_rss_bytes(self) -> int:
		assert self.process is not None
		status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
		return int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) * 1024

	def cpu_s(self) -> float:
		assert self.process is not None
		fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(") ", 1)[1].split()
		return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

	def open_files(self) -> int:
		assert self.process is not None
		return len(os.listdir(f"/proc/{self.process.pid}/fd"))
