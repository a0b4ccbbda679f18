"""How do demonstrations become a pilot that is a language model? Check, train, keep the best, write it down.

The same call after a kill goes on from the last whole checkpoint; after the end it returns what was made. Under
``accelerate launch`` every process calls it, and only the main one writes.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ontick.alone import alone_in
from ontick.errors import OntickError
from ontick.evaluation.episodes import Progress, silent
from ontick.learning.dataset import read_dataset
from ontick.learning.sft import guard
from ontick.learning.sft.arguments import arguments, is_main_process, quiet_libraries, tensorboard, told_where
from ontick.learning.sft.distil import Teaching
from ontick.learning.sft.folder import LOGS, TrainingFolder
from ontick.learning.sft.general import chats_digest
from ontick.learning.sft.keeping import Kept, Known, Preparation, known_to
from ontick.learning.sft.model import Parent, Student, as_parent_was, make_student
from ontick.learning.sft.plan import Lesson, Plan, lesson_of
from ontick.learning.sft.policy import BatchPolicy
from ontick.learning.sft.result import Took, card_of, metrics_of, save
from ontick.learning.sft.settings import SftSettings, SftSetup
from ontick.learning.sft.shared import SharedPrefix, fitting_reader
from ontick.learning.sft.tokens import Asks, tokenise
from ontick.learning.sft.trainer import AnswerTrainer, Collator, Examiner, Reports, silenced
from ontick.models.base import LocalModel, ModelOptions
from ontick.models.weights import weights_file_or_folder
from ontick.pilots.card import PilotCard, read_card
from ontick.pilots.find import find_pilot
from ontick.pilots.weights import base_digest
from ontick.prompts import Prompt
from ontick.provenance import usable_cores
from ontick.records import Json, State
from ontick.tasks import find_task
from ontick.tasks.base import Task

_torch: Any = torch

_log = logging.getLogger(__name__)

COMPARED = 4
"""Examples by which it is found out whether a model can read them in one row."""


def train_language_model(setup: SftSetup, progress: Progress = silent) -> Json | None:
    """Do what ``ontick train`` asks; return the pilot's card as JSON, and ``pilot``, its folder.

    In all processes but the main one of ``accelerate launch`` there is nothing to return.

    Raises:
        OntickError: see `fine_tune`; or a dataset is damaged or of another task.
    """
    task = find_task(setup.task, setup.task_module)
    if not setup.data:
        raise OntickError("there is nothing to learn from; give --data DIR, made with: ontick collect")
    datasets = [read_dataset(folder.expanduser(), task) for folder in setup.data]
    hashes = [dataset.hash for dataset in datasets]
    if len(set(hashes)) < len(hashes):
        raise OntickError("--data names the same data twice; give it once, or weigh it with --balance")
    lesson = lesson_of(datasets, len(task.actions), setup.balance)
    parent = None if setup.parent is None else find_pilot(setup.parent)
    card = fine_tune(task, lesson, setup.settings, setup.to.expanduser(), parent=parent, progress=progress)
    return {"pilot": str(setup.to), **card.as_json()} if is_main_process() else None


def fine_tune(
    task: Task,
    lesson: Lesson,
    settings: SftSettings,
    to: Path,
    *,
    parent: Path | None = None,
    anew: bool = False,
    progress: Progress = silent,
) -> PilotCard:
    """Fine-tune a language model on ``lesson`` and write the pilot ``to``; return its card.

    With a ``parent`` its base and prompt are kept, and its weights are learnt on; ``anew`` begins with the base's
    weights all the same, and the pilot descends from the parent either way.

    Raises:
        OntickError: something asked cannot be, a trap of `guard` was found, another process trains there, the loss is
            no number, or the disk is full; checkpoints made before stay whole.
        KeyboardInterrupt: the user pressed Ctrl-C; the same call goes on from the last checkpoint.
    """
    began = time.perf_counter()
    settings.check()
    origin = None if parent is None else Parent(parent, read_card(parent))
    if origin is not None:
        if origin.card.task != task.name:
            raise OntickError(f"{parent} flies {origin.card.task}, not {task.name}; begin with another")
        settings = as_parent_was(settings, origin)
    guard.check_seeds(lesson.demos, settings.selection.seeds)
    guard.check_pending(settings.prompt, lesson.dead_time)
    digest = base_digest(settings.base)
    teaching = None if settings.distil.teacher is None else Teaching(task, settings.distil)
    asked = _asked(task, lesson, settings, origin, digest) | {"anew": anew}
    if teaching is not None:
        asked["distilled"] = teaching.as_json()
    known = known_to(settings)
    if known.chats:
        asked["rehearsed"] = chats_digest(known.chats)
    folder = TrainingFolder(to)
    if (made := folder.finished(asked)) is not None:
        return made
    with quiet_libraries(), told_where(to), ExitStack() as work:
        args = arguments(settings, folder.training)
        if args.process_index == 0:
            work.enter_context(alone_in(to))
        _torch.set_num_threads(settings.threads or max(1, usable_cores() // args.world_size))
        plan = _prepare(task, settings, lesson, teaching, known, origin, anew, digest, folder, args, progress)
        if args.process_index == 0:
            folder.begin(asked)
        return _train(plan, began, progress)


def _prepare(
    task: Task,
    settings: SftSettings,
    lesson: Lesson,
    teaching: Teaching | None,
    known: Known,
    origin: Parent | None,
    anew: bool,
    digest: str,
    folder: TrainingFolder,
    args: Any,
    progress: Progress,
) -> Plan:
    with args.main_process_first(desc="loading the model"):
        student = make_student(task, settings, None if anew else origin)
    demos, model = lesson.demos, student.model
    examples = tokenise(student.asker, demos)
    if teaching is not None:
        examples = examples._replace(odds=teaching.odds(student.asker.prompt, demos.states))
    guard.check_labels(examples, model.get_input_embeddings().num_embeddings, lesson.weights)
    guard.check_room(examples, student.context_tokens)
    guard.check_answers(student.asker, demos, examples)
    if args.process_index == 0:
        _check_flight(task, settings, student, demos.rows(settings.prompt.pending))
    some = guard.spread(len(demos), COMPARED)
    reader = fitting_reader(model, examples.prefix, [examples.suffixes[number].tolist() for number in some])
    kept = Kept()
    if settings.remembers:
        with args.main_process_first(desc="reading what the base knows"):
            goes_on = origin is not None and not anew
            kept = Preparation(settings, student, reader, examples, digest, progress).of(
                known, goes_on=goes_on, measures=args.process_index == 0
            )
    return Plan(task, settings, lesson, student, examples, reader, folder, args, origin, digest, kept)


def _memory(plan: Plan) -> Callable[[], Json] | None:
    """Return what measures how much of the base's knowledge is left, and warns where it is little; None: nothing."""
    retention, bound = plan.kept.retention, plan.settings.keep.bound
    if retention is None:
        return None

    def measure() -> Json:
        left = retention.measure(plan.student.model)
        if left["still_right_share"] < bound or left["perplexity_ratio"] > 2 - bound:
            _log.warning(
                "it forgets: %d of the %d questions that the base answers right are still right, and the perplexity is "
                "%.2f times the base's; raise --keep.kl, or lower --optimiser.learning-rate",
                left["still_right"],
                left["base_right"],
                left["perplexity_ratio"],
            )
        return left

    return measure


