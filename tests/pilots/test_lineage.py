"""Pilots are listed as they came of each other, with the best marked and the damaged ones shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tiny_pilots
from ontick.cli import main
from ontick.pilots import lineage
from ontick.pilots.card import Kind, PilotCard, read_card
from ontick.pilots.lineage import Found, list_pilots
from ontick.pilots.readme import EMBEDDED_ON_THE_HUB, readme, write_readme


def evaluation(perfect: int, reward: float) -> dict[str, object]:
    return {
        "evaluation": {
            "n": 10,
            "success": "perfect",
            "perfect": perfect,
            "success_rate": perfect / 10,
            "reward_mean": reward,
        }
    }


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """v1 - v2 - v3 and v2b, the best of which is v2; one of another task, and two damaged ones."""
    home = tmp_path / "pilots"
    ids: dict[str, str] = {}
    family = [("v1", None, 3, 200.0), ("v2", "v1", 10, 500.0), ("v3", "v2", 9, 490.0), ("v2b", "v1", 4, 300.0)]
    for name, parent, perfect, reward in family:
        folder = tiny_pilots.write_mlp(
            home / name,
            name.encode(),
            version=int(name[1]),
            parent=parent and ids[parent],
            metrics=evaluation(perfect, reward),
        )
        ids[name] = read_card(folder).id
    tiny_pilots.write_mlp(home / "lander", b"l", task="lunarlander")
    tiny_pilots.write_mlp(home / "changed", b"c", metrics=evaluation(10, 9999.0))
    (home / "changed" / "mlp.safetensors").write_bytes(b"others")
    (home / "cut").mkdir()
    (home / "cut" / "pilot.json").write_text('{"name": "cu')
    return home


def test_every_pilot_stands_below_its_parent(home: Path) -> None:
    rows = {row["name"]: row for row in list_pilots(home)["pilots"]}
    order = list(rows)
    assert set(rows) == {path.name for path in home.iterdir()}
    assert [rows[name]["depth"] for name in ("v1", "v2", "v3", "v2b")] == [0, 1, 2, 1]
    assert order.index("v1") < order.index("v2") < order.index("v3")
    assert order.index("v3") == order.index("v2") + 1


def test_the_best_of_each_task_is_marked_and_no_damaged_one(home: Path) -> None:
    rows = {row["name"]: row for row in list_pilots(home)["pilots"]}
    assert [name for name, row in rows.items() if row["best"]] == ["v2"]
    assert [name for name, row in rows.items() if row["damaged"]] == ["cut", "changed"]
    assert rows["v2"]["score"] == {
        "n": 10,
        "success": "perfect",
        "perfect": 10,
        "success_rate": 1.0,
        "reward_mean": 500.0,
    }
    assert rows["lander"]["score"] is None


parents = st.lists(st.integers(0, 7), min_size=1, max_size=8)


@given(parents)
def test_any_claims_of_parenthood_list_every_pilot_once(claims: list[int]) -> None:
    def found(number: int, parent: int) -> Found:
        card = PilotCard(str(number), Kind.MLP, "cartpole", str(number), parent=str(parent), made={})
        return Found(Path(str(number)), card, None)

    pilots = [found(number, parent) for number, parent in enumerate(claims)]
    tree = lineage._as_a_tree(pilots)  # pyright: ignore[reportPrivateUsage]
    assert sorted(str(one.folder) for one, _ in tree) == sorted(str(one.folder) for one in pilots)


def test_the_command_shows_them(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["pilots", str(home), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == list_pilots(home)
    monkeypatch.chdir(home.parent)
    assert main(["pilots"]) == 0
    shown = capsys.readouterr().out
    assert "10/10 perfect" in shown
    assert "best" in shown
    assert shown.count("damaged") >= 2
    assert "is no pilot" in shown
    monkeypatch.chdir(home)
    monkeypatch.setattr("ontick.pilots.find.SHIPPED_HOME", home / "nowhere")
    assert main(["pilots"]) == 2
    assert "ontick train" in capsys.readouterr().err


def test_a_model_card_says_what_the_hub_and_a_person_need(home: Path) -> None:
    card = read_card(home / "v2")
    write_readme(home / "v2", card)
    text = (home / "v2" / "README.md").read_text()
    assert text == readme(card)
    for said in (
        "ontick eval cartpole pilot:PATH",
        "| 10 | 10 (100%) | 500.0 |",
        "2000000 to 2000009",
        "d" * 64,
        card.id,
    ):
        assert said in text
    assert text.startswith("---\nlibrary_name:")


@pytest.mark.parametrize(
    ("kind", "base", "named"),
    [
        (Kind.LORA, "smollm2", EMBEDDED_ON_THE_HUB),
        (Kind.FULL, "hf:Qwen/Qwen3-0.6B", "Qwen/Qwen3-0.6B"),
        (Kind.FULL, "hf:./folder", None),
        (Kind.LORA, "hf:a/model.gguf", None),
        (Kind.LORA, "gguf:some/where.gguf", None),
        (Kind.MLP, None, None),
    ],
)
def test_the_front_matter_names_a_base_that_the_hub_knows(kind: Kind, base: str | None, named: str | None) -> None:
    card = PilotCard("p", kind, "cartpole", "0" * 16, base=base, made={})
    front = readme(card).split("---")[1]
    facts = {name: json.loads(value) for name, value in (line.split(": ", 1) for line in front.strip().splitlines())}
    assert facts.get("base_model") == named
    assert facts["library_name"] == {"mlp": "ontick", "lora": "peft", "full": "transformers"}[kind]
