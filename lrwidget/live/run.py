"""One run of a job: in a worker thread or in the caller's, with pause, stop and wait.

A job is an iterator that knows how to stop. Only the thread that drives it ever calls it; the others leave their wishes
in a flag that is looked at between two steps. So nothing is torn: a job is stopped, and what it saved restored, by the
thread that trained.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import perf_counter
from typing import Any, Generic, TypeVar

from lrwidget.finder import LearningRateFinder
from lrwidget.live.context import CallerContext
from lrwidget.live.failure import Failure, release_frames
from lrwidget.live.job import Job
from lrwidget.live.run_state import RunState
from lrwidget.live.sole import sole_run
from lrwidget.live.stopwatch import Stopwatch
from lrwidget.result import StopReason

Record = TypeVar("Record")


class Run(Generic[Record]):
    """Drives a job once.

    Parameters
    ----------
    job
        What to run. The run lets go of it when it has ended.
    subject
        What the job trains. Of two runs of one subject the later one stops the earlier and waits for it.
    context
        The caller's context for a run in a worker thread; the one of the thread that calls `start` by default.
    on_end
        Called in a worker thread when the run has ended.

    Attributes
    ----------
    records
        What the job has yielded so far; only ever grows.
    result, stop_reason
        The job's, once the run has ended.
    failure
        The exception that ended the run as text, or None.
    is_displaced
        Whether another run of the subject has stopped it.
    """

    def __init__(
        self,
        job: Job[Record],
        subject: object = None,
        *,
        context: CallerContext | None = None,
        on_end: Callable[[], None] | None = None,
    ) -> None:
        self.records: list[Record] = []
        self.result: Any = None
        self.stop_reason: StopReason | None = None
        self.failure: Failure | None = None
        self.is_displaced = False
        self._job: Job[Record] | None = job
        self._subject = job if subject is None else subject
        self._context = context
        self._on_end = on_end
        self._changed = threading.Condition()
        self._state = RunState.IDLE
        self._wanted: StopReason | None = None
        self._attention = True  # the driver looks closer after its next step; at first to note the time
        self._driver: threading.Thread | None = None
        self._error: BaseException | None = None
        self._ended = threading.Event()
        self._status = ""
        self._settings: LearningRateFinder | None = None
        self._watch = Stopwatch(perf_counter)

    @property
    def state(self) -> RunState:
        """Where the run stands. Paused means: no further step begins."""
        return self._state

    @property
    def is_active(self) -> bool:
        """Whether it has begun and not ended."""
        return self._state.is_active

    def elapsed_seconds(self) -> float:
        """Time since the start, pauses left out."""
        return self._watch.elapsed()

    def steps_per_second(self) -> float | None:
        """Mean speed after the first step, which is often slow and holds the saving; None while unknown."""
        return self._watch.rate(len(self.records) - 1)

    def start(self) -> None:
        """Run in a worker thread; RuntimeError if it has been started before."""
        self._begin()
        context = self._context or CallerContext()
        self._driver = threading.Thread(target=context.run, args=(self._drive_apart,), name="lrwidget-run", daemon=True)
        try:
            self._driver.start()
        except RuntimeError as error:  # the system has no more threads
            assert self._job is not None
            self._end(self._job, error, keep_error=True)
            raise

    def run(self) -> Any:
        """Run in this thread and return the result.

        Raises
        ------
        RuntimeError
            If it has been started before.
        BaseException
            Whatever the job raises, with ``partial_result``.
        """
        self._begin()
        self._driver = threading.current_thread()
        error = self._drive(keep_error=False)
        if error is not None:
            raise error
        return self.result

    def pause(self) -> None:
        """Begin no further step until `resume`. Nothing happens unless it is running."""
        with self._changed:
            if self._state is RunState.RUNNING and self._wanted is None:
                self._state = RunState.PAUSED
                self._watch.stop()
                self._attention = True

    def resume(self) -> None:
        """Go on after a pause."""
        with self._changed:
            if self._state is RunState.PAUSED:
                self._state = RunState.RUNNING
                self._watch.start()
                self._changed.notify_all()

    def stop(self, reason: StopReason = StopReason.STOPPED) -> None:
        """End after the step under way, also from a pause. Returns at once; the first reason given counts."""
        with self._changed:
            if not self._ended.is_set() and self._wanted is None:
                self._wanted = reason
                self._attention = True
                self._changed.notify_all()
                if self._job is not None and getattr(self._job, "can_stop_elsewhere", False):
                    self._job.stop(reason)

    def displace(self) -> None:
        """Stop, to make room for another run of the same subject."""
        if not self.is_unwanted() and not self.has_ended():
            self.is_displaced = True
        self.stop()

    def close(self) -> None:
        """Stop, and wait for the end, unless the job itself is asking."""
        if self.is_active:
            self.stop()
            if not self.is_mine():
                self.has_ended(None)

    @property
    def status(self) -> str:
        """What the job has to say besides its records; empty where it has nothing."""
        return self._status if self._job is None else str(getattr(self._job, "status", ""))

    @property
    def settings(self) -> LearningRateFinder | None:
        """The settings of what the job watches, if it does, once they are known."""
        return self._settings if self._job is None else getattr(self._job, "settings", None)

    def wait(self, timeout: float | None = None) -> Any:
        """Wait for the end and return the result. Ctrl-C stops the run, waits for its end and carries on.

        Parameters
        ----------
        timeout
            Seconds, or None to wait for as long as it takes.

        Raises
        ------
        TimeoutError
            If it has not ended by then; it goes on.
        RuntimeError
            If called by the job itself.
        BaseException
            What the job raised, if it failed in its worker thread.
        """
        if self.is_active and self.is_mine():
            raise RuntimeError("a run cannot wait for its own end; call wait() outside of the train step")
        try:
            ended = self._ended.wait(timeout)
        except KeyboardInterrupt:
            self.stop(StopReason.INTERRUPTED)
            self._ended.wait()
            raise
        if not ended:
            raise TimeoutError(f"the run has not ended after {timeout} s; it goes on, stop() ends it")
        if self._error is not None:
            raise self._error
        return self.result

    def has_ended(self, timeout: float | None = 0.0) -> bool:
        """Whether it has ended, after waiting for so many seconds at most; None waits for as long as it takes."""
        return self._ended.wait(timeout)

    def is_mine(self) -> bool:
        """Whether the calling thread is the one that drives it."""
        return self._driver is threading.current_thread()

    def is_unwanted(self) -> bool:
        """Whether it has been told to stop."""
        return self._wanted is not None

    def _begin(self) -> None:
        with self._changed:
            if self._state is not RunState.IDLE:
                raise RuntimeError(f"need a run that has not been started, got one that is {self._state}; make another")
            self._state = RunState.RUNNING
            self._watch.start()

    def _drive_apart(self) -> None:
        error = self._drive(keep_error=True)
        if error is not None:
            # The traceback still tells the lines; the models and batches in its frames are let go.
            release_frames(error)
        if self._on_end is not None:
            self._on_end()

    def _drive(self, keep_error: bool) -> BaseException | None:
        """All of the run, from the claim on the subject to the end; the exception that ended it, if one did."""
        job = self._job
        assert job is not None
        error: BaseException | None = None
        try:
            with sole_run(self, self._subject):
                self._step_through(job)
        except BaseException as caught:
            error = caught
        self._end(job, error, keep_error)
        return error

    def _step_through(self, job: Job[Record]) -> None:
        append = self.records.append
        try:
            if self._wanted is not None:
                job.stop(self._wanted)
            for record in job:
                append(record)
                if self._attention:
                    self._attend(job)
        except BaseException as error:
            job.stop(StopReason.of(error))
            raise

    def _attend(self, job: Job[Record]) -> None:
        """Between two steps: pause, stop, or go on undisturbed."""
        with self._changed:
            self._watch.note_first()
            if self._state is RunState.PAUSED:
                self._sit_out_pause(job)
            self._attention = self._wanted is not None
        if self._wanted is not None:
            job.stop(self._wanted)

    def _sit_out_pause(self, job: Job[Record]) -> None:
        started = perf_counter()
        while self._state is RunState.PAUSED and self._wanted is None:
            self._changed.wait()
        note_pause = getattr(job, "note_pause", None)
        if note_pause is not None:
            note_pause(perf_counter() - started)

    def _end(self, job: Job[Record], error: BaseException | None, keep_error: bool) -> None:
        reason = job.stop_reason or StopReason.STOPPED
        if error is not None:
            reason = StopReason.of(error)
            error.partial_result = job.result  # type: ignore[attr-defined]
            if reason is StopReason.FAILED:
                self.failure = Failure.of(error)
            if keep_error:
                self._error = error
        with self._changed:
            self._watch.stop()
            self.result, self.stop_reason = job.result, reason
            self._status, self._settings = self.status, self.settings
            self._state = RunState.after(reason)
            self._job = self._subject = None
            self._ended.set()
            self._changed.notify_all()
