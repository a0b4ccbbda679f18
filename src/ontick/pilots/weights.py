"""Which weights does a pilot fly with: are its own those that its card names, and where is the model it was tuned from?

A pilot is refused on a base with other weights than it was tuned from.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ontick.cache import cache_folder, file_digest, made_whole
from ontick.errors import OntickError, missing_package
from ontick.models.base import ModelOptions
from ontick.models.weights import weights_digest, weights_file_or_folder
from ontick.pilots.card import WEIGHTS, Kind, PilotCard, weights_id


class Base(NamedTuple):
    """The model that a pilot was tuned from, where it is on this machine."""

    word: str
    """As `ontick.models.hf.load.load` takes it."""
    gguf: Path | None
    """Its GGUF file, where there is one."""


class Source(NamedTuple):
    """What transformers loads a pilot from."""

    word: str
    adapter: Path | None


def weight_files(folder: Path, kind: Kind) -> list[Path]:
    """Return the files that a pilot's id is the digest of; none where they are missing."""
    named = folder / WEIGHTS[kind]
    return [named] if named.exists() or kind is not Kind.FULL else sorted(folder.glob("model-*.safetensors"))


def base_digest(word: str) -> str:
    """Return `weights_digest` of a base model, remembered as long as its files do not change.

    Raises:
        OntickError: there is no such model.
    """
    place = weights_file_or_folder(word)
    files = [place] if place.is_file() else sorted(place.glob("*.safetensors"))
    return _remembered("base", files, lambda: weights_digest(word))


def check_weights(folder: Path, card: PilotCard) -> None:
    """Refuse a pilot whose weights are missing or not those that its card names.

    Raises:
        OntickError: with what is wrong.
    """
    files = weight_files(folder, card.kind)
    try:
        sound = bool(files) and _remembered("id", files, lambda: weights_id(files)) == card.id
    except OSError as error:
        raise OntickError(f"{error.filename} is missing; restore {folder} from a copy, or train again") from error
    if not sound:
        raise OntickError(
            f"the weights in {folder} are not those that its card names; restore it from a copy, or train again"
        )


def base_of(card: PilotCard, options: ModelOptions) -> Base:
    """Return where the base of a pilot is, if those are the weights that it was tuned from.

    Raises:
        OntickError: it is not here, or has other weights.
    """
    word, given = card.base or "", options.base_gguf
    if given is not None and not word.startswith("hf:"):
        word = f"gguf:{given}"
    elif word.startswith("gguf:") and not Path(word.removeprefix("gguf:")).expanduser().is_file():
        raise OntickError(f"{card.name} was tuned from {word}, which is not there; give it with --model.base-gguf FILE")
    place = weights_file_or_folder(word)
    if card.base_digest is not None and base_digest(word) != card.base_digest:
        raise OntickError(
            f"{card.name} was tuned from other weights than {word} has here; restore those, or train it again"
        )
    if place.is_file():
        return Base(str(place), place)
    return Base(str(place), None if given is None else _file(given))


def source_of(folder: Path, card: PilotCard, base: Base) -> Source:
    """Return what transformers loads a pilot from."""
    return Source(str(folder), None) if card.kind is Kind.FULL else Source(base.word, folder)


def need_transformers(what: str) -> None:
    """Refuse, in one line, where the packages that read and tune weights are not installed.

    Raises:
        OntickError: naming what to install.
    """
    if any(importlib.util.find_spec(name) is None for name in ("torch", "transformers", "accelerate", "peft", "gguf")):
        raise missing_package(what, "'ontick[hf]'")


def _file(given: str) -> Path:
    path = Path(given).expanduser()
    if not path.is_file():
        raise OntickError(f"there is no file {path}; give a GGUF file with --model.base-gguf")
    return path


def _remembered(kind: str, files: list[Path], digest: Callable[[], str]) -> str:
    """Return a digest of what files hold, which takes seconds where they are large, from the cache if it is there."""
    which = hashlib.sha256(" ".join((kind, *map(file_digest, files))).encode()).hexdigest()
    remembered = cache_folder() / "digests" / which[:24]
    with suppress(OSError):
        return remembered.read_text()
    found = digest()
    with suppress(OSError), made_whole(remembered) as partial:
        partial.write_text(found)
    return found
