# SPDX-License-Identifier: Apache-2.0
"""What Loki's absence costs, and how soon the agent reads: cases of `run`."""

import os
import re
import statistics
import time
import urllib.request

import benchlib as lib
from benchlib import BenchError

LINE_BYTES = 195  # corpus A
INPUT_BYTES_S = 20_000_000  # W10


def delivered(p):
    """Records that the agent says Loki has."""
    with urllib.request.urlopen(f"http://127.0.0.1:{p.admin_port}/metrics", timeout=10) as r:
        text = r.read().decode()
    return sum(int(n) for n in re.findall(r"^tailrace_records_delivered_total\{[^}]*\} (\d+)$", text, re.M))


def drain(p, n, timeout):
    """Records a second, from the first that is delivered to the last."""
    end, begun, first = time.monotonic() + timeout, None, 0
    while (have := delivered(p)) < n:
        if begun is None and have:
            begun, first = time.monotonic(), have
        if time.monotonic() > end:
            raise BenchError(f"outage: {have} of {n} records are delivered\n{p.errors()}")
        time.sleep(0.02)
    return (n - first) / (time.monotonic() - (begun or time.monotonic() - 0.02))


def run_outage(bench, args):
    """W10: Loki is away while 20 MB/s are written; memory meanwhile, and how fast all of it is sent afterwards."""
    n = int(args.outage * INPUT_BYTES_S / LINE_BYTES)
    path = os.path.join(bench.workdir, "outage.log")
    out = {"case": "outage", "seconds": args.outage, "lines": n, "wrong": [], "check": {}}
    bench.gen("--out", f"file:{path}", "--lines", n, "--number")
    live = []
    for _ in range(2):  # the first is the warm-up
        sink = bench.sink("--verify", "--expect", f"0:{n}:1", "--until", n)
        p = bench.start_agent(lib.CONFIG_FILE_INPUT, lib.CONFIG_PLAIN, sink.port, path=path)
        live.append(drain(p, n, args.timeout))
        p.stop()
        sink.stop()
    os.unlink(path)
    port, rss = lib.free_port(), []
    open(path, "w").close()
    p = bench.start_agent(lib.CONFIG_FILE_INPUT, lib.CONFIG_PLAIN, port, path=path)
    gen = bench.spawn([bench.path("gen"), "--out", f"file:{path}", "--append", "--lines", n, "--number",
                       "--rate", INPUT_BYTES_S // LINE_BYTES], bench.load_core)
    begun, cpu = time.monotonic(), 0
    while time.monotonic() - begun < args.outage:
        time.sleep(0.25)
        rss.append(p.status("VmRSS")["VmRSS"])
        if not cpu and time.monotonic() - begun > args.outage / 2:
            cpu, cpu_at = p.cpu_now_ns(), time.monotonic()
    cpu_percent = 100 * (p.cpu_now_ns() - cpu) / 1e9 / (time.monotonic() - cpu_at)
    gen.reap(600)
    sink = bench.spawn([bench.path("sink"), "--listen", f"127.0.0.1:{port}", "--verify", "--expect", f"0:{n}:1", "--until", n], bench.load_core)
    sink.wait_line("listening", 60)
    after = drain(p, n, args.timeout)
    p.stop()
    s = sink.stop().report()
    quarter = len(rss) // 4
    out.update(
        live_per_s=live[-1], drain_per_s=after, live_to_drain=live[-1] / after, hwm_kib=p.hwm_kib,
        rss_growth_kib=statistics.median(rss[-quarter:]) - statistics.median(rss[quarter : 2 * quarter]),
        down_cpu_percent=cpu_percent, lost=s["lost"], duplicates=s["duplicates"], disorder=s["disorder"],
    )  # fmt: skip
    if any(s[k] for k in ("lost", "duplicates", "disorder")):
        out["wrong"].append({k: s[k] for k in ("lost", "duplicates", "disorder")})
    out["check"] = out
    print(f"\noutage of {args.outage:g} s at 20 MB/s: RSS grows by {out['rss_growth_kib']:.0f} KiB between its second and last quarter,"
          f" peak {p.hwm_kib / 1024:.1f} MiB, CPU in the second half {cpu_percent:.2f} %;"
          f"\n  sent afterwards at {after:,.0f}/s, {after / live[-1]:.2f}x of {live[-1]:,.0f}/s live; lost {s['lost']}, twice {s['duplicates']}")
    return out


FAULTS = "ok*6,429@1,ok*4,500,ok*4,slow:5000,ok*4,reset,ok*9"


def run_faults(bench, args):
    """W11: some of the requests are refused for now, fail, or are answered late."""
    n = args.lines or 1000000
    path = os.path.join(bench.workdir, "faults.log")
    bench.gen("--out", f"file:{path}", "--lines", n, "--number")
    found = []
    for fault in ((), ("--fault", FAULTS, "--fault-loop")):
        sink = bench.sink("--verify", "--expect", f"0:{n}:1", "--until", n, *fault)
        p = bench.start_agent(lib.CONFIG_FILE_INPUT, lib.CONFIG_PLAIN, sink.port, path=path)
        done = bench.wait_sink(sink, p, args.timeout, quiet=30)
        p.stop()
        s = sink.stop().report()
        wrong = {k: s[k] for k in ("lost", "duplicates", "disorder") if s[k] or not done}
        found.append({"fault": bool(fault), "ns_per_line": p.cpu_ns / n, "hwm_kib": p.hwm_kib, "requests": s["requests"], "wrong": wrong})
        print(f"{'' if fault else chr(10)}faults, {'with' if fault else 'without'}: {p.cpu_ns / n:.0f} ns/line,"
              f" {s['requests']} requests, peak {p.hwm_kib / 1024:.1f} MiB{'  WRONG ' + str(wrong) if wrong else ''}")
    ratio = found[1]["ns_per_line"] / found[0]["ns_per_line"]
    return {"case": "faults", "runs": found, "wrong": [r for r in found if r["wrong"]],
            "check": {"with/without": ratio, "hwm_kib": found[1]["hwm_kib"]}}


def run_begin(bench, args):
    """From exec to the first line read of a file: the line's push comes soon after it, and is what is timed."""
    path = os.path.join(bench.workdir, "begin.log")
    with open(path, "w") as f:
        f.write("a line\n")
    found, cpu = [], []
    for _ in range(args.pairs + 1):
        loki = lib.PushTimes()
        begun = time.monotonic_ns()
        p = bench.start_agent(lib.CONFIG_FILE_INPUT, lib.CONFIG_PLAIN, loki.port, output=lib.CONFIG_AT_ONCE, path=path)
        found.append((loki.times.get(timeout=20) - begun) / 1e6)
        cpu.append(p.cpu_now_ns() / 1e6)
        p.stop()
        loki.close()
    ms, mad = lib.median_mad(found[1:])
    print(f"\nbegin: exec to the push of the first line {ms:.1f} +- {mad:.1f} ms, least {min(found):.1f} ms,"
          f" CPU {statistics.median(cpu):.1f} ms")
    return {"case": "begin", "first_push_ms": ms, "cpu_ms": statistics.median(cpu), "wrong": [], "check": {"first_push_ms": ms}}
