"""Which experiments can be reproduced, and where are their results kept?"""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path

from ontick.models.catalog import EMBEDDED
from ontick.reproduction import cartpole, lunar_lander, retention
from ontick.reproduction.row import Row

HOME = Path("reproduced")
"""Where results are kept unless told otherwise."""


class Recipe(StrEnum):
    """An experiment."""

    CARTPOLE = "cartpole"
    LUNARLANDER = "lunarlander"
    RETENTION = "retention"


def rows_of(recipe: Recipe, model: str = EMBEDDED, *, quick: bool = False) -> tuple[Row, ...]:
    """Return an experiment's rows for a language model as the command line names it."""
    match recipe:
        case Recipe.CARTPOLE:
            return cartpole.rows(model, cartpole.QUICK if quick else cartpole.FULL)
        case Recipe.LUNARLANDER:
            return lunar_lander.rows(model, lunar_lander.QUICK if quick else lunar_lander.FULL)
        case Recipe.RETENTION:
            return retention.rows(model, retention.QUICK if quick else retention.FULL)


def folder_of(recipe: Recipe, model: str = EMBEDDED, *, quick: bool = False) -> Path:
    """Return where the results of an experiment are kept: those of another model or size lie elsewhere."""
    parts = [recipe.value, *(["quick"] if quick else []), *([] if model == EMBEDDED else [_short(model)])]
    return HOME / "-".join(parts)


def _short(model: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", model.partition(":")[2] or model).strip("-")
