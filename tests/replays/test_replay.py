from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ontick.controllers.catalog import Asking
from ontick.evaluation.episodes import ClockName, Setup, prepare
from ontick.late import LateRule, Source
from ontick.models.base import ModelOptions
from ontick.plugins import load_module
from ontick.prompts import PromptStyle
from ontick.records import INTERRUPTED, AnswerRecord, Episode, Flight, Json, State, Tick
from ontick.replays.recorded import read_recorded
from ontick.replays.replay import replay_of
from ontick.tasks import find_task
from ontick.tasks.base import Environment, Task
from ontick.tasks.cartpole import CartPole
from ontick.tasks.lunar_lander import LunarLander
from ontick.tasks.picture import Picture, Poses, poses_as_json
from recorded_flights import fly
from worlds import CountingTask


def replayed(flight: Flight, task: Task | None, asked: Json | None = None) -> Json:
    """A replay that has been through JSON proper."""
    asked = asked or {"task": "unheard of" if task is None else task.name}
    return json.loads(json.dumps(replay_of(flight, task, asked), allow_nan=False))


@pytest.mark.parametrize(
    ("task", "controller", "asked"),
    [
        ("cartpole", "teacher", {"latency": "0"}),
        ("cartpole", "random", {"latency": "lognormal:60,0.5", "in_flight": 4, "late": LateRule.NOOP}),
        ("lunarlander", "teacher", {"latency": "160"}),
        ("lunarlander", "teacher", {"latency": "90", "asking": Asking(chunk=4)}),
        ("lunarlander", "none", {}),
    ],
)
def test_every_tick_and_answer_of_the_record_is_in_the_replay(
    tmp_path: Path, task: str, controller: str, asked: dict[str, Any]
) -> None:
    flown = fly(tmp_path / "run", task, controller, episodes=2, **asked)
    known, recorded = find_task(task), read_recorded(tmp_path / "run")
    for number, flight in enumerate(flown.flights):
        replay = replayed(recorded.flight(number), known, recorded.asked)
        assert replay == replayed(flight, known, recorded.asked), "as flown and as read back"
        ticks, episode = flight.ticks, flight.episode
        shown = replay["ticks"]
        assert replay["steps"] == len(ticks) == len(shown["action"])
        assert shown["action"] == [tick.action for tick in ticks]
        words = {"F": "fresh", "P": "planned", "H": "held", "N": "noop"}
        assert [words[letter] for letter in shown["source"]] == [tick.source for tick in ticks]
        assert shown["age"] == [tick.observation_age_ticks for tick in ticks]
        assert shown["reward"] == pytest.approx([tick.reward for tick in ticks], abs=1e-4)
        assert np.array(shown["state"]) == pytest.approx(np.array([tick.observation for tick in ticks]), abs=0.0051)
        assert shown["final_state"] == pytest.approx(episode.final_observation, abs=0.0051)
        states = [(tick.observation, tick.action) for tick in ticks]
        states.append((np.array(episode.final_observation), None))  # type: ignore[arg-type]
        assert shown["poses"] == [poses_as_json(known.poses(state, action)) for state, action in states]
        assert replay["picture"] == json.loads(json.dumps(known.picture(episode.scenery).as_json()))
        told = [(a["tick"], a["latency_ms"], a["action"], a["valid"]) for a in replay["answers"]]
        assert told == [
            (a.observation_tick, pytest.approx(a.latency_ms, abs=1e-3), a.action, a.valid) for a in flight.answers()
        ]
        for answer in replay["answers"]:
            if answer["collected"] is not None:
                collector: Tick = ticks[int(answer["collected"])]
                assert answer["tick"] in [said.observation_tick for said in collector.answers]
        assert replay["success"] is known.succeeded(episode)
        assert replay["failure"] == known.failure(flight)
        assert replay["late"] == asked.get("late", "hold")


def test_the_teacher_is_asked_in_each_ticks_own_state(tmp_path: Path) -> None:
    fly(tmp_path / "run", "lunarlander", "random", episodes=1)
    task = LunarLander()
    env = task.make()
    flight = read_recorded(tmp_path / "run").flight(0)
    wanted = [task.teacher(env, tick.observation.astype(np.float32)) for tick in flight.ticks]
    replay = replayed(flight, task)
    assert replay["teacher"] == wanted
    against = [tick.tick for tick, action in zip(flight.ticks, wanted, strict=True) if tick.action != action]
    assert replay["marks"]["first_disagreement"] == against[0]


@pytest.mark.parametrize("task", ["cartpole", "lunarlander"])
def test_the_teacher_never_disagrees_with_itself_in_time(tmp_path: Path, task: str) -> None:
    fly(tmp_path / "run", task, "teacher", latency="19", episodes=3)
    recorded = read_recorded(tmp_path / "run")
    for number in range(3):
        marks = replayed(recorded.flight(number), find_task(task))["marks"]
        assert marks == {"first_late": None, "first_disagreement": None, "first_invalid": None}


