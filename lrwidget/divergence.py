"""When a range test has seen enough: the loss explodes.

The rule must not care for the unit or the zero of the loss (a negative log-likelihood may start at -3), so it
compares rises with falls and with the noise, never the loss with a multiple of itself.
"""

from __future__ import annotations

from math import inf
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

    With a number, the tutorial's rule: loss > factor * lowest loss. It says nothing, and stops no run, once a loss is
    zero or below.

    Parameters
    ----------
    divergence
        ``"auto"``, ``"never"`` or a factor above 1.
    """

    def __init__(self, divergence: Divergence) -> None:
        self._rule = divergence
        self._losses: list[float] = []
        self._num_seen = 0  # how many losses the lowest level (or loss) is of
        self._lowest = inf
        self._start = 0.0
        self._scatter = 0.0
        # What no loss that makes a run diverge is below. After the opening that is the least rise that counts: the
        # level passes it with a loss that does, and what has to be passed only grows with the fall.
        self._calm_below = inf if divergence == "never" else -inf

    def has_diverged(self, loss: float) -> bool:
        """Take the next loss (finite) and say whether the run has diverged with it."""
        self._losses.append(loss)
        # Between most steps of a run this is all that is done, and it is done after every one.
        return loss > self._calm_below and self._look(loss)

    def _look(self, loss: float) -> bool:
        if self._rule != "auto":
            self._lowest = min(self._lowest, loss)
            return self._lowest > 0 and loss > float(self._rule) * self._lowest
        losses = self._losses
        if self._num_seen < _OPENING:
            self._open(losses[:_OPENING])
        level = self._start
        for end in range(max(self._num_seen, _WINDOW - 1), len(losses)):
            level = sorted(losses[end - _WINDOW + 1 : end + 1])[_WINDOW // 2]
            self._lowest = min(self._lowest, level)
        self._num_seen = len(losses)
        return level > self._start and self._has_risen_too_far(level)

    def _open(self, opening: list[float]) -> None:
        """Take the first losses as they are so far."""
        ranked = sorted(opening)
        self._start = (ranked[(len(ranked) - 1) // 2] + ranked[len(ranked) // 2]) / 2
        self._scatter = ranked[-1] - ranked[0]
        if len(opening) == _OPENING:
            self._calm_below = self._start + _RISE_FACTOR * self._scatter

    def _has_risen_too_far(self, level: float) -> bool:
        fall = self._start - self._lowest
        # Rounding of a constant loss is no rise; far below the digits that a shifted loss still has.
        rounding = 1e-12 * (abs(self._start) + abs(level))
        return level - self._start > max(_RISE_FACTOR * fall, _RISE_FACTOR * self._scatter, rounding)
