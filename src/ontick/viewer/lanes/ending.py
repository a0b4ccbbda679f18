"""What is told when an episode has ended: to the pages how it ended, to the table how it was flown?"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np

from ontick.records import INTERRUPTED, Flight, Json
from ontick.viewer.lanes.orders import Begin
from ontick.viewer.lanes.recording import Conditions, Recording
from ontick.viewer.lanes.story import Describer
from ontick.viewer.lanes.table import Flown
from ontick.viewer.settings import YOU


def ending(describer: Describer, order: Begin, flight: Flight, conditions: Conditions, record: Recording) -> Json:
    """Record a flight, unless it has not begun, and return what is told of it.

    ``message`` is for the pages, all but its ``run``, which the server knows by its ``folder``; ``flown`` is for the
    table, null of an episode that was not flown to its end.

    Raises:
        OntickError: it cannot be recorded.
    """
    episode, task = flight.episode, describer.task
    folder, number = record.append(flight, conditions) if flight.ticks else (None, None)
    success = episode.outcome != INTERRUPTED and bool(task.succeeded(episode))
    you = conditions.you_from_tick is not None
    poses: Any = []
    with suppress(Exception):  # a task that cannot be drawn has said so before
        poses = describer.poses(np.array(episode.final_observation), None)
    return {
        "message": {
            "say": "ended",
            "lane": describer.lane,
            "episode": order.episode,
            "seed": order.seed,
            "outcome": episode.outcome,
            "success": success,
            "reward": round(episode.reward, 4),
            "steps": episode.steps,
            "you": you,
            "poses": poses,
            "run": None,
            "number": number,
        },
        "folder": None if folder is None else str(folder),
        "flown": None if episode.outcome == INTERRUPTED else _flown(describer, flight, conditions, success)._asdict(),
    }


def _flown(describer: Describer, flight: Flight, conditions: Conditions, success: bool) -> Flown:
    episode, task = flight.episode, describer.task
    you = conditions.you_from_tick is not None
    return Flown(
        who=YOU if you else describer.word,
        you=you,
        slowed=conditions.slowed,
        task=task.name,
        late=conditions.late if conditions.throughout("late") else None,
        delay_ms=conditions.delay_ms if conditions.throughout("delay_ms") else None,
        success_name=task.success,
        success=success,
        reward=episode.reward,
        steps=episode.steps,
        late_ticks=episode.late_ticks,
        latencies_ms=() if you else tuple(round(answer.latency_ms, 3) for answer in flight.answers()),
    )
