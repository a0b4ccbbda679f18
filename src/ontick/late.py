"""Which action does a tick apply, given the answers that have arrived by its time?

Pure functions, no clock: steps 1 and 2 of a tick in docs/timing.md. An answer is a plan: actions for consecutive
ticks, most often one. The newest plan that is due replaces what is left of the one before.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol


class LateRule(StrEnum):
    """What a tick does when nothing has been answered for it."""

    HOLD = "hold"
    """Repeat the controller's last action (before its first answer: the task's initial action)."""

    NOOP = "noop"
    """Apply the task's no-op; an action acts for exactly one tick."""


class RuleSwitch:
    """A late rule that may be changed in flight, from any thread; a tick reads it once."""

    __slots__ = ("rule",)

    def __init__(self, rule: LateRule) -> None:
        self.rule = rule


class Source(StrEnum):
    """Where a tick's action came from."""

    FRESH = "fresh"
    """An answer that acts for the first time."""
    PLANNED = "planned"
    """A later action of a plan that has acted before."""
    HELD = "held"
    NOOP = "noop"


class Plan(Protocol):
    """Anything that answers an observation with actions."""

    @property
    def observation_tick(self) -> int:
        """The tick that the observation was made for: ``o[k]`` is the state that tick k acts on."""
        ...

    @property
    def begins(self) -> int:
        """The tick that the first action is for; an answer that arrives before waits until then."""
        ...

    @property
    def actions(self) -> tuple[int, ...]:
        """What was answered for that tick and those after it; empty when nothing usable was."""
        ...


class Turn(NamedTuple):
    """What the answers make of one tick, and how they stand after it."""

    action: int | None = None
    """None: nothing has been answered for it, the late rule decides."""
    fresh: bool = False
    """An answer acts for the first time."""
    newest_used: int = -1
    """The observation behind the newest answer that has acted; -1 before the first."""
    actions: tuple[int, ...] = ()
    """That answer's."""
    begins: int = 0
    """The tick that the first of them is for."""
    last_action: int | None = None
    """The last to have acted; None before the first answer."""
    waiting: tuple[Plan, ...] = ()
    """Arrived and not due yet, in order of arrival."""
    stale: int = 0
    """How many answers have been dropped for newer ones."""

    def foretold(self, tick: int, arrived: Sequence[Plan]) -> tuple[int | None, ...]:
        """Return what ``tick``, the next one, and those after it will apply if nothing but ``arrived`` comes.

        None, and what follows the end: the late rule decides.
        """
        if not arrived and not self.waiting and tick >= self.begins + len(self.actions):
            return ()
        foretold: list[int | None] = []
        turn = self
        while arrived or turn.waiting or tick < turn.begins + len(turn.actions):
            turn = take_turn(turn, tick, arrived)
            foretold.append(turn.action)
            tick, arrived = tick + 1, ()
        while foretold and foretold[-1] is None:
            del foretold[-1]
        return tuple(foretold)


def take_turn(before: Turn, tick: int, arrived: Sequence[Plan]) -> Turn:
    """Return the turn of ``tick``, where ``before`` is that of the tick before and ``arrived`` has come since.

    Of the answers that are due, the newest by observation acts, with its action for this tick; one whose ticks have
    all passed acts now, with its last action, and then no more. An answer whose observation is older than that of one
    that has acted is stale: it is dropped for good.
    """
    _, _, newest_used, actions, begins, last_action, waiting, stale = before
    fresh = False
    here = (*waiting, *arrived) if waiting else arrived
    waiting = ()
    for plan in here:
        answered, observation_tick, first = plan.actions, plan.observation_tick, plan.begins
        if not answered:
            continue
        if observation_tick <= newest_used:
            stale += 1
        elif first > tick:
            waiting = (*waiting, plan)
        else:
            if fresh:
                stale += 1
            newest_used, actions, begins, fresh = observation_tick, answered, first, True
    if waiting:
        ahead = tuple([plan for plan in waiting if plan.observation_tick > newest_used])
        stale += len(waiting) - len(ahead)
        waiting = ahead
    place = tick - begins
    if place < len(actions):
        action = last_action = actions[place]
    elif fresh:
        action = last_action = actions[-1]
    else:
        action = None
    return Turn(action, fresh, newest_used, actions, begins, last_action, waiting, stale)


def apply_rule(rule: LateRule, turn: Turn, initial: int, noop: int) -> tuple[int, Source, int | None]:
    """Return the action of a tick, where it came from, and the tick of the observation behind it.

    It is what was answered for the tick, else what ``rule`` says: the last action, before the first answer the task's
    ``initial`` one, or ``noop``. There is no observation behind these two.
    """
    if turn.action is not None:
        return turn.action, Source.FRESH if turn.fresh else Source.PLANNED, turn.newest_used
    if rule is LateRule.NOOP:
        return noop, Source.NOOP, None
    if turn.last_action is None:
        return initial, Source.HELD, None
    return turn.last_action, Source.HELD, turn.newest_used
