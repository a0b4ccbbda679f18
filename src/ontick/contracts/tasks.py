"""What do the loop, the prompts, the reports and prediction rely on in a task?"""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod

import numpy as np
import pytest

from ontick.controllers.base import Controller, Decision, Observation
from ontick.controllers.scripted import Chance
from ontick.errors import OntickError
from ontick.late import LateRule
from ontick.latency import Constant
from ontick.loop import VirtualTime, fly
from ontick.records import Flight, State
from ontick.tasks.base import Environment, Task
from ontick.tasks.picture import poses_as_json

NEAR, FAR = 5, 100
"""Ticks ahead."""


class TaskContract(ABC):
    """What the loop, the prompts, the reports and prediction rely on in a task."""

    never_beyond_doubt: frozenset[int] = frozenset()
    """Actions that no diagnostic state calls for, because none could do so beyond doubt."""

    @abstractmethod
    def make_task(self) -> Task:
        """Return the task under test."""

    def test_it_does_not_contradict_itself(self) -> None:
        self.make_task().check()

    def test_every_action_and_the_noop_can_be_applied(self) -> None:
        task = self.make_task()
        env = task.make()
        for action in (*range(len(task.actions)), task.noop):
            env.reset(seed=0)
            observation, reward, _, _, _ = env.step(action)
            assert observation.shape == (len(task.features),)
            assert math.isfinite(float(reward))
            assert task.action_name(action)

    def test_the_observation_matches_the_features(self) -> None:
        task = self.make_task()
        observation, _ = task.make().reset(seed=0)
        assert observation.shape == (len(task.features),)
        assert np.all(np.isfinite(observation))

    def test_the_same_seed_gives_the_same_episode(self) -> None:
        first, again = self._fly_chance(5), self._fly_chance(5)
        assert first.episode == again.episode
        assert all(np.array_equal(a.observation, b.observation) for a, b in zip(first.ticks, again.ticks, strict=True))

    def test_a_used_environment_gives_the_same_episode_as_a_new_one(self) -> None:
        task = self.make_task()
        env = task.make()
        for seed in (1, 2):
            used = _fly(task, Chance(task), seed, env)
        assert used.episode == _fly(task, Chance(task), 2, task.make()).episode

    def test_an_episode_has_an_outcome_and_measures(self) -> None:
        task = self.make_task()
        episode = self._fly_chance(0).episode
        assert episode.outcome
        assert all(isinstance(counts(episode), bool) for counts in task.measures.values())
        assert task.succeeded(episode) == task.measures[task.success](episode)

    def test_a_failure_is_named_where_an_episode_is_no_success(self) -> None:
        task = self.make_task()
        flight = self._fly_chance(0)
        for recorded in (flight, Flight(flight.episode, ())):
            kind = task.failure(recorded)
            assert kind is None if task.succeeded(flight.episode) else kind

    def test_the_teacher_chooses_legal_actions_and_never_steps_the_environment(self) -> None:
        task = self.make_task()
        if not task.has_teacher:
            with pytest.raises(OntickError, match="no teacher"):
                task.teacher(task.make(), np.zeros(len(task.features)))
            return
        env = task.make()
        observation, _ = env.reset(seed=0)
        action = task.teacher(env, observation)
        assert action in range(len(task.actions))
        assert task.teacher(env, observation) == action

    def test_examples_are_whole_states_with_legal_actions(self) -> None:
        task = self.make_task()
        for example in task.examples:
            assert len(example.state) == len(task.features)
            assert np.all(np.isfinite(example.state))
            assert example.action in range(len(task.actions))

    def test_no_beginning_of_the_examples_lacks_an_action(self) -> None:
        task = self.make_task()
        shown = [example.action for example in task.examples]
        for count in range(2 * len(task.actions), len(shown) + 1):
            assert set(shown[:count]) == set(range(len(task.actions))), f"the first {count} examples"

    def test_the_teacher_does_what_the_examples_do(self) -> None:
        task = self.make_task()
        if task.has_teacher:
            env = _after_reset(task)
            for example in task.examples:
                assert task.teacher(env, _as_observed(env, example.state)) == example.action, example

    def test_diagnostics_are_whole_states_with_legal_right_actions(self) -> None:
        task = self.make_task()
        for diagnostic in task.diagnostics:
            assert len(diagnostic.state) == len(task.features)
            assert np.all(np.isfinite(diagnostic.state))
            assert diagnostic.right
            assert diagnostic.right < set(range(len(task.actions))), "an action must be wrong"
            assert diagnostic.situation

    def test_the_diagnostics_call_for_every_action(self) -> None:
        task = self.make_task()
        if task.diagnostics:
            called_for = frozenset[int]().union(*(diagnostic.right for diagnostic in task.diagnostics))
            assert called_for | self.never_beyond_doubt == set(range(len(task.actions)))

    def test_the_teacher_is_right_in_every_diagnostic_state(self) -> None:
        task = self.make_task()
        if task.has_teacher:
            env = _after_reset(task)
            for diagnostic in task.diagnostics:
                assert task.teacher(env, _as_observed(env, diagnostic.state)) in diagnostic.right, diagnostic

    def test_a_push_comes_from_its_random_numbers_alone(self) -> None:
        task = self.make_task()
        if type(task).push is Task.push:
            return
        after: list[list[float]] = []
        for seed in (1, 1, 2):
            env = _after_reset(task)
            task.push(env, np.random.default_rng(seed))
            after.append(np.asarray(env.step(task.initial_action)[0]).tolist())
        assert after[0] == after[1] != after[2]

    def test_the_box_that_is_sampled_has_a_range_for_every_feature(self) -> None:
        task = self.make_task()
        assert len(task.sampling_box) == len(task.features)

    def test_a_forward_model_gives_whole_states_back(self) -> None:
        task = self.make_task()
        state, _ = task.make().reset(seed=0)
        if not task.has_forward_model:
            with pytest.raises(OntickError, match="no forward model"):
                task.predict(state, [])
            return
        assert np.array_equal(task.predict(state, []), state), "no actions change nothing"
        for action in (*range(len(task.actions)), task.noop):
            before = state.copy()
            foreseen = task.predict(state, [action] * FAR)
            assert foreseen.shape == state.shape
            assert np.all(np.isfinite(foreseen))
            assert np.array_equal(state, before), "it may not write into the observation"

    def test_what_is_foreseen_can_be_foreseen_on(self) -> None:
        task = self.make_task()
        if not task.has_forward_model:
            return
        state, _ = task.make().reset(seed=0)
        actions = [*range(len(task.actions)), task.noop] * 2
        for split in range(len(actions)):
            at_once = task.predict(state, actions)
            in_two = task.predict(task.predict(state, actions[:split]), actions[split:])
            assert in_two == pytest.approx(at_once, rel=1e-3, abs=1e-4)

    def test_predicting_leaves_the_flight_alone(self) -> None:
        task = self.make_task()
        if not task.has_forward_model:
            return
        env = task.make()
        flown = _fly(task, Chance(task), 5, env).episode
        task.predict(env.reset(seed=5)[0], [task.noop] * FAR)
        assert _fly(task, _Foreseeing(task), 5, env).episode == flown

    def test_a_forward_model_is_better_than_supposing_that_nothing_changes(self) -> None:
        task = self.make_task()
        if not task.has_forward_model:
            return
        for ahead in (1, NEAR):
            error, change = np.zeros(len(task.features)), np.zeros(len(task.features))
            for seed in range(5):
                ticks = self._fly_chance(seed).ticks
                for now, later in zip(ticks, ticks[ahead:], strict=False):
                    acted = [tick.action for tick in ticks[now.tick : later.tick]]
                    error += np.abs(task.predict(now.observation, acted) - later.observation)
                    change += np.abs(now.observation - later.observation)
            moves = change > 0
            assert np.mean(error[moves] / change[moves]) < 1

    def test_its_picture_has_a_pose_for_each_body_in_every_state(self) -> None:
        task = self.make_task()
        env = task.make()
        observation, _ = env.reset(seed=0)
        scenery = tuple(task.scenery(env))
        assert json.loads(json.dumps(scenery)) == list(scenery)
        picture = task.picture(scenery)
        left, bottom, right, top = picture.view
        assert left < right
        assert bottom < top
        json.dumps(picture.as_json(), allow_nan=False)
        states = [observation, *(tick.observation for tick in self._fly_chance(0).ticks)]
        for action in (*range(len(task.actions)), task.noop, None):
            for state in states:
                poses = poses_as_json(task.poses(state, action))
                assert len(poses) == len(picture.bodies)
                json.dumps(poses, allow_nan=False)

    def test_an_episode_keeps_its_scenery_and_one_without_can_be_drawn_too(self) -> None:
        task = self.make_task()
        env = task.make()
        env.reset(seed=5)
        assert self._fly_chance(5).episode.scenery == tuple(task.scenery(env))
        assert len(task.picture(()).bodies) == len(task.picture(tuple(task.scenery(env))).bodies)

    def test_keys_mean_actions(self) -> None:
        task = self.make_task()
        assert set(task.actions_of_keys.values()) <= {*range(len(task.actions)), task.noop}

    def _fly_chance(self, seed: int) -> Flight:
        task = self.make_task()
        return _fly(task, Chance(task), seed, task.make())


class _Foreseeing(Chance):
    """Chance, looking ahead at every tick."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self._task = task

    def decide(self, observation: Observation) -> Decision:
        self._task.predict(observation.state, [self._task.initial_action] * NEAR)
        return super().decide(observation)


def _fly(task: Task, controller: Controller, seed: int, env: Environment) -> Flight:
    return fly(task, env, controller, VirtualTime(Constant(0)), late=LateRule.HOLD, seed=seed)


def _after_reset(task: Task) -> Environment:
    env = task.make()
    env.reset(seed=0)
    return env


def _as_observed(env: Environment, state: tuple[float, ...]) -> State:
    return np.array(state, dtype=env.observation_space.dtype)
