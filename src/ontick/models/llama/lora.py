"""How is a LoRA adapter put into a GGUF file by numpy alone? Its products are added to the weights that they belong to.

Hu et al., 2021: W + (alpha / rank) B A, computed in float32. For Llama's architecture, in whose files the rows of
queries and keys stand in another order; and for plain adapters. Others take `ontick.models.llama.graft` and
transformers, which is slower, and needs PyTorch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import safetensors

from ontick.errors import OntickError
from ontick.models.llama.rewrite import GgufFile, Tensor, halves_interleaved, numbers_of

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"

_BEGINNING = "base_model.model."
_A, _B = ".lora_A.weight", ".lora_B.weight"

_HEADS = {"attn_q": "head_count", "attn_k": "head_count_kv"}
"""Which tensors of a block are turned, by how many heads."""

_BEYOND = (
    "use_dora",
    "use_rslora",
    "fan_in_fan_out",
    "lora_bias",
    "modules_to_save",
    "rank_pattern",
    "alpha_pattern",
    "layer_replication",
    "trainable_token_indices",
)
"""Settings of peft's that make an adapter more than products to add."""

_safetensors: Any = safetensors
"""safetensors leaves what it reads untyped."""


class Lora(NamedTuple):
    """A plain adapter."""

    scale: float
    """alpha / rank."""
    pairs: Mapping[str, tuple[Tensor, Tensor]]
    """A, shape (rank, in), and B, shape (out, rank), of each module, as transformers calls it."""


def read_lora(folder: Path) -> Lora | None:
    """Read an adapter that peft wrote; None: it is more than products to add.

    Raises:
        OntickError: it cannot be read.
    """
    try:
        config: dict[str, Any] = json.loads((folder / CONFIG).read_text())
        tensors = float_tensors((folder / WEIGHTS).read_bytes())
        plain = config["peft_type"] == "LORA" and config.get("bias", "none") == "none"
        if tensors is None or not plain or any(config.get(name) for name in _BEYOND):
            return None
        scale = float(config["lora_alpha"]) / int(config["r"])
    except (OSError, ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
        said = " ".join(str(error).split())[:200]
        raise OntickError(f"the adapter in {folder} cannot be read ({said}); restore it from a copy") from error
    pairs: dict[str, tuple[Tensor, Tensor]] = {}
    for name in tensors:
        if not (name.startswith(_BEGINNING) and name.endswith((_A, _B))):
            return None
        module = name.removeprefix(_BEGINNING).removesuffix(_A).removesuffix(_B)
        first, second = (tensors.get(f"{_BEGINNING}{module}{end}") for end in (_A, _B))
        if first is None or second is None:
            return None
        pairs[module] = first, second
    return Lora(scale, pairs)


def add_lora(base: Path, lora: Lora, made: Path) -> bool:
    """Write the GGUF file ``made``, in float32: ``base`` with the adapter's products in it.

    Returns whether it could be done: not where the file is of another architecture, or lacks what is adapted.

    Raises:
        OntickError: the base cannot be read.
        OSError: the file cannot be written.
    """
    file = GgufFile(base)
    names = file.names() if file.architecture == "llama" else None
    if names is None:
        return False
    belong = {f"{names.get_name(module)}.weight": module for module in lora.pairs}
    shapes = {tensor.name: tuple(reversed(tensor.shape.tolist())) for tensor in file.tensors}
    if len(belong) < len(lora.pairs):
        return False
    for name, module in belong.items():
        first, second = lora.pairs[module]
        if shapes.get(name) != (len(second), first.shape[1]):
            return False

    def numbers(tensor: Any) -> Tensor:
        weights = numbers_of(tensor)
        if tensor.name not in belong:
            return weights
        first, second = lora.pairs[belong[tensor.name]]
        change = np.float32(lora.scale) * (second @ first)
        heads = _HEADS.get(tensor.name.split(".")[-2])
        return weights + (change if heads is None else halves_interleaved(change, file.head_count(heads)))

    file.write(numbers, made)
    return True


def float_tensors(content: bytes) -> dict[str, Tensor] | None:
    """Return the tensors of a safetensors file as float32; None: some are none of float32, float16 and bfloat16."""
    found: dict[str, Tensor] = {}
    for name, told in _safetensors.deserialize(content):
        if told["dtype"] not in _READ:
            return None
        found[name] = _READ[told["dtype"]](bytes(told["data"])).reshape(told["shape"])
    return found


def _bfloat16(data: bytes) -> Tensor:
    return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)


def _float16(data: bytes) -> Tensor:
    return np.frombuffer(data, "<f2").astype(np.float32)


def _float32(data: bytes) -> Tensor:
    return np.frombuffer(data, "<f4").astype(np.float32)


_READ = {"F32": _float32, "F16": _float16, "BF16": _bfloat16}
