# SPDX-License-Identifier: Apache-2.0
"""The harness itself: a decoder or a fault that does not do what it says would make every other test worthless."""

import http.client
import socket
import time

import pytest

import agent as agent_module
import wire
from faultloki import Fault, FaultLoki
from wire import Entry, Stream


def post(server: FaultLoki, body: bytes, conn: http.client.HTTPConnection | None = None, **headers: str):
	conn = conn or http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
	head = {"Content-Type": "application/x-protobuf", "User-Agent": "harness"} | headers
	conn.request("POST", "/loki/api/v1/push", body, head)
	answer = conn.getresponse()
	return answer.status, answer.read().decode(), dict(answer.getheaders())


def body_of(*lines: str, ts: int = 1, **labels: str) -> bytes:
	stream = Stream(labels or {"job": "h"}, [Entry(ts + i, line) for i, line in enumerate(lines)])
	return wire.snappy_encode(wire.encode_push([stream]))


# --- wire ---


@pytest.mark.parametrize("ts", [0, 1, 999_999_999, 1_700_000_000_123_456_789, -1, -1_500_000_000])
def test_push_round_trip(ts):
	labels = {"job": "a", "q": 'x"\\\n\t\r ü'}
	sent = [Stream(labels, [Entry(ts, "lïne \x00", (("k", "v"), ("k", ""))), Entry(ts, "")]), Stream({"b": "c"})]
	got = wire.decode_push(wire.encode_push(sent))
	assert [(s.labels, s.entries) for s in got] == [(s.labels, s.entries) for s in sent]


def test_known_bytes():
	# By hand: stream { labels, entry { time { seconds 1, nanos 2 }, line } }
	stream = Stream({"a": "b"}, [Entry(1_000_000_002, "x")])
	inner = b'\x0a\x07{a="b"}' + b"\x12\x09" + b"\x0a\x04\x08\x01\x10\x02" + b"\x12\x01x"
	assert wire.encode_push([stream]) == b"\x0a" + bytes([len(inner)]) + inner


@pytest.mark.parametrize(
	"text",
	['{a=b}', '{a="b"', '{a="b" c="d"}', '{a-b="c"}', '{a="\\q"}', '{a="x", a="y"}', '{="x"}', '{a="line\nbreak"}'],
)
def test_labels_that_loki_refuses_are_refused(text):
	with pytest.raises(wire.WireError):
		wire.parse_labels(text)


def test_snappy_copies():
	# Literal "abcd", then a copy of each kind; the last one overlaps itself.
	block = b"\x1a\x0cabcd" + b"\x01\x04" + b"\x0e\x08\x00" + b"\x26\x01\x00" + b"\x0f\x04\x00\x00\x00"
	assert wire.snappy_decode(block) == b"abcd" + b"abcd" + b"abcd" + b"d" * 10 + b"dddd"
	data = bytes(range(256)) * 600
	assert wire.snappy_decode(wire.snappy_encode(data)) == data


@pytest.mark.parametrize("block", [b"", b"\x04\x0cabc", b"\x05\x0cabcd", b"\x08\x0cabcd\x01\x05", b"\x08\x0cabcd\x01\x00", b"\x02\x0cabcd"])
def test_broken_snappy_is_refused(block):
	with pytest.raises(wire.WireError):
		wire.snappy_decode(block)


# --- fault Loki ---


def test_answers_follow_the_script(fault_loki):
	fault_loki.script(Fault.status(500, "boom\n") * 2, Fault.rate_limited("7"), Fault.blocked())
	conn = http.client.HTTPConnection("127.0.0.1", fault_loki.port, timeout=5)
	answers = [post(fault_loki, body_of("a"), conn) for _ in range(5)]
	assert [a[0] for a in answers] == [500, 500, 429, 260, 204]
	assert answers[0][1] == "boom\n" and answers[2][2]["Retry-After"] == "7"
	assert fault_loki.lines() == ["a"], "kept once, by the last"
	assert len(fault_loki.pushes) == 5 and fault_loki.accepted_connections == 1


def test_a_partial_refusal_keeps_the_rest(fault_loki):
	fault_loki.script(Fault.partial(lambda stream, entry: entry.line == "bad"))
	assert post(fault_loki, body_of("good", "bad"))[0] == 400
	assert fault_loki.lines() == ["good"]


