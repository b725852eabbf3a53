# SPDX-License-Identifier: Apache-2.0
"""Lines that belong together: stack traces, and the parts into which container runtimes cut long lines. Many files at
once, kills and restarts in the middle, rotation between two parts."""

import json
import os
import random
import threading
import time

import pytest

from proxy import Proxy
from scale import scale
from test_kill import kills
from work import arrived, config, file_input, loki_output, text

INDENT = {"indent": True, "continuation": "^Caused by: ", "max_wait": "2s"}


@pytest.fixture
def proxy(loki):
	server = Proxy(loki.url)
	yield server
	server.down()


def traces(count: int, source: str) -> list[str]:
	"""Records of a Java program, some with a trace below."""
	records = []
	for i in range(count):
		lines = [f"{source} n={i:06d} ERROR request failed"]
		if i % 3 == 0:
			lines += [f"\tat com.example.{source}.Handler.run(Handler.java:{k})" for k in range(i % 23)]
			lines += [f"Caused by: java.io.IOException: n={i}", "\t... 12 more"]
		records.append("\n".join(lines))
	return records



def now_line(stream: str, flag: str, content: str) -> str:
	ns = time.time_ns()
	stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ns // 10**9))
	return f"{stamp}.{ns % 10**9:09d}Z {stream} {flag} {content}"


def cri(records: list[tuple[str, str]], seed: int) -> list[str]:
	"""(stream, line) as a runtime writes them: long ones in parts, with the other stream in between."""
	pending = {stream: [r[1] for r in records if r[0] == stream] for stream in ("stdout", "stderr")}
	rest = {"stdout": None, "stderr": None}
	random_, lines = random.Random(seed), []
	while any(pending.values()) or any(r is not None for r in rest.values()):
		stream = random_.choice([s for s in pending if pending[s] or rest[s] is not None])
		line = rest[stream] if rest[stream] is not None else pending[stream].pop(0)
		part, more = line[:50], line[50:]
		rest[stream] = more if len(line) > 50 else None
		lines.append(now_line(stream, "P" if rest[stream] is not None else "F", part))
	return lines


def write_slowly(path, lines: list[str], end: threading.Event | None = None) -> threading.Thread:
	"""In pieces that end anywhere."""

	def run() -> None:
		data, at, number = text(lines).encode(), 0, 1
		with open(path, "ab", buffering=0) as f:
			while at < len(data):
				n = 500 + number * 7919 % 5000
				f.write(data[at:at + n])
				at, number = at + n, number + 1
				time.sleep(0.003)

	thread = threading.Thread(target=run, daemon=True)
	thread.start()
	return thread


def test_stack_traces_of_several_files(agent, loki, tenant, tmp_path):
	logs = tmp_path / "logs"
	logs.mkdir()
	records = {name: traces(400, name) for name in ("a", "b", "c", "d")}
	one = agent(config({"app": file_input(logs / "*.log", multiline=INDENT)}, loki_output(loki.push_url, tenant)))
	for thread in [write_slowly(logs / f"{n}.log", "\n".join(r).split("\n")) for n, r in records.items()]:
		thread.join()
	arrived(one, loki, '{job="app"}', [r for name in records for r in records[name]], ordered=False)
	for name, want in records.items():
		assert loki.lines('{filename="%s"}' % (logs / f"{name}.log")) == want
	joined = one.metrics().sum("tailrace_records_joined_total")
	assert joined == sum(r.count("\n") for name in records for r in records[name])


@pytest.mark.parametrize("where", ["input", "stages"])
def test_traces_are_the_same_after_kills(agent, loki, proxy, tenant, tmp_path, where):
	logs = tmp_path / "logs"
	logs.mkdir()
	records = {name: traces(scale(1500), name) for name in ("a", "b")}
	options = {"multiline": {**INDENT, "max_wait": "30s"}}
	one = agent(config(
		{"app": file_input(logs / "*.log", **(options if where == "input" else {}))},
		loki_output(proxy.push_url, tenant, batch_size="64KiB"), [options] if where == "stages" else None,
	), start=False)
	proxy.script(*(["pass", "lose", "pass", "500"] * 200))
	threads = [write_slowly(logs / f"{n}.log", "\n".join(r).split("\n")) for n, r in records.items()]
	kills(one, scale(6), seed=4)
	for thread in threads:
		thread.join()
	proxy._script.clear()
	one.start()
	# The last record of each is complete when nothing follows, or at the stop.
	want = [r for name in records for r in records[name]]
	loki.wait_count('{job="app"}', len(want) - 2, 60)
	one.stop()
	one.start()
	arrived(one, loki, '{job="app"}', want, timeout_s=60, ordered=False)


