"""Which models, and what runs them, are installed here; and what has been prepared for this machine?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path

from ontick.errors import OntickError
from ontick.models.base import ModelOptions
from ontick.models.catalog import EMBEDDED, embedded_path, gguf_path
from ontick.records import Json

BACKENDS = {
    "llama.cpp": ("smollm2, gguf:", "llama-cpp-python"),
    "transformers": ("hf:", "transformers"),
    "openai": ("api:", "openai"),
}
"""What runs models: which controllers, and the package that brings it."""


def take_inventory(options: ModelOptions) -> Json:
    """Return the object that ``models --json`` prints."""
    return {"models": [_embedded(options)], "backends": _backends()}


def prepare_models(
    words: Sequence[str],
    options: ModelOptions,
    progress: Callable[[int, int, str], None] = lambda done, total, last: None,
) -> Json:
    """Prepare the GGUF files that ``words`` name for this machine; return what ``models --json`` prints.

    ``progress`` is told of each.

    Raises:
        OntickError: a word names no GGUF file.
    """
    paths = [gguf_path(word) for word in words]
    models: list[Json] = []
    for word, path in zip(words, paths, strict=True):
        models.append({"word": word, **_prepare(path, options)})
        progress(len(models), len(words), word)
    return {"models": models, "backends": _backends()}


def _backends() -> Json:
    return {
        backend: {"runs": runs, "package": package, "version": _version(package)}
        for backend, (runs, package) in BACKENDS.items()
    }


def _embedded(options: ModelOptions) -> Json:
    """Say which file the embedded model is, and in which quantisation it runs here."""
    try:
        path = embedded_path()
    except OntickError as error:
        return {"word": EMBEDDED, "missing": str(error)}
    return {"word": EMBEDDED, **_described(path), "prepared": _prepared(path, options)}


def _described(path: Path) -> Json:
    from ontick.models.llama.model import LlamaCpp

    info = LlamaCpp(path, options=ModelOptions(context_tokens=64)).info
    return {
        "file": path.name,
        "parameters": info.parameters,
        "quantisation": info.quantisation,
        "megabytes": round(path.stat().st_size / 1e6),
    }


def _prepare(path: Path, options: ModelOptions) -> Json:
    from ontick.models.llama.quantise import prepare, select

    selection = select(path, options)
    made = prepare(path, selection.chosen, options)
    return {**_described(path), "prepared": {**selection.as_json(), "megabytes": round(made.stat().st_size / 1e6)}}


def _prepared(path: Path, options: ModelOptions) -> Json | None:
    from ontick.models.llama.quantise import recall

    selection = recall(path, options)
    return None if selection is None else selection.as_json()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
