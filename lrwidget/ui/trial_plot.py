"""The picture of trainings side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from bqplot import Axis, Label, LinearScale, Lines

from lrwidget.axes import loss_ticks
from lrwidget.live.trial_frames import TrialLine, TrialsFrame
from lrwidget.ui.figures import AXIS_COLOURS, figure
from lrwidget.ui.marks import NONE, draw, ending_finite
from lrwidget.ui.parts import set_range, set_traits
from lrwidget.ui.ticks import loss_labels, set_ticks

_MARGIN = {"top": 14, "bottom": 42, "left": 56, "right": 62}
_LABEL_HEIGHT = 14  # pixels: two labels closer than that are pushed apart


class TrialPlot:
    """One line for each training, its name at its end; the best one is bold.

    Parameters
    ----------
    styles
        Colour and stroke of each place.
    height
        Of the figure, in pixels.
    """

    def __init__(self, styles: Sequence[tuple[str, str]], height: int = 320) -> None:
        self._last: TrialsFrame | None = None
        self._label_height = _LABEL_HEIGHT / (height - _MARGIN["top"] - _MARGIN["bottom"])
        self._view: object = None
        self._x = LinearScale(min=0.0, max=1.0, allow_padding=False)
        # Also where logarithms are shown: bqplot does not survive another scale under an axis.
        self._y = LinearScale(min=0.0, max=1.0, allow_padding=False)
        scales = {"x": self._x, "y": self._y}
        self._x_axis = Axis(scale=self._x, label="step", label_offset="30px", **AXIS_COLOURS)
        self._y_axis = Axis(scale=self._y, side="left", label="loss, smoothed", label_offset="42px", **AXIS_COLOURS)
        self.lines = [
            Lines(x=NONE, y=NONE, scales=scales, colors=[colour], line_style=stroke, stroke_width=2.0)
            for colour, stroke in styles
        ]
        self.labels = [
            Label(
                x=np.array([0.0]),
                y=np.array([0.0]),
                text=[""],
                scales=scales,
                colors=[colour],
                default_size=11,
                font_weight="normal",
                x_offset=5,
                y_offset=4,
                align="start",
                apply_clip=False,
                visible=False,
            )
            for colour, _ in styles
        ]
        axes = [self._x_axis, self._y_axis]
        self.figure = figure([*self.lines, *self.labels], axes, _MARGIN, height)

    def render(self, frame: TrialsFrame) -> None:
        """Show this frame's curves."""
        last, self._last = self._last, frame
        set_range(self._x, *frame.step_range)
        set_range(self._y, *frame.loss_range)
        self._render_axes(frame)
        for place, line in enumerate(self.lines):
            shown = frame.lines.get(place)
            if last is None or shown is not last.lines.get(place):
                draw(line, *((NONE, NONE) if shown is None else ending_finite(shown.steps, shown.values)))
        best = frame.best_place
        for place, line in enumerate(self.lines):
            is_plain = best is None or place == best
            set_traits(line, stroke_width=3.5 if place == best else 2.0, opacities=[1.0 if is_plain else 0.6])
        self._render_labels(frame, best)

    def _render_axes(self, frame: TrialsFrame) -> None:
        view = frame.step_range, frame.loss_range, frame.log
        if view == self._view:
            return
        self._view = view
        steps = [tick for tick in loss_ticks(*frame.step_range) if tick == round(tick)]
        set_ticks(self._x_axis, steps, [f"{tick:,.0f}" for tick in steps])
        set_ticks(self._y_axis, *loss_labels(*frame.loss_range, frame.log))

    def _render_labels(self, frame: TrialsFrame, best: int | None) -> None:
        names = frame.names
        ends = {place: _end(line, frame.loss_range) for place, line in frame.lines.items() if place in names}
        shown = {place: end for place, end in ends.items() if end is not None}
        heights = _apart(shown, frame, self._label_height)
        for place, label in enumerate(self.labels):
            if place not in shown:
                set_traits(label, visible=False)
                continue
            x, y = np.array([shown[place][0]]), np.array([heights[place]])
            if label.x != x or label.y != y:
                draw(label, x, y)
            weight = "bold" if place == best else "normal"
            set_traits(label, text=[names[place]], font_weight=weight, visible=True)


def _end(line: TrialLine, shown: tuple[float, float]) -> tuple[float, float] | None:
    """Where the number of a line stands: at its end, or where it leaves the picture."""
    finite = np.flatnonzero(np.isfinite(line.values))
    if not len(finite):
        return None
    above = np.flatnonzero(line.values[finite] > shown[1])
    last = finite[above[0]] if len(above) and above[-1] == len(finite) - 1 else finite[-1]
    return float(line.steps[last]), float(np.clip(line.values[last], *shown))


def _apart(ends: dict[int, tuple[float, float]], frame: TrialsFrame, label_height: float) -> dict[int, float]:
    """The heights of the names, moved inwards where those at about the same step would cover each other.

    `label_height` is a share of the picture.
    """
    low, high = frame.loss_range
    height, near = label_height * (high - low), 0.12 * (frame.step_range[1] - frame.step_range[0])
    placed: dict[int, float] = {}
    middle = (low + high) / 2
    for place, (step, value) in sorted(ends.items(), key=lambda item: -abs(item[1][1] - middle)):
        inwards = height if value < middle else -height
        others = [placed[other] for other in placed if abs(ends[other][0] - step) < near]
        for other in sorted(others, reverse=inwards < 0):
            if abs(other - value) < height:
                value = other + inwards
        placed[place] = value
    return placed
