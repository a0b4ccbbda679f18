"""What does a page need to play a recorded flight? One JSON object: its picture, every tick, every answer, its marks.

It is made from the record, and from the task for what no record holds: how a state looks, and what the teacher would
have done. Numbers are rounded to what can be seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ontick.errors import OntickError, blame
from ontick.late import LateRule, Source
from ontick.records import AnswerRecord, Flight, Json, State
from ontick.replays.asked import Words, words_of
from ontick.replays.judged import judge
from ontick.replays.marks import find_marks
from ontick.replays.plain import all_rounded, plain, rounded
from ontick.replays.stand_in import stand_in
from ontick.replays.teacher import NO_TEACHER, ask_teacher
from ontick.tasks.base import Task
from ontick.tasks.picture import poses_as_json

FORMAT = 1

MS_DECIMALS, REWARD_DECIMALS, LOGPROB_DECIMALS = 3, 4, 4

FURTHER_DECIMALS = 2
"""Of a value, beyond those that its feature says are worth telling."""

_LETTERS = {source: source.value[0].upper() for source in Source}


def replay_of(flight: Flight, task: Task | None, asked: Mapping[str, Any]) -> Json:
    """Return the replay object of one episode, interrupted or not; see "A replay" in docs/reference.md.

    Args:
        flight: the episode with its ticks.
        task: whose it is; None: it cannot be found. Then, and where the task does not fit the record, values are
            shown on gauges, and the object's ``notes`` say so in a line each.
        asked: what the run's ``run.json`` says was asked.
    """
    episode, ticks = flight.episode, flight.ticks
    name = str(asked.get("task", "unknown task"))
    notes: list[str] = []
    shown, drawn = _drawn(name, task, flight, notes)
    opinion = NO_TEACHER if task is None else ask_teacher(task, ticks)
    judged = judge(task, flight)
    notes += [why for why in (opinion.why_none, judged.why_none) if why is not None]
    decimals = [feature.decimals + FURTHER_DECIMALS for feature in shown.features]
    return {
        "format": FORMAT,
        "task": name,
        "controller": str(asked.get("controller", "")),
        "seed": episode.seed,
        "outcome": episode.outcome,
        "success": judged.success,
        "failure": judged.failure,
        "reward": rounded(episode.reward, REWARD_DECIMALS),
        "steps": episode.steps,
        "tick_ms": rounded(shown.tick_ms, MS_DECIMALS),
        "late": _late_rule(flight, asked),
        "actions": list(shown.actions),
        "noop": shown.noop,
        "noop_name": shown.noop_name,
        "features": [{"name": f.name, "unit": f.unit, "decimals": f.decimals} for f in shown.features],
        "picture": drawn.picture,
        "ticks": {
            "poses": drawn.poses,
            "state": [_rounded_state(tick.observation, decimals) for tick in ticks],
            "action": [tick.action for tick in ticks],
            "source": "".join(_LETTERS[tick.source] for tick in ticks),
            "age": [tick.observation_age_ticks for tick in ticks],
            "lateness_ms": all_rounded((tick.lateness_ms for tick in ticks), MS_DECIMALS),
            "reward": all_rounded((tick.reward for tick in ticks), REWARD_DECIMALS),
            "final_state": _rounded_state(episode.final_observation, decimals),
        },
        "teacher": None if opinion.actions is None else list(opinion.actions),
        "answers": list(_answers(flight, words_of(shown if shown is task else None, asked, ticks))),
        "marks": find_marks(ticks, opinion.actions)._asdict(),
        "notes": notes,
    }


class _Drawn(NamedTuple):
    picture: Json
    poses: list[Any]


def _drawn(name: str, task: Task | None, flight: Flight, notes: list[str]) -> tuple[Task, _Drawn]:
    """Return the task as which a flight is shown, and its drawing."""
    if task is not None:
        try:
            return task, _draw(task, flight)
        except OntickError as error:
            why = str(error)
        except Exception as error:
            why = blame(error)
        notes.append(f"task {name!r} cannot draw this record ({why}); gauges are shown in its place")
    known = stand_in(name, flight)
    return known, _draw(known, flight)


def _draw(task: Task, flight: Flight) -> _Drawn:
    """Return the picture and the poses at every tick, and after the last if the record tells that state.

    Raises:
        ValueError: the task's features are not those of the record, or its poses not those of its picture.
    """
    episode = flight.episode
    states: list[tuple[State, int | None]] = [(tick.observation, tick.action) for tick in flight.ticks]
    if len(episode.final_observation) == len(task.features):
        states.append((np.array(episode.final_observation, dtype=float), None))
    picture = task.picture(episode.scenery)
    poses: list[Any] = []
    for state, action in states:
        if len(state) != len(task.features):
            raise ValueError(f"{len(state)} values recorded, {len(task.features)} features")
        placed = [pose if pose is None or np.isfinite(pose).all() else None for pose in task.poses(state, action)]
        if len(placed) != len(picture.bodies):
            raise ValueError(f"{len(placed)} poses, {len(picture.bodies)} bodies")
        poses.append(poses_as_json(placed))
    return _Drawn(plain(picture.as_json()), poses)


def _late_rule(flight: Flight, asked: Mapping[str, Any]) -> str:
    """Return the late rule that was asked for; where the record does not say, the one that acted."""
    said = asked.get("late")
    if said in set(LateRule):
        return str(said)
    return LateRule.NOOP if any(tick.source is Source.NOOP for tick in flight.ticks) else LateRule.HOLD


def _rounded_state(state: State | Sequence[float], decimals: Sequence[int]) -> list[float | None] | None:
    """Return a state as far as it can be seen; None where the record does not have it."""
    if len(state) != len(decimals):
        return None
    return [rounded(value, places) for value, places in zip(state, decimals, strict=True)]


def _answers(flight: Flight, words: Words) -> Iterator[Json]:
    """Yield every answer with the tick that collected it, in that order; silences are none."""
    collected = ((tick.tick, answer) for tick in flight.ticks for answer in tick.answers)
    never = ((None, answer) for answer in flight.episode.uncollected)
    for tick, answer in (*collected, *never):
        if not answer.abstained:
            yield _answer(tick, answer, words(answer))


def _answer(collected: int | None, answer: AnswerRecord, asked: str | None) -> Json:
    logprobs = answer.logprobs and all_rounded(answer.logprobs, LOGPROB_DECIMALS)
    more = {
        "text": answer.text,
        "failure": answer.failure,
        "logprobs": logprobs,
        "then": list(answer.then) or None,
        "at_tick": answer.at_tick,
        "foreseen_tick": answer.foreseen_tick,
        "asked": asked,
    }
    return {
        "collected": collected,
        "tick": answer.observation_tick,
        "started_ms": rounded(answer.started_ms, MS_DECIMALS),
        "latency_ms": rounded(answer.latency_ms, MS_DECIMALS),
        "action": answer.action,
        "valid": answer.valid,
        **{name: value for name, value in more.items() if value is not None},
    }
