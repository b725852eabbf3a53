# SPDX-License-Identifier: Apache-2.0
"""The command line, the admin port, and the quickstart as somebody new meets them."""

import contextlib
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import time

import pytest

from agent import ROOT, Metrics
from loki import free_port
from work import config, file_input, logger, loki_output, numbered, text


@pytest.fixture
def tool(agent):
	"""tool(args...): the program run to its end, in a folder of its own."""
	return agent({}, start=False).command


# --- configuration ------------------------------------------------------------------------------------------

BROKEN = """\
inputs:
  app: {type: file, pahts: [/var/log/x.log]}
  net: {type: syslogg, listen: [udp://127.0.0.1:1]}
outputs:
  loki: {type: loki, url: "ftp://nowhere", tenant: 7, batch_wait: tomorrow}
pipelines:
  main:
    from: [app, nett]
    stages:
      - regexp: {expression: x}
      - regex: {expression: '(?P<a'}
    to: [loki]
threads: many
"""


def test_check_says_everything_at_once(tool, tmp_path):
	path = tmp_path / "broken.yaml"
	path.write_text(BROKEN)
	done = tool("check", "--config", str(path))
	assert done.returncode == 2 and done.stdout == ""
	said = done.stderr
	for line, words in (
		(2, "(did you mean 'paths'?)"), (3, "(did you mean 'syslog'?)"), (5, "url"), (5, "batch_wait"),
		(8, "nett"), (10, "(did you mean 'regex'?)"), (11, "expression"), (13, "threads"),
	):
		found = [t for t in said.splitlines() if re.search(rf"broken\.yaml:{line}:\d+: .*{re.escape(words)}", t)]
		assert found, f"line {line}, {words!r} is not among:\n{said}"


def test_run_with_a_broken_configuration_starts_nothing(agent):
	one = agent(BROKEN, start=False)
	done = one.command("run", "--config", str(one.config_path))
	assert done.returncode == 2
	assert "nothing was started" in done.stderr
	assert not one.state_dir.exists() or not any(one.state_dir.iterdir())


def test_check_and_config_of_a_good_one(tool, tmp_path):
	secret = tmp_path / "pw"
	secret.write_text("verysecret99\n")
	path = tmp_path / "good.yaml"
	path.write_text(
		"inputs: {app: {type: file, paths: [/var/log/x.log]}}\n"
		f"outputs: {{loki: {{type: loki, url: '${{LOKI:-http://127.0.0.1:3100}}', basic_auth: {{username: u, password: 'file:{secret}'}}}}}}\n"
		"pipelines: {main: {from: [app], to: [loki]}}\n"
	)
	done = tool("check", "--config", str(path))
	assert done.returncode == 0, done.stderr
	assert "fine" in done.stdout
	done = tool("config", "--config", str(path))
	assert done.returncode == 0
	assert "http://127.0.0.1:3100" in done.stdout and "default" in done.stdout and "good.yaml:1" in done.stdout
	assert "verysecret99" not in done.stdout + done.stderr
	# What it prints is a configuration that means the same.
	again = tmp_path / "again.yaml"
	again.write_text(tool("config", "--plain", "--config", str(path)).stdout)
	assert tool("config", "--plain", "--config", str(again)).stdout == again.read_text()


def test_every_example_is_accepted(tool):
	for path in sorted((ROOT / "conf.d").glob("*.yaml")):
		done = tool("check", "--config", str(path))
		assert done.returncode == 0, f"{path.name}: {done.stderr}"


def test_files_are_merged_and_the_same_name_twice_is_an_error(tool, tmp_path):
	main, more = tmp_path / "tailrace.yaml", tmp_path / "conf.d"
	more.mkdir()
	main.write_text("outputs: {out: {type: stdout}}\n")
	(more / "10-in.yaml").write_text("inputs: {app: {type: file, paths: [/x]}}\n")
	(more / "20-pipe.yaml").write_text("pipelines: {main: {from: [app], to: [out]}}\n")
	assert tool("check", "--config", str(main)).returncode == 0
	(more / "30-again.yaml").write_text("inputs: {app: {type: file, paths: [/y]}}\n")
	done = tool("check", "--config", str(main))
	assert done.returncode == 2
	assert "10-in.yaml:1" in done.stderr and "30-again.yaml:1" in done.stderr


