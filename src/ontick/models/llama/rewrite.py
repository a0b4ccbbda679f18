"""How is a GGUF file written again with other numbers? Its metadata and its tokenizer stay, its tensors are float32."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import gguf
import numpy as np
import numpy.typing as npt

from ontick.errors import OntickError

Tensor: TypeAlias = npt.NDArray[np.float32]

_gguf: Any = gguf


class GgufFile:
    """A GGUF file that is read; its tensors are the library's own objects.

    Raises:
        OntickError: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._reader: Any = _gguf.GGUFReader(path)
        except Exception as error:  # whatever a damaged file makes the library raise
            raise OntickError(f"{path} cannot be read ({_said(error)}); give another GGUF file") from error
        self.tensors: list[Any] = list(self._reader.tensors)
        self.architecture: str = self.said("general.architecture", "")

    def said(self, key: str, otherwise: Any) -> Any:
        """Return what the metadata say under ``key``."""
        field = self._reader.get_field(key)
        return otherwise if field is None else field.contents()

    def head_count(self, kind: str) -> int:
        """Return how many heads attention has, ``kind`` being ``head_count`` or ``head_count_kv``; 0 where unsaid."""
        heads = self.said(f"{self.architecture}.attention.{kind}", 0)
        return heads if isinstance(heads, int) else 0

    def names(self) -> Any:
        """Return gguf's table of what transformers calls each tensor of this architecture; None: it has none."""
        known = {name: architecture for architecture, name in _gguf.MODEL_ARCH_NAMES.items()}
        if self.architecture not in known:
            return None
        blocks = self.said(f"{self.architecture}.block_count", 0)
        return _gguf.get_tensor_name_map(known[self.architecture], blocks)

    def write(self, numbers: Callable[[Any], Tensor], made: Path, template: str | None = None) -> None:
        """Write the file ``made``, in which each tensor is what ``numbers`` returns for it.

        ``template`` is the chat template to write in place of this file's.

        Raises:
            OSError: the file cannot be written.
        """
        writer: Any = _gguf.GGUFWriter(made, self.architecture)
        try:
            self._copy_metadata(writer, template)
            for tensor in self.tensors:
                shape = shape_of(tensor)
                writer.add_tensor_info(tensor.name, shape, np.dtype(np.float32), 4 * math.prod(shape))
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_ti_data_to_file()
            for tensor in self.tensors:
                writer.write_tensor_data(np.ascontiguousarray(numbers(tensor)))
        finally:
            writer.close()

    def _copy_metadata(self, writer: Any, template: str | None) -> None:
        new = {"general.file_type": int(_gguf.LlamaFileType.ALL_F32), "tokenizer.chat_template": template}
        for name, field in self._reader.fields.items():
            # The writer says the architecture itself; what begins with GGUF. is the header.
            if name == "general.architecture" or name.startswith("GGUF."):
                continue
            kind, value = field.types[0], new.pop(name, None)
            inner = field.types[-1] if kind == _gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(name, field.contents() if value is None else value, kind, sub_type=inner)
        if new.get("tokenizer.chat_template") is not None:
            writer.add_chat_template(template)


def numbers_of(tensor: Any) -> Tensor:
    """Return a GGUF tensor as float32."""
    return _gguf.dequantize(tensor.data, tensor.tensor_type).reshape(shape_of(tensor)).astype(np.float32, copy=False)


def shape_of(tensor: Any) -> tuple[int, ...]:
    """Return a tensor's shape as numpy has it; GGUF counts from the other end."""
    return tuple(int(size) for size in reversed(tensor.shape))


def halves_interleaved(weight: Tensor, heads: int) -> Tensor:
    """Put each head's two halves of rows one row by one: GGUF's rotary positions turn neighbours, not halves."""
    halves = weight.reshape(heads, 2, len(weight) // heads // 2, *weight.shape[1:])
    return halves.swapaxes(1, 2).reshape(weight.shape)


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
