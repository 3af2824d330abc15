"""One range test under way: the loop at the rates of a finder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lrwidget.checks import checked_train_step
from lrwidget.divergence import DivergenceWatch
from lrwidget.loop import EndsOnLeaving, train
from lrwidget.recording import Recording
from lrwidget.result import RangeTestResult, StepRecord, StopReason
from lrwidget.steps import TrainStep

if TYPE_CHECKING:
    from lrwidget.finder import LearningRateFinder


class RangeTest(EndsOnLeaving, Iterator[StepRecord]):
    """One range test under way: iterate it to train; stop iterating, and the training state is restored.

    Made by `LearningRateFinder.steps`. Exhausting it, `stop`, `close`, an exception in the train step, leaving it
    where it stands in a ``with``, and dropping the last reference all end the run and leave the train step's context.

    Parameters
    ----------
    finder
        The settings.
    train_step
        As for `LearningRateFinder.steps`.
    seed
        For repeats: a train step that has ``reseed`` draws other batches.
    """

    def __init__(self, finder: LearningRateFinder, train_step: TrainStep, seed: int | None = None) -> None:
        train_step, lrs = checked_train_step(train_step), finder.learning_rates().tolist()
        self.recording = Recording(settings=dict(vars(finder)))
        # The generator knows the recording but not this object: no cycle, so a `break` restores at once.
        self._steps = train(train_step, lrs, DivergenceWatch(finder.divergence), self.recording, seed)

    def __next__(self) -> StepRecord:
        return next(self._steps)

    def stop(self, reason: StopReason = StopReason.STOPPED) -> None:
        """End the run now, for that reason, unless it has ended already."""
        if self.recording.stop_reason is None:
            self.recording.stop_reason = reason
        self._steps.close()

    def close(self) -> None:
        """End the run now."""
        self.stop()

    def note_failure(self, error: BaseException) -> None:
        """Note what broke the run from outside of its steps, unless it had ended before."""
        self.recording.note_failure(error)

    def note_pause(self, seconds: float) -> None:
        """Leave out of the run's time so many seconds in which nobody asked for a step."""
        self.recording.paused_seconds += seconds

    @property
    def stop_reason(self) -> StopReason | None:
        """Why the run ended; None while it goes on."""
        return self.recording.stop_reason

    @property
    def result(self) -> RangeTestResult:
        """What has been recorded so far. A run that goes on counts as stopped here."""
        return self.recording.result()
