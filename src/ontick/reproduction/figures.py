"""What do a row's commands say, in the words of the posts? Read from the objects that verbs print with ``--json``."""

from __future__ import annotations

from collections.abc import Sequence

from ontick.records import Json
from ontick.reproduction.row import Found, Read

NO_OP = {"hold": "hold", "noop": "no-op"}
"""How the late rules are called in a table."""


def flights(*labels: str, last: int | None = None) -> Read:
    """Return what reads flights of ``eval``: one for each label, written before it where there are several.

    Args:
        labels: what each command is called; none: its late rule.
        last: only so many of the last commands are flights.
    """

    def read(printed: Sequence[Json]) -> Found:
        flown = printed if last is None else printed[-last:]
        names = labels or tuple(NO_OP[evaluation["late"]] for evaluation in flown)
        told = [flight_in_words(evaluation["summary"]) for evaluation in flown]
        says = told[0] if len(told) == 1 else "; ".join(map(": ".join, zip(names, told, strict=True)))
        figures: Json = {name: _core(evaluation["summary"]) for name, evaluation in zip(names, flown, strict=True)}
        return Found(says, figures, flown[0]["summary"]["n"], seeds_in_words(flown[0]))

    return read


def verdicts(*labels: str) -> Read:
    """Return what reads ``verdict``: time frozen and in real time, for each label."""

    def read(printed: Sequence[Json]) -> Found:
        parts: list[str] = []
        figures: Json = {}
        for number, verdict in enumerate(printed):
            name = labels[number] if labels else NO_OP[verdict["late"]]
            frozen, real = flight_in_words(verdict["frozen"]), flight_in_words(verdict["real_time"])
            said = f"frozen: {frozen}; real time: {real}; {verdict['verdict']}"
            parts.append(said if len(printed) == 1 else f"{name}: {said}")
            figures[name] = {
                "frozen": _core(verdict["frozen"]),
                "real_time": _core(verdict["real_time"]),
                "verdict": verdict["verdict"],
            }
        return Found("; ".join(parts), figures, printed[0]["real_time"]["n"])

    return read


def curve(printed: Sequence[Json]) -> Found:
    """Read a latency curve of both late rules: how long an answer may take, and where all is lost."""
    (cliff,) = printed[-1:]
    parts: list[str] = []
    figures: Json = {}
    for rule, needs in cliff["needs_ms"].items():
        points = [point for point in cliff["points"] if point["late"] == rule]
        dead = next((p["delay_ms"] for p in points if not p[cliff["success"]]), None)
        gone = "" if dead is None else f", none left at {dead:g}"
        parts.append(f"{NO_OP[rule]}: good to {needs:g} ms{gone}" if needs is not None else f"{NO_OP[rule]}: never")
        figures[rule] = {"needs_ms": needs, "dead_ms": dead}
    return Found("; ".join(parts), figures, cliff["points"][0]["n"])


def trained(read_flights: Read, *, at: int = 0) -> Read:
    """Return what reads a training, ``at`` among the commands, and then flights of what came of it."""

    def read(printed: Sequence[Json]) -> Found:
        card, found = printed[at], read_flights(printed)
        metrics = card.get("metrics", card)
        time_taken = f"{metrics['train_s'] / 60:.1f} min" if "train_s" in metrics else ""
        learnt = ", ".join(filter(None, (f"{metrics['steps']} steps", time_taken)))
        figures: Json = {
            "steps": metrics["steps"],
            "prepare_s": metrics.get("prepare_s"),
            "train_s": metrics.get("train_s"),
            "loss": metrics.get("loss"),
            "parameters": metrics["parameters"],
            **found.figures,
        }
        return Found(f"{found.says} ({learnt})", figures, found.n, found.seeds)

    return read


def data(printed: Sequence[Json]) -> Found:
    """Read what ``collect`` made."""
    n = sum(made["n"] for made in printed)
    return Found(f"{n:,} states", {"states": n}, n)


def compared(printed: Sequence[Json]) -> Found:
    """Read what ``compare`` flew: each controller under both late rules, in real time."""
    rows = printed[-1]["controllers"]
    parts: list[str] = []
    figures: Json = {}
    for row in rows:
        flown = row["real_time"]
        said = ", ".join(f"{NO_OP[rule]} {flight_in_words(summary, short=True)}" for rule, summary in flown.items())
        parts.append(f"{row['controller']}: {said}")
        figures[row["controller"]] = {rule: _core(summary) for rule, summary in flown.items()}
    first = next(iter(rows[0]["real_time"].values()))
    return Found("; ".join(parts), figures, first["n"])


def states(printed: Sequence[Json]) -> Found:
    """Read what ``probe`` found in single states."""
    probed = printed[-1]
    asked = probed["diagnostics"]
    says = f"{asked['right']}/{asked['n']} diagnostic states"
    figures: Json = {"right": asked["right"], "n": asked["n"], "rut": probed["rut"]}
    if probed["teacher_states"]:
        follows = probed["teacher_states"]
        says += f", {follows['accuracy']:.0%} of the teacher's (mean recall {follows['balanced_accuracy']:.0%})"
        figures |= {"accuracy": follows["accuracy"], "balanced_accuracy": follows["balanced_accuracy"]}
    return Found(says + (f"; {probed['rut']}" if probed["rut"] else ""), figures, asked["n"])


