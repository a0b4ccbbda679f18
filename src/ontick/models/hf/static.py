"""How does a GPU answer without waiting for its processor? By replaying a reading recorded once (a CUDA graph).

A recording has fixed shapes and fixed addresses. So the cache has room for the longest prompt from the beginning,
where the new tokens go is itself a number on the GPU, and their count is rounded up by reading some of the prompt's
last tokens once more: a few tokens cost a GPU what one does, reading the weights. Everything but the recording
(`capture_graph`) works on any device.

A small model's reading is thousands of small kernels, each a microsecond or two even in a recording, so a decision's
own reading is compiled first (`fuse`), which makes few of many; that takes a minute, once, when the episode begins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
from transformers import cache_utils

from ontick.models.chat import common_prefix
from ontick.models.hf.read import ChosenHead, Reading, of_tokens

_torch: Any = torch
_caches: Any = cache_utils
_StaticLayer: Any = cache_utils.StaticLayer

Step: TypeAlias = Callable[[], torch.Tensor]
"""Reads the tokens in the buffer into the cache; returns the logits after the last of them, shape (tokens,)."""

Capture: TypeAlias = Callable[[Step], Step]
"""Makes a step faster: what it returns does the same."""

COUNTS = (32, 128)
"""How many tokens a recorded reading reads; more, such as a whole prompt, are read without a recording."""

ROOM = 256
"""Attention looks at the cache in steps of so many positions, so that a short prompt does not pay for a long one."""

SPARE = 64
"""How much longer than the prompt of `StaticReader.warm_up` a prompt may be that needs no other recording."""

CHOICES = 16
"""How many rows of the output head a recording computes; more choices than that take the whole head."""


class _Place:
    """Where in the cache the next tokens go; the same for every layer."""

    def __init__(self, device: torch.device, context_tokens: int) -> None:
        self.feed = torch.zeros(1 + context_tokens, dtype=torch.long, device=device)
        """How many tokens stand before, then the new ones: one copy to the device for each reading."""
        self.before = self.feed[0]
        self.positions = self.feed[:0]
        self.visible = 0
        """How many positions attention looks at; those after the new tokens are masked."""


class _Layer(_StaticLayer):
    """Keys and values at fixed addresses, written where `_Place` says."""

    def __init__(self, room: int, place: _Place) -> None:
        _StaticLayer.__init__(self, max_cache_len=room)
        self._place = place
        self.cumulative_length = place.before

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any) -> Any:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        place = self._place
        self.keys.index_copy_(2, place.positions, key_states)
        self.values.index_copy_(2, place.positions, value_states)
        return self.keys[:, :, : place.visible], self.values[:, :, : place.visible]

    def get_seq_length(self) -> torch.Tensor:
        return self._place.before

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self._place.visible, 0


class StaticReader:
    """Reads with a cache of fixed size; ``capture``, where given, makes the usual readings replays.

    ``fuse``, where given, is applied before it to the reading that a decision is.
    """

    def __init__(
        self,
        model: Any,
        head: ChosenHead | None,
        context_tokens: int,
        capture: Capture | None,
        fuse: Capture | None = None,
    ) -> None:
        self._model = model
        self._head = head
        self._capture = capture
        self._fuse = fuse
        self._visible = 0
        self._room = _rounded_up(context_tokens, ROOM)
        self._place = _Place(model.device, self._room)
        layers = len(_caches.DynamicCache(config=model.config).layers)
        self._cache: Any = _caches.Cache(layers=[_Layer(self._room, self._place) for _ in range(layers)])
        self._cached: list[int] = []
        self._recorded: dict[tuple[int, int, bool], Step] = {}
        self._chosen: list[int] = []
        self._rows = None if head is None else head.weights_of([0] * CHOICES)
        """The rows that recordings compute; other rows are copied into the same tensors."""

    @torch.inference_mode()
    def warm_up(self, prompt: Sequence[int]) -> None:
        """Read the prompt, and record the readings that decisions will need."""
        self._visible = 0
        self._look_at(len(prompt) + SPARE)
        self.read(prompt)
        for count in COUNTS:
            if count <= len(prompt):
                for few in (True, False):
                    self._read_from(len(prompt) - count, prompt, few and self._rows is not None)

    @torch.inference_mode()
    def read(self, prompt: Sequence[int], tokens: Sequence[int] | None = None) -> Reading:
        """Return the logits after ``prompt``; see `Reader.read`."""
        kept = min(common_prefix(self._cached, prompt), len(prompt) - 1)
        count = next((count for count in COUNTS if len(prompt) - kept <= count <= len(prompt)), len(prompt) - kept)
        few = tokens is not None and self._choose_rows(tokens)
        self._cached = []  # until it is read: what is cut short is read again
        logits = self._read_from(len(prompt) - count, prompt, few)
        self._cached = list(prompt)
        if tokens is not None and few:
            return Reading(logits[: len(tokens)], kept)
        return Reading(of_tokens(logits, tokens), kept)

    def _read_from(self, start: int, prompt: Sequence[int], few: bool) -> torch.Tensor:
        place, count = self._place, len(prompt) - start
        place.feed[: 1 + count].copy_(torch.tensor([start, *prompt[start:]]), non_blocking=True)
        self._look_at(len(prompt))
        shape = count, self._visible, few
        if shape not in self._recorded:
            step = self._step(*shape)
            if self._capture is None or count not in COUNTS:
                return step()
            if self._fuse is not None and few and count == COUNTS[0]:
                step = self._fuse(step)
            self._recorded[shape] = self._capture(step)
        return self._recorded[shape]()

    def _look_at(self, positions: int) -> None:
        """Have attention look at so many positions at least; it never looks at fewer until the next warming up."""
        self._visible = max(self._visible, min(_rounded_up(positions, ROOM), self._room))

    def _step(self, count: int, visible: int, few: bool) -> Step:
        place, rows = self._place, self._rows if few else None
        steps = torch.arange(count, device=place.feed.device)

        def step() -> torch.Tensor:
            place.visible = visible
            place.positions = place.before + steps
            if self._head is not None:
                self._head.rows = rows
            return self._model(
                input_ids=place.feed[None, 1 : 1 + count],
                position_ids=place.positions[None],
                past_key_values=self._cache,
                use_cache=True,
                logits_to_keep=1,
            ).logits[0, -1]

        return step

    def _choose_rows(self, tokens: Sequence[int]) -> bool:
        """Have recordings compute the rows of ``tokens``; return False where they cannot."""
        if self._head is None or self._rows is None or len(tokens) > CHOICES:
            return False
        if list(tokens) != self._chosen:
            self._chosen = list(tokens)
            chosen = self._head.weights_of([*tokens, *[tokens[0]] * (CHOICES - len(tokens))])
            for into, row in zip(self._rows, chosen, strict=True):
                if into is not None and row is not None:
                    into.copy_(row)
        return True


def fuse(step: Step) -> Step:
    """Compile ``step``; one that cannot be compiled here is left as it is."""
    compiled: Step = _torch.compile(step, fullgraph=True, dynamic=False)
    try:
        compiled()
    except Exception:  # no compiler on this machine, or a model that it cannot follow
        return step
    return compiled


def capture_graph(step: Step) -> Step:
    """Record ``step`` as a CUDA graph; one that cannot be recorded is called each time.

    Three calls come first, as PyTorch asks for: libraries choose their kernels and take their memory then. They write
    the same tokens to the same places.
    """
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph):
            logits = step()
    except RuntimeError:  # the model does something that waits for the processor
        torch.cuda.synchronize()
        return step

    return _Recording(graph, step, logits)


class _Recording:
    """A recorded step. It holds on to the step: the recording reads its tensors where they were."""

    def __init__(self, graph: Any, step: Step, logits: torch.Tensor) -> None:
        self._graph, self._step, self._logits = graph, step, logits

    def __call__(self) -> torch.Tensor:
        self._graph.replay()
        return self._logits


def _rounded_up(count: int, to: int) -> int:
    return -(-count // to) * to
