"""Which pilots are there, which came of which, how well does each fly, and which is the best?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ontick.errors import OntickError
from ontick.pilots.card import CARD, PilotCard, read_card
from ontick.pilots.find import HOME, shipped_pilots
from ontick.pilots.weights import check_weights, weight_files
from ontick.records import Json


@dataclass(frozen=True)
class Found:
    """A folder with a pilot's card in it."""

    folder: Path
    card: PilotCard | None
    """None: it cannot be read."""
    damage: str | None
    """What is wrong with it."""


def list_pilots(home: Path) -> Json:
    """Return the object that ``pilots --json`` prints: every pilot below ``home``, each after its parent.

    Where names are looked up, in `HOME`, those that came with the package are there too.

    Raises:
        OntickError: there is no such folder.
    """
    shipped = list(shipped_pilots().values()) if home == HOME else []
    if not home.is_dir() and not shipped:
        raise OntickError(f"there is no folder {home}; give one with pilots in it, or make one with: ontick train")
    found = [_look(folder) for folder in (*shipped, *(path.parent for path in sorted(home.rglob(CARD))))]
    best = _best(found)
    rows = [
        {**_described(one, home), "depth": depth, "best": one.card is not None and one.folder in best}
        for one, depth in _as_a_tree(found)
    ]
    return {"folder": str(home), "pilots": rows}


def score_of(card: PilotCard) -> Json | None:
    """Return how well a pilot flew when it was trained: ``n``, ``success`` and its count, its rate, the mean reward."""
    flown: Any = card.metrics.get("evaluation")
    try:
        success: str = flown["success"]
        told = {name: flown[name] for name in ("success_rate", "reward_mean")}
        return {"n": flown["n"], "success": success, success: flown.get(success), **told}
    except (KeyError, TypeError):
        return None


def examples_of(card: PilotCard) -> int:
    """Return how many examples a pilot learnt from, in all its datasets."""
    return sum(data.get("n", 0) for data in card.data)


def _look(folder: Path) -> Found:
    try:
        card = read_card(folder)
    except OntickError as error:
        return Found(folder, None, str(error))
    try:
        check_weights(folder, card)
    except OntickError as error:
        return Found(folder, card, str(error))
    return Found(folder, card, None)


def _as_a_tree(found: list[Found]) -> list[tuple[Found, int]]:
    """Return pilots each after its parent, with how deep in the tree it is."""
    first: dict[str, Found] = {}
    for one in found:
        if one.card is not None:
            first.setdefault(one.card.id, one)
    children: dict[Path | None, list[Found]] = {}
    for one in found:
        parent = None if one.card is None or one.card.parent is None else first.get(one.card.parent)
        children.setdefault(None if parent is None else parent.folder, []).append(one)
    tree: list[tuple[Found, int]] = []
    placed: set[Path] = set()

    def place(one: Found, depth: int) -> None:
        if one.folder not in placed:
            placed.add(one.folder)
            tree.append((one, depth))
            for child in sorted(children.get(one.folder, ()), key=_age):
                place(child, depth + 1)

    for root in sorted(children.get(None, ()), key=_age):
        place(root, 0)
    for one in found:  # whoever claims to be its own ancestor
        place(one, 0)
    return tree


def _age(one: Found) -> tuple[str, int, str]:
    """Sort by task, then version, then place."""
    return ("", 0, str(one.folder)) if one.card is None else (one.card.task, one.card.version, str(one.folder))


def _best(found: list[Found]) -> set[Path]:
    """Return the pilot of each task that succeeded most often, and of those the one with the most reward."""
    best: dict[str, tuple[tuple[float, float], Path]] = {}
    for one in found:
        score = None if one.card is None or one.damage is not None else score_of(one.card)
        if one.card is None or score is None or score["success_rate"] is None:
            continue
        rank = (score["success_rate"], score["reward_mean"] or 0.0)
        if one.card.task not in best or rank > best[one.card.task][0]:
            best[one.card.task] = (rank, one.folder)
    return {folder for _, folder in best.values()}


def _described(one: Found, home: Path) -> Json:
    card, shipped = one.card, one.folder in shipped_pilots().values()
    which: Json = {
        "folder": str(one.folder),
        "name": one.folder.name if shipped else _name(one.folder, home),
        "shipped": shipped,
        "damaged": one.damage,
    }
    if card is None:
        return which
    files = weight_files(one.folder, card.kind)
    return {
        **which,
        "id": card.id,
        "task": card.task,
        "kind": card.kind.value,
        "version": card.version,
        "parent": card.parent,
        "base": card.base,
        "examples": examples_of(card),
        "data": [data.get("hash") for data in card.data],
        "megabytes": round(sum(file.stat().st_size for file in files if file.exists()) / 1e6, 3),
        "score": score_of(card),
    }


def _name(folder: Path, home: Path) -> str:
    """Return what to call a pilot: its place below ``home``."""
    return folder.name if folder == home else folder.relative_to(home).as_posix()