def counted(
    states: Sequence[Sequence[float]], final: Sequence[float] = (), uncollected: tuple[AnswerRecord, ...] = ()
) -> Flight:
    ticks = [
        Tick(k, 20.0 * k, 0.0, np.array(state, dtype=float), 1, Source.FRESH, 0, 1.0) for k, state in enumerate(states)
    ]
    episode = Episode(
        0, len(ticks), 1.0, "counted", 0, 0, 0, 0, final_observation=tuple(final), uncollected=uncollected
    )
    return Flight(episode, ticks)


def test_a_task_without_a_teacher_has_no_disagreement() -> None:
    replay = replayed(counted([[0, 0], [1, 1]], [2, 1]), CountingTask())
    assert replay["teacher"] is None
    assert replay["marks"]["first_disagreement"] is None
    assert replay["notes"] == []


class Faulty(CountingTask):
    def teacher(self, env: Environment, observation: State) -> int:
        if observation[0] > 1:
            raise ZeroDivisionError("no idea")
        return 1

    def failure(self, flight: Flight) -> str | None:
        raise KeyError("kind")


def test_what_fails_in_a_users_task_is_told_and_the_flight_still_plays() -> None:
    replay = replayed(counted([[0, 0], [1, 1], [2, 2]], [3, 1]), Faulty(length=9))
    assert replay["teacher"] is None
    assert len(replay["ticks"]["poses"]) == 4
    assert [note for note in replay["notes"] if "ZeroDivisionError: no idea" in note]
    assert [note for note in replay["notes"] if "KeyError" in note]
    assert all("\n" not in note for note in replay["notes"])


class Exact(CountingTask):
    def teacher(self, env: Environment, observation: State) -> int:
        return int(observation.dtype == np.float32)


def test_the_teacher_sees_states_in_the_precision_in_which_they_were_flown() -> None:
    flight = counted([[0, 0], [1, 1]])
    assert flight.ticks[0].observation.dtype == np.float64, "as records are read"
    assert replayed(flight, Exact())["teacher"] == [1, 1]


class Unpaintable(CountingTask):
    def picture(self, scenery: Sequence[float]) -> Picture:
        raise RuntimeError("no paint")


class TooManyPoses(CountingTask):
    def poses(self, observation: State, action: int | None) -> Poses:
        return (*super().poses(observation, action), None)


@pytest.mark.parametrize("task", [Unpaintable(), TooManyPoses(), CartPole()], ids=lambda task: type(task).__name__)
def test_a_record_that_its_task_cannot_draw_is_shown_on_gauges(task: Task) -> None:
    replay = replayed(counted([[0, 0], [1, 1]], [2, 1]), task)
    (note,) = [note for note in replay["notes"] if "gauges" in note]
    assert task.name in note
    assert [len(poses) for poses in replay["ticks"]["poses"]] == [2, 2, 2]
    assert len(replay["picture"]["bodies"]) == len(replay["features"]) == 2


numbers = st.floats(width=32)


@given(st.lists(st.lists(numbers, min_size=3, max_size=3), max_size=6), st.lists(numbers, max_size=4))
def test_an_unknown_tasks_record_is_shown_whatever_its_values(states: list[list[float]], final: list[float]) -> None:
    replay = replayed(counted(states, final), None)
    assert replay["success"] is None
    assert len(replay["ticks"]["state"]) == len(states)
    for told, state in zip(replay["ticks"]["state"], states, strict=True):
        assert [value is None for value in told] == [not math.isfinite(value) for value in state]
    for poses in replay["ticks"]["poses"]:
        assert len(poses) == len(replay["picture"]["bodies"])
        left, bottom, right, top = replay["picture"]["view"]
        assert all(pose is None or (left < pose[0] < right and bottom < pose[1] < top) for pose in poses)


@pytest.mark.parametrize("task", [CartPole(), LunarLander(), None], ids=["cartpole", "lunarlander", "unknown"])
def test_what_is_no_number_never_reaches_json(task: Task | None) -> None:
    width = 3 if task is None else len(task.features)
    bad = [math.nan, math.inf, -math.inf] + [0.0] * width
    flight = counted([bad[:width], [0.0] * width, bad[1 : width + 1]], bad[2 : width + 2])
    answer = AnswerRecord(0, 0.0, math.inf, 1, True, logprobs=(0.0, -math.inf))
    ticks = [flight.ticks[0]._replace(reward=math.nan, lateness_ms=math.inf, answers=(answer,)), *flight.ticks[1:]]
    replay = replayed(Flight(flight.episode, ticks), task)
    assert replay["ticks"]["state"][0][:2] == [None, None]
    assert replay["ticks"]["reward"][0] is None
    assert replay["answers"][0]["logprobs"] == [0.0, None]
    assert replay["answers"][0]["latency_ms"] is None


