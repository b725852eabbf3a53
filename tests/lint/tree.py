# SPDX-License-Identifier: Apache-2.0
"""What every check needs: the files of the tree, C text without comments and strings, and the report."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys

SKIPPED = {".git", "build", "__pycache__", ".pytest_cache"}


class Tree:
	def __init__(self, root: pathlib.Path):
		self.root = root
		self.problems: list[str] = []
		self.files = sorted(self._list())

	def _list(self) -> list[str]:
		"""Paths from the root: what git knows or would add, or everything where there is no git (a tarball)."""
		if (self.root / ".git").exists():
			listed = subprocess.run(
				["git", "-C", self.root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
				capture_output=True,
				check=True,
			).stdout.decode()
			return [path for path in set(listed.split("\0")) if path and (self.root / path).is_file()]
		found = []
		for folder, folders, names in os.walk(self.root):
			folders[:] = [f for f in folders if f not in SKIPPED]
			found += [os.path.relpath(os.path.join(folder, name), self.root) for name in names]
		return found

	def c_files(self, *suffixes: str) -> list[str]:
		return [path for path in self.files if path.endswith(suffixes or (".c", ".h"))]

	def bytes(self, path: str) -> bytes:
		return (self.root / path).read_bytes()

	def text(self, path: str) -> str:
		return self.bytes(path).decode(errors="replace")

	def is_binary(self, path: str) -> bool:
		return b"\0" in self.bytes(path)[:8192]

	def problem(self, path: str, line: int, text: str) -> None:
		self.problems.append(f"{path}:{line}: {text}" if line else f"{path}: {text}")


_C_NOISE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'', re.S)


def bare_c(text: str) -> str:
	"""C without comments, strings and character constants; every line stays on its line."""

	def blank(match: re.Match) -> str:
		what = match.group()
		return '""' if what[0] in "\"'" else "\n" * what.count("\n")

	return _C_NOISE.sub(blank, text)


def main(check) -> None:
	"""Runs check(tree) on the folder given, or on this repository, and exits with 1 when it found something."""
	root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parents[2]
	tree = Tree(root)
	check(tree)
	for problem in tree.problems:
		print(problem)
	sys.exit(1 if tree.problems else 0)
