"""Random settings for every schedule of the list, shared by the tests of `lrwidget.schedules`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lrwidget import schedules
from lrwidget.schedules import Parameter, Schedule

PLAIN = sorted(name for name, entry in schedules.SCHEDULES.items() if entry.is_plain)


def random_arguments(name: str, rng: np.random.Generator, total_steps: int) -> dict[str, Any]:
    """Draw arguments within what the list calls sensible; `total_steps` is the length of the training."""
    drawn: dict[str, Any] = {"peak": float(10.0 ** rng.uniform(-6, 1))}
    for parameter in schedules.SCHEDULES[name].parameters:
        if parameter.name != "peak":
            drawn[parameter.name] = _draw(parameter, rng, total_steps, drawn["peak"])
    if name == "one_cycle" and drawn["three_phase"]:
        drawn["pct_start"] = float(rng.uniform(max(0.1, 1.01 / total_steps), 0.5))
    if name == "warmup_stable_decay":
        drawn["decay_steps"] = int(rng.integers(0, total_steps - drawn["warmup_steps"]))
    if name == "noam":
        drawn["warmup_steps"] = max(1, drawn["warmup_steps"])
    return drawn


def random_schedule(name: str, rng: np.random.Generator, total_steps: int) -> Schedule:
    return schedules.make(name, random_arguments(name, rng, total_steps))


def _draw(parameter: Parameter, rng: np.random.Generator, total_steps: int, peak: float) -> Any:
    match parameter.kind:
        case "total":
            return total_steps
        case "steps":
            if parameter.none_at_zero and rng.random() < 0.5:
                return None
            return int(rng.integers(parameter.least, max(parameter.least + 1, round(parameter.high * total_steps))))
        case "floor":
            return peak * float(rng.choice([0.0, rng.uniform(0.0, 0.99)]))
        case "milestones":
            return tuple(sorted({int(step) for step in rng.integers(1, total_steps, size=rng.integers(1, 6))}))
        case "count":
            return int(rng.integers(parameter.low, parameter.high + 1))
        case "choice":
            return str(rng.choice(parameter.choices))
        case "flag":
            return bool(rng.random() < 0.5)
        case _ if parameter.scale == "log":
            return float(math.exp(rng.uniform(math.log(parameter.low), math.log(parameter.high))))
        case _:
            return float(rng.uniform(max(parameter.low, 0.01), parameter.high))
