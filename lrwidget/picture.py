"""A result as a static picture: SVG written here with nothing but text, anything else through matplotlib."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator
from html import escape
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lrwidget.axes import loss_range, loss_ticks, lr_ticks, short_number, tick_labels
from lrwidget.result import FloatArray, RangeTestResult, StopReason

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from lrwidget.suggestions import Suggestion

_WIDTH, _PLOT_HEIGHT = 640, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 18, 46, 40  # margins around the plot, for the texts
_LINE_HEIGHT = 19
_CHARACTERS = 88  # of 13 px text in a line as wide as the plot
_PLACES = (StopReason.DIVERGED, StopReason.NOT_FINITE)  # reasons that are about the rate at which they came

# Name: (light, dark, what it colours). Okabe and Ito's palette, told apart by colour-blind readers too.
_COLOURS = {
    "card": ("#ffffff", "#16191d", "fill"),
    "edge": ("#d9dee3", "#39414a", "stroke"),
    "text": ("#24292f", "#e6eaee", "fill"),
    "faint": ("#5b6670", "#9aa5b1", "fill"),
    "grid": ("#e9edf0", "#2a3037", "stroke"),
    "raw": ("#8a96a3", "#7d8996", "fill"),
    "curve": ("#0072b2", "#56b4e9", "stroke"),
    "mark": ("#c45500", "#f0953f", "stroke"),
    "band": ("#d55e00", "#f0953f", "fill"),
    "good": ("#00795a", "#2ec49b", "fill"),
    "bad": ("#b34700", "#f0953f", "fill"),
}


def to_svg(result: RangeTestResult, selected_lr: float | None = None) -> str:
    """Draw the curve, its suggestion and its verdict as an SVG document.

    It needs no style sheet, script or font of the page around it, brings its own background, and follows the reader's
    light or dark theme. Every text is escaped.

    Parameters
    ----------
    result
        The curve; an empty one gives the words alone.
    selected_lr
        The rate that was chosen instead of the suggested one; None if none was.

    Returns
    -------
    str
        The document, 640 px wide and scalable.
    """
    footer = list(_footer(result))
    words_top = _TOP + (_PLOT_HEIGHT + _BOTTOM if len(result) else 0)
    height = words_top + _LINE_HEIGHT * len(footer) + 12
    headline = _headline(result, selected_lr)
    summary = f"{headline}. {result.diagnosis.message}"
    return "\n".join(
        [
            '<svg xmlns="http://www.w3.org/2000/svg" class="lrwidget-picture" role="img" '
            f'viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" style="max-width: 100%; height: auto" '
            'font-family="system-ui, -apple-system, Segoe UI, Roboto, Helvetica, Arial, sans-serif" font-size="13">',
            f"<title>{escape(summary)}</title>",
            f"<style>@media (prefers-color-scheme: dark) {{ {_dark_rules()} }}</style>",
            f'<rect x="0.5" y="0.5" width="{_WIDTH - 1}" height="{height - 1}" rx="6" {_ink("card")} '
            f'stroke="{_COLOURS["edge"][0]}"/>',
            _text(_LEFT, 28, headline, "text", 'font-size="15" font-weight="600"'),
            _text(_WIDTH - _RIGHT, 28, _ending(result), "faint", 'text-anchor="end"'),
            *(_Plot(result).elements(result.suggest(), selected_lr) if len(result) else []),
            *_paragraph(footer, words_top + 14),
            "</svg>",
        ]
    )


def plot(result: RangeTestResult, ax: Axes | None = None) -> Axes:
    """Draw the curve, its suggestion and its verdict with matplotlib.

    Parameters
    ----------
    result
        The curve.
    ax
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    if ax is None:
        try:
            import matplotlib.pyplot as plt
        except ImportError as error:
            raise ImportError("plot() needs matplotlib: pip install lrwidget[plot]") from error
        _, ax = plt.subplots(layout="constrained")
    smoothed = result.smoothed()
    ax.set(xscale="log", xlabel="learning rate", ylabel="loss", ylim=loss_range(result.losses, smoothed))
    ax.set_title(f"{_headline(result)}\n{result.diagnosis.message}", loc="left", fontsize="medium")
    ax.scatter(result.lrs, result.losses, s=8, color=_COLOURS["raw"][0], alpha=0.6, linewidths=0, label="loss")
    ax.plot(result.lrs, smoothed, color=_COLOURS["curve"][0], linewidth=2, label="smoothed loss")
    suggestion = result.suggest()
    if suggestion.lr is not None:
        ax.axvline(suggestion.lr, color=_COLOURS["mark"][0], linestyle="--", label="suggestion")
    if suggestion.low is not None and suggestion.high is not None:
        ax.axvspan(suggestion.low, suggestion.high, color=_COLOURS["band"][0], alpha=0.12, linewidth=0)
    return ax


