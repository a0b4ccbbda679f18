from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ontick.errors import OntickError
from ontick.learning.dataset import (
    CARD,
    DEMONSTRATIONS,
    Demonstrations,
    demonstrations,
    joined,
    read_dataset,
    seed_ranges,
    write_dataset,
)
from ontick.tasks import find_task

CARTPOLE = find_task("cartpole")


def some(n: int = 20, seed: int = 0, source: str = "teacher") -> Demonstrations:
    rng = np.random.default_rng(seed)
    return demonstrations(
        rng.normal(size=(n, 4)), rng.integers(2, size=n), source, acted=0, seeds=1000 + seed, ticks=np.arange(n)
    )


def equal(a: Demonstrations, b: Demonstrations) -> bool:
    names = Demonstrations.__dataclass_fields__
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in names)


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=4, max_size=4))
def test_a_dataset_reads_back_to_the_last_bit(tmp_path_factory: pytest.TempPathFactory, state: list[float]) -> None:
    folder = tmp_path_factory.mktemp("data") / "d"
    demos = joined([some(), demonstrations([state], [1], "box")])
    written = write_dataset(folder, CARTPOLE, demos, {"verb": "test"})
    read = read_dataset(folder, CARTPOLE)
    assert equal(read.demonstrations, demos)
    assert read.card == written.card
    assert len(read.hash) == 64


def test_the_card_counts_what_is_there(tmp_path: Path) -> None:
    demos = joined([some(30), some(10, 1, "noisy"), demonstrations(np.zeros((5, 4)), [1] * 5, "box")])
    card = write_dataset(tmp_path / "d", CARTPOLE, demos, {"verb": "test"}).card
    assert card["n"] == 45 == sum(card["per_action"].values())
    assert card["per_source"] == {"teacher": 30, "noisy": 10, "box": 5}
    assert card["seeds"] == [[1000, 1001]]
    assert card["made"]["verb"] == "test"


@given(st.sets(st.integers(0, 60)))
def test_seed_ranges_hold_the_seeds_and_nothing_else(seeds: set[int]) -> None:
    ranges = seed_ranges(seeds)
    assert {seed for first, last in ranges for seed in range(first, last + 1)} == seeds
    assert all(a[1] + 1 < b[0] for a, b in itertools.pairwise(ranges))


def test_the_same_demonstrations_have_the_same_hash(tmp_path: Path) -> None:
    one, other, third = (write_dataset(tmp_path / f"{n}", CARTPOLE, some(seed=n // 2), {}) for n in range(3))
    assert one.hash == other.hash != third.hash


def test_nothing_is_written_over(tmp_path: Path) -> None:
    write_dataset(tmp_path / "d", CARTPOLE, some(), {})
    before = (tmp_path / "d" / CARD).read_bytes()
    with pytest.raises(OntickError, match="holds something already"):
        write_dataset(tmp_path / "d", CARTPOLE, some(seed=1), {})
    assert (tmp_path / "d" / CARD).read_bytes() == before


def test_a_damaged_dataset_says_which_line(tmp_path: Path) -> None:
    write_dataset(tmp_path / "d", CARTPOLE, some(), {})
    path = tmp_path / "d" / DEMONSTRATIONS
    whole = path.read_text()
    for damage, message in (
        (whole[:-20], "line 20 of .* is damaged"),
        (whole.replace('"action": 1', '"action": 7', 1), "does not fit the task"),
        (whole.replace('"tick": 3', '"tick": 4', 1), "has changed since"),
        ("", "is empty"),
    ):
        path.write_text(damage)
        with pytest.raises(OntickError, match=message):
            read_dataset(tmp_path / "d", CARTPOLE)


def test_a_dataset_of_another_task_is_refused(tmp_path: Path) -> None:
    write_dataset(tmp_path / "d", CARTPOLE, some(), {})
    with pytest.raises(OntickError, match="of task 'cartpole', not of 'lunarlander'"):
        read_dataset(tmp_path / "d", find_task("lunarlander"))
    with pytest.raises(OntickError, match="ontick collect"):
        read_dataset(tmp_path / "nowhere", CARTPOLE)
    (tmp_path / "d" / CARD).write_text(json.dumps([]))
    with pytest.raises(OntickError):
        read_dataset(tmp_path / "d", CARTPOLE)


def test_what_is_not_a_number_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(OntickError, match="a state holds nan"):
        write_dataset(tmp_path / "d", CARTPOLE, demonstrations([[0, 0, 0, float("nan")]], [0], "box"), {})
