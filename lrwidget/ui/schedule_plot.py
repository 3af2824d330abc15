"""The picture of a schedule: its rate, its momentum, its phases, and the schedules to compare it with."""

from __future__ import annotations

from html import escape

import numpy as np
from bqplot import Axis, Label, LinearScale, Lines, LogScale, Mark, Scatter, Tooltip

from lrwidget.axes import loss_ticks, lr_ticks, short_number, tick_labels
from lrwidget.live.schedule_model import MOST_OVERLAYS
from lrwidget.live.schedule_preview import Preview, ScheduleFrame
from lrwidget.result import FloatArray
from lrwidget.schedules import Phase
from lrwidget.ui.figures import figure
from lrwidget.ui.marks import CURVE, NONE
from lrwidget.ui.parts import set_traits
from lrwidget.ui.ticks import set_ticks

MOMENTUM = "var(--lrw-mark, #c45500)"
# Colour and stroke of each schedule to compare with: told apart without colours, too.
OVERLAYS = (
    ("var(--lrw-overlay-1, #009e73)", "dashed"),
    ("var(--lrw-overlay-2, #cc79a7)", "dotted"),
    ("var(--lrw-overlay-3, #b8860b)", "dash_dotted"),
    ("var(--lrw-overlay-4, #7a8288)", "dashed"),
)
PHASES = {
    "rising": "var(--lrw-rising, #e69f00)",
    "falling": "var(--lrw-falling, #56b4e9)",
    "flat": "var(--lrw-flat, #8a96a3)",
    "mixed": "var(--lrw-mixed, #cc79a7)",
}
_QUIET = "var(--jp-ui-font-color2, #616161)"
_NOTHING = "rgba(0,0,0,0)"
_MARGIN = {"top": 12, "bottom": 42, "left": 62, "right": 56}
_MOST_DECADES = 6.0  # of a logarithmic axis: what lies below is no longer training
_HEADROOM = 0.12  # share of the axis above the highest rate, where the names of the phases stand
_ALMOST_ZERO = 1e-9
_NUM_HOVERS = 120