def save_plot(result: RangeTestResult, path: str | PathLike[str]) -> None:
    """Write the picture to a file: ``.svg`` as `to_svg` draws it, other kinds as `plot` does.

    Raises
    ------
    ImportError
        If the kind needs matplotlib and it is not installed.
    ValueError
        If the path has no suffix, or matplotlib does not know it.
    """
    path = Path(path)
    if path.suffix.lower() == ".svg":
        path.write_text(to_svg(result), encoding="utf-8")
        return
    if not path.suffix:
        raise ValueError(f"need a file name that ends in .svg, .png or .pdf, got {str(path)!r}")
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            f"a {path.suffix} picture needs matplotlib: pip install lrwidget[plot], or use .svg"
        ) from error
    figure = Figure(layout="constrained")  # one that pyplot knows nothing of: nothing to close
    plot(result, figure.subplots())
    figure.savefig(path, dpi=150)


class _Plot:
    """The part of the picture inside the axes, and their labels: from rates and losses to pixels."""

    def __init__(self, result: RangeTestResult) -> None:
        self._result = result
        self._smoothed = result.smoothed()
        self._low_loss, self._high_loss = loss_range(result.losses, self._smoothed)
        self._low_lr, self._high_lr = float(result.lrs.min()), float(result.lrs.max())
        if self._low_lr == self._high_lr:  # a single point stands in the middle of a decade
            self._low_lr, self._high_lr = self._low_lr / 10**0.5, self._high_lr * 10**0.5
        self._width = _WIDTH - _LEFT - _RIGHT

    def elements(self, suggestion: Suggestion, selected_lr: float | None) -> Iterator[str]:
        """All of it, back to front. A nested svg cuts off what leaves the axes."""
        yield from self._axes()
        yield f'<svg x="{_LEFT}" y="{_TOP}" width="{self._width}" height="{_PLOT_HEIGHT}">'
        if suggestion.low is not None and suggestion.high is not None:
            left, right = self._x(suggestion.low), self._x(suggestion.high)
            yield (
                f'<rect x="{left:.1f}" y="0" width="{right - left:.1f}" height="{_PLOT_HEIGHT}" {_ink("band")} '
                'fill-opacity="0.13"/>'
            )
        yield f'<g {_ink("raw")} fill-opacity="0.65">{"".join(self._points())}</g>'
        yield (
            f'<path d="{self._path()}" {_ink("curve")} fill="none" stroke-width="2.5" stroke-linejoin="round" '
            'stroke-linecap="round"/>'
        )
        if suggestion.lr is not None:
            yield self._mark(suggestion.lr, 'stroke-dasharray="6 4"')
        if selected_lr is not None:
            yield self._mark(selected_lr)
        yield "</svg>"

    def _mark(self, lr: float, dashes: str = "") -> str:
        return f'<path d="M{self._x(lr):.1f} 0V{_PLOT_HEIGHT}" {_ink("mark")} stroke-width="2" {dashes}/>'

    def _x(self, lr: float) -> float:
        return self._width * math.log(lr / self._low_lr) / math.log(self._high_lr / self._low_lr)

    def _y(self, loss: float) -> float:
        # Far beyond the axes is as good as just beyond them, and keeps the numbers readable to every renderer.
        share = (self._high_loss - loss) / (self._high_loss - self._low_loss)
        return _PLOT_HEIGHT * min(max(share, -1.0), 2.0)

    def _axes(self) -> Iterator[str]:
        ticks = loss_ticks(self._low_loss, self._high_loss)
        for tick, label in zip(ticks, tick_labels(ticks), strict=True):
            y = _TOP + self._y(tick)
            yield f'<path d="M{_LEFT} {y:.1f}h{self._width}" {_ink("grid")}/>'
            yield _text(_LEFT - 8, y + 4, label, "faint", 'text-anchor="end" font-size="12"')
        bottom = _TOP + _PLOT_HEIGHT
        for lr in lr_ticks(self._low_lr, self._high_lr):
            x = _LEFT + self._x(lr)
            yield f'<path d="M{x:.1f} {_TOP}V{bottom}" {_ink("grid")}/>'
            yield _text(x, bottom + 17, short_number(lr), "faint", 'text-anchor="middle" font-size="12"')
        yield _text(_LEFT + self._width / 2, bottom + 35, "learning rate", "faint", 'text-anchor="middle"')
        yield _text(_LEFT - 8, _TOP - 8, "loss", "faint", 'text-anchor="end"')

    def _points(self) -> Iterator[str]:
        for lr, loss in _finite(self._result.lrs, self._result.losses):
            if self._low_loss <= loss <= self._high_loss:
                yield f'<circle cx="{self._x(lr):.1f}" cy="{self._y(loss):.1f}" r="2"/>'

    def _path(self) -> str:
        places = [f"{self._x(lr):.1f} {self._y(loss):.1f}" for lr, loss in _finite(self._result.lrs, self._smoothed)]
        return "M" + "L".join(places) if places else ""


