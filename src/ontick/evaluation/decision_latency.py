"""How fast does a controller answer? Percentiles of its decisions, and for an API the line that they travel on.

The world does not move here: states of a random flight are shown one after another, after a warm-up that does not
count.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import count, islice

from ontick.controllers.base import Controller, Decision, Observation
from ontick.controllers.catalog import Asking, make_controller
from ontick.controllers.chunks import planning
from ontick.controllers.llm import LanguageModelController
from ontick.controllers.scripted import Chance
from ontick.durations import in_ms
from ontick.errors import OntickError
from ontick.evaluation.episodes import Progress, silent
from ontick.evaluation.statistics import percentiles
from ontick.inflight.legal import asking
from ontick.models.api.connection import Line, Remote, check_line
from ontick.models.base import LocalModel, Reading
from ontick.records import Json, State
from ontick.tasks import find_task
from ontick.tasks.base import Task

QUESTIONS = 50

_WARM_UP = 2
"""Questions that are asked before and not counted."""

_TOKEN_QUESTIONS = 2
"""The first of these reads what the second finds there already."""


@dataclass(frozen=True)
class LatencySetup:
    """What is measured."""

    task: str
    controller: str
    n: int = QUESTIONS
    seed: int = 0
    asking: Asking = field(default_factory=Asking)
    task_module: str | None = None


def measure_latency(setup: LatencySetup, progress: Progress = silent) -> Json:
    """Ask ``n`` questions and return the object that ``latency --json`` prints.

    Raises:
        OntickError: the setup is wrong, or the controller failed.
    """
    if setup.n < 1:
        raise OntickError(f"--n {setup.n} asks nothing; give 1 or more")
    if setup.seed < 0:
        raise OntickError(f"--seed {setup.seed} is no seed; give 0 or more")
    task = find_task(setup.task, setup.task_module)
    controller = planning(make_controller(setup.controller, task, setup.asking), task, setup.asking.chunk)
    states = list(islice(_states(task, setup.seed), setup.n + _WARM_UP))
    controller.reset(setup.seed)
    ask = asking(controller, len(task.actions))
    remote = isinstance(controller, LanguageModelController) and isinstance(controller.model, Remote)
    # A question to an API may cost money, and its warm-up has opened the line.
    for state in states[: 0 if remote else _WARM_UP]:
        ask(Observation(state, 0))
    elapsed_ms: list[float] = []
    decisions: list[Decision] = []
    for number, state in enumerate(states[_WARM_UP:], start=1):
        began = time.perf_counter()
        decisions.append(ask(Observation(state, number)))
        elapsed_ms.append((time.perf_counter() - began) * 1e3)
        progress(number, setup.n, decisions[-1].failure or "")
    answers = _describe_answers(controller, elapsed_ms, decisions)
    return {
        "task": setup.task,
        "controller": setup.controller,
        "n": setup.n,
        "seed": setup.seed,
        "chunk": setup.asking.chunk,
        **answers,
        **_describe_model(controller, states),
        **_describe_line(controller, setup.asking.model.timeout_s, answers["e2e_ms"]["p50"]),
    }


def _states(task: Task, seed: int) -> Iterator[State]:
    """Yield the states of a flight by chance, from reset to end, again and again."""
    env, chance = task.make(), Chance(task)
    for episode in count(seed):
        state, _ = env.reset(seed=episode)
        chance.reset(episode)
        ended = False
        while not ended:
            yield state.copy()
            action = chance.decide(Observation(state, 0)).action
            state, _, terminated, truncated, _ = env.step(task.noop if action is None else action)
            ended = terminated or truncated


def _describe_answers(controller: Controller, elapsed_ms: list[float], decisions: list[Decision]) -> Json:
    """Return the times of all answers, failed ones too, since an episode waits for those as well."""
    one_token = (
        isinstance(controller, LanguageModelController)
        and controller.reading is Reading.SCORE
        and controller.prompt.chunk == 1
    )
    ttft_ms = elapsed_ms if one_token else [d.ttft_ms for d in decisions if d.ttft_ms is not None]
    prompt_tokens = [d.prompt_tokens for d in decisions if d.prompt_tokens is not None]
    completion_tokens = [d.completion_tokens for d in decisions if d.completion_tokens is not None]
    return {
        "e2e_ms": percentiles(elapsed_ms, 50, 95, 99),
        "ttft_ms": percentiles(ttft_ms, 50, 95, 99),
        "prompt_tokens": percentiles(prompt_tokens, 50)["p50"],
        "completion_tokens": percentiles(completion_tokens, 50)["p50"],
        "tokens_per_second": _tokens_per_second(elapsed_ms, decisions),
        "failures": dict(Counter(d.failure or "illegal" for d in decisions if d.failure or not d.valid)),
    }


def _tokens_per_second(elapsed_ms: list[float], decisions: list[Decision]) -> float | None:
    """Return the rate of the tokens after the first, which is not written but read for."""
    tokens, ms = 0, 0.0
    for elapsed, decision in zip(elapsed_ms, decisions, strict=True):
        if decision.ttft_ms is not None and (decision.completion_tokens or 0) > 1:
            tokens += (decision.completion_tokens or 0) - 1
            ms += elapsed - decision.ttft_ms
    return tokens / ms * 1e3 if ms > 0 else None


def _describe_model(controller: Controller, states: list[State]) -> Json:
    unknown: Json = dict.fromkeys(
        ("model", "backend", "parameters", "quantisation", "reading", "prefix_tokens", "new_tokens")
    )
    if not isinstance(controller, LanguageModelController):
        return unknown
    info = controller.model.info
    known = {
        "model": info.name,
        "backend": info.backend,
        "parameters": info.parameters,
        "quantisation": info.quantisation,
        "reading": controller.reading,
    }
    if Reading.SCORE not in info.readings or not isinstance(controller.model, LocalModel):
        return {**unknown, **known}
    prompt = controller.prompt
    for state in states[:_TOKEN_QUESTIONS]:
        choice = controller.model.choose(prompt.messages(state), prompt.choices)
        known |= {"prefix_tokens": choice.prefix_tokens, "new_tokens": choice.new_tokens}
    return {**unknown, **known}


def _describe_line(controller: Controller, timeout_s: float, e2e_p50_ms: float) -> Json:
    if not (isinstance(controller, LanguageModelController) and isinstance(controller.model, Remote)):
        return {"connection": None, "why": None}
    line = check_line(controller.model.address, timeout_s)
    trips = percentiles(line.round_trips_ms, 50, 95, 99)
    measured = {name: value for name, value in asdict(line).items() if name not in ("round_trips_ms", "failures")}
    connection = {
        **measured,
        "round_trip_ms": trips,
        "jitter_ms": line.jitter_ms,
        "failures": dict(Counter(line.failures)),
        "n": len(line.round_trips_ms),
    }
    return {"connection": connection, "why": _blame(line, trips["p50"], e2e_p50_ms)}


def _blame(line: Line, round_trip_ms: float | None, e2e_ms: float) -> str:
    """Say in one sentence whether it is the model or the line."""
    if round_trip_ms is None:
        return f"The line to {line.host} could not be measured: {', '.join(line.failures) or 'no answer'}."
    culprit = "the line" if round_trip_ms > e2e_ms / 2 else "the model"
    return f"Of {in_ms(e2e_ms)} end to end, {in_ms(round_trip_ms)} are the line: it is {culprit}."
