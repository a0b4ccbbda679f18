"""Does this task, controller or language model keep its promises? Suites for pytest, to inherit from.

    from ontick.contracts import TaskContract

    class TestMyTask(TaskContract):
        def make_task(self):
            return MyTask()

Every implementation in this package passes them; one of your own should too.
"""

from __future__ import annotations

import math
import threading
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pytest

from ontick.controllers.base import Controller, Decision, Observation
from ontick.controllers.scripted import Chance
from ontick.errors import OntickError
from ontick.late import LateRule
from ontick.latency import Constant
from ontick.loop import VirtualTime, fly
from ontick.models.base import LanguageModel, LocalModel, Message, Reading
from ontick.records import Flight, State
from ontick.tasks import find_task
from ontick.tasks.base import Environment, Task


class TaskContract(ABC):
    """What the loop, the prompts and the reports rely on in a task."""

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

    def _fly_chance(self, seed: int) -> Flight:
        task = self.make_task()
        return _fly(task, Chance(task), seed, task.make())


class ControllerContract(ABC):
    """What the loop relies on in a controller."""

    def make_task(self) -> Task:
        """Return the task that the controller under test flies."""
        return find_task("cartpole")

    @abstractmethod
    def make_controller(self, task: Task) -> Controller:
        """Return the controller under test."""

    def test_it_answers_with_a_legal_action_or_none(self) -> None:
        task = self.make_task()
        controller = self.make_controller(task)
        for decision in self._decisions(controller, task, seed=0):
            assert decision.action is None or decision.action in range(len(task.actions))
            assert decision.delay >= 0

    def test_the_same_seed_gives_the_same_answers(self) -> None:
        task = self.make_task()
        controller = self.make_controller(task)
        assert self._decisions(controller, task, seed=3) == self._decisions(controller, task, seed=3)

    def test_it_may_be_asked_from_another_thread(self) -> None:
        task = self.make_task()
        controller = self.make_controller(task)
        answers: list[Decision] = []
        thread = threading.Thread(target=lambda: answers.extend(self._decisions(controller, task, seed=1)))
        thread.start()
        thread.join()
        assert answers == self._decisions(controller, task, seed=1)

    def _decisions(self, controller: Controller, task: Task, seed: int) -> list[Decision]:
        controller.reset(seed)
        env = task.make()
        state, _ = env.reset(seed=seed)
        states = [state, *(env.step(tick % len(task.actions))[0] for tick in range(4))]
        return [controller.decide(Observation(state, tick)) for tick, state in enumerate(states)]


class WritingModelContract(ABC):
    """What the language-model controller relies on in a model that answers in text, an API for one."""

    QUESTIONS = ("1 2 3", "40 -2 0", "1 2 3", "-7")
    HAS_SOMETHING_TO_SAY: ClassVar[bool] = True
    """False: random weights, which may end an answer before it begins."""

    @abstractmethod
    def make_model(self) -> LanguageModel:
        """Return the model under test; it may be made once and shared."""

    def test_it_says_how_it_can_be_read_and_refuses_the_rest(self) -> None:
        model = self.make_model()
        assert Reading.GENERATE in model.info.readings
        if Reading.SCORE not in model.info.readings:
            with pytest.raises(OntickError, match="--reading"):
                model.choose(_conversation("5 5"), ("0", "1"))

    def test_what_it_writes_is_timed_and_short(self) -> None:
        model = self.make_model()
        model.warm_up(_conversation("5 5"))
        said = model.complete(_conversation("5 5"), 3)
        if not (said.text or self.HAS_SOMETHING_TO_SAY):
            assert (said.ttft_ms is None) == (said.completion_tokens == 0)
            return
        assert said.text
        assert said.ttft_ms is not None
        assert 0 < said.ttft_ms <= said.elapsed_ms
        assert said.completion_tokens is None or 1 <= said.completion_tokens <= 3
        assert said.prompt_tokens is None or said.prompt_tokens > 1

    def test_what_it_writes_does_not_depend_on_what_was_asked_before(self) -> None:
        model = self.make_model()
        model.warm_up(_conversation("5 5"))
        asked = [model.complete(_conversation(question), 3).text for question in self.QUESTIONS]
        again = [model.complete(_conversation(question), 3).text for question in reversed(self.QUESTIONS)]
        assert again[::-1] == asked

    def test_several_threads_may_ask_at_once(self) -> None:
        model = self.make_model()
        model.warm_up(_conversation("5 5"))
        alone = [model.complete(_conversation(question), 3).text for question in self.QUESTIONS]
        with ThreadPoolExecutor(len(alone)) as threads:
            asked = [threads.submit(model.complete, _conversation(question), 3) for question in self.QUESTIONS]
        assert [answer.result().text for answer in asked] == alone


