"""How is one value written, and what is a reader told of it?"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import TypeAlias

from ontick.tasks.base import Feature


class Numbers(StrEnum):
    """How a value is written."""

    WHOLE = "whole"
    """As a whole number of its last decimal: 0.12 m/s is 12."""
    TWO = "2"
    """With two decimals."""
    THREE = "3"
    """With three decimals."""
    LETTER = "letter"
    """As one letter, in equal steps from a (minus the feature's limit) over m (zero) to y: one token a value."""
    FINE = "fine"
    """As one letter too, in steps that are finest near zero: equal ones of the square root."""


LETTERS = "abcdefghijklmnopqrstuvwxy"
"""An odd number of them, so that zero has its own."""

ZERO = LETTERS[len(LETTERS) // 2]

Writer: TypeAlias = Callable[[float, Feature], str]


def explain(features: Sequence[Feature], numbers: Numbers) -> str:
    """Say which values are given, in their order, and what the writing of each stands for."""
    if numbers is Numbers.WHOLE:
        return ", ".join(f"{name} x {10**decimals}" if decimals else name for name, _, decimals, _ in features)
    if numbers is Numbers.LETTER:
        ranges = ", ".join(f"{feature.name} ({-feature.limit:g} to {feature.limit:g})" for feature in features)
        return f"{ranges}, each as a letter: {LETTERS[0]} lowest, {ZERO} zero, {LETTERS[-1]} highest"
    if numbers is Numbers.FINE:
        names = ", ".join(feature.name for feature in features)
        return f"{names}, each as a letter: {LETTERS[0]} lowest, {ZERO} zero, {LETTERS[-1]} highest"
    return ", ".join(feature.name for feature in features)


def _whole(value: float, feature: Feature) -> str:
    return str(round(value * 10**feature.decimals))


def _decimal(decimals: int) -> Writer:
    def write(value: float, feature: Feature) -> str:
        said = decimals if feature.decimals else 0
        return f"{round(value, said) + 0.0:.{said}f}"  # adding zero makes a negative zero positive

    return write


_STEPS = len(LETTERS) // 2
"""From zero to either end."""


def _letter(exponent: float) -> Writer:
    """Return what writes a value's share of its limit, to the power of ``exponent``, in equal steps."""

    def write(value: float, feature: Feature) -> str:
        share = min(1.0, abs(value / feature.limit)) ** exponent
        return LETTERS[_STEPS + round(math.copysign(share * _STEPS, value))]

    return write


WRITERS: Mapping[Numbers, Writer] = MappingProxyType(
    {
        Numbers.WHOLE: _whole,
        Numbers.TWO: _decimal(2),
        Numbers.THREE: _decimal(3),
        Numbers.LETTER: _letter(1),
        Numbers.FINE: _letter(0.5),
    }
)
"""What writes a value in each way."""

Reader: TypeAlias = Callable[[str, Feature], float]


def _read_letter(exponent: float) -> Reader:
    def read(said: str, feature: Feature) -> float:
        steps = LETTERS.index(said) - _STEPS
        return math.copysign(abs(steps / _STEPS) ** (1 / exponent), steps) * feature.limit

    return read


READERS: Mapping[Numbers, Reader] = MappingProxyType(
    {
        Numbers.WHOLE: lambda said, feature: int(said) / 10**feature.decimals,
        Numbers.TWO: lambda said, feature: float(said),
        Numbers.THREE: lambda said, feature: float(said),
        Numbers.LETTER: _read_letter(1),
        Numbers.FINE: _read_letter(0.5),
    }
)
"""What a reader makes of it: the value that is meant, as far as it is said."""
