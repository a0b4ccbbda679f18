"""The loss of a batch in one row, and its gradient, are those of whole prompts read one by one."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import peft
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import families
from ontick.learning.sft import blocks
from ontick.learning.sft.policy import BatchPolicy
from ontick.learning.sft.shared import BatchReader, SharedPrefix, WholePrompts, fitting_reader
from ontick.learning.sft.tokens import Examples
from ontick.learning.sft.trainer import LEARNT, READ, Collator, answer_loss
from ontick.models.hf.load import quiet

_torch: Any = torch
_transformers: Any = transformers
_peft: Any = peft

LENGTHS = (5, 9, 1, 7)


def drawn(seed: int, count: int) -> list[int]:
    return torch.randint(10, 400, (count,), generator=torch.Generator().manual_seed(seed)).numpy().tolist()


def some_examples(shared: int = 60, lengths: tuple[int, ...] = LENGTHS) -> Examples:
    # Every third begins as the one before does, as far as they go.
    suffixes = [np.array(drawn(1 + number - (number % 3 == 1), length)) for number, length in enumerate(lengths)]
    targets = np.array(drawn(99, len(lengths)))
    return Examples(drawn(0, shared), suffixes, targets, targets[:, None])


def own_model(name: str) -> Any:
    with quiet():
        return _transformers.AutoModelForCausalLM.from_pretrained(families.folder_of(name), dtype=torch.float32)


def plain_loss(model: Any, examples: Examples) -> torch.Tensor:
    """The completion-only loss as libraries compute it: every prompt alone, all positions, all but one masked."""
    losses: list[torch.Tensor] = []
    for number, target in enumerate(examples.targets.tolist()):
        prompt = examples.whole(number)
        logits = model(torch.tensor([[*prompt, target]]), use_cache=False).logits[0, :-1].float()
        labels = torch.tensor([-100] * (len(prompt) - 1) + [target])
        losses.append(nn.functional.cross_entropy(logits, labels, ignore_index=-100))
    return torch.stack(losses).mean()


def gradients(model: Any, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    model.zero_grad()
    _torch.autograd.backward(loss)
    return {name: weights.grad.clone() for name, weights in model.named_parameters() if weights.grad is not None}


def our_loss(model: Any, reader: BatchReader, examples: Examples) -> torch.Tensor:
    batch = Collator(examples, reader)(range(len(examples.targets)))
    return answer_loss(reader.logits(model, batch[READ]).float(), batch[LEARNT])


def check_alike(model: Any, reader: BatchReader, examples: Examples) -> None:
    loss = our_loss(model, reader, examples)
    expected = plain_loss(model, examples)
    torch.testing.assert_close(loss, expected, atol=1e-4, rtol=1e-4)
    ours, theirs = gradients(model, loss), gradients(model, expected)
    assert {name for name, grad in theirs.items() if grad.abs().max() > 0} <= set(ours)
    for name, gradient in theirs.items():
        if name in ours:
            torch.testing.assert_close(ours[name], gradient, atol=2e-3 * float(gradient.abs().max() + 1e-3), rtol=2e-2)


@pytest.mark.parametrize("name", families.FAMILIES)
def test_one_row_gives_the_loss_and_the_gradient_of_whole_prompts(name: str) -> None:
    model, examples = own_model(name), some_examples()
    model.train()
    reader = fitting_reader(model, examples.prefix, [suffix.tolist() for suffix in examples.suffixes])
    assert isinstance(reader, SharedPrefix)
    assert model.training
    check_alike(model, reader, examples)
    check_alike(model, SharedPrefix(model.config, dense=True), examples)


@pytest.mark.parametrize("name", ["smollm2", "gemma3-1b"])
def test_whole_prompts_give_it_too_whatever_they_are_filled_up_with(name: str) -> None:
    check_alike(own_model(name).train(), WholePrompts(), some_examples())


@given(lengths=st.lists(st.integers(1, 12), min_size=1, max_size=5), shared=st.integers(0, 40))
@settings(max_examples=10)
def test_it_does_so_for_any_lengths(lengths: list[int], shared: int) -> None:
    model, _ = families.plain_model("gemma3-1b")
    examples = some_examples(shared, tuple(lengths))
    reader = SharedPrefix(model.config)
    with torch.no_grad():
        loss = our_loss(model, reader, examples)
        torch.testing.assert_close(loss, plain_loss(model, examples), atol=1e-4, rtol=1e-4)


def test_an_adapter_gets_the_gradient_of_whole_prompts() -> None:
    _torch.manual_seed(0)
    config = _peft.LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)
    with quiet():
        model = _peft.get_peft_model(own_model("qwen3"), config)
    check_alike(model, SharedPrefix(model.config), some_examples())


def test_a_model_that_cannot_share_its_beginning_reads_whole_prompts() -> None:
    model, examples = families.recurrent_model().train(), some_examples()
    reader = fitting_reader(model, examples.prefix, [suffix.tolist() for suffix in examples.suffixes])
    assert isinstance(reader, WholePrompts)
    check_alike(model, reader, examples)


def counted_blocks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count how often attention is computed in blocks."""
    calls: list[int] = []

    def counted(*known: Any, **more: Any) -> Any:
        calls.append(1)
        return blocks.attention(*known, **more)

    monkeypatch.setitem(_transformers.AttentionInterface._global_mapping, blocks.NAME, counted)
    return calls


