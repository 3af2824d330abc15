"""The schedules of transformers, under their names there, with the same warm-up from 0 in front."""

from __future__ import annotations

import math

from . import formulas
from .parameters import FLOOR, NUM_CYCLES, PEAK, POWER, TOTAL_STEPS, WARMUP_STEPS, named, steps
from .registry import Parameter, register
from .schedule import Formula, Phase, Schedule, Trend
from .warmups import after_warmup

_DECAY = {"peak": PEAK, "total_steps": TOTAL_STEPS, "warmup_steps": WARMUP_STEPS}


@register("Constant with warm-up", {"peak": PEAK, "warmup_steps": WARMUP_STEPS})
def constant_with_warmup(peak: float, warmup_steps: int) -> Schedule:
    r"""A linear warm-up from 0, then the peak, without end.

    .. math:: lr(t) = peak \cdot \min(1, t / W)

    Parameters
    ----------
    peak
        The learning rate after the warm-up.
    warmup_steps
        W, the number of steps of the warm-up.
    """
    formula = Formula(formulas.constant_with_warmup, {"peak": peak, "warmup_steps": warmup_steps})
    phases = after_warmup(warmup_steps, Phase("constant", warmup_steps, math.inf, "flat"))
    return Schedule(formula, peak, 0.0 if warmup_steps else peak, lambda: phases)


@register("Linear with warm-up", _DECAY)
def linear_with_warmup(peak: float, total_steps: int, warmup_steps: int = 0) -> Schedule:
    r"""A linear warm-up from 0, then a straight line to 0 at step `total_steps`.

    .. math:: lr(t) = peak \cdot t / W \;\; (t < W), \qquad peak \cdot (T - t) / (T - W)

    Parameters
    ----------
    peak
        The learning rate at the end of the warm-up.
    total_steps
        T, the number of optimizer steps of the training, warm-up included.
    warmup_steps
        W, the number of steps of the warm-up.
    """
    arguments = {"peak": peak, "warmup_steps": warmup_steps, "total_steps": total_steps}
    formula = Formula(formulas.linear_with_warmup, arguments, total_steps)
    return _decay(formula, peak, 0.0, warmup_steps, total_steps)


@register("Cosine with warm-up", _DECAY | {"num_cycles": NUM_CYCLES})
def cosine_with_warmup(peak: float, total_steps: int, warmup_steps: int = 0, num_cycles: float = 0.5) -> Schedule:
    r"""A linear warm-up from 0, then a cosine, half a wave down to 0 unless told otherwise.

    .. math:: lr(t) = peak \cdot t / W \;\; (t < W), \qquad peak \cdot (1 + \cos(2 \pi c q)) / 2, \;
        q = (t - W) / (T - W)

    Parameters
    ----------
    peak
        The learning rate at the end of the warm-up.
    total_steps
        T, the number of optimizer steps of the training, warm-up included.
    warmup_steps
        W, the number of steps of the warm-up.
    num_cycles
        c, the number of whole waves; 0.5 goes down once.
    """
    return _cosine(peak, 0.0, total_steps, warmup_steps, num_cycles)


@register("Cosine with warm-up and floor", _DECAY | {"floor": named(FLOOR, "Floor", 0.1), "num_cycles": NUM_CYCLES})
def cosine_with_min_lr(
    peak: float, total_steps: int, warmup_steps: int = 0, floor: float = 0.0, num_cycles: float = 0.5
) -> Schedule:
    r"""A linear warm-up from 0, then a cosine that ends at a floor above 0.

    .. math:: lr(t) = peak \cdot t / W \;\; (t < W), \qquad floor + (peak - floor) (1 + \cos(2 \pi c q)) / 2, \;
        q = (t - W) / (T - W)

    Parameters
    ----------
    peak
        The learning rate at the end of the warm-up.
    total_steps
        T, the number of optimizer steps of the training, warm-up included.
    warmup_steps
        W, the number of steps of the warm-up.
    floor
        The lowest learning rate of the cosine.
    num_cycles
        c, the number of whole waves; 0.5 goes down once.
    """
    return _cosine(peak, floor, total_steps, warmup_steps, num_cycles)


