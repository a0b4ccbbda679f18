"""How does a pilot fly? As its card says: on its task, asked as in training, and not on seeds that it has seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

from ontick.controllers.base import Controller
from ontick.controllers.llm import LanguageModelController
from ontick.controllers.mlp import load_mlp
from ontick.errors import OntickError
from ontick.models.base import ModelOptions, Reading
from ontick.pilots.card import Kind, PilotCard, first_free_seed, read_card
from ontick.pilots.find import PREFIX, find_pilot
from ontick.pilots.load import load_pilot
from ontick.prompts import Prompt, PromptStyle
from ontick.tasks.base import Task


def is_pilot_word(word: str) -> bool:
    """Say whether ``word`` names a pilot."""
    return word.startswith(PREFIX)


def make_pilot(
    word: str, task: Task, prompt: PromptStyle, reading: Reading | None, options: ModelOptions, chunk: int = 1
) -> Controller:
    """Return the pilot that ``word`` names, ready to fly ``task``.

    ``prompt`` is what the user asked for; an option that was left at its default leaves the choice to the card.
    ``chunk`` is how many actions each answer is to have.

    Raises:
        OntickError: there is no such pilot, it is damaged or of another task, or it was trained to be asked otherwise.
    """
    folder = find_pilot(word)
    card = read_card(folder)
    if card.task != task.name:
        raise OntickError(f"{word} was trained for {card.task}, not for {task.name}; fly it on {card.task}")
    if chunk > 1 and card.kind is not Kind.MLP:
        raise one_action_only(word, chunk)
    return _MAKERS[card.kind](folder, card, task, prompt, reading, options)


def one_action_only(word: str, chunk: int) -> OntickError:
    """Return the error for asking a language model for plans that has learnt to say one action."""
    return OntickError(f"{word} was trained to answer with one action, not with {chunk}; fly it with --chunk 1")


def check_untrained(word: str, seeds: range) -> None:
    """Refuse to evaluate a pilot on seeds that it was trained on: it would prove nothing.

    Raises:
        OntickError: naming such a seed, and where to begin instead.
    """
    card = read_card(find_pilot(word))
    seen = next((seed for seed in seeds if card.trained_on(seed)), None)
    if seen is None:
        return
    free = first_free_seed(card.seeds, len(seeds))
    raise OntickError(f"{word} was trained on seed {seen}, which proves nothing; use --seed {free}")


def untrained_seed(word: str, seeds: range) -> int:
    """Return where as many seeds begin that the pilot was not trained on: ``seeds`` themselves if they are such."""
    card = read_card(find_pilot(word))
    return first_free_seed(card.seeds, len(seeds)) if any(map(card.trained_on, seeds)) else seeds.start


def _language_model(
    folder: Path, card: PilotCard, task: Task, prompt: PromptStyle, reading: Reading | None, options: ModelOptions
) -> Controller:
    style = _as_trained(card, prompt)
    return LanguageModelController(load_pilot(folder, card, options), Prompt(task, style), reading, card.aware)


def _mlp(folder: Path, card: PilotCard, task: Task, *_: object) -> Controller:
    return load_mlp(folder, task)


_MAKERS: dict[Kind, Callable[[Path, PilotCard, Task, PromptStyle, Reading | None, ModelOptions], Controller]] = {
    Kind.MLP: _mlp,
    Kind.LORA: _language_model,
    Kind.FULL: _language_model,
}


def _as_trained(card: PilotCard, asked: PromptStyle) -> PromptStyle:
    style, plain = card.prompt or PromptStyle(), PromptStyle()
    for part in fields(PromptStyle):
        wanted, trained = getattr(asked, part.name), getattr(style, part.name)
        if wanted not in (getattr(plain, part.name), trained):
            option = f"--prompt.{part.name.replace('_', '-')}"
            raise OntickError(
                f"{card.name} was trained with {option} {_word(trained)} and is asked so, not with {_word(wanted)}; "
                f"leave {option} out"
            )
    return style


def _word(value: Any) -> str:
    return str(value) if isinstance(value, str | int) else " ".join(value)
