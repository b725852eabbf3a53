# SPDX-License-Identifier: Apache-2.0
"""The file output: everything is in it, rotated and bounded; a full disk, a kill, and a slower mirror lose nothing."""

import json
import os
import subprocess
import time

import pytest

from faultloki import Fault
from work import difference, file_input, loki_output, numbered, text


def conf(log, path, **output) -> dict:
	return {
		"inputs": {"app": file_input(log)},
		"outputs": {"archive": {"type": "file", "path": str(path)} | output},
		"pipelines": {"main": {"from": ["app"], "to": ["archive"]}},
		"shutdown_timeout": "2s",
	}


def read(path) -> list[str]:
	"""The lines of the records in all files, the oldest first."""
	files = sorted(path.parent.glob(path.name + "*"), key=lambda p: -int(p.name.removeprefix(path.name).lstrip(".") or 0))
	return [json.loads(line)["line"] for p in files for line in p.read_text().splitlines()]


@pytest.mark.parametrize("sync", ["never", "second", "always"])
def test_json_lines_in_rotated_files(agent, tmp_path, sync):
	log, path = tmp_path / "app.log", tmp_path / "out.jsonl"
	lines = numbered(5000)
	log.write_text(text(lines))
	one = agent(conf(log, path, max_size="64KiB", max_files=1000, sync=sync))
	one.wait_metric("tailrace_records_delivered_total", len(lines))
	one.wait_idle()
	assert difference(read(path), lines) == ""
	assert len(list(tmp_path.glob("out.jsonl*"))) > 5
	record = json.loads(path.read_text().splitlines()[0])
	assert record["labels"]["job"] == "app" and record["time"].endswith("Z")


def test_bounded(agent, tmp_path):
	log, path = tmp_path / "app.log", tmp_path / "out.txt"
	lines = numbered(20000)
	log.write_text(text(lines))
	one = agent(conf(log, path, format="text", max_size="256KiB", max_files=2))
	one.wait_metric("tailrace_records_delivered_total", len(lines))
	one.wait_idle()
	files = list(tmp_path.glob("out.txt*"))
	assert len(files) == 2 and sum(p.stat().st_size for p in files) <= 2 * 256 * 1024
	assert lines[-1] in path.read_text()


def test_nothing_is_lost_by_a_kill(agent, tmp_path):
	log, path = tmp_path / "app.log", tmp_path / "out.jsonl"
	log.touch()
	one = agent(conf(log, path))
	lines = []
	for round in range(5):
		more = numbered(3000, f"r{round}")
		lines += more
		with open(log, "a") as f:
			f.write(text(more))
		one.wait(lambda: len(path.read_bytes()) > 50_000 * (round + 1), 20, "some of it written")
		one.kill()
		one.start()
	one.wait(lambda: set(read_whole(path)) >= set(lines), 30, "all of it")
	one.wait_idle()


def read_whole(path) -> list[str]:
	found = []
	for line in path.read_text().splitlines():
		try:
			found.append(json.loads(line)["line"])
		except json.JSONDecodeError:
			pass  # cut by a kill; sent again
	return found


@pytest.fixture
def small_disk(tmp_path):
	"""A file system of 400 KiB."""
	folder = tmp_path / "disk"
	folder.mkdir()
	if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tailrace", folder], check=False).returncode:
		pytest.skip("needs root to mount a small file system")
	yield folder
	subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_holds_everything(agent, tmp_path, small_disk):
	log, path = tmp_path / "app.log", small_disk / "out.jsonl"
	(small_disk / "fill").write_bytes(b"x" * 300_000)
	lines = numbered(2000)
	log.write_text(text(lines))
	one = agent(conf(log, path))
	one.wait(lambda: any("cannot write" in e.get("msg", "") for e in one.events()), 20, "the disk is full")
	assert one.metrics().sum("tailrace_output_up") == 0
	subprocess.run(["mount", "-o", "remount,size=4m", small_disk], check=True)
	one.wait_metric("tailrace_records_delivered_total", len(lines))
	one.wait_idle()
	assert difference(read(path), lines) == ""
	assert one.metrics().sum("tailrace_output_up") == 1


def test_a_full_disk_with_drop_costs_what_does_not_fit(agent, tmp_path, small_disk):
	log, path = tmp_path / "app.log", small_disk / "out.jsonl"
	lines = numbered(20000)
	log.write_text(text(lines))
	one = agent(conf(log, path, when_full="drop"))
	metrics = one.wait_idle(30)
	kept = read(path)
	lost = metrics.sum("tailrace_records_dropped_total")
	assert lost > 0 and len(kept) + lost == len(lines)


def test_mirrors_the_slower_one_counts_unless_it_may_drop(agent, fault_loki, tenant, tmp_path):
	"""Two outputs of one pipeline. A cursor follows the slower of those that block; one that may drop holds nobody."""
	log, path = tmp_path / "app.log", tmp_path / "out.jsonl"
	lines = numbered(500)
	log.write_text(text(lines))
	fault_loki.otherwise = lambda push: Fault.status(503, "later\n")
	both = conf(log, path)
	both["outputs"]["loki"] = loki_output(fault_loki.push_url, tenant)
	both["pipelines"]["main"]["to"] = ["archive", "loki"]
	one = agent(both)
	one.wait(lambda: path.exists() and len(read_whole(path)) == len(lines), 20, "the file has all")
	time.sleep(0.3)
	ledger = one.stop()
	assert ledger["main", "loki"]["held"] == len(lines)
	one.start()  # nothing was passed by: the file gets it again
	one.wait(lambda: len(read_whole(path)) == 2 * len(lines), 20, "read again")
	fault_loki.otherwise = lambda push: Fault.ok()
	assert difference(fault_loki.wait_lines(len(lines)), lines) == ""
	one.wait_idle()
	one.stop()
	one.start()
	time.sleep(0.5)
	one.wait_idle()
	assert len(read_whole(path)) == 2 * len(lines)
