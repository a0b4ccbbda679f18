"""What can be set on the stage, and within which bounds?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

from ontick.controllers.catalog import SCRIPTED
from ontick.errors import OntickError
from ontick.evaluation.episodes import MOST_IN_FLIGHT
from ontick.late import LateRule
from ontick.records import Json

YOU = "you"
"""Stands for a person, where a controller is named."""

LANES = 2
"""As many controllers as are seen side by side on the same seed."""

MAX_DELAY_MS = 500
"""The far end of the slider: 25 ticks, where no policy of either task flies any more."""

SLOWEST = 1 / 64
"""Below that a tick takes more than a second; 0 stands still."""

LARGEST_SEED = 2**31 - 1

LONGEST_WORD = 500
"""Characters of a controller's word: room for a path."""


@dataclass(frozen=True)
class Settings:
    """What the controls of the page say. One stage, shared by all who look at it.

    The late rule, delay, speed and ``go_on`` act at once, in flight; the rest when the next flight begins.
    """

    task: str = "cartpole"
    controllers: tuple[str, ...] = ("teacher",)
    """One or two."""
    seed: int = 0
    """Of the episode that is flown, or that is next."""
    late: LateRule = LateRule.HOLD
    delay_ms: float = 0.0
    """Added to every answer's own latency."""
    in_flight: int = 1
    speed: float = 1.0
    """Seconds of the stage in a real one; 0: paused."""
    go_on: bool = True
    """The next seed follows by itself."""

    def as_json(self) -> Json:
        """Return what the page is told."""
        return {**asdict(self), "controllers": list(self.controllers)}


def page_may_fly(named: Sequence[str], anywhere: bool) -> Callable[[str], bool]:
    """Return what says whether a page may name a controller.

    A word may name a file to be run or read, or a server to be asked. So it may be any that was ``named`` on the
    command line, and one that names neither; and where only this machine can reach the page (``anywhere``), any but
    Python files.
    """
    free = {*named, *SCRIPTED, YOU}
    return lambda word: word in free or (anywhere and not word.startswith("python:"))


def changed(settings: Settings, changes: Mapping[str, Any], may_fly: Callable[[str], bool]) -> Settings:
    """Return the settings with what a page wants changed.

    Args:
        settings: as they are.
        changes: from the page, by name, not checked yet.
        may_fly: says of a controller's word whether a page may name it.

    Raises:
        OntickError: a setting that is not there, or a value that cannot be.
    """
    read = {name: _read(name, value) for name, value in changes.items()}
    for word in read.get("controllers", ()):
        if not may_fly(word):
            raise OntickError(f"{word} may be flown here only if it is named on the command line of `ontick watch`")
    return replace(settings, **read)


def _read(name: str, value: Any) -> Any:
    """Return a setting's value, checked.

    Raises:
        OntickError: it cannot be.
    """
    reader = _READERS.get(name)
    if reader is None:
        raise OntickError(f"there is no setting {name[:40]!r}; there are: {', '.join(sorted(_READERS))}")
    try:
        return reader(value)
    except (TypeError, ValueError) as error:
        raise OntickError(f"{name} cannot be {_short(value)}; give {error}") from None


def _task(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_WORD:
        raise TypeError("a task's name")
    return value


def _controllers(value: Any) -> tuple[str, ...]:
    words = cast("list[Any]", value) if isinstance(value, list) else []
    found = tuple(word.strip() for word in words if isinstance(word, str) and 0 < len(word.strip()) <= LONGEST_WORD)
    if not 1 <= len(found) <= LANES or len(found) != len(words) or not all(map(str.isprintable, found)):
        raise TypeError(f"a list of 1 to {LANES} controllers, each a word such as teacher")
    return found


def _whole(lowest: int, highest: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if type(value) is not int or not lowest <= value <= highest:
            raise ValueError(f"a whole number from {lowest} to {highest}")
        return value

    return read


def _late(value: Any) -> LateRule:
    try:
        return LateRule(value)
    except ValueError:
        raise ValueError(" or ".join(LateRule)) from None


def _delay_ms(value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value <= MAX_DELAY_MS:
        raise ValueError(f"milliseconds from 0 to {MAX_DELAY_MS}")
    return float(value)


def _speed(value: Any) -> float:
    if type(value) not in (int, float) or not (value == 0 or SLOWEST <= value <= 1):
        raise ValueError(f"0 (paused) or {SLOWEST:g} (slow) to 1 (real time)")
    return float(value)


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("true or false")
    return value


_READERS: dict[str, Callable[[Any], Any]] = {
    "task": _task,
    "controllers": _controllers,
    "seed": _whole(0, LARGEST_SEED),
    "late": _late,
    "delay_ms": _delay_ms,
    "in_flight": _whole(1, MOST_IN_FLIGHT),
    "speed": _speed,
    "go_on": _truth,
}


def _short(value: Any) -> str:
    said = repr(value)
    return said if len(said) <= 60 else f"{said[:57]}…"
