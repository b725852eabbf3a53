# SPDX-License-Identifier: Apache-2.0
"""What has broken other agents' file inputs, one test each; tests/attacks.md lists them all and where they are tested."""

import gzip
import json
import os
import shlex
import subprocess
import time

import pytest

from conftest import missing
from scale import scale
from work import arrived, config, difference, file_input, loki_output, numbered, text


def tail_of(paths, loki, tenant, **more):
	paths = paths if isinstance(paths, list) else [paths]
	return config({"app": file_input(*paths, **more)}, loki_output(loki.push_url, tenant))


def append(path, lines):
	with open(path, "a") as f:
		f.write(text(lines))


@pytest.fixture
def mount(request, tmp_path):
	"""Mounts that are gone after the test; needs root and a kernel that lets it."""
	mounted = []

	def run(kind: str, where, options: str = "") -> None:
		where.mkdir(exist_ok=True)
		done = subprocess.run(
			["mount", "-t", kind, *(["-o", options] if options else []), kind, str(where)], capture_output=True, text=True
		)
		if done.returncode != 0:
			missing(request, "mount", done.stderr.strip())
		mounted.append(where)

	yield run
	for where in reversed(mounted):
		subprocess.run(["umount", "-l", str(where)], capture_output=True)


def test_file_names_of_any_bytes(agent, loki, tenant, tmp_path):
	"""F2: names are escaped in labels and in our own log, and never taken for anything but a name."""
	logs = tmp_path / "logs"
	logs.mkdir()
	names = [b'quo"te', b"back\\slash", b"new\nline", b"esc\x1b[31m", b"{a,b}", b"star*", b"bad\xff\xfeutf8", "Ünï✓".encode(),
	         b"sp ace", b"tab\tin", b"$x${y}", b"a" * 251]
	for number, name in enumerate(names):
		with open(os.fsencode(logs) + b"/" + name + b".log", "w") as f:
			f.write(f"line {number}\n")
	one = agent(tail_of(logs / "*.log", loki, tenant))
	assert loki.wait_count('{job="app"}', len(names)) == len(names)
	found = {r.line: r.label["filename"] for r in loki.read('{job="app"}')}
	for number, name in enumerate(names):
		want = (os.fsencode(logs) + b"/" + name + b".log").decode(errors="replace").replace("\ufffd", "?")
		assert found[f"line {number}"] == want
	assert not any("\x1b" in line for line in one.log().splitlines())
	one.stop()
	one.start()
	for name in names:
		with open(os.fsencode(logs) + b"/" + name + b".log", "a") as f:
			f.write("again\n")
	assert loki.wait_count('{job="app"}', 2 * len(names)) == 2 * len(names), "known by name after a restart"


def test_a_hundred_rotations_a_second(agent, loki, tenant, tmp_path):
	"""21: a file has its name for an instant, then one that no pattern matches, and moves on in the chain."""
	logs = tmp_path / "logs"
	logs.mkdir()
	log, lines = logs / "app.log", []
	one = agent(tail_of(log, loki, tenant, rotate_wait="30s"))
	for turn in range(scale(150)):
		part = numbered(20, "a", 20 * turn)
		append(log, part)
		lines += part
		if turn % 10 == 9:  # what was deleted before anybody could open it is gone: not further behind than the chain is long
			one.wait_metric("tailrace_input_records_total", len(lines))
		for i in range(20, 0, -1):
			old = logs / (f"app.log.{i - 1}" if i > 1 else "app.log")
			if old.exists():
				os.rename(old, logs / f"app.log.{i}")
		time.sleep(0.01)
	append(log, ["the end"])
	arrived(one, loki, '{job="app"}', [*lines, "the end"], timeout_s=60)


