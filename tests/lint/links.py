#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Links in the documents: every relative one leads to a file, every #anchor to a heading."""

import os
import re

import tree

LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)|^\[[^\]]+\]:\s*(\S+)", re.M)
CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.M | re.S)


def anchors(text: str) -> set[str]:
	"""Of the headings, as GitHub makes them."""
	found = set()
	for heading in re.findall(r"^#{1,6} +(.+?) *#*$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M):
		plain = re.sub(r"[`*_]|\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
		found.add(re.sub(r"[^\w\- ]", "", plain).replace(" ", "-"))
	return found


def check(t: tree.Tree) -> None:
	known = set(t.files) | {os.path.dirname(path) for path in t.files}
	for path in (p for p in t.files if p.endswith(".md")):
		text = CODE.sub(lambda m: "\n" * m.group().count("\n"), t.text(path))
		for match in LINK.finditer(text):
			target = match.group(1) or match.group(2)
			line = text.count("\n", 0, match.start()) + 1
			if re.match(r"[a-z]+:", target):
				continue
			name, _, anchor = target.partition("#")
			there = os.path.normpath(os.path.join(os.path.dirname(path), name)) if name else path
			if there not in known and there != ".":
				t.problem(path, line, f"{target} leads nowhere")
			elif anchor and there.endswith(".md") and anchor not in anchors(t.text(there)):
				t.problem(path, line, f"{there} has no heading for #{anchor}")


if __name__ == "__main__":
	tree.main(check)
