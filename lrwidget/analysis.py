"""One reading of a recorded curve, shared by the diagnosis and the suggestion so that they cannot disagree.

Three things are read off: the level and the noise of the losses before anything happens; how far and up to which rate
the loss falls; from which rate on it is thrown back up. Everything is measured against the noise and the fall of the
curve itself, so the unit and the zero of the loss do not matter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lrwidget.explosion import mean_onset, onsets
from lrwidget.instability import rise_and_instability
from lrwidget.once import once_per_curve
from lrwidget.result import FloatArray
from lrwidget.robust import HUGE, ROUNDING, median, noise_level, running_median, running_trimmed_mean, without_spikes
from lrwidget.significance import WINDOW_DECADES, significance
from lrwidget.smoothing import checked_curve, smooth

MIN_LOSSES = 8
# More steps than this per decade are averaged in blocks: finer detail says nothing about a learning rate.
MAX_STEPS_PER_DECADE = 40
# Rises and falls smaller than this share of the whole fall are no events, however quiet the curve.
RESOLUTION = 0.01
# The shares of the fall that count as all of it, and as most of it: the last tenth is spread over a long, noisy tail.
ALL_SHARES, MOST_SHARES = np.linspace(0.8, 0.98, 10), np.linspace(0.6, 0.98, 10)


@dataclass(frozen=True)
class Curve:
    """What a range test shows.

    Parameters
    ----------
    lrs, losses
        Shape (n,): the finite part of the curve without single spikes, in blocks where the sweep was very fine.
    smoothed
        Shape (n,): the smoothed losses up to the explosion, NaN from there on.
    start
        The level of the losses in the first decade.
    noise
        Standard deviation of the batch noise, in units of the loss.
    fall
        How far the smoothed loss falls below the start before it explodes.
    significance
        How much the fall stands out from the noise: noise alone reaches 1 in about one of a hundred curves.
    minimum
        Where the smoothed loss is lowest, an index into `lrs`.
    fall_end
        Where the fall is reached (the mean over `ALL_SHARES` of it), a broken index into `lrs`.
    most_of_fall
        Where most of it is (the mean over `MOST_SHARES`), a broken index into `lrs`.
    explosion
        Where the loss is thrown back up, an index into `lrs`; None if it is not within the range.
    onset
        Where the explosion begins, a broken index into `lrs`: the mean over stricter and laxer views of what one is;
        the number of losses where none is seen.
    exploded_share
        The share of these views in which there is an explosion.
    has_risen
        Whether the losses have been rising all along before the explosion.
    is_unstable
        Whether the explosion is one of training at the edge of stability rather than a mere rise.
    is_cut
        Whether the recorded losses end in one that is not finite.
    steps_per_point
        How many steps of the sweep one point of `lrs` stands for.
    """

    lrs: FloatArray
    losses: FloatArray
    smoothed: FloatArray
    start: float
    noise: float
    fall: float
    significance: float
    minimum: int
    fall_end: float
    most_of_fall: float
    explosion: int | None
    onset: float
    exploded_share: float
    has_risen: bool
    is_unstable: bool
    is_cut: bool
    steps_per_point: int

    @property
    def points_per_decade(self) -> float:
        """How many points of `lrs` there are in a decade."""
        return _steps_per_decade(self.lrs)

    def log10_lr(self, index: float) -> float:
        """The decimal logarithm of the rate at a broken index; beyond the ends the sweep is continued evenly."""
        x = np.log10(self.lrs)
        last = len(x) - 1
        inside = float(np.interp(index, np.arange(len(x)), x))
        return inside + min(index, 0.0) * float(x[1] - x[0]) + max(index - last, 0.0) * float(x[-1] - x[-2])


def analyse(lrs: ArrayLike, losses: ArrayLike) -> Curve | None:
    """Read a curve.

    Parameters
    ----------
    lrs, losses
        Shape (n,): the rates, positive and rising, and the raw losses.

    Returns
    -------
    Curve or None
        None where fewer than eight losses are finite.

    Raises
    ------
    ValueError
        As `lrwidget.smoothing.smooth`.
    """
    return _read(*checked_curve(lrs, losses))


@once_per_curve
def _read(lrs: FloatArray, losses: FloatArray) -> Curve | None:
    usable = np.abs(losses) <= HUGE  # False for NaN
    if usable.sum() < MIN_LOSSES:
        return None
    lrs, losses, steps_per_point = _in_blocks(*_cleaned(lrs, losses, usable))
    steps_per_decade = _steps_per_decade(lrs)
    opening = max(5, min(round(steps_per_decade), len(lrs) // 3))
    start = median(losses[:opening])
    # Neither one lucky batch nor two unlucky ones set a level, nor what follows an explosion one before it.
    best = np.minimum.accumulate(running_median(losses, 5))
    noise = max(noise_level(losses[: len(losses) // 2]), noise_level(losses[: len(losses) // 3]))
    noise = max(noise, RESOLUTION * (start - float(best[-1])), ROUNDING * abs(start))
    levels = running_trimmed_mean(losses, 7)
    found = onsets(losses, levels, start, best, noise, steps_per_decade)
    explosion = found[len(found) // 2]
    end = len(losses) if explosion is None else max(explosion, 5)
    start = median(losses[: min(opening, end)])
    # How high single losses rise says nothing about where the level is.
    ceiling = start + max(start - float(best[end - 1]), 4 * noise)
    smoothed = _smoothed(lrs, np.minimum(levels[:end], ceiling), steps_per_decade)
    minimum = int(np.argmin(smoothed[:end]))
    fall = start - float(smoothed[minimum])
    lowest = np.minimum.accumulate(smoothed[: minimum + 1])
    has_risen = is_unstable = False
    if explosion is not None:
        has_risen, is_unstable = rise_and_instability(losses, explosion, start, noise, steps_per_decade)
    return Curve(
        lrs=lrs,
        losses=losses,
        smoothed=smoothed,
        start=start,
        noise=noise,
        fall=fall,
        significance=_mean_significance(np.minimum(losses, ceiling), found, start, noise, steps_per_decade),
        minimum=minimum,
        fall_end=_mean_place(lowest, start - ALL_SHARES * fall),
        most_of_fall=_mean_place(lowest, start - MOST_SHARES * fall),
        explosion=explosion,
        onset=mean_onset(found, len(losses)),
        exploded_share=float(np.mean([onset is not None for onset in found])),
        has_risen=has_risen,
        is_unstable=is_unstable,
        is_cut=not usable[-1],
        steps_per_point=steps_per_point,
    )


def _cleaned(lrs: FloatArray, losses: FloatArray, usable: NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
    """The curve up to its last usable loss; what is missing in between is filled, so that steps can be counted."""
    end = int(np.flatnonzero(usable)[-1]) + 1
    filled = np.interp(np.log(lrs[:end]), np.log(lrs[usable]), losses[usable])
    return lrs[:end], without_spikes(filled)


def _smoothed(lrs: FloatArray, levels: FloatArray, steps_per_decade: float) -> FloatArray:
    """The levels before an explosion, smoothed: shape of the rates, NaN where there are none any more."""
    end = len(levels)
    window = max(3, round(WINDOW_DECADES * steps_per_decade))
    smoothed = np.full(len(lrs), np.nan)
    # No lower than the lowest level: at its end a line through the last ones would run on downwards.
    smoothed[:end] = np.maximum(smooth(lrs[:end], levels, 2 / (window + 1)), levels.min())
    return smoothed


def _mean_significance(
    losses: FloatArray, found: list[int | None], start: float, noise: float, steps_per_decade: float
) -> float:
    """The significance of a fall before the explosion: the mean over what the views of it have found."""
    ends = [len(losses) if onset is None else max(onset, 5) for onset in found]
    each = {end: significance(losses[:end], start, noise, steps_per_decade) for end in set(ends)}
    return float(np.mean([each[end] for end in ends]))


def _steps_per_decade(lrs: FloatArray) -> float:
    return (len(lrs) - 1) / float(np.log10(lrs[-1] / lrs[0]))


def _in_blocks(lrs: FloatArray, losses: FloatArray) -> tuple[FloatArray, FloatArray, int]:
    """Means over blocks of steps where the sweep is finer than is of use, and the size of a block."""
    size = max(1, int(_steps_per_decade(lrs) // MAX_STEPS_PER_DECADE))
    if size == 1 or len(lrs) < MIN_LOSSES * size:
        return lrs, losses, 1
    starts = np.arange(0, len(lrs) - size + 1, size)  # the last block takes the rest too
    counts = np.diff([*starts, len(lrs)])
    return np.exp(np.add.reduceat(np.log(lrs), starts) / counts), np.add.reduceat(losses, starts) / counts, size


def _mean_place(falling: FloatArray, levels: FloatArray) -> float:
    """The broken index where a curve that does not rise, shape (n,), first comes down to levels, shape (k,): the mean.

    A mean, because where the curve is nearly level, one level is reached here or there by chance.
    """
    first = np.argmax(falling <= levels[:, None], axis=1)
    reached = falling[first]
    step = np.where(first > 0, falling[first - 1] - reached, 1.0)
    return float(np.mean(np.where(first > 0, first - (levels - reached) / step, 0.0)))
