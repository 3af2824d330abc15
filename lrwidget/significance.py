"""Whether a fall on a recorded curve stands out from the noise."""

from __future__ import annotations

from functools import lru_cache
from statistics import NormalDist

import numpy as np

from lrwidget.smoothing import ROUNDING, Floats, median, noise_level

# Width in decades over which a loss has to stay low: no feature of a range test is narrower than a factor of four.
WINDOW_DECADES = 0.6
# What two tests for a fall, in standard errors, reach on normal noise in under one of a hundred curves.
FALL_ANYWHERE, FALL_AT_THE_END = 4.2, 3.3
# What both reach on ranks of noise in two of a hundred, and how fast doubt about these outweighs the size of a fall.
FALL_BY_RANK, RANK_SLOPE = 0.82, 10.0


def significance(levels: Floats, start: float, noise: float, steps_per_decade: float) -> float:
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
    by_size = _fall_significance(levels, start, (noise, late_noise), steps_per_decade)
    scores = _normal_scores(levels)
    opening = scores[: _opening_length(levels, steps_per_decade)]
    by_rank = _fall_significance(scores, median(opening), (1.0, 1.0), steps_per_decade)
    return min(by_size, max(1 + RANK_SLOPE * (by_rank / FALL_BY_RANK - 1), 0.0))


def _normal_scores(values: Floats) -> Floats:
    """What a sample of normal noise has at the rank of each value; equal values share theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    sums = np.concatenate([[0.0], np.cumsum(_normal_quantiles(len(values)))])
    ends = np.cumsum(counts)
    return np.asarray(((sums[ends] - sums[ends - counts]) / counts)[place])


@lru_cache(maxsize=64)
def _normal_quantiles(n: int) -> Floats:
    normal = NormalDist()
    return np.array([normal.inv_cdf((i + 0.5) / n) for i in range(n)])


def _opening_length(levels: Floats, steps_per_decade: float) -> int:
    return min(max(5, round(steps_per_decade)), max(1, len(levels) // 3))


def _fall_significance(levels: Floats, start: float, noises: tuple[float, float], steps_per_decade: float) -> float:
    """The larger of two tests for a fall, each relative to what noise alone may reach.

    One compares the lowest moving mean anywhere with the start, the other the lowest one in the last decade with all
    before; the latter knows where to look, so it needs less. `noises` are the levels that either takes for noise.
    """
    decade = max(5, round(steps_per_decade))
    opening = _opening_length(levels, steps_per_decade)
    window = min(max(3, round(WINDOW_DECADES * steps_per_decade)), len(levels) - opening // 2)
    # pi / 2: the variance of a median, relative to a mean's
    fall = start - _lowest_mean(levels[opening // 2 :], window)
    anywhere = _standard_errors(fall, noises[0], np.pi / 2 / opening + 1 / window) / FALL_ANYWHERE
    if len(levels) < 3 * decade:
        return anywhere
    before, late = levels[:-decade], levels[-decade:]
    fall = float(before.mean()) - _lowest_mean(late, window)
    at_the_end = _standard_errors(fall, noises[1], 1 / len(before) + 1 / window) / FALL_AT_THE_END
    return max(anywhere, at_the_end)


def _lowest_mean(values: Floats, window: int) -> float:
    return float(np.convolve(values, np.full(window, 1 / window), mode="valid").min())


def _standard_errors(fall: float, noise: float, variance: float) -> float:
    """A fall in units of its standard error: noise times the root of a relative variance."""
    if fall <= 0:
        return 0.0
    return fall / (noise * float(np.sqrt(variance))) if noise > 0 else np.inf