def test_a_500_may_have_stored_and_a_repeat_is_dropped(fault_loki):
	fault_loki.script(Fault.status(500, stored=True))
	post(fault_loki, body_of("a", "b"))
	post(fault_loki, body_of("a", "b"))
	assert fault_loki.lines() == ["a", "b"]
	assert len(fault_loki.kept(repeats=True)) == 4


def test_resets_are_resets(fault_loki):
	fault_loki.script(Fault.reset(), Fault.reset_early(), Fault.hang_up())
	with pytest.raises(ConnectionResetError):
		post(fault_loki, body_of("a"))
	with pytest.raises((ConnectionResetError, BrokenPipeError)):
		post(fault_loki, body_of("x" * 8_000_000))
	with pytest.raises(http.client.RemoteDisconnected):
		post(fault_loki, body_of("a"))
	assert post(fault_loki, body_of("a"))[0] == 204
	assert fault_loki.lines() == ["a"]
	assert [p.complete for p in fault_loki.pushes] == [True, False, True, True]


def test_slow_down_and_up(fault_loki):
	fault_loki.script(Fault.ok().slow(0.3))
	began = time.monotonic()
	post(fault_loki, body_of("a"))
	assert time.monotonic() - began >= 0.3
	idle = socket.create_connection(("127.0.0.1", fault_loki.port))
	time.sleep(0.05)
	fault_loki.down()
	idle.settimeout(2)
	with pytest.raises(ConnectionResetError):
		idle.recv(1) or pytest.fail("closed without a reset")
	with pytest.raises(ConnectionRefusedError):
		post(fault_loki, body_of("a"))
	fault_loki.up()
	assert post(fault_loki, body_of("b", ts=9))[0] == 204
	assert fault_loki.lines() == ["a", "b"]


@pytest.mark.parametrize(
	("pushes", "headers", "says"),
	[
		([body_of("a", ts=5), body_of("b", ts=4)], {}, "goes back in time"),
		([body_of("a")], {"Content-Type": "text/plain"}, "Content-Type"),
		([wire.snappy_encode(wire.encode_push([Stream({"a": "b"}, [Entry(1, "x"), Entry(1, "y")])]))], {}, "one instant"),
		([wire.snappy_encode(wire.encode_push([Stream({"a": "b"})]))], {}, "without entries"),
		([wire.snappy_encode(wire.encode_push([Stream({"a": "b"}, [Entry(1, "x")])] * 2))], {}, "twice"),
		([b"\xff\xff"], {}, "undecodable"),
	],
)
def test_a_bad_client_is_found_out(pushes, headers, says):
	server = FaultLoki()
	for body in pushes:
		post(server, body, **headers)
	server.down()
	with pytest.raises(AssertionError, match=says):
		server.check()


# --- agent ---


def test_metrics_and_ledger_are_read_as_written():
	text = (
		"# HELP tailrace_records_in_total x\n# TYPE tailrace_records_in_total counter\n"
		'tailrace_records_in_total{pipeline="p",output="o"} 10\n'
		'tailrace_records_delivered_total{pipeline="p",output="o"} 6\n'
		'tailrace_records_dropped_total{pipeline="p",output="o",reason="a\\"b"} 1\n'
		'tailrace_records_dropped_total{pipeline="p",output="o",reason="c"} 1\n'
		'tailrace_records_held{pipeline="p",output="o"} 2\n'
	)
	metrics = agent_module.Metrics(text)
	assert metrics.sum("tailrace_records_dropped_total", output="o") == 2
	assert agent_module.unbalanced(metrics.ledger()) == []
	short = agent_module.Metrics(text.replace("} 6\n", "} 5\n"))
	assert agent_module.unbalanced(short.ledger()) != []
	for bad in ("x{a=b} 1\n", "x 1\nx 2\n", "x{} y 1\n", 'x{a="b"c="d"} 1\n'):
		with pytest.raises(ValueError):
			agent_module.Metrics(bad)


def test_logfmt_is_read_as_written():
	line = 'time=2026-01-01T00:00:00Z level=info msg="a \\"b\\" c" n=1 empty='
	want = {"time": "2026-01-01T00:00:00Z", "level": "info", "msg": 'a "b" c', "n": "1", "empty": ""}
	assert agent_module.parse_logfmt(line) == want
