# SPDX-License-Identifier: Apache-2.0
"""The input that looks like Elasticsearch: a Filebeat by the script, byte for byte what 7.17, 8 and 9 ask and send; Elastic's
own Go client; curl. What is answered is in the real Loki."""

import base64
import gzip
import http.client
import json
import time

import pytest

from loki import free_port
from proxy import Proxy
from scale import scale
from test_beats import certificates, lumber, send  # noqa: F401  fixtures: the same program is both clients
from work import config, difference, loki_output


def elastic(port: int, **more) -> dict:
	return {"type": "elasticsearch", "listen": [f"tcp://127.0.0.1:{port}"], **more}


class Filebeat:
	"""What output.elasticsearch does: connect, checks, bulk; after a failure a new connection, and all of it again."""

	def __init__(self, port: int, version: str = "8.19.0", path: str = "", auth: str = "", level: int = 1):
		self.port, self.version, self.path, self.level = port, version, path, level
		self.headers = {"Accept": "application/json", "X-Elastic-Product-Origin": "beats", "Accept-Encoding": "gzip",
			"User-Agent": f"Elastic-filebeat/{version} (linux; amd64; 0000000; 2026-01-01 00:00:00 +0000 UTC)"}
		if auth:
			self.headers["Authorization"] = auth
		self.conn = None

	def request(self, method: str, path: str, body: bytes | None = None, **headers: str):
		self.conn.request(method, self.path + path, body, self.headers | headers)
		answer = self.conn.getresponse()
		return answer.status, answer.headers, answer.read()

	def connect(self) -> None:
		self.conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=90)
		status, headers, body = self.request("GET", "/")
		assert status == 200, body
		version = json.loads(body)["version"]
		assert version["number"] == self.version and version["build_flavor"] == "default"
		assert headers["X-Elastic-Product"] == "Elasticsearch"
		status, _, body = self.request("GET", "/_license?human=false")
		licence = json.loads(body)["license"]
		assert status == 200 and licence["status"] == "active" and licence["type"] == "basic"
		assert isinstance(licence["expiry_date_in_millis"], int)
		# Whatever is there already is not uploaded.
		assert self.request("GET", "/_ilm/policy/filebeat")[0] == 200
		template = "/_template/" if self.version.startswith("7") else "/_index_template/"
		assert self.request("HEAD", f"{template}filebeat-{self.version}")[0] == 200
		assert self.request("GET", "/")[0] == 200  # cluster_uuid

	def bulk(self, events: list[dict], action: str = "create") -> tuple[int, dict]:
		lines = []
		for event in events:
			lines += [json.dumps({action: {"_index": f"filebeat-{self.version}"}}), json.dumps(event)]
		body = ("\n".join(lines) + "\n").encode()
		headers = {"Content-Type": "application/json; charset=UTF-8"}
		if self.level:
			headers |= {"Content-Encoding": "gzip", "X-Elastic-Uncompressed-Request-Length": str(len(body))}
			body = gzip.compress(body, self.level)
		status, headers, body = self.request("POST", "/_bulk?filter_path=errors,items.*.error,items.*.status", body, **headers)
		return status, json.loads(body) if status == 200 else dict(headers)

	def publish(self, events: list[dict], timeout_s: float = 90) -> None:
		"""Until it is acknowledged."""
		end = time.monotonic() + timeout_s
		while time.monotonic() < end:
			try:
				if self.conn is None:
					self.connect()
				status, answer = self.bulk(events)
				if status == 200:
					assert [i["create"]["status"] for i in answer["items"]] == [201] * len(events)
					return
				assert status in (429, 503) and int(answer["Retry-After"]) >= 1
			except (OSError, http.client.HTTPException):
				pass
			self.conn = None
			time.sleep(0.1)
		raise AssertionError("never acknowledged")


