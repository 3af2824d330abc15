"""The curves of a sweep's runs, made ready to be drawn one over the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lrwidget.axes import with_margin
from lrwidget.live.drawing import Range, evenly, shown_range
from lrwidget.result import FloatArray
from lrwidget.sweep_result import SweepRun

_HEADROOM = 0.5  # share of the fall that is shown above the start
_NONE = np.array([])


@dataclass(frozen=True)
class SweepCurve:
    """A smoothed curve up to its last finite value, few enough points to draw, and the losses worth showing of it."""

    num_steps: int
    lrs: FloatArray
    smoothed: FloatArray
    shown: Range


def curve_of(run: SweepRun, num_steps: int) -> SweepCurve:
    """The curve of a run that has so many steps."""
    if run.result is None:
        return SweepCurve(num_steps, _NONE, _NONE, (0.0, 1.0))
    smoothed = run.result.smoothed()
    finite = np.flatnonzero(np.isfinite(smoothed))
    end = int(finite[-1]) + 1 if len(finite) else 0
    return SweepCurve(
        num_steps, *evenly(run.result.lrs[:end], smoothed[:end]), shown_range(run.result.losses, smoothed, log=False)
    )


def shown_of_all(curves: list[SweepCurve]) -> Range:
    """The losses worth showing: where all the curves begin and fall to; one that explodes may leave the picture."""
    low = min(float(np.nanmin(curve.smoothed)) for curve in curves)
    high = max(curve.shown[1] for curve in curves)
    start = max(float(curve.smoothed[np.isfinite(curve.smoothed)][0]) for curve in curves)
    return with_margin(low, min(high, start + _HEADROOM * (start - low)))
