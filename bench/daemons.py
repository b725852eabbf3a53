# SPDX-License-Identifier: Apache-2.0
"""The syslog daemons that `run` compares with: each receives by its fastest plain input and writes to /dev/null."""

import functools
import os
import shutil
import socket
import subprocess
import time

import benchlib as lib

RSYSLOG = """\
global(workDirectory="{dir}" maxMessageSize="64k")
main_queue(queue.size="100000" queue.dequeueBatchSize="1024")
module(load="imptcp")
module(load="imudp" batchSize="128")
input(type="imptcp" address="127.0.0.1" port="{port}")
input(type="imudp" address="127.0.0.1" port="{port}" rcvbufSize="16m")
action(type="omfile" file="/dev/null")
"""

SYSLOG_NG = """\
@version: 3.38
options {{ keep-hostname(yes); stats-freq(0); use-dns(no); }};
source in {{
  {tcp}(ip("127.0.0.1") port({port}) transport("tcp") flags(syslog-protocol) max-connections(2000)
      log-iw-size(200000) log-fetch-limit(1000));
  network(ip("127.0.0.1") port({port}) transport("udp") flags(syslog-protocol) so-rcvbuf(16777216));
}};
destination null {{ file("/dev/null" log-fifo-size(200000)); }};
log {{ source(in); destination(null); flags(flow-control); }};
"""


@functools.cache
def programs():
    """Names and paths of those that are here."""
    found = {}
    path = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin"
    if shutil.which("rsyslogd", path=path):
        found["rsyslog"] = shutil.which("rsyslogd", path=path)
    done = subprocess.run([os.path.join(lib.ROOT, "tests/e2e/syslog-ng")], capture_output=True, text=True)
    if done.returncode == 0:
        found["syslog-ng"] = done.stdout.strip()
    return found


def start(bench, name, framing):
    """The daemon, listening on TCP and UDP at .syslog_port."""
    folder = os.path.join(bench.workdir, f"{name}-{time.monotonic_ns()}")
    os.mkdir(folder)
    port = lib.free_port()
    text = RSYSLOG if name == "rsyslog" else SYSLOG_NG
    conf = os.path.join(folder, "conf")
    with open(conf, "w") as f:
        f.write(text.format(dir=folder, port=port, tcp="syslog" if framing == "octet" else "network"))
    if name == "rsyslog":
        argv = [programs()[name], "-n", "-f", conf, "-i", os.path.join(folder, "pid")]
    else:
        argv = [programs()[name], "-F", "-e", "-f", conf, "--persist-file", os.path.join(folder, "persist"),
                "--pidfile", os.path.join(folder, "pid"), "--control", os.path.join(folder, "ctl")]
    p = bench.spawn(argv, bench.subject_core)
    p.syslog_port = port
    end = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return p
        except OSError:
            if not p.alive() or time.monotonic() > end:
                raise lib.BenchError(f"{name} does not listen\n{p.errors()}") from None
            time.sleep(0.05)


def kernel_drops(port):
    """Datagrams thrown away for the sockets at that port, since they were bound."""
    total = 0
    with open("/proc/net/udp") as f:
        for row in list(f)[1:]:
            fields = row.split()
            if int(fields[1].split(":")[1], 16) == port:
                total += int(fields[-1])
    return total
