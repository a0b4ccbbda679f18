"""The contract's laws of forward models: each catches who breaks it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeAlias, cast

import numpy as np
import pytest

from ontick.contracts import TaskContract
from ontick.records import State
from ontick.tasks.base import Environment, Task
from ontick.tasks.cartpole import CartPole

Predict: TypeAlias = Callable[[State, Sequence[int]], State]
GOOD = CartPole()


class Broken(CartPole):
    made: ClassVar[list[Environment]] = []
    foresee: ClassVar[Predict] = GOOD.predict

    def predict(self, observation: State, actions: Sequence[int]) -> State:
        return type(self).foresee(observation, actions)

    def make(self) -> Environment:
        env = super().make()
        self.made.append(env)
        return env


def forgets_the_actions(state: State, actions: Sequence[int]) -> State:
    return GOOD.predict(state, [0] * len(actions)) if len(actions) > 4 else GOOD.predict(state, actions)


def moves_without_an_action(state: State, actions: Sequence[int]) -> State:
    return GOOD.predict(state, [0, *actions])


def is_not_whole(state: State, actions: Sequence[int]) -> State:
    return GOOD.predict(state, actions)[:2] if actions else state


def runs_away(state: State, actions: Sequence[int]) -> State:
    with np.errstate(all="ignore"):
        return state * np.float32(1e30) ** len(actions)


def writes_into_the_observation(state: State, actions: Sequence[int]) -> State:
    foreseen = GOOD.predict(state, actions)
    state[:] = foreseen
    return foreseen


def changes_nothing(state: State, actions: Sequence[int]) -> State:
    return state


def goes_the_wrong_way(state: State, actions: Sequence[int]) -> State:
    return 2 * state - GOOD.predict(state, actions)


def steps_the_flown_environment(state: State, actions: Sequence[int]) -> State:
    for env in Broken.made:
        cart: Any = cast(Any, env.unwrapped)
        if cart.state is not None:
            cart.state = cart.state + 0.01
    return GOOD.predict(state, actions)


WHOLE, ON, ALONE, BETTER = (
    "a_forward_model_gives_whole_states_back",
    "what_is_foreseen_can_be_foreseen_on",
    "predicting_leaves_the_flight_alone",
    "a_forward_model_is_better_than_supposing_that_nothing_changes",
)


@pytest.mark.parametrize(
    ("law", "foresee"),
    [
        (WHOLE, moves_without_an_action),
        (WHOLE, is_not_whole),
        (WHOLE, runs_away),
        (WHOLE, writes_into_the_observation),
        (ON, forgets_the_actions),
        (ALONE, steps_the_flown_environment),
        (BETTER, changes_nothing),
        (BETTER, goes_the_wrong_way),
    ],
)
def test_each_law_catches_who_breaks_it(law: str, foresee: Predict, monkeypatch: pytest.MonkeyPatch) -> None:
    class Contract(TaskContract):
        def make_task(self) -> Task:
            return Broken()

    getattr(Contract(), f"test_{law}")()
    monkeypatch.setattr(Broken, "foresee", staticmethod(foresee))
    with pytest.raises(AssertionError):
        getattr(Contract(), f"test_{law}")()
