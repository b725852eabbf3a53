# SPDX-License-Identifier: Apache-2.0
"""Rotation while lines are written: by rename, by copytruncate, by the real logrotate."""

import os
import subprocess
import time

import pytest

from conftest import missing
from scale import scale
from work import Writer, arrived, config, difference, file_input, loki_output, numbered, sbin, text


def tail_of(path, loki, tenant, **more):
	return config({"app": file_input(path, **more)}, loki_output(loki.push_url, tenant))


def test_rename_several_times_a_second(agent, loki, tenant, tmp_path):
	"""Only the plain name is watched: the rotated file is read to its end by what is open."""
	logs = tmp_path / "logs"
	logs.mkdir()
	one = agent(tail_of(logs / "app.log", loki, tenant, rotate_wait="500ms"))
	writer = Writer(logs / "app.log", rotate="rename", every_s=0.15)
	lines = writer.run_for(scale(3))
	assert writer.rotations >= 10
	arrived(one, loki, '{job="app"}', lines, timeout_s=60)
	assert [s["filename"] for s in loki.streams('{job="app"}')] == [str(logs / "app.log")], "the name before rotation"
	one.wait(lambda: one.metrics().sum("tailrace_files_open") == 1, 30, "old files are let go")


def test_rotated_names_that_match_too_are_not_read_twice(agent, loki, tenant, tmp_path):
	logs = tmp_path / "logs"
	logs.mkdir()
	one = agent(tail_of(logs / "app.log*", loki, tenant))
	lines = Writer(logs / "app.log", rotate="rename", every_s=0.25).run_for(scale(2))
	arrived(one, loki, '{job="app"}', lines, timeout_s=60, ordered=False)


def test_several_files_rotating(agent, loki, tenant, tmp_path):
	logs = tmp_path / "logs"
	logs.mkdir()
	one = agent(tail_of(logs / "*.log", loki, tenant))
	writers = [Writer(logs / f"{name}.log", name, "rename", 0.2 + i / 10).start() for i, name in enumerate("abc")]
	time.sleep(scale(2))
	written = [writer.stop() for writer in writers]
	for writer, lines in zip(writers, written):
		arrived(one, loki, '{job="app", filename="%s"}' % writer.path, lines, timeout_s=60)


def test_rotation_while_loki_is_away(agent, fault_loki, tenant, tmp_path):
	"""More than fits in memory, over several rotations: files that have no name any more are kept open and read."""
	logs = tmp_path / "logs"
	logs.mkdir()
	fault_loki.down()
	one = agent(config(
		{"app": file_input(logs / "app.log")}, loki_output(fault_loki.push_url, tenant), memory="24MiB",
	))
	writer = Writer(logs / "app.log", rotate="rename", every_s=0.4, burst=150)
	lines = writer.run_for(scale(2))
	fault_loki.up()
	assert difference(fault_loki.wait_lines(len(lines), 60), lines) == ""
	one.wait_idle()


def check_copytruncate(got: list[str], writer: Writer) -> int:
	"""What may be missing is, per truncation, a piece up to it: written and not read when it was thrown away. Returns
	how many lines that were."""
	written = set(writer.lines)
	strange = [line for line in got if line not in written]
	assert len(strange) <= 2 * writer.rotations, f"lines nobody wrote: {strange[:5]}"
	for line in strange:  # the first or last part of a line that the truncation cut
		assert any(line in w for w in writer.lines), f"made up: {line!r}"
	whole = [line for line in got if line in written]
	assert len(set(whole)) == len(whole), "lines that came twice"
	assert whole == sorted(whole), "out of order"
	have, lost = set(whole), 0
	for number, lines in enumerate(writer.generations):
		missing_ = [i for i, line in enumerate(lines) if line not in have]
		if missing_:
			assert missing_ == list(range(missing_[0], len(lines))) or number > 0 and _around_a_cut(missing_, len(lines)), (
				f"of generation {number} with {len(lines)} lines: {missing_[:5]}..{missing_[-5:]}"
			)
		lost += len(missing_)
	assert not writer.generations[-1] or writer.generations[-1][-1] in have
	return lost


def _around_a_cut(missing_: list[int], n: int) -> bool:
	"""The writer's first line may have lost its beginning to the truncation before."""
	rest = missing_[1:] if missing_[0] == 0 else missing_
	return not rest or rest == list(range(rest[0], n))


