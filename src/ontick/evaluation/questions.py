"""Which ordinary questions is a language model asked, and is an answer right? Nothing here has to do with control.

A file holds one JSON object a line, ``{"kind": "capitals", "question": "What is the capital of France?", "says":
["Paris"]}``: what it is about, the question, and one of

- ``says``, or ``answers``: words or phrases, one of which the answer has to say, as whole words;
- ``number``: what the first number of the answer has to be that is not in the question already;
- ``choice`` and ``of``: which of several words or phrases the answer has to name first;
- ``pattern``: a regular expression that the whole answer has to match;
- ``words``: how many different words the answer has to have at least, and hardly anything but words.

Without a kind it is one of your ``own``. Case, accents and punctuation do not matter (but to ``pattern`` all except
case do), and numbers may be written out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias, cast

from ontick.evaluation.numerals import numbers_in
from ontick.json_lines import read_lines

SHIPPED = Path(__file__).with_name("questions.jsonl")

ALL, FEW, NONE = "all", "few", "none"

OWN = "own"
"""The kind of a question that has none."""

FEW_QUESTIONS = ("What is 2 + 2?", "Name a color.", "Tell me a joke.", "What is the capital of France?")

_MOSTLY = 0.9
"""Of the signs of a sentence: letters and what stands between them."""

Check: TypeAlias = Callable[[str, str], bool]
"""Says whether an answer, the second, is right for a question, the first."""


@dataclass(frozen=True)
class Question:
    """What is asked, and how an answer is judged."""

    kind: str
    text: str
    check: Check

    def right(self, answer: str) -> bool:
        """Say whether ``answer`` is right."""
        return self.check(self.text, answer)


def choose_questions(word: str) -> tuple[Question, ...]:
    """Return the questions that ``word`` means: ``all`` that ship, a ``few`` of them, ``none``, or those of a file.

    ``all+FILE`` and ``few+FILE`` mean both.

    Raises:
        OntickError: there is no such file, or it is malformed.
    """
    if word == NONE:
        return ()
    ours, joined, file = word.partition("+")
    if joined and ours in (ALL, FEW):
        return (*choose_questions(ours), *read_questions(Path(file).expanduser()))
    if word not in (ALL, FEW):
        return read_questions(Path(word).expanduser())
    shipped = read_questions(SHIPPED)
    if word == ALL:
        return shipped
    by_text = {question.text: question for question in shipped}
    return tuple(by_text[text] for text in FEW_QUESTIONS)


def read_questions(path: Path) -> tuple[Question, ...]:
    """Read a file of questions, in its order; empty lines are passed over.

    Raises:
        OntickError: there is no such file, it holds no question, or one of its lines is none.
    """
    return read_lines(
        path,
        _question,
        what="question",
        example='{"kind": "capitals", "question": "What is the capital of Italy?", "says": ["Rome"]}',
        instead=f"give --questions {ALL}, {FEW}, {NONE}, a file, or {ALL}+FILE",
        empty=f"write one a line, or use --questions {NONE}",
    )


def _question(fields: Any) -> Question:
    if not isinstance(fields, dict):
        raise TypeError("it is no JSON object")
    found = dict(cast("dict[str, Any]", fields))
    kind, text = found.pop("kind", OWN), found.pop("question", None)
    if not (isinstance(kind, str) and isinstance(text, str) and kind.strip() and text.strip()):
        raise TypeError("kind and question must be texts")
    for needed, make in _CHECKS.items():
        if set(found) == set(needed):
            return Question(kind, text, make(*(found[name] for name in needed)))
    forms = ", ".join(" and ".join(needed) for needed in _CHECKS)
    raise ValueError(f"besides kind and question it needs one of: {forms}")


def _says(phrases: Any) -> Check:
    wanted = _phrases(phrases)
    return lambda question, answer: any(_place(phrase, said_words(answer)) is not None for phrase in wanted)


def _number(value: Any) -> Check:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no number")

    def check(question: str, answer: str) -> bool:
        asked, said = numbers_in(question), numbers_in(answer)
        news = [number for number in said if number not in asked]
        return bool(said) and (news[0] if news else said[-1]) == value

    return check


def _choice(wanted: Any, among: Any) -> Check:
    options = _phrases(among)
    (right,) = _phrases([wanted])
    if right not in options or len(options) < 2:
        raise ValueError("choice must be one of several")

    def check(question: str, answer: str) -> bool:
        words = said_words(answer)
        places = {option: _place(option, words) for option in options}
        named = [(place, option) for option, place in places.items() if place is not None]
        return bool(named) and min(named)[1] == right

    return check


def _pattern(expression: Any) -> Check:
    if not isinstance(expression, str):
        raise TypeError("pattern must be a text")
    try:
        compiled = re.compile(expression, re.IGNORECASE | re.DOTALL)
    except re.error as error:
        raise ValueError(str(error)) from error
    return lambda question, answer: compiled.fullmatch(answer.strip()) is not None


def _words(least: Any) -> Check:
    if isinstance(least, bool) or not isinstance(least, int) or least < 1:
        raise TypeError(f"{least!r} is no number of words")

    def check(question: str, answer: str) -> bool:
        signs = "".join(answer.split())
        words = {word for word in said_words(answer) if word.isalpha()}
        return len(words) >= least and sum(map(_is_of_a_sentence, signs)) >= _MOSTLY * len(signs)

    return check


def _is_of_a_sentence(sign: str) -> bool:
    return sign.isalpha() or sign in ".,;:!?'\"()-"


_CHECKS: Mapping[tuple[str, ...], Callable[..., Check]] = MappingProxyType(
    {
        ("says",): _says,
        ("answers",): _says,
        ("number",): _number,
        ("choice", "of"): _choice,
        ("pattern",): _pattern,
        ("words",): _words,
    }
)


def said_words(text: str) -> list[str]:
    """Return the words of a text in small letters, without accents and punctuation."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return re.findall(r"[a-z0-9]+", re.sub("['\u2019]", "", plain.lower()))


def _phrases(given: Any) -> list[tuple[str, ...]]:
    if not isinstance(given, list) or not given:
        raise TypeError("a list of texts is needed")
    texts = cast("list[Any]", given)
    phrases = [tuple(said_words(text)) if isinstance(text, str) else () for text in texts]
    if not all(phrases):
        raise TypeError("a list of texts is needed")
    return phrases


def _place(phrase: Sequence[str], words: Sequence[str]) -> int | None:
    """Return where a phrase is first said, or None."""
    size = len(phrase)
    return next((n for n in range(len(words) - size + 1) if tuple(words[n : n + size]) == tuple(phrase)), None)
