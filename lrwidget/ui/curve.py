"""The figure: the curve, what is marked on it, and the marker that the user drags."""

from __future__ import annotations

import numpy as np
from bqplot import Axis, Figure, LinearScale, Lines, LogScale, Mark, Scatter, Tooltip

from lrwidget.axes import loss_ticks, lr_ticks, short_number, tick_labels
from lrwidget.live.frames import Curve, Frame, Guide, Line
from lrwidget.result import FloatArray
from lrwidget.ui.marker import Marker
from lrwidget.ui.parts import set_range, set_traits

# Colours are variables of the style sheet, so that they follow the theme; the fallback is for saved pictures.
RAW = "var(--lrw-raw, #8a96a3)"
CURVE = "var(--lrw-curve, #0072b2)"
MARK = "var(--lrw-mark, #d55e00)"
BAND = "var(--lrw-band, #d55e00)"
TYPICAL = "var(--lrw-typical, #009e73)"
BAD = "var(--lrw-bad, #b34700)"
NORM = "var(--lrw-norm, #cc79a7)"

_FAINT, _GRID = "var(--lrw-faint, #5b6670)", "var(--lrw-grid, #e9edf0)"
_AXIS_COLOURS = {"label_color": _FAINT, "grid_color": _GRID, "tick_style": {"fill": _FAINT}}
_EDGE = 0.03  # share of the height at the bottom where a tick's label would meet those of the other axis
_NONE = np.array([])
_MARGIN = {"top": 16, "bottom": 42, "left": 56, "right": 16}


