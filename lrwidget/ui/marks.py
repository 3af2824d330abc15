"""Marks of bqplot: their colours, and arrays in the form in which they draw them well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from bqplot import Mark

from lrwidget.live.frames import Line
from lrwidget.result import FloatArray

# Colours are variables of the style sheet, so that they follow the theme; the fallback is for saved pictures.
RAW = "var(--lrw-raw, #8a96a3)"
CURVE = "var(--lrw-curve, #0072b2)"
MARK = "var(--lrw-band, #d55e00)"
TYPICAL = "var(--lrw-typical, #009e73)"
BAD = "var(--lrw-bad, #b34700)"
NORM = "var(--lrw-norm, #a8538a)"
# As many as earlier runs are kept: Okabe and Ito's palette without the blue of the curve and the vermilion of the
# marker, and four that are darker or lighter. To colour-blind readers no two are more alike than two of that palette.
PAST = {
    "light": ("#009e73", "#cc79a7", "#a38b00", "#4c98be", "#5b403b", "#4a2f9e", "#1d1d1d", "#8a4a6b"),
    "dark": ("#2ec49b", "#e3a1c8", "#e0cf4c", "#9ad3f5", "#8a4fc0", "#2f7d4a", "#e8f5e0", "#a8741f"),
}

NONE = np.array([])


def past_colour(number: int) -> str:
    """The colour of an earlier run."""
    place = number % len(PAST["light"])
    return f"var(--lrw-past-{place}, {PAST['light'][place]})"


def colour_variables(scope: str, name: str, colours: Mapping[str, Sequence[str]]) -> str:
    """Rules that give the elements of a scope the variables ``--lrw-<name>-<i>``, others in the dark theme.

    Parameters
    ----------
    scope
        A selector.
    name
        What the colours are of.
    colours
        Those of the ``"light"`` and of the ``"dark"`` theme.
    """
    light, dark = (
        " ".join(f"--lrw-{name}-{place}: {colour};" for place, colour in enumerate(colours[theme]))
        for theme in ("light", "dark")
    )
    return f'{scope} {{ {light} }}\n[data-jp-theme-light="false"] {scope} {{ {dark} }}\n'


def draw(mark: Mark, x: FloatArray, y: FloatArray) -> None:
    """Both coordinates in one message; the arrays must be the mark's own, they are sent later."""
    with mark.hold_sync():
        mark.x, mark.y = x, y


def as_dots(line: Line) -> tuple[FloatArray, FloatArray]:
    """Points as a line of lone points: with round caps each is a dot, and all are one element for the browser.

    The gaps come first: the last value must be finite, for it is where bqplot puts its (hidden) label.
    """
    finite = np.isfinite(line.values)
    x, y = np.repeat(line.lrs[finite], 2), np.repeat(line.values[finite], 2)
    y[::2] = np.nan
    return x, y


def ending_finite(x: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """A line up to its last finite value; gaps within it stay gaps."""
    finite = np.flatnonzero(np.isfinite(values))
    end = int(finite[-1]) + 1 if len(finite) else 0
    return x[:end], values[:end]


def stacked(lines: Sequence[Line]) -> tuple[FloatArray, FloatArray]:
    """Several lines for one mark, arrays of shape (lines, points): the shorter ones stay at their last point.

    bqplot drops axes of length one, so a lone line is flat, and there are always two points.
    """
    ended = [pair for pair in (ending_finite(line.lrs, line.values) for line in lines) if len(pair[0])]
    if not ended:
        return NONE, NONE
    longest = max(2, *(len(lrs) for lrs, _ in ended))
    x, y = (np.array([np.pad(pair[i], (0, longest - len(pair[i])), mode="edge") for pair in ended]) for i in (0, 1))
    return (x[0], y[0]) if len(ended) == 1 else (x, y)
