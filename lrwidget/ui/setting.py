"""One setting: a slider for the hand, a box for the exact number."""

from __future__ import annotations

from ipywidgets import Box, FloatLogSlider, IntSlider, Text

from lrwidget.axes import exact_number, short_number
from lrwidget.live.session import Session
from lrwidget.live.words import LABELS
from lrwidget.ui import sliders
from lrwidget.ui.parts import Act, Inputs, set_traits


class Setting:
    """A slider and a box for one field of the settings.

    The slider stands at its own value nearest to the setting, the box shows the exact one.

    Parameters
    ----------
    session
        Takes the value.
    act
        Carries out what the user asks for.
    name
        The field of `LearningRateFinder`.
    tooltip
        Words for the user.
    slider
        Its range and step.
    """

    def __init__(self, session: Session, act: Act, name: str, tooltip: str, slider: FloatLogSlider | IntSlider) -> None:
        self._session = session
        self._name = name
        self._inputs = Inputs(act)
        self.slider = slider
        slider.description, slider.tooltip, slider.readout = LABELS[name], tooltip, False
        self._inputs.listen(slider, self._take_position)
        self.text = Text(continuous_update=False, tooltip=tooltip).add_class("lrw-number")
        self._inputs.listen(self.text, lambda text: session.propose_text(name, text))
        self.box = Box([slider, self.text]).add_class("lrw-setting")

    def render(self) -> None:
        """Show the session's value, in the slider only where it stands elsewhere."""
        value = getattr(self._session.settings, self._name)
        with self._inputs.quiet():
            sliders.put(self.slider, value)
            set_traits(self.text, value=_shown(value))

    def _take_position(self, value: float) -> None:
        if not sliders.stands_for(self.slider, getattr(self._session.settings, self._name)):
            self._session.propose(**{self._name: self._rounded(value)})

    def _rounded(self, value: float) -> float:
        """What the slider means: a position on a logarithmic scale stands for a number with two digits."""
        return float(f"{value:.1e}") if isinstance(self.slider, FloatLogSlider) else value


def _shown(value: float) -> str:
    """A setting in its box: short where that is exact."""
    if isinstance(value, int) or 0.01 <= value < 1:
        return f"{value:g}" if float(f"{value:g}") == value else str(value)
    short = short_number(value)
    return short if float(short) == value else exact_number(value)
