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

ANCHORED = "anchored"
"""The row in which that pilot is brought near its base again, without reading a conversation in a step."""

REHEARSED = "rehearsed"
"""The row in which it rehearses what its base says, from there."""

TALKING = "talking"
"""The row of the pilot that lands and talks: between the base and that."""

ALL = "keep-all"
"""The way of all ways: aimed, anchored and rehearsing."""

NEARER = ("anchored at 20", "--keep.anchor 20")
"""How the pilot that is to talk is brought near its base: what that is called, and its options."""

STEADILY = ("divergence 8, two conversations a step", "--keep.kl 8 --keep.batch 2")
"""How it rehearses."""

BETWEEN = "0.5 0.6 0.7 0.8 0.9"
"""Where between the base and that pilot the one that talks is looked for."""

ANSWERS = "--keep.answer-tokens 32"
"""How much of each conversation's answer is read."""

KEEP_CARTPOLE = "--keep.aim 20 --keep.kl 3"
"""What the CartPole pilot rehearses: there are directions enough that are its prompts' alone."""

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
    anchored_steps: int
    """In which the lander's pilot is brought near its base again."""
    rehearsed_steps: int
    """In which it rehearses, from there."""
    cartpole_steps: int
    cartpole_kept_steps: int
    flying_steps: int = 1200
    """In which the lander's pilot learns to fly."""
    compared_steps: int = 0
    """In which each other way gives that one its words back; 0: they are not compared."""


QUICK = Size(
    lunar_lander.QUICK, flights=20, anchored_steps=200, rehearsed_steps=150, cartpole_steps=200, cartpole_kept_steps=60
)
FULL = replace(QUICK, lander=lunar_lander.FULL, flights=50, cartpole_steps=300, compared_steps=400)


def rows(model: str, size: Size) -> tuple[Row, ...]:
    """Return the rows for a language model as the command line names it."""
    narrow, ways = (NARROW, KEPT) if size.compared_steps else ({}, {})
    made = chosen(lunar_lander.rows(model, size.lander), ["noisy", "mlp", *narrow])
    made.append(_flying(model, size))
    made += [_kept(name, FREE, *way, size.compared_steps, model, size) for name, way in ways.items()]
    if ways:
        made += [_averaged(name, of, size) for name, of in AVERAGED.items()]
    made.append(_kept(ANCHORED, FREE, *NEARER, size.anchored_steps, model, size))
    made.append(_kept(REHEARSED, ANCHORED, *STEADILY, size.rehearsed_steps, model, size))
    made.append(_talking(model, size))
    made += [row for row in cartpole.rows(model, cartpole.FULL) if row.name == "box"]
    made += _cartpole(model, size)
    made += [_asked(name, TASK, model) for name in (*narrow, FREE, *ways, TALKING)]
    made.append(_asked("talking-cartpole", cartpole.TASK, model))
    return tuple(made)


def _flying(model: str, size: Size) -> Row:
    """Return the row that learns to fly and keeps nothing."""
    tuning = tuning_for(model)
    return Row(
        FREE,
        f"LoRA that keeps nothing, {size.flying_steps} steps",
        "",
        (
            f"train {TASK} lora --data noisy/data --to {FREE}/pilot --base {shlex.quote(model)} {lunar_lander.PROMPT} "
            f"{_lessons(tuning.long_lora, size.flying_steps)}",
            _frozen(FREE, size),
        ),
        figures.trained(figures.flights("hold", last=1)),
        after=("noisy", "mlp"),
        extras=("train",),
        memory_mb=tuning.memory_mb,
        minutes=2 + size.flying_steps / lunar_lander.STEPS_A_MINUTE["lora"],
    )


def _kept(name: str, parent: str, what: str, keep: str, steps: int, model: str, size: Size) -> Row:
    """Return a row that goes on from the pilot of the row ``parent`` and keeps what the base knows, and flies."""
    tuning = tuning_for(model)
    return Row(
        name,
        f"{parent}, {what}: {steps} steps from there",
        "",
        (
            f"train {TASK} lora --from {parent}/pilot --data noisy/data --to {name}/pilot "
            f"{_lessons(tuning.rate(0.5 * tuning.long_rate), steps)} {keep} {ANSWERS}",
            _frozen(name, size),
        ),
        figures.trained(figures.flights("hold", last=1)),
        after=(parent, "noisy", "mlp"),
        extras=("train",),
        memory_mb=tuning.memory_mb + 1000,
        minutes=_minutes(steps) + 5,
    )


def _talking(model: str, size: Size) -> Row:
    """Return the row of the pilot that lands and talks: some of what it learnt, averaged with the base."""
    return Row(
        TALKING,
        f"that, averaged with the base; {size.flights} flights in real time",
        "",
        (
            f"average {REHEARSED}/pilot --to {TALKING}/pilot --shares {BETWEEN} --episodes {size.lander.flights}",
            _frozen(TALKING, size),
            f"eval {TASK} pilot:{TALKING}/pilot --episodes {size.flights} {_in_time(model)}",
        ),
        figures.chosen_on_a_line(figures.flights("frozen", "hold", last=2)),
        after=(REHEARSED,),
        extras=("train",),
        memory_mb=1500,
        minutes=10 + size.flights / 8,
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
    """Return the rows of a CartPole pilot that flies, and then talks as well."""
    tuning, task = tuning_for(model), cartpole.TASK
    memory_mb, extras = tuning.memory_mb + 500, ("train",)
    return [
        Row(
            "flying-cartpole",
            f"the same for CartPole: LoRA that keeps nothing, {size.cartpole_steps} steps",
            "",
            (
                f"train {task} lora --data box/data --to flying-cartpole/pilot --base {shlex.quote(model)} "
                f"{cartpole.PROMPT} {tuning.lora} --optimiser.steps {size.cartpole_steps} --selection.every 0",
                f"eval {task} pilot:flying-cartpole/pilot --episodes 10 --clock virtual --late hold",
            ),
            figures.trained(figures.flights("hold", last=1)),
            after=("box",),
            extras=extras,
            memory_mb=memory_mb,
            minutes=1 + size.cartpole_steps / 60,
        ),
        Row(
            "talking-cartpole",
            f"aimed at 20, divergence 3: {size.cartpole_kept_steps} steps from there; then averaged with the base",
            "",
            (
                f"train {task} lora --from flying-cartpole/pilot --data box/data --to talking-cartpole/rehearsed "
                f"{tuning.rate(0.8 * tuning.lora_rate)} --optimiser.steps {size.cartpole_kept_steps} "
                f"--selection.every 0 {KEEP_CARTPOLE} {ANSWERS}",
                "average talking-cartpole/rehearsed --to talking-cartpole/pilot --shares 0.5 0.65 0.8 --episodes 10",
                f"eval {task} pilot:talking-cartpole/pilot --episodes {size.flights} {_in_time(model)}",
            ),
            figures.trained(figures.flights("hold", last=1)),
            after=("flying-cartpole", "box"),
            extras=extras,
            memory_mb=memory_mb,
            minutes=2 + 1.4 * size.cartpole_kept_steps / 60 + size.flights / 6,
        ),
    ]


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
