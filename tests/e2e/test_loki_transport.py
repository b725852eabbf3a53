# SPDX-License-Identifier: Apache-2.0
"""How pushes get to Loki: tokens, certificates that change, a proxy, several endpoints."""

import base64
import http.server
import json
import socket
import socketserver
import ssl
import subprocess
import threading
import urllib.parse

import pytest

from conftest import note, once
from faultloki import Fault, FaultLoki
from work import config, difference, file_input, loki_output, numbered, text


class Server(socketserver.ThreadingTCPServer):
	allow_reuse_address = True
	daemon_threads = True
	block_on_close = False

	def __init__(self, handler):
		super().__init__(("127.0.0.1", 0), handler)
		self.url = f"http://127.0.0.1:{self.server_address[1]}"
		threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

	def end(self):
		self.shutdown()
		self.server_close()


@pytest.fixture
def tail(agent, tenant, tmp_path):
	"""tail(url, lines, **options of the output): an agent on a file with these lines."""

	def tail(url: str, lines: list[str], **output):
		log = tmp_path / "app.log"
		log.write_text(text(lines))
		return agent(config({"app": file_input(log)}, loki_output(url, tenant, **output), shutdown_timeout="2s"))

	return tail


def append(path, lines):
	with open(path, "a") as f:
		f.write(text(lines))


# --- OAuth2 -------------------------------------------------------------------------------------------------


@pytest.fixture
def tokens():
	"""A token server: gives canaryToken1, canaryToken2 ..., each for `life` seconds."""

	class Handler(http.server.BaseHTTPRequestHandler):
		def do_POST(self):
			form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
			self.server.asked.append((self.headers.get("Authorization"), form))
			if self.server.broken:
				self.send_error(503)
				return
			self.server.given += 1
			body = json.dumps({"access_token": f"canaryToken{self.server.given}", "expires_in": self.server.life}).encode()
			self.send_response(200)
			self.send_header("Content-Type", "application/json")
			self.end_headers()
			self.wfile.write(body)

		def log_message(self, *args):
			pass

	server = Server(Handler)
	server.asked, server.given, server.life, server.broken = [], 0, 3600, False
	yield server
	server.end()


def oauth2(tokens, tmp_path, **more) -> dict:
	secret = tmp_path / "secret"
	secret.write_text("canarySecret\n")
	return {"oauth2": {"client_id": "me", "client_secret": f"file:{secret}", "token_url": tokens.url, "scopes": ["logs"]} | more}


def test_oauth2_one_token_until_loki_refuses_it(tail, fault_loki, tokens, tmp_path):
	valid = {"canaryToken1"}

	def decide(push):
		given = push.headers.get("authorization", "").removeprefix("Bearer ")
		return Fault.ok() if given in valid else Fault.status(401, "no\n")

	fault_loki.otherwise = decide
	lines = numbered(3000)
	one = tail(fault_loki.push_url, lines[:2000], batch_size="16KiB", **oauth2(tokens, tmp_path))
	assert difference(fault_loki.wait_lines(2000), lines[:2000]) == ""
	assert tokens.given == 1, "kept, and asked for once by all shards"
	assert tokens.asked[0] == (
		"Basic " + base64.b64encode(b"me:canarySecret").decode(), {"grant_type": ["client_credentials"], "scope": ["logs"]},
	)
	valid.clear()
	valid.add("canaryToken2")
	append(tmp_path / "app.log", lines[2000:])
	assert difference(fault_loki.wait_lines(3000, 40), lines) == ""
	one.wait_idle()
	assert tokens.given == 2
	said = one.log() + one.metrics().text + one.command("config", "--config", str(one.config_path)).stdout
	assert "canary" not in said


def test_oauth2_a_token_is_renewed_before_it_ends(tail, fault_loki, tokens, tmp_path):
	tokens.life = 1
	one = tail(fault_loki.push_url, numbered(10), **oauth2(tokens, tmp_path, client_auth="post"))
	fault_loki.wait_lines(10)
	assert tokens.asked[0][0] is None and tokens.asked[0][1]["client_secret"] == ["canarySecret"]
	fault_loki.wait(lambda _: (append(tmp_path / "app.log", ["more"]), tokens.given >= 3)[1], 30, "new tokens")
	one.wait_idle()
	assert all(p.fault.code == 204 for p in fault_loki.pushes)


def test_oauth2_while_there_is_no_token_records_are_held(tail, fault_loki, tokens, tmp_path):
	tokens.broken = True
	one = tail(fault_loki.push_url, numbered(100), **oauth2(tokens, tmp_path))
	fault_loki.wait(lambda _: len(tokens.asked) >= 3, 20, "asked again")
	assert not fault_loki.pushes and one.metrics().sum("tailrace_output_up") == 0
	assert any("OAuth2" in e.get("msg", "") for e in one.events())
	tokens.broken = False
	assert difference(fault_loki.wait_lines(100), numbered(100)) == ""
	one.wait_idle()


# --- certificates -------------------------------------------------------------------------------------------


def openssl(*args) -> None:
	subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True)


def make_ca(folder, name):
	openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-keyout",
	        folder / f"{name}.key", "-out", folder / f"{name}.pem", "-subj", f"/CN={name}")