def test_links_as_kubernetes_has_them(agent, loki, tenant, tmp_path):
	"""25: containers/x.log -> pods/x/0.log, rotated behind the link; a link to nothing; links in a circle; a link that
	leads elsewhere: both targets are read to their end."""
	pods, containers = tmp_path / "pods", tmp_path / "containers"
	for folder in (pods / "x", pods / "y", containers):
		folder.mkdir(parents=True)
	target, link = pods / "x" / "0.log", containers / "x.log"
	append(target, numbered(100, "a"))
	link.symlink_to(target)
	(containers / "gone.log").symlink_to(pods / "nothing.log")
	(containers / "round.log").symlink_to(containers / "circle.log")
	(containers / "circle.log").symlink_to(containers / "round.log")
	one = agent(tail_of(containers / "*.log", loki, tenant, scan_interval="300ms"))
	loki.wait_count('{job="app"}', 100)
	os.rename(target, pods / "x" / "0.log.20261121")  # as the kubelet rotates
	append(pods / "x" / "0.log.20261121", numbered(50, "a", 100))
	append(target, numbered(50, "a", 150))
	loki.wait_count('{job="app"}', 200)
	other = pods / "y" / "0.log"
	append(other, numbered(50, "a", 250))
	append(target, numbered(50, "a", 200))
	new = containers / "x.new"
	new.symlink_to(other)
	os.rename(new, link)
	arrived(one, loki, '{job="app"}', numbered(300, "a"), ordered=False)
	(pods / "nothing.log").write_text("there now\n")
	assert loki.wait_count('{job="app", filename="%s"}' % (containers / "gone.log"), 1) == 1
	assert {s["filename"] for s in loki.streams('{job="app"}')} == {str(link), str(containers / "gone.log")}


def test_no_inotify_watches_left(agent, request, loki, tenant, tmp_path):
	"""26: the limit is used up: what cannot be watched is polled."""
	shell = "echo 3 > /proc/sys/user/max_inotify_watches && exec {program} \"$@\""
	wrap = ["unshare", "--user", "--map-root-user", "sh", "-c"]
	if subprocess.run([*wrap, "echo 3 > /proc/sys/user/max_inotify_watches"], capture_output=True).returncode != 0:
		missing(request, "user namespaces", "unshare --user does not work here")
	logs = tmp_path / "logs"
	for i in range(8):
		(logs / f"d{i}").mkdir(parents=True)
	one = agent(tail_of(logs / "*" / "*.log", loki, tenant, poll_interval="100ms", scan_interval="500ms"), start=False)
	wrapper = tmp_path / "wrapper"
	command = shlex.join([*wrap, shell.format(program=shlex.quote(one.program)), "sh"])
	wrapper.write_text(f"#!/bin/sh\nexec {command} \"$@\"\n")
	wrapper.chmod(0o755)
	one.program = str(wrapper)
	one.start()
	want = []
	for turn in range(3):
		for i in range(8):
			part = numbered(20, f"d{i}", 20 * turn)
			append(logs / f"d{i}" / "a.log", part)
			want += part
		assert loki.wait_count('{job="app"}', len(want)) == len(want)
	assert difference(sorted(loki.lines('{job="app"}')), sorted(want)) == ""


def test_half_a_line_and_a_rotation(agent, loki, tenant, tmp_path):
	"""28: the half is not glued to the next file; the rest, when it still comes, completes it."""
	log = tmp_path / "app.log"
	one = agent(tail_of(log, loki, tenant, rotate_wait="1s", partial_wait="10m"))
	with open(log, "w", buffering=1) as f:
		f.write("whole\nhalf of ")
		loki.wait_count('{job="app"}', 1)
		os.rename(log, tmp_path / "app.log.1")
		append(log, ["new one"])
		f.write("a line\nhalf again")
	lines = ["whole", "half of a line", "new one", "half again"]
	arrived(one, loki, '{job="app"}', lines, ordered=False)
	flags = {r.line: r.metadata.get("tailrace_flags", "") for r in loki.read('{job="app"}')}
	assert [line for line in lines if "partial" in flags[line]] == ["half again"]


def test_compressed_and_deleted_before_it_was_read(agent, fault_loki, tenant, tmp_path):
	"""29: Loki is away, memory is full, and each .1 is compressed at once: what is open is read to its end."""
	logs = tmp_path / "logs"
	logs.mkdir()
	log, lines = logs / "app.log", []
	fault_loki.down()
	one = agent(config({"app": file_input(log)}, loki_output(fault_loki.push_url, tenant), memory="24MiB"))
	for turn in range(6):
		part = numbered(5000, "a", 5000 * turn, pad=150)
		append(log, part)
		lines += part
		one.wait(lambda: one.metrics().sum("tailrace_files_open") == turn + 1, 30, "the new file is open")
		os.rename(log, logs / "app.log.1")
		(logs / f"app.log.{turn + 1}.gz").write_bytes(gzip.compress((logs / "app.log.1").read_bytes(), 1))
		(logs / "app.log.1").unlink()
	fault_loki.up()
	assert difference(fault_loki.wait_lines(len(lines), 60), lines) == ""
	one.wait_idle()


