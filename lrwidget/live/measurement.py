"""One range test as the widget keeps it: while it runs, and among the earlier ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lrwidget.finder import LearningRateFinder
from lrwidget.live.drawing import Range, shown_range
from lrwidget.live.series import Series
from lrwidget.result import FloatArray, RangeTestResult, StepRecord
from lrwidget.smoothing import smooth

if TYPE_CHECKING:
    import pandas as pd


class Measurement:
    """A curve with its name, its settings and, once it has ended, its result.

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
        self._series = Series()
        self._smoothed: tuple[int, float, FloatArray] | None = None  # of so many points, with that factor

    def __len__(self) -> int:
        return len(self.lrs)

    def follow(self, records: Sequence[StepRecord]) -> None:
        """Take in what the run has recorded since the last call."""
        self._series.follow(records)

    def finish(self, result: RangeTestResult) -> None:
        """Keep the result; its curve is the one from now on."""
        self.result = result
        self._series = Series()
        self._smoothed = None

    @property
    def lrs(self) -> FloatArray:
        """Learning rates so far, shape (n,)."""
        return self._series.lrs if self.result is None else self.result.lrs

    @property
    def losses(self) -> FloatArray:
        """Raw losses so far, shape (n,)."""
        return self._series.losses if self.result is None else self.result.losses

    @property
    def grad_norms(self) -> FloatArray | None:
        """Gradient norms so far, shape (n,), or None."""
        return self._series.grad_norms if self.result is None else self.result.grad_norms

    def smoothed(self, smooth_factor: float) -> FloatArray:
        """The smoothed losses, shape (n,); computed once for a factor and a length."""
        lrs, losses = self.lrs, self.losses
        cached = self._smoothed
        if cached is None or cached[:2] != (len(lrs), smooth_factor):
            cached = len(lrs), smooth_factor, smooth(lrs, losses, smooth_factor)
            self._smoothed = cached
        return cached[2]

    def shown_range(self, smooth_factor: float, log: bool) -> Range:
        """The losses worth showing, (low, high)."""
        return shown_range(self.losses, self.smoothed(smooth_factor), log)

    def to_dataframe(self, smooth_factor: float) -> pd.DataFrame:
        """One row per step: run, step, lr, loss, smoothed_loss, and grad_norm where it was recorded."""
        import pandas as pd

        lrs, norms = self.lrs, self.grad_norms
        columns = {
            "run": [self.name] * len(lrs),
            "step": np.arange(len(lrs)),
            "lr": lrs.copy(),
            "loss": self.losses[: len(lrs)].copy(),
            "smoothed_loss": self.smoothed(smooth_factor).copy(),
        }
        if norms is not None:
            columns["grad_norm"] = norms[: len(lrs)].copy()
        return pd.DataFrame(columns)
