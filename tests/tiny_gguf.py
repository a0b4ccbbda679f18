"""GGUF files of model families whose memory is unlike Llama's, tiny and random.

Gemma 3's layers look back over a window only, five of six of them; LFM2's convolutions keep a state that cannot be
cut back. The weights have a large spread, so that one wrong position or mask shows in the logits.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np

WIDTH = 64
HEADS = 2
HEAD = WIDTH // HEADS
INNER = 96
WINDOW = 8
"""Of Gemma's local layers: much shorter than any prompt."""

_gguf: Any = gguf

GEMMA_TEMPLATE = (
    "{{ bos_token }}{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for message in messages %}<start_of_turn>{{ 'model' if message.role == 'assistant' else message.role }}\n"
    "{{ message.content | trim }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)

_SPECIAL = ("<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>")


GEMMAS_OWN_HEAD = 256
"""The size of Gemma 3's heads, which transformers takes for granted when it reads a GGUF file."""


def write_gemma3(path: Path, head: int = HEAD) -> Path:
    """Write a model of Gemma 3's architecture: seven layers, the sixth of which sees everything."""
    writer, layers = _begin(path, "gemma3", layers=7)
    writer.add_head_count_kv(1)
    writer.add_sliding_window(WINDOW)
    writer.add_key_length(head)
    writer.add_value_length(head)
    random = _Random(1)
    _embedding(writer, random, norm="output_norm.weight")
    for layer in range(layers):
        block = f"blk.{layer}"
        for norm, size in {
            "attn_norm": WIDTH,
            "attn_q_norm": head,
            "attn_k_norm": head,
            "post_attention_norm": WIDTH,
            "ffn_norm": WIDTH,
            "post_ffw_norm": WIDTH,
        }.items():
            writer.add_tensor(f"{block}.{norm}.weight", random.ones(size))
        _attention(writer, random, block, head)
        _feed_forward(writer, random, block)
    return _finish(writer, path)


def write_llama(path: Path) -> Path:
    """Write a model of Llama's architecture, whose queries' and keys' rows stand in an order of their own."""
    writer, layers = _begin(path, "llama", layers=3)
    writer.add_head_count_kv(1)
    writer.add_rope_dimension_count(HEAD)
    writer.add_vocab_size(len(_tokens()))
    random = _Random(3)
    _embedding(writer, random, norm="output_norm.weight")
    for layer in range(layers):
        block = f"blk.{layer}"
        for norm in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"{block}.{norm}.weight", random.ones(WIDTH))
        _attention(writer, random, block)
        _feed_forward(writer, random, block)
    return _finish(writer, path)


def write_lfm2(path: Path) -> Path:
    """Write a model of LFM2's architecture: convolutions with a state, and one attention layer."""
    writer, layers = _begin(path, "lfm2", layers=4)
    writer.add_head_count_kv([0, 0, 1, 0])
    writer.add_uint32("lfm2.shortconv.l_cache", 3)
    random = _Random(2)
    _embedding(writer, random, norm="token_embd_norm.weight")
    for layer in range(layers):
        block = f"blk.{layer}"
        for norm in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"{block}.{norm}.weight", random.ones(WIDTH))
        if layer == 2:
            for norm in ("attn_q_norm", "attn_k_norm"):
                writer.add_tensor(f"{block}.{norm}.weight", random.ones(HEAD))
            _attention(writer, random, block)
        else:
            writer.add_tensor(f"{block}.shortconv.conv.weight", random.matrix(WIDTH, 3))
            writer.add_tensor(f"{block}.shortconv.in_proj.weight", random.matrix(3 * WIDTH, WIDTH))
            writer.add_tensor(f"{block}.shortconv.out_proj.weight", random.matrix(WIDTH, WIDTH))
        _feed_forward(writer, random, block)
    return _finish(writer, path)


class _Random:
    """Weights, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def matrix(self, rows: int, columns: int) -> Any:
        return self._rng.normal(0, 1.5 / np.sqrt(columns), (rows, columns)).astype(np.float32)

    def ones(self, size: int) -> Any:
        return self._rng.normal(1, 0.1, size).astype(np.float32)


def _begin(path: Path, architecture: str, layers: int) -> tuple[Any, int]:
    writer = _gguf.GGUFWriter(str(path), architecture)
    writer.add_context_length(4096)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(10_000.0)
    tokens = _tokens()
    kinds = _gguf.TokenType
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([float(-number) for number in range(len(tokens))])
    writer.add_token_types(
        [
            kinds.CONTROL if token in _SPECIAL else kinds.BYTE if token.startswith("<0x") else kinds.NORMAL
            for token in tokens
        ]
    )
    writer.add_pad_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_bos_token_id(2)
    writer.add_unk_token_id(3)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(GEMMA_TEMPLATE)
    return writer, layers


def _tokens() -> list[str]:
    letters = [chr(code) for code in range(33, 127)]
    return [*_SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256)), "▁", "\n", *letters]


def _embedding(writer: Any, random: _Random, norm: str) -> None:
    writer.add_tensor("token_embd.weight", random.matrix(len(_tokens()), WIDTH))
    writer.add_tensor(norm, random.ones(WIDTH))


def _attention(writer: Any, random: _Random, block: str, head: int = HEAD) -> None:
    writer.add_tensor(f"{block}.attn_q.weight", random.matrix(HEADS * head, WIDTH))
    writer.add_tensor(f"{block}.attn_k.weight", random.matrix(head, WIDTH))
    writer.add_tensor(f"{block}.attn_v.weight", random.matrix(head, WIDTH))
    writer.add_tensor(f"{block}.attn_output.weight", random.matrix(WIDTH, HEADS * head))


def _feed_forward(writer: Any, random: _Random, block: str) -> None:
    writer.add_tensor(f"{block}.ffn_gate.weight", random.matrix(INNER, WIDTH))
    writer.add_tensor(f"{block}.ffn_up.weight", random.matrix(INNER, WIDTH))
    writer.add_tensor(f"{block}.ffn_down.weight", random.matrix(WIDTH, INNER))


def _finish(writer: Any, path: Path) -> Path:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
