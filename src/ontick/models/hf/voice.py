"""Where does transformers keep what is talked about, and how does a decision interrupt it? Between two layers."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from torch import nn

from ontick.models.gaps import Gaps, Pause
from ontick.models.hf.read import ChosenHead, GrowingReader


class Voice:
    """A conversation's own cache, on the weights that decide, read in ``gaps``: a `beside.Memory`."""

    def __init__(self, model: Any, head: ChosenHead | None, gaps: Gaps) -> None:
        self._reader = GrowingReader(model, head)
        self._layers = layers(model)
        self._gaps = gaps

    def keep(self, prompt: list[int]) -> int:
        """Forget all that is no beginning of ``prompt``; see `beside.Memory.keep`."""
        return self._reader.keep(prompt)

    def likeliest(self, prompt: list[int]) -> int:
        """Read what is new of ``prompt``; see `beside.Memory.likeliest`."""
        new = max(1, len(prompt) - self._reader.keep(prompt))
        with self._gaps.steps(new) as pause, self._letting_go(pause):
            return int(self._reader.read(prompt).logits.argmax())

    @contextmanager
    def _letting_go(self, pause: Pause) -> Generator[None]:
        """Call ``pause`` before every layer that this thread reads with, and not for decisions meanwhile."""
        reader = threading.get_ident()

        def before_a_layer(_layer: nn.Module, _inputs: Any) -> None:
            if threading.get_ident() == reader:
                pause()

        hooks = [layer.register_forward_pre_hook(before_a_layer) for layer in self._layers]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()


def layers(model: nn.Module) -> list[nn.Module]:
    """Return what a model computes one after the other: its longest list of modules; none of a model without lists."""
    lists = [module for module in model.modules() if isinstance(module, nn.ModuleList)]
    return list(max(lists, key=len, default=()))
