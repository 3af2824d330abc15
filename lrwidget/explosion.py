"""Where the loss explodes on a recorded curve; whether that is training at its edge tells `lrwidget.instability`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lrwidget.result import FloatArray
from lrwidget.robust import running_median

# A loss is "thrown back" when it stands above the best level so far by this many noise levels and by this share of the
# fall so far.
THROWN_BACK_NOISE, THROWN_BACK_SHARE = 5.0, 0.5
# The loss explodes where such a majority of the losses in so many decades is thrown back, unless `THROWN_BACK_SHARE` of
# all the fall is still to come: what recovers and goes on was no explosion.
EXPLOSION_DECADES, EXPLOSION_MAJORITY = 0.4, 0.6
# Its onset is the mean over these factors on both thresholds, from a lax view to a strict one, so that no single loss
# decides it; the middle view decides whether there is an explosion at all.
STRICTNESS = np.linspace(0.7, 1.3, 7)


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
    width = min(max(3, round(EXPLOSION_DECADES * steps_per_decade)), len(losses))
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
