"""Reading with a cache gives the logits of a full reading, for any prompts in any order, in both kinds of cache."""

from __future__ import annotations

import copy
import functools
import gc
import weakref
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any
from unittest.mock import MagicMock

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import families
from ontick.models.hf.read import ChosenHead, GrowingReader, Reader, install_head, keeps_everything
from ontick.models.hf.static import CHOICES, COUNTS, ROOM, StaticReader, Step, capture_graph, fuse

_torch: Any = torch
_transformers: Any = transformers

ROOM_TOKENS = 300

GEMMAS = ("gemma2", "gemma3-1b", "gemma3-4b", "gemma4-e2b")


def full_reading(name: str, prompt: list[int]) -> torch.Tensor:
    model, _ = families.plain_model(name)
    with torch.inference_mode():
        return model(torch.tensor([prompt])).logits[0, -1]


def own_model(name: str) -> Any:
    """Return the model once more, since a reader puts its own head into it."""
    return _transformers.AutoModelForCausalLM.from_pretrained(families.folder_of(name), dtype=torch.float32).eval()


@functools.cache
def reader(kind: str, name: str) -> Reader:
    model = own_model(name)
    head = install_head(model)
    assert head is not None
    return GrowingReader(model, head) if kind == "growing" else StaticReader(model, head, ROOM_TOKENS, None)


def prompts(longest: int = 200) -> st.SearchStrategy[list[tuple[int, int, int]]]:
    """Draw (seed of the beginning, its length, length of the rest): prompts that share beginnings or do not."""
    return st.lists(
        st.tuples(st.integers(0, 1), st.integers(0, longest - 60), st.integers(1, 60)), min_size=2, max_size=4
    )


def tokens(seed: int, count: int) -> list[int]:
    drawn: list[int] = torch.randint(10, 400, (count,), generator=torch.Generator().manual_seed(seed)).numpy().tolist()
    return drawn


@pytest.mark.parametrize("name", families.FAMILIES)
@pytest.mark.parametrize("kind", ["growing", "static"])
@given(drawn=prompts())
@settings(max_examples=12)
def test_logits_are_those_of_a_full_reading(kind: str, name: str, drawn: list[tuple[int, int, int]]) -> None:
    for number, (seed, shared, rest) in enumerate(drawn):
        prompt = tokens(seed, shared) + tokens(1000 + number, rest)
        expected = full_reading(name, prompt)
        chosen = [3, 77, 401]
        few = reader(kind, name).read(prompt, chosen)
        assert few.kept < len(prompt)
        torch.testing.assert_close(few.logits, expected[chosen], atol=2e-3, rtol=1e-3)
        whole = reader(kind, name).read(prompt)
        assert whole.kept == len(prompt) - 1
        torch.testing.assert_close(whole.logits, expected, atol=2e-3, rtol=1e-3)


