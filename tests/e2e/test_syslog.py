# SPDX-License-Identifier: Apache-2.0
"""Syslog from real senders into the real Loki: logger, rsyslog, and sockets of our own where counts must be exact."""

import signal
import socket
import threading
import time

import pytest

from conftest import missing
from loki import free_port
from scale import scale
from work import (
	Rsyslog, Udp, arrived, config, difference, logger, loki_output, numbered, octets, rfc5424, sbin,
	syslog_input, tcp_send, text, udp_drops,
)


@pytest.fixture
def port() -> int:
	return free_port()


@pytest.fixture
def one(agent, loki, tenant, port):
	"""An agent with syslog on UDP and TCP at one port."""
	return agent(config({"net": syslog_input(port)}, loki_output(loki.push_url, tenant)))


@pytest.fixture
def rsyslog(request, tmp_path):
	if sbin("rsyslogd") is None:
		missing(request, "rsyslog", "no rsyslogd: apt-get install rsyslog")
	made = []

	def make(*actions: str) -> Rsyslog:
		made.append(Rsyslog(tmp_path / f"rsyslog{len(made)}", *actions).start())
		return made[-1]

	yield make
	for daemon in made:
		daemon.stop()


# --- logger -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", [["-d"], ["-T"], ["-T", "--octet-count"]], ids=["udp", "tcp", "octet"])
@pytest.mark.parametrize("form", ["--rfc5424", "--rfc3164"])
def test_logger(one, loki, port, transport, form):
	args = [*transport, form, "-t", "demo", "-p", "daemon.warning", "-i"]
	logger(port, *args, message="hello one")
	logger(port, *args, stdin="two\nthree with \"quotes\" and ünïcödé\n")
	assert loki.wait_count('{job="net"}', 3) == 3
	read = loki.read('{job="net"}')
	assert sorted(r.line for r in read) == ["hello one", 'three with "quotes" and ünïcödé', "two"]
	for r in read:
		assert r.metadata["severity"] == "warning" and r.metadata["facility"] == "daemon", r
		assert r.metadata["appname"] == "demo" and r.metadata["procid"].isdigit(), r
		assert r.metadata["hostname"] == socket.gethostname().split(".")[0] or form == "--rfc5424"
		assert "tailrace_flags" not in r.metadata, r
		assert r.label["host"] == socket.gethostname() and r.label["job"] == "net"
		assert abs(r.ts - time.time_ns()) < 120 * 10**9


# --- rsyslog ------------------------------------------------------------------------------------------------

FORWARD = 'target="127.0.0.1" port="{port}" template="{template}"'


@pytest.mark.parametrize("template", ["RSYSLOG_ForwardFormat", "RSYSLOG_SyslogProtocol23Format"], ids=["3164", "5424"])
@pytest.mark.parametrize(
	"way",
	['protocol="udp"', 'protocol="tcp"', 'protocol="tcp" TCP_Framing="octet-counted"'],
	ids=["udp", "tcp", "octet"],
)
def test_rsyslog(one, loki, port, rsyslog, way, template):
	daemon = rsyslog(FORWARD.format(port=port, template=template) + " " + way)
	want = numbered(300, "r")
	tcp_send(daemon.port, b"".join(rfc5424(line, proc="77") + b"\n" for line in want), linger_s=0.2)
	arrived(one, loki, '{job="net"}', want, ordered="tcp" in way)
	read = loki.read('{job="net"}')
	for r in read:
		assert (r.metadata["appname"], r.metadata["hostname"], r.metadata["severity"]) == ("app", "h1", "info"), r
		assert r.metadata["procid"] == "77" and "tailrace_flags" not in r.metadata, r
	if template.endswith("23Format"):
		assert {r.metadata["msgid"] for r in read} == {"ID7"}


