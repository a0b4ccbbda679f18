"""Which controller does a word mean? ``teacher``, ``none``, ``random``, a language model, or a user's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path

from ontick.controllers.base import Controller
from ontick.controllers.llm import LanguageModelController
from ontick.controllers.mlp import load_mlp
from ontick.controllers.pilot import is_pilot_word, make_pilot
from ontick.controllers.scripted import Chance, Nobody, Teacher
from ontick.dead_time import Awareness
from ontick.errors import OntickError, blame, unknown_name
from ontick.models.base import ModelOptions, Reading
from ontick.models.catalog import MODEL_WORDS, is_model_word, load_model
from ontick.pilots.find import FORM
from ontick.plans import check_chunk
from ontick.plugins import load_attribute
from ontick.prompts import Prompt, PromptStyle
from ontick.tasks.base import Task, no_teacher

ENTRY_POINT_GROUP = "ontick.controllers"

SCRIPTED: dict[str, Callable[[Task], Controller]] = {
    "teacher": Teacher,
    "none": lambda task: Nobody(),
    "random": Chance,
}

_OWN = "python:FILE.py:NAME"
_MLP = "mlp:"


@dataclass(frozen=True)
class Asking:
    """How a language model is loaded and asked; other controllers have no use for it."""

    prompt: PromptStyle = field(default_factory=PromptStyle)
    reading: Reading | None = None
    """How an answer is taken; None: as suits the model."""
    model: ModelOptions = field(default_factory=ModelOptions)
    chunk: int = 1
    """For how many ticks each answer has an action."""
    aware: Awareness | None = None
    """What a language model is shown of what acts before its answer; a pilot's card says it itself."""


def make_controller(word: str, task: Task, asking: Asking | None = None) -> Controller:
    """Return the controller that ``word`` names, for ``task``.

    ``python:FILE.py:NAME`` calls NAME with the task, and so does an entry point of the group ``ontick.controllers``.
    A language model is asked for a plan of ``asking.chunk`` ticks; other controllers are not changed
    (`ontick.controllers.chunks.planning` has those make plans).

    Raises:
        OntickError: there is no such controller, or it cannot be loaded or cannot fly this task, or not so.
    """
    asking = asking or Asking()
    check_chunk(asking.chunk)
    if word == "teacher" and not task.has_teacher:
        raise no_teacher(task)
    if word in SCRIPTED:
        return SCRIPTED[word](task)
    if is_model_word(word):
        prompt = Prompt(task, asking.prompt, asking.chunk)
        return LanguageModelController(load_model(word, asking.model), prompt, asking.reading, asking.aware)
    if is_pilot_word(word):
        return make_pilot(word, task, asking.prompt, asking.reading, asking.model, asking.chunk)
    if word.startswith(_MLP):
        return load_mlp(Path(word.removeprefix(_MLP)), task)
    if word.startswith("python:"):
        return _checked(word, load_attribute(word.removeprefix("python:")), task)
    installed = {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}
    if word not in installed:
        raise unknown_name("controller", word, [*SCRIPTED, *MODEL_WORDS, FORM, f"{_MLP}PATH", _OWN, *installed])
    return _checked(word, installed[word].load(), task)


def _checked(word: str, factory: object, task: Task) -> Controller:
    """Call a user's factory and see that what it makes is a controller."""
    if not callable(factory):
        raise OntickError(f"{word} is not callable; give a class or function that takes the task")
    try:
        made = factory(task)
    except OntickError:
        raise
    except (Exception, SystemExit) as error:
        raise OntickError(f"{word} could not be made: {blame(error)}") from error
    if not isinstance(made, Controller):
        raise OntickError(f"{word} has no reset and decide; see docs/add-a-controller.md")
    return made