def test_the_file_system_goes_away_and_comes_back(agent, loki, tenant, tmp_path, mount):
	"""30: unmounted lazily under us; another one is mounted in its place."""
	logs = tmp_path / "logs"
	mount("tmpfs", logs, "size=1m")
	append(logs / "app.log", numbered(100, "a"))
	one = agent(tail_of(logs / "*.log", loki, tenant, rotate_wait="500ms", scan_interval="500ms"))
	loki.wait_count('{job="app"}', 100)
	with open(logs / "app.log", "a") as f:
		subprocess.run(["umount", "-l", str(logs)], check=True)
		f.write(text(numbered(50, "a", 100)))  # whoever has it open can still write, and we read it
	assert loki.wait_count('{job="app"}', 150) == 150
	mount("tmpfs", logs, "size=1m")
	append(logs / "app.log", numbered(50, "a", 150))
	arrived(one, loki, '{job="app"}', numbered(200, "a"))
	one.wait(lambda: one.metrics().sum("tailrace_files_open") == 1, 20, "the old one is let go")


def test_a_file_that_is_copied_up(agent, loki, tenant, tmp_path, mount):
	"""31: an overlay: what we opened is the lower file; the first write makes an upper one, and our descriptor sees
	nothing of that."""
	base, merged = tmp_path / "base", tmp_path / "merged"
	mount("tmpfs", base, "size=1m")
	for name in ("lower", "upper", "work"):
		(base / name).mkdir()
	append(base / "lower" / "app.log", numbered(100, "a"))
	mount("overlay", merged, f"lowerdir={base}/lower,upperdir={base}/upper,workdir={base}/work")
	one = agent(tail_of(merged / "*.log", loki, tenant, scan_interval="500ms"))
	loki.wait_count('{job="app"}', 100)
	for turn in range(1, 4):
		append(merged / "app.log", numbered(100, "a", 100 * turn))
		assert loki.wait_count('{job="app"}', 100 * turn + 100) == 100 * turn + 100
	arrived(one, loki, '{job="app"}', numbered(400, "a"))


