"""What would a hosted model be that flies as well as the teacher? One is made here, at a latency of our choice.

Two processes on loopback, each a real one over TCP. The server speaks OpenAI's chat completions: it reads the state
out of the question, as `ontick.prompts` has put it into words, and answers with the teacher's action, or with its plan
where the instruction asks for several digits. The line stands before it and hands every byte on at once, but lets each
answer begin a latency later, drawn from a model of `ontick.latency`, whatever else is open.
"""

from __future__ import annotations

import json
import math
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import tyro

from ontick.clock import NS_PER_S
from ontick.controllers.base import Controller, Observation
from ontick.controllers.chunks import planning
from ontick.controllers.scripted import Teacher
from ontick.latency import LatencyStream, parse_latency
from ontick.records import State
from ontick.tasks import find_task
from ontick.tasks.base import Task
from ontick.wording import READERS, Numbers

MODEL = "teacher"

HOST = "127.0.0.1"

KEPT_OPEN_S = 300

_ASKS_FOR = re.compile(r"\b(\d+) digits\b")


@contextmanager
def teacher_behind_api(
    task: str,
    latency: str = "0",
    *,
    seed: int = 0,
    numbers: Numbers = Numbers.WHOLE,
    requests_per_minute: int | None = None,
) -> Generator[str]:
    """Have ``task``'s teacher answer behind an API, each answer ``latency`` late; yield the word that flies it.

    ``numbers`` is how the asking prompt writes values: whole or with decimals, all features in their order.
    Beyond ``requests_per_minute`` questions are answered with status 429 and when to come back.
    """
    with (
        answering_server(task, numbers, requests_per_minute) as server_port,
        slow_line(server_port, latency, seed) as port,
    ):
        yield f"api:http://{HOST}:{port}/v1#{MODEL}"


@contextmanager
def answering_server(
    task: str, numbers: Numbers = Numbers.WHOLE, requests_per_minute: int | None = None
) -> Generator[int]:
    """Run `server` in a process of its own; yield its port."""
    limit = [] if requests_per_minute is None else ["--requests-per-minute", str(requests_per_minute)]
    with _process("server", "--task", task, "--numbers", numbers, *limit) as port:
        yield port


@contextmanager
def slow_line(to: int, latency: str, seed: int = 0) -> Generator[int]:
    """Run `line` in a process of its own; yield its port."""
    with _process("line", "--to", str(to), "--latency", latency, "--seed", str(seed)) as port:
        yield port


@contextmanager
def _process(*arguments: str) -> Generator[int]:
    """Run this file in a process of its own; yield the port that it listens at."""
    process = subprocess.Popen([sys.executable, __file__, *arguments], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        if not port:
            raise RuntimeError(f"{' '.join(arguments)} did not start")
        yield int(port)
    finally:
        process.kill()
        process.communicate()


def server(task: str, numbers: Numbers = Numbers.WHOLE, requests_per_minute: int | None = None) -> None:
    """Answer for the teacher until killed; the port is the first line of stdout."""
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

    answering = Answering(find_task(task), numbers)
    limit = None if requests_per_minute is None else RateLimit(requests_per_minute)

    async def complete(request: Request) -> Response:
        wait_s = 0.0 if limit is None else limit.wait_s(time.monotonic())
        if wait_s:
            error = {"message": f"at most {requests_per_minute} requests a minute", "type": "requests"}
            return JSONResponse({"error": error}, 429, {"retry-after": str(math.ceil(wait_s))})
        try:
            written = answering.answer(await request.json())
        except (KeyError, TypeError, ValueError) as error:
            return JSONResponse({"error": {"message": f"not a question that the teacher reads: {error!r}"}}, 400)
        return Response(written, media_type="text/event-stream")

    async def models(request: Request) -> Response:
        return JSONResponse({"object": "list", "data": [{"id": MODEL, "object": "model"}]})

    pages = [
        Route("/v1/chat/completions", complete, methods=["POST"]),
        Route("/v1/models", models, methods=["GET"]),
    ]
    config = uvicorn.Config(
        Starlette(routes=pages), log_level="error", access_log=False, lifespan="off", timeout_keep_alive=KEPT_OPEN_S
    )
    listening = _listen()
    uvicorn.Server(config).run(sockets=[listening])


class Answering:
    """The teacher of ``task`` as a model that reads and writes; ``numbers`` is how values are written to it."""

    def __init__(self, task: Task, numbers: Numbers) -> None:
        self._task = task
        self._numbers = numbers
        self._planners: dict[int, Controller] = {}

    def answer(self, question: Mapping[str, Any]) -> bytes:
        """Return the stream of events that answers a request's body.

        Raises:
            KeyError, TypeError, ValueError: the body is none of a streamed chat completion.
        """
        if not question["stream"]:
            raise ValueError("it does not ask for a stream")
        messages: Sequence[Mapping[str, str]] = question["messages"]
        asked = _ASKS_FOR.search(messages[0]["content"])
        plan = self.plan(self.state(messages[-1]["content"]), int(asked[1]) if asked else 1)
        said = "".join(map(str, plan))[: question["max_tokens"]]
        tokens = {"prompt_tokens": sum(len(message["content"].split()) for message in messages)}
        tokens |= {"completion_tokens": len(said), "total_tokens": tokens["prompt_tokens"] + len(said)}
        return _events(said, tokens)

    def state(self, words: str) -> State:
        """Invert `ontick.prompts.Prompt.describe`, to the decimals that it gives; further words are left out.

        Raises:
            ValueError: these are no numbers, or too few.
        """
        features = self._task.features
        values = zip(words.split(), features, strict=False)
        state = np.array([READERS[self._numbers](word, feature) for word, feature in values])
        if len(state) < len(features):
            raise ValueError(f"{words!r} has too few values")
        return state

    def plan(self, state: State, ticks: int) -> tuple[int, ...]:
        """Return what the teacher does in ``state`` and would do after that."""
        if ticks not in self._planners:
            self._planners[ticks] = planning(Teacher(self._task), self._task, ticks)
        decision = self._planners[ticks].decide(Observation(state, 0))
        assert decision.action is not None
        return (decision.action, *decision.then)


def _events(said: str, tokens: Mapping[str, int]) -> bytes:
    """Write an answer as OpenAI streams it, a digit an event."""
    common = {"id": "x", "object": "chat.completion.chunk", "created": 0, "model": MODEL}
    deltas: list[dict[str, str]] = [{"role": "assistant", "content": ""}, *({"content": digit} for digit in said), {}]
    chunks: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "delta": delta, "finish_reason": None if delta else "stop"}]} for delta in deltas
    ]
    chunks.append({"choices": [], "usage": dict(tokens)})
    return b"".join(f"data: {json.dumps(common | chunk)}\n\n".encode() for chunk in chunks) + b"data: [DONE]\n\n"


