"""How do tuned weights become a GGUF file? They are put into the base model's own, whose metadata and tokenizer stay.

A GGUF file holds some tensors turned: the rows of Llama's queries and keys in another order, Gemma's norms with one
added. Which, is found by reading the base back: each of its tensors must be the transformers one under one of the
known turns, or it is refused. So no architecture has to be known here, and no wrong file can come out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import gguf
import numpy as np

from ontick.errors import OntickError
from ontick.models.llama.rewrite import GgufFile, Tensor, halves_interleaved, numbers_of, shape_of

Turn: TypeAlias = Callable[[Tensor], Tensor]
"""What is done to a transformers tensor to get GGUF's."""

COPIED = ("rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight")
"""Tensors that come of the configuration, and that training does not change."""

HEAD, EMBEDDING = "output.weight", "token_embd.weight"

_types: Any = gguf.GGMLQuantizationType

_ROUNDING = {_types.F32: 1e-3, _types.F16: 0.01, _types.BF16: 0.01, _types.Q8_0: 0.03}
"""How far, in the root mean square and relative, a type's numbers may be from those that were stored in it."""

_COARSE = 0.2
"""The same of types with fewer bits. A tensor of another model or in another order is off by 1 and more."""


class Place(NamedTuple):
    """Where a tensor of the GGUF file comes from."""

    source: str | None
    """In the transformers model; None for one that is copied."""
    turn: Turn


class Fit:
    """A base model's GGUF file, and which of its tensors is which of ``weights``: the same model by transformers.

    Raises:
        OntickError: they are not the same model, or of a kind whose tensors cannot be put into a GGUF file here.
    """

    def __init__(self, base: Path, weights: Mapping[str, Tensor]) -> None:
        self._base = base
        self._file = GgufFile(base)
        self._sources = self._matching_names(weights)
        self._turns: dict[str, Turn] = {}
        """How the weight of each module was turned; its bias is turned the same way."""
        weights_first = sorted(self._file.tensors, key=lambda tensor: tensor.name.endswith(".bias"))
        self._places = {tensor.name: self._place(tensor, weights) for tensor in weights_first}
        self._check_nothing_is_left(weights)

    def write(self, weights: Mapping[str, Tensor], made: Path, template: str | None = None) -> None:
        """Write the GGUF file of ``weights``, in float32, with the base's metadata and tokenizer.

        Args:
            weights: A model of the same shape, tuned.
            made: The file to write.
            template: The chat template to write in place of the base's.

        Raises:
            OntickError: the weights are of another shape.
            OSError: the file cannot be written.
        """
        self._check_tied_head(weights)
        self._file.write(lambda tensor: self._turned(self._places[tensor.name], tensor, weights), made, template)

    def _turned(self, place: Place, tensor: Any, weights: Mapping[str, Tensor]) -> Tensor:
        if place.source is None:
            return numbers_of(tensor)
        if place.source not in weights:
            raise OntickError(f"the tuned weights lack {place.source}; tune a model like {self._base.name}")
        turned = place.turn(weights[place.source])
        if turned.shape != shape_of(tensor):
            raise OntickError(
                f"{place.source} has shape {turned.shape} and {self._base.name} wants {shape_of(tensor)}; "
                "tune without adding tokens or changing the model's shape"
            )
        return turned

    def _matching_names(self, weights: Mapping[str, Tensor]) -> dict[str, str]:
        """Return which tensor of the transformers model has which name in GGUF files of this architecture."""
        names = self._file.names()
        if names is None:
            raise OntickError(
                f"GGUF files of {self._file.architecture!r} are not known here; use --model.backend transformers"
            )
        found: dict[str, str] = {}
        for source in weights:
            # A model that sees as well keeps its words in an inner one.
            plain = source.replace("model.language_model.", "model.")
            name: str | None = names.get_name(plain, try_suffixes=(".weight", ".bias"))
            if name is not None:
                found.setdefault(name, source)
        return found

    def _place(self, tensor: Any, weights: Mapping[str, Tensor]) -> Place:
        name: str = tensor.name
        if name in COPIED:
            return Place(None, _as_it_is)
        if name not in self._sources:
            raise OntickError(f"{self._base.name} holds {name}, which the tuned model lacks; give its own base's GGUF")
        source, stored = self._sources[name], numbers_of(tensor)
        weight, bound = weights[source], _ROUNDING.get(tensor.tensor_type, _COARSE)
        module = name.rpartition(".")[0]
        for turn in self._known_turns(weight, self._turns.get(module)):
            if _difference(turn(weight), stored) <= bound:
                self._turns.setdefault(module, turn)
                return Place(source, turn)
        raise OntickError(
            f"{name} of {self._base.name} is not {source} of the base model in any order known here; "
            "give the GGUF file of that very model, or use --model.backend transformers"
        )

    def _known_turns(self, weight: Tensor, first: Turn | None) -> Iterator[Turn]:
        """Give what may have been done to a tensor of this shape, the likeliest first."""
        if first is not None:
            yield first
        yield _as_it_is
        for kind in ("head_count", "head_count_kv"):
            heads = self._file.head_count(kind)
            if heads and len(weight) % (2 * heads) == 0:
                yield partial(halves_interleaved, heads=heads)
        if weight.ndim == 1:
            yield _one_more
        if 1 in weight.shape[1:]:
            yield _without_ones

    def _check_nothing_is_left(self, weights: Mapping[str, Tensor]) -> None:
        placed = {place.source for place in self._places.values()}
        left = [name for name in weights if name not in placed and name != self._sources.get(HEAD)]
        if left:
            raise OntickError(f"{self._base.name} has no place for {left[0]}; use --model.backend transformers")
        self._check_tied_head(weights)

    def _check_tied_head(self, weights: Mapping[str, Tensor]) -> None:
        """Refuse a head of its own where the file has none: llama.cpp takes the embedding there."""
        head, embedding = self._sources.get(HEAD), self._sources.get(EMBEDDING)
        if head is None or embedding is None or HEAD in self._places:
            return
        if head in weights and not np.array_equal(weights[head], weights[embedding]):
            raise OntickError(
                f"{self._base.name} has one tensor for embedding and output head, and the tuned model two; "
                "use --model.backend transformers"
            )


def _as_it_is(weight: Tensor) -> Tensor:
    return weight


def _one_more(weight: Tensor) -> Tensor:
    return weight + 1


def _without_ones(weight: Tensor) -> Tensor:
    return weight.reshape(tuple(size for size in weight.shape if size != 1))


def _difference(a: Tensor, b: Tensor) -> float:
    """Return how far ``a`` is from ``b``, relative to its size; infinite for another shape."""
    if a.shape != b.shape:
        return math.inf
    size = float(np.linalg.norm(b))
    apart = float(np.linalg.norm(a - b))
    return apart if size == 0 else apart / size
