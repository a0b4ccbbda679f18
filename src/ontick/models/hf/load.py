"""How do weights become a transformers model? A folder, a LoRA adapter on its base, or a GGUF file, in one precision.

Weights are read from safetensors and GGUF files only, never from pickles, and code that comes with a model is never
run. A GGUF file is unpacked once: reading it takes transformers 100 times as long as the safetensors that are kept.
"""

from __future__ import annotations

import importlib
import io
import json
import shutil
import tempfile
import warnings
from collections.abc import Generator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any, NamedTuple

import torch
import transformers

from ontick.cache import cache_folder, file_digest
from ontick.errors import OntickError, missing_package, unknown_name
from ontick.models.base import ModelOptions
from ontick.models.gguf_file import is_gguf
from ontick.models.hf.hub import weights_folder

_transformers: Any = transformers
"""Its classes choose theirs by the model's configuration, which no checker can follow."""

_torch: Any = torch

DTYPES: dict[str, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

DEVICES = ("cpu", "cuda")

_KEPT_LOCAL: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}


class Loaded(NamedTuple):
    """A model, ready to be asked."""

    model: Any
    """A ``PreTrainedModel`` with an output head over the vocabulary."""
    tokenizer: Any
    """A ``PreTrainedTokenizerFast``."""
    name: str


def load(word: str, options: ModelOptions, name: str | None = None) -> Loaded:
    """Load the model ``word``: a folder, an adapter's folder, a GGUF file, or a hub id of one of the first two.

    Raises:
        OntickError: there is no such model, or it cannot be loaded as the options say.
    """
    device = device_of(options.device)
    dtype = dtype_of(options.dtype, device)
    with quiet():
        if _is_gguf_word(word):
            path = Path(word).expanduser()
            folder, name = _unpacked(path, dtype), name or path.stem
        else:
            folder, name = weights_folder(word), name or Path(word).name
        adapters = [weights_folder(options.adapter)] if options.adapter else []
        if (folder / "adapter_config.json").exists() and not (folder / "config.json").exists():
            adapters.insert(0, folder)
            folder = weights_folder(_base_of(folder))
        try:
            model = _read_weights(folder, dtype)
            for adapter in adapters:
                model = _merged(model, adapter)
            tokenizer = _read_tokenizer([*reversed(adapters), folder])
            return Loaded(_text_only(model).eval().to(device), tokenizer, name)
        except OntickError:
            raise
        except Exception as error:  # whatever a file that is not ours makes a library raise
            raise OntickError(f"transformers cannot load {word} ({_said(error)}); give another model") from error


def device_of(word: str | None) -> str:
    """Return the device that is asked for, by default the GPU where there is one.

    Raises:
        OntickError: there is no such device.
    """
    if word is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    if word not in DEVICES:
        raise unknown_name("device", word, DEVICES)
    if word == "cuda" and not torch.cuda.is_available():
        raise OntickError("this machine's PyTorch has no CUDA device; use --model.device cpu")
    return word


def dtype_of(word: str | None, device: str) -> torch.dtype:
    """Return the precision that is asked for, by default bfloat16 where the device computes in it, else float32.

    Raises:
        OntickError: there is no such precision.
    """
    if word is not None:
        if word not in DTYPES:
            raise unknown_name("dtype", word, DTYPES)
        return DTYPES[word]
    if device == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    # PyTorch computes in bfloat16 on any processor; only these instructions make it faster than float32.
    able = _torch.cpu.get_capabilities()
    return torch.bfloat16 if able.get("avx512_bf16") or able.get("amx_bf16") else torch.float32


@contextmanager
def quiet() -> Generator[None]:
    """Keep the libraries' progress bars, advice and warnings off the terminal while open."""
    with without_advice(), redirect_stderr(io.StringIO()):
        yield


