"""How close does a decision on a GPU come to the time that reading the weights once takes?

The model has Gemma 3 1B's shape and random weights in bfloat16. The floor is their number of bytes by the bandwidth at
which this GPU reads memory, measured in the same run on a plain sum over as many bytes. A decision reads 5 or 18 new
tokens behind a prompt of 150 and ends with the logits of two actions as numbers in Python. Beside it stands the same
model as transformers runs it, with a cache that grows and is cut back.

Without a GPU, ``--shape tiny`` runs the same steps on the processor, to see that they work; its figures mean nothing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
import transformers
import tyro

from bars import print_last_line
from ontick.models.hf.read import GrowingReader, Reader, floats, install_head
from ontick.models.hf.static import StaticReader, capture_graph, fuse

MUST = {"times_reading_the_weights": "<= 2.0"}

SHAPES: dict[str, dict[str, int]] = {
    "gemma-3-1b": {
        "vocab_size": 262_144,
        "hidden_size": 1152,
        "intermediate_size": 6912,
        "num_hidden_layers": 26,
        "num_attention_heads": 4,
        "num_key_value_heads": 1,
        "head_dim": 256,
        "sliding_window": 512,
    },
    "tiny": {
        "vocab_size": 512,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 7,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 32,
        "sliding_window": 64,
    },
}
PROMPT_TOKENS = 150
CONTEXT_TOKENS = 2048
CHOICES = (10, 11)
WARM_UP = 20

_torch: Any = torch
_transformers: Any = transformers


def times_ms(reader: Reader, vocabulary: int, new_tokens: int, decisions: int) -> list[float]:
    """Return what decisions of so many new tokens take."""
    rng = np.random.default_rng(0)
    constant = rng.integers(20, vocabulary, PROMPT_TOKENS - new_tokens).tolist()
    reader.warm_up([*constant, *rng.integers(20, vocabulary, new_tokens).tolist()])
    taken: list[float] = []
    for _ in range(WARM_UP + decisions):
        prompt = [*constant, *rng.integers(20, vocabulary, new_tokens).tolist()]
        start = time.perf_counter()
        floats(reader.read(prompt, CHOICES).logits)
        taken.append((time.perf_counter() - start) * 1e3)
    return taken[WARM_UP:]


def reading_ms(count_bytes: int, device: str) -> float:
    """Return the best time in which a sum over so many bytes was made."""
    memory = torch.ones(count_bytes // 4, dtype=torch.float32, device=device)
    synchronize: Callable[[], object] = torch.cuda.synchronize if device == "cuda" else lambda: None
    best_ms = float("inf")
    for _ in range(20):
        synchronize()
        start = time.perf_counter()
        memory.sum()
        synchronize()
        best_ms = min(best_ms, (time.perf_counter() - start) * 1e3)
    return best_ms


def main(shape: Literal["gemma-3-1b", "tiny"] = "gemma-3-1b", decisions: int = 300) -> None:
    """Measure both ways of reading, and the floor.

    Args:
        shape: which model's.
        decisions: how many are counted.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu" and shape != "tiny":
        sys.exit("gpu_decision_latency: there is no GPU here; see that it works with --shape tiny")
    config = _transformers.Gemma3TextConfig(**SHAPES[shape], tie_word_embeddings=True)
    _torch.manual_seed(0)
    with torch.device(device):
        model: Any = _transformers.Gemma3ForCausalLM(config).to(torch.bfloat16).eval()
    weights_bytes = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    floor_ms = reading_ms(weights_bytes, device)
    head = install_head(model)
    capture = capture_graph if device == "cuda" else None
    static = StaticReader(model, head, CONTEXT_TOKENS, capture, fuse)
    figures: dict[str, float | int | str] = {
        "device": torch.cuda.get_device_name() if device == "cuda" else "processor",
        "shape": shape,
        "weights_bytes": weights_bytes,
        "reading_the_weights_ms": floor_ms,
    }
    for name, reader in (("static", static), ("growing", GrowingReader(model, head))):
        for new_tokens in (5, 18):
            taken = times_ms(reader, config.vocab_size, new_tokens, decisions)
            figures[f"{name}_{new_tokens}_tokens_p50_ms"] = float(np.percentile(taken, 50))
            figures[f"{name}_{new_tokens}_tokens_p99_ms"] = float(np.percentile(taken, 99))
    figures["times_reading_the_weights"] = float(figures["static_18_tokens_p50_ms"]) / floor_ms
    print_last_line("gpu_decision_latency", figures, MUST if device == "cuda" else {})


if __name__ == "__main__":
    tyro.cli(main)
