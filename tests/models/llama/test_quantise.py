"""A quantisation is chosen by its time here, made once, and still the same model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ontick.errors import OntickError
from ontick.models.base import Message, ModelOptions
from ontick.models.catalog import embedded_path, load_model
from ontick.models.llama import quantise
from ontick.models.llama.model import LlamaCpp
from ontick.models.llama.quantise import AS_IS, CANDIDATES, KINDS, prepare, recall, select

ONE_THREAD = ModelOptions(threads=1)


def test_the_fastest_of_the_candidates_is_chosen_and_the_choice_is_remembered() -> None:
    chosen = select(embedded_path(), ONE_THREAD)
    assert set(chosen.decision_ms) == set(CANDIDATES)
    times = {kind: ms for kind, ms in chosen.decision_ms.items() if ms is not None}
    assert times[chosen.chosen] <= min(times.values()) / quantise.MARGIN
    assert chosen.drift_nats[AS_IS] == 0
    drifts = [chosen.drift_nats[kind] or 0.0 for kind in ("f16", "bf16", "q4_0-pure")]
    assert 0 < min(drifts) <= max(drifts[:2]) < drifts[2]
    assert recall(embedded_path(), ONE_THREAD) == chosen == select(embedded_path(), ONE_THREAD)
    assert chosen.chosen in chosen.why()


def test_only_what_was_chosen_is_kept() -> None:
    chosen = select(embedded_path(), ONE_THREAD)
    made = prepare(embedded_path(), quantise.FASTEST, ONE_THREAD)
    assert made.exists()
    if chosen.chosen != AS_IS:
        assert [file.name for file in made.parent.glob("*.gguf")] == [made.name]


def test_a_choice_made_for_other_threads_is_another_one() -> None:
    select(embedded_path(), ONE_THREAD)
    assert recall(embedded_path(), ModelOptions(threads=63)) is None


def test_a_damaged_memory_is_measured_again() -> None:
    select(embedded_path(), ONE_THREAD)
    file = quantise.remembered_file(embedded_path(), ONE_THREAD)
    whole = file.read_text()
    of_fewer = json.loads(whole)
    del of_fewer["decision_ms"][CANDIDATES[-1]]
    for damaged in (whole[:-3], "[]", json.dumps({"chosen": "q4_0"}), json.dumps(of_fewer)):
        file.write_text(damaged)
        assert recall(embedded_path(), ONE_THREAD) is None
    file.write_text(whole)
    assert recall(embedded_path(), ONE_THREAD) is not None


def test_nothing_else_is_in_its_place(tmp_path: Path) -> None:
    assert prepare(tmp_path / "any.gguf", AS_IS, ONE_THREAD) == tmp_path / "any.gguf"


@pytest.mark.parametrize("kind", ["q8_0", "bf16", "f16"])
def test_a_precise_kind_answers_almost_as_the_file_does(kind: str) -> None:
    asked = [Message("user", "Continue the sequence with the next digit: 1 2 3 4 5 6 7")]
    digits = tuple("0123456789")
    made = load_model("smollm2", ModelOptions(quantisation=kind))
    as_it_is = load_model("smollm2", ModelOptions(quantisation="as-is"))
    assert kind.upper() in str(made.info.quantisation)
    assert "Q4_1" in str(as_it_is.info.quantisation)
    there, here = made.choose(asked, digits), as_it_is.choose(asked, digits)
    assert there.index == here.index
    assert there.logprobs == pytest.approx(here.logprobs, abs=0.3)


def test_an_unknown_kind_lists_the_known_ones() -> None:
    with pytest.raises(OntickError, match=f"as-is, fastest, {', '.join(sorted(KINDS))}"):
        load_model("smollm2", ModelOptions(quantisation="q3"))


def test_a_file_that_cannot_be_converted_leaves_nothing_behind(tmp_path: Path) -> None:
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(embedded_path().read_bytes()[:5_000_000])
    with pytest.raises(OntickError, match="cannot convert"):
        prepare(cut, "q8_0", ONE_THREAD)
    assert not list(quantise.remembered_file(cut, ONE_THREAD).parent.glob("*"))


def test_a_users_own_file_is_run_as_it_is() -> None:
    model = load_model(f"gguf:{embedded_path()}")
    assert isinstance(model, LlamaCpp)
    assert "Q4_1" in str(model.info.quantisation)
