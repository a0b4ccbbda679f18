from __future__ import annotations

import numpy as np
import pytest

from ontick.evaluation.teacher_states import DisturbedTeacher, disturbed_flight
from ontick.tasks import find_task


@pytest.mark.parametrize("name", ["cartpole", "lunarlander"])
def test_the_same_seed_gives_the_same_states_and_the_labels_are_the_teachers(name: str) -> None:
    task = find_task(name)
    env, teacher = task.make(), DisturbedTeacher(task)
    first_episode, first = disturbed_flight(task, env, teacher, 3)
    disturbed_flight(task, env, teacher, 4)
    again_episode, again = disturbed_flight(task, env, teacher, 3)
    assert first_episode == again_episode
    assert len(first) == first_episode.steps
    assert all(np.array_equal(a.state, b.state) and a.action == b.action for a, b in zip(first, again, strict=True))
    assert all(task.teacher(env, state) == action for state, action in first)


def test_disturbances_lead_to_states_that_the_teacher_alone_does_not_see() -> None:
    task = find_task("cartpole")
    env, teacher = task.make(), DisturbedTeacher(task)
    disturbed = max(abs(state[2]) for seed in range(3) for state, _ in disturbed_flight(task, env, teacher, seed)[1])
    observation, _ = env.reset(seed=0)
    alone = [abs(observation[2])]
    for _ in range(499):
        observation, *_ = env.step(task.teacher(env, observation))
        alone.append(abs(observation[2]))
    assert disturbed > 1.5 * max(alone)
