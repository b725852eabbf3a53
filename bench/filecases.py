# SPDX-License-Identifier: Apache-2.0
"""The cases about many files: a thousand that are written to, ten thousand that are not, a start with ten thousand
positions, and how soon a line of a quiet file is noticed and sent."""

import os
import time

import benchlib as lib
from benchlib import BenchError


def folder(bench, name):
    path = os.path.join(bench.workdir, name)
    os.makedirs(path, exist_ok=True)
    return path


def idle_files(bench, name, n):
    """n files of one line each; the folder."""
    path = folder(bench, name)
    for i in range(n):
        with open(os.path.join(path, f"{i}.log"), "w") as f:
            f.write(f"id=s001n{i:010d} a line of a file that nobody writes to any more\n")
    return path


def deliver(bench, args, inputs, path, sources, lines, load, prepare=None):
    """Starts the agent on `path`, then the load, until sources x lines have arrived; CPU ns per line, of the load only."""
    if prepare:
        prepare()
    sink = bench.sink("--verify", "--expect", f"0:{lines}:{sources}", "--until", lines * sources)
    p = bench.start_agent(inputs, lib.CONFIG_PLAIN, sink.port, path=path)
    before = p.cpu_now_ns()
    bench.gen(*load)
    done = bench.wait_sink(sink, p, args.timeout, quiet=20)
    cpu = p.cpu_now_ns() - before
    p.stop()
    s = sink.stop().report()
    wrong = {k: s[k] for k in ("lost", "duplicates", "disorder", "time_disorder") if s[k]}
    if not done:
        wrong["done"] = False
    return {"ns_per_line": cpu / (lines * sources), "hwm_kib": p.hwm_kib, "requests": s["requests"], "wrong": wrong}


def rounds(args, subjects):
    """Subjects take turns; a warm-up round is left out. Returns {name: [result]}."""
    found = {name: [] for name in subjects}
    for i in range(args.pairs + 1):
        for name, run in subjects.items():
            r = run()
            print(f"  {'warm-up' if i == 0 else f'round {i}':8} {name:20} {r['ns_per_line']:8.1f} ns/line"
                  f"{'  WRONG ' + str(r['wrong']) if r['wrong'] else ''}", flush=True)
            if i:
                found[name].append(r)
    return found


def report(case, found, first, others):
    """Ratios of `first` to each other subject, in the same round."""
    out = {"case": case, "wrong": [r["wrong"] for rs in found.values() for r in rs if r["wrong"]], "check": {}}
    print(f"\n{case}:")
    for name, rs in found.items():
        ns, mad = lib.median_mad([r["ns_per_line"] for r in rs])
        out[name] = {"ns_per_line": ns, "mad": mad}
        print(f"  {name:20} {ns:9.1f} +- {mad:.1f} ns/line, peak {max(r['hwm_kib'] for r in rs) / 1024:.1f} MiB,"
              f" {rs[0]['requests']} requests")
    for other in others:
        ratio, mad = lib.median_mad([a["ns_per_line"] / b["ns_per_line"] for a, b in zip(found[first], found[other])])
        out["check"][f"{first}/{other}"] = ratio
        print(f"  {first}/{other}: {ratio:.3f}x +- {mad:.3f}")
    return out


def run_many(bench, args):
    """W7: 1,000 files, 100 lines/s each, one write() a line; the same lines in one file at the same rate; and in one
    file that is simply there, by agent and floor."""
    lines = args.lines or 1000  # ten seconds
    sources, rate = 1000, 100000
    path = folder(bench, "many")
    many, one, there = (os.path.join(path, n) for n in ("many.log", "one.log", "there.log"))
    numbers = ["--corpus", "A", "--number"]
    paced = [*numbers, "--rate", rate, "--write-bytes", 1]
    bench.gen("--out", f"file:{there}", "--lines", lines * sources, *numbers)

    def fresh():
        for i in range(sources):
            open(f"{many}.{i}", "w").close()

    def empty():
        open(one, "w").close()

    def floor():
        sink = bench.sink("--verify", "--expect", f"0:{lines * sources}:1", "--until", lines * sources)
        p = bench.spawn([bench.path("floor-file"), there, f"127.0.0.1:{sink.port}"], bench.subject_core)
        bench.wait_sink(sink, p, args.timeout)
        p.reap()
        sink.stop()
        return {"ns_per_line": p.cpu_ns / (lines * sources), "hwm_kib": p.report()["hwm_kib"], "requests": 0, "wrong": {}}

    found = rounds(args, {
        "1000 files": lambda: deliver(bench, args, lib.CONFIG_MANY_FILES, f"{many}.*", sources, lines,
                                      ["--out", f"file:{many}", "--append", "--connections", sources, "--lines", lines,
                                       *paced], fresh),
        "one file": lambda: deliver(bench, args, lib.CONFIG_FILE_INPUT, one, 1, lines * sources,
                                    ["--out", f"file:{one}", "--append", "--lines", lines * sources, *paced], empty),
        "floor-file": floor,
    })
    return report("many", found, "1000 files", ["one file", "floor-file"])


