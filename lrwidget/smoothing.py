"""Smoothing of a recorded loss curve, without lag.

A running mean answers with the past: on an exponential sweep of 100 steps it shows the curve half a decade too far
right. Here every point is fitted by a straight line through a window centred on it, so nothing moves. The window is as
wide as the wanted noise reduction asks for, but grows only where the wider fit agrees with the narrower one: a flat,
noisy stretch is averaged in full, a sharp minimum or the start of an explosion keeps its place.
"""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lrwidget.result import FloatArray
from lrwidget.robust import HUGE, USUAL_SPREAD, median, noise_level, without_spikes

# A wider fit is taken in full while it differs from the narrower one by no more than `AGREE` standard errors of that,
# and not at all beyond `DIFFER`. Two and four are the usual "plausible" and "impossible" of normal noise.
AGREE, DIFFER = 2.0, 4.0
# Third differences of noise alone change their sign from one to the next in 77 of 100 places (arccos(-3/4) / pi), those
# of a smooth curve in few. Up to the first share there is no noise, from the second on all of it.
NO_NOISE, ALL_NOISE = 0.5, 0.6


def smooth(lrs: ArrayLike, losses: ArrayLike, smooth_factor: float = 0.05) -> FloatArray:
    """Smooth a loss curve without moving it along the learning-rate axis.

    Parameters
    ----------
    lrs
        Learning rates, shape (n,), positive and rising. Windows are counted in steps of the sweep, so exponential and
        linear spacing are treated alike.
    losses
        Raw loss of each step, shape (n,). What is not finite, or larger than 1e100, is left out of every window and
        returned as it came.
    smooth_factor
        In (0, 1]: on noise around a straight line the result is as quiet as an exponential running mean that gives
        the newest loss this weight (variance ``smooth_factor / (2 - smooth_factor)``). 1 returns the losses; so does
        any factor of a curve without noise.

    Returns
    -------
    ndarray
        Smoothed losses, shape (n,). ``smooth(lrs, c * losses + d)`` is ``c * smooth(lrs, losses) + d``.

    Raises
    ------
    ValueError
        If the shapes differ, the learning rates are not positive and rising, or the factor is outside (0, 1].

    Notes
    -----
    Local linear fits over windows of growing width are aggregated stage by stage, each weighted by how well it agrees
    with what is there already in units of the noise; the noise level is a robust mean of third differences, where
    these change their signs as those of noise do. Single spikes are replaced by the median of their neighbours first.

    References
    ----------
    D. Belomestny, V. Spokoiny, "Spatial aggregation of local likelihood estimates with applications to
    classification", Annals of Statistics 35 (2007).
    """
    _, losses = checked_curve(lrs, losses)
    check_smooth_factor(smooth_factor)
    smoothed = losses.copy()
    usable = np.abs(losses) <= HUGE  # False for NaN
    if smooth_factor == 1 or usable.sum() < 3:
        return smoothed
    # Work on numbers of order one: nothing overflows, and the scale drops out of every comparison.
    centre, scale = _centre_and_scale(losses[usable])
    values = without_spikes((losses[usable] - centre) / scale, usual_spread=USUAL_SPREAD)
    smoothed[usable] = centre + scale * _aggregate(usable, values, (2 - smooth_factor) / smooth_factor)
    return smoothed


def running_mean(losses: ArrayLike, smooth_factor: float = 0.05) -> FloatArray:
    """The exponential running mean of the tutorial: first loss first, then ``f * loss + (1 - f) * mean``.

    Parameters
    ----------
    losses
        Raw losses, shape (n,). What is not finite is returned as it came and does not enter the mean.
    smooth_factor
        Weight of the newest loss, in (0, 1].

    Returns
    -------
    ndarray
        Running mean, shape (n,). It lags: use `smooth` to look at a curve.

    Raises
    ------
    ValueError
        If `losses` is not one-dimensional or the factor is outside (0, 1].
    """
    means = np.array(losses, dtype=float)
    if means.ndim != 1:
        raise ValueError(f"need losses of shape (n,), got shape {means.shape}; pass those of one run")
    check_smooth_factor(smooth_factor)
    mean: float | None = None
    for i in np.flatnonzero(np.isfinite(means)):
        mean = means[i] if mean is None else smooth_factor * means[i] + (1 - smooth_factor) * mean
        means[i] = mean
    return means


