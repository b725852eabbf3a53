#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each header compiles alone, has a guard named after its path, and C constants called *_MAGIC are unique."""

import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import tree

WARNINGS = "-Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wno-missing-field-initializers -Werror".split()
MAGIC = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(\w*MAGIC\w*)[ \t]+(0[xX][0-9a-fA-F]+|\d+)[uUlL]*", re.M)


def compiles(t: tree.Tree, path: str) -> str:
	"""What the compiler says, or nothing. Included twice: a header without a guard shows as well."""
	done = subprocess.run(
		[os.environ.get("CC", "gcc"), "-std=gnu11", "-D_GNU_SOURCE", "-fsyntax-only", *WARNINGS, "-I", t.root, "-xc", "-"],
		input=f'#include "{path}"\n#include "{path}"\n'.encode(),
		capture_output=True,
		cwd=t.root, # a source from stdin looks for "" files in the current folder first
	)
	return done.stderr.decode(errors="replace") if done.returncode else ""


def check(t: tree.Tree) -> None:
	headers = [path for path in t.c_files(".h") if ".pb-c.h" not in path + t.text(path)]  # generated
	with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
		for path, said in zip(headers, pool.map(lambda path: compiles(t, path), headers)):
			if said:
				t.problem(path, 0, "does not compile alone:\n" + said.rstrip())
	for path in headers:
		guard = re.sub(r"\W", "_", path).upper()
		if f"#ifndef {guard}\n" not in t.text(path):
			t.problem(path, 0, f"its guard is not {guard}")

	seen: dict[int, str] = {}
	for path in t.c_files():
		text = t.text(path)
		for match in MAGIC.finditer(text):
			where = f"{path}:{text.count(chr(10), 0, match.start()) + 1}"
			value = int(match.group(2), 0)
			if value in seen:
				t.problems.append(f"{where}: {match.group(1)} has the value of the one at {seen[value]}")
			seen.setdefault(value, where)


if __name__ == "__main__":
	tree.main(check)
