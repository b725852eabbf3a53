# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the end-to-end tests. What they mean is in README.md beside this file."""

from __future__ import annotations

import os
import pathlib
import re
import signal
import time
import uuid

import pytest

import agent as agent_module
import loki as loki_module
from faultloki import FaultLoki

REAL_REQUIRED = os.environ.get("TAILRACE_REQUIRE_REAL") == "1" or os.environ.get("CI") == "true"
THREADS = [int(n) for n in os.environ.get("TAILRACE_THREADS", "1,2").split(",")]

# For what has nothing to do with lanes: once is enough.
once = pytest.mark.parametrize("threads", THREADS[:1], ids=lambda n: f"threads{n}")

_pair = loki_module.Pair()
_missing: dict[str, set[str]] = {}  # component -> tests that did not run


def pytest_sessionstart(session: pytest.Session) -> None:
	"""Loki needs ten seconds to be ready: started now, waited for at its first use."""
	signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))  # stopped by a time limit: still clean up
	if not session.config.option.collectonly:
		try:
			_pair.start()
		except loki_module.LokiMissing:
			pass


def pytest_sessionfinish() -> None:
	_pair.stop()


def pytest_terminal_summary(terminalreporter) -> None:
	for what, tests in sorted(_missing.items()):
		terminalreporter.section(f"MISSING {what}: {len(tests)} tests did NOT run, or not in full", sep="!", red=True, bold=True)
		terminalreporter.line("They run on CI, where a missing component fails (TAILRACE_REQUIRE_REAL=1).")


def missing(request: pytest.FixtureRequest, what: str, why: str) -> None:
	"""A loud, counted skip; a failure where real components are required."""
	_missing.setdefault(what, set()).add(request.node.nodeid)
	if REAL_REQUIRED:
		pytest.fail(f"{what} is missing and required here: {why}", pytrace=False)
	pytest.skip(f"{what} is missing: {why}")


def note(request: pytest.FixtureRequest, what: str) -> None:
	"""Said at the end, and no failure: not every kernel lets us have it."""
	_missing.setdefault(what, set()).add(request.node.nodeid)


def _loki(request: pytest.FixtureRequest, name: str, tenant: str | None) -> loki_module.Client:
	try:
		return loki_module.Client(_pair.url(name), tenant)
	except loki_module.LokiMissing as e:
		missing(request, "Loki", str(e))


@pytest.fixture
def tenant(request: pytest.FixtureRequest) -> str:
	"""A tenant that no other test has: letters, digits and dashes."""
	name = re.sub(r"[^A-Za-z0-9]+", "-", request.node.name).strip("-")[:80]
	return f"{name}-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def loki(request: pytest.FixtureRequest, tenant: str) -> loki_module.Client:
	"""The real Loki with lenient limits, as the test's own tenant."""
	return _loki(request, "lenient", tenant)


@pytest.fixture
def loki_default(request: pytest.FixtureRequest, tenant: str) -> loki_module.Client:
	"""The real Loki with its own limits, as the test's own tenant."""
	return _loki(request, "default", tenant)


@pytest.fixture
def fault_loki():
	"""A Loki that misbehaves as scripted. Every push it got is checked at the end (FaultLoki.check)."""
	server = FaultLoki()
	yield server
	server.down()
	server.check()


@pytest.fixture(params=THREADS, ids=lambda n: f"threads{n}")
def threads(request: pytest.FixtureRequest) -> int:
	return request.param


@pytest.fixture
def agent(request: pytest.FixtureRequest, tmp_path: pathlib.Path, threads: int):
	"""Makes agents: agent(config) starts one and waits until it is ready; start=False leaves that to the test.

	Those that still run at the end of the test are stopped, and their sums checked.
	"""
	if "fault_loki" in request.fixturenames:  # set up first, so that it outlives the agents and can take their last push
		request.getfixturevalue("fault_loki")
	if agent_module.binary() is None:
		missing(request, "tailrace", "build it first: ./dev build")
	made: list[agent_module.Agent] = []

	def make(config: dict | str, start: bool = True, name: str = "", **env: str) -> agent_module.Agent:
		folder = tmp_path / (name or f"agent{len(made)}")
		folder.mkdir()
		one = agent_module.Agent(folder, config, threads)
		one.env.update(env)
		made.append(one)
		return one.start() if start else one

	yield make
	problems = []
	for one in made:
		try:
			one.close()
		except AssertionError as e:
			problems.append(str(e))
			if one.process is not None:
				one.process.kill()
				one.process.wait()
	assert not problems, "\n\n".join(problems)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
	"""A failed test shows what the agent said."""
	outcome = yield
	report = outcome.get_result()
	folder = item.funcargs.get("tmp_path") if hasattr(item, "funcargs") else None
	if report.failed and folder is not None:
		for log in sorted(pathlib.Path(folder).glob("*/agent.log")):
			report.sections.append((str(log), log.read_text(errors="replace")[-6000:]))


@pytest.fixture
def now_ns() -> int:
	return time.time_ns()
