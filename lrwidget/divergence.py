"""When a range test has seen enough: the loss explodes.

The rule must not care for the unit or the zero of the loss (a negative log-likelihood may start at -3), so it
compares rises with falls and with the noise, never the loss with a multiple of itself.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
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
        recent = self._recent
        recent.append(loss)
        if len(self._opening) < _OPENING:
            self._open(loss)
            if len(recent) < _WINDOW:
                return False
        level = sorted(recent)[_WINDOW // 2]
        if level < self._lowest:
            self._lowest = level
        # Between most steps of a run this is all that is done, and it is done after every one.
        return level > self._start and self._has_risen_too_far(level)

    def _open(self, loss: float) -> None:
        """Take one of the first losses; the median and the extremes of so few cost next to nothing."""
        insort(self._opening, loss)
        middle = len(self._opening) // 2
        is_odd = len(self._opening) % 2
        self._start = self._opening[middle] if is_odd else (self._opening[middle - 1] + self._opening[middle]) / 2
        self._scatter = self._opening[-1] - self._opening[0]

    def _has_risen_too_far(self, level: float) -> bool:
        fall = self._start - self._lowest
        # Rounding of a constant loss is no rise; far below the digits that a shifted loss still has.
        rounding = 1e-12 * (abs(self._start) + abs(level))
        return level - self._start > max(_RISE_FACTOR * fall, _RISE_FACTOR * self._scatter, rounding)
