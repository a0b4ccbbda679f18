"""What does the loop rely on in a controller?"""

from __future__ import annotations

import math
import threading
from abc import ABC, abstractmethod

from ontick.controllers.base import Controller, Decision, Observation
from ontick.tasks import find_task
from ontick.tasks.base import Task


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

    def test_log_probabilities_are_of_all_actions_and_the_answer_is_the_likeliest(self) -> None:
        task = self.make_task()
        for decision in self._decisions(self.make_controller(task), task, seed=0):
            if decision.logprobs is not None:
                assert len(decision.logprobs) == len(task.actions)
                assert math.isclose(math.fsum(map(math.exp, decision.logprobs)), 1, rel_tol=1e-4)
                assert decision.action == decision.logprobs.index(max(decision.logprobs))

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
