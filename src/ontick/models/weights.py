"""In which files are the weights that a word names?"""

from __future__ import annotations

from pathlib import Path

from ontick.errors import OntickError
from ontick.models.catalog import EMBEDDED, embedded_path


def weights_place(word: str) -> Path:
    """Return the GGUF file or the folder that ``smollm2``, ``gguf:PATH`` or ``hf:PATH_OR_HUB_ID`` names.

    A hub id is downloaded.

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


def weights_files(word: str) -> list[Path]:
    """Return the files that hold the weights that ``word`` names.

    Raises:
        OntickError: the word names no weights on this machine or the hub.
    """
    place = weights_place(word)
    return [place] if place.is_file() else sorted(place.glob("*.safetensors"))
