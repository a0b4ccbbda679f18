"""A pilot turned into a GGUF file is the same pilot; what cannot be turned is refused in one line."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

import tiny_gguf
import tiny_pilots
from ontick.cache import cache_folder
from ontick.errors import OntickError
from ontick.models.base import LanguageModel, ModelOptions
from ontick.models.catalog import embedded_path
from ontick.models.hf.load import load
from ontick.models.llama.graft import Fit
from ontick.pilots import as_gguf
from ontick.pilots.card import PilotCard, read_card, write_card
from ontick.pilots.load import load_pilot
from ontick.prompts import Prompt
from ontick.records import State
from ontick.tasks import find_task

_gguf: Any = gguf

AS_IS = ModelOptions(quantisation="as-is", threads=1)
BY_TRANSFORMERS = ModelOptions(backend="transformers", dtype="float32", device="cpu", threads=1)


def states(count: int) -> list[State]:
    """Return states as they come in flight: a drift from the beginning on, not far from upright."""
    rng = np.random.default_rng(0)
    return list(rng.normal(0, (0.5, 0.5, 0.08, 0.6), (count, 4)).astype(np.float32))


def logprobs(model: LanguageModel, card: PilotCard, asked: list[State]) -> np.ndarray[Any, Any]:
    prompt = Prompt(find_task(card.task), card.prompt)
    return np.array([model.choose(prompt.messages(state), prompt.choices).logprobs for state in asked])


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA pilot of the embedded model."""
    return tiny_pilots.write_lora(tmp_path_factory.mktemp("pilots") / "small", "smollm2", word=str(embedded_path()))


def test_llama_cpp_and_transformers_fly_a_pilot_alike(small: Path) -> None:
    card, asked = read_card(small), states(100)
    plain = load(str(embedded_path()), tiny_pilots.EXACT)
    assert plain.model is not None
    there = logprobs(load_pilot(small, card, BY_TRANSFORMERS), card, asked)
    here = logprobs(load_pilot(small, card, AS_IS), card, asked)
    assert np.abs(here - there).max() < 0.02
    # A pilot that says one thing always would agree by chance; so its scores must move with the state.
    assert there.std(axis=0).max() > 0.05
    decided = np.abs(there[:, 0] - there[:, 1]) > 0.02
    assert (here.argmax(1) == there.argmax(1))[decided].all()
    assert (here.argmax(1) == there.argmax(1)).mean() >= 0.99


def test_a_faithful_kind_keeps_what_training_changed(small: Path) -> None:
    card, asked = read_card(small), states(16)
    there = logprobs(load_pilot(small, card, BY_TRANSFORMERS), card, asked)
    base = logprobs(load_pilot(small, replace(card), AS_IS), card, asked)
    for kind in as_gguf.FAITHFUL:
        model = load_pilot(small, card, replace(AS_IS, quantisation=kind))
        assert model.info.quantisation == kind.upper()
        assert np.median(np.abs(logprobs(model, card, asked) - there)) < 0.1
    assert base.shape == there.shape


