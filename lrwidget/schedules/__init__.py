"""Learning-rate schedules as pure functions of the step, in NumPy.

Make one, and ask it for anything:

>>> from lrwidget import schedules
>>> schedule = schedules.warmup_cosine(peak=0.1, total_steps=1000, warmup_steps=100)
>>> schedule(50)
0.05
>>> schedule.values().shape
(1000,)

`schedule.to_dataframe()`, `schedule.to_torch(optimizer)` and `schedule.code("torch")` hand it over; `simulate` gives
the curve of any PyTorch scheduler, `warmup` and `join` make schedules of schedules, and `SCHEDULES` lists all there are
with their parameters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .cycles import cosine_warm_restarts, cyclic, one_cycle
from .decays import constant, cosine, exponential, flat_cosine, linear, multi_step, noam, polynomial, step_decay
from .huggingface import (
    constant_with_warmup,
    cosine_with_min_lr,
    cosine_with_restarts,
    cosine_with_warmup,
    inverse_sqrt,
    linear_with_warmup,
    polynomial_with_warmup,
)
from .plateau import warmup_stable_decay
from .registry import SCHEDULES, Entry, Parameter, make
from .schedule import Phase, Schedule
from .tutorial import one_cycle_quadratic, warmup_cosine
from .warmups import from_values, join, warmup

if TYPE_CHECKING:
    from .torch import ScheduledLR, simulate

__all__ = [
    "SCHEDULES",
    "Entry",
    "Parameter",
    "Phase",
    "Schedule",
    "ScheduledLR",
    "constant",
    "constant_with_warmup",
    "cosine",
    "cosine_warm_restarts",
    "cosine_with_min_lr",
    "cosine_with_restarts",
    "cosine_with_warmup",
    "cyclic",
    "exponential",
    "flat_cosine",
    "from_values",
    "inverse_sqrt",
    "join",
    "linear",
    "linear_with_warmup",
    "make",
    "multi_step",
    "noam",
    "one_cycle",
    "one_cycle_quadratic",
    "polynomial",
    "polynomial_with_warmup",
    "simulate",
    "step_decay",
    "warmup",
    "warmup_cosine",
    "warmup_stable_decay",
]


def __getattr__(name: str) -> Any:
    """Import PyTorch only when something that needs it is asked for."""
    if name in ("ScheduledLR", "simulate"):
        from . import torch

        return getattr(torch, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
