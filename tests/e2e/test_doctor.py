# SPDX-License-Identifier: Apache-2.0
"""`tailrace doctor` as an administrator meets it: a real Loki with something wrong about it, a running agent."""

import contextlib
import json
import os
import shutil
import ssl
import subprocess
import tempfile

import pytest

from faultloki import Fault, FaultLoki
from loki import free_port
from work import config, file_input, loki_output, syslog_input


@pytest.fixture
def doctor(agent, tmp_path):
	"""doctor(output, *flags, **inputs): the exit code, and the lines as (result, subject, check, text, fix)."""

	def doctor(output: dict, *flags: str, inputs: dict | None = None, **more):
		log = tmp_path / "a.log"
		log.write_text("one\n")
		more.setdefault("admin", {"listen": "none"})
		one = agent(config(inputs or {"app": file_input(log)}, output, **more), start=False)
		done = one.command("doctor", "--json", "--config", str(one.config_path), *flags)
		assert done.stderr == "", done.stderr
		return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]

	return doctor


def about(lines: list[dict], check: str) -> list[dict]:
	return [line for line in lines if line["check"] == check]


def test_a_loki_that_takes_it(doctor, loki):
	code, lines = doctor(loki_output(loki.url, loki.tenant))
	(line,) = about(lines, "loki")
	assert line["result"] == "ok" and code < 2, lines
	assert [x["result"] for x in about(lines, "clock") if x["subject"].startswith("output")] == ["ok"]


@pytest.mark.parametrize(
	("change", "says", "fix"),
	[
		({"tenant": None}, "401", "tenant"),
		({"path": "/loki/api/v9/push"}, "404", "url"),
		({"port": "free"}, "connect", "start Loki"),
		({"scheme": "https"}, "", "http://"),
		({"host": "no-such-host.invalid"}, "resolve", "getent"),
	],
)
def test_what_is_wrong_with_loki_is_said(doctor, loki, change, says, fix):
	url = loki.url
	if "port" in change:
		url = f"http://127.0.0.1:{free_port()}"
	if "scheme" in change:
		url = url.replace("http://", "https://")
	if "host" in change:
		url = f"http://{change['host']}:3100"
	output = loki_output(url + change.get("path", ""), loki.tenant)
	if "tenant" in change:
		del output["tenant"]
	code, lines = doctor(output)
	(line,) = about(lines, "loki")
	assert code == 2 and line["result"] == "fail", lines
	assert says in line["text"] and fix in line["fix"], line


@pytest.mark.parametrize(
	("fault", "output", "result", "fix"),
	[
		(Fault.status(401, "bad password"), {"basic_auth": {"username": "u", "password": "canary77"}}, "fail", "basic_auth"),
		(Fault.status(401, "token"), {"bearer_token": "canary77"}, "fail", "bearer_token"),
		(Fault.status(403, "no"), {}, "fail", "logs:write"),
		(Fault.status(302, ""), {}, "fail", "redirects"),
		(Fault.status(503, "starting"), {}, "fail", "Loki's own log"),
		(Fault.status(429, "Ingestion rate limit exceeded"), {}, "warn", "ingestion_rate_mb"),
	],
)
def test_answers_are_explained(doctor, fault, output, result, fix):
	fake = FaultLoki()  # without its check(): the push has no stream in it, as it should
	fake.otherwise = lambda push: fault
	try:
		_, lines = doctor(loki_output(fake.url, "t", **output))
	finally:
		fake.down()
	(line,) = about(lines, "loki")
	assert line["result"] == result and fix in line["fix"], line
	assert "canary77" not in json.dumps(lines)


@pytest.mark.parametrize(
	("option", "says", "fix"),
	[
		({"proxy_url": "{dead}"}, "connect", "proxy_url"),
		({"proxy_url": "http://no-such-proxy.invalid:1"}, "resolve proxy", "proxy_url"),
		({"oauth2": {"client_id": "i", "client_secret": "canary78", "token_url": "{dead}/token"}}, "OAuth2", "oauth2"),
		({"oauth2": {"client_id": "i", "client_secret": "canary78", "token_url": "{loki}/token"}}, "answered 404", "oauth2"),
	],
)
def test_the_way_to_loki(doctor, loki, option, says, fix):
	option = json.loads(json.dumps(option).replace("{dead}", f"http://127.0.0.1:{free_port()}").replace("{loki}", loki.url))
	code, lines = doctor(loki_output(loki.url, loki.tenant, **option))
	(line,) = about(lines, "loki")
	assert code == 2 and says in line["text"] and fix in line["fix"], line
	assert "canary78" not in json.dumps(lines)


