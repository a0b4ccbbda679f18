"""What is still right, and how far the words have moved: models of a family's shape, and laws of the divergence."""

from __future__ import annotations

import functools
import itertools
import math
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st

import families
from ontick.errors import OntickError
from ontick.evaluation.questions import FEW, choose_questions
from ontick.evaluation.retention import (
    Base,
    ask_questions,
    describe_answers,
    divergence_nats,
    find_base,
    measure_moved,
    why_no_divergence,
)
from ontick.models.answers import normalised
from ontick.models.base import Choice, Completion, LocalModel, Message, ModelInfo, ModelOptions, NoAnswer, Reading
from ontick.models.catalog import load_model
from ontick.pilots.card import Kind, PilotCard, write_card
from ontick.records import Json

EXACT = ModelOptions(dtype="float32", threads=1)

_files: Any = safetensors.torch
_torch: Any = torch


@functools.cache
def moved(scale: float) -> LocalModel:
    """Return a tiny model whose weights have been moved by noise, the same noise at every scale."""
    folder = Path(tempfile.mkdtemp(prefix="ontick-moved-")) / "model"
    shutil.copytree(families.folder_of("smollm2"), folder)
    weights = _files.load_file(folder / "model.safetensors")
    generator = torch.Generator().manual_seed(1)
    for name, tensor in sorted(weights.items()):
        weights[name] = tensor + scale * tensor.std() * torch.randn(tensor.shape, generator=generator)
    _files.save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    model = load_model(f"hf:{folder}", EXACT)
    assert isinstance(model, LocalModel)
    return model


def rows(draws: Sequence[float], shape: tuple[int, int]) -> Any:
    logits = np.resize(np.array(draws, dtype=np.float32), shape)
    return normalised(logits)


LOGITS = st.lists(st.floats(-30, 30, width=32), min_size=2, max_size=40)


@given(LOGITS)
def test_a_model_has_no_distance_from_itself(logits: list[float]) -> None:
    same = rows(logits, (3, 7))
    assert divergence_nats(same, same) == 0


@given(LOGITS, LOGITS)
def test_the_divergence_is_the_librarys_own(ours: list[float], theirs: list[float]) -> None:
    base, model = rows(ours, (3, 7)), rows(theirs, (3, 7))
    expected = torch.nn.functional.kl_div(
        torch.tensor(model, dtype=torch.float64),
        torch.tensor(base, dtype=torch.float64),
        log_target=True,
        reduction="batchmean",
    )
    assert divergence_nats(base, model) == pytest.approx(float(expected), abs=1e-4, rel=1e-4)
    assert divergence_nats(base, model) >= 0


@given(LOGITS, LOGITS)
def test_going_further_in_one_direction_never_comes_closer(logits: list[float], direction: list[float]) -> None:
    there, way = (np.resize(np.array(values, dtype=np.float64), (2, 9)) for values in (logits, direction))
    base = normalised(there.astype(np.float32))
    steps = [divergence_nats(base, normalised((there + t * way).astype(np.float32))) for t in (0, 0.1, 0.3, 1.0)]
    assert all(later >= before - 1e-4 for before, later in itertools.pairwise(steps))


def test_a_row_of_the_impossible_counts_for_nothing() -> None:
    base = np.array([[0.0, -np.inf]], dtype=np.float32)
    assert divergence_nats(base, np.log(np.array([[0.5, 0.5]], dtype=np.float32))) == pytest.approx(math.log(2))


def test_weights_that_move_further_say_other_words() -> None:
    base, questions = moved(0.0), choose_questions(FEW)
    found: list[float] = []
    for scale in (0.0, 0.02, 0.2):
        answers = ask_questions(moved(scale), Base("base", base), questions, divergence=True)
        told = describe_answers(answers, Base("base", base), None)["base"]
        found.append(told["kl_nats"])
        low, high = told["kl_ci95"]
        assert low <= told["kl_nats"] <= high
    assert found[0] == 0 < found[1] < found[2]


def test_each_divergence_is_that_of_a_full_reading_of_the_bases_own_answer() -> None:
    base, model, questions = moved(0.0), moved(0.2), choose_questions(FEW)
    for question, answer in zip(
        questions, ask_questions(model, Base("base", base), questions, divergence=True), strict=True
    ):
        asked = [Message("user", question.text)]
        said = list(base.complete(asked, 32).tokens or ())
        expected: list[float] = []
        for place in range(len(said) + 1):
            p, q = (which.logprobs(asked, said[:place])[-1].astype(float) for which in (base, model))
            expected.append(float((np.exp(p) * (p - q)).sum()))
        assert answer["kl_nats"] == pytest.approx(sum(expected) / len(expected), abs=1e-4)


def test_what_flies_elsewhere_has_moved_by_the_divergence_of_its_answers_first_token() -> None:
    base, prompts = moved(0.0), [[Message("user", f"x {number}, v -{number}")] for number in range(3)]
    told: list[None] = []
    found = [
        measure_moved(moved(scale), Base("base", base), prompts, lambda: told.append(None)) for scale in (0, 0.02, 0.2)
    ]
    near, nearer, far = [entry["kl_nats"] for entry in found if entry]
    assert near == 0 < nearer < far
    assert len(told) == 9
    expected: list[float] = []
    for prompt in prompts:
        p, q = (_torch.from_numpy(which.logprobs(prompt, ())[0]) for which in (base, moved(0.2)))
        expected.append(float(_torch.nn.functional.kl_div(q, p, reduction="sum", log_target=True)))
    assert far == pytest.approx(sum(expected) / 3, abs=1e-4)
    assert found[2] is not None
    low, high = found[2]["kl_ci95"]
    assert min(expected) - 1e-4 <= low <= far <= high <= max(expected) + 1e-4


