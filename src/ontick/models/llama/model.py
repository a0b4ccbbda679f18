"""A GGUF file as a language model, run by llama.cpp on this machine's processor.

One decision reads only the tokens that differ from the prompt before (the shared beginning stays in the
key-value cache), and compares the logits of the choices' tokens at the last position. Nothing is sampled.
"""

from __future__ import annotations

import ctypes
import os
import time
import weakref
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
import numpy.typing as npt

from ontick.errors import OntickError
from ontick.models.answers import choose_among, fitting, normalised, write_likeliest
from ontick.models.base import Choice, Completion, Message, ModelInfo, ModelOptions, Piece, Reading
from ontick.models.beside import Beside
from ontick.models.chat import ChatTemplate, ConversationTokens
from ontick.models.gaps import Gaps
from ontick.models.gguf_file import is_gguf
from ontick.models.llama import kernels
from ontick.models.llama.log import Quiet
from ontick.models.llama.memory import BATCH_TOKENS, PrefixMemory, UnreadableError, sequences
from ontick.models.llama.threads import attach_threads, free_threads, share_threads
from ontick.models.llama.voice import Interruption, Voice

_api: Any = llama_cpp
"""llama-cpp-python's low-level functions are typed as ctypes stubs that no checker can follow."""

_api.llama_backend_init()


