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
    with axis.hold_sync():
        axis.tick_labels = {_as_javascript(tick): text for tick, text in zip(ticks, labels, strict=True)}
        axis.tick_values = np.array(ticks)
        # Labels first. The browser takes the parts of a message in their order, and ticks that come before their labels
        # are written without them, a moment after the labels have come. What is held back is a set: it has no order.
        changed = [name for name in ("tick_labels", "tick_values") if name in axis._states_to_send]
        axis._states_to_send.difference_update(changed)
        axis.send_state(changed)


def _as_javascript(value: float) -> str:
    """A number as JavaScript writes it: the labels are looked up by that."""
    if 1e-6 <= abs(value) < 1e21 or value == 0:
        return np.format_float_positional(value, trim="-")
    return np.format_float_scientific(value, trim="-", exp_digits=1)