def make_cert(folder, name, ca):
	ext = folder / "ext"
	ext.write_text("subjectAltName=IP:127.0.0.1\n")
	openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", folder / f"{name}.key",
	        "-out", folder / f"{name}.csr", "-subj", f"/CN={name}")
	openssl("x509", "-req", "-days", "2", "-in", folder / f"{name}.csr", "-CA", folder / f"{ca}.pem", "-CAkey",
	        folder / f"{ca}.key", "-CAcreateserial", "-extfile", ext, "-out", folder / f"{name}.pem")


def test_a_client_certificate_is_taken_up_when_it_changes(tail, tmp_path):
	make_ca(tmp_path, "ca")
	make_ca(tmp_path, "ca2")
	make_cert(tmp_path, "server", "ca")
	make_cert(tmp_path, "client", "ca2")  # of an authority the server does not know
	context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
	context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
	context.load_verify_locations(tmp_path / "ca.pem")
	context.verify_mode = ssl.CERT_REQUIRED
	server = FaultLoki(context)
	tls = {"ca_file": str(tmp_path / "ca.pem"), "cert_file": str(tmp_path / "client.pem"), "key_file": str(tmp_path / "client.key")}
	try:
		one = tail(server.url, numbered(50), tls=tls)
		one.wait_metric("tailrace_push_retries_total", 2)
		assert not server.pushes
		make_cert(tmp_path, "client", "ca")
		assert difference(server.wait_lines(50), numbered(50)) == ""
		one.wait_idle()
		server.check()
	finally:
		server.down()


# --- a proxy ------------------------------------------------------------------------------------------------


@pytest.fixture
def web_proxy():
	"""An HTTP proxy that asks for a password."""

	class Handler(http.server.BaseHTTPRequestHandler):
		protocol_version = "HTTP/1.1"

		def refuse(self) -> bool:
			self.server.seen.append(self.path)
			if self.headers.get("Proxy-Authorization") == "Basic " + base64.b64encode(b"u:canaryPass").decode():
				return False
			self.send_response(407)
			self.send_header("Content-Length", "0")
			self.end_headers()
			return True

		def do_POST(self):
			body = self.rfile.read(int(self.headers["Content-Length"]))
			if self.refuse():
				return
			url = urllib.parse.urlsplit(self.path)
			with socket.create_connection((url.hostname, url.port)) as out:
				head = "".join(f"{k}: {v}\r\n" for k, v in self.headers.items() if not k.lower().startswith(("proxy-", "connection")))
				out.sendall(f"POST {url.path} HTTP/1.1\r\n{head}Connection: close\r\n\r\n".encode() + body)
				self.close_connection = True
				while piece := out.recv(4096):
					self.wfile.write(piece)

		def log_message(self, *args):
			pass

	server = Server(Handler)
	server.seen = []
	yield server
	server.end()


def test_by_a_proxy(tail, fault_loki, web_proxy):
	port = web_proxy.server_address[1]
	one = tail(fault_loki.push_url, numbered(100), proxy_url=f"http://u:canaryPass@127.0.0.1:{port}")
	assert difference(fault_loki.wait_lines(100), numbered(100)) == ""
	one.wait_idle()
	assert set(web_proxy.seen) == {fault_loki.push_url}
	assert not any(k.startswith("proxy-") for p in fault_loki.pushes for k in p.headers)
	said = one.log() + one.metrics().text + one.command("config", "--config", str(one.config_path)).stdout
	assert "canary" not in said


# --- endpoints ----------------------------------------------------------------------------------------------


def test_another_endpoint_takes_over(tail, fault_loki, tmp_path):
	other = FaultLoki()
	lines = numbered(600)
	try:
		one = tail(fault_loki.push_url, lines[:200], failover_urls=[other.url])
		assert difference(fault_loki.wait_lines(200), lines[:200]) == ""
		fault_loki.down()
		append(tmp_path / "app.log", lines[200:400])
		assert difference(other.wait_lines(200), lines[200:400]) == ""
		fault_loki.up()
		other.otherwise = lambda push: Fault.status(503, "no upstream\n")
		append(tmp_path / "app.log", lines[400:])
		assert difference(fault_loki.wait_lines(400), lines[:200] + lines[400:]) == ""
		one.wait_idle()
		other.check()
	finally:
		other.down()


@once
def test_a_name_that_moves(request, agent, tenant, tmp_path):
	"""Loki comes back at another address: the name is asked again, without a restart."""
	hosts, log = tmp_path / "hosts", tmp_path / "app.log"
	hosts.write_text("127.0.0.1 loki.test\n")
	log.write_text(text(numbered(10)))
	old = FaultLoki()
	new = FaultLoki(address="127.0.0.2", port=old.port)
	one = agent(config({"app": file_input(log)}, loki_output(old.push_url.replace("127.0.0.1", "loki.test"), tenant)), start=False)
	one.prefix = ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', str(hosts)]
	if subprocess.run([*one.prefix, "true"], capture_output=True).returncode != 0:
		note(request, "a mount namespace")
		pytest.skip("no mount namespace, no /etc/hosts of our own")
	try:
		one.start()
		old.wait_lines(10)
		old.down()
		with open(hosts, "r+") as f:  # the same file: it is what is mounted
			f.write("127.0.0.2 loki.test\n")
		with open(log, "a") as f:
			f.write(text(numbered(10, start=10)))
		assert difference(new.wait_lines(10, 60), numbered(10, start=10)) == ""
		one.stop()
	finally:
		old.down()
		new.down()
