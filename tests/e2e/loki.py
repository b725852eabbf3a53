# SPDX-License-Identifier: Apache-2.0
"""The real Loki for the tests: two instances, started once for a whole run, and a client to push and read back.

`lenient` takes nearly anything, `default` has Loki's own limits, which is what users meet. Both ask for a tenant
(X-Scope-OrgID), so that each test has one of its own and sees nobody else's entries.

By hand, for a quick inner loop:
    tests/e2e/run --loki          starts both, prints the two `export` lines, stays until Ctrl-C
"""

from __future__ import annotations

import http.client
import itertools
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
from dataclasses import dataclass, field

import wire
from scale import scale
from wire import Entry, Stream

HERE = pathlib.Path(__file__).resolve().parent
READY_S = 60
PAGE = 5000  # Loki's default max_entries_limit_per_query

BASE = """\
target: all
server:
  http_listen_address: 127.0.0.1
  http_listen_port: {http}
  grpc_listen_address: 127.0.0.1
  grpc_listen_port: {grpc}
  log_level: warn
common:
  instance_addr: 127.0.0.1
  path_prefix: {dir}
  replication_factor: 1
  ring: {{kvstore: {{store: inmemory}}}}
  storage: {{filesystem: {{chunks_directory: {dir}/chunks, rules_directory: {dir}/rules}}}}
schema_config:
  configs: [{{from: 2020-01-01, store: tsdb, object_store: filesystem, schema: v13, index: {{prefix: index_, period: 24h}}}}]
analytics: {{reporting_enabled: false}}
ingester:
  lifecycler: {{min_ready_duration: 0s, final_sleep: 0s}}
  wal: {{enabled: true, dir: {dir}/wal}}
"""

# A repeat is recognised when it comes in as long as the first one is in the stream's head block; across blocks log
# queries still show an entry once, and metric queries count it twice (test_loki_direct.py). Blocks that no test fills
# make count_over_time() an exact judge. Neither must a busy stream be split (shard_streams, 1.5 MB/s by default): a
# repeat then lands in another shard, where nobody knows it.
LENIENT = """\
  chunk_block_size: 268435456
  chunk_target_size: 268435456
auth_enabled: true
limits_config:
  allow_structured_metadata: true
  reject_old_samples: false
  ingestion_rate_mb: 1000
  ingestion_burst_size_mb: 1000
  per_stream_rate_limit: 1GB
  per_stream_rate_limit_burst: 1GB
  max_global_streams_per_user: 100000
  discover_log_levels: false
  discover_service_name: []
  shard_streams: {enabled: false}
"""

# Loki's own limits; they count per tenant, so a test that exhausts them harms no other.
DEFAULT = "auth_enabled: true\n"


class LokiMissing(Exception):
	"""No binary. The tests skip loudly, or fail where real components are required."""


# Below the ports that the kernel gives to clients, so that none takes one before its server is there; runs that go
# on side by side begin elsewhere.
PORTS = range(12000, 32000)
ports = itertools.islice(itertools.cycle(PORTS), os.getpid() * 997 % len(PORTS), None)


def free_port() -> int:
	for port in ports:
		try:
			for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
				with socket.socket(type=kind) as s:
					s.bind(("127.0.0.1", port))
			return port
		except OSError:
			pass
	raise AssertionError("never")


@dataclass
class Answer:
	status: int
	text: str
	headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Read:
	"""One entry read back."""

	ts: int
	line: str
	labels: tuple[tuple[str, str], ...]
	meta: tuple[tuple[str, str], ...]

	@property
	def label(self) -> dict[str, str]:
		return dict(self.labels)

	@property
	def metadata(self) -> dict[str, str]:
		return dict(self.meta)


