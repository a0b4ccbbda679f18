"""Chat files: back to the last bit, and other trainers learn the very tokens that a model is asked with."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import transformers

import families
from ontick.errors import OntickError
from ontick.learning.chat_files import import_chat
from ontick.learning.dataset import DEMONSTRATIONS, Demonstrations, read_dataset
from ontick.learning.exchange import Form, bring_in, export
from ontick.learning.gather import CollectSetup, gather
from ontick.models.base import LocalModel, ModelOptions
from ontick.models.catalog import load_model
from ontick.models.hf.load import quiet
from ontick.prompts import ExamplesIn, Layout, Prompt, PromptStyle
from ontick.tasks import find_task
from ontick.wording import Numbers

_transformers: Any = transformers

CARTPOLE = find_task("cartpole")
EXACT = ModelOptions(dtype="float32", threads=1)
COMPACT = PromptStyle(layout=Layout.COMPACT)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "d"
    gather(CollectSetup("cartpole", noise=("actions:0.3",), episodes=2, box=10), folder)
    return folder


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize(
    "style",
    [
        PromptStyle(),
        PromptStyle(features=("spin", "angle"), numbers=Numbers.LETTER),
        PromptStyle(examples=4),
        PromptStyle(examples=4, examples_in=ExamplesIn.SYSTEM, numbers=Numbers.TWO),
    ],
)
def test_a_file_holds_the_conversations_that_a_model_is_asked_and_reads_back_exactly(
    style: PromptStyle, data: Path, tmp_path: Path
) -> None:
    result = export([data], tmp_path / "c.jsonl", Form.CHAT, style)
    demos, prompt = read_dataset(data, CARTPOLE).demonstrations, Prompt(CARTPOLE, style)
    rows = rows_of(tmp_path / "c.jsonl")
    assert len(rows) == len(demos) == result["n"]
    for row, state, action in zip(rows, demos.states, demos.actions, strict=True):
        assert row["prompt"] == [message._asdict() for message in prompt.messages(state)]
        assert row["completion"] == [{"role": "assistant", "content": str(action)}]
        assert row["messages"] == row["prompt"] + row["completion"]
    bring_in(tmp_path / "c.jsonl", "cartpole", tmp_path / "back", Form.CHAT)
    assert (tmp_path / "back" / DEMONSTRATIONS).read_bytes() == (data / DEMONSTRATIONS).read_bytes()


def test_every_line_has_the_same_keys_so_that_it_is_a_table(data: Path, tmp_path: Path) -> None:
    export([data], tmp_path / "c.jsonl", Form.CHAT)
    assert len({tuple(row) for row in rows_of(tmp_path / "c.jsonl")}) == 1


def test_the_compact_layout_is_refused_unless_it_is_rendered(data: Path, tmp_path: Path) -> None:
    with pytest.raises(OntickError, match="add --render MODEL"):
        export([data], tmp_path / "c.jsonl", Form.CHAT, COMPACT)
    assert list(tmp_path.iterdir()) == []
    word = f"hf:{families.folder_of('smollm2')}"
    export([data], tmp_path / "c.jsonl", Form.CHAT, COMPACT, word, EXACT)
    row, state = rows_of(tmp_path / "c.jsonl")[0], read_dataset(data, CARTPOLE).demonstrations.states[0]
    assert row["prompt"].endswith(f"<|im_start|>assistant\n{Prompt(CARTPOLE, COMPACT).describe(state)}=")
    assert row["segments"] == [{"label": False, "text": row["prompt"]}, {"label": True, "text": row["completion"]}]
    bring_in(tmp_path / "c.jsonl", "cartpole", tmp_path / "back", Form.CHAT)
    assert (tmp_path / "back" / DEMONSTRATIONS).read_bytes() == (data / DEMONSTRATIONS).read_bytes()


CONVERSATIONS = [(name, Layout.CHAT, False) for name in families.FAMILIES if name not in ("gemma2", "gemma4-e2b")]
RENDERED = [(name, layout, True) for name in families.FAMILIES for layout in Layout]


@pytest.mark.parametrize(("family", "layout", "rendered"), CONVERSATIONS + RENDERED)
def test_trl_trains_on_the_tokens_that_a_model_is_asked_with_and_on_the_answer_alone(
    family: str, layout: Layout, rendered: bool, data: Path, tmp_path: Path
) -> None:
    pytest.importorskip("trl")
    word, style = f"hf:{families.folder_of(family)}", PromptStyle(layout=layout)
    export([data], tmp_path / "c.jsonl", Form.CHAT, style, word if rendered else None, EXACT)
    trained = trl_reads(tmp_path / "c.jsonl", families.folder_of(family))
    demos, prompt, model = read_dataset(data, CARTPOLE).demonstrations, Prompt(CARTPOLE, style), load_model(word, EXACT)
    assert isinstance(model, LocalModel)
    assert len(trained) == len(demos)
    for row, state, action in zip(trained, demos.states, demos.actions, strict=True):
        messages = prompt.messages(state)
        asked = model.tokens(messages)
        answer = model.answer_tokens(messages, prompt.choices)[int(action)]
        ends = row["input_ids"][len(asked) + 1 :]
        assert row["input_ids"] == [*asked, answer, *ends]
        assert row["labels"] == [-100] * len(asked) + [answer, *ends]
        assert len(ends) <= 2


def trl_reads(path: Path, folder: Path) -> list[dict[str, Any]]:
    """Return what `SFTTrainer` makes of a file that is loaded as any user would."""
    with quiet():
        trl: Any = importlib.import_module("trl")
        datasets: Any = importlib.import_module("datasets")
        table = datasets.load_dataset("json", data_files=str(path), split="train", cache_dir=str(path.parent / "cache"))
        trainer = trl.SFTTrainer(
            model=_transformers.AutoModelForCausalLM.from_pretrained(folder),
            args=trl.SFTConfig(output_dir=str(path.parent / "out"), report_to=[], use_cpu=True, max_length=None),
            train_dataset=table,
            processing_class=_transformers.AutoTokenizer.from_pretrained(folder),
        )
        return list(trainer.train_dataset)


DAMAGES: list[tuple[Callable[[str], str], str]] = [
    (lambda text: text[:-30], "line .* is damaged"),
    (lambda text: text.replace('"content": "1"}], "messages"', '"content": "0"}], "messages"', 1), "change both"),
    (lambda text: "", "is empty"),
    (lambda text: '{"prompt": "a", "completion": "1"}\n', "line 1 .* is damaged .*state"),
    (lambda text: "[1]\n", "line 1 .* is damaged"),
]


@pytest.mark.parametrize(("change", "says"), DAMAGES)
def test_a_damaged_file_is_one_clear_line_and_nothing_is_written(
    change: Callable[[str], str], says: str, data: Path, tmp_path: Path
) -> None:
    export([data], tmp_path / "c.jsonl", Form.CHAT)
    (tmp_path / "c.jsonl").write_text(change((tmp_path / "c.jsonl").read_text()))
    with pytest.raises(OntickError, match=says):
        bring_in(tmp_path / "c.jsonl", "cartpole", tmp_path / "back", Form.CHAT)
    assert not (tmp_path / "back").exists()


def test_mistakes_are_found_before_anything_is_written(data: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    for asked, says in (
        ({"to": tmp_path / "mine"}, "holds something already"),
        ({"folders": [tmp_path]}, "is no dataset"),
        ({"render": "teacher"}, "is no language model"),
        ({"render": "api:http://127.0.0.1:9/v1#m"}, r"cannot reach|cannot be seen"),
        ({"form": Form.MINARI, "render": "smollm2"}, "leave it out"),
        ({"form": Form.MINARI}, "were sampled and are of no episode"),
    ):
        arguments: dict[str, Any] = {"folders": [data], "to": tmp_path / "x", "form": Form.CHAT, **asked}
        with pytest.raises(OntickError, match=says):
            export(**arguments)
    export([data], tmp_path / "c.jsonl", Form.CHAT)
    with pytest.raises(OntickError, match="fit the task"):
        import_chat(tmp_path / "c.jsonl", find_task("lunarlander"))
    assert {path.name for path in tmp_path.iterdir()} == {"mine", "c.jsonl"}


def test_joined_datasets_leave_as_one_file(data: Path, tmp_path: Path) -> None:
    gather(CollectSetup("cartpole", episodes=0, box=5, seed=3), tmp_path / "more")
    export([data, tmp_path / "more"], tmp_path / "c.jsonl", Form.CHAT)
    back, dead_time = import_chat(tmp_path / "c.jsonl", CARTPOLE)
    assert dead_time is None
    parts = [read_dataset(folder, CARTPOLE).demonstrations for folder in (data, tmp_path / "more")]
    assert np.array_equal(back.states, np.concatenate([part.states for part in parts]))
    assert isinstance(back, Demonstrations)
