# SPDX-License-Identifier: Apache-2.0
"""A proxy before the real Loki that loses, cuts, delays and refuses as scripted. What reached Loki is then asked of
Loki itself: with an answer lost on the way, only Loki knows that it has the entries."""

from __future__ import annotations

import http.client
import http.server
import socket
import socketserver
import threading
import time
import urllib.parse
from collections import Counter

from faultloki import _reset

# What may happen to one request:
#   pass    forwarded, answered
#   lose    forwarded, Loki's answer is thrown away and the connection reset
#   before  connection reset before a byte of the body is read
#   mid     connection reset within the body; nothing is forwarded
#   after   the whole request is read, then reset; nothing is forwarded
#   hang    as `after`, but closed in an orderly way
#   NNN     answered with this status; nothing is forwarded
#   slow    forwarded and answered after a second
ACTIONS = ("pass", "lose", "before", "mid", "after", "hang", "500", "503", "429", "260", "slow")


class Proxy:
	def __init__(self, upstream: str):
		self.upstream = urllib.parse.urlsplit(upstream).netloc
		self.port = 0
		self.done: Counter[str] = Counter()
		self.otherwise = "pass"
		self._script: list[str] = []
		self._lock = threading.Lock()
		self._server: socketserver.ThreadingTCPServer | None = None
		self._connections: set[socket.socket] = set()
		self.up()

	@property
	def url(self) -> str:
		return f"http://127.0.0.1:{self.port}"

	@property
	def push_url(self) -> str:
		return self.url + "/loki/api/v1/push"

	def script(self, *actions: str) -> None:
		with self._lock:
			self._script += actions

	def next(self) -> str:
		with self._lock:
			action = self._script.pop(0) if self._script else self.otherwise
			self.done[action] += 1
			return action

	def up(self) -> None:
		self._server = _Server(self, ("127.0.0.1", self.port))
		self.port = self._server.server_address[1]
		threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

	def down(self) -> None:
		if self._server is None:
			return
		self._server.shutdown()
		self._server.server_close()
		self._server = None
		self.cut_all()

	def cut_all(self) -> None:
		"""Resets every open connection, idle ones too."""
		with self._lock:
			now, self._connections = self._connections, set()
		for conn in now:
			_reset(conn)


class _Server(socketserver.ThreadingTCPServer):
	allow_reuse_address = True
	daemon_threads = True
	block_on_close = False
	request_queue_size = 128

	def __init__(self, owner: Proxy, address: tuple[str, int]):
		self.owner = owner
		super().__init__(address, _Handler)

	def shutdown_request(self, request) -> None:
		self.close_request(request)  # no FIN before the RST that _reset() may have asked for

	def handle_error(self, request, client_address) -> None:
		pass


class _Handler(http.server.BaseHTTPRequestHandler):
	protocol_version = "HTTP/1.1"
	disable_nagle_algorithm = True

	def setup(self) -> None:
		super().setup()
		self.owner: Proxy = self.server.owner
		with self.owner._lock:
			self.owner._connections.add(self.connection)

	def finish(self) -> None:
		with self.owner._lock:
			self.owner._connections.discard(self.connection)
		super().finish()

	def log_message(self, *args) -> None:
		pass

	def _cut(self) -> None:
		_reset(self.connection)
		self.close_connection = True

	def do_POST(self) -> None:
		action = self.owner.next()
		size = int(self.headers["Content-Length"])
		if action == "before":
			return self._cut()
		if action == "mid":
			self.rfile.read(max(1, size // 2))
			return self._cut()
		body = self.rfile.read(size)
		if len(body) < size:
			self.close_connection = True
			return None
		if action == "after":
			return self._cut()
		if action == "hang":
			self.close_connection = True
			return None
		if action.isdigit():
			return self._answer(int(action), b"scripted\n")
		if action == "slow":
			time.sleep(1)
		status, answer = self._forward(body)
		if action == "lose":
			return self._cut()
		return self._answer(status, answer)

	def _forward(self, body: bytes) -> tuple[int, bytes]:
		conn = http.client.HTTPConnection(self.owner.upstream, timeout=60)
		try:
			headers = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection")}
			conn.request("POST", self.path, body, headers)
			answer = conn.getresponse()
			return answer.status, answer.read()
		finally:
			conn.close()

	def _answer(self, status: int, body: bytes) -> None:
		self.send_response_only(status, "Blocked" if status == 260 else None)
		if status != 204:
			self.send_header("Content-Length", str(len(body)))
		self.end_headers()
		if status != 204:
			self.wfile.write(body)
