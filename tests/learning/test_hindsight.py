"""Late answers: what training shows is what flight shows, and the labels are what was right where answers landed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ontick.controllers.base import Controller, Decision, Observation
from ontick.controllers.pending import Aware, Outlook
from ontick.controllers.scripted import Chance, Nobody, Teacher
from ontick.dead_time import NO_MORE, Aim, Awareness, DeadTime
from ontick.errors import OntickError
from ontick.late import LateRule
from ontick.learning.collect import collect, teacher_of
from ontick.learning.dataset import Demonstrations, joined, read_dataset
from ontick.learning.exchange import Form, bring_in, export
from ontick.learning.gather import CollectSetup, gather, read_together
from ontick.learning.hindsight import Asked
from ontick.learning.noise import Noise
from ontick.loop import VirtualTime, fly
from ontick.records import Flight
from ontick.tasks import find_task
from ontick.tasks.base import Environment, Task
from worlds import Counting, CountingTask

CARTPOLE, LANDER = find_task("cartpole"), find_task("lunarlander")
JITTER = "lognormal:70,0.4"
EVERYWHERE = [
    (latency, in_flight, late, aim)
    for latency in ("50", JITTER)
    for in_flight in (1, 3, 12)
    for late in LateRule
    for aim in Aim
]


def dead(latency: str, in_flight: int = 1, late: LateRule = LateRule.HOLD, aim: Aim = Aim.ARRIVAL) -> DeadTime:
    return DeadTime.of(latency, in_flight, late, aim)


def equal(a: Demonstrations, b: Demonstrations) -> bool:
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in Demonstrations.__dataclass_fields__)


def rehearsed(task: Task, dead_time: DeadTime, noise: str = "none", seeds: Sequence[int] = (5, 6)) -> Demonstrations:
    return collect(
        task, Teacher(task), teacher_of(task), Noise.parse(noise), seeds, source="teacher", dead_time=dead_time
    )


class Chants(Chance):
    """Chance, one action for each tick whatever is asked when; it answers many states, too."""

    def decide(self, observation: Observation) -> Decision:
        return Decision(hash(np.asarray(observation.state, np.float32).tobytes()) % self._actions)

    def decide_many(self, states: npt.NDArray[np.float32]) -> Sequence[int]:
        return [hash(state.tobytes()) % self._actions for state in states]


def flown(task: Task, dead_time: DeadTime, controller: Controller, seed: int) -> Flight:
    time = VirtualTime(dead_time.model)
    return fly(task, task.make(), controller, time, late=dead_time.late, seed=seed, in_flight=dead_time.in_flight)


@pytest.mark.parametrize("latency", ["0", "13", "20"])
@pytest.mark.parametrize("late", LateRule)
@pytest.mark.parametrize("in_flight", [1, 8])
@pytest.mark.parametrize("noise", ["none", "actions:0.1", "pushes:0.1"])
def test_within_one_tick_the_data_is_that_of_time_frozen(
    latency: str, late: LateRule, in_flight: int, noise: str
) -> None:
    def collected(**how: Any) -> Demonstrations:
        actor, labeller = Teacher(CARTPOLE), teacher_of(CARTPOLE)
        return collect(CARTPOLE, actor, labeller, Noise.parse(noise), range(3), source="x", **how)

    ordinary = collected()
    for asked in Asked:
        assert equal(collected(dead_time=dead(latency, in_flight, late), asked=asked), ordinary)


def landings(flight: Flight) -> dict[int, int]:
    """Return where each answer that acted landed, by its observation, from the arrivals alone, in plain words."""
    found: dict[int, int] = {}
    waiting: list[tuple[int, int]] = []
    newest = -1
    for tick in flight.ticks:
        waiting += [(answer.observation_tick, answer.at_tick or tick.tick) for answer in tick.answers]
        due = [request for request, at in waiting if at <= tick.tick]
        waiting = [(request, at) for request, at in waiting if at > tick.tick]
        if due and max(due) > newest:
            newest = max(due)
            found[newest] = tick.tick
    return found


@pytest.mark.parametrize("name", ["cartpole", "lunarlander"])
@pytest.mark.parametrize(("latency", "in_flight", "late", "aim"), EVERYWHERE)
def test_an_example_is_what_was_shown_what_acted_and_what_was_right_at_the_landing(
    name: str, latency: str, in_flight: int, late: LateRule, aim: Aim
) -> None:
    task, dead_time = find_task(name), dead(latency, in_flight, late, aim)
    teacher, seeds = teacher_of(task), [3, 4]
    demos = collect(task, Chants(task), teacher, Noise(), seeds, source="x", dead_time=dead_time, asked=Asked.START)
    row = 0
    for seed in seeds:
        outlook = Outlook(task, Awareness(dead_time, 0, memory=False))
        flight = flown(task, dead_time, Aware(Chants(task), outlook, plain=True), seed)
        for request, landing in sorted(landings(flight).items()):
            acted = [tick.action for tick in flight.ticks]
            assert demos.seeds[row] == seed
            assert demos.ticks[row] == request
            assert np.array_equal(demos.states[row], flight.ticks[request].observation)
            assert demos.actions[row] == teacher(flight.ticks[landing].observation.astype(np.float32))
            pending = demos.pending[row]
            assert pending[pending != NO_MORE].tolist() == acted[request:landing]
            row += 1
    assert row == len(demos)


@pytest.mark.parametrize("name", ["cartpole", "lunarlander"])
@pytest.mark.parametrize("noise", ["none", "pushes:0.1"])
@pytest.mark.parametrize(("latency", "in_flight", "late", "aim"), EVERYWHERE)
def test_a_rehearsed_policy_does_what_is_wanted_in_the_state_in_which_its_answer_acts(
    name: str, noise: str, latency: str, in_flight: int, late: LateRule, aim: Aim
) -> None:
    task = find_task(name)
    demos = rehearsed(task, dead(latency, in_flight, late, aim), noise, [8])
    assert (np.diff(demos.ticks) > 0).all()
    done = dict(zip(demos.ticks.tolist(), demos.acted.tolist(), strict=True))
    landed = demos.ticks + (demos.pending != NO_MORE).sum(axis=1)
    wanted = dict(zip(landed.tolist(), demos.actions.tolist(), strict=True))
    both = done.keys() & wanted.keys()  # what was done is only known of ticks whose state was shown
    assert [done[tick] for tick in both] == [wanted[tick] for tick in both]
    assert both or in_flight == 1 or len(demos) < 30


class Answers:
    """Answers each request of an episode as was said; keeps what it was shown."""

    def __init__(self, said: dict[int, int]) -> None:
        self.said = said
        self.shown: dict[int, npt.NDArray[np.float32]] = {}

    def reset(self, seed: int) -> None:
        self.shown = {}

    def decide(self, observation: Observation) -> Decision:
        self.shown[observation.tick] = np.asarray(observation.state, dtype=np.float32)
        return Decision(self.said.get(observation.tick, 0))


@pytest.mark.parametrize("name", ["cartpole", "lunarlander"])
@pytest.mark.parametrize("memory", [True, False])
@pytest.mark.parametrize("aim", Aim)
@pytest.mark.parametrize("late", LateRule)
@pytest.mark.parametrize(
    ("latency", "in_flight"), [("50", 1), ("50", 2), ("50", 16), ("47", 16), ("100", 16), ("33", 1)]
)
def test_what_training_shows_is_what_flight_shows(
    name: str, latency: str, in_flight: int, late: LateRule, aim: Aim, memory: bool
) -> None:
    """A policy that answers as it was taught is shown, request by request, the rows that it was taught by."""
    task, dead_time = find_task(name), dead(latency, in_flight, late, aim)
    demos = rehearsed(task, dead_time, seeds=[7])
    taught: dict[int, npt.NDArray[np.float32]] = dict(
        zip(demos.ticks.tolist(), demos.rows(9, memory=memory), strict=True)
    )
    policy = Answers(dict(zip(demos.ticks.tolist(), demos.actions.tolist(), strict=True)))
    flight = flown(task, dead_time, Aware(policy, Outlook(task, Awareness(dead_time, 9, memory=memory))), 7)
    assert taught.keys() <= policy.shown.keys()
    for tick, row in taught.items():
        assert np.array_equal(policy.shown[tick], row), tick
        assert np.array_equal(flight.ticks[tick].observation, row[: len(task.features)])


@pytest.mark.parametrize("late", LateRule)
@pytest.mark.parametrize("aim", Aim)
def test_with_jitter_one_request_at_a_time_is_shown_what_acts_as_far_as_it_is_expected_to_wait(
    late: LateRule, aim: Aim
) -> None:
    dead_time = dead(JITTER, 1, late, aim)
    demos = rehearsed(CARTPOLE, dead_time, seeds=[7, 8])
    for seed in (7, 8):
        own = demos.where(demos.seeds == seed)
        policy = Answers(dict(zip(own.ticks.tolist(), own.actions.tolist(), strict=True)))
        flown(CARTPOLE, dead_time, Aware(policy, Outlook(CARTPOLE, Awareness(dead_time, 20, memory=False))), seed)
        for tick, row in zip(own.ticks.tolist(), own.rows(20), strict=True):
            both = (policy.shown[tick] != NO_MORE) & (row != NO_MORE)
            assert np.array_equal(policy.shown[tick][both], row[both])


@pytest.mark.parametrize(("latency", "in_flight", "late", "aim"), EVERYWHERE[::3])
def test_together_or_one_after_another_a_policy_flies_and_is_taught_alike(
    latency: str, in_flight: int, late: LateRule, aim: Aim
) -> None:
    class Alone(Chance):
        decide = Chants.decide

    dead_time = dead(latency, in_flight, late, aim)
    for asked in Asked:
        together, alone = (
            collect(
                LANDER,
                actor,
                teacher_of(LANDER),
                Noise.parse("actions:0.1"),
                [3, 1, 2],
                source="x",
                dead_time=dead_time,
                asked=asked,
            )
            for actor in (Chants(LANDER), Alone(LANDER))
        )
        assert equal(together, alone)


def test_whoever_never_answers_gives_no_example() -> None:
    for asked in Asked:
        demos = collect(
            CARTPOLE,
            Nobody(),
            teacher_of(CARTPOLE),
            Noise(),
            [0],
            source="none",
            dead_time=dead("50"),
            asked=asked,
        )
        assert len(demos) == 0


class Moody(Counting):
    """Says something else each time."""

    moods = 0

    def step(self, action: int) -> Any:
        Moody.moods += 1
        state, *rest = super().step(action)
        return (state + [0.0, Moody.moods], *rest)


class MoodyTask(CountingTask):
    def make(self) -> Environment:
        return Moody(self.length)

    def teacher(self, env: Environment, observation: npt.NDArray[Any]) -> int:
        return int(observation[1]) % 3


def test_a_world_that_never_comes_out_the_same_cannot_be_rehearsed() -> None:
    with pytest.raises(OntickError, match="seed 0 comes out differently when flown again"):
        rehearsed(MoodyTask(40), dead("50", 4), seeds=[0])


def test_a_dataset_for_late_answers_reads_back_and_joins_and_travels(tmp_path: Path) -> None:
    setup = CollectSetup("cartpole", latency=JITTER, in_flight=4, late=LateRule.NOOP, episodes=2)
    written = gather(setup, tmp_path / "a")
    read = read_dataset(tmp_path / "a", CARTPOLE)
    assert equal(read.demonstrations, written.demonstrations)
    assert read.dead_time == written.dead_time == dead(JITTER, 4, LateRule.NOOP, Aim.TARGET)
    assert read.card["dead_time"]["pending"] == read.demonstrations.pending.shape[1] > 4
    assert read.card["dead_time"]["latency"] == JITTER
    assert read.card["made"]["latency"] == JITTER

    export([tmp_path / "a"], tmp_path / "c.jsonl", Form.CHAT)
    back = bring_in(tmp_path / "c.jsonl", "cartpole", tmp_path / "back", Form.CHAT)
    assert back.hash == read.hash
    assert back.dead_time == read.dead_time
    with pytest.raises(OntickError, match="export it as chat"):
        export([tmp_path / "a"], tmp_path / "m", Form.MINARI)

    gather(replace(setup, latency="30", seed=9), tmp_path / "b")
    gather(CollectSetup("cartpole", episodes=1), tmp_path / "plain")
    _, both = read_together([tmp_path / "a", tmp_path / "b", tmp_path / "plain"])
    assert both.dead_time is None
    parts = [read_dataset(tmp_path / name, CARTPOLE).demonstrations for name in ("a", "b", "plain")]
    assert equal(both.demonstrations, joined(parts))
    assert (both.demonstrations.pending[-1] == NO_MORE).all()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"latency": "measured"}, "tells only in flight; measure it"),
        ({"latency": "slow"}, "bad latency model"),
        ({"latency": "20000"}, "is up to 1000 ticks of cartpole, and no more than 99 can be"),
        ({"latency": "lognormal:1000,1"}, "no more than 99 can be learnt for"),
        ({"latency": "50", "in_flight": 0}, "--in-flight 0 cannot be; give 1 to 64"),
        ({"latency": "50", "box": 10}, "nothing comes late there"),
        ({"in_flight": 4}, "add --latency 150, or leave them out"),
        ({"late": LateRule.NOOP}, "add --latency 150, or leave them out"),
        ({"asked": Asked.START}, "--asked is about late answers"),
    ],
)
def test_a_mistake_about_late_answers_is_one_line_and_nothing_is_written(
    change: dict[str, Any], says: str, tmp_path: Path
) -> None:
    with pytest.raises(OntickError, match=says) as caught:
        gather(replace(CollectSetup("cartpole", episodes=1), **change), tmp_path / "d")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_an_answer_is_aimed_under_noop_and_not_under_hold(tmp_path: Path) -> None:
    for late, aim in ((LateRule.HOLD, Aim.ARRIVAL), (LateRule.NOOP, Aim.TARGET)):
        made = gather(CollectSetup("cartpole", latency="50", late=late, episodes=1), tmp_path / late)
        assert made.dead_time is not None
        assert made.dead_time.aim is aim