def event(i: int, at_ms: int, **more) -> dict:
	stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime((at_ms + i) // 1000)) + f".{(at_ms + i) % 1000:03d}Z"
	return {"@timestamp": stamp, "message": f"n={i:06d}", "host": {"name": "web-1"}, "log": {"offset": i,
		"file": {"path": "/var/log/a.log"}}, "agent": {"type": "filebeat"}, **more}


def now_ms() -> int:
	return time.time_ns() // 1_000_000 - 600_000


@pytest.mark.parametrize("version, path, auth, level", [
	("7.17.29", "", "", 0),
	("8.19.0", "/tailrace", "Basic " + base64.b64encode(b"beat:secret").decode(), 1),
	("9.1.2", "", "ApiKey " + base64.b64encode(b"key1:secret").decode(), 5),
], ids=["7.17", "8", "9"])
def test_filebeat(agent, loki, tenant, tmp_path, version, path, auth, level):
	port, at, count = free_port(), now_ms(), scale(2_000)
	more = {"path": path} if path else {}
	if auth:
		more["auth"] = {"users": {"beat": "secret"}, "api_keys": {"key1": "secret"}}
	one = agent(config({"es": elastic(port, **more)}, loki_output(loki.push_url, tenant)))
	if auth:
		with pytest.raises(AssertionError):
			Filebeat(port, version, path, auth[:-3] + "AAA").connect()
	beat = Filebeat(port, version, path, auth, level)
	for first in range(0, count, 500):
		beat.publish([event(i, at) for i in range(first, first + 500)])
		assert loki.count('{job="es"}') == first + 500
	read = loki.read('{job="es", host="web-1"}')
	assert not difference([r.line for r in read], [f"n={i:06d}" for i in range(count)])
	assert [r.ts for r in read] == [(at + i) * 1_000_000 for i in range(count)]
	assert read[3].metadata["log_offset"] == "3" and "host_name" not in read[3].metadata
	beat.conn.close()
	one.wait_idle()


def test_killed_under_load(agent, loki, tenant):
	port, at, kills = free_port(), now_ms(), scale(3)
	one = agent(config({"es": elastic(port)}, loki_output(loki.push_url, tenant)))
	beat, n = Filebeat(port), 0
	for _ in range(kills):
		for _ in range(3):
			beat.publish([event(i, at) for i in range(n, n + 200)])
			n += 200
		beat.conn.request("POST", "/_bulk", b'{"create":{}}\n' + json.dumps(event(n, at)).encode() + b"\n", beat.headers)
		one.kill()
		assert set(loki.lines('{job="es"}')) >= {f"n={i:06d}" for i in range(n)}
		one.start()
		beat.conn = None
	beat.publish([event(i, at) for i in range(n, n + 200)])
	assert not difference(sorted(loki.lines('{job="es"}')), [f"n={i:06d}" for i in range(n + 200)])
	assert loki.count('{job="es"}') == n + 200


def test_loki_down_and_large_bodies(agent, loki, tenant):
	"""Held, then 503; what was refused is withdrawn. A body larger than all memory passes when Loki takes it."""
	port, at, count = free_port(), now_ms(), 30_000
	proxy = Proxy(loki.url)
	proxy.down()
	try:
		one = agent(config({"es": elastic(port, hold="500ms")}, loki_output(proxy.push_url, tenant), memory="24MiB"))
		beat = Filebeat(port)
		beat.connect()
		few = [event(i, at) for i in range(50)]
		status, headers = beat.bulk(few)
		assert status == 503 and int(headers["Retry-After"]) >= 1
		beat.conn = None
		proxy.up()
		beat.publish(few)
		one.stop()
		one = agent(config({"es": elastic(port)}, loki_output(proxy.push_url, tenant), memory="24MiB"))
		beat.publish([event(i, at, pad="x" * 600) for i in range(50, count)])
		assert loki.count('{job="es"}') == count
	finally:
		proxy.down()


def test_answers_and_ingest(agent, loki, tenant):
	port, at = free_port(), now_ms()
	one = agent(config({"es": elastic(port)}, loki_output(loki.push_url, tenant)))
	beat = Filebeat(port)
	beat.connect()

	def post(path: str, body: str | bytes, method: str = "POST"):
		status, _, text = beat.request(method, path, body.encode() if isinstance(body, str) else body)
		return status, json.loads(text or b"null")
	doc = json.dumps(event(1, at))
	status, answer = post("/some-index/_bulk/?pipeline=x", f'{{"index":{{}}}}\r\n{doc}\r\n\n{{"create":{{}}}}\nno json\n'
		f'{{"delete":{{"_id":"1"}}}}\n{{"update":{{"_id":"1"}}}}\n{{"doc":{{}}}}\n{{"create":{{"_id":"2"}}}}\n{{"message":"last"}}', "PUT")
	assert status == 200 and answer["errors"] is True
	assert [(*i, *[v["status"] for v in i.values()]) for i in answer["items"]] == [
		("index", 201), ("create", 400), ("delete", 404), ("update", 400), ("create", 201)]
	assert sorted(loki.lines('{job="es"}')) == ["last", "n=000001"]
	assert post("/_bulk", "")[1] == {"took": 0, "errors": False, "items": []}
	beat.connect()
	assert post("/_bulk", "no action\n")[0] == 400
	beat.connect()
	assert post("/_bulk", '{"create":{}}\n')[0] == 400
	beat.connect()
	assert post("/_ilm/policy/x", b"{}" * 50_000, "PUT") == (200, {"acknowledged": True})
	assert post("/_monitoring/bulk", "{}\n{}\n")[1]["errors"] is False
	assert post("/_search", "{}")[0] == 404
	beat.connect()
	for i, body in enumerate(('{"message":"i0"}\n{"message":"i1"}', '[{"message":"i2"},\n {"message":"i3"}]', '{\n "message": "i4"\n}')):
		assert post("/ingest", body) == (200, {"accepted": 2 if i < 2 else 1, "refused": 0})
	assert {f"i{i}" for i in range(5)} <= set(loki.lines('{job="es"}'))
	assert post("/ingest", "hello")[0] == 400
	assert one.metrics().sum("tailrace_input_errors_total", reason="malformed") == 4


@pytest.mark.parametrize("options", [
	{"compression": 0, "flush": 20_000},
	{"compression": 1, "pipelining": 3, "tls": True},
], ids=["plain", "gzip-tls"])
def test_elastics_own_client(agent, loki, tenant, send, tmp_path, options):  # noqa: F811
	port, count = free_port(), scale(5_000)
	more, options = {"auth": {"users": {"es": "secret"}}}, dict(options) | {"user": "es", "password": "secret"}
	scheme = "http"
	if options.pop("tls", False):
		files, scheme = certificates(tmp_path), "https"
		more |= {"listen": [f"tls://127.0.0.1:{port}"], "tls": {"cert_file": files["cert"], "key_file": files["key"]}}
		options["ca"] = files["cert"]
	one = agent(config({"es": elastic(port, **more)}, loki_output(loki.push_url, tenant)))
	sender = send(port, count, url=f"{scheme}://localhost:{port}", **options)
	if scheme == "http":
		one.wait(lambda: one.metrics().sum("tailrace_http_requests_total") > 0, 30, "its first request")
		one.kill()  # it sends again, what was not answered
		one.start()
	sender.finish()
	assert not difference(sorted(loki.lines('{job="es"}')), sender.lines)
	assert loki.count('{job="es"}') == count
