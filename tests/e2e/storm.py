# SPDX-License-Identifier: Apache-2.0
"""A storm over log files: writers that number every line while their files are renamed, compressed, truncated, deleted,
made again, moved and linked elsewhere, and the agent is killed in between. One seed is one sequence of steps.

The oracle follows the steps and knows which lines the agent could still reach: `must` arrive, or `may` be gone. A line is
gone only with its bytes (truncated, or deleted and the agent not there to hold the descriptor) or with its name (the
agent has never seen the file and nothing tells that it was a log)."""

from __future__ import annotations

import bisect
import gzip
import os
import pathlib
import random
import re
import shutil
import time
from collections import Counter
from dataclasses import dataclass

ID = re.compile(r"^id=s(\d{3})n(\d{10}) x*$")


def name(source: int, number: int) -> str:
	return f"id=s{source:03d}n{number:010d}"


@dataclass(eq=False)
class Gen:
	"""What one file held between two truncations: a range of one source's numbers."""

	source: int
	first: int
	end: int  # behind the last one written
	seen: int  # behind the last one that is known to have arrived
	is_unlinked: bool = False
	is_hidden: bool = False  # only under a name that no pattern matches
	is_elsewhere: bool = False  # in a directory that is not looked into
	is_doomed: bool = False

	@property
	def is_known(self) -> bool:
		return self.seen > self.first


class Log:
	"""One log as its program and its rotator see it."""

	def __init__(self, storm: "Storm", source: int, path: pathlib.Path, kinds: tuple[str, ...]):
		self.storm = storm
		self.source = source
		self.path = path
		self.kinds = kinds
		self.number = 0
		self.rest = b""  # of a line that is half written
		self.gens: list[Gen] = []
		self.chain: list[tuple[pathlib.Path, Gen]] = []  # rotated files, newest first
		self.files = self.copies = 0
		self.fd = -1
		self.is_renamed = False  # the program still writes to the renamed file
		self.has_moved = False  # to another directory, while nobody looked
		self.open()

	@property
	def gen(self) -> Gen:
		return self.gens[-1]

	def open(self) -> None:
		"""The program opens its log anew."""
		if self.fd >= 0:
			os.close(self.fd)
		flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
		if "link" in self.kinds:
			self.files += 1
			target = self.storm.targets / f"{self.path.name}.{self.files}"
			self.fd = os.open(target, flags, 0o644)
			link = self.path.with_name(self.path.name + ".new")
			link.symlink_to(target)
			os.rename(link, self.path)
		else:
			self.fd = os.open(self.path, flags, 0o644)
		self.is_renamed = False
		self.gens.append(Gen(self.source, self.number, self.number, self.number))

	def write(self, n: int, cut: int = 0) -> None:
		"""n lines; the last `cut` bytes are left to the next write."""
		lines = [f"{name(self.source, i)} {'x' * (i * 7 % 60)}\n" for i in range(self.number, self.number + n)]
		data = self.rest + "".join(lines).encode()
		keep = len(data) - min(cut, len(lines[-1])) if lines else len(data)
		os.write(self.fd, data[:keep])
		self.rest = data[keep:]
		self.number += n
		self.gen.end = self.number
		if self.gen.is_doomed:
			self.storm.doom(self.gen)

	def finish_line(self) -> None:
		if self.rest:
			os.write(self.fd, self.rest)
		self.rest = b""

	# --- what happens to it ---

	def act(self) -> None:
		if self.is_renamed:
			self.finish_line()
			self.open()
			return
		self.finish_line()
		kind = self.storm.random.choice(self.kinds)
		self.storm.done[kind] += 1
		getattr(self, kind)()

	def shift(self) -> pathlib.Path:
		"""logrotate's chain: .1 becomes .2, the last one goes. Returns the free name."""
		while len(self.chain) >= self.storm.keep:
			path, gen = self.chain.pop()
			path.unlink()
			self.storm.unlinked(gen)
		for i in range(len(self.chain) - 1, -1, -1):
			path, gen = self.chain[i]
			to = path.with_name(f"{self.path.name}.{i + 2}{'.gz' if path.suffix == '.gz' else ''}")
			os.rename(path, to)
			self.chain[i] = to, gen
		return self.path.with_name(self.path.name + ".1")

	def rotate(self) -> pathlib.Path:
		to = self.shift()
		os.rename(self.path, to)
		self.chain.insert(0, (to, self.gen))
		self.gen.is_hidden = not self.storm.matches_rotated
		if not self.storm.is_up and (not self.gen.is_known or self.has_moved) and self.gen.is_hidden:
			self.storm.doom(self.gen)
		return to

	def rename(self) -> None:
		self.rotate()
		self.open()

	def rename_late(self) -> None:
		"""The program goes on in the renamed file until it opens its log anew, in a later step."""
		self.rotate()
		self.is_renamed = True

	def compress(self) -> None:
		old, gen = self.rotate(), self.gen
		self.open()
		packed = old.with_name(old.name + ".gz")
		packed.write_bytes(gzip.compress(old.read_bytes(), 1))
		old.unlink()
		self.chain[0] = packed, gen
		self.storm.unlinked(gen)

	def copytruncate(self) -> None:
		self.copies += 1  # logrotate copies to a new file, others over the one before
		ending = self.storm.random.choice(("copy", f"copy.{self.copies}"))
		copy = self.path.with_name(f"{self.path.name}.{ending}")
		shutil.copyfile(self.path, copy)
		if self.storm.random.random() < 0.5:
			self.write(3)  # into copytruncate's own window
		self.truncate()

	def truncate(self) -> None:
		self.storm.doom(self.gen)
		os.ftruncate(self.fd, 0)
		self.gens.append(Gen(self.source, self.number, self.number, self.number))

	def delete(self) -> None:
		"""Deleted and made again; a program writes a little into the file that has no name."""
		os.unlink(self.path)
		self.storm.unlinked(self.gen)
		self.write(2)
		self.open()

	def move(self) -> None:
		"""With its rotated files to the other directory and back, under their own names."""
		there = self.storm.other(self.path.parent)
		for i, (path, gen) in enumerate(self.chain):
			os.rename(path, there / path.name)
			self.chain[i] = there / path.name, gen
		os.rename(self.path, there / self.path.name)
		self.path = there / self.path.name
		self.has_moved = not self.storm.is_up

	def link(self) -> None:
		gen = self.gen
		gen.is_elsewhere = True
		if not self.storm.is_up or not gen.is_known:
			self.storm.doom(gen)
		self.write(2)
		self.open()


