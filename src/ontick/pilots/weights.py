"""Which weights does a pilot fly with: are its own those that its card names, and where is the model it was tuned from?

A pilot is refused on a base with other weights than it was tuned from.
"""

from __future__ import annotations

import hashlib
import importlib.util
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ontick.cache import cache_folder, file_digest, made_whole
from ontick.errors import OntickError, missing_package
from ontick.models.base import ModelOptions
from ontick.models.catalog import EMBEDDED, embedded_path
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


def digest_of(files: list[Path]) -> str:
    """Return `weights_id` of files, remembered as long as they do not change.

    Raises:
        OSError: one of them is missing.
    """
    which = hashlib.sha256(" ".join(map(file_digest, sorted(files))).encode()).hexdigest()
    remembered = cache_folder() / "digests" / which[:24]
    with suppress(OSError):
        return remembered.read_text()
    digest = weights_id(files)
    with suppress(OSError), made_whole(remembered) as partial:
        partial.write_text(digest)
    return digest


def base_digest(word: str) -> str:
    """Return the digest of a base model's weights, as a card's ``base_digest`` keeps it.

    Args:
        word: ``smollm2``, ``gguf:PATH`` or ``hf:PATH_OR_HUB_ID``.

    Raises:
        OntickError: there is no such model.
    """
    return _digest(_where(word, None))


def check_weights(folder: Path, card: PilotCard) -> None:
    """Refuse a pilot whose weights are missing or not those that its card names.

    Raises:
        OntickError: with what is wrong.
    """
    files = weight_files(folder, card.kind)
    try:
        sound = bool(files) and digest_of(files) == card.id
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
    given = None if options.base_gguf is None else Path(options.base_gguf).expanduser()
    base = _where(card.base or "", given)
    if card.base_digest is not None and _digest(base) != card.base_digest:
        raise OntickError(
            f"{card.name} was tuned from other weights than {card.base} has here; restore those, or train it again"
        )
    return base


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


def _where(word: str, given: Path | None) -> Base:
    """Return where the model ``word`` is; ``given`` is a GGUF file of it that the user names."""
    kind, _, what = word.partition(":")
    path = embedded_path() if EMBEDDED in (word, what) else Path(what).expanduser()
    if kind == "gguf":
        path = given or path
    if kind in {EMBEDDED, "gguf"} or path.suffix == ".gguf":
        if not path.is_file():
            raise OntickError(f"{path}, the base model, is not there; give --model.base-gguf FILE")
        return Base(str(path), path)
    if kind != "hf" or not what:
        raise OntickError(f"a pilot cannot be based on {word!r}; give {EMBEDDED}, gguf:PATH or hf:PATH_OR_HUB_ID")
    return Base(what, given)


def _digest(base: Base) -> str:
    path = Path(base.word)
    if path.suffix == ".gguf" or path.is_file():
        return digest_of([path])
    need_transformers("what reads Hugging Face models")
    from ontick.models.hf.hub import weights_folder

    return digest_of(sorted(weights_folder(base.word).glob("*.safetensors")))
