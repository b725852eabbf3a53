# SPDX-License-Identifier: Apache-2.0
"""Whole pipelines as people have them, file to Loki, against floor-file on the same file in the same round: CPU per line."""

import json
import os
import random
import time

import benchlib as lib

LINES = 300000
AGENTS = ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36", "curl/7.88.1", "kube-probe/1.29")


def stamp(i, fmt="%Y-%m-%dT%H:%M:%S"):
    return time.strftime(fmt, time.gmtime(1795168800 + i // 1000))


def nginx(r, i, number):
    return (f'10.{r.randrange(256)}.{r.randrange(256)}.{r.randrange(256)} - - [{stamp(i, "%d/%b/%Y:%H:%M:%S +0000")}] "{r.choice(("GET", "GET", "POST"))} '
            f'/api/v1/orders/{r.randrange(99999)}?q={r.randrange(999)} HTTP/1.1" {r.choice((200, 200, 200, 304, 404, 500))} {r.randrange(9999)} '
            f'"-" "{r.choice(AGENTS)}" 0.{r.randrange(999):03d} id={number}')


def java(r, i, number):
    if i % 10:
        return f"\tat com.example.shop.OrderService.step{i % 10}(OrderService.java:{r.randrange(900)})"
    return f"{stamp(i)},{i % 1000:03d} {r.choice(('INFO', 'WARN', 'ERROR'))} [worker-{r.randrange(16)}] c.e.shop.OrderService - order id={number} failed"


def klog(r, i, number):
    return (f"{r.choice('IIIIWE')}1121 {stamp(i, '%H:%M:%S')}.{r.randrange(999999):06d}       1 {r.choice(('controller', 'reflector', 'httplog'))}.go:{r.randrange(900)}] "
            f'"Reconciled" id={number} pod="default/web-{r.randrange(99)}" duration="{r.randrange(99)}ms" err="<nil>"')


def application(r, i, number):
    return json.dumps({"time": stamp(i), "level": r.choice(("info", "info", "info", "warn", "error")), "logger": "com.example.Handler", "trace": f"{r.getrandbits(64):016x}",
                       "id": number, "request": {"method": "GET", "path": f"/v1/items/{r.randrange(99999)}", "status": r.choice((200, 200, 404))}, "message": "request handled"}, separators=(",", ":"))


def cri_json(r, i, number):
    return f"{stamp(i)}.{r.randrange(10**9):09d}Z stdout F {application(r, i, number)}"


def secrets(r, i, number):
    """Every fiftieth line holds one."""
    secret = ("user=anna.meier@example.com", "password=Zx81kqqp", "token=abc123def456", "Authorization: Bearer abcDEF1234567890xyz")[r.randrange(4)] if i % 50 == 0 else "none"
    return f'ts={stamp(i)}.{i % 1000:03d}Z level={r.choice(("info", "warn", "error"))} svc=checkout id={number} path=/v1/orders/{r.randrange(99999)} status=200 took_ms={r.randrange(99)}.2 msg="order processed {secret}"'


STAGES = {
    "nginx": (nginx, lib.CONFIG_FILE_INPUT, r"""
      - regex: { expression: '^(?P<addr>\S+) \S+ (?P<user>\S+) \[(?P<ts>[^\]]+)\] "(?P<method>\S+) (?P<path>\S+) [^"]*" (?P<status>\d+) (?P<bytes>\d+)' }
      - timestamp: { source: ts, format: '02/Jan/2006:15:04:05 -0700' }
      - labels: { method: , status: }
      - drop: { source: path, expression: '^/healthz' }
"""),
    "java": (java, lib.CONFIG_FILE_INPUT.rstrip() + "\n    multiline: {{ firstline: '^\\d{{4}}-' }}\n", r"""
      - regex: { expression: '^\S+ (?P<level>[A-Z]+) \[(?P<thread>[^\]]+)\]' }
      - labels: { level: }
      - structured_metadata: { thread: }
"""),
    "klog": (klog, lib.CONFIG_FILE_INPUT, r"""
      - regex: { expression: '^(?P<l>[IWEF])\d{4} \S+ +\d+ (?P<source>[^:]+):\d+\]' }
      - template: { source: level, template: '{{ if eq .l "I" }}info{{ else if eq .l "W" }}warn{{ else }}error{{ end }}' }
      - labels: { level: }
      - structured_metadata: { source: }
"""),
    "cri + json": (cri_json, lib.CONFIG_CRI_INPUT, r"""
      - json: { expressions: { level: level, status: request.status, trace: trace, msg: message } }
      - labels: { level: , status: }
      - structured_metadata: { trace: }
"""),
    "redaction": (secrets, lib.CONFIG_FILE_INPUT, r"""
      - regex: { expression: 'level=(?P<level>\w+)' }
      - labels: { level: }
      - redact: {}
"""),
    # On corpus R, as the floor that its aim speaks of: 2.8 million lines of 195 bytes per CPU second.
    "one of each": (None, lib.CONFIG_FILE_INPUT, r"""
      - regex: { expression: 'level=(?P<level>\w+)' }
      - labels: { level: }
      - redact: { detectors: [email, bearer, key_value] }
      - match: { selector: '{level="error"} |= "timeout"', stages: [ { static_labels: { slow: "yes" } } ] }
"""),
}


def write(bench, path, make, lines):
    if not make:
        bench.gen("--out", f"file:{path}", "--lines", lines, "--number", "--corpus", "R", "--seed", 42, "--hits", 2)
        return lines
    r = random.Random(42)
    unnumbered = make is java
    with open(path, "w") as f:
        for i in range(lines):
            n = i // 10 if unnumbered else i
            f.write(make(r, i, f"s000n{n:010d}") + "\n")
    return lines // 10 if unnumbered else lines


def once(bench, name, path, inputs, pipeline, numbered, timeout):
    """CPU ns of a whole run, and what was wrong with it."""
    if name != "agent":  # ends by itself, and what it sends is checked by the other cases
        sink = bench.sink()
        p = bench.spawn([bench.path(name), path, f"127.0.0.1:{sink.port}"], bench.subject_core).reap(timeout)
        sink.stop()
        return p.cpu_ns, {}
    sink = bench.sink("--verify", "--expect", f"0:{numbered}:1", "--until", numbered)
    p = bench.start_agent(inputs, pipeline, sink.port, path=path)
    done = bench.wait_sink(sink, p, timeout)
    p.stop()
    s = sink.stop().report()
    wrong = {k: s[k] for k in ("lost", "duplicates", "disorder", "decode_errors") if s[k]}
    return p.cpu_ns, wrong if done else wrong | {"done": False}


def run_pipelines(bench, args):
    lines = args.lines or LINES
    out = {"case": "pipelines", "lines": lines, "pipelines": {}, "wrong": [], "check": {}}
    print(f"\npipelines: {lines} lines a run, {args.pairs} pairs; CPU per line of the file\n"
          f"  {'':12} {'agent':>9} {'floor-file':>11} {'ratio':>8} {'+-':>6} {'lines/s/core':>13}")
    for name, (make, inputs, stages) in STAGES.items():
        path = os.path.join(bench.workdir, f"{name.replace(' ', '')}.log")
        numbered = write(bench, path, make, lines)
        pipeline = lib.CONFIG_PLAIN.replace("    to:", "    stages:" + stages.replace("{", "{{").replace("}", "}}") + "    to:")
        rounds = []
        for i in range(args.pairs + 1):
            cpu = {}
            for subject in ("agent", "floor-file"):
                cpu[subject], wrong = once(bench, subject, path, inputs, pipeline, numbered, args.timeout)
                if wrong:
                    out["wrong"].append({name: {subject: wrong}})
            if i:
                rounds.append(cpu)
        os.unlink(path)
        ratio, mad = lib.median_mad([r["agent"] / r["floor-file"] for r in rounds])
        agent, floor = (lib.median_mad([r[s] / lines for r in rounds])[0] for s in ("agent", "floor-file"))
        out["pipelines"][name] = {"agent_ns": agent, "floor_ns": floor, "ratio": ratio, "mad": mad}
        out["check"][name] = ratio
        print(f"  {name:12} {agent:9.1f} {floor:11.1f} {ratio:7.2f}x {mad:6.2f} {1e9 / agent:13,.0f}"
              f"{'  WRONG ' + json.dumps(out['wrong'][-1]) if out['wrong'] else ''}", flush=True)
    return out
