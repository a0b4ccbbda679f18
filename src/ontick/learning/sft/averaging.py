"""What lies between a base model and a pilot that was tuned from it? A line of weights; no training is needed.

Every point is base + share * (pilot - base), weight by weight (Wortsman et al. 2022, arXiv:2109.01903). Several are
flown and asked ordinary questions; the best by the trade-off asked for becomes a pilot. Of an adapter, that is the same
adapter with its second matrices scaled.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from ontick.errors import OntickError
from ontick.evaluation.episodes import Progress, silent
from ontick.evaluation.questions import ALL, choose_questions
from ontick.evaluation.summary import summarise
from ontick.learning.dataset import seed_ranges
from ontick.learning.flock import fly_together
from ontick.learning.seeds import SELECTION_SEED
from ontick.learning.sft import guard
from ontick.learning.sft.adapter import SECOND
from ontick.learning.sft.learner import batch_policy
from ontick.learning.sft.model import load_pilot, load_word
from ontick.learning.sft.retention import Retention
from ontick.learning.sft.settings import AverageSetup
from ontick.learning.sft.trainer import score, traded
from ontick.models.base import Message, ModelOptions
from ontick.models.hf.conversation import Conversation
from ontick.models.hf.load import Loaded
from ontick.pilots.card import WEIGHTS, Kind, PilotCard, read_card, weights_id, write_card
from ontick.pilots.find import find_pilot
from ontick.pilots.readme import write_readme
from ontick.pilots.weights import base_digest, weight_files
from ontick.prompts import Prompt
from ontick.records import Json
from ontick.tasks import find_task
from ontick.tasks.base import Task

_files: Any = safetensors.torch


def average(setup: AverageSetup, progress: Progress = silent) -> Json:
    """Fly and ask every point, write the best as a pilot, and return its card, ``pilot`` and the ``points``.

    Raises:
        OntickError: the pilot is no language model, its base is not here or reads other tokens, or the folder cannot be
            written. Nothing is written then.
    """
    setup.check()
    folder = find_pilot(setup.pilot)
    card = read_card(folder)
    if card.base is None or card.prompt is None:
        raise OntickError(f"{setup.pilot} is a small network and has no base; give a language model's pilot")
    task = find_task(card.task, setup.task_module)
    options = ModelOptions(dtype=setup.dtype, device=setup.device)
    pilot, base = load_pilot(folder, card, options), load_word(card.base, options)
    line = _Line(task, Prompt(task, card.prompt), pilot, base, base_digest(card.base))
    seeds = range(SELECTION_SEED, SELECTION_SEED + setup.episodes)
    points = list[Json]()
    for number, share in enumerate(setup.shares):
        progress(number, len(setup.shares), f"{share:g} of the change")
        points.append(line.at(share, seeds, setup.tradeoff))
    best = max(points, key=lambda point: point["score"])
    progress(len(setup.shares), len(setup.shares), "")
    made = _card(card, setup.to.name, best, points, seeds)
    made = _write(setup.to, folder, made, line, best["share"])
    return {"pilot": str(setup.to), **made.as_json(), "points": points}


class _Line:
    """The models between two of one shape."""

    def __init__(self, task: Task, prompt: Prompt, pilot: Loaded, base: Loaded, digest: str) -> None:
        self._task, self._prompt, self._pilot = task, prompt, pilot
        tuned, weights = dict(pilot.model.named_parameters()), dict(base.model.named_parameters())
        if {name: tensor.shape for name, tensor in tuned.items()} != {n: t.shape for n, t in weights.items()}:
            raise OntickError(f"{pilot.name} and its base {base.name} have weights of other shapes; give another pilot")
        questions = choose_questions(ALL)
        asked = [(Message("user", question.text),) for question in questions]
        guard.check_same_chats(
            Conversation(pilot.tokenizer, pilot.name), Conversation(base.tokenizer, base.name), asked
        )
        self._ends = {name: (weights[name].detach(), tensor.detach().clone()) for name, tensor in tuned.items()}
        tokens = Conversation(pilot.tokenizer, pilot.name).tokens
        prompts = [tokens.tokens(prompt.asked(list(state.state))) for state in task.diagnostics]
        self._retention = Retention(base, questions, prompts, digest)

    def at(self, share: float, seeds: Sequence[int], tradeoff: float) -> Json:
        """Return what the model at ``share`` of the way can do."""
        self.move_to(share)
        flights = fly_together(self._task, batch_policy(self._pilot, self._prompt), seeds)
        summary = summarise(self._task, flights)
        left = self._retention.measure(self._pilot.model)
        flown = score(summary["success_rate"], summary["reward_mean"], len(seeds), 0)
        return {"share": share, "score": traded(flown, left["kept"], tradeoff), "summary": summary, "retention": left}

    @torch.no_grad()
    def move_to(self, share: float) -> Any:
        """Give the pilot's model the weights at ``share`` of the way, and return it."""
        for name, weights in self._pilot.model.named_parameters():
            base, tuned = self._ends[name]
            weights.copy_(base.float() + share * (tuned.float() - base.float()))
        return self._pilot.model

    @property
    def tokenizer(self) -> Any:
        """Of all of them."""
        return self._pilot.tokenizer


def _card(card: PilotCard, name: str, best: Json, points: Sequence[Json], seeds: range) -> PilotCard:
    flown = [(first, last) for first, last in seed_ranges(set(seeds))]
    said = {
        "share": best["share"],
        "evaluation": best["summary"],
        "retention": best["retention"],
        "shares": [point["share"] for point in points],
    }
    return replace(
        card,
        name=name,
        version=card.version + 1,
        parent=card.id,
        seeds=(*card.seeds, *(pair for pair in flown if pair not in card.seeds)),
        metrics={**card.metrics, **said},
        recipe=None,
    )


def _write(to: Path, folder: Path, card: PilotCard, line: _Line, share: float) -> PilotCard:
    try:
        to.mkdir(parents=True, exist_ok=True)
        if card.kind is Kind.LORA:
            _write_adapter(folder, to, share)
        else:
            line.move_to(share).save_pretrained(to)
            line.tokenizer.save_pretrained(to)
        card = replace(card, id=weights_id(weight_files(to, card.kind)))
        write_readme(to, card)
        write_card(to, card)
    except OSError as error:
        shutil.rmtree(to, ignore_errors=True)
        raise OntickError(f"cannot write {to} ({error.strerror}); choose another --to") from error
    return card


def _write_adapter(folder: Path, to: Path, share: float) -> None:
    shutil.copy(folder / "adapter_config.json", to / "adapter_config.json")
    weights: dict[str, torch.Tensor] = _files.load_file(folder / WEIGHTS[Kind.LORA])
    for name in weights:
        if SECOND in name:
            weights[name] = (weights[name].float() * share).to(weights[name].dtype)
    _files.save_file(weights, to / WEIGHTS[Kind.LORA], metadata={"format": "pt"})
