"""What may be loaded is loaded whole, adapters and GGUF files too; what may not is refused in one line."""

from __future__ import annotations

import json
import shutil
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import peft
import pytest
import safetensors.torch
import torch
import transformers

import families
from ontick.cache import cache_folder
from ontick.errors import OntickError
from ontick.models.base import Message, ModelOptions
from ontick.models.catalog import load_model
from ontick.models.hf.load import load, quiet
from ontick.models.hf.model import HuggingFace

_peft: Any = peft
_safetensors: Any = safetensors.torch
_torch: Any = torch
_transformers: Any = transformers

EXACT = ModelOptions(dtype="float32", threads=1)
ASKED = [Message("system", "Answer with one digit."), Message("user", "3 4 5")]
CHOICES = ("0", "1", "2")


def hugging_face(word: str | Path, **options: Any) -> HuggingFace:
    model = load_model(f"hf:{word}", replace(EXACT, **options))
    assert isinstance(model, HuggingFace)
    return model


def _adapted(name: str) -> Any:
    model = _transformers.AutoModelForCausalLM.from_pretrained(families.folder_of(name), dtype=torch.float32)
    config = _peft.LoraConfig(r=4, target_modules=["q_proj", "v_proj", "down_proj"], init_lora_weights=False)
    return _peft.get_peft_model(model, config).eval()


def adapter_of(name: str, folder: Path) -> tuple[Path, list[float]]:
    """Make a LoRA adapter; return its folder and the log-probabilities that peft itself gives with it."""
    _torch.manual_seed(1)
    with quiet():
        adapted = _adapted(name)
    adapted.save_pretrained(folder)
    plain = hugging_face(families.folder_of(name))
    tokens = torch.tensor([plain.tokens(ASKED)])
    with torch.inference_mode():
        logits = adapted(input_ids=tokens).logits[0, -1]
    answers = plain.answer_tokens(ASKED, CHOICES)
    logprobs: list[float] = _torch.log_softmax(logits[answers].double(), -1).tolist()
    return folder, logprobs


@pytest.mark.parametrize("name", ["qwen3", "gemma3-1b"])
def test_an_adapter_is_added_to_its_base_however_it_is_named(name: str, tmp_path: Path) -> None:
    folder, expected = adapter_of(name, tmp_path)
    plain = hugging_face(families.folder_of(name)).choose(ASKED, CHOICES).logprobs
    assert plain != pytest.approx(expected, abs=1e-2)
    by_option = hugging_face(families.folder_of(name), adapter=str(folder))
    by_itself = hugging_face(folder)
    for model in (by_option, by_itself):
        assert model.choose(ASKED, CHOICES).logprobs == pytest.approx(expected, abs=1e-3)
    assert by_itself.info.name == folder.name
    assert by_itself.info.parameters == hugging_face(families.folder_of(name)).info.parameters


def test_an_adapters_own_tokenizer_and_template_are_taken(tmp_path: Path) -> None:
    folder, _ = adapter_of("qwen3", tmp_path)
    _, tokenizer = families.plain_model("qwen3")
    tokenizer.save_pretrained(folder)
    (folder / "chat_template.jinja").write_text("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}>")
    assert hugging_face(folder).render(ASKED) == "system: Answer with one digit.\nuser: 3 4 5\n>"


def test_loading_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hugging_face(families.folder_of("gemma4-e2b")).choose(ASKED, CHOICES)
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_a_gguf_file_is_unpacked_once_and_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    first = hugging_face("smollm2").choose(ASKED, CHOICES)
    (folder,) = [made for made in (cache_folder() / "unpacked").iterdir() if "SmolLM2" in made.name]
    made = {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}

    def refuse(*_: object) -> None:
        raise AssertionError("unpacked twice")

    monkeypatch.setattr("ontick.models.hf.load._unpack", refuse)
    assert hugging_face("smollm2").choose(ASKED, CHOICES).logprobs == first.logprobs
    assert {file.name: file.stat().st_mtime_ns for file in folder.iterdir()} == made


def test_a_gguf_file_that_is_cut_short_leaves_nothing_behind(tmp_path: Path) -> None:
    from ontick.models.catalog import embedded_path

    path = tmp_path / "cut.gguf"
    path.write_bytes(embedded_path().read_bytes()[:3_000_000])
    with pytest.raises(OntickError, match=r"transformers cannot read .* use gguf:"):
        hugging_face(path)
    assert not [made for made in (cache_folder() / "unpacked").iterdir() if made.name.startswith(("cut", "partial"))]


