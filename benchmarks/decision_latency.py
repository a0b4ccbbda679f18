"""How long does one decision of SmolLM2-135M take? Ontick, llama.cpp's own chat call, and transformers.

The same weights (the shipped GGUF file) and the same states. Every side is alone in a process, and they take turns, a
block of decisions each, so that whatever else the machine does falls on all of them alike; the first of a block warm
the processor's caches and are left out. The states are those of CartPole flights by the teacher with a third of the
actions drawn by chance. Every side keeps the constant prefix in a cache of its own.

- ``chat``: the question of the first experiment, the state in the user's turn, as ``ontick eval cartpole smollm2``
  asks it. The same text goes to ``Llama.create_chat_completion(max_tokens=1)`` with the settings that it comes with,
  and to transformers' ``generate(max_new_tokens=1)`` in bfloat16 and in float32, on two threads each.
- ``compact``: the same four values in Ontick's compact layout, a letter each (``--prompt.layout compact
  --prompt.numbers letter``). This is what the bars speak of; the figures have both.
- ``raw``: ``llama_decode`` of the very tokens that were new in each compact decision, and nothing else.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import cache
from typing import Any, TypeAlias

import llama_cpp
import numpy as np
import torch
import transformers
import tyro

from bars import print_last_line
from machine import CORES, keep_to_two_cores
from ontick.controllers.base import Observation
from ontick.controllers.catalog import Asking, make_controller
from ontick.models.base import Message, ModelOptions
from ontick.models.catalog import EMBEDDED, embedded_path
from ontick.models.llama import kernels
from ontick.models.llama.model import LlamaCpp
from ontick.models.llama.quantise import FASTEST, prepare
from ontick.models.llama.threads import attach_threads
from ontick.prompts import Layout, Prompt, PromptStyle
from ontick.records import State
from ontick.tasks import find_task
from ontick.wording import Numbers

MUST = {
    "times_faster_than_llama_cpp": ">= 4.0",
    "times_faster_than_transformers": ">= 4.0",
    "p99_over_p50": "<= 1.5",
    "over_raw_decode": "<= 1.15",
    "compact_p50_ms": "<= 10.0",
}
CHANCE_SHARE = 1 / 3
"""Of the actions flown, so that the states are those of a policy that errs."""

BLOCK = 25
BLOCK_WARM_UP = 5

PAUSE_S = 0.1
"""Between blocks: longer than an idle thread of the side before spins."""

COMPACT = PromptStyle(layout=Layout.COMPACT, numbers=Numbers.LETTER)

Side: TypeAlias = Callable[[State], object]

_llama: Any = llama_cpp
_transformers: Any = transformers


def flown_states(count: int) -> list[State]:
    """Return states of CartPole flights by the teacher, a third of the actions drawn by chance."""
    task, rng = find_task("cartpole"), np.random.default_rng(0)
    env = task.make()
    states: list[State] = []
    while len(states) < count:
        state, _ = env.reset(seed=len(states))
        ended = False
        while not ended:
            states.append(np.array(state))
            action = int(rng.integers(2)) if rng.random() < CHANCE_SHARE else task.teacher(env, state)
            state, _, terminated, truncated, _ = env.step(action)
            ended = terminated or truncated
    return states[:count]


def ontick_side(style: PromptStyle, threads: int) -> Side:
    """Return ``smollm2`` as a controller, asked in ``style``."""
    asking = Asking(style, model=ModelOptions(threads=threads))
    controller = make_controller(EMBEDDED, find_task("cartpole"), asking)
    controller.reset(0)
    return lambda state: controller.decide(Observation(state, 0))


def chat_completion_side() -> Side:
    """Return llama-cpp-python's own call on the shipped file, its settings as they come."""
    prompt = Prompt(find_task("cartpole"))
    llama: Any = _llama.Llama(str(embedded_path()), verbose=False)

    def ask(state: State) -> object:
        messages = [message._asdict() for message in prompt.messages(state)]
        return llama.create_chat_completion(messages=messages, max_tokens=1, temperature=0.0)

    return ask


def transformers_side(dtype: str) -> Side:
    """Return ``generate`` on the same weights, computing in ``dtype``."""
    _transformers.logging.set_verbosity_error()
    _transformers.logging.disable_progress_bar()
    folder, name = embedded_path().parent, embedded_path().name
    tokenizer: Any = _transformers.AutoTokenizer.from_pretrained(folder, gguf_file=name)
    model: Any = _transformers.AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=dtype).eval()
    return _generate_side(model, tokenizer, Prompt(find_task("cartpole")))


def _generate_side(model: Any, tokenizer: Any, prompt: Prompt) -> Side:
    def tokens(messages: Sequence[Message]) -> torch.Tensor:
        text: str = tokenizer.apply_chat_template(
            [message._asdict() for message in messages], add_generation_prompt=True, tokenize=False
        )
        return tokenizer(text, add_special_tokens=False, return_tensors="pt").input_ids

    here, there = (tokens(prompt.messages([value] * 4))[0] for value in (0.11, -0.22))
    constant = int((here[: len(there)] == there[: len(here)]).int().cumprod(0).sum())
    cache: Any = _transformers.DynamicCache()
    with torch.inference_mode():
        model(here[None, :constant], past_key_values=cache)

    def ask(state: State) -> object:
        ids = tokens(prompt.messages(state))
        with torch.inference_mode():
            said: Any = model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                past_key_values=cache,
                max_new_tokens=1,
                do_sample=False,
                pad_token_id=0,
            )
        cache.crop(constant - cache.get_seq_length())
        return tokenizer.decode(said[0, -1])

    return ask


