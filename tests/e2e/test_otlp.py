# SPDX-License-Identifier: Apache-2.0
"""OTLP: what arrives in Loki by way of the agent is what Loki's own OTLP endpoint makes of the same bytes."""

import copy
import gzip
import json
import math
import time

import pytest

import otlp
from loki import free_port
from otlp import JSON, PROTOBUF, any_value, pairs, post, record, request
from proxy import Proxy
from work import config, loki_output

ALL = '{service_name=~".+"}'


def receiver(port: int, **more) -> dict:
	return {"type": "otlp", "listen": [f"tcp://127.0.0.1:{port}"], "grpc_listen": [], **more}


def now() -> int:
	return time.time_ns() - 20_000_000_000


def payloads(at: int) -> list[dict]:
	"""Each of another service or another instant, so that all may stand side by side."""
	values = {
		"string": "text", "quotes": 'a "b" \\ \n\t', "unicode": "\u00e4\u20ac\U0001f600", "empty": "", "none": None,
		"true": True, "false": False, "zero": 0, "int": 42, "negative": -(1 << 63), "large": (1 << 63) - 1,
		"double": 1.5, "whole": 3.0, "minus_zero": -0.0, "tiny": 1e-7, "small": 0.000001, "huge": 1e21, "big": 123456789012345680.0,
		"third": 1 / 3, "least": 5e-324, "most": 1.7976931348623157e308, "e": 1.25e-9,
		"nan": math.nan, "inf": math.inf, "ninf": -math.inf,
		"bytes": b"\x00\x01\xfe\xff", "no_bytes": b"", "array": [1, "a", None, True, 2.5, b"x", [], {}], "no_array": [],
		"nested": [[["deep"]], {"b": 1, "a": {"z": [1], "y": "<&>\u2028\x7f\b\f\x01"}}],
		"map": {"z": 1, "a": "b", "m.n": {"deep er": True, "x": [1, 2]}}, "no_map": {}, "dup.name": "1",
	}
	every = request([record("every attribute", at, values)], {"service.name": "attributes"})
	bodies = request(
		[record(v, at + i) for i, v in enumerate(values.values()) if v not in ("", None, b"")], {"service.name": "bodies"})
	fields = request([
		record("all", at, {"http.method": "GET"}, severityNumber=9, severityText="Information", droppedAttributesCount=3,
			flags=1, traceId="0102030405060708090a0b0c0d0e0f10", spanId="0102030405060708", observedTimeUnixNano=str(at + 5)),
		record("level=error in the line", at + 1),
		record("zeros", at + 2, severityNumber=0, severityText="", traceId="0" * 32, spanId="0" * 16, flags=0),
		{"observedTimeUnixNano": str(at + 3), "body": any_value("observed only")},
		record("custom severity", at + 4, severityNumber=21, severityText="Emergency"),
		record("number only", at + 5, severityNumber=14),
		record('{"level":"warn","msg":"x"}', at + 6),
		record("flags", at + 7, flags=0xfffffff0, droppedAttributesCount=0xffffffff),
	], {"service.name": "fields"})
	resource = request([record("resource", at, {"own": "1"})], {
		"service.name": "resource", "service.namespace": "ns", "service.instance.id": "i-1", "deployment.environment": "prod",
		"deployment.environment.name": "production", "cloud.region": "eu", "cloud.availability_zone": "eu-1",
		"k8s.cluster.name": "c", "k8s.namespace.name": "default", "k8s.pod.name": "pod", "k8s.container.name": "main",
		"container.name": "main", "host.name": "node-1", "os.type": "linux", "process.pid": 123, "telemetry.sdk": {"name": "x", "language": "c"},
	}, {"name": "my.scope", "version": "1.2.3", "droppedAttributesCount": 2, "attributes": pairs({"scope.attr": True, "m": {"a": 1}})})
	names = request([record("names", at, {
		"a.b": 1, "a-b-c": 2, "9lives": 3, "_leading": 4, "__reserved__": 5, "many...dots": 6, "sp ace": 7, "\u00fcml\u00e4ut": 8,
		"UPPER.Case": 9, "trailing_": 10, "x__y": 11, "q/r:s": 12,
	})], {"service.name": "names"})
	twice = request([record("same name thrice", at, {"host.name": "log", "scope.k": "log"})],
		{"service.name": "twice", "host.name": "resource"}, {"attributes": pairs({"host.name": "scope", "scope.k": "scope"})})
	typed = request([record("labels of other types", at)], {
		"service.name": True, "service.instance.id": 42, "cloud.region": 1.5, "k8s.pod.name": {"a": 1, "b": "c"}, "container.name": b"\x01"})
	discovered = request([record("discovered", at)], {"k8s.pod.name": "p", "k8s.container.name": "side", "k8s.job.name": "job"})
	unknown = request([record("nobody", at)], {"host.name": "h"})
	empty_name = request([record("empty name", at)], {"service.name": "", "k8s.namespace.name": "n"})
	nothing = {"resourceLogs": [{"scopeLogs": [{"logRecords": [record("no resource", at + 1)]}]}]}
	several = {"resourceLogs": [
		{"resource": {"attributes": pairs({"service.name": "several", "host.name": h})}, "schemaUrl": "https://x",
			"scopeLogs": [{"scope": {"name": s}, "logRecords": [record(f"{h} {s} {i}", at + 100 * n + 10 * m + i) for i in range(3)]}
				for m, s in enumerate(("one", "two"))]}
		for n, h in enumerate(("a", "b"))]}
	return [every, bodies, fields, resource, names, twice, typed, discovered, unknown, empty_name, nothing, several]