class SchedulePlot:
    """The figure of the Schedule tab; `render` draws what has changed."""

    def __init__(self) -> None:
        self._frame: ScheduleFrame | None = None
        self._ticks: dict[Axis, tuple[list[float], list[str]]] = {}
        self._x = LinearScale(min=0.0, max=1.0, allow_padding=False)
        self._linear = LinearScale(min=0.0, max=1.0, allow_padding=False)
        self._log = LogScale(min=0.1, max=1.0, allow_padding=False)
        self._unit = LinearScale(min=0.0, max=1.0, allow_padding=False)
        self._momentum_scale = LinearScale(min=0.0, max=1.0, allow_padding=False)
        self._make_axes()
        self._make_marks()
        self.figure = figure(
            [self._bands, self._names, *self._overlays, self._momentum, self._line, self._hover],
            [self._x_axis, self._y_axis, self._momentum_axis],
            *(_MARGIN, 340),
        )

    def _make_axes(self) -> None:
        self._x_axis = Axis(scale=self._x, label="step", label_offset="30px", label_color=_QUIET, grid_lines="none")
        self._y_axis = Axis(
            scale=self._linear, side="left", label="learning rate", label_offset="48px", label_color=_QUIET
        )
        self._momentum_axis = Axis(
            scale=self._momentum_scale,
            side="right",
            label="momentum",
            label_offset="42px",
            label_color=MOMENTUM,
            grid_lines="none",
            visible=False,
        )

    def _make_marks(self) -> None:
        whole = {"x": self._x, "y": self._unit}
        self._bands = Lines(
            x=NONE, y=NONE, scales=whole, colors=[_NOTHING], close_path=True, fill="inside", visible=False
        )
        self._names = Label(
            x=NONE,
            y=NONE,
            text=[""],
            scales=whole,
            colors=[_QUIET],
            align="middle",
            default_size=12,
            font_weight="normal",
            y_offset=12,
        )
        self._overlays = [
            Lines(x=NONE, y=NONE, scales=self._scales(), colors=[colour], line_style=style, stroke_width=2.0)
            for colour, style in OVERLAYS[:MOST_OVERLAYS]
        ]
        self._momentum = Lines(
            x=NONE,
            y=NONE,
            scales={"x": self._x, "y": self._momentum_scale},
            colors=[MOMENTUM],
            line_style="dashed",
            stroke_width=1.5,
        )
        self._line = Lines(x=NONE, y=NONE, scales=self._scales(), colors=[CURVE], stroke_width=2.5)
        # Points that nobody sees, large enough to be hit: a line has no values to hover over.
        self._hover = Scatter(
            x=NONE,
            y=NONE,
            scales=self._scales(),
            colors=[_NOTHING],
            default_size=200,
            hovered_style={"fill": CURVE, "opacity": 0.6},
            unhovered_style={"fill": _NOTHING},
            tooltip=Tooltip(fields=["name"], show_labels=False),
            display_names=False,
        )

    def render(self, frame: ScheduleFrame) -> None:
        """Show this frame."""
        last, self._frame = self._frame, frame
        is_new = last is None or frame.preview is not last.preview
        if is_new or (frame.log, frame.overlays) != (last.log, last.overlays):  # type: ignore[union-attr]
            self._render_axes(frame, last)
            self._render_lines(frame)
        if is_new and frame.preview is not None:
            self._render_phases(frame.preview)
            self._render_momentum(frame.preview)
        # A picture that is no longer that of the values is drawn faintly.
        set_traits(self._line, opacities=[0.3 if frame.problem else 1.0])

    def _render_axes(self, frame: ScheduleFrame, last: ScheduleFrame | None) -> None:
        shown = _shown(frame)
        if not shown:
            return
        end = float(max(preview.total_steps for preview in shown))
        low, high = _lr_range(shown, frame.log)
        scale = self._scale(frame.log)
        for each, bottom, top in ((self._x, 0.0, end), (scale, low, high)):
            with each.hold_sync():
                set_traits(each, min=bottom, max=top)
        if last is None or frame.log != last.log:
            for mark in (*self._overlays, self._line, self._hover):
                mark.scales = self._scales(frame.log)
        self._set_ticks(self._x_axis, loss_ticks(0.0, end), [f"{tick:,.0f}" for tick in loss_ticks(0.0, end)])
        ticks = lr_ticks(low, high) if frame.log else loss_ticks(low, high)
        labels = [short_number(tick) for tick in ticks]
        # The axis changes its scale a moment after its ticks, and a logarithmic one has no place for 0.
        self._set_ticks(self._y_axis, [tick or _ALMOST_ZERO * high for tick in ticks], labels)
        self._y_axis.scale = scale

    def _render_lines(self, frame: ScheduleFrame) -> None:
        shown = _shown(frame)
        if not shown:
            return
        # A rate of 0 has no place on a logarithmic axis: it is drawn just below. Nor may the linear one have it, whose
        # curve is still there when the axis changes.
        low = _lr_range(shown, log=True)[0] / 10 if frame.log else _ALMOST_ZERO * max(p.high for p in shown)
        for i, line in enumerate(self._overlays):
            preview = frame.overlays[i].preview if i < len(frame.overlays) else None
            _draw(line, preview.steps if preview else NONE, preview.lrs if preview else NONE, low)
        if frame.preview is None:
            return
        _draw(self._line, frame.preview.steps, frame.preview.lrs, low)
        some = np.unique(np.linspace(0, len(frame.preview.steps) - 1, _NUM_HOVERS).astype(int))
        with self._hover.hold_sync():
            self._hover.names = np.array([_words_at(frame, frame.preview, i) for i in some.tolist()])
            _draw(self._hover, frame.preview.steps[some], frame.preview.lrs[some], low)

    def _render_phases(self, preview: Preview) -> None:
        phases = preview.phases
        set_traits(self._bands, visible=bool(phases))
        if phases:
            with self._bands.hold_sync():
                self._bands.x = np.array([[p.start, p.end, p.end, p.start] for p in phases], dtype=float)
                self._bands.y = np.array([[0.0, 0.0, 1.0, 1.0]] * len(phases))
                self._bands.fill_colors = [PHASES[p.trend] for p in phases]
                self._bands.fill_opacities = [0.16] * len(phases)
        named = [phase for phase in phases if _has_room(phase, preview.total_steps)]
        with self._names.hold_sync():
            self._names.text = np.array([phase.name for phase in named] or [""])
            self._names.x = np.array([(phase.start + phase.end) / 2 for phase in named] or [0.0], dtype=float)
            self._names.y = np.ones(max(1, len(named)))

    def _render_momentum(self, preview: Preview) -> None:
        momenta = preview.momenta
        set_traits(self._momentum_axis, visible=momenta is not None)
        if momenta is None:
            _draw(self._momentum, NONE, NONE, 0.0)
            return
        # Room above and below, so that the line runs apart from that of the rate.
        low, high = float(momenta.min()), float(momenta.max())
        margin = 0.15 * (high - low) or 0.05
        with self._momentum_scale.hold_sync():
            set_traits(self._momentum_scale, min=low - margin, max=high + margin)
        ticks = loss_ticks(low, high) if high > low else [low]
        self._set_ticks(self._momentum_axis, ticks, tick_labels(ticks))
        _draw(self._momentum, preview.steps, momenta, -np.inf)

    def _set_ticks(self, axis: Axis, ticks: list[float], labels: list[str]) -> None:
        if self._ticks.get(axis) != (ticks, labels):
            self._ticks[axis] = ticks, labels
            set_ticks(axis, ticks, labels)

    def _scale(self, log: bool = False) -> LinearScale | LogScale:
        return self._log if log else self._linear

    def _scales(self, log: bool = False) -> dict[str, object]:
        return {"x": self._x, "y": self._scale(log)}


