"""The selected learning rate: a line in the figure to drag, a slider for the keyboard, a box for the number."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from bqplot import Label, LinearScale, LogScale, Scatter
from ipywidgets import Box, FloatLogSlider, Text

from lrwidget.axes import rate_text
from lrwidget.live.frames import Frame, Guide
from lrwidget.live.run_state import RunState
from lrwidget.live.session import Session
from lrwidget.result import FloatArray
from lrwidget.ui.parts import Act, Explained, Inputs, button, set_range, set_traits

COLOUR = "var(--lrw-mark, #c45500)"
_LINE_COLOUR = "var(--lrw-mark-line, #c45500)"  # by its name the style sheet knows the line, and makes it thin and tall
_NUMBER_WIDTH = 0.24  # share of a narrow figure that the number beside the line takes
_NONE, _MEASURING = "none yet", "measuring …"  # in the box, where there is no rate
_DIGITS = 3  # of a rate that is pointed at


class Marker:
    """The marker and the row beneath the figure.

    The line is one tall, thin mark that is dragged as a whole, so it follows the mouse without asking the kernel. While
    the user drags it, nothing here moves it.

    Parameters
    ----------
    session
        Takes the choice.
    act
        Carries out what the user asks for.

    Attributes
    ----------
    lr_scale, unit_scale
        The figure's scales: its learning rates, and 0 to 1 for its height.
    marks
        What is drawn in the figure.
    slider_box, box
        The slider, and the row with the number.
    """

    def __init__(self, session: Session, act: Act) -> None:
        self._session = session
        self._act = act
        self._dragged: Scatter | None = None
        self._lr_range = (1e-7, 10.0)
        self._inputs = Inputs(act)
        self.lr_scale = LogScale(min=1e-7, max=10.0, allow_padding=False)
        self.unit_scale = LinearScale(min=0.0, max=1.0, allow_padding=False)
        self._make_marks()
        self._make_row()

    def _make_marks(self) -> None:
        scales = {"x": self.lr_scale, "y": self.unit_scale}
        middle, top = np.array([0.5]), np.array([1.0])
        common = {
            "x": np.array([1e-3]),
            "scales": scales,
            "enable_move": True,
            "restrict_x": True,
            "visible": False,
        }
        self._line = Scatter(
            y=middle,
            colors=[_LINE_COLOUR],
            marker="rectangle",
            default_skew=1.0,
            default_size=4000,
            stroke="rgba(0,0,0,0)",
            stroke_width=14.0,
            **common,
        )
        self._grip = Scatter(
            y=top, colors=[COLOUR], marker="triangle-down", default_size=150, apply_clip=False, **common
        )
        self._number = Label(
            x=np.array([1e-3]),
            y=top,
            text=[""],
            scales=scales,
            colors=[COLOUR],
            default_size=12,
            x_offset=9,
            y_offset=12,
            align="start",
            apply_clip=False,
            visible=False,
        )
        for mark in (self._line, self._grip):
            mark.on_drag_start(self._on_marker_drag_start)
            mark.on_drag(self._on_marker_drag)
            mark.on_drag_end(self._on_marker_drag_end)
        # Takes the clicks on the background: each adds a point to it, and that point is where the marker goes.
        self._target = Scatter(x=np.array([1e-3]), y=np.array([-1.0]), scales=scales, colors=["rgba(0,0,0,0)"])
        self._target.interactions = {"click": "add"}
        self._inputs.listen(self._target, self._choose_last, "x")
        self.marks = [self._target, self._line, self._number, self._grip]

    def _make_row(self) -> None:
        session = self._session
        self.slider = FloatLogSlider(1e-3, min=-7.0, max=1.0, step=0.1, readout=False, continuous_update=False)
        self.slider.tooltip = "Move the selected LR; the arrow keys move it by a tenth of a decade"
        self._inputs.listen(self.slider, self._choose_near)
        self.text = Text(description="Selected LR", placeholder=_NONE, continuous_update=False)
        self._inputs.listen(self.text, session.propose_choice)
        self.text.add_class("lrw-selected")
        self.back = button("suggestion", "Follow the suggestion again", "back", self._act, lambda: session.choose(None))
        self.slider_box = Box([self.slider]).add_class("lrw-marker-slider")
        tip = "The learning rate to train with; type a number to choose it"
        self.box = Box([Explained(self.text, tip), self.back]).add_class("lrw-marker")

    def is_held(self) -> bool:
        """Whether the user drags the marker just now."""
        return self._dragged is not None

    def render(self, frame: Frame) -> None:
        """Put the marker where the selected rate is, unless the user holds it."""
        with self._inputs.quiet():
            self._lr_range = frame.curve.lr_range
            low, high = (math.log10(lr) for lr in self._lr_range)
            set_range(self.slider, low, high)
            set_traits(self.back, disabled=not frame.guide.is_choice)
            self._render_text(frame.guide, frame.state is RunState.RUNNING)
            self._render_marks(frame.guide.selected_lr, frame.curve.end)
            if len(self._target.x) > 1:
                self._target.x, self._target.y = np.array([1e-3]), np.array([-1.0])

    def _render_text(self, guide: Guide, is_moving: bool) -> None:
        """While a run moves its suggestion the box stays empty: what is written to it wipes out what is being typed."""
        lr = guide.selected_lr if guide.is_choice or not is_moving else None
        set_traits(self.text, placeholder=_MEASURING if is_moving else _NONE)
        if lr is None:
            set_traits(self.text, value="")
        elif _number_or_none(self.text.value) != lr:
            set_traits(self.text, value=rate_text(lr, guide.is_choice))

    def _render_marks(self, lr: float | None, end: tuple[float, float] | None) -> None:
        if lr is not None:
            if abs(math.log10(self.slider.value / lr)) > self.slider.step / 2:
                self.slider.value = lr
            self._render_number(lr, end)
            for mark in (self._line, self._grip):
                if mark is not self._dragged and mark.x[0] != lr:
                    mark.x = np.array([lr])
        for mark in (self._line, self._grip, self._number):
            set_traits(mark, visible=lr is not None)

    def _render_number(self, lr: float, end: tuple[float, float] | None) -> None:
        """Write the rate beside the line: on its left where it would leave the figure or meet the divergence's mark."""
        low, high = (math.log10(rate) for rate in self._lr_range)
        space = min([high, *([math.log10(end[0])] if end and end[0] > lr else [])]) - math.log10(lr)
        is_right = space < _NUMBER_WIDTH * (high - low)
        with self._number.hold_sync():
            set_traits(
                self._number,
                text=[rate_text(lr, is_exact=False)],
                align="end" if is_right else "start",
                x_offset=-9 if is_right else 9,
            )
            if self._number.x[0] != lr:
                self._number.x = np.array([lr])

    def choose_near(self, lr: float) -> None:
        """Take a rate that was pointed at: within the figure, with three digits."""
        self._act(lambda: self._choose_near(lr))

    def _choose_near(self, lr: float) -> None:
        low, high = self._lr_range
        self._session.choose(float(f"{min(max(lr, low), high):.{_DIGITS - 1}e}"))

    def _choose_last(self, lrs: FloatArray) -> None:
        """Take the rate of the point that a click has added."""
        if len(lrs) > 1:
            self._choose_near(float(lrs[-1]))

    def _on_marker_drag_start(self, mark: Scatter, content: dict[str, Any]) -> None:
        self._dragged = mark

    def _on_marker_drag(self, mark: Scatter, content: dict[str, Any]) -> None:
        self.choose_near(content["point"]["x"])

    def _on_marker_drag_end(self, mark: Scatter, content: dict[str, Any]) -> None:
        self._dragged = None
        self.choose_near(content["point"]["x"])


def _number_or_none(content: str) -> float | None:
    try:
        return float(content)
    except ValueError:
        return None
