"""Which files make up a page, and how do its modules find each other? By name, and through an import map.

Modules import each other by bare names such as ``ontick/scene.js``. Where a server gives them out, the map stands in
its page and leads to their addresses; in a file that must work from disk, it holds the modules themselves.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from importlib.resources import files
from pathlib import PurePosixPath
from types import MappingProxyType

PLAYER = "ontick.replays"
"""The room whose page files the player is made of."""

BARE = "ontick/"
"""What the bare name of every module begins with."""

MEDIA_TYPES: Mapping[str, str] = MappingProxyType(
    {
        ".html": "text/html; charset=utf-8",
        ".css": "text/css; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".svg": "image/svg+xml",
    }
)


def asset_names(room: str = PLAYER) -> tuple[str, ...]:
    """Return the names of the page files of a room, in order."""
    page = files(room).joinpath("page")
    return tuple(sorted(file.name for file in page.iterdir() if PurePosixPath(file.name).suffix in MEDIA_TYPES))


def asset(name: str, room: str = PLAYER) -> str:
    """Return the text of a page file.

    Raises:
        KeyError: the room has none of that name.
    """
    if name not in asset_names(room):
        raise KeyError(name)
    return files(room).joinpath("page", name).read_text(encoding="utf-8")


def media_type(name: str) -> str:
    """Return what a server says a page file is."""
    return MEDIA_TYPES[PurePosixPath(name).suffix]


def modules(room: str = PLAYER) -> dict[str, str]:
    """Return the text of every module of a room, by its bare name."""
    return {f"{BARE}{name}": asset(name, room) for name in asset_names(room) if name.endswith(".js")}


def player_styles() -> str:
    """Return the styles of the player: the theme first, which the others take their colours from."""
    names = [name for name in asset_names() if name.endswith(".css")]
    return "\n".join(asset(name) for name in sorted(names, key=lambda name: (name != "theme.css", name)))


def import_map(texts: Mapping[str, str]) -> str:
    """Return the text of an import map that holds the modules themselves, by their bare names."""
    imports = {
        name: f"data:text/javascript;base64,{b64encode(texts[name].encode()).decode()}" for name in sorted(texts)
    }
    # "<" cannot occur in a script element without ending it too soon, whatever a module is called.
    return json.dumps({"imports": imports}, separators=(",", ":")).replace("<", "\\u003c")
