"""The row above the figure: which rule, which usual range, how the figure is shown."""

from __future__ import annotations

import re

from ipywidgets import Box, Dropdown, ToggleButton

from lrwidget.diagnosis import TYPICAL_RANGES
from lrwidget.live.frames import Frame
from lrwidget.live.session import Session
from lrwidget.suggestions import RULES
from lrwidget.ui.curve import CurveView
from lrwidget.ui.parts import Act, Explained, Inputs, button, set_traits

_NONE = "none"  # a list shows nothing at all for None


class ViewBar:
    """Choices that redraw and never train.

    Parameters
    ----------
    session
        Takes the rule, the architecture and the axis.
    act
        Carries out what the user asks for.
    curve
        The figure.
    """

    def __init__(self, session: Session, act: Act, curve: CurveView) -> None:
        self._curve = curve
        self._inputs = Inputs(act)
        self.rule = Dropdown(options={_words(rule): rule for rule in RULES}, value="default", description="Rule")
        self._inputs.listen(self.rule, session.follow_rule)
        self.typical = Dropdown(options=[_NONE, *TYPICAL_RANGES], value=_NONE, description="Usual for")
        self._inputs.listen(self.typical, lambda name: session.show_typical(None if name == _NONE else name))
        self.log = self._toggle("log", "Losses on a logarithmic axis")
        self._inputs.listen(self.log, session.show_log)
        self.norms = self._toggle("grad norm", "Show the gradient norm, where the train step reports it")
        self._inputs.listen(self.norms, self._show_norms)
        self.zoom = self._toggle("zoom", "Zoom with the wheel and pan with the mouse; the marker rests meanwhile")
        self._inputs.listen(self.zoom, curve.zoom)
        self.reset = button("reset", "Show the whole curve again", "back", act, curve.reset)
        self.png = button("PNG", "Save the figure as a PNG file", "save", act, curve.save_png)
        self.svg = button("SVG", "Save the figure as an SVG file", "save", act, curve.save_svg)
        choices = Box(
            [
                Explained(self.rule, "The rule that suggests the LR; the small triangles show what each one says"),
                Explained(self.typical, "Shade the learning rates that are usual for such a model"),
            ]
        ).add_class("lrw-row")
        buttons = Box([self.log, self.norms, self.zoom, self.reset, self.png, self.svg]).add_class("lrw-row")
        self.box = Box([choices, buttons]).add_class("lrw-view-bar")

    def render(self, frame: Frame) -> None:
        """Show this frame's choices."""
        with self._inputs.quiet():
            set_traits(self.rule, value=frame.guide.rule)
            set_traits(self.typical, value=frame.architecture or _NONE)
            set_traits(self.log, value=frame.curve.log)
            set_traits(self.norms, disabled=frame.curve.norms is None)

    def _show_norms(self, is_wanted: bool) -> None:
        self._curve.norms.is_wanted = is_wanted

    def _toggle(self, name: str, tooltip: str) -> ToggleButton:
        return ToggleButton(description=name, tooltip=tooltip).add_class("lrw-toggle")


def _words(rule: str) -> str:
    """The name of a rule as people write it: between digits of a version are points."""
    return re.sub(r"(?<=\d)_(?=\d)", ".", rule).replace("_", " ")
