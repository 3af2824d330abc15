"""Starts and stops short trainings of one model: verifications, and trials of a schedule."""

from __future__ import annotations

import threading
from typing import Any, Protocol

from lrwidget.live.context import CallerContext
from lrwidget.live.job import Job
from lrwidget.live.run import Run
from lrwidget.steps import TrainStep


class Tries(Protocol):
    """What says what is to be tried, and follows the runs: `VerifyModel` and `ScheduleTrialModel`."""

    def make_job(self, train_step: Any, /) -> Job[Any]: ...
    def begin(self, run: Run[Any], job: Any, /) -> None: ...


class TrialDriver:
    """What the buttons of a tab work on that trains for a short while.

    Parameters
    ----------
    model
        Says what is to be tried, and follows the runs.
    train_step
        What trains; None where nothing can.
    subject
        What is trained, as for `lrwidget.live.run.Run`: a range test of it that goes on elsewhere is stopped first.
    """

    def __init__(self, model: Tries, train_step: TrainStep | None, subject: object) -> None:
        self._model = model
        self._train_step = train_step
        self._subject = subject
        self._context = CallerContext()
        self._is_closed = False
        self.newest: Run[Any] | None = None

    def start(self) -> None:
        """Begin in a worker thread.

        Raises
        ------
        RuntimeError
            If one is under way, or the driver is closed.
        ValueError
            If there is nothing to try.
        """
        if self._is_closed:
            raise RuntimeError("this widget is closed; make a new one")
        if threading.current_thread() is threading.main_thread():
            # A click may come in on a thread of the kernel's that knows nothing of what the cells have set.
            self._context = CallerContext()
        job = self._model.make_job(self._train_step)
        run = Run(job, self._subject, context=self._context)
        self._model.begin(run, job)
        self.newest = run
        run.start()

    def stop(self) -> None:
        """Stop after the step under way; returns at once."""
        if self.newest is not None:
            self.newest.stop()

    def close(self) -> None:
        """Stop, and wait until the model is restored, unless the run itself is asking."""
        self._is_closed = True
        run = self.newest
        if run is not None and run.is_active:
            run.stop()
            if not run.is_mine():
                run.has_ended(None)
