"""What exactly is a language model sent, how many tokens is that, and how many of them are new at each decision?"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from ontick.controllers.catalog import make_controller
from ontick.controllers.llm import LanguageModelController, digits_a_token
from ontick.controllers.scripted import Chance, Teacher
from ontick.errors import OntickError
from ontick.evaluation.episodes import Setup
from ontick.evaluation.statistics import percentiles
from ontick.late import LateRule
from ontick.latency import Constant
from ontick.loop import VirtualTime, fly
from ontick.models.base import LocalModel, Message, Reading
from ontick.models.catalog import MODEL_WORDS
from ontick.models.chat import common_prefix
from ontick.records import Json, State
from ontick.tasks import find_task
from ontick.tasks.base import Task


@dataclass(frozen=True)
class Anatomy:
    """A prompt taken apart. Token counts are None for a model whose tokens cannot be seen."""

    model: str
    messages: Sequence[Message]
    text: str | None
    """As the model's chat template writes it."""
    constant_tokens: int | None
    """At the beginning, the same at every decision."""
    tokens: int | None
    new_tokens: Json | None
    """Those that differ from the decision before, over a flight: p50 and max."""
    choices: dict[str, int] | None
    """The token by which each action is said, in this place; of a plan, each of its beginnings that is one token."""
    chunk: int
    """How many actions are asked for."""

    def as_json(self) -> Json:
        """Return the object that ``prompt --json`` prints."""
        return {
            "model": self.model,
            "messages": [message._asdict() for message in self.messages],
            "text": self.text,
            "constant_tokens": self.constant_tokens,
            "tokens": self.tokens,
            "new_tokens": self.new_tokens,
            "choices": self.choices,
            "chunk": self.chunk,
        }


def prepare_language_model(setup: Setup) -> LanguageModelController:
    """Load the language model that ``setup`` names, for its task.

    Raises:
        OntickError: it names another kind of controller, or something that cannot be loaded.
    """
    task = find_task(setup.task, setup.task_module)
    controller = make_controller(setup.controller, task, setup.asking)
    if not isinstance(controller, LanguageModelController):
        raise OntickError(f"{setup.controller} is no language model; give one of: {', '.join(MODEL_WORDS)}")
    return controller


def dissect(controller: LanguageModelController, seed: int) -> Anatomy:
    """Take apart what ``controller`` would send at the start of the episode ``seed``, and in the course of it.

    Raises:
        OntickError: the model cannot be asked this way.
    """
    prompt, model = controller.prompt, controller.model
    states = states_of_a_flight(prompt.task, seed)
    messages = prompt.messages(states[0])
    if not isinstance(model, LocalModel):
        return Anatomy(model.info.name, messages, None, None, None, None, None, prompt.chunk)
    flown = [model.tokens(prompt.messages(state)) for state in states]
    new = [len(here) - common_prefix(before, here) for before, here in itertools.pairwise(flown)]
    planned = prompt.chunk > 1 and controller.reading is Reading.SCORE
    words = prompt.words(digits_a_token(model, prompt, messages)) if planned else prompt.choices
    return Anatomy(
        model=model.info.name,
        messages=messages,
        text=model.render(messages),
        constant_tokens=min(common_prefix(flown[0], other) for other in flown),
        tokens=len(flown[0]),
        # The last token is always read again: its scores are the answer.
        new_tokens=percentiles([max(1, count) for count in new], 50),
        choices=dict(zip(words, model.answer_tokens(messages, words), strict=True)),
        chunk=prompt.chunk,
    )


def states_of_a_flight(task: Task, seed: int) -> list[State]:
    """Return the states of one flight by the task's teacher, or by chance if it has none, time frozen."""
    flown_by = Teacher(task) if task.has_teacher else Chance(task)
    flight = fly(task, task.make(), flown_by, VirtualTime(Constant(0)), late=LateRule.HOLD, seed=seed)
    return [tick.observation for tick in flight.ticks]
