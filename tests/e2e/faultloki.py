# SPDX-License-Identifier: Apache-2.0
"""A stand-in for Loki that misbehaves on demand: the answers a real one does not give when asked.

What it answers is scripted; what it got is recorded, decoded and checked. The texts of its refusals are those the
real Loki gave (test_loki_direct.py holds them), so that an agent that copes here copes there.

    server.script(Fault.status(500) * 3, Fault.reset())    the next four pushes, then 204 again
    server.otherwise = lambda push: ...                    decides for every push that the script does not
    server.down(); server.up()                             nobody listens, then the same port again
"""

from __future__ import annotations

import http.server
import socket
import socketserver
import ssl
import struct
import threading
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Callable

import wire
from scale import scale
from wire import Entry, Stream


@dataclass(frozen=True)
class Fault:
	"""How one push is answered. `stored` says whether the entries count as kept (a 500 may have kept them)."""

	code: int = 204
	body: str = ""
	headers: tuple[tuple[str, str], ...] = ()
	delay_s: float = 0.0  # before the answer
	cut: str = ""  # "early": reset while the body is read; "late": reset after it, with no answer; "close": FIN, no answer
	close_after: bool = False  # answer, then close the connection
	stored: bool | None = None  # None: as the code says
	refuse: Callable[[Stream, Entry], bool] | None = None  # entries not kept, of a push that is otherwise kept

	def __mul__(self, times: int) -> list["Fault"]:
		return [self] * times

	def slow(self, seconds: float) -> "Fault":
		return replace(self, delay_s=seconds)

	@property
	def keeps(self) -> bool:
		return self.code in (200, 204) if self.stored is None else self.stored

	@staticmethod
	def ok() -> "Fault":
		return Fault()

	@staticmethod
	def status(code: int, body: str = "", stored: bool | None = None, **headers: str) -> "Fault":
		return Fault(code, body, tuple((k.replace("_", "-"), v) for k, v in headers.items()), stored=stored)

	@staticmethod
	def rate_limited(retry_after: str | None = None) -> "Fault":
		text = "ingestion rate limit exceeded for user fake (limit: 4194304 bytes/sec) while attempting to ingest '1000' lines totaling '1' bytes, reduce log volume or contact your Loki administrator to see if the limit can be increased\n"
		return Fault(429, text, (("Retry-After", retry_after),) if retry_after else ())

	@staticmethod
	def blocked() -> "Fault":
		"""Loki's 260: looks like a success to a careless client, is none."""
		return Fault(260, "ingestion blocked for user 'fake' until '2030-01-01T00:00:00Z' with status code '260'\n", stored=False)

	@staticmethod
	def too_large() -> "Fault":
		return Fault(413, "request body too large\n")

	@staticmethod
	def reset(stored: bool = False) -> "Fault":
		"""RST after the whole request was read, with no answer."""
		return Fault(cut="late", stored=stored)

	@staticmethod
	def reset_early() -> "Fault":
		"""RST while the client still writes."""
		return Fault(cut="early", stored=False)

	@staticmethod
	def hang_up(stored: bool = False) -> "Fault":
		return Fault(cut="close", stored=stored)

	@staticmethod
	def partial(refuse: Callable[[Stream, Entry], bool], text: str = "") -> "Fault":
		"""400 that kept everything but the entries refused, as Loki's validation does."""
		return Fault(400, text or "1 errors like: max entry size '262144' bytes exceeded\n", stored=True, refuse=refuse)


@dataclass
class Push:
	"""One request as it came in, whatever was answered."""

	at: float  # time.monotonic() when the request line was read
	path: str
	headers: dict[str, str]  # names in lower case
	body: bytes
	fault: Fault = field(default_factory=Fault)
	complete: bool = True

	@property
	def tenant(self) -> str:
		return self.headers.get("x-scope-orgid", "")

	@cached_property
	def raw(self) -> bytes:
		"""Not compressed: identical bytes on every retry is a promise, and is about these."""
		return wire.snappy_decode(self.body)

	@cached_property
	def streams(self) -> list[Stream]:
		return wire.decode_push(self.raw)

	@property
	def entries(self) -> list[Entry]:
		return [entry for stream in self.streams for entry in stream.entries]

	@property
	def lines(self) -> list[str]:
		return [entry.line for entry in self.entries]


