"""What does the line of `teacher_api` add to an answer beyond the latency that it is there for?

The same question over three connections that stay open, in turns: straight to the server, over a line of no latency,
and over one of a constant latency. All in milliseconds, medians, and p95 where named so.
"""

from __future__ import annotations

import http.client
import itertools
import json
import sys
import time
from collections.abc import Mapping

import tyro

from bars import print_last_line
from ontick.evaluation.statistics import percentiles
from ontick.prompts import Prompt
from ontick.tasks import find_task
from teacher_api import HOST, answering_server, slow_line

TASK = "cartpole"

WARM_UP = 5
"""Questions each way that are not counted."""

TURNS = tuple(itertools.permutations(("direct", "line", "late")))
"""Each way comes first as often as last: after a pause a processor takes a while to be fast again."""


def question() -> bytes:
    """Return a question as the client puts it."""
    messages = Prompt(find_task(TASK)).messages([0.01, 0.02, 0.03, 0.04])
    return json.dumps(
        {"messages": [message._asdict() for message in messages], "stream": True, "max_tokens": 4}
    ).encode()


def ask(connection: http.client.HTTPConnection, body: bytes) -> float:
    """Ask over an open connection; return how many milliseconds the whole answer took."""
    began = time.perf_counter()
    connection.request("POST", "/v1/chat/completions", body, {"content-type": "application/json"})
    answer = connection.getresponse()
    said = answer.read()
    took_ms = (time.perf_counter() - began) * 1e3
    if answer.status != 200:
        raise RuntimeError(said.decode())
    return took_ms


def main(n: int = 300, latency_ms: float = 50.0) -> None:
    """Ask ``n`` questions each way.

    Args:
        n: how many.
        latency_ms: of the line that has one.
    """
    body = question()
    took_ms: Mapping[str, list[float]] = {"direct": [], "line": [], "late": []}
    with (
        answering_server(TASK) as server,
        slow_line(server, "0") as line,
        slow_line(server, f"{latency_ms:g}") as late,
    ):
        ports = {"direct": server, "line": line, "late": late}
        connections = {way: http.client.HTTPConnection(HOST, port) for way, port in ports.items()}
        for way in itertools.chain.from_iterable(itertools.islice(itertools.cycle(TURNS), n + WARM_UP)):
            took_ms[way].append(ask(connections[way], body))
    found = {way: percentiles(times[WARM_UP:], 50, 95) for way, times in took_ms.items()}
    figures = {f"{way}_{name}_ms": times[name] for way, times in found.items() for name in ("p50", "p95")}
    direct, through, late_ms = (float(found[way]["p50"] or 0) for way in ("direct", "line", "late"))
    figures["line_adds_ms"] = through - direct
    figures["late_adds_beyond_its_latency_ms"] = late_ms - latency_ms - direct
    print(f"{n} questions each way", file=sys.stderr)
    print_last_line("line_overhead", figures, {})


if __name__ == "__main__":
    tyro.cli(main)
