"""Levels and noise of recorded losses that single wild ones do not move."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from lrwidget.result import FloatArray

# How far out of line a single loss has to be, in noise levels beyond its neighbours' own spread, to count as a spike;
# and how far noise alone spreads four neighbours.
SPIKE, USUAL_SPREAD = 5.0, 2.0
MAD_TO_SD = 1.4826
# The places of the other four, for each of five.
OTHERS_OF_FIVE = np.array([[k for k in range(5) if k != skipped] for skipped in range(5)])
# Losses beyond this are as good as infinite: sums of their squares would overflow.
HUGE = 1e100
# What is left of a level when it is averaged: under the digits that a shifted loss still has.
ROUNDING = 1e-13


def median(values: FloatArray) -> float:
    """The median of finite values, shape (n,), n > 0: of a hundred in a fifth of the time that NumPy's takes."""
    ordered = np.sort(values)
    return float(ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


def quantiles(values: FloatArray, shares: Sequence[float]) -> list[float]:
    """What so many of the values, shape (n,), n > 0, lie below: as NumPy's, but fast for few values as `median` is."""
    ordered = np.sort(values)
    places = np.array(shares) * (len(ordered) - 1)
    return [float(value) for value in np.interp(places, np.arange(len(ordered)), ordered)]


def noise_level(values: FloatArray, order: int = 2) -> float:
    """Standard deviation of the noise around a smooth curve, from its differences; robust, 0 for too few values.

    For independent noise of standard deviation s a difference of order k has standard deviation
    ``sqrt(comb(2 * k, k)) * s``, and of a polynomial of lower order none is left. The median of its size is not moved
    by a few spikes or by the steep stretches of the curve. A higher order sees less of the curve, but is less certain.
    """
    if len(values) < order + 1:
        return 0.0
    typical_difference = median(np.abs(np.diff(values, order)))
    return MAD_TO_SD * typical_difference / math.sqrt(math.comb(2 * order, order))


def running_median(values: FloatArray, width: int) -> FloatArray:
    """Medians of a window around each value; no single value makes one.

    At the beginning they are those of the first whole window. The last one is of three: it may be still falling.
    """
    return _running(values, width, lambda windows: np.sort(windows, axis=1)[:, windows.shape[1] // 2])


def running_trimmed_mean(values: FloatArray, width: int) -> FloatArray:
    """Means of a window around each value without its highest and its lowest; the ends as of `running_median`.

    No single value makes one either, and none that is changed moves it by more than its share of the others' spread:
    a median jumps to the next value, however far that is.
    """
    return _running(values, width, lambda windows: np.sort(windows, axis=1)[:, 1:-1].mean(axis=1))


def _running(values: FloatArray, width: int, middle: Callable[[FloatArray], FloatArray]) -> FloatArray:
    """The middle of a window around each value; `middle` takes windows of shape (k, odd number) and returns (k,)."""
    half = width // 2
    if len(values) < width:
        return values
    starts = np.arange(len(values) - width + 1)
    inner = middle(values[starts[:, None] + np.arange(width)])
    ends = [middle(values[None, len(values) - 2 * k - 1 :]) for k in (*range(half - 1, 0, -1), 1)]
    return np.concatenate([np.full(half, inner[0]), inner, *ends])


def without_spikes(values: FloatArray, usual_spread: float = 0.0) -> FloatArray:
    """The values with single outliers replaced by the median of their four neighbours.

    Near an end those are the other four of the outermost five. A high value among the last two stays: it may be where
    an explosion begins. Of the neighbours' spread so many noise levels do not count; by default all of it does, as wild
    losses are the first sign of an explosion.
    """
    num_values = len(values)
    if num_values < 5:
        return values
    places = np.arange(num_values)
    first = np.minimum(np.maximum(places - 2, 0), num_values - 5)
    neighbours = values[first[:, None] + OTHERS_OF_FIVE[places - first]]
    ordered = np.sort(neighbours, axis=1)
    middle = (ordered[:, 1] + ordered[:, 2]) / 2
    # Twice the neighbours' own range: neither a sharp minimum nor a steep slope looks like a spike.
    noise = noise_level(values)
    limit = SPIKE * noise + 2 * np.maximum(ordered[:, 3] - ordered[:, 0] - usual_spread * noise, 0.0)
    is_spike = np.abs(values - middle) > limit
    is_spike[-2:] &= values[-2:] < middle[-2:]
    return np.where(is_spike, middle, values)
