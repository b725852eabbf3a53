# SPDX-License-Identifier: Apache-2.0
"""What a real rsyslog makes of the golden syslog messages, field by field, against what we make of them. Where the two
differ, and why, is a reviewed list: golden/syslog/rsyslog.differences. `UPDATE_GOLDEN=1` rewrites it, what is new under
the reason `new`, which the test does not accept."""

import datetime
import json
import os
import pathlib
import re
import socket
import time

import pytest

from conftest import missing
from work import Rsyslog, sbin

GOLDEN = pathlib.Path(__file__).parent.parent / "golden" / "syslog"
LIST = GOLDEN / "rsyslog.differences"

# rsyslog at its best: with the parsers for what its two own ones do not read.
CONFIG = """\
global(workDirectory="{dir}" maxMessageSize="64k" parser.escapeControlCharactersOnReceive="off"
	parser.permitSlashInProgramName="on")
module(load="imuxsock" SysSock.Use="off")
module(load="imptcp")
module(load="pmlastmsg")
module(load="pmaixforwardedfrom")
module(load="pmciscoios")
input(type="imptcp" address="127.0.0.1" port="{port}" ruleset="show" SupportOctetCountedFraming="on")
template(name="fields" type="list" option.jsonf="on") {{
	property(outname="facility" name="syslogfacility-text" format="jsonf")
	property(outname="severity" name="syslogseverity-text" format="jsonf")
	property(outname="time" name="timereported" dateFormat="rfc3339" format="jsonf")
	property(outname="received" name="timegenerated" dateFormat="rfc3339" format="jsonf")
	property(outname="hostname" name="hostname" format="jsonf")
	property(outname="fromhost" name="fromhost" format="jsonf")
	property(outname="appname" name="app-name" format="jsonf")
	property(outname="procid" name="procid" format="jsonf")
	property(outname="msgid" name="msgid" format="jsonf")
	property(outname="msg" name="msg" format="jsonf")
}}
ruleset(name="show" parser=["rsyslog.lastline", "rsyslog.aixforwardedfrom", "rsyslog.ciscoios", "rsyslog.rfc5424",
		"rsyslog.rfc3164"]) {{
	action(type="omfile" file="{dir}/out.json" template="fields")
}}
"""


def message(text: str) -> bytes:
	"""The bytes that a line of a golden file stands for."""
	def one(match: re.Match) -> bytes:
		return {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"0": b"\0", b"\\": b"\\"}.get(match[1]) or bytes([int(match[1][1:], 16)])
	return re.sub(rb"\\(x[0-9a-f]{2}|[nrt0\\])", one, text.encode("latin1"))


def golden() -> list[tuple[str, dict[str, str]]]:
	"""Each message and our fields of it, as the golden files have them."""
	found = []
	for path in sorted(GOLDEN.glob("*.out")):
		for line in path.read_text("latin1").split("\n"):
			if not line.startswith("\t"):
				found.append((line, {}))
				continue
			fields = found[-1][1]
			if not fields:
				words = line.strip().split(" ")
				stamp = next((w for w in words[2:] if re.match(r"\d{4}-", w)), "")
				fields.update(format=words[0], pri=words[1], time=instant(stamp))
			else:
				name, _, value = line[1:].partition(" ")
				fields[name] = value
	return [(text, fields) for text, fields in found if message(text).strip(b"\0\r\n")]


def instant(text: str) -> str:
	"""In UTC and without the year, which is a guess for many; "" when rsyslog shows what is no time."""
	match = re.match(r"(.{19})(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$", text)
	if not match:
		return "" if not text else "no time"
	try:
		when = datetime.datetime.fromisoformat(match[1] + (match[3] if match[3] != "Z" else "+00:00"))
	except ValueError:
		return "no time"
	micros = ((match[2] or "") + "000000")[:6]
	return when.astimezone(datetime.timezone.utc).strftime("%m-%dT%H:%M:%S.") + micros


