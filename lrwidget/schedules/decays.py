"""Schedules that hold or decay the learning rate."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import count, pairwise

from . import formulas
from .parameters import FLOOR, GAMMA, PEAK, POWER, TOTAL_STEPS, WARMUP_STEPS, named, share, steps
from .registry import Parameter, register
from .schedule import Formula, Phase, Schedule


@register("Constant", {"peak": PEAK})
def constant(peak: float) -> Schedule:
    """The same learning rate at every step.

    .. math:: lr(t) = peak

    Parameters
    ----------
    peak
        The learning rate.
    """
    formula = Formula(formulas.constant, {"value": peak})
    return Schedule(formula, peak, peak, lambda: [Phase("constant", 0, math.inf, "flat")])


@register("Linear decay", {"peak": PEAK, "total_steps": TOTAL_STEPS, "floor": FLOOR})
def linear(peak: float, total_steps: int, floor: float = 0.0) -> Schedule:
    """A straight line from the peak at step 0 to the floor at step `total_steps`.

    .. math:: lr(t) = floor + (peak - floor) (1 - t / T)

    Parameters
    ----------
    peak
        The learning rate of step 0.
    total_steps
        T, the number of optimizer steps of the training.
    floor
        The learning rate at the end.
    """
    formula = Formula(formulas.linear, {"peak": peak, "floor": floor, "total_steps": total_steps}, total_steps)
    return _decay(formula, peak, floor, total_steps)


@register("Cosine decay", {"peak": PEAK, "total_steps": TOTAL_STEPS, "floor": FLOOR})
def cosine(peak: float, total_steps: int, floor: float = 0.0) -> Schedule:
    r"""Half a cosine wave from the peak at step 0 to the floor at step `total_steps`.

    .. math:: lr(t) = floor + (peak - floor) (1 + \cos(\pi t / T)) / 2

    PyTorch's CosineAnnealingLR with `T_max = total_steps`, up to there; this one then stays at the floor.

    Parameters
    ----------
    peak
        The learning rate of step 0.
    total_steps
        T, the number of optimizer steps of the training.
    floor
        The learning rate at the end.

    References
    ----------
    Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", https://arxiv.org/abs/1608.03983
    """
    formula = Formula(formulas.cosine, {"peak": peak, "floor": floor, "total_steps": total_steps}, total_steps)
    return _decay(formula, peak, floor, total_steps)


@register("Polynomial decay", {"peak": PEAK, "total_steps": TOTAL_STEPS, "power": POWER, "floor": FLOOR})
def polynomial(peak: float, total_steps: int, power: float = 2.0, floor: float = 0.0) -> Schedule:
    """A power of the share of steps left, from the peak at step 0 to the floor at step `total_steps`.

    .. math:: lr(t) = floor + (peak - floor) (1 - t / T)^{power}

    Parameters
    ----------
    peak
        The learning rate of step 0.
    total_steps
        T, the number of optimizer steps of the training.
    power
        1 is a straight line; larger falls faster at first.
    floor
        The learning rate at the end.
    """
    arguments = {"peak": peak, "floor": floor, "total_steps": total_steps, "power": power}
    return _decay(Formula(formulas.polynomial, arguments, total_steps), peak, floor, total_steps)


@register("Exponential decay", {"peak": PEAK, "gamma": GAMMA, "decay_steps": steps("Decay every", 0.2)})
def exponential(peak: float, gamma: float = 0.5, decay_steps: int = 1) -> Schedule:
    r"""A smooth decay by the factor gamma in every `decay_steps` steps, without end.

    .. math:: lr(t) = peak \cdot \gamma^{t / n}

    PyTorch's ExponentialLR with `decay_steps=1`.

    Parameters
    ----------
    peak
        The learning rate of step 0.
    gamma
        The factor, above 0 and at most 1.
    decay_steps
        n, the number of steps in which the learning rate shrinks by the factor.
    """
    formula = Formula(formulas.exponential, {"peak": peak, "gamma": gamma, "decay_steps": decay_steps})
    return Schedule(formula, peak, 0.0, lambda: [Phase("decay", 0, math.inf, "falling")])


@register("Step decay", {"peak": PEAK, "step_size": steps("Drop every", 0.3), "gamma": named(GAMMA, "Factor γ", 0.1)})
def step_decay(peak: float, step_size: int, gamma: float = 0.1) -> Schedule:
    r"""A drop by the factor gamma after every `step_size` steps, without end (PyTorch's StepLR).

    .. math:: lr(t) = peak \cdot \gamma^{\lfloor t / n \rfloor}

    Parameters
    ----------
    peak
        The learning rate of step 0.
    step_size
        n, the number of steps between drops.
    gamma
        The factor, above 0 and at most 1.
    """

    def levels() -> Iterator[Phase]:
        for i in count():
            yield Phase(f"level {i + 1}", i * step_size, (i + 1) * step_size, "flat", continuous=gamma == 1 or i == 0)

    return Schedule(
        Formula(formulas.step_decay, {"peak": peak, "gamma": gamma, "step_size": step_size}), peak, 0.0, levels
    )


@register(
    "Multi-step decay",
    {
        "peak": PEAK,
        "milestones": Parameter("milestones", "Drop at steps", "steps", start=(0.5, 0.75)),
        "gamma": named(GAMMA, "Factor γ", 0.1),
    },
)
def multi_step(peak: float, milestones: Sequence[int], gamma: float = 0.1) -> Schedule:
    r"""A drop by the factor gamma at each milestone (PyTorch's MultiStepLR).

    .. math:: lr(t) = peak \cdot \gamma^{\#\{m : m \le t\}}

    Parameters
    ----------
    peak
        The learning rate of step 0.
    milestones
        The steps at which the learning rate drops, increasing.
    gamma
        The factor, above 0 and at most 1.
    """
    edges = [0, *milestones, math.inf]
    phases = [
        Phase(f"level {i + 1}", start, end, "flat", continuous=gamma == 1 or i == 0)
        for i, (start, end) in enumerate(pairwise(edges))
    ]
    arguments = {"peak": peak, "gamma": gamma, "milestones": tuple(milestones)}
    return Schedule(Formula(formulas.multi_step, arguments), peak, peak * gamma ** len(milestones), lambda: phases)


@register(
    "Flat, then cosine",
    {"peak": PEAK, "total_steps": TOTAL_STEPS, "flat_fraction": share("Flat", 0.75, most=0.99), "floor": FLOOR},
)
def flat_cosine(peak: float, total_steps: int, flat_fraction: float = 0.75, floor: float = 0.0) -> Schedule:
    r"""The peak for a share of the training, then half a cosine wave to the floor (fastai's fit_flat_cos).

    .. math:: lr(t) = floor + (peak - floor) (1 + \cos(\pi q)) / 2, \quad q = \max(0, (t - fT) / (T - fT))

    Parameters
    ----------
    peak
        The learning rate of the flat part.
    total_steps
        T, the number of optimizer steps of the training.
    flat_fraction
        f, the share of the steps that keep the peak.
    floor
        The learning rate at the end.

    References
    ----------
    fastai, "Hyperparam schedule", https://docs.fast.ai/callback.schedule.html
    """
    flat_steps = flat_fraction * total_steps
    arguments = {"peak": peak, "floor": floor, "flat_steps": flat_steps, "total_steps": total_steps}
    phases = [Phase("flat", 0, flat_steps, "flat"), Phase("cosine decay", flat_steps, total_steps, "falling")]
    formula = Formula(formulas.flat_cosine, arguments, total_steps)
    return Schedule(formula, peak, floor, lambda: phases, total_steps, total_steps)


@register("Noam (Transformer paper)", {"peak": PEAK, "warmup_steps": WARMUP_STEPS})
def noam(peak: float, warmup_steps: int) -> Schedule:
    r"""A linear warm-up, then a decay with the square root of the step, without end.

    .. math:: lr(t) = peak \cdot \min\left((t + 1) / W, \sqrt{W / (t + 1)}\right)

    The paper counts steps from 1 and writes the peak as :math:`(d_{model} W)^{-1/2}`.

    Parameters
    ----------
    peak
        The learning rate at the end of the warm-up.
    warmup_steps
        W, the number of steps in which the learning rate rises to the peak, at least 1.

    Raises
    ------
    ValueError
        If `warmup_steps` is below 1.

    References
    ----------
    Vaswani et al., "Attention is all you need", section 5.3, https://arxiv.org/abs/1706.03762
    """
    if warmup_steps < 1:
        raise ValueError(f"need warmup_steps >= 1, got warmup_steps={warmup_steps}; the paper takes 4000")
    top = warmup_steps - 1  # the paper's step W
    phases = [Phase("warm-up", 0, top, "rising"), Phase("decay", top, math.inf, "falling")]
    return Schedule(
        Formula(formulas.noam, {"peak": peak, "warmup_steps": warmup_steps}), peak, 0.0, lambda: phases[top == 0 :]
    )


def _decay(formula: Formula, peak: float, floor: float, total_steps: int) -> Schedule:
    """Give a schedule of one falling phase."""
    phases = [Phase("decay", 0, total_steps, "falling")]
    return Schedule(formula, peak, floor, lambda: phases, total_steps, total_steps)
