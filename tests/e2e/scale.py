# SPDX-License-Identifier: Apache-2.0
"""How much of everything: 1 in a usual run, TAILRACE_LONG times as much in a long one."""

from __future__ import annotations

import os

FACTOR = int(os.environ.get("TAILRACE_LONG") or 1)


def scale(n: int) -> int:
	"""That many lines, kills or seconds; for deadlines too, which are there to be missed by what hangs only."""
	return n * FACTOR
