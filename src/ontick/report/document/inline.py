"""How do plots and replays stand inside one file? Plots as SVG in the page's own colours, replays packed as text."""

from __future__ import annotations

import gzip
import json
import re
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from ontick.records import Json
from ontick.report import plots
from ontick.report.document import flight_plots

if TYPE_CHECKING:
    from markupsafe import Markup

COLOURS = {
    "#ffffff": "var(--surface)",
    plots.INK: "var(--text)",
    plots.GRID: "var(--line)",
    plots.MARK: "var(--muted)",
    plots.RULE_STYLES["hold"]["color"]: "var(--plot-blue)",
    plots.RULE_STYLES["noop"]["color"]: "var(--plot-red)",
    plots.WAY_COLOURS["chunked"]: "var(--plot-amber)",
    flight_plots.FRESH: "var(--fresh)",
    flight_plots.PLANNED: "var(--planned)",
    flight_plots.HELD: "var(--held)",
    flight_plots.NOOP: "var(--noop)",
    flight_plots.GOOD: "var(--good)",
    flight_plots.BAD: "var(--bad)",
    flight_plots.VIOLET: "var(--plot-violet)",
    flight_plots.GREEN: "var(--plot-green)",
    flight_plots.PINK: "var(--plot-pink)",
}
"""What the plots' colours are called in a page, where the theme decides."""

_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_LONG_NUMBER = re.compile(r"-?\d+\.\d{3,}")
_COLOUR = re.compile(r"#[0-9a-f]{6}\b")
_FONT = re.compile(r"font-family:[^;]*;?")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_LEFT_OUT = {f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"}


def inline_svg(path: Path, told: str) -> Markup:
    """Return a plot's SVG file as an element of a page: it follows the theme, and says ``told`` to who does not see it.

    Names inside it begin with the file's, so that several stand in one page; hundredths of a point are left out.
    """
    from markupsafe import Markup

    root = ElementTree.parse(path).getroot()
    _leave_out(root)
    for element in root.iter():
        for name, value in list(element.attrib.items()):
            del element.attrib[name]
            element.set(name.removeprefix(f"{{{_XLINK}}}"), _told_in_page(name, value, path.stem))
        element.tag = element.tag.removeprefix(f"{{{_SVG}}}")
    width = float(root.attrib.pop("width").removesuffix("pt"))
    root.attrib.pop("height")
    root.set("style", f"max-width: {width * 4 / 3:.0f}px")  # a point is 4/3 of CSS's pixels
    root.set("role", "img")
    root.set("aria-label", told)
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def packed(replay: Json) -> str:
    """Return a replay as base64 of gzip of JSON: letters that no markup has a meaning for."""
    plain = json.dumps(replay, separators=(",", ":"), allow_nan=False).encode()
    return b64encode(gzip.compress(plain, compresslevel=9, mtime=0)).decode()


def _leave_out(element: ElementTree.Element) -> None:
    for child in list(element):
        if child.tag in _LEFT_OUT:
            element.remove(child)
        else:
            _leave_out(child)


def _told_in_page(name: str, value: str, prefix: str) -> str:
    if name == "id":
        return f"{prefix}-{value}"
    if name.endswith("href"):
        return f"#{prefix}-{value.removeprefix('#')}"
    if name == "style":
        value = _COLOUR.sub(lambda found: COLOURS.get(found[0], found[0]), _FONT.sub("", value)).strip()
    value = _REFERENCE.sub(rf"url(#{prefix}-\1)", value)
    return _LONG_NUMBER.sub(lambda found: f"{float(found[0]):.2f}".rstrip("0").rstrip("."), value)
