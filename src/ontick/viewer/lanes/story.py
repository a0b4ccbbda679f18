"""What does a page see of an episode? Its scene once, and at a tick everything that is known by then, as JSON.

All of it is worked out beside the clock: the poses, the teacher's opinion, the percentiles, the words of the prompt.
"""

from __future__ import annotations

import math
from collections import Counter

from ontick.controllers.llm import LanguageModelController
from ontick.evaluation.statistics import percentiles
from ontick.evaluation.talked import Talked
from ontick.late import Source
from ontick.prompts import Prompt
from ontick.records import AnswerRecord, Json, State, Tick
from ontick.tasks.base import Environment, Task
from ontick.tasks.picture import poses_as_json

LONGEST_TEXT = 2000
"""Characters that are shown of what a model or a server wrote."""

FURTHER_DECIMALS = 2
"""Of a value, beyond those that its feature says are worth telling."""


TALKED_LATENCIES = 500
"""Of decisions while the model answers a page, and while it does not: the newest."""


class Describer:
    """Tells of the episodes of a task that a controller flies; ``env`` is one of its own, never the flown one."""

    def __init__(self, lane: int, task: Task, word: str, controller: object) -> None:
        self.lane = lane
        self.task = task
        self.word = word
        self.env: Environment = task.make()
        self.teacher = self._teacher if task.has_teacher else None
        self.controller = controller if isinstance(controller, LanguageModelController) else None
        self.talked = Talked(TALKED_LATENCIES)
        """How the lane's flights went while the model answered a page, and while it did not."""
        self.decimals = [feature.decimals + FURTHER_DECIMALS for feature in task.features]

    def scene(self, episode: int, seed: int) -> Json:
        """Return the message that an episode begins with."""
        task = self.task
        self.env.reset(seed=seed)
        picture = task.picture(tuple(task.scenery(self.env)))
        return {
            "say": "scene",
            "lane": self.lane,
            "episode": episode,
            "controller": self.word,
            "seed": seed,
            "picture": picture.as_json(),
            **describe_task(task),
            "task": task.name,
            "prompt": None if self.controller is None else _beginning(self.controller.prompt),
        }

    def poses(self, state: State, action: int | None) -> list[list[float] | None]:
        """Return where the picture's bodies are; what is nowhere is not to be seen."""
        poses = self.task.poses(state, action)
        return poses_as_json([pose if pose is None or all(map(math.isfinite, pose)) else None for pose in poses])

    def asked(self, answer: AnswerRecord, state: State | None) -> str | None:
        """Return the words that a language model was last asked with; None for anyone else."""
        controller = self.controller
        shown = state if answer.foreseen is None else answer.foreseen
        if controller is None or shown is None:
            return None
        outlook = controller.outlook
        look = None if outlook is None else outlook.looks.get(answer.observation_tick)
        if outlook is not None and look is not None and state is not None:
            shown = outlook.row(state, look)
        return controller.prompt.asked(shown)[-1].content

    def _teacher(self, state: State) -> int:
        return int(self.task.teacher(self.env, state))


class Story:
    """One episode as it goes on. Ticks are added in order, each; told is the newest."""

    def __init__(self, describer: Describer, episode: int, seed: int) -> None:
        self._describer = describer
        self._episode = episode
        self._seed = seed
        self._sources: Counter[Source] = Counter()
        self._states: list[State] = []
        self._latencies_ms: list[float] = []
        self._decision_ms: Json | None = None
        self._reward = 0.0
        self._tick: Tick | None = None
        self._answer: AnswerRecord | None = None
        self._you = False

    def scene(self) -> Json:
        """Return the message that the episode begins with."""
        return self._describer.scene(self._episode, self._seed)

    def add(self, tick: Tick, you: bool, answering: bool) -> None:
        """Take in a tick; ``you``: a person had the controls; ``answering``: the model was writing an answer too."""
        self._tick, self._you = tick, you
        if not you:
            self._describer.talked.add(tick, answering=answering)
        self._sources[tick.source] += 1
        self._states.append(tick.observation)
        self._reward += tick.reward
        for answer in tick.answers:
            if not answer.abstained:
                self._answer = answer
                if not you:
                    self._latencies_ms.append(answer.latency_ms)
                    self._decision_ms = None

    def newest(self) -> Json:
        """Return the message about the newest tick; there must be one."""
        tick, describer = self._tick, self._describer
        assert tick is not None
        state = zip(tick.observation.tolist(), describer.decimals, strict=True)
        return {
            "say": "tick",
            "lane": describer.lane,
            "episode": self._episode,
            "tick": tick.tick,
            "time_ms": _rounded(tick.time_ms, 3),
            "poses": describer.poses(tick.observation, tick.action),
            "state": [_rounded(value, decimals) for value, decimals in state],
            "action": tick.action,
            "source": tick.source,
            "age": tick.observation_age_ticks,
            "lateness_ms": _rounded(tick.lateness_ms, 3),
            "reward": _rounded(self._reward, 4),
            "counts": {source.value: self._sources[source] for source in Source},
            "decision_ms": self._percentiles(),
            "teacher": None if describer.teacher is None else describer.teacher(tick.observation),
            "you": self._you,
            "talk": describer.talked.as_json() if describer.talked.any_answer else None,
            "answer": None if self._answer is None or self._you else self._told(self._answer),
        }

    def _percentiles(self) -> Json | None:
        if self._decision_ms is None and self._latencies_ms:
            last = {"last": self._latencies_ms[-1]}
            found = last | percentiles(self._latencies_ms, 50, 95)
            self._decision_ms = {name: round(found[name] or 0.0, 3) for name in ("last", "p50", "p95")}
        return self._decision_ms

    def _told(self, answer: AnswerRecord) -> Json:
        state = self._states[answer.observation_tick] if answer.observation_tick < len(self._states) else None
        return {
            "tick": answer.observation_tick,
            "latency_ms": _rounded(answer.latency_ms, 3),
            "action": answer.action,
            "valid": answer.valid,
            "text": _short(answer.text),
            "failure": answer.failure,
            "logprobs": None if answer.logprobs is None else [_rounded(value, 4) for value in answer.logprobs],
            "asked": _short(self._describer.asked(answer, state)),
        }


def describe_task(task: Task) -> Json:
    """Return what a page must know of a task to show it and to be flown by hand."""
    return {
        "name": task.name,
        "tick_ms": task.tick_ms,
        "actions": list(task.actions),
        "noop": task.noop,
        "noop_name": task.noop_name,
        "features": [{"name": f.name, "unit": f.unit, "decimals": f.decimals} for f in task.features],
    }


def _beginning(prompt: Prompt) -> str:
    """Return what stands before the state, the same at every decision."""
    *before, _ = prompt.messages([0.0] * len(prompt.task.features))
    return "\n\n".join(f"{message.role}: {message.content}" for message in before)


def _rounded(value: float, decimals: int) -> float | None:
    """Round; JSON has no number that is not finite."""
    return round(float(value), decimals) + 0.0 if math.isfinite(value) else None


def _short(text: str | None) -> str | None:
    return text if text is None or len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"