def _draw(mark: Mark, x: FloatArray, y: FloatArray, low: float) -> None:
    """Both coordinates in one message, as copies: they are sent later. Nothing is lower than `low`."""
    with mark.hold_sync():
        mark.x, mark.y = x.copy(), np.maximum(y, low)


def _shown(frame: ScheduleFrame) -> list[Preview]:
    now = [] if frame.preview is None else [frame.preview]
    return [*now, *(overlay.preview for overlay in frame.overlays)]


def _lr_range(previews: list[Preview], log: bool) -> tuple[float, float]:
    """The rates that an axis shows, with room above them for the names of the phases."""
    high = max(preview.high for preview in previews)
    if not log:
        return 0.0, (1 + _HEADROOM) * high
    low = max(min(preview.low for preview in previews), high / 10**_MOST_DECADES)
    low = 0.8 * low if low < 0.5 * high else low / 3
    return low, high * (high / low) ** _HEADROOM


def _has_room(phase: Phase, total_steps: int) -> bool:
    """Whether the name of a phase fits into it, in a window of usual width."""
    return (phase.end - phase.start) / total_steps > 0.016 * len(phase.name)


def _words_at(frame: ScheduleFrame, preview: Preview, i: int) -> str:
    step = preview.steps[i]
    words = [f"step {step:,.0f}"]
    if frame.steps_per_epoch is not None:
        words.append(f"epoch {step / frame.steps_per_epoch:.2f}")
    words += [preview.phase_at(step), f"LR {short_number(preview.lrs[i])}"]
    if preview.momenta is not None:
        words.append(f"momentum {preview.momenta[i]:.3g}")
    return escape(" · ".join(word for word in words if word))
