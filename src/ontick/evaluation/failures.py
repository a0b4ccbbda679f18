"""What kinds of failures are left, in which seeds, and which one should be watched first? From the record alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from ontick.records import INTERRUPTED, Episode, Flight, Json
from ontick.tasks.base import Task

SEEDS_TOLD = 6
"""How many seeds of one kind are told in words; the record has them all."""


def describe_failures(task: Task, flights: Sequence[Flight]) -> Json:
    """Return ``failures_left: {kind: [seed, …]}``, the commonest kind first, and ``watch_first``, a seed or None.

    The one to watch first is typical: of the commonest kind, the episode of the median reward.
    """
    failed: defaultdict[str, list[Episode]] = defaultdict(list)
    for flight in flights:
        if flight.episode.outcome != INTERRUPTED and not task.succeeded(flight.episode):
            failed[task.failure(flight) or flight.episode.outcome].append(flight.episode)
    kinds = sorted(failed, key=lambda kind: (-len(failed[kind]), kind))
    typical = sorted(failed[kinds[0]], key=lambda episode: episode.reward) if kinds else []
    return {
        "failures_left": {kind: sorted(episode.seed for episode in failed[kind]) for kind in kinds},
        "watch_first": typical[(len(typical) - 1) // 2].seed if typical else None,
    }


def failures_in_words(summary: Json) -> str:
    """Say what is left in a line: "crash 3 (seeds 4, 9, 17), hover 1 (seed 2)"; nothing where nothing is."""
    left: Mapping[str, Sequence[int]] = summary["failures_left"]
    return ", ".join(f"{kind} {len(seeds)} ({seeds_in_words(seeds)})" for kind, seeds in left.items())


def seeds_in_words(seeds: Sequence[int]) -> str:
    """Write "seed 2" or "seeds 4, 9, 17"; of many only the first."""
    told = ", ".join(map(str, seeds[:SEEDS_TOLD]))
    more = f" and {len(seeds) - SEEDS_TOLD} more" if len(seeds) > SEEDS_TOLD else ""
    return f"seed{'' if len(seeds) == 1 else 's'} {told}{more}"
