"""One reading of a recorded curve, shared by the diagnosis and the suggestion so that they cannot disagree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from lrwidget.smoothing import Floats, checked_curve, noise_level, smooth, without_spikes

# Width of the smoothing window: long enough to quieten, shorter than any feature that matters.
WINDOW_DECADES = 0.8
# A fall or a rise counts when it exceeds this many standard errors of what it is measured with.
SIGNIFICANT = 4.0
MIN_POINTS = 8


@dataclass(frozen=True)
class Curve:
    """What a range test shows. Levels are in units of the loss, places are indices into `lrs`.

    Parameters
    ----------
    lrs, losses
        The finite part of the curve, shape (n,); losses far above the start are cut off (how high an explosion goes
        says nothing), single spikes are replaced.
    smoothed
        Zero-lag smoothed losses, shape (n,).
    start
        Level of the first tenth of the curve.
    noise
        Standard deviation of the batch noise.
    minimum
        Where the smoothed loss is lowest before it explodes.
    explosion
        The first place where the smoothed loss stands clearly above the start; None if it never does.
    is_cut
        Whether the curve ends in losses that are not finite.
    """

    lrs: Floats
    losses: Floats
    smoothed: Floats
    start: float
    noise: float
    minimum: int
    explosion: int | None
    is_cut: bool

    @property
    def fall(self) -> float:
        """How far the smoothed loss falls below the start."""
        return self.start - float(self.smoothed[self.minimum])

    @property
    def steps_per_decade(self) -> float:
        """How many steps the sweep spends on a factor of ten, on average."""
        return (len(self.lrs) - 1) / float(np.log10(self.lrs[-1] / self.lrs[0]))


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
    finite = np.isfinite(losses)
    if finite.sum() < MIN_POINTS:
        return None
    is_cut = not finite[-1]
    lrs, losses = lrs[finite], losses[finite]
    opening = max(5, len(lrs) // 10)
    start = float(np.median(losses[:opening]))
    window = max(3.0, WINDOW_DECADES * (len(lrs) - 1) / float(np.log10(lrs[-1] / lrs[0])))
    losses = without_spikes(losses)
    noise = noise_level(losses[: max(opening, len(losses) // 2)])
    for _ in range(2):  # the first round finds the fall that the second one cuts by
        smoothed = smooth(lrs, losses, 2 / (window + 1))
        losses = np.minimum(losses, start + max(start - float(smoothed.min()), 6 * noise))
    fall = start - float(smoothed.min())
    above = np.flatnonzero(smoothed > start + max(0.5 * fall, SIGNIFICANT * noise))
    explosion = int(above[0]) if len(above) else None
    minimum = int(np.argmin(smoothed[:explosion])) if explosion != 0 else 0
    return Curve(lrs, losses, smoothed, start, noise, minimum, explosion, is_cut)
