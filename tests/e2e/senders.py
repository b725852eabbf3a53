# SPDX-License-Identifier: Apache-2.0
"""Real syslog daemons as senders, and the certificates they need."""

from __future__ import annotations

import pathlib
import signal
import socket
import subprocess
import time

from loki import free_port
from work import sbin

HERE = pathlib.Path(__file__).resolve().parent


class Daemon:
	"""Takes lines on a TCP port (`port`) and forwards them by what the subclass's configuration says."""

	def __init__(self, folder: pathlib.Path, outputs: str):
		folder.mkdir()
		self.folder = folder
		self.port = free_port()
		self.config = folder / "conf"
		self.config.write_text(self.CONFIG.format(dir=folder, port=self.port, outputs=outputs))
		self.process: subprocess.Popen | None = None

	def command(self) -> list[str]:
		raise NotImplementedError

	def start(self):
		with open(self.folder / "log", "ab") as log:
			self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
		deadline = time.monotonic() + 30
		while time.monotonic() < deadline:
			try:
				socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
				return self
			except OSError:
				assert self.process.poll() is None, (self.folder / "log").read_text()
				time.sleep(0.05)
		raise AssertionError("does not listen: " + (self.folder / "log").read_text())

	def stop(self) -> None:
		if self.process is None:
			return
		self.process.send_signal(signal.SIGTERM)
		try:
			self.process.wait(10)
		except subprocess.TimeoutExpired:
			self.process.kill()
			self.process.wait()
		self.process = None


class Rsyslogd(Daemon):
	CONFIG = """\
global(workDirectory="{dir}" maxMessageSize="64k")
module(load="imuxsock" SysSock.Use="off")
module(load="imptcp")
input(type="imptcp" address="127.0.0.1" port="{port}" ruleset="out")
ruleset(name="out" queue.type="Direct") {{
{outputs}
}}
"""

	def command(self) -> list[str]:
		return [sbin("rsyslogd"), "-n", "-f", str(self.config), "-i", str(self.folder / "pid")]

	@staticmethod
	def output(port: int, *options: str) -> str:
		return (
			f'action(type="omfwd" target="127.0.0.1" port="{port}" template="RSYSLOG_SyslogProtocol23Format" '
			+ " ".join(options) + ")\n"
		)

	@staticmethod
	def tls(pki: "Pki") -> str:
		return (
			'StreamDriver="gtls" StreamDriverMode="1" StreamDriverAuthMode="x509/name" '
			f'StreamDriverPermittedPeers="localhost" StreamDriver.CAFile="{pki.path("ca.crt")}" '
			f'StreamDriver.CertFile="{pki.path("client.crt")}" StreamDriver.KeyFile="{pki.path("client.key")}"'
		)


class SyslogNg(Daemon):
	CONFIG = """\
@version: 3.38
options {{ keep-hostname(yes); stats-freq(0); time-reopen(1); }};
source in {{ network(ip("127.0.0.1") port({port}) transport("tcp") flags(syslog-protocol)); }};
{outputs}
"""

	@staticmethod
	def program() -> str | None:
		done = subprocess.run([HERE / "syslog-ng"], capture_output=True, text=True, timeout=120)
		return done.stdout.strip() if done.returncode == 0 else None

	def command(self) -> list[str]:
		return [
			self.program(), "-F", "-e", "-f", str(self.config), "--persist-file", str(self.folder / "persist"),
			"--pidfile", str(self.folder / "pid"), "--control", str(self.folder / "ctl"),
		]

	@staticmethod
	def output(driver: str, port: int, *options: str) -> str:
		"""driver: network (LF, RFC 3164) or syslog (octet counting, RFC 5424)."""
		return f'log {{ source(in); destination {{ {driver}("127.0.0.1" port({port}) {" ".join(options)}); }}; }};\n'

	@staticmethod
	def tls(pki: "Pki") -> str:
		return (
			f'transport("tls") tls(ca-file("{pki.path("ca.crt")}") cert-file("{pki.path("client.crt")}") '
			f'key-file("{pki.path("client.key")}") peer-verify(yes))'
		)


class Pki:
	"""An authority, the server `localhost` and the client `client.example.com`."""

	def __init__(self, folder: pathlib.Path):
		folder.mkdir()
		self.folder = folder
		self._openssl("req", "-x509", *self._key("ca"), "-out", self.path("ca.crt"), "-subj", "/CN=test authority", "-days", "2")
		self.issue("server", "DNS:localhost,IP:127.0.0.1", "localhost")
		self.issue("client", "DNS:client.example.com", "client")

	def path(self, name: str) -> str:
		return str(self.folder / name)

	def _key(self, name: str) -> list[str]:
		return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.path(f"{name}.key")]

	def _openssl(self, *args: str) -> None:
		subprocess.run(["openssl", *args], check=True, capture_output=True, timeout=60)

	def issue(self, name: str, alts: str, cn: str) -> None:
		extensions = self.folder / "ext"
		extensions.write_text(f"subjectAltName={alts}\n")
		self._openssl("req", "-new", *self._key(name), "-out", self.path("csr"), "-subj", f"/CN={cn}")
		self._openssl(
			"x509", "-req", "-in", self.path("csr"), "-CA", self.path("ca.crt"), "-CAkey", self.path("ca.key"),
			"-CAcreateserial", "-days", "2", "-extfile", str(extensions), "-out", self.path(f"{name}.crt"),
		)

	def server(self) -> dict:
		return {"cert_file": self.path("server.crt"), "key_file": self.path("server.key")}

	def mutual(self) -> dict:
		return self.server() | {
			"ca_file": self.path("ca.crt"), "client_auth": "require", "allowed_names": ["*.example.com"],
		}