class FaultLoki:
	def __init__(self, tls: ssl.SSLContext | None = None, address: str = "127.0.0.1", port: int = 0) -> None:
		self._address = address
		self._tls = tls
		self._lock = threading.Lock()
		self._script: list[Fault] = []
		self._connections: set[socket.socket] = set()
		self._server: socketserver.ThreadingTCPServer | None = None
		self.otherwise: Callable[[Push], Fault] = lambda push: Fault.ok()
		self.pushes: list[Push] = []
		self.accepted_connections = 0
		self.in_flight: Counter[str] = Counter()
		self.max_in_flight = 0
		self.violations: list[str] = []
		self.ordered = True  # what check() demands; off where several sources feed one stream by several lanes
		self.port = port
		self.up()

	# --- control ---

	@property
	def url(self) -> str:
		return f"{'https' if self._tls else 'http'}://{self._address}:{self.port}"

	@property
	def push_url(self) -> str:
		return self.url + "/loki/api/v1/push"

	def script(self, *faults: Fault | list[Fault]) -> None:
		with self._lock:
			for fault in faults:
				self._script += fault if isinstance(fault, list) else [fault]

	@property
	def script_left(self) -> int:
		with self._lock:
			return len(self._script)

	def up(self) -> None:
		assert self._server is None, "is up already"
		self._server = _Server(self, (self._address, self.port))
		self.port = self._server.server_address[1]
		threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

	def down(self) -> None:
		"""Connections are reset and new ones refused."""
		if self._server is None:
			return
		self._server.shutdown()
		self._server.server_close()
		self._server = None
		with self._lock:
			open_now, self._connections = self._connections, set()
		for conn in open_now:
			_reset(conn)

	close = down

	def wait(self, condition: Callable[["FaultLoki"], bool], timeout_s: float = 20, what: str = "") -> None:
		deadline = time.monotonic() + scale(timeout_s)
		while not condition(self):
			if time.monotonic() > deadline:
				raise AssertionError(f"not within {timeout_s} s: {what or condition}; got {len(self.pushes)} pushes")
			time.sleep(0.02)

	# --- what is kept, as Loki would have it ---

	def kept(self, tenant: str | None = None, repeats: bool = False) -> list[tuple[dict[str, str], Entry]]:
		"""Entries kept, in order of arrival. Like Loki, drops an entry identical in time, line and metadata."""
		found, seen = [], set()
		with self._lock:
			pushes = list(self.pushes)
		for push in pushes:
			if not push.complete or not push.fault.keeps or (tenant is not None and push.tenant != tenant):
				continue
			for stream in push.streams:
				key = (push.tenant, tuple(sorted(stream.labels.items())))
				for entry in stream.entries:
					if push.fault.refuse and push.fault.refuse(stream, entry):
						continue
					if not repeats and (key, entry) in seen:
						continue
					seen.add((key, entry))
					found.append((stream.labels, entry))
		return found

	def lines(self, tenant: str | None = None, **labels: str) -> list[str]:
		want = labels.items()
		return [e.line for have, e in self.kept(tenant) if want <= have.items()]

	def wait_lines(self, count: int, timeout_s: float = 20, **kw) -> list[str]:
		self.wait(lambda s: len(s.lines(**kw)) >= count, timeout_s, f"{count} lines kept")
		return self.lines(**kw)

	def check(self) -> None:
		"""What holds for every push of a good client, and for what is kept. Called at the end of every test.

		Within a stream nothing new may be older than what is kept, unless `ordered` is off.
		"""
		problems = list(self.violations)
		kept: dict[tuple, set[Entry]] = {}
		newest: dict[tuple, int] = {}
		for number, push in enumerate(p for p in self.pushes if p.complete):
			problems += (f"push {number}: {p}" for p in _check_push(push))
			if not push.fault.keeps:
				continue
			for stream in push.streams:
				key = (push.tenant, tuple(sorted(stream.labels.items())))
				have = kept.setdefault(key, set())
				new = [entry.ts for entry in stream.entries if entry not in have]
				if self.ordered and new and min(new) < newest.get(key, 0):
					problems.append(f"push {number}: {stream.label_text} goes back in time")
				have.update(stream.entries)
				newest[key] = max(newest.get(key, 0), max(new, default=0))
		assert not problems, "\n".join(problems[:20])

	# --- called by the handler ---

	def next_fault(self, push: Push) -> Fault:
		with self._lock:
			if self._script:
				return self._script.pop(0)
		return self.otherwise(push)

	def record(self, push: Push) -> None:
		with self._lock:
			self.pushes.append(push)


