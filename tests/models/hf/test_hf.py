"""Every family's model answers as transformers' own full reading of the same prompt, whatever was asked before."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
import transformers

import families
from ontick.contracts import LanguageModelContract
from ontick.evaluation.retention import divergence_nats
from ontick.models.base import Message, ModelOptions
from ontick.models.catalog import load_model
from ontick.models.hf.load import dtype_of
from ontick.models.hf.model import HuggingFace
from ontick.models.hf.read import floats
from ontick.models.llama.model import LlamaCpp
from ontick.prompts import Layout, Prompt, PromptStyle
from ontick.tasks import find_task

_transformers: Any = transformers

EXACT = ModelOptions(dtype="float32", threads=1)
AS_IT_IS = ModelOptions(quantisation="as-is", threads=1)


@functools.cache
def family(name: str) -> HuggingFace:
    return HuggingFace(str(families.folder_of(name)), options=EXACT)


class Family(LanguageModelContract):
    HAS_SOMETHING_TO_SAY = False

    name: ClassVar[str]

    def make_model(self) -> HuggingFace:
        return family(self.name)


class TestSmolLM2(Family):
    name = "smollm2"


class TestQwen25(Family):
    name = "qwen2.5"


class TestQwen3(Family):
    name = "qwen3"


class TestLlama32(Family):
    name = "llama3.2"


class TestGemma2(Family):
    name = "gemma2"


class TestGemma3(Family):
    name = "gemma3-1b"


class TestGemma3WithEyes(Family):
    name = "gemma3-4b"


class TestGemma4(Family):
    name = "gemma4-e2b"


@functools.cache
def embedded() -> HuggingFace:
    model = load_model("hf:smollm2", EXACT)
    assert isinstance(model, HuggingFace)
    return model


class TestEmbeddedModel(LanguageModelContract):
    def make_model(self) -> HuggingFace:
        return embedded()


def states(prompt: Prompt, count: int) -> list[list[float]]:
    rng = np.random.default_rng(0)
    return rng.normal(scale=0.5, size=(count, len(prompt.task.features))).tolist()


def folded(messages: Sequence[Message]) -> list[dict[str, str]]:
    """Put the system's words before the first question, as one does by hand for a template without a system role."""
    system, first, *rest = messages
    return [turn._asdict() for turn in (Message("user", f"{system.content}\n\n{first.content}"), *rest)]


def by_transformers(name: str, messages: Sequence[Message]) -> str:
    """Return the prompt as the tokenizer's own apply_chat_template writes it."""
    _, tokenizer = families.plain_model(name)
    turns = folded(messages) if name == "gemma2" else [turn._asdict() for turn in messages]
    # What a model is told of the day is the same every day.
    fixed = {"enable_thinking": False, "date_string": "26 Jul 2024"}
    return tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True, **fixed)


CASES = [
    (name, task, examples) for name in families.FAMILIES for task in ("cartpole", "lunarlander") for examples in (0, 2)
]


@pytest.mark.parametrize(("name", "task", "examples"), CASES)
def test_choices_are_those_of_a_full_reading_by_the_library_itself(name: str, task: str, examples: int) -> None:
    known = find_task(task)
    prompt = Prompt(known, PromptStyle(examples=min(examples, len(known.examples))))
    model, tokenizer = families.plain_model(name)
    for state in states(prompt, 4):
        messages = prompt.messages(state)
        text = by_transformers(name, messages)
        assert family(name).render(messages) == text
        tokens = tokenizer(text, add_special_tokens=False).input_ids
        assert family(name).tokens(messages) == tokens
        with torch.inference_mode():
            logits: torch.Tensor = model(torch.tensor([tokens])).logits[0, -1].double()
        answers = [tokenizer(text + word, add_special_tokens=False).input_ids[-1] for word in prompt.choices]
        expected = floats(torch.log_softmax(logits[answers], -1))
        assert family(name).choose(messages, prompt.choices).logprobs == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("name", families.FAMILIES)
def test_what_is_written_is_what_the_library_generates(name: str) -> None:
    prompt = Prompt(find_task("cartpole"))
    model, tokenizer = families.plain_model(name)
    for state in states(prompt, 3):
        messages = prompt.messages(state)
        tokens = torch.tensor([family(name).tokens(messages)])
        asked = {"attention_mask": torch.ones_like(tokens), "max_new_tokens": 6, "do_sample": False}
        generated = model.generate(tokens, pad_token_id=0, **asked)[0, tokens.shape[1] :]
        said = tokenizer.decode(generated, skip_special_tokens=True)
        assert family(name).complete(messages, 6).text == said


