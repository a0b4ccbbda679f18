"""What is left of a finished training? The pilot's weights, and what its card says of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import transformers

from ontick.learning.dataset import seed_ranges
from ontick.learning.sft import guard
from ontick.learning.sft.plan import Plan
from ontick.learning.sft.settings import Method
from ontick.learning.sft.shared import SharedPrefix
from ontick.learning.sft.tokens import Asker
from ontick.models.hf.conversation import Conversation
from ontick.pilots.card import Kind, PilotCard
from ontick.records import Json

_transformers: Any = transformers


def save(plan: Plan, into: Path) -> None:
    """Write the weights; an adapter names its base as the command line does, not by a place on this machine."""
    model = plan.student.model
    if plan.settings.method is Method.LORA:
        for config in model.peft_config.values():
            config.base_model_name_or_path = plan.settings.base.removeprefix("hf:")
        model.save_pretrained(into, save_embedding_layers=False)
        (into / "README.md").unlink(missing_ok=True)  # it would tell of a model that PEFT knows nothing of
        return
    model.config.use_cache = True
    model.save_pretrained(into)
    plan.student.tokenizer.save_pretrained(into)
    saved = _transformers.AutoTokenizer.from_pretrained(into, local_files_only=True)
    reread = Asker(plan.student.asker.prompt, Conversation(saved, into.name))
    rows = plan.rows[guard.spread(len(plan.lesson.demos), guard.LOOKED_AT)]
    guard.check_same_prompts(plan.student.asker, reread, rows, "the saved tokenizer")


class Took(NamedTuple):
    """How long it took, in the process that ended it."""

    prepare_s: float
    """To load the model, and to find out what its base knows and where it may change."""
    train_s: float
    """To make the steps, and to look at what had come of them."""


def metrics_of(plan: Plan, state: Any, took: Took, *, resumed: bool) -> Json:
    """Return what came of a training; ``state`` is Trainer's."""
    log: list[Json] = state.log_history
    evaluations = [
        {
            "step": entry["step"],
            "success_rate": entry["eval_success_rate"],
            "reward_mean": entry["eval_reward_mean"],
            "kept": entry.get("eval_kept"),
        }
        for entry in log
        if "eval_success_rate" in entry
    ]
    best: int | None = state.best_global_step if evaluations else state.global_step
    found: Json = {}
    if evaluations:
        file = plan.folder.training / f"evaluation-{best}.json"
        found = json.loads(file.read_text()) if file.exists() else {}
    losses = [entry["loss"] for entry in log if "loss" in entry]
    model = plan.student.model
    return {
        "steps": state.global_step,
        "best_step": best,
        "examples": len(plan.lesson.demos),
        **took._asdict(),
        "resumed": resumed,
        "loss_first": losses[0] if losses else None,
        "loss": losses[-1] if losses else None,
        "evaluations": evaluations,
        "evaluation": found.get("summary"),
        "retention": found.get("retention"),
        "parameters": sum(weights.numel() for weights in model.parameters() if weights.requires_grad),
        "prefix_tokens": len(plan.examples.prefix),
        "suffix_tokens": max(len(suffix) for suffix in plan.examples.suffixes),
        "shared_prefix": isinstance(plan.reader, SharedPrefix),
    }


def card_of(plan: Plan, metrics: Json) -> PilotCard:
    """Return the pilot's card; its ``id`` is known when its weights are written."""
    origin = plan.parent
    flown = plan.lesson.demos.flown_seeds | set(plan.settings.selection.seeds)
    seeds = [(first, last) for first, last in seed_ranges(flown)]
    if origin is not None:
        seeds = [*origin.card.seeds, *(pair for pair in seeds if pair not in origin.card.seeds)]
    return PilotCard(
        name=plan.folder.pilot.name,
        kind=Kind(plan.settings.method),
        task=plan.task.name,
        id="",
        version=1 if origin is None else origin.card.version + 1,
        parent=None if origin is None else origin.card.id,
        base=plan.settings.base,
        base_digest=plan.digest,
        prompt=plan.settings.prompt,
        data=plan.lesson.data,
        seeds=tuple(seeds),
        aware=plan.aware,
        settings=plan.settings.as_json() | {"balance": plan.lesson.balance},
        metrics=metrics,
    )