def _finite(lrs: FloatArray, losses: FloatArray) -> Iterator[tuple[float, float]]:
    shown = np.isfinite(losses)
    return zip(lrs[shown].tolist(), losses[shown].tolist(), strict=True)


def _headline(result: RangeTestResult, selected_lr: float | None = None) -> str:
    suggestion = result.suggest()
    if selected_lr is not None:
        suggested = "none" if suggestion.lr is None else short_number(suggestion.lr)
        return f"Selected LR {short_number(selected_lr)}, suggested {suggested}"
    if suggestion.lr is None:
        return "No suggested learning rate"
    interval = ""
    if suggestion.low is not None and suggestion.high is not None:
        interval = f"  ({short_number(suggestion.low)} … {short_number(suggestion.high)})"
    return f"Suggested LR {short_number(suggestion.lr)}{interval}"


def _ending(result: RangeTestResult) -> str:
    steps = "1 step" if len(result) == 1 else f"{len(result)} steps"
    at = f" at {short_number(float(result.lrs[-1]))}" if result.stop_reason in _PLACES and len(result) else ""
    return f"{steps}, {result.stop_reason}{at}"


def _footer(result: RangeTestResult) -> Iterator[tuple[str, str]]:
    """Lines of text and the colour of each: verdict, advice, error."""
    diagnosis = result.diagnosis
    good = diagnosis.kind == "ok"
    sign = "✓ " if good else "! "
    yield from ((line, "good" if good else "bad") for line in textwrap.wrap(sign + diagnosis.message, _CHARACTERS))
    yield from ((line, "text") for line in textwrap.wrap(diagnosis.advice, _CHARACTERS))
    if result.error is not None:
        yield from ((line, "bad") for line in textwrap.wrap(result.error, _CHARACTERS, max_lines=3, placeholder=" …"))


def _paragraph(lines: list[tuple[str, str]], top: float) -> Iterator[str]:
    for number, (line, colour) in enumerate(lines):
        yield _text(_LEFT, top + number * _LINE_HEIGHT, line, colour)


def _text(x: float, y: float, text: str, colour: str, attributes: str = "") -> str:
    printable = "".join(c if c.isprintable() else " " for c in text)  # control characters are not allowed in XML
    return f'<text x="{x:.1f}" y="{y:.1f}" {_ink(colour)} {attributes}>{escape(printable)}</text>'


def _ink(name: str) -> str:
    """Colour an element: the light theme by attribute, for renderers without CSS; the class lets the dark one in."""
    light, _, what = _COLOURS[name]
    return f'class="lrwidget-{name}" {what}="{light}"'


def _dark_rules() -> str:
    rules = [f".lrwidget-{name} {{ {what}: {dark} }}" for name, (_, dark, what) in _COLOURS.items()]
    return " ".join([*rules, f".lrwidget-card {{ stroke: {_COLOURS['edge'][1]} }}"])
