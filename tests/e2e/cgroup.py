# SPDX-License-Identifier: Apache-2.0
"""A memory cgroup below our own, version 1 or 2, where the kernel lets us make one."""

from __future__ import annotations

import contextlib
import pathlib
import time


class NoCgroup(Exception):
	pass


def _own(controller: str) -> str | None:
	"""Our group: of a controller of version 1, or "" for version 2."""
	for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
		_, names, path = line.split(":", 2)
		if controller in names.split(",") or (not controller and not names):
			return path
	return None


def _mount(kind: str, option: str) -> pathlib.Path | None:
	for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
		_, where, found, options, *_ = line.split()
		if found == kind and (not option or option in options.split(",")):
			return pathlib.Path(where)
	return None


class Cgroup:
	def __init__(self, path: pathlib.Path, limit: int, version: int):
		self.path, self.version = path, version
		(path / ("memory.max" if version == 2 else "memory.limit_in_bytes")).write_text(str(limit))
		if version == 2 and (path / "memory.swap.max").exists():
			(path / "memory.swap.max").write_text("0")

	def prefix(self) -> list[str]:
		"""In front of a command: it runs in the group."""
		return ["sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', str(self.path)]

	def peak(self) -> int:
		for name in ("memory.peak", "memory.max_usage_in_bytes", "memory.current"):
			if (self.path / name).exists():
				return int((self.path / name).read_text())
		return 0

	def kills(self) -> int:
		"""How many were killed because there was no memory left."""
		name = "memory.events" if self.version == 2 else "memory.oom_control"
		counts = dict(line.split() for line in (self.path / name).read_text().splitlines())
		return int(counts.get("oom_kill", 0))


@contextlib.contextmanager
def memory_cgroup(name: str, limit: int):
	"""NoCgroup, when the kernel does not let us."""
	v1, v2 = _mount("cgroup", "memory"), _mount("cgroup2", "")
	if v1 and _own("memory"):
		path, version = v1 / _own("memory").lstrip("/") / name, 1
	elif v2 and _own(""):
		path, version = v2 / _own("").lstrip("/") / name, 2
	else:
		raise NoCgroup("no memory cgroup is mounted")
	made = False
	try:
		try:
			path.mkdir()
			made = True
			group = Cgroup(path, limit, version)
		except OSError as e:
			raise NoCgroup(f"{path}: {e.strerror}") from None
		yield group
	finally:
		for _ in range(100 if made else 0):  # the last process may be on its way out
			try:
				path.rmdir()
				break
			except OSError:
				time.sleep(0.05)
