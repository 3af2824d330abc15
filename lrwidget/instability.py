"""Whether an explosion on a recorded curve is one of training at the edge of stability, and not a mere rise.

Either the loss goes up violently, or it is thrown up and down. Heights are counted in noise levels above home, the
level before anything happens.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from lrwidget.explosion import THROWN_BACK_NOISE
from lrwidget.result import FloatArray
from lrwidget.robust import HUGE, ROUNDING, running_median
from lrwidget.significance import rise_before_end, trend

# A loss that is up by so many standard deviations before it explodes has been rising all along: nothing was learned.
# The loss of a trained model is up by about half as many, and shows where training becomes unstable.
SURE_RISE = 1.1
# So has one whose trend is so many standard errors from none: the one of trained models is within one.
SURE_TREND = 3.0
# Violent is what comes so high within so many decades: out of a calm, and after a rise of a standard deviation.
VIOLENT_DECADES = 0.5
VIOLENT_HEIGHT, VIOLENT_HEIGHT_RISEN = 18.0, 25.0
# Such a share of it is enough where it is reached at once.
AT_ONCE = 0.6
# Out of home to such a height within so many decades is a jump, and no rise that goes on, whatever was before.
JUMP_HEIGHT, JUMP_DECADES = 20.0, 0.16
# Thrown up and down is what has been out and comes home again,
OUT_HEIGHT, HOME_HEIGHT = 8.0, 2.0
# or what drops by more in all than noise does. In a step normal noise drops by so much, and its drops have such a
# standard deviation; by so many of these the sum has to be beyond chance.
NOISE_DROP, NOISE_DROP_DEVIATION, SURELY_DROPPED = 0.56, 0.82, 2.5
# Drops by less than this share of the height do not count: a large loss scatters by more.
LEAST_DROP_SHARE = 0.2
# The share of the steps before an explosion that is not yet troubled by it.
CALM_FRACTION = 0.75
# How far losses scatter there is judged by the third farthest, as one or two may be spikes.
TAIL_RANK = 3


def rise_and_instability(
    losses: FloatArray, explosion: int, start: float, noise: float, steps_per_decade: float
) -> tuple[bool, bool]:
    """Whether a loss has been rising all along before it explodes, and whether the explosion is one of training.

    Parameters
    ----------
    losses
        Shape (n,).
    explosion
        Where it begins.
    start, noise
        The level and the noise before.
    steps_per_decade
        How fast the sweep is.

    Returns
    -------
    tuple
        Whether it has risen, False where the loss jumps up out of home: no rise that goes on does that. And whether
        it is unstable.
    """
    heights = _heights(losses, explosion, start, noise)
    has_jumped = _jumps(heights, explosion, steps_per_decade)
    rise = 0.0 if has_jumped else rise_before_end(losses[:explosion], steps_per_decade)
    has_risen = rise > SURE_RISE or (not has_jumped and trend(losses[:explosion]) > SURE_TREND)
    if noise <= 10 * ROUNDING * abs(start):
        return has_risen, False  # without noise to hide it a fall would show
    comes_home = bool(((heights < HOME_HEIGHT) & (np.maximum.accumulate(heights) > OUT_HEIGHT)).any())
    after = heights[explosion:]
    return has_risen, comes_home or _drops(after) or _is_violent(after, rise, steps_per_decade)


def _heights(losses: FloatArray, explosion: int, start: float, noise: float) -> FloatArray:
    """The losses in noise levels above home, shape (n,)."""
    scatter = max(_scatter(losses[: round(CALM_FRACTION * explosion)], noise), np.finfo(float).tiny)
    with np.errstate(over="ignore"):  # a noise near the smallest number
        heights: FloatArray = np.clip((losses - start) / scatter, -HUGE, HUGE)
    return heights


def _jumps(heights: FloatArray, explosion: int, steps_per_decade: float) -> bool:
    """Whether the heights, shape (n,), jump up out of home with the explosion or later."""
    steps = min(max(1, round(JUMP_DECADES * steps_per_decade)), len(heights) - 1)
    before = sliding_window_view(heights[max(explosion - steps, 0) : -1], steps).min(axis=1)
    return bool((heights[-len(before) :][before < HOME_HEIGHT] > JUMP_HEIGHT).any())


def _drops(heights: FloatArray) -> bool:
    """Whether the heights from the explosion on, shape (n,), drop by more than noise does."""
    drops = heights[:-1] - heights[1:]
    dropped = float(drops[drops > np.maximum(LEAST_DROP_SHARE * heights[:-1], 0.0)].sum())
    by_chance = NOISE_DROP * len(heights) + SURELY_DROPPED * NOISE_DROP_DEVIATION * np.sqrt(len(heights))
    return dropped > float(by_chance)


def _is_violent(heights: FloatArray, rise: float, steps_per_decade: float) -> bool:
    """Whether the heights from the explosion on, shape (n,), n >= 1, come high soon, after such a rise before it."""
    highest = np.maximum.accumulate(heights[: max(3, round(VIOLENT_DECADES * steps_per_decade))])
    wanted = VIOLENT_HEIGHT * (VIOLENT_HEIGHT_RISEN / VIOLENT_HEIGHT) ** min(max(rise, 0.0), 1.0)
    passed = np.arange(1, len(highest) + 1) / (VIOLENT_DECADES * steps_per_decade)  # of the time, 1 is all of it
    # A run may have been stopped on its way: at its end as high as such growth comes by then is enough.
    growth = THROWN_BACK_NOISE * (wanted / THROWN_BACK_NOISE) ** passed
    at_once = np.maximum(growth, wanted * (AT_ONCE + (1 - AT_ONCE) * passed))
    return bool(highest[-1] > growth[-1] or (highest[2:] > at_once[2:]).any())


def _scatter(before: FloatArray, noise: float) -> float:
    """The noise, or more where its tails are heavier than normal: so far single losses come without an explosion."""
    if len(before) <= TAIL_RANK:
        return noise
    far = np.sort(np.abs(before - running_median(before, 5)))[-TAIL_RANK]
    normal = NormalDist().inv_cdf(1 - (TAIL_RANK - 0.5) / (2 * len(before)))
    return max(noise, float(far) / normal)