def test_parts_of_two_streams_and_kills(agent, loki, proxy, tenant, tmp_path):
	logs = tmp_path / "logs"
	logs.mkdir()
	files, want = {}, []
	for name in ("x", "y"):
		records = [
			(("stdout", "stderr")[i % 2], f"{name} n={i:05d} " + "\u00e4" * (i * 13 % 200)) for i in range(scale(1200))
		]
		files[name] = cri(records, seed=ord(name))
		want += [r[1] for r in records]
	one = agent(config(
		{"pods": file_input(logs / "*.log", format="auto", partial_wait="60s")},
		loki_output(proxy.push_url, tenant, batch_size="64KiB"),
	), start=False)
	proxy.script(*(["pass", "lose", "pass", "500"] * 200))
	threads = [write_slowly(logs / f"{n}.log", lines) for n, lines in files.items()]
	kills(one, scale(6), seed=5)
	for thread in threads:
		thread.join()
	proxy._script.clear()
	one.start()
	arrived(one, loki, '{job="pods"}', want, timeout_s=60, ordered=False)
	assert set(loki.lines('{stream="stderr"}')) == {line for line in want if int(line[4:9]) % 2}


def test_rotation_between_two_parts(agent, loki, tenant, tmp_path):
	log = tmp_path / "0.log"
	log.write_text(text([now_line("stdout", "F", "before"), now_line("stdout", "P", "begin-")]))
	one = agent(config({"pod": file_input(log, format="cri")}, loki_output(loki.push_url, tenant)))
	assert loki.wait_count('{job="pod"}', 1) == 1
	os.rename(log, tmp_path / "0.log.20260101-000000")
	log.write_text(text([now_line("stdout", "F", "end"), now_line("stdout", "F", "after")]))
	assert loki.wait_count('{job="pod"}', 3) == 3
	assert loki.lines('{job="pod"}') == ["before", "begin-end", "after"]
	one.wait_idle()


def test_a_held_line_delays_nobody(agent, loki, tenant, tmp_path):
	"""Neither the other files, nor what stands behind it in its own."""
	a, b = tmp_path / "a.log", tmp_path / "b.log"
	a.write_text(text([now_line("stdout", "P", "never-"), now_line("stderr", "F", "a stderr")]))
	one = agent(config(
		{"pod": file_input(tmp_path / "*.log", format="cri", partial_wait="1h")}, loki_output(loki.push_url, tenant),
	))
	b.write_text(text([now_line("stdout", "F", f"b {i}") for i in range(100)]))
	assert loki.wait_count('{job="pod"}', 101) == 101
	assert one.metrics().sum("tailrace_records_held") == 1
	# Its end, an hour later; killed before it comes.
	one.kill()
	one.start()
	with open(a, "a") as f:
		f.write(text([now_line("stdout", "F", "ended")]))
	assert loki.wait_count('{job="pod"}', 102) == 102
	assert loki.count('{job="pod"} |= "never-ended"') == 1


def test_a_part_without_end(agent, loki, tenant, tmp_path):
	log = tmp_path / "0.log"
	log.write_text(text([now_line("stdout", "P", "lonely")]))
	one = agent(config(
		{"pod": file_input(log, format="cri", partial_wait="300ms")}, loki_output(loki.push_url, tenant),
	))
	assert loki.wait_count('{job="pod"} | tailrace_flags="partial"', 1) == 1
	one.wait_idle()


def test_docker_lines(agent, loki, tenant, tmp_path):
	log = tmp_path / "c-json.log"

	def line(content: str, stream: str = "stdout") -> str:
		ns = time.time_ns()
		stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ns // 10**9)) + f".{ns % 10**9:09d}Z"
		return json.dumps({"log": content, "stream": stream, "time": stamp})

	long = "z" * 40_000
	log.write_text(text([
		line("one\n"), line(long[:16384]), line("err\n", "stderr"), line(long[16384:32768]), line(long[32768:] + "\n"),
	]))
	one = agent(config({"c": file_input(log, format="docker")}, loki_output(loki.push_url, tenant)))
	arrived(one, loki, '{job="c"}', ["one", "err", long], ordered=False)
	assert loki.lines('{stream="stderr"}') == ["err"]
