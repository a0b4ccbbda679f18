"""How is a time in milliseconds written? Roughly in a sentence, more closely in a table."""

from __future__ import annotations


def rounded_ms(milliseconds: float) -> str:
    """Write a time for a sentence, without its unit: whole from 10 on."""
    return f"{milliseconds:.0f}" if milliseconds >= 10 else f"{milliseconds:.1f}"


def in_ms(milliseconds: float) -> str:
    """Write a time for a sentence: "12 ms", "3.4 ms"."""
    return f"{rounded_ms(milliseconds)} ms"


def precise_ms(milliseconds: float) -> str:
    """Write a time for a table, without its unit: as many decimals as are worth showing."""
    return f"{milliseconds:.{0 if milliseconds >= 100 else 1 if milliseconds >= 0.1 else 2}f}"
