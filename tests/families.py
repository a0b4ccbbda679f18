"""The model families that users bring, tiny and random: real architectures, tokenizers of the same kind, templates.

A folder of each is what `save_pretrained` writes, so a test loads it as a user's. Weights are random with a large
spread, so that one wrong position, mask or scale shows in the logits.
"""

from __future__ import annotations

import functools
import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import tokenizers
import torch
import transformers
from tokenizers import AddedToken, Regex

from ontick.models.hf.load import quiet
from ontick.prompts import ExamplesIn, Layout, Prompt, PromptStyle
from ontick.tasks import find_task

_tokenizers: Any = tokenizers
_torch: Any = torch
_transformers: Any = transformers

TEMPLATES = Path(__file__).parent / "models" / "chat_templates"

VOCABULARY = 700

THREE_DIGITS = r"\p{N}{1,3}"

WHOLE_NUMBERS = tuple(f"{number:0{digits}}" for digits in (2, 3) for number in range(10**digits))
"""What a tokenizer that takes up to three digits together has a token for."""

# Cut of words, numbers and spaces as Llama 3 and Qwen publish it; they differ in how many digits go together.
_WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


class Family(NamedTuple):
    """One family: how its tiny model is configured, its kind of tokenizer, and its template."""

    config: Callable[[int], Any]
    tokenizer: Callable[[], Any]
    template: str


def corpus() -> list[str]:
    """Return what the tokenizers are trained on: the tasks' own prompts, and numbers of up to three digits."""
    styles = [PromptStyle(layout=layout, examples_in=where) for layout in Layout for where in ExamplesIn]
    prompts = [Prompt(find_task(name), style) for name in ("cartpole", "lunarlander") for style in styles]
    said = [message.content for prompt in prompts for message in prompt.messages([0.1] * len(prompt.task.features))]
    return said * 3 + [f"{number} {-number} = {number % 10}" for number in range(1000)]


def byte_level(special: Sequence[str], digits: str, bos: str | None, eos: str, *, nfc: bool = False) -> Any:
    """Return a byte-level BPE tokenizer; ``digits`` is the pattern by which numbers are cut."""
    numbers = WHOLE_NUMBERS if digits == THREE_DIGITS else ()
    backend = _tokenizers.Tokenizer(_tokenizers.models.BPE(ignore_merges=bool(numbers)))
    if nfc:
        backend.normalizer = _tokenizers.normalizers.NFC()
    cut = _tokenizers.pre_tokenizers.Split(Regex(_WORDS % digits), behavior="isolated")
    bytes_ = _tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.pre_tokenizer = _tokenizers.pre_tokenizers.Sequence([cut, bytes_])
    backend.decoder = _tokenizers.decoders.ByteLevel()
    alphabet = _tokenizers.pre_tokenizers.ByteLevel.alphabet()
    _train(backend, special, numbers, vocab_size=VOCABULARY + len(numbers), initial_alphabet=alphabet)
    backend = _without_added(backend, numbers)
    if bos is not None:  # Llama 3's begins every text so, unless told not to
        backend.post_processor = _tokenizers.processors.TemplateProcessing(
            single=f"{bos} $A", special_tokens=[(bos, backend.token_to_id(bos))]
        )
    return _wrapped(backend, bos_token=bos, eos_token=eos)


def sentence_piece(special: Sequence[str]) -> Any:
    """Return a tokenizer like Gemma's: spaces as words' parts, single digits, bytes for what is in no word."""
    backend = _tokenizers.Tokenizer(_tokenizers.models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    backend.normalizer = _tokenizers.normalizers.Replace(" ", "▁")
    lone_digits = _tokenizers.pre_tokenizers.Digits(individual_digits=True)
    by_words = _tokenizers.pre_tokenizers.Split("▁", behavior="merged_with_next")
    backend.pre_tokenizer = _tokenizers.pre_tokenizers.Sequence([lone_digits, by_words])
    steps = [_tokenizers.decoders.Replace("▁", " "), _tokenizers.decoders.ByteFallback(), _tokenizers.decoders.Fuse()]
    backend.decoder = _tokenizers.decoders.Sequence(steps)
    single_bytes = [f"<0x{byte:02X}>" for byte in range(256)]
    _train(backend, ["<pad>", "<eos>", "<bos>", "<unk>", *special], ordinary=single_bytes)
    backend = _without_added(backend, single_bytes)
    backend.post_processor = _tokenizers.processors.TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", backend.token_to_id("<bos>"))]
    )
    return _wrapped(backend, bos_token="<bos>", eos_token="<eos>", pad_token="<pad>", unk_token="<unk>")


def _train(backend: Any, special: Sequence[str], ordinary: Sequence[str] = (), **options: Any) -> None:
    """Learn words from the corpus; ``ordinary`` are words of the vocabulary that it may not contain."""
    known = [AddedToken(word, special=True, normalized=False) for word in special]
    trainer = _tokenizers.trainers.BpeTrainer(
        special_tokens=[*known, *ordinary], show_progress=False, **{"vocab_size": VOCABULARY, **options}
    )
    backend.train_from_iterator(corpus(), trainer)
    backend.add_special_tokens(known)


def _without_added(backend: Any, words: Sequence[str]) -> Any:
    """Leave ``words`` in the vocabulary, but as words like others, which are read and written as such."""
    written = json.loads(backend.to_str())
    written["added_tokens"] = [token for token in written["added_tokens"] if token["content"] not in words]
    return _tokenizers.Tokenizer.from_str(json.dumps(written))


def _wrapped(backend: Any, **named: Any) -> Any:
    return _transformers.PreTrainedTokenizerFast(tokenizer_object=backend, **named)


