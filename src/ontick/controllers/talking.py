"""Who of those that fly can be talked with? Language models that run on this machine, whichever backend runs them."""

from __future__ import annotations

from ontick.controllers.catalog import SCRIPTED
from ontick.controllers.llm import LanguageModelController
from ontick.errors import OntickError
from ontick.models.base import TalkingModel

_WHO_CAN = "talk with smollm2, gguf:PATH, hf:PATH_OR_HUB_ID, or a pilot: that was made of one"


def talking_model(word: str, controller: object) -> TalkingModel:
    """Return the model that ``word`` flies with, to be talked with.

    Raises:
        OntickError: it flies without a language model, or with one that runs elsewhere.
    """
    if not isinstance(controller, LanguageModelController):
        raise OntickError(f"{word} is no language model and cannot talk; {_WHO_CAN}")
    if not isinstance(controller.model, TalkingModel):
        raise OntickError(f"{word} runs elsewhere, where flying and talking are no longer one process; {_WHO_CAN}")
    return controller.model


def check_can_talk(word: str) -> None:
    """Refuse a controller's word that can name none that talks, before anything is loaded.

    Raises:
        OntickError: it is a script or a small network, or runs elsewhere.
    """
    if word in SCRIPTED or word.startswith("mlp:"):
        raise OntickError(f"{word} is no language model and cannot talk; {_WHO_CAN}")
    if word.startswith("api:"):
        raise OntickError(f"{word} runs elsewhere, where flying and talking are no longer one process; {_WHO_CAN}")
