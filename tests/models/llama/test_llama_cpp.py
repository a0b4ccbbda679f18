"""llama.cpp answers as it should: against a full reading by the library's own high-level class."""

from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import Any

import llama_cpp
import pytest

from ontick.contracts import LanguageModelContract
from ontick.errors import OntickError
from ontick.models.base import Message, ModelOptions
from ontick.models.catalog import embedded_path, load_model
from ontick.models.llama.model import LlamaCpp
from ontick.prompts import Prompt
from ontick.tasks import find_task


@functools.cache
def embedded() -> LlamaCpp:
    model = load_model("smollm2", ModelOptions(quantisation="as-is"))
    assert isinstance(model, LlamaCpp)
    return model


class TestEmbeddedModel(LanguageModelContract):
    ROUNDING_NATS = 0.3

    def make_model(self) -> LlamaCpp:
        return embedded()


@pytest.mark.parametrize("name", ["cartpole", "lunarlander"])
def test_choices_are_those_of_a_full_reading_by_the_library_itself(name: str) -> None:
    prompt = Prompt(find_task(name))
    size = len(prompt.task.features)
    library: Any = llama_cpp.Llama(str(embedded_path()), n_ctx=512, flash_attn=False, logits_all=True, verbose=False)
    for number in range(4):
        messages = prompt.messages([0.1 * (number - 2) * (-1) ** k for k in range(size)])
        ours = embedded().choose(messages, prompt.choices)
        tokens = library.tokenize(_template(messages).encode(), add_bos=False, special=True)
        library.reset()
        library.eval(tokens)
        answers = [library.tokenize(word.encode(), add_bos=False)[0] for word in prompt.choices]
        logits = [float(library.scores[len(tokens) - 1, token]) for token in answers]
        total = math.log(sum(map(math.exp, logits)))
        assert ours.logprobs == pytest.approx([logit - total for logit in logits], abs=1e-4)
        assert ours.prefix_tokens + ours.new_tokens == len(tokens)


def _template(messages: list[Message]) -> str:
    """SmolLM2's template written out, as its model card gives it."""
    turns = "".join(f"<|im_start|>{message.role}\n{message.content}<|im_end|>\n" for message in messages)
    return turns + "<|im_start|>assistant\n"


def test_it_says_which_weights_it_runs() -> None:
    assert "SmolLM2-135M" in embedded().info.name


def test_a_model_knows_something() -> None:
    asked = [Message("user", "What is the capital of France? A: Berlin, B: Paris. Answer with the letter.")]
    assert embedded().choose(asked, ("A", "B")).index in (0, 1)
    counting = [Message("user", "Continue the sequence with the next digit: 1 2 3 4 5 6 7")]
    digits = tuple("0123456789")
    choice = embedded().choose(counting, digits)
    assert choice.logprobs[8] > choice.logprobs[0]


def test_what_it_writes_are_words() -> None:
    said = embedded().complete([Message("user", "What is 2 + 2?")], 32)
    assert "4" in said.text
    assert said.text.isprintable()
    assert said.completion_tokens is not None
    assert 0 < said.completion_tokens <= 32


def test_a_path_is_taken_as_a_model_too() -> None:
    model = load_model(f"gguf:{embedded_path()}")
    assert model.choose([Message("user", "1 or 0?")], ("0", "1")).index in (0, 1)


@pytest.mark.parametrize(
    ("content", "complaint"), [(None, "cannot read"), (b"", "is not a GGUF"), (b"PK\x03\x04 zip", "is not a GGUF")]
)
def test_what_is_no_model_is_said_so(tmp_path: Path, content: bytes | None, complaint: str) -> None:
    path = tmp_path / "model.gguf"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(OntickError, match=complaint):
        load_model(f"gguf:{path}")


def test_a_file_cut_short_is_said_so_and_nothing_else_is(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "cut.gguf"
    path.write_bytes(embedded_path().read_bytes()[:5_000_000])
    with pytest.raises(OntickError, match=r"llama\.cpp cannot load"):
        load_model(f"gguf:{path}")
    assert capfd.readouterr().err == ""


def test_a_folder_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(OntickError, match="cannot read"):
        load_model(f"gguf:{tmp_path}")


def test_no_path_at_all_is_said_so() -> None:
    with pytest.raises(OntickError, match="write gguf:PATH"):
        load_model("gguf:")