def test_rsyslog_waits_when_we_cannot_take_more(agent, fault_loki, tenant, port, rsyslog):
	"""Over TCP a pause is backpressure: nothing is lost on the way from one queue to the next."""
	fault_loki.down()
	one = agent(config({"net": syslog_input(port, "tcp")}, loki_output(fault_loki.push_url, tenant), memory="24MiB"))
	daemon = rsyslog(
		FORWARD.format(port=port, template="RSYSLOG_SyslogProtocol23Format")
		+ ' protocol="tcp" action.resumeRetryCount="-1" action.resumeInterval="1" queue.type="LinkedList"'
		+ f' queue.size="{scale(100_000)}"'
	)
	lines = [f"r n={i:06d} " + "r" * 480 for i in range(scale(15_000))]
	tcp_send(daemon.port, b"".join(rfc5424(line) + b"\n" for line in lines), linger_s=0.2)
	one.wait_metric("tailrace_input_paused_total", 1)
	assert one.metrics().sum("tailrace_input_records_total") < len(lines)
	fault_loki.up()
	assert difference(fault_loki.wait_lines(len(lines), 60), lines) == ""
	one.wait_idle(60)


# --- fields -------------------------------------------------------------------------------------------------


def test_fields_of_rfc5424(agent, loki, tenant, port):
	agent(config(
		{"net": syslog_input(port, structured_data="expand", use_incoming_timestamp=True)},
		loki_output(loki.push_url, tenant),
	))
	sd = r'[ex@32473 iut="3" src="App \"x\" \\ \]"][origin ip="192.0.2.1"]'
	tcp_send(port, octets(rfc5424("the text", pri=165, host="mymachine", app="evntslog", proc="111", msgid="ID47",
	                              sd=sd, stamp=time.strftime("%Y-%m-%dT%H:%M:%S.003Z", time.gmtime()))))
	assert loki.wait_count('{job="net"}', 1) == 1
	(r,) = loki.read('{job="net"}')
	assert r.line == "the text" and r.ts % 10**9 // 10**6 == 3
	m = r.metadata
	assert (m["severity"], m["facility"], m["hostname"], m["appname"]) == ("notice", "local4", "mymachine", "evntslog")
	assert (m["procid"], m["msgid"]) == ("111", "ID47")
	assert "3" in m.values() and 'App "x" \\ ]' in m.values() and "192.0.2.1" in m.values()


def test_stages_get_at_the_fields(agent, loki, tenant, port):
	"""Labels, metadata and selectors from what the header said, also what is not sent by itself."""
	stages = [
		{"labels": {"app": "appname", "level": "detected_level", "facility": "", "severity_code": ""}},
		{"structured_metadata": {"facility_code": "", "sent": "timestamp", "from": "peer"}},
		{"match": {"selector": '{app="su", level="critical"}', "stages": [{"static_labels": {"found": "yes"}}]}},
	]
	agent(config({"net": syslog_input(port)}, loki_output(loki.push_url, tenant), stages))
	tcp_send(port, b"<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8\n")
	assert loki.wait_count('{job="net"}', 1) == 1
	(r,) = loki.read('{job="net", found="yes"}')
	assert r.line == "'su root' failed for lonvick on /dev/pts/8"
	label = {"app": "su", "level": "critical", "facility": "auth", "severity_code": "2"}
	assert {name: r.label[name] for name in label} == label
	assert (r.metadata["facility_code"], r.metadata["sent"]) == ("4", "Oct 11 22:14:15")
	assert (r.metadata["hostname"], r.metadata["from"]) == ("mymachine", "127.0.0.1")


@pytest.mark.parametrize("severity, level", enumerate("fatal critical critical error warn info info debug".split()))
def test_loki_knows_the_level(one, loki, port, severity, level):
	tcp_send(port, octets(rfc5424("no word of a level", pri=8 + severity)))
	assert loki.wait_count('{job="net"} | detected_level="%s"' % level, 1) == 1


def test_structured_data_is_kept_as_it_came(one, loki, port):
	sd = '[ex@32473 iut="3"][origin ip="192.0.2.1"]'
	tcp_send(port, octets(rfc5424("x", sd=sd)))
	assert loki.wait_count('{job="net"}', 1) == 1
	assert loki.read('{job="net"}')[0].metadata["structured_data"] == sd


