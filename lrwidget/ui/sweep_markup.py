"""The texts of the sweep view as HTML."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import numpy as np

from lrwidget.axes import short_number, unpadded
from lrwidget.live.sweep_tables import Table
from lrwidget.ui.marks import colour_variables

# Told apart by people who see few colours (Okabe and Ito), the strongest first; lighter ones for the dark theme.
_COLOURS = {
    "light": ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b07c00", "#3d98c9", "#8a6d3b", "#7f7f7f"),
    "dark": ("#56b4e9", "#f0953f", "#2ec49b", "#e3a1c8", "#f0c04a", "#7f9fe0", "#c8a878", "#a8a8a8"),
}

# bqplot takes no mixture as a colour, but a variable. Each is made where both of its colours are known.
_NUM_SHADES = 20
_SHADES = " ".join(
    f"--lrw-shade-{i}: color-mix(in oklab, var(--lrw-sweep-1) {100 * i / _NUM_SHADES:g}%, var(--lrw-sweep-0));"
    for i in range(_NUM_SHADES + 1)
)

CSS = (
    colour_variables(".lrwidget", "sweep", _COLOURS)
    + f".lrwidget {{ {_SHADES} }}"
    + """
.lrw-sweep { padding: var(--lrw-gap); gap: 8px; overflow: visible; }
.lrw-sweep .lrw-choices { display: flex; flex-flow: row wrap; gap: 4px 16px; align-items: center; overflow: visible; }
.lrw-sweep .lrw-choices > * { margin: 0; width: auto; }
.lrw-sweep .lrw-choices select { min-width: 110px; }
.lrw-sweep .lrw-choices .widget-label { width: auto; color: var(--lrw-faint); margin-right: 6px; }
.lrw-sweep :is(.widget-html, .widget-html-content) { min-width: 0; }
.lrw-sweep .lrw-tables { display: flex; flex-flow: row wrap; align-items: flex-end; gap: 12px 28px;
  overflow-x: auto; }
.lrw-sweep table { border-collapse: separate; border-spacing: 2px; font-variant-numeric: tabular-nums; }
.lrw-sweep caption { text-align: left; padding-bottom: 2px; }
.lrw-sweep caption b { font-weight: 600; white-space: nowrap; }
.lrw-sweep caption span { color: var(--lrw-faint); }
.lrw-sweep th { color: var(--lrw-faint); font-weight: 400; text-align: left; padding: 2px 8px 2px 2px; }
.lrw-sweep th[scope="col"] { text-align: right; padding: 2px 10px; }
.lrw-sweep td { text-align: right; white-space: nowrap; position: relative; padding: 4px 10px; border-radius: 3px;
  min-width: 64px; }
.lrw-sweep .lrw-legend { display: flex; flex-wrap: wrap; gap: 2px 14px; }
.lrw-sweep .lrw-legend i { display: inline-block; width: 12px; height: 3px; border-radius: 2px; margin-right: 5px;
  vertical-align: middle; }
