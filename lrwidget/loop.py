"""The loop that all runs share: enter the train step, train at one rate after the other, leave it on every way out."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from math import isfinite
from time import perf_counter
from types import TracebackType
from typing import Protocol, Self, TypeAlias, TypeVar

from lrwidget.divergence import DivergenceWatch
from lrwidget.losses import as_float
from lrwidget.recording import Recording, new_record
from lrwidget.result import StepRecord, StopReason
from lrwidget.steps import SKIPPED, StepOutput, StepReturn, TrainStep
from lrwidget.watchers import Watcher

_MAX_SKIPS = 100  # steps in a row that a gradient scaler may refuse at one rate; it halves its scale at each

Records: TypeAlias = Generator[StepRecord, None, None]

Result_co = TypeVar("Result_co", covariant=True)


class Exhaustible(AbstractContextManager[object], Protocol[Result_co]):
    """An iterator of records that trains, and that ends by itself, where its ``with`` is left, or by `close`."""

    def __iter__(self) -> Iterator[object]: ...
    def close(self) -> None: ...
    def note_failure(self, error: BaseException, /) -> None: ...
    @property
    def result(self) -> Result_co: ...


class EndsOnLeaving:
    """Makes a run a context manager: left, it has ended, even where a name or a traceback still holds it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self: Exhaustible[object],
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            self.note_failure(error)
        self.close()


def exhaust(job: Exhaustible[Result_co], watchers: Sequence[Watcher] = ()) -> Result_co:
    """Run a job to its end and return its result; an exception carries on, with ``partial_result``."""
    try:
        with ExitStack() as stack:
            for watcher in watchers:
                stack.enter_context(watcher)
            with job:  # left before its watchers: a log's last line tells how long the run took
                for record in job:
                    for watcher in watchers:
                        watcher.write(record)
    except BaseException as error:
        job.note_failure(error)  # a watcher's own
        error.partial_result = job.result  # type: ignore[attr-defined]
        error.add_note("lrwidget: what was recorded is kept in error.partial_result")
        raise
    return job.result


def warn_if_not_restoring(train_step: TrainStep) -> None:
    """Tell the caller's caller if runs that are to be compared cannot start from one state."""
    if callable(train_step) and not isinstance(train_step, AbstractContextManager):
        warnings.warn(
            "this train step does not restore what it changes, so each run goes on where the one before it ended; "
            "use TorchStep, KerasStep or RestoringStep",
            stacklevel=3,
        )


def train(
    train_step: TrainStep,
    lrs: Iterable[float],
    watch: DivergenceWatch,
    recording: Recording,
    seed: int | None = None,
) -> Records:
    """Train one step at each rate and yield its record; note how it ended.

    Parameters
    ----------
    train_step
        Entered before the first step and left after the last one, where it is a context manager.
    lrs
        The rate of each step.
    watch
        Says when the losses have diverged.
    recording
        Where the records go.
    seed
        For a train step that has ``reseed``: other batches than without.

    Raises
    ------
    BaseException
        Whatever the train step raises carries on; what was recorded stays recorded.
    """
    started = perf_counter()
    context: AbstractContextManager[object] = (
        train_step if isinstance(train_step, AbstractContextManager) else nullcontext()
    )
    try:
        with context:
            if seed is not None and hasattr(train_step, "reseed"):
                train_step.reseed(seed)
            yield from _steps(train_step, lrs, watch, recording)
    except GeneratorExit:
        recording.stop_reason = recording.stop_reason or StopReason.STOPPED
        raise
    except BaseException as error:
        recording.note_failure(error)
        raise
    finally:
        recording.seconds = perf_counter() - started - recording.paused_seconds


def _steps(train_step: TrainStep, lrs: Iterable[float], watch: DivergenceWatch, recording: Recording) -> Records:
    """Train at each rate and read each loss ``lag`` steps later; the rule that stops the run sees the losses read."""
    lag = getattr(train_step, "lag", 0)
    unread: deque[tuple[int, float, StepReturn]] = deque()
    reason = StopReason.COMPLETED
    keep, has_diverged = recording.records.append, watch.has_diverged
    try:
        for step, lr in enumerate(lrs):
            try:
                output = train_step(lr)
                if output is SKIPPED:
                    output = _train_again(train_step, step, lr)
            except StopIteration:
                reason = StopReason.DATA_EXHAUSTED
                break
            if type(output) is float and not lag:  # the common case, in as few calls as can be
                record = new_record(StepRecord, (step, lr, output, None))
                keep(record)
                yield record
                if isfinite(output) and not has_diverged(output):
                    continue
                recording.stop_reason = StopReason.DIVERGED if isfinite(output) else StopReason.NOT_FINITE
                return
            unread.append((step, lr, output))
            if len(unread) <= lag:
                continue
            yield recording.append(*_read(*unread.popleft()))
            if recording.judge(watch):
                return
    except GeneratorExit:
        raise
    except BaseException:
        _rescue(unread, recording)
        raise
    while unread:
        yield recording.append(*_read(*unread.popleft()))
        if recording.judge(watch):
            return
    recording.stop_reason = reason


def _train_again(train_step: TrainStep, step: int, lr: float) -> StepReturn:
    """The step at this rate once more, after it was skipped, until it is taken."""
    for _ in range(_MAX_SKIPS - 1):
        output = train_step(lr)
        if output is not SKIPPED:
            return output
    raise RuntimeError(
        f"step {step} (lr={lr:.3g}): the optimizer step was skipped {_MAX_SKIPS} times in a row; "
        "the gradients are never finite at any loss scale: check the loss, or train without the gradient scaler"
    )


def _read(step: int, lr: float, output: StepReturn) -> tuple[int, float, float, float | None]:
    if isinstance(output, StepOutput):
        norm = output.grad_norm
        return step, lr, as_float(output.loss, step), None if norm is None else as_float(norm, step)
    return step, lr, as_float(output, step), None


def _rescue(unread: deque[tuple[int, float, StepReturn]], recording: Recording) -> None:
    """Record the finished steps whose losses were still unread when a later step failed."""
    while unread:
        try:
            recording.append(*_read(*unread.popleft()))
        except Exception:  # the device is gone with its losses; the error that carries on says why
            unread.clear()