class LlamaCpp:
    """A model in a GGUF file.

    Raises:
        OntickError: the file is missing, not a GGUF file, or not one that llama.cpp can load.
    """

    def __init__(self, path: Path, name: str | None = None, options: ModelOptions | None = None) -> None:
        check_is_gguf(path)
        options = options or ModelOptions()
        # One thread of its own does all the reading: questions wait their turn, and the AMX tiles that llama.cpp sets
        # up once for a thread are not taken down by another library (oneDNN in PyTorch) that uses them in the same one.
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="llama.cpp")
        with Quiet() as said:
            self._model = _api.llama_model_load_from_file(os.fsencode(path), _model_params(path))
            if not self._model:
                raise OntickError(f"llama.cpp cannot load {path} ({said.last_error}); give another GGUF file")
            self._context_tokens = min(options.context_tokens, _api.llama_model_n_ctx_train(self._model))
            self._threads = options.processor_threads
            self._context = self._new_context()
            if not self._context:
                _api.llama_model_free(self._model)
                raise OntickError(f"llama.cpp cannot run {path} ({said.last_error}); give a smaller model")
            self._pool = attach_threads(self._context, self._threads)
        self._contexts = [self._context]
        # Not at exit: a thread that Ctrl-C left in the middle of a call may still be reading.
        weakref.finalize(self, _free, self._contexts, self._model, self._pool).atexit = False
        self._memory = PrefixMemory(self._model, self._context)
        self._vocabulary = _api.llama_model_get_vocab(self._model)
        self.info = ModelInfo(
            name or path.stem,
            "llama.cpp",
            _api.llama_model_n_params(self._model),
            self._describe().split()[-1],
            (Reading.SCORE, Reading.GENERATE),
        )
        self._template = self._chat_template()
        self._conversation = ConversationTokens(self._template, self.tokenize, self._special_texts(), self.info.name)
        self._gaps = Gaps()
        self._beside = Beside(self.info.name)
        self._voice: Voice | None = None

    def warm_up(self, messages: Sequence[Message]) -> None:
        """Read the prompt; see `LanguageModel.warm_up`."""
        with self._gaps.whole():
            self._reader.submit(self._read, self._conversation.tokens(messages)).result()

    def choose(self, messages: Sequence[Message], choices: Sequence[str]) -> Choice:
        """Return which of ``choices`` the model would answer first; see `LanguageModel.choose`."""
        with self._gaps.decision():
            return self._reader.submit(self._choose, messages, tuple(choices)).result()

    def complete(self, messages: Sequence[Message], max_tokens: int) -> Completion:
        """Return what the model writes; see `LanguageModel.complete`."""
        with self._gaps.decision():
            return self._reader.submit(self._complete, messages, max_tokens).result()

    def logprobs(self, messages: Sequence[Message], answer: Sequence[int]) -> npt.NDArray[np.float32]:
        """Return how likely every token is at each place of an answer; see `LocalModel.logprobs`."""
        with self._gaps.whole():
            return self._reader.submit(self._logprobs, messages, answer).result()

    def text_logprobs(self, text: str) -> npt.NDArray[np.float32]:
        """Return how likely a plain text is, token by token; see `LocalModel.text_logprobs`."""
        with self._gaps.whole():
            return self._reader.submit(self._text_logprobs, text).result()

    def room(self, messages: Sequence[Message]) -> int:
        """Return how many tokens an answer may have; see `TalkingModel.room`."""
        self._open_voice()
        return self._context_tokens - len(self.tokenize(self.render(messages)))

    def say(self, messages: Sequence[Message], max_tokens: int) -> Generator[Piece]:
        """Write an answer beside decisions; see `TalkingModel.say`."""
        prompt = self.tokenize(self.render(messages))
        fitting(prompt, self._context_tokens - max_tokens, self.info.name)
        with self._readable():
            yield from self._beside.write(
                prompt, max_tokens, memory=self._open_voice(), ends=self._ends, decode=self._decode
            )

    def _choose(self, messages: Sequence[Message], choices: tuple[str, ...]) -> Choice:
        start = time.perf_counter()
        prompt = self._conversation.tokens(messages)
        answers = self._conversation.answers(messages, prompt, choices)
        prefix_tokens = self._read(prompt)
        logits = _api.llama_get_logits_ith(self._context, -1)
        return choose_among(
            [float(logits[token]) for token in answers],
            prompt_tokens=len(prompt),
            prefix_tokens=prefix_tokens,
            start_s=start,
        )

    def _complete(self, messages: Sequence[Message], max_tokens: int) -> Completion:
        return write_likeliest(
            self._conversation.tokens(messages),
            max_tokens,
            likeliest=self._likeliest,
            ends=self._ends,
            decode=self._decode,
            start_s=time.perf_counter(),
        )

    def _logprobs(self, messages: Sequence[Message], answer: Sequence[int]) -> npt.NDArray[np.float32]:
        prompt = self._conversation.tokens(messages)
        tokens = fitting([*prompt, *answer], self._context_tokens, self.info.name)
        with self._readable():
            places = self._memory.read_each(tokens, len(prompt) - 1)
            return np.stack([normalised(_logits(self._context, self._vocabulary, at)) for at in places])

    def _text_logprobs(self, text: str) -> npt.NDArray[np.float32]:
        tokens = fitting(self.tokenize(text, begins=True), self._context_tokens, self.info.name)
        with self._readable():
            places = zip(self._memory.read_each(tokens[:-1], 0), tokens[1:], strict=True)
            found = [normalised(_logits(self._context, self._vocabulary, at))[token] for at, token in places]
            return np.array(found, dtype=np.float32)

    def render(self, messages: Sequence[Message]) -> str:
        """Return the prompt as text; see `LocalModel.render`."""
        return self._template.render(messages)

    def tokens(self, messages: Sequence[Message]) -> list[int]:
        """Return the prompt's tokens; see `LocalModel.tokens`."""
        return self._conversation.tokens(messages)

    def answer_tokens(self, messages: Sequence[Message], choices: Sequence[str]) -> list[int]:
        """Return the token of each choice; see `LocalModel.answer_tokens`."""
        return self._conversation.answers(messages, self.tokens(messages), tuple(choices))

    def tokenize(self, text: str, *, begins: bool = False) -> list[int]:
        """Return the tokens of ``text``, the template's special tokens read as such.

        ``begins``: with what begins every text, for models that want it; else none is added.
        """
        data = text.encode()
        tokens = (_api.llama_token * (len(data) + 8))()
        count = _api.llama_tokenize(self._vocabulary, data, len(data), tokens, len(tokens), begins, True)
        if count < 0:
            raise OntickError(f"{self.info.name} cannot tokenize the prompt; shorten it")
        return tokens[:count]

    def _open_voice(self) -> Voice:
        """Return where conversations are kept, made when it is first asked for."""
        if self._voice is None:
            interruption = Interruption()
            with Quiet() as said:
                context = self._new_context(interruption)
                if not context:
                    raise OntickError(
                        f"llama.cpp has no room for a conversation with {self.info.name} ({said.last_error}); "
                        "give a smaller --model.context-tokens"
                    )
                share_threads(context, self._pool)
            self._contexts.append(context)
            memory = PrefixMemory(self._model, context)
            vocabulary = self._vocabulary
            self._voice = Voice(
                memory, interruption, lambda: int(_logits(context, vocabulary, -1).argmax()), self._gaps
            )
        return self._voice

    def _new_context(self, interruption: Interruption | None = None) -> Any:
        parameters = _context_params(self._model, self._context_tokens, self._threads)
        if interruption is not None:
            parameters.cb_eval = interruption.function
        return _api.llama_init_from_model(self._model, parameters)

    def _likeliest(self, prompt: list[int]) -> int:
        self._read(prompt)
        return int(_logits(self._context, self._vocabulary, -1).argmax())

    def _ends(self, token: int) -> bool:
        return _api.llama_vocab_is_eog(self._vocabulary, token)

    def _decode(self, said: list[int]) -> str:
        return b"".join(map(self._piece, said)).decode(errors="replace")

    def _piece(self, token: int) -> bytes:
        buffer = ctypes.create_string_buffer(256)
        length = _api.llama_token_to_piece(self._vocabulary, token, buffer, 256, 0, False)
        return buffer.raw[: max(0, length)]

    def _describe(self) -> str:
        buffer = ctypes.create_string_buffer(256)
        _api.llama_model_desc(self._model, buffer, 256)
        return buffer.value.decode()

    def _read(self, prompt: list[int]) -> int:
        """Have ``prompt`` read; return how many of its tokens had been read already."""
        fitting(prompt, self._context_tokens, self.info.name)
        with self._readable():
            return self._memory.read(prompt)

    @contextmanager
    def _readable(self) -> Generator[None]:
        try:
            yield
        except UnreadableError as error:
            raise OntickError(
                f"llama.cpp failed to read the prompt with {self.info.name}; give another GGUF file"
            ) from error

    def _chat_template(self) -> ChatTemplate:
        source = _api.llama_model_chat_template(self._model, None)
        bos, eos = _api.llama_vocab_bos(self._vocabulary), _api.llama_vocab_eos(self._vocabulary)
        return ChatTemplate(
            source.decode() if source else None,
            bos=self._token_text(bos) if source or _api.llama_vocab_get_add_bos(self._vocabulary) else "",
            eos=self._token_text(eos),
            model=self.info.name,
        )

    def _special_texts(self) -> list[str]:
        count = _api.llama_vocab_n_tokens(self._vocabulary)
        control = [token for token in range(count) if _api.llama_vocab_is_control(self._vocabulary, token)]
        return [self._token_text(token) for token in control]

    def _token_text(self, token: int) -> str:
        return _api.llama_vocab_get_text(self._vocabulary, token).decode() if token >= 0 else ""


