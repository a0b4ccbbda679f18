"""What does the server answer? The page and its files, the recorded runs, and the websocket; all behind the guard."""

from __future__ import annotations

import asyncio
import json
import os
import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from hashlib import sha256
from time import monotonic
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from ontick.errors import OntickError, blame
from ontick.records import Json
from ontick.replays.assets import PLAYER, asset, asset_names, media_type
from ontick.viewer import guard, messages
from ontick.viewer.audience import MOST_PAGES, Audience
from ontick.viewer.guard import Guard
from ontick.viewer.messages import Ask, Fly, Hush, Key, Ping, Reaction, Seize, Set, Stop, read_message
from ontick.viewer.shelves import Shelves
from ontick.viewer.stage import Stage

VIEWER = "ontick.viewer"
INDEX = "index.html"

MESSAGES_PER_S = 200
"""Of one page; of one that sends more, the rest is read later."""

TRY_AGAIN_LATER = 1013


class Site:
    """The stage and the runs, for those who have the URL: an ASGI application.

    Args:
        hello: what a page is told first, all but how things stand.
    """

    def __init__(self, stage: Stage, audience: Audience, shelves: Shelves, judge: Guard, hello: Json) -> None:
        self._stage = stage
        self._audience = audience
        self._shelves = shelves
        self._judge = judge
        self._hello = hello
        self._rooms = {name: room for room in (PLAYER, VIEWER) for name in asset_names(room) if name != INDEX}
        self._scripts = import_map_hashes(asset(INDEX, VIEWER))
        routes = [
            Route("/", self._index),
            Route("/page/{name}", self._asset),
            Route("/runs", self._runs),
            Route("/runs/{run}", self._run),
            Route("/runs/{run}/{number:int}", self._replay),
            WebSocketRoute("/ws", self._speak),
        ]
        self._inner: ASGIApp = Starlette(routes=routes, exception_handlers={404: _not_found, 500: _failed})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, if the guard lets it; every answer has its headers."""
        if scope["type"] == "lifespan":
            await self._inner(scope, receive, send)
            return
        websocket = scope["type"] == "websocket"
        found = [(name.lower(), value.decode("latin-1")) for name, value in scope["headers"]]
        hosts = [value for name, value in found if name == b"host"]
        origins = [value for name, value in found if name == b"origin"]
        verdict = self._judge.judge(scope.get("method", "GET"), scope["path"], hosts, origins, websocket=websocket)
        host = hosts[0] if verdict.path is not None else guard.LOOPBACK
        if websocket:
            if verdict.path is None:
                await send({"type": "websocket.close", "code": 1008})
            else:
                await self._inner({**scope, "path": verdict.path}, receive, send)
            return
        with_headers = _adding(send, guard.headers(host, self._scripts))
        if verdict.path is None:
            await PlainTextResponse(f"{verdict.why}\n", 403)(scope, receive, with_headers)
        elif not verdict.path:
            await RedirectResponse(f"/{self._judge.token}/")(scope, receive, with_headers)
        else:
            await self._inner({**scope, "path": verdict.path}, receive, with_headers)

    async def _index(self, request: Request) -> Response:
        return Response(asset(INDEX, VIEWER), media_type=media_type(INDEX))

    async def _asset(self, request: Request) -> Response:
        name = request.path_params["name"]
        room = self._rooms.get(name)
        return _not_found() if room is None else Response(asset(name, room), media_type=media_type(name))

    async def _runs(self, request: Request) -> Response:
        return await _looked_up(self._shelves.listing)

    async def _run(self, request: Request) -> Response:
        run = request.path_params["run"]
        return await _looked_up(lambda: self._shelves.run(run))

    async def _replay(self, request: Request) -> Response:
        run, number = request.path_params["run"], request.path_params["number"]
        return await _looked_up(lambda: self._shelves.replay(run, number))

    async def _speak(self, socket: WebSocket) -> None:
        """Speak with a page for as long as it is there."""
        await socket.accept()
        if len(self._audience) >= MOST_PAGES:
            await socket.close(TRY_AGAIN_LATER, "too many pages are open")
            return
        page = self._audience.join(self._first())
        pressed: set[int] = set()
        telling = asyncio.create_task(self._audience.serve(page, socket.send_text))
        hearing = asyncio.create_task(self._listen(socket, pressed, lambda said: self._audience.only(page, said)))
        try:
            await asyncio.wait([telling, hearing], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._audience.leave(page)
            for lane in pressed:
                self._stage.press(lane, None)  # whoever held a key has gone
            for task in (telling, hearing):
                task.cancel()
            await asyncio.wait([telling, hearing])
            for task in (telling, hearing):
                if not task.cancelled():
                    task.exception()  # the connection broke, which is all there is to know

    def _first(self) -> list[str]:
        """Return what a page is told when it comes."""
        stage = self._stage
        hello = {
            **self._hello,
            "settings": stage.settings.as_json(),
            "lanes": [console.as_json() for console in stage.consoles],
            "table": stage.table.rows(),
        }
        first = [json.dumps(hello)]
        for lane, console in enumerate(stage.consoles):
            scene, ended = console.shown.get("scene"), console.shown.get("ended")
            tick = self._audience.newest(lane)
            if scene is not None:
                first += [json.dumps(scene), *([tick] if tick else [])]
            if ended is not None:
                first.append(json.dumps(ended))
            first += map(json.dumps, console.exchanges.messages())
        return first

    async def _listen(self, socket: WebSocket, pressed: set[int], reply: Callable[[Json], None]) -> None:
        """Do what a page says, one message after the other."""
        allowed_at = 0.0
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            try:
                self._do(read_message(message.get("text")), pressed, reply)
            except OntickError as error:
                reply({"say": "refused", "why": " ".join(str(error).split())})
            allowed_at = max(allowed_at + 1 / MESSAGES_PER_S, monotonic() - 1)
            if allowed_at > monotonic():
                await asyncio.sleep(allowed_at - monotonic())

    def _do(self, message: messages.Message, pressed: set[int], reply: Callable[[Json], None]) -> None:
        stage = self._stage
        match message:
            case Fly(changes):
                stage.fly(changes)
            case Set(changes):
                stage.set(changes)
            case Stop():
                stage.stop()
            case Seize(lane, taken):
                stage.seize(lane, taken)
            case Key(lane, action):
                stage.press(lane, action)
                if action is None:
                    pressed.discard(lane)
                else:
                    pressed.add(lane)
            case Reaction(times_ms):
                stage.react(times_ms)
            case Ask(lane, text):
                stage.ask(lane, text)
            case Hush(lane):
                stage.hush(lane)
            case Ping(t):
                reply({"say": "pong", "t": t})


def import_map_hashes(page: str) -> list[str]:
    """Return the digests of the import maps that stand in a page, as a content security policy names them."""
    maps: list[str] = re.findall(r'<script type="importmap">(.*?)</script>', page, re.DOTALL)
    return [f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}" for text in maps]


async def _looked_up(look: Callable[[], Json]) -> Response:
    """Answer with what reading files gives, which may take a while and is done beside the event loop."""
    try:
        found = await asyncio.to_thread(lambda: json.dumps(look()))
    except OntickError as error:
        return _error(404, str(error))
    except Exception as error:
        if os.environ.get("ONTICK_DEBUG"):
            raise
        return _error(500, blame(error))
    return Response(found, media_type="application/json")


def _error(status: int, why: str) -> Response:
    return Response(json.dumps({"error": " ".join(why.split())}), status, media_type="application/json")


def _not_found(*_: Any) -> Response:
    return _error(404, "there is nothing at this address")


def _failed(*_: Any) -> Response:
    return _error(500, "the server failed to answer that; ONTICK_DEBUG=1 shows why")


def _adding(send: Send, headers: Mapping[str, str]) -> Send:
    """Return ``send`` with headers added to every answer."""
    more = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]

    async def send_more(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *more]}
        await send(message)

    return send_more
