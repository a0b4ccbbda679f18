"""How does a recipe fly where answers come late? Under each late rule; behind a slow line; as a pilot flies best."""

from __future__ import annotations

from ontick.late import LateRule

SLOW_API = "lognormal:150,0.25"
"""Medians of 129 to 178 ms end to end, with a tail."""

AHEAD = "--model.threads 2 --predict estimate"
"""How a pilot flies best in real time on two processor cores."""
AHEAD_IN_WORDS = "asked on two threads, about the state in which its answer will land"


def under_each_rule(flight: str, more: str = "") -> tuple[str, ...]:
    """Return the command ``flight`` under ``hold`` and under ``noop``, with ``more`` options behind."""
    return tuple(f"{flight} --late {late} {more}".strip() for late in (LateRule.HOLD, LateRule.NOOP))