def test_help_and_version(tool):
	assert re.match(r"tailrace \d+\.\d+", tool("version").stdout)
	assert tool("--version").stdout == tool("version").stdout
	whole = tool("help").stdout
	for name in ("run", "check", "dry-run", "file", "syslog", "loki", "stdout", "redact", "timestamp"):
		assert re.search(rf"^  {name} ", whole, re.M), name
	for name in ("file", "syslog", "loki", "stdout", "regex", "json", "logfmt", "labels", "static_labels",
	             "structured_metadata", "timestamp", "output", "drop", "replace", "redact", "match", "agent", "pipeline"):
		done = tool("help", name)
		assert done.returncode == 0 and len(done.stdout) > 100, name
	done = tool("help", "regx")
	assert done.returncode == 2 and "'regex'" in done.stderr
	done = tool("rum")
	assert done.returncode == 2 and "'run'" in done.stderr
	assert tool("run", "--confg", "x").returncode == 2
	assert tool("check", "--config", "/does/not/exist.yaml").returncode == 2


# --- dry-run ------------------------------------------------------------------------------------------------


@pytest.fixture
def pipeline(tmp_path):
	path = tmp_path / "dry.yaml"
	path.write_text(json.dumps(config(
		{"app": file_input("/nonexistent")}, loki_output("http://127.0.0.1:1", "x"),
		[
			{"regex": {"expression": r"level=(?P<level>\w+)"}}, {"labels": {"level": None}},
			{"drop": {"expression": "noise"}}, {"redact": {}},
		],
	)))
	return str(path)


def test_dry_run_text(tool, pipeline):
	done = tool("dry-run", "--config", pipeline, stdin="level=warn password=hunter2\nnoise\nlast")
	assert done.returncode == 0, done.stderr
	lines = done.stdout.splitlines()
	assert len(lines) == 2 and "hunter2" not in done.stdout
	assert "level=warn password=" in lines[0] and "last" in lines[1]


def test_dry_run_json(tool, pipeline, tmp_path):
	source = tmp_path / "lines"
	source.write_text("level=info a\nlevel=error b\n")
	done = tool("dry-run", "--format", "json", "--config", pipeline, str(source))
	assert done.returncode == 0, done.stderr
	records = [json.loads(line) for line in done.stdout.splitlines()]
	assert [r["line"] for r in records] == ["level=info a", "level=error b"]
	assert [r["labels"]["level"] for r in records] == ["info", "error"]
	assert tool("dry-run", "--format", "xml", "--config", pipeline).returncode == 2
	assert tool("dry-run", "--config", pipeline, "/does/not/exist").returncode == 1


def test_dry_run_of_any_bytes(tool, pipeline):
	done = tool("dry-run", "--format", "json", "--config", pipeline, stdin=bytes(range(256)) * 50 + b"x" * 3_000_000)
	assert done.returncode == 0, done.stderr
	for line in done.stdout.splitlines():
		json.loads(line)


# --- admin port ---------------------------------------------------------------------------------------------


def ask(port: int, method: str, path: str, body: bytes = b""):
	conn = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
	try:
		conn.request(method, path, body)
		answer = conn.getresponse()
		return answer.status, answer.read().decode(), dict(answer.getheaders())
	finally:
		conn.close()


def test_the_admin_port(agent, loki, tenant, tmp_path):
	log = tmp_path / "app.log"
	log.write_text(text(numbered(100)))
	one = agent(config({"app": file_input(log)}, loki_output(loki.push_url, tenant), [{"redact": {}}]))
	loki.wait_count('{job="app"}', 100)
	port = one.admin_port
	assert ask(port, "GET", "/ready")[0] == 200
	assert ask(port, "GET", "/healthz")[0] == 200
	status, body, headers = ask(port, "GET", "/metrics")
	assert status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4")
	metrics = Metrics(body)
	for (name, _), value in metrics.samples.items():
		assert name in metrics.types, f"{name} has no TYPE"
		assert re.fullmatch(r"tailrace_[a-z0-9_]+", name), name
		assert (metrics.types[name] == "counter") == name.endswith("_total"), name
		assert value >= 0
	assert ask(port, "POST", "/metrics", b"x" * 10)[0] == 405
	assert ask(port, "DELETE", "/ready")[0] == 405
	assert ask(port, "GET", "/secret")[0] == 404
	assert ask(port, "GET", "/" + "x" * 10_000)[0] in (414, 431)
	status, body, headers = ask(port, "HEAD", "/healthz")
	assert status == 200 and body == "" and headers["Content-Length"] == "3"
	assert one.get("/healthz")[0] == 200


def test_idle_connections_keep_no_probe_out(agent, tmp_path):
	"""Somebody who opens connections and says nothing must not make a liveness probe fail."""
	one = agent(config({"app": file_input(tmp_path / "app.log")}, {"type": "stdout"}))
	with contextlib.ExitStack() as idle:
		for _ in range(100):
			idle.enter_context(socket.create_connection(("127.0.0.1", one.admin_port), timeout=5))
		started = time.monotonic()
		assert one.get("/healthz")[0] == 200
		assert time.monotonic() - started < 2
		assert one.open_files() < 60


