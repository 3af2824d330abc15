"""What several range tests of one sweep say together: their median curve, its band, and one suggestion."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from lrwidget.axes import short_number
from lrwidget.diagnosis import Diagnosis
from lrwidget.result import FloatArray, RangeTestResult, StopReason
from lrwidget.suggestions import ScheduleKind, Suggestion, nearest_step

if TYPE_CHECKING:
    import pandas as pd


class RepeatedResult(RangeTestResult):
    """Several range tests as one: their median curve, its band, and a suggestion from all of them.

    Everything that a `RangeTestResult` has, of the median curve; only `suggest` looks at the single ones, and the
    `diagnosis` where its suggestion comes from them. A run that was cut from outside (stopped, interrupted, failed)
    adds its losses to the curve; what it suggests counts only where no run has ended by itself.

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
            raise ValueError("need at least one range test, got none; run one first")
        longest = max(results, key=len)
        if any(not np.array_equal(r.lrs, longest.lrs[: len(r)]) for r in results):
            raise ValueError("need range tests of one sweep, got other learning rates; use the same finder for all")
        losses = np.sort(_table(results), axis=0)
        counts = (~np.isnan(losses)).sum(axis=0)
        middle, low, high = (_quantile(losses, counts, q) for q in (0.5, 0.25, 0.75))
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

    def suggest(self, rule: str = "default", schedule: ScheduleKind = "constant") -> Suggestion:
        """One learning rate from all runs: the geometric mean of their suggestions.

        Its interval is the geometric mean of theirs. Where fewer than half of the runs have a suggestion, the median
        curve decides. Parameters and errors as for `RangeTestResult.suggest`.
        """
        found = [suggestion for _, suggestion in self._found(rule, schedule)]
        if not found:
            return super().suggest(rule, schedule)
        num_cut = len(self.results) - len(self._whole)
        left_out = f" Left out: {num_cut} that {'was' if num_cut == 1 else 'were'} cut short." if num_cut else ""
        if len(self._whole) == 1:
            return replace(found[0], reason=found[0].reason + left_out)
        if self.is_one_run:
            return replace(found[0], reason=f"{self._of_one_run()} {found[0].reason}{left_out}")
        lrs = [s.lr for s in found if s.lr is not None]
        lows, highs = [s.low for s in found if s.low is not None], [s.high for s in found if s.high is not None]
        lr, confidence = _geometric_mean(lrs), _mean([s.confidence for s in found if s.confidence is not None])
        spread = f"{short_number(min(lrs))} … {short_number(max(lrs))}"
        reason = f"The middle of {spread}, from {len(found)} of {len(self._whole)} runs"
        reason += "" if confidence is None else f" (confidence {confidence:.0%})"
        reason += ", as the peak of a decaying schedule" if schedule == "decaying" else ""
        return replace(
            found[0],
            lr=lr,
            low=_geometric_mean(lows) if lows else None,
            high=_geometric_mean(highs) if highs else None,
            reason=f"{reason}.{left_out}",
            confidence=confidence,
            index=nearest_step(self.lrs, lr) if len(self) else None,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.results,)

    @property
    def diagnosis(self) -> Diagnosis:
        """What the curves say in words: where the runs suggest a rate, what most of those that do say.

        The median of curves that fall at different rates may not fall at all, and would deny the suggestion beside it.
        Where the median curve decides on the suggestion, it is the median curve's.
        """
        single = [result.diagnosis for result, _ in self._found()]
        if not single:
            return super().diagnosis
        kind = Counter(diagnosis.kind for diagnosis in single).most_common(1)[0][0]
        return next(diagnosis for diagnosis in single if diagnosis.kind == kind)

    @property
    def is_one_run(self) -> bool:
        """Whether several runs have recorded the very same losses: they say what one says."""
        first, *others = (result.losses for result in self._whole)
        return (
            bool(others) and len(first) > 0 and all(np.array_equal(first, losses, equal_nan=True) for losses in others)
        )

    @property
    def spread_decades(self) -> float | None:
        """Standard deviation of the single suggestions in decades; None for fewer than two that may differ."""
        if self.is_one_run:
            return None
        lrs = [result.suggested_lr for result in self._whole]
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
        num_runs = "1 run" if len(self.results) == 1 else f"{len(self.results)} runs"
        return f"<RepeatedResult: {num_runs}, {len(self)} steps, {self.stop_reason}>"

    def __str__(self) -> str:
        spread = self.spread_decades
        apart = "" if spread is None else f"\nThe runs' suggestions scatter by {spread:.2f} decades."
        apart = f"\n{self._of_one_run()}" if self.is_one_run else apart
        first, rest = super().__str__().split("\n", 1)
        num_runs = len(self.results)
        what = "1 range test" if num_runs == 1 else f"{num_runs} range tests, their median curve"
        return f"{what}: {first.removeprefix('Range test: ')}\n{rest}{apart}"

    def _found(
        self, rule: str = "default", schedule: ScheduleKind = "constant"
    ) -> list[tuple[RangeTestResult, Suggestion]]:
        """The runs that have a suggestion, and what it is; none where fewer than half of them have one."""
        asked = [(result, result.suggest(rule, schedule)) for result in self._whole]
        found = [(result, suggestion) for result, suggestion in asked if suggestion.lr is not None]
        return found if 2 * len(found) >= len(asked) else []

    @property
    def _whole(self) -> list[RangeTestResult]:
        """The runs that have ended by themselves; all where none has.

        What was cut while it fell would suggest the rate that it was cut at.
        """
        return [result for result in self.results if not result.stop_reason.is_from_outside] or [*self.results]

    def _of_one_run(self) -> str:
        return f"The {len(self._whole)} runs are the same, loss by loss: shuffle, unless each batch is all the data."


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


def broken_by(reasons: Sequence[StopReason | None]) -> StopReason | None:
    """What broke one of several runs with these reasons to end; None where nothing did."""
    return next((reason for reason in reasons if reason is not None and reason.is_from_outside), None)


def _common_reason(results: Sequence[RangeTestResult]) -> StopReason:
    """What broke the runs; if nothing did, the reason that most of them ended for."""
    reasons = [result.stop_reason for result in results]
    return broken_by(reasons) or Counter(reasons).most_common(1)[0][0]


def _geometric_mean(values: Sequence[float]) -> float:
    return math.exp(math.fsum(map(math.log, values)) / len(values))


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _spread(lrs: Sequence[float]) -> float | None:
    return float(np.std(np.log10(lrs), ddof=1)) if len(lrs) > 1 else None