class Client:
	"""Loki's HTTP API, for one tenant (None: no X-Scope-OrgID is sent)."""

	def __init__(self, url: str, tenant: str | None = None):
		self.url = url
		self.tenant = tenant
		self._host = urllib.parse.urlsplit(url).netloc

	def with_tenant(self, tenant: str | None) -> "Client":
		return Client(self.url, tenant)

	@property
	def push_url(self) -> str:
		return self.url + "/loki/api/v1/push"

	def request(self, method: str, path: str, body: bytes | None = None, headers: dict | None = None) -> Answer:
		head = dict(headers or {})
		if self.tenant is not None:
			head.setdefault("X-Scope-OrgID", self.tenant)
		conn = http.client.HTTPConnection(self._host, timeout=60)
		try:
			conn.request(method, path, body=body, headers=head)
			answer = conn.getresponse()
			return Answer(answer.status, answer.read().decode(errors="replace"), dict(answer.getheaders()))
		finally:
			conn.close()

	# --- writing ---

	def push(self, streams: list[Stream] | dict, entries: list[Entry] | None = None) -> Answer:
		"""push([Stream, ...]) or push({labels}, [Entry, ...])."""
		if isinstance(streams, dict):
			streams = [Stream(streams, entries or [])]
		return self.push_raw(wire.snappy_encode(wire.encode_push(streams)))

	def push_raw(self, body: bytes, content_type: str = "application/x-protobuf") -> Answer:
		head = {"Content-Type": content_type} if content_type else {}
		return self.request("POST", "/loki/api/v1/push", body, head)

	# --- reading ---

	def _get(self, path: str, **params) -> dict:
		answer = self.request(
			"GET",
			path + "?" + urllib.parse.urlencode(params),
			headers={"X-Loki-Response-Encoding-Flags": "categorize-labels"},
		)
		if answer.status != 200:
			raise AssertionError(f"query {params} answered {answer.status}: {answer.text}")
		return json.loads(answer.text)["data"]

	def read(self, query: str, start: int | None = None, end: int | None = None) -> list[Read]:
		"""Every entry of a LogQL log query in time order, however many: pages by time.

		Entries older than about three hours are not found before flush() and a few seconds.

		start and end are nanoseconds; the default is the last three hours and ten minutes ahead.
		"""
		start = time.time_ns() - 3 * 3600 * 10**9 if start is None else start
		end = time.time_ns() + 600 * 10**9 if end is None else end
		found: list[Read] = []
		while True:
			page = self._page(query, start, end)
			if len(page) < PAGE:
				return found + page
			# The last instant of a full page may go on in the next one: ask for that instant again.
			last = page[-1].ts
			kept = [r for r in page if r.ts < last]
			if not kept:
				raise AssertionError(f"{PAGE} or more entries at one instant {last}: cannot page through them")
			found += kept
			start = last

	def _page(self, query: str, start: int, end: int) -> list[Read]:
		data = self._get(
			"/loki/api/v1/query_range", query=query, start=start, end=end, limit=PAGE, direction="forward"
		)
		page = []
		for stream in data["result"]:
			labels = tuple(sorted(stream["stream"].items()))
			for value in stream["values"]:
				meta = value[2].get("structuredMetadata", {}) if len(value) > 2 else {}
				page.append(Read(int(value[0]), value[1], labels, tuple(sorted(meta.items()))))
		page.sort(key=lambda r: r.ts)
		return page

	def lines(self, query: str, **kw) -> list[str]:
		return [r.line for r in self.read(query, **kw)]

	def count(self, query: str, range_: str = "3h") -> int:
		"""Entries of a log query over the last `range_`, counted by Loki itself."""
		at = time.time_ns() + 5 * 10**9
		data = self._get("/loki/api/v1/query", query=f"sum(count_over_time({query}[{range_}]))", time=at)
		return int(float(data["result"][0]["value"][1])) if data["result"] else 0

	def streams(self, query: str, start: int | None = None, end: int | None = None) -> list[dict[str, str]]:
		start = time.time_ns() - 3 * 3600 * 10**9 if start is None else start
		end = time.time_ns() + 600 * 10**9 if end is None else end
		return self._get("/loki/api/v1/series", **{"match[]": query, "start": start, "end": end})

	def wait_count(self, query: str, want: int, timeout_s: float = 30, range_: str = "3h") -> int:
		"""Waits until Loki counts `want` entries or more. Returns the last count: the caller compares."""
		deadline = time.monotonic() + scale(timeout_s)
		while True:
			have = self.count(query, range_)
			if have >= want or time.monotonic() > deadline:
				return have
			time.sleep(0.1)

	def flush(self) -> None:
		"""Of every tenant, into the store, where queries find old entries some seconds later."""
		answer = self.request("POST", "/flush")
		assert answer.status == 204, answer


