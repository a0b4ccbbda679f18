"""How do demonstrations become a file that TRL, Unsloth and Axolotl train a chat model on, and come back from it?

A line for each demonstration, of two kinds. Conversations: ``prompt`` and ``completion`` (TRL, Unsloth) and the same as
``messages`` (Axolotl), to which a trainer applies its model's chat template. Rendered: ``prompt`` and ``completion`` as
text, the template already applied, and the same as ``segments`` (Axolotl's input_output). Either carries the
demonstration itself, so that it reads back exactly.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from ontick.cache import made_whole
from ontick.dead_time import DeadTime
from ontick.errors import OntickError
from ontick.learning.dataset import Demonstrations, check_new, lines, parse
from ontick.models.base import Message
from ontick.models.chat import PROMPT_DATE
from ontick.prompts import Layout, Prompt, begun
from ontick.records import Json, State
from ontick.tasks.base import Task

Render: TypeAlias = Callable[[Sequence[Message]], str]
"""Applies a model's chat template, up to where the answer begins."""

BEGINNINGS = ("<|begin_of_text|>", "<bos>", "<s>", "<|startoftext|>", "[BOS]")
"""What templates begin a text with and trainers' tokenizers put there themselves: it would stand there twice."""

_TEMPLATE = {"enable_thinking": False, "date_string": PROMPT_DATE.strftime("%d %b %Y")}
"""What TRL is to tell templates that think or write the date, as `ChatTemplate` tells them when a model acts."""


def export_chat(
    demos: Demonstrations,
    prompt: Prompt,
    path: Path,
    render: Render | None = None,
    dead_time: DeadTime | None = None,
) -> None:
    """Write the file, whole or not at all; ``dead_time`` is what the demonstrations were collected for.

    Raises:
        OntickError: it exists, cannot be written, or the prompt's layout cannot be said in whole turns.
    """
    check_chat(prompt, render)
    check_new(path)
    try:
        with made_whole(path) as partial, partial.open("w") as file:
            file.writelines(_rows(demos, prompt, render, dead_time))
    except OSError as error:
        raise OntickError(f"cannot write {path} ({error.strerror}); choose another place") from error


def check_chat(prompt: Prompt, render: Render | None) -> None:
    """Refuse a conversation whose last turn a trainer would close before the answer.

    Raises:
        OntickError: the layout is compact and nothing renders it.
    """
    if render is None and prompt.style.layout is Layout.COMPACT:
        raise OntickError(
            "the compact layout ends in an unfinished turn, which trainers would close and train wrongly; "
            "add --render MODEL to write it as text, or use --prompt.layout chat"
        )


def import_chat(path: Path, task: Task) -> tuple[Demonstrations, DeadTime | None]:
    """Read a file that `export_chat` wrote, and the dead time that it was collected for.

    Raises:
        OntickError: it cannot be read, a line is damaged, or answers something else than its ``action``.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise OntickError(f"cannot read {path} ({error.strerror}); give a file that ontick export wrote") from error
    demos = parse(path, data, task)
    choices, late = Prompt(task).choices, list[Json | None]()
    for number, (line, action) in enumerate(zip(data.splitlines(), demos.actions, strict=True), start=1):
        row: Json = json.loads(line)
        late.append(row.get("dead_time"))
        if (said := _answer(row)) not in (None, choices[action]):
            raise OntickError(
                f"line {number} of {path} completes with {said!r} but has the action {action}; change both or neither"
            )
    try:
        dead_time = None if late[0] is None else DeadTime.from_json(late[0])
    except (KeyError, TypeError, ValueError) as error:
        raise OntickError(f"line 1 of {path} has a damaged dead_time ({error}); export it again") from error
    if late.count(late[0]) < len(late):
        raise OntickError(f"{path} mixes lines of several dead times; give a file for each")
    return demos, dead_time


def _rows(demos: Demonstrations, prompt: Prompt, render: Render | None, dead_time: DeadTime | None) -> Iterator[str]:
    """Yield lines whose keys and types are the same throughout, as readers of tables want them."""
    rows = demos.rows(prompt.style.pending)
    for line, row, action in zip(lines(demos), rows, demos.actions.tolist(), strict=True):
        told = _conversation(prompt, row, action) if render is None else _text(prompt, row, action, render)
        if dead_time is not None:
            told["dead_time"] = dead_time.as_json()
        yield f"{json.dumps(told)[:-1]}, {line[1:]}\n"


def _conversation(prompt: Prompt, row: State, action: int) -> Json:
    *before, answer = begun(prompt.asked(row), prompt.choices[action])
    asked, answered = [message._asdict() for message in before], [answer._asdict()]
    return {"prompt": asked, "completion": answered, "messages": asked + answered, "chat_template_kwargs": _TEMPLATE}


def _text(prompt: Prompt, row: State, action: int, render: Render) -> Json:
    text, word = render(prompt.asked(row)), prompt.choices[action]
    beginning = next((words for words in BEGINNINGS if text.startswith(words)), "")
    segments = [{"label": False, "text": text}, {"label": True, "text": word}]
    return {"prompt": text.removeprefix(beginning), "completion": word, "segments": segments}


def _answer(row: Any) -> str | None:
    """Return what a line completes with, if it says so in a way that we know."""
    completion = row.get("completion")
    return completion if isinstance(completion, str) or completion is None else completion[-1]["content"]
