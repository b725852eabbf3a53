# SPDX-License-Identifier: Apache-2.0
"""The Loki push receiver: curl, a client of our own, another Tailrace; what is answered is in the real Loki."""

import gzip
import json
import subprocess
import time
import urllib.error
import urllib.request

import pytest

from loki import Client, Entry, free_port
from proxy import Proxy
from scale import scale
from work import Writer, arrived, config, file_input, loki_output, numbered


def receiver(port: int, **more) -> dict:
	return {"type": "loki", "listen": [f"tcp://127.0.0.1:{port}"], **more}


def now() -> int:
	return time.time_ns() - 10_000_000_000


def pushed(lines: list[str], labels: dict | None = None, meta: dict | None = None, at: int = 0) -> dict:
	values = [[str((at or now()) + i), line, *([meta] if meta else [])] for i, line in enumerate(lines)]
	return {"streams": [{"stream": labels or {"app": "shop", "level": "info"}, "values": values}]}


def post(port: int, body: bytes, headers: dict, path: str = "/loki/api/v1/push") -> tuple[int, str, dict]:
	request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, headers)
	try:
		with urllib.request.urlopen(request, timeout=20) as answer:
			return answer.status, answer.read().decode(), dict(answer.headers)
	except urllib.error.HTTPError as error:
		return error.code, error.read().decode(), dict(error.headers)


JSON = {"Content-Type": "application/json"}


def test_what_is_answered_is_in_loki(agent, loki, tenant):
	port = free_port()
	one = agent(config({"push": receiver(port)}, loki_output(loki.push_url, tenant)))
	at = now()
	body = pushed(["one", "two \"quoted\" \u00e4\n"], meta={"trace_id": "a\"b"}, at=at)
	assert post(port, json.dumps(body).encode(), JSON)[0] == 204
	read = loki.read('{app="shop"}')
	assert [(r.ts, r.line) for r in read] == [(at, "one"), (at + 1, "two \"quoted\" \u00e4\n")]
	# Labels are those that came, nothing of ours beside them.
	assert loki.streams('{app="shop"}')[0].items() >= {"app": "shop", "level": "info"}.items()
	assert not {"job", "host"} & loki.streams('{app="shop"}')[0].keys()
	assert read[0].metadata["trace_id"] == 'a"b'
	# Sent again, as after a lost answer: the same times, so that Loki has them once.
	assert post(port, gzip.compress(json.dumps(body).encode()), {**JSON, "Content-Encoding": "gzip"})[0] == 204
	assert loki.count('{app="shop"}') == 2
	# Equal times stay equal.
	same = {"streams": [{"stream": {"app": "same"}, "values": [[str(at), "x"], [str(at), "y"]]}]}
	assert post(port, json.dumps(same).encode(), JSON, "/api/prom/push")[0] == 204
	assert [r.ts for r in loki.read('{app="same"}')] == [at, at]
	# Protobuf and Snappy, by a client that is not ours.
	client = Client(f"http://127.0.0.1:{port}")
	for app in ("proto", "other"):
		answer = client.push({"app": app, "q": 'a"\\\n'}, [Entry(at + i, f"line {i}") for i in range(100)])
		assert answer.status == 204, answer
		assert loki.lines(f'{{app="{app}"}}') == [f"line {i}" for i in range(100)]
	one.stop()


@pytest.mark.parametrize("body, headers, status", [
	(b"{", JSON, 400),
	(b'{"streams": [{"stream": {"a": "b"}, "values": [["x", "y"]]}]}', JSON, 400),
	(b'{"streams": [{"stream": {}, "values": [["1", "y"]]}]}', JSON, 400),
	(b'{"streams": [{"stream": {"a-b": "b"}, "values": [["1", "y"]]}]}', JSON, 400),
	(b'{"streams": []}', JSON, 204),
	(b"xyz", {"Content-Type": "application/x-protobuf"}, 400),
	(b"x", {"Content-Type": "text/plain"}, 415),
	(b"\xff\xff\xff\x7f" + b"x" * 10, {"Content-Type": "application/x-protobuf"}, 413),
	(b"{}", {**JSON, "X-Scope-OrgID": "a|b"}, 400),
], ids=["cut", "time", "no-labels", "label-name", "empty", "no-snappy", "type", "bomb", "tenant"])
def test_what_cannot_be_read_is_refused_whole(agent, tmp_path, body, headers, status):
	port = free_port()
	one = agent(config({"push": receiver(port)}, {"type": "stdout"}))
	assert post(port, body, headers)[0] == status
	assert one.metrics().sum("tailrace_records_in_total") == 0


def test_the_tenant_is_kept(agent, loki, tenant):
	port = free_port()
	agent(config({"push": receiver(port)}, loki_output(loki.push_url, f"{tenant}-default")))
	assert post(port, json.dumps(pushed(["mine"])).encode(), {**JSON, "X-Scope-OrgID": tenant})[0] == 204
	assert post(port, json.dumps(pushed(["default"])).encode(), JSON)[0] == 204
	assert loki.lines('{app="shop"}') == ["mine"]
	assert loki.with_tenant(f"{tenant}-default").lines('{app="shop"}') == ["default"]


