# SPDX-License-Identifier: Apache-2.0
"""The real Loki, without the agent: that it is there, and what it really answers.

The agent's rules for answers and limits rest on these facts. When a newer Loki changes one, it is seen here first,
and not as a riddle in a test of the agent.
"""

import time

import pytest

import wire
from wire import Entry, Stream

HOUR = 3600 * 10**9


@pytest.fixture
def now() -> int:
	return time.time_ns()


# --- what is kept -------------------------------------------------------------------------------------------


def test_pushed_lines_are_read_back(loki, now):
	labels = {"job": "direct", "odd": 'q"uo\\te\nnewline\ttab'}
	answer = loki.push(labels, [Entry(now, "one", (("trace_id", "abc"),)), Entry(now + 1, "zwei ü \x00\x1b")])
	assert (answer.status, answer.text) == (204, "")
	first, second = loki.read('{job="direct"}')
	assert (first.ts, first.line, first.label, first.metadata) == (now, "one", labels, {"trace_id": "abc"})
	assert (second.ts, second.line, second.metadata) == (now + 1, "zwei ü \x00\x1b", {})
	assert loki.count('{job="direct"}') == 2


def test_more_lines_than_one_answer_holds(loki, now):
	# Three entries share each instant, so pages end in the middle of one.
	lines = [f"line {i}" for i in range(12_000)]
	assert loki.push({"job": "many"}, [Entry(now + i // 3, line) for i, line in enumerate(lines)]).status == 204
	assert sorted(loki.lines('{job="many"}')) == sorted(lines)


def test_tenants_do_not_see_each_other(loki, now):
	loki.push({"job": "t"}, [Entry(now, "mine")])
	other = loki.with_tenant(loki.tenant[:100] + "-other")
	assert other.read('{job="t"}') == []
	other.push({"job": "t"}, [Entry(now, "theirs")])
	assert (loki.lines('{job="t"}'), other.lines('{job="t"}')) == (["mine"], ["theirs"])


def test_an_identical_entry_is_kept_once(loki, now):
	entries = [Entry(now, "one"), Entry(now + 5, "two")]
	for _ in range(3):
		assert loki.push({"job": "dup"}, entries).status == 204
	loki.push({"job": "dup"}, entries[:1])  # also when something newer came since
	assert loki.lines('{job="dup"}') == ["one", "two"]
	assert loki.count('{job="dup"}') == 2


def test_a_repeat_behind_a_cut_block_is_listed_once_and_counted_twice(loki_default, now):
	"""Loki cuts a stream's block at 256 KiB (chunk_block_size) and recognises repeats in the newest one only. Both
	pushes stay below the rate (1.5 MB/s) at which it would split the stream, where it recognises none."""
	entries = [Entry(now + i, f"{i:05d} " + "x" * 200) for i in range(2000)]
	for _ in range(2):
		assert loki_default.push({"job": "cut"}, entries).status == 204
	assert loki_default.lines('{job="cut"}') == [e.line for e in entries]
	assert len(entries) < loki_default.count('{job="cut"}') <= 2 * len(entries)


def test_what_makes_entries_of_one_instant_differ(loki, now):
	loki.push({"job": "line"}, [Entry(now, "a"), Entry(now, "b"), Entry(now, "a")])
	loki.push({"job": "meta"}, [Entry(now, "a", (("k", "1"),)), Entry(now, "a", (("k", "2"),))])
	assert loki.count('{job="line"}') == 2
	assert loki.count('{job="meta"}') == 2


def test_older_entries_are_taken_within_an_hour_of_the_newest(loki, now):
	assert loki.push({"job": "ooo"}, [Entry(now, "new"), Entry(now - HOUR // 2, "older")]).status == 204
	assert loki.lines('{job="ooo"}') == ["older", "new"]


def test_old_entries_are_found_after_a_flush(loki, now):
	old = now - 240 * HOUR
	assert loki.push({"job": "old"}, [Entry(old, "ten days ago")]).status == 204
	loki.flush()
	deadline = time.monotonic() + 15
	while not (found := loki.lines('{job="old"}', start=old - HOUR)) and time.monotonic() < deadline:
		time.sleep(0.3)
	assert found == ["ten days ago"]


def test_an_empty_line_and_invalid_utf8_are_kept(loki, now):
	assert loki.push({"job": "odd"}, [Entry(now, "")]).status == 204
	body = wire.encode_push([Stream({"job": "odd"}, [Entry(now + 1, "aXXb")])]).replace(b"XX", b"\xff\xfe")
	assert loki.push_raw(wire.snappy_encode(body)).status == 204
	assert loki.lines('{job="odd"}') == ["", "a\ufffd\ufffdb"]


def test_an_empty_label_value_is_no_label(loki, now):
	loki.push({"job": "ev", "gone": ""}, [Entry(now, "x")])
	assert loki.streams('{job="ev"}') == [{"job": "ev"}]


@pytest.mark.parametrize(
	("sent", "stored"),
	[
		("a.b", "a_b"),
		("a-b", "a_b"),
		("a b", "a_b"),
		("1x", "key_1x"),
		("üx", "_x"),
		("__x", "_x"),
	],
)
def test_structured_metadata_names_are_rewritten(loki, now, sent, stored):
	assert loki.push({"job": "mn"}, [Entry(now, "x", ((sent, "v"),))]).status == 204
	assert loki.read('{job="mn"}')[0].metadata == {stored: "v"}


def test_structured_metadata_names_that_collide(loki, now):
	loki.push({"job": "col"}, [Entry(now, "twice", (("k", "1"), ("k", "2")))])
	loki.push({"job": "col"}, [Entry(now + 1, "label", (("job", "3"),))])
	loki.push({"job": "col"}, [Entry(now + 2, "rewritten", (("k.a", "4"), ("k_a", "5")))])
	assert [r.metadata for r in loki.read('{job="col"}')] == [{"k": "2"}, {"job_extracted": "3"}, {"k_a": "4"}]


def test_the_default_loki_adds_service_name_and_level(loki_default, now):
	loki_default.push({"app": "web"}, [Entry(now, "level=error boom")])
	(read,) = loki_default.read('{app="web"}')
	assert read.label == {"app": "web", "service_name": "web"}
	assert read.metadata == {"detected_level": "error"}


# --- refused whole: nothing is stored -----------------------------------------------------------------------


def test_a_tenant_is_needed_and_checked(loki, now):
	entry = [Entry(now, "x")]
	refused = loki.with_tenant(None).push({"job": "x"}, entry)
	assert (refused.status, refused.text) == (401, "no org id\n")
	refused = loki.with_tenant("a|b").push({"job": "x"}, entry)
	assert (refused.status, refused.text) == (400, "multiple org IDs present\n")
	refused = loki.with_tenant("a/b").push({"job": "x"}, entry)
	assert (refused.status, refused.text) == (400, "tenant ID 'a/b' contains unsupported character '/'\n")


def test_bodies_that_cannot_be_read(loki):
	assert loki.push_raw(b"x", content_type="").text == "mime: no media type\n"
	for body, text in (
		(b"\xff\xff\xff", "snappy: corrupt input\n"),
		(wire.snappy_encode(b"\xff\xff\xff"), "unexpected EOF\n"),
	):
		answer = loki.push_raw(body)
		assert (answer.status, answer.text) == (400, text)


def test_a_push_without_streams_or_entries(loki):
	answer = loki.push([])
	assert (answer.status, answer.text) == (422, "error at least one valid stream is required for ingestion\n")
	assert loki.push([Stream({"job": "x"})]).status == 204


@pytest.mark.parametrize(
	("labels", "text"),
	[
		("{job=x}", "couldn't parse labels: "),
		('{a-b="x"}', "couldn't parse labels: "),
		('{job="\\q"}', "couldn't parse labels: "),
	],
)
def test_one_bad_label_text_refuses_every_stream(loki, now, labels, text):
	answer = loki.push([Stream({"job": "good"}, [Entry(now, "x")]), Stream({}, [Entry(now, "x")], labels)])
	assert answer.status == 400 and answer.text.startswith(text)
	assert loki.count('{job="good"}') == 0


@pytest.mark.parametrize("name", ["", "_", "___", "ü", "-", "."])
def test_a_metadata_name_that_is_only_punctuation_answers_500_for_ever(loki, now, name):
	bad = Stream({"job": "bad"}, [Entry(now, "x", ((name, "v"),))])
	for _ in range(2):
		answer = loki.push([Stream({"job": "good"}, [Entry(now, "x")]), bad])
		assert answer.status == 500 and answer.text.startswith(("label name is empty", "normalization for label name"))
	assert loki.count('{job="good"}') == 0


def test_more_than_4_mib_in_one_push_answers_500_for_ever(loki, now):
	answer = loki.push({"job": "big"}, [Entry(now + i, "x" * 100_000) for i in range(50)])
	assert answer.status == 500 and "received message larger than max" in answer.text
	assert loki.count('{job="big"}') == 0


def test_over_the_burst_a_push_is_429_whole_and_for_ever(loki_default, now):
	entries = [Entry(now + i, "x" * 100_000) for i in range(70)]
	for _ in range(2):
		answer = loki_default.push({"job": "burst"}, entries)
		assert answer.status == 429 and answer.text.startswith("ingestion rate limit exceeded for user ")
		assert "Retry-After" not in answer.headers
	assert loki_default.count('{job="burst"}') == 0


def test_over_the_rate_a_push_is_429_and_later_taken(loki_default, now):
	def push(n: int):
		return loki_default.push({"job": "rate"}, [Entry(now + n * 100 + i, "x" * 100_000) for i in range(20)])

	refused = next(n for n in range(20) if push(n).status == 429)
	assert refused >= 1
	deadline = time.monotonic() + 10
	while (answer := push(refused)).status == 429 and time.monotonic() < deadline:
		time.sleep(0.2)
	assert answer.status == 204
	assert loki_default.count('{job="rate"}') == 20 * (refused + 1)


# --- refused in part: the other entries are stored ----------------------------------------------------------


def refused_in_part(client, labels, bad, now, text):
	"""Pushes a good entry, the bad one and a good one. Gives the answer's text after checking what is kept."""
	answer = client.push(labels, [Entry(now, "good 1"), bad, Entry(now + 2, "good 2")])
	assert answer.status == 400, answer
	assert text in answer.text
	name, value = next(iter(labels.items()))
	assert client.lines('{%s="%s"}' % (name, value)) == ["good 1", "good 2"]
	return answer.text


def test_a_line_over_256_kib(loki_default, now):
	assert loki_default.push({"job": "fits"}, [Entry(now, "x" * 262_144)]).status == 204
	bad = Entry(now + 1, "x" * 262_145)
	refused_in_part(loki_default, {"job": "long"}, bad, now, "max entry size '262144' bytes exceeded for stream ")


def test_a_time_too_old_or_too_new(loki_default, now):
	old, new = Entry(now - 8 * 24 * HOUR, "old"), Entry(now + HOUR // 5, "new")
	refused_in_part(loki_default, {"job": "old"}, old, now, " has timestamp too old: ")
	refused_in_part(loki_default, {"job": "new"}, new, now, " has timestamp too new: ")
	answer = loki_default.push({"job": "both"}, [old, old, new, Entry(now, "good")])
	assert answer.status == 400
	assert "1 errors like: " in answer.text and "2 errors like: " in answer.text
	assert loki_default.lines('{job="both"}') == ["good"]


def test_ten_minutes_ahead_is_too_new_for_the_lenient_one_too(loki, now):
	refused_in_part(loki, {"job": "new"}, Entry(now + HOUR // 5, "new"), now, " has timestamp too new: ")


def test_too_far_behind_the_newest_of_the_stream(loki, now):
	loki.push({"job": "behind"}, [Entry(now, "newest")])
	answer = loki.push({"job": "behind"}, [Entry(now - 2 * HOUR + i, "x") for i in range(30)] + [Entry(now + 1, "ok")])
	assert answer.status == 400
	assert "ignored, reason: 'entry too far behind, entry timestamp is: " in answer.text
	assert answer.text.endswith(f"user '{loki.tenant}', total ignored: 30 out of 31 for stream: {{job=\"behind\"}}\n")
	assert loki.lines('{job="behind"}') == ["newest", "ok"]


def test_of_two_streams_behind_only_one_is_named(loki, now):
	for job in ("b1", "b2"):
		loki.push({"job": job}, [Entry(now, "newest")])
	answer = loki.push([Stream({"job": job}, [Entry(now - 2 * HOUR, "x")]) for job in ("b1", "b2")])
	assert answer.status == 400
	assert answer.text.count("total ignored: 1 out of 1") == 1


def test_structured_metadata_too_large_or_too_many(loki_default, now):
	large = Entry(now + 1, "x", (("k", "v" * 65_536),))
	many = Entry(now + 1, "x", tuple((f"k{i}", "v") for i in range(129)))
	refused_in_part(loki_default, {"job": "ml"}, large, now, " has structured metadata too large: ")
	refused_in_part(loki_default, {"job": "mm"}, many, now, " has too many structured metadata labels: ")


@pytest.mark.parametrize(
	("labels", "text"),
	[
		({f"l{i}": "x" for i in range(16)}, "has 16 label names; limit 15"),
		({"n" * 1025: "x"}, "has label name too long"),
		({"n": "x" * 2049}, "has label value too long"),
	],
)
def test_a_stream_over_a_label_limit_is_refused_alone(loki_default, now, labels, text):
	answer = loki_default.push([Stream(labels, [Entry(now, "x")]), Stream({"job": "good"}, [Entry(now, "x")])])
	assert answer.status == 400 and text in answer.text
	assert loki_default.count('{job="good"}') == 1


def test_fifteen_labels_and_a_service_name_are_allowed(loki_default, now):
	labels = {f"l{i}": "x" for i in range(15)}
	assert loki_default.push(labels, [Entry(now, "x")]).status == 204
	assert loki_default.push({**labels, "service_name": "s"}, [Entry(now, "x")]).status == 204


def test_a_stream_without_labels_is_refused_alone(loki, now):
	answer = loki.push([Stream({}, [Entry(now, "x")]), Stream({"job": "good"}, [Entry(now, "x")])])
	assert (answer.status, answer.text) == (400, "error at least one label pair is required per stream\n")
	assert loki.count('{job="good"}') == 1


def test_a_label_twice_refuses_that_stream(loki, now):
	answer = loki.push([Stream({}, [Entry(now, "x")], '{job="a", job="b"}'), Stream({"job": "good"}, [Entry(now, "x")])])
	assert answer.status == 400 and "has duplicate label name: 'job'" in answer.text
	assert loki.count('{job="good"}') == 1


def test_over_5000_streams_new_ones_are_429_and_the_others_kept(loki_default, now):
	push = [Stream({"job": "streams", "n": str(i)}, [Entry(now, "x")]) for i in range(5002)]
	answer = loki_default.push(push)
	assert answer.status == 429 and answer.text.startswith("maximum active stream limit exceeded when trying to create")
	assert loki_default.count('{job="streams"}') == 5000
	assert loki_default.push([Stream({"job": "streams", "n": "0"}, [Entry(now + 1, "y")])]).status == 204
