"""What is in a training's folder, and what of it is whole after a kill?

A training keeps its files in ``training/`` inside the pilot's folder: what was asked, checkpoints, logs. A checkpoint
counts once its last file is whole. The pilot's own files are put in their places at the end, its card last.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

from ontick.cache import write_json
from ontick.errors import OntickError
from ontick.pilots.card import CARD, PilotCard, read_card, weights_id, write_card
from ontick.pilots.readme import write_readme
from ontick.records import Json

TRAINING = "training"
ASKED = "asked.json"
LOGS = "logs"

_STATE = "trainer_state.json"
"""The last file that Trainer writes of a checkpoint."""


class TrainingFolder:
    """The folder ``pilot`` while its pilot is being made."""

    def __init__(self, pilot: Path) -> None:
        self.pilot = pilot
        self.training = pilot / TRAINING

    def finished(self, asked: Json) -> PilotCard | None:
        """Return the card of the pilot that is there already, if it was made by what is asked now.

        Raises:
            OntickError: the folder holds something else.
        """
        if not self.pilot.exists() or not any(self.pilot.iterdir()):
            return None
        before = self._asked_before()
        if before is None:
            raise OntickError(f"{self.pilot} holds something already; choose another --to")
        if differing := _differing(before, asked):
            name = differing[0]
            was, now = (_value(settings, name) for settings in (before, asked))
            more = f" and {len(differing) - 1} more" if len(differing) > 1 else ""
            raise OntickError(
                f"{self.pilot} was begun with {name} {was}, not {now}{more}; ask for the same, or choose another --to"
            )
        return read_card(self.pilot) if (self.pilot / CARD).exists() else None

    def begin(self, asked: Json) -> None:
        """Make the folder and write down what is asked; again after a kill.

        Raises:
            OntickError: it cannot be written.
        """
        try:
            self.training.mkdir(parents=True, exist_ok=True)
            write_json(self.training / ASKED, asked)
        except OSError as error:
            raise OntickError(f"cannot write {self.pilot} ({error.strerror}); choose another --to") from error

    def last_checkpoint(self) -> Path | None:
        """Return the last whole checkpoint; any later one, cut off in the middle of its writing, is removed."""
        numbered = [(int(path.name.rpartition("-")[2]), path) for path in self.training.glob("checkpoint-*")]
        for _, path in sorted(numbered, reverse=True):
            if self._made_findable(path):
                return path
            shutil.rmtree(path, ignore_errors=True)
        return None

    def finish(self, card: PilotCard, save: Callable[[Path], None]) -> PilotCard:
        """Write the pilot: ``save`` writes its weights into a folder; return the card with their id.

        Raises:
            OSError: the folder cannot be written.
        """
        partial = self.training / "pilot"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        save(partial)
        card = replace(card, id=weights_id(list(partial.glob("*.safetensors"))))
        for path in partial.iterdir():
            path.replace(self.pilot / path.name)
        partial.rmdir()
        write_readme(self.pilot, card)
        write_card(self.pilot, card)
        for path in self.training.glob("checkpoint-*"):
            shutil.rmtree(path, ignore_errors=True)
        return card

    def _asked_before(self) -> Json | None:
        try:
            return json.loads((self.training / ASKED).read_text())
        except (OSError, ValueError):
            return None

    def _made_findable(self, checkpoint: Path) -> bool:
        """Say whether a checkpoint is whole; see to it that the best one is found where the folder is now."""
        try:
            state = json.loads((checkpoint / _STATE).read_text())
        except (OSError, ValueError):
            return False
        best: str | None = state.get("best_model_checkpoint")
        if best is not None:
            here = self.training / Path(best).name
            if not _holds_weights(here):
                return False
            if str(here) != best:
                state["best_model_checkpoint"] = str(here)
                write_json(checkpoint / _STATE, state)
        return _holds_weights(checkpoint) and (checkpoint / "optimizer.pt").exists()


def _holds_weights(checkpoint: Path) -> bool:
    return any(checkpoint.glob("*.safetensors"))


def _differing(before: Json, asked: Json, within: str = "") -> list[str]:
    """Return the names of settings that are not alike, inner ones after a dot."""
    names: list[str] = []
    for name in sorted({*before, *asked}):
        was, now = before.get(name), asked.get(name)
        if isinstance(was, dict) and isinstance(now, dict):
            names += _differing(cast(Json, was), cast(Json, now), f"{within}{name}.")
        elif was != now:
            names.append(within + name)
    return names


def _value(settings: Json, name: str) -> object:
    for part in name.split("."):
        settings = settings.get(part, {})
    return settings
