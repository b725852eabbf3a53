#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Who may include whom, and where each external library lives. The tables are the rule."""

import os
import re

import tree

# A layer includes itself and what stands left of it. Those in APART keep their subfolders apart from each other.
LAYERS = {
	"lib": {"lib"},
	"pipeline": {"lib", "pipeline"},
	"inputs": {"lib", "pipeline", "inputs"},
	"outputs": {"lib", "pipeline", "outputs"},
	"agent": {"lib", "pipeline", "inputs", "outputs", "agent"},
	"bench": {"lib", "pipeline", "inputs", "outputs", "agent", "bench"},
	"tests": {"lib", "pipeline", "inputs", "outputs", "agent", "tests"},
}
APART = {"inputs", "outputs"}
# The registry of the program with test plugins is the one place that looks down here.
EXCEPTIONS = {("agent/registry.c", "tests/plugins/plugins.h")}

# Test programs name their neighbours without the path.
NEIGHBOURS = {"tests"}

# One home file for each external library; tests and benches measure and check with them freely.
HOMES = {
	r"pcre2.*": {"pipeline/pattern.c"},
	r"curl/.*": {"outputs/loki/client.c", "outputs/loki/transfer.c", "outputs/loki/transfer.h"},
	r"yaml\.h": {"agent/conf_yaml.c"},
	r"snappy.*": {"lib/snap.c"},
	r"zlib\.h|zstd.*\.h": {"lib/inflate.c"},
	r"openssl/.*": {"lib/tls.c", "lib/digest.c"},
	r"maxminddb.*": {"pipeline/geo.c"},
	r"nghttp2/.*": {"lib/h2_impl.h"},
	r"systemd/.*": {"inputs/journal/reader.c"},
	r"protobuf-c/.*|.*\.pb-c\.h": set(),
}
FREE = {"tests", "bench"}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.M)


def check(t: tree.Tree) -> None:
	known = set(t.files)
	for path in t.c_files():
		text = t.text(path)
		for match in INCLUDE.finditer(text):
			line = text.count("\n", 0, match.start()) + 1
			name = match.group(2)
			check_home(t, path, line, name)
			if path.split("/")[0] in NEIGHBOURS and f"{os.path.dirname(path)}/{name}" in known:
				continue
			if match.group(1) == '"' and (path, name) not in EXCEPTIONS:
				check_layer(t, known, path, line, name)


def check_home(t: tree.Tree, path: str, line: int, name: str) -> None:
	if path.split("/")[0] in FREE:
		return
	for pattern, homes in HOMES.items():
		if re.fullmatch(pattern, name) and path not in homes:
			t.problem(path, line, f"includes {name}, which lives in {', '.join(sorted(homes)) or 'tests only'}")


def check_layer(t: tree.Tree, known: set[str], path: str, line: int, name: str) -> None:
	if name.endswith(".pb-c.h"):
		return
	if name not in known:
		t.problem(path, line, f'"{name}" is no file from the root of the repository')
		return
	here, there = path.split("/"), name.split("/")
	if here[0] not in LAYERS:
		t.problem(path, line, "C code in a folder that the layer table does not know")
	elif there[0] not in LAYERS[here[0]]:
		t.problem(path, line, f"{here[0]} includes {name}: the direction is lib <- pipeline <- inputs, outputs <- agent")
	elif here[0] in APART and there[0] == here[0] and len(there) > 2 and there[1] != here[1]:
		t.problem(path, line, f"one of the {here[0]} includes another: {name}")


if __name__ == "__main__":
	tree.main(check)