def test_without_loki_the_client_keeps_it(agent, loki, tenant):
	"""The answer is held, then a retryable refusal; what was refused is withdrawn, so a retry adds nothing."""
	port = free_port()
	proxy = Proxy(loki.url)
	proxy.down()
	try:
		one = agent(config({"push": receiver(port, hold="300ms")}, loki_output(proxy.push_url, tenant)))
		bodies = [json.dumps(pushed([f"line {i}"])).encode() for i in range(10)]
		for _ in range(3):
			for body in bodies[:3]:
				status, _, headers = post(port, body, JSON)
				assert status == 503 and int(headers["Retry-After"]) >= 1
		proxy.up()
		for body in bodies:
			one.wait(lambda body=body: post(port, body, JSON)[0] == 204, 30, "accepted")
		assert sorted(loki.lines('{app="shop"}')) == [f"line {i}" for i in range(10)]
		assert loki.count('{app="shop"}') == 10
		one.wait_idle()
	finally:
		proxy.down()


def test_tailrace_to_tailrace_while_the_second_is_killed(agent, loki, tenant, tmp_path):
	"""File to agent to agent to Loki; the receiver is killed again and again: nothing lost, nothing doubled."""
	port = free_port()
	log = tmp_path / "app.log"
	second = agent(config({"push": receiver(port)}, loki_output(loki.push_url, tenant)), name="second")
	first = agent(config(
		{"app": file_input(log)}, loki_output(f"http://127.0.0.1:{port}/loki/api/v1/push", tenant, batch_size="32KiB"),
	), name="first")
	writer = Writer(log, burst=30).start()
	for _ in range(scale(4)):
		time.sleep(0.5)
		second.kill()
		second.start()
	lines = writer.stop()
	arrived(first, loki, '{job="app"}', lines, timeout_s=90)
	first.wait_idle(60)
	second.wait_idle(60)
	assert loki.count('{job="app"}') == len(lines)


def test_tls_and_passwords(agent, tmp_path):
	port = free_port()
	cert, key, password = tmp_path / "cert", tmp_path / "key", tmp_path / "password"
	subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
		"/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)],
		check=True, capture_output=True)
	password.write_text("secret\n")
	one = agent(config({"push": {
		"type": "loki", "listen": [f"tls://127.0.0.1:{port}"], "tls": {"cert_file": str(cert), "key_file": str(key)},
		"auth": {"users": {"shipper": f"file:{password}"}},
	}}, {"type": "stdout"}))
	body = tmp_path / "body"
	body.write_text(json.dumps(pushed(numbered(20_000))))

	def curl(user: str, *more: str) -> str:
		done = subprocess.run(["curl", "-sS", "--cacert", str(cert), "-u", user, "-H", "Content-Type: application/json",
			"-o", "/dev/null", "-w", "%{http_code}", "--data-binary", f"@{body}", *more,
			f"https://127.0.0.1:{port}/loki/api/v1/push"], capture_output=True, text=True, timeout=30)
		return done.stdout
	assert curl("shipper:secret") == "204"
	assert curl("shipper:secret", "-H", "Transfer-Encoding: chunked") == "204"
	assert curl("shipper:secret", "-H", "Expect: 100-continue", "--http1.0") == "204"
	assert curl("shipper:wrong") == "401"
	password.write_text("changed\n")
	one.wait(lambda: curl("shipper:secret") == "401" and curl("shipper:changed") == "204", 20, "the new password")
	assert "changed" not in one.log(whole=True) and "secret" not in one.log(whole=True)


def test_slow_clients_are_nobody_elses_problem(agent, loki, tenant):
	"""Slow headers, slow bodies, half-open connections, and one that has something to say."""
	import socket
	port = free_port()
	one = agent(config(
		{"push": receiver(port, header_timeout="500ms", body_timeout="500ms", max_connections=2000)},
		loki_output(loki.push_url, tenant),
	))
	opened = []
	for i in range(300):
		conn = socket.create_connection(("127.0.0.1", port), timeout=10)
		conn.sendall([b"", b"POST /loki/api/v1/push HTTP/1.1\r\nHo", b"POST /loki/api/v1/push HTTP/1.1\r\nHost: a\r\n"
			b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"][i % 3])
		opened.append(conn)
	assert post(port, json.dumps(pushed(["here"])).encode(), JSON)[0] == 204
	for i, conn in enumerate(opened):
		if i % 3:
			assert conn.recv(100).startswith(b"HTTP/1.1 408 ")
		conn.close()
	one.wait_metric("tailrace_http_connections", 0, server="push")
	assert one.metrics().sum("tailrace_http_refused_total", reason="body_timeout") == 100
