"""The two schedules of the tutorial from which this package set out, to the last bit."""

from __future__ import annotations

from . import formulas
from .huggingface import cosine_with_warmup
from .parameters import PEAK, TOTAL_STEPS, WARMUP_STEPS
from .registry import Parameter, register
from .schedule import Formula, Phase, Schedule

_START_LR = Parameter("floor", "Start LR", "of peak", least=0.0, high=1.0, start=0.1)


@register(
    "Warm-up and cosine (tutorial)",
    {"peak": PEAK, "total_steps": TOTAL_STEPS, "warmup_steps": WARMUP_STEPS},
)
def warmup_cosine(peak: float, total_steps: int, warmup_steps: int) -> Schedule:
    r"""A linear warm-up from 0, then half a cosine wave to 0: the tutorial's `warmup_cosine_schedule`.

    .. math:: lr(t) = peak \cdot t / W \;\; (t < W), \qquad peak \cdot 0.5 (1 + \cos(\pi (t - W) / (T - W)))

    Parameters
    ----------
    peak
        The learning rate at the end of the warm-up, the tutorial's `base_lr`.
    total_steps
        T, the number of optimizer steps of the training, warm-up included.
    warmup_steps
        W, the number of steps of the warm-up.
    """
    return cosine_with_warmup(peak, total_steps, warmup_steps)


@register(
    "One cycle, quadratic (tutorial)",
    {"peak": PEAK, "total_steps": TOTAL_STEPS, "floor": _START_LR},
)
def one_cycle_quadratic(peak: float, total_steps: int, floor: float = 0.0) -> Schedule:
    r"""A straight rise over 30 % of the steps, then a parabola to 0: the tutorial's `one_cycle_schedule`.

    .. math:: lr(t) = floor + (peak - floor) \, p / 0.3 \;\; (p < 0.3), \qquad peak (1 - (p - 0.3) / 0.7)^2

    with p = t / T.

    Parameters
    ----------
    peak
        The largest learning rate, the tutorial's `max_lr`.
    total_steps
        T, the number of optimizer steps of the training.
    floor
        The learning rate of step 0, the tutorial's `base_lr`; the fall goes below it, to 0.
    """
    top = 0.3 * total_steps
    phases = [Phase("rise", 0, top, "rising"), Phase("fall", top, total_steps, "falling")]
    arguments = {"base_lr": floor, "max_lr": peak, "total_steps": total_steps}
    formula = Formula(formulas.one_cycle_quadratic, arguments, total_steps)
    return Schedule(formula, peak, 0.0, lambda: phases, total_steps, total_steps)
