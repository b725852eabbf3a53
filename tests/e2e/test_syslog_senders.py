# SPDX-License-Identifier: Apache-2.0
"""Syslog from the programs that send it, over every transport they have: logger, rsyslog, syslog-ng, Python's logging;
TLS, unix sockets, sockets passed by a service manager; and a flood beside honest senders."""

import logging
import logging.handlers
import os
import pathlib
import socket
import ssl
import subprocess
import sys
import threading
import time

import pytest

from conftest import missing
from loki import free_port
from senders import Pki, Rsyslogd, SyslogNg
from work import arrived, config, difference, logger, loki_output, numbered, octets, rfc5424, sbin, syslog_input, tcp_send


@pytest.fixture
def pki(tmp_path) -> Pki:
	return Pki(tmp_path / "pki")


@pytest.fixture
def daemon(request, tmp_path):
	made = []

	def make(kind, *outputs: str):
		if kind is Rsyslogd and sbin("rsyslogd") is None:
			missing(request, "rsyslog", "no rsyslogd: apt-get install rsyslog rsyslog-gnutls")
		if kind is SyslogNg and SyslogNg.program() is None:
			missing(request, "syslog-ng", "no syslog-ng: tests/e2e/syslog-ng says why")
		made.append(kind(tmp_path / f"daemon{len(made)}", "".join(outputs)).start())
		return made[-1]

	yield make
	for one in made:
		one.stop()


# --- daemons: each sends the same lines in every way at once, to an input of its own for each ---

WAYS = ["udp", "tcp_lf", "tcp_octet", "tls_lf", "tls_octet"]


@pytest.fixture
def five(agent, loki, tenant, pki):
	"""Inputs that take one framing each, so that what arrives was sent in it."""
	ports = {way: free_port() for way in WAYS}
	inputs = {}
	for way, port in ports.items():
		scheme, _, framing = way.partition("_")
		more = {"framing": {"lf": "newline", "octet": "octet_counting"}[framing]} if framing else {}
		if scheme == "tls":
			more |= {"tls": pki.mutual(), "metadata": ["address", "certificate"]}
		inputs[way] = syslog_input(port, scheme, **more)
	return agent(config(inputs, loki_output(loki.push_url, tenant))), ports


def all_ways(one, loki, want: list[str]) -> None:
	for way in WAYS:
		arrived(one, loki, f'{{job="{way}"}}', want, ordered=way != "udp")
		for r in loki.read(f'{{job="{way}"}}'):
			assert (r.metadata["appname"], r.metadata["hostname"], r.metadata["severity"]) == ("app", "h1", "info"), r
			assert r.metadata["peer"] == "127.0.0.1" and "tailrace_flags" not in r.metadata, r
			assert r.metadata.get("peer_name") == ("client.example.com" if way.startswith("tls") else None), r


def test_rsyslog(five, loki, pki, daemon):
	one, ports = five
	octet, tls = 'TCP_Framing="octet-counted"', Rsyslogd.tls(pki)
	sender = daemon(
		Rsyslogd,
		Rsyslogd.output(ports["udp"], 'protocol="udp"'),
		Rsyslogd.output(ports["tcp_lf"], 'protocol="tcp"'),
		Rsyslogd.output(ports["tcp_octet"], 'protocol="tcp"', octet),
		Rsyslogd.output(ports["tls_lf"], 'protocol="tcp"', tls),
		Rsyslogd.output(ports["tls_octet"], 'protocol="tcp"', tls, octet),
	)
	want = numbered(200, "r")
	tcp_send(sender.port, b"".join(rfc5424(line, proc="77") + b"\n" for line in want), linger_s=0.2)
	all_ways(one, loki, want)


def test_syslog_ng(five, loki, pki, daemon):
	one, ports = five
	tls = SyslogNg.tls(pki)
	sender = daemon(
		SyslogNg,
		SyslogNg.output("network", ports["udp"], 'transport("udp")'),
		SyslogNg.output("network", ports["tcp_lf"], 'transport("tcp")'),
		SyslogNg.output("syslog", ports["tcp_octet"], 'transport("tcp")'),
		SyslogNg.output("network", ports["tls_lf"], tls),
		SyslogNg.output("syslog", ports["tls_octet"], tls),
	)
	want = numbered(200, "n")
	tcp_send(sender.port, b"".join(rfc5424(line, proc="77") + b"\n" for line in want), linger_s=0.2)
	all_ways(one, loki, want)


# --- Python's logging ---


