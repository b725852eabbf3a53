# SPDX-License-Identifier: Apache-2.0
"""The real logrotate in all its modes, run again and again under a program that writes without pause. Whatever mode:
every line that could be read arrives once and in order, and no copy and no archive is read a second time."""

import os
import subprocess
import time

import pytest

from conftest import missing
from scale import scale
from work import Writer, arrived, config, file_input, loki_output, sbin

# What logrotate is told, and how the program comes to its new file: `signal` from postrotate, `create` because logrotate
# makes one and the program looks at its inode, `same` because its file stays.
MODES = {
	"create": ("create 0644", "signal"),
	"create-chain-of-two": ("create 0644\nrotate 2", "signal"),
	"rotate-0": ("create 0644\nrotate 0", "signal"),
	"nocreate": ("nocreate", "signal"),
	"nocreate-and-late": ("nocreate", "late"),
	"compress": ("create 0644\ncompress", "signal"),
	"delaycompress": ("create 0644\ncompress\ndelaycompress", "signal"),
	"dateext": ("create 0644\ndateext\ndateformat -%s", "signal"),
	"olddir": ("create 0644\nolddir {old}", "signal"),
	"olddir-compress": ("create 0644\nolddir {old}\ncompress", "signal"),
	"sharedscripts": ("create 0644\nsharedscripts", "signal"),
	"shred": ("create 0644\nrotate 1\nshred", "signal"),
	"start-0-extension": ("create 0644\nstart 0\nextension .log", "signal"),
	"copytruncate": ("copytruncate", "same"),
	"copytruncate-compress": ("copytruncate\ncompress", "same"),
	"copytruncate-dateext": ("copytruncate\ndateext\ndateformat -%s", "same"),
	"copy": ("copy", "same"),
}
# Only the log's own name matches, or the rotated names too.
CASES = [(mode, found) for mode in MODES for found in ("plain", "all")]


class Rotated(Writer):
	"""A program that opens its log anew when it is told, as by a signal."""

	def __init__(self, path, source, reopens: str):
		super().__init__(path, source, burst=25, pause_s=0.003)
		self.reopens = reopens
		self.marker = path.with_name("reopen." + source)  # postrotate touches it
		self.late = 0

	def _write(self) -> None:
		while not self._end.is_set():
			self.write_some()
			if self.reopens == "signal" and self.marker.exists():
				self.marker.unlink()
				self.reopen()
			elif self.reopens == "late" and not self.path.exists():
				self.late += 1
				if self.late == 8:
					self.late = 0
					self.reopen()
			self._end.wait(self.pause_s)

	def write_some(self) -> None:
		lines = [f"{self.source} n={self.count + i:07d} {'x' * (i * 7 % 40)}" for i in range(self.burst)]
		self._file.write("".join(line + "\n" for line in lines).encode())
		self.generations[-1] += lines

	def reopen(self) -> None:
		self._file.close()
		self._file = open(self.path, "ab", buffering=0)
		self.generations.append([])


@pytest.fixture
def logrotate(request, tmp_path):
	if sbin("logrotate") is None:
		missing(request, "logrotate", "apt-get install logrotate")

	def run(logs: str, text: str, script: str) -> None:
		conf = tmp_path / "logrotate.conf"
		conf.write_text(f"{logs} {{\nrotate 30\nsize 1\n{text}\n{'su root root' if os.geteuid() == 0 else ''}\n"
		                f"postrotate\n{script}\nendscript\n}}\n")
		conf.chmod(0o644)
		done = subprocess.run(
			[sbin("logrotate"), "-s", str(tmp_path / "status"), str(conf)], capture_output=True, text=True, timeout=60
		)
		assert done.returncode == 0, done.stderr

	return run


def copytruncated(client, writers) -> None:
	"""Between its copy and its truncate logrotate itself loses what is written; nothing else may be missing, and the
	lost pieces are at the ends of what stood in a copy: every gap is a run, and there are no more of them than turns."""
	for writer in writers:
		got = client.lines('{job="app"} |= "%s n="' % writer.source)
		want = {line: i for i, line in enumerate(writer.lines)}
		numbers = [want.get(line, -1) for line in got]
		assert -1 not in numbers, f"made up: {got[numbers.index(-1)]!r}"
		assert numbers == sorted(numbers), "out of order"
		assert len(set(numbers)) == len(numbers), "lines that came twice"
		assert numbers[-1] == len(want) - 1, "the last line"
		gaps = sum(b != a + 1 for a, b in zip([-1, *numbers], numbers))
		assert gaps <= writer.turns, f"{gaps} gaps after {writer.turns} turns"
		assert len(numbers) > len(want) / 2, f"{len(numbers)} of {len(want)} lines"


@pytest.mark.parametrize("mode,found", CASES)
def test_logrotate(agent, loki, tenant, tmp_path, logrotate, mode, found):
	text, reopens = MODES[mode]
	logs, old = tmp_path / "logs", tmp_path / "old"
	for folder in (logs, old):
		folder.mkdir()
		folder.chmod(0o755)
	names = ["a", "b"] if mode == "sharedscripts" else ["a"]
	writers = [Rotated(logs / f"{name}.log", name, reopens) for name in names]
	output = loki_output(loki.push_url, tenant)
	one = agent(config({"app": file_input(
		logs / ("*.log" if found == "plain" else "*.log*"), exclude=[] if found == "plain" else [str(logs / "*.gz")],
		rotate_wait="20s", scan_interval="1s",
	)}, output))
	for writer in writers:
		writer.start()
		writer.turns = 0
	script = "\n".join(f"touch {writer.marker}" for writer in writers)
	for turn in range(scale(4)):
		counts = [writer.count for writer in writers]
		deadline = time.monotonic() + 20
		while any(w.count < n + 200 or w.marker.exists() or not w.path.exists() for w, n in zip(writers, counts)):
			assert time.monotonic() < deadline, "the writers stand still"
			time.sleep(0.02)
		logrotate(logs / "*.log", text.format(old=old), script if reopens == "signal" else "true")
		if "%s" in text:
			time.sleep(1.0)  # the extension is in seconds
		for writer in writers:
			writer.turns += 1
	for writer in writers:  # what comes behind the last turn cannot fall between its copy and its truncate
		count, deadline = writer.count, time.monotonic() + 20
		while writer.count < count + 20:
			assert time.monotonic() < deadline, "the writer stands still"
			time.sleep(0.02)
		writer.stop()
	if mode.startswith("copytruncate"):
		for writer in writers:
			assert loki.wait_count('{job="app"} |= "%s"' % writer.lines[-1][:11], 1) == 1
		one.wait_idle()
		copytruncated(loki, writers)
		return
	for writer in writers:
		arrived(one, loki, '{job="app"} |= "%s n="' % writer.source, writer.lines, timeout_s=60,
		        ordered=reopens == "signal")
	if mode == "shred":  # what it writes over the old lines can be read, too, by whoever has the file open
		return
	assert loki.count('{job="app"}') == sum(writer.count for writer in writers)
