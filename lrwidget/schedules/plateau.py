"""The schedule of long trainings: a warm-up, a plateau, a decay."""

from __future__ import annotations

from . import formulas
from .parameters import FLOOR, NUM_CYCLES, PEAK, TOTAL_STEPS, WARMUP_STEPS, choice, steps
from .registry import register
from .schedule import Formula, Phase, Schedule, Trend
from .warmups import RISES, after_warmup

_FALLS: dict[str, formulas.Function] = {
    "linear": formulas.fall_linear,
    "cosine": formulas.fall_cosine,
    "1-sqrt": formulas.fall_sqrt,
}


@register(
    "Warm-up, stable, decay",
    {
        "peak": PEAK,
        "total_steps": TOTAL_STEPS,
        "warmup_steps": WARMUP_STEPS,
        "decay_steps": steps("Decay", 0.2, least=0),
        "warmup_kind": choice("Warm-up shape", "linear", "cosine", "1-sqrt"),
        "decay_kind": choice("Decay shape", "cosine", "linear", "1-sqrt"),
        "floor": FLOOR,
        "num_cycles": NUM_CYCLES,
    },
)
def warmup_stable_decay(
    peak: float,
    total_steps: int,
    warmup_steps: int,
    decay_steps: int,
    warmup_kind: str = "linear",
    decay_kind: str = "cosine",
    floor: float = 0.0,
    num_cycles: float = 0.5,
) -> Schedule:
    r"""A warm-up, a long stable part at the peak, and a decay at the end (transformers' get_wsd_schedule).

    With W warm-up, D decay and T total steps,

    .. math:: lr(t) = floor + (peak - floor) \, f

    where f rises with q = t / W as q (linear), :math:`(1 - \cos \pi q) / 2` (cosine) or :math:`1 - \sqrt{1 - q}`
    (1-sqrt); is 1 up to step T - D; falls with q = (t - T + D) / D as 1 - q, :math:`(1 + \cos 2 \pi c q) / 2` or
    :math:`1 - \sqrt{q}`; and is 0 at step T.

    Parameters
    ----------
    peak
        The learning rate of the stable part.
    total_steps
        T, the number of optimizer steps of the training.
    warmup_steps
        W, the number of steps of the warm-up.
    decay_steps
        D, the number of steps of the decay.
    warmup_kind
        The shape of the warm-up: "linear", "cosine" or "1-sqrt".
    decay_kind
        The shape of the decay: "linear", "cosine" or "1-sqrt".
    floor
        The learning rate at both ends.
    num_cycles
        c, the number of whole waves of a cosine decay; 0.5 goes down once.

    Raises
    ------
    ValueError
        If warm-up and decay together take more than `total_steps`.

    References
    ----------
    Hägele et al., "Scaling laws and compute-optimal training beyond fixed training durations",
    https://arxiv.org/abs/2405.18392
    """
    decay_start = total_steps - decay_steps
    if decay_start < warmup_steps:
        raise ValueError(
            f"need warmup_steps + decay_steps <= total_steps, got warmup_steps={warmup_steps}, "
            f"decay_steps={decay_steps}, total_steps={total_steps}; shorten one or train longer"
        )
    cycles = {"num_cycles": num_cycles} if decay_kind == "cosine" else {}
    arguments = {
        "peak": peak,
        "floor": floor,
        "warmup_steps": warmup_steps,
        "decay_start": decay_start,
        "total_steps": total_steps,
        "rise": Formula(RISES[warmup_kind], {}, 1.0),
        "fall": Formula(_FALLS[decay_kind], cycles, 1.0),
    }
    trend: Trend = "falling" if decay_kind != "cosine" or num_cycles <= 0.5 else "mixed"
    parts = (Phase("stable", warmup_steps, decay_start, "flat"), Phase("decay", decay_start, total_steps, trend))
    phases = after_warmup(warmup_steps, *(part for part in parts if part.end > part.start))
    formula = Formula(formulas.warmup_stable_decay, arguments, total_steps)
    return Schedule(formula, peak, floor, lambda: phases, total_steps, total_steps)
