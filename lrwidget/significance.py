"""Whether a fall on a recorded curve stands out from the noise."""

from __future__ import annotations

from functools import lru_cache
from statistics import NormalDist

import numpy as np

from lrwidget.result import FloatArray
from lrwidget.robust import ROUNDING, noise_level

# Widths in decades of the windows in which a loss has to stay low: no feature of a range test is narrower than a factor
# of four, and the bottom of a curve may be long.
WINDOW_DECADES = 0.6
WINDOWS_DECADES = (WINDOW_DECADES, 1.2, 2.4)
# What two tests for a fall, in standard errors, reach on normal noise in under one of a hundred curves.
FALL_ANYWHERE, FALL_AT_THE_END = 3.8, 3.3
# What both reach on ranks of noise in about one of a hundred, and how fast doubt about these outweighs the size of a
# fall. Few ranks do not reach so much: then it is 1 less this share of each; under nine prove nothing.
FALL_BY_RANK, RANK_SLOPE = 0.95, 2.0
FEW_RANKS, LEAST_RANKS = 3.6, 9


def significance(levels: FloatArray, start: float, noise: float, steps_per_decade: float) -> float:
    """How much a fall stands out: in units of the noise, but no more than the ranks of the losses allow.

    Parameters
    ----------
    levels
        Shape (n,): the losses before any explosion.
    start, noise
        The level and the noise before anything happens.
    steps_per_decade
        How fast the sweep is.

    Returns
    -------
    float
        Noise alone reaches 1 in about one of a hundred curves.

    Notes
    -----
    Noise with heavy tails, or to one side, has low means by chance, and then its size says nothing. Its ranks are
    those of normal noise, whatever its distribution; on the other hand they do not show how large a fall is.
    """
    late_noise = max(noise_level(levels), ROUNDING * abs(start))
    # Both readings in one array: there is little in each, and much around it.
    anywhere, at_the_end = _largest_falls(np.stack([levels - start, _normal_scores(levels)]), steps_per_decade)
    by_size = max(_in_units(anywhere[0], noise) / FALL_ANYWHERE, _in_units(at_the_end[0], late_noise) / FALL_AT_THE_END)
    by_rank = max(anywhere[1] / FALL_ANYWHERE, at_the_end[1] / FALL_AT_THE_END)
    is_enough = len(levels) >= LEAST_RANKS
    wanted = min(FALL_BY_RANK, 1 - FEW_RANKS / len(levels)) if is_enough else FALL_BY_RANK
    return float(min(by_size, max(1 + RANK_SLOPE * (by_rank / wanted - 1), 0.0)))


def rise_before_end(levels: FloatArray, steps_per_decade: float) -> float:
    """How far the last levels lie above all before, by rank: in standard deviations, 0 where there are too few of them.

    Parameters
    ----------
    levels
        Shape (n,): the losses before an explosion; the last ones are those of `WINDOW_DECADES`.
    steps_per_decade
        How fast the sweep is.
    """
    width = max(3, round(WINDOW_DECADES * steps_per_decade))
    if len(levels) < 2 * width:
        return 0.0
    scores = _normal_scores(levels)
    return float(scores[-width:].mean() - scores[:-width].mean())


def trend(levels: FloatArray) -> float:
    """How surely losses rise all along: the correlation of their ranks with the step, in standard errors.

    Parameters
    ----------
    levels
        Shape (n,); fewer than two, or equal ones, have none.
    """
    scores, steps = _normal_scores(levels), np.arange(len(levels)) - (len(levels) - 1) / 2
    spread = float(np.sqrt((scores @ scores) * (steps @ steps)))
    return float(scores @ steps) / spread * np.sqrt(len(levels) - 1) if spread else 0.0


def _normal_scores(values: FloatArray) -> FloatArray:
    """What a sample of normal noise has at the rank of each value; equal values share theirs."""
    ordered = np.sort(values)
    first, after = np.searchsorted(ordered, values), np.searchsorted(ordered, values, "right")
    sums = np.concatenate([[0.0], np.cumsum(_normal_quantiles(len(values)))])
    scores: FloatArray = (sums[after] - sums[first]) / (after - first)
    return scores


@lru_cache(maxsize=64)
def _normal_quantiles(n: int) -> FloatArray:
    normal = NormalDist()
    return np.array([normal.inv_cdf((i + 0.5) / n) for i in range(n)])


def _largest_falls(readings: FloatArray, steps_per_decade: float) -> tuple[FloatArray, FloatArray]:
    """Two tests for a fall, on readings of shape (k, n): how far each falls at most, in standard errors of noise 1.

    One looks for it anywhere, the other in the last decade; the latter knows where to look, so it needs less. It is 0
    where there is less than three decades.
    """
    num_levels = readings.shape[1]
    decade = max(5, round(steps_per_decade))
    widths = [max(3, round(decades * steps_per_decade)) for decades in WINDOWS_DECADES]
    opening = min(decade, max(1, num_levels // 3))
    sums = np.concatenate([np.zeros((len(readings), 1)), readings.cumsum(axis=1)], axis=1)
    anywhere = np.max([_largest_fall(sums, opening, width) for width in widths], axis=0)
    if num_levels < 3 * decade:
        return anywhere, np.zeros(len(readings))
    return anywhere, _largest_fall(sums, num_levels - decade, widths[0])


def _largest_fall(sums: FloatArray, first: int, width: int) -> FloatArray:
    """How far the mean of a window that begins at `first` or later lies below the mean of all before it; 0 at least.

    `sums` are those of the first levels, from none to all of them, shape (k, n + 1). A window that is too wide ends
    with the levels.
    """
    num_levels = sums.shape[1] - 1
    width = min(width, num_levels - first)
    end = num_levels - width + 1
    begins = np.arange(first, end)
    falls = sums[:, first:end] / begins - (sums[:, first + width :] - sums[:, first:end]) / width
    largest: FloatArray = (falls / np.sqrt(1 / begins + 1 / width)).max(axis=1)
    return np.maximum(largest, 0.0)


def _in_units(fall: float, noise: float) -> float:
    if fall == 0:
        return 0.0
    return float(fall) / float(noise) if noise > 0 else np.inf  # of more than there are numbers: infinity