@pytest.mark.parametrize("kind", ["growing", "static"])
def test_more_choices_than_a_recording_has_rows_for_are_read_all_the_same(kind: str) -> None:
    many = list(range(10, 11 + CHOICES))
    prompt = tokens(0, 50)
    expected = full_reading("qwen3", prompt)[many]
    torch.testing.assert_close(reader(kind, "qwen3").read(prompt, many).logits, expected, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("kind", ["growing", "static"])
@pytest.mark.parametrize("name", GEMMAS)
def test_a_prompt_longer_than_the_window_and_cut_back_to_before_it_is_read_right(kind: str, name: str) -> None:
    long, short = tokens(0, 150), tokens(0, 12)
    reader(kind, name).read(long)
    again = reader(kind, name).read([*short, 20])
    assert again.kept == len(short)
    torch.testing.assert_close(again.logits, full_reading(name, [*short, 20]), atol=2e-3, rtol=1e-3)


@pytest.mark.parametrize("kind", ["growing", "static"])
def test_a_reading_that_fails_does_not_spoil_the_next(kind: str) -> None:
    prompt = tokens(0, 60)
    reader(kind, "llama3.2").read(prompt)
    with pytest.raises((IndexError, RuntimeError)):
        reader(kind, "llama3.2").read([*prompt[:50], 10**6])
    again = reader(kind, "llama3.2").read(prompt)
    torch.testing.assert_close(again.logits, full_reading("llama3.2", prompt), atol=1e-3, rtol=1e-3)


def recording() -> tuple[list[Step], Callable[[Step], Step]]:
    made: list[Step] = []

    def capture(step: Step) -> Step:
        made.append(step)
        return step

    return made, capture


@pytest.mark.parametrize("name", ["gemma3-1b", "qwen3"])
def test_after_warming_up_no_decision_needs_a_new_recording(name: str) -> None:
    made, capture = recording()
    model = own_model(name)
    static = StaticReader(model, install_head(model), ROOM_TOKENS, capture)
    beginning = tokens(0, 150)
    static.warm_up([*beginning, *tokens(1, 20)])
    recorded = len(made)
    assert recorded == 2 * len(COUNTS)
    for number in range(12):
        prompt = beginning + tokens(2 + number, 1 + 3 * number)
        reading = static.read(prompt, [3, 401 - number])
        assert reading.kept >= len(beginning) if number else True
        expected = full_reading(name, prompt)[[3, 401 - number]]
        torch.testing.assert_close(reading.logits, expected, atol=2e-3, rtol=1e-3)
    assert len(made) == recorded


def test_the_recordings_of_warming_up_do_for_prompts_that_are_a_little_longer() -> None:
    made, capture = recording()
    model = own_model("qwen3")
    static = StaticReader(model, install_head(model), 2 * ROOM, capture)
    beginning = tokens(0, ROOM - 20)
    static.warm_up([*beginning, *tokens(1, 15)])
    recorded = len(made)
    prompt = beginning + tokens(2, 30)
    torch.testing.assert_close(
        static.read(prompt, [3]).logits, full_reading("qwen3", prompt)[[3]], atol=1e-3, rtol=1e-3
    )
    assert len(made) == recorded


@pytest.mark.parametrize("name", families.FAMILIES)
def test_a_decision_can_be_compiled_whole_and_stays_the_same(name: str) -> None:
    compiled: list[Step] = []

    def trace(step: Step) -> Step:
        """Compile without generating code: what could not be followed raises."""
        compiled.append(_torch.compile(step, backend="eager", fullgraph=True, dynamic=False))
        return compiled[-1]

    model = own_model(name)
    static = StaticReader(model, install_head(model), ROOM_TOKENS, lambda step: step, trace)
    beginning = tokens(0, 150)
    static.warm_up([*beginning, *tokens(1, 20)])
    for number in range(3):
        prompt = beginning + tokens(2 + number, 10 + number)
        expected = full_reading(name, prompt)[[3, 90 + number]]
        reading = static.read(prompt, [3, 90 + number])
        torch.testing.assert_close(reading.logits, expected, atol=2e-3, rtol=1e-3)
    assert len(compiled) == 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", families.FAMILIES)
def test_a_replayed_recording_reads_what_a_full_reading_reads(name: str) -> None:
    model = own_model(name).cuda()
    static = StaticReader(model, install_head(model), ROOM_TOKENS, capture_graph, fuse)
    beginning = tokens(0, 150)
    static.warm_up([*beginning, *tokens(1, 20)])
    for number in range(6):
        prompt = beginning + tokens(2 + number, 1 + 3 * number)
        expected = full_reading(name, prompt)[[3, 401]]
        torch.testing.assert_close(static.read(prompt, [3, 401]).logits.cpu(), expected, atol=2e-2, rtol=1e-2)


def test_a_recording_keeps_the_tensors_that_it_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("Stream", "current_stream", "CUDAGraph"):
        monkeypatch.setattr(torch.cuda, name, MagicMock())
    for name in ("stream", "graph"):
        monkeypatch.setattr(torch.cuda, name, MagicMock(return_value=nullcontext()))
    read = torch.arange(3)
    kept = weakref.ref(read)
    recorded = capture_graph(lambda read=read: read + 1)
    del read
    gc.collect()
    assert kept() is not None  # a graph replays by addresses: freed, they would be another tensor's
    torch.testing.assert_close(recorded(), torch.tensor([1, 2, 3]))


def test_a_head_that_does_more_than_multiply_is_left_as_it_is() -> None:
    class Bent(nn.Linear):
        def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 - torch's name
            return super().forward(input).sin()

    model = own_model("smollm2")
    full = model.lm_head
    bent = Bent(full.in_features, full.out_features, bias=False)
    bent.weight = full.weight
    model.set_output_embeddings(bent)
    assert install_head(model) is None
    assert model.get_output_embeddings() is bent


def test_a_model_that_compares_all_logits_keeps_its_whole_head() -> None:
    model = own_model("smollm2")
    forward = model.forward

    def normalised(**asked: Any) -> Any:
        read = forward(**asked)
        read.logits = torch.log_softmax(read.logits, -1)
        return read

    model.forward = normalised
    full = model.get_output_embeddings()
    assert install_head(model) is None
    assert model.get_output_embeddings() is full
    prompt = tokens(0, 40)
    expected = torch.log_softmax(full_reading("smollm2", prompt), -1)[[5, 6]]
    read = GrowingReader(model, None).read(prompt, [5, 6])
    torch.testing.assert_close(read.logits, expected, atol=1e-3, rtol=1e-3)


def test_a_chosen_row_has_its_bias() -> None:
    full = nn.Linear(8, 20)
    head = ChosenHead(full)
    hidden = torch.randn(1, 3, 8)
    head.rows = head.weights_of([4, 19])
    torch.testing.assert_close(head(hidden), full(hidden)[..., [4, 19]])


def test_a_model_with_a_recurrent_memory_reads_every_prompt_anew_and_right() -> None:
    model = families.recurrent_model()
    assert not keeps_everything(model)
    plain = copy.deepcopy(model)
    growing = GrowingReader(model, install_head(model))
    for number in range(4):
        prompt = tokens(0, 30) + tokens(number, 5 + number)
        with torch.inference_mode():
            expected = plain(torch.tensor([prompt])).logits[0, -1, [3, 40]]
        reading = growing.read(prompt, [3, 40])
        assert reading.kept == 0
        torch.testing.assert_close(reading.logits, expected, atol=1e-3, rtol=1e-3)


def test_a_recurrent_memory_goes_on_from_where_it_is() -> None:
    model = families.recurrent_model()
    plain = copy.deepcopy(model)
    growing = GrowingReader(model, install_head(model))
    for number in range(3):
        prompt = tokens(number, 30)
        growing.read(prompt, [3, 40])
        for token in (7, 8, 9):
            prompt = [*prompt, token]
            with torch.inference_mode():
                expected = plain(torch.tensor([prompt])).logits[0, -1, [3, 40]]
            reading = growing.read(prompt, [3, 40])
            assert reading.kept == len(prompt) - 1
            torch.testing.assert_close(reading.logits, expected, atol=1e-3, rtol=1e-3)
        again = growing.read(prompt, [3, 40])
        assert again.kept == 0, "nothing can be taken back"
        torch.testing.assert_close(again.logits, expected, atol=1e-3, rtol=1e-3)
