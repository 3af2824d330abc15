"""The three pictures of a walk down a loss surface: where it went, its loss over the steps, where other rates end."""

from __future__ import annotations

import math
from typing import Any

import bqplot as bq
import numpy as np

from lrwidget.axes import loss_ticks
from lrwidget.live.descent import Walk, final_losses, lr_limit
from lrwidget.live.surfaces import START_LOSS, Surface
from lrwidget.result import FloatArray
from lrwidget.ui.figures import AXIS_COLOURS, figure

MIN_LR, MAX_LR = 1e-3, 10.0

# Colours are variables of the style sheet, so that they follow the theme; the fallback is for saved pictures.
_PATH, _GROUND, _LIMIT = "var(--lrw-mark, #c45500)", "var(--lrw-curve, #0072b2)", "var(--lrw-bad, #b34700)"
_CARD = "var(--lrw-card, #ffffff)"
_MARGIN = {"top": 10, "bottom": 40, "left": 48, "right": 14}
_VIEWS = {  # by surface: x, and y where there are two weights
    "valley": ((-1.8, 1.8), (-1.2, 1.2)),
    "double well": ((-1.8, 1.8), (-1.2, 1.2)),
    "Rosenbrock": ((-1.8, 1.8), (-0.7, 2.0)),
}
_PROFILE_VIEW = (-0.12, 3.0)  # y where there is one weight: the loss
_LOSS_VIEW = (1e-4 * START_LOSS, 1e2 * START_LOSS)
_LEVELS = START_LOSS * np.array([0.03, 0.1, 0.22, 0.4, 0.65, 1.0, 1.6, 2.6, 4.2, 7.0])


def _linear(low: float, high: float) -> bq.LinearScale:
    return bq.LinearScale(min=low, max=high, allow_padding=False)


def _log(low: float, high: float) -> bq.LogScale:
    return bq.LogScale(min=low, max=high, allow_padding=False)


def _axis(scale: bq.Scale, side: str, label: str, **ticks: Any) -> bq.Axis:
    offset = "30px" if side == "bottom" else "34px"
    return bq.Axis(scale=scale, side=side, label=label, label_offset=offset, **ticks, **AXIS_COLOURS)


def _lr_axis(scale: bq.LogScale) -> bq.Axis:
    ticks = 10.0 ** np.arange(round(math.log10(MIN_LR)), round(math.log10(MAX_LR)) + 1)
    return _axis(scale, "bottom", "learning rate", tick_values=ticks, tick_format="~g")


def _loss_axis(scale: bq.LogScale) -> bq.Axis:
    return _axis(scale, "left", "", tick_values=START_LOSS * 10.0 ** np.arange(-3, 2), tick_format="~g")


class Landscape:
    """The surface, seen from the side (one weight) or from above (two), and the walk on it."""

    def __init__(self) -> None:
        self._x, self._y = _linear(-2, 2), _linear(0, 1)
        scales = {"x": self._x, "y": self._y}
        self._ground = bq.Lines(scales=scales, colors=[_GROUND], stroke_width=2)
        self._contours = bq.Lines(scales=scales, colors=[_GROUND], stroke_width=1, fill="inside", close_path=True)
        self._minima = bq.Scatter(scales=scales, marker="cross", colors=[_GROUND], default_size=60)
        self._path = bq.Lines(scales=scales, colors=[_PATH], stroke_width=1.5)
        self._steps = bq.Scatter(scales=scales, colors=[_PATH], default_size=18)
        self._now = bq.Scatter(scales=scales, colors=[_PATH], default_size=130, stroke=_CARD)
        self._x_axis = _axis(self._x, "bottom", "", tick_values=np.arange(-1, 2), tick_format="d", grid_lines="none")
        self._y_axis = _axis(self._y, "left", "", tick_format="d", grid_lines="none")
        marks = [self._contours, self._ground, self._minima, self._path, self._steps, self._now]
        self.figure = figure(marks, [self._x_axis, self._y_axis], _MARGIN)

    def draw_surface(self, surface: Surface) -> None:
        """Show another surface."""
        (self._x.min, self._x.max), y_view = _VIEWS[surface.name]
        if surface.across is None:
            self._draw_profile(surface)
            y_view = _PROFILE_VIEW
        else:
            self._draw_contours(surface)
        names = ("weight", "loss") if surface.across is None else ("weight 1", "weight 2")
        self._x_axis.label, self._y_axis.label = names
        self._y_axis.tick_values = np.arange(math.ceil(y_view[0]), math.floor(y_view[1]) + 1)
        self._y.min, self._y.max = y_view

    def _draw_profile(self, surface: Surface) -> None:
        x = np.linspace(self._x.min, self._x.max, 400)
        with self._ground.hold_sync():
            self._ground.x, self._ground.y = x, np.minimum(surface.profile(x), 10 * START_LOSS)
            self._ground.visible, self._contours.visible = True, False
        minima = np.array(surface.minima)
        with self._minima.hold_sync():
            self._minima.x, self._minima.y = minima, surface.profile(minima)

    def _draw_contours(self, surface: Surface) -> None:
        curves = [curve for level in _LEVELS[::-1] for curve in surface.contour(level)]
        lines = np.stack(curves)
        with self._contours.hold_sync():
            self._contours.x, self._contours.y = lines[..., 0].copy(), lines[..., 1].copy()
            self._contours.opacities = [0.45] * len(curves)
            self._contours.fill_opacities = [0.07] * len(curves)
            self._contours.fill_colors = [_GROUND] * len(curves)
            self._contours.colors = [_GROUND] * len(curves)
            self._contours.visible, self._ground.visible = True, False
        minima = np.array(surface.minima)
        with self._minima.hold_sync():
            self._minima.x, self._minima.y = minima, surface.floor(minima)

    def draw_walk(self, walk: Walk, num_shown: int) -> None:
        """Show the first ``num_shown`` steps."""
        points = walk.weights[: num_shown + 1]
        points = points[np.isfinite(walk.losses[: num_shown + 1])]
        x = points[:, 0]
        y = points[:, 1] if walk.surface.num_weights == 2 else walk.surface.loss(points)
        x, y = np.clip(x, -20, 20), np.clip(y, -20, 20)
        for mark, part in ((self._path, slice(None)), (self._steps, slice(None)), (self._now, slice(-1, None))):
            with mark.hold_sync():
                mark.x, mark.y = x[part].copy(), y[part].copy()


