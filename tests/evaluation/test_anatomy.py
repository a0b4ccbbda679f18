from __future__ import annotations

import pytest

from ontick.controllers.base import Observation
from ontick.controllers.catalog import Asking
from ontick.errors import OntickError
from ontick.evaluation.anatomy import dissect, prepare_language_model, states_of_a_flight
from ontick.evaluation.episodes import Setup
from ontick.evaluation.statistics import percentiles
from ontick.prompts import Layout, PromptStyle
from ontick.wording import Numbers


@pytest.mark.parametrize("layout", Layout)
@pytest.mark.parametrize("numbers", [Numbers.WHOLE, Numbers.LETTER])
def test_the_counts_are_what_the_model_then_reads(layout: Layout, numbers: Numbers) -> None:
    asking = Asking(PromptStyle(layout=layout, numbers=numbers))
    controller = prepare_language_model(Setup("cartpole", "smollm2", asking=asking))
    found = dissect(controller, seed=3)
    states = states_of_a_flight(controller.prompt.task, seed=3)[:60]
    controller.reset(3)
    read = [controller.decide(Observation(state, tick)).new_tokens or 0 for tick, state in enumerate(states)]
    assert found.new_tokens is not None
    assert found.tokens is not None
    assert found.constant_tokens is not None
    assert percentiles(read[1:], 50)["p50"] == pytest.approx(found.new_tokens["p50"], abs=1)
    assert max(read[1:]) <= found.new_tokens["max"]
    assert found.constant_tokens < found.tokens


def test_four_letters_and_the_sign_after_them_are_five_new_tokens() -> None:
    asking = Asking(PromptStyle(layout=Layout.COMPACT, numbers=Numbers.LETTER))
    found = dissect(prepare_language_model(Setup("cartpole", "smollm2", asking=asking)), seed=0)
    assert found.new_tokens is not None
    assert found.new_tokens["max"] == 5
    assert found.text is not None
    assert found.text.endswith("<|im_start|>assistant\nm m m m=") or found.text.endswith("=")
    assert found.choices is not None
    assert len(set(found.choices.values())) == 2


@pytest.mark.parametrize("chunk", [1, 4])
def test_the_prompt_of_a_plan_is_shown_as_it_is_sent(chunk: int) -> None:
    controller = prepare_language_model(Setup("cartpole", "smollm2", asking=Asking(chunk=chunk)))
    found = dissect(controller, seed=0).as_json()
    assert found["chunk"] == chunk
    assert ("4 digits" in found["text"]) == (chunk == 4)
    assert found["messages"][0] == controller.prompt.messages([0.0] * 4)[0]._asdict()
    assert set(found["choices"]) == {"0", "1"}


def test_what_is_no_language_model_is_said_so() -> None:
    with pytest.raises(OntickError, match="teacher is no language model"):
        prepare_language_model(Setup("cartpole", "teacher"))
