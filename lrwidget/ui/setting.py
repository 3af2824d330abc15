"""One setting: a slider for the hand, a box for the exact number."""

from __future__ import annotations

import math

from ipywidgets import Box, FloatLogSlider, IntSlider, Text

from lrwidget.axes import short_number
from lrwidget.live.session import Session
from lrwidget.live.words import exact_number
from lrwidget.ui.parts import Act, Inputs, set_range, set_traits

_SAME = 1e-6  # relative; the browser computes powers of ten with rounding


class Setting:
    """A slider and a box for one field of the settings.

    A slider knows only its own steps: given a value between two of them, the browser moves it to the nearest and
    reports that back. Such a report is no wish of the user's; the box beside it shows the exact value.

    Parameters
    ----------
    session
        Takes the value.
    act
        Carries out what the user asks for.
    name
        The field of `LearningRateFinder`.
    label, tooltip
        Words for the user.
    slider
        Its range and step.
    """

    def __init__(
        self, session: Session, act: Act, name: str, label: str, tooltip: str, slider: FloatLogSlider | IntSlider
    ) -> None:
        self._session = session
        self._name = name
        self._inputs = Inputs(act)
        self.slider = slider
        slider.description, slider.tooltip, slider.readout = label, tooltip, False
        self._inputs.listen(slider, self._take_position)
        self.text = Text(continuous_update=False, tooltip=tooltip).add_class("lrw-number")
        self._inputs.listen(self.text, lambda text: session.propose_text(name, text))
        self.box = Box([slider, self.text]).add_class("lrw-setting")

    def render(self) -> None:
        """Show the session's value, in the slider only where it stands elsewhere."""
        value = getattr(self._session.settings, self._name)
        with self._inputs.quiet():
            position = self._position(value)
            set_range(self.slider, min(self.slider.min, position), max(self.slider.max, position))
            if not _is_same(self.slider.value, value) and not _is_same(self.slider.value, self._snapped(value)):
                self.slider.value = value
            set_traits(self.text, value=_shown(value))

    def _take_position(self, value: float) -> None:
        if not _is_same(value, self._snapped(getattr(self._session.settings, self._name))):
            self._session.propose(**{self._name: self._rounded(value)})

    @property
    def _is_log(self) -> bool:
        return isinstance(self.slider, FloatLogSlider)

    def _rounded(self, value: float) -> float:
        """What the slider means: a position on a logarithmic scale stands for a number with two digits."""
        return float(f"{value:.1e}") if self._is_log else value

    def _position(self, value: float) -> float:
        return math.log10(value) if self._is_log else value

    def _snapped(self, value: float) -> float:
        """The value of the slider's step nearest to it."""
        low, step = float(self.slider.min), float(self.slider.step)
        position = low + round((self._position(value) - low) / step) * step
        return float(10.0**position) if self._is_log else position


def _is_same(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=_SAME)


def _shown(value: float) -> str:
    """A setting in its box: short where that is exact."""
    if isinstance(value, int) or 0.01 <= value < 1:
        return f"{value:g}" if float(f"{value:g}") == value else str(value)
    short = short_number(value)
    return short if float(short) == value else exact_number(value)
