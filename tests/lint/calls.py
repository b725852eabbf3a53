#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Calls that have a home: system calls of the data path in lib/os.h, the heap in lib/mem.h, and those that have none."""

import re

import tree

DATA_PATH = ("pipeline/", "inputs/", "outputs/")
PRODUCT = ("lib/", *DATA_PATH, "agent/")

HEAP = {"malloc", "calloc", "realloc", "reallocarray", "strdup", "strndup", "free"}
# What a library allocated is freed by free(), and asprintf and its like have no other way.
HEAP_HOMES = {"lib/mem.c"}

# No bounds, locale or hidden state: input bytes are never NUL-terminated, and a parser must not guess.
NEVER = {
	"strcpy", "strcat", "sprintf", "vsprintf", "gets", "strtok", "atoi", "atol", "atoll", "atof", "sscanf", "alloca",
	"localtime", "gmtime", "ctime", "asctime", "setjmp", "system", "popen", "rand", "srand",
}  # fmt: skip

# The table's own names, so that a call added there is covered at once.
OS_ENTRY = re.compile(r"\(\*(\w+)\)\(")
CALL = re.compile(r"(?<![\w.>])(\w+)[ \t]*\(")
# A definition or declaration of a function of that name, as in `static int open(...)`.
DECLARED = re.compile(r"(?:^|[ \t*])(?:int|void|ssize_t|char|unsigned|bool|off_t)[ \t*]+$")


def check(t: tree.Tree) -> None:
	os_calls = set(OS_ENTRY.findall(t.text("lib/os.h"))) if "lib/os.h" in t.files else set()
	for path in t.c_files():
		if not path.startswith(PRODUCT):
			continue
		text = tree.bare_c(t.text(path))
		for number, line in enumerate(text.split("\n"), 1):
			for match in CALL.finditer(line):
				name = match.group(1)
				if DECLARED.search(line[: match.start()]):
					continue
				if name in NEVER:
					t.problem(path, number, f"{name}(): not on anybody's bytes")
				elif name in HEAP and path not in HEAP_HOMES:
					t.problem(path, number, f"{name}(): the heap lives in lib/mem.h")
				elif name in os_calls and path.startswith(DATA_PATH):
					t.problem(path, number, f"{name}() on the data path: os->{name}(), so that faults can be injected")


if __name__ == "__main__":
	tree.main(check)