def test_python_logging(agent, loki, tenant, tmp_path):
	"""Its handler ends messages with NUL, over TCP as well, so that a traceback stays one message."""
	port, path = free_port(), str(tmp_path / "log.sock")
	one = agent(config(
		{"net": syslog_input(port), "unix": {"type": "syslog", "listen": [f"unixgram://{path}"]}},
		loki_output(loki.push_url, tenant),
	))
	address = ("127.0.0.1", port)
	ways = [(address, socket.SOCK_DGRAM), (address, socket.SOCK_STREAM), (path, socket.SOCK_DGRAM)]
	for number, (where, kind) in enumerate(ways):
		handler = logging.handlers.SysLogHandler(where, facility="local3", socktype=kind)
		handler.setFormatter(logging.Formatter("app[%(process)d]: %(message)s"))
		log = logging.getLogger(f"way{number}")
		log.propagate = False
		log.addHandler(handler)
		log.error("plain %d", number)
		try:
			raise ValueError("why")
		except ValueError:
			log.exception("trace %d", number)
		log.critical("last %d", number)
		handler.close()
	loki.wait_count('{job=~"net|unix"}', 9)
	one.wait_idle()
	read = loki.read('{job=~"net|unix"}')
	assert len(read) == 9, [r.line for r in read]
	for number in range(3):
		lines = {r.line.split("\n")[0]: r for r in read if r.line.split("\n")[0].endswith(str(number))}
		assert set(lines) == {f"plain {number}", f"trace {number}", f"last {number}"}
		trace = lines[f"trace {number}"]
		assert trace.line.startswith("trace") and trace.line.endswith("ValueError: why") and trace.line.count("\n") >= 3
		for r in lines.values():
			assert (r.metadata["facility"], r.metadata["appname"]) == ("local3", "app"), r
			assert r.metadata["procid"] == str(os.getpid()) and "tailrace_flags" not in r.metadata, r
		assert lines[f"last {number}"].metadata["severity"] == "crit"


# --- logger ---


def test_logger_modes(agent, loki, tenant, tmp_path):
	port = free_port()
	gram, stream = tmp_path / "gram", tmp_path / "stream"
	agent(config(
		{"net": syslog_input(port, listen=[f"udp://127.0.0.1:{port}", f"tcp://127.0.0.1:{port}",
		                                   f"unixgram://{gram}", f"unix://{stream}"],
		                     metadata=["address", "credentials"], structured_data="expand")},
		loki_output(loki.push_url, tenant),
	))

	def local(path: pathlib.Path, *args: str) -> None:
		subprocess.run(["logger", "--socket", str(path), *args], check=True, timeout=30)

	logger(port, "-d", "--rfc5424", "--msgid", "ID47", "--sd-id", "zoo@123", "--sd-param", 'tiger="hungry"', message="sd")
	logger(port, "-T", "--octet-count", "--rfc5424=notime,notq,nohost", message="bare")
	logger(port, "-T", "--rfc3164", "--id=77", "-t", "tag", message="id")
	logger(port, "-d", "--prio-prefix", stdin="<2>prefixed\n")
	logger(port, "-T", "--size", "2000", "-p", "user.err", message="long " + "x" * 1500)
	logger(port, "-d", "-e", stdin="one\n\ntwo\n")
	local(gram, "-t", "local", "dgram")
	local(stream, "-t", "local", "stream")
	assert loki.wait_count('{job="net"}', 9) == 9
	by = {r.line: r.metadata for r in loki.read('{job="net"}')}
	assert by["sd"]["msgid"] == "ID47" and by["sd"]["sd_zoo_123_tiger"] == "hungry"
	assert "hostname" not in by["bare"]
	assert (by["id"]["appname"], by["id"]["procid"]) == ("tag", "77")
	assert by["prefixed"]["severity"] == "crit"
	assert by["long " + "x" * 1500]["severity"] == "err"
	assert {"one", "two"} < set(by)
	for line in ("dgram", "stream"):
		assert by[line]["peer"] == "unix" and by[line]["appname"] == "local", by[line]
		assert by[line]["peer_uid"] == str(os.getuid()) and by[line]["peer_pid"].isdigit(), by[line]


# --- TLS ---


def tls_connection(port: int, pki: Pki) -> ssl.SSLSocket:
	context = ssl.create_default_context(cafile=pki.path("ca.crt"))
	context.load_cert_chain(pki.path("client.crt"), pki.path("client.key"))
	return context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=20), server_hostname="localhost")


