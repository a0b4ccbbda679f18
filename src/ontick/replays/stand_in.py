"""As what is a flight shown whose task cannot be found? As gauges of the values recorded, whatever they mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import chain
from typing import ClassVar

import numpy as np

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
    states = [tick.observation.tolist() for tick in ticks] + ([list(final)] if final else [])
    width = max(map(len, states), default=0)
    reach = [max((abs(state[place]) for state in states if place < len(state)), default=0.0) for place in range(width)]
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
            Feature(f"value {place + 1}", "", DECIMALS, most if np.isfinite(most) and most > 0 else 1.0)
            for place, most in enumerate(reach)
        )

    return Known()