class CurveView:
    """The live figure.

    Parameters
    ----------
    marker
        The selected rate, which is drawn in it.

    Attributes
    ----------
    loss_scales
        The linear and the logarithmic one; only one of them is in use.
    """

    def __init__(self, marker: Marker) -> None:
        self._curve: Curve | None = None
        self._guide: Guide | None = None
        self._x, self._unit = marker.lr_scale, marker.unit_scale
        self._linear = LinearScale(min=0.0, max=1.0, allow_padding=False)
        self._log = LogScale(min=0.1, max=1.0, allow_padding=False)
        self.loss_scales = [self._linear, self._log]
        self._norm_scale = LogScale(min=0.1, max=1.0, allow_padding=False)
        self._x_axis = Axis(scale=self._x, label="learning rate", label_offset="30px", **_AXIS_COLOURS)
        self._y_axis = Axis(scale=self._linear, side="left", label="loss", label_offset="42px", **_AXIS_COLOURS)
        self._typical = self._band(TYPICAL, 0.10)
        self._interval = self._band(BAND, 0.14)
        self._points = self._lines(RAW, 4.0, 0.75)
        self._norms = Lines(
            x=_NONE,
            y=_NONE,
            scales={"x": self._x, "y": self._norm_scale},
            colors=[NORM],
            stroke_width=1.0,
            visible=False,
        )
        self._line = self._lines(CURVE, 2.5, 1.0)
        self._end = Scatter(
            x=_NONE, y=_NONE, scales=self._scales(), colors=[BAD], marker="cross", default_size=70, rotation=[45.0]
        )
        self._ticks = Scatter(
            x=_NONE,
            y=_NONE,
            scales={"x": self._x, "y": self._unit},
            colors=[RAW],
            marker="triangle-up",
            default_size=36,
            apply_clip=False,
            display_names=False,
            tooltip=Tooltip(fields=["name", "x"], labels=["rule", "LR"], formats=["", ".1e"]),
        )
        self.figure = Figure(
            marks=[
                self._typical,
                self._interval,
                self._points,
                self._norms,
                self._line,
                self._end,
                self._ticks,
                *marker.marks,
            ],
            axes=[self._x_axis, self._y_axis],
            fig_margin=_MARGIN,
            padding_x=0.0,
            padding_y=0.0,
            animation_duration=0,
            background_style={"fill": "transparent"},
            display_toolbar=False,
        )
        self.figure.add_class("lrw-figure")
        self.figure.layout.height = "340px"
        self.figure.layout.min_width = "0px"
        self.box = self.figure

    def render(self, frame: Frame) -> None:
        """Show this frame's curve and what is marked on it."""
        last, self._curve = self._curve, frame.curve
        if frame.curve is not last:
            self._render_axes(frame.curve, last)
            self._render_lines(frame.curve, last)
        guide, self._guide = self._guide, frame.guide
        if frame.guide != guide:
            self._render_guide(frame.guide)

    def _render_axes(self, curve: Curve, last: Curve | None) -> None:
        if last is None or curve.lr_range != last.lr_range:
            low, high = curve.lr_range
            ticks = lr_ticks(low, high)
            set_range(self._x, low, high)
            self._x_axis.tick_labels = {_key(tick): short_number(tick) for tick in ticks}
            self._x_axis.tick_values = np.array(ticks)
        if last is None or curve.log != last.log:
            for mark in (self._points, self._line, self._end):
                mark.scales = self._scales(curve.log)
            self._y_axis.scale = self._scale(curve.log)
        if last is None or (curve.loss_range, curve.log) != (last.loss_range, last.log):
            low, high = curve.loss_range
            ticks = lr_ticks(low, high) if curve.log else loss_ticks(low, high)
            if not curve.log:
                ticks = [tick for tick in ticks if tick - low > _EDGE * (high - low)]
            labels = map(short_number, ticks) if curve.log else tick_labels(ticks)
            set_range(self._scale(curve.log), low, high)
            self._y_axis.tick_labels = {_key(tick): label for tick, label in zip(ticks, labels, strict=True)}
            self._y_axis.tick_values = np.array(ticks)

    def _render_lines(self, curve: Curve, last: Curve | None) -> None:
        _draw(self._points, *_as_dots(curve.points))
        _draw(self._line, *_ending_finite(curve.line))
        if curve.end != (last.end if last else None):
            _draw(self._end, *([np.array([v]) for v in curve.end] if curve.end else (_NONE, _NONE)))

    def _render_guide(self, guide: Guide) -> None:
        _render_band(self._interval, guide.low, guide.high)
        low, high = guide.typical or (None, None)
        _render_band(self._typical, low, high)
        ticks = guide.ticks
        with self._ticks.hold_sync():
            self._ticks.names = np.array([tick.rule for tick in ticks]) if ticks else None
            self._ticks.x = np.array([tick.lr for tick in ticks])
            self._ticks.y = np.zeros(len(ticks))

    def _scale(self, log: bool = False) -> LinearScale | LogScale:
        return self._log if log else self._linear

    def _scales(self, log: bool = False) -> dict[str, object]:
        return {"x": self._x, "y": self._scale(log)}

    def _lines(self, colour: str, width: float, opacity: float) -> Lines:
        return Lines(x=_NONE, y=_NONE, scales=self._scales(), colors=[colour], stroke_width=width, opacities=[opacity])

    def _band(self, colour: str, opacity: float) -> Lines:
        return Lines(
            x=np.array([1e-7, 1e-6]),
            y=np.array([[0.0, 0.0], [1.0, 1.0]]),
            scales={"x": self._x, "y": self._unit},
            colors=[colour],
            fill="between",
            fill_colors=[colour],
            fill_opacities=[opacity, 0.0],
            opacities=[0.0, 0.0],
            visible=False,
        )


def _render_band(band: Lines, low: float | None, high: float | None) -> None:
    if low is None or high is None:
        set_traits(band, visible=False)
        return
    band.x = np.array([low, high])
    set_traits(band, visible=True)


def _draw(mark: Mark, x: FloatArray, y: FloatArray) -> None:
    """Both coordinates in one message; the arrays must be the mark's own, they are sent later."""
    with mark.hold_sync():
        mark.x, mark.y = x, y


def _as_dots(line: Line) -> tuple[FloatArray, FloatArray]:
    """Points as a line of lone points: with round caps each is a dot, and all are one element for the browser.

    The gaps come first: the last value must be finite, for it is where bqplot puts its (hidden) label.
    """
    finite = np.isfinite(line.values)
    x, y = np.repeat(line.lrs[finite], 2), np.repeat(line.values[finite], 2)
    y[::2] = np.nan
    return x, y


def _ending_finite(line: Line) -> tuple[FloatArray, FloatArray]:
    """The line up to its last finite value; gaps within it stay gaps."""
    finite = np.flatnonzero(np.isfinite(line.values))
    end = int(finite[-1]) + 1 if len(finite) else 0
    return line.lrs[:end], line.values[:end]


def _key(value: float) -> str:
    """A number as JavaScript writes it."""
    if 1e-6 <= abs(value) < 1e21 or value == 0:
        return np.format_float_positional(value, trim="-")
    return np.format_float_scientific(value, trim="-", exp_digits=1)