def test_how_far_it_has_moved_is_not_known_without_something_to_compare() -> None:
    prompt, model = [[Message("user", "x 1")]], moved(0.0)
    assert measure_moved(model, None, prompt) is None
    assert measure_moved(model, Base("base", model), []) is None
    assert measure_moved(Parrot(), Base("base", model), prompt) is None
    assert measure_moved(model, Base("api:x/base", Parrot()), prompt) is None


class Parrot:
    """Answers by heart; what it does not know it fails on."""

    info = ModelInfo("parrot", "api", None, None, (Reading.GENERATE,))

    def __init__(self, **known: str) -> None:
        self.known = {"What is 2 + 2?": known.get("sum"), "Name a color.": known.get("color")}

    def warm_up(self, messages: Sequence[Message]) -> None:
        """Nothing to do."""

    def choose(self, messages: Sequence[Message], choices: Sequence[str]) -> Choice:
        raise OntickError("no scores")

    def complete(self, messages: Sequence[Message], max_tokens: int) -> Completion:
        said = self.known.get(messages[0].content)
        if said is None:
            raise NoAnswer("timeout")
        return Completion(said, 1.0, 1.0, None, None)


def told(model: Parrot, base: Parrot) -> Json:
    questions = choose_questions(FEW)
    why = why_no_divergence(model, base, questions)
    answers = ask_questions(model, Base("api:x/base", base), questions, divergence=why is None)
    return describe_answers(answers, Base("api:x/base", base), why)


def test_what_is_still_right_is_of_what_the_base_gets_right() -> None:
    found = told(Parrot(sum="5", color="red"), Parrot(sum="4", color="blue"))
    assert (found["n"], found["right"]) == (4, 1)
    base = found["base"]
    assert (base["right"], base["still_right"], base["still_right_share"]) == (2, 1, 0.5)
    assert found["kinds"]["arithmetic"] == {"n": 1, "right": 0, "base_right": 1, "still_right": 0}
    low, high = base["still_right_ci95"]
    assert 0 < low < 0.5 < high < 1
    assert base["kl_nats"] is base["kl_ci95"] is None
    assert "API" in base["why_no_kl"]


def test_a_model_that_learns_what_its_base_did_not_know_has_nothing_more_still_right() -> None:
    found = told(Parrot(sum="4", color="red"), Parrot(sum="5"))
    assert found["right"] == 2
    assert found["base"]["right"] == 0
    assert found["base"]["still_right_share"] is found["base"]["still_right_ci95"] is None


def test_every_answer_is_told_as_it_comes() -> None:
    heard: list[Json] = []
    answers = ask_questions(Parrot(color="red"), None, choose_questions(FEW), divergence=False, on_answer=heard.append)
    assert heard == answers
    assert [answer["failure"] for answer in answers] == ["timeout", None, "timeout", "timeout"]
    assert [answer["right"] for answer in answers] == [False, True, False, False]
    assert all(answer["base_right"] is answer["base_answer"] is answer["kl_nats"] is None for answer in answers)


def test_another_tokenizer_is_said_so() -> None:
    other = load_model(f"hf:{families.folder_of('llama3.2')}", EXACT)
    why = why_no_divergence(moved(0.0), other, choose_questions(FEW))
    assert why is not None
    assert "another tokenizer" in why


def test_the_base_is_a_pilots_or_what_is_below_an_adapter_or_none(tmp_path: Path) -> None:
    folder = str(families.folder_of("smollm2"))
    model = moved(0.0)
    assert find_base(f"hf:{folder}", EXACT, model) is None
    write_card(tmp_path, PilotCard("mine", Kind.FULL, "cartpole", "0" * 16, base=f"hf:{folder}"))
    pilots = find_base(f"pilot:{tmp_path}", EXACT, model)
    assert pilots is not None
    assert pilots.word == f"hf:{folder}"
    adapted = find_base(f"hf:{folder}", ModelOptions(dtype="float32", threads=1, adapter="./nowhere"), model)
    assert adapted is not None
    assert adapted.word == f"hf:{folder}"


def test_the_embedded_base_is_run_as_the_model_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def loaded(word: str, options: ModelOptions) -> Parrot:
        assert options.adapter is None
        return Parrot()

    monkeypatch.setattr("ontick.evaluation.retention.load_model", loaded)
    adapter = ModelOptions(adapter="./nowhere")
    for model, word in ((moved(0.0), "hf:smollm2"), (Parrot(), "smollm2")):
        base = find_base("hf:mine", adapter, model, "smollm2")
        assert base is not None
        assert base.word == word


@pytest.mark.parametrize("word", ["teacher", "mlp:x", "smolm2", "gguf:nowhere.gguf"])
def test_a_base_that_is_none_is_said_so(word: str) -> None:
    with pytest.raises(OntickError, match="give"):
        find_base("smollm2", ModelOptions(), Parrot(), word)
