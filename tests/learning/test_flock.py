from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from ontick.controllers.scripted import Teacher
from ontick.errors import OntickError
from ontick.late import LateRule
from ontick.latency import Constant
from ontick.learning.flock import MOST_TOGETHER, fly_together
from ontick.loop import VirtualTime, fly
from ontick.tasks import find_task
from ontick.tasks.base import Task


class TeachesMany:
    def __init__(self, task: Task) -> None:
        self._task, self._env = task, task.make()
        self.sizes: list[int] = []

    def decide_many(self, states: npt.NDArray[np.float32]) -> Sequence[int]:
        self.sizes.append(len(states))
        return [self._task.teacher(self._env, state) for state in states]


@pytest.mark.parametrize("name", ["cartpole", "lunarlander"])
def test_flown_together_or_one_after_another_is_the_same(name: str) -> None:
    task = find_task(name)
    seeds = [3, 1, 2, 3]
    policy, alone, env = TeachesMany(task), Teacher(task), task.make()
    together = fly_together(task, policy, seeds)
    for seed, flight in zip(seeds, together, strict=True):
        expected = fly(task, env, alone, VirtualTime(Constant(0)), late=LateRule.HOLD, seed=seed)
        assert flight.episode == expected.episode
    assert policy.sizes[0] == 4
    assert len(policy.sizes) == max(flight.episode.steps for flight in together)
    assert sum(policy.sizes) == sum(flight.episode.steps for flight in together)


def test_more_than_a_group_are_flown_in_groups() -> None:
    policy = TeachesMany(find_task("cartpole"))
    told: list[int] = []
    flights = fly_together(
        find_task("cartpole"), policy, range(MOST_TOGETHER + 2), progress=lambda done, total, what: told.append(done)
    )
    assert [flight.episode.seed for flight in flights] == list(range(MOST_TOGETHER + 2))
    assert max(policy.sizes) == MOST_TOGETHER
    assert told == [MOST_TOGETHER, MOST_TOGETHER + 2]


class Fails:
    def __init__(self, error: BaseException) -> None:
        self._error = error
        self._left = 20

    def decide_many(self, states: npt.NDArray[np.float32]) -> Sequence[int]:
        self._left -= 1
        if not self._left:
            raise self._error
        return [0] * len(states)


@pytest.mark.parametrize("error", [OntickError("the weights are gone"), KeyboardInterrupt(), ValueError("odd")])
def test_a_failing_policy_ends_every_flight_with_its_own_error(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught:
        fly_together(find_task("lunarlander"), Fails(error), range(5))
    assert caught.value is error


class FailsAlone(Teacher):
    def reset(self, seed: int) -> None:
        if seed == 2:
            raise OntickError("not this one")


def test_one_episode_that_fails_ends_them_all() -> None:
    task = find_task("cartpole")
    with pytest.raises(OntickError, match="not this one"):
        fly_together(task, TeachesMany(task), range(5), dress=lambda _: FailsAlone(task))
