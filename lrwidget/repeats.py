"""Several range tests from one saved state, on other batches each."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from lrwidget.checks import check_several_runs, checked_count, checked_train_step
from lrwidget.finder import LearningRateFinder
from lrwidget.loop import EndsOnLeaving
from lrwidget.range_test import RangeTest
from lrwidget.repeat_result import RepeatedResult, broken_by
from lrwidget.result import StopReason

if TYPE_CHECKING:
    from lrwidget.steps import TrainStep


class RepeatRecord(NamedTuple):
    """One step of one of several range tests.

    Parameters
    ----------
    run
        Which range test, counted from 0.
    step, lr, loss, grad_norm
        As in `lrwidget.StepRecord`.
    """

    run: int
    step: int
    lr: float
    loss: float
    grad_norm: float | None = None


class RepeatedTest(EndsOnLeaving, Iterator[RepeatRecord]):
    """Several range tests under way: iterate it to train. Made by `LearningRateFinder.repeat_steps`.

    Each single test enters and leaves the train step, so all start from the same state and the last one restores it;
    exhausting it, `stop`, `close`, an exception in the train step and dropping the last reference all do.

    Parameters
    ----------
    finder
        The settings of each range test.
    train_step
        As for `LearningRateFinder.steps`.
    num_runs
        How many range tests.

    Raises
    ------
    TypeError
        If ``train_step`` cannot be called or ``num_runs`` is not whole.
    ValueError
        If ``num_runs`` is below 1, or above it for data that can be read once only.
    """

    def __init__(self, finder: LearningRateFinder, train_step: TrainStep, num_runs: int = 3) -> None:
        train_step = checked_train_step(train_step)
        self.num_runs = checked_count("num_runs", num_runs, 1, "3 is a good start")
        check_several_runs(train_step, self.num_runs)
        self.num_steps = self.num_runs * finder.num_steps
        # Run 0 is the plain range test; the others draw other batches.
        self._tests = [RangeTest(finder, train_step, seed=run or None) for run in range(self.num_runs)]
        self._steps = _run_all(self._tests)

    def __next__(self) -> RepeatRecord:
        return next(self._steps)

    def stop(self, reason: StopReason = StopReason.STOPPED) -> None:
        """End the run now, for that reason, unless it has ended already."""
        if self.stop_reason is None:
            self._current.stop(reason)
        self._steps.close()

    def close(self) -> None:
        """End the run now."""
        self.stop()

    def note_failure(self, error: BaseException) -> None:
        """Note what broke the run from outside of its steps, unless it had ended before."""
        if self.stop_reason is None:
            self._current.note_failure(error)

    def note_pause(self, seconds: float) -> None:
        """As `RangeTest.note_pause`, of the test under way."""
        self._current.note_pause(seconds)

    @property
    def _current(self) -> RangeTest:
        """The first test that has not ended; the last one where all have."""
        return next((test for test in self._tests if test.stop_reason is None), self._tests[-1])

    @property
    def stop_reason(self) -> StopReason | None:
        """Why the run ended; None while it goes on."""
        reasons = [test.stop_reason for test in self._tests]
        return broken_by(reasons) if None in reasons else self.result.stop_reason

    @property
    def result(self) -> RepeatedResult:
        """What has been recorded so far."""
        begun = [t for t in self._tests if t.recording.records or t.stop_reason is not None]
        return RepeatedResult([test.result for test in begun or self._tests[:1]])


def _run_all(tests: Sequence[RangeTest]) -> Generator[RepeatRecord, None, None]:
    """One test after the other; leaving this generator ends the one under way."""
    for run, test in enumerate(tests):
        try:
            for record in test:
                yield RepeatRecord(run, *record)
        finally:
            test.close()
