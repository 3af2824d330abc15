"""Descriptions of the parameters that several schedules share."""

from __future__ import annotations

from dataclasses import replace

from .registry import Parameter

PEAK = Parameter("lr", "Peak LR", least=0.0, above=True, low=1e-7, high=10.0, scale="log", start=1e-3)
FLOOR = Parameter("floor", "Floor", "of peak", least=0.0, high=1.0, start=0.0)
TOTAL_STEPS = Parameter("total", "Total steps", "steps", least=1, low=10, high=1_000_000, scale="log", start=1000)
WARMUP_STEPS = Parameter("steps", "Warm-up", "steps", least=0, high=0.5, start=0.05)
POWER = Parameter("number", "Power", least=0.0, above=True, low=0.25, high=4.0, start=2.0)
GAMMA = Parameter("number", "Factor γ", least=0.0, above=True, most=1.0, low=0.01, high=1.0, start=0.5)
NUM_CYCLES = Parameter("number", "Cosine cycles", "cycles", least=0.0, above=True, low=0.1, high=5.0, start=0.5)
MOMENTUM = Parameter("number", "Momentum", least=0.0, most=0.9999, low=0.5, high=0.99)
OTHER = Parameter("other")


def steps(label: str, start: float, least: int = 1, none_at_zero: bool = False) -> Parameter:
    """Describe a number of steps, whose slider starts at a share of the total."""
    return Parameter("steps", label, "steps", least=least, start=start, none_at_zero=none_at_zero)


def share(label: str, start: float, most: float = 1.0) -> Parameter:
    """Describe a share of the whole training."""
    return Parameter("number", label, "of total", least=0.0, most=most, high=most, start=start)


def choice(label: str, *choices: str) -> Parameter:
    """Describe a choice between words."""
    return Parameter("choice", label, choices=choices, start=choices[0])


def flag(label: str, start: bool) -> Parameter:
    """Describe a yes or no."""
    return Parameter("flag", label, start=start)


def named(parameter: Parameter, label: str, start: float) -> Parameter:
    """Give a shared description another label and start."""
    return replace(parameter, label=label, start=start)
