# SPDX-License-Identifier: Apache-2.0
"""Rotations, truncations, deletions and kills at random from a seed: nothing is missing that could be read, nothing is
there twice, nothing is out of order. storm.py has the steps and the oracle."""

import json
import os
import pathlib
import subprocess
import time
import urllib.request

import pytest

import agent as agent_module
from conftest import missing
from proxy import Proxy
from scale import scale
from storm import Storm, name
from work import config, file_input, loki_output

ALL = [("rename", "rename_late", "compress"), ("copytruncate", "truncate"), ("delete",), ("move", "rename"), ("link",),
       ("rename", "copytruncate", "delete", "compress", "truncate", "move")]
RENAMES = [("rename",), ("rename", "rename_late"), ("move",), ("rename", "move")]
SEEDS = [int(s) for s in os.environ.get("TAILRACE_STORM_SEED", "").split(",") if s] or list(range(1, scale(3) + 1))
STEPS = int(os.environ.get("TAILRACE_STORM_STEPS", 350))
KILLS = 3
SYNCS = 3  # between kills, the oracle looks which files are known


def tail_of(storm: Storm, output: dict) -> dict:
	"""Files that nobody can reach any more are held for longer than a step can take on a busy machine."""
	return config({"app": file_input(*storm.paths, exclude=storm.exclude, rotate_wait="1m", partial_wait="10m",
	                                 scan_interval="200ms")}, output)


def again(request: pytest.FixtureRequest, seed: int) -> str:
	"""The command that repeats a failure."""
	test = request.node.originalname
	threads = request.getfixturevalue("threads")
	return f"TAILRACE_STORM_SEED={seed} TAILRACE_STORM_STEPS={STEPS} TAILRACE_THREADS={threads} tests/e2e/run -k {test}"


def judge(request: pytest.FixtureRequest, storm: Storm, seed: int, wrong: list[str]) -> None:
	told = f"{storm.written} lines, {storm.may_count} of them may be gone, {dict(storm.done)}"
	print(told)
	assert not wrong, f"{len(wrong)} things are wrong; {told}\n" + "\n".join(wrong[:20]) + f"\n{again(request, seed)}"


@pytest.fixture
def proxy(loki):
	server = Proxy(loki.url)
	yield server
	server.down()


class Seen:
	"""Which last lines of files have come to Loki."""

	def __init__(self, loki, storm: Storm):
		self.loki, self.storm = loki, storm

	def wait(self, timeout_s: float) -> list[str]:
		"""Until every file's last line that must come has come; those that did not."""
		for log in self.storm.logs:
			log.finish_line()
		wanted = [(gen, gen.end) for gen in self.storm.last()]
		deadline = time.monotonic() + timeout_s
		while True:
			left = []
			for at in range(0, len(wanted), 100):
				some = wanted[at : at + 100]
				ids = "|".join(name(gen.source, end - 1) for gen, end in some)
				have = {line.split(" ")[0] for line in self.loki.lines('{job="app"} |~ "%s"' % ids)}
				left += [(gen, end) for gen, end in some if name(gen.source, end - 1) not in have]
			if not left or time.monotonic() > deadline:
				break
			time.sleep(0.1)
		self.storm.arrived([w for w in wanted if w not in left])
		return [name(gen.source, end - 1) for gen, end in left]


@pytest.mark.parametrize("seed", SEEDS)
def test_storm(request, agent, loki, proxy, tenant, tmp_path, seed):
	"""Every kind of rotation at once, and kill -9 with answers of Loki lost on the way."""
	storm = Storm(seed, tmp_path / "logs", ALL, matches_rotated=seed % 2 == 1)
	one = agent(tail_of(storm, loki_output(proxy.push_url, tenant, batch_size="64KiB")), start=False)
	seen = Seen(loki, storm)
	one.start()
	storm.started()
	proxy.script(*(["pass", "lose", "pass", "pass", "500"] * STEPS))
	for killed in range(KILLS + 1):
		for part in range(SYNCS):
			for _ in range(STEPS // (KILLS + 1) // SYNCS):
				storm.step()
			left = seen.wait(60)
			assert not left, f"not within a minute: {left[:10]}\n{again(request, seed)}"
		if killed == KILLS:
			break
		for _ in range(storm.random.randint(0, 25)):
			storm.step()
		one.kill()
		storm.killed()
		for _ in range(storm.random.randint(0, 50)):
			storm.step()
		one.start()
		storm.started()
	storm.end()
	proxy._script.clear()
	left = seen.wait(60)
	one.wait_idle(60)
	lines = loki.lines('{job="app"}')
	judge(request, storm, seed, storm.verdict(lines) + [f"waited for {line}" for line in left])
	assert storm.may_count < storm.written / 2, "an oracle that expects nothing proves nothing"
	assert loki.count('{job="app"}') == len(lines), "repeats that were not identical"


class Sink:
	"""bench/sink --verify: keeps nothing and forgives nothing, in front of no Loki."""

	def __init__(self, program: pathlib.Path):
		# Some pushes are stored and the answer is lost, some are refused: what comes again must be in order, too.
		self.process = subprocess.Popen(
			[program, "--verify", "--fault", "ok*9,reset+,ok*4,500,ok*6,429", "--fault-loop"],
			stdout=subprocess.PIPE, text=True,
		)
		self.port = int(self.process.stdout.readline().split()[1])

	@property
	def push_url(self) -> str:
		return f"http://127.0.0.1:{self.port}/loki/api/v1/push"

	def summary(self) -> dict:
		with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/summary", timeout=30) as answer:
			return json.load(answer)

	def stop(self) -> None:
		self.process.kill()
		self.process.communicate()


@pytest.fixture
def sink(request, agent):
	program = pathlib.Path(agent_module.binary()).parent / "bench" / "sink"
	if not os.access(program, os.X_OK):
		missing(request, "bench/sink", f"not at {program}")
	one = Sink(program)
	yield one
	one.stop()


@pytest.mark.parametrize("seed", SEEDS)
def test_storm_of_renames(request, agent, sink, tenant, tmp_path, seed):
	"""By rename and move alone nothing may be missing, whoever is killed when."""
	storm = Storm(seed, tmp_path / "logs", RENAMES, matches_rotated=True, keep=10_000)
	one = agent(tail_of(storm, loki_output(sink.push_url, tenant, batch_size="64KiB")), start=False)
	kills = 0
	for step in range(2 * STEPS):
		if one.process is None and step % 10 == 0:
			one.start(wait=storm.random.random() < 0.7)
		storm.step()
		if one.process is not None and storm.random.random() < 0.01:
			one.kill()
			kills += 1
	storm.end()
	if one.process is None:
		one.start()
	one.wait_ready()
	deadline = time.monotonic() + 60
	while sink.summary()["unique"] < storm.written and time.monotonic() < deadline:
		time.sleep(0.1)
	one.wait_idle()
	found = sink.summary()
	told = f"{storm.written} lines, {kills} kills, {dict(storm.done)}: {found}\n{again(request, seed)}"
	print(told)
	for what in ("lost", "disorder", "unnumbered", "decode_errors"):
		assert found[what] == 0, f"{what}: {told}"
	assert found["unique"] == storm.written, told
	assert found["duplicates"] > 0, f"no answer was lost, so nothing was tried: {told}"
