# SPDX-License-Identifier: Apache-2.0
"""OTLP with the real clients: the SDK for Python over gRPC and HTTP, gRPC's own client, kills."""

import json
import pathlib
import subprocess

import pytest

import otlp
from conftest import missing
from loki import free_port
from otlp import record, request
from proxy import Proxy
from scale import scale
from test_otlp import ALL, as_loki_has_it, now, payloads
from work import config, loki_output

OTEL = pathlib.Path(__file__).resolve().parent / "otel"


@pytest.fixture
def otel(request: pytest.FixtureRequest) -> str:
	"""Python with the real SDK."""
	made = subprocess.run([OTEL / "python", "-c", "import grpc, opentelemetry.sdk._logs"], capture_output=True, text=True, check=False)
	if made.returncode:
		missing(request, "OpenTelemetry's SDK", made.stderr[-500:])
	return str(OTEL / "python")


def receiver(http: int, grpc: int, **more) -> dict:
	return {"type": "otlp", "listen": [f"tcp://127.0.0.1:{http}"], "grpc_listen": [f"tcp://127.0.0.1:{grpc}"], **more}


def call(otel: str, calls: list[dict]) -> list[dict]:
	done = subprocess.run([otel, OTEL / "call.py"], input=json.dumps(calls), capture_output=True, text=True, timeout=120, check=False)
	assert done.returncode == 0, done.stderr
	return json.loads(done.stdout)


def body(*records: dict) -> str:
	return otlp.encode(request(list(records))).hex()


