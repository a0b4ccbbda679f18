"""Which folder is a pilot in? One in the package, a path, a name among ``pilots/``, or one on the Hugging Face hub."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from ontick.errors import OntickError, missing_package
from ontick.pilots.card import CARD

PREFIX = "pilot:"

FORM = "pilot:PATH"

HOME = Path("pilots")
"""Where training puts pilots unless told otherwise."""

SHIPPED = {
    "cartpole": "cartpole",
    "cartpole-talker": "cartpole",
    "lunarlander": "lunarlander",
    "lunarlander-talker": "lunarlander",
}
"""The pilots that come with the package, by name: what each flies. Nothing is ever written beside them."""

SHIPPED_HOME = Path(__file__).with_name("shipped")


def shipped_pilots() -> dict[str, Path]:
    """Return the folders of the pilots that are in this package, by name."""
    return {name: SHIPPED_HOME / name for name in SHIPPED if (SHIPPED_HOME / name / CARD).exists()}


def find_pilot(word: str) -> Path:
    """Return the folder of the pilot that ``word`` names, with or without ``pilot:`` before it.

    The shipped ones are known by their names. A folder is itself; another word is a folder in ``pilots/``, or a hub id,
    which is downloaded.

    Raises:
        OntickError: there is no such pilot, or the hub does not give it.
    """
    name = word.removeprefix(PREFIX)
    if not name:
        raise OntickError(f"pilot: names no pilot; write {FORM}, pilot:NAME (in {HOME}/) or pilot:ORG/NAME on the hub")
    if name in SHIPPED:
        folder = shipped_pilots().get(name)
        if folder is None:
            raise OntickError(
                f"this installation lacks the shipped pilot {name}; install Ontick again, or for a folder of that "
                f"name write pilot:./{name}"
            )
        return folder
    path = Path(name).expanduser()
    for folder in (path, HOME / name):
        if (folder / CARD).exists():
            return folder
    if path.is_dir():
        raise OntickError(f"{path} is no pilot (it has no {CARD}); make one with: ontick train")
    if name.count("/") != 1 or path.exists() or name.startswith(("/", ".", "~")):
        raise OntickError(
            f"there is no pilot {name}, neither here nor in {HOME}/; see which there are with: ontick pilots"
        )
    if importlib.util.find_spec("huggingface_hub") is None:
        raise missing_package("what downloads from Hugging Face", "'ontick[hf]'")
    from ontick.models.hf.hub import weights_folder

    folder = weights_folder(name, FORM)
    if not (folder / CARD).exists():
        raise OntickError(f"{name} on Hugging Face is no pilot (it has no {CARD}); fly a plain model with hf:{name}")
    return folder