def rounds(printed: Sequence[Json]) -> Found:
    """Read what ``dagger`` did: how much was corrected in each round, and which pilot was kept."""
    made = printed[0]
    parts: list[str] = []
    figures: list[Json] = []
    for done in made["rounds"]:
        action, share = max(done["corrections"].items(), key=lambda pair: pair[1])
        said = f"round {done['round']}: {done['rate']:.0%} disagree, {share:.0%} of these {action}"
        evaluation = done["evaluation"]
        if evaluation is not None:
            said += f", then {flight_in_words(evaluation, short=True)}"
        parts.append(said)
        figures.append(
            {
                "rate": done["rate"],
                "corrections": done["corrections"],
                "evaluation": evaluation and _core(evaluation),
            }
        )
    best = made["best"]["round"]
    parts.append(f"kept: {f'round {best}' if best else 'the pilot before'}")
    return Found("; ".join(parts), {"rounds": figures, "kept": best}, made["begun"]["evaluation"]["n"])


def questions(printed: Sequence[Json]) -> Found:
    """Read what a language model answers to ordinary questions, beside what its base does."""
    probed = printed[-1]
    known = probed["knowledge"]
    base, asked = known["base"], known["n"]
    says = f"{known['right']}/{asked} right"
    figures: Json = {"right": known["right"], "n": asked}
    if base:
        says += f"; of the {base['right']} that {base['word']} answers right, {base['still_right']} are still right"
        figures |= {name: base[name] for name in ("still_right", "still_right_share", "kl_nats")}
        figures["base_right"] = base["right"]
        if base["kl_nats"] is not None:
            says += f"; KL {base['kl_nats']:.2f} nats"
    if moved := probed.get("moved"):
        says += f"; {moved['kl_nats']:.3g} nats from it where it flies"
        figures["moved_nats"] = moved["kl_nats"]
    prose = probed.get("prose")
    if prose and prose["ratio"] is not None:
        says += f"; perplexity {prose['ratio']:.3f} times the base's"
        figures |= {"perplexity_ratio": prose["ratio"], "perplexity": prose["perplexity"]}
    heard = [
        f"{entry['question']} {_shortened(entry['answer'])}"
        for entry in probed["questions"]
        if entry["question"].lower().startswith(_QUOTED)
    ]
    return Found("; ".join((says, *heard[: len(_QUOTED)])), figures, asked)


def line(printed: Sequence[Json]) -> Found:
    """Read what ``average`` found between a base and its pilot."""
    points = printed[-1]["points"]
    parts = [
        f"{point['share']:g}: {flight_in_words(point['summary'], short=True)}, "
        f"{point['retention']['still_right']}/{point['retention']['base_right']} still right"
        for point in points
    ]
    best = printed[-1]["metrics"]["share"]
    said = [{"share": p["share"], "flown": _core(p["summary"]), "retention": p["retention"]} for p in points]
    return Found(f"{'; '.join(parts)}; kept: {best:g}", {"points": said, "kept": best}, points[0]["summary"]["n"])


_QUOTED = ("what is 2 + 2", "name a color", "tell me a joke", "what is the capital of france")
"""The post's own questions."""


def flight_in_words(summary: Json, *, short: bool = False) -> str:
    """Say how flights went: successes and their 95 % interval, reward or steps, what an answer took, what is wrong."""
    n, success = summary["n"], summary["success"]
    low, high = summary["success_ci95"]
    parts = [f"{summary[success]}/{n} {success}" + ("" if short else f" ({low:.0%}-{high:.0%})")]
    if summary["solved"] is not None:
        low, high = summary["reward_ci95"]
        parts.append(f"{summary['solved']} solved")
        parts.append(f"mean {summary['reward_mean']:+.1f}" + ("" if short else f" ({low:+.0f} to {high:+.0f})"))
        if summary["timeouts"]:
            parts.append(f"{summary['timeouts']} at the time limit")
    else:
        parts.append(f"median {summary['steps_median']:g} steps")
    p50, p95 = summary["decision_ms"]["p50"], summary["decision_ms"]["p95"]
    if p50 and not short:
        parts.append(f"p50 {p50:.1f}, p95 {p95:.1f} ms")
    rut = summary["collapse"] and summary["collapse"]["rut"]
    if rut and not short:
        parts.append(rut)
    return ", ".join(parts)


def seeds_in_words(evaluation: Json) -> str:
    """Say which seeds were flown."""
    flown = [episode["seed"] for episode in evaluation["episodes"]]
    return f"{flown[0]}-{flown[-1]}" if len(flown) > 1 else str(flown[0])


def _core(summary: Json) -> Json:
    """Return the numbers of a summary that a table is about."""
    names = (
        "n",
        summary["success"],
        "success_ci95",
        "solved",
        "timeouts",
        "reward_mean",
        "reward_ci95",
        "steps_median",
    )
    return {name: summary[name] for name in names} | {"decision_ms": summary["decision_ms"]}


def _shortened(answer: str | None) -> str:
    said = " ".join((answer or "").split())
    return f'"{said if len(said) <= _MOST_LETTERS else said[:_MOST_LETTERS] + "…"}"'


_MOST_LETTERS = 40