def memory(bench, path, files):
    """RSS and anonymous memory of an agent at rest over `files` files, after a line of each was delivered."""
    sink = bench.sink("--verify", "--until", files)
    p = bench.start_agent(lib.CONFIG_MANY_FILES, lib.CONFIG_PLAIN, sink.port, path=os.path.join(path, "*.log"))
    if not bench.wait_sink(sink, p, 60):
        raise BenchError(f"{files} idle files: not all lines came\n{p.errors()}")
    time.sleep(40)  # partial lines and positions are done, memory is given back
    before, t = p.cpu_now_ns(), time.monotonic()
    time.sleep(3)
    cpu = (p.cpu_now_ns() - before) / (time.monotonic() - t) / 1e7
    status = p.status("VmRSS", "RssAnon")
    p.stop()
    sink.stop()
    return status["RssAnon"], cpu


def run_crowd(bench, args):
    """Memory and CPU for each of 10,000 files that nobody writes to, and what they cost one that is written to."""
    few, crowd = 1000, 10000
    lines = args.lines or 1000000
    path = {n: idle_files(bench, f"crowd{n}", n) for n in (few, crowd)}
    anon = {n: memory(bench, path[n], n) for n in (few, crowd)}
    per_file = (anon[crowd][0] - anon[few][0]) * 1024 / (crowd - few)
    alone = folder(bench, "alone")

    def hot(where, quiet):
        name = os.path.join(where, "hot.log")

        def clean():
            open(name, "w").close()

        def run():
            clean()
            sink = bench.sink("--verify", "--until", lines + quiet)
            p = bench.start_agent(lib.CONFIG_MANY_FILES, lib.CONFIG_PLAIN, sink.port, path=os.path.join(where, "*.log"))
            time.sleep(3)
            before = p.cpu_now_ns()
            bench.gen("--out", f"file:{name}", "--append", "--lines", lines, "--corpus", "A", "--number", "--source", 2)
            done = bench.wait_sink(sink, p, args.timeout, quiet=20)
            cpu = p.cpu_now_ns() - before
            p.stop()
            s = sink.stop().report()
            os.unlink(name)
            wrong = {k: s[k] for k in ("duplicates", "disorder", "time_disorder") if s[k]}
            if not done:
                wrong["done"] = False
            return {"ns_per_line": cpu / lines, "hwm_kib": p.hwm_kib, "requests": s["requests"], "wrong": wrong}
        return run

    found = rounds(args, {"with 10000 idle": hot(path[crowd], crowd), "alone": hot(alone, 0)})
    out = report("crowd", found, "with 10000 idle", ["alone"])
    print(f"  {crowd} idle files: {per_file:.0f} B each, {anon[crowd][1]:.3f} % CPU")
    out.update(bytes_per_idle_file=per_file, idle_cpu_percent=anon[crowd][1])
    out["check"]["bytes_per_idle_file"] = per_file
    return out