def raw_side(threads: int) -> Side:
    """Return ``llama_decode`` of what is new against the decision before; the prompts are made beforehand."""
    options = ModelOptions(threads=threads)
    path = prepare(embedded_path(), FASTEST, options)
    tokens = LlamaCpp(path, options=ModelOptions(context_tokens=512)).tokens
    parameters: Any = _llama.llama_model_default_params()
    parameters.use_extra_bufts = kernels.are_sound(path)
    loaded: Any = _llama.llama_model_load_from_file(os.fsencode(path), parameters)
    parameters = _llama.llama_context_default_params()
    parameters.n_ctx, parameters.n_batch = options.context_tokens, 512
    parameters.n_threads = parameters.n_threads_batch = threads
    parameters.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
    context: Any = _llama.llama_init_from_model(loaded, parameters)
    attach_threads(context, threads)
    memory: Any = _llama.llama_get_memory(context)
    prompt = Prompt(find_task("cartpole"), COMPACT)
    before: list[int] = []

    def ask(state: State) -> object:
        nonlocal before
        here = tokens(prompt.messages(state))
        kept = next((i for i, (a, b) in enumerate(zip(before, here, strict=False)) if a != b), len(here) - 1)
        new = (_llama.llama_token * (len(here) - kept))(*here[kept:])
        batch = _llama.llama_batch_get_one(new, len(new))
        before = here
        _llama.llama_memory_seq_rm(memory, 0, kept, -1)
        start = time.perf_counter()
        _llama.llama_decode(context, batch)
        _llama.llama_synchronize(context)
        return (time.perf_counter() - start) * 1e3

    return ask


SIDES: dict[str, Callable[[], Side]] = {
    "compact": lambda: ontick_side(COMPACT, CORES),
    "compact_one_thread": lambda: ontick_side(COMPACT, 1),
    "chat": lambda: ontick_side(PromptStyle(), CORES),
    "chat_one_thread": lambda: ontick_side(PromptStyle(), 1),
    "raw": lambda: raw_side(CORES),
    "llama_cpp": chat_completion_side,
    "transformers_bfloat16": lambda: transformers_side("bfloat16"),
    "transformers_float32": lambda: transformers_side("float32"),
}


@cache
def _side(name: str) -> Side:
    return SIDES[name]()


def decide(name: str, states: Sequence[State]) -> list[float]:
    """Let a side decide on a block of states, in its process; return the milliseconds, the warm-up left out."""
    side = _side(name)
    return [timed_ms(side, state) for state in states][BLOCK_WARM_UP:]


def timed_ms(side: Side, state: State) -> float:
    """Return what one decision takes; a side that times itself returns it."""
    start = time.perf_counter()
    answer = side(state)
    elapsed_ms = (time.perf_counter() - start) * 1e3
    return answer if isinstance(answer, float) else elapsed_ms


def main(blocks: int = 12) -> None:
    """Let every side decide on the same states, in turn.

    Args:
        blocks: how many turns are counted, after one that is not.
    """
    cores = keep_to_two_cores()
    times: dict[str, list[float]] = {name: [] for name in SIDES}
    states = flown_states((1 + blocks) * BLOCK)
    spawn = multiprocessing.get_context("spawn")
    with ExitStack() as stack:
        processes = {name: stack.enter_context(ProcessPoolExecutor(1, spawn)) for name in SIDES}
        for start in range(0, len(states), BLOCK):
            for name, process in processes.items():
                times[name] += process.submit(decide, name, states[start : start + BLOCK]).result()
                time.sleep(PAUSE_S)
    counted = BLOCK - BLOCK_WARM_UP
    times = {name: measured[counted:] for name, measured in times.items()}
    p50 = {name: float(np.percentile(measured, 50)) for name, measured in times.items()}
    p99 = {name: float(np.percentile(measured, 99)) for name, measured in times.items()}
    best_transformers = min(p50[name] for name in SIDES if name.startswith("transformers"))
    print_last_line(
        "decision_latency",
        {
            **{f"{name}_p50_ms": value for name, value in p50.items()},
            **{f"{name}_p99_ms": value for name, value in p99.items()},
            "times_faster_than_llama_cpp": p50["llama_cpp"] / p50["compact"],
            "times_faster_than_transformers": best_transformers / p50["compact"],
            "chat_times_faster_than_llama_cpp": p50["llama_cpp"] / p50["chat"],
            "chat_times_faster_than_transformers": best_transformers / p50["chat"],
            "p99_over_p50": p99["compact"] / p50["compact"],
            "over_raw_decode": p50["compact"] / p50["raw"],
            "decisions": blocks * counted,
            "cores": cores,
        },
        MUST,
    )


if __name__ == "__main__":
    tyro.cli(main)
