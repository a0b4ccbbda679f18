"""A message is read whole or refused in a line, whatever a page sends."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ontick.errors import OntickError
from ontick.late import LateRule
from ontick.viewer.messages import Fly, Key, Ping, Reaction, Seize, Set, Stop, read_message
from ontick.viewer.settings import Settings, changed, page_may_fly

ANY_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
VERBS = ("fly", "set", "stop", "seize", "release", "key", "reaction", "ping", "dance")
FIELDS = ("lane", "action", "settings", "ms", "t")


def read(**said: Any) -> Any:
    return read_message(json.dumps(said))


def test_what_a_page_says() -> None:
    assert read(do="fly") == Fly({})
    assert read(do="fly", settings={"seed": 4}) == Fly({"seed": 4})
    assert read(do="set", settings={"late": "noop"}) == Set({"late": "noop"})
    assert read(do="stop", more="ignored") == Stop()
    assert read(do="seize", lane=1) == Seize(1, taken=True)
    assert read(do="release", lane=0) == Seize(0, taken=False)
    assert read(do="key", lane=0, action=2) == Key(0, 2)
    assert read(do="key", lane=0, action=None) == Key(0, None)
    assert read(do="reaction", ms=[231.5, 198]) == Reaction((231.5, 198.0))
    assert read(do="ping", t=7) == Ping(7.0)


@pytest.mark.parametrize(
    "text",
    ["", "fly", "[]", "null", "7", '"fly"', "{}", '{"do": 1}', '{"do": "dance"}', '{"do": ["fly"]}', "[" * 16_000]
    + ['{"do": "fly", "settings": []}', '{"do": "key", "lane": 0}', '{"do": "key", "lane": 2, "action": 0}']
    + ['{"do": "key", "lane": true, "action": 0}', '{"do": "key", "lane": 0, "action": "left"}']
    + ['{"do": "key", "lane": 0, "action": -1}', '{"do": "key", "lane": 0, "action": 0.5}', '{"do": "seize"}']
    + ['{"do": "ping", "t": NaN}', '{"do": "ping", "t": 1e999}', '{"do": "ping"}', '{"do": "reaction", "ms": 7}']
    + ['{"do": "reaction", "ms": [-1]}', '{"do": "reaction", "ms": [true]}', '{"do": "reaction", "ms": ["1"]}']
    + [json.dumps({"do": "reaction", "ms": [1] * 101}), '{"do": "ping", "t": ' + "9" * 5000 + "}"],
)
def test_what_it_cannot_say(text: str) -> None:
    with pytest.raises(OntickError) as refused:
        read_message(text)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 300


def test_bytes_are_no_message() -> None:
    with pytest.raises(OntickError, match="not binary"):
        read_message(None)


@given(st.sampled_from(VERBS), st.dictionaries(st.sampled_from(FIELDS), ANY_JSON), ANY_JSON)
def test_nothing_else_comes_of_any_message(do: str, what: dict[str, Any], alone: Any) -> None:
    for said in ({"do": do, **what}, alone):
        try:
            message = read_message(json.dumps(said))
            if isinstance(message, Fly | Set):
                changed(Settings(), message.changes, lambda word: True)
        except OntickError:
            pass


def test_settings_are_changed_one_by_one() -> None:
    settings = changed(
        Settings(), {"late": "noop", "delay_ms": 40, "controllers": ["teacher", " none "]}, lambda _: True
    )
    assert settings == Settings(late=LateRule.NOOP, delay_ms=40.0, controllers=("teacher", "none"))
    assert changed(settings, {}, lambda _: False) == settings
    assert json.loads(json.dumps(settings.as_json()))["controllers"] == ["teacher", "none"]


IMPOSSIBLE: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("late", ("panic", 1, None)),
    ("delay_ms", (-1, 501, "40", True, float("nan"))),
    ("speed", (2, 0.001, -0.5, float("inf"), None)),
    ("seed", (-1, 1.5, 2**31, True)),
    ("in_flight", (0, 65)),
    ("go_on", (1, "yes")),
    ("task", ("", 7, "x" * 501)),
    ("controllers", ("teacher", [], ["a", "b", "c"], [1], [" "], ["a\nb"], ["x" * 501])),
    ("wind", (3,)),
    ("", (None,)),
)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in IMPOSSIBLE for value in values])
def test_settings_that_cannot_be(name: str, value: Any) -> None:
    with pytest.raises(OntickError) as refused:
        changed(Settings(), {"late": "noop", name: value}, lambda _: True)
    assert "\n" not in str(refused.value)


def test_whom_a_page_may_have_fly() -> None:
    own, other = "python:mine.py:Pilot", "python:/tmp/evil.py:Pilot"
    here, elsewhere = page_may_fly([own, "smollm2"], True), page_may_fly([own, "smollm2"], False)
    assert all(map(here, (own, "smollm2", "teacher", "you", "gguf:x.gguf", "api:groq/x")))
    assert not here(other)  # a word that would run a file
    assert all(map(elsewhere, (own, "smollm2", "teacher", "you", "none", "random")))
    assert not any(map(elsewhere, (other, "gguf:x.gguf", "api:http://evil.example#x", "hf:/etc", "pilot:mine")))
    with pytest.raises(OntickError, match="named on the command line"):
        changed(Settings(), {"controllers": ["teacher", other]}, here)