class Storm:
	def __init__(self, seed: int, folder: pathlib.Path, kinds: list[tuple[str, ...]], matches_rotated: bool, keep: int = 5):
		self.random = random.Random(seed)
		self.folder = folder
		self.targets = folder / "targets"
		self.dirs = [folder / "a", folder / "b"]
		for path in (self.targets, *self.dirs):
			path.mkdir(parents=True)
		self.matches_rotated = matches_rotated
		self.is_up = False
		self.keep = keep  # rotated files, as logrotate's `rotate`
		self.done: Counter[str] = Counter()
		self.may: dict[int, list[tuple[int, int]]] = {}
		self.logs = [Log(self, i, self.dirs[i % 2] / f"s{i}.log", k) for i, k in enumerate(kinds)]

	@property
	def paths(self) -> list[str]:
		return [str(self.folder / "*" / "*.log*" if self.matches_rotated else self.folder / "*" / "*.log")]

	@property
	def exclude(self) -> list[str]:
		return [str(self.targets / "**"), str(self.folder / "*" / "*.gz"), str(self.folder / "*" / "*.copy*"),
		        str(self.folder / "*" / "*.new")]

	def other(self, path: pathlib.Path) -> pathlib.Path:
		return self.dirs[1 - self.dirs.index(path)]

	def gens(self):
		return (gen for log in self.logs for gen in log.gens)

	# --- what may be gone ---

	def doom(self, gen: Gen) -> None:
		gen.is_doomed = True
		if gen.end > gen.seen:
			self.may.setdefault(gen.source, []).append((gen.seen, gen.end))

	def unlinked(self, gen: Gen) -> None:
		gen.is_unlinked = True
		if not self.is_up or not gen.is_known:
			self.doom(gen)

	def started(self) -> None:
		self.is_up = True
		for log in self.logs:
			log.has_moved = False

	def killed(self) -> None:
		"""What only the agent's descriptors held is gone, and what nobody can recognise as a log."""
		self.is_up = False
		for log in self.logs:
			for gen in log.gens:
				if gen.is_unlinked or gen.is_elsewhere or (gen.is_hidden and (not gen.is_known or log.is_renamed)):
					self.doom(gen)

	def last(self) -> list[Gen]:
		"""The files whose last line must still arrive."""
		return [gen for gen in self.gens() if gen.end > gen.seen and not gen.is_doomed]

	def arrived(self, gens: list[tuple[Gen, int]]) -> None:
		for gen, end in gens:
			gen.seen = max(gen.seen, end)

	# --- the steps ---

	def step(self) -> None:
		log = self.random.choice(self.logs)
		log.write(self.random.randint(1, 40), self.random.choice((0, 0, 5, 30)))
		if self.random.random() < 0.12:
			log.act()
		if self.random.random() < 0.3:
			time.sleep(self.random.random() * 0.01)

	def end(self) -> None:
		for log in self.logs:
			log.finish_line()
			os.close(log.fd)

	# --- the verdict ---

	@property
	def written(self) -> int:
		return sum(log.number for log in self.logs)

	@property
	def may_count(self) -> int:
		return sum(len(self.may_numbers(log.source)) for log in self.logs)

	def may_numbers(self, source: int) -> set[int]:
		return {n for first, end in self.may.get(source, ()) for n in range(first, end)}

	def verdict(self, lines: list[str]) -> list[str]:
		"""What is wrong with what arrived, in the order of its times; nothing when all is well."""
		got: dict[int, list[int]] = {log.source: [] for log in self.logs}
		wrong = []
		for line in lines:
			match = ID.match(line)
			if match and int(match[1]) in got:
				got[int(match[1])].append(int(match[2]))
			else:
				wrong.append(f"a line that nobody wrote: {line[:100]!r}")
		for log in self.logs:
			have = Counter(got[log.source])
			wrong += (f"{name(log.source, n)} came {k} times" for n, k in have.items() if k > 1)
			lost = [n for n in range(log.number) if n not in have]
			may = self.may_numbers(log.source)
			wrong += (f"{name(log.source, n)} is missing" for n in lost if n not in may)
			wrong += (f"{name(log.source, n)} was never written" for n in have if n >= log.number)
			wrong += self.disorder(log, got[log.source])
		return wrong

	@staticmethod
	def disorder(log: Log, numbers: list[int]) -> list[str]:
		"""Within each file."""
		firsts, last, wrong = [gen.first for gen in log.gens], {}, []
		for n in numbers:
			gen = bisect.bisect_right(firsts, n)
			if n < last.get(gen, -1):
				wrong.append(f"{name(log.source, n)} after {last[gen]}")
			last[gen] = n
		return wrong
