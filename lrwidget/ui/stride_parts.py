"""The pieces that the picture of the stride is made of: sliders on logarithmic scales, a ruler, boxes."""

from __future__ import annotations

import math
from typing import Any

import ipywidgets as widgets
import traitlets

from lrwidget.live.descent import Judgement
from lrwidget.ui import markup, sliders

_SLIDER_STEP = 0.01  # decades
_SIGNS = {"crawls": "…", "converges": "✓", "overshoots": "↔", "diverges": "!"}
_MOODS = {"crawls": "neutral", "converges": "good", "overshoots": "neutral", "diverges": "bad"}


def button(name: str, icon: str, tooltip: str) -> widgets.Button:
    return widgets.Button(description=name, tooltip=tooltip).add_class(f"lrw-icon-{icon}")


def log_slider(label: str, tooltip: str, low: float, high: float) -> widgets.FloatLogSlider:
    return widgets.FloatLogSlider(
        min=math.log10(low),
        max=math.log10(high),
        step=_SLIDER_STEP,
        description=label,
        tooltip=tooltip,
        readout=False,
    )


def number_box(low: float, high: float) -> widgets.BoundedFloatText:
    return widgets.BoundedFloatText(min=low, max=high, step=None).add_class("lrw-number")


def setting(slider: widgets.FloatLogSlider, box: widgets.BoundedFloatText) -> widgets.Box:
    return widgets.Box([slider, box]).add_class("lrw-setting")


def picture(heading: str, figure: widgets.DOMWidget, kind: str) -> widgets.VBox:
    title = widgets.HTML(f'<div class="lrw-stride-heading">{markup.text(heading)}</div>')
    return widgets.VBox([title, figure]).add_class("lrw-stride-picture").add_class(kind)


def link_log_slider(widget: traitlets.HasTraits, trait: str, slider: widgets.FloatLogSlider) -> None:
    """Keep a trait and a slider together: the slider stands for it; what is moved is taken in three digits."""

    def on_slider_value(_: Any) -> None:
        if not sliders.stands_for(slider, getattr(widget, trait)):
            setattr(widget, trait, float(f"{slider.value:.3g}"))

    def on_trait_change(_: Any) -> None:
        sliders.put(slider, getattr(widget, trait))

    on_trait_change(None)
    slider.observe(on_slider_value, "value")
    widget.observe(on_trait_change, trait)


def ruler(limit: float | None, curvature: float, low: float, high: float) -> str:
    """The line under the slider: all rates beyond theory's limit, and the limit itself."""
    if limit is None:
        words = "no fixed limit: a step is about as long as the rate"
        return f'<div class="lrw-ruler"><div class="lrw-ruler-words lrw-faint">{words}</div></div>'
    share = math.log(limit / low) / math.log(high / low)
    return (
        f'<div class="lrw-ruler"><div class="lrw-ruler-beyond" style="left: calc(8px + {share:.4f} * (100% - 16px))">'
        f'</div><div class="lrw-ruler-words">limit {limit * curvature:.2g}/curvature = {limit:.3g}</div></div>'
    )


def verdict_box(verdict: Judgement) -> str:
    return markup.verdict(_MOODS[verdict.kind], verdict.message, sign=_SIGNS[verdict.kind])
