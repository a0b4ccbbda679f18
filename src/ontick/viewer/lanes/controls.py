"""What can be changed of an episode while it flies, from any thread, and what was changed when?"""

from __future__ import annotations

from dataclasses import asdict

from ontick.clock import Pace, ns_from_ms
from ontick.controllers.base import Controller
from ontick.late import RuleSwitch
from ontick.viewer.lanes.orders import Begin, Live
from ontick.viewer.lanes.recording import Change, Conditions
from ontick.viewer.lanes.seat import Seat
from ontick.viewer.lanes.slow_motion import AsInRealTime

MOST_CHANGES = 1000
"""That are kept of an episode; beyond that the last is."""


class Controls:
    """The controls of one episode on a stage at ``pace``: late rule, delay, pace, and who answers."""

    def __init__(self, pace: Pace, begin: Begin) -> None:
        self.episode = begin.episode
        self.late = RuleSwitch(begin.live.late)
        self.next_tick = 0
        """The first on which a change can act; set by whoever flies."""
        self._pace = pace
        self._seat = Seat()
        self._seat.taken, self._seat.held = begin.you, begin.held
        self._seat.delay = ns_from_ms(begin.live.delay_ms)
        self._begun = self._now = begin.live
        self._changes: list[Change] = []
        self._you_from_tick = 0 if begin.you else None
        pace.speed = begin.live.speed

    def around(self, controller: Controller) -> Controller:
        """Return whoever answers: ``controller``, as late as in real time, unless a person has its place."""
        self._seat.controller = AsInRealTime(controller, self._pace)
        return self._seat

    @property
    def you(self) -> bool:
        """Whether a person has the controls now."""
        return self._seat.taken

    def change(self, live: Live) -> None:
        """Let what is different act at once."""
        before = asdict(self._now)
        for name, value in asdict(live).items():
            if value != before[name]:
                self._note(name, value)
        self._now = live
        self.late.rule = live.late
        self._seat.delay = ns_from_ms(live.delay_ms)
        self._pace.speed = live.speed

    def seize(self, taken: bool) -> None:
        """Give the controls to a person, or back to the controller."""
        if taken != self._seat.taken:
            self._seat.taken = taken
            self._note("you", taken)
        if taken and self._you_from_tick is None:
            self._you_from_tick = self.next_tick

    def press(self, action: int | None) -> None:
        """Hold the key of an action, or none."""
        self._seat.held = action

    def conditions(self) -> Conditions:
        """Return how the episode was flown."""
        begun = self._begun
        return Conditions(begun.late, begun.delay_ms, begun.speed, tuple(self._changes), self._you_from_tick)

    def _note(self, name: str, value: str | float | bool) -> None:
        """Keep a change; of a drag between two ticks only where it ended can have acted."""
        change = Change(self.next_tick, name, value)
        dragged = name == "delay_ms" and bool(self._changes) and self._changes[-1][:2] == change[:2]
        if dragged or len(self._changes) >= MOST_CHANGES:
            self._changes.pop()
        self._changes.append(change)
