#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every file: licence line, purpose, length, nothing unfinished, nothing of somebody's machine; a README per folder."""

import os
import re

import tree

MAX_LINES = 800  # C files; about 300 is usual
LICENSED = (".c", ".h", ".py", ".sh")
NO_README = {".", ".ci", ".github"}  # the root has one of its own rank, checked by name
DATA = re.compile(r"^tests/(golden/.|fuzz/(corpus|dict)(/|$))|^conf\.d/.")  # folders of data: described one level up

UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
# Paths of one machine. /tmp and /var are everybody's.
MACHINE = re.compile(r"(?<![\w.$}/])/(work|root|home/(?!\w+/\.{3})\w+|Users/\w+)/")
OWN = {"tests/lint/text.py", "tests/lint/selftest.py"}  # name what they look for


def check(t: tree.Tree) -> None:
	for path in t.files:
		if t.is_binary(path) or re.match(r"tests/(golden|fuzz/corpus)/", path) or path.endswith("go.sum"):
			continue
		text = t.text(path)
		check_lines(t, path, text)
		check_top(t, path, text)
	check_readmes(t)


def check_lines(t: tree.Tree, path: str, text: str) -> None:
	lines = text.split("\n")
	for number, line in enumerate(lines, 1):
		if line != line.rstrip() and not path.endswith((".md", ".txt")):
			t.problem(path, number, "blanks at the end of the line")
		if path in OWN:
			continue
		if UNFINISHED.search(line):
			t.problem(path, number, "unfinished: finish it, or file it where work is planned")
		if MACHINE.search(line):
			t.problem(path, number, "a path of somebody's machine")
	if text and not text.endswith("\n"):
		t.problem(path, len(lines), "no newline at the end")
	if path.endswith((".c", ".h")) and len(lines) - 1 > MAX_LINES:
		t.problem(path, 0, f"{len(lines) - 1} lines, at most {MAX_LINES}: two files hide in it")


def check_top(t: tree.Tree, path: str, text: str) -> None:
	script = text.startswith("#!")
	if not (path.endswith(LICENSED) or script):
		return
	top = text[:400]
	if "SPDX-License-Identifier: Apache-2.0" not in top:
		t.problem(path, 1, "no SPDX line at the top")
	elif path.endswith((".c", ".h")):
		rest = top.split("SPDX-License-Identifier: Apache-2.0", 1)[1].split("*/", 1)[-1].lstrip()
		if not rest.startswith(("/*", "//")) and not re.match(r"\s*\w", top.split("Apache-2.0", 1)[1]):
			t.problem(path, 2, "no sentence of purpose under the SPDX line")


def check_readmes(t: tree.Tree) -> None:
	folders = {os.path.dirname(path) or "." for path in t.files}
	for folder in sorted(folders - NO_README):
		if not DATA.match(folder) and f"{folder}/README.md" not in t.files:
			t.problem(folder, 0, "no README.md")
	if "README.md" not in t.files:
		t.problem("README.md", 0, "is not there")


if __name__ == "__main__":
	tree.main(check)
