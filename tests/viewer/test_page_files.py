"""The live page's own files: modules that find each other, and nothing that its policy forbids."""

from __future__ import annotations

import json
import re
from importlib.resources import files

ROOMS = ("ontick.replays", "ontick.viewer")


def test_the_import_map_names_every_module_and_no_other() -> None:
    index = files("ontick.viewer").joinpath("page", "index.html").read_text()
    (text,) = re.findall(r'<script type="importmap">(.*?)</script>', index, re.DOTALL)
    modules = {
        file.name for room in ROOMS for file in files(room).joinpath("page").iterdir() if file.name.endswith(".js")
    }
    expected = {f"ontick/{name}": f"./page/{name}" for name in modules if name != "watch.js"}
    assert json.loads(text)["imports"] == expected


def test_the_page_needs_nothing_from_elsewhere_and_makes_no_html_of_data() -> None:
    for file in files("ontick.viewer").joinpath("page").iterdir():
        text = file.read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text), (
            file.name
        )
        if file.name == "index.html":
            assert not re.search(r'\sstyle=|\son\w+="', text), "its policy allows no inline style and no handler"
