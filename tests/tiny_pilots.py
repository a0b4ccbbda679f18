"""Pilots as training leaves them, but with small random changes: adapters by peft, whole models by save_pretrained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import peft
import torch

from ontick.models.base import ModelOptions
from ontick.models.hf.load import Loaded, load, quiet
from ontick.models.weights import weights_digest
from ontick.pilots.card import Kind, PilotCard, weights_id, write_card
from ontick.pilots.weights import weight_files
from ontick.prompts import Layout, PromptStyle
from ontick.wording import Numbers

_peft: Any = peft
_torch: Any = torch

STYLE = PromptStyle(numbers=Numbers.LETTER, layout=Layout.COMPACT)

EXACT = ModelOptions(dtype="float32", device="cpu")

ALL_LINEAR = "all-linear"


def write_lora(
    folder: Path, base: str, *, word: str | None = None, seed: int = 0, spread: float = 0.05, **card: Any
) -> Path:
    """Write a LoRA pilot of ``base``, a word of the command line; ``word`` is what transformers loads it from."""
    loaded = load(word or base.partition(":")[2], EXACT)
    _torch.manual_seed(seed)
    config = _peft.LoraConfig(r=4, target_modules=ALL_LINEAR, init_lora_weights=False)
    with quiet():
        adapted = _peft.get_peft_model(loaded.model, config)
        for name, weights in adapted.named_parameters():
            if "lora_" in name:
                _torch.nn.init.normal_(weights, std=spread)
        adapted.save_pretrained(folder)
    return finish(folder, Kind.LORA, base, **card)


def write_full(folder: Path, base: str, *, word: str | None = None, seed: int = 0, **card: Any) -> Path:
    """Write a whole tuned model: every number of ``base`` moved a little."""
    loaded = load(word or base.partition(":")[2], EXACT)
    _torch.manual_seed(seed)
    with torch.no_grad():
        for weights in loaded.model.parameters():
            weights.add_(0.02 * weights.std().nan_to_num() * _torch.randn_like(weights))
    save(loaded, folder)
    return finish(folder, Kind.FULL, base, **card)


def save(loaded: Loaded, folder: Path) -> None:
    with quiet():
        loaded.model.save_pretrained(folder)
        loaded.tokenizer.save_pretrained(folder)


def write_mlp(folder: Path, content: bytes = b"numbers", **card: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mlp.safetensors").write_bytes(content)
    return finish(folder, Kind.MLP, None, **card)


def finish(folder: Path, kind: Kind, base: str | None, **more: Any) -> Path:
    """Write the card, as the last file."""
    card = PilotCard(
        name=folder.name,
        kind=kind,
        task="cartpole",
        id=weights_id(weight_files(folder, kind)),
        base=base,
        base_digest=base and weights_digest(base),
        prompt=None if base is None else STYLE,
        data=({"hash": "d" * 64, "n": 500, "per_source": {"teacher": 500}},),
        seeds=((2_000_000, 2_000_009),),
        settings={"rank": 4},
    )
    write_card(folder, replace(card, **more))
    return folder