def as_loki_has_it(all_: list) -> list:
	return sorted((r.ts, r.line, r.labels, r.meta) for r in all_)


@pytest.mark.parametrize("kind", [PROTOBUF, JSON], ids=["protobuf", "json"])
def test_as_loki_itself_has_it(agent, loki_default, tenant, kind):
	port = free_port()
	one = agent(config({"in": receiver(port)}, loki_output(loki_default.push_url, f"{tenant}-agent")))
	direct, through = loki_default.with_tenant(f"{tenant}-direct"), loki_default.with_tenant(f"{tenant}-agent")
	for payload in payloads(now()):
		native = post(loki_default.url, payload, kind, "/otlp/v1/logs", {"X-Scope-OrgID": f"{tenant}-direct"})
		assert native.status == 204, (native, payload)
		answer = post(f"http://127.0.0.1:{port}", payload, kind)
		assert answer.status == 200, (answer, payload)
		assert answer.body == (b"" if kind == PROTOBUF else b"{}") and answer.headers["content-type"] == kind
	want, got = as_loki_has_it(direct.read(ALL)), as_loki_has_it(through.read(ALL))
	for a, b in zip(want, got):
		assert a[:3] == b[:3]
		assert dict(a[3]) == dict(b[3]), a[1]
	assert want == got
	one.stop()


def test_what_loki_loses_is_kept(agent, loki_default, tenant):
	"""Where we differ from Loki's endpoint: a name of underscores does not refuse the whole request, names that become
	the same do not hide each other, a map with NaN is not emptied, and the name of an event is kept."""
	port = free_port()
	agent(config({"in": receiver(port)}, loki_output(loki_default.push_url, tenant)))
	at = now()
	payload = request([record("x", at, {"a.b": 1, "a-b": 2, "...": 3, "m": [math.nan, -math.inf]}, eventName="login")])
	assert post(loki_default.url, payload, PROTOBUF, "/otlp/v1/logs", {"X-Scope-OrgID": f"{tenant}-direct"}).status >= 400
	assert post(f"http://127.0.0.1:{port}", payload, f"{JSON}; charset=utf-8").status == 200
	meta = loki_default.with_tenant(tenant).read(ALL)[0].metadata
	assert {k: v for k, v in meta.items() if k != "detected_level"} == {
		"a_b": "1", "a_b_2": "2", "key": "3", "m": '["NaN","-Infinity"]', "event_name": "login"}


def refusals() -> list[tuple]:
	good = request([record("x", now())])
	return [
		("cut", otlp.encode(good)[:-1], PROTOBUF, {}, 400),
		("no-json", b"{", JSON, {}, 400),
		("no-gzip", otlp.encode(good), PROTOBUF, {"Content-Encoding": "gzip"}, 400),
		("coding", otlp.encode(good), JSON, {"Content-Encoding": "br"}, 415),
		("large", b"x" * 200_000, PROTOBUF, {}, 413),
		("bomb", gzip.compress(b"\0" * 300_000), JSON, {"Content-Encoding": "gzip"}, 413),
		("tenant", otlp.encode(good), PROTOBUF, {"X-Scope-OrgID": "a|b"}, 400),
		("type", b"x", "text/plain", {}, 415),
	]


