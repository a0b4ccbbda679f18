"""What flies a language-model pilot: llama.cpp, which answers sooner, or transformers?

llama.cpp wherever a GGUF file of the base is known, unless the user says otherwise.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ontick.errors import OntickError, unknown_name
from ontick.models.base import LanguageModel, ModelOptions
from ontick.pilots.card import Kind, PilotCard
from ontick.pilots.weights import Source, base_of, check_weights, need_transformers, source_of

LLAMA_CPP, TRANSFORMERS = "llama.cpp", "transformers"

BACKENDS = (LLAMA_CPP, TRANSFORMERS)


def load_pilot(folder: Path, card: PilotCard, options: ModelOptions) -> LanguageModel:
    """Load a language-model pilot.

    Raises:
        OntickError: it is damaged, its base is not here, or it cannot be loaded as the options say.
    """
    if options.adapter is not None:
        raise OntickError(f"{card.name} is flown with its own weights; leave --model.adapter out")
    if options.backend is not None and options.backend not in BACKENDS:
        raise unknown_name("backend", options.backend, BACKENDS)
    check_weights(folder, card)
    if options.backend == TRANSFORMERS and card.kind is Kind.FULL:
        return _by_transformers(Source(str(folder), None), card.name, options)  # whatever became of its base
    base = base_of(card, options)
    if (options.backend or (LLAMA_CPP if base.gguf else TRANSFORMERS)) == TRANSFORMERS:
        return _by_transformers(source_of(folder, card, base), card.name, options)
    if base.gguf is None:
        raise OntickError(
            f"{card.name} was tuned from {card.base}, of which no GGUF file is known; give that with "
            f"--model.base-gguf FILE, or use --model.backend {TRANSFORMERS}"
        )
    if options.dtype is not None or options.device is not None:
        raise OntickError(f"--model.dtype and --model.device are for transformers; use --model.backend {TRANSFORMERS}")
    from ontick.pilots.as_gguf import load_as_gguf

    return load_as_gguf(folder, card, base, options)


def _by_transformers(source: Source, name: str, options: ModelOptions) -> LanguageModel:
    if options.quantisation is not None:
        raise OntickError(f"--model.quantisation is for --model.backend {LLAMA_CPP}; give --model.dtype instead")
    need_transformers("what flies pilots with transformers")
    from ontick.models.hf.model import HuggingFace

    adapter = None if source.adapter is None else str(source.adapter)
    return HuggingFace(source.word, name, replace(options, adapter=adapter))
