"""Ticks of a bqplot axis with labels of our own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from bqplot import Axis


def set_ticks(axis: Axis, ticks: Sequence[float], labels: Sequence[str]) -> None:
    """Put these ticks on an axis.

    Parameters
    ----------
    axis
        Where to.
    ticks
        Where they stand on its scale.
    labels
        What is written at each.
    """
    # Two messages, the labels first: of one the browser takes the parts in any order, and ticks that come before their
    # labels are written without them a moment after the labels have come.
    axis.tick_labels = {_as_javascript(tick): text for tick, text in zip(ticks, labels, strict=True)}
    axis.tick_values = np.array(ticks)


def _as_javascript(value: float) -> str:
    """A number as JavaScript writes it: the labels are looked up by that."""
    if 1e-6 <= abs(value) < 1e21 or value == 0:
        return np.format_float_positional(value, trim="-")
    return np.format_float_scientific(value, trim="-", exp_digits=1)
