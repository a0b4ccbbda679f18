"""Can this machine make a row? Looked at before the start: its free memory, and which optional parts are installed."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

from ontick.reproduction.row import Row

MODULES = {"train": ("torch", "transformers", "accelerate", "peft")}
"""What each optional part of the package that a row may need brings."""

_KB = 1024


def missing_extras(row: Row) -> list[str]:
    """Return the optional parts that a row needs and that are not installed."""
    return [extra for extra in row.extras if any(importlib.util.find_spec(module) is None for module in MODULES[extra])]


def free_memory_mb() -> int | None:
    """Return how much memory programs may still take, by Linux's own reckoning; None where it is not told."""
    found = [mb for mb in (_available_mb(), _left_to_group_mb()) if mb is not None]
    return min(found) if found else None


def what_is_missing(row: Row, free_mb: int | None) -> str | None:
    """Say in a few words why a row cannot be made here; None: it can."""
    extras = missing_extras(row)
    if extras:
        return f"needs pip install 'ontick[{','.join(extras)}]'"
    if free_mb is not None and row.memory_mb > free_mb:
        return f"needs {row.memory_mb / 1000:.1f} GB of memory, and {free_mb / 1000:.1f} GB are free"
    return None


def cannot_be_made(rows: Sequence[Row], free_mb: int | None) -> dict[str, str]:
    """Return for each row that cannot be made here why; one that comes after such a row cannot either."""
    missing: dict[str, str] = {}
    for row in rows:
        why = what_is_missing(row, free_mb)
        before = [name for name in row.after if name in missing]
        if why is not None:
            missing[row.name] = why
        elif before:
            missing[row.name] = f"comes after {before[0]}"
    return missing


def _available_mb() -> int | None:
    for line in _lines("/proc/meminfo"):
        name, _, amount = line.partition(":")
        if name == "MemAvailable":
            return int(amount.split()[0]) // _KB
    return None


def _left_to_group_mb() -> int | None:
    """Return what is left of the limit that a container has."""
    limit, used = _lines("/sys/fs/cgroup/memory.max"), _lines("/sys/fs/cgroup/memory.current")
    if not limit or not used or not limit[0].strip().isdigit():
        return None
    return (int(limit[0]) - int(used[0])) // _KB**2


def _lines(path: str) -> list[str]:
    if sys.platform != "linux":
        return []
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
