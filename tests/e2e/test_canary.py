# SPDX-License-Identifier: Apache-2.0
"""One run with a secret of each kind at every place where one can stand, a Loki that fails and refuses, and a kill -9;
then nothing the agent sent, wrote or said holds any of them."""

import itertools
import json
import os
import signal

from agent import free_port
from faultloki import Fault
from work import Udp, config, everywhere, file_input, loki_output, octets, rfc5424, syslog_input, tcp_send

B64 = "Q0FOQVJZQ0FOQVJZQ0FOQVJZQ0FOQVJZQ0FOQVJZQ0FOQVJZQ0FOQVJZQ0FOQVJZ"

# What stands in a line, and of it what must be nowhere. Put together here, so that nobody's scanner takes this for a leak.
CANARIES = {
	"card 4929" "731546861287 paid": "4929" "731546861287",
	"mail canary.mail@example.com now": "canary.mail@",
	"mail=canary.form%40example.com&x=1": "canary.form",
	"from 192.0.2.177 port 1": "192.0.2.177",
	"peer 2001:db8::ca9a:77 up": "2001:db8::ca9a:77",
	"lladdr 52:54:00:ca:9a:77 x": "52:54:00:ca:9a:77",
	"sent Bearer CANARYbearer99xyz along": "CANARYbearer99",
	"sent Basic Q0FOQVJZOmNhbmFyeQ== along": "Q0FOQVJZOmNhbmFyeQ",
	"Authorization: Digest CANARYdigest55": "CANARYdigest55",
	"login password=CANARYkv01 user=bob": "CANARYkv01",
	'{"api_key":"CANARYkv02","n":1}': "CANARYkv02",
	'{"log":"{\\"token\\":\\"CANARYkv03\\"}"}': "CANARYkv03",
	"q=password%3DCANARYkv04%26x": "CANARYkv04",
	"run --password CANARYkv05 --x": "CANARYkv05",
	"COMMAND=mysql -u root -pCANARYcl06 db": "CANARYcl06",
	"Cookie: sid=CANARYck07; theme=1": "CANARYck07",
	"s=eyJhbGciOiJIUzI1NiJ9.eyJDQU5BUlkiOjF9.CANARYjwt08 z": "CANARYjwt08",
	"dsn postgres://bob:CANARYurl09@db/x": "CANARYurl09",
	"key AKIA" "CANARYAWSAAAAAAA": "CANARYAWSAAAAAAA",
	"key gh" "p_CANARYgithub10AAAAAAAAAAAAAAAAAAAAAAA": "CANARYgithub10",
	"key gl" "pat-CANARYgitlab11AAAAAA": "CANARYgitlab11",
	"key xox" "b-1234567890-CANARYslack12": "CANARYslack12",
	"key sk_l" "ive_CANARYstripe13AAAA": "CANARYstripe13",
	"key npm" "_CANARYnpm14AAAAAAAAAAAAAAAAAAAAAAAAA": "CANARYnpm14",
	"pays DE89 3704 0044 0532 0130 00 x": "3704 0044 0532 0130",
	"ssn 123-45-6789 x": "123-45-6789",
	"own CANARYOWN-123456 x": "CANARYOWN-123456",
	# invalid bytes are repaired before anything is looked for
	"login \udcffpassword=CANARYin15\udcfe end": "CANARYin15",
}

REDACT = {
	"detectors": ["card", "email", "ipv4", "bearer", "basic", "key_value", "jwt", "url_password", "private_key", "aws", "gcp", "azure",
		"github", "gitlab", "slack", "stripe", "saas", "iban", "ipv6", "mac", "command_line"],
	"national_ids": ["us"],
	"patterns": [{"name": "own", "expression": "CANARYOWN-[0-9]+"}],
}  # fmt: skip

# Before redaction the secrets are in labels, metadata and extracted values as well.
STAGES = [
	{"regex": {"expression": r"(?P<field>CANARY\w+)"}},
	{"regex": {"expression": r"(?P<who>[\w.]+@\S+|192\.0\.2\.\d+|\d{16})"}},
	{"regex": {"expression": r"(?P<whole>.{1,200})"}},
	{"labels": {"who": None}},
	{"structured_metadata": {"whole": None, "password": "field"}},
	{"redact": REDACT},
]

KEY = ["-----BEGIN RSA PRIVATE" + " KEY-----", *[f"{B64[:60]}{i:04d}" for i in range(12)], B64[:20] + "==", "-----END RSA PRIVATE" + " KEY-----"]
SECRETS = [*CANARIES.values(), B64[:40], "CANARYcut16", "CANARYha"]


def write(path, lines):
	with open(path, "ab") as f:
		for line in lines:
			f.write(line.encode(errors="surrogateescape") + b"\n")


