"""Ticks of a bqplot axis with labels that bqplot would not write."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from bqplot import Axis

from lrwidget.axes import loss_ticks, lr_ticks, short_number, tick_labels

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


def set_lr_ticks(axis: Axis, low: float, high: float, most: int = 9) -> None:
    """Put round rates within [low, high] on a logarithmic axis, about so many at most."""
    ticks = lr_ticks(low, high, most)
    set_ticks(axis, ticks, [short_number(tick) for tick in ticks])


def set_even_ticks(axis: Axis, low: float, high: float, about: int = 5) -> None:
    """Put about so many round numbers within [low, high] on a linear axis."""
    ticks = loss_ticks(low, high, about)
    set_ticks(axis, ticks, tick_labels(ticks))


def loss_labels(low: float, high: float, log: bool) -> tuple[list[float], list[str]]:
    """Where the ticks of losses within [low, high] stand on a linear axis, and what is written at them.

    `log` says that the axis shows their decimal logarithms.
    """
    if not log:
        ticks = loss_ticks(low, high)
        return ticks, tick_labels(ticks)
    if high - low < 1:  # less than a decade: evenly spaced losses say more
        losses = loss_ticks(10.0**low, 10.0**high)
        return np.log10(losses).tolist(), tick_labels(losses)
    losses = lr_ticks(10.0**low, 10.0**high, most=6)
    return np.log10(losses).tolist(), [short_number(loss) for loss in losses]


def _as_javascript(value: float) -> str:
    """A number as JavaScript writes it: the labels are looked up by that."""
    if 1e-6 <= abs(value) < 1e21 or value == 0:
        return np.format_float_positional(value, trim="-")
    return np.format_float_scientific(value, trim="-", exp_digits=1)