def binary() -> str:
	"""The built Loki: $TAILRACE_LOKI_BIN or the one in the cache. Raises LokiMissing."""
	given = os.environ.get("TAILRACE_LOKI_BIN")
	path = given or subprocess.run(
		[HERE / "loki" / "build", "--path"], capture_output=True, text=True, check=False
	).stdout.strip()
	if not os.access(path, os.X_OK):
		raise LokiMissing(f"no Loki at {path}: build it with tests/e2e/loki/build")
	return path


class Process:
	"""One Loki of our own, in a folder of its own."""

	def __init__(self, name: str, limits: str, folder: pathlib.Path):
		self.name = name
		self.folder = folder
		self.http, self.grpc = free_port(), free_port()
		self.url = f"http://127.0.0.1:{self.http}"
		folder.mkdir(parents=True, exist_ok=True)
		(folder / "loki.yaml").write_text(BASE.format(http=self.http, grpc=self.grpc, dir=folder) + limits)
		self._log = open(folder / "loki.log", "ab")
		self._process: subprocess.Popen | None = None

	def start(self) -> "Process":
		self._process = subprocess.Popen(
			[binary(), f"-config.file={self.folder}/loki.yaml"],
			stdout=self._log,
			stderr=self._log,
			cwd=self.folder,
			start_new_session=True,  # Ctrl-C in the test run must not reach it before the tests are done
		)
		return self

	def wait_ready(self) -> "Process":
		deadline = time.monotonic() + READY_S
		while time.monotonic() < deadline:
			if self._process.poll() is not None:
				raise AssertionError(f"{self.name} Loki ended with {self._process.returncode}:\n{self.tail()}")
			if is_ready(self.url):
				return self
			time.sleep(0.1)
		raise AssertionError(f"{self.name} Loki not ready after {READY_S} s:\n{self.tail()}")

	def tail(self) -> str:
		return (self.folder / "loki.log").read_text(errors="replace")[-3000:]

	def stop(self) -> None:
		if self._process is None:
			return
		self._process.send_signal(signal.SIGKILL)  # its data is thrown away: no need to wait for a flush
		self._process.wait()
		self._process = None


def is_ready(url: str) -> bool:
	try:
		return Client(url).request("GET", "/ready").status == 200
	except OSError:
		return False


class Pair:
	"""Both instances, started side by side at once and waited for at their first use."""

	ENV = {"lenient": "TAILRACE_LOKI_URL", "default": "TAILRACE_LOKI_DEFAULT_URL"}

	def __init__(self) -> None:
		self._running: dict[str, Process] = {}
		self._folder: pathlib.Path | None = None

	def start(self) -> None:
		"""Does nothing where the environment names instances that run already."""
		for name, limits in (("lenient", LENIENT), ("default", DEFAULT)):
			if os.environ.get(self.ENV[name]):
				continue
			binary()
			self._folder = self._folder or pathlib.Path(tempfile.mkdtemp(prefix="tailrace-loki-"))
			self._running[name] = Process(name, limits, self._folder / name).start()

	def url(self, name: str) -> str:
		given = os.environ.get(self.ENV[name])
		if given:
			return given.rstrip("/")
		if name not in self._running:
			binary()  # says what is missing
			raise LokiMissing("Loki was not started")
		return self._running[name].wait_ready().url

	def stop(self) -> None:
		for process in self._running.values():
			process.stop()
		if self._folder:
			shutil.rmtree(self._folder, ignore_errors=True)


def main() -> int:
	"""Runs both until a signal; prints what to export. With a file name, writes that there too, when ready."""
	signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
	pair = Pair()
	try:
		pair.start()
		exports = "".join(f"export {env}={pair.url(name)}\n" for name, env in Pair.ENV.items())
		print(exports, end="", flush=True)
		if len(sys.argv) > 1:
			ready = pathlib.Path(sys.argv[1])
			ready.with_suffix(".part").write_text(exports)
			ready.with_suffix(".part").rename(ready)
		signal.pause()
	except KeyboardInterrupt:
		pass
	except LokiMissing as e:
		print(e, file=sys.stderr)
		return 1
	finally:
		pair.stop()
	return 0


if __name__ == "__main__":
	sys.exit(main())
