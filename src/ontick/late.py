"""Which action does a tick apply, given the answers that have arrived by its time?

Pure functions, no clock: steps 1 and 2 of a tick in docs/timing.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol, TypeVar


class LateRule(StrEnum):
    """What a tick does when no fresh action is there."""

    HOLD = "hold"
    """Repeat the controller's last action (before its first answer: the task's initial action)."""

    NOOP = "noop"
    """Apply the task's no-op; a fresh action acts for exactly one tick."""


class Source(StrEnum):
    """Where a tick's action came from."""

    FRESH = "fresh"
    HELD = "held"
    NOOP = "noop"


class Answered(Protocol):
    """Anything that answers an observation with an action."""

    @property
    def observation_tick(self) -> int:
        """The tick that the observation was made for: ``o[k]`` is the state that tick k acts on."""
        ...

    @property
    def action(self) -> int | None:
        """What was answered; None when nothing usable was."""
        ...


A = TypeVar("A", bound=Answered)


def newest_of(arrived: Sequence[A], newest_used: int) -> A | None:
    """Return the newest usable answer among those collected at one tick, or None.

    An answer whose observation is older than one already used is stale, be that at an earlier tick
    (``newest_used``, -1 before the first) or by a newer answer collected at this same tick. Every usable
    answer that is not returned is stale: it is dropped for good.
    """
    fresh: A | None = None
    for answer in arrived:
        if answer.action is not None and answer.observation_tick > newest_used:
            fresh, newest_used = answer, answer.observation_tick
    return fresh


def apply_rule(rule: LateRule, fresh_action: int | None, held_action: int, noop: int) -> tuple[int, Source]:
    """Return the action of a tick and where it came from: the fresh one if there is one, else what ``rule`` says.

    ``held_action`` is the controller's last action, or the task's initial action before its first answer.
    """
    if fresh_action is not None:
        return fresh_action, Source.FRESH
    if rule is LateRule.HOLD:
        return held_action, Source.HELD
    return noop, Source.NOOP
