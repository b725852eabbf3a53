# SPDX-License-Identifier: Apache-2.0
"""The operator's side: the control socket, status and top."""

import base64
import hashlib
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import urllib.parse
import urllib.request

import pytest

from agent import free_port
from conftest import missing, once
from faultloki import Fault
from work import config, file_input, loki_output, numbered, syslog_input, text

STAGES = [
	{"regex": {"expression": r"level=(?P<level>\w+)"}},
	{"labels": {"level": None}},
	{"match": {"selector": '{level="debug"}', "stages": [{"drop": {"expression": "noise", "drop_counter_reason": "noise"}}]}},
	{"redact": {}},
]


class OverSocket(http.client.HTTPConnection):
	def __init__(self, path):
		super().__init__("localhost", timeout=10)
		self.path = str(path)

	def connect(self):
		self.sock = socket.socket(socket.AF_UNIX)
		self.sock.settimeout(10)
		self.sock.connect(self.path)


def status(one) -> dict:
	done = one.command("status", "--json", "--config", str(one.config_path))
	assert done.returncode == 0, done.stderr
	return json.loads(done.stdout)


def by_name(rows):
	return {row["name"]: row for row in rows}


def levels(n: int) -> str:
	return "".join(f"level={'debug' if i % 2 else 'info'} n={i} {'noise' if i % 4 == 1 else ''}\n" for i in range(n))


def test_status_says_what_happened(agent, fault_loki, tenant, tmp_path):
	log = tmp_path / "app.log"
	log.write_text(levels(400))
	one = agent(config({"app": file_input(log), "net": syslog_input(free_port(), "tcp")}, loki_output(fault_loki.push_url, tenant), STAGES))
	one.wait_metric("tailrace_records_delivered_total", 300)
	one.wait_idle()
	now = status(one)
	assert now["state"] == "running" and now["pid"] == one.process.pid and now["rss_bytes"] > 1 << 20
	app = by_name(now["inputs"])["app"]
	assert (app["type"], app["pipeline"], app["records"]["total"], app["behind_bytes"]) == ("file", "main", 400, 0)
	pipeline = by_name(now["pipelines"])["main"]
	assert pipeline["from"] == ["app", "net"] and pipeline["to"] == ["loki"]
	stages = {s["number"] + " " + s["name"]: (s["records"]["total"], s["removed"]["total"]) for s in pipeline["stages"]}
	assert stages == {"1 regex": (400, 0), "2 labels": (400, 0), "3 match": (400, 0), "3.1 drop": (200, 100), "4 redact": (300, 0)}
	assert pipeline["removed"]["noise"]["total"] == 100
	flow, = now["flows"]
	assert (flow["in"], flow["delivered"], flow["filtered"], flow["held"]) == (400, 300, 100, 0)
	out = by_name(now["outputs"])["loki"]
	assert (out["delivered"]["total"], out["up"], out["oldest_s"]) == (300, 1, 0)


def test_rates_and_what_is_held(agent, fault_loki, tenant, tmp_path):
	"""Loki is away: the age of what waits grows, and top says so."""
	log = tmp_path / "app.log"
	fault_loki.otherwise = lambda push: Fault.status(503)
	log.write_text(text(numbered(100)))
	one = agent(config({"app": file_input(log)}, loki_output(fault_loki.push_url, tenant)))
	one.wait(lambda: by_name(status(one)["outputs"])["loki"]["oldest_s"] > 1.5, 20, "an age")
	now = status(one)
	out = by_name(now["outputs"])["loki"]
	assert out["held"] == 100 and out["retries"]["total"] > 0 and out["up"] == 0
	assert one.metrics().sum("tailrace_output_oldest_seconds", output="loki") >= 1
	top = one.command("top", "--once", "--config", str(one.config_path))
	assert re.search(r"^loki +loki +0 .* 100 +[0-9.]+ s +0 +requests ", top.stdout, re.M), top.stdout
	assert "LAST WARNINGS" in top.stdout
	fault_loki.otherwise = lambda push: Fault.ok()
	one.wait_metric("tailrace_records_delivered_total", 100)
	one.wait(lambda: by_name(status(one)["outputs"])["loki"]["oldest_s"] == 0, 20, "nothing held")
	# While somebody writes there are rates.
	with open(log, "a") as f:

		def write_more() -> bool:
			f.write(text(numbered(50)))
			f.flush()
			row = by_name(status(one)["inputs"])["app"]
			return row["records"]["per_s"] > 0 and row["bytes"]["per_s"] > row["records"]["per_s"]

		one.wait(write_more, 20, "a rate")


