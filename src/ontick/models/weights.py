"""Which weights does a word name, to the last bit?"""

from __future__ import annotations

import hashlib
from pathlib import Path

from ontick.errors import OntickError
from ontick.models.catalog import EMBEDDED, embedded_path


def weights_file_or_folder(word: str) -> Path:
    """Return where the weights are that ``word`` names; a hub id is downloaded.

    Raises:
        OntickError: the word names no weights on this machine or the hub.
    """
    if word in (EMBEDDED, f"hf:{EMBEDDED}"):
        return embedded_path()
    kind, _, what = word.partition(":")
    path = Path(what).expanduser()
    if not what or kind not in ("gguf", "hf"):
        raise OntickError(f"{word} names no weights; give {EMBEDDED}, gguf:PATH or hf:PATH_OR_HUB_ID")
    if path.is_file():
        return path
    if kind == "gguf":
        raise OntickError(f"there is no file {path}; give a GGUF file")
    from ontick.models.hf.hub import weights_folder

    return weights_folder(what)


def weights_digest(word: str) -> str:
    """Return SHA-256 of the weights that ``word`` names: of a GGUF file, or of a folder's safetensors files' digests.

    Raises:
        OntickError: the word names no weights, or they cannot be read.
    """
    place = weights_file_or_folder(word)
    try:
        if place.is_file():
            return _digest(place)
        files = sorted(place.glob("*.safetensors"))
        return hashlib.sha256("".join(_digest(path) for path in files).encode()).hexdigest()
    except OSError as error:
        raise OntickError(f"cannot read {place} ({error.strerror}); give another model") from error


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
