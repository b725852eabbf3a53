# SPDX-License-Identifier: Apache-2.0
"""Loki away, slow, refusing, cutting connections, losing answers: everything arrives, once, and in order."""

import base64
import itertools
import json
import ssl
import subprocess
import time

import pytest

from faultloki import Fault, FaultLoki
from proxy import Proxy
from scale import scale
from work import arrived, config, difference, file_input, loki_output, numbered, text


@pytest.fixture
def proxy(loki):
	server = Proxy(loki.url)
	yield server
	server.down()


@pytest.fixture
def tail(agent, tenant, tmp_path):
	"""tail(url, lines, **options of the output): an agent on a file with these lines."""

	def tail(url: str, lines: list[str], **output):
		log = tmp_path / "app.log"
		log.write_text(text(lines))
		return agent(config(
			{"app": file_input(log)}, loki_output(url, tenant, **output), shutdown_timeout="2s",
		))

	return tail


def append(path, lines):
	with open(path, "a") as f:
		f.write(text(lines))


# --- away ---------------------------------------------------------------------------------------------------


def test_down_at_the_start_and_again_later(tail, proxy, loki, tmp_path):
	lines = numbered(6000)
	proxy.down()
	one = tail(proxy.push_url, lines[:2000])
	one.wait_metric("tailrace_push_retries_total", 2)
	assert one.metrics().sum("tailrace_output_up") == 0
	assert loki.count('{job="app"}') == 0
	append(tmp_path / "app.log", lines[2000:3000])
	proxy.up()
	assert loki.wait_count('{job="app"}', 3000) == 3000
	one.wait(lambda: one.metrics().sum("tailrace_output_up") == 1, 5, "up again")
	proxy.down()
	append(tmp_path / "app.log", lines[3000:])
	time.sleep(1)
	proxy.up()
	arrived(one, loki, '{job="app"}', lines)


def test_waiting_costs_nothing(tail, fault_loki):
	lines = numbered(2000)
	fault_loki.down()
	one = tail(fault_loki.push_url, lines)
	one.wait_metric("tailrace_push_retries_total", 1)
	began, cpu = time.monotonic(), one.cpu_s()
	time.sleep(2)
	used = (one.cpu_s() - cpu) / (time.monotonic() - began)
	fault_loki.up()
	assert difference(fault_loki.wait_lines(2000), lines) == ""
	assert used < 0.10, f"{used:.0%} of a core while Loki is down"


def test_a_name_that_does_not_resolve_is_retried(tail):
	one = tail("http://no-such-host.invalid:3100", numbered(5))
	one.wait_metric("tailrace_push_retries_total", 1)
	assert one.get("/healthz")[0] == 200
	ledger = one.stop()
	assert ledger["main", "loki"]["held"] == 5


def test_slow(tail, fault_loki):
	lines = numbered(5000)
	fault_loki.otherwise = lambda push: Fault.ok().slow(0.4)
	one = tail(fault_loki.push_url, lines, batch_size="64KiB")
	assert difference(fault_loki.wait_lines(len(lines), 40), lines) == ""
	one.wait_idle()
	assert len(fault_loki.kept(repeats=True)) == len(lines), "slow is no reason to send twice"


def test_longer_than_the_timeout_counts_as_lost(tail, fault_loki):
	lines = numbered(100)
	fault_loki.script(Fault.status(204, stored=True).slow(1.5))
	one = tail(fault_loki.push_url, lines, timeout="500ms")
	fault_loki.wait(lambda s: len(s.pushes) >= 2, 20, "the push was sent again")
	assert difference(fault_loki.wait_lines(len(lines)), lines) == ""
	one.wait_idle()
	assert fault_loki.pushes[0].raw == fault_loki.pushes[1].raw


# --- answers that mean: later -------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [408, 429, 500, 503])
def test_retried_with_the_same_bytes(tail, fault_loki, code):
	lines = numbered(500)
	fault_loki.script(Fault.status(code, "not now\n", stored=code == 500) * 3)
	one = tail(fault_loki.push_url, lines)
	assert difference(fault_loki.wait_lines(500), lines) == ""
	metrics = one.wait_idle()
	first = fault_loki.pushes[:4]
	assert [p.fault.code for p in first] == [code] * 3 + [204]
	assert len({p.raw for p in first}) == 1, "every retry carries the same bytes"
	gaps = [b.at - a.at for a, b in itertools.pairwise(first)]
	assert all(g > 0.015 for g in gaps) and sum(gaps) > 0.1, f"retried at once: {gaps}"
	assert metrics.sum("tailrace_push_retries_total") >= 3
	assert metrics.sum("tailrace_records_dropped_total") == 0