def test_certificates_of_loki(doctor, tmp_path):
	key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
	subprocess.run(
		["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", key, "-out", cert,
		 "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
		check=True, capture_output=True,
	)
	context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
	context.load_cert_chain(cert, key)
	fake = FaultLoki(context)
	url = fake.url.replace("127.0.0.1", "localhost")
	try:
		for where, tls, result, fix in (
			(url, {}, "fail", "tls.ca_file"),
			(fake.url, {"ca_file": str(cert)}, "fail", "name that the certificate is for"),
			(url, {"ca_file": str(cert)}, "ok", ""),
		):
			_, lines = doctor(loki_output(where, "t", tls=tls))
			(line,) = about(lines, "loki")
			assert line["result"] == result and fix in line.get("fix", ""), line
		assert "expires in" in about(lines, "certificate")[0]["text"]
	finally:
		fake.down()


def test_every_endpoint_is_asked(doctor, loki):
	dead = f"http://127.0.0.1:{free_port()}"
	_, lines = doctor(loki_output(dead, loki.tenant, failover_urls=[loki.url]))
	assert [line["result"] for line in about(lines, "loki")] == ["fail", "ok"]


def test_a_running_agent_is_seen_and_left_alone(agent, loki, tmp_path):
	log, port = tmp_path / "a.log", free_port()
	log.write_text("one\n")
	one = agent(config({"app": file_input(log), "net": syslog_input(port, "tcp")}, loki_output(loki.url, loki.tenant)))
	done = one.command("doctor", "--json", "--config", str(one.config_path))
	lines = [json.loads(line) for line in done.stdout.splitlines()]
	assert str(one.process.pid) in about(lines, "lock")[0]["text"]
	assert about(lines, "admin")[0]["result"] == "ok", lines
	assert [line["result"] for line in about(lines, "port")] == ["ok"]
	assert about(lines, "core dumps")[0]["result"] == "ok"
	assert one.get("/ready")[0] == 200


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_permissions_are_those_of_the_service(agent, loki):
	"""Closed files, a closed folder, and an ACL, seen by a user who is not root."""
	folder = tempfile.mkdtemp(prefix="doctor-", dir="/tmp")  # pytest's own folders are closed to others
	try:
		os.chmod(folder, 0o755)
		paths = {name: os.path.join(folder, name) for name in ("open.log", "closed.log", "granted.log", "shut", "state")}
		for name in ("open.log", "closed.log", "granted.log"):
			with open(paths[name], "w") as f:
				f.write("x\n")
		os.chmod(paths["open.log"], 0o644)
		os.chmod(paths["closed.log"], 0o600)
		os.chmod(paths["granted.log"], 0o600)
		os.mkdir(paths["shut"], 0o700)
		with open(os.path.join(paths["shut"], "in.log"), "w") as f:
			f.write("x\n")
		has_acl = shutil.which("setfacl") and subprocess.run(["setfacl", "-m", "u:nobody:r", paths["granted.log"]]).returncode == 0
		one = agent({}, start=False)
		file = os.path.join(folder, "c.yaml")
		with open(file, "w") as f:
			json.dump(
				config(
					{
						"app": file_input(folder + "/*.log"),
						"deep": file_input(folder + "/shut/in.log"),
						"net": syslog_input(514, "udp", receive_buffer="1GiB"),
					},
					loki_output(loki.url, loki.tenant), admin={"listen": "none"}, state_dir=paths["state"],
				),
				f,
			)
		os.chmod(file, 0o644)
		done = one.command("doctor", "--json", "--user", "nobody", "--config", file)
		assert done.returncode == 2, done.stdout
		lines = [json.loads(line) for line in done.stdout.splitlines()]
		said = " ".join(line["text"] for line in about(lines, "permission"))
		assert "closed.log" in said and "open.log" not in said, lines
		assert ("granted.log" in said) != bool(has_acl), lines
		assert any("setfacl" in line["fix"] for line in about(lines, "permission"))
		(line,) = about(lines, "directory")
		assert line["result"] == "fail" and paths["shut"] in line["text"], lines
		with open("/proc/sys/net/ipv4/ip_unprivileged_port_start") as f:
			if int(f.read()) > 514:
				(line,) = about(lines, "port")
				assert line["result"] == "fail" and "CAP_NET_BIND_SERVICE" in line["fix"]
		(line,) = about(lines, "receive buffer")
		assert line["result"] == "warn" and "sysctl -w net.core.rmem_max=" in line["fix"]
		(line,) = about(lines, "state_dir")
		assert line["result"] == "fail" and not os.path.exists(paths["state"])
	finally:
		with contextlib.suppress(OSError):
			shutil.rmtree(folder)


def test_a_broken_configuration_is_the_first_thing_said(agent, tmp_path):
	one = agent({}, start=False)
	path = tmp_path / "b.yaml"
	path.write_text("inputs: {app: {type: fil, paths: [/x]}}\n")
	done = one.command("doctor", str(path))
	assert done.returncode == 2 and "did you mean" in done.stdout and "->" in done.stdout, done.stdout
