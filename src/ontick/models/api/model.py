"""A model behind an OpenAI-compatible API: asked over the network, answering in text.

An answer is streamed, so that the time to its first token and to its end are both known. Nothing is ever asked
twice: what goes wrong is a `NoAnswer`, whose kind the record counts, and the episode goes on.
"""

from __future__ import annotations

import contextlib
import difflib
import math
import time
import weakref
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, cast

import httpx2
import openai

from ontick.errors import OntickError
from ontick.models.api.address import OWN_KEY, Address, Dialect
from ontick.models.api.line import open_line
from ontick.models.base import Choice, Completion, Message, ModelInfo, ModelOptions, NoAnswer, Reading

RESET_HEADERS = (
    "retry-after",
    "retry-after-ms",
    "x-ratelimit-reset",
    "x-ratelimit-reset-requests",
    "x-ratelimit-reset-tokens",
)
"""Where servers say when a rate limit ends."""

_GOES_WRONG = (openai.OpenAIError, httpx2.HTTPError, httpx2.StreamError, OSError, ValueError)
"""What a request can end in; ValueError: an event that is no JSON, or no text."""

_OWN_KINDS = frozenset((401, 403, 404, 429))


class OpenAiApi:
    """A model behind ``address``; may be asked from several threads at once.

    Raises:
        OntickError: the options make no sense.
    """

    def __init__(self, address: Address, options: ModelOptions | None = None) -> None:
        options = options or ModelOptions()
        if not (0 < options.timeout_s < math.inf):
            raise OntickError(f"--model.timeout-s {options.timeout_s:g} cannot be; give seconds, such as 10")
        self.address = address
        self.info = ModelInfo(address.model, "api", None, None, (Reading.GENERATE,))
        self._timeout_s = options.timeout_s
        self._dialect = address.dialect
        self._line = open_line(address, options.timeout_s)
        weakref.finalize(self, self._line.close).atexit = False  # a thread may be waiting for an answer
        self._client = openai.OpenAI(
            api_key=address.key or "none",  # the line sends the key that is due, or none
            base_url=address.base_url,
            timeout=options.timeout_s,
            max_retries=0,
            http_client=self._line,
        )
        self._ready = False
        self._last_heard = -math.inf

    def warm_up(self, messages: Sequence[Message]) -> None:
        """Check key and model and open the connection, without a question where questions cost money.

        A server that may be of any make is asked one question, to learn how it wants to be asked.

        Raises:
            OntickError: the server cannot be reached, or refuses the key or the model.
        """
        if messages[-1].role == "assistant":
            raise OntickError("an API does not reliably continue a begun answer; use --prompt.layout chat")
        if self._ready:
            self._keep_line_open()
            return
        self._check_key_and_model()
        if self.address.may_ask_first:
            self._dialect = self._learn_dialect(messages)
        self._ready = True

    def choose(self, messages: Sequence[Message], choices: Sequence[str]) -> Choice:
        """Refuse: an API does not tell the scores of given words."""
        raise OntickError(f"{self.info.name} is behind an API, which tells no scores; use --reading generate")

    def complete(self, messages: Sequence[Message], max_tokens: int) -> Completion:
        """Return what the model writes; see `LanguageModel.complete`."""
        return self._ask(messages, max_tokens, self._dialect)

    def _ask(self, messages: Sequence[Message], max_tokens: int, dialect: Dialect) -> Completion:
        heard = _Heard()
        stream: Any = None
        try:
            stream = self._client.chat.completions.create(
                model=self.address.model,
                messages=cast("Any", [message._asdict() for message in messages]),
                stream=True,
                **_parameters(dialect, max_tokens),
            )
            with stream:
                for chunk in stream:
                    heard.take(chunk)
                elapsed_ms = heard.elapsed_ms()
        except _GOES_WRONG as error:
            self._fail(error, began=stream is not None, heard=heard)
        self._last_heard = time.monotonic()
        return heard.completion(elapsed_ms, self.address)

    def _fail(self, error: Exception, *, began: bool, heard: _Heard) -> NoReturn:
        """Raise the failure that ``error`` is; ``from None``, since what a library says may hold what it was sent."""
        if isinstance(error, openai.APIStatusError):
            raise NoAnswer(_status_kind(error.status_code), self._describe_status(error)) from None
        if isinstance(error, openai.APITimeoutError | httpx2.TimeoutException):
            raise NoAnswer("timeout", f"no whole answer within {self._timeout_s:g} s") from None
        cause = error.__cause__ or error
        said = self.address.scrub(str(cause)) or type(cause).__name__
        if began:
            raise NoAnswer("broken_stream", f"after {heard.said!r}: {said}") from None
        raise NoAnswer("connection", said) from None

    def _describe_status(self, error: openai.APIStatusError) -> str:
        resets = [f"{name}: {error.response.headers[name]}" for name in RESET_HEADERS if name in error.response.headers]
        said = ""
        if error.status_code != 401:  # what is said of a refused key may repeat part of it
            _, _, said = error.message.partition(" - ")
            said = said or str(error.body or "")
        return self.address.scrub("; ".join(part for part in (str(error.status_code), *resets, said) if part))

    def _check_key_and_model(self) -> None:
        for path in (self.address.key_path, "/models"):
            if path is None:
                continue
            try:
                listed: object = self._client.get(path, cast_to=object)
            except _GOES_WRONG as error:
                listed = None
                with contextlib.suppress(_NotTold):
                    self._refuse(error)
        self._last_heard = time.monotonic()
        names = _model_names(listed)
        if names and not any(_same_model(name, self.address.model) for name in names):
            near = difflib.get_close_matches(self.address.model, names, n=3, cutoff=0.3) or names[:3]
            raise OntickError(
                f"{self.address.host} has no model {self.address.model!r}; choose another, such as {' or '.join(near)}"
            )

    def _refuse(self, error: Exception) -> NoReturn:
        """Raise the mistake that ``error`` shows before the flight.

        Raises:
            _NotTold: the server has no such page, which says nothing of key or model.
        """
        try:
            self._fail(error, began=False, heard=_Heard())
        except NoAnswer as failure:
            if failure.kind in {"http_404", "http_4xx"}:
                raise _NotTold from None
            raise self._mistake(failure) from None

    def _learn_dialect(self, messages: Sequence[Message]) -> Dialect:
        """Ask one question, and again without what the server rejects, which costs nothing."""
        dialect = self.address.dialect
        while True:
            try:
                self._ask(messages, 1, dialect)
            except NoAnswer as failure:
                if failure.kind == "refusal":
                    return dialect
                simpler = _simpler(dialect, str(failure)) if failure.kind == "http_4xx" else None
                if simpler is None:
                    raise self._mistake(failure) from None
                dialect = simpler
            else:
                return dialect

    def _mistake(self, failure: NoAnswer) -> OntickError:
        address, said = self.address, str(failure)
        if failure.kind == "http_401":
            if address.key is None:
                url = address.base_url
                return OntickError(f"{address.host} wants a key; put it into {OWN_KEY} and write api:{url}#MODEL")
            return OntickError(f"{address.host} refuses the key in {address.key_variable}; set another")
        what = {
            "connection": f"cannot reach {address.host} ({said}); start it, or check its address and your connection",
            "timeout": f"{address.host} gave {said}; try again, or give it longer with --model.timeout-s",
            "broken_stream": f"{address.host} does not stream as it should ({said}); use another server",
            "http_3xx": f"{address.host} sends elsewhere ({said}); give the address that it means",
            "http_403": f"{address.host} forbids this ({said}); use another key or model",
            "http_404": f"{address.host} does not know {address.model} ({said}); check the URL and the model",
            "http_429": f"{address.host} limits how often it may be asked ({said}); wait, then try again",
            "http_5xx": f"{address.host} is out of order ({said}); try again later",
        }
        return OntickError(what.get(failure.kind, f"{address.host} rejects the question ({said}); use another model"))

    def _keep_line_open(self) -> None:
        """Use the connection, so that it is open when the episode begins; whether that works shows there."""
        if time.monotonic() - self._last_heard < STAYS_OPEN_S:
            return
        with contextlib.suppress(httpx2.HTTPError):
            self._line.head(f"{self.address.base_url}/models")


