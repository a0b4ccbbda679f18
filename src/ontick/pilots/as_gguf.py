"""How does llama.cpp fly a pilot? As a GGUF file: its weights in the base's own, in a quantisation that keeps them.

What training changed is small beside what it started from, so by default only kinds are used that lose less than
that: float16, bfloat16 and Q8_0, the fastest of them on this machine. The file is made once and kept in the cache.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ontick.cache import cache_folder, file_digest, made_whole
from ontick.errors import OntickError
from ontick.models.base import ModelOptions
from ontick.models.catalog import EMBEDDED
from ontick.models.llama.lora import add_lora, read_lora
from ontick.models.llama.model import LlamaCpp
from ontick.models.llama.quantise import AS_IS, FASTEST, KINDS, check_kind, convert, fastest_of
from ontick.pilots.card import Kind, PilotCard
from ontick.pilots.weights import Base, need_transformers, source_of

FAITHFUL = ("f16", "bf16", "q8_0")
"""Kinds that keep what training changed, the more precise first."""

EXACT = "f32"
"""What ``as-is`` means for a pilot: the numbers as training left them."""

VERSION = "1"
"""Of what this module makes; another one has every file made anew."""

_ASKED_BY = ("tokenizer_config.json", "chat_template.jinja")
"""Files that a pilot's chat template may be in."""

_log = logging.getLogger(__name__)


def load_as_gguf(folder: Path, card: PilotCard, base: Base, options: ModelOptions) -> LlamaCpp:
    """Load a pilot's GGUF file, making it first if it is not there, or anew if it is damaged.

    Raises:
        OntickError: it cannot be made or loaded.
    """
    made = gguf_file(folder, card, base, options)
    if made.exists():
        try:
            return LlamaCpp(made, card.name, options)
        except OntickError:
            made.unlink(missing_ok=True)
    _make(folder, card, base, made, options)
    return LlamaCpp(made, card.name, options)


def gguf_file(folder: Path, card: PilotCard, base: Base, options: ModelOptions) -> Path:
    """Return where the GGUF file of a pilot is kept; its stem is the quantisation.

    Raises:
        OntickError: there is no such quantisation.
    """
    template = hashlib.sha256()
    for name in _ASKED_BY:
        if (folder / name).exists():
            template.update((folder / name).read_bytes())
    made_of = file_digest(_gguf_of(base), card.id, template.hexdigest(), VERSION)
    return cache_folder() / "pilots" / f"{card.id}-{made_of[:12]}" / f"{_kind(base, options)}.gguf"


def _kind(base: Base, options: ModelOptions) -> str:
    wanted = options.quantisation or FASTEST
    if wanted == FASTEST:
        # How fast a kind is depends on the shape, which is the base's, so that no pilot has to be timed.
        return fastest_of(_gguf_of(base), FAITHFUL, options)
    if wanted == AS_IS:
        return EXACT
    check_kind(wanted)
    return wanted


def _make(folder: Path, card: PilotCard, base: Base, made: Path, options: ModelOptions) -> None:
    _log.info("turning %s into a GGUF file (%s), once", card.name, made.stem)
    whole = made.with_suffix(".whole")
    try:
        with made_whole(made) as partial:
            exact = partial if made.stem == EXACT else whole
            if not _add(folder, card, base, exact):
                _fit(folder, card, base, exact, options)
            if made.stem != EXACT:
                convert(whole, partial, KINDS[made.stem])
    except OSError as error:
        raise OntickError(
            f"cannot write {made} ({error.strerror}); free some space, or use --model.backend transformers"
        ) from error
    finally:
        whole.unlink(missing_ok=True)


def _add(folder: Path, card: PilotCard, base: Base, made: Path) -> bool:
    """Write a plain adapter of the embedded model, whose file is known: it needs no PyTorch. Return whether it is one.

    What `_fit` finds out of any base is found out of this one by the tests.
    """
    if card.kind is not Kind.LORA or card.base != EMBEDDED or any((folder / name).exists() for name in _ASKED_BY):
        return False
    lora = read_lora(folder)
    return lora is not None and add_lora(_gguf_of(base), lora, made)


def _fit(folder: Path, card: PilotCard, base: Base, made: Path, options: ModelOptions) -> None:
    """Write the weights as transformers reads them."""
    need_transformers("what turns a pilot into a GGUF file")
    from ontick.models.hf.conversation import template_source
    from ontick.models.hf.load import load
    from ontick.models.llama.graft import Fit

    exact = replace(options, dtype="float32", device="cpu", adapter=None)
    fit = Fit(_gguf_of(base), _Weights(load(base.word, exact).model))
    source = source_of(folder, card, base)
    tuned = load(source.word, replace(exact, adapter=source.adapter and str(source.adapter)))
    fit.write(_Weights(tuned.model), made, template_source(tuned.tokenizer))


def _gguf_of(base: Base) -> Path:
    if base.gguf is None:
        raise OntickError(f"there is no GGUF file of {base.word}; use --model.backend transformers")
    return base.gguf


class _Weights(Mapping[str, Any]):
    """A transformers model's tensors as float32 arrays, one at a time."""

    def __init__(self, model: Any) -> None:
        self._state: dict[str, Any] = model.state_dict()

    def __getitem__(self, name: str) -> Any:
        return self._state[name].float().numpy()

    def __iter__(self) -> Iterator[str]:
        return iter(self._state)

    def __len__(self) -> int:
        return len(self._state)
