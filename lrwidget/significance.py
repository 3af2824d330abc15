"""Whether a fall on a recorded curve stands out from the noise."""

from __future__ import annotations

from functools import lru_cache
from statistics import NormalDist

import numpy as np

from lrwidget.result import FloatArray
from lrwidget.smoothing import ROUNDING, noise_level

# Widths in decades of the windows in which a loss has to stay low: no feature of a range test is narrower than a factor
# of four, and the bottom of a curve may be long.
WINDOW_DECADES = 0.6
WINDOWS_DECADES = (WINDOW_DECADES, 1.2, 2.4)
# What two tests for a fall, in standard errors, reach on normal noise in under one of a hundred curves.
FALL_ANYWHERE, FALL_AT_THE_END = 3.8, 3.3
# What both reach on ranks of noise in about one of a hundred, and how fast doubt about these outweighs the size of a
# fall.
FALL_BY_RANK, RANK_SLOPE = 0.95, 2.0


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
    by_size = _fall_significance(levels - start, (noise, late_noise), steps_per_decade)
    by_rank = _fall_significance(_normal_scores(levels), (1.0, 1.0), steps_per_decade)
    return min(by_size, max(1 + RANK_SLOPE * (by_rank / FALL_BY_RANK - 1), 0.0))


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


def _normal_scores(values: FloatArray) -> FloatArray:
    """What a sample of normal noise has at the rank of each value; equal values share theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    sums = np.concatenate([[0.0], np.cumsum(_normal_quantiles(len(values)))])
    ends = np.cumsum(counts)
    return np.asarray(((sums[ends] - sums[ends - counts]) / counts)[place])


@lru_cache(maxsize=64)
def _normal_quantiles(n: int) -> FloatArray:
    normal = NormalDist()
    return np.array([normal.inv_cdf((i + 0.5) / n) for i in range(n)])


def _fall_significance(levels: FloatArray, noises: tuple[float, float], steps_per_decade: float) -> float:
    """The larger of two tests for a fall, each relative to what noise alone may reach.

    One looks for it anywhere, the other in the last decade; the latter knows where to look, so it needs less. `noises`
    are the levels that either takes for noise.
    """
    decade = max(5, round(steps_per_decade))
    widths = [max(3, round(decades * steps_per_decade)) for decades in WINDOWS_DECADES]
    opening = min(decade, max(1, len(levels) // 3))
    anywhere = _largest_fall(levels, opening, widths, noises[0]) / FALL_ANYWHERE
    if len(levels) < 3 * decade:
        return anywhere
    return max(anywhere, _largest_fall(levels, len(levels) - decade, widths[:1], noises[1]) / FALL_AT_THE_END)


def _largest_fall(levels: FloatArray, first: int, widths: list[int], noise: float) -> float:
    """How far the mean of a window that begins at `first` or later lies below the mean of all before it, at most.

    In standard errors for this noise. A window that is too wide ends with the levels.
    """
    sums = np.append(0.0, levels.cumsum())
    largest = 0.0
    for width in (min(width, len(levels) - first) for width in widths):
        end = len(levels) - width + 1
        begins = np.arange(first, end)
        falls = sums[first:end] / begins - (sums[first + width :] - sums[first:end]) / width
        largest = max(largest, float((falls / np.sqrt(1 / begins + 1 / width)).max()))
    if largest == 0:
        return 0.0
    return largest / noise if noise > 0 else np.inf
