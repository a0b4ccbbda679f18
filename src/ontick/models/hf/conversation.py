"""How does a tokenizer of Hugging Face's write a conversation? The same for acting and for training."""

from __future__ import annotations

from typing import Any

from ontick.models.chat import ChatTemplate, ConversationTokens


class Conversation:
    """A tokenizer's chat template and tokens.

    ``tokenizer`` is a ``PreTrainedTokenizerFast``; ``name`` is what errors call the model.
    """

    def __init__(self, tokenizer: Any, name: str) -> None:
        self._backend: Any = tokenizer.backend_tokenizer
        self.template = ChatTemplate(
            template_source(tokenizer), bos=_bos(tokenizer), eos=tokenizer.eos_token or "", model=name
        )
        special = [token.content for token in tokenizer.added_tokens_decoder.values() if token.special]
        self.tokens = ConversationTokens(self.template, self.tokenize, special, name)

    def tokenize(self, text: str) -> list[int]:
        """Return the tokens of ``text``, the template's special tokens read as such and none added."""
        return self._backend.encode(text, add_special_tokens=False).ids


def template_source(tokenizer: Any) -> str | None:
    """Return the chat template; of several, the one that has no other purpose."""
    source: str | dict[str, str] | None = tokenizer.chat_template
    return source.get("default") if isinstance(source, dict) else source


def _bos(tokenizer: Any) -> str:
    """Return what begins a text: of a model without a template, only if its tokenizer begins every text so."""
    begins = tokenizer.chat_template or tokenizer("").input_ids[:1] == [tokenizer.bos_token_id]
    return tokenizer.bos_token or "" if begins else ""
