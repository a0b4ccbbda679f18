"""Make a pilot that ships with the package of a trained one: rounded to float16, with its recipe on its card.

    python recipes/ship.py pilots/mine cartpole --recipe cartpole --command "python recipes/cartpole.py"

The folder is that of the package, so that ``pilot:cartpole`` is this pilot from then on; commit it. What is printed
last is one JSON object.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import Positional, arg

from ontick.errors import OntickError
from ontick.evaluation.teacher_states import DisturbedTeacher, disturbed_flight
from ontick.learning.seeds import TRAINING_SEED
from ontick.pilots.card import WEIGHTS, Kind, read_card
from ontick.pilots.find import SHIPPED_HOME, find_pilot
from ontick.pilots.ship import Recipe, ship
from ontick.records import State
from ontick.tasks import find_task
from ontick.tasks.base import Task

FIRST_SEED = TRAINING_SEED - 500_000
"""Of the flights whose states are compared."""


def main(
    pilot: Positional[str],
    name: Positional[str],
    recipe: str,
    command: Annotated[str | None, arg(help_behavior_hint="(default: python recipes/RECIPE.py --seed SEED)")] = None,
    seed: Annotated[int | None, arg(help_behavior_hint="(default: the one that its card says)")] = None,
    states: int = 2000,
    to: Annotated[Path | None, arg(help_behavior_hint="(default: in the package)")] = None,
) -> None:
    """Ship a pilot.

    Args:
        pilot: its folder, or its name in pilots/.
        name: what it is to be called: one of those that ship.
        recipe: the name of the recipe that made it.
        command: the command that makes it again.
        seed: the recipe's seed.
        states: on how many states its decisions before and after are compared.
        to: where it is written.
    """
    folder = find_pilot(pilot)
    card = read_card(folder)
    asked = int(card.settings.get("seed", 0)) if seed is None else seed
    made_by = Recipe(recipe, command or f"python recipes/{recipe}.py --seed {asked}", asked)
    task = find_task(card.task)
    place = SHIPPED_HOME / name if to is None else to
    shipped = ship(folder, name, made_by, task, recorded_states(task, states), place)
    size = (place / WEIGHTS[Kind.LORA]).stat().st_size
    agreement = (shipped.recipe or {})["agreement"]
    print(f"{place}: {size / 1e6:.1f} MB; the same decision in {agreement['same']} of {agreement['states']} states")
    print(json.dumps({"pilot": str(place), "id": shipped.id, "bytes": size, **asdict(made_by), "agreement": agreement}))


def recorded_states(task: Task, count: int) -> list[State]:
    """Return states of flights of a teacher who is now and then disturbed."""
    env, teacher, found = task.make(), DisturbedTeacher(task), list[State]()
    seed = FIRST_SEED
    while len(found) < count:
        found += [state for state, _ in disturbed_flight(task, env, teacher, seed)[1]]
        seed += 1
    return found[:count]


if __name__ == "__main__":
    try:
        tyro.cli(main)
    except OntickError as error:
        raise SystemExit(f"ship: {error}") from error
