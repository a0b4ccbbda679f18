"""Which model is fine-tuned, with which weights free to learn, in which precision?

An adapter's base stays in the precision that the processor computes in; all weights learn in float32. What is computed
in bfloat16 is so by autocast.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import peft
import torch
import transformers

from ontick.errors import OntickError
from ontick.learning.sft.settings import Method, SftSettings
from ontick.learning.sft.tokens import Asker
from ontick.models.base import ModelOptions
from ontick.models.catalog import EMBEDDED, EMBEDDED_NAME
from ontick.models.hf.conversation import Conversation
from ontick.models.hf.load import Loaded, device_of, dtype_of, load, quiet
from ontick.models.weights import weights_file_or_folder
from ontick.pilots.card import Kind, PilotCard
from ontick.pilots.weights import base_of, check_weights, source_of
from ontick.prompts import Prompt
from ontick.tasks.base import Task

_peft: Any = peft
_transformers: Any = transformers
_torch: Any = torch

ALL_LINEAR = "all-linear"


class Parent(NamedTuple):
    """A pilot that training goes on from."""

    folder: Path
    card: PilotCard


class Student(NamedTuple):
    """A model that is to learn."""

    model: Any
    """A ``PreTrainedModel``, or a ``PeftModel`` around one."""
    tokenizer: Any
    asker: Asker
    context_tokens: int | None
    """The longest prompt that it was made for."""
    compute: torch.dtype
    """What is computed in."""


def load_word(word: str, options: ModelOptions) -> Loaded:
    """Load the weights that ``word`` names with transformers.

    Raises:
        OntickError: it names none, or they cannot be loaded.
    """
    place = weights_file_or_folder(word)
    return load(str(place), options, EMBEDDED_NAME if word in (EMBEDDED, f"hf:{EMBEDDED}") else None)


def load_pilot(folder: Path, card: PilotCard, options: ModelOptions) -> Loaded:
    """Load a language model's pilot with transformers, an adapter merged into its base.

    Raises:
        OntickError: the pilot is no language model, or cannot be loaded.
    """
    if card.kind is Kind.MLP:
        raise OntickError(f"{folder} is a pilot of kind {card.kind}, not a language model; give another")
    check_weights(folder, card)
    if card.kind is Kind.FULL:
        return load(str(folder), options, card.name)
    source = source_of(folder, card, base_of(card, options))
    return load(source.word, replace(options, adapter=str(source.adapter)), card.name)


def make_student(task: Task, settings: SftSettings, parent: Parent | None = None) -> Student:
    """Return the model that ``settings`` asks for, ready to learn; its new weights are drawn from the seed.

    Raises:
        OntickError: it cannot be loaded, or cannot learn in this way.
    """
    device = device_of(settings.device)
    compute = dtype_of(settings.dtype, device)
    if compute == torch.float16 and device == "cpu":
        raise OntickError("float16 does not train on a processor; use --dtype bfloat16 or float32")
    weights = compute if settings.method is Method.LORA else torch.float32
    options = ModelOptions(dtype=str(weights).removeprefix("torch."), device=device)
    _transformers.set_seed(settings.seed)
    if settings.unsloth:
        return _with_unsloth(task, settings, parent, compute)
    if parent is None or settings.method is Method.LORA:
        loaded = load_word(settings.base, options)
    else:
        loaded = load_pilot(parent.folder, parent.card, options)
    _transformers.set_seed(settings.seed)  # whatever loading drew
    model = loaded.model
    if settings.method is Method.LORA:
        model = _adapted(model, settings, parent)
    elif model.config.get_text_config() is not model.config:
        raise OntickError(f"{loaded.name} sees or hears too and cannot be saved without that; train it with: lora")
    return _student(task, settings, model, loaded.tokenizer, loaded.name, compute)


def _student(task: Task, settings: SftSettings, model: Any, tokenizer: Any, name: str, compute: torch.dtype) -> Student:
    asker = Asker(Prompt(task, settings.prompt), Conversation(tokenizer, name))
    context: int | None = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return Student(model, tokenizer, asker, context, compute)


def _adapted(model: Any, settings: SftSettings, parent: Parent | None) -> Any:
    """Put a new adapter around a model, or the parent's, to be trained on."""
    with quiet():
        if parent is not None:
            return _peft.PeftModel.from_pretrained(model, str(parent.folder), is_trainable=True)
        lora = settings.lora
        whole = lora.targets == (ALL_LINEAR,)
        config = _peft.LoraConfig(
            r=lora.rank,
            lora_alpha=lora.alpha,
            lora_dropout=lora.dropout,
            target_modules=ALL_LINEAR if whole else list(lora.targets),
            task_type="CAUSAL_LM",
        )
        try:
            return _peft.get_peft_model(model, config)
        except ValueError as error:
            named = ", ".join(lora.targets)
            raise OntickError(
                f"the model has no layers {named} for an adapter; use --lora.targets all-linear"
            ) from error


def _with_unsloth(task: Task, settings: SftSettings, parent: Parent | None, compute: torch.dtype) -> Student:
    if parent is not None or settings.method is not Method.LORA:
        raise OntickError("--unsloth begins new adapters only; leave it out, or use: lora without --from")
    if not torch.cuda.is_available() or importlib.util.find_spec("unsloth") is None:
        raise OntickError("--unsloth needs a CUDA GPU and the package unsloth; leave it out, or: pip install unsloth")
    place = weights_file_or_folder(settings.base)
    if place.is_file():
        raise OntickError("--unsloth reads Hugging Face folders only; give --base hf:PATH_OR_HUB_ID")
    unsloth: Any = importlib.import_module("unsloth")
    lora = settings.lora
    model, tokenizer = unsloth.FastLanguageModel.from_pretrained(str(place), dtype=compute, load_in_4bit=False)
    model = unsloth.FastLanguageModel.get_peft_model(
        model,
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.targets[0] if len(lora.targets) == 1 else list(lora.targets),
        random_state=settings.seed,
    )
    return _student(task, settings, model, tokenizer, settings.base, compute)


def as_parent_was(settings: SftSettings, parent: Parent) -> SftSettings:
    """Return the settings with what a parent decides: its base, its prompt, its adapter's shape.

    Raises:
        OntickError: the parent cannot be trained on in this way.
    """
    card = parent.card
    if card.kind is Kind.MLP or card.base is None or card.prompt is None:
        raise OntickError(f"{parent.folder} is no language model; begin with --base, or train it with: mlp")
    if card.kind is Kind.FULL and settings.method is Method.LORA:
        raise OntickError(f"{parent.folder} is a whole model; train it on with: full")
    settings = replace(settings, base=card.base, prompt=card.prompt)
    if settings.method is Method.LORA:
        adapter = json.loads((parent.folder / "adapter_config.json").read_text())
        lora = replace(settings.lora, rank=adapter["r"], alpha=adapter["lora_alpha"])
        settings = replace(settings, lora=lora)
    return settings
