"""Tables about trainings: what was learnt, and how it flew on the way."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from ontick.records import Json
from ontick.report.model_tables import millions


def training_table(result: Json) -> Table:
    """Return what came of a training, one row a fact; ``result`` is a pilot's card and its folder."""
    metrics: Json = result["metrics"]
    table = Table(box=SIMPLE_HEAD, title=escape(f"{result['name']} (v{result['version']})"), title_justify="left")
    table.add_column("what")
    table.add_column("value", justify="right")
    table.add_row("learnt", escape(f"{result['kind']} of {result['base']}"))
    table.add_row("parameters that learnt", millions(metrics["parameters"]))
    table.add_row("examples", f"{metrics['examples']:,}")
    table.add_row("tokens of a prompt: shared, own at most", f"{metrics['prefix_tokens']}, {metrics['suffix_tokens']}")
    table.add_row("steps", str(metrics["steps"]))
    table.add_row("best after step", str(metrics["best_step"]))
    if metrics["loss"] is not None:
        table.add_row("loss, first and last", f"{metrics['loss_first']:.3f}, {metrics['loss']:.3f}")
    if (prepared_s := metrics.get("prepare_s")) is not None:
        table.add_row("before the first step", f"{prepared_s:.0f} s")
    table.add_row("training", f"{metrics['train_s']:.0f} s")
    if (left := metrics.get("retention")) is not None:
        table.add_row("of the base's right answers", f"{left['still_right']}/{left['base_right']} still right")
        table.add_row("perplexity of a general text", f"{left['perplexity_ratio']:.2f} times the base's")
        table.add_row("moved on the flying prompts", f"{left['kl_flying_nats']:.2f} nats")
    return table


def evaluations_table(result: Json) -> Table | str:
    """Return how the model flew at each evaluation, the one that was kept marked."""
    metrics: Json = result["metrics"]
    if not metrics["evaluations"]:
        return "no flights chose among its checkpoints: the last was kept"
    table = Table(box=SIMPLE_HEAD, title="flights under the virtual clock, time frozen", title_justify="left")
    remembers = any(evaluation.get("kept") is not None for evaluation in metrics["evaluations"])
    for heading in ("step", "success", "mean reward", *(["knowledge"] if remembers else []), ""):
        table.add_column(heading, justify="right")
    for evaluation in metrics["evaluations"]:
        kept = "kept" if evaluation["step"] == metrics["best_step"] else ""
        success, reward = f"{evaluation['success_rate']:.0%}", f"{evaluation['reward_mean']:.1f}"
        left = [f"{evaluation['kept']:.0%}"] if remembers else []
        table.add_row(str(evaluation["step"]), success, reward, *left, kept)
    return table


def points_table(result: Json) -> Table:
    """Return how the models between a pilot and its base fly and what they know, the one that was kept marked."""
    table = Table(box=SIMPLE_HEAD, title="between the base (0) and the pilot (1)", title_justify="left")
    for heading in ("share", "success", "mean reward", "still right", "perplexity", ""):
        table.add_column(heading, justify="right")
    for point in result["points"]:
        summary, left = point["summary"], point["retention"]
        table.add_row(
            f"{point['share']:g}",
            f"{summary['success_rate']:.0%}",
            f"{summary['reward_mean']:.1f}",
            f"{left['still_right']}/{left['base_right']}",
            f"{left['perplexity_ratio']:.2f} times",
            "kept" if point["share"] == result["metrics"]["share"] else "",
        )
    return table