def test_attention_is_in_blocks_while_a_batch_is_read_and_as_before_then(monkeypatch: pytest.MonkeyPatch) -> None:
    model, examples, calls = own_model("smollm2"), some_examples(), counted_blocks(monkeypatch)
    our_loss(model, SharedPrefix(model.config), examples)
    assert len(calls) == model.config.num_hidden_layers
    assert model.config._attn_implementation == "sdpa"
    our_loss(model, SharedPrefix(model.config, dense=True), examples)
    assert len(calls) == model.config.num_hidden_layers


def test_a_model_that_computes_attention_otherwise_does_so_in_rows_too(monkeypatch: pytest.MonkeyPatch) -> None:
    model, examples, calls = own_model("gemma2"), some_examples(), counted_blocks(monkeypatch)
    check_alike(model, SharedPrefix(model.config), examples)  # its attention caps the scores
    assert not calls


def test_a_model_that_takes_no_blocks_reads_its_row_without(monkeypatch: pytest.MonkeyPatch) -> None:
    model, examples, calls = own_model("smollm2"), some_examples(), counted_blocks(monkeypatch)
    read = model.forward

    def strict(
        *, input_ids: Any, logits_to_keep: Any, use_cache: bool, position_ids: Any = None, attention_mask: Any = None
    ) -> Any:
        known = {"position_ids": position_ids, "attention_mask": attention_mask, "logits_to_keep": logits_to_keep}
        return read(input_ids=input_ids, use_cache=use_cache, **known)

    monkeypatch.setattr(model, "forward", strict)
    reader = fitting_reader(model, examples.prefix, [suffix.tolist() for suffix in examples.suffixes])
    assert isinstance(reader, SharedPrefix)
    assert not calls
    assert model.config._attn_implementation == "sdpa"
    our_loss(model, reader, examples)
    assert not calls


def test_a_wrong_mask_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    model, examples = own_model("gemma3-1b"), some_examples()

    def none(*_: Any, **__: Any) -> None:
        return None

    monkeypatch.setattr(SharedPrefix, "mask", none)
    reader = fitting_reader(model, examples.prefix, [suffix.tolist() for suffix in examples.suffixes])
    assert isinstance(reader, WholePrompts)


class Asks:
    """Prompts that a state's first number chooses."""

    def __init__(self, prompts: list[list[int]], answers: list[int]) -> None:
        self._prompts, self._answers = prompts, answers

    def prompt_tokens(self, state: Any) -> list[int]:
        return self._prompts[int(state[0])]

    def answer_tokens(self, state: Any) -> list[int]:
        return self._answers


@pytest.mark.parametrize("name", [*families.FAMILIES, "recurrent"])
def test_many_states_are_answered_as_each_alone(name: str) -> None:
    model = families.recurrent_model().train() if name == "recurrent" else copy.deepcopy(families.plain_model(name)[0])
    model.eval()
    beginning, other = drawn(0, 50), drawn(7, 50)
    prompts = [beginning + drawn(10 + n, 3 + n % 5) for n in range(40)] + [beginning[:20] + drawn(60, 9), other]
    answers = drawn(500, 5)
    policy = BatchPolicy(model, Asks(prompts, answers), shares=True)
    expected: list[int] = []
    for prompt in prompts:
        with torch.no_grad():
            expected.append(int(model(torch.tensor([prompt])).logits[0, -1][answers].argmax()))
    for part in (range(1), range(40), range(40, 42), range(42)):
        found = policy.decide_many(np.array([[number] for number in part], dtype=np.float32))
        assert found == [expected[number] for number in part]
    policy.forget()
    assert policy.decide_many(np.array([[3.0]], dtype=np.float32)) == [expected[3]]
