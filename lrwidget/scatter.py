"""How far the losses of a training scatter around their trend, and what that means for their mean."""

from __future__ import annotations

import math

import numpy as np

from lrwidget.result import FloatArray
from lrwidget.robust import MAD_TO_SD

_FEWEST = 4  # values: fewer leave next to nothing around a line


def standard_error(values: FloatArray) -> float:
    """Standard error of the mean of a stretch of a training's losses, shape (n,).

    The trend is taken out, and neighbouring steps may depend on each other: the long-run variance is estimated with
    Bartlett weights up to a lag of n^(1/3). Infinite for fewer than four values.

    References
    ----------
    W. K. Newey, K. D. West, "A simple, positive semi-definite, heteroskedasticity and autocorrelation consistent
    covariance matrix", Econometrica 55 (1987).
    """
    n = len(values)
    if n < _FEWEST:
        return math.inf
    rest = _without_trend(values)
    variance = float(rest @ rest) / (n - 2)
    max_lag = round(n ** (1 / 3))
    covariances = [float(rest[lag:] @ rest[:-lag]) / (n - 2) for lag in range(1, max_lag + 1)]
    long_run = variance + sum(2 * (1 - lag / (max_lag + 1)) * c for lag, c in enumerate(covariances, 1))
    # Noise that alternates would make the mean look better than independent noise does; do not rely on it.
    return math.sqrt(max(long_run, variance) / n)


def deviation(values: FloatArray) -> float:
    """Standard deviation of values, shape (n,), around their trend; infinite for fewer than four."""
    n = len(values)
    if n < _FEWEST:
        return math.inf
    rest = _without_trend(values)
    return math.sqrt(float(rest @ rest) / (n - 2))


def scatter(values: FloatArray) -> float:
    """As `deviation`, but a few spikes do not raise it: the median distance from the median, where that is less.

    It is scaled so that both are the same for normal noise.
    """
    if len(values) < _FEWEST:
        return math.inf
    return min(deviation(values), MAD_TO_SD * float(np.median(np.abs(values - np.median(values)))))


def _without_trend(values: FloatArray) -> FloatArray:
    steps = np.arange(len(values)) - (len(values) - 1) / 2
    rest: FloatArray = values - values.mean()
    return rest - steps * ((steps @ rest) / (steps @ steps))
