"""The values behind the controls of a schedule: how each is kept, shown, typed and turned into an argument.

Some parameters are those of all schedules of the tab: the peak, the length of the training, the warm-up in front.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from lrwidget.axes import short_number
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


@dataclass(frozen=True)
class Scale:
    """What the values of a training are counted by.

    Parameters
    ----------
    total_steps
        The length of the training.
    peak
        The peak learning rate, of which a floor is a share.
    by_share
        Whether numbers of steps are kept as shares of the total.
    """

    total_steps: int
    peak: float
    by_share: bool


@dataclass(frozen=True)
class Control:
    """One value, ready to be shown.

    Parameters
    ----------
    parameter
        What it is.
    value
        Where a slider stands, within its range: a number, a word, yes or no, None where there is no slider.
    text
        The value in writing, whatever the range; what `typed_value` reads.
    low, high
        The range of the slider.
    unit
        What stands behind the text.
    """

    parameter: Parameter
    value: Any
    text: str
    low: float
    high: float
    unit: str

    @property
    def key(self) -> str:
        """The name of the parameter."""
        return self.parameter.name


def start_value(parameter: Parameter, scale: Scale) -> Any:
    """What a value is before anybody has touched it."""
    if parameter.kind == "steps" and not scale.by_share:
        return max(int(parameter.least), round(parameter.start * scale.total_steps)) if parameter.start else 0
    if parameter.kind == "milestones" and not scale.by_share:
        return tuple(max(1, round(share * scale.total_steps)) for share in parameter.start)
    return parameter.start


def as_argument(parameter: Parameter, value: Any, scale: Scale) -> Any:
    """Turn a kept value into the argument of a schedule; whether it makes sense is for the schedule to say."""
    if parameter.kind == "floor":
        return value * scale.peak
    if parameter.kind == "steps":
        steps = round(value * scale.total_steps) if scale.by_share else value
        return None if parameter.none_at_zero and steps == 0 else steps
    if parameter.kind == "milestones" and scale.by_share:
        return tuple(round(share * scale.total_steps) for share in value)
    return value


def converted(parameter: Parameter, value: Any, old: Scale, by_share: bool) -> Any:
    """Give a kept number of steps as a share, or a share as a number of steps."""
    if parameter.kind not in ("steps", "milestones") or by_share == old.by_share:
        return value

    def convert(v: float) -> float:
        return v / old.total_steps if by_share else round(v * old.total_steps)

    return tuple(map(convert, value)) if parameter.kind == "milestones" else convert(value)


def as_control(parameter: Parameter, value: Any, scale: Scale) -> Control:
    """Give a kept value as it is shown."""
    low, high, unit = parameter.low, parameter.high, parameter.unit
    if parameter.kind == "steps":
        low = 0 if parameter.none_at_zero else max(low, parameter.least)
        high = max(1.0, round(high * scale.total_steps))
    if parameter.kind in ("steps", "milestones") and scale.by_share:
        low, high, unit = parameter.low, parameter.high, "of total"
    text = _text(parameter, value, scale)
    if parameter.kind not in ("choice", "flag", "milestones"):
        value = type(value)(min(max(value, low), high))
    return Control(parameter, value, text, low, high, unit)


def _text(parameter: Parameter, value: Any, scale: Scale) -> str:
    if parameter.kind in ("choice", "flag"):
        return str(value)
    if parameter.kind == "milestones":
        return ", ".join(_percent(v) if scale.by_share else str(v) for v in value)
    if parameter.kind == "steps":
        return _percent(value) if scale.by_share else str(value)
    if parameter.kind in ("count", "total"):
        return str(value)
    if parameter.kind == "floor":
        return short_number(value * scale.peak)
    if parameter.unit == "of total":
        return _percent(value)
    return short_number(value) if parameter.kind == "lr" else f"{value:.6g}"


def _percent(share: float) -> str:
    return f"{100 * share:.4g} %"


def typed_value(parameter: Parameter, text: str, scale: Scale) -> Any:
    """Read what a user has typed.

    Raises
    ------
    ValueError
        If it is no number, or one that cannot be; the message says what is wanted.
    """
    by_share = scale.by_share and parameter.kind in ("steps", "milestones")
    if parameter.kind == "milestones":
        numbers = [_number(parameter, part, by_share) for part in text.replace(",", " ").replace("%", " ").split()]
        if not numbers:
            raise ValueError(f"need one step at least for {parameter.label}, got {text!r}; separate several by commas")
        return tuple(numbers if by_share else map(int, numbers))
    value = _number(parameter, text, by_share or parameter.unit == "of total")
    if parameter.kind == "floor":
        value /= scale.peak
    if parameter.kind in ("steps", "count", "total") and not by_share:
        if value != int(value):
            raise ValueError(f"need a whole number for {parameter.label}, got {text.strip()!r}")
        value = int(value)
    return value


def _number(parameter: Parameter, text: str, is_share: bool) -> float:
    digits = text.strip().removesuffix("%").replace(" ", "")
    try:
        value = float(digits)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"need a number for {parameter.label}, got {text.strip()!r}; the last value stays")
    return value / 100 if is_share else value