def run_start(bench, args):
    """W9: start to ready, and to the first line at Loki, with the positions of 10,000 files that were read before."""
    files = args.lines or 10000
    path = idle_files(bench, "start", files)
    state = folder(bench, "start-state")
    ready, first, cpu = [], [], []
    for i in range(args.pairs + 1):
        sink = bench.sink("--verify", "--until", files if i == 0 else 1)
        with open(os.path.join(path, f"{files - 1}.log"), "a") as f:
            f.write(f"id=s002n{i:010d} new\n" if i else "")
        begun = time.monotonic_ns()
        p = bench.start_agent(lib.CONFIG_MANY_FILES, lib.CONFIG_PLAIN, sink.port, state=state, output=lib.CONFIG_AT_ONCE,
                              path=os.path.join(path, "*.log"))
        if not bench.wait_sink(sink, p, 60):
            raise BenchError(f"start: not all lines came\n{p.errors()}")
        sent = time.monotonic_ns() - begun
        p.stop()
        entries = sink.stop().report()["entries"]
        if i:
            if entries != 1:
                raise BenchError(f"start: {entries} lines instead of the new one")
            ready.append(p.ready_ns / 1e6)
            first.append(sent / 1e6)
            cpu.append(p.cpu_ns / 1e6)
    out = {"case": "start", "wrong": [], "check": {}}
    for name, values in (("ready_ms", ready), ("first_line_ms", first), ("cpu_ms", cpu)):
        out[name], mad = lib.median_mad(values)
        out["check"][name] = out[name]
        print(f"{chr(10) if name == 'ready_ms' else ''}start with {files} positions: {name} {out[name]:.1f} +- {mad:.1f}")
    return out


QUIET_LINE = b"a line of a quiet file %d\n"


def quiet_lines(loki, path, samples):
    """Milliseconds from write() of one line to its push, one line at a time."""
    while not loki.times.empty():
        loki.times.get()
    found = []
    with open(path, "ab", buffering=0) as f:
        for i in range(samples):
            time.sleep(0.02 + i % 7 / 100)
            begun = time.monotonic_ns()
            f.write(QUIET_LINE % i)
            found.append((loki.times.get(timeout=20) - begun) / 1e6)
    return found


def report_latency(case, found, what):
    out = {"case": case, "wrong": [], "p50_ms": lib.percentile(found, 50), "p99_ms": lib.percentile(found, 99)}
    out["check"] = out
    print(f"\n{case} of a quiet line, write() to push, {what}: p50 {out['p50_ms']:.1f} ms, p99 {out['p99_ms']:.1f} ms,"
          f" most {max(found):.1f} ms of {len(found)}")
    return out


def run_latency(bench, args):
    """From write() of one line to its push at Loki, one line at a time, with 1,000 other files there."""
    path = idle_files(bench, "latency", 1000)
    loki = lib.PushTimes()
    p = bench.start_agent(lib.CONFIG_MANY_FILES, lib.CONFIG_PLAIN, loki.port, output=lib.CONFIG_AT_ONCE,
                          path=os.path.join(path, "*.log"))
    time.sleep(3)
    found = quiet_lines(loki, os.path.join(path, "7.log"), args.lines or 300)
    p.stop()
    loki.close()
    return report_latency("latency", found, "1,000 files that nobody writes to")


def is_muted(p):
    """Has one of the agent's two inotify descriptors no watch, the one for bytes?"""
    watches = []
    for fd in os.listdir(f"/proc/{p.pid}/fd"):
        if os.readlink(f"/proc/{p.pid}/fd/{fd}") == "anon_inode:inotify":
            with open(f"/proc/{p.pid}/fdinfo/{fd}") as f:
                watches.append(f.read().count("inotify wd:"))
    return 0 in watches


def run_latency_busy(bench, args):
    """The same where 800 of 1,000 files of the directory are written to 100 times a second, so that no event tells of
    the others. Only the quiet file's lines are sent on: what is measured is how soon they are noticed."""
    samples, busy = args.lines or 300, 800
    path = idle_files(bench, "latency-busy", 1000 - busy)
    loki = lib.PushTimes()
    p = bench.start_agent(lib.CONFIG_MANY_FILES, lib.CONFIG_QUIET, loki.port, output=lib.CONFIG_AT_ONCE,
                          path=os.path.join(path, "*.log*"))
    load = bench.spawn([bench.path("gen"), "--out", f"file:{path}/busy.log", "--append", "--connections", busy, "--rate",
                        busy * 100, "--lines", 100 * 600, "--write-bytes", 1, "--corpus", "A", "--number"],
                       bench.load_core)
    end = time.monotonic() + 30
    while not is_muted(p):
        if time.monotonic() > end:
            raise BenchError("latency-busy: the directory's events are heard all the time")
        time.sleep(0.1)
    found, muted = [], 0
    for _ in range(10):
        found += quiet_lines(loki, os.path.join(path, "7.log"), samples // 10)
        muted += is_muted(p)
    load.kill()
    p.stop()
    loki.close()
    return report_latency("latency-busy", found, f"{busy} of 1,000 files busy, no events at {muted} of 10 moments")