def test_what_cannot_be_parsed_is_kept_and_flagged(one, loki, port):
	odd = ["no pri at all", "<999>out of range", "<>empty", "<34>1 not a header"]
	udp = Udp(port)
	for line in odd:
		udp.send(line.encode())
	udp.send(b"<14>app: bad \xff bytes")
	udp.send(b"")
	udp.close()
	loki.wait_count('{job="net"}', 5)
	one.wait_idle()
	read = {r.line: r for r in loki.read('{job="net"}')}
	for line in odd:
		found = next((r for text, r in read.items() if text and line.endswith(text) or text == line), None)
		assert found, (line, list(read))
		assert "unparsed" in found.metadata["tailrace_flags"], found
	bad = next(r for text, r in read.items() if "\ufffd" in text)
	assert "bad_utf8" in bad.metadata["tailrace_flags"]
	assert one.metrics().sum("tailrace_input_flagged_total", input="net") >= len(odd)


def test_an_overlong_message_is_cut_and_the_stream_goes_on(agent, loki, tenant, port):
	one = agent(config({"net": syslog_input(port, max_message="2KiB")}, loki_output(loki.push_url, tenant)))
	big = "B" * 9000
	tcp_send(port, octets(rfc5424("before")) + octets(rfc5424(big)) + octets(rfc5424("after")))
	tcp_send(port, rfc5424("lf before") + b"\n" + rfc5424(big) + b"\n" + rfc5424("lf after") + b"\n")
	loki.wait_count('{job="net"}', 6)
	one.wait_idle()
	read = loki.read('{job="net"}')
	lines = [r.line for r in read]
	assert {"before", "after", "lf before", "lf after"} < set(lines) and len(lines) == 6
	for r in read:
		assert ("cut" in r.metadata.get("tailrace_flags", "")) == r.line.startswith("BBB"), r
		assert len(r.line) <= 2048


# --- counts -------------------------------------------------------------------------------------------------


def test_ten_thousand_over_several_connections(one, loki, port):
	connections, each = 5, scale(2000)

	def send(number: int) -> None:
		lines = numbered(each, f"c{number}")
		with socket.create_connection(("127.0.0.1", port)) as conn:
			data = b"".join(
				octets(rfc5424(line)) if number % 2 else rfc5424(line) + b"\n" for line in lines
			)
			for at in range(0, len(data), 3333):  # messages end up across reads
				conn.sendall(data[at : at + 3333])

	threads = [threading.Thread(target=send, args=(n,)) for n in range(connections)]
	for t in threads:
		t.start()
	for t in threads:
		t.join()
	want = [line for n in range(connections) for line in numbered(each, f"c{n}")]
	arrived(one, loki, '{job="net"}', want, timeout_s=60, ordered=False)
	got = loki.lines('{job="net"}')
	for n in range(connections):
		mine = [line for line in got if line.startswith(f"c{n} ")]
		assert difference(mine, numbered(each, f"c{n}")) == "", "the order within a connection"
	one.wait(lambda: one.metrics().sum("tailrace_input_connections") == 0, 10, "connections are closed")


def test_a_flood_beside_a_thousand_connections(agent, loki, tenant, port):
	"""One of a thousand sends without pause: what the others say arrives while it goes on, and all of its own is counted."""
	one = agent(config(
		{"net": syslog_input(port, "tcp")}, loki_output(loki.push_url, tenant), [{"drop": {"expression": "^flood "}}],
	))
	others = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(999)]
	data = b"".join(rfc5424(line) + b"\n" for line in numbered(500, "flood"))
	end, floods = threading.Event(), [0]

	def flood() -> None:
		with socket.create_connection(("127.0.0.1", port), timeout=60) as conn:
			while not end.is_set():
				conn.sendall(data)
				floods[0] += 1

	thread = threading.Thread(target=flood)
	thread.start()
	try:
		for turn in range(3):
			before = floods[0]
			for i, conn in enumerate(others):
				conn.sendall(rfc5424(f"o{i} turn {turn}") + b"\n")
			assert loki.wait_count('{job="net"}', 999 * (turn + 1), 60) == 999 * (turn + 1)
			one.wait(lambda: floods[0] > before, 30, "the flood goes on")
	finally:
		end.set()
		thread.join()
		for conn in others:
			conn.close()
	want = [f"o{i} turn {turn}" for turn in range(3) for i in range(999)]
	arrived(one, loki, '{job="net"}', want, ordered=False)
	one.wait_metric("tailrace_input_records_total", len(want) + 500 * floods[0])