def test_an_episode_without_recorded_scenery_still_draws(tmp_path: Path) -> None:
    flown = fly(tmp_path / "run", "lunarlander", "teacher", episodes=1)
    flight = flown.flights[0]
    bare = Flight(replace(flight.episode, scenery=(), final_observation=()), flight.ticks)
    replay = replayed(bare, LunarLander())
    assert [shape for shape in replay["picture"]["still"] if shape["paint"] == "ground"]
    assert len(replay["ticks"]["poses"]) == len(flight.ticks)
    assert replay["ticks"]["final_state"] is None


def test_half_of_an_episode_is_neither_a_success_nor_a_kind_of_failure(tmp_path: Path) -> None:
    flight = fly(tmp_path / "run", "lunarlander", "teacher", latency="0", episodes=1).flights[0]
    half = Flight(replace(flight.episode, outcome=INTERRUPTED, steps=50, reward=12.0), flight.ticks[:50])
    replay = replayed(half, LunarLander())
    assert replay["outcome"] == INTERRUPTED
    assert replay["success"] is False
    assert replay["failure"] is None
    assert len(replay["ticks"]["action"]) == 50


def test_silences_are_no_answers_and_what_came_too_late_is_one() -> None:
    silence = AnswerRecord(0, 0.0, 1.0, None, True)
    invalid = AnswerRecord(0, 0.0, 1.0, None, False, text="I would rather not", failure="prose")
    late = AnswerRecord(1, 20.0, 99.0, 1, True)
    flight = counted([[0, 0], [1, 1]], uncollected=(late,))
    ticks = [flight.ticks[0], flight.ticks[1]._replace(answers=(silence, invalid))]
    replay = replayed(Flight(flight.episode, ticks), CountingTask())
    assert [(answer["collected"], answer["tick"]) for answer in replay["answers"]] == [(1, 0), (None, 1)]
    assert replay["answers"][0]["text"] == "I would rather not"
    assert replay["answers"][0]["failure"] == "prose"
    assert replay["marks"]["first_invalid"] == 1


def test_a_language_models_questions_are_those_that_it_was_asked() -> None:
    style = PromptStyle(features=("angle", "spin"), examples=2)
    asking = Asking(prompt=style, model=ModelOptions(quantisation="as-is", threads=1))
    setup = Setup("cartpole", "smollm2", 1, clock=ClockName.VIRTUAL, latency="30", asking=asking)
    prepared = prepare(setup)
    asked: list[str] = []
    controller: Any = prepared.controller
    describe = controller.prompt.describe

    def listen(state: Any, pending: Any = ()) -> str:
        asked.append(describe(state, pending))
        return asked[-1]

    controller.prompt.describe = listen
    flight = prepared.fly(prepared.controller, seed=0)
    replay = replayed(flight, CartPole(), json.loads(json.dumps(setup.as_json())))
    said = {answer["tick"]: answer["asked"] for answer in replay["answers"]}
    assert len(said) > 3
    assert list(said.values()) == asked[-len(said) :]
    assert replay["answers"][0]["text"] in ("0", "1")
    assert len(replay["answers"][0]["logprobs"]) == 2


def test_only_language_models_were_given_words(tmp_path: Path) -> None:
    said = AnswerRecord(0, 0.0, 1.0, 1, True, text="1")
    flight = counted([[0, 0, 0, 0], [1, 1, 1, 1]])
    ticks = [flight.ticks[0]._replace(answers=(said,)), flight.ticks[1]]
    asked = json.loads(json.dumps(Setup("cartpole", "python:mine.py:Mine").as_json()))
    (answer,) = replayed(Flight(flight.episode, ticks), CartPole(), asked)["answers"]
    assert "asked" not in answer


def test_a_user_task_is_found_by_its_module_and_missed_in_one_line(tmp_path: Path, root: Path) -> None:
    module = tmp_path / "mine.py"
    module.write_text(
        "from ontick.tasks.cartpole import CartPole\n"
        "class Mine(CartPole):\n"
        "    name = 'mine'\n"
        "    actions = ('port', 'starboard')\n"
    )
    fly(tmp_path / "run", "mine", "teacher", episodes=1, task_module=str(module))
    from ontick.replays.library import replay_from

    recorded = read_recorded(tmp_path / "run")
    assert replay_from(recorded, 0)["actions"] == ["port", "starboard"]
    module.rename(tmp_path / "moved.py")
    assert load_module(str(tmp_path / "moved.py"))
    assert replay_from(recorded, 0, str(tmp_path / "moved.py"))["actions"] == ["port", "starboard"]
    lost = replay_from(recorded, 0)
    assert lost["actions"] == ["action 0", "action 1"]
    assert lost["tick_ms"] == 20
    (note,) = lost["notes"]
    assert "'mine'" in note
    assert "\n" not in note
    (tmp_path / "broken.py").write_text(
        "from ontick.tasks.cartpole import CartPole\n"
        "class Mine(CartPole):\n"
        "    name = 'mine'\n"
        "    def __init__(self):\n"
        "        raise ZeroDivisionError\n"
    )
    (note,) = replay_from(recorded, 0, str(tmp_path / "broken.py"))["notes"]
    assert "ZeroDivisionError" in note