def sdk(otel: str, kind: str, port: int, compression: str, first: int, count: int, seconds: float = 0) -> subprocess.Popen:
	return subprocess.Popen([otel, OTEL / "send.py", kind, f"http://127.0.0.1:{port}", compression, str(first), str(count),
		str(seconds)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def ended(process: subprocess.Popen) -> None:
	said, _ = process.communicate(timeout=scale(120))
	assert process.returncode == 0, said


def test_sdks_send_unmodified(agent, loki, tenant, otel):
	http, grpc = free_port(), free_port()
	one = agent(config({"in": receiver(http, grpc)}, loki_output(loki.push_url, tenant)))
	senders = [sdk(otel, kind, port, how, 1000 * i, 600)
		for i, (kind, port, how) in enumerate((k, p, h) for k, p in (("grpc", grpc), ("http", http)) for h in ("none", "gzip"))]
	for sender in senders:
		ended(sender)
	# They were told that all is taken: it is in Loki, without waiting.
	read = loki.read('{service_name="sdk"}')
	assert sorted(r.line for r in read) == [f"n={1000 * i + n:07d}" for i in range(4) for n in range(600)]
	meta = read[0].metadata
	assert meta["severity_text"] == "WARN" and meta["severity_number"] == "13" and meta["scope_name"] == "app"
	assert meta["host_name"] == "node-1" and meta["order_id"] == str(int(read[0].line[2:]))
	one.wait_idle()


def test_grpc_is_as_http(agent, loki_default, tenant, otel):
	"""What comes by gRPC, in gzip or not, becomes the same as by Loki's own endpoint."""
	grpc, at = free_port(), now()
	agent(config({"in": receiver(free_port(), grpc)}, loki_output(loki_default.push_url, f"{tenant}-agent")))
	bodies = payloads(at)
	for payload in bodies:
		native = otlp.post(loki_default.url, payload, otlp.PROTOBUF, "/otlp/v1/logs", {"X-Scope-OrgID": f"{tenant}-direct"})
		assert native.status == 204, native
	for answer in call(otel, [{"target": f"127.0.0.1:{grpc}", "body": otlp.encode(p).hex(), "gzip": bool(i % 2)}
			for i, p in enumerate(bodies)]):
		assert answer["code"] == "OK" and answer["body"] == "", answer
	want, got = (as_loki_has_it(loki_default.with_tenant(f"{tenant}-{who}").read(ALL)) for who in ("direct", "agent"))
	assert got == want


def test_answers_of_grpc(agent, loki, tenant, otel, tmp_path):
	"""Codes that make clients keep what they have, or drop what can never be taken."""
	grpc, password = free_port(), tmp_path / "password"
	password.write_text("secret\n")
	one = agent(config({"in": receiver(free_port(), grpc, max_body="100KiB", auth={"tokens": [f"file:{password}"]})},
		loki_output(loki.push_url, f"{tenant}-default")))
	good, auth = body(record("fine", now())), {"authorization": "Bearer secret"}
	def with_(**more) -> dict:
		return {"target": f"127.0.0.1:{grpc}", "body": good, "metadata": auth} | more
	rows = [
		("OK", with_()),
		("OK", with_(gzip=True)),
		("OK", with_(body="")),
		("OK", with_(metadata=auth | {"x-scope-orgid": tenant})),
		("UNAUTHENTICATED", with_(metadata={})),
		("UNAUTHENTICATED", with_(metadata={"authorization": "Bearer other"})),
		("UNIMPLEMENTED", with_(method="/opentelemetry.proto.collector.trace.v1.TraceService/Export")),
		("INVALID_ARGUMENT", with_(body="ff")),
		("INVALID_ARGUMENT", with_(metadata=auth | {"x-scope-orgid": "a|b"})),
		("RESOURCE_EXHAUSTED", with_(body="00" * 200_000)),
		("RESOURCE_EXHAUSTED", with_(body="00" * 200_000, gzip=True)),
		("OK", with_()),
	]
	for (code, _), answer in zip(rows, call(otel, [row for _, row in rows])):
		assert answer["code"] == code, answer
		assert answer["retry_s"] is None, answer
	assert loki.lines(ALL) == ["fine"]
	assert loki.with_tenant(f"{tenant}-default").lines(ALL) == ["fine"]  # thrice the same
	assert one.metrics().sum("tailrace_grpc_requests_total") == len(rows)


def test_without_loki_grpc_clients_keep_it(agent, loki, tenant, otel):
	"""UNAVAILABLE with RetryInfo, before the client's own deadline; nothing of it arrives later by itself."""
	grpc = free_port()
	proxy = Proxy(loki.url)
	proxy.down()
	try:
		one = agent(config({"in": receiver(free_port(), grpc, hold="1m")}, loki_output(proxy.push_url, tenant)))
		calls = [{"target": f"127.0.0.1:{grpc}", "body": body(record(f"line {i}", now() + i)), "timeout": 1, "together": True}
			for i in range(20)]
		for answer in call(otel, calls):
			assert answer["code"] == "UNAVAILABLE" and answer["retry_s"] >= 1, answer
		proxy.up()
		again = [c | {"timeout": 60} for c in calls]
		one.wait(lambda: all(a["code"] == "OK" for a in call(otel, again)), 60, "accepted")
		assert sorted(loki.lines(ALL)) == sorted(f"line {i}" for i in range(20))
		assert loki.count(ALL) == 20
		one.wait_idle()
	finally:
		proxy.down()


def test_sdk_while_the_agent_is_killed(agent, loki, tenant, otel, threads):
	"""Nothing that the SDK was told is safe is lost, and what it sends again is there once."""
	http, grpc, kind = free_port(), free_port(), "grpc" if threads > 1 else "http"
	one = agent(config({"in": receiver(http, grpc)}, loki_output(loki.push_url, tenant)))
	count = scale(1000)
	sender = sdk(otel, kind, grpc if kind == "grpc" else http, "gzip", 0, count, seconds=scale(3))
	for _ in range(scale(2)):
		one.wait(lambda before=loki.count(ALL): loki.count(ALL) > before or sender.poll() is not None, 30, "more records")
		one.kill()
		one.start()
	ended(sender)
	assert sorted(loki.lines(ALL)) == [f"n={i:07d}" for i in range(count)]
	assert loki.count(ALL) == count


def test_tls(agent, loki, tenant, otel, tmp_path):
	"""gRPC asks for "h2" within TLS; a client with anything else is refused there."""
	grpc = free_port()
	cert, key = tmp_path / "cert", tmp_path / "key"
	subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
		"/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)],
		check=True, capture_output=True)
	agent(config({"in": receiver(free_port(), grpc, grpc_listen=[f"tls://127.0.0.1:{grpc}"],
		tls={"cert_file": str(cert), "key_file": str(key)})}, loki_output(loki.push_url, tenant)))
	big = [record(f"line {i:05d} " + "x" * 200, now() + i) for i in range(2000)]
	answers = call(otel, [{"target": f"127.0.0.1:{grpc}", "ca": str(cert), "body": body(*big)}])
	assert answers[0]["code"] == "OK", answers
	assert loki.count(ALL) == 2000
	refused = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{grpc}", "-alpn", "http/1.1"], input="", text=True,
		capture_output=True, check=False)
	assert "no application protocol" in refused.stderr
