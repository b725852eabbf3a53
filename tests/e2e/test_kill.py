# SPDX-License-Identifier: Apache-2.0
"""kill -9 and restart in a loop, while a file is written and rotated: every line is in Loki, and there once."""

import random
import time

import pytest

from proxy import Proxy
from scale import scale
from work import Writer, arrived, config, file_input, loki_output, numbered, text


@pytest.fixture
def proxy(loki):
	server = Proxy(loki.url)
	yield server
	server.down()


def kills(one, count: int, seed: int, least_s: float = 0.05, most_s: float = 0.7) -> None:
	random_ = random.Random(seed)
	for number in range(count):
		# Now and then it is killed before it is ready.
		one.start(wait=number % 4 != 3)
		time.sleep(random_.uniform(least_s, most_s))
		one.kill()


@pytest.mark.parametrize("rotate", [None, "rename"])
def test_kill_while_writing(agent, loki, proxy, tenant, tmp_path, rotate):
	logs = tmp_path / "logs"
	logs.mkdir()
	one = agent(config(
		# With the rotated names: on a busy machine a file can come and be renamed while nobody is there to see it.
		{"app": file_input(logs / "app.log*")},
		loki_output(proxy.push_url, tenant, batch_size="64KiB"),
	), start=False)
	# Answers get lost as well, so that Loki often has what the agent does not know it has.
	proxy.script(*(["pass", "lose", "pass", "pass", "500", "slow"] * scale(200)))
	writer = Writer(logs / "app.log", rotate=rotate, every_s=1.1, burst=30).start()
	kills(one, scale(10), seed=1)
	lines = writer.stop()
	proxy._script.clear()
	one.start()
	arrived(one, loki, '{job="app"}', lines, timeout_s=90, ordered=rotate is None)


def test_kill_while_catching_up(agent, loki, proxy, tenant, tmp_path):
	"""A large file, many batches in flight and finished out of order."""
	log = tmp_path / "app.log"
	lines = numbered(scale(40_000), pad=120)
	log.write_text(text(lines))
	one = agent(config(
		{"app": file_input(log)}, loki_output(proxy.push_url, tenant, batch_size="64KiB"),
		[{"regex": {"expression": r"n=\d+(?P<digit>\d)"}}, {"labels": {"digit": None}}],
	), start=False)
	proxy.script(*(["pass", "pass", "lose"] * scale(60)))
	kills(one, scale(5), seed=2, least_s=0.3, most_s=1.0)
	proxy._script.clear()
	one.start()
	arrived(one, loki, '{job="app"}', lines, timeout_s=90, ordered=False)


def test_kill_with_equal_lines(agent, loki, proxy, tenant, tmp_path):
	"""Nothing but its time tells one line from the next: they must get the same times again."""
	log = tmp_path / "app.log"
	log.write_text("same\n" * 20_000)
	one = agent(config({"app": file_input(log)}, loki_output(proxy.push_url, tenant, batch_size="32KiB")), start=False)
	proxy.script(*(["lose", "pass"] * scale(50)))
	kills(one, scale(5), seed=3, least_s=0.2)
	proxy._script.clear()
	one.start()
	assert loki.wait_count('{job="app"}', 20_000, 60) == 20_000
	one.wait_idle(60)
	assert loki.count('{job="app"}') == 20_000


def test_kill_with_times_from_the_lines(agent, loki, proxy, tenant, tmp_path):
	"""Many lines at one instant: the +1 ns each got must come out the same again, also when the position, which is
	saved once a second, stands between lines of one instant."""
	log = tmp_path / "app.log"
	base = int(time.time()) - 600
	lines = []
	for i in range(15_000):
		stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(base + i // 3000))
		lines.append(f"{stamp} n={i:06d}")
	log.write_text(text(lines))
	one = agent(config(
		{"app": file_input(log)}, loki_output(proxy.push_url, tenant, batch_size="32KiB"),
		[{"regex": {"expression": r"^(?P<ts>\S+)"}}, {"timestamp": {"source": "ts", "format": "RFC3339"}}],
	), start=False)
	for turn in (1, 2):
		# Some requests get through, then Loki has what the agent never hears about.
		proxy.script(*["pass"] * 7)
		proxy.otherwise = "lose"
		one.start()
		one.wait(lambda: proxy.done["lose"] >= turn, 20, "an answer was lost")
		time.sleep(1.3)
		one.kill()
	proxy.otherwise = "pass"
	one.start()
	arrived(one, loki, '{job="app"}', lines, timeout_s=60)


def test_a_damaged_position_file_is_no_reason_to_stop(agent, loki, tenant, tmp_path):
	log = tmp_path / "app.log"
	log.write_text(text(numbered(500)))
	one = agent(config({"app": file_input(log)}, loki_output(loki.push_url, tenant)))
	loki.wait_count('{job="app"}', 500)
	one.wait_idle()
	one.kill()
	path = one.state_dir / "positions" / "app.log"
	data = bytearray(path.read_bytes())
	for at in range(0, len(data), 7):
		data[at] ^= 0x55
	path.write_bytes(bytes(data))
	with open(log, "a") as f:
		f.write(text(numbered(10, "more")))
	one.start()
	assert loki.wait_count('{job="app"} |= "more"', 10) == 10
	assert set(loki.lines('{job="app"}')) == set(numbered(500) + numbered(10, "more"))


def test_a_position_file_cut_anywhere(agent, loki, tenant, tmp_path):
	"""A power cut leaves a beginning of it: whatever is read again is recognised or repeated, never lost."""
	log = tmp_path / "app.log"
	lines = numbered(2000)
	log.write_text(text(lines[:1000]))
	one = agent(config({"app": file_input(log)}, loki_output(loki.push_url, tenant)))
	loki.wait_count('{job="app"}', 1000)
	one.wait_idle()
	one.kill()
	path = one.state_dir / "positions" / "app.log"
	path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
	with open(log, "a") as f:
		f.write(text(lines[1000:]))
	one.start()
	one.wait(lambda: set(loki.lines('{job="app"}')) == set(lines), 30, "every line is there")
