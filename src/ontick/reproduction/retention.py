"""The rows of what the posts left open: a pilot that lands and still talks, and what each way to that costs."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace

from ontick.models.catalog import EMBEDDED
from ontick.reproduction import cartpole, figures, lunar_lander
from ontick.reproduction.row import Row, chosen
from ontick.reproduction.tuning import tuning_for

TASK = lunar_lander.TASK

FREE = "flying"
"""The row of a training that keeps nothing: all ways to keep something begin there, or are compared with it."""

TALKING = "talking"
"""The row of the pilot that lands and talks: it stays near its base from the first step on."""

ALL = "keep-all"
"""The way of all ways: aimed, anchored and rehearsing."""

NEAR = ("anchored at 40 from the first step", "--keep.anchor 40")
"""How that pilot stays near its base: what that is called, and its options."""

ANSWERS = "--keep.answer-tokens 32"
"""How much of each conversation's answer is read."""

AIMED = ("aimed at 20 from the first step", "--keep.aim 20 --keep.heard 100")
"""How the CartPole pilot stays near its base: there are directions enough that are its prompts' alone."""

NARROW = {
    "ablation-slow": "a tenth of the learning rate",
    "ablation-rank-4": "rank 4",
    "ablation-attention": "queries and values only",
}
"""Ways to change less, of `lunar_lander`, each trained from the base: what it is called beside the others."""

KEPT = {
    ALL: ("aimed, anchored, divergence 4", "--keep.aim 3 --keep.anchor 6 --keep.kl 4"),
    "keep-aim": ("aimed at 8", "--keep.aim 8"),
    "keep-anchor": ("anchored", "--keep.anchor 6"),
    "keep-kl": ("divergence 4", "--keep.kl 4"),
    "keep-replay": ("replay 1", "--keep.replay 1"),
}
"""Ways to give a pilot that only flies its words back: what each is called, and its options."""

AVERAGED = {"averaged": FREE, "averaged-kept": ALL}
"""Lines between the base and a row's pilot that are made to be compared."""

SHARES = "0.2 0.4 0.6 0.8"
"""Where on such a line it is looked."""


@dataclass(frozen=True)
class Size:
    """How much is flown and trained."""

    lander: lunar_lander.Size
    """Of the rows that are the lander's."""
    flights: int
    """In real time, of the pilots that are meant to talk."""
    cartpole_steps: int
    flying_steps: int = 1200
    """In which the lander's pilots learn to fly."""
    compared_steps: int = 0
    """In which each other way gives that one its words back; 0: they are not compared."""


QUICK = Size(lunar_lander.QUICK, flights=20, cartpole_steps=200)
FULL = replace(QUICK, lander=lunar_lander.FULL, flights=50, cartpole_steps=300, compared_steps=400)


def rows(model: str, size: Size) -> tuple[Row, ...]:
    """Return the rows for a language model as the command line names it."""
    narrow, ways = (NARROW, KEPT) if size.compared_steps else ({}, {})
    made = chosen(lunar_lander.rows(model, size.lander), ["noisy", "mlp", *narrow])
    made.append(_flying(model, size))
    made += [_kept(name, *way, model, size) for name, way in ways.items()]
    if ways:
        made += [_averaged(name, of, size) for name, of in AVERAGED.items()]
    made.append(_talking(model, size))
    made += [row for row in cartpole.rows(model, cartpole.FULL) if row.name == "box"]
    made += _cartpole(model, size)
    made += [_asked(name, TASK, model) for name in (*narrow, FREE, *ways, TALKING)]
    made.append(_asked("talking-cartpole", cartpole.TASK, model))
    return tuple(made)


def _flying(model: str, size: Size) -> Row:
    """Return the row that learns to fly and keeps nothing."""
    return Row(
        FREE,
        f"LoRA that keeps nothing, {size.flying_steps} steps",
        "",
        (_from_base(FREE, model, size), _frozen(FREE, size)),
        figures.trained(figures.flights("hold", last=1)),
        after=("noisy", "mlp"),
        extras=("train",),
        memory_mb=tuning_for(model).memory_mb,
        minutes=2 + size.flying_steps / lunar_lander.STEPS_A_MINUTE["lora"],
    )


def _talking(model: str, size: Size) -> Row:
    """Return the row of the pilot that lands and talks: the same training, near its base all the while."""
    what, keep = NEAR
    return Row(
        TALKING,
        f"the same, {what}; {size.flights} flights in real time",
        "",
        (
            f"{_from_base(TALKING, model, size)} {keep} {ANSWERS}",
            _frozen(TALKING, size),
            f"eval {TASK} pilot:{TALKING}/pilot --episodes {size.flights} {_in_time(model)}",
        ),
        figures.trained(figures.flights("frozen", "hold", last=2)),
        after=("noisy", "mlp"),
        extras=("train",),
        memory_mb=tuning_for(model).memory_mb + 1000,
        minutes=4 + size.flying_steps / lunar_lander.STEPS_A_MINUTE["lora"] + size.flights / 8,
    )


