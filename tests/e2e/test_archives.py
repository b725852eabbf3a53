# SPDX-License-Identifier: Apache-2.0
"""Archives: the real logrotate compresses what the agent reads, and patterns match what it makes of it. Each line is in
Loki once: also when the agent was down meanwhile, when it is killed in the middle of an archive, and whatever is wrong
with one."""

import gzip
import os
import shutil
import subprocess
import time

import pytest

from conftest import missing
from scale import scale
from work import arrived, config, file_input, loki_output, numbered, sbin, text

MODES = {
	"compress": "compress",
	"delaycompress": "compress\ndelaycompress",
	"zstd": "compress\ncompresscmd {zstd}\nuncompresscmd {zstd}\ncompressoptions -q\ncompressext .zst",
	"olddir": "compress\nolddir {old}",
	"dateext": "compress\ndateext\ndateformat -%Y%m%d-%s",
	"copytruncate": "compress\ncopytruncate",
}


@pytest.fixture
def rotate(request, tmp_path):
	if sbin("logrotate") is None:
		missing(request, "logrotate", "apt-get install logrotate")

	def run(log, mode: str) -> None:
		if mode == "zstd" and not shutil.which("zstd"):
			missing(request, "zstd", "apt-get install zstd")
		more = MODES[mode].format(old=tmp_path / "old", zstd=shutil.which("zstd"))
		conf = tmp_path / "logrotate.conf"
		create = "" if mode == "copytruncate" else "create 0644\n"
		su = "su root root\n" if os.geteuid() == 0 else ""
		conf.write_text(f"{log} {{\nrotate 30\nsize 1\n{create}{more}\n{su}}}\n")
		conf.chmod(0o644)
		done = subprocess.run([sbin("logrotate"), "-s", str(tmp_path / "status"), str(conf)],
		                      capture_output=True, text=True, timeout=60)
		assert done.returncode == 0, done.stderr
		if mode == "dateext":
			time.sleep(1.0)  # the extension is in seconds

	return run


def reading(folder, *more, **options) -> dict:
	return file_input(folder / "*", *more, rotate_wait="200ms", scan_interval="500ms", **options)


def append(path, lines) -> None:
	with open(path, "a") as f:
		f.write(text(lines))


@pytest.mark.parametrize("down", [False, True], ids=["up", "down-in-between"])
@pytest.mark.parametrize("mode", MODES)
def test_rotated_and_compressed(agent, loki, tenant, tmp_path, rotate, mode, down):
	logs, old = tmp_path / "logs", tmp_path / "old"
	for folder in (logs, old):
		folder.mkdir()
		folder.chmod(0o755)
	log = logs / "app.log"
	all_lines: list[str] = []

	def write(count: int) -> None:
		lines = numbered(count, start=len(all_lines))
		append(log, lines)
		all_lines.extend(lines)

	one = agent(config({"app": reading(logs, old / "*")}, loki_output(loki.push_url, tenant)))
	for turn in range(scale(4)):
		write(300)
		loki.wait_count('{job="app"}', len(all_lines))
		if down:
			one.wait_idle()
			one.stop()
			write(200)  # read by nobody before it is rotated
		rotate(log, mode)
		if down:
			one.start()
		loki.wait_count('{job="app"}', len(all_lines))
	time.sleep(1.0)  # whatever might still be read again
	arrived(one, loki, '{job="app"}', all_lines, ordered=not down)
	assert loki.count('{job="app", filename="%s"}' % log) == len(all_lines), "under the name of the log"


def test_two_rotations_while_down(agent, loki, tenant, tmp_path, rotate):
	"""What was begun is finished in its archive, and one that was never seen as a log is read whole; history is not."""
	logs = tmp_path / "logs"
	logs.mkdir()
	logs.chmod(0o755)
	history = logs / "app.log.9.gz"
	history.write_bytes(gzip.compress(b"history\n"))
	os.utime(history, (time.time() - 86400,) * 2)
	log, lines = logs / "app.log", numbered(1000)
	one = agent(config({"app": reading(logs)}, loki_output(loki.push_url, tenant)))
	append(log, lines[:300])
	loki.wait_count('{job="app"}', 300)
	one.wait_metric("tailrace_file_events_total", 1, event="archive_old")
	one.wait_idle()
	one.stop()
	time.sleep(1.0)  # the first start is known in seconds
	for begin, end in ((300, 500), (500, 800), (800, 1000)):
		append(log, lines[begin:end])
		if end < 1000:
			rotate(log, "compress")
	one.start()
	arrived(one, loki, '{job="app"}', lines, ordered=False)


@pytest.mark.parametrize("packer", ["gzip", "zstd"])
def test_killed_in_the_middle(agent, loki, tenant, tmp_path, packer, request):
	"""Again and again: it goes on in the middle of the content, and what was on its way is recognised by Loki."""
	if not shutil.which(packer):
		missing(request, packer, f"apt-get install {packer}")
	lines = numbered(scale(60_000), pad=100)
	logs = tmp_path / "logs"
	logs.mkdir()
	subprocess.run([packer, "-c"], input=text(lines).encode(), stdout=open(logs / "app.log.1", "wb"), check=True)
	one = agent(config({"app": reading(logs, archives="read")}, loki_output(loki.push_url, tenant), memory="64MiB"))
	for kill in range(4):
		loki.wait_count('{job="app"}', len(lines) * kill // 8 + 1)
		one.kill()
		one.start()
	arrived(one, loki, '{job="app"}', lines, timeout_s=90)


def test_bombs_and_damage(agent, loki, tenant, tmp_path):
	"""256 MiB of zeros, and of a line (more than a gigabyte in a long run), in a megabyte; one that is damaged, one that is
	cut off: the log beside them flows, what can be read is there, and the rest is counted."""
	logs = tmp_path / "logs"
	logs.mkdir()
	lines = numbered(20_000)
	packed = gzip.compress(text(lines).encode())
	damaged = bytearray(packed)
	damaged[len(packed) // 2:len(packed) // 2 + 64] = b"\xff" * 64
	(logs / "damaged.gz").write_bytes(damaged)
	(logs / "cut.gz").write_bytes(packed[:len(packed) // 2])
	for name, byte in (("zeros.gz", b"\0"), ("line.gz", b"x")):
		with gzip.open(logs / name, "wb", 6) as f:
			for _ in range(scale(256)):
				f.write(byte * (1 << 20))
			f.write(b"\nbehind\n")
	one = agent(config({"app": reading(logs, archives="read", labels={"kind": "archive"}, exclude=[str(logs / "*.log")]),
	                    "live": reading(logs, archives="skip", exclude=[str(logs / "*.gz")])},
	                   loki_output(loki.push_url, tenant)))
	live = numbered(200, source="live")
	for i in range(0, 200, 20):
		append(logs / "live.log", live[i:i + 20])
		loki.wait_count('{job="live"}', i + 20, 60)
	assert loki.wait_count('{job="app"} |= "behind"', 2, 90) == 2
	half = 3000
	for name in ("damaged", "cut"):
		query = '{job="app", filename="%s"}' % (logs / f"{name}.gz")
		loki.wait_count(query, half, 60)
	one.wait_idle()
	for name in ("damaged", "cut"):
		got = loki.lines('{job="app", filename="%s"}' % (logs / f"{name}.gz"))
		assert len(got) > half and got[:half] == lines[:half], name
	metrics = one.metrics()
	for reason in ("archive_damaged", "archive_cut_off"):
		assert metrics.sum("tailrace_input_errors_total", input="app", reason=reason) == 1, reason
