# SPDX-License-Identifier: Apache-2.0
"""What `run` and `instructions` share: the agent's configurations, processes, sinks, statistics."""

import http.server
import json
import os
import queue
import signal
import socket
import statistics
import subprocess
import tempfile
import threading
import time
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# --- The agent's configurations: the only place that knows its schema. ------------------------

CONFIG_HEAD = """\
threads: {threads}
memory: {memory}
state_dir: {state_dir}
admin:
  listen: 127.0.0.1:{admin_port}
outputs:
  loki:
    type: loki
    url: http://127.0.0.1:{sink_port}
"""

CONFIG_FILE_INPUT = """\
inputs:
  app:
    type: file
    paths: [{path}]
"""

# More files than are open at the same time by default.
CONFIG_MANY_FILES = """\
inputs:
  app:
    type: file
    paths: [{path}]
    max_open_files: 15000
"""

CONFIG_CRI_INPUT = """\
inputs:
  app:
    type: file
    paths: [{path}]
    format: cri
"""

CONFIG_TRACES_INPUT = """\
inputs:
  app:
    type: file
    paths: [{path}]
    multiline: {{ firstline: '^ts=' }}
"""

CONFIG_SYSLOG_INPUT = """\
inputs:
  syslog:
    type: syslog
    listen: [udp://127.0.0.1:{syslog_port}, tcp://127.0.0.1:{syslog_port}]
"""

CONFIG_BOTH_INPUTS = """\
inputs:
  app:
    type: file
    paths: [{path}]
  syslog:
    type: syslog
    listen: [udp://127.0.0.1:{syslog_port}, tcp://127.0.0.1:{syslog_port}]
"""

# Nothing waits for more, so that what is measured is the way to the output.
CONFIG_AT_ONCE = """\
    batch_wait: 1ms
"""

CONFIG_PLAIN = """\
pipelines:
  main:
    from: [{inputs}]
    to: [loki]
"""

# Nothing of a busy file.
CONFIG_QUIET = """\
pipelines:
  main:
    from: [{inputs}]
    stages:
      - keep:
          expression: 'a line of a quiet file'
    to: [loki]
"""

# Eight patterns: six detectors and two of our own, as floor-redact has them.
CONFIG_REDACT = r"""
pipelines:
  main:
    from: [{inputs}]
    stages:
      - regex:
          expression: 'level=(?P<level>\w+)'
      - labels:
          level:
      - redact:
          detectors: [card, email, ipv4, bearer, basic, key_value]
          patterns:
            - {{ name: jwt, expression: 'eyJ[\w-]+\.[\w-]+\.[\w-]+' }}
            - {{ name: aws_key, expression: 'AKIA[0-9A-Z]{{16}}' }}
    to: [loki]
"""


def agent_config(inputs, pipeline, output="", **values):
    """output: more options of the Loki output."""
    names = {CONFIG_SYSLOG_INPUT: "syslog", CONFIG_BOTH_INPUTS: "app, syslog"}
    return (CONFIG_HEAD + output + inputs + pipeline).format(inputs=names.get(inputs, "app"), **values)


# --- Processes ---------------------------------------------------------------------------------


class BenchError(Exception):
    pass


