"""Tables about language models: what is installed, what is sent, how fast they answer, how several compare."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from ontick.durations import precise_ms, rounded_ms
from ontick.records import Json
from ontick.report.tables import count, milliseconds, pair, titled, verdict_words


def models_table(found: Json) -> Table:
    """Return the models that are installed or were asked about, one row each."""
    table = titled("models")
    for heading in ("controller", "size", "file", "as it is", "runs here as"):
        table.add_column(heading)
    for model in found["models"]:
        word = escape(model["word"])
        if "missing" in model:
            table.add_row(word, "", escape(model["missing"]), "", "")
            continue
        prepared = model["prepared"]
        runs_as = "not timed yet" if prepared is None else prepared["chosen"]
        file = escape(f"{model['file']}, {model['megabytes']} MB")
        table.add_row(word, millions(model["parameters"]), file, model["quantisation"], runs_as)
    return table


def times(found: Json) -> str:
    """Return why each prepared model runs as it does, a line each."""
    return "\n".join(
        f"{model['word']} runs {model['prepared']['why']}" for model in found["models"] if model.get("prepared")
    )


def backends_table(found: Json) -> Table:
    """Return what runs models, and whether it is installed."""
    table = titled("backends")
    for heading in ("runs", "by", "version"):
        table.add_column(heading)
    for name, backend in found["backends"].items():
        missing = f"not installed; run: pip install {backend['package']}"
        table.add_row(escape(backend["runs"]), name, backend["version"] or escape(missing))
    return table


def prompt_table(anatomy: Json) -> Table:
    """Return a prompt's token counts, one row a fact."""
    table = titled(f"tokens of {anatomy['model']}")
    table.add_column("count")
    table.add_column("value", justify="right")
    if anatomy["tokens"] is None:
        table.add_row("tokens", "not known: the model is behind an API")
        return table
    new = anatomy["new_tokens"]
    table.add_row("in all", str(anatomy["tokens"]))
    table.add_row("the same at every decision", str(anatomy["constant_tokens"]))
    table.add_row("new at a decision, median and most", f"{new['p50']:g}, {new['max']:g}")
    for choice, token in anatomy["choices"].items():
        table.add_row(f"the token of action {choice}", str(token))
    return table


def comparison_table(comparison: Json) -> Table:
    """Return one row a controller, narrow enough for 80 columns."""
    rules = list(comparison["budget_ms"])
    table = Table(box=None, padding=(0, 1, 0, 0), title_justify="left")
    table.title = escape(f"{comparison['task']}, the same seeds; times in ms")
    table.add_column("controller", min_width=9, overflow="fold")
    for heading in ("size", "weights"):
        table.add_column(heading, no_wrap=True)
    for heading in ("new", "p50/p95/p99", "ttft", "frozen", *rules):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for row in comparison["controllers"]:
        new, verdicts = row["new_tokens"]["p50"], row["verdict"]
        success = row["frozen"][rules[0]]["success"]
        frozen = dict.fromkeys(count(row["frozen"][rule], success) for rule in rules)
        same = len(set(verdicts.values())) == 1
        table.add_row(
            escape(row["controller"]),
            millions(row["parameters"]),
            escape(row["quantisation"] or "-"),
            "-" if new is None else f"{new:g}",
            _short(row["decision_ms"], "p50", "p95", "p99"),
            _short(row["ttft_ms"], "p50"),
            ", ".join(frozen),
            *(count(row["real_time"][rule], success) for rule in rules),
            verdict_words(verdicts[rules[0]])
            if same
            else "\n".join(f"{rule}: {verdict_words(verdicts[rule])}" for rule in rules),
        )
    return table


def latency_table(measured: Json) -> Table:
    """Return what ``latency`` found: one row a fact."""
    table = titled(f"{measured['controller']}, {measured['n']} questions on {measured['task']}")
    table.add_column("measure")
    table.add_column("value", justify="right")
    parameters, model = measured["parameters"], measured["model"]
    facts: list[tuple[str, str | None]] = [
        ("model", model and " ".join(part for part in (model, measured["quantisation"]) if part)),
        ("parameters", millions(parameters)),
        ("end to end p50, p95, p99, max", milliseconds(measured["e2e_ms"], "p50", "p95", "p99", "max")),
        ("first token p50, p95, p99, max", milliseconds(measured["ttft_ms"], "p50", "p95", "p99", "max")),
        ("tokens there already, new", pair(measured["prefix_tokens"], measured["new_tokens"])),
        ("tokens read, written (median)", pair(measured["prompt_tokens"], measured["completion_tokens"])),
        ("tokens written per second", measured["tokens_per_second"] and f"{measured['tokens_per_second']:.0f}"),
        *((f"answer failed: {kind}", f"{times} of {measured['n']}") for kind, times in measured["failures"].items()),
    ]
    line = measured["connection"]
    if line is not None:
        facts += [
            (f"line to {line['host']}: connect", _one(line["connect_ms"])),
            ("line: TLS handshake", _one(line["tls_ms"])),
            ("line: round trip p50, p95, p99, max", milliseconds(line["round_trip_ms"], "p50", "p95", "p99", "max")),
            ("line: jitter", _one(line["jitter_ms"])),
            *((f"line: {kind}", str(times)) for kind, times in line["failures"].items()),
        ]
    for name, value in facts:
        if value and value != "-":
            table.add_row(escape(name), escape(value))
    return table


def _one(value_ms: float | None) -> str:
    return "-" if value_ms is None else f"{precise_ms(value_ms)} ms"


def _short(times_ms: Json, *names: str) -> str:
    return "-" if times_ms[names[0]] is None else "/".join(rounded_ms(times_ms[name]) for name in names)


def millions(parameters: int | None) -> str:
    """Write a number of parameters as "135M" or "1.2B"."""
    if parameters is None:
        return "-"
    return f"{parameters / 1e9:.1f}B" if parameters >= 1e9 else f"{parameters / 1e6:.3g}M"
