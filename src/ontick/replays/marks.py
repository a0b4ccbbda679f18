"""Where did a flight go wrong? The ticks that whoever watches it again wants to jump to, from the record alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ontick.late import Source
from ontick.records import Tick

LATE = frozenset({Source.HELD, Source.NOOP})
"""Where an action comes from when nothing has been answered for its tick."""


class Marks(NamedTuple):
    """Ticks of one flight; None where there is no such tick."""

    first_late: int | None
    """The first for which nothing had been answered."""
    first_disagreement: int | None
    """The first whose action is not what the teacher does in that tick's state; None too without a teacher."""
    first_invalid: int | None
    """The first that collected an answer which names no action."""


def find_marks(ticks: Sequence[Tick], teacher: Sequence[int] | None) -> Marks:
    """Return the marks of a flight; ``teacher`` has its action for every tick, None: there is no teacher."""
    disagreements = (
        tick.tick for tick, wanted in zip(ticks, teacher or (), strict=teacher is not None) if tick.action != wanted
    )
    return Marks(
        first_late=next((tick.tick for tick in ticks if tick.source in LATE), None),
        first_disagreement=next(disagreements, None),
        first_invalid=next((tick.tick for tick in ticks if not all(answer.valid for answer in tick.answers)), None),
    )
