"""One reading of a recorded curve, shared by the diagnosis and the suggestion so that they cannot disagree.

Three things are read off: the level and the noise of the losses before anything happens; how far and up to which rate
the loss falls; from which rate on it is thrown back up. Everything is measured against the noise and the fall of the
curve itself, so the unit and the zero of the loss do not matter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lrwidget.smoothing import HUGE, Floats, checked_curve, noise_level, smooth, without_spikes

MIN_LOSSES = 8
# More steps than this per decade are averaged in blocks: finer detail says nothing about a learning rate.
MAX_STEPS_PER_DECADE = 40
# Width of the smoothing window in decades: no feature of a range test is narrower than a factor of four.
WINDOW_DECADES = 0.6
# A loss is "thrown back" when it stands above the best level so far by this many noise levels and by this share of the
# fall so far. The loss explodes where most losses of the next `EXPLOSION_DECADES` are thrown back.
THROWN_BACK_NOISE, THROWN_BACK_SHARE = 5.0, 0.5
EXPLOSION_DECADES = 0.4
EXPLOSION_MAJORITY = 0.6
# Signs of instability, in noise levels above the start: so high within so many decades; back home after having been
# out; dropping in one step, by so much and by this share of the height.
VIOLENT_NOISE, VIOLENT_DECADES = 30.0, 0.5
OUT_NOISE, HOME_NOISE = 8.0, 2.0
DROP_NOISE, DROP_SHARE = 6.0, 0.3
# Rises and falls smaller than this share of the whole fall are no events, however quiet the curve.
RESOLUTION = 0.01
# What two tests for a fall, in standard errors, reach on noise alone in under one of a hundred curves.
FALL_ANYWHERE, FALL_AT_THE_END = 4.2, 3.3
# What is left of a level when it is averaged: under the digits that a shifted loss still has.
ROUNDING = 1e-13
# The share of the fall that counts as "all of it": the last tenth is spread over a long, noisy tail.
FALL_SHARE = 0.9


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
        How much the fall stands out from the noise: noise alone reaches 1 in fewer than one of a hundred curves.
    minimum
        Where the smoothed loss is lowest, an index into `lrs`.
    fall_end
        Where nine tenths of the fall are reached, a broken index into `lrs`.
    explosion
        Where the loss is thrown back up, an index into `lrs`; None if it is not within the range.
    is_unstable
        Whether the explosion is one of training at the edge of stability rather than a mere rise.
    is_cut
        Whether the recorded losses end in one that is not finite.
    steps_per_point
        How many steps of the sweep one point of `lrs` stands for.
    """

    lrs: Floats
    losses: Floats
    smoothed: Floats
    start: float
    noise: float
    fall: float
    significance: float
    minimum: int
    fall_end: float
    explosion: int | None
    is_unstable: bool
    is_cut: bool
    steps_per_point: int

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
    lrs, losses = checked_curve(lrs, losses)
    usable = np.abs(losses) <= HUGE  # False for NaN
    if usable.sum() < MIN_LOSSES:
        return None
    is_cut = not usable[-1]
    last = int(np.flatnonzero(usable)[-1])
    lrs, losses, usable = lrs[: last + 1], losses[: last + 1], usable[: last + 1]
    # Fill what is missing in between, so that steps can be counted.
    losses = np.interp(np.log(lrs), np.log(lrs[usable]), losses[usable])
    lrs, losses, steps_per_point = _in_blocks(lrs, without_spikes(losses))
    steps_per_decade = _steps_per_decade(lrs)
    opening = max(5, min(round(steps_per_decade), len(lrs) // 3))
    start = float(np.median(losses[:opening]))
    medians = _running_median(losses, 5)  # of five, so that neither one lucky batch nor two unlucky ones set a level
    best = np.minimum(np.minimum.accumulate(medians), start)
    noise = max(noise_level(losses[: len(losses) // 2]), noise_level(losses[:opening]))
    noise = max(noise, RESOLUTION * (start - float(best[-1])), ROUNDING * abs(start))
    explosion = _explosion(losses, start, best, noise, steps_per_decade)
    end = len(losses) if explosion is None else max(explosion, 5)
    start = float(np.median(losses[: min(opening, end)]))
    # How high single losses rise says nothing about where the level is.
    ceiling = start + max(start - float(best[end - 1]), 4 * noise)
    window = max(3, round(WINDOW_DECADES * steps_per_decade))
    smoothed = np.full(len(losses), np.nan)
    smoothed[:end] = smooth(lrs[:end], np.minimum(medians[:end], ceiling), 2 / (window + 1))
    minimum = int(np.argmin(smoothed[:end]))
    fall = start - float(smoothed[minimum])
    return Curve(
        lrs=lrs,
        losses=losses,
        smoothed=smoothed,
        start=start,
        noise=noise,
        fall=fall,
        significance=_significance(np.minimum(losses[:end], ceiling), start, noise, steps_per_decade),
        minimum=minimum,
        fall_end=_fall_end(smoothed[: minimum + 1], start - FALL_SHARE * fall),
        explosion=explosion,
        is_unstable=explosion is not None and _is_unstable(losses, explosion, start, noise, steps_per_decade),
        is_cut=is_cut,
        steps_per_point=steps_per_point,
    )


def _steps_per_decade(lrs: Floats) -> float:
    return (len(lrs) - 1) / float(np.log10(lrs[-1] / lrs[0]))


def _in_blocks(lrs: Floats, losses: Floats) -> tuple[Floats, Floats, int]:
    """Means over blocks of steps where the sweep is finer than is of use, and the size of a block."""
    size = max(1, int(_steps_per_decade(lrs) // MAX_STEPS_PER_DECADE))
    if size == 1 or len(lrs) < MIN_LOSSES * size:
        return lrs, losses, 1
    starts = np.arange(0, len(lrs) - size + 1, size)  # the last block takes the rest too
    counts = np.diff([*starts, len(lrs)])
    return np.exp(np.add.reduceat(np.log(lrs), starts) / counts), np.add.reduceat(losses, starts) / counts, size


def _running_median(values: Floats, width: int) -> Floats:
    padded = np.pad(values, width // 2, mode="edge")
    return np.asarray(np.median(np.lib.stride_tricks.sliding_window_view(padded, width), axis=1))


def _explosion(losses: Floats, start: float, best: Floats, noise: float, steps_per_decade: float) -> int | None:
    """The first loss that is thrown back and followed by a majority of such; what the last one is goes on."""
    thrown_back = losses - best > np.maximum(THROWN_BACK_NOISE * noise, THROWN_BACK_SHARE * (start - best))
    width = max(3, round(EXPLOSION_DECADES * steps_per_decade))
    continued: NDArray[np.bool_] = np.concatenate([thrown_back, np.full(width, thrown_back[-1])])
    following = np.convolve(continued, np.ones(width), mode="full")[width - 1 : width - 1 + len(losses)]
    where = np.flatnonzero(thrown_back & (following >= max(2, round(EXPLOSION_MAJORITY * width))))
    return int(where[0]) if len(where) else None


def _significance(levels: Floats, start: float, noise: float, steps_per_decade: float) -> float:
    """The larger of two tests for a fall, each relative to what noise alone may reach.

    One compares the lowest moving mean anywhere with the start, the other the lowest one in the last decade with all
    before; the latter knows where to look, so it needs less.
    """
    decade = max(5, round(steps_per_decade))
    opening = min(decade, max(1, len(levels) // 3))
    window = min(max(3, round(WINDOW_DECADES * steps_per_decade)), len(levels) - opening // 2)
    # pi / 2: the variance of a median, relative to a mean's
    fall = start - _lowest_mean(levels[opening // 2 :], window)
    anywhere = _standard_errors(fall, noise, np.pi / 2 / opening + 1 / window) / FALL_ANYWHERE
    if len(levels) < 3 * decade:
        return anywhere
    before, late = levels[:-decade], levels[-decade:]
    fall = float(before.mean()) - _lowest_mean(late, window)
    at_the_end = (
        _standard_errors(fall, max(noise_level(levels), ROUNDING * abs(start)), 1 / len(before) + 1 / window)
        / FALL_AT_THE_END
    )
    return max(anywhere, at_the_end)


def _lowest_mean(values: Floats, window: int) -> float:
    return float(np.convolve(values, np.full(window, 1 / window), mode="valid").min())


def _standard_errors(fall: float, noise: float, variance: float) -> float:
    """A fall in units of its standard error: noise times the root of a relative variance."""
    if fall <= 0:
        return 0.0
    return fall / (noise * float(np.sqrt(variance))) if noise > 0 else np.inf


def _fall_end(falling: Floats, level: float) -> float:
    """The broken index where the curve first comes down to a level that it reaches."""
    i = int(np.argmax(falling <= level))
    if i == 0:
        return 0.0
    return i - (level - float(falling[i])) / float(falling[i - 1] - falling[i])


def _is_unstable(losses: Floats, explosion: int, start: float, noise: float, steps_per_decade: float) -> bool:
    """Whether an explosion is one of training and not a mere rise: violent, or with losses thrown up and down."""
    if noise <= 10 * ROUNDING * abs(start):
        return False  # without noise to hide it a fall would show
    heights = (losses - start) / noise
    soon = heights[explosion : explosion + max(3, round(VIOLENT_DECADES * steps_per_decade))]
    # A run that was stopped sooner has to have come only as far as such growth comes by then.
    seen_fraction = min(1.0, len(soon) / (VIOLENT_DECADES * steps_per_decade))
    violent = THROWN_BACK_NOISE * (VIOLENT_NOISE / THROWN_BACK_NOISE) ** seen_fraction
    comes_home = (heights < HOME_NOISE) & (np.maximum.accumulate(heights) > OUT_NOISE)
    drops = heights[:-1] - heights[1:] > np.maximum(DROP_NOISE, DROP_SHARE * heights[:-1])
    return bool(soon.max() > violent or comes_home.any() or drops.sum() >= 2)
