"""A pilot turned into a GGUF file is the same pilot; what cannot be turned is refused in one line."""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

import tiny_gguf
import tiny_pilots
from ontick.cache import cache_folder
from ontick.errors import OntickError
from ontick.models.base import LanguageModel, LocalModel, ModelOptions
from ontick.models.catalog import embedded_path, load_model
from ontick.models.hf.load import load
from ontick.models.llama.graft import Fit
from ontick.models.llama.quantise import KINDS, convert
from ontick.pilots import as_gguf
from ontick.pilots.card import PilotCard, read_card, write_card
from ontick.pilots.load import load_pilot
from ontick.pilots.weights import base_of
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


def by_both(folder: Path, count: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return the log-probabilities of transformers and of llama.cpp, shape (count, actions)."""
    card, asked = read_card(folder), states(count)
    return logprobs(load_pilot(folder, card, BY_TRANSFORMERS), card, asked), logprobs(
        load_pilot(folder, card, AS_IS), card, asked
    )


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA pilot of a tiny Llama."""
    folder = tmp_path_factory.mktemp("tiny")
    base = tiny_gguf.write_llama(folder / "base.gguf")
    return tiny_pilots.write_lora(folder / "tiny", f"gguf:{base}", spread=0.2)


def test_a_pilot_of_the_embedded_model_flies_alike_by_both(tmp_path: Path) -> None:
    folder = tiny_pilots.write_lora(tmp_path / "small", "smollm2", word=str(embedded_path()))
    there, here = by_both(folder, 16)
    assert np.abs(here - there).max() < 0.02
    base = load_model("smollm2", ModelOptions(quantisation="as-is"))
    assert np.abs(logprobs(base, read_card(folder), states(16)) - there).max() > 0.1


def test_llama_cpp_and_transformers_fly_a_pilot_alike(tiny: Path) -> None:
    there, here = by_both(tiny, 400)
    assert np.abs(here - there).max() < 0.02
    moves = there[:, 0] - there[:, 1]
    assert moves.std() > 0.2, "one that answers the same always would agree by chance"
    sure = np.abs(moves - np.median(moves)) > 0.02
    middle = np.median(there, axis=0)
    assert ((here - middle).argmax(1) == (there - middle).argmax(1))[sure].all()
    assert sure.mean() > 0.5


def test_a_faithful_kind_keeps_what_training_changed(tiny: Path) -> None:
    card, asked = read_card(tiny), states(50)
    exact = logprobs(load_pilot(tiny, card, AS_IS), card, asked)
    base = logprobs(load_model(str(card.base), AS_IS), card, asked)
    changed = np.median(np.abs(exact - base))
    for kind in as_gguf.FAITHFUL:
        model = load_pilot(tiny, card, replace(AS_IS, quantisation=kind))
        assert kind.upper() in str(model.info.quantisation)
        assert np.median(np.abs(logprobs(model, card, asked) - exact)) < changed / 4


def test_a_pilot_flies_in_a_faithful_kind_unless_told_otherwise(tiny: Path) -> None:
    card = read_card(tiny)
    chosen = load_pilot(tiny, card, ModelOptions(threads=1)).info.quantisation
    assert chosen in {"F16", "BF16", "Q8_0"}


def test_a_pilot_is_turned_once_and_anew_if_that_is_damaged(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card, asked = read_card(tiny), states(1)
    first = logprobs(load_pilot(tiny, card, AS_IS), card, asked)
    made = as_gguf.gguf_file(tiny, card, base_of(card, AS_IS), AS_IS)
    whole = made.stat()
    load_pilot(tiny, card, AS_IS)
    assert made.stat().st_mtime_ns == whole.st_mtime_ns
    for left in (whole.st_size // 2, 0):
        with made.open("r+b") as file:
            file.truncate(left)
        assert np.array_equal(logprobs(load_pilot(tiny, card, AS_IS), card, asked), first)
        assert made.stat().st_size == whole.st_size
    assert {file.suffix for file in made.parent.iterdir()} == {".gguf"}
    monkeypatch.setattr(as_gguf, "VERSION", "another")
    assert as_gguf.gguf_file(tiny, card, base_of(card, AS_IS), AS_IS).parent != made.parent


FAMILIES = {
    "gemma3": partial(tiny_gguf.write_gemma3, head=tiny_gguf.GEMMAS_OWN_HEAD),
    "lfm2": tiny_gguf.write_lfm2,
    "llama": tiny_gguf.write_llama,
}


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("kind", ["lora", "full"])
def test_families_whose_tensors_are_turned_are_turned_right(name: str, kind: str, tmp_path: Path) -> None:
    base = FAMILIES[name](tmp_path / f"{name}.gguf")
    write = tiny_pilots.write_lora if kind == "lora" else tiny_pilots.write_full
    folder = write(tmp_path / "pilot", f"gguf:{base}")
    there, here = by_both(folder, 12)
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


REFUSED: dict[str, tuple[ModelOptions, str]] = {
    "another backend": (ModelOptions(backend="vllm"), r"unknown backend 'vllm'.*llama\.cpp, transformers"),
    "an adapter more": (ModelOptions(adapter="x"), "leave --model.adapter out"),
    "a quantisation of transformers": (ModelOptions(backend="transformers", quantisation="q8_0"), "--model.dtype"),
    "a dtype of llama.cpp": (ModelOptions(dtype="float32"), "--model.backend transformers"),
    "no such quantisation": (ModelOptions(quantisation="q3"), "unknown quantisation"),
    "a base that is not there": (ModelOptions(base_gguf="nowhere.gguf"), "there is no file nowhere.gguf"),
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
    with pytest.raises(OntickError, match="names no weights"):
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


@pytest.fixture(scope="module")
def from_folder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A pilot of a folder of weights, and the same weights as a GGUF file."""
    folder = tmp_path_factory.mktemp("from-folder")
    base = tiny_gguf.write_llama(folder / "base.gguf")
    tiny_pilots.save(load(str(base), tiny_pilots.EXACT), folder / "base")
    return tiny_pilots.write_lora(folder / "pilot", f"hf:{folder / 'base'}"), base


def test_a_pilot_of_a_folder_flies_by_transformers_or_with_a_gguf_file_of_its_base(
    from_folder: tuple[Path, Path], tmp_path: Path
) -> None:
    folder, base = from_folder
    card, asked = read_card(folder), states(12)
    by_default = load_pilot(folder, card, ModelOptions(dtype="float32", device="cpu", threads=1))
    assert by_default.info.backend == "transformers"
    there = logprobs(by_default, card, asked)
    with pytest.raises(OntickError, match=r"no GGUF file is known.*--model\.base-gguf FILE"):
        load_pilot(folder, card, ModelOptions(backend="llama.cpp"))
    # The weights are the pilot's own; a coarser file of the base gives the shape, the names and the tokenizer.
    convert(base, tmp_path / "coarse.gguf", KINDS["q8_0"])
    for file in (base, tmp_path / "coarse.gguf"):
        model = load_pilot(folder, card, replace(AS_IS, base_gguf=str(file)))
        assert model.info.backend == "llama.cpp"
        assert np.abs(logprobs(model, card, asked) - there).max() < 0.02


def test_a_base_that_has_moved_is_given_by_an_option(tmp_path: Path) -> None:
    base = tiny_gguf.write_llama(tmp_path / "base.gguf")
    folder = tiny_pilots.write_lora(tmp_path / "pilot", f"gguf:{base}")
    moved = base.rename(tmp_path / "moved.gguf")
    with pytest.raises(OntickError, match=r"which is not there; give it with --model\.base-gguf FILE"):
        load_pilot(folder, read_card(folder), AS_IS)
    assert load_pilot(folder, read_card(folder), replace(AS_IS, base_gguf=str(moved))).info.backend == "llama.cpp"


def test_a_whole_model_flies_by_transformers_without_its_base(tmp_path: Path) -> None:
    base = tiny_gguf.write_llama(tmp_path / "base.gguf")
    folder = tiny_pilots.write_full(tmp_path / "pilot", f"gguf:{base}")
    there, here = by_both(folder, 12)
    base.unlink()
    card = read_card(folder)
    assert np.array_equal(logprobs(load_pilot(folder, card, BY_TRANSFORMERS), card, states(12)), there)
    assert np.abs(here - there).max() < 0.02


def test_a_pilots_own_chat_template_is_what_it_is_asked_by(from_folder: tuple[Path, Path], tmp_path: Path) -> None:
    folder, base = from_folder
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    tokenizer = load(str(base), tiny_pilots.EXACT).tokenizer
    tokenizer.chat_template = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    tokenizer.save_pretrained(copy)
    card = read_card(copy)
    models = [load_pilot(copy, card, options) for options in (BY_TRANSFORMERS, replace(AS_IS, base_gguf=str(base)))]
    messages = Prompt(find_task("cartpole"), card.prompt).messages(states(1)[0])
    for model in models:
        assert isinstance(model, LocalModel)
        assert model.render(messages).startswith("system: ")
