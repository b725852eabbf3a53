#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The checks against themselves: each must be silent about a good small tree, and name what one bad file breaks."""

import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TOP = "/* SPDX-License-Identifier: Apache-2.0 */\n/* Purpose. */\n"


def header(path: str, body: str = "") -> str:
	guard = path.replace("/", "_").replace(".", "_").upper()
	return f"{TOP}#ifndef {guard}\n#define {guard}\n{body}\n#endif\n"


GOOD = {
	"README.md": "# x\n\nSee [lib](lib/README.md#the-lib) and [it](lib/a.h).\n",
	"lib/README.md": "# The `lib`\n",
	"pipeline/README.md": "# p\n",
	"inputs/README.md": "# i\n",
	"inputs/file/README.md": "# f\n",
	"inputs/syslog/README.md": "# s\n",
	"lib/a.h": header("lib/a.h", "#define A_MAGIC 0x11u"),
	"lib/os.h": header("lib/os.h", "struct os_ops {\n\tint (*open)(const char *path);\n\tlong (*read)(int fd);\n};"),
	"inputs/syslog/syslog.h": header("inputs/syslog/syslog.h"),
	"pipeline/pattern.c": TOP + '#include <pcre2.h>\n\n#include "lib/a.h"\n#define P_MAGIC 0x12u\n',
	"inputs/file/file.c": TOP
	+ '#include "lib/a.h"\n\n/* open( malloc( strcpy( */\n'
	+ 'static const char *const s = "read(1)";\n\nint f(void)\n{\n\treturn os->open(s) + reopen(s);\n}\n',
}

# check, path, content, what the report must contain
BAD = [
	("includes", "lib/b.c", TOP + '#include "pipeline/p.h"\n', "no file from the root"),
	("includes", "lib/b.c", TOP + '#include "inputs/syslog/syslog.h"\n', "lib/b.c:3: lib includes"),
	("includes", "inputs/file/b.c", TOP + '#include "inputs/syslog/syslog.h"\n', "one of the inputs includes another"),
	("includes", "inputs/file/b.c", TOP + "#  include <pcre2.h>\n", "lives in pipeline/pattern.c"),
	("includes", "agent/b.c", TOP + "#include <protobuf-c/protobuf-c.h>\n", "tests only"),
	("includes", "other/b.c", TOP + '#include "lib/a.h"\n', "layer table"),
	("calls", "inputs/file/b.c", TOP + "int g(void)\n{\n\treturn read(1);\n}\n", "inputs/file/b.c:5: read()"),
	("calls", "pipeline/b.c", TOP + "int g(void)\n{\n\treturn !open(1);\n}\n", "open() on the data path"),
	("calls", "agent/b.c", TOP + "void *g(void)\n{\n\treturn malloc(1);\n}\n", "malloc()"),
	("calls", "lib/b.c", TOP + "void g(char *a)\n{\n\tstrcpy(a, a);\n}\n", "strcpy()"),
	("headers", "lib/b.h", header("lib/b.h", "int f(size_t n);"), "does not compile alone"),
	("headers", "lib/b.h", TOP + "struct b {\n\tint x;\n};\n", "does not compile alone"),
	("headers", "lib/b.h", header("lib/c.h"), "guard is not LIB_B_H"),
	("headers", "lib/b.c", TOP + "#define B_MAGIC 17u\n", "has the value of the one at lib/a.h:5"),
	("text", "lib/b.c", "int x;\n", "no SPDX"),
	("text", "lib/b.c", "/* SPDX-License-Identifier: Apache-2.0 */\n#include <stdio.h>\n", "no sentence of purpose"),
	("text", "lib/b.c", TOP + "int x; /* TODO */\n", "unfinished"),
	("text", "lib/b.c", TOP + "int x; \n", "blanks at the end"),
	("text", "lib/b.c", TOP + "int x;", "no newline"),
	("text", "lib/b.c", TOP + "int x;\n" * 801, "803 lines"),
	("text", "lib/notes.md", "see /" + "home/ann/notes\n", "somebody's machine"),
	("text", "lib/notes.md", "see /" + "root/x\n", "somebody's machine"),
	("text", "outputs/x.txt", "x\n", "outputs: no README.md"),
	("links", "lib/README.md", "[x](b.h)\n", "b.h leads nowhere"),
	("links", "lib/README.md", "[x](../README.md#y)\n", "no heading for #y"),
	("format", "lib/b.c", TOP + "int  x;\n", "not as clang-format"),
]


def run(check: str, files: dict[str, str]) -> tuple[int, str]:
	with tempfile.TemporaryDirectory() as folder:
		for path, content in files.items():
			target = pathlib.Path(folder, path)
			target.parent.mkdir(parents=True, exist_ok=True)
			target.write_text(content)
		done = subprocess.run([sys.executable, HERE / f"{check}.py", folder], capture_output=True, text=True)
		return done.returncode, done.stdout + done.stderr


def main() -> None:
	# The root's .clang-format rules here too.
	good = GOOD | {".clang-format": (HERE.parents[1] / ".clang-format").read_text()}
	failed = 0
	for check in sorted({bad[0] for bad in BAD}):
		code, said = run(check, good)
		if code or said and "SKIPPED" not in said:
			failed += 1
			print(f"{check}: complains about a good tree:\n{said}")
	for check, path, content, want in BAD:
		code, said = run(check, good | {path: content})
		if "SKIPPED" in said:
			print(said, end="")
		elif code != 1 or want not in said:
			failed += 1
			print(f"{check}: {path} should give {want!r}, gave {code}:\n{said}")
	sys.exit(1 if failed else 0)


if __name__ == "__main__":
	main()
