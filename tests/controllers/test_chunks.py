"""A controller rolled forward answers with what it is going to do, as far as the forward model is right."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ontick.contracts import ControllerContract
from ontick.controllers.base import Controller, Decision, Observation, Underway
from ontick.controllers.catalog import Asking, make_controller
from ontick.controllers.chunks import RolledForward, planning
from ontick.controllers.scripted import Chance, Nobody, Teacher
from ontick.errors import OntickError
from ontick.late import LateRule
from ontick.latency import Constant
from ontick.loop import VirtualTime, fly
from ontick.records import State
from ontick.tasks import find_task
from ontick.tasks.base import Task
from worlds import CountingTask, Policy

FROZEN = VirtualTime(Constant(0))
CARTPOLE = find_task("cartpole")


class Foreseen(CountingTask):
    """Counting, whose observations are known beforehand."""

    def predict(self, observation: State, actions: Sequence[int]) -> State:
        if not actions:
            return observation
        return np.array([observation[0] + len(actions), actions[-1]])


def habit(state: State) -> int:
    """Do something that depends on how far it is and on what was done last."""
    return (int(state[0]) ** 2 + 2 * int(state[1])) % 3


class Scripted:
    """Answers in turn."""

    def __init__(self, *decisions: Decision) -> None:
        self.decisions = list(decisions)
        self.seen: list[Observation] = []

    def reset(self, seed: int) -> None:
        """Nothing to forget."""

    def decide(self, observation: Observation) -> Decision:
        self.seen.append(observation)
        return self.decisions[len(self.seen) - 1]


def rolled(inner: Controller, chunk: int) -> RolledForward:
    return RolledForward(inner, Foreseen().predict, chunk, 3)


class TestTeacherRolledForward(ControllerContract):
    def make_controller(self, task: Task) -> Controller:
        return planning(Teacher(task), task, 7)


class TestChanceRolledForward(ControllerContract):
    def make_controller(self, task: Task) -> Controller:
        return planning(Chance(task), task, 4)


@given(st.integers(1, 12))
def test_with_the_true_forward_model_a_plan_is_what_the_controller_does_itself(chunk: int) -> None:
    task = Foreseen(30)
    flown = fly(task, task.make(), Policy(habit), FROZEN, late=LateRule.HOLD, seed=0).ticks
    future = [tick.action for tick in flown]
    planner = rolled(Policy(habit), chunk)
    planner.reset(0)
    for tick in flown[: 30 - chunk]:
        decision = planner.decide(Observation(tick.observation, tick.tick))
        assert (decision.action, *decision.then) == tuple(future[tick.tick : tick.tick + chunk])


def test_the_teachers_plan_is_its_own_future() -> None:
    for seed in range(3):
        flown = fly(CARTPOLE, CARTPOLE.make(), Teacher(CARTPOLE), FROZEN, late=LateRule.HOLD, seed=seed).ticks
        future = [tick.action for tick in flown]
        planner = planning(Teacher(CARTPOLE), CARTPOLE, 10)
        planner.reset(seed)
        for tick in flown[:-10:7]:
            decision = planner.decide(Observation(tick.observation, tick.tick))
            assert (decision.action, *decision.then) == tuple(future[tick.tick : tick.tick + 10])


def test_late_plans_lose_nothing_in_a_world_foreseen_rightly() -> None:
    task = Foreseen(60)
    late = VirtualTime(Constant(60))  # three ticks
    flight = fly(task, task.make(), rolled(Policy(habit), 8), late, late=LateRule.HOLD, seed=0)
    assert flight.episode.late_ticks == 2, "before the first answer"
    # The first plan does not know of the initial action that acted meanwhile; it is over by tick 8.
    for tick in flight.ticks[8:]:
        assert tick.action == habit(tick.observation)


@pytest.mark.parametrize("controller", [Teacher(CARTPOLE), Chance(CARTPOLE), Nobody()], ids=lambda c: type(c).__name__)
def test_a_plan_of_one_is_the_controller_itself(controller: Controller) -> None:
    assert planning(controller, CARTPOLE, 1) is controller
    observation = Observation(np.zeros(4), 0)
    alone = RolledForward(controller, CARTPOLE.predict, 1, 2)
    controller.reset(3)
    expected = controller.decide(observation)
    alone.reset(3)
    assert alone.decide(observation) == expected


def test_nobody_has_no_plan_to_give() -> None:
    nobody = Nobody()
    assert planning(nobody, CARTPOLE, 5) is nobody


def test_what_the_controller_is_shown_ahead_is_what_it_would_see_there() -> None:
    inner = Scripted(Decision(2), Decision(1), Decision(0))
    shown = Observation(
        np.array([4.0, 1.0]), 4, (0, None, 1), started=7, last_action=1, open=(Underway(3, 0),), latencies=(5,)
    )
    assert rolled(inner, 3).decide(shown) == Decision(2, then=(1, 0))
    assert [(o.tick, o.promised, o.last_action, o.state.tolist()) for o in inner.seen] == [
        (4, (0, None, 1), 1, [4.0, 1.0]),
        (5, (None, 1), 2, [5.0, 2.0]),
        (6, (1,), 1, [6.0, 1.0]),
    ]
    assert all((o.started, o.open, o.latencies) == (7, shown.open, (5,)) for o in inner.seen)


ABSTAINS, PROSE, ILLEGAL = Decision(None), Decision(None, valid=False, failure="prose"), Decision(3)


@pytest.mark.parametrize(
    ("later", "failure"), [(ABSTAINS, None), (PROSE, "prose"), (ILLEGAL, "illegal"), (Decision(None, False), "illegal")]
)
def test_a_plan_ends_where_the_controller_has_no_answer(later: Decision, failure: str | None) -> None:
    first = Decision(1, delay=9, text="one", ttft_ms=2.0, prompt_tokens=7)
    inner = Scripted(first, Decision(2), later)
    assert rolled(inner, 5).decide(Observation(np.zeros(2), 0)) == first._replace(then=(2,), failure=failure)


@pytest.mark.parametrize("first", [ABSTAINS, PROSE, ILLEGAL, Decision(1, then=(2,)), Decision(1, at_tick=4)], ids=str)
def test_an_answer_that_nothing_can_follow_or_that_is_a_plan_already_is_left_as_it_is(first: Decision) -> None:
    inner = Scripted(first)
    assert rolled(inner, 5).decide(Observation(np.zeros(2), 0)) is first


def test_a_plan_for_the_observations_own_tick_is_rolled_on() -> None:
    inner = Scripted(Decision(1, at_tick=4), Decision(2))
    decision = rolled(inner, 2).decide(Observation(np.zeros(2), 4))
    assert decision == Decision(1, at_tick=4, then=(2,))


def test_a_task_without_a_forward_model_says_how_to_get_one() -> None:
    task = CountingTask()
    with pytest.raises(
        OntickError, match=r"--chunk 3 .* no forward model; .* --dynamics DIR, .* leave --chunk out"
    ) as e:
        planning(Chance(task), task, 3)
    assert "\n" not in str(e.value)
    given_one = planning(Chance(task), task, 3, Foreseen().predict)
    given_one.reset(0)
    assert len(given_one.decide(Observation(np.zeros(2), 0)).then) == 2


@pytest.mark.parametrize("chunk", [0, -3, 65])
@pytest.mark.parametrize("word", ["teacher", "none", "random", "smollm2"])
def test_a_length_that_no_plan_has_is_refused_whoever_flies(word: str, chunk: int) -> None:
    with pytest.raises(OntickError, match="give 1 to 64"):
        make_controller(word, CARTPOLE, Asking(chunk=chunk))