@pytest.mark.parametrize("request_, want", [
	(b"GET /healthz HTTP/1.1\r\nx: " + b"a" * 300_000 + b"\r\n\r\n", b"HTTP/1.1 431 "),
	(b"POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n" + b"a" * 300_000, b"HTTP/1.1 405 "),
], ids=["header", "body"])
def test_who_sends_too_much_still_gets_the_answer(agent, tmp_path, request_, want):
	"""A close with bytes unread would be a reset, and the answer lost with it."""
	one = agent(config({"app": file_input(tmp_path / "app.log")}, {"type": "stdout"}))
	with socket.create_connection(("127.0.0.1", one.admin_port), timeout=5) as conn:
		conn.sendall(request_[:8000])
		time.sleep(0.1)  # meanwhile it is answered
		conn.sendall(request_[8000:])
		assert conn.recv(100).startswith(want)


def curl(*arguments: str) -> str:
	done = subprocess.run(["curl", "-sS", "-m", "10", *arguments], capture_output=True, text=True)
	assert done.returncode == 0, done.stderr
	return done.stdout


def test_curl_on_the_admin_port(agent, tmp_path):
	"""A client that is not ours: HTTP/1.0, one connection for several requests, HEAD, a body with Expect."""
	one = agent(config({"app": file_input(tmp_path / "app.log")}, {"type": "stdout"}))
	url = f"http://127.0.0.1:{one.admin_port}"
	code = ("-o", "/dev/null", "-w", "%{http_code} %{num_connects}\n")
	assert curl("--http1.0", *code, f"{url}/healthz") == "200 1\n"
	assert curl(*code, f"{url}/healthz", *code, f"{url}/ready") == "200 1\n200 0\n"
	assert curl("-I", f"{url}/healthz").startswith("HTTP/1.1 200 OK\n")
	body = tmp_path / "body"
	body.write_bytes(bytes(2_000_000))
	for options in (["-H", "Expect: 100-continue"], ["-H", "Transfer-Encoding: chunked"], ["-H", "Expect:"]):
		assert curl(*code, *options, "--data-binary", f"@{body}", f"{url}/metrics").startswith("405 ")


def test_metrics_of_names_that_need_escaping(agent, tmp_path):
	log = tmp_path / "app.log"
	log.write_text("x\n")
	conf = {
		"inputs": {'a"b\\c': file_input(log)},
		"outputs": {"out": {"type": "stdout"}},
		"pipelines": {"p": {"from": ['a"b\\c'], "to": ["out"]}},
	}
	one = agent(conf, start=False)
	done = one.command("check", "--config", str(one.config_path))
	if done.returncode == 2:
		return  # such names may be refused, but nothing in between
	one.start()
	assert one.wait_metric("tailrace_input_records_total", 1).text


def test_a_port_in_use_is_said(agent, tmp_path):
	with socket.create_server(("127.0.0.1", 0)) as taken:
		port = taken.getsockname()[1]
		one = agent({
			"inputs": {"net": {"type": "syslog", "listen": [f"tcp://127.0.0.1:{port}"]}},
			"outputs": {"out": {"type": "stdout"}},
			"pipelines": {"p": {"from": ["net"], "to": ["out"]}},
		}, start=False)
		done = one.command("run", "--config", str(one.config_path))
	assert done.returncode == 1
	assert str(port) in done.stderr and "in use" in done.stderr


# --- quickstart ---------------------------------------------------------------------------------------------


def quickstart_text(folder, admin: int, syslog: int) -> str:
	"""conf.d/quickstart.yaml with other ports, so that tests can run beside each other."""
	path = ROOT / "conf.d" / "quickstart.yaml"
	return path.read_text().replace("9099", str(admin)).replace("5514", str(syslog))


@pytest.mark.parametrize("to_loki", [False, True], ids=["terminal", "loki"])
def test_quickstart(agent, loki, tmp_path, to_loki):
	folder, port = tmp_path / "demo", free_port()
	(folder / "logs").mkdir(parents=True)
	(folder / "state").mkdir()
	(folder / "logs" / "demo.log").write_text('level=warn msg="card" card=4111111111111111\nlevel=info msg=plain\n')
	one = agent("", start=False)
	one.config_path.write_text(quickstart_text(folder, one.admin_port, port))
	one.env["TAILRACE_QUICKSTART"] = str(folder)
	tenantless = loki.with_tenant("fake")
	if to_loki:
		one.env["LOKI_URL"] = tenantless.url
		one.config_path.write_text(one.config_path.read_text().replace("    url: $", f"    tenant: {loki.tenant}\n    url: $"))
	one.start()
	logger(port, "-d", message="hello password=secret")
	logger(port, "-T", "-p", "user.err", message="over TCP, an error")
	one.wait_metric("tailrace_records_delivered_total", 4, output="terminal")
	one.wait(lambda: one.output().count("\n") >= 4, 10, "four lines on the terminal")
	out = one.output()
	assert "hello password=" in out and "over TCP, an error" in out and "plain" in out
	assert "secret" not in out and "4111111111111111" not in out
	assert "\x1b[" not in out, "colours only on a terminal"
	if to_loki:
		assert loki.wait_count('{job=~"demo|syslog"}', 4) == 4
		assert loki.streams('{level="warn"}')


