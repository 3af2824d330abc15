"""Several trainings as one job, whatever order they take their steps in."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from time import perf_counter

from lrwidget.result import StopReason
from lrwidget.verify import TrialRecord, Verification
from lrwidget.verify_result import VerifyResult


class Trainings(Iterator[TrialRecord]):
    """Trainings under way: iterate it to train. None of them ends early because another one is better.

    Parameters
    ----------
    trainings
        Verifications of one rate each.
    records
        Iterates them and yields their records, the number of the training in each; it closes them all when it ends or
        is closed.
    num_steps
        Steps of each training.
    """

    def __init__(
        self, trainings: Sequence[Verification], records: Generator[TrialRecord, None, None], num_steps: int
    ) -> None:
        self.num_steps = num_steps
        self._trainings = trainings
        self._records = records
        self._started: float | None = None
        self._reason: StopReason | None = None

    def __next__(self) -> TrialRecord:
        self._started = self._started or perf_counter()
        try:
            return next(self._records)
        except StopIteration:
            self._reason = self._reason or StopReason.COMPLETED
            raise

    def stop(self, reason: StopReason = StopReason.STOPPED) -> None:
        """End all trainings now, for that reason, unless they have ended already."""
        self._reason = self._reason or reason
        self._records.close()

    def close(self) -> None:
        """End all trainings now."""
        self.stop()

    @property
    def stop_reason(self) -> StopReason | None:
        """Why they ended; None while they go on."""
        return self._reason

    @property
    def result(self) -> VerifyResult:
        """What they have recorded so far, as one verification."""
        return VerifyResult(
            tuple(trial for training in self._trainings for trial in training.result.trials),
            self.num_steps,
            stop_reason=self._reason or StopReason.STOPPED,
            seconds=0.0 if self._started is None else perf_counter() - self._started,
        )
