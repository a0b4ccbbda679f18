"""Which layers of a model does its adapter change, and by which matrices?"""

from __future__ import annotations

from typing import Any, NamedTuple

FIRST = "lora_A"
"""The matrix of an adapter that reads."""

SECOND = "lora_B"
"""The matrix of an adapter that writes; its change of the weights is linear in it."""


class Adapter(NamedTuple):
    """What changes a layer: by ``scale`` B A."""

    reads: Any
    """A, shape (rank, inputs)."""
    writes: Any
    """B, shape (outputs, rank)."""
    scale: float


def adapted(model: Any) -> dict[str, Any]:
    """Return the layers that have an adapter, by their names."""
    return {name: layer for name, layer in model.named_modules() if hasattr(layer, FIRST)}


def adapter_of(layer: Any) -> Adapter:
    """Return the adapter of a layer, which has one."""
    (name,) = getattr(layer, FIRST)
    return Adapter(layer.lora_A[name].weight, layer.lora_B[name].weight, layer.scaling[name])
