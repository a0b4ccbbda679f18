"""As what is a flight shown whose task cannot be found? As gauges of the values recorded, whatever they mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import chain
from math import isfinite
from typing import ClassVar

from ontick.late import Source
from ontick.records import Episode, Flight
from ontick.tasks.base import Ending, Feature, Task

USUAL_TICK_S = 0.02
"""Of a flight of one tick, whose record does not tell."""

DECIMALS = 3


class StandIn(Task):
    """A task of which no more is known than one flight's record tells. It judges nothing."""

    env_id: ClassVar = ""
    noop_name: ClassVar = "no-op"
    initial_action: ClassVar = 0
    instruction: ClassVar = ""
    success: ClassVar = ""

    @property
    def measures(self) -> Mapping[str, Callable[[Episode], bool]]:
        """None: what counts as doing well is not known."""
        return {}

    def outcome(self, ending: Ending) -> str:
        """Return nothing: how an episode ended is in its record."""
        return ""


def stand_in(task_name: str, flight: Flight) -> Task:
    """Return a task under whose name and gauges ``flight`` can be shown; each gauge reaches as far as its values do."""
    ticks, final = flight.ticks, flight.episode.final_observation
    states: list[list[float]] = [tick.observation.tolist() for tick in ticks] or [list(final)]
    reach = _reach(states)
    chosen = chain(
        (tick.action for tick in ticks if tick.source is not Source.NOOP),
        (answer.action for answer in flight.answers() if answer.action is not None),
    )
    actions_known = max(2, 1 + max(chosen, default=0))
    left_alone = next((tick.action for tick in ticks if tick.source is Source.NOOP), actions_known)

    class Known(StandIn):
        name: ClassVar = task_name
        tick_s: ClassVar = (ticks[1].time_ms - ticks[0].time_ms) / 1e3 if len(ticks) > 1 else USUAL_TICK_S
        actions: ClassVar = tuple(f"action {number}" for number in range(actions_known))
        noop: ClassVar = left_alone
        features: ClassVar = tuple(
            Feature(f"value {place}", "", DECIMALS, most) for place, most in enumerate(reach, start=1)
        )

    return Known()


def _reach(states: list[list[float]]) -> list[float]:
    """Return the largest magnitude of each value, 1 where there is none."""
    values: list[tuple[float, ...]] = list(zip(*states, strict=True))
    return [max((abs(value) for value in told if isfinite(value)), default=0.0) or 1.0 for told in values]
