"""The verb `chat`: talk with a pilot that flies meanwhile. Its fields are the options."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from typing import Annotated

from tyro.conf import Positional, arg

from ontick.cli.desks import Pipe, Screen
from ontick.cli.options import INTERRUPTED, Posed, Recorded
from ontick.controllers.pilot import is_pilot_word
from ontick.controllers.talking import check_can_talk, talking_model
from ontick.errors import OntickError
from ontick.evaluation.conversing import Chatted, converse, seeds_flown
from ontick.evaluation.episodes import Prepared, prepare
from ontick.late import LateRule
from ontick.models.talk import ANSWER_TOKENS, Conversation, check_answer_tokens
from ontick.pilots.card import read_card
from ontick.pilots.find import find_pilot
from ontick.report.live_line import LiveLine
from ontick.report.talk_tables import flown_said, talked_table
from ontick.report.terminal import progress_bar, stdout

Pilot = Annotated[
    str, arg(metavar="PILOT", help="pilot:PATH, such as pilot:lunarlander, or smollm2, gguf:PATH, hf:PATH_OR_HUB_ID.")
]


@dataclass(frozen=True, kw_only=True)
class Chat(Posed, Recorded):
    """Talk with a pilot that flies meanwhile: one process, one set of weights; decisions always go first.

    In a terminal questions are typed below the flight: Enter asks, Esc stops the answer, Ctrl-D ends. Otherwise each
    line of stdin is one, and it ends when all are answered.
    """

    pilot: Positional[Pilot]
    task: Annotated[
        str | None,
        arg(metavar="TASK", help="What it flies.", help_behavior_hint="(default: what the pilot was trained for)"),
    ] = None
    episodes: Annotated[
        int | None,
        arg(help="Fly so many, whole.", help_behavior_hint="(default: for as long as one talks)"),
    ] = None
    late: LateRule = LateRule.HOLD
    """What a tick does without a fresh action: hold the last one, or nothing."""
    max_tokens: int = ANSWER_TOKENS
    """The longest answer."""
    system: Annotated[
        str | None,
        arg(metavar="TEXT", help="Said to the model first.", help_behavior_hint="(default: what its template says)"),
    ] = None
    no_fly: bool = False
    """Only talk."""

    def run(self) -> int:
        """Talk, fly and print."""
        check_can_talk(self.pilot)
        if self.episodes is not None and self.episodes < 1:
            raise OntickError(f"--episodes {self.episodes} flies nothing; give 1 or more, or --no-fly")
        check_answer_tokens(self.max_tokens)
        setup = replace(self.setup(self._task(), self.pilot), episodes=self.episodes or 1, late=self.late)
        with progress_bar(f"{setup.task} {self.pilot}"):
            prepared = prepare(setup)
            model = talking_model(self.pilot, prepared.bare)
            conversation = Conversation(model, self.system, self.max_tokens)
        chatted = self._converse(prepared, conversation)
        words = {"task": setup.task, "controller": self.pilot, "model": model.info.name, "late": self.late}
        result = {**words, **chatted.as_json()}
        flown = chatted.flown
        self.show(result, *([] if flown is None else [talked_table(result), flown_said(result), f"run: {flown.run}"]))
        return INTERRUPTED if chatted.interrupted else 0

    def _converse(self, prepared: Prepared, conversation: Conversation) -> Chatted:
        """Talk and fly, at the terminal if there is one, else for whoever is behind the pipe."""
        run = None if self.no_fly else self.folder("chat", prepared.task.name, self.pilot)
        if self.json or not (sys.stdin.isatty() and stdout.is_terminal):
            return converse(prepared, conversation, Pipe(silent=self.json), episodes=self.episodes, run=run)
        line = LiveLine(prepared.task, seeds_flown(prepared.setup, self.episodes))
        desk = Screen(conversation, None if run is None else line)
        with desk.open():
            return converse(prepared, conversation, desk, episodes=self.episodes, run=run, observers=(line,))

    def _task(self) -> str:
        """Return the task to fly: a pilot's card knows.

        Raises:
            OntickError: nobody says which.
        """
        if self.task is not None:
            return self.task
        if is_pilot_word(self.pilot):
            return read_card(find_pilot(self.pilot)).task
        if self.no_fly:
            return "cartpole"  # a controller is made for some task, though this one will not fly
        raise OntickError(f"which task is {self.pilot} to fly? add --task lunarlander or --task cartpole, or --no-fly")
