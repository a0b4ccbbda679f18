"""Small networks in flight: what numpy computes from the file is what was written, or one line says why not."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

from ontick.contracts import ControllerContract
from ontick.controllers.base import Controller, Observation
from ontick.controllers.catalog import make_controller
from ontick.controllers.mlp import MlpController, Network, load_mlp, network_bytes
from ontick.errors import OntickError
from ontick.pilots.card import WEIGHTS, Kind, PilotCard, weights_id, write_card
from ontick.tasks import find_task
from ontick.tasks.base import Task

CARTPOLE, LANDER = find_task("cartpole"), find_task("lunarlander")


def some_network(*sizes: int, seed: int = 0) -> Network:
    rng = np.random.default_rng(seed)
    layers = [
        (rng.normal(size=(out, in_)).astype(np.float32), rng.normal(size=out).astype(np.float32))
        for in_, out in pairwise(sizes)
    ]
    offset, scale = rng.normal(size=sizes[0]), rng.uniform(0.5, 2, size=sizes[0])
    return Network(tuple(layers), offset.astype(np.float32), scale.astype(np.float32))


class TestMlp(ControllerContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.file = tmp_path / "mlp.safetensors"

    def make_controller(self, task: Task) -> Controller:
        network = some_network(len(task.features), 16, len(task.actions))
        self.file.write_bytes(network_bytes(network, task))
        return make_controller(f"mlp:{self.file}", task)


class TestLandersMlp(TestMlp):
    def make_task(self) -> Task:
        return LANDER


@pytest.mark.parametrize(("sizes", "parameters"), [((4, 16, 2), 114), ((8, 128, 128, 4), 18_180)])
def test_the_posts_networks_have_the_posts_parameters(sizes: tuple[int, ...], parameters: int) -> None:
    network = some_network(*sizes)
    assert network.sizes == sizes
    assert network.parameters == parameters


def test_it_computes_what_pytorch_does() -> None:
    import torch
    from torch.nn.functional import linear, relu

    network = some_network(8, 128, 128, 4)
    states = np.random.default_rng(1).normal(size=(50, 8)).astype(np.float32)
    values = torch.tensor((states - network.offset) / network.scale)
    for place, (weight, bias) in enumerate(network.layers):
        values = linear(values, torch.tensor(weight), torch.tensor(bias))
        values = relu(values) if place < 2 else values
    assert MlpController(network).logits(states) == pytest.approx(values.numpy(), rel=1e-4, abs=1e-3)


@given(st.integers(1, 40), st.integers(0, 1000))
def test_together_or_alone_the_answers_are_the_same(n: int, seed: int) -> None:
    controller = MlpController(some_network(8, 32, 4))
    states = np.random.default_rng(seed).normal(size=(n, 8)).astype(np.float32)
    alone = [controller.decide(Observation(state, 0)).action for state in states]
    assert list(controller.decide_many(states)) == alone


def test_a_file_reads_back_to_the_last_bit(tmp_path: Path) -> None:
    network = some_network(8, 128, 128, 4)
    (tmp_path / "x.safetensors").write_bytes(network_bytes(network, LANDER))
    read = load_mlp(tmp_path / "x.safetensors", LANDER).network
    assert network_bytes(read, LANDER) == network_bytes(network, LANDER)


def test_a_pilots_folder_flies(tmp_path: Path) -> None:
    content = network_bytes(some_network(4, 16, 2), CARTPOLE)
    (tmp_path / WEIGHTS[Kind.MLP]).write_bytes(content)
    write_card(tmp_path, PilotCard("p", Kind.MLP, "cartpole", weights_id({WEIGHTS[Kind.MLP]: content})))
    assert load_mlp(tmp_path, CARTPOLE).network.parameters == 114
    write_card(tmp_path, PilotCard("p", Kind.LORA, "cartpole", "0" * 16))
    with pytest.raises(OntickError, match=r"pilot of kind lora.*write pilot:"):
        load_mlp(tmp_path, CARTPOLE)


def test_what_cannot_fly_says_why_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "x.safetensors"
    whole = network_bytes(some_network(4, 16, 2), CARTPOLE)
    tensors = safetensors.numpy.load(whole)
    wide = network_bytes(some_network(5, 16, 2), CARTPOLE)
    broken = safetensors.numpy.save({**tensors, "layer1.bias": np.array([0, np.nan], dtype=np.float32)})
    without = safetensors.numpy.save({name: tensors[name] for name in tensors if name != "layer0.bias"})
    for content, message in (
        (whole[:-9], "cannot read"),
        (b"", "cannot read"),
        (wide, "no network for the states"),
        (without, "no network for the states"),
        (safetensors.numpy.save({"x": np.zeros(2)}), "no network for the states"),
        (broken, "numbers that are none"),
        (network_bytes(some_network(8, 16, 4), LANDER), "flies task 'lunarlander', not 'cartpole'"),
    ):
        file.write_bytes(content)
        with pytest.raises(OntickError, match=message) as caught:
            load_mlp(file, CARTPOLE)
        assert "\n" not in str(caught.value)
    with pytest.raises(OntickError, match="No such file"):
        load_mlp(tmp_path / "nowhere.safetensors", CARTPOLE)


def test_flying_loads_no_pytorch(tmp_path: Path) -> None:
    file = tmp_path / "x.safetensors"
    file.write_bytes(network_bytes(some_network(4, 16, 2), CARTPOLE))
    script = f"""
import sys
from pathlib import Path
from ontick.controllers.mlp import load_mlp
from ontick.tasks import find_task
load_mlp(Path({str(file)!r}), find_task("cartpole")).decide_many(__import__("numpy").zeros((3, 4)))
print("torch" in sys.modules)"""
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