def centred_mean(losses: FloatArray, smooth_factor: float = 0.1) -> FloatArray:
    """A mean over the steps around each step: without lag, and calm where a training jumps.

    Parameters
    ----------
    losses
        Shape (n,). What is not finite is returned as it came and does not enter the means.
    smooth_factor
        In (0, 1]: the mean is taken over ``(2 - f) / f`` steps, as quiet as a running mean that gives the newest loss
        the weight f. Fewer at both ends; at the beginning, where losses fall fast, as many before as after.

    Returns
    -------
    ndarray
        Shape (n,).
    """
    check_smooth_factor(smooth_factor)
    n, reach = len(losses), round((1 - smooth_factor) / smooth_factor)
    steps = np.arange(n)
    finite = np.isfinite(losses)
    sums, counts = (np.concatenate([[0.0], np.cumsum(v)]) for v in (np.where(finite, losses, 0.0), finite))
    before = np.minimum(steps, reach)
    start, end = steps - before, np.minimum(steps + before, n - 1) + 1
    means = (sums[end] - sums[start]) / np.maximum(counts[end] - counts[start], 1.0)
    return np.where(finite, means, losses)


def checked_curve(lrs: ArrayLike, losses: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """The curve as two float arrays of shape (n,), or a ValueError that says what is wrong with it."""
    lrs, losses = np.asarray(lrs, dtype=float), np.asarray(losses, dtype=float)
    if lrs.ndim != 1 or lrs.shape != losses.shape:
        raise ValueError(
            f"need lrs and losses of the same shape (n,), got {lrs.shape} and {losses.shape}; one of each per step"
        )
    is_positive = not len(lrs) or 0 < lrs[0] <= lrs[-1] < np.inf
    if not (is_positive and (lrs[1:] > lrs[:-1]).all()):  # False for NaN
        raise ValueError("need finite, positive, rising learning rates; sort the curve by its learning rates first")
    return lrs, losses


def check_smooth_factor(smooth_factor: float) -> None:
    """Raise ValueError unless the factor is in (0, 1]."""
    if not 0 < smooth_factor <= 1:
        raise ValueError(f"need 0 < smooth_factor <= 1, got smooth_factor={smooth_factor}; 1 does not smooth")


def _centre_and_scale(values: FloatArray) -> tuple[float, float]:
    """A typical value and a typical spread, both robust; the spread is 1 for a constant."""
    centre = median(values)
    spread = np.abs(values - centre)
    # The second term is for curves that are constant but for a few losses, and keeps the quotients finite.
    return centre, max(median(spread), 1e-30 * float(spread.max())) or 1.0


def _aggregate(usable: NDArray[np.bool_], values: FloatArray, strength: float) -> FloatArray:
    """Local linear fits over windows of 3, 7, 15 ... `strength` steps, each taken as far as it agrees with the last.

    `usable` marks the steps, shape (n,), that have a value; `values` are those, shape (number of True,).
    """
    noise = _noise(values)
    estimate, error = values, np.full(len(values), noise)
    fits, gains = _local_lines(usable, values, _half_widths(min(strength, 2 * len(usable))))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for fit, gain in zip(fits, gains, strict=True):
            change = fit - estimate
            # 1 for 0 / 0 too: no noise, and both agree exactly
            weight = np.fmax(np.fmin((DIFFER - np.abs(change) / error) / (DIFFER - AGREE), 1.0), 0.0)
            estimate = estimate + weight * change
            error = error + weight * (noise * gain - error)
    return estimate


def _noise(values: FloatArray) -> float:
    """The noise around a curve, shape (n,); none where the losses bend only as a smooth curve does."""
    # Third differences: what the bend at a sharp minimum leaves of second ones would be smoothed away as noise.
    signs = np.sign(np.diff(values, 3))
    alternating = np.count_nonzero(signs[1:] * signs[:-1] < 0) / max(len(signs) - 1, 1)
    return noise_level(values, order=3) * min(max((alternating - NO_NOISE) / (ALL_NOISE - NO_NOISE), 0.0), 1.0)


def _half_widths(strength: float) -> tuple[float, ...]:
    """Half widths of windows of 3, 7, 15 ... steps, the last of exactly `strength` steps (it may be broken)."""
    widths, half = [], 1.0
    while 2 * half + 1 < strength:
        widths.append(half)
        half = 2 * half + 1
    return (*widths, (strength - 1) / 2)


def _local_lines(
    usable: NDArray[np.bool_], values: FloatArray, half_widths: tuple[float, ...]
) -> tuple[FloatArray, FloatArray]:
    """Least-squares lines through a window around each step that has a value, read at that step.

    `usable` and `values` are those of `_aggregate`. Returns the fits and their noise gains (standard error over noise
    level), both of shape (number of half widths, number of values).
    """
    filled = np.zeros(len(usable))
    filled[usable] = values
    windows = [_window(half_width) for half_width in half_widths]
    sums = np.array([_window_sum(filled, kernel)[usable] for kernel, _ in windows])
    moments = np.array([_window_sum(filled, kernel * offsets)[usable] for kernel, offsets in windows])
    of_sum, of_moment, gains = _line_weights(usable, half_widths)
    return of_sum * sums - of_moment * moments, gains


def _line_weights(usable: NDArray[np.bool_], half_widths: tuple[float, ...]) -> FloatArray:
    """What the sum and the first moment of a window's values count in the line at its middle, and the noise gain."""
    widest = 2 * math.ceil(half_widths[-1]) + 1
    if len(usable) > widest and usable.all():  # all windows but the cut ones are alike
        repeats = np.ones(widest, dtype=int)
        repeats[widest // 2] += len(usable) - widest
        return _line_weights_of_all(widest, half_widths).repeat(repeats, axis=2)
    return _line_weights_of(usable, half_widths)


@lru_cache(maxsize=16)
def _line_weights_of_all(num_steps: int, half_widths: tuple[float, ...]) -> FloatArray:
    """Those of steps that all have a value: a curve that grows asks for them at each look."""
    return _line_weights_of(np.ones(num_steps, dtype=bool), half_widths)


def _line_weights_of(usable: NDArray[np.bool_], half_widths: tuple[float, ...]) -> FloatArray:
    half_width = np.array(half_widths)[:, None]
    reach = np.ceil(half_width).astype(np.int64)
    edge = half_width - (reach - 1)  # what the outermost steps weigh
    inner, whole = _moments(usable, np.array([reach - 1, reach])).swapaxes(0, 1)
    s0, s1, s2 = inner + edge * (whole - inner)
    k0, k1, k2 = inner + edge**2 * (whole - inner)
    determinant = s0 * s2 - s1**2
    with np.errstate(divide="ignore", invalid="ignore"):
        # the line's weight of a value is kernel * (s2 - s1 * offset) / determinant
        gain = np.sqrt(s2**2 * k0 - 2 * s1 * s2 * k1 + s1**2 * k2) / determinant
        # one value, or all on one side of nothing: a line has no slope there, take the mean
        lone = determinant <= 1e-9 * s0 * s2
        of_sum, of_moment = np.where(lone, 1 / s0, s2 / determinant), np.where(lone, 0.0, s1 / determinant)
        return np.array([of_sum, of_moment, np.where(lone, np.sqrt(k0) / s0, gain)])


def _moments(usable: NDArray[np.bool_], reach: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of the offsets of a window's steps that have a value: the count, the sum, the sum of squares.

    `reach`, shape (..., 1), is how far windows around the steps that have one go to either side; returns shape (3, ...,
    number of values). Each is a difference of sums over the first steps: of whole numbers, so nothing is rounded.
    """
    num_steps, step = len(usable), np.flatnonzero(usable)
    places = usable * np.arange(num_steps, dtype=np.int64)
    sums = np.zeros((3, num_steps + 1), dtype=np.int64)
    np.cumsum([usable, places, places**2], axis=1, out=sums[:, 1:])
    after, first = np.minimum(step + reach + 1, num_steps), np.maximum(step - reach, 0)
    count, total, squares = sums.take(after, axis=1) - sums.take(first, axis=1)
    return np.array([count, total - step * count, squares - step * (2 * total - step * count)])


def _window(half_width: float) -> tuple[FloatArray, FloatArray]:
    """The weight of each step of a window, the outermost ones' the broken part of its width; and their offsets.

    Near the ends of a curve the window is cut, not mirrored.
    """
    reach = math.ceil(half_width)
    kernel = np.ones(2 * reach + 1)
    kernel[0] = kernel[-1] = half_width - (reach - 1)
    return kernel, np.arange(-reach, reach + 1.0)


def _window_sum(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Element i is the sum over the offsets of weights * values[i + offset], with zeros beyond the ends."""
    reach = len(weights) // 2
    return np.correlate(values, weights, "full")[reach : reach + len(values)]