@pytest.mark.parametrize("retry_after", ["2", "http-date"])
def test_429_waits_as_long_as_it_is_told(tail, fault_loki, retry_after):
	lines = numbered(100)
	if retry_after == "http-date":  # whole seconds: two to three from now
		retry_after = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 3))
		least = 1.0
	else:
		least = 1.95
	fault_loki.script(Fault.rate_limited(retry_after))
	one = tail(fault_loki.push_url, lines)
	assert difference(fault_loki.wait_lines(100), lines) == ""
	one.wait_idle()
	first, second = fault_loki.pushes[:2]
	assert second.at - first.at >= least, "came back too early"
	assert second.at - first.at < 15


def test_260_is_no_delivery(tail, fault_loki):
	lines = numbered(200)
	fault_loki.script(Fault.blocked() * 3)
	one = tail(fault_loki.push_url, lines)
	fault_loki.wait(lambda s: len(s.pushes) >= 1, 20)
	assert one.metrics().sum("tailrace_records_delivered_total") == 0
	assert difference(fault_loki.wait_lines(200), lines) == ""
	one.wait_idle()
	assert len(fault_loki.pushes) >= 4


@pytest.mark.parametrize("code", [401, 403, 404])
def test_wrong_credentials_or_address_hold_everything(tail, fault_loki, code):
	lines = numbered(50)
	fault_loki.script(Fault.status(code, "no\n") * 2)
	one = tail(fault_loki.push_url, lines)
	fault_loki.wait(lambda s: len(s.pushes) >= 2, 40, "tried again")
	metrics = one.metrics()
	assert metrics.sum("tailrace_records_dropped_total") == 0
	assert any(e.get("level") in ("warn", "error") for e in one.events()), "somebody is told"
	assert difference(fault_loki.wait_lines(50, 60), lines) == ""


def basic(user: str, password: str) -> str:
	return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_credentials_are_read_again_when_refused(tail, fault_loki, tmp_path):
	secret = tmp_path / "password"
	secret.write_text("oldSecret77\n")
	wanted = basic("agent", "newSecret88")
	fault_loki.otherwise = lambda push: (
		Fault.ok() if push.headers.get("authorization") == wanted else Fault.status(401, "no\n")
	)
	one = tail(
		fault_loki.push_url, numbered(50), basic_auth={"username": "agent", "password": f"file:{secret}"},
		headers={"X-Team": "blue"},
	)
	fault_loki.wait(lambda s: len(s.pushes) >= 1, 20)
	assert fault_loki.pushes[0].headers["authorization"] == basic("agent", "oldSecret77")
	assert fault_loki.pushes[0].headers["x-team"] == "blue"
	secret.write_text("newSecret88\n")
	assert difference(fault_loki.wait_lines(50), numbered(50)) == ""
	one.wait_idle()
	said = one.log() + one.metrics().text + one.command("config", "--config", str(one.config_path)).stdout
	assert "Secret" not in said


def test_over_tls(agent, tenant, tmp_path):
	"""A certificate that is trusted is used; one that is not is refused, and nothing is sent."""
	key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
	subprocess.run(
		["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", key, "-out", cert,
		 "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"],
		check=True, capture_output=True,
	)
	context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
	context.load_cert_chain(cert, key)
	server = FaultLoki(context)
	log = tmp_path / "app.log"
	log.write_text(text(numbered(100)))

	def conf(**tls) -> dict:
		return config({"app": file_input(log)}, loki_output(server.url, tenant, tls=tls), shutdown_timeout="1s")

	try:
		one = agent(conf(ca_file=str(cert)))
		assert difference(server.wait_lines(100), numbered(100)) == ""
		one.wait_idle()
		other = agent(conf())
		other.wait_metric("tailrace_push_retries_total", 2)
		assert len(server.lines()) == 100
		assert other.stop()["main", "loki"]["held"] == 100
		server.check()
	finally:
		server.down()


def test_413_is_halved_until_it_fits(tail, fault_loki):
	lines = numbered(4000)
	fault_loki.otherwise = lambda push: Fault.too_large() if len(push.raw) > 40_000 else Fault.ok()
	one = tail(fault_loki.push_url, lines)
	assert difference(fault_loki.wait_lines(len(lines), 60), lines) == ""
	metrics = one.wait_idle(60)
	assert metrics.sum("tailrace_records_dropped_total") == 0


