"""What does the server tell a lane's process? Orders, carried one way by a pipe."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from ontick.evaluation.episodes import Setup
from ontick.late import LateRule


@dataclass(frozen=True)
class Prepare:
    """Load what ``setup`` names, or use what is loaded; the run before is ended."""

    setup: Setup
    runs: Path
    """Where the run's folder is made, once an episode has been flown."""
    words: tuple[str, ...]
    """What it is called."""


@dataclass(frozen=True)
class Live:
    """What may be changed in flight."""

    late: LateRule
    delay_ms: float
    speed: float


@dataclass(frozen=True)
class Begin:
    """Fly an episode."""

    episode: int
    """Its running number on the stage."""
    seed: int
    live: Live
    you: bool
    """A person has the controls from the start."""
    held: int | None
    """The action of the key that this person holds already."""


@dataclass(frozen=True)
class Stop:
    """End the episode that flies; it is recorded as interrupted."""

    episode: int
    """Its running number; those before it end as well."""


@dataclass(frozen=True)
class Seize:
    """A person takes the controls, or gives them back."""

    taken: bool


@dataclass(frozen=True)
class Key:
    """The action of the key that is held from now on; None: of none."""

    action: int | None


@dataclass(frozen=True)
class Ask:
    """A question to the model that flies."""

    number: int
    """Its running number on the lane."""
    text: str


@dataclass(frozen=True)
class Hush:
    """End the answer that is under way, and those that wait."""


@dataclass(frozen=True)
class Finish:
    """End the run: its summary is written."""


@dataclass(frozen=True)
class Quit:
    """End the run and the process."""


Order: TypeAlias = Prepare | Live | Begin | Stop | Seize | Key | Ask | Hush | Finish | Quit
