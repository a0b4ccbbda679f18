from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ontick.prompts import Prompt
from ontick.tasks import find_task

PROMPTS = {name: Prompt(find_task(name)) for name in ("cartpole", "lunarlander")}


@pytest.mark.parametrize("name", PROMPTS)
@given(st.lists(st.floats(-3, 3, width=32), min_size=8, max_size=8))
def test_only_the_last_message_depends_on_the_state(name: str, values: list[float]) -> None:
    prompt = PROMPTS[name]
    size = len(prompt.task.features)
    here, nowhere = prompt.messages(values[:size]), prompt.messages([0.0] * size)
    assert here[:-1] == nowhere[:-1]
    assert here[-1].role == "user"


@pytest.mark.parametrize("name", PROMPTS)
@given(st.lists(st.floats(-3, 3, width=32), min_size=8, max_size=8))
def test_the_state_can_be_read_back_to_its_decimals(name: str, values: list[float]) -> None:
    prompt = PROMPTS[name]
    features = prompt.task.features
    said = prompt.describe(np.array(values[: len(features)], dtype=np.float32)).split()
    for feature, value, word in zip(features, values, said, strict=False):
        assert int(word) / 10**feature.decimals == pytest.approx(value, abs=0.51 / 10**feature.decimals)


def test_the_words_of_a_state() -> None:
    assert PROMPTS["cartpole"].describe([-0.031, 0.12, 0.004, -0.3]) == "-3 12 0 -30"


@pytest.mark.parametrize("name", PROMPTS)
def test_every_action_has_a_word_of_its_own_and_the_instruction_names_them(name: str) -> None:
    prompt = PROMPTS[name]
    assert len(set(prompt.choices)) == len(prompt.task.actions)
    system = prompt.messages([0.0] * len(prompt.task.features))[0].content
    for word, action in zip(prompt.choices, prompt.task.actions, strict=True):
        assert f"{word} = {action}" in system
