"""How does a lane fly? A process of its own loads a controller, flies what it is told to, and records it.

Three threads: the main one loads and flies, its clock undisturbed; one hears the server's orders, and lets those act at
once that may be given in flight; one tells what happens (`told`). When the server goes, what flies is recorded and the
process ends.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from queue import SimpleQueue

from ontick.clock import NS_PER_S, Pace
from ontick.controllers.base import Controller
from ontick.controllers.pilot import check_untrained, is_pilot_word
from ontick.controllers.prediction import Predict
from ontick.errors import OntickError, blame
from ontick.evaluation.episodes import Prepared, prepare
from ontick.latency import Constant
from ontick.loop import Interrupted, fly
from ontick.records import Flight, Tick
from ontick.viewer.lanes.controls import Controls
from ontick.viewer.lanes.ending import ending
from ontick.viewer.lanes.orders import Ask, Begin, Finish, Hush, Key, Live, Order, Prepare, Quit, Seize, Stop
from ontick.viewer.lanes.recording import Recording
from ontick.viewer.lanes.slow_motion import StageTime
from ontick.viewer.lanes.story import Describer, Story
from ontick.viewer.lanes.talk import Talk
from ontick.viewer.lanes.told import Told
from ontick.viewer.settings import YOU

LAST_WORDS_S = 2.0
"""How long a process that ends waits for the server to hear the rest."""

ORPHAN_S = 5.0
"""How long a lane whose server has gone may take to record what flies."""


def run_lane(number: int, heard: Connection, told: Connection) -> None:
    """Be lane ``number`` until told to quit; the target of its process."""
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, _leave_it_to_the_server)  # not ignored: what a controller starts would inherit that
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    os.dup2(2, 1)  # what a controller prints must not stand among the program's results
    lane = Lane(number, Told(told))
    threading.Thread(target=lane.listen, args=(heard,), name="orders", daemon=True).start()
    lane.run()


def _leave_it_to_the_server(*_: object) -> None:
    """Do nothing: a signal to all in the terminal or the session is for the server, which then gives its orders."""


class Lane:
    """One controller, loaded once and flown again and again."""

    def __init__(self, number: int, told: Told) -> None:
        self._number = number
        self._told = told
        self._jobs: SimpleQueue[Prepare | Begin | Finish | Quit] = SimpleQueue()
        self._controls: Controls | None = None
        """Of the episode that flies, or is to be flown."""
        self._prepared: Prepared | None = None
        self._describer: Describer | None = None
        self._recording: Recording | None = None
        self._talk = Talk(told)
        self._pace = Pace()
        self._stopped = 0
        """The newest episode that is to end, by its running number."""
        self._stopping = threading.Event()
        """Set from then until the next is to begin."""
        log = logging.getLogger("ontick")
        log.setLevel(logging.INFO)
        log.propagate, log.handlers = False, [_Remarks(told)]

    def listen(self, pipe: Connection) -> None:
        """Hear orders until the server has gone."""
        try:
            while True:
                self._hear(pipe.recv())
        except (EOFError, OSError):
            give_up = threading.Timer(ORPHAN_S, os._exit, (1,))
            give_up.daemon = True
            give_up.start()
            self._stop(sys.maxsize)
            self._jobs.put(Quit())

    def run(self) -> None:
        """Do what is ordered, one after the other, until told to quit."""
        job: Prepare | Begin | Finish | Quit | None = None
        while not isinstance(job, Quit):
            job = self._jobs.get()
            try:
                self._do(job)
            except OntickError as error:
                self._told.event("failed", note=str(error))
            except (Exception, SystemExit) as error:
                if os.environ.get("ONTICK_DEBUG"):
                    sys.excepthook(type(error), error, error.__traceback__)
                self._told.event("failed", note=blame(error))
        self._told.close(LAST_WORDS_S)

    def _hear(self, order: Order) -> None:
        """Let an order act at once, or put it into the row."""
        controls = self._controls
        match order:
            case Stop(episode):
                self._stop(episode)
            case Live():
                if controls is not None and not self._is_stopped(controls.episode):
                    controls.change(order)
            case Seize(taken):
                if controls is not None:
                    controls.seize(taken)
            case Key(action):
                if controls is not None:
                    controls.press(action)
            case Ask():
                self._talk.ask(order)
            case Hush():
                self._talk.stop()
            case Begin():
                self._stopping.clear()
                self._controls = Controls(self._pace, order)  # what is ordered next is for this episode already
                self._jobs.put(order)
            case _:
                self._jobs.put(order)

    def _stop(self, episode: int) -> None:
        """Have an episode end at its next tick, which must not be waited for on a stage that stands still."""
        self._stopped = max(self._stopped, episode)
        self._pace.speed = 1.0
        self._stopping.set()

    def _is_stopped(self, episode: int) -> bool:
        return episode <= self._stopped

    def _do(self, job: Prepare | Begin | Finish | Quit) -> None:
        match job:
            case Prepare():
                self._finish()
                self._prepare(job)
                self._told.event("ready", talks=self._talk.begin(job.setup.controller, self._bare))
            case Begin():
                self._begin(job)
            case _:
                self._finish()

    def _prepare(self, job: Prepare) -> None:
        """Load what is asked for, or ask what is loaded in another way."""
        word, setup = job.setup.controller, job.setup
        if word == YOU:  # no one answers but the person
            asking = replace(setup.asking, chunk=1)
            setup = replace(
                setup, controller="none", predict=Predict.OFF, dynamics=None, requests_per_minute=None, asking=asking
            )
        self._prepared = prepared = prepare(setup, self._prepared)
        if self._describer is None:
            self._describer = Describer(self._number, prepared.task, word, prepared.controller)
        self._recording = Recording(prepared.task, replace(prepared.setup, controller=word), job.runs, job.words)

    @property
    def _bare(self) -> object:
        return None if self._prepared is None else self._prepared.bare

    def _begin(self, order: Begin) -> None:
        """Fly an episode, record it and tell how it ended."""
        prepared, describer, record, controls = self._prepared, self._describer, self._recording, self._controls
        if prepared is None or describer is None or record is None or controls is None:
            raise OntickError("nothing is loaded on this lane; choose a controller and fly")
        word = prepared.setup.controller
        if is_pilot_word(word):
            check_untrained(word, range(order.seed, order.seed + 1))
        controller = prepared.controller
        if prepared.foresight is not None:
            controller = prepared.foresight.around(controller, Constant(order.live.delay_ms))
        record.open()
        self._stopping.wait(prepared.setup.spacing / NS_PER_S)  # the last request may have been just now
        self._told.begin(Story(describer, order.episode, order.seed))
        flight = self._fly(prepared, controls, controls.around(controller), order.seed)
        self._controls = None
        self._told.event("ended", **ending(describer, order, flight, controls.conditions(), record))

    def _fly(self, prepared: Prepared, controls: Controls, controller: Controller, seed: int) -> Flight:
        def observe(tick: Tick) -> None:
            controls.next_tick = tick.tick + 1
            self._told.tick(tick, controls.you, self._talk.is_answering)
            if self._is_stopped(controls.episode):
                raise KeyboardInterrupt

        try:
            return fly(
                prepared.task,
                prepared.env,
                controller,
                StageTime(self._pace),
                late=controls.late,
                seed=seed,
                in_flight=prepared.setup.in_flight,
                spacing=prepared.setup.spacing,
                observers=(observe,),
            )
        except Interrupted as interrupted:
            return interrupted.flight

    def _finish(self) -> None:
        """Write the summary of the run that is open."""
        if self._recording is not None:
            self._recording.finish()


class _Remarks(logging.Handler):
    """Lets the program's own log, which tells what takes long, be read on the page."""

    def __init__(self, told: Told) -> None:
        super().__init__()
        self._told = told

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(Exception):
            self._told.event("remark", note=record.getMessage())
