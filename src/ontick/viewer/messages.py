"""What may a page say to the server? Each message is read whole and checked here; nothing else of it is used."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast
from unicodedata import category

from ontick.errors import OntickError
from ontick.records import Json
from ontick.viewer.settings import LANES

LONGEST_MESSAGE = 16_384
"""Bytes of a message; a page that sends more is disconnected."""

MOST_REACTIONS = 100
LONGEST_REACTION_MS = 10_000.0
LARGEST_STAMP = 2.0**53

LONGEST_QUESTION = 1000
"""Characters."""

UNSPEAKABLE = frozenset({"Cc", "Cs", "Co", "Cn"})
"""Kinds of characters that are in no question: control characters, halves of characters, and what is none."""


@dataclass(frozen=True)
class Fly:
    """Begin anew, with these settings changed."""

    changes: Mapping[str, Any]


@dataclass(frozen=True)
class Set:
    """Change settings; some act in flight."""

    changes: Mapping[str, Any]


@dataclass(frozen=True)
class Stop:
    """End what flies."""


@dataclass(frozen=True)
class Seize:
    """A person takes a lane's controls, or (``taken`` false) gives them back."""

    lane: int
    taken: bool


@dataclass(frozen=True)
class Key:
    """The action of the key that is held from now on; None: of none."""

    lane: int
    action: int | None


@dataclass(frozen=True)
class Reaction:
    """How long a person took to react, as the page measured it, in milliseconds."""

    times_ms: tuple[float, ...]


@dataclass(frozen=True)
class Ask:
    """A question to the model that flies on a lane."""

    lane: int
    text: str


@dataclass(frozen=True)
class Hush:
    """End the answer that a lane's model is writing, and those that wait."""

    lane: int


@dataclass(frozen=True)
class Ping:
    """Wants to be answered, with this number."""

    t: float


Message: TypeAlias = Fly | Set | Stop | Seize | Key | Reaction | Ask | Hush | Ping


def read_message(text: str | None) -> Message:
    """Return what a page says; None stands for a message that is no text.

    Raises:
        OntickError: that is none of the messages there are, or something in it cannot be.
    """
    if text is None:
        raise OntickError("messages are JSON text, not binary; see docs/watch.md")
    try:
        said = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise OntickError("that is no JSON; see docs/watch.md") from None
    what: Any = cast("Json", said).get("do") if isinstance(said, dict) else None
    reader = _READERS.get(what) if isinstance(what, str) else None
    if reader is None:
        raise OntickError(f"a message must say what to do: one of {', '.join(_READERS)}")
    try:
        return reader(cast("Json", said))
    except (KeyError, TypeError, ValueError) as error:
        missing = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise OntickError(f"{what} cannot be done like that: {missing}") from None


def _no_number(word: str) -> float:
    raise ValueError(word)


def _changes(said: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Any = said.get("settings", {})
    if not isinstance(found, dict):
        raise TypeError("settings must be an object")
    return cast("Json", found)


def _lane(said: Mapping[str, Any]) -> int:
    lane = said["lane"]
    if type(lane) is not int or not 0 <= lane < LANES:
        raise ValueError(f"lane must be 0 to {LANES - 1}")
    return lane


def _key(said: Mapping[str, Any]) -> Key:
    action = said["action"]
    if action is not None and (type(action) is not int or not 0 <= action < 1000):
        raise ValueError("action must be a number of the task's, or null")
    return Key(_lane(said), action)


def _ask(said: Mapping[str, Any]) -> Ask:
    found: Any = said["text"]
    text = found.strip() if isinstance(found, str) else ""
    if not 0 < len(text) <= LONGEST_QUESTION or any(category(letter) in UNSPEAKABLE for letter in text):
        raise ValueError(f"text must be a question in one line of at most {LONGEST_QUESTION} characters")
    return Ask(_lane(said), text)


def _reaction(said: Mapping[str, Any]) -> Reaction:
    found: Any = said["ms"]
    times = cast("list[Any]", found) if isinstance(found, list) else None
    if times is None or len(times) > MOST_REACTIONS:
        raise TypeError(f"ms must be a list of at most {MOST_REACTIONS} times")
    return Reaction(tuple(_number(time, LONGEST_REACTION_MS) for time in times))


def _number(value: Any, highest: float) -> float:
    if type(value) not in (int, float) or not 0 <= value <= highest:
        raise ValueError(f"a time must be a number from 0 to {highest:g}")
    return float(value)


_READERS: dict[str, Callable[[Mapping[str, Any]], Message]] = {
    "fly": lambda said: Fly(_changes(said)),
    "set": lambda said: Set(_changes(said)),
    "stop": lambda said: Stop(),
    "seize": lambda said: Seize(_lane(said), taken=True),
    "release": lambda said: Seize(_lane(said), taken=False),
    "key": _key,
    "reaction": _reaction,
    "ask": _ask,
    "hush": lambda said: Hush(_lane(said)),
    "ping": lambda said: Ping(_number(said["t"], LARGEST_STAMP)),
}
