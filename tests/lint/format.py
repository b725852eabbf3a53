#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""C files as clang-format 14 (Debian 12's) leaves them. Other versions differ in details: they are skipped, loudly.

To apply it: tests/lint/format.py --fix
"""

import os
import shutil
import subprocess
import sys

import tree

VERSION = "14"


def formatter() -> str | None:
	for name in (f"clang-format-{VERSION}", "clang-format"):
		if shutil.which(name):
			said = subprocess.run([name, "--version"], capture_output=True, text=True).stdout
			if f"version {VERSION}." in said:
				return name
	return None


def check(t: tree.Tree) -> None:
	files = [path for path in t.c_files() if not path.endswith(".pb-c.h")]
	name = formatter()
	if name is None:
		if os.environ.get("TAILRACE_REQUIRE_REAL") == "1":
			t.problem("clang-format", 0, f"version {VERSION} is not here, and is required")
		else:
			print(f"SKIPPED: no clang-format {VERSION} here; CI checks the format", file=sys.stderr)
		return
	if not files:
		return
	if FIX:
		subprocess.run([name, "-i", "--style=file", *files], cwd=t.root, check=True)
		return
	done = subprocess.run(
		[name, "--dry-run", "--Werror", "--style=file", "--ferror-limit=1", *files], cwd=t.root, capture_output=True, text=True
	)
	places = [line.split(": error:")[0] for line in done.stderr.splitlines() if ": error:" in line]
	t.problems += [f"{place}: not as clang-format leaves it (tests/lint/format.py --fix)" for place in places[:10]]
	if places[10:]:
		t.problems.append(f"... and {len(places) - 10} files more")
	if done.returncode and not t.problems:
		t.problems.append(done.stderr)


FIX = "--fix" in sys.argv
if __name__ == "__main__":
	sys.argv = [arg for arg in sys.argv if arg != "--fix"]
	tree.main(check)
