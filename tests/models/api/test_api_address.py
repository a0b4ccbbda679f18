"""Which server, model and key a word means; and a key goes nowhere but to its own server."""

from __future__ import annotations

import pytest

from ontick.errors import OntickError
from ontick.models.api.address import PRESETS, find_address

KEYS = {
    "GROQ_API_KEY": "gsk-groq",
    "OPENAI_API_KEY": "sk-openai",
    "OPENROUTER_API_KEY": "sk-or",
}


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_brings_its_server_and_its_own_key(name: str) -> None:
    preset = PRESETS[name]
    for model in (*preset.models, "some/model:free"):
        address = find_address(f"{name}/{model}", KEYS)
        assert (address.base_url, address.model) == (preset.base_url, model)
        assert address.key == (None if preset.key_variable is None else KEYS[preset.key_variable])


@pytest.mark.parametrize("name", [name for name, preset in PRESETS.items() if preset.key_variable])
def test_a_missing_key_is_named(name: str) -> None:
    variable = PRESETS[name].key_variable or ""
    for environment in ({}, {variable: " \n"}, {other: key for other, key in KEYS.items() if other != variable}):
        with pytest.raises(OntickError, match=variable):
            find_address(f"{name}/model", environment)


def test_groq_suggests_its_models() -> None:
    with pytest.raises(OntickError, match=r"llama-3\.1-8b-instant or api:groq/llama-3\.3-70b-versatile"):
        find_address("groq", KEYS)


def test_an_unknown_preset_lists_the_known_ones() -> None:
    with pytest.raises(OntickError) as caught:
        find_address("grok/model", KEYS)
    assert all(name in str(caught.value) for name in PRESETS)
    assert "did you mean 'groq'" in str(caught.value)


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("https://api.openai.com/v1", "sk-openai"),
        ("https://eu.api.openai.com/v1", "sk-openai"),
        ("http://api.openai.com/v1", None),
        ("https://api.openai.com.evil.example/v1", None),
        ("https://notapi.openai.com/v1", None),
        ("https://evil.example/api.openai.com/v1", None),
        ("https://api.groq.com/openai/v1", None),
        ("http://localhost:8000/v1", None),
    ],
)
def test_openais_key_goes_to_openai_only(url: str, key: str | None) -> None:
    assert find_address(f"{url}#model", KEYS).key == key
    assert find_address(f"{url}#model", KEYS | {"ONTICK_API_KEY": "mine"}).key == "mine"


@pytest.mark.parametrize(
    "url", ["https://user:hunter2@host/v1", "https://hunter2@host/v1", "https://host/v1?api-key=hunter2"]
)
def test_a_secret_in_a_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(OntickError, match="ONTICK_API_KEY") as caught:
        find_address(f"{url}#model", {})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["ftp://host/v1", "http:///v1", "http://host:0/v1", "http://host:port/v1", "http://[::1/v1"]
)
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(OntickError, match="no usable URL"):
        find_address(f"{url}#model", {})


def test_a_url_without_a_model_says_how_to_write_it() -> None:
    with pytest.raises(OntickError, match="write api:http://host/v1#MODEL"):
        find_address("http://host/v1", {})


@pytest.mark.parametrize("key", ["two words", "tab\tbed", "kéy", "line\nbreak"])
def test_a_key_that_cannot_be_sent_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(OntickError, match="GROQ_API_KEY") as caught:
        find_address("groq/model", {"GROQ_API_KEY": key})
    assert key not in str(caught.value)


def test_a_key_shows_nowhere() -> None:
    address = find_address("groq/model", KEYS)
    assert "gsk-groq" not in repr(address)
    assert address.scrub("they sent gsk-groq\n back") == "they sent [key] back"
    assert len(address.scrub("x" * 10_000)) < 400
