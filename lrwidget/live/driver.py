"""Starts one run after the other, of one model, for one session."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from lrwidget.finder import LearningRateFinder
from lrwidget.live.context import CallerContext
from lrwidget.live.job import Job
from lrwidget.live.run import Run
from lrwidget.live.session import Session
from lrwidget.live.sole import stop_run_of

MakeJob = Callable[[LearningRateFinder], Job[Any]]


class Driver:
    """What the buttons of a widget work on.

    Parameters
    ----------
    session
        Follows the runs.
    make_job
        Makes what is run, with the settings of the session.
    subject
        What is trained: a run of it that goes on elsewhere is stopped, and waited for, at once.
    """

    def __init__(self, session: Session, make_job: MakeJob, subject: object) -> None:
        stop_run_of(subject)
        self._session = session
        self._make_job = make_job
        self._subject = subject
        self._context = CallerContext()
        self._is_closed = False
        self.newest: Run[Any] | None = None

    def begin(self, make_job: MakeJob | None = None) -> Run[Any]:
        """Make the next run; it is to be started at once.

        Parameters
        ----------
        make_job
            Another way to make its job, for this once.

        Raises
        ------
        RuntimeError
            If one is under way, or the driver is closed.
        """
        if self._is_closed:
            raise RuntimeError("this widget is closed; make a new one")
        if threading.current_thread() is threading.main_thread():
            # A click may come in on a thread of the kernel's that knows nothing of what the cells have set.
            self._context = CallerContext()
        job = (make_job or self._make_job)(self._session.settings)
        run = Run(job, self._subject, context=self._context)
        self._session.begin(run, getattr(job, "num_steps", None))
        self.newest = run
        return run

    def pause(self) -> None:
        """Begin no further step until `resume`."""
        if self.newest is not None:
            self.newest.pause()

    def resume(self) -> None:
        """Go on after a pause."""
        if self.newest is not None:
            self.newest.resume()

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


def subject_of(train_step: object) -> object:
    """What a train step trains: two widgets on one model must know of each other."""
    return getattr(train_step, "model", getattr(train_step, "__self__", train_step))
