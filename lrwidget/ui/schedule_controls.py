"""Controls built from the description of a parameter: a slider to drag, a box to type in, words, a tick."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ipywidgets import Box, Checkbox, FloatLogSlider, FloatSlider, IntSlider, Label, Text, ToggleButtons

from lrwidget.live.schedule_values import Control
from lrwidget.ui import sliders
from lrwidget.ui.parts import set_traits

_LABEL_WIDTH = "10.5em"
_SLIDERS = (FloatLogSlider, FloatSlider, IntSlider)


class ValueControl:
    """One value: a slider and a box with the number in writing; or a row of words, a tick, or the box alone.

    Parameters
    ----------
    control
        What to begin with; later ones are of the same parameter.
    move
        Called with the value to which the slider, the words or the tick were moved.
    type_in
        Called with the text that was typed.
    """

    def __init__(self, control: Control, move: Callable[[Any], None], type_in: Callable[[str], None]) -> None:
        self._control = control
        self._move = move
        parameter = control.parameter
        self.input = _input(control)
        self.text: Text | None = None
        children = []
        if self.input is not None:
            set_traits(self.input, description=parameter.label, tooltip=parameter.help)
            self.input.style.description_width = _LABEL_WIDTH
            self.input.observe(self._on_input_change, "value")
            self.input.add_class("lrw-value-input")
            children.append(self.input)
        if parameter.kind not in ("choice", "flag"):
            self.text = Text(
                value=control.text, continuous_update=False, tooltip=f"{parameter.label}: {parameter.help}"
            )
            if self.input is None:  # a box with a description of its own would show no tooltip
                children.append(Label(parameter.label).add_class("lrw-value-name"))
            self.text.observe(lambda change: type_in(change["new"]), "value")
            self.text.add_class("lrw-value-text" if self.input is not None else "lrw-value-input").add_class(
                "lrw-number"
            )
            children.append(self.text)
        self._unit = Label(control.unit).add_class("lrw-value-unit")
        self.box = Box([*children, self._unit]).add_class("lrw-value")

    def render(self, control: Control) -> None:
        """Show this value. An input where the user has just put it is not touched."""
        self._control = control
        if isinstance(self.input, _SLIDERS):
            self._render_slider(self.input, control)
        elif self.input is not None:
            set_traits(self.input, value=control.value)
        if self.text is not None:
            set_traits(self.text, value=control.text)
        set_traits(self._unit, value=control.unit)

    def _render_slider(self, slider: Any, control: Control) -> None:
        """Set the upper end and the value, in an order in which the end never cuts the value off."""
        high = math.log10(control.high) if isinstance(slider, FloatLogSlider) else control.high
        set_traits(slider, max=max(high, slider.max))
        sliders.put(slider, control.value)
        set_traits(slider, max=high)

    def _on_input_change(self, change: Any) -> None:
        value, shown = change["new"], self._control.value
        if sliders.stands_for(self.input, shown) if isinstance(self.input, _SLIDERS) else value == shown:
            return  # moved by `render`, not by the user
        if isinstance(value, float) and isinstance(shown, int):  # of whole numbers the next one, for a key at least
            value = max(round(value), shown + 1) if value > change["old"] else min(round(value), shown - 1)
        elif isinstance(value, float):
            value = float(f"{value:.6g}")
        self._control = replace(self._control, value=value)
        self._move(value)


def _input(control: Control) -> Any:
    """Give the input that suits the kind of a parameter; None where only typing does."""
    parameter, value, low, high = control.parameter, control.value, control.low, control.high
    if parameter.kind == "choice":
        return ToggleButtons(options=parameter.choices, value=value, tooltips=[parameter.help] * len(parameter.choices))
    if parameter.kind == "flag":
        return Checkbox(value=value, indent=True)
    if parameter.kind == "milestones":
        return None
    if parameter.scale == "log":
        return FloatLogSlider(value=value, min=math.log10(low), max=math.log10(high), step=0.01, readout=False)
    if isinstance(value, int):
        return IntSlider(value=value, min=int(low), max=int(high), readout=False)
    step = 10.0 ** math.floor(math.log10((high - low) / 100))
    return FloatSlider(value=value, min=low, max=high, step=step, readout=False)