# --- connections --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", ["before", "mid", "after", "hang", "lose"])
def test_cut_connections(tail, proxy, loki, tmp_path, cut):
	lines = numbered(scale(4000))
	proxy.script(*([cut, cut, "pass"] * 4))
	one = tail(proxy.push_url, lines, batch_size="64KiB")
	arrived(one, loki, '{job="app"}', lines, timeout_s=60)
	assert proxy.done[cut] >= 2
	metrics = one.metrics()
	assert metrics.sum("tailrace_records_delivered_total") == len(lines)
	if cut != "lose":
		return
	# Idle connections that are gone when the next push comes.
	proxy.cut_all()
	append(tmp_path / "app.log", numbered(10, "later"))
	assert loki.wait_count('{job="app"} |= "later"', 10) == 10


def test_everything_at_once(tail, proxy, loki, tmp_path):
	"""A mix in a fixed order, lines written meanwhile; Loki counts each once."""
	lines = numbered(scale(9000))
	mix = ["lose", "500", "mid", "pass", "429", "before", "lose", "260", "after", "503", "hang", "pass"]
	proxy.script(*(mix * scale(2)))
	one = tail(proxy.push_url, lines[:3000], batch_size="32KiB")
	for start in range(3000, len(lines), 500):
		append(tmp_path / "app.log", lines[start : start + 500])
		time.sleep(0.05)
	arrived(one, loki, '{job="app"}', lines, timeout_s=90)


# --- refused for good ---------------------------------------------------------------------------------------


def test_loki_refuses_some_entries(agent, loki_default, tenant, tmp_path):
	"""Loki's own limits: what it refuses is in the dead-letter file with its reason, the rest in Loki. Few bytes: Loki
	splits a stream above 1.5 MB/s, and does not recognise in one part what it has in another."""
	now = time.time()

	def stamp(seconds_ago: float) -> str:
		return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now - seconds_ago))

	good = [f"{stamp(60 - i / 10)} good {i}" for i in range(300)]
	old = [f"{stamp(8 * 86400 + i)} old {i}" for i in range(5)]
	new = [f"{stamp(-3600 - i)} new {i}" for i in range(3)]
	many = [f"{stamp(20)} many {i} labels" for i in range(4)]
	lines = good[:100] + old[:3] + good[100:150] + many + new + good[150:299] + old[3:] + good[299:]
	log = tmp_path / "app.log"
	log.write_text(text(lines))
	stages = [
		{"regex": {"expression": r"^(?P<ts>\S+)"}},
		{"timestamp": {"source": "ts", "format": "RFC3339"}},
		{"match": {
			"selector": '{job="app"} |= " many "',
			"stages": [{"static_labels": {f"l{i}": "x" for i in range(16)}}],
		}},
	]
	conf = config({"app": file_input(log)}, loki_output(loki_default.push_url, tenant), stages)
	conf["pipelines"]["main"]["max_labels"] = 64  # more than Loki takes: it is to refuse them
	one = agent(conf)
	refused = old + new + many
	one.wait_metric("tailrace_dead_letters_total", len(refused), 60)
	loki_default.wait_count('{job="app"}', len(good))
	one.wait_idle()
	assert difference(sorted(loki_default.lines('{job="app"}')), sorted(good)) == ""
	ledger = one.stop()
	row = ledger["main", "loki"]
	assert (row["delivered"], row["dropped"]) == (len(good), len(refused))
	letters = dead_letters(one)
	assert sorted(l["line"] for l in letters) == sorted(refused)
	for letter in letters:
		kind = letter["line"].split()[1]
		reason = letter["reason"]
		want = {"old": "too old", "new": "too new", "many": "label names; limit 15"}[kind]
		assert want in reason, (kind, reason)
	# A restart does not send them again.
	one.start()
	time.sleep(0.5)
	one.wait_idle()
	assert one.metrics().sum("tailrace_records_in_total") == 0


def test_a_line_longer_than_loki_takes_is_cut(agent, loki_default, tenant, tmp_path):
	log = tmp_path / "app.log"
	log.write_text(text([f"long {i} " + "L" * 300_000 for i in range(2)]))
	agent(config({"app": file_input(log)}, loki_output(loki_default.push_url, tenant, max_line="512KiB")))
	assert loki_default.wait_count('{job="app"}', 2) == 2
	for record in loki_default.read('{job="app"}'):
		assert 190_000 < len(record.line) <= 262_144 and "cut" in record.metadata["tailrace_flags"]