@pytest.mark.parametrize("name", families.FAMILIES)
def test_in_the_compact_layout_only_the_states_tokens_are_new(name: str) -> None:
    prompt = Prompt(find_task("cartpole"), PromptStyle(layout=Layout.COMPACT))
    first, second = states(prompt, 2)
    model = family(name)
    model.choose(prompt.messages(first), prompt.choices)
    choice = model.choose(prompt.messages(second), prompt.choices)
    assert choice.new_tokens <= len(model.tokenize(prompt.describe(second) + "="))


def test_llama_reads_several_digits_as_one_token_and_the_others_each_alone() -> None:
    counts = {name: len(family(name).tokenize("12")) for name in families.FAMILIES}
    assert counts.pop("llama3.2") == 1
    assert set(counts.values()) == {2}


def test_thinking_is_off() -> None:
    asked = [Message("user", "5")]
    assert family("qwen3").render(asked).endswith("<|im_start|>assistant\n<think>\n\n</think>\n\n")
    assert family("gemma4-e2b").render(asked).endswith("<|turn>model\n<|channel>thought\n<channel|>")


def test_bfloat16_rounds_the_model_but_does_not_make_choices_equal() -> None:
    prompt = Prompt(find_task("cartpole"))
    rounded = HuggingFace(str(families.folder_of("qwen3")), options=ModelOptions(dtype="bfloat16"))
    assert rounded.info.quantisation == "bfloat16"
    for state in states(prompt, 8):
        choice = rounded.choose(prompt.messages(state), prompt.choices)
        exact = family("qwen3").choose(prompt.messages(state), prompt.choices)
        assert len(set(choice.logprobs)) == len(prompt.choices)
        assert choice.logprobs == pytest.approx(exact.logprobs, abs=0.5)


def test_the_default_precision_is_one_that_the_processor_computes_in() -> None:
    capabilities: Any = torch.cpu.get_capabilities()
    able = capabilities.get("avx512_bf16", False) or capabilities.get("amx_bf16", False)
    assert dtype_of(None, "cpu") == (torch.bfloat16 if able else torch.float32)


def test_threads_are_as_asked() -> None:
    HuggingFace(str(families.folder_of("smollm2")), options=ModelOptions(threads=1))
    assert torch.get_num_threads() == 1


def test_a_sighted_model_keeps_only_what_reads() -> None:
    plain, _ = families.plain_model("gemma3-4b")
    eyes = sum(weights.numel() for weights in plain.model.vision_tower.parameters())
    assert eyes > 0
    assert family("gemma3-4b").info.parameters == family("gemma3-1b").info.parameters


def test_both_backends_send_the_same_text_and_tokens() -> None:
    other = load_model("smollm2", AS_IT_IS)
    assert isinstance(other, LlamaCpp)
    for task in ("cartpole", "lunarlander"):
        for layout in Layout:
            prompt = Prompt(find_task(task), PromptStyle(layout=layout))
            for state in states(prompt, 5):
                messages = prompt.messages(state)
                assert embedded().render(messages) == other.render(messages)
                assert embedded().tokens(messages) == other.tokens(messages)


def test_both_backends_nearly_agree_on_the_embedded_weights() -> None:
    # llama.cpp computes with the four-bit weights as they are, transformers with what they stand for.
    prompt = Prompt(find_task("cartpole"))
    other = load_model("smollm2", AS_IT_IS)
    for state in states(prompt, 3):
        messages = prompt.messages(state)
        ours, theirs = embedded().choose(messages, prompt.choices), other.choose(messages, prompt.choices)
        assert ours.logprobs == pytest.approx(theirs.logprobs, abs=0.2)


def test_both_backends_find_every_token_as_likely_on_the_same_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    embedded()
    with tempfile.TemporaryDirectory() as folder:  # the file made is half a gigabyte, and no other test's
        monkeypatch.setenv("XDG_CACHE_HOME", folder)
        other = load_model("smollm2", ModelOptions(quantisation="f32", threads=1))
    assert isinstance(other, LlamaCpp)
    for question in ("What is 2 + 2?", "Tell me a joke."):
        asked = [Message("user", question)]
        said = embedded().complete(asked, 8).tokens
        assert said
        assert other.complete(asked, 8).tokens == said
        ours, theirs = embedded().logprobs(asked, said), other.logprobs(asked, said)
        assert ours.shape == theirs.shape == (len(said) + 1, 49_152)
        assert np.abs(ours - theirs).max() < 0.02
        assert divergence_nats(ours, theirs) < 1e-5


def test_it_says_which_weights_it_runs() -> None:
    info = embedded().info
    assert (info.name, info.backend, info.quantisation) == ("SmolLM2-135M-Instruct", "transformers", "float32")
    assert info.parameters == 134_515_008