STAYS_OPEN_S = 2.0
"""How long any server keeps an unused connection."""


class _NotTold(Exception):  # noqa: N818 - as one would say it
    """The server does not say."""


class _Heard:
    """An answer while it comes in."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self.said = ""
        self._refusal = ""
        self._finish: str | None = None
        self._ttft_ms: float | None = None
        self._prompt_tokens: int | None = None
        self._completion_tokens: int | None = None

    def elapsed_ms(self) -> float:
        """Return the time since the question was asked."""
        return (time.perf_counter() - self._start) * 1e3

    def take(self, chunk: Any) -> None:
        """Take in an event of the stream.

        Raises:
            ValueError: it is not of the shape that the protocol gives it.
        """
        try:
            for choice in chunk.choices or ():
                if choice.delta.content:
                    self._ttft_ms = self._ttft_ms or self.elapsed_ms()
                    self.said += choice.delta.content
                self._refusal += choice.delta.refusal or ""
                self._finish = choice.finish_reason or self._finish
            if chunk.usage:
                self._prompt_tokens, self._completion_tokens = chunk.usage.prompt_tokens, chunk.usage.completion_tokens
        except (AttributeError, TypeError) as error:
            raise ValueError("an event of another shape") from error

    def completion(self, elapsed_ms: float, address: Address) -> Completion:
        """Return the whole answer.

        Raises:
            NoAnswer: it is a refusal, or it was cut off.
        """
        if self._refusal or self._finish == "content_filter":
            raise NoAnswer("refusal", address.scrub(self._refusal or f"content_filter after {self.said!r}"))
        if self._finish is None:
            raise NoAnswer("broken_stream", f"after {address.scrub(self.said)!r}: it ended without being finished")
        return Completion(
            address.scrub(self.said), self._ttft_ms, elapsed_ms, self._prompt_tokens, self._completion_tokens
        )


def _parameters(dialect: Dialect, max_tokens: int) -> dict[str, Any]:
    return {
        dialect.limit: max_tokens,
        **({"temperature": 0} if dialect.temperature else {}),
        **({"stream_options": {"include_usage": True}} if dialect.usage else {}),
    }


def _simpler(dialect: Dialect, complaint: str) -> Dialect | None:
    """Return ``dialect`` without what ``complaint`` names, or None where nothing is left to change."""
    unnamed = not any(name in complaint for name in ("stream_options", "max_tokens", "temperature"))
    if dialect.usage and ("stream_options" in complaint or unnamed):
        return dialect._replace(usage=False)
    if dialect.limit == "max_tokens" and "max_tokens" in complaint:
        return dialect._replace(limit="max_completion_tokens")
    if dialect.temperature and "temperature" in complaint:
        return dialect._replace(temperature=False)
    return None


def _status_kind(status: int) -> str:
    return f"http_{status}" if status in _OWN_KINDS else f"http_{status // 100}xx"


def _model_names(listed: object) -> list[str]:
    """Return the models of a list as servers write it; none where it cannot be understood."""
    entries: Any = cast("Mapping[str, Any]", listed).get("data") if isinstance(listed, Mapping) else listed
    if not isinstance(entries, list):
        return []
    found = [
        cast("Mapping[str, Any]", entry).get("id") for entry in cast("list[Any]", entries) if isinstance(entry, dict)
    ]
    return [name for name in found if isinstance(name, str)]


def _same_model(listed: str, asked: str) -> bool:
    """Compare names; a variant after a colon (``:free``, ``:latest``) and ``models/`` before need not be listed."""
    return listed.removeprefix("models/").partition(":")[0] == asked.removeprefix("models/").partition(":")[0]
