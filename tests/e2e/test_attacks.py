# SPDX-License-Identifier: Apache-2.0
"""What has broken other agents' file inputs, one test each; tests/attacks.md lists them all and where they are tested."""

import gzip
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
