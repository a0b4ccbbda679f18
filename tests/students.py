"""A tiny language model that learns fast, and demonstrations to learn from, for the tests of fine-tuning."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

import families
from ontick.learning.dataset import Demonstrations, demonstrations, write_dataset
from ontick.learning.sft import general
from ontick.learning.sft.settings import LoraOptions, Method, OptimiserOptions, SelectionOptions, SftSettings
from ontick.models.hf.load import quiet
from ontick.prompts import Layout, PromptStyle
from ontick.tasks import find_task
from ontick.wording import Numbers

_torch: Any = torch
_transformers: Any = transformers

COMPACT = PromptStyle(layout=Layout.COMPACT, numbers=Numbers.LETTER)

_kept = tempfile.TemporaryDirectory(prefix="students-", ignore_cleanup_errors=True)


@functools.cache
def tiny_model() -> Path:
    """Return the folder of a random Llama of two layers."""
    folder = Path(_kept.name) / "tiny"
    with quiet():
        family = families.FAMILIES["smollm2"]
        tokenizer = family.tokenizer()
        tokenizer.chat_template = (families.TEMPLATES / "smollm2.jinja").read_text()
        _torch.manual_seed(0)
        config = _transformers.LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=64,
            intermediate_size=128,
            num_attention_heads=4,
            num_key_value_heads=2,
            num_hidden_layers=2,
            max_position_embeddings=512,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=1,
        )
        _transformers.LlamaForCausalLM(config).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return folder


def taught_states(n: int, seed: int = 0) -> Demonstrations:
    """Return CartPole states from a box, denser towards its middle, labelled by the teacher."""
    task = find_task("cartpole")
    env = task.make()
    rng = np.random.default_rng(seed)
    states = rng.uniform(-1, 1, (n, 4)) * rng.uniform(0.1, 1, (n, 1)) * [2.4, 2.0, 0.21, 2.0]
    return demonstrations(states, [task.teacher(env, state) for state in states.astype(np.float32)], "box")


@functools.cache
def dataset(n: int = 2000) -> Path:
    """Return the folder of a dataset of such states."""
    folder = Path(_kept.name) / f"box-{n}"
    write_dataset(folder, find_task("cartpole"), taught_states(n), {"verb": "test"})
    return folder


def settings(method: Method = Method.FULL, *, steps: int = 8, every: int = 4, **more: Any) -> SftSettings:
    """Return settings for the tiny model, which computes the same on every machine."""
    known: dict[str, Any] = {
        "method": method,
        "base": f"hf:{tiny_model()}",
        "prompt": COMPACT,
        "optimiser": OptimiserOptions(steps=steps, batch=16, learning_rate=2e-3),
        "selection": SelectionOptions(every=every, episodes=2),
        "dtype": "float32",
        "device": "cpu",
        "threads": 1,
    }
    return SftSettings(**(known | more))


def lora(**more: Any) -> SftSettings:
    """Return settings for a small adapter of the tiny model, and no flights on the way."""
    return settings(Method.LORA, lora=LoraOptions(rank=4), every=0, **more)


def rehearse_few(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Let a twentieth of the shipped conversations be all: so many answers take longer to write than the rest takes."""
    few = folder / "few.jsonl"
    few.write_text("".join(general.PROMPTS.read_text().splitlines(keepends=True)[::20]))
    patch.setattr(general, "PROMPTS", few)
