"""The curves of trainings side by side, as they are drawn."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lrwidget.live.drawing import Range, drawable, evenly, shown_range, steady
from lrwidget.live.trial_frames import TrialLine
from lrwidget.result import FloatArray
from lrwidget.smoothing import centred_mean

_HEADROOM = 0.25  # share of the picture that trainings which rise may add at its top


class LineMaker:
    """Makes the lines anew where losses have come, and keeps the others.

    Attributes
    ----------
    lines
        By the place of each training's rate.
    loss_range
        What the axis of the losses shows.
    num_steps
        How many steps the axis of the steps shows.
    log
        Whether the losses are drawn as their decimal logarithms.
    """

    def __init__(self) -> None:
        self.lines: dict[int, TrialLine] = {}
        self.loss_range: Range = (0.0, 1.0)
        self.log = False
        self.num_steps = 1
        self._has_range = False
        self._smoothed: dict[int, FloatArray] = {}
        self._key: object = None

    def show_log(self, log: bool) -> None:
        """Draw logarithms of the losses, or the losses again."""
        self.log, self._has_range = log, False

    def begin(self, num_steps: int) -> None:
        """Forget all curves; so many steps will be shown."""
        self.num_steps, self._has_range = num_steps, False
        self.lines, self._smoothed, self.loss_range, self._key = {}, {}, (0.0, 1.0), None

    def draw(self, losses: Mapping[int, FloatArray], is_final: bool = False) -> bool:
        """Take the losses of each training, shape (n,), by place; whether anything has changed.

        While there are more to come the range grows by leaps, so that the picture seldom jumps; in the end it fits.
        """
        key = self.log, is_final, tuple((place, len(values)) for place, values in losses.items())
        if key == self._key:
            return False
        self._key = key
        self._has_range = self._has_range and not is_final
        for place, values in losses.items():
            if len(self._smoothed.get(place, ())) != len(values):
                self._smoothed[place] = centred_mean(values)
        shown = {place: self._smoothed[place] for place, values in losses.items() if len(values)}
        self.loss_range = self._range({place: losses[place] for place in shown}, shown)
        self.lines = {place: self._line(values) for place, values in shown.items()}
        return True

    def _line(self, smoothed: FloatArray) -> TrialLine:
        steps, values = evenly(np.arange(float(len(smoothed))), smoothed)
        return TrialLine(steps, drawable(values, self.loss_range, self.log))

    def _range(self, losses: Mapping[int, FloatArray], smoothed: Mapping[int, FloatArray]) -> Range:
        """From the training that has come lowest; the others may add what lies a little above."""
        if not losses:
            return self.loss_range
        ranges = {place: shown_range(losses[place], smoothed[place], self.log) for place in losses}
        lowest = min(losses, key=lambda place: (float(np.fmin.reduce(smoothed[place])), ranges[place][1]))
        low, top = ranges[lowest]
        room = (top - low) * _HEADROOM
        found = low, max(min(high, top + room) for _, high in ranges.values())
        found = steady(self.loss_range, found) if self._has_range else found
        self._has_range = True
        return found
