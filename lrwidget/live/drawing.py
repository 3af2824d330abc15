"""What of a curve is drawn: few enough points for a browser, none that breaks a scale, a range that does not jump."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lrwidget.axes import loss_range
from lrwidget.result import FloatArray

MOST_POINTS = 500
_ROOM = 3.0  # how far beyond the shown range a value is drawn, in ranges: lines leave the picture in their direction
_EXTRA = 0.15  # how much further than needed a range grows during a run, so that it grows seldom
_SHRINK_BELOW = 0.4  # share of the old range that the new one may fill before it is taken

Range = tuple[float, float]


def spikes_kept(lrs: FloatArray, losses: FloatArray, most: int = MOST_POINTS) -> NDArray[np.int_]:
    """Which points to draw: at most so many, the lowest and the highest of each stretch, and always the last one.

    Parameters
    ----------
    lrs, losses
        Shape (n,); losses that are not finite are taken only where nothing else is in their stretch.
    most
        Even, at least 4.

    Returns
    -------
    ndarray
        Rising indices, shape (k,) with k <= most.
    """
    n = len(lrs)
    if n <= most:
        return np.arange(n)
    width = -(-n // (most // 2 - 1))
    stretches = np.arange(-(-n // width))
    table = np.full((len(stretches), width), np.nan)
    table.flat[:n] = losses
    finite = np.isfinite(table)
    lows = np.where(finite, table, np.inf).argmin(axis=1)
    highs = np.where(finite, table, -np.inf).argmax(axis=1)
    return np.unique(np.concatenate([stretches * width + lows, stretches * width + highs, [n - 1]]))


def evenly(lrs: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """At most `MOST_POINTS` points of a smooth line, both ends included; copies, shape (k,)."""
    if len(lrs) <= MOST_POINTS:
        return lrs.copy(), values.copy()
    indices = np.linspace(0, len(lrs) - 1, MOST_POINTS).astype(int)
    return lrs[indices], values[indices]


def shown_range(losses: FloatArray, smoothed: FloatArray, log: bool) -> Range:
    """The losses worth showing, (low, high), or their decimal logarithms."""
    return loss_range(as_log(losses), as_log(smoothed)) if log else loss_range(losses, smoothed)


def steady(old: Range | None, new: Range) -> Range:
    """A range for a curve that grows: the old one for as long as it fits, so that the picture does not jump."""
    if old is None:
        return new
    margin = _EXTRA * (new[1] - new[0])
    low = old[0] if old[0] <= new[0] else new[0] - margin
    high = old[1] if new[1] <= old[1] else new[1] + margin
    return (low, high) if new[1] - new[0] > _SHRINK_BELOW * (high - low) else new


def drawable(values: FloatArray, shown: Range, log: bool) -> FloatArray:
    """The values, or their decimal logarithms, as a scale takes them: finite or NaN, and nothing far outside."""
    room = _ROOM * (shown[1] - shown[0])
    kept = as_log(values) if log else np.where(np.isfinite(values), values, np.nan)
    return np.clip(kept, shown[0] - room, shown[1] + room)


def as_log(values: FloatArray) -> FloatArray:
    """Decimal logarithms; NaN for what has none."""
    with np.errstate(invalid="ignore", divide="ignore"):
        logs = np.log10(values)
    return np.where(np.isfinite(logs), logs, np.nan)
