"""Hugging Face weights as a language model, run by transformers.

What is asked, in which words and tokens, is the same as with llama.cpp: both take the text from the model's own chat
template by `ontick.models.chat`.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ontick.models.answers import choose_among, fitting, normalised, write_likeliest
from ontick.models.base import Choice, Completion, Message, ModelInfo, ModelOptions, Piece, Reading
from ontick.models.beside import Beside
from ontick.models.gaps import Gaps
from ontick.models.hf.conversation import Conversation
from ontick.models.hf.load import Loaded, load, quiet
from ontick.models.hf.read import (
    ChosenHead,
    GrowingReader,
    Reader,
    floats,
    install_head,
    keeps_everything,
    read_whole,
)
from ontick.models.hf.static import StaticReader, capture_graph, fuse
from ontick.models.hf.voice import Voice

END_OF_TURN = ("<|im_end|>", "<|eot_id|>", "<end_of_turn>", "<turn|>", "<|end|>")
"""What ends an answer in the usual templates, where a model's configuration names only the end of a text."""


class HuggingFace:
    """A folder of weights, a hub id, a LoRA adapter or a GGUF file, by transformers.

    Raises:
        OntickError: there is no such model, or it cannot be loaded as the options say.
    """

    def __init__(self, word: str, name: str | None = None, options: ModelOptions | None = None) -> None:
        options = options or ModelOptions()
        torch.set_num_threads(options.processor_threads)
        loaded = load(word, options, name)
        self._backend: Any = loaded.tokenizer.backend_tokenizer
        model = loaded.model
        trained = getattr(model.config.get_text_config(), "max_position_embeddings", None) or options.context_tokens
        self._context_tokens = min(options.context_tokens, trained)
        self.info = ModelInfo(
            loaded.name,
            "transformers",
            model.num_parameters(),
            str(model.dtype).removeprefix("torch."),
            (Reading.SCORE, Reading.GENERATE),
        )
        with quiet():
            self._model, self._head = model, install_head(model)
            self._reader = _reader(model, self._head, self._context_tokens)
        self._ends = end_tokens(loaded)
        written = Conversation(loaded.tokenizer, loaded.name)
        self._template, self._conversation, self.tokenize = written.template, written.tokens, written.tokenize
        self._gaps = Gaps()
        self._beside = Beside(self.info.name)
        self._voice = Voice(model, self._head, self._gaps)

    def warm_up(self, messages: Sequence[Message]) -> None:
        """Read the prompt; see `LanguageModel.warm_up`."""
        with self._gaps.whole(), quiet():
            self._reader.warm_up(self._fitting(self._conversation.tokens(messages)))

    def choose(self, messages: Sequence[Message], choices: Sequence[str]) -> Choice:
        """Return which of ``choices`` the model would answer first; see `LanguageModel.choose`."""
        with self._gaps.decision():
            start = time.perf_counter()
            prompt = self._fitting(self._conversation.tokens(messages))
            answers = self._conversation.answers(messages, prompt, tuple(choices))
            reading = self._reader.read(prompt, answers)
            return choose_among(
                floats(reading.logits), prompt_tokens=len(prompt), prefix_tokens=reading.kept, start_s=start
            )

    def complete(self, messages: Sequence[Message], max_tokens: int) -> Completion:
        """Return what the model writes; see `LanguageModel.complete`."""
        with self._gaps.decision():
            start = time.perf_counter()
            return write_likeliest(
                self._conversation.tokens(messages),
                max_tokens,
                likeliest=lambda read: int(self._reader.read(self._fitting(read)).logits.argmax()),
                ends=self._ends,
                decode=self._decode,
                start_s=start,
            )

    def room(self, messages: Sequence[Message]) -> int:
        """Return how many tokens an answer may have; see `TalkingModel.room`."""
        return self._context_tokens - len(self.tokenize(self.render(messages)))

    def say(self, messages: Sequence[Message], max_tokens: int) -> Generator[Piece]:
        """Write an answer beside decisions; see `TalkingModel.say`."""
        prompt = self.tokenize(self.render(messages))
        fitting(prompt, self._context_tokens - max_tokens, self.info.name)
        yield from self._beside.write(prompt, max_tokens, memory=self._voice, ends=self._ends, decode=self._decode)

    def logprobs(self, messages: Sequence[Message], answer: Sequence[int]) -> npt.NDArray[np.float32]:
        """Return how likely every token is at each place of an answer; see `LocalModel.logprobs`."""
        with self._gaps.whole():
            tokens = self._fitting([*self._conversation.tokens(messages), *answer])
            return normalised(read_whole(self._model, self._head, tokens, len(answer) + 1).cpu().numpy())

    def text_logprobs(self, text: str) -> npt.NDArray[np.float32]:
        """Return how likely a plain text is, token by token; see `LocalModel.text_logprobs`."""
        with self._gaps.whole():
            tokens = self._fitting(self._backend.encode(text, add_special_tokens=True).ids)
            logits = read_whole(self._model, self._head, tokens, len(tokens)).cpu().numpy()
            return normalised(logits[:-1])[np.arange(len(tokens) - 1), tokens[1:]]

    def render(self, messages: Sequence[Message]) -> str:
        """Return the prompt as text; see `LocalModel.render`."""
        return self._template.render(messages)

    def tokens(self, messages: Sequence[Message]) -> list[int]:
        """Return the prompt's tokens; see `LocalModel.tokens`."""
        return self._conversation.tokens(messages)

    def answer_tokens(self, messages: Sequence[Message], choices: Sequence[str]) -> list[int]:
        """Return the token of each choice after that prompt; see `LocalModel.answer_tokens`."""
        with self._gaps.whole():
            return self._conversation.answers(messages, self._conversation.tokens(messages), tuple(choices))

    def _decode(self, said: list[int]) -> str:
        return self._backend.decode(said, skip_special_tokens=True)

    def _fitting(self, prompt: list[int]) -> list[int]:
        return fitting(prompt, self._context_tokens, self.info.name)


def _reader(model: Any, head: ChosenHead | None, context_tokens: int) -> Reader:
    if model.device.type == "cuda" and keeps_everything(model):
        return StaticReader(model, head, context_tokens, capture_graph, fuse)
    return GrowingReader(model, head)


def end_tokens(loaded: Loaded) -> frozenset[int]:
    """Return the tokens that end an answer."""
    model = loaded.model
    ends: set[int | None] = {loaded.tokenizer.eos_token_id}
    ends |= {loaded.tokenizer.backend_tokenizer.token_to_id(word) for word in END_OF_TURN}
    for config in (model.config, model.generation_config):
        named: int | list[int] | None = getattr(config, "eos_token_id", None)
        ends |= set(named) if isinstance(named, list) else {named}
    return frozenset(token for token in ends if token is not None)