@contextmanager
def without_advice() -> Generator[None]:
    """Keep the libraries' advice and warnings off the terminal while open."""
    log = _transformers.utils.logging
    level = log.get_verbosity()
    log.set_verbosity(log.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.set_verbosity(level)


def _read_weights(folder: Path, dtype: torch.dtype) -> Any:
    if not (folder / "config.json").exists():
        raise OntickError(f"{folder} holds no model (no config.json); give a folder that save_pretrained wrote")
    if not any(folder.glob("*.safetensors")):
        raise OntickError(f"{folder} has no safetensors weights, and pickled ones are never read; give another model")
    asked: dict[str, Any] = {"dtype": dtype, "use_safetensors": True, "output_loading_info": True, **_KEPT_LOCAL}
    model, found = _transformers.AutoModelForCausalLM.from_pretrained(folder, **asked)
    lacking = sorted(found["missing_keys"])
    if lacking:  # transformers draws them at random
        more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
        raise OntickError(f"the weights in {folder} lack {lacking[0]}{more}; copy or download the model again")
    return model


def _read_tokenizer(folders: list[Path]) -> Any:
    """Read the first tokenizer there is: training may leave a new one, with its template, beside an adapter."""
    folder = next((folder for folder in folders if (folder / "tokenizer_config.json").exists()), folders[-1])
    tokenizer = _transformers.AutoTokenizer.from_pretrained(folder, **_KEPT_LOCAL)
    if not tokenizer.is_fast:
        raise OntickError(f"{folder} has no tokenizer.json; give a model that has one")
    return tokenizer


def _text_only(model: Any) -> Any:
    """Let go of what a model sees and hears with: only text is asked here."""
    inner: Any = getattr(model, "model", None)
    if model.config.get_text_config() is not model.config and hasattr(inner, "language_model"):
        for name, _ in list(inner.named_children()):
            if name != "language_model":
                setattr(inner, name, None)
    return model


def _base_of(adapter: Path) -> str:
    try:
        return str(json.loads((adapter / "adapter_config.json").read_text())["base_model_name_or_path"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OntickError(
            f"{adapter}/adapter_config.json names no base model; give the base, and this with --model.adapter"
        ) from error


def _merged(model: Any, adapter: Path) -> Any:
    """Add a LoRA adapter to the weights, which then cost no more than before."""
    if not (adapter / "adapter_config.json").exists():
        raise OntickError(f"{adapter} is no LoRA adapter (no adapter_config.json); give a folder that peft wrote")
    if not (adapter / "adapter_model.safetensors").exists():
        raise OntickError(f"{adapter} has no adapter_model.safetensors; save the adapter again with peft")
    try:
        peft: Any = importlib.import_module("peft")  # slow to import, and seldom needed
    except ModuleNotFoundError as error:
        raise missing_package("peft, which reads adapters,", "'ontick[hf]'") from error
    adapted = peft.PeftModel.from_pretrained(model, str(adapter))
    if not hasattr(adapted.base_model, "merge_and_unload"):
        raise OntickError(f"{adapter} is an adapter that cannot be merged into weights; give a LoRA adapter")
    return adapted.merge_and_unload()


def _is_gguf_word(word: str) -> bool:
    path = Path(word).expanduser()
    if not path.is_file():
        if path.suffix == ".gguf":
            raise OntickError(f"there is no file {word}; give a GGUF file, a model's folder or a hub id")
        return False
    if not is_gguf(path):
        raise OntickError(f"{word} is not a GGUF file; give one, a model's folder or a hub id")
    return True


def _unpacked(path: Path, dtype: torch.dtype) -> Path:
    """Return the folder of a GGUF file's weights in ``dtype``, made the first time."""
    digest = file_digest(path, str(dtype), _transformers.__version__)
    folder = cache_folder() / "unpacked" / f"{path.stem}-{digest[:16]}"
    if folder.exists():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix="partial-", dir=folder.parent))
    except OSError as error:
        raise OntickError(f"cannot write {folder.parent} ({error.strerror}); set XDG_CACHE_HOME") from error
    try:
        _unpack(path, dtype, partial)
        if not folder.exists():
            partial.replace(folder)
    except Exception as error:
        raise OntickError(f"transformers cannot read {path} ({_said(error)}); use gguf:{path}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _unpack(path: Path, dtype: torch.dtype, folder: Path) -> None:
    source: dict[str, Any] = {"gguf_file": path.name, **_KEPT_LOCAL}
    tokenizer = _transformers.AutoTokenizer.from_pretrained(path.parent, **source)
    model = _transformers.AutoModelForCausalLM.from_pretrained(path.parent, dtype=dtype, **source)
    # One that was read from a GGUF file counts as quantised and is not saved, so its numbers go into a plain one.
    config = _transformers.AutoConfig.for_model(**_plain(model.config.to_dict()))
    with torch.device("meta"):
        plain = _transformers.AutoModelForCausalLM.from_config(config, dtype=dtype)
    plain.load_state_dict(model.state_dict(), assign=True)
    plain.tie_weights()
    plain.generation_config = model.generation_config
    plain.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _plain(config: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key != "quantization_config"}


def _said(error: Exception) -> str:
    """Return the first sentence of what a library said."""
    words = " ".join(str(error).split())
    return words.partition(". ")[0][:200] or type(error).__name__