def test_quickstart_flag(agent, tmp_path):
	"""`tailrace run --quickstart` makes its own demo folder. Its ports are fixed: skipped where they are taken."""
	import socket

	for kind, port in ((socket.SOCK_STREAM, 9099), (socket.SOCK_STREAM, 5514), (socket.SOCK_DGRAM, 5514)):
		with socket.socket(socket.AF_INET, kind) as s:
			s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
			try:
				s.bind(("127.0.0.1", port))
			except OSError:
				pytest.skip(f"port {port} is in use here")
	one = agent("", start=False)
	demo = tmp_path / "demo"
	env = one._environment() | {"TAILRACE_QUICKSTART": str(demo)}
	env.pop("LOKI_URL", None)
	process = subprocess.Popen(
		[one.program, "run", "--quickstart"], cwd=ROOT, env=env, stdout=open(one.out_path, "wb"), stderr=open(one.log_path, "wb"),
	)
	one.process, one.admin_port = process, 9099
	one.wait_ready()
	one.wait(lambda: one.output().count("\n") >= 4, 20, "the demo lines")
	assert "hunter2" not in one.output() and "demo started" in one.output()
	assert (demo / "logs" / "demo.log").stat().st_mode & 0o077 == 0
	one.stop()


# --- stdout -------------------------------------------------------------------------------------------------


def test_stdout_as_json(agent, tmp_path):
	log = tmp_path / "app.log"
	log.write_text('plain\nq"uo\\te\n')
	one = agent({
		"inputs": {"app": file_input(log)},
		"outputs": {"out": {"type": "stdout", "format": "json"}},
		"pipelines": {"p": {"from": ["app"], "to": ["out"]}},
	})
	one.wait(lambda: one.output().count("\n") >= 2, 10, "two lines")
	records = [json.loads(line) for line in one.output().splitlines()]
	assert [r["line"] for r in records] == ["plain", 'q"uo\\te']
	assert records[0]["labels"]["filename"] == str(log)


def test_self_log_as_json(agent, tmp_path):
	one = agent({
		"log": {"level": "debug", "format": "json"},
		"inputs": {"app": file_input(tmp_path / "*.log")},
		"outputs": {"out": {"type": "stdout"}},
		"pipelines": {"p": {"from": ["app"], "to": ["out"]}},
	})
	one.stop(check=False)
	events = [json.loads(line) for line in one.log().splitlines() if line.startswith("{")]
	assert [e for e in events if e["msg"] == "started"] and [e for e in events if e["msg"] == "ledger"]


# --- positions ----------------------------------------------------------------------------------------------


def test_positions_are_listed_set_and_forgotten(agent, loki, tenant, tmp_path):
	log = tmp_path / "app.log"
	log.write_text("".join(f"n={i:04d}\n" for i in range(100)))
	one = agent(config({"app": file_input(log)}, loki_output(loki.push_url, tenant)))
	loki.wait_count('{job="app"}', 100)
	one.wait_idle()

	def positions(*args):
		return one.command("positions", *args, "--config", str(one.config_path))

	done = positions("set", str(log), "--offset", "beginning")
	assert done.returncode == 1 and "stop the agent first" in done.stderr
	one.stop()
	(row,) = [json.loads(line) for line in positions("list", "--format", "json").stdout.splitlines()]
	assert (row["input"], row["path"], row["offset"], row["behind"]) == ("app", str(log), 700, 0)
	assert "would set" in positions("set", str(log), "--offset", "650", "--dry-run").stdout
	assert positions("set", str(log), "--offset", "655").returncode == 0  # inside a line, which begins at 651
	one.start()
	assert loki.wait_count('{job="app"}', 107) == 107, "seven lines again, at new times"
	one.wait_idle()
	one.stop()
	assert positions("forget", str(log)).returncode == 0
	assert positions("list", "--format", "json").stdout == ""
	assert positions("forget", str(log)).returncode == 1
