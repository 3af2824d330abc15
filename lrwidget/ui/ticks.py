"""Ticks of a bqplot axis with labels of our own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from bqplot import Axis

# In one message, but never the ticks before their labels: bqplot writes the labels of new ticks a moment later, those
# that it had when the ticks came.
_IN_ORDER = ["tick_labels", "tick_values"]


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
        changed = [name for name in _IN_ORDER if name in axis._states_to_send]
        axis._states_to_send.difference_update(changed)
    if changed:
        axis.send_state(changed)


def _as_javascript(value: float) -> str:
    """A number as JavaScript writes it: the labels are looked up by that."""
    if 1e-6 <= abs(value) < 1e21 or value == 0:
        return np.format_float_positional(value, trim="-")
    return np.format_float_scientific(value, trim="-", exp_digits=1)