@once
def test_top_in_a_pipe_ends_with_its_reader(agent, tmp_path):
	one = agent(config({"app": file_input(tmp_path / "app.log")}, {"type": "stdout"}))
	done = subprocess.run(
		f"'{one.program}' top --interval 100ms --config '{one.config_path}' | head -n 30 | grep -c ^tailrace",
		shell=True, capture_output=True, text=True, timeout=60,
	)  # fmt: skip
	assert int(done.stdout) >= 2, done.stderr


@once
def test_without_an_agent(agent, tmp_path):
	one = agent(config({"app": file_input(tmp_path / "app.log")}, {"type": "stdout"}), start=False)
	done = one.command("status", "--config", str(one.config_path))
	assert done.returncode == 1 and "is it running?" in done.stderr
	done = one.command("status", "--socket", str(tmp_path / "nothing.sock"))
	assert done.returncode == 1 and "is it running?" in done.stderr


def as_nobody(groups: list[int], path) -> str:
	"""The status line that a process of nobody with these groups gets over the socket."""
	got, put = os.pipe()
	child = os.fork()
	if child == 0:
		text = b"?"
		try:
			os.setgroups(groups)
			os.setgid(65534)
			os.setuid(65534)
			with socket.socket(socket.AF_UNIX) as conn:
				conn.settimeout(10)
				conn.connect(str(path))
				conn.sendall(b"GET /status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
				text = conn.recv(100).split(b"\r\n")[0]
		except OSError as e:
			text = type(e).__name__.encode()
		os.write(put, text)
		os._exit(0)
	os.close(put)
	os.waitpid(child, 0)
	with os.fdopen(got) as f:
		return f.read()


@once
@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_who_may_use_the_socket(agent, tmp_path):
	folder = tmp_path / "run"
	folder.mkdir()
	for parent in [folder, *folder.parents]:
		if parent.stat().st_mode & 1 == 0:
			parent.chmod(parent.stat().st_mode | 0o111)
	path = folder / "c.sock"
	conf = config({"app": file_input(tmp_path / "app.log")}, {"type": "stdout"})
	conf["admin"] = {"listen": f"127.0.0.1:{free_port()}", "socket": str(path)}
	one = agent(conf, start=False)
	one.admin_port = int(conf["admin"]["listen"].rsplit(":", 1)[1])
	one.start()
	assert path.stat().st_mode & 0o777 == 0o600
	assert as_nobody([], path) == "PermissionError"
	# Even with the mode changed behind its back.
	path.chmod(0o666)
	assert as_nobody([], path) == "HTTP/1.1 403 Forbidden"
	one.stop()
	assert not path.exists()
	conf["admin"]["group"] = "4711"
	one.configure(conf)
	one.start()
	assert as_nobody([], path) == "HTTP/1.1 403 Forbidden"
	assert as_nobody([4711], path) == "HTTP/1.1 200 OK"


@once
def test_nobody_hangs_the_socket(agent, tmp_path):
	"""More connections than there may be, each silent or with half a request: it is answered all the same."""
	one = agent(config({"app": file_input(tmp_path / "app.log")}, {"type": "stdout"}))
	path = one.state_dir / "control.sock"
	before = one.open_files()
	idle = []
	for i in range(40):
		conn = socket.socket(socket.AF_UNIX)
		conn.connect(str(path))
		if i % 2:
			conn.sendall(b"GET /sta")
		idle.append(conn)
		assert one.open_files() <= before + 20
	conn = OverSocket(path)
	conn.request("GET", "/healthz")
	assert conn.getresponse().status == 200
	for conn in idle:
		conn.close()
	assert status(one)["state"] == "running"


@once
def test_a_page_of_elsewhere_reads_nothing(agent, tmp_path):
	"""A name that somebody lets point to 127.0.0.1 is not ours."""
	one = agent(config({"app": file_input(tmp_path / "app.log")}, {"type": "stdout"}))

	def ask(path: str, host: str) -> int:
		conn = http.client.HTTPConnection("127.0.0.1", one.admin_port, timeout=10)
		conn.request("GET", path, headers={"Host": host})
		return conn.getresponse().status

	for path in ("/status", "/config"):
		assert ask(path, "evil.example:9099") == 403
		for host in ("localhost:9099", "127.0.0.1", "[::1]:9099"):
			assert ask(path, host) == 200
	assert ask("/metrics", "node1.example:9099") == 200


@once
def test_the_configuration_without_its_secrets(agent, fault_loki, tenant, tmp_path):
	output = loki_output(fault_loki.push_url, tenant)
	output["basic_auth"] = {"username": "bob", "password": "CANARYpw1"}
	one = agent(config({"app": file_input(tmp_path / "app.log")}, output))
	code, body = one.get("/config")
	assert code == 200 and "bob" in body and "CANARYpw1" not in body and "<secret>" in body


# --- tap ----------------------------------------------------------------------------------------------------


def tap(one, *args: str, send) -> list[dict]:
	"""The records that a tap shows, while `send` is called again and again."""
	child = one.spawn("tap", "--json", *args)

	def is_over() -> bool:
		send()
		return child.poll() is not None

	one.wait(is_over, 20, "the end of the tap")
	out, err = child.communicate()
	assert child.returncode == 0, err
	return [json.loads(line) for line in out.splitlines()]


def writer(path):
	"""Appends numbered lines, each with a password of its own."""
	with open(path, "a") as f:
		pass
	count = iter(range(10**9))

	def more() -> None:
		with open(path, "a") as f:
			for _ in range(4):
				n = next(count)
				f.write(f"level={'debug' if n % 2 else 'info'} n={n} {'noise' if n % 4 == 1 else ''} password=CANARY{n}\n")

	return more


def test_tap_shows_what_redaction_leaves(agent, fault_loki, tenant, tmp_path):
	log = tmp_path / "app.log"
	more = writer(log)
	one = agent(config({"app": file_input(log)}, loki_output(fault_loki.push_url, tenant), STAGES))
	raw = tap(one, "--before", "--limit", "8", "--rate", "1000", send=more)
	assert len(raw) == 8 and all(r["at"] == "before" and r["input"] == "app" for r in raw)
	shown = [r["record"]["line"] for r in raw if r["record"]]
	assert shown and all("password=[hidden:key_value]" in line for line in shown), shown
	# What is dropped in front of redact nobody has looked at.
	assert all((r["record"] is None) == (r.get("reason") == "noise") for r in raw), raw
	after = tap(one, "--limit", "4", "--rate", "1000", send=more)
	assert all("password=<redacted:key_value>" in r["record"]["line"] and "level" in r["record"]["labels"] for r in after), after
	nested = tap(one, "--stage", "3.1", "--before", "--limit", "4", "--rate", "1000", send=more)
	assert all(r["at"] == "before 3.1 drop" and (r["record"] is None or r["record"]["labels"]["level"] == "debug") for r in nested), nested
	middle = tap(one, "--stage", "labels", "--limit", "4", "--rate", "1000", send=more)
	assert all(r["record"] is None or r["record"]["labels"]["level"] in ("debug", "info") for r in middle), middle
	one.wait_idle()
	assert "CANARY" not in json.dumps([raw, after, nested, middle]) + one.log()


def test_tap_ends_with_its_reader(agent, tmp_path):
	"""One that is killed, one that stops reading, one that never asks again: the next gets its turn, and records are
	not held up."""
	log = tmp_path / "app.log"
	more = writer(log)
	one = agent(config({"app": file_input(log)}, {"type": "stdout"}, [{"redact": {}}]))
	killed = one.spawn("tap", "--rate", "1000")
	one.wait(lambda: (more(), one.metrics().sum("tailrace_http_requests_total", server="control") >= 2)[1], 20, "a tap")
	assert one.spawn("tap").communicate()[1].startswith("tailrace: the agent says: another tap runs")
	killed.kill()
	killed.communicate()
	tap(one, "--limit", "1", send=more)
	conn = OverSocket(one.state_dir / "control.sock")
	conn.request("GET", "/tap?rate=1000")
	session = conn.getresponse().read().decode().strip()
	before = one.metrics().sum("tailrace_records_in_total")
	for _ in range(20):
		more()
	one.wait_metric("tailrace_records_in_total", before + 80)
	one.wait(lambda: one.spawn("tap", "--rate", "0").wait() == 1, 20, "a refusal")
	done = one.command("tap", "--config", str(one.config_path), "--stage", "nonsense")
	assert done.returncode == 1 and ("another tap" in done.stderr or "there is no stage 'nonsense'" in done.stderr)

	def has_ended() -> bool:
		asking = OverSocket(one.state_dir / "control.sock")
		asking.request("GET", "/tap?session=1")
		asking.getresponse().read()
		opened = OverSocket(one.state_dir / "control.sock")
		opened.request("GET", "/tap")
		return opened.getresponse().status == 200

	one.wait(has_ended, 20, "the session that nobody asks for to end")
	conn = OverSocket(one.state_dir / "control.sock")
	conn.request("GET", f"/tap?session={session}")
	assert conn.getresponse().status == 410
	# An agent that stops does not wait for it.
	one.stop()


# --- metrics ------------------------------------------------------------------------------------------------

CUSTOM = {"metrics": {
	"seen": {"type": "Counter", "description": 'with "quotes" and \\', "config": {"match_all": True, "action": "inc"}},
	"lines_total": {"type": "Counter", "prefix": "own_", "config": {"match_all": True, "action": "inc"}},
	"n": {"type": "Gauge", "source": "n", "config": {"action": "set"}},
	"size": {"type": "Histogram", "source": "n", "config": {"buckets": [1, 2.5, 100]}},
}}  # fmt: skip


@pytest.fixture
def busy(agent, fault_loki, tenant, tmp_path):
	"""An agent with something of everything in its metrics."""
	log = tmp_path / "app.log"
	log.write_text(levels(40) + "password=x\n")
	stages = [{"regex": {"expression": r"n=(?P<n>\d+)"}}, CUSTOM, *STAGES]
	fault_loki.script(Fault.status(503))
	one = agent(config({"app": file_input(log), "net": syslog_input(free_port())}, loki_output(fault_loki.push_url, tenant), stages))
	one.wait_metric("tailrace_records_delivered_total", 31)
	one.wait_idle()
	return one


@once
def test_promtool_finds_nothing(request, busy):
	if not shutil.which("promtool"):
		missing(request, "promtool", "apt-get install prometheus")
	text = busy.metrics().text
	assert "promtail_custom_seen" in text and "tailrace_push_seconds_total" in text
	done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
	# Names of users are theirs.
	own = [line for line in done.stderr.splitlines() if not line.startswith(("promtail_custom_", "own_"))]
	assert done.returncode in (0, 3) and not own, done.stderr


@once
def test_a_real_prometheus(request, busy, tmp_path):
	"""It asks for OpenMetrics, whose parser is the strict one, and gets everything."""
	if not shutil.which("prometheus"):
		missing(request, "Prometheus", "apt-get install prometheus")
	listen = f"127.0.0.1:{free_port()}"
	(tmp_path / "prometheus.yml").write_text(
		json.dumps({
			"global": {"scrape_interval": "500ms"},
			"scrape_configs": [{"job_name": "tailrace", "static_configs": [{"targets": [f"127.0.0.1:{busy.admin_port}"]}]}],
		})
	)  # fmt: skip

	def ask(path: str):
		with urllib.request.urlopen(f"http://{listen}{path}", timeout=5) as answer:
			return json.load(answer)["data"]

	def value(query: str):
		found = ask("/api/v1/query?" + urllib.parse.urlencode({"query": query}))["result"]
		return [float(row["value"][1]) for row in found]

	with open(tmp_path / "prometheus.log", "w") as log:
		process = subprocess.Popen(
			["prometheus", f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/tsdb", f"--web.listen-address={listen}"],
			stdout=log, stderr=log,
		)  # fmt: skip
	try:
		busy.wait(lambda: process.poll() is not None or value('up{job="tailrace"} == 1'), 40, "a scrape")
		target, = ask("/api/v1/targets")["activeTargets"]
		assert (target["health"], target["lastError"]) == ("up", "")
		assert value("tailrace_records_delivered_total") == [31] and value("tailrace_records_held") == [0]
		assert value("promtail_custom_size_bucket{le=\"100\"}") and value("own_lines_total") == [41] and value("promtail_custom_seen") == [41]
		assert value("tailrace_push_seconds_total")[0] < 60
		# Type and help arrive for all.
		known = {row["metric"] for row in ask("/api/v1/targets/metadata?limit=1000")}
		assert {"tailrace_records_delivered", "tailrace_records_held", "own_lines", "promtail_custom_seen"} <= known, known
	finally:
		process.terminate()
		process.wait(20)


@once
def test_who_gets_openmetrics(agent, tmp_path):
	one = agent(config({"app": file_input(tmp_path / "app.log")}, {"type": "stdout"}))

	def ask(accept: str | None) -> tuple[str, str]:
		conn = http.client.HTTPConnection("127.0.0.1", one.admin_port, timeout=10)
		conn.request("GET", "/metrics", headers={"Accept": accept} if accept else {})
		answer = conn.getresponse()
		return answer.getheader("Content-Type"), answer.read().decode()

	for accept in (None, "*/*", "text/plain", "text/html", "application/openmetrics-text;q=0.2,text/plain", "application/openmetrics-text;q=0"):
		kind, body = ask(accept)
		assert kind.startswith("text/plain; version=0.0.4") and "# EOF" not in body, accept
	kind, body = ask("application/openmetrics-text; version=1.0.0; q=0.8, text/plain; q=0.5")
	assert kind.startswith("application/openmetrics-text; version=1.0.0") and body.endswith("\n# EOF\n")
	assert "# TYPE tailrace_records_in counter\n" in body and "\ntailrace_records_in_total{" in body


# --- ready --------------------------------------------------------------------------------------------------


@once
def test_ready_is_about_us_and_not_about_loki(agent, tenant, tmp_path):
	"""Nobody is where Loki should be: ready. The state cannot be written: not ready, and then ready again."""
	log = tmp_path / "app.log"
	log.write_text("x\n")
	one = agent(config({"app": file_input(log)}, loki_output(f"http://127.0.0.1:{free_port()}/loki/api/v1/push", tenant), shutdown_timeout="100ms"))
	one.wait_metric("tailrace_push_retries_total", 1)
	assert one.get("/ready")[0] == 200 and one.get("/healthz")[0] == 200
	moved = one.state_dir.with_name("moved")
	one.state_dir.rename(moved)
	code, why = one.get("/ready")
	assert code == 503 and "state directory" in why
	assert one.get("/healthz")[0] == 200
	moved.rename(one.state_dir)
	one.wait_ready()
	one.stop(check=False)


# --- the page -----------------------------------------------------------------------------------------------


def browse(url: str, folder, *flags: str) -> tuple[str, str]:
	"""The page as Chromium has it after its script has run, and what Chromium says of it."""
	done = subprocess.run(
		["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars",
		 "--disable-extensions", "--disable-background-networking", "--disable-component-update", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost",
		 f"--user-data-dir={folder}/chromium", "--enable-logging=stderr", "--virtual-time-budget=9000", *flags, "--dump-dom", url],
		capture_output=True, text=True, timeout=120, env={**os.environ, "HOME": str(folder)},
	)  # fmt: skip
	assert done.returncode == 0, done.stderr[-2000:]
	return done.stdout, done.stderr


@once
def test_the_page_in_a_browser(request, busy, tmp_path):
	if not shutil.which("chromium"):
		missing(request, "Chromium", "apt-get install chromium")
	url = f"http://localhost:{busy.admin_port}/"
	dom, said = browse(url, tmp_path, f"--screenshot={tmp_path}/page.png", "--window-size=1200,900")
	complaints = [line for line in said.splitlines() if "CONSOLE" in line or "Refused" in line or "Content Security Policy" in line]
	assert not complaints, complaints
	assert 'data-state="live"' in dom, dom[-3000:]
	text = re.sub(r"<[^>]*>", " ", dom.split("<script>")[0])
	for wanted in (r"\bapp\b.*\bnet\b", r"3\.1|5\.1", r"\bmatch\b", r"\bredact\b", r"\bloki\b", r"status=503", r"running for"):
		assert re.search(wanted, text, re.S), (wanted, text)
	assert (tmp_path / "page.png").stat().st_size > 10_000
	keep = os.environ.get("TAILRACE_SCREENSHOT")
	if keep:
		shutil.copy(tmp_path / "page.png", keep)


@once
def test_the_page_and_its_policy(busy):
	"""Nothing from elsewhere is wanted, and nothing from elsewhere would be run."""
	conn = http.client.HTTPConnection("127.0.0.1", busy.admin_port, timeout=10)
	conn.request("GET", "/")
	answer = conn.getresponse()
	page, policy = answer.read().decode(), answer.getheader("Content-Security-Policy")
	assert answer.status == 200 and "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
	for tag in ("script", "style"):
		(inside,) = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.S)
		digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
		assert f"{tag}-src 'sha256-{digest}'" in policy
	assert not re.search(r"https?://|//[a-z]|@import|innerHTML|<[^>]+\son[a-z]+=", page), "the page stands for itself"
