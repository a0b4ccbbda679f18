"""A hub that refuses, is away or gives a model: asked over loopback, as its client library asks the real one."""

from __future__ import annotations

from pathlib import Path

import pytest
from huggingface_hub import constants

import families
from fake_hub import Refusal, hub, leave_this_machine_out
from ontick.errors import OntickError
from ontick.models.base import Message, ModelOptions
from ontick.models.catalog import load_model
from ontick.models.hf.hub import weights_folder


@pytest.fixture(autouse=True)
def _nobodys_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    leave_this_machine_out(monkeypatch, tmp_path)


REFUSALS = {
    "gated": (Refusal(403, "GatedRepo"), "accept its terms"),
    "gated, without a token": (Refusal(401, "GatedRepo"), "accept its terms"),
    "not found": (Refusal(404, "RepoNotFound"), "check the name"),
    "not found or private": (Refusal(401, "RepoNotFound"), "hf auth login"),
    "forbidden": (Refusal(403, ""), "run: hf auth login"),
    "broken": (Refusal(500, ""), "500"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_refusal_is_one_line_that_says_what_to_do(
    case: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    refusal, says = REFUSALS[case]
    with hub(monkeypatch, refusal=refusal) as server, pytest.raises(OntickError) as caught:
        load_model("hf:someone/model")
    assert server.asked
    assert says in str(caught.value)
    assert "someone/model" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert capfd.readouterr().err == ""


def test_a_hub_that_is_away_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(OntickError, match="cannot be reached; connect, or give a folder"):
        load_model("hf:someone/model")


def test_a_machine_told_to_stay_offline_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(OntickError, match="cannot be reached; connect, or give a folder"):
        load_model("hf:someone/model")


def test_a_word_that_is_no_hub_id_is_said_so() -> None:
    with pytest.raises(OntickError, match="no hub id"):
        load_model("hf:some..one/model")


def test_a_model_is_downloaded_once_and_flies_without_the_hub(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    source = families.folder_of("qwen3")
    (source / "pytorch_model.bin").write_bytes(b"a pickle")
    asked = [Message("user", "5")]
    with hub(monkeypatch, source) as server:
        model = load_model("hf:someone/model", ModelOptions(dtype="float32"))
    (source / "pytorch_model.bin").unlink()
    assert not [path for path in server.asked if path.endswith(".bin")]
    assert model.info.name == "model"
    local = load_model(f"hf:{source}", ModelOptions(dtype="float32"))
    assert model.choose(asked, ("0", "1")).logprobs == local.choose(asked, ("0", "1")).logprobs
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    folder = weights_folder("someone/model")
    assert (folder / "model.safetensors").exists()
    assert not (folder / "pytorch_model.bin").exists()
    assert capfd.readouterr().err == ""
