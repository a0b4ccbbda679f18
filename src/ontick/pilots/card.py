"""What is a pilot's folder? Its weights as safetensors, and ``pilot.json``, which says all that flying it needs.

The card names the task, how the model is asked, the model it was made from, its data, its parent and its scores. It
is written last, so a folder with a card is whole. The version counts along the parents: v1, v2, …
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from ontick.cache import write_json
from ontick.dead_time import Awareness
from ontick.errors import OntickError
from ontick.prompts import PromptStyle
from ontick.provenance import provenance
from ontick.records import Json

CARD = "pilot.json"


class Kind(StrEnum):
    """What a pilot's weights are."""

    MLP = "mlp"
    """A small network on the state's numbers: ``mlp.safetensors``."""
    LORA = "lora"
    """A language model's LoRA adapter: ``adapter_config.json``, ``adapter_model.safetensors``."""
    FULL = "full"
    """A whole language model: ``config.json``, ``*.safetensors``, its tokenizer."""


WEIGHTS = {Kind.MLP: "mlp.safetensors", Kind.LORA: "adapter_model.safetensors", Kind.FULL: "model.safetensors"}
"""The file by which a pilot of each kind is known; a large whole model has ``model-*.safetensors`` instead."""


@dataclass(frozen=True)
class PilotCard:
    """What ``pilot.json`` holds."""

    name: str
    kind: Kind
    task: str
    id: str
    """SHA-256 of the weights, its first 16 digits."""
    version: int = 1
    parent: str | None = None
    """The parent's ``id``; None for one that learnt from the base model or from nothing."""
    base: str | None = None
    """The model that was tuned, as the command line writes it (``smollm2``, ``hf:org/name``, …); None for an MLP."""
    base_digest: str | None = None
    """SHA-256 of the base's weights, as far as it can be told."""
    prompt: PromptStyle | None = None
    """How the model was asked in training and must be asked in flight; None for an MLP."""
    data: tuple[Json, ...] = ()
    """For each dataset learnt from: its ``hash``, ``n`` and ``per_source``, and if a network labelled it its id,
    ``labeller``."""
    seeds: tuple[tuple[int, int], ...] = ()
    """Ranges, both ends included, of the seeds flown in training or to choose among checkpoints."""
    settings: Json = field(default_factory=dict[str, Any])
    """What training was asked for."""
    metrics: Json = field(default_factory=dict[str, Any])
    """What came of it: ``steps``, ``train_s``, ``loss``, ``evaluation`` (a summary), …"""
    aware: Awareness | None = None
    """The dead time that it was trained for, and what it is shown of it; None: none."""
    recipe: Json | None = None
    """Of a shipped pilot: ``name``, ``command`` and ``seed`` of what made it, ``trained``, the id of the weights that
    were ``rounded_to`` a type of number, and ``agreement`` with them: of ``states`` so many the ``same``. See
    `ontick.pilots.ship`."""
    made: Json = field(default_factory=provenance)

    def as_json(self) -> Json:
        """Return what ``pilot.json`` holds."""
        return asdict(self) | {"aware": None if self.aware is None else self.aware.as_json()}

    def trained_on(self, seed: int) -> bool:
        """Say whether an episode of this seed was flown in training, so that it proves nothing."""
        return any(first <= seed <= last for first, last in self.seeds)


def weights_id(files: Mapping[str, bytes] | list[Path]) -> str:
    """Return the id of weights: of the given files, whose order does not matter."""
    digest = hashlib.sha256()
    if isinstance(files, list):
        for path in sorted(files):
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    else:
        for _, content in sorted(files.items()):
            digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()[:16]


def write_card(folder: Path, card: PilotCard) -> None:
    """Write ``pilot.json``, whole or not at all.

    Raises:
        OSError: the folder cannot be written.
    """
    write_json(folder / CARD, card.as_json())


def read_card(folder: Path) -> PilotCard:
    """Read a pilot's card.

    Raises:
        OntickError: the folder is no pilot, or its card is damaged.
    """
    try:
        found: Json = json.loads((folder / CARD).read_text())
    except (OSError, ValueError) as error:
        raise OntickError(f"{folder} is no pilot (no {CARD} that can be read); make one with: ontick train") from error
    try:
        return _card(found)
    except (KeyError, TypeError, ValueError) as error:
        raise OntickError(f"{folder / CARD} is damaged ({error}); restore it from a copy") from error


def _card(found: Json) -> PilotCard:
    known = {name: found[name] for name in PilotCard.__dataclass_fields__ if name in found}
    if known.get("prompt") is not None:
        known["prompt"] = PromptStyle.from_json(known["prompt"])
    if known.get("aware") is not None:
        known["aware"] = Awareness.from_json(known["aware"])
    known["kind"] = Kind(known["kind"])
    known["data"] = tuple(known.get("data", ()))
    known["seeds"] = tuple((int(first), int(last)) for first, last in known.get("seeds", ()))
    return PilotCard(**known)


def first_free_seed(ranges: Iterable[tuple[int, int]], count: int) -> int:
    """Return the first of the lowest ``count`` neighbouring seeds that no range holds."""
    first = 0
    for low, high in sorted(ranges):
        if low >= first + count:
            break
        first = max(first, high + 1)
    return first