def test_certificates_change_while_connections_stay(agent, loki, tenant, pki):
	port = free_port()
	one = agent(config({"net": syslog_input(port, "tls", tls=pki.mutual())}, loki_output(loki.push_url, tenant)))
	old = tls_connection(port, pki)
	old.sendall(octets(rfc5424("before")))
	first = old.getpeercert()["serialNumber"]
	pki.issue("server", "DNS:localhost", "localhost")
	new = None
	deadline = time.monotonic() + 20
	while time.monotonic() < deadline:
		new = tls_connection(port, pki)
		if new.getpeercert()["serialNumber"] != first:
			break
		new.close()
		time.sleep(0.2)
	assert new.getpeercert()["serialNumber"] != first
	old.sendall(octets(rfc5424("by the old one")))
	new.sendall(octets(rfc5424("by the new one")))
	tcp_send(port, rfc5424("plain") + b"\n")
	arrived(one, loki, '{job="net"}', ["before", "by the new one", "by the old one"], ordered=False)
	old.close()
	new.close()
	one.wait_metric("tailrace_input_errors_total", 1, reason="tls")
	assert any("plain bytes" in e.get("error", "") and e.get("peer") == "127.0.0.1" for e in one.events())


# --- sockets that are passed ---

LAUNCHER = """
import os, socket, sys
kinds = {"gram": (socket.AF_INET, socket.SOCK_DGRAM), "stream": (socket.AF_INET, socket.SOCK_STREAM)}
fds = []
for name in ("gram", "stream"):
	s = socket.socket(*kinds[name])
	s.bind(("127.0.0.1", int(sys.argv[1])))
	if name == "stream":
		s.listen()
	else:
		s.sendto(b"<13>sent before anybody was there", s.getsockname())
	fds.append(os.dup(s.detach()))
high = [os.dup2(fd, 50 + i) for i, fd in enumerate(fds)]
for i, fd in enumerate(high):
	os.dup2(fd, 3 + i)
	os.set_inheritable(3 + i, True)
	os.close(fd)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "2", "LISTEN_FDNAMES": "syslog:syslog"}
os.execv(sys.argv[2], sys.argv[2:])
"""


def test_sockets_passed_by_a_service_manager(agent, loki, tenant, tmp_path):
	port = free_port()
	one = agent(
		config({"net": {"type": "syslog", "listen": ["systemd://syslog"]}}, loki_output(loki.push_url, tenant)), start=False,
	)
	done = one.command("run", "--config", str(one.config_path))
	assert done.returncode != 0 and "FileDescriptorName=syslog" in done.stderr, done.stderr
	program, wrapper = one.program, tmp_path / "launch"
	wrapper.write_text(f"#!/bin/sh\nexec {sys.executable} {tmp_path}/launch.py {port} {program} \"$@\"\n")
	(tmp_path / "launch.py").write_text(LAUNCHER)
	wrapper.chmod(0o755)
	one.program = str(wrapper)
	one.start()
	tcp_send(port, rfc5424("by stream") + b"\n")
	arrived(one, loki, '{job="net"}', ["by stream", "sent before anybody was there"], ordered=False)
	one.stop()


# --- a flood ---


def test_a_flood_beside_honest_senders(agent, loki, tenant):
	"""One connection sends as fast as it can; hundreds of others, a message each, are served meanwhile."""
	port, others = free_port(), 300
	one = agent(config(
		{"net": syslog_input(port, "tcp")}, loki_output(loki.push_url, tenant), memory="24MiB",
		pipelines={"main": {"from": ["net"], "to": ["loki"], "stages": [{"drop": {"expression": "^flood"}}]}},
	))
	end = threading.Event()

	def flood() -> None:
		data = b"".join(rfc5424(f"flood {i} " + "f" * 200) + b"\n" for i in range(500))
		with socket.create_connection(("127.0.0.1", port)) as conn:
			while not end.is_set():
				conn.sendall(data)

	thread = threading.Thread(target=flood)
	thread.start()
	try:
		one.wait_metric("tailrace_input_records_total", 5000)
		conns = [socket.create_connection(("127.0.0.1", port)) for _ in range(others)]
		for i, conn in enumerate(conns):
			conn.sendall(rfc5424(f"honest {i}") + b"\n")
		assert loki.wait_count('{job="net"}', others) == others
		assert not end.is_set() and thread.is_alive()
	finally:
		end.set()
		thread.join()
	for conn in conns:
		conn.close()
	one.wait_idle()
	assert difference(sorted(loki.lines('{job="net"}')), sorted(f"honest {i}" for i in range(others))) == ""