def _from_base(name: str, model: str, size: Size) -> str:
    """Return the command that teaches the base to fly the lander."""
    return (
        f"train {TASK} lora --data noisy/data --to {name}/pilot --base {shlex.quote(model)} {lunar_lander.PROMPT} "
        f"{_lessons(tuning_for(model).long_lora, size.flying_steps)}"
    )


def _kept(name: str, what: str, keep: str, model: str, size: Size) -> Row:
    """Return a row that gives the pilot that keeps nothing its words back, and flies it."""
    tuning, steps = tuning_for(model), size.compared_steps
    return Row(
        name,
        f"{FREE}, {what}: {steps} steps from there",
        "",
        (
            f"train {TASK} lora --from {FREE}/pilot --data noisy/data --to {name}/pilot "
            f"{_lessons(tuning.rate(0.5 * tuning.long_rate), steps)} {keep} {ANSWERS}",
            _frozen(name, size),
        ),
        figures.trained(figures.flights("hold", last=1)),
        after=(FREE, "noisy", "mlp"),
        extras=("train",),
        memory_mb=tuning.memory_mb + 1000,
        minutes=_minutes(steps) + 5,
    )


def _minutes(steps: int) -> float:
    """Return roughly how long a training takes that rehearses."""
    return 2 + 1.4 * steps / lunar_lander.STEPS_A_MINUTE["lora"]


def _lessons(rate: str, steps: int) -> str:
    """Return what all of the lander's trainings have in common."""
    return f"--balance sqrt {rate} --optimiser.steps {steps} --selection.every 0 {lunar_lander.DISTIL}"


def _frozen(name: str, size: Size) -> str:
    """Return the flights by which a row's pilot is compared with others."""
    return f"eval {TASK} pilot:{name}/pilot --episodes {size.lander.flights} --clock virtual --late hold"


def _averaged(name: str, of: str, size: Size) -> Row:
    """Return a row that looks between the base and another row's pilot."""
    return Row(
        name,
        f"weights between the base and {of}",
        "",
        (f"average {of}/pilot --to {name}/pilot --shares {SHARES} --episodes {size.lander.flights}",),
        figures.line,
        after=(of,),
        extras=("train",),
        memory_mb=1500,
        minutes=1.5 * len(SHARES.split()),
    )


def _cartpole(model: str, size: Size) -> list[Row]:
    """Return the rows of a CartPole pilot that flies, and of one that talks as well."""
    task, (what, keep) = cartpole.TASK, AIMED
    memory_mb, minutes = tuning_for(model).memory_mb + 500, 1 + size.cartpole_steps / 60
    return [
        Row(
            "flying-cartpole",
            f"LoRA for CartPole that keeps nothing, {size.cartpole_steps} steps",
            "",
            (
                _cartpole_from_base("flying-cartpole/pilot", model, size),
                f"eval {task} pilot:flying-cartpole/pilot --episodes 10 --clock virtual --late hold",
            ),
            figures.trained(figures.flights("hold", last=1)),
            after=("box",),
            extras=("train",),
            memory_mb=memory_mb,
            minutes=minutes,
        ),
        Row(
            "talking-cartpole",
            f"the same, {what}, then averaged with the base; {size.flights} flights in real time",
            "",
            (
                f"{_cartpole_from_base('talking-cartpole/aimed', model, size)} {keep} {ANSWERS}",
                "average talking-cartpole/aimed --to talking-cartpole/pilot --shares 0.5 0.65 0.8 --episodes 10",
                f"eval {task} pilot:talking-cartpole/pilot --episodes {size.flights} {_in_time(model)}",
            ),
            figures.trained(figures.flights("hold", last=1)),
            after=("box",),
            extras=("train",),
            memory_mb=memory_mb,
            minutes=8 + minutes + size.flights / 6,
        ),
    ]


def _cartpole_from_base(to: str, model: str, size: Size) -> str:
    """Return the command that teaches the base CartPole."""
    return (
        f"train {cartpole.TASK} lora --data box/data --to {to} --base {shlex.quote(model)} {cartpole.PROMPT} "
        f"{tuning_for(model).lora} --optimiser.steps {size.cartpole_steps} --selection.every 0"
    )


def _asked(name: str, task: str, model: str) -> Row:
    """Return a row in which another row's pilot is asked ordinary questions and reads a general text."""
    return Row(
        f"asked-{name}",
        f"ordinary questions to {name}",
        "",
        (f"probe {task} pilot:{name}/pilot --states 20 --questions all{_kind(model)}",),
        figures.questions,
        after=(name,),
        minutes=1,
    )


def _in_time(model: str) -> str:
    """Return how the pilots that talk are flown in real time; within a tick prediction changes nothing."""
    threads = " --model.threads 2" if model == EMBEDDED else ""
    return f"--late hold --predict estimate{_kind(model)}{threads}"


def _kind(model: str) -> str:
    """Return the option by which llama.cpp rounds as little of what is kept as of what is learnt, where it flies."""
    return " --model.quantisation f16" if model == EMBEDDED else ""