def leaks(one, loki, texts):
	"""(secret, where it stands) of everything that was sent, written or said."""
	for secret in SECRETS:
		needle = secret.encode()
		for number, push in enumerate(loki.pushes):
			if needle in push.body or needle in push.raw or secret in repr(push.headers):
				yield secret, f"push {number}"
		for path in everywhere(one.folder, secret):
			if not path.endswith("tailrace.yaml"):
				yield secret, path
		for where, text in texts.items():
			if secret in text:
				yield secret, where


def tapped(one, where, log):
	"""What `tap` says while lines are written, as few at a time as it follows, until it has shown as many as there are."""
	lines = [*CANARIES, *KEY]
	tap = one.spawn("tap", "--rate", "1000", *where, "--limit", str(len(lines)))
	chunks = itertools.cycle([lines[i : i + 8] for i in range(0, len(lines), 8)])

	def is_over() -> bool:
		write(log, next(chunks))
		return tap.poll() is not None

	one.wait(is_over, 60, "the end of the tap")
	out, err = tap.communicate()
	assert tap.returncode == 0, err
	return out + err


def test_no_canary_anywhere(agent, fault_loki, tenant, tmp_path, threads):
	port, log = free_port(), tmp_path / "source.log"
	# Cut in the middle of a value, and of a key whose name is told by nothing.
	long = ["x" * 1000 + " secret=CANARYcut16" + "y" * 90, "x" * 1015 + " CANARYhalf" + "z" * 40]
	write(log, [*CANARIES, *KEY, *long])
	fault_loki.script(*(Fault.status(500) * 2), Fault.reset(), Fault.rate_limited("0"))
	# Then half of it is refused for good and goes to the dead letters.
	fault_loki.otherwise = lambda push: Fault.partial(lambda stream, entry: True) if len(fault_loki.pushes) % 2 else Fault.ok()
	output = loki_output(fault_loki.push_url, tenant, batch_size="4KiB")
	conf = config({"app": file_input(log, max_line="1KiB"), "udp": syslog_input(port, "udp"), "tcp": syslog_input(port, "tcp")}, output, STAGES, log={"level": "debug"})
	conf["outputs"]["out"] = {"type": "stdout"}
	conf["pipelines"]["main"]["to"].append("out")
	one = agent(conf)
	limits = open(f"/proc/{one.process.pid}/limits").read()
	assert "Max core file size        0                    0" in limits

	texts = {}
	udp = Udp(port)
	for line in CANARIES:
		udp.send(rfc5424(line.encode(errors="replace").decode(), sd=f'[x@1 p="{line.encode(errors="replace").decode()}"]'.replace("\\", "")))
	udp.close()
	tcp_send(port, b"".join(octets(b"<13>Nov 21 10:00:00 h1 app: " + line.encode(errors="surrogateescape")) for line in [*CANARIES, *KEY]))
	one.wait_metric("tailrace_dead_letters_total", 1)
	texts["metrics"] = one.metrics().text
	one.kill()
	write(log, CANARIES)
	one.start()
	one.wait_metric("tailrace_redacted_total", 2 * len(CANARIES))
	texts["metrics again"] = one.wait_idle().text

	# Tools that show what happens to a line.
	lines = "\n".join(line.encode(errors="replace").decode() for line in CANARIES)
	for tool in ("explain", "dry-run"):
		done = one.command(tool, "--config", str(one.config_path), *(["-"] if tool == "explain" else []), stdin=lines)
		assert done.returncode == 0, done.stderr
		texts[tool] = done.stdout + done.stderr

	# And one that shows records on their way: as they come in, in the middle, in front of redact and at the end.
	fault_loki.otherwise = lambda push: Fault.ok()
	for where in (["--before"], ["--stage", "3"], ["--stage", "redact", "--before", "--json"], ["--json"]):
		texts[f"tap {where}"] = shown = tapped(one, where, log)
		assert "hidden" in shown or "redacted" in shown, shown
	one.wait_idle(60)
	for path in ("/status", "/status?format=text", "/config"):
		texts[path] = one.get(path)[1]

	assert any(path.name.endswith(".jsonl") for path in one.state_dir.rglob("*")), "no dead letters"
	assert len(fault_loki.pushes) > 4 and one.output(), "nothing was sent"
	assert "CANARY" in log.read_bytes().decode(errors="replace")
	# It dies without leaving its memory behind.
	process, one.process = one.process, None
	process.send_signal(signal.SIGABRT)
	assert not os.WCOREDUMP(os.waitpid(process.pid, 0)[1])
	process.returncode = -signal.SIGABRT
	found = list(leaks(one, fault_loki, texts))
	assert not found, json.dumps(found, indent=1)