def test_what_cannot_be_read_is_refused_in_its_own_format(agent):
	port = free_port()
	one = agent(config({"in": receiver(port, max_body="100KiB")}, {"type": "stdout"}))
	url = f"http://127.0.0.1:{port}"
	for name, body, kind, headers, status in refusals():
		answer = post(url, body, kind, headers=headers)
		assert answer.status == status, (name, answer)
		if kind == JSON:
			assert answer.headers["content-type"] == JSON and json.loads(answer.body)["message"], name
		elif kind == PROTOBUF:
			assert answer.headers["content-type"] == PROTOBUF and answer.body[:1] == b"\x08", name
	assert post(url, {}, JSON, "/v1/traces").status == 404
	assert post(url, {}, PROTOBUF).status == 200 and post(url, {}, JSON).body == b"{}"  # nothing is fine
	assert one.metrics().sum("tailrace_records_in_total") == 0


def test_without_loki_the_client_keeps_it(agent, loki, tenant):
	"""The answer is held, then a retryable refusal; what was refused is withdrawn, so a retry adds nothing."""
	port = free_port()
	url = f"http://127.0.0.1:{port}"
	proxy = Proxy(loki.url)
	proxy.down()
	try:
		one = agent(config({"in": receiver(port, hold="300ms")}, loki_output(proxy.push_url, tenant)))
		bodies = [request([record(f"line {i}", now() + i)]) for i in range(10)]
		for kind in (PROTOBUF, JSON):
			for body in bodies[:3]:
				answer = post(url, body, kind)
				assert answer.status == 503 and int(answer.headers["retry-after"]) >= 1 and answer.body
		proxy.up()
		for body in bodies:
			again = copy.deepcopy(body)
			one.wait(lambda again=again: post(url, again).status == 200, 30, "accepted")
		assert sorted(loki.lines(ALL)) == [f"line {i}" for i in range(10)]
		assert loki.count(ALL) == 10
		one.wait_idle()
	finally:
		proxy.down()


def test_a_lone_request_waits_for_no_batch(agent, loki, tenant):
	"""batch_wait is for who does not wait: an answer comes long before it is over."""
	port = free_port()
	agent(config({"in": receiver(port)}, loki_output(loki.push_url, tenant, batch_wait="1m")))
	for i in range(3):
		assert post(f"http://127.0.0.1:{port}", request([record(f"line {i}", now() + i)])).status == 200
	assert len(loki.lines(ALL)) == 3


def test_large_requests_of_many_kinds_of_bytes(agent, loki, tenant):
	"""Many records in one request, gzip and chunks; with little memory it goes through piece by piece."""
	port = free_port()
	one = agent(config({"in": receiver(port)}, loki_output(loki.push_url, tenant), memory="24MiB"))
	at = now()
	body = otlp.encode(request([record(f"line {i} " + "x" * (i % 300), at + i, {"n": i, "s": "y" * 20}) for i in range(2500)],
		{"service.name": "large", "host.name": "h" * 50}))
	url = f"http://127.0.0.1:{port}"
	assert post(url, gzip.compress(body), headers={"Content-Encoding": "gzip"}).status == 200
	assert loki.count(ALL) == 2500
	assert [r.metadata["n"] for r in loki.read(ALL)] == [str(i) for i in range(2500)]
	assert post(url, body).status == 200
	assert loki.count(ALL) == 2500
	one.wait_idle()


def test_the_tenant_is_kept(agent, loki, tenant):
	port = free_port()
	agent(config({"in": receiver(port)}, loki_output(loki.push_url, f"{tenant}-default")))
	url = f"http://127.0.0.1:{port}"
	assert post(url, request([record("mine", now())]), headers={"X-Scope-OrgID": tenant}).status == 200
	assert post(url, request([record("default", now())])).status == 200
	assert loki.lines(ALL) == ["mine"]
	assert loki.with_tenant(f"{tenant}-default").lines(ALL) == ["default"]
