"""What keeps a model near its base while it learns, and what measures how much is left? Made before the first step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ontick.evaluation.episodes import Progress
from ontick.evaluation.questions import Question, choose_questions
from ontick.learning.sft import guard
from ontick.learning.sft.aim import Aim, directions_of, everywhere
from ontick.learning.sft.anchor import Anchor
from ontick.learning.sft.general import Chat, choose_chats
from ontick.learning.sft.model import Student, load_word
from ontick.learning.sft.moments import Texts, sensitivities
from ontick.learning.sft.rehearsal import Keeper, rehearsal_of
from ontick.learning.sft.retention import Retention
from ontick.learning.sft.settings import SftSettings
from ontick.learning.sft.shared import BatchReader
from ontick.learning.sft.talk import Talk, talk_of
from ontick.learning.sft.tokens import Examples
from ontick.learning.sft.transfer import transfer
from ontick.models.base import ModelOptions
from ontick.models.hf.conversation import Conversation
from ontick.models.hf.load import Loaded

AIMED_BY = 200
"""Prompts by which an adapter is aimed."""

TRANSFERRED_BY = 100
"""Prompts by which one that flies already is brought there."""

ANCHORED_BY = 100
"""Conversations that are followed back through the layers."""


class Known(NamedTuple):
    """What is read of a model's general knowledge."""

    chats: Sequence[Chat]
    """To rehearse."""
    questions: Sequence[Question]
    """By which it is measured what is left."""


def known_to(settings: SftSettings) -> Known:
    """Return what a training with such settings reads.

    Raises:
        OntickError: a file that they name is not there, or malformed.
    """
    return Known(
        choose_chats(settings.keep.conversations) if settings.keep.on else (),
        choose_questions(settings.keep.questions) if settings.remembers else (),
    )


class Kept(NamedTuple):
    """What keeps a model near its base."""

    keeper: Keeper | None = None
    """Who rehearses."""
    retention: Retention | None = None
    """Who measures what is left, in the main process."""
    aim: Aim | None = None
    """What holds an adapter to the flying prompts' directions."""
    anchor: Anchor | None = None
    """What holds it to its base."""


@dataclass(frozen=True)
class Preparation:
    """Makes what is kept by: from what the base says in general conversations, and from the examples of flying."""

    settings: SftSettings
    student: Student
    reader: BatchReader
    """How the student reads them."""
    examples: Examples
    digest: str
    """SHA-256 of the base's weights."""
    progress: Progress

    def of(self, known: Known, *, goes_on: bool, measures: bool) -> Kept:
        """Return what the settings ask for.

        Args:
            known: what is read of the base's general knowledge.
            goes_on: whether the student flies already; its adapter is brought to where it is to be aimed.
            measures: whether what is left will be measured here.

        Raises:
            OntickError: the student reads the conversations as other tokens than its base, or there is nothing in some
                layer to aim at.
        """
        settings = self.settings
        base = load_word(settings.base, ModelOptions(dtype=settings.dtype, device=settings.device))
        keeper = aim = anchor = None
        if known.chats:
            keep = settings.keep
            guard.check_same_chats(
                self.student.asker.conversation, Conversation(base.tokenizer, base.name), known.chats
            )
            if keep.rehearses:
                talk = self._talk(base, known.chats, min(settings.conversations_drawn, keep.distinct))
                keeper = Keeper(rehearsal_of(base, talk, self.digest), self.reader, kl=keep.kl, replay=keep.replay)
            if keep.knows_layers:
                aim, anchor = self._layers(self._talk(base, known.chats, keep.heard), goes_on=goes_on)
        retention = self._retention(base, known.questions) if measures else None
        return Kept(keeper, retention, aim, anchor)

    def _talk(self, base: Loaded, chats: Sequence[Chat], count: int) -> Talk:
        """Return so many of the conversations, with the base's answers."""
        return talk_of(base, first_drawn(chats, count), self.settings.keep.answer_tokens, self.digest, self.progress)

    def _retention(self, base: Loaded, questions: Sequence[Question]) -> Retention:
        some = guard.spread(len(self.examples.suffixes), guard.LOOKED_AT)
        return Retention(base, questions, [self.examples.whole(number) for number in some], self.digest)

    def _layers(self, talk: Talk, *, goes_on: bool) -> tuple[Aim | None, Anchor | None]:
        """Return what holds an adapter in each of its layers."""
        model, reader, keep = self.student.model, self.reader, self.settings.keep
        aim = anchor = None
        heard = _some(talk, len(talk))
        if keep.aim:
            directions = directions_of(model, reader, self._flying(AIMED_BY), heard, keep.aim)
            aim = Aim(model, directions)
            if goes_on and not aim.is_held():
                transfer(model, reader, self._flying(TRANSFERRED_BY), directions)
        else:
            directions = everywhere(model, reader, heard)
        if keep.anchor:
            followed = sensitivities(model, reader, _some(talk, ANCHORED_BY))
            anchor = Anchor(model, directions, followed, keep.anchor)
        return aim, anchor

    def _flying(self, count: int) -> Texts:
        """Return some flying prompts."""
        suffixes = self.examples.suffixes
        some = guard.spread(len(suffixes), count)
        return Texts(self.examples.prefix, [suffixes[number].tolist() for number in some])


def first_drawn(chats: Sequence[Chat], count: int) -> list[Chat]:
    """Return up to ``count`` of them, drawn: fewer are some of more, so that no answer is made twice."""
    drawn = np.random.default_rng(0).permutation(len(chats))[:count]
    return [chats[number] for number in sorted(drawn.tolist())]


def _some(talk: Talk, count: int) -> Texts:
    """Return some conversations; what all begin with counts as often as they do."""
    chosen = guard.spread(len(talk), count)
    return Texts([], [talk.whole(number) for number in chosen])
