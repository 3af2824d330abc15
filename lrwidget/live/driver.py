"""Starts one run after the other, all of one subject."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from lrwidget.live.context import CallerContext
from lrwidget.live.job import Job
from lrwidget.live.run import Run

MakeJob = Callable[[], Job[Any]]


class Driver:
    """What buttons work on that start and stop a training.

    Parameters
    ----------
    make_job
        Makes what is run; may raise what tells why nothing can be.
    follow
        Called with each run and its job before the run starts. It raises RuntimeError if another one is under way.
    subject
        What is trained, as for `lrwidget.live.run.Run`: a run of it that goes on elsewhere is stopped first.
    on_end
        As for `lrwidget.live.run.Run`.

    Attributes
    ----------
    newest
        The run begun last, or None.
    """

    def __init__(
        self,
        make_job: MakeJob,
        follow: Callable[[Run[Any], Any], None],
        subject: object,
        on_end: Callable[[], None] | None = None,
    ) -> None:
        self._make_job = make_job
        self._follow = follow
        self._subject = subject
        self._on_end = on_end
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
        job = (make_job or self._make_job)()
        run = Run(job, self._subject, context=self._context, on_end=self._on_end)
        self._follow(run, job)
        self.newest = run
        return run

    def start(self) -> None:
        """Begin the next run in a worker thread; errors as for `begin`."""
        self.begin().start()

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
        """Begin no further run; stop the newest, and wait until its subject is restored, unless its job is asking."""
        self._is_closed = True
        if self.newest is not None:
            self.newest.close()