class _ModelAsks:
    """How a loaded language model is asked, in tokens."""

    def __init__(self, prompt: Prompt, model: LocalModel) -> None:
        self._prompt = prompt
        self._model = model

    def prompt_tokens(self, state: State | Sequence[float]) -> list[int]:
        return self._model.tokens(self._prompt.asked(state))

    def answer_tokens(self, state: State | Sequence[float]) -> list[int]:
        return self._model.answer_tokens(self._prompt.asked(state), self._prompt.choices)


def _check_flight(task: Task, settings: SftSettings, student: Student, states: npt.NDArray[np.float32]) -> None:
    """See that llama.cpp, which flies what begins as a GGUF file, reads the very tokens that are trained on."""
    place = weights_file_or_folder(settings.base)
    if not place.is_file():
        return
    from ontick.models.llama.model import LlamaCpp

    prompt = Prompt(task, settings.prompt)
    asked: Asks = _ModelAsks(prompt, LlamaCpp(place, settings.base, ModelOptions(threads=1)))
    some = guard.spread(len(states), guard.LOOKED_AT)
    guard.check_same_prompts(student.asker, asked, states[some], "llama.cpp")


def _train(plan: Plan, asked_at: float, progress: Progress) -> PilotCard:
    settings, folder, args, model = plan.settings, plan.folder, plan.args, plan.student.model
    policy = BatchPolicy(model, plan.student.asker, shares=isinstance(plan.reader, SharedPrefix))
    memory = _memory(plan)
    examiner = (
        Examiner(plan.task, policy, settings.selection, folder.training, plan.aware, memory)
        if settings.selection.every
        else None
    )
    trainer: Any = silenced(
        AnswerTrainer(
            reader=plan.reader,
            examiner=examiner,
            keeper=plan.kept.keeper,
            anchor=plan.kept.anchor,
            model=model,
            args=args,
            train_dataset=plan.order.tolist(),
            eval_dataset=list(settings.selection.seeds) or None,
            data_collator=Collator(plan.examples, plan.reader, plan.kept.keeper),
            callbacks=[
                Reports(progress, settings.selection),
                *tensorboard(folder.training / LOGS),
                *([] if plan.kept.aim is None else [plan.kept.aim]),
            ],
        )
    )
    with args.main_process_first(desc="finding the last checkpoint"):
        last = folder.last_checkpoint()
    began = time.perf_counter()
    try:
        trainer.train(resume_from_checkpoint=None if last is None else str(last))
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"{trainer.state.global_step} steps were made; the same command goes on from the last checkpoint"
        ) from None
    took = Took(began - asked_at, time.perf_counter() - began)
    metrics = metrics_of(plan, trainer.state, took, resumed=last is not None)
    if memory is not None and not settings.selection.every:
        metrics["retention"] = memory()
    card = card_of(plan, metrics)
    if args.process_index == 0:
        card = folder.finish(card, lambda into: save(plan, into))
    trainer.accelerator.wait_for_everyone()
    return card if args.process_index == 0 else read_card(folder.pilot)


def _asked(task: Task, lesson: Lesson, settings: SftSettings, origin: Parent | None, digest: str) -> Json:
    """Return what decides the training, in the form that JSON gives back: two runs with the same go on as one."""
    asked = {
        "task": task.name,
        **settings.as_json(),
        "balance": lesson.balance,
        "data": [data.get("hash") for data in lesson.data] or len(lesson.demos),
        "base_digest": digest,
        "dead_time": None if lesson.dead_time is None else lesson.dead_time.as_json(),
        "parent": None if origin is None else origin.card.id,
    }
    return json.loads(json.dumps(asked))
