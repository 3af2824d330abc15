"""What all figures have in common: the colours of their axes, no toolbar, a width that gives way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bqplot import Axis, Figure, Mark

from lrwidget.ui.parts import set_traits

# Colours are variables of the style sheet, so that they follow the theme; the fallback is for saved pictures.
_FAINT, _GRID = "var(--lrw-faint, #5b6670)", "var(--lrw-grid, #e9edf0)"
AXIS_COLOURS = {"label_color": _FAINT, "grid_color": _GRID, "tick_style": {"fill": _FAINT}}


def figure(marks: Sequence[Mark], axes: Sequence[Axis], margin: Mapping[str, int], height: int | None = None) -> Figure:
    """A figure.

    Parameters
    ----------
    marks, axes
        What is drawn.
    margin
        Pixels at the top, bottom, left and right for the axes and their labels.
    height
        In pixels; None where the style sheet says it.
    """
    made = Figure(
        marks=list(marks),
        axes=list(axes),
        fig_margin=dict(margin),
        padding_x=0.0,
        padding_y=0.0,
        animation_duration=0,
        background_style={"fill": "transparent"},
        display_toolbar=False,
    )
    set_traits(made.layout, min_width="0px", height=None if height is None else f"{height}px")
    return made.add_class("lrw-figure")