class LanguageModelContract(WritingModelContract):
    """What the language-model controller relies on in a model that tells scores too."""

    ROUNDING_NATS: ClassVar[float] = 5e-3
    """How far a log-probability may move when tokens are read one after another, not together: some processors have
    other kernels for one token of quantised weights than for several."""

    def test_log_probabilities_are_normalised_and_the_index_is_their_top(self) -> None:
        choice = self.make_model().choose(_conversation("5 5"), ("0", "1", "2"))
        assert math.isclose(math.fsum(map(math.exp, choice.logprobs)), 1, rel_tol=1e-9)
        assert choice.logprobs[choice.index] == max(choice.logprobs)

    def test_answers_do_not_depend_on_what_was_asked_before(self) -> None:
        model = self.make_model()
        asked = [model.choose(_conversation(question), ("0", "1")) for question in self.QUESTIONS]
        for question, before in reversed(list(zip(self.QUESTIONS, asked, strict=True))):
            again = model.choose(_conversation(question), ("0", "1"))
            assert again.index == before.index
            # Reading a prompt in pieces of other sizes may round differently, but only just.
            assert again.logprobs == pytest.approx(before.logprobs, abs=1e-3)

    def test_a_shared_beginning_is_read_once(self) -> None:
        model = self.make_model()
        model.choose(_conversation("1 2 2"), ("0", "1"))
        first = model.choose(_conversation("1 2 3"), ("0", "1"))
        second = model.choose(_conversation("1 2 4"), ("0", "1"))
        assert second.prefix_tokens + second.new_tokens == first.prefix_tokens + first.new_tokens
        assert second.new_tokens < second.prefix_tokens

    def test_choices_of_several_tokens_are_refused(self) -> None:
        with pytest.raises(OntickError, match="one token"):
            self.make_model().choose(_conversation("5"), ("0", "a rather long answer"))

    def test_choices_that_are_the_same_are_refused(self) -> None:
        with pytest.raises(OntickError, match="same token"):
            self.make_model().choose(_conversation("5"), ("0", "0"))

    def test_a_prompt_longer_than_the_context_is_refused(self) -> None:
        with pytest.raises(OntickError, match="tokens"):
            self.make_model().choose(_conversation("1 2 3 4 5 6 7 8 " * 20_000), ("0", "1"))

    def test_what_is_written_is_the_same_every_time(self) -> None:
        model = self.make_model()
        first = [model.complete(_conversation(question), 3) for question in self.QUESTIONS]
        again = [model.complete(_conversation(question), 3) for question in reversed(self.QUESTIONS)]
        assert [said.text for said in first] == [said.text for said in reversed(again)]
        assert all((said.completion_tokens or 0) <= 3 for said in first)

    def test_the_likeliest_tokens_are_those_that_it_writes(self) -> None:
        model = _local(self.make_model())
        for question in self.QUESTIONS:
            asked = _conversation(question)
            model.warm_up(_conversation("5 5"))
            written = model.complete(asked, 4).tokens
            assert written is not None
            rows = model.logprobs(asked, written)
            assert rows.shape[0] == len(written) + 1
            assert np.exp(rows.astype(float)).sum(axis=1) == pytest.approx(1, abs=1e-5)
            for row, token in zip(rows, written, strict=False):
                assert row[token] == pytest.approx(row.max(), abs=self.ROUNDING_NATS)
            assert model.complete(asked, 4).tokens == written, "reading an answer changes none"

    def test_log_probabilities_of_all_tokens_are_those_of_the_choices(self) -> None:
        model = _local(self.make_model())
        for question in self.QUESTIONS:
            asked = _conversation(question)
            model.warm_up(_conversation("5 5"))
            among = model.logprobs(asked, ())[0, model.answer_tokens(asked, ("0", "1"))].astype(float)
            expected = among - np.log(np.exp(among).sum())
            model.warm_up(_conversation("5 5"))
            assert model.choose(asked, ("0", "1")).logprobs == pytest.approx(tuple(expected.tolist()), abs=5e-3)

    def test_what_is_said_of_a_token_does_not_depend_on_what_the_answer_goes_on_with(self) -> None:
        model = _local(self.make_model())
        asked = _conversation("1 2 3")
        one, other, alone = (model.answer_tokens(asked, (word,))[0] for word in "017")
        rows = model.logprobs(asked, [one, other, alone])
        again = model.logprobs(asked, [one])
        assert again.shape == (2, rows.shape[1])
        assert _distance_nats(rows[:2], again) < self.ROUNDING_NATS
        assert _distance_nats(rows[:1], rows[2:3]) > self.ROUNDING_NATS, "what has been said makes a difference"

    def test_an_answer_longer_than_the_context_is_refused(self) -> None:
        model = _local(self.make_model())
        with pytest.raises(OntickError, match="tokens"):
            model.logprobs(_conversation("5"), [3] * 100_000)

    def test_no_choice_is_preferred_to_what_the_model_writes(self) -> None:
        model, compared = self.make_model(), 0
        for question in self.QUESTIONS:
            written = model.complete(_conversation(question), 1).text
            if len(written) < 2:  # tokenizers may have a letter twice, as itself and as a byte
                continue
            try:
                choice = model.choose(_conversation(question), (*"0123456789", written))
            except OntickError:  # what is written is no token of its own: nothing, or half a letter
                continue
            compared += 1
            assert choice.index == 10
        if not compared:
            pytest.skip("this model writes nothing that could be offered as a choice")


def _local(model: LanguageModel) -> LocalModel:
    if not isinstance(model, LocalModel):
        pytest.skip("its tokens cannot be looked at")
    return model


def _distance_nats(ours: npt.NDArray[np.float32], theirs: npt.NDArray[np.float32]) -> float:
    """Return how far log-probabilities are apart, weighted by how likely each token is; the worst row."""
    return float((np.exp(ours) * np.abs(ours - theirs)).sum(axis=1).max())


def _conversation(question: str) -> list[Message]:
    return [
        Message("system", "You steer a boat. You are given numbers. Answer with one digit: 0 = left, 1 = right."),
        Message("user", question),
    ]


def _fly(task: Task, controller: Controller, seed: int, env: Environment) -> Flight:
    return fly(task, env, controller, VirtualTime(Constant(0)), late=LateRule.HOLD, seed=seed)


def _after_reset(task: Task) -> Environment:
    env = task.make()
    env.reset(seed=0)
    return env


def _as_observed(env: Environment, state: tuple[float, ...]) -> State:
    return np.array(state, dtype=env.observation_space.dtype)
