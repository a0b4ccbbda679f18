"""Tables for a terminal, from the objects that ``--json`` prints."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from ontick.durations import in_ms, precise_ms
from ontick.evaluation.failures import failures_in_words, seeds_in_words
from ontick.records import Json

_VERDICT_STYLE = {"flies": "green", "policy": "yellow", "latency": "cyan", "both": "red"}


def titled(title: str) -> Table:
    """Return an empty table under ``title``, which is printed as it is."""
    return Table(box=SIMPLE_HEAD, title=escape(title), title_justify="left")


def evaluation_table(evaluation: Json) -> Table:
    """Return what ``eval`` found: one row a fact."""
    summary = evaluation["summary"]
    table = titled(f"{evaluation['task']} flown by {evaluation['controller']}")
    table.add_column("measure")
    table.add_column("value", justify="right")
    table.add_column("95 % interval", justify="right")
    if summary["n"]:
        low, high = summary["success_ci95"]
        table.add_row(summary["success"], count(summary, summary["success"]), f"{low:.0%} to {high:.0%}")
        others = [name for name in ("solved", "timeouts") if summary[name] is not None]
        for name in others:
            table.add_row(name, count(summary, name))
        low, high = summary["reward_ci95"]
        table.add_row("mean reward", f"{summary['reward_mean']:.1f}", f"{low:.1f} to {high:.1f}")
        table.add_row("median steps", f"{summary['steps_median']:.0f}")
    for kind, seeds in summary["failures_left"].items():
        table.add_row(escape(f"failed: {kind}"), str(len(seeds)), seeds_in_words(seeds))
    if summary["watch_first"] is not None:
        seed = summary["watch_first"]
        table.add_row("look first at", f"seed {seed}", f"--seed {seed} --episodes 1")
    total = summary["fresh_ticks"] + summary["planned_ticks"] + summary["late_ticks"]
    table.add_row("ticks with a fresh action", f"{summary['fresh_ticks']} of {total}")
    if summary["planned_ticks"]:
        table.add_row("ticks with a planned action", f"{summary['planned_ticks']} of {total}")
    table.add_row("stale, invalid answers", f"{summary['stale_answers']}, {summary['invalid_answers']}")
    table.add_row("decision p50, p95, p99", milliseconds(summary["decision_ms"], "p50", "p95", "p99"))
    for name, value in _asked(summary):
        table.add_row(escape(name), escape(value))
    for name, value in _prediction(summary["prediction"]):
        table.add_row(escape(name), escape(value))
    table.add_row("tick lateness p50, p99", milliseconds(summary["tick_lateness_ms"], "p50", "p99"))
    if summary["overrun_ticks"]:
        table.add_row("ticks overrun (the machine stalled)", str(summary["overrun_ticks"]))
    for name, times in summary["action_counts"].items():
        table.add_row(escape(f"action: {name}"), str(times))
    _add_collapse(table, summary["collapse"])
    return table


def _add_collapse(table: Table, collapse: Json) -> None:
    """Say how varied the answers were, and in which rut they are."""
    if collapse["top_action"] is not None:
        table.add_row("entropy of the answers", f"{collapse['entropy_bits']:.2f} bits")
        run = f"{collapse['longest_run_action']}, {collapse['longest_run']} times"
        table.add_row("longest run of one action", escape(run))
    if collapse["offline_accuracy"] is not None:
        table.add_row("answers that agree with the teacher", f"{collapse['offline_accuracy']:.0%}")
    if collapse["rut"]:
        table.add_row("[red]in a rut[/red]", f"[red]{escape(collapse['rut'])}[/red]")
    if collapse["note"]:
        table.caption, table.caption_justify = escape(f"It {collapse['note']}."), "left"


def verdict_table(verdicts: Sequence[Json]) -> Table:
    """Return one row a verdict."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for heading in ("task", "controller", "frozen", "real", "reward", "p95", "allows", "verdict"):
        words = heading in {"task", "controller", "verdict"}
        table.add_column(heading, justify="left" if words else "right", no_wrap=heading != "controller")
    for verdict in verdicts:
        frozen, real = verdict["frozen"], verdict["real_time"]
        allowed = verdict["budget_ms"]
        table.add_row(
            escape(verdict["task"]),
            escape(controller_name(verdict)),
            count(frozen, frozen["success"]),
            count(real, real["success"]),
            f"{real['reward_mean']:.0f}",
            milliseconds(real["decision_ms"], "p95"),
            "?" if allowed is None else f"{allowed:g} ms",
            verdict_words(verdict["verdict"]),
        )
    return table