def shown(text: str) -> str:
	return "".join(chr(b) if 32 <= b < 127 else f"\\x{b:02x}" for b in text.encode("utf-8", "surrogateescape"))


def rsyslogs(record: dict[str, str], is_5424: bool) -> dict[str, str]:
	"""Its fields under our names; what it fills in when a message does not say it is left out."""
	def when(name: str) -> datetime.datetime:
		return datetime.datetime.fromisoformat(record[name])
	try:
		is_receipt = abs((when("time") - when("received")).total_seconds()) < 60
	except ValueError:
		is_receipt = False
	msg = shown(record["msg"])
	return {
		"pri": record["facility"] + "." + record["severity"],
		"time": "" if is_receipt else instant(record["time"]),
		"hostname": "" if record["hostname"] in (record["fromhost"], "-") else shown(record["hostname"]),
		**{name: shown(record[name]) if record[name] != "-" else "" for name in ("appname", "procid", "msgid")},
		"msg": msg[1:] if msg.startswith(" ") and not is_5424 else msg,  # it leaves the space behind the tag there
	}


def differences(daemon: Rsyslog, out: pathlib.Path) -> dict[str, str]:
	"""Message -> names of the fields that differ."""
	cases = golden()
	with socket.create_connection(("127.0.0.1", daemon.port)) as s:
		for text, _ in cases:
			s.sendall(b"%d %s" % (len(message(text)), message(text)))
	deadline = time.monotonic() + 60
	lines: list[str] = []
	while len(lines) < len(cases) and time.monotonic() < deadline:
		time.sleep(0.1)
		lines = out.read_text(errors="surrogateescape").splitlines() if out.exists() else []
	assert len(lines) == len(cases)
	found = {}
	for (text, ours), line in zip(cases, lines):
		theirs = rsyslogs(json.loads(line, strict=False), ours["format"] == "rfc5424")
		names = [name for name, value in theirs.items() if ours.get(name, "") != value]
		if names:
			found[text] = ",".join(names)
	return found


def reviewed() -> tuple[list[str], dict[str, tuple[str, str]]]:
	"""The reasons as written, and message -> (reason, fields)."""
	heads, found, reason = [], {}, "new"
	for line in LIST.read_text("latin1").split("\n"):
		if line.startswith("## "):
			reason = line[3:].split(" ")[0]
			heads.append(line)
		elif "\t" in line:
			names, _, text = line.partition("\t")
			found[text] = (reason, names)
	return heads, found


def rewrite(found: dict[str, str]) -> None:
	intro = LIST.read_text("latin1").split("\n## ")[0].rstrip() + "\n"
	heads, old = reviewed()
	heads = [h for h in heads if not h.startswith("## new")] + ["## new  not yet reviewed"]
	for head in heads:
		reason = head[3:].split(" ")[0]
		rows = [f"{names}\t{text}\n" for text, names in found.items() if old.get(text, ("new", ""))[0] == reason]
		if rows:
			intro += "\n" + head + "\n" + "".join(rows)
	LIST.write_text(intro, "latin1")


def test_rsyslog_reads_the_same(request, tmp_path, monkeypatch):
	if sbin("rsyslogd") is None:
		missing(request, "rsyslog", "no rsyslogd: apt-get install rsyslog")
	monkeypatch.setenv("TZ", "UTC")
	daemon = Rsyslog(tmp_path / "rsyslog")
	daemon.config.write_text(CONFIG.format(dir=daemon.folder, port=daemon.port))
	daemon.start()
	try:
		found = differences(daemon, daemon.folder / "out.json")
	finally:
		daemon.stop()
	if os.environ.get("UPDATE_GOLDEN"):
		rewrite(found)
	_, known = reviewed()
	known_names = {text: names for text, (reason, names) in known.items() if reason != "new"}
	assert {t: n for t, n in found.items() if known_names.get(t) != n} == {}, "differences that nobody has reviewed"
	assert {t: n for t, n in known_names.items() if t not in found} == {}, "differences that are no more"
