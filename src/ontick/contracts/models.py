"""What does the language-model controller rely on in a model?"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pytest

from ontick.errors import OntickError
from ontick.models.base import LanguageModel, LocalModel, Message, Reading, TalkingModel

BEGINNINGS = ("<bos>", "<s>", "<|begin_of_text|>")
"""What models begin every text with; chat templates write it themselves."""


class WritingModelContract(ABC):
    """What the language-model controller relies on in a model that answers in text, an API for one."""

    QUESTIONS = ("1 2 3", "40 -2 0", "1 2 3", "-7")
    HAS_SOMETHING_TO_SAY: ClassVar[bool] = True
    """False: random weights, which may end an answer before it begins."""

    @abstractmethod
    def make_model(self) -> LanguageModel:
        """Return the model under test; it may be made once and shared."""

    def test_it_says_how_it_can_be_read_and_refuses_the_rest(self) -> None:
        model = self.make_model()
        assert Reading.GENERATE in model.info.readings
        if Reading.SCORE not in model.info.readings:
            with pytest.raises(OntickError, match="--reading"):
                model.choose(_conversation("5 5"), ("0", "1"))

    def test_what_it_writes_is_timed_and_short(self) -> None:
        model = self.make_model()
        model.warm_up(_conversation("5 5"))
        said = model.complete(_conversation("5 5"), 3)
        if not (said.text or self.HAS_SOMETHING_TO_SAY):
            assert (said.ttft_ms is None) == (said.completion_tokens == 0)
            return
        assert said.text
        assert said.ttft_ms is not None
        assert 0 < said.ttft_ms <= said.elapsed_ms
        assert said.completion_tokens is None or 1 <= said.completion_tokens <= 3
        assert said.prompt_tokens is None or said.prompt_tokens > 1

    def test_what_it_writes_does_not_depend_on_what_was_asked_before(self) -> None:
        model = self.make_model()
        model.warm_up(_conversation("5 5"))
        asked = [model.complete(_conversation(question), 3).text for question in self.QUESTIONS]
        again = [model.complete(_conversation(question), 3).text for question in reversed(self.QUESTIONS)]
        assert again[::-1] == asked

    def test_several_threads_may_ask_at_once(self) -> None:
        model = self.make_model()
        model.warm_up(_conversation("5 5"))
        alone = [model.complete(_conversation(question), 3).text for question in self.QUESTIONS]
        with ThreadPoolExecutor(len(alone)) as threads:
            asked = [threads.submit(model.complete, _conversation(question), 3) for question in self.QUESTIONS]
        assert [answer.result().text for answer in asked] == alone


class LanguageModelContract(WritingModelContract):
    """What the language-model controller relies on in a model that tells scores too."""

    ROUNDING_NATS: ClassVar[float] = 5e-3
    """How far a log-probability may move when tokens are read one after another, not together: some processors have
    other kernels for one token of quantised weights than for several."""

    def test_log_probabilities_are_normalised_and_the_index_is_their_top(self) -> None:
        choice = self.make_model().choose(_conversation("5 5"), ("0", "1", "2"))
        assert math.isclose(math.fsum(map(math.exp, choice.logprobs)), 1, rel_tol=1e-9)
        assert choice.logprobs[choice.index] == max(choice.logprobs)

    def test_answers_do_not_depend_on_what_was_asked_before(self) -> None:
        model = self.make_model()
        asked = [model.choose(_conversation(question), ("0", "1")) for question in self.QUESTIONS]
        for question, before in reversed(list(zip(self.QUESTIONS, asked, strict=True))):
            again = model.choose(_conversation(question), ("0", "1"))
            assert again.index == before.index
            # Reading a prompt in pieces of other sizes may round differently, but only just.
            assert again.logprobs == pytest.approx(before.logprobs, abs=1e-3)

    def test_a_shared_beginning_is_read_once(self) -> None:
        model = self.make_model()
        model.choose(_conversation("1 2 2"), ("0", "1"))
        first = model.choose(_conversation("1 2 3"), ("0", "1"))
        second = model.choose(_conversation("1 2 4"), ("0", "1"))
        assert second.prefix_tokens + second.new_tokens == first.prefix_tokens + first.new_tokens
        assert second.new_tokens < second.prefix_tokens

    def test_choices_of_several_tokens_are_refused(self) -> None:
        with pytest.raises(OntickError, match="one token"):
            self.make_model().choose(_conversation("5"), ("0", "a rather long answer"))

    def test_choices_that_are_the_same_are_refused(self) -> None:
        with pytest.raises(OntickError, match="same token"):
            self.make_model().choose(_conversation("5"), ("0", "0"))

    def test_a_prompt_longer_than_the_context_is_refused(self) -> None:
        with pytest.raises(OntickError, match="tokens"):
            self.make_model().choose(_conversation("1 2 3 4 5 6 7 8 " * 20_000), ("0", "1"))

    def test_what_is_written_is_the_same_every_time(self) -> None:
        model = self.make_model()
        first = [model.complete(_conversation(question), 3) for question in self.QUESTIONS]
        again = [model.complete(_conversation(question), 3) for question in reversed(self.QUESTIONS)]
        assert [said.text for said in first] == [said.text for said in reversed(again)]
        assert all((said.completion_tokens or 0) <= 3 for said in first)

    def test_the_likeliest_tokens_are_those_that_it_writes(self) -> None:
        model = _local(self.make_model())
        for question in self.QUESTIONS:
            asked = _conversation(question)
            model.warm_up(_conversation("5 5"))
            written = model.complete(asked, 4).tokens
            assert written is not None
            rows = model.logprobs(asked, written)
            assert rows.shape[0] == len(written) + 1
            assert np.exp(rows.astype(float)).sum(axis=1) == pytest.approx(1, abs=1e-5)
            for row, token in zip(rows, written, strict=False):
                assert row[token] == pytest.approx(row.max(), abs=self.ROUNDING_NATS)
            assert model.complete(asked, 4).tokens == written, "reading an answer changes none"

    def test_log_probabilities_of_all_tokens_are_those_of_the_choices(self) -> None:
        model = _local(self.make_model())
        for question in self.QUESTIONS:
            asked = _conversation(question)
            model.warm_up(_conversation("5 5"))
            among = model.logprobs(asked, ())[0, model.answer_tokens(asked, ("0", "1"))].astype(float)
            expected = among - np.log(np.exp(among).sum())
            model.warm_up(_conversation("5 5"))
            assert model.choose(asked, ("0", "1")).logprobs == pytest.approx(tuple(expected.tolist()), abs=5e-3)

    def test_what_is_said_of_a_token_does_not_depend_on_what_the_answer_goes_on_with(self) -> None:
        model = _local(self.make_model())
        asked = _conversation("1 2 3")
        one, other, alone = (model.answer_tokens(asked, (word,))[0] for word in "017")
        rows = model.logprobs(asked, [one, other, alone])
        again = model.logprobs(asked, [one])
        assert again.shape == (2, rows.shape[1])
        assert _distance_nats(rows[:2], again) < self.ROUNDING_NATS
        assert _distance_nats(rows[:1], rows[2:3]) > self.ROUNDING_NATS, "what has been said makes a difference"

    def test_an_answer_longer_than_the_context_is_refused(self) -> None:
        model = _local(self.make_model())
        with pytest.raises(OntickError, match="tokens"):
            model.logprobs(_conversation("5"), [3] * 100_000)

    def test_a_plain_text_is_as_likely_as_the_same_words_in_a_conversation(self) -> None:
        model = _local(self.make_model())
        asked = _conversation("1 2 3")
        text = model.render(asked)
        for begins in BEGINNINGS:
            text = text.removeprefix(begins)
        (token,) = model.answer_tokens(asked, ("0",))
        expected = model.logprobs(asked, [token])[0, token]
        found = model.text_logprobs(f"{text}0")
        assert found.shape == (len(model.tokens(asked)),)
        assert (found <= 0).all()
        assert found[-1] == pytest.approx(expected, abs=self.ROUNDING_NATS)
        longer = model.text_logprobs(f"{text}0\n\nAnd then?")
        assert longer[: len(found)] == pytest.approx(found, abs=self.ROUNDING_NATS)

    def test_a_text_longer_than_the_context_is_refused(self) -> None:
        with pytest.raises(OntickError, match="tokens"):
            _local(self.make_model()).text_logprobs("1 2 3 4 5 6 7 8 " * 20_000)

    def test_what_is_said_piece_by_piece_is_what_it_writes(self) -> None:
        model = _talking(self.make_model())
        for question in self.QUESTIONS[:2]:
            asked = _conversation(question)
            said = list(model.say(asked, 4))
            written = model.complete(asked, 4)
            tokens = [piece.token for piece in said if piece.token is not None]
            if tokens == list(written.tokens or ()):
                assert "".join(piece.text for piece in said) == written.text
            for row, token in zip(_local(model).logprobs(asked, tokens), tokens, strict=False):
                assert row[token] == pytest.approx(row.max(), abs=self.ROUNDING_NATS)
            assert len(tokens) == 4 or self.ROUNDING_NATS > 0.01 or len(tokens) == written.completion_tokens

    def test_decisions_are_the_same_while_an_answer_is_written(self) -> None:
        model = _talking(self.make_model())
        model.warm_up(_conversation("5 5"))
        alone = [model.choose(_conversation(question), ("0", "1")) for question in self.QUESTIONS]
        said = [piece.token for piece in model.say(_conversation("8 9"), 3)]
        meanwhile: list[int | None] = []
        with closing(model.say(_conversation("8 9"), 3)) as pieces:
            for question, before in zip(self.QUESTIONS, alone, strict=True):
                choice = model.choose(_conversation(question), ("0", "1"))
                assert choice.index == before.index
                assert choice.logprobs == pytest.approx(before.logprobs, abs=1e-3)
                assert choice.new_tokens <= before.new_tokens, "what decisions share is not pushed out"
                meanwhile += [piece.token for piece in islice(pieces, 1)]
        assert meanwhile == said[: len(meanwhile)]

    def test_one_answer_is_written_at_a_time_and_can_be_ended(self) -> None:
        model = _talking(self.make_model())
        asked = _conversation("1 2 3")
        whole = list(model.say(asked, 3))
        begun = model.say(asked, 3)
        if next(begun, None) is not None:
            with pytest.raises(OntickError, match="still answering"):
                next(model.say(asked, 3))
        begun.close()
        assert list(model.say(asked, 3)) == whole

    def test_a_conversation_has_the_room_that_is_said(self) -> None:
        model = _talking(self.make_model())
        assert model.room(_conversation("1 2 3")) > model.room(_conversation("1 2 3 4 5 6")) > 0
        endless = _conversation("1 2 3 4 5 6 7 8 " * 1_000)
        assert model.room(endless) < 1
        with pytest.raises(OntickError, match="tokens"):
            list(model.say(endless, 3))

    def test_no_choice_is_preferred_to_what_the_model_writes(self) -> None:
        model, compared = self.make_model(), 0
        for question in self.QUESTIONS:
            written = model.complete(_conversation(question), 1).text
            if len(written) < 2:  # tokenizers may have a letter twice, as itself and as a byte
                continue
            try:
                choice = model.choose(_conversation(question), (*"0123456789", written))
            except OntickError:  # what is written is no token of its own: nothing, or half a letter
                continue
            compared += 1
            assert choice.index == 10
        if not compared:
            pytest.skip("this model writes nothing that could be offered as a choice")


def _local(model: LanguageModel) -> LocalModel:
    if not isinstance(model, LocalModel):
        pytest.skip("its tokens cannot be looked at")
    return model


def _talking(model: LanguageModel) -> TalkingModel:
    if not isinstance(model, TalkingModel):
        pytest.skip("it cannot be talked with")
    return model


def _distance_nats(ours: npt.NDArray[np.float32], theirs: npt.NDArray[np.float32]) -> float:
    """Return how far log-probabilities are apart, weighted by how likely each token is; the worst row."""
    return float((np.exp(ours) * np.abs(ours - theirs)).sum(axis=1).max())


def _conversation(question: str) -> list[Message]:
    return [
        Message("system", "You steer a boat. You are given numbers. Answer with one digit: 0 = left, 1 = right."),
        Message("user", question),
    ]
