"""How does a pilot get onto the Hugging Face hub? Its own files alone, in one commit: all of them or none."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import huggingface_hub
from huggingface_hub import errors

from ontick.errors import OntickError
from ontick.models.hf.load import quiet
from ontick.pilots.card import CARD, WEIGHTS, Kind, PilotCard, read_card
from ontick.pilots.readme import README, write_readme
from ontick.pilots.weights import check_weights, weight_files
from ontick.records import Json

_hub: Any = huggingface_hub
_errors: Any = errors

_HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")

_TOKENIZER = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
    "chat_template.jinja",
)

BESIDE_WEIGHTS: dict[Kind, tuple[str, ...]] = {
    Kind.MLP: (),
    Kind.LORA: ("adapter_config.json", *_TOKENIZER),
    Kind.FULL: ("config.json", "generation_config.json", f"{WEIGHTS[Kind.FULL]}.index.json", *_TOKENIZER),
}
"""What else makes a pilot; not its checkpoints, logs and optimizer states."""


def pilot_files(folder: Path, card: PilotCard) -> list[Path]:
    """Return the files that make a pilot, its card last."""
    beside = [folder / name for name in (README, "LICENSE", *BESIDE_WEIGHTS[card.kind])]
    return [*(path for path in beside if path.is_file()), *weight_files(folder, card.kind), folder / CARD]


def push(folder: Path, to: str, *, private: bool) -> Json:
    """Put a pilot on the hub as ``to``, ``ORG/NAME``; return the object that ``push --json`` prints.

    Raises:
        OntickError: it is damaged, or the hub does not take it; then nothing of it is there.
    """
    if not _HUB_ID.fullmatch(to):
        raise OntickError(f"{to!r} is no hub id; write it like ORG/NAME, your own name being ORG")
    card = read_card(folder)
    check_weights(folder, card)
    if not (folder / README).exists():
        try:
            write_readme(folder, card)
        except OSError as error:
            raise OntickError(f"cannot write {folder / README} ({error.strerror}); push a copy of it") from error
    files = pilot_files(folder, card)
    hub: Any = _hub.HfApi()
    try:
        with quiet():
            hub.create_repo(to, private=private, exist_ok=True)
            if private and not hub.repo_info(to).private:
                raise OntickError(f"{to} is there already and public; choose another name, or push without --private")
            operations = [_hub.CommitOperationAdd(path_in_repo=path.name, path_or_fileobj=path) for path in files]
            commit = hub.create_commit(to, operations, commit_message=f"{card.name}, version {card.version}")
    except OntickError:
        raise
    except Exception as error:  # the library raises its own, httpx's and the system's
        raise _refusal(to, error) from error
    return {
        "pilot": str(folder),
        "to": to,
        "private": private,
        "files": [path.name for path in files],
        "megabytes": round(sum(path.stat().st_size for path in files) / 1e6, 3),
        "commit": commit.oid,
        "word": f"pilot:{to}",
    }


def _refusal(to: str, error: Exception) -> OntickError:
    status = getattr(getattr(error, "response", None), "status_code", None)
    owner = to.partition("/")[0]
    match error:
        case errors.GatedRepoError():
            why = f"{to} is gated; accept its terms on its Hugging Face page, or choose another name"
        case _ if status == 401 or isinstance(error, errors.LocalTokenNotFoundError):
            why = "Hugging Face does not know you; run: hf auth login, with a token that may write"
        case _ if status == 403:
            why = f"your Hugging Face token may not write to {to}; run: hf auth login with one that may"
        case _ if status == 404:
            why = f"Hugging Face has no {owner} that you may write to; check the name"
        case errors.HFValidationError():
            why = f"{to!r} is no hub id; write it like ORG/NAME"
        case errors.HfHubHTTPError() if status is not None:
            why = f"Hugging Face answered {status} for {to}; try again later"
        case ConnectionError() | TimeoutError() | _errors.HTTPError():
            why = "Hugging Face cannot be reached; connect and push again"
        case _:
            said = " ".join(str(error).split())[:200] or type(error).__name__
            why = f"the pilot could not be pushed ({said}); mend that and push again"
    return OntickError(why)
