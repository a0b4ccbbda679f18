"""How do datasets leave for other tools and come back? What ``ontick export`` and ``ontick import`` do."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from ontick.errors import OntickError, missing_package
from ontick.evaluation.episodes import Progress, silent
from ontick.learning.chat_files import Render, check_chat, export_chat, import_chat
from ontick.learning.dataset import Dataset, check_new, write_dataset
from ontick.learning.gather import read_together
from ontick.models.base import LocalModel, ModelOptions
from ontick.models.catalog import is_model_word, load_model
from ontick.prompts import Prompt, PromptStyle
from ontick.records import Json
from ontick.tasks import find_task


class Form(StrEnum):
    """What other tools read."""

    CHAT = "chat"
    """JSONL with prompt and completion: TRL, Unsloth, Axolotl."""
    MINARI = "minari"
    """Episodes for reinforcement learning."""


def export(
    folders: Sequence[Path],
    to: Path,
    form: Form,
    style: PromptStyle | None = None,
    render: str | None = None,
    model: ModelOptions | None = None,
    task_module: str | None = None,
    progress: Progress = silent,
) -> Json:
    """Write datasets, joined, in another form; return the object that ``export --json`` prints.

    ``render`` is the word of a local model whose chat template is applied.

    Raises:
        OntickError: a dataset cannot be read, or ``to`` holds something or cannot hold this.
    """
    check_new(to)
    task, dataset = read_together(folders, task_module)
    result: Json = {"task": task.name, "n": len(dataset.demonstrations), "to": str(to.resolve()), "form": form.value}
    if form is Form.MINARI:
        if render is not None:
            raise OntickError("--render is for --as chat; leave it out")
        _need_minari()
        from ontick.learning.minari_files import export_minari

        return {**result, "dataset_id": export_minari(dataset, task, to, progress)}
    prompt = Prompt(task, style)
    renderer = None if render is None else _renderer(render, model, prompt)
    check_chat(prompt, renderer)
    export_chat(dataset.demonstrations, prompt, to, renderer, dataset.dead_time)
    return {**result, "rendered": render}


def bring_in(source: Path, task_name: str, to: Path, form: Form, task_module: str | None = None) -> Dataset:
    """Write a new dataset in the folder ``to`` from another form.

    Raises:
        OntickError: ``source`` is not of that form or task, or ``to`` holds something.
    """
    task = find_task(task_name, task_module)
    check_new(to)
    if form is Form.MINARI:
        _need_minari()
        from ontick.learning.minari_files import import_minari

        demos, dead_time = import_minari(source, task), None
    else:
        demos, dead_time = import_chat(source, task)
    return write_dataset(to, task, demos, {"verb": "import", "source": str(source), "form": form.value}, dead_time)


def _renderer(word: str, options: ModelOptions | None, prompt: Prompt) -> Render:
    """Return how a local model's template is applied, having seen that every action is one token there."""
    if not is_model_word(word):
        raise OntickError(f"--render {word} is no language model; give smollm2, gguf:PATH or hf:PATH_OR_HUB_ID")
    model = load_model(word, options)
    if not isinstance(model, LocalModel):
        raise OntickError(f"the chat template of {word} cannot be seen; give smollm2, gguf:PATH or hf:PATH_OR_HUB_ID")
    model.answer_tokens(prompt.messages([0.0] * len(prompt.task.features)), prompt.choices)
    return model.render


def _need_minari() -> None:
    if any(importlib.util.find_spec(package) is None for package in ("minari", "pyarrow")):
        raise missing_package("what reads and writes Minari datasets", "'ontick[minari]'")