def test_a_pilot_is_turned_once_and_anew_if_that_is_damaged(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card = read_card(small)
    asked = states(1)
    first = logprobs(load_pilot(small, card, AS_IS), card, asked)
    (folder,) = [made for made in (cache_folder() / "pilots").iterdir() if made.name.startswith(card.id)]
    made = folder / "f32.gguf"
    whole = made.stat()
    load_pilot(small, card, AS_IS)
    assert made.stat().st_mtime_ns == whole.st_mtime_ns
    with made.open("r+b") as file:
        file.truncate(whole.st_size // 2)
    assert np.array_equal(logprobs(load_pilot(small, card, AS_IS), card, asked), first)
    assert made.stat().st_size == whole.st_size
    assert not [file for file in folder.iterdir() if file.suffix != ".gguf"]
    monkeypatch.setattr(as_gguf, "VERSION", "another")
    assert as_gguf.gguf_file(small, card, as_gguf.Base(str(embedded_path()), embedded_path()), AS_IS).parent != folder


FAMILIES = {"gemma3": tiny_gguf.write_gemma3, "lfm2": tiny_gguf.write_lfm2}


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("kind", ["lora", "full"])
def test_families_whose_tensors_are_turned_are_turned_right(name: str, kind: str, tmp_path: Path) -> None:
    base = FAMILIES[name](tmp_path / f"{name}.gguf")
    write = tiny_pilots.write_lora if kind == "lora" else tiny_pilots.write_full
    folder = write(tmp_path / "pilot", f"gguf:{base}")
    card, asked = read_card(folder), states(12)
    there = logprobs(load_pilot(folder, card, BY_TRANSFORMERS), card, asked)
    here = logprobs(load_pilot(folder, card, AS_IS), card, asked)
    assert np.abs(here - there).max() < 0.05
    assert (here.argmax(1) == there.argmax(1)).all()


def weights_of(path: Path) -> dict[str, Any]:
    return {
        name: tensor.float().numpy() for name, tensor in load(str(path), tiny_pilots.EXACT).model.state_dict().items()
    }


def test_the_bases_own_weights_give_the_base_again(tmp_path: Path) -> None:
    base = tiny_gguf.write_gemma3(tmp_path / "base.gguf")
    weights = weights_of(base)
    Fit(base, weights).write(weights, tmp_path / "again.gguf")
    first, again = (_gguf.GGUFReader(path) for path in (base, tmp_path / "again.gguf"))
    assert [tensor.name for tensor in again.tensors] == [tensor.name for tensor in first.tensors]
    for there, here in zip(first.tensors, again.tensors, strict=True):
        assert np.allclose(here.data, there.data, atol=1e-6), there.name
    kept = {name: field.contents() for name, field in first.fields.items() if not name.startswith("GGUF.")}
    found = {name: field.contents() for name, field in again.fields.items() if not name.startswith("GGUF.")}
    assert found == kept | {"general.file_type": 0} or found == kept


def test_another_models_file_is_refused(tmp_path: Path) -> None:
    base = tiny_gguf.write_gemma3(tmp_path / "base.gguf")
    weights = weights_of(base)
    name = "model.layers.3.self_attn.q_proj.weight"
    for change in (np.flip(weights[name], 0), weights[name] * 1.5, weights[name][:-1]):
        with pytest.raises(OntickError, match=r"attn_q.*is not.*GGUF file of that very model"):
            Fit(base, weights | {name: change})
    with pytest.raises(OntickError, match=r"no place for model\.layers\.3\.extra"):
        Fit(base, weights | {"model.layers.3.extra.weight": weights[name]})
    with pytest.raises(OntickError, match="lacks"):
        Fit(base, {kept: value for kept, value in weights.items() if kept != name})


def test_a_model_with_more_tokens_or_a_head_of_its_own_is_refused(tmp_path: Path) -> None:
    base = tiny_gguf.write_gemma3(tmp_path / "base.gguf")
    weights = weights_of(base)
    fit = Fit(base, weights)
    embedding = weights["model.embed_tokens.weight"]
    grown = np.vstack([embedding, embedding[:2]])
    with pytest.raises(OntickError, match="adding tokens"):
        fit.write(weights | {"model.embed_tokens.weight": grown, "lm_head.weight": grown}, tmp_path / "made.gguf")
    with pytest.raises(OntickError, match="one tensor for embedding and output head"):
        fit.write(weights | {"lm_head.weight": embedding + 1}, tmp_path / "made.gguf")


def test_a_bias_is_turned_as_its_weight_is(tmp_path: Path) -> None:
    """Biases may be zero before training, which tells nothing of their order."""
    rng = np.random.default_rng(0)
    writer = _gguf.GGUFWriter(tmp_path / "base.gguf", "llama")
    writer.add_block_count(1)
    writer.add_head_count(2)
    writer.add_head_count_kv(2)
    weight = rng.normal(size=(8, 8)).astype(np.float32)
    turned = weight.reshape(2, 2, 2, 8).swapaxes(1, 2).reshape(8, 8)
    writer.add_tensor("blk.0.attn_q.bias", np.zeros(8, np.float32))
    writer.add_tensor("blk.0.attn_q.weight", turned)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    name = "model.layers.0.self_attn.q_proj"
    fit = Fit(tmp_path / "base.gguf", {f"{name}.bias": np.zeros(8, np.float32), f"{name}.weight": weight})
    tuned = np.arange(8, dtype=np.float32)
    fit.write({f"{name}.bias": tuned, f"{name}.weight": weight}, tmp_path / "made.gguf")
    made = {tensor.name: tensor.data for tensor in _gguf.GGUFReader(tmp_path / "made.gguf").tensors}
    assert made["blk.0.attn_q.bias"].tolist() == [0, 2, 1, 3, 4, 6, 5, 7]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    base = tiny_gguf.write_gemma3(folder / "base.gguf")
    return tiny_pilots.write_lora(folder / "tiny", f"gguf:{base}")


REFUSED: dict[str, tuple[ModelOptions, str]] = {
    "another backend": (ModelOptions(backend="vllm"), r"unknown backend 'vllm'.*llama\.cpp, transformers"),
    "an adapter more": (ModelOptions(adapter="x"), "leave --model.adapter out"),
    "a quantisation of transformers": (ModelOptions(backend="transformers", quantisation="q8_0"), "--model.dtype"),
    "a dtype of llama.cpp": (ModelOptions(dtype="float32"), "--model.backend transformers"),
    "no such quantisation": (ModelOptions(quantisation="q3"), "unknown quantisation"),
    "a base that is not there": (ModelOptions(base_gguf="nowhere.gguf"), "nowhere.gguf, the base model, is not there"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_option_that_does_not_fit_is_refused(case: str, tiny: Path) -> None:
    options, says = REFUSED[case]
    with pytest.raises(OntickError, match=says) as caught:
        load_pilot(tiny, read_card(tiny), options)
    assert len(str(caught.value).splitlines()) == 1


def test_weights_that_are_not_the_cards_are_refused(tiny: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny, tmp_path / "copy"))
    path = folder / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(OntickError, match="not those that its card names"):
        load_pilot(folder, read_card(folder), AS_IS)
    path.unlink()
    with pytest.raises(OntickError, match="is missing"):
        load_pilot(folder, read_card(folder), AS_IS)


def test_a_base_with_other_weights_is_refused(tiny: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny, tmp_path / "copy"))
    other = tiny_gguf.write_lfm2(tmp_path / "other.gguf")
    for options in (ModelOptions(base_gguf=str(other)), replace(BY_TRANSFORMERS, base_gguf=str(other))):
        with pytest.raises(OntickError, match="tuned from other weights"):
            load_pilot(folder, read_card(folder), options)
    write_card(folder, replace(read_card(folder), base="api:groq/x"))
    with pytest.raises(OntickError, match="cannot be based on"):
        load_pilot(folder, read_card(folder), AS_IS)


def test_a_disk_that_is_full_leaves_nothing_behind(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(as_gguf, "VERSION", "full")
    monkeypatch.setattr(Fit, "write", full)
    card = read_card(tiny)
    with pytest.raises(OntickError, match="No space left on device"):
        load_pilot(tiny, card, AS_IS)
    assert not [file for file in (cache_folder() / "pilots").rglob("*") if file.suffix in {".partial", ".whole"}]
