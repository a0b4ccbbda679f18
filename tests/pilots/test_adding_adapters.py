"""An adapter that is added by numpy gives the file that peft and transformers give, and needs neither."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

import tiny_gguf
import tiny_pilots
from ontick.errors import OntickError
from ontick.models.base import ModelOptions
from ontick.models.catalog import embedded_path
from ontick.models.llama.lora import CONFIG, WEIGHTS, add_lora, float_tensors, read_lora
from ontick.pilots import as_gguf
from ontick.pilots.card import read_card
from ontick.pilots.weights import base_of

_gguf: Any = gguf


def embedded(folder: Path) -> Path:
    return tiny_pilots.write_lora(folder / "pilot", "smollm2", word=str(embedded_path()))


def tiny(folder: Path) -> Path:
    return tiny_pilots.write_lora(folder / "pilot", f"gguf:{tiny_gguf.write_llama(folder / 'base.gguf')}")


@pytest.mark.parametrize("make", [tiny, embedded])
def test_the_file_is_the_one_that_is_found_by_comparing(make: Callable[[Path], Path], tmp_path: Path) -> None:
    pilot = make(tmp_path)
    card, options = read_card(pilot), ModelOptions()
    base = base_of(card, options)
    lora = read_lora(pilot)
    assert lora is not None
    assert base.gguf is not None
    assert add_lora(base.gguf, lora, tmp_path / "added.gguf")
    as_gguf._fit(pilot, card, base, tmp_path / "fitted.gguf", options)  # pyright: ignore[reportPrivateUsage]
    added, fitted, plain = (
        _gguf.GGUFReader(path) for path in (tmp_path / "added.gguf", tmp_path / "fitted.gguf", base.gguf)
    )
    assert [tensor.name for tensor in added.tensors] == [tensor.name for tensor in fitted.tensors]
    changed = 0
    for one, other, before in zip(added.tensors, fitted.tensors, plain.tensors, strict=True):
        assert np.allclose(one.data, other.data, atol=1e-5), one.name
        changed += not np.allclose(one.data.ravel(), _gguf.dequantize(before.data, before.tensor_type).ravel())
    assert changed == len(lora.pairs)
    for name, field in fitted.fields.items():
        assert added.fields[name].contents() == field.contents(), name


WITHOUT_PYTORCH = """
import sys
for name in ("torch", "transformers", "peft", "accelerate"):
    sys.modules[name] = None
from ontick.controllers.catalog import make_controller
from ontick.controllers.base import Observation
from ontick.tasks import find_task
import numpy as np
controller = make_controller(sys.argv[1], find_task("cartpole"))
controller.reset(0)
print(controller.decide(Observation(np.zeros(4, np.float32), 0)).action in (0, 1))
"""


def test_an_adapter_of_the_embedded_model_flies_without_pytorch(tmp_path: Path) -> None:
    word = f"pilot:{embedded(tmp_path)}"
    said = subprocess.run(
        [sys.executable, "-c", WITHOUT_PYTORCH, word], capture_output=True, text=True, check=False, timeout=600
    )
    assert said.stdout.strip() == "True", said.stderr


@pytest.mark.parametrize("setting", [{"use_dora": True}, {"rank_pattern": {"q_proj": 2}}, {"bias": "all"}])
def test_an_adapter_that_is_more_than_products_is_left_to_transformers(
    setting: dict[str, object], tmp_path: Path
) -> None:
    pilot = tiny(tmp_path)
    config = json.loads((pilot / CONFIG).read_text())
    (pilot / CONFIG).write_text(json.dumps(config | setting))
    assert read_lora(pilot) is None


def test_an_adapter_of_another_shape_or_architecture_is_left_to_transformers(tmp_path: Path) -> None:
    lora = read_lora(tiny(tmp_path))
    assert lora is not None
    assert not add_lora(embedded_path(), lora, tmp_path / "made.gguf")
    other = tiny_gguf.write_lfm2(tmp_path / "lfm2.gguf")
    assert not add_lora(other, lora, tmp_path / "made.gguf")
    assert not (tmp_path / "made.gguf").exists()


def test_a_damaged_adapter_is_one_line(tmp_path: Path) -> None:
    pilot = tiny(tmp_path)
    (pilot / WEIGHTS).write_bytes(b"no tensors")
    with pytest.raises(OntickError, match=r"cannot be read .*restore it from a copy") as caught:
        read_lora(pilot)
    assert len(str(caught.value).splitlines()) == 1


def test_the_weights_are_those_that_the_file_holds(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import save

    numbers = torch.tensor([[1.0, -3.14159, 1e-8], [0.0, 65280.0, -0.333]])
    kept = {str(kind).rpartition(".")[2]: numbers.to(kind) for kind in (torch.float32, torch.float16, torch.bfloat16)}
    read = float_tensors(save(kept))
    assert read is not None
    for name, tensor in kept.items():
        assert np.array_equal(read[name], tensor.float().numpy()), name
    assert float_tensors(save({"whole": torch.tensor([1, 2])})) is None
