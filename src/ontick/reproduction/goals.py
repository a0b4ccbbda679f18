"""Which numbers are to be reached, and are they? A recipe's figures in one object, and a bar for some of them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping

from ontick.records import Json
from ontick.reproduction.ledger import Entry
from ontick.reproduction.recipes import Recipe
from ontick.reproduction.retention import FREE, TALKING

MUST: Mapping[Recipe, Mapping[str, str]] = {
    Recipe.CARTPOLE: {
        "perfect_share_hold": ">= 1",
        "perfect_share_noop": ">= 1",
        "decision_p50_ms": "<= 20",
    },
    Recipe.LUNARLANDER: {
        "landed_share": ">= 1",
        "solved_share": ">= 0.98",
        "reward_above_teacher": ">= 0",
        "timeouts": "<= 0",
        "decision_p95_ms": "<= 20",
        "lora_alone_landed_share": ">= 0.9",
    },
    Recipe.RETENTION: {
        "landed_share": ">= 0.96",
        "still_right_share": ">= 0.95",
        "perplexity_ratio": "<= 1.05",
        "training_time_added": "<= 0.5",
        "cartpole_perfect_share": ">= 1",
        "cartpole_still_right_share": ">= 0.95",
        "cartpole_perplexity_ratio": "<= 1.05",
        "cartpole_training_time_added": "<= 0.5",
    },
}
"""The bar of each figure that has one: a comparison and a number."""

QUICK_MINUTES = "<= 30"

_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {"<=": operator.le, ">=": operator.ge}


def holds(value: float, must: str) -> bool:
    """Say whether ``value`` is as ``must`` wants it, written like ``<= 1.0``."""
    comparison, bound = must.split()
    return _COMPARISONS[comparison](value, float(bound))


def judged(recipe: Recipe, made: Mapping[str, Entry], *, quick: bool, whole: bool) -> Json:
    """Return ``figures``, and ``bars``: of each figure that has one ``is``, ``must`` and ``holds``.

    Figures of rows that are not made are left out, and so are their bars.

    Args:
        recipe: whose rows they are.
        made: the rows that are made, by their names.
        quick: whether it is the quick form, which must not take long.
        whole: whether all rows are made.
    """
    figures = _FIGURES[recipe](made)
    must = dict(MUST[recipe])
    if whole:
        figures["minutes"] = sum(entry.took_s for entry in made.values()) / 60
        if quick:
            must["minutes"] = QUICK_MINUTES
    bars = {
        name: {"is": figures[name], "must": bar, "holds": holds(figures[name], bar)}
        for name, bar in must.items()
        if figures.get(name) is not None
    }
    return {"figures": figures, "bars": bars}


def _cartpole(made: Mapping[str, Entry]) -> Json:
    if not {"lora", "lora-predicted"} <= set(made):
        return {}
    flown, learnt = (made[name].found.figures for name in ("lora-predicted", "lora"))
    hold, noop = flown["hold"], flown["no-op"]
    return {
        "n": hold["n"],
        "perfect_share_hold": hold["perfect"] / hold["n"],
        "perfect_share_noop": noop["perfect"] / noop["n"],
        "decision_p50_ms": hold["decision_ms"]["p50"],
        "decision_p95_ms": hold["decision_ms"]["p95"],
        "training_steps": learnt["steps"],
        "training_s": learnt["train_s"],
    }


def _lunar_lander(made: Mapping[str, Entry]) -> Json:
    figures: Json = {}
    if "best-predicted" in made:
        best = made["best-predicted"].found.figures["hold"]
        figures |= {
            "n": best["n"],
            "landed_share": best["landed"] / best["n"],
            "solved_share": best["solved"] / best["n"],
            "reward_mean": best["reward_mean"],
            "timeouts": best["timeouts"],
            "decision_p95_ms": best["decision_ms"]["p95"],
        }
        if "heuristic" in made:
            teacher = made["heuristic"].found.figures["heuristic"]
            figures["reward_above_teacher"] = best["reward_mean"] - teacher["reward_mean"]
    if "lora" in made:
        lora = made["lora"].found.figures["hold"]
        figures["lora_alone_landed_share"] = lora["landed"] / lora["n"]
    return figures


def _retention(made: Mapping[str, Entry]) -> Json:
    figures: Json = {}
    if TALKING in made:
        flown = made[TALKING].found.figures["hold"]
        figures |= {"n": flown["n"], "landed_share": flown["landed"] / flown["n"], "reward_mean": flown["reward_mean"]}
    if "talking-cartpole" in made:
        flown = made["talking-cartpole"].found.figures["hold"]
        figures["cartpole_perfect_share"] = flown["perfect"] / flown["n"]
    for row, prefix in ((f"asked-{TALKING}", ""), ("asked-talking-cartpole", "cartpole_")):
        if row in made:
            asked = made[row].found.figures
            figures[f"{prefix}still_right_share"] = asked["still_right_share"]
            figures[f"{prefix}perplexity_ratio"] = asked["perplexity_ratio"]
    for prefix, (free, talking) in _TRAININGS.items():
        if {free, talking} <= set(made):
            took_s, free_s = (_took_s(made[name].found.figures) for name in (talking, free))
            figures[f"{prefix}training_time_added"] = took_s / free_s - 1
    return figures


def _took_s(training: Json) -> float:
    """Return how long a training took, with all that went before its first step."""
    return training["train_s"] + (training.get("prepare_s") or 0.0)


_TRAININGS = {
    "": (FREE, TALKING),
    "cartpole_": ("flying-cartpole", "talking-cartpole"),
}
"""The row that a pilot which only flies is trained in, and that of one which talks as well."""

_FIGURES: Mapping[Recipe, Callable[[Mapping[str, Entry]], Json]] = {
    Recipe.CARTPOLE: _cartpole,
    Recipe.LUNARLANDER: _lunar_lander,
    Recipe.RETENTION: _retention,
}
