"""One range test as the widget keeps it: while it runs, and among the earlier ones."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from lrwidget.finder import LearningRateFinder
from lrwidget.live.drawing import Range, shown_range
from lrwidget.live.series import Series
from lrwidget.repeat_result import RepeatedResult
from lrwidget.repeats import RepeatRecord
from lrwidget.result import FloatArray, RangeTestResult, StepRecord
from lrwidget.smoothing import smooth

if TYPE_CHECKING:
    import pandas as pd


class Measurement:
    """A curve with its name, its settings and, once it has ended, its result.

    Several range tests in one run (repeats) are one measurement: while they go on its curve is that of the newest,
    in the end it is their median.

    Parameters
    ----------
    number
        Counted from 1 over the life of a widget; also its place among the colours.
    settings
        What it runs, or ran, with.
    """

    def __init__(self, number: int, settings: LearningRateFinder) -> None:
        self.number = number
        self.name = f"Run {number}"
        self.is_shown = True
        self.settings = settings
        self.result: RangeTestResult | None = None
        self._tests = [Series()]
        self._num_followed = 0
        self._smoothed: tuple[object, FloatArray] | None = None

    @property
    def num_points(self) -> int:
        """How many points its curve has."""
        return len(self.lrs)

    def follow(self, records: Sequence[StepRecord | RepeatRecord]) -> None:
        """Take in what the run has recorded since the last call."""
        new = records[self._num_followed :]
        for test, group in groupby(new, lambda record: getattr(record, "run", 0)):
            while test >= len(self._tests):
                self._tests.append(Series())
            self._tests[test].extend([*group])
        self._num_followed += len(new)

    def finish(self, result: RangeTestResult) -> None:
        """Keep the result; its curve is the one from now on."""
        self.result = result
        self._tests = [Series()]
        self._smoothed = None

    @property
    def _curve(self) -> RangeTestResult | Series:
        return self._tests[-1] if self.result is None else self.result

    @property
    def lrs(self) -> FloatArray:
        """Learning rates so far, shape (n,)."""
        return self._curve.lrs

    @property
    def losses(self) -> FloatArray:
        """Raw losses so far, shape (n,)."""
        return self._curve.losses

    @property
    def grad_norms(self) -> FloatArray | None:
        """Gradient norms so far, shape (n,), or None."""
        return self._curve.grad_norms

    @property
    def earlier_tests(self) -> list[Series]:
        """While repeats go on: those before the newest."""
        return self._tests[:-1]

    @property
    def band(self) -> tuple[FloatArray, FloatArray] | None:
        """The quartiles of finished repeats, two arrays of shape (n,); None where there are none."""
        if isinstance(self.result, RepeatedResult) and len(self.result.results) > 1:
            return self.result.low_losses, self.result.high_losses
        return None

    def smoothed(self, smooth_factor: float) -> FloatArray:
        """The smoothed losses, shape (n,); computed once for a factor and a length."""
        lrs, losses = self.lrs, self.losses
        key = len(self._tests), len(lrs), smooth_factor
        if self._smoothed is None or self._smoothed[0] != key:
            self._smoothed = key, smooth(lrs, losses, smooth_factor)
        return self._smoothed[1]

    def shown_range(self, smooth_factor: float, log: bool) -> Range:
        """The losses worth showing, (low, high)."""
        return shown_range(self.losses, self.smoothed(smooth_factor), log)

    def to_dataframe(self, smooth_factor: float) -> pd.DataFrame:
        """One row per step: run, step, lr, loss, smoothed_loss, and grad_norm where it was recorded.

        Repeats are told apart by their names, ``Run 1.1``, ``Run 1.2`` ...
        """
        import pandas as pd

        tests: Sequence[RangeTestResult | Series] = self._tests
        if self.result is not None:
            tests = self.result.results if isinstance(self.result, RepeatedResult) else [self.result]
        names = [self.name] if len(tests) == 1 else [f"{self.name}.{i}" for i in range(1, len(tests) + 1)]
        return pd.concat(
            [_table(name, test, smooth_factor) for name, test in zip(names, tests, strict=True)], ignore_index=True
        )


def _table(name: str, curve: RangeTestResult | Series, smooth_factor: float) -> pd.DataFrame:
    import pandas as pd

    lrs, losses, norms = curve.lrs, curve.losses, curve.grad_norms
    columns: dict[str, object] = {
        "run": [name] * len(lrs),
        "step": np.arange(len(lrs)),
        "lr": lrs.copy(),
        "loss": losses.copy(),
        "smoothed_loss": smooth(lrs, losses, smooth_factor),
    }
    if norms is not None:
        columns["grad_norm"] = norms.copy()
    return pd.DataFrame(columns)
