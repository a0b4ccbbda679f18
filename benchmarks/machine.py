"""Which machine do the bars speak of? Two cores that nobody else is using."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ontick.provenance import usable_cores

CORES = 2
"""What the project's bars are stated for."""


def keep_to_two_cores() -> int:
    """Leave all cores but two alone, where the system lets a process choose; return how many are used."""
    if sys.platform == "linux":
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    return usable_cores()


@dataclass
class Neighbours:
    """Other processes on the cores of this one and its children."""

    share: float | None = None
    """Of the time that the cores had, what others ran for; None where the system does not tell."""


@contextmanager
def neighbours() -> Generator[Neighbours]:
    """Measure, while open, how idle the machine is apart from this process and the children that it waits for."""
    seen = Neighbours()
    began, own_before, busy_before = time.perf_counter(), _own_s(), _busy_s()
    yield seen
    own, busy = _own_s(), _busy_s()
    if busy_before is not None and busy is not None:
        available = (time.perf_counter() - began) * usable_cores()
        seen.share = max(0.0, (busy - busy_before - (own - own_before)) / available)


def _own_s() -> float:
    return sum(os.times()[:4])


def _busy_s() -> float | None:
    """Return how long the cores of this process have been running anything (proc_stat(5)), in whole 10 ms or so."""
    statistics = Path("/proc/stat")
    if sys.platform != "linux" or not statistics.exists():
        return None
    names = {f"cpu{core}" for core in os.sched_getaffinity(0)}
    ticks = 0
    for line in statistics.read_text().splitlines():
        name, *fields = line.split()
        if name in names:
            user, nice, system, _, _, interrupts, soft_interrupts, stolen, *_ = map(int, fields)
            ticks += user + nice + system + interrupts + soft_interrupts + stolen
    return ticks / os.sysconf("SC_CLK_TCK")
