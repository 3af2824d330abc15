"""Where a slider stands for a value that it cannot show: at its own one nearest to it.

A slider knows only its steps, counted from its lower end. Given a value beside them, the browser moves it onto the
nearest and reports that; given another lower end, it moves all steps, and reports where the old value has gone. Neither
is a wish of the user's. So a slider is given none but its own values, and keeps its lower end: then it reports nothing.
"""

from __future__ import annotations

import math
from typing import Any

from ipywidgets import FloatLogSlider

_SAME = 0.01  # steps; the browser computes powers of ten with rounding


def put(slider: Any, value: float) -> None:
    """Put a slider where it stands for this value; no message where it stands there already."""
    if not stands_for(slider, value):
        slider.value = _nearest(slider, value)


def stands_for(slider: Any, value: float) -> bool:
    """Whether a slider stands where it would be put for this value."""
    there = _position(slider, _nearest(slider, value))
    return bool(abs(_position(slider, slider.value) - there) < _SAME * slider.step)


def _nearest(slider: Any, value: float) -> float:
    """The slider's own value nearest to this one: one of its steps, within its ends."""
    position: float = min(max(_position(slider, value), slider.min), slider.max)
    num_steps = math.floor((position - slider.min) / slider.step + 0.5)  # as the browser does; `round` takes even ones
    position = min(slider.min + num_steps * slider.step, slider.max)
    return 10.0**position if _is_log(slider) else position


def _position(slider: Any, value: float) -> float:
    return math.log10(value) if _is_log(slider) else value


def _is_log(slider: Any) -> bool:
    return isinstance(slider, FloatLogSlider)
