"""The collapse alarm: constants are always caught, the teachers and chance never."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ontick.controllers.base import Controller, Decision, Observation
from ontick.controllers.scripted import Chance, Nobody, Teacher
from ontick.controllers.wrappers import Delayed
from ontick.errors import OntickError
from ontick.evaluation.collapse import CHANCE, Answered, beyond_chance, find_rut, longest_run, recall, spread
from ontick.evaluation.episodes import ClockName, Setup, evaluate, prepare
from ontick.evaluation.summary import summarise
from ontick.evaluation.verdict import reach_verdict
from ontick.late import LateRule
from ontick.latency import Constant
from ontick.loop import VirtualTime, fly
from ontick.records import Flight, Json, read_run
from ontick.tasks import find_task
from ontick.tasks.base import Environment, Task
from worlds import CountingTask, Policy, parity

CARTPOLE, LANDER = find_task("cartpole"), find_task("lunarlander")
NOTHING, LEFT, MAIN, RIGHT = range(4)


@cache
def environment(name: str) -> Environment:
    return find_task(name).make()


def flown(task: Task, controller: Controller, seeds: range) -> list[Flight]:
    env, time = environment(task.name), VirtualTime(Constant(0))
    return [fly(task, env, controller, time, late=LateRule.HOLD, seed=seed) for seed in seeds]


def collapse(task: Task, controller: Controller, seeds: range) -> Json:
    return summarise(task, flown(task, controller, seeds))["collapse"]


def changed(task: Task, change: Callable[[int], int]) -> Policy:
    """Return the task's teacher with its answers put through ``change``."""
    env = task.make()
    return Policy(lambda state: change(task.teacher(env, state)))


@pytest.mark.parametrize("task", [CARTPOLE, LANDER], ids=lambda task: task.name)
@pytest.mark.parametrize("first", range(0, 60, 3))
def test_a_constant_policy_is_always_caught(task: Task, first: int) -> None:
    for action, name in enumerate(task.actions):
        found = collapse(task, Policy(lambda state, action=action: action), range(first, first + 3))
        assert found["rut"] == f"always {name}"
        assert found["entropy_bits"] == 0
        assert found["top_action"] == found["longest_run_action"] == name
        assert found["top_share"] == 1


@pytest.mark.parametrize("task", [CARTPOLE, LANDER], ids=lambda task: task.name)
@pytest.mark.parametrize("episodes", [1, 5])
def test_chance_is_never_called_a_rut(task: Task, episodes: int) -> None:
    for first in range(0, 200, episodes):
        assert collapse(task, Chance(task), range(first, first + episodes))["rut"] is None


@pytest.mark.parametrize("task", [CARTPOLE, LANDER], ids=lambda task: task.name)
@pytest.mark.parametrize("delay_ms", [0, 40, 150, 1000])
def test_a_teacher_is_never_called_a_rut_however_late_it_is(task: Task, delay_ms: float) -> None:
    controller = Delayed(Teacher(task), Constant(delay_ms))
    for first in range(0, 60, 3):
        found = collapse(task, controller, range(first, first + 3))
        assert found["rut"] is None
        assert found["offline_accuracy"] == 1
        assert {share for share in found["recall"].values() if share is not None} == {1}


@pytest.mark.parametrize(
    ("change", "rut"),
    [
        ({LEFT: NOTHING, RIGHT: NOTHING}, "only main engine, or nothing"),
        ({RIGHT: NOTHING}, "never right engine"),
        ({LEFT: NOTHING}, "never left engine"),
        ({NOTHING: MAIN}, "almost always main engine"),
    ],
)
def test_what_a_lander_lacks_is_named(change: dict[int, int], rut: str) -> None:
    assert collapse(LANDER, changed(LANDER, lambda action: change.get(action, action)), range(20))["rut"] == rut


def test_a_policy_that_succeeds_is_in_no_rut() -> None:
    flights = flown(LANDER, Teacher(LANDER), range(3))
    wanted = [Answered(NOTHING, MAIN)] * 100
    assert find_rut(LANDER, wanted) == "always nothing"
    assert find_rut(LANDER, wanted, success_rate=0.9) is None
    assert summarise(LANDER, flights)["collapse"]["rut"] is None


def test_an_action_that_the_teacher_does_not_want_is_not_missed() -> None:
    hovering = [Answered(NOTHING, NOTHING)] * 900 + [Answered(MAIN, MAIN)] * 100
    assert find_rut(LANDER, hovering) is None
    assert find_rut(LANDER, [Answered(NOTHING, NOTHING)] * 1000) is None
    assert find_rut(LANDER, [*hovering, *[Answered(NOTHING, LEFT)] * 100]) is None  # a little under a tenth
    assert find_rut(LANDER, [*hovering, *[Answered(NOTHING, LEFT)] * 150]) is not None