def _check_push(push: Push) -> list[str]:
	problems = []
	if push.headers.get("content-type") != "application/x-protobuf":
		problems.append(f"Content-Type {push.headers.get('content-type')!r}")
	if not push.headers.get("user-agent"):
		problems.append("no User-Agent")
	if not push.streams:
		problems.append("no stream in it (Loki: 422)")
	seen = set()
	for stream in push.streams:
		name = stream.label_text
		key = tuple(sorted(stream.labels.items()))
		if key in seen:
			problems.append(f"stream {name} twice")
		seen.add(key)
		if not stream.entries:
			problems.append(f"stream {name} without entries")
		if not 1 <= len(stream.labels) <= 15:
			problems.append(f"{len(stream.labels)} labels in {name}")
		stamps = [entry.ts for entry in stream.entries]
		if len(set(stamps)) != len(stamps):
			problems.append(f"stream {name}: two entries at one instant")
	return problems


def _reset(conn: socket.socket) -> None:
	"""RST instead of FIN."""
	try:
		conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
		conn.shutdown(socket.SHUT_RD)  # wakes a handler that waits for a request
	except OSError:
		pass
	try:
		conn.close()
	except OSError:
		pass


class _Server(socketserver.ThreadingTCPServer):
	allow_reuse_address = True
	daemon_threads = True
	block_on_close = False
	request_queue_size = 128

	def __init__(self, owner: FaultLoki, address: tuple[str, int]):
		self.owner = owner
		super().__init__(address, _Handler)

	def get_request(self):
		conn, address = super().get_request()
		if self.owner._tls:  # the handshake is made by the handler's thread, at the first read
			conn = self.owner._tls.wrap_socket(conn, server_side=True, do_handshake_on_connect=False)
		return conn, address

	def shutdown_request(self, request) -> None:
		self.close_request(request)  # no FIN before the RST that _reset() may have asked for

	def handle_error(self, request, client_address) -> None:
		pass  # a peer that vanished, or one we reset


class _Handler(http.server.BaseHTTPRequestHandler):
	protocol_version = "HTTP/1.1"
	disable_nagle_algorithm = True

	def setup(self) -> None:
		super().setup()
		self.owner: FaultLoki = self.server.owner
		with self.owner._lock:
			self.owner.accepted_connections += 1
			self.owner._connections.add(self.connection)

	def finish(self) -> None:
		with self.owner._lock:
			self.owner._connections.discard(self.connection)
		super().finish()

	def log_message(self, *args) -> None:
		pass

	def do_GET(self) -> None:
		self._answer(Fault(200, "ready\n"))

	def do_POST(self) -> None:
		headers = {k.lower(): v for k, v in self.headers.items()}
		push = Push(time.monotonic(), self.path, headers, b"")
		if "content-length" not in headers:
			self.owner.violations.append("a push without Content-Length")
			self._answer(Fault(411), close=True)
			return
		size = int(headers["content-length"])
		early = self._peek_early()
		if early:
			self.rfile.read(min(size, max(1, size // 2)))
			push.complete, push.fault = False, early
			self.owner.record(push)
			_reset(self.connection)
			self.close_connection = True
			return
		push.body = self.rfile.read(size)
		if len(push.body) < size:
			push.complete = False
			self.owner.record(push)
			self.close_connection = True
			return
		if self.path != "/loki/api/v1/push":
			self.owner.violations.append(f"POST {self.path}")
			self._answer(Fault(404, "404 page not found\n"))
			return
		try:
			push.streams
		except (wire.WireError, UnicodeDecodeError) as e:
			self.owner.violations.append(f"undecodable push: {e}")
			self._answer(Fault(400, f"{e}\n"))
			return
		fault = push.fault = self.owner.next_fault(push)
		with self.owner._lock:
			self.owner.in_flight[push.tenant] += 1
			self.owner.max_in_flight = max(self.owner.max_in_flight, sum(self.owner.in_flight.values()))
		try:
			if fault.delay_s:
				time.sleep(fault.delay_s)
			self.owner.record(push)
		finally:
			with self.owner._lock:
				self.owner.in_flight[push.tenant] -= 1
		if fault.cut == "late":
			_reset(self.connection)
			self.close_connection = True
		elif fault.cut == "close":
			self.close_connection = True
		else:
			self._answer(fault, close=fault.close_after)

	def _peek_early(self) -> Fault | None:
		"""An early cut has to be known before the body is read."""
		with self.owner._lock:
			if self.owner._script and self.owner._script[0].cut == "early":
				return self.owner._script.pop(0)
		return None

	def _answer(self, fault: Fault, close: bool = False) -> None:
		body = fault.body.encode()
		self.send_response_only(fault.code, "Blocked" if fault.code == 260 else None)
		for name, value in fault.headers:
			self.send_header(name, value)
		if fault.code != 204:
			self.send_header("Content-Type", "text/plain; charset=utf-8")
			self.send_header("Content-Length", str(len(body)))
		if close:
			self.send_header("Connection", "close")
			self.close_connection = True
		self.end_headers()
		if body and fault.code != 204:
			self.wfile.write(body)