@register(
    "Cosine with hard restarts",
    _DECAY | {"num_cycles": Parameter("count", "Cycles", "cycles", least=1, low=1, high=12, start=3)},
)
def cosine_with_restarts(peak: float, total_steps: int, warmup_steps: int = 0, num_cycles: int = 1) -> Schedule:
    r"""A linear warm-up from 0, then half cosine waves that each jump back to the peak.

    .. math:: lr(t) = peak \cdot t / W \;\; (t < W), \qquad peak \cdot (1 + \cos(\pi (c q \bmod 1))) / 2, \;
        q = (t - W) / (T - W)

    and 0 at step T.

    Parameters
    ----------
    peak
        The learning rate at each restart.
    total_steps
        T, the number of optimizer steps of the training, warm-up included.
    warmup_steps
        W, the number of steps of the warm-up.
    num_cycles
        c, the number of half waves.
    """
    arguments = {"peak": peak, "warmup_steps": warmup_steps, "total_steps": total_steps, "num_cycles": num_cycles}
    edges = [warmup_steps + (total_steps - warmup_steps) * i / num_cycles for i in range(num_cycles + 1)]
    cycles = [Phase(f"cycle {i + 1}", edges[i], edges[i + 1], "falling", continuous=i == 0) for i in range(num_cycles)]
    phases = after_warmup(warmup_steps, *cycles)
    formula = Formula(formulas.cosine_with_restarts, arguments, total_steps)
    return Schedule(formula, peak, 0.0, lambda: phases, total_steps, total_steps)


@register("Polynomial with warm-up", _DECAY | {"floor": FLOOR, "power": POWER})
def polynomial_with_warmup(
    peak: float, total_steps: int, warmup_steps: int = 0, floor: float = 1e-7, power: float = 1.0
) -> Schedule:
    r"""A linear warm-up from 0, then a power of the share of steps left, down to a floor.

    .. math:: lr(t) = peak \cdot t / W \;\; (t < W), \qquad (peak - floor) (1 - q)^{power} + floor, \;
        q = (t - W) / (T - W)

    Parameters
    ----------
    peak
        The learning rate at the end of the warm-up.
    total_steps
        T, the number of optimizer steps of the training, warm-up included.
    warmup_steps
        W, the number of steps of the warm-up.
    floor
        The learning rate at the end.
    power
        1 is a straight line; larger falls faster at first.
    """
    arguments = {
        "peak": peak, "floor": floor, "warmup_steps": warmup_steps, "total_steps": total_steps, "power": power
    }  # fmt: skip
    formula = Formula(formulas.polynomial_with_warmup, arguments, total_steps)
    return _decay(formula, peak, floor, warmup_steps, total_steps)


@register(
    "Inverse square root",
    {
        "peak": PEAK,
        "warmup_steps": WARMUP_STEPS,
        "timescale": steps("Timescale (0: auto)", 0.0, none_at_zero=True),
    },
)
def inverse_sqrt(peak: float, warmup_steps: int, timescale: int | None = None) -> Schedule:
    r"""A linear warm-up from 0, then a decay with the square root of the step, without end.

    .. math:: lr(t) = peak \cdot t / W \;\; (t < W), \qquad peak / \sqrt{(t - W + \tau) / \tau}

    Parameters
    ----------
    peak
        The learning rate at the end of the warm-up.
    warmup_steps
        W, the number of steps of the warm-up.
    timescale
        tau, the number of steps in which the decay gets under way; None for the warm-up's, or 10,000 without one.

    References
    ----------
    Zhai et al., "Scaling vision transformers", https://arxiv.org/abs/2106.04560
    """
    scale = timescale if timescale is not None else warmup_steps or 10_000
    formula = Formula(formulas.inverse_sqrt, {"peak": peak, "warmup_steps": warmup_steps, "timescale": scale})
    phases = after_warmup(warmup_steps, Phase("decay", warmup_steps, math.inf, "falling"))
    return Schedule(formula, peak, 0.0, lambda: phases)


def _cosine(peak: float, floor: float, total_steps: int, warmup_steps: int, num_cycles: float) -> Schedule:
    arguments = {
        "peak": peak, "floor": floor, "warmup_steps": warmup_steps, "total_steps": total_steps, "num_cycles": num_cycles
    }  # fmt: skip
    formula = Formula(formulas.cosine_with_warmup, arguments, total_steps)
    trend: Trend = "falling" if num_cycles <= 0.5 else "mixed"
    return _decay(formula, peak, floor, warmup_steps, total_steps, trend)


def _decay(
    formula: Formula, peak: float, floor: float, warmup_steps: int, total_steps: int, trend: Trend = "falling"
) -> Schedule:
    """Give a schedule of a warm-up from 0 and one decay."""
    phases = after_warmup(warmup_steps, Phase("decay", warmup_steps, total_steps, trend))
    return Schedule(formula, peak, 0.0 if warmup_steps else floor, lambda: phases, total_steps, total_steps)
