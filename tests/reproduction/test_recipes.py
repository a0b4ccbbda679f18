"""Every row of every recipe is made of commands that the program understands, and reads only what was made before."""

from __future__ import annotations

from pathlib import Path

import pytest

from ontick import cli
from ontick.cli.data import Collect
from ontick.cli.training import Train
from ontick.learning.balance import Balance
from ontick.reproduction.recipes import Recipe, folder_of, rows_of
from ontick.reproduction.row import Row, chosen

SETS = [
    pytest.param(rows_of(recipe, model, quick=quick), id=f"{recipe}-{model}-{'quick' if quick else 'full'}")
    for recipe in Recipe
    for model in ("smollm2", "hf:google/gemma-3-1b-it")
    for quick in (True, False)
]


@pytest.mark.parametrize("rows", SETS)
def test_rows_have_names_of_their_own_and_come_after_what_they_build_upon(rows: tuple[Row, ...]) -> None:
    names = [row.name for row in rows]
    assert len(set(names)) == len(names)
    for number, row in enumerate(rows):
        assert set(row.after) <= set(names[:number]) or chosen(rows, [row.name])[-1] is row
        assert set(row.after) <= set(names)


@pytest.mark.parametrize("rows", SETS)
def test_every_command_is_one_that_the_program_understands(rows: tuple[Row, ...]) -> None:
    for row in rows:
        for words in row.words():
            assert cli.parse([*words, "--json"])


@pytest.mark.parametrize("rows", SETS)
def test_a_row_writes_into_its_own_folder_and_reads_those_that_it_names(rows: tuple[Row, ...]) -> None:
    names = {row.name for row in rows}
    for row in rows:
        for words in row.words():
            places = [word.split(":", 1)[-1] for word in words if "/" in word and "google" not in word]
            used = {Path(place).parts[0] for place in places} & names
            assert used <= {row.name, *row.after}, row.name
            if "--to" in words:
                assert Path(words[words.index("--to") + 1]).parts[0] == row.name


@pytest.mark.parametrize("rows", SETS)
def test_what_a_row_builds_upon_is_made_before_it(rows: tuple[Row, ...]) -> None:
    for row in rows:
        made = [before.name for before in chosen(rows, [row.name])]
        assert made[-1] == row.name
        for number, name in enumerate(made):
            after = next(one.after for one in rows if one.name == name)
            assert set(after) <= set(made[:number])


def test_an_option_that_is_changed_takes_the_place_of_the_models_own() -> None:
    rows = {row.name: row for row in rows_of(Recipe.LUNARLANDER)}
    usual, small, slow = (
        cli.parse(rows[name].words()[0]) for name in ("ablation-as-it-is", "ablation-rank-4", "ablation-slow")
    )
    assert isinstance(usual, Train)
    assert isinstance(small, Train)
    assert isinstance(slow, Train)
    assert (usual.lora.rank, small.lora.rank, small.lora.alpha) == (16, 4, 8)
    assert usual.optimiser.learning_rate == pytest.approx(10 * (slow.optimiser.learning_rate or 0))
    assert usual.balance is Balance.SQRT


def test_what_is_learnt_from_and_judged_by_are_other_seeds() -> None:
    for recipe in Recipe:
        for row in rows_of(recipe):
            for words in row.words():
                verb = cli.parse(words)
                if isinstance(verb, Collect):
                    assert verb.seed >= 2_000_000


def test_other_models_and_sizes_have_other_folders() -> None:
    folders = [
        folder_of(recipe, model, quick=quick)
        for recipe in Recipe
        for model in ("smollm2", "hf:google/gemma-3-1b-it", "gguf:/somewhere/model.gguf")
        for quick in (True, False)
    ]
    assert len(set(folders)) == len(folders)
    assert all(len(folder.parts) == 2 for folder in folders)