def test_every_datagram_is_received_or_counted(one, loki, port):
	udp = Udp(port)
	want = numbered(scale(20_000), "u")
	for line in want:
		udp.send(rfc5424(line))
	udp.close()

	def accounted() -> int:
		m = one.metrics()
		return m.sum("tailrace_input_records_total", input="net") + m.sum("tailrace_input_dropped_total", input="net")

	one.wait(lambda: accounted() == udp.sent, 20, "received + dropped = sent")
	dropped = one.metrics().by("tailrace_input_dropped_total", "reason", input="net")
	assert dropped.get("kernel", 0) == udp_drops(port)
	arrived_n = one.metrics().sum("tailrace_input_records_total", input="net")
	assert loki.wait_count('{job="net"}', arrived_n) == arrived_n == udp.sent - sum(dropped.values())
	assert set(loki.lines('{job="net"}')) <= set(want)


def test_what_the_kernel_drops_is_counted(agent, loki, tenant, port):
	"""The agent is stopped for a while, and the socket's buffer is small."""
	one = agent(config({"net": syslog_input(port, "udp", receive_buffer="64KiB")}, loki_output(loki.push_url, tenant)))
	udp = Udp(port)
	for turn in range(3):
		one.signal(signal.SIGSTOP)
		for line in numbered(1000, f"k{turn}"):
			udp.send(rfc5424(line))
		one.signal(signal.SIGCONT)
		one.wait_metric("tailrace_input_records_total", turn + 1)

	def dropped() -> dict[str, int]:
		return one.metrics().by("tailrace_input_dropped_total", "reason", input="net")

	one.wait(lambda: one.metrics().sum("tailrace_input_records_total") + dropped()["kernel"] == udp.sent, 20, "the sum")
	udp.close()
	assert dropped()["kernel"] == udp_drops(port) > 0
	received = one.metrics().sum("tailrace_input_records_total")
	assert loki.wait_count('{job="net"}', received) == received


def test_a_client_that_stops_in_the_middle(one, loki, port):
	tcp_send(port, octets(rfc5424("whole")) + b"400 " + rfc5424("half"))
	tcp_send(port, rfc5424("line") + b"\n" + rfc5424("no end"))
	loki.wait_count('{job="net"}', 4)
	read = {r.line: r for r in loki.read('{job="net"}')}
	assert set(read) == {"whole", "half", "line", "no end"}
	assert "partial" in read["half"].metadata["tailrace_flags"]
	assert "tailrace_flags" not in read["whole"].metadata


def test_ipv6_and_several_listeners(agent, loki, tenant):
	a, b = free_port(), free_port()
	one = agent(config(
		{"net": {"type": "syslog", "listen": [f"udp://127.0.0.1:{a}", f"tcp://[::1]:{b}"]}},
		loki_output(loki.push_url, tenant),
	))
	udp = Udp(a)
	udp.send(rfc5424("by udp"))
	udp.close()
	with socket.create_connection(("::1", b)) as conn:
		conn.sendall(rfc5424("by tcp6") + b"\n")
	arrived(one, loki, '{job="net"}', ["by tcp6", "by udp"], ordered=False)


def test_text_over_tcp_stays_in_order_with_equal_times(agent, loki, tenant, port):
	"""Within one second of RFC 3164 time all records have one instant: order and number must survive that."""
	one = agent(config(
		{"net": syslog_input(port, use_incoming_timestamp=True)}, loki_output(loki.push_url, tenant),
	))
	stamp = time.strftime("%b %e %H:%M:%S")
	lines = numbered(3000, "s")
	tcp_send(port, text([f"<13>{stamp} h app: {line}" for line in lines]).encode())
	arrived(one, loki, '{job="net"}', lines)