def test_files_without_end(agent, loki, tenant, tmp_path):
	"""F3: a terabyte of hole, megabytes of NUL, a line that does not end: memory stays, what follows them arrives, and
	what was cut is counted with its length. Others are read meanwhile."""
	logs = tmp_path / "logs"
	logs.mkdir()
	one = agent(tail_of(logs / "*.log", loki, tenant))
	append(logs / "quiet.log", ["before"])
	loki.wait_count('{job="app"}', 1)
	before = one.rss_bytes()
	with open(logs / "sparse.log", "wb") as f:
		f.write(b"a\n")
		f.seek(2**40)
		f.write(b"behind the hole\n")
	with open(logs / "nul.log", "wb") as f:
		for _ in range(scale(32)):
			f.write(bytes(2**20))
		f.write(b"behind the NULs\n")
	endless = scale(64) * 2**20
	with open(logs / "endless.log", "wb") as f:
		for _ in range(endless // 2**20):
			f.write(b"x" * 2**20)
		f.write(b"\nbehind the line\n")
	append(logs / "quiet.log", ["meanwhile"])
	lines = ["before", "meanwhile", "a", "behind the hole", "behind the NULs", "behind the line"]
	assert loki.wait_count('{job="app"} !~ "^x+$"', len(lines), 90) == len(lines)
	one.wait_idle()
	read = loki.read('{job="app"}')
	cut = [r for r in read if r.line.startswith("xxx")]
	assert len(cut) <= 1 + endless // 2**26, "it counts as a line after 64 MiB"
	assert "cut" in cut[0].metadata["tailrace_flags"]
	assert sum(int(r.metadata.get("tailrace_full_length", len(r.line))) for r in cut) == endless
	assert {r.line for r in read if r not in cut} == set(lines)
	if not one.sanitized:
		assert one.peak_rss_bytes() < before + 24 * 2**20


def test_damaged_container_lines(agent, loki, tenant, tmp_path):
	"""F4: parts that never end, headers of every wrong form, JSON cut anywhere: a line that is none is kept and flagged,
	and the next good one is read as if nothing had been."""
	logs = tmp_path / "logs"
	logs.mkdir()
	stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000000000Z", time.gmtime())
	bad = ["", "no header at all", stamp, f"{stamp} stdout", f"{stamp} stdlog F text", f"{stamp}  F text",
	       f"{stamp[:-1]}+99:99 stdout F text", "stdout F text", "{", "\ufeff" + f"{stamp} stdout F text"]
	docker = ['{"log":"cut \\u12', '{"log":"lone \\ud800 half\\n","stream":"stdout","time":"%s"}' % stamp, '{"log":"","stream":"stdout"}',
	          '{"stream":"stdout","time":"%s"}' % stamp, '{"log":7,"stream":"stdout"}', "[]", "null", '{"log":"a\\n"', "not JSON"]
	docker_good = docker[1:2]
	parts = [f"{stamp} stdout P " + "p" * 1000] * 2000  # two megabytes, and no end
	good = f"{stamp} stderr F good"
	one = agent(config(
		{"cri": file_input(logs / "cri.log", format="cri", partial_wait="1s"),
		 "docker": file_input(logs / "docker.log", format="docker", partial_wait="1s")},
		loki_output(loki.push_url, tenant),
	))
	append(logs / "cri.log", [*bad, *parts[:1000], good, *parts[1000:], f"{stamp} stdout F end", f"{stamp} stdout F good"])
	escapes = json.dumps({"log": "\n" * 200_000 + "\n", "stream": "stdout", "time": stamp})
	append(logs / "docker.log", [*docker, escapes, json.dumps({"log": "good\n", "stream": "stderr", "time": stamp})])
	assert loki.wait_count('{job=~"cri|docker"} |= "good"', 3) == 3
	one.wait_idle()
	cri = loki.read('{job="cri"}')
	read = {job: loki.read('{job="%s"}' % job) for job in ("cri", "docker")}
	flags = {job: {r.line: r.metadata.get("tailrace_flags") for r in records} for job, records in read.items()}
	for line in bad:
		assert flags["cri"][line] == "unparsed", line
	for line in docker:
		if line not in docker_good:
			assert flags["docker"][line] == "unparsed", line
	assert flags["docker"]["lone \ufffd half"] is None
	assert sorted(r.label["stream"] for r in read["cri"] if r.line == "good") == ["stderr", "stdout"]
	joined = [r for r in read["cri"] if r.line.startswith("p")]
	assert [(len(r.line), r.metadata["tailrace_flags"]) for r in joined] == [(256 * 1024, "cut")]
	assert int(joined[0].metadata["tailrace_full_length"]) == 2_000_000 + len("end")
	assert one.metrics().sum("tailrace_stage_errors_total", stage="cri") == len(bad)


@pytest.mark.parametrize("encoding,mark", [("utf-16-le", b"\xff\xfe"), ("utf-16-be", b"\xfe\xff")])
def test_utf16_in_pieces_and_rotation(agent, loki, tenant, tmp_path, encoding, mark):
	"""A writer that stops in the middle of a character, a character of two units, a rotation and a restart in between."""
	log = tmp_path / "app.log"
	lines = [f"Zeile {i:04d} Grüße 日本 \U0001f600" for i in range(200)]
	one = agent(tail_of(log, loki, tenant, rotate_wait="1s"))
	data = mark + text(lines[:100]).encode(encoding)
	with open(log, "wb", buffering=0) as f:
		for at in range(0, len(data), 37):
			f.write(data[at:at + 37])
			if at == 37 * 60:
				loki.wait_count('{job="app"}', 10)
				one.kill()
				one.start()
	os.rename(log, tmp_path / "app.log.1")
	log.write_bytes(mark + text(lines[100:]).encode(encoding))
	arrived(one, loki, '{job="app"}', lines)
