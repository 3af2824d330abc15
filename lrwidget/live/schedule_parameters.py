"""The parameters that all schedules of the tab share: the peak, the length of the training, the warm-up in front."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lrwidget.schedules import SCHEDULES, Parameter

PEAK = replace(
    next(p for p in SCHEDULES["constant"].parameters if p.kind == "lr"),
    help="The largest learning rate of the schedule.",
)
TOTAL = next(p for p in SCHEDULES["cosine"].parameters if p.kind == "total")
FRONT = replace(
    next(p for p in SCHEDULES["warmup"].parameters if p.kind == "steps"), name="front_steps", label="Its length"
)
EPOCHS = Parameter(
    "count", "Epochs", "epochs", least=1, low=1, high=100, start=10, name="num_epochs",
    help="The number of times that the training goes through the data.",
)  # fmt: skip
BATCHES = replace(
    TOTAL, label="Steps per epoch", low=1, high=10_000, start=100, name="steps_per_epoch",
    help="The number of optimizer steps in one epoch.",
)  # fmt: skip
COMMON = {parameter.name: parameter for parameter in (PEAK, TOTAL, FRONT, EPOCHS, BATCHES)}

Slot = tuple[str, str, Any]


def slot(parameter: Parameter) -> Slot:
    """Tell which parameters of different schedules are one and the same for a user."""
    return parameter.name, parameter.label, parameter.start
