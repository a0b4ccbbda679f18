"""Which numbers does a text say, in figures or written out? English, up to millions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

_PIECE = re.compile(r"(?<![\w.,])-?\d+(?:,\d{3})*(?:\.\d+)?|(?<![\w.])\d+|[a-z]+")
"""A number in figures, or a word."""

_UP_TO_NINETEEN = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"

_VALUES: Mapping[str, int] = {
    **{word: value for value, word in enumerate(_UP_TO_NINETEEN.split(" "))},
    **{word: 10 * value for value, word in enumerate(_TENS.split(" "), start=2)},
}
_FACTORS: Mapping[str, int] = {"hundred": 100, "thousand": 1000, "million": 1_000_000}


def numbers_in(text: str) -> list[float]:
    """Return the numbers that a text says, in order.

    "One" counts only where no other number is said: it is hardly ever meant as one. A figure within a word (H2O)
    is none.
    """
    found: list[float] = []
    ones: set[int] = set()
    words: list[str] = []

    def end_of_number() -> None:
        if words:
            if words == ["one"]:
                ones.add(len(found))
            found.append(_value(words))
            words.clear()

    for piece in _PIECE.findall(text.lower()):
        if piece in _VALUES:
            if words and not _goes_on(words[-1], piece):
                end_of_number()
            words.append(piece)
        elif piece in _FACTORS and words:
            words.append(piece)
        elif piece != "and" or not words or words[-1] not in _FACTORS:
            end_of_number()
            if not piece.isalpha():
                found.append(float(piece.replace(",", "")))
    end_of_number()
    if len(ones) == len(found):
        return found
    return [number for place, number in enumerate(found) if place not in ones]


def _goes_on(before: str, word: str) -> bool:
    """Say whether a number goes on with ``word``: "twenty four" does, "four five" does not."""
    return before in _FACTORS or (_VALUES[before] >= 20 and 1 <= _VALUES[word] <= 9)


def _value(words: Sequence[str]) -> float:
    whole = part = 0
    for word in words:
        factor = _FACTORS.get(word)
        if factor is None:
            part += _VALUES[word]
        elif factor == 100:
            part *= factor
        else:
            whole, part = whole + part * factor, 0
    return whole + part