.lrw-sweep .lrw-failed-runs { color: var(--lrw-bad); overflow-wrap: anywhere; }
.lrw-sweep td.lrw-best { font-weight: 600; box-shadow: inset 0 0 0 1.5px var(--lrw-text); }
.lrw-sweep td sup { position: absolute; line-height: 1; }
.lrw-sweep .lrw-notes { padding: 2px 2px 0; font-size: 12px; }
.lrw-sweep .lrw-failed-runs ul { margin: 2px 0; padding-left: 28px; }
.lrw-sweep .lrw-failed-runs pre { white-space: pre-wrap; color: var(--lrw-text); font-size: 12px; margin: 2px 0; }
"""
)


def colour(index: int, num_values: int) -> str:
    """The colour of the value with that index: one that stands out, or, of more than eight, a shade between two."""
    colours = _COLOURS["light"]  # the fallback is for saved pictures
    if num_values > len(colours):
        return f"var(--lrw-shade-{round(_NUM_SHADES * index / (num_values - 1))}, {colours[0]})"
    return f"var(--lrw-sweep-{index}, {colours[index]})"


def legend(name: str | None, values: Sequence[str]) -> str:
    """Which colour stands for which value of a name."""
    if name is None:
        return ""
    items = (
        f'<span><i style="background:{colour(i, len(values))}"></i>{escape(v) or "–"}</span>'
        for i, v in enumerate(values)
    )
    return f'<div class="lrw-legend"><span class="lrw-faint">{escape(name)}</span>{"".join(items)}</div>'


def tables(made: Sequence[Table], row: str | None, column: str | None, averaged: Sequence[str]) -> str:
    """Tables side by side, each with its cells shaded from the lowest value to the highest."""
    ways = " × ".join(escape(name) for name in (row, column) if name)
    over = f", mean over {escape(', '.join(averaged))}" if averaged else ""
    notes = [note for mark, note in _NOTES.items() if any(mark in _mark(t, i, j) for t in made for i, j in _cells(t))]
    note = f'<div class="lrw-faint lrw-notes">{" &nbsp; ".join(notes)}</div>' if notes else ""
    return f'<div class="lrw-tables">{"".join(_table(each, row, column, ways + over) for each in made)}</div>{note}'


_NOTES = {"*": "* over fewer runs: the others have none", "–": "– none", "…": "… not yet"}


def _cells(made: Table) -> list[tuple[int, int]]:
    return list(np.ndindex(made.values.shape))


def _mark(made: Table, row: int, column: int) -> str:
    """What a cell shows beside its value, or in its place."""
    if not made.num_missing[row][column]:
        return ""
    if made.is_waiting[row][column]:
        return "…"
    return "–" if math.isnan(made.values[row, column]) else "*"


def _table(made: Table, row: str | None, column: str | None, ways: str) -> str:
    head = ""
    if column is not None:
        cells = "".join(f'<th scope="col">{escape(label) or "–"}</th>' for label in made.columns)
        head = f"<tr>{'<td></td>' if row is not None else ''}{cells}</tr>"
    body = ""
    for index, label in enumerate(made.rows):
        title = f'<th scope="row">{escape(label) or "–"}</th>' if row is not None else ""
        body += f"<tr>{title}{''.join(_cell(made, index, j) for j in range(len(made.columns)))}</tr>"
    return f"<table><caption><b>{escape(made.title)}</b> <span>{ways}</span></caption>{head}{body}</table>"


def _cell(made: Table, row: int, column: int) -> str:
    value, shade, missing = made.values[row, column], made.shades[row, column], made.num_missing[row][column]
    mark = _mark(made, row, column)
    if math.isnan(value):
        return f'<td class="lrw-faint">{mark}</td>'
    strength = 12 + 48 * shade
    style = f"background:color-mix(in srgb, var(--lrw-curve) {strength:.0f}%, transparent)"
    more = f' title="{missing} of its runs have none"' if missing else ""
    text = short_number(value) if made.is_rate else unpadded(f"{value:#.4g}")
    is_best = not made.is_rate and value == np.nanmin(made.values) < np.nanmax(made.values)
    best = ' class="lrw-best"' if is_best else ""
    return f'<td style="{style}"{best}{more}>{text}{f"<sup>{mark}</sup>" if mark else ""}</td>'


def progress(num_done: int, num_runs: int, num_failed: int, state: str) -> str:
    """A bar and a line on how far the sweep is."""
    share = num_done / num_runs
    failed = f" · {num_failed} failed" if num_failed else ""
    words = f"{num_done}/{num_runs} range tests · {escape(state)}{failed}"
    return (
        f'<div class="lrw-bar"><div style="width:{share:.1%}"></div></div>'
        f'<div class="lrw-progress-words"><span>{words}</span></div>'
    )


def failures(entries: Sequence[tuple[str, str, str]]) -> str:
    """What failed: settings, error and traceback of each run; those with the same error together.

    Parameters
    ----------
    entries
        Of each run its settings, its error in one line, and its traceback, empty where there is none.
    """
    if not entries:
        return ""
    alike: dict[str, list[tuple[str, str]]] = {}
    for label, error, details in entries:
        alike.setdefault(error, []).append((label, details))
    items = "".join(_failure(error, runs) for error, runs in alike.items())
    return f'<div class="lrw-failed-runs" role="alert">{items}</div>'


def _failure(error: str, runs: Sequence[tuple[str, str]]) -> str:
    labels, details = [label for label, _ in runs], runs[0][1]
    head = f"{escape(labels[0])}: {escape(error)}" if len(runs) == 1 else f"{len(runs)} × {escape(error)}"
    listed = "" if len(runs) == 1 else f"<ul>{''.join(f'<li>{escape(label)}</li>' for label in labels)}</ul>"
    traceback = f"<pre>{escape(details)}</pre>" if details else ""
    if not listed and not traceback:
        return f"<div>{head}</div>"
    return f"<details><summary>{head}</summary>{listed}{traceback}</details>"
