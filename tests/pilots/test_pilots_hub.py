"""A pilot goes to the hub whole and comes back the same; a hub that will not have it is said so in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from huggingface_hub import constants

import tiny_gguf
import tiny_pilots
from fake_hub import COMMIT, Refusal, hub, leave_this_machine_out
from ontick.cli import main
from ontick.errors import OntickError
from ontick.models.base import ModelOptions
from ontick.pilots.card import read_card
from ontick.pilots.find import find_pilot
from ontick.pilots.hub import push
from ontick.pilots.load import load_pilot


@pytest.fixture(autouse=True)
def _nobodys_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    leave_this_machine_out(monkeypatch, tmp_path / "machine")


@pytest.fixture
def pilot(tmp_path: Path) -> Path:
    folder = tiny_pilots.write_lora(tmp_path / "tiny", f"gguf:{tiny_gguf.write_llama(tmp_path / 'base.gguf')}")
    (folder / "training" / "checkpoint-3").mkdir(parents=True)
    (folder / "training" / "checkpoint-3" / "adapter_model.safetensors").write_bytes(b"an earlier one")
    for name in ("optimizer.pt", "trainer_state.json", "training_args.bin", "notes.txt"):
        (folder / name).write_text("mine")
    return folder


def test_a_pilot_is_pushed_whole_and_nothing_else(
    pilot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    with hub(monkeypatch, tmp_path / "empty") as server:
        assert main(["push", str(pilot), "someone/pilot", "--private", "--json"]) == 0
    pushed = json.loads(capsys.readouterr().out)
    assert set(server.taken) == {"README.md", "adapter_config.json", "adapter_model.safetensors", "pilot.json"}
    assert all(content == (pilot / name).read_bytes() for name, content in server.taken.items())
    assert server.private
    assert set(pushed) == {"pilot", "to", "private", "files", "megabytes", "commit", "word"}
    assert (pushed["word"], pushed["commit"]) == ("pilot:someone/pilot", COMMIT)
    assert sum("/commit/" in path for path in server.asked) == 1


def test_what_was_pushed_flies_from_there(pilot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = tmp_path / "there"
    there.mkdir()
    with hub(monkeypatch) as server:
        push(pilot, "someone/pilot", private=False)
        for name, content in server.taken.items():
            (there / name).write_bytes(content)
    with hub(monkeypatch, there):
        folder = find_pilot("pilot:someone/pilot")
    assert read_card(folder) == read_card(pilot)
    options = ModelOptions(quantisation="as-is", threads=1)
    assert load_pilot(folder, read_card(folder), options).info.name == "tiny"


def test_a_public_name_is_not_taken_for_a_private_pilot(
    pilot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    with hub(monkeypatch, tmp_path / "empty") as server:
        server.is_there = True
        with pytest.raises(OntickError, match="there already and public"):
            push(pilot, "someone/pilot", private=True)
    assert server.taken == {}


REFUSALS = {
    "nobody": (Refusal(401, ""), "run: hf auth login"),
    "no right to write": (Refusal(403, ""), "may not write to someone/pilot"),
    "no such owner": (Refusal(404, "RepoNotFound"), "no someone that you may write to"),
    "gated": (Refusal(403, "GatedRepo"), "may not write to someone/pilot|is gated"),
    "broken": (Refusal(500, ""), "answered 500"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_refusal_is_one_line_and_nothing_is_taken(
    case: str, pilot: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    refusal, says = REFUSALS[case]
    with hub(monkeypatch, refusal=refusal) as server, pytest.raises(OntickError, match=says) as caught:
        push(pilot, "someone/pilot", private=False)
    assert server.asked
    assert server.taken == {}
    assert len(str(caught.value).splitlines()) == 1
    assert capfd.readouterr().err == ""


def test_a_hub_that_cannot_be_reached_is_said_so(pilot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(OntickError, match="cannot be reached; connect and push again"):
        push(pilot, "someone/pilot", private=False)
    with pytest.raises(OntickError, match="cannot be reached; connect, or give a folder: pilot:PATH"):
        find_pilot("pilot:someone/pilot")


@pytest.mark.parametrize(
    ("refusal", "says"),
    [
        (Refusal(403, "GatedRepo"), "accept its terms"),
        (Refusal(404, "RepoNotFound"), "no public model someone/pilot"),
        (Refusal(401, ""), "hf auth login"),
    ],
)
def test_a_hub_that_does_not_give_a_pilot_is_said_so(
    refusal: Refusal, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hub(monkeypatch, refusal=refusal), pytest.raises(OntickError, match=says) as caught:
        find_pilot("pilot:someone/pilot")
    assert len(str(caught.value).splitlines()) == 1


def test_a_model_on_the_hub_that_is_no_pilot_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "config.json").write_text("{}")
    with hub(monkeypatch, tmp_path / "plain"), pytest.raises(OntickError, match=r"no pilot\.json.*hf:someone/pilot"):
        find_pilot("pilot:someone/pilot")


def test_a_damaged_pilot_or_a_bad_name_goes_nowhere(pilot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with hub(monkeypatch) as server:
        with pytest.raises(OntickError, match="no hub id; write it like ORG/NAME"):
            push(pilot, "pilot", private=False)
        (pilot / "adapter_model.safetensors").write_bytes(b"other weights")
        with pytest.raises(OntickError, match="not those that its card names"):
            push(pilot, "someone/pilot", private=False)
    assert server.asked == []