def free_port():
    """A port that is free for TCP and UDP at this moment."""
    while True:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            port = tcp.getsockname()[1]
            try:
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class Process:
    """A child pinned to one core, its output collected, its CPU time read when it is reaped."""

    def __init__(self, argv, core, env=None, stderr=None):
        def pin():
            os.sched_setaffinity(0, {core})

        self.argv = argv
        self.stderr = tempfile.TemporaryFile() if stderr is None else stderr
        self.popen = subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=self.stderr, preexec_fn=pin, env=env, text=True)
        self.pid = self.popen.pid
        self.lines = queue.Queue()
        self.out = []
        self.cpu_ns = None
        self.hwm_kib = 0
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.popen.stdout:
            self.out.append(line)
            self.lines.put(line)
        self.lines.put(None)

    def wait_line(self, prefix, timeout):
        """The next output line that starts with prefix; raises when there will be none."""
        end = time.monotonic() + timeout
        while True:
            try:
                line = self.lines.get(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                raise BenchError(f"{self.argv[0]}: no '{prefix}' within {timeout} s") from None
            if line is None:
                raise BenchError(f"{self.argv[0]} ended early\n{self.errors()}")
            if line.startswith(prefix):
                return line

    def errors(self):
        if not hasattr(self.stderr, "seek"):
            return ""
        self.stderr.seek(0)
        return self.stderr.read()[-4000:].decode(errors="replace")

    def status(self, *keys):
        """Figures of /proc/PID/status, in its own units (KiB, counts)."""
        found = dict.fromkeys(keys, 0)
        try:
            with open(f"/proc/{self.pid}/status") as f:
                for line in f:
                    key, _, value = line.partition(":")
                    if key in found:
                        found[key] = int(value.split()[0])
        except (OSError, ValueError):
            pass
        return found

    def cpu_now_ns(self):
        """CPU time so far, all threads, to the nanosecond (the kernel's clock of that process)."""
        return time.clock_gettime_ns((~self.pid << 3) | 2)

    def alive(self):
        return self.popen.returncode is None and os.path.exists(f"/proc/{self.pid}/exe")

    def reap(self, timeout=60, ok=(0,)):
        end = time.monotonic() + timeout
        while True:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > end:
                self.popen.kill()
                raise BenchError(f"{self.argv[0]} did not end within {timeout} s\n{self.errors()}")
            time.sleep(0.005)
        self.popen.returncode = os.waitstatus_to_exitcode(status)
        self.cpu_ns = int((usage.ru_utime + usage.ru_stime) * 1e9)
        self.reader.join()
        if self.popen.returncode not in ok:
            raise BenchError(f"{' '.join(self.argv)}: exit {self.popen.returncode}\n{self.errors()}")
        return self

    def stop(self, timeout=60):
        """SIGTERM and wait. Peak memory is read before, for programs that do not report it."""
        if self.popen.returncode is not None:
            return self
        self.hwm_kib = self.status("VmHWM")["VmHWM"]
        self.popen.send_signal(signal.SIGTERM)
        return self.reap(timeout)

    def kill(self):
        if self.popen.returncode is None:
            self.popen.kill()
            self.popen.wait()

    def report(self):
        """The JSON line the bench programs print last."""
        return json.loads(self.out[-1])


class Bench:
    """Where things are, and which core is whose."""

    def __init__(self, build, agent, cores, workdir, threads=1, memory="32MiB"):
        self.build = build
        self.agent = agent
        self.subject_core, self.load_core = cores
        self.workdir = workdir
        self.threads = threads
        self.memory = memory
        self.running = []

    def path(self, name):
        path = os.path.join(self.build, "bench", name)
        if not os.path.exists(path):
            raise BenchError(f"{path} is not built (cmake --build {self.build})")
        return path

    def spawn(self, argv, core, **kwargs):
        p = Process([str(a) for a in argv], core, **kwargs)
        self.running.append(p)
        return p

    def close(self):
        for p in self.running:
            p.kill()
        self.running = []

    def gen(self, *args):
        """Runs the generator to its end and returns its report."""
        return self.spawn([self.path("gen"), *args], self.load_core).reap(600).report()

    def sink(self, *args):
        p = self.spawn([self.path("sink"), *args], self.load_core)
        p.port = int(p.wait_line("listening", 60).split()[1])
        return p

    def wait_sink(self, sink, subject, timeout=300, quiet=10):
        """Until the sink has counted all lines (True), or nothing moves any more (False)."""
        end = time.monotonic() + timeout
        last = time.monotonic()
        seen = -1
        while time.monotonic() < end:
            try:
                line = sink.lines.get(timeout=0.5)
            except queue.Empty:
                if seen < 0 and subject is not None and not subject.alive():
                    # Ended, well or not: what it sent may still wait to be decoded.
                    seen, last = 0, time.monotonic()
                if seen >= 0 and time.monotonic() - last > quiet:
                    return False
                continue
            if line is None:
                raise BenchError("the sink ended early\n" + sink.errors())
            word, n = line.split()
            if word == "done":
                return True
            if word == "progress" and int(n) != seen:
                seen, last = int(n), time.monotonic()
        return False

    def start_agent(self, inputs, pipeline, sink_port, prefix=(), env=None, ready_timeout=30,
                    extra=(), state=None, **values):
        """Starts the agent with a state of its own; returns its process when /ready says so."""
        state = state or tempfile.mkdtemp(prefix="state-", dir=self.workdir)
        admin = free_port()
        values.setdefault("syslog_port", free_port())
        text = agent_config(inputs, pipeline, threads=self.threads, memory=self.memory,
                            state_dir=state, admin_port=admin, sink_port=sink_port, **values)
        config = os.path.join(state, "bench.yaml")
        with open(config, "w") as f:
            f.write(text)
        log = open(os.path.join(state, "agent.log"), "w+b")
        begun_ns = time.monotonic_ns()
        p = self.spawn([*prefix, self.agent, "run", "--config", config, *extra], self.subject_core,
                       env=env, stderr=log)
        p.syslog_port = values["syslog_port"]
        p.admin_port = admin
        end = time.monotonic() + ready_timeout
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{admin}/ready", timeout=5) as r:
                    if r.status == 200:
                        p.ready_ns = time.monotonic_ns() - begun_ns
                        return p
            except OSError:
                pass
            if not p.alive():
                p.reap(5, ok=())
            if time.monotonic() > end:
                raise BenchError(f"the agent was not ready within {ready_timeout} s\n{p.errors()}")
            time.sleep(0.002)


class PushTimes:
    """A Loki that only notes when a push has come: for one line under way at a time."""

    def __init__(self):
        self.times = times = queue.Queue()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                times.put(time.monotonic_ns())
                self.wfile.write(b"HTTP/1.1 204 No Content\r\n\r\n")

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


# --- Statistics --------------------------------------------------------------------------------


def percentile(values, p):
    return sorted(values)[min(len(values) - 1, int(len(values) * p / 100))]


def median_mad(values):
    m = statistics.median(values)
    return m, statistics.median(abs(v - m) for v in values)
