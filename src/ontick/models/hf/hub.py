"""Which folder holds the weights that a word names? A folder is itself; a Hugging Face hub id is downloaded to one.

The download is the user's own: their token, their cache folder, safetensors and tokenizer files only.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast

import huggingface_hub
from huggingface_hub import errors

from ontick.errors import OntickError

_hub: Any = huggingface_hub
_errors: Any = errors

WANTED = ("*.safetensors", "*.safetensors.index.json", "*.json", "*.jinja", "*.txt", "tokenizer.model")

UNWANTED = ("*/*", "consolidated*")
"""Other formats of the same weights."""

_HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")


def weights_folder(word: str, form: str = "hf:PATH_OR_HUB_ID") -> Path:
    """Return the folder of the model or adapter ``word``: a path, or a hub id such as ``Qwen/Qwen3-0.6B``.

    ``form`` is how such a word is written on the command line, for the mistakes.

    Raises:
        OntickError: there is no such folder, or the hub does not give it.
    """
    path = Path(word).expanduser()
    if path.exists() or not _HUB_ID.fullmatch(word):
        if path.is_dir():
            return path
        raise OntickError(f"there is no folder {word}; give a model's folder or a hub id: {form}")
    try:
        return Path(cast("str", _hub.snapshot_download(word, allow_patterns=WANTED, ignore_patterns=UNWANTED)))
    except Exception as error:
        raise unavailable(word, error, f"{form.partition(':')[0]}:PATH") from error


def unavailable(hub_id: str, error: Exception, path: str = "hf:PATH") -> OntickError:
    """Return what to tell the user when the hub did not give ``hub_id``; ``path`` is how a folder is written."""
    login = "run: hf auth login"
    if isinstance(error, errors.LocalEntryNotFoundError) and isinstance(error.__cause__, errors.HfHubHTTPError):
        error = error.__cause__  # the hub was reached, and refused
    status = getattr(getattr(error, "response", None), "status_code", None)
    match error:
        case errors.GatedRepoError():
            why = f"{hub_id} is gated; accept its terms on its Hugging Face page, then {login}"
        case errors.RepositoryNotFoundError():
            why = f"Hugging Face has no public model {hub_id}; check the name, or for a private one {login}"
        case errors.HFValidationError():
            why = f"{hub_id!r} is no hub id; write it like Qwen/Qwen3-0.6B"
        case errors.IncompleteSnapshotError():
            why = f"{hub_id} was downloaded only in part and Hugging Face cannot be reached; connect and try again"
        case _ if status in {401, 403}:
            why = f"Hugging Face refuses your token for {hub_id}; {login}"
        case errors.HfHubHTTPError() if status is not None:
            why = f"Hugging Face answered {status} for {hub_id}; try again later, or give a folder: {path}"
        case errors.LocalEntryNotFoundError() | ConnectionError() | TimeoutError() | _errors.HTTPError():
            why = f"{hub_id} is not here and Hugging Face cannot be reached; connect, or give a folder: {path}"
        case _:
            said = " ".join(str(error).split()) or type(error).__name__
            why = f"{hub_id} could not be downloaded ({said}); mend that, or give a folder: {path}"
    return OntickError(why)