def failures_line(summary: Json, where: str = "") -> list[str]:
    """Return what is left to mend and what to watch, as a line; no line where nothing failed."""
    if summary["watch_first"] is None:
        return []
    seed = summary["watch_first"]
    told = f"failures left{where}: {failures_in_words(summary)}"
    return [f"{told}; look first at seed {seed}: --seed {seed} --episodes 1"]


def curve_table(curve: Json) -> Table:
    """Return one row a delay, one column a late rule."""
    rules = list(curve["needs_ms"])
    table = titled(f"{curve['task']} flown by {curve['controller']}, answers delayed")
    table.add_column("delay", justify="right")
    for rule in rules:
        table.add_column(f"{rule}: {curve['success']}", justify="right")
        table.add_column("mean reward", justify="right")
    by_delay: dict[float, dict[str, Json]] = {}
    for point in curve["points"]:
        by_delay.setdefault(point["delay_ms"], {})[point["late"]] = point
    for delay, points in by_delay.items():
        cells = [f"{delay:g} ms"]
        for rule in rules:
            point = points[rule]
            cells += [count(point, curve["success"]), f"{point['score_mean']:.1f}"]
        table.add_row(*cells)
    return table


def verdict_words(verdict: str) -> str:
    """Write a verdict in its colour."""
    style = _VERDICT_STYLE[verdict]
    return f"[{style}]{verdict}[/{style}]"


def _asked(summary: Json) -> list[tuple[str, str]]:
    """Return what there is to say of a model that writes: its failures, first tokens, tokens and cost."""
    rows = [(f"answer failed: {kind}", str(times)) for kind, times in summary["failures"].items()]
    if summary["cut_plans"]:
        rows.append(("plans cut short, used as far as they went", str(summary["cut_plans"])))
    if summary["ttft_ms"]["p50"] is not None:
        rows.append(("first token p50, p95, p99", milliseconds(summary["ttft_ms"], "p50", "p95", "p99")))
    usage = summary["usage"]
    if usage["held_back_ms"] is not None:
        held_back = f"{in_ms(usage['held_back_ms']['p50'])} a request, {usage['held_back_share']:.0%} of the time"
        rows.append(("held back by the rate limit", held_back))
    if usage["prompt_tokens"] is not None or usage["completion_tokens"] is not None:
        least = "at least " if usage["uncounted"] else ""
        rows.append(("requests, tokens not counted", f"{usage['requests']}, {usage['uncounted']}"))
        rows.append(("tokens read, written", least + pair(usage["prompt_tokens"], usage["completion_tokens"])))
        if usage["usd"] is not None:
            rows.append(("cost in all", f"{least}${usage['usd']:.3g}"))
            rows.append(("cost of an episode", f"{least}${usage['usd_per_episode']:.3g}"))
    return rows


def _prediction(prediction: Json | None) -> list[tuple[str, str]]:
    """Return how far ahead was predicted, and what is left of the distance to the state that came."""
    if prediction is None:
        return []
    left = [
        f"{name} {error['p50'] / prediction['unpredicted'][name]['p50']:.0%}"
        for name, error in prediction["error"].items()
        if prediction["unpredicted"][name]["p50"]
    ]
    return [
        ("predicted ahead p50, p95", "{p50:g}, {p95:g} ticks".format(**prediction["ahead_ticks"])),
        ("prediction's error, of what changed", ", ".join(left)),
    ]


def pair(first: float | None, second: float | None) -> str:
    """Write two counts; a dash when neither is known."""
    return (
        "-" if first is None and second is None else ", ".join("?" if n is None else f"{n:g}" for n in (first, second))
    )


def controller_name(verdict: Json) -> str:
    """Name a controller together with the delay put on it."""
    return verdict["controller"] + (f" + {verdict['delay']}" if verdict.get("delay") else "")


def count(summary: Json, measure: str) -> str:
    """Write "7/10"."""
    return f"{summary[measure]}/{summary['n']}"


def milliseconds(times: Json, *names: str) -> str:
    """Write percentiles as "1.2, 3.4 ms"; a dash when there are none."""
    if times[names[0]] is None:
        return "-"
    return ", ".join(precise_ms(times[name]) for name in names) + " ms"
