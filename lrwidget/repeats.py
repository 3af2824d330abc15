"""Several range tests from one saved state, on other batches each: what of the curve is training and what is chance."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from numbers import Integral
from os import PathLike
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lrwidget.diagnosis import lr_text
from lrwidget.finder import LearningRateFinder
from lrwidget.range_test import RangeTest
from lrwidget.result import FloatArray, RangeTestResult, StopReason
from lrwidget.suggestions import Schedule, Suggestion

if TYPE_CHECKING:
    import pandas as pd

    from lrwidget.steps import TrainStep

_BROKEN = (StopReason.FAILED, StopReason.INTERRUPTED, StopReason.STOPPED)


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


class RepeatedTest(Iterator[RepeatRecord]):
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
        If ``num_runs`` is below 1.
    """

    def __init__(self, finder: LearningRateFinder, train_step: TrainStep, num_runs: int = 3) -> None:
        if not callable(train_step):
            raise TypeError(f"need a train step, a callable lr -> loss, got {train_step!r}")
        self.num_runs = checked_count("num_runs", num_runs, 1, "3 is a good start")
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
            self._current.recording.note_failure(error)

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
        broken = next((reason for reason in reasons if reason in _BROKEN), None)
        if broken is not None or None in reasons:
            return broken
        return self.result.stop_reason

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


class RepeatedResult(RangeTestResult):
    """Several range tests as one: their median curve, its band, and a suggestion from all of them.

    Everything that a `RangeTestResult` has, of the median curve; only `suggest` looks at the single ones.

    Parameters
    ----------
    results
        The single range tests, one sweep, at least one.

    Attributes
    ----------
    lrs, losses
        Shape (n,): the median of the raw losses at each rate. A run that has diverged counts as infinite from there
        on, one that ended for another reason does not count; the curve ends where the median is first infinite.
    low_losses, high_losses
        Shape (n,): the band, the quartiles of the losses at each rate (of three runs the lowest and the highest).
        The upper one is infinite where a quarter of the runs has diverged.
    results
        The single range tests.

    Raises
    ------
    ValueError
        If there is none, or they do not share one sweep.
    """

    results: tuple[RangeTestResult, ...]
    low_losses: FloatArray
    high_losses: FloatArray

    def __init__(self, results: Sequence[RangeTestResult]) -> None:
        if not results:
            raise ValueError("need at least one range test, got none")
        longest = max(results, key=len)
        if any(not np.array_equal(r.lrs, longest.lrs[: len(r)]) for r in results):
            raise ValueError("need range tests of one sweep, got other learning rates; use the same finder for all")
        losses = np.sort(_table(results), axis=0)
        counts = np.isfinite(losses) | np.isinf(losses)
        middle, low, high = (_quantile(losses, counts.sum(0), q) for q in (0.5, 0.25, 0.75))
        finite = np.flatnonzero(np.isfinite(middle))
        end = min(int(finite[-1]) + 2, len(longest)) if len(finite) else min(1, len(longest))
        super().__init__(
            longest.lrs[:end],
            middle[:end],
            _common_reason(results),
            None,
            results[0].settings,
            next((r.error for r in results if r.error), None),
            sum(r.seconds for r in results),
        )
        for name, value in {"low_losses": low[:end], "high_losses": high[:end], "results": tuple(results)}.items():
            object.__setattr__(self, name, value)
        self.low_losses.setflags(write=False)
        self.high_losses.setflags(write=False)

    def suggest(self, rule: str = "default", schedule: Schedule = "constant") -> Suggestion:
        """One learning rate from all runs: the geometric mean of their suggestions.

        Its interval is the geometric mean of theirs. Where fewer than half of the runs have a suggestion, the median
        curve decides. Parameters and errors as for `RangeTestResult.suggest`.
        """
        single = [result.suggest(rule, schedule) for result in self.results]
        found = [s for s in single if s.lr is not None]
        if 2 * len(found) < len(single) or not found:
            return super().suggest(rule, schedule)
        if len(single) == 1:
            return found[0]
        lrs = [s.lr for s in found if s.lr is not None]
        lows, highs = [s.low for s in found if s.low is not None], [s.high for s in found if s.high is not None]
        lr, confidence = _geometric_mean(lrs), _mean([s.confidence for s in found if s.confidence is not None])
        reason = f"The middle of {lr_text(min(lrs))} … {lr_text(max(lrs))}, from {len(found)} of {len(single)} runs"
        reason += "" if confidence is None else f" (confidence {confidence:.0%})"
        reason += ", as the peak of a decaying schedule" if schedule == "decaying" else ""
        return replace(
            found[0],
            lr=lr,
            low=_geometric_mean(lows) if lows else None,
            high=_geometric_mean(highs) if highs else None,
            reason=f"{reason}.",
            confidence=confidence,
            index=int(np.argmin(np.abs(np.log(self.lrs / lr)))) if len(self) else None,
        )

    @property
    def spread_decades(self) -> float | None:
        """Standard deviation of the single suggestions in decades; None for fewer than two suggestions."""
        lrs = [result.suggested_lr for result in self.results]
        return _spread([lr for lr in lrs if lr is not None])

    def to_dataframe(self) -> pd.DataFrame:
        """One row per step of each run: run, step, lr, loss, smoothed_loss, and grad_norm where it was recorded."""
        import pandas as pd

        frames = [result.to_dataframe() for result in self.results]
        for run, frame in enumerate(frames):
            frame.insert(0, "run", run)
        return pd.concat(frames, ignore_index=True)

    def save(self, path: str | PathLike[str]) -> None:
        """Write all runs as JSON lines, readable by `load`; an existing file is replaced."""
        from lrwidget.log import write_results

        write_results(self.results, path)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> RepeatedResult:
        """Read what `save` has written, or the one run of a range test's file.

        Raises
        ------
        ValueError
            If the file is no such log; the message names the line.
        """
        from lrwidget.log import read_results

        return cls(read_results(path))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RepeatedResult):
            return NotImplemented
        return self.results == other.results

    __hash__ = None

    def __repr__(self) -> str:
        return f"<RepeatedResult: {len(self.results)} runs, {len(self)} steps, {self.stop_reason}>"

    def __str__(self) -> str:
        spread = self.spread_decades
        apart = "" if spread is None else f"\nThe runs' suggestions scatter by {spread:.2f} decades."
        first, rest = super().__str__().split("\n", 1)
        return (
            f"{len(self.results)} range tests, their median curve: {first.removeprefix('Range test: ')}\n{rest}{apart}"
        )


