from __future__ import annotations

import json
import re
from base64 import b64decode

import pytest

from ontick.replays.assets import (
    asset,
    asset_names,
    import_map,
    media_type,
    modules,
    player_styles,
)

IMPORT = re.compile(r'from "([^"]+)"')


def test_every_module_is_found_by_the_name_that_others_import_it_by() -> None:
    texts = modules()
    assert {"ontick/player.js", "ontick/scene.js"} <= set(texts)
    for text in texts.values():
        assert set(IMPORT.findall(text)) <= set(texts), "no module imports what the map does not lead to"
    held = json.loads(import_map(texts))["imports"]
    for name, text in texts.items():
        head, _, data = held[name].partition(",")
        assert head == "data:text/javascript;base64"
        assert b64decode(data).decode() == text


def test_every_module_says_which_question_it_answers_and_stays_short() -> None:
    for name, text in modules().items():
        assert re.match(r"// .*\?", text), name
        assert len(text.splitlines()) <= 400


def test_a_map_cannot_end_the_script_that_holds_it() -> None:
    held = import_map({"ontick/</script>.js": "</script>"})
    assert "<" not in held
    assert set(json.loads(held)["imports"]) == {"ontick/</script>.js"}


def test_pages_need_nothing_from_another_host() -> None:
    for name in asset_names():
        text = asset(name).replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|url\(|@import|\bfetch\(|innerHTML", text), name


def test_the_theme_comes_before_what_takes_its_colours_from_it() -> None:
    styles = player_styles()
    assert styles.startswith(asset("theme.css"))
    assert asset("player.css") in styles


def test_only_page_files_are_given_out() -> None:
    for name in ("../assets.py", "assets.py", "", "nothing.js", "/etc/passwd"):
        with pytest.raises(KeyError):
            asset(name)
    assert {media_type(name).partition(";")[0] for name in asset_names()} == {"text/css", "text/javascript"}
