"""When a range test has seen enough: the loss explodes.

The rule must not care for the unit or the zero of the loss (a negative log-likelihood may start at -3), so it
compares rises with falls and with the noise, never the loss with a multiple of itself.
"""

from __future__ import annotations

from collections import deque
from statistics import median
from typing import Literal, TypeAlias

Divergence: TypeAlias = Literal["auto", "never"] | float
"""``"auto"``, ``"never"``, or the tutorial's factor over the best loss."""

_WINDOW = 5  # losses whose median is the level: one or two wild batches do not stop a run
_OPENING = 10  # first losses, at rates too small to matter: they show the start level and the scatter
_RISE_FACTOR = 3.0  # how many times the fall, or the scatter, the level may rise above the start


class DivergenceWatch:
    """Follows the losses of one run and says when they have diverged.

    With ``"auto"`` the level is the median of the last five losses. It has diverged when it stands above the start
    (the median of the first ten) by more than three times the fall from the start to the lowest level, and by more
    than three times the scatter (highest less lowest) of the first ten. Both sides scale with the loss and neither
    moves with its zero, so c * loss + d (c > 0) stops at the same step.

    With a number, the tutorial's rule: loss > factor * lowest loss, for losses that cannot go negative.

    Parameters
    ----------
    divergence
        ``"auto"``, ``"never"`` or a factor above 1.
    """

    def __init__(self, divergence: Divergence) -> None:
        self._rule = divergence
        self._recent: deque[float] = deque(maxlen=_WINDOW)
        self._opening: list[float] = []
        self._start = 0.0
        self._scatter = 0.0
        self._lowest = float("inf")

    def has_diverged(self, loss: float) -> bool:
        """Take the next loss (finite) and say whether the run has diverged with it."""
        if self._rule == "never":
            return False
        if self._rule != "auto":
            self._lowest = min(self._lowest, loss)
            return loss > self._rule * self._lowest
        return self._rises_too_far(loss)

    def _rises_too_far(self, loss: float) -> bool:
        self._recent.append(loss)
        if len(self._opening) < _OPENING:
            self._opening.append(loss)
            self._start = median(self._opening)
            self._scatter = max(self._opening) - min(self._opening)
        if len(self._recent) < _WINDOW:
            return False
        level = sorted(self._recent)[_WINDOW // 2]
        self._lowest = min(self._lowest, level)
        fall = self._start - self._lowest
        # Rounding of a constant loss is no rise; far below the digits that a shifted loss still has.
        rounding = 1e-12 * (abs(self._start) + abs(level))
        return level - self._start > max(_RISE_FACTOR * fall, _RISE_FACTOR * self._scatter, rounding)
