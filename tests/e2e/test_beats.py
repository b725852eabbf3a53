# SPDX-License-Identifier: Apache-2.0
"""The Beats input: Elastic's own client of the Lumberjack protocol, and one of ours; what is acknowledged is in the real
Loki."""

import json
import pathlib
import socket
import struct
import subprocess
import tempfile
import threading
import time
import zlib

import pytest

from conftest import missing
from loki import free_port
from proxy import Proxy
from scale import scale
from work import config, difference, loki_output

HERE = pathlib.Path(__file__).resolve().parent


@pytest.fixture
def lumber(request):
	"""The path of the real client; built at its first use."""
	done = subprocess.run([HERE / "beats" / "build"], capture_output=True, text=True, check=False)
	if done.returncode:
		missing(request, "go-lumber", done.stderr[-500:])
	return done.stdout.strip()


def beats(port: int, **more) -> dict:
	return {"type": "beats", "listen": [f"tcp://127.0.0.1:{port}"], **more}


class Sender:
	"""The real client, in a process of its own."""

	def __init__(self, program: str, port: int, count: int, source: str = "a", **options):
		self.count, self.source = count, source
		self.start = time.time_ns() // 1_000_000 - 600_000
		command = [program, f"-addr=127.0.0.1:{port}", f"-count={count}", f"-source={source}", f"-start={self.start}"]
		command += [f"-{name}={value}" for name, value in options.items()]
		self.stderr = tempfile.TemporaryFile("w+")
		self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.stderr, text=True)
		self.acked = 0

	def read_acks(self, until: int, timeout_s: float = 90) -> int:
		"""Waits until so many events are acknowledged; they are in order, without a gap."""
		watch = threading.Timer(timeout_s, self.process.kill)
		watch.start()
		while self.acked < until:
			line = self.process.stdout.readline()
			assert line, f"ended at {self.acked}: {self.errors()}"
			first, last = map(int, line.split())
			assert first == self.acked
			self.acked = last + 1
		watch.cancel()
		return self.acked

	def finish(self) -> None:
		assert self.read_acks(self.count) == self.count
		assert self.process.wait(30) == 0, self.errors()

	def close(self) -> None:
		self.process.kill()
		self.process.wait()
		self.process.stdout.close()

	def errors(self) -> str:
		self.stderr.seek(0)
		return self.stderr.read()

	@property
	def lines(self) -> list[str]:
		return [f"{self.source} n={i:07d} " for i in range(self.count)]


@pytest.fixture
def send(lumber):
	made = []

	def make(port: int, count: int, source: str = "a", **options) -> Sender:
		made.append(Sender(lumber, port, count, source, **options))
		return made[-1]

	yield make
	for one in made:
		one.close()


def certificates(folder: pathlib.Path) -> dict:
	files = {name: folder / name for name in ("cert", "key", "both")}
	subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
		"/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", files["key"], "-out", files["cert"]],
		check=True, capture_output=True)
	files["both"].write_text(files["cert"].read_text() + files["key"].read_text())
	return {name: str(path) for name, path in files.items()}


@pytest.mark.parametrize("options", [
	{"compression": 0},
	{"compression": 3, "window": 500},
	{"compression": 9, "pipelining": 4, "window": 300},
	{"compression": 3, "pipelining": 2, "tls": True},
], ids=["plain", "compressed", "async", "tls"])
def test_what_is_acknowledged_is_in_loki(agent, loki, tenant, send, tmp_path, options):
	port, count = free_port(), scale(5_000)
	more, options = {}, dict(options)
	if options.pop("tls", False):
		files = certificates(tmp_path)
		more = {"listen": [f"tls://127.0.0.1:{port}"],
			"tls": {"cert_file": files["cert"], "key_file": files["key"], "ca_file": files["cert"], "client_auth": "require"}}
		options |= {"ca": files["cert"], "cert": files["both"]}
	one = agent(config({"beats": beats(port, **more)}, loki_output(loki.push_url, tenant)))
	sender = send(port, count, **options)
	sender.finish()
	query = '{job="beats"}'
	assert loki.count(query) == count  # at once: nothing was acknowledged early
	read = loki.read(query)
	assert not difference([r.line for r in read], sender.lines)
	assert [r.ts for r in read] == [(sender.start + i) * 1_000_000 for i in range(count)]
	labels = {"job": "beats", "host": "web-1", "namespace": "shop", "pod": "cart-0", "container": "cart"}
	assert [{k: v for k, v in s.items() if k != "service_name"} for s in loki.streams(query)] == [labels]
	meta = read[7].metadata
	assert meta["log_offset"] == "700" and meta["log_file_path"] == "/var/log/a.log" and meta["agent_type"] == "filebeat"
	assert not {k for k in meta if "metadata" in k or k in ("host_name", "message", "kubernetes_namespace")}
	one.wait_metric("tailrace_input_connections", 0, input="beats")
	assert one.metrics().sum("tailrace_records_in_total") == count
	assert not sender.errors()