@given(st.integers(2, 8), st.integers(1, 200), st.data())
def test_beyond_chance_is_at_least_as_rare_as_it_says(actions: int, n: int, data: st.DataObject) -> None:
    left_out = data.draw(st.integers(1, actions - 1))
    little = data.draw(st.integers(0, n // 10))
    if beyond_chance(Counter({actions - 1: n - little, 0: little}), range(left_out), actions):
        p = left_out / actions
        tail = math.fsum(math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(little + 1))
        assert math.comb(actions, left_out) * tail <= CHANCE * (1 + 1e-9)


@pytest.mark.parametrize(("actions", "left_out", "enough"), [(2, 1, 21), (4, 3, 11), (4, 1, 53)])
def test_how_many_answers_it_takes(actions: int, left_out: int, enough: int) -> None:
    given = range(left_out)
    assert beyond_chance(Counter({actions - 1: enough}), given, actions)
    assert not beyond_chance(Counter({actions - 1: enough - 1}), given, actions)


def test_without_a_teacher_only_one_action_all_the_time_is_a_rut() -> None:
    task = CountingTask()
    assert find_rut(task, [Answered(1, None)] * 50) == "always one"
    assert find_rut(task, [*[Answered(1, None)] * 50, Answered(0, None)]) is None
    found = summarise(task, flown_counting(task))["collapse"]
    assert found["offline_accuracy"] is None
    assert set(found["recall"].values()) == {None}
    assert found["note"] is None


def flown_counting(task: Task) -> list[Flight]:
    return [fly(task, task.make(), Policy(parity), VirtualTime(Constant(0)), late=LateRule.HOLD, seed=0)]


def test_nobody_has_no_answers_and_no_rut() -> None:
    found = collapse(CARTPOLE, Nobody(), range(3))
    assert found["answers"] == found["longest_run"] == 0
    assert found["rut"] is found["entropy_bits"] is found["top_action"] is found["note"] is None


@given(st.lists(st.integers(0, 3), min_size=1))
def test_entropy_is_bounded_and_the_top_and_the_run_are_of_the_answers(actions: list[int]) -> None:
    answers = [Answered(action, None) for action in actions]
    found = spread(LANDER, answers)
    assert 0 <= found["entropy_bits"] <= 2 + 1e-12
    assert (found["entropy_bits"] == 0) == (len(set(actions)) == 1)
    assert found["top_share"] == max(map(actions.count, actions)) / len(actions)
    action, length = longest_run(answers)
    words = "".join(map(str, actions))
    assert str(action) * length in words
    assert not any(str(other) * (length + 1) in words for other in range(4))


def test_even_answers_have_the_whole_entropy() -> None:
    assert spread(LANDER, [Answered(action, None) for action in range(4)])["entropy_bits"] == pytest.approx(2)


def test_an_invalid_answer_is_a_miss_but_no_action() -> None:
    answers = [Answered(None, 1), Answered(1, 1), Answered(0, 0)]
    assert recall(CARTPOLE, answers) == {"left": 1.0, "right": 0.5}
    assert spread(CARTPOLE, answers)["entropy_bits"] == 1
    assert longest_run([Answered(1, 1), Answered(None, 1), Answered(1, 1)]) == (1, 1)


def test_errors_that_compound_are_told_from_answers_that_are_late() -> None:
    class Forgetful(Teacher):
        """Does as the teacher does for two seconds, then only pushes left."""

        def decide(self, observation: Observation) -> Decision:
            return super().decide(observation) if observation.tick < 100 else Decision(0)

    found = collapse(CARTPOLE, Forgetful(CARTPOLE), range(10))
    assert 0.8 <= found["offline_accuracy"] < 1
    assert found["note"].endswith("yet perfect in 0 of 10 episodes: its errors compound")
    late = collapse(CARTPOLE, Delayed(Teacher(CARTPOLE), Constant(150)), range(10))
    assert late["note"].endswith("its answers come too late")
    assert collapse(CARTPOLE, Teacher(CARTPOLE), range(3))["note"] is None
    assert collapse(CARTPOLE, Chance(CARTPOLE), range(10))["note"] is None


def test_a_recorded_run_gives_the_same_figures(tmp_path: Path) -> None:
    setup = Setup("lunarlander", "random", episodes=3, clock=ClockName.VIRTUAL, latency="45")
    evaluation = evaluate(prepare(setup), tmp_path / "run")
    again = summarise(LANDER, list(read_run(tmp_path / "run").flights()))["collapse"]
    assert again == evaluation.summary["collapse"]


def test_a_verdict_names_the_rut(tmp_path: Path) -> None:
    own = tmp_path / "own.py"
    own.write_text(
        "from ontick.controllers.base import Decision\nclass Stuck:\n    def __init__(self, task): pass\n"
        "    def reset(self, seed): pass\n    def decide(self, observation): return Decision(1)\n"
    )
    setup = Setup("cartpole", f"python:{own}:Stuck", episodes=3, clock=ClockName.VIRTUAL)
    assert "in a rut: always right" in reach_verdict(setup, tmp_path / "run").why


def test_a_teacher_that_fails_is_one_clear_line(tmp_path: Path) -> None:
    own = tmp_path / "own.py"
    own.write_text(
        "from ontick.tasks.cartpole import CartPole\nclass Own(CartPole):\n    name = 'own'\n"
        "    def teacher(self, env, observation): return 1 / 0\n"
    )
    setup = Setup("own", "random", episodes=1, clock=ClockName.VIRTUAL, task_module=str(own))
    with pytest.raises(OntickError, match=r"teacher of task 'own' failed.*mend it"):
        evaluate(prepare(setup), tmp_path / "run")
