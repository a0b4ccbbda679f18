"""Models whose memory cannot simply be cut answer as a full reading does."""

from __future__ import annotations

import functools
import math
import tempfile
from pathlib import Path
from typing import Any

import llama_cpp
import pytest

from ontick.contracts import LanguageModelContract
from ontick.models.catalog import load_model
from ontick.models.llama.model import LlamaCpp
from ontick.prompts import Layout, Prompt, PromptStyle
from ontick.tasks import find_task
from tiny_gguf import WINDOW, write_gemma3, write_lfm2

WRITERS = {"gemma3": write_gemma3, "lfm2": write_lfm2}


@functools.cache
def file(family: str) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="ontick-tiny-"))
    return WRITERS[family](folder / f"{family}.gguf")


@functools.cache
def model(family: str) -> LlamaCpp:
    loaded = load_model(f"gguf:{file(family)}")
    assert isinstance(loaded, LlamaCpp)
    return loaded


class TestGemma3(LanguageModelContract):
    HAS_SOMETHING_TO_SAY = False

    def make_model(self) -> LlamaCpp:
        return model("gemma3")


class TestLfm2(LanguageModelContract):
    HAS_SOMETHING_TO_SAY = False

    def make_model(self) -> LlamaCpp:
        return model("lfm2")


@pytest.mark.parametrize("layout", Layout)
@pytest.mark.parametrize("family", WRITERS)
def test_answers_are_those_of_a_full_reading_by_the_library_itself(family: str, layout: Layout) -> None:
    prompt = Prompt(find_task("lunarlander"), PromptStyle(layout=layout))
    library: Any = llama_cpp.Llama(str(file(family)), n_ctx=2048, flash_attn=False, logits_all=True, verbose=False)
    for number in range(6):
        messages = prompt.messages([0.1 * (number - 2) * (-1) ** k for k in range(8)])
        ours = model(family).choose(messages, prompt.choices)
        tokens = model(family).tokens(messages)
        assert len(tokens) > 4 * WINDOW
        library.reset()
        library.eval(tokens)
        answers = model(family).answer_tokens(messages, prompt.choices)
        logits = [float(library.scores[len(tokens) - 1, token]) for token in answers]
        total = math.log(sum(map(math.exp, logits)))
        assert ours.logprobs == pytest.approx([logit - total for logit in logits], abs=1e-3)
        if number > 2:
            assert ours.prefix_tokens > ours.new_tokens, "the constant beginning is not read again"


@pytest.mark.parametrize("family", WRITERS)
def test_the_system_turn_stands_in_the_first_user_turn_where_there_is_no_system_role(family: str) -> None:
    prompt = Prompt(find_task("cartpole"))
    text = model(family).render(prompt.messages([0.0] * 4))
    assert text.startswith("<bos><start_of_turn>user\nA pole stands on a cart.")
    assert text.endswith("<end_of_turn>\n<start_of_turn>model\n")


@pytest.mark.parametrize("family", WRITERS)
def test_a_state_that_changes_in_the_middle_of_a_conversation_is_read_right(family: str) -> None:
    prompt = Prompt(find_task("cartpole"))
    fresh = load_model(f"gguf:{file(family)}")
    for state in ([0.1] * 4, [-0.1] * 4):
        asked, answered = prompt.messages(state), prompt.answered(state, 1)
        for messages in (asked, [*answered, asked[-1]], asked):
            kept = model(family).choose(messages, prompt.choices)
            assert kept.logprobs == pytest.approx(fresh.choose(messages, prompt.choices).logprobs, abs=1e-3)