def dead_letters(one) -> list[dict]:
	found = []
	for path in one.state_dir.glob("dead-letters/*.jsonl*"):
		assert path.stat().st_mode & 0o077 == 0
		found += [json.loads(line) for line in path.read_text().splitlines()]
	return found


@pytest.mark.parametrize("code", [400, 422])
def test_a_refusal_without_a_reason_we_know_ends(tail, fault_loki, code):
	"""One bad entry among many, and an answer nobody can read: split until it is alone."""
	lines = numbered(300)
	lines[123] = "the bad one"

	def decide(push):
		return Fault.status(code, "cannot say why\n", stored=False) if "the bad one" in push.lines else Fault.ok()

	fault_loki.otherwise = decide
	one = tail(fault_loki.push_url, lines)
	one.wait_metric("tailrace_dead_letters_total", 1, 40)
	good = [line for line in lines if line != "the bad one"]
	assert difference(fault_loki.wait_lines(len(good)), good) == ""
	one.wait_idle()
	(letter,) = dead_letters(one)
	assert letter["line"] == "the bad one" and "cannot say why" in letter["reason"]


def test_the_dead_letter_file_is_bounded(tail, fault_loki):
	lines = [f"{i:05d} " + "d" * 500 for i in range(3000)]
	fault_loki.otherwise = lambda push: Fault.partial(
		lambda s, e: True, "3000 errors like: max entry size '262144' bytes exceeded for stream '{}' while adding an entry\n"
	)
	one = tail(fault_loki.push_url, lines, dead_letter={"max_size": "256KiB"})
	one.wait_idle(60)
	metrics = one.metrics()
	kept, lost = dead_letters(one), metrics.sum("tailrace_dead_letters_dropped_total")
	assert len(kept) + lost == len(lines) and lost > 0
	size = sum(p.stat().st_size for p in one.state_dir.glob("dead-letters/*"))
	assert 0 < size <= 256 * 1024


def test_dead_letters_are_listed_and_replayed(tail, fault_loki, tmp_path):
	"""Beside the running agent; what is refused again is a dead letter again."""
	lines = numbered(300)
	reason = "1 errors like: entry for stream '{}' has timestamp too old: A\n"

	def refusing(bad):
		return lambda push: (
			Fault.partial(lambda s, e: bad in e.line, reason) if any(bad in line for line in push.lines) else Fault.ok()
		)

	fault_loki.otherwise = refusing("7 ")
	fault_loki.ordered = False  # what is sent again is older than what was stored
	one = tail(fault_loki.push_url, lines)
	refused = [line for line in lines if "7 " in line]
	one.wait_metric("tailrace_dead_letters_total", len(refused), 60)
	one.wait_idle()

	def command(*args):
		return one.command("dead-letters", *args, "--config", str(one.config_path))

	listed = command("list")
	assert listed.returncode == 0 and "too old" in listed.stdout and refused[0] in listed.stdout
	assert [json.loads(l)["line"] for l in command("list", "loki", "--format", "json").stdout.splitlines()] == refused
	fault_loki.otherwise = refusing("17 ")
	again = [line for line in refused if "17 " in line]
	done = command("replay")
	assert done.returncode == 0, done.stderr
	assert f"loki: {len(refused) - len(again)} delivered, {len(again)} refused again, 0 unreadable" in done.stdout
	assert sorted(fault_loki.lines()) == sorted(line for line in lines if line not in again)
	assert [letter["line"] for letter in dead_letters(one)] == again
	fault_loki.otherwise = lambda push: Fault.ok()
	(path,) = one.state_dir.glob("dead-letters/*.jsonl")
	with open(path, "a") as f:
		f.write("no letter\n")
	done = command("replay", "loki")
	assert "0 refused again, 1 unreadable" in done.stdout
	assert sorted(fault_loki.lines()) == sorted(lines)
	entries = [e for _, e in fault_loki.kept(repeats=True)]
	assert len(set(entries)) == len(lines), "sent again as they were"
	assert sorted(p.name for p in one.state_dir.glob("dead-letters/*")) == ["loki.jsonl.unreadable", "loki.lock"]
	assert command("replay", "lokki").returncode == 2
	assert command("reply").returncode == 2