def copy_of(name: str, into: Path) -> Path:
    return Path(shutil.copytree(families.folder_of(name), into / "copy"))


def edit_config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_pickled_weights_are_never_read(tmp_path: Path) -> None:
    folder = copy_of("qwen3", tmp_path)
    _torch.save(_safetensors.load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(OntickError, match="no safetensors weights"):
        hugging_face(folder)


def test_pickled_adapters_are_never_read(tmp_path: Path) -> None:
    folder, _ = adapter_of("qwen3", tmp_path)
    _torch.save(_safetensors.load_file(folder / "adapter_model.safetensors"), folder / "adapter_model.bin")
    (folder / "adapter_model.safetensors").unlink()
    with pytest.raises(OntickError, match=r"adapter_model\.safetensors"):
        hugging_face(folder)


def test_code_that_comes_with_a_model_is_never_run(tmp_path: Path) -> None:
    folder = copy_of("qwen3", tmp_path)
    ran = tmp_path / "ran"
    (folder / "own.py").write_text(f"open({str(ran)!r}, 'w').close()\n")
    auto = {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model", "AutoTokenizer": ["own.T", "own.T"]}
    edit_config(folder, model_type="own", auto_map=auto)
    with pytest.raises(OntickError, match="give another model"):
        hugging_face(folder)
    assert not ran.exists()


def test_damaged_weights_are_said_so(tmp_path: Path) -> None:
    folder = copy_of("qwen3", tmp_path)
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(OntickError, match="transformers cannot load"):
        hugging_face(folder)


def test_weights_that_are_not_all_there_are_no_model(tmp_path: Path) -> None:
    folder = copy_of("qwen3", tmp_path)
    weights = _safetensors.load_file(folder / "model.safetensors")
    lost = next(name for name in weights if "q_proj" in name)
    _safetensors.save_file(
        {name: tensor for name, tensor in weights.items() if name != lost}, folder / "model.safetensors"
    )
    with pytest.raises(OntickError, match="lack"):
        hugging_face(folder)


def test_an_adapter_of_another_model_is_said_so(tmp_path: Path) -> None:
    folder, _ = adapter_of("qwen3", tmp_path / "adapter")
    with pytest.raises(OntickError, match="transformers cannot load"):
        hugging_face(families.folder_of("gemma3-1b"), adapter=str(folder))


MISTAKES: dict[str, tuple[str, dict[str, Any], str]] = {
    "no such folder": ("./nowhere", {}, "there is no folder"),
    "an empty folder": ("{tmp}", {}, "holds no model"),
    "no such file": ("nowhere.gguf", {}, "there is no file"),
    "a file that is no GGUF": ("{file}", {}, "is not a GGUF file"),
    "no such precision": ("{model}", {"dtype": "float8"}, "unknown dtype 'float8'"),
    "no such device": ("{model}", {"device": "tpu"}, "unknown device 'tpu'"),
    "no such adapter": ("{model}", {"adapter": "./nowhere"}, "there is no folder"),
    "an adapter that is none": ("{model}", {"adapter": "{tmp}"}, "is no LoRA adapter"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_one_line_that_says_what_to_do(case: str, tmp_path: Path) -> None:
    word, options, says = MISTAKES[case]
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("words")
    places = {"tmp": tmp_path / "empty", "file": tmp_path / "file", "model": families.folder_of("qwen3")}
    filled = {key: str(value).format(**places) for key, value in options.items()}
    with pytest.raises(OntickError) as caught:
        hugging_face(word.format(**places), **filled)
    assert says in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_said_so() -> None:
    with pytest.raises(OntickError, match=r"--model\.device cpu"):
        hugging_face(families.folder_of("qwen3"), device="cuda")


def test_an_adapter_that_names_no_base_is_said_so(tmp_path: Path) -> None:
    folder, _ = adapter_of("qwen3", tmp_path)
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(OntickError, match=r"--model\.adapter"):
        hugging_face(folder)


def test_what_is_loaded_has_the_precision_asked_for() -> None:
    for dtype in ("float32", "bfloat16", "float16"):
        model = load(str(families.folder_of("gemma3-4b")), ModelOptions(dtype=dtype, device="cpu")).model
        assert {str(weights.dtype) for weights in model.parameters()} == {f"torch.{dtype}"}