def check_is_gguf(path: Path) -> None:
    """Refuse what is no GGUF file.

    Raises:
        OntickError: it cannot be read, or is something else.
    """
    try:
        found = is_gguf(path)
    except OSError as error:
        raise OntickError(f"cannot read {path} ({error.strerror}); give a GGUF file: gguf:PATH") from error
    if not found:
        raise OntickError(f"{path} is not a GGUF file; give one: gguf:PATH")


def _model_params(path: Path) -> Any:
    params = _api.llama_model_default_params()
    params.use_extra_bufts = kernels.are_sound(path)
    return params


def _context_params(model: Any, context_tokens: int, threads: int) -> Any:
    params = _api.llama_context_default_params()
    params.n_ctx = context_tokens
    params.n_batch = params.n_ubatch = BATCH_TOKENS
    params.n_threads = params.n_threads_batch = threads
    params.swa_full = True  # sliding-window models: keep the whole prefix, so that it can be cut back to
    params.n_seq_max = sequences(model)
    params.kv_unified = True
    params.no_perf = True
    # Flash attention accumulates in half precision, by batch: an answer would depend on how much of the prompt
    # was in the cache (0.08 nats on the embedded model). Without it the same prompt gives the same answer.
    params.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
    return params


def _logits(context: Any, vocabulary: Any, at: int) -> npt.NDArray[np.float32]:
    """Return llama.cpp's own memory, shape (vocabulary,): good until the context's next reading."""
    return np.ctypeslib.as_array(_api.llama_get_logits_ith(context, at), shape=(_api.llama_vocab_n_tokens(vocabulary),))


def _free(contexts: list[Any], model: Any, pool: ctypes.c_void_p | None) -> None:
    for context in contexts:
        _api.llama_free(context)
    free_threads(pool)
    _api.llama_model_free(model)