def test_copytruncate_of_what_was_read_loses_nothing(agent, loki, tenant, tmp_path):
	log = tmp_path / "app.log"
	one = agent(tail_of(log, loki, tenant))
	writer = Writer(log, rotate="copytruncate")
	number = 0
	for size in (500, 100, 900, 20, 500):
		lines = numbered(size, "a", number)
		number += size
		writer._file.write(text(lines).encode())
		writer.generations[-1] += lines
		loki.wait_count('{job="app"}', number)
		writer.rotate_now()
	writer._file.close()
	arrived(one, loki, '{job="app"}', writer.lines)


def test_copytruncate_under_load(agent, loki, tenant, tmp_path):
	log = tmp_path / "app.log"
	one = agent(tail_of(log, loki, tenant))
	writer = Writer(log, rotate="copytruncate", every_s=0.3, burst=20)
	written = writer.run_for(scale(3))
	assert loki.wait_count('{job="app"} |= "%s"' % written[-1][:11], 1) == 1
	one.wait_idle()
	lost = check_copytruncate(loki.lines('{job="app"}'), writer)
	assert lost < len(written) / 2, f"{lost} of {len(written)} lost"
	assert one.metrics().sum("tailrace_records_dropped_total") == 0


@pytest.mark.parametrize("count", [100, 400], ids=["as-large", "larger"])
def test_a_file_rewritten_and_not_smaller(agent, loki, tenant, tmp_path, count):
	"""A size that does not shrink does not show it: the content does."""
	log = tmp_path / "app.log"
	log.write_text(text(numbered(100, "old")))
	one = agent(tail_of(log, loki, tenant, watch="poll", poll_interval="500ms"))
	loki.wait_count('{job="app"}', 100)
	with open(log, "r+") as f:
		f.truncate(0)
		f.write(text(numbered(count, "new")))
	arrived(one, loki, '{job="app"}', numbered(100, "old") + numbered(count, "new"))


def test_a_program_that_goes_on_in_the_renamed_file(agent, loki, tenant, tmp_path):
	"""Until it opens its log anew; meanwhile there is a new file of the old name."""
	log = tmp_path / "app.log"
	lines = numbered(3000)
	log.write_text(text(lines[:1000]))
	one = agent(tail_of(log, loki, tenant))
	loki.wait_count('{job="app"}', 1000)
	with open(log, "a", buffering=1) as old:
		os.rename(log, tmp_path / "app.log.1")
		log.touch()
		for start in range(1000, 2000, 200):
			old.write(text(lines[start : start + 200]))
			time.sleep(0.25)
	log.write_text(text(lines[2000:]))
	arrived(one, loki, '{job="app"}', lines, ordered=False)


def test_a_restart_finds_the_rotated_file(agent, loki, tenant, tmp_path):
	log = tmp_path / "app.log"
	lines = numbered(3000)
	log.write_text(text(lines[:1000]))
	one = agent(tail_of(log, loki, tenant))
	loki.wait_count('{job="app"}', 1000)
	one.stop()
	with open(log, "a") as f:
		f.write(text(lines[1000:2000]))
	os.rename(log, tmp_path / "app.log.1")
	log.write_text(text(lines[2000:]))
	one.start()
	arrived(one, loki, '{job="app"}', lines, ordered=False)


@pytest.fixture
def logrotate(request, tmp_path):
	if sbin("logrotate") is None:
		missing(request, "logrotate", "apt-get install logrotate")

	def run(log, mode: str) -> None:
		conf = tmp_path / "logrotate.conf"
		conf.write_text(f"{log} {{\n\trotate 20\n\tsize 1\n\t{mode}\n\tsu root root\n}}\n" if os.geteuid() == 0
		                else f"{log} {{\n\trotate 20\n\tsize 1\n\t{mode}\n}}\n")
		conf.chmod(0o644)
		log.parent.chmod(0o755)
		done = subprocess.run(
			[sbin("logrotate"), "-f", "-s", str(tmp_path / "status"), str(conf)], capture_output=True, text=True, timeout=30
		)
		assert done.returncode == 0, done.stderr

	return run


@pytest.mark.parametrize("mode", ["create 0644", "copytruncate"])
def test_the_real_logrotate(agent, loki, tenant, tmp_path, logrotate, mode):
	logs = tmp_path / "logs"
	logs.mkdir()
	log = logs / "app.log"
	one = agent(tail_of(log, loki, tenant))
	lines = []
	for turn in range(4):
		part = numbered(700, "a", turn * 700)
		with open(log, "a") as f:  # a program that opens its log anew, as most do after a signal
			f.write(text(part))
		lines += part
		if mode == "copytruncate":
			loki.wait_count('{job="app"}', len(lines))
		logrotate(log, mode)
	arrived(one, loki, '{job="app"}', lines)
	assert (logs / "app.log.1").exists() and (logs / "app.log.4").exists()
