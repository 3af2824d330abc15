"""Checks of arguments: what was wanted, what came, and the remedy."""

from __future__ import annotations

import math
import re
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lrwidget.steps import TrainStep


def checked_train_step(train_step: TrainStep | None) -> TrainStep:
    """The train step, or the error that says what came instead."""
    if hasattr(train_step, "forward") and hasattr(train_step, "parameters"):
        raise TypeError(
            f"need a train step, a callable lr -> loss, got a Module ({type(train_step).__name__}); wrap it in "
            "TorchStep(model, optimizer, loss_fn, batches)"
        )
    if not callable(train_step):
        raise TypeError(
            f"need a train step, a callable lr -> loss, got {train_step!r}; pass a function, or a TorchStep"
        )
    return train_step


def check_several_runs(train_step: TrainStep, num_runs: int) -> None:
    """Raise ValueError where there are to be several runs of a step whose data can be read once only."""
    if num_runs > 1 and getattr(train_step, "reads_once", False):
        raise ValueError(
            f"need batches that can be read again for {num_runs} runs, got an iterator that can be read once; "
            "pass a list or a DataLoader, e.g. `list(batches)`"
        )


def checked_count(name: str, value: Any, lowest: int, remedy: str) -> int:
    """A whole number of at least `lowest`, or the error that says what came instead."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"need a whole number {name} >= {lowest}, got {name}={value!r}; pass an int")
    if value < lowest:
        raise ValueError(f"need {name} >= {lowest}, got {name}={value}; {remedy}")
    return int(value)


def typed_count(text: str) -> int:
    """A whole number as people type it (1000, 1,000, 1e3), or ValueError: no other comma is taken for one."""
    plain = text.replace(",", "") if re.fullmatch(r"\s*\d{1,3}(,\d{3})+\s*", text) else text
    number = float(plain)
    if not number.is_integer():
        raise ValueError(f"need a whole number, got {text!r}; leave out its fraction")
    return int(number)


def finite_number(name: str, value: Any) -> float:
    """The number as a float, or the error that says what came instead."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"need a real number {name}, got {name}={value!r}; pass a float")
    if not math.isfinite(value):
        raise ValueError(f"need a finite {name}, got {name}={value}")
    return float(value)
