"""The teacher behind an API is the teacher, as late as was asked for, over a line that adds nothing else."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ontick.controllers.base import Decision, Observation
from ontick.controllers.catalog import Asking, make_controller
from ontick.controllers.chunks import planning
from ontick.controllers.scripted import Teacher
from ontick.errors import OntickError
from ontick.evaluation.episodes import ClockName, Setup, evaluate, prepare
from ontick.prompts import Prompt, PromptStyle
from ontick.records import State
from ontick.tasks import find_task
from ontick.tasks.base import Task
from ontick.wording import Numbers
from teacher_api import Answering, RateLimit, teacher_behind_api

TASKS = [find_task("cartpole"), find_task("lunarlander")]


@pytest.fixture(scope="module")
def word() -> Iterator[str]:
    with teacher_behind_api("cartpole") as word:
        yield word


def states(task: Task, count: int) -> list[State]:
    rng = np.random.default_rng(1)
    return [rng.uniform(-1, 1, len(task.features)) * [feature.limit for feature in task.features] for _ in range(count)]


def as_said(task: Task, state: State, decimals: int | None = None) -> State:
    """Round as the prompt does."""
    places = [feature.decimals if decimals is None else decimals * bool(feature.decimals) for feature in task.features]
    return np.array([round(float(value), places[at]) for at, value in enumerate(state)])


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
@pytest.mark.parametrize("numbers", [Numbers.WHOLE, Numbers.TWO, Numbers.THREE])
def test_the_state_is_read_as_the_prompt_says_it(task: Task, numbers: Numbers) -> None:
    answering, prompt = Answering(task, numbers), Prompt(task, PromptStyle(numbers=numbers))
    for state in states(task, 20):
        read = answering.state(prompt.messages(state)[-1].content)
        expected = as_said(task, state, None if numbers is Numbers.WHOLE else int(numbers))
        np.testing.assert_allclose(read, expected, atol=1e-9)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
@pytest.mark.parametrize("chunk", [1, 5])
def test_what_comes_back_is_the_teachers_plan(task: Task, chunk: int) -> None:
    teacher = planning(Teacher(task), task, chunk)
    with teacher_behind_api(task.name) as word:
        controller = make_controller(word, task, Asking(chunk=chunk))
        controller.reset(0)
        for state in states(task, 5):
            expected = teacher.decide(Observation(as_said(task, state), 0))
            decision = controller.decide(Observation(state, 0))
            assert (decision.action, decision.then) == (expected.action, expected.then)
            assert decision.failure is None
            assert decision.completion_tokens == chunk


def test_with_time_frozen_it_flies_as_the_teacher_does(word: str, tmp_path: Path) -> None:
    setup = Setup("cartpole", word, episodes=1, seed=3, clock=ClockName.VIRTUAL)
    assert evaluate(prepare(setup), tmp_path / "run").summary["perfect"] == 1


def test_one_connection_carries_many_questions(word: str) -> None:
    url = urlsplit(word.removeprefix("api:").partition("#")[0])
    connection = http.client.HTTPConnection(str(url.hostname), int(url.port or 0))
    body = {"messages": [{"role": "user", "content": "0 0 5 10"}], "stream": True, "max_tokens": 4}
    sockets: set[int] = set()
    for _ in range(5):
        connection.request("POST", "/v1/chat/completions", json.dumps(body))
        answer = connection.getresponse()
        assert b'"content": "1"' in answer.read()
        assert connection.sock is not None, "it stays open"
        sockets.add(id(connection.sock))
    assert len(sockets) == 1
    connection.close()


def test_answers_come_no_earlier_than_their_latency_and_wait_side_by_side() -> None:
    task, together = TASKS[0], threading.Barrier(6)
    spans: list[tuple[float, float]] = []
    decisions: list[Decision] = []
    with teacher_behind_api("cartpole", "250") as word:
        controller = make_controller(word, task)
        controller.reset(0)

        def ask() -> None:
            together.wait()
            began = time.perf_counter()
            decisions.append(controller.decide(Observation(np.zeros(4), 0)))
            spans.append((began, time.perf_counter()))

        threads = [threading.Thread(target=ask) for _ in range(together.parties)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert {decision.action for decision in decisions} == {0}
    assert all(ended - began >= 0.25 for began, ended in spans)
    assert max(began for began, _ in spans) < min(ended for _, ended in spans)


def test_beyond_its_limit_it_says_when_to_come_back() -> None:
    with teacher_behind_api("cartpole", requests_per_minute=3) as word:
        controller = make_controller(word, TASKS[0])
        controller.reset(0)  # asks one question, to learn how to ask
        decisions = [controller.decide(Observation(np.zeros(4), 0)) for _ in range(4)]
    assert [decision.failure for decision in decisions] == [None, None, "http_429", "http_429"]
    assert "retry-after: " in str(decisions[-1].text)


@given(st.lists(st.floats(0, 30), max_size=40), st.integers(1, 5))
def test_no_minute_has_more_questions_than_the_limit(pauses_s: list[float], per_minute: int) -> None:
    limit, now_s, asked_s = RateLimit(per_minute), 0.0, list[float]()
    for pause_s in pauses_s:
        now_s += pause_s
        wait_s = limit.wait_s(now_s)
        if not wait_s:
            asked_s.append(now_s)
        elif wait_s > 1e-6:
            assert limit.wait_s(now_s) == wait_s, "to be refused counts for nothing"
    for first_s in asked_s:
        assert sum(first_s <= other_s < first_s + 60 for other_s in asked_s) <= per_minute


def test_a_prompt_that_the_teacher_cannot_read_is_refused_before_the_first_tick(word: str) -> None:
    controller = make_controller(word, TASKS[0], Asking(PromptStyle(numbers=Numbers.LETTER)))
    with pytest.raises(OntickError, match="rejects the question"):
        controller.reset(0)