def _small(**more: Any) -> dict[str, Any]:
    shape = {"hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 4, "num_key_value_heads": 2}
    return {**shape, "num_hidden_layers": 3, "max_position_embeddings": 2048, "initializer_range": 0.3, **more}


def _gemma(**more: Any) -> dict[str, Any]:
    """Return a shape whose windows are shorter than any prompt."""
    ids = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2}
    layers = {"num_hidden_layers": 6, "sliding_window": 16, "num_key_value_heads": 1, "head_dim": 16}
    return _small(**layers, **ids, query_pre_attn_scalar=16, **more)


def _gemma2(vocabulary: int) -> Any:
    caps = {"final_logit_softcapping": 3.0, "attn_logit_softcapping": 5.0}
    return _transformers.Gemma2Config(vocab_size=vocabulary, **caps, **_gemma())


def _gemma3(vocabulary: int) -> Any:
    return _transformers.Gemma3TextConfig(vocab_size=vocabulary, **_gemma())


def _gemma3_4b(vocabulary: int) -> Any:
    eyes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    return _transformers.Gemma3Config(
        text_config=_gemma3(vocabulary).to_dict(),
        vision_config={**eyes, "image_size": 28, "patch_size": 14},
        mm_tokens_per_image=4,
    )


def _gemma4(vocabulary: int) -> Any:
    types = ["sliding_attention", "full_attention"] * 3
    text = _gemma(
        layer_types=types,
        num_kv_shared_layers=2,
        hidden_size_per_layer_input=8,
        vocab_size_per_layer_input=vocabulary,
        global_head_dim=32,
        final_logit_softcapping=30.0,
        tie_word_embeddings=False,
    )
    return _transformers.Gemma4Config(
        text_config=_transformers.Gemma4TextConfig(vocab_size=vocabulary, **text).to_dict(),
        vision_config=None,
        audio_config=None,
        tie_word_embeddings=False,  # a tied random one repeats what it read last: here the end of its thoughts
    )


def _llama(vocabulary: int) -> Any:
    rope = {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 32.0, "low_freq_factor": 1.0}
    rope |= {"high_freq_factor": 4.0, "original_max_position_embeddings": 1024}
    return _transformers.LlamaConfig(
        vocab_size=vocabulary,
        rope_parameters=rope,
        tie_word_embeddings=True,
        **_small(),
        bos_token_id=0,
        eos_token_id=1,
    )


def _plain(of: str, **more: Any) -> Callable[[int], Any]:
    return lambda vocabulary: getattr(_transformers, of)(
        vocab_size=vocabulary, tie_word_embeddings=True, **_small(bos_token_id=None, eos_token_id=1, **more)
    )


_IM = ["<|endoftext|>", "<|im_end|>", "<|im_start|>"]
_LLAMA = ["<|begin_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>"]
_TURNS = ["<start_of_turn>", "<end_of_turn>", "<start_of_image>"]
_GEMMA4 = ["<|turn>", "<turn|>", "<|channel>", "<channel|>", "<|think|>"]

_qwen_tokenizer = functools.partial(byte_level, [*_IM, "<think>", "</think>"], r"\p{N}", None, "<|im_end|>", nfc=True)

FAMILIES: dict[str, Family] = {
    "smollm2": Family(
        _plain("LlamaConfig"), functools.partial(byte_level, _IM, r"\p{N}", None, "<|im_end|>"), "smollm2"
    ),
    "qwen2.5": Family(_plain("Qwen2Config"), _qwen_tokenizer, "qwen2.5"),
    "qwen3": Family(_plain("Qwen3Config", head_dim=16), _qwen_tokenizer, "qwen3"),
    "llama3.2": Family(
        _llama, functools.partial(byte_level, _LLAMA, THREE_DIGITS, "<|begin_of_text|>", "<|eot_id|>"), "llama3.2"
    ),
    "gemma2": Family(
        _gemma2,
        functools.partial(sentence_piece, _TURNS),
        "gemma2",
    ),
    "gemma3-1b": Family(_gemma3, functools.partial(sentence_piece, _TURNS), "gemma3"),
    "gemma3-4b": Family(_gemma3_4b, functools.partial(sentence_piece, _TURNS), "gemma3"),
    "gemma4-e2b": Family(_gemma4, functools.partial(sentence_piece, _GEMMA4), "gemma4"),
}

_kept = tempfile.TemporaryDirectory(prefix="families-", ignore_cleanup_errors=True)


@functools.cache
def folder_of(name: str) -> Path:
    """Return a folder with the tiny model ``name``, made the first time."""
    family = FAMILIES[name]
    folder = Path(_kept.name) / name
    with quiet():
        tokenizer = family.tokenizer()
        tokenizer.chat_template = (TEMPLATES / f"{family.template}.jinja").read_text()
        _torch.manual_seed(sum(name.encode()))
        model = _transformers.AutoModelForCausalLM.from_config(family.config(len(tokenizer)))
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return folder


@functools.cache
def plain_model(name: str) -> tuple[Any, Any]:
    """Return the same weights and tokenizer as transformers itself loads them."""
    with quiet():
        model = _transformers.AutoModelForCausalLM.from_pretrained(folder_of(name), dtype=torch.float32).eval()
        return model, _transformers.AutoTokenizer.from_pretrained(folder_of(name))


def recurrent_model() -> Any:
    """Return a tiny random LFM2, whose convolutions remember: no cache of it can be cut back, no mask parts prompts."""
    _torch.manual_seed(0)
    config = _transformers.Lfm2Config(
        vocab_size=500,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        layer_types=["conv", "full_attention", "conv", "full_attention"],
        initializer_range=0.3,
    )
    with quiet():
        model = _transformers.AutoModelForCausalLM.from_config(config).eval()
        model(torch.tensor([[1]]))  # says once that its convolutions could be faster
    return model