def checked_count(name: str, value: Any, lowest: int, remedy: str) -> int:
    """A whole number of at least `lowest`, or the error that says what came instead."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"need a whole number {name} >= {lowest}, got {name}={value!r}; pass an int")
    if value < lowest:
        raise ValueError(f"need {name} >= {lowest}, got {name}={value}; {remedy}")
    return int(value)


def _table(results: Sequence[RangeTestResult]) -> FloatArray:
    """Losses, shape (runs, n): infinite where a run has diverged, NaN where it has no say."""
    table = np.full((len(results), max(map(len, results))), np.nan)
    for row, result in zip(table, results, strict=True):
        row[: len(result)] = np.where(np.isnan(result.losses), np.inf, result.losses)
        if result.stop_reason in (StopReason.DIVERGED, StopReason.NOT_FINITE):
            row[len(result) :] = np.inf
    return table


def _quantile(ascending: FloatArray, counts: Any, q: float) -> FloatArray:
    """The quantile of each column of sorted losses, shape (runs, n), of which `counts`, shape (n,), have a say.

    Between two of them the outer one is taken, for the median their mean; so infinities stay what they are.
    """
    place = q * (counts - 1)
    lower, upper = (np.floor(place).astype(int), np.ceil(place).astype(int))
    columns = np.arange(ascending.shape[1])
    a: FloatArray = ascending[lower, columns]
    b: FloatArray = ascending[upper, columns]
    return a if q < 0.5 else b if q > 0.5 else (a + b) / 2


def _common_reason(results: Sequence[RangeTestResult]) -> StopReason:
    """What broke the runs; if nothing did, the reason that most of them ended for."""
    reasons = [result.stop_reason for result in results]
    broken = next((reason for reason in reasons if reason in _BROKEN), None)
    return broken or Counter(reasons).most_common(1)[0][0]


def _geometric_mean(values: Sequence[float]) -> float:
    return math.exp(math.fsum(map(math.log, values)) / len(values))


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _spread(lrs: Sequence[float]) -> float | None:
    return float(np.std(np.log10(lrs), ddof=1)) if len(lrs) > 1 else None
