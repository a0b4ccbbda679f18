"""How does a model read many prompts that begin alike? All of them in one row, what they share once.

By the row's attention mask a token sees its own prompt, up to itself, and its position is the one that it has there; so
every prompt is read as if it stood alone, gradients included. Two batches can stand in one row. There is no padding,
and the output head is computed at the answers' places alone. A model that does not take such masks (recurrent layers,
say) is found out by comparison and reads whole prompts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any, Protocol, TypeAlias

import torch
from torch import nn

from ontick.learning.sft.blocks import blocks_of, can_be_in_blocks, in_blocks
from ontick.learning.sft.row import row_of, visible
from ontick.learning.sft.tokens import Tokens
from ontick.models.hf.read import in_eval_mode

_torch: Any = torch

Batch: TypeAlias = Mapping[str, torch.Tensor]
"""A batch of prompts as tensors; which ones is its reader's own affair."""

_SLIDING, _FULL = "sliding_attention", "full_attention"


class BatchReader(Protocol):
    """A way to read a batch of prompts."""

    def batch(
        self, prefix: Tokens, suffixes: Sequence[Tokens], *, each: bool = False, apart: bool = False
    ) -> dict[str, torch.Tensor]:
        """Return ``prefix`` with each of ``suffixes`` (at least one token) as tensors.

        ``each``: the logits after every token of the suffixes are wanted, not only after their last. ``apart``: each of
        those tokens is read for itself, so that what changes there changes nothing but its own prompt.
        """
        ...

    def logits(self, model: Any, batch: Batch) -> torch.Tensor:
        """Return the logits after each prompt, shape (examples, vocabulary), by one call of ``model``.

        With ``each``, those after each token of the suffixes, one suffix after another: (tokens, vocabulary).
        """
        ...

    def asked(self, given: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Return what stands at the places asked for in what a layer is given when the model reads ``batch``.

        ``given`` has the shape (rows, tokens, size), the answer (places, size).
        """
        ...

    def together(self, first: Batch, second: Batch) -> dict[str, torch.Tensor]:
        """Return both batches as one, whose logits are those of the first and then those of the second."""
        ...


class SharedPrefix:
    """Reads a batch as one row.

    ``config`` is the model's configuration: which layers see a window only, and what its attention takes as a mask. On
    a processor attention is computed in blocks where the model's own can be replaced, unless it is to be ``dense``.
    """

    def __init__(self, config: Any, *, dense: bool = False) -> None:
        text = config.get_text_config()
        self._config = config
        self._window: int | None = getattr(text, "sliding_window", None)
        kinds: set[str] = set(getattr(text, "layer_types", None) or ())
        self._by_kind = _SLIDING in kinds
        self._all_slide = not kinds and self._window is not None
        self._adds = getattr(text, "_attn_implementation", None) == "eager"
        self._in_blocks = not dense and can_be_in_blocks(config)

    def batch(
        self, prefix: Tokens, suffixes: Sequence[Tokens], *, each: bool = False, apart: bool = False
    ) -> dict[str, torch.Tensor]:
        """Return the row as tensors of one row each; see `BatchReader.batch`."""
        row = row_of(prefix, suffixes, apart=apart)
        places = chain.from_iterable(row.paths) if each else (path[-1] for path in row.paths)
        return {
            "input_ids": row.tokens[None],
            "position_ids": row.positions[None],
            "ends": row.ends,
            "places": torch.tensor(list(places)),
        }

    def logits(self, model: Any, batch: Batch) -> torch.Tensor:
        """Read the row; return the logits at the places asked for."""
        asked = {
            "input_ids": batch["input_ids"],
            "position_ids": batch["position_ids"],
            "attention_mask": self.mask(batch["position_ids"][0], batch["ends"], dtype=_dtype(model)),
            "logits_to_keep": batch["places"],
            "use_cache": False,
        }
        if self._in_blocks and batch["ends"].device.type == "cpu":
            with in_blocks(self._config):
                read = model(**asked, blocks=blocks_of(batch["ends"]))
        else:
            read = model(**asked)
        return at_places(read.logits[0], batch["places"])

    def asked(self, given: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Return what stands at the places asked for; see `BatchReader.asked`."""
        return given[0, batch["places"]]

    def together(self, first: Batch, second: Batch) -> dict[str, torch.Tensor]:
        """Return both in one row; see `BatchReader.together`."""
        moved = dict(second)
        for name in ("ends", "places"):
            moved[name] = second[name] + len(first["ends"])
        return {name: _torch.cat([first[name], moved[name]], dim=-1) for name in first}

    def mask(self, positions: torch.Tensor, ends: torch.Tensor, cached: int = 0, *, dtype: torch.dtype) -> Any:
        """Return the attention mask in the form that the model takes; the first ``cached`` tokens are not asked.

        Shape of each (1, 1, tokens - cached, tokens); one for each kind of layer where there are several.
        """
        full = visible(ends, cached)
        window = full if self._window is None else full & (positions[cached:, None] - positions[None] < self._window)
        if self._by_kind:
            return {_FULL: self._formed(full, dtype), _SLIDING: self._formed(window, dtype)}
        return self._formed(window if self._all_slide else full, dtype)

    def _formed(self, seen: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        if not self._adds:
            return seen[None, None]
        added = torch.zeros(seen.shape, dtype=dtype, device=seen.device)
        return added.masked_fill(~seen, torch.finfo(dtype).min)[None, None]


class WholePrompts:
    """Reads every prompt whole, filled up at its end, where no causal model sees it: any family, more to compute."""

    def batch(
        self, prefix: Tokens, suffixes: Sequence[Tokens], *, each: bool = False, apart: bool = False
    ) -> dict[str, torch.Tensor]:
        """Return the prompts, shape (examples, tokens), and where what is asked for stands; see `BatchReader.batch`."""
        lengths = [len(prefix) + len(suffix) for suffix in suffixes]
        ids = torch.zeros((len(suffixes), max(lengths)), dtype=torch.long)
        for number, suffix in enumerate(suffixes):
            ids[number, : lengths[number]] = torch.tensor([*prefix, *suffix], dtype=torch.long)
        asked = [range(len(prefix) if each else length - 1, length) for length in lengths]
        rows = [number for number, places in enumerate(asked) for _ in places]
        places = [place for places in asked for place in places]
        return {"input_ids": ids, "rows": torch.tensor(rows), "places": torch.tensor(places)}

    def logits(self, model: Any, batch: Batch) -> torch.Tensor:
        """Read the prompts; return the logits at the places asked for."""
        kept, which = _torch.unique(batch["places"], return_inverse=True)
        read = model(input_ids=batch["input_ids"], logits_to_keep=kept, use_cache=False)
        logits = read.logits if read.logits.shape[1] == len(kept) else read.logits[:, kept]
        return logits[batch["rows"], which]

    def asked(self, given: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Return what stands at the places asked for; see `BatchReader.asked`."""
        return given[batch["rows"], batch["places"]]

    def together(self, first: Batch, second: Batch) -> dict[str, torch.Tensor]:
        """Return the prompts of both, one after another; see `BatchReader.together`."""
        prompts = first["input_ids"], second["input_ids"]
        longest = max(ids.shape[1] for ids in prompts)
        filled = [nn.functional.pad(ids, (0, longest - ids.shape[1])) for ids in prompts]
        return {
            "input_ids": _torch.cat(filled),
            "rows": _torch.cat([first["rows"], second["rows"] + len(prompts[0])]),
            "places": _torch.cat([first["places"], second["places"]]),
        }


def at_places(logits: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Return the logits at ``places`` from what a model gave, which may be those already."""
    return logits if len(logits) == len(places) else logits[places]


def fitting_reader(model: Any, prefix: Tokens, suffixes: Sequence[Tokens]) -> BatchReader:
    """Return the fastest reader that gives the logits of whole prompts, found out on these."""
    whole = WholePrompts()
    with in_eval_mode(model), torch.no_grad():
        expected = read_logits(whole, model, prefix, suffixes)
        # The bound is that of the model's precision: a wrong mask or position is off by far more.
        bound = (0.05 if _dtype(model) != torch.float32 else 2e-3) * float(expected.abs().max())
        for reader in (SharedPrefix(model.config), SharedPrefix(model.config, dense=True)):
            with suppress(RuntimeError, ValueError, TypeError, AttributeError, KeyError, IndexError):
                found = read_logits(reader, model, prefix, suffixes)
                if found.shape == expected.shape and bool((found - expected).abs().max() <= bound):
                    return reader
    return whole


def read_logits(
    reader: BatchReader, model: Any, prefix: Tokens, suffixes: Sequence[Tokens], *, each: bool = False
) -> torch.Tensor:
    """Read prompts where the model is; return `BatchReader.logits` in single precision."""
    return reader.logits(model, placed(reader.batch(prefix, suffixes, each=each), model)).float()


def placed(batch: Batch, model: Any) -> dict[str, torch.Tensor]:
    """Return ``batch`` where ``model`` is."""
    return {name: tensor.to(model.device) for name, tensor in batch.items()}


def _dtype(model: Any) -> torch.dtype:
    return getattr(getattr(model, "module", model), "dtype", torch.float32)