class RateLimit:
    """At most ``per_minute`` questions in any minute, as hosted APIs count them; what is refused does not count."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._asked_s: deque[float] = deque()

    def wait_s(self, now_s: float) -> float:
        """Return 0 and count a question that may be asked, or in how many seconds it may."""
        while self._asked_s and now_s - self._asked_s[0] >= 60:
            self._asked_s.popleft()
        if len(self._asked_s) >= self._per_minute:
            return 60 - (now_s - self._asked_s[0])
        self._asked_s.append(now_s)
        return 0.0


def line(to: int, latency: str = "0", seed: int = 0) -> None:
    """Hand every connection on to the port ``to``, answers late, until killed; the port is the first line of stdout."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever started it
    latencies = Latencies(parse_latency(latency).stream(seed))
    with _listen() as listening:
        while True:
            client, _ = listening.accept()
            threading.Thread(target=_carry, args=(client, to, latencies), daemon=True).start()


class Latencies:
    """Drawn in the order in which questions come in, over whichever connection."""

    def __init__(self, stream: LatencyStream) -> None:
        self._stream = stream
        self._drawing = threading.Lock()
        self._drawn = 0

    def next_s(self) -> float:
        """Return the next one in seconds."""
        with self._drawing:
            self._drawn += 1
            return self._stream.next(self._drawn, 0) / NS_PER_S


def _carry(client: socket.socket, to: int, latencies: Latencies) -> None:
    """Hand on what goes over one connection, on which HTTP has one question open at a time, until a side hangs up."""
    with client, socket.create_connection((HOST, to)) as answering:
        for side in (client, answering):
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wait_s: float | None = None
        while True:
            heard, _, _ = select.select((client, answering), (), ())
            for side in heard:
                data = side.recv(1 << 16)
                if not data:
                    return
                if side is client:
                    wait_s = latencies.next_s() if wait_s is None else wait_s
                    answering.sendall(data)
                    continue
                if wait_s:
                    time.sleep(wait_s)
                wait_s = None
                client.sendall(data)


def _listen() -> socket.socket:
    """Listen at a free port and say which; whoever connects from now on is heard."""
    # By its protocol's name asyncio knows it as TCP, and sends small answers without waiting to fill a packet.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind((HOST, 0))
    listening.listen(128)
    print(listening.getsockname()[1], flush=True)
    return listening


if __name__ == "__main__":
    tyro.extras.subcommand_cli_from_dict({"server": server, "line": line}, config=(tyro.conf.EnumChoicesFromValues,))
