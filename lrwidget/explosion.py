"""Where a loss is thrown back up on a recorded curve, and whether that is an explosion of training."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from lrwidget.result import FloatArray
from lrwidget.smoothing import HUGE, ROUNDING, running_median

# A loss is "thrown back" when it stands above the best level so far by this many noise levels and by this share of the
# fall so far. The loss explodes where most losses of the next `EXPLOSION_DECADES` are thrown back, unless such a share
# of all the fall is still to come: what recovers and goes on was no explosion.
THROWN_BACK_NOISE, THROWN_BACK_SHARE = 5.0, 0.5
EXPLOSION_DECADES = 0.4
# Its onset is the mean over these factors on both thresholds, so that no single loss decides it; the middle one
# decides whether there is an explosion at all.
STRICTNESS = np.linspace(0.7, 1.3, 7)
EXPLOSION_MAJORITY = 0.6
# Signs of instability, in noise levels above the start: so high within so many decades, out of a calm or after a rise
# of a standard deviation, or at once as high as such a share of it; back home after having been out; dropping by more
# in all than noise does. One step of normal noise drops by so much, give or take so much; by so many of the latter
# the drops have to be beyond chance. Drops by less than a share of the height do not count.
VIOLENT_NOISE, VIOLENT_DECADES, AT_ONCE = (18.0, 25.0), 0.5, 0.6
OUT_NOISE, HOME_NOISE = 8.0, 2.0
NOISE_DROP, SURELY_DROPPED, DROP_SHARE = (0.56, 0.82), 2.5, 0.2
# The scatter of the losses is judged by the third largest, as one or two may be spikes.
TAIL_RANK = 3
# The share of the steps before an explosion that is not yet troubled by it.
CALM_FRACTION = 0.75


def onsets(
    losses: FloatArray, levels: FloatArray, start: float, best: FloatArray, noise: float, steps_per_decade: float
) -> list[int | None]:
    """Where the loss explodes, from a lax to a strict view of what an explosion is.

    Parameters
    ----------
    losses, levels
        Shape (n,): the losses, and the levels around them.
    start
        The level before anything happens.
    best
        Shape (n,): the lowest level up to each loss.
    noise
        The noise before anything happens.
    steps_per_decade
        How fast the sweep is.

    Returns
    -------
    list
        For each of `STRICTNESS` the first place that is thrown back and followed by a majority of such (what the last
        one is goes on), or None.
    """
    # Medians of three: a single spike before the explosion does not begin it, one in it or at the end does not end it.
    rises = running_median(losses, 3) - best
    width = max(3, round(EXPLOSION_DECADES * steps_per_decade))
    # Kept for as long as an explosion goes on: a loss that is thrown up and down is low by chance for less.
    kept = min(width, len(levels))
    fall = -float(np.convolve(levels - start, np.full(kept, 1 / kept), "valid").min())
    goes_on = (fall > noise) & (best - start > (THROWN_BACK_SHARE - 1) * fall)
    least = np.maximum(THROWN_BACK_NOISE * noise, THROWN_BACK_SHARE * (start - best))
    thrown_back = rises > STRICTNESS[:, None] * least  # a row for each view
    continued = np.concatenate([thrown_back, np.repeat(thrown_back[:, -1:], width, axis=1)], axis=1)
    counts = np.cumsum(continued, axis=1)
    # itself and the next ones, `width` in all
    following = counts[:, width - 1 : -1] - counts[:, : len(losses)] + thrown_back
    begins = thrown_back & ~goes_on & (following >= max(2, round(EXPLOSION_MAJORITY * width)))
    return [int(row.argmax()) if row.any() else None for row in begins]


def mean_onset(found: Sequence[int | None], num_losses: int) -> float:
    """The mean of what was found; what was not begins after the last loss at the earliest."""
    return float(np.mean([num_losses if onset is None else onset for onset in found]))


def is_unstable(
    losses: FloatArray, explosion: int, start: float, noise: float, rise: float, steps_per_decade: float
) -> bool:
    """Whether an explosion is one of training and not a mere rise: violent, or with losses thrown up and down.

    Parameters
    ----------
    losses
        Shape (n,).
    explosion
        Where it begins.
    start, noise
        The level and the noise before.
    rise
        How far the loss has risen before it, in standard deviations: a rise that goes on is no explosion.
    steps_per_decade
        How fast the sweep is.
    """
    if noise <= 10 * ROUNDING * abs(start):
        return False  # without noise to hide it a fall would show
    scatter = _scatter(losses[: round(CALM_FRACTION * explosion)], noise)
    with np.errstate(over="ignore"):  # a noise near the smallest number
        heights = np.clip((losses - start) / scatter, -HUGE, HUGE)
    soon = heights[explosion : explosion + max(3, round(VIOLENT_DECADES * steps_per_decade))]
    comes_home = (heights < HOME_NOISE) & (np.maximum.accumulate(heights) > OUT_NOISE)
    after = heights[explosion:]
    drops = after[:-1] - after[1:]
    dropped = float(drops[drops > np.maximum(DROP_SHARE * after[:-1], 0.0)].sum())
    mean, deviation = NOISE_DROP
    by_chance = mean * len(after) + SURELY_DROPPED * deviation * np.sqrt(len(after))
    return _is_violent(soon, rise, steps_per_decade) or bool(comes_home.any() or dropped > by_chance)


def _is_violent(soon: FloatArray, rise: float, steps_per_decade: float) -> bool:
    """Whether the heights from the explosion on, shape (n,), n >= 1, are those of one, after such a rise."""
    calm, risen = VIOLENT_NOISE
    whole = calm * (risen / calm) ** min(max(rise, 0.0), 1.0)
    shares = np.arange(1, len(soon) + 1) / (VIOLENT_DECADES * steps_per_decade)
    # At the end as high as such growth comes by then, as a run may have been stopped on its way; before, if that is a
    # good part of the whole.
    growth = THROWN_BACK_NOISE * (whole / THROWN_BACK_NOISE) ** shares
    at_once = np.maximum(growth, whole * (AT_ONCE + (1 - AT_ONCE) * shares))
    highest = np.maximum.accumulate(soon)
    return bool(highest[-1] > growth[-1] or (highest[2:] > at_once[2:]).any())


def _scatter(before: FloatArray, noise: float) -> float:
    """The noise, or more where its tails are heavier than normal: so far single losses come without an explosion."""
    if len(before) <= TAIL_RANK:
        return noise
    far = np.sort(np.abs(before - running_median(before, 5)))[-TAIL_RANK]
    normal = NormalDist().inv_cdf(1 - (TAIL_RANK - 0.5) / (2 * len(before)))
    return max(noise, float(far) / normal)
