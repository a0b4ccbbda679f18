"""Which server, which model and whose key does an ``api:`` word mean?

``api:PRESET/MODEL`` names one of `PRESETS`, ``api:URL#MODEL`` any server that speaks OpenAI's chat completions.
A key comes from the environment, is sent only to the server that it belongs to, and is never shown.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from ontick.errors import OntickError, unknown_name

OWN_KEY = "ONTICK_API_KEY"
"""The environment variable with the key for a server that is given by its URL."""

_OPENAI_HOST = "api.openai.com"


class Dialect(NamedTuple):
    """How a server wants to be asked, where servers differ."""

    limit: str = "max_tokens"
    """The name of the parameter that bounds the answer: OpenAI's newer models know only ``max_completion_tokens``."""
    usage: bool = True
    """Whether it takes ``stream_options`` to count tokens in a stream."""
    temperature: bool = True
    """Whether it takes ``temperature``; models that think first do not."""


class Preset(NamedTuple):
    """A server that is known by name."""

    base_url: str
    key_variable: str | None
    """The environment variable of its key; None where no key is needed."""
    models: tuple[str, ...]
    """Some of its models, as suggestions."""
    dialect: Dialect = Dialect()
    key_path: str | None = None
    """Where it tells whether a key is good, if its list of models does not need one."""


PRESETS: Mapping[str, Preset] = {
    "groq": Preset(
        "https://api.groq.com/openai/v1", "GROQ_API_KEY", ("llama-3.1-8b-instant", "llama-3.3-70b-versatile")
    ),
    "openai": Preset(
        f"https://{_OPENAI_HOST}/v1",
        "OPENAI_API_KEY",
        ("gpt-4.1-nano", "gpt-4o-mini"),
        Dialect(limit="max_completion_tokens"),
    ),
    "openrouter": Preset(
        "https://openrouter.ai/api/v1",
        "OPENROUTER_API_KEY",
        ("meta-llama/llama-3.1-8b-instruct", "google/gemma-3-4b-it"),
        key_path="/key",
    ),
    "ollama": Preset("http://localhost:11434/v1", None, ("llama3.2", "gemma3:1b")),
    "lmstudio": Preset("http://localhost:1234/v1", None, ("qwen2.5-0.5b-instruct",)),
    "vllm": Preset("http://localhost:8000/v1", None, ("Qwen/Qwen2.5-0.5B-Instruct",)),
    "llama-server": Preset("http://localhost:8080/v1", None, ("smollm2",)),
}

FORMS = "api:PRESET/MODEL or api:URL#MODEL"


@dataclass(frozen=True)
class Address:
    """Where to ask, whom, and with which key."""

    base_url: str
    """Without a slash at its end, a user, a query or a fragment."""
    model: str
    key: str | None = field(repr=False)
    key_variable: str | None
    """Where the key came from."""
    dialect: Dialect
    key_path: str | None
    may_ask_first: bool
    """Whether a question before the flight is due: the server may be of any make, or its owner pays no tokens."""

    @property
    def parts(self) -> SplitResult:
        """The URL taken apart."""
        return urlsplit(self.base_url)

    @property
    def is_openai(self) -> bool:
        """Whether this is OpenAI's own server."""
        return _is_openai(self.parts)

    @property
    def host(self) -> str:
        """The server as a record may name it."""
        return self.parts.netloc

    def scrub(self, text: str) -> str:
        """Return ``text`` in one line of at most 300 printable characters, without the key."""
        if self.key:
            text = text.replace(self.key, "[key]")
        text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…"


_LONGEST_TEXT = 300


def find_address(what: str, environment: Mapping[str, str] = os.environ) -> Address:
    """Return what stands behind ``api:`` as a server, a model and a key.

    Raises:
        OntickError: there is no such preset, no model is named, the URL is none or holds a secret, or the key of
            the server is missing.
    """
    if "://" in what.partition("#")[0]:
        return _from_url(what, environment)
    name, _, model = what.partition("/")
    if name not in PRESETS:
        raise unknown_name("API", name, PRESETS, f"a server of your own: api:{_EXAMPLE_URL}#MODEL")
    preset = PRESETS[name]
    if not model:
        suggested = " or ".join(f"api:{name}/{model}" for model in preset.models)
        raise OntickError(f"api:{what} names no model; write api:{name}/MODEL, such as {suggested}")
    key = None
    if preset.key_variable is not None:
        key = _key(environment, preset.key_variable)
        if key is None:
            raise _missing_key(f"api:{name}", preset.key_variable)
    local = preset.key_variable is None
    return Address(preset.base_url, model, key, preset.key_variable, preset.dialect, preset.key_path, local)


_EXAMPLE_URL = "http://localhost:8000/v1"


def _from_url(what: str, environment: Mapping[str, str]) -> Address:
    url, _, model = what.partition("#")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise OntickError(f"api: has no usable URL; write api:{_EXAMPLE_URL}#MODEL") from None
    if "@" in parts.netloc or parts.query:
        # What stands there may be a secret, so it is not repeated.
        raise OntickError(f"an API's URL takes no user and no query; put its key into {OWN_KEY}")
    if not usable:
        raise OntickError(f"api: has no usable URL; write api:{_EXAMPLE_URL}#MODEL")
    if not model:
        raise OntickError(f"api:{url} names no model; write api:{url}#MODEL")
    variable, dialect = OWN_KEY, Dialect()
    key = _key(environment, OWN_KEY)
    if _is_openai(parts):
        dialect = PRESETS["openai"].dialect
        if key is None:
            variable, key = "OPENAI_API_KEY", _key(environment, "OPENAI_API_KEY")
        if key is None:
            raise _missing_key("OpenAI", "OPENAI_API_KEY")
    known = next((preset for preset in PRESETS.values() if preset.base_url == url.rstrip("/")), None)
    return Address(
        url.rstrip("/"),
        model,
        key,
        variable if key else None,
        known.dialect if known else dialect,
        known.key_path if known else None,
        may_ask_first=not _is_openai(parts) and (known is None or known.key_variable is None),
    )


def _is_openai(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    return parts.scheme == "https" and (host == _OPENAI_HOST or host.endswith(f".{_OPENAI_HOST}"))


def _key(environment: Mapping[str, str], variable: str) -> str | None:
    """Return a key, or None.

    Raises:
        OntickError: it cannot be sent in a header.
    """
    key = environment.get(variable, "").strip()
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise OntickError(f"the key in {variable} holds characters that no key has; set it again")
    return key or None


def _missing_key(whom: str, variable: str) -> OntickError:
    return OntickError(f"{whom} needs a key; put it into the environment variable {variable}")