@pytest.mark.parametrize("pipelining", [0, 3], ids=["sync", "async"])
def test_killed_under_load(agent, loki, tenant, send, pipelining):
	"""Whatever was acknowledged is in Loki at that moment; in the end everything is, once."""
	port, count, kills = free_port(), scale(6_000), scale(3)
	one = agent(config({"beats": beats(port)}, loki_output(loki.push_url, tenant)))
	sender = send(port, count, window=200, pipelining=pipelining, pause="10ms")
	for i in range(kills):
		acked = sender.read_acks(count * (i + 1) // (kills + 1))
		one.kill()
		have = set(loki.lines('{job="beats"}'))
		assert not set(sender.lines[:acked]) - have
		one.start()
	sender.finish()
	assert not difference(sorted(loki.lines('{job="beats"}')), sender.lines)
	assert loki.count('{job="beats"}') == count


def test_without_loki_clients_wait(agent, loki, tenant, send):
	"""They are told that their events are being worked on, and hear of success when Loki has them."""
	port, count = free_port(), scale(4_000)
	proxy = Proxy(loki.url)
	proxy.down()
	try:
		one = agent(config({"beats": beats(port, keepalive="200ms")}, loki_output(proxy.push_url, tenant), memory="24MiB"))
		senders = [send(port, count, source=f"s{i}", pad=300, window=1000, timeout="20s") for i in range(4)]
		one.wait(lambda: one.metrics().sum("tailrace_records_held") > 0, 20, "events")
		time.sleep(1.5)  # several keepalives
		assert one.rss_bytes() < 512 << 20 and not any(s.process.poll() for s in senders)
		proxy.up()
		for sender in senders:
			sender.finish()
			assert not sender.errors()  # one connection, no retry
		assert loki.count('{job="beats"}') == 4 * count
		one.wait_idle()
	finally:
		proxy.down()


class Client:
	"""The protocol by hand."""

	def __init__(self, port: int):
		self.conn = socket.create_connection(("127.0.0.1", port), timeout=20)

	def send(self, events: list[bytes], first: int = 1, packed: bool = False, window: bool = True) -> int:
		frames = b"".join(b"2J" + struct.pack(">II", first + i, len(e)) + e for i, e in enumerate(events))
		if packed:
			frames = zlib.compress(frames)
			frames = b"2C" + struct.pack(">I", len(frames)) + frames
		self.conn.sendall((b"2W" + struct.pack(">I", len(events)) if window else b"") + frames)
		return first + len(events) - 1

	def ack(self) -> int | None:
		"""The next that is none of the keepalives; None at the end of the connection."""
		while True:
			frame = b""
			while len(frame) < 6:
				got = self.conn.recv(6 - len(frame))
				if not got:
					return None
				frame += got
			assert frame[:2] == b"2A"
			if frame[2:] != b"\0\0\0\0":
				return struct.unpack(">I", frame[2:])[0]


def event(message: str | None, **more) -> bytes:
	stamp = time.strftime("%Y-%m-%dT%H:%M:%S.123Z", time.gmtime())
	return json.dumps({"@timestamp": stamp, **({} if message is None else {"message": message}), **more}).encode()


def test_events_as_they_come(agent, loki, tenant):
	"""Stages find fields by dotted names, equal events stay apart, what is no JSON is kept, numbers may go on."""
	port = free_port()
	one = agent(config(
		{"beats": beats(port, labels={"env": "test", "pod": "fixed"})}, loki_output(loki.push_url, tenant),
		stages=[{"labels": {"dataset": "event.dataset"}}, {"structured_metadata": {"tier": "kubernetes.labels.tier"}}],
	))
	client = Client(port)
	pod = {"kubernetes": {"pod": {"name": "cart-0"}, "namespace": "shop", "labels": {"tier": "web"}},
		"event": {"dataset": "shop.log"}, "log": {"level": "WARN"}, "host": {"name": "web-1"}}
	assert client.send([event("one", **pod), event("same"), event("same"), b"no json"], 5, packed=True) == client.ack()
	assert client.send([event(None, answer=42)], 9) == client.ack()
	streams = loki.streams('{job="beats"}')
	assert {"job": "beats", "env": "test", "pod": "fixed", "host": "web-1", "namespace": "shop",
		"dataset": "shop.log"}.items() <= next(s for s in streams if "dataset" in s).items()
	read = {r.line: r for r in loki.read('{job="beats"}')}
	assert read["one"].metadata["detected_level"] == "warn" and read["one"].metadata["tier"] == "web"
	assert read["one"].metadata["kubernetes_pod_name"] == "cart-0"  # `pod` is configured, so it is no label
	assert loki.lines('{job="beats"}').count("same") == 2
	assert "unparsed" in read["no json"].metadata["tailrace_flags"]
	assert any(json.loads(line).get("answer") == 42 for line in read if line.startswith("{"))
	client.conn.close()
	one.wait_idle()


def test_whole_events_and_what_is_refused(agent, loki, tenant):
	port = free_port()
	one = agent(config({"beats": beats(port, line="json", max_window=10)}, loki_output(loki.push_url, tenant)))
	client, body = Client(port), event("one", host={"name": "web-1"}, a={"b": 1})
	assert client.send([body]) == client.ack()
	assert loki.lines('{host="web-1"}') == [body.decode()]
	assert loki.read('{host="web-1"}')[0].metadata.keys() <= {"detected_level"}
	for nonsense in (b"1W\0\0\0\1", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\0\1", b"2W\0\0\1\0", b"2J\0\0\0\1\0\0\0\1x"):
		other = Client(port)
		other.conn.sendall(nonsense)
		assert other.ack() is None
	assert one.metrics().sum("tailrace_input_errors_total", reason="framing") == 5
	assert "version 1 of the protocol" in one.log(whole=True)
	assert client.send([body]) == client.ack()  # the others are not disturbed
	assert loki.count('{host="web-1"}') == 1  # it was the same
