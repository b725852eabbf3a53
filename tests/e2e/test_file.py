# SPDX-License-Identifier: Apache-2.0
"""Files into the real Loki: every line once, in order, with its labels."""

import os
import socket
import time

import pytest

from scale import scale
from work import arrived, config, difference, file_input, loki_output, numbered, text


def append(path, lines):
	with open(path, "a") as f:
		f.write(text(lines))


def test_every_line_once_in_order_with_labels(agent, loki, tenant, tmp_path):
	log = tmp_path / "app.log"
	lines = numbered(scale(20_000))
	log.write_text(text(lines[:15_000]))
	one = agent(config({"app": file_input(log)}, loki_output(loki.push_url, tenant)))
	for start in range(15_000, len(lines), 1000):
		append(log, lines[start : start + 1000])
	arrived(one, loki, '{job="app"}', lines, timeout_s=60)
	assert loki.streams('{job="app"}') == [{"job": "app", "host": socket.gethostname(), "filename": str(log)}]
	metrics = one.metrics()
	assert metrics.sum("tailrace_input_records_total", input="app") == len(lines)
	assert metrics.sum("tailrace_input_bytes_total", input="app") == log.stat().st_size
	assert metrics.sum("tailrace_records_delivered_total", pipeline="main", output="loki") == len(lines)


def test_defaults_deliver_a_line_without_any_tuning(agent, loki, tenant, tmp_path):
	log = tmp_path / "app.log"
	log.write_text("hello\n")
	agent(config({"app": file_input(log)}, {"type": "loki", "url": loki.url, "tenant": tenant}))
	assert loki.wait_count('{job="app"}', 1) == 1
	assert loki.lines('{job="app"}') == ["hello"]


def test_several_files_new_ones_and_excluded_ones(agent, loki, tenant, tmp_path):
	logs = tmp_path / "logs"
	logs.mkdir()
	want = {}
	for name in ("a.log", "b.log"):
		want[name] = numbered(500, name)
		append(logs / name, want[name])
	append(logs / "skip.log", ["not this one"])
	append(logs / "a.txt", ["nor this one"])
	one = agent(config(
		{"app": file_input(logs / "*.log", logs / "*/deep.log", exclude=[str(logs / "skip*")], scan_interval="1s")},
		loki_output(loki.push_url, tenant),
	))
	for name in ("a.log", "b.log"):
		more = numbered(500, name, 500)
		append(logs / name, more)
		want[name] += more
	for name in ("c.log", "sub/deep.log"):
		(logs / name).parent.mkdir(exist_ok=True)
		want[name] = numbered(300, name)
		append(logs / name, want[name])
	for name, lines in want.items():
		arrived(one, loki, '{job="app", filename="%s"}' % (logs / name), lines)
	assert loki.count('{job="app"}') == sum(len(lines) for lines in want.values())
	assert one.metrics().sum("tailrace_files_open") == 4


def test_a_vanished_file_is_read_to_its_end(agent, loki, tenant, tmp_path):
	logs = tmp_path / "logs"
	logs.mkdir()
	log = logs / "a.log"
	one = agent(config({"app": file_input(logs / "*.log", rotate_wait="500ms")}, loki_output(loki.push_url, tenant)))
	lines = numbered(3000)
	with open(log, "w") as f:
		f.write(text(lines[:2000]))
		f.flush()
		one.wait_metric("tailrace_files_open", 1)
		os.unlink(log)
		f.write(text(lines[2000:]))  # into a file that has no name any more
	arrived(one, loki, '{job="app"}', lines)
	one.wait(lambda: one.metrics().sum("tailrace_files_open") == 0, 20, "the file is let go")
	# The same name again is a new file.
	append(log, numbered(10, "again"))
	assert loki.wait_count('{job="app"} |= "again"', 10) == 10


def test_start_at_the_end_only_concerns_files_that_were_there(agent, loki, tenant, tmp_path):
	old, new = tmp_path / "old.log", tmp_path / "new.log"
	append(old, numbered(100, "before"))
	one = agent(config({"app": file_input(tmp_path / "*.log", start="end")}, loki_output(loki.push_url, tenant)))
	append(old, numbered(50, "after"))
	append(new, numbered(50, "new"))
	arrived(one, loki, '{job="app", filename="%s"}' % old, numbered(50, "after"))
	arrived(one, loki, '{job="app", filename="%s"}' % new, numbered(50, "new"))
	# After a restart the position counts, not `start`.
	one.stop()
	append(old, numbered(30, "meanwhile"))
	one.start()
	arrived(one, loki, '{job="app"} |= "meanwhile"', numbered(30, "meanwhile"))
	assert loki.count('{job="app"}') == 130


