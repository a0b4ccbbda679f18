"""Which action does a tick apply, given the answers that have arrived by its time?

Pure functions, no clock: steps 1 and 2 of a tick in docs/timing.md. An answer is a plan: actions for consecutive
ticks, most often one. The newest plan that is due replaces what is left of the one before.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Generic, NamedTuple, Protocol, TypeVar


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


P = TypeVar("P", bound=Plan)


class Agenda(NamedTuple, Generic[P]):
    """What has been answered for the ticks to come."""

    newest_used: int = -1
    """The observation behind the newest answer that has acted; -1 before the first."""
    actions: tuple[int, ...] = ()
    """That answer's."""
    begins: int = 0
    """The tick that the first of them is for."""
    last_action: int | None = None
    """The last to have acted; None before the first answer."""
    waiting: tuple[P, ...] = ()
    """Arrived and not due yet, in order of arrival."""
    stale: int = 0
    """How many answers have been dropped for newer ones."""

    def foretold(self, tick: int, arrived: Sequence[P]) -> tuple[int | None, ...]:
        """Return what the ticks from ``tick`` on will apply if nothing but ``arrived`` comes; None: the late rule."""
        if not arrived and not self.waiting and tick >= self.begins + len(self.actions):
            return ()
        foretold: list[int | None] = []
        agenda, turn = take_turn(self, tick, arrived)
        while True:
            foretold.append(turn.action)
            tick += 1
            if not agenda.waiting and tick >= agenda.begins + len(agenda.actions):
                break
            agenda, turn = take_turn(agenda, tick, ())
        while foretold and foretold[-1] is None:
            del foretold[-1]
        return tuple(foretold)


class Turn(NamedTuple):
    """What the answers make of one tick."""

    action: int | None
    """None: nothing has been answered for it, the late rule decides."""
    fresh: bool
    """An answer acts for the first time."""


NOTHING = Turn(None, False)


def take_turn(agenda: Agenda[P], tick: int, arrived: Sequence[P]) -> tuple[Agenda[P], Turn]:
    """Return the agenda after ``tick``, which is the one after the tick before, and what that tick applies.

    ``arrived`` has come since the tick before. Of the answers that are due, the newest by observation acts, with its
    action for this tick; one whose ticks have all passed acts now, with its last action, and then no more. An answer
    whose observation is older than that of one that has acted is stale: it is dropped for good.
    """
    newest_used, actions, begins, last_action, waiting, stale = agenda
    fresh: P | None = None
    only = arrived[0] if len(arrived) == 1 and not waiting else None
    if only is not None and only.actions and only.begins <= tick and only.observation_tick > newest_used:
        fresh, newest_used = only, only.observation_tick  # what the loop below does, on every tick's path
    elif arrived or waiting:
        later: list[P] = []
        for plan in (*waiting, *arrived) if waiting else arrived:
            if not plan.actions:
                continue
            if plan.observation_tick <= newest_used:
                stale += 1
            elif plan.begins > tick:
                later.append(plan)
            else:
                stale += fresh is not None
                fresh, newest_used = plan, plan.observation_tick
        if later:
            before = len(later)
            later = [plan for plan in later if plan.observation_tick > newest_used]
            stale += before - len(later)
        waiting = tuple(later)
    if fresh is None:
        place = tick - begins
        if not 0 <= place < len(actions):
            return (
                agenda if not arrived else Agenda(newest_used, actions, begins, last_action, waiting, stale)
            ), NOTHING
        action = actions[place]
    else:
        actions, begins = fresh.actions, fresh.begins
        action = actions[tick - begins] if tick - begins < len(actions) else actions[-1]
    return Agenda(newest_used, actions, begins, action, waiting, stale), Turn(action, fresh is not None)


def apply_rule(rule: LateRule, turn: Turn, held_action: int, noop: int) -> tuple[int, Source]:
    """Return the action of a tick and where it came from: what was answered for it, else what ``rule`` says.

    ``held_action`` is the controller's last action, or the task's initial action before its first answer.
    """
    if turn.action is not None:
        return turn.action, Source.FRESH if turn.fresh else Source.PLANNED
    if rule is LateRule.HOLD:
        return held_action, Source.HELD
    return noop, Source.NOOP