class LossOverSteps:
    """The loss of each step, on a logarithmic axis."""

    def __init__(self, num_steps: int) -> None:
        scales = {"x": _linear(0, 1.02 * num_steps), "y": _log(*_LOSS_VIEW)}
        self._losses = bq.Lines(scales=scales, colors=[_PATH], stroke_width=2)
        self._now = bq.Scatter(scales=scales, colors=[_PATH], default_size=70, stroke=_CARD)
        axes = [
            _axis(
                scales["x"], "bottom", "step", tick_values=loss_ticks(0, num_steps), tick_format="d", grid_lines="none"
            ),
            _loss_axis(scales["y"]),
        ]
        self.figure = figure([self._losses, self._now], axes, _MARGIN)

    def draw_walk(self, walk: Walk, num_shown: int) -> None:
        """Show the first ``num_shown`` steps."""
        _draw_line(self._losses, np.arange(num_shown + 1.0), walk.losses[: num_shown + 1])
        _draw_dot(self._now, num_shown, walk.losses[num_shown])


class EndsByRate:
    """Where each learning rate ends after the same number of steps: the curve that a range test looks for."""

    def __init__(self, num_steps: int) -> None:
        self._num_steps = num_steps
        self._lrs = np.geomspace(MIN_LR, MAX_LR, 241)
        scales = {"x": _log(MIN_LR, MAX_LR), "y": _log(*_LOSS_VIEW)}
        whole = {"x": scales["x"], "y": _linear(0, 1)}
        self._ends = bq.Lines(scales=scales, colors=[_GROUND], stroke_width=2)
        self._limit = bq.Lines(scales=whole, x=[1, 1], y=[0, 1], colors=[_LIMIT], line_style="dashed", stroke_width=1.5)
        self._lr = bq.Lines(scales=whole, x=[1, 1], y=[0, 1], colors=[_PATH], stroke_width=1.5)
        self._now = bq.Scatter(scales=scales, colors=[_PATH], default_size=70, stroke=_CARD)
        axes = [_lr_axis(scales["x"]), _loss_axis(scales["y"])]
        self.figure = figure([self._limit, self._ends, self._lr, self._now], axes, _MARGIN)

    def draw_ends(self, surface: Surface, optimizer: str) -> None:
        """Show another surface or optimizer."""
        _draw_line(self._ends, self._lrs, final_losses(surface, self._lrs, optimizer, self._num_steps))
        limit = lr_limit(surface.curvature, optimizer)
        self._limit.visible = limit is not None
        if limit is not None:
            self._limit.x = np.array([limit, limit])

    def draw_lr(self, walk: Walk) -> None:
        """Show where this walk ends."""
        self._lr.x = np.array([walk.lr, walk.lr])
        _draw_dot(self._now, walk.lr, walk.losses[-1])


def _draw_line(line: bq.Lines, x: FloatArray, losses: FloatArray) -> None:
    """Draw losses as a logarithmic axis takes them; one that has left for good leaves the picture upwards."""
    low, high = _LOSS_VIEW
    drawn = np.clip(np.nan_to_num(losses, nan=np.inf), low / 10, high * 10)
    with line.hold_sync():
        line.x, line.y = x.copy(), drawn


def _draw_dot(dot: bq.Scatter, x: float, loss: float) -> None:
    """Draw one loss, or nothing where it lies outside the picture."""
    dot.visible = bool(_LOSS_VIEW[0] <= loss <= _LOSS_VIEW[1])
    if dot.visible:
        with dot.hold_sync():
            dot.x, dot.y = np.array([float(x)]), np.array([float(loss)])
