"""The figure: the curve, earlier ones, what is marked on them; zoom and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from typing import Any

import numpy as np
from bqplot import Axis, LinearScale, Lines, LogScale, PanZoom, Scatter, Tooltip

from lrwidget.axes import short_number
from lrwidget.live.frames import DrawnCurve, Frame, Guide, Line
from lrwidget.live.run_state import RunState
from lrwidget.live.words import loss_text
from lrwidget.ui.figures import AXIS_COLOURS, figure
from lrwidget.ui.marker import Marker
from lrwidget.ui.marks import BAD, CURVE, MARK, NONE, RAW, TYPICAL, as_dots, draw, ending_finite, past_colour, stacked
from lrwidget.ui.norms import NormLine
from lrwidget.ui.parts import Act, Inputs, set_range, set_traits
from lrwidget.ui.ticks import loss_labels, set_lr_ticks, set_ticks

_EDGE = 0.03  # share of the height at the bottom where a tick's label would meet those of the other axis
_ON_AXIS = 0.015  # height at which a small triangle stands on the axis
_MARGIN = {"top": 18, "bottom": 42, "left": 56, "right": 16}
_WIDE_MARGIN = _MARGIN | {"right": 60}  # room for the axis of the gradient norms


class CurveView:
    """The live figure.

    Parameters
    ----------
    marker
        The selected rate, which is drawn in it.
    act
        Carries out what the user asks for.

    Attributes
    ----------
    box
        The figure.
    """

    def __init__(self, marker: Marker, act: Act) -> None:
        self._inputs = Inputs(act)
        self._frame: Frame | None = None
        self._is_zoomed = False
        self._lr_view: object = None  # what the axes have ticks for
        self._loss_view: object = None
        self._marked_end: tuple[float, float] | None = None
        self._x, self._unit = marker.lr_scale, marker.unit_scale
        # Also where logarithms are shown: bqplot does not survive another scale under an axis.
        self._y = LinearScale(min=0.0, max=1.0, allow_padding=False)
        self._x_axis = Axis(scale=self._x, label="learning rate", label_offset="30px", **AXIS_COLOURS)
        self._y_axis = Axis(scale=self._y, side="left", label="loss", label_offset="42px", **AXIS_COLOURS)
        self._make_marks(marker)
        self.norms = NormLine(self._x)
        self._zooming = PanZoom(scales={"x": [self._x], "y": [self._y]})
        self.figure = figure(
            [*self._bands, *self._behind, self.norms.line, *self._front, self._hover, *marker.marks],
            [self._x_axis, self._y_axis, self.norms.axis],
            *(_MARGIN, 340),
        )
        self.box = self.figure
        for scale in (self._x, self._y):
            self._inputs.listen(scale, self._note_zoom, ["min", "max"])

    def _make_marks(self, marker: Marker) -> None:
        self._typical, self._interval = self._vertical_band(TYPICAL, 0.10), self._vertical_band(MARK, 0.13)
        self._bands = [self._typical, self._interval]
        self._spread = self._lines(
            [CURVE, CURVE], 1.0, fill="between", fill_opacities=[0.16, 0.0], opacities=[0.0, 0.0]
        )
        self._past = self._lines([RAW], 1.6)
        self._points = self._lines([RAW], 4.0, opacities=[0.75])
        self._behind = [self._spread, self._past, self._points]
        self._line = self._lines([CURVE], 2.5)
        self._end = Scatter(
            x=NONE,
            y=NONE,
            scales=self._scales() | {"rotation": LinearScale(min=0.0, max=180.0)},
            colors=[BAD],
            marker="cross",
            default_size=80,
            rotation=[45.0],
            apply_clip=False,  # where it stands on the edge it is to be seen whole
        )
        self._ticks = Scatter(
            x=NONE,
            y=NONE,
            scales={"x": self._x, "y": self._unit},
            colors=[RAW],
            marker="triangle-up",
            default_size=36,
            apply_clip=False,
            display_names=False,
            tooltip=Tooltip(fields=["name"], show_labels=False).add_class("lrw-tooltip"),
        )
        self._front = [self._line, self._end, self._ticks]
        # The points once more, unseen: what is one element for the browser cannot say which point is pointed at.
        self._hover = Scatter(
            x=NONE,
            y=NONE,
            scales=self._scales(),
            default_size=50,  # of a hundred points in a figure of 700 pixels none covers the middle of the next one
            stroke_width=0.0,
            opacities=[0.0],
            display_names=False,
            tooltip=Tooltip(fields=["name"], show_labels=False).add_class("lrw-tooltip"),
        )
        self._hover.on_element_click(lambda _, content: marker.choose_near(content["data"]["data"]["x"]))

    @property
    def is_zoomed(self) -> bool:
        """Whether the figure shows a part of the curve that the user has picked."""
        return self._is_zoomed

    # --- intents ---

    def zoom(self, is_on: bool) -> None:
        """Let the mouse zoom and pan; the marker cannot be dragged meanwhile."""
        self.figure.interaction = self._zooming if is_on else None

    def reset(self) -> None:
        """Show the whole curve again."""
        self._is_zoomed = False

    def save_png(self) -> None:
        """Have the browser save the figure as it is."""
        self.figure.save_png("range_test.png", scale=2)

    def save_svg(self) -> None:
        """Have the browser save the figure as it is."""
        self.figure.save_svg("range_test.svg")

    # --- output ---

    def render(self, frame: Frame) -> None:
        """Show this frame's curve and what is marked on it."""
        last, self._frame = self._frame, frame
        with self._inputs.quiet():
            curve, was = frame.curve, last.curve if last else None
            if was is None or curve.log != was.log:
                self._is_zoomed = False
            self._render_axes(curve)
            self._render_end(curve.end)
            if curve is not was:
                self._render_losses(curve)
            self._render_hover(frame, last)
            self.norms.render(curve.norms, curve is not was)
            set_traits(self.figure, fig_margin=_WIDE_MARGIN if self.norms.is_shown else _MARGIN)
            if last is None or frame.guide != last.guide:
                self._render_guide(frame.guide)

    def _render_axes(self, curve: DrawnCurve) -> None:
        if not self._is_zoomed:
            set_range(self._x, *curve.lr_range)
            set_range(self._y, *curve.loss_range)
        is_empty = not len(curve.points.lrs) and not curve.past
        lr_view, loss_view = (self._x.min, self._x.max), (self._y.min, self._y.max, curve.log, is_empty)
        if lr_view != self._lr_view:
            self._lr_view = lr_view
            set_lr_ticks(self._x_axis, *lr_view)
        if loss_view != self._loss_view:
            self._loss_view = loss_view
            self._render_loss_ticks(curve.log, is_empty)

    def _render_loss_ticks(self, log: bool, is_empty: bool) -> None:
        low, high = self._y.min, self._y.max
        ticks, labels = loss_labels(low, high, log)
        if not log:
            is_clear = [tick - low > _EDGE * (high - low) for tick in ticks]
            ticks, labels = list(compress(ticks, is_clear)), list(compress(labels, is_clear))
        set_ticks(self._y_axis, ticks, [""] * len(ticks) if is_empty else labels)

    def _render_losses(self, curve: DrawnCurve) -> None:
        draw(self._points, *as_dots(curve.points))
        draw(self._line, *ending_finite(curve.line.lrs, curve.line.values))
        others = [*curve.tests, *(past.line for past in curve.past)]
        if others or len(self._past.x):
            colours = [RAW] * len(curve.tests) + [past_colour(past.number) for past in curve.past]
            set_traits(self._past, colors=colours or [RAW])
            draw(self._past, *stacked(others))
        if curve.band is not None or len(self._spread.x):
            low, high = curve.band or (Line(NONE, NONE), Line(NONE, NONE))
            draw(self._spread, low.lrs, np.array([low.values, high.values]))

    def _render_end(self, end: tuple[float, float] | None) -> None:
        """Mark the divergence, unless it lies outside of what is zoomed in on."""
        if end is not None and not (_is_within(self._x, end[0]) and _is_within(self._y, end[1])):
            end = None
        if end != self._marked_end:
            self._marked_end = end
            draw(self._end, *([np.array([value]) for value in end] if end else (NONE, NONE)))

    def _render_hover(self, frame: Frame, last: Frame | None) -> None:
        """The points that can be asked: not while new ones come ten times a second."""
        if last is not None and frame.curve is last.curve and _is_busy(frame) == _is_busy(last):
            return
        if _is_busy(frame):
            if len(self._hover.x):
                draw(self._hover, NONE, NONE)
            return
        points = frame.curve.points
        finite = np.isfinite(points.values)
        with self._hover.hold_sync():
            self._hover.names = np.array(_descriptions(frame.curve), dtype=str)[finite] if finite.any() else None
            self._hover.x, self._hover.y = points.lrs[finite], points.values[finite]

    def _render_guide(self, guide: Guide) -> None:
        _render_band(self._interval, guide.low, guide.high)
        low, high = guide.typical or (None, None)
        _render_band(self._typical, low, high)
        ticks = guide.ticks
        if [tick.lr for tick in ticks] != self._ticks.x.tolist():
            with self._ticks.hold_sync():
                self._ticks.names = (
                    np.array([f"{tick.rule}: {short_number(tick.lr)}" for tick in ticks]) if ticks else None
                )
                self._ticks.x, self._ticks.y = np.array([tick.lr for tick in ticks]), np.full(len(ticks), _ON_AXIS)

    def _note_zoom(self, _: object) -> None:
        self._is_zoomed = True  # and the next frame has other ticks

    def _scales(self) -> dict[str, object]:
        return {"x": self._x, "y": self._y}

    def _lines(self, colours: Sequence[str], width: float, **style: Any) -> Lines:
        return Lines(x=NONE, y=NONE, scales=self._scales(), colors=list(colours), stroke_width=width, **style)

    def _vertical_band(self, colour: str, opacity: float) -> Lines:
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


def _is_within(scale: LinearScale | LogScale, value: float) -> bool:
    slack = 1e-9 * (scale.max - scale.min)
    return bool(scale.min - slack <= value <= scale.max + slack)


def _is_busy(frame: Frame) -> bool:
    return frame.state is RunState.RUNNING or not frame.is_complete


def _descriptions(curve: DrawnCurve) -> list[str]:
    """What is said of each point that the mouse is on."""
    rows = zip(curve.steps.tolist(), curve.points.lrs.tolist(), curve.losses.tolist(), strict=True)
    return [f"step {step} · LR {short_number(lr)} · loss {loss_text(loss)}" for step, lr, loss in rows]


def _render_band(band: Lines, low: float | None, high: float | None) -> None:
    if low is None or high is None:
        set_traits(band, visible=False)
        return
    if band.x.tolist() != [low, high]:
        band.x = np.array([low, high])
    set_traits(band, visible=True)