def test_a_restart_goes_on_where_it_was(agent, loki, tenant, tmp_path):
	log = tmp_path / "app.log"
	lines = numbered(5000)
	append(log, lines[:2000])
	one = agent(config({"app": file_input(log)}, loki_output(loki.push_url, tenant)))
	loki.wait_count('{job="app"}', 2000)
	for start in (2000, 3500):
		one.stop()
		append(log, lines[start : start + 500])
		one.start()
		append(log, lines[start + 500 : start + 1500])
		loki.wait_count('{job="app"}', start + 1500)
	arrived(one, loki, '{job="app"}', lines)
	assert one.metrics().sum("tailrace_input_records_total") == 1500, "nothing is read twice after an orderly stop"


def test_odd_lines_are_kept(agent, loki, tenant, tmp_path):
	log = tmp_path / "odd.log"
	log.write_bytes(
		b"crlf\r\n" b"\n" b"  spaces  \n" b"nul \x00 in it\n" b"bad \xff\xfe utf8\n" + "Ünïcödé ✓\n".encode()
		+ b"long " + b"y" * 5000 + b"\n" + b"unfinished"
	)
	one = agent(config(
		{"app": file_input(log, max_line="1KiB", partial_wait="500ms")},
		loki_output(loki.push_url, tenant),
	))
	loki.wait_count('{job="app"}', 7)
	one.wait_metric("tailrace_records_delivered_total", 8)
	read = loki.read('{job="app"}')
	lines = [r.line for r in read if r.line]
	assert lines[0] == "crlf"
	assert "  spaces  " in lines and "Ünïcödé ✓" in lines and "nul \x00 in it" in lines and "unfinished" in lines
	assert "bad \ufffd\ufffd utf8" in lines
	by_line = {r.line: r for r in read}
	assert "bad_utf8" in by_line["bad \ufffd\ufffd utf8"].metadata["tailrace_flags"]
	cut = next(r for r in read if r.line.startswith("long "))
	assert len(cut.line) <= 1024 and "cut" in cut.metadata["tailrace_flags"]
	assert "partial" in by_line["unfinished"].metadata["tailrace_flags"]


def test_an_unfinished_line_is_waited_for(agent, loki, tenant, tmp_path):
	log = tmp_path / "slow.log"
	one = agent(config({"app": file_input(log, partial_wait="1h")}, loki_output(loki.push_url, tenant)))
	with open(log, "ab", buffering=0) as f:
		f.write(b"first\nsec")
		assert loki.wait_count('{job="app"}', 1) == 1
		for piece in (b"on", b"d", b" line", b"\nthird\n"):
			f.write(piece)
			time.sleep(0.1)
	arrived(one, loki, '{job="app"}', ["first", "second line", "third"])


@pytest.mark.parametrize("watch", ["inotify", "poll"])
def test_both_ways_of_watching(agent, loki, tenant, tmp_path, watch):
	log = tmp_path / "app.log"
	one = agent(config(
		{"app": file_input(log, watch=watch, poll_interval="100ms", scan_interval="500ms")},
		loki_output(loki.push_url, tenant),
	))
	lines = numbered(2000)
	for start in range(0, 2000, 500):
		append(log, lines[start : start + 500])
		time.sleep(0.05)
	arrived(one, loki, '{job="app"}', lines)


def test_labels_from_the_configuration(agent, loki, tenant, tmp_path):
	log = tmp_path / "app.log"
	append(log, ["x"])
	agent(config(
		{"app": file_input(log, labels={"env": "prod", "job": "other"})},
		loki_output(loki.push_url, tenant),
		hostname="web1",
	))
	assert loki.wait_count('{env="prod"}', 1) == 1
	assert loki.streams('{env="prod"}') == [{"job": "other", "host": "web1", "env": "prod", "filename": str(log)}]


def test_equal_lines_are_not_taken_for_repeats(agent, loki, tenant, tmp_path):
	log = tmp_path / "app.log"
	append(log, ["the same"] * 5000)
	one = agent(config({"app": file_input(log)}, loki_output(loki.push_url, tenant)))
	arrived(one, loki, '{job="app"}', ["the same"] * 5000)


def test_two_inputs_to_two_tenants(agent, loki, tenant, tmp_path):
	other = loki.with_tenant(tenant + "-b")
	a, b = tmp_path / "a.log", tmp_path / "b.log"
	append(a, numbered(100, "a"))
	append(b, numbered(100, "b"))
	one = agent({
		"inputs": {"a": file_input(a), "b": file_input(b)},
		"outputs": {
			"la": loki_output(loki.push_url, tenant),
			"lb": loki_output(loki.push_url, other.tenant),
		},
		"pipelines": {"pa": {"from": ["a"], "to": ["la", "lb"]}, "pb": {"from": ["b"], "to": ["lb"]}},
	})
	arrived(one, loki, '{job="a"}', numbered(100, "a"))
	arrived(one, other, '{job="a"}', numbered(100, "a"))
	arrived(one, other, '{job="b"}', numbered(100, "b"))
	assert loki.count('{job="b"}') == 0
	assert difference(loki.lines('{job=~".+"}'), numbered(100, "a")) == ""
