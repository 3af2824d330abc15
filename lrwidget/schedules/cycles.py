"""PyTorch's schedules that rise and fall: one cycle, warm restarts, cyclic rates."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, pairwise

from . import formulas
from .parameters import FLOOR, MOMENTUM, PEAK, TOTAL_STEPS, choice, flag, named, share, steps
from .registry import Parameter, register
from .schedule import Formula, Phase, Schedule, Trend

_DIV_FACTOR = Parameter("number", "Peak ÷ start", "×", least=1.0, most=1e12, low=1.0, high=1000.0, scale="log")
_FAR = 1e12  # steps; restarts that grow are listed up to here


@register(
    "One cycle (PyTorch)",
    {
        "peak": PEAK,
        "total_steps": TOTAL_STEPS,
        "pct_start": share("Rise", 0.3),
        "anneal_strategy": choice("Shape", "cos", "linear"),
        "cycle_momentum": flag("Cycle momentum", True),
        "base_momentum": named(MOMENTUM, "Lowest momentum", 0.85),
        "max_momentum": named(MOMENTUM, "Highest momentum", 0.95),
        "div_factor": named(_DIV_FACTOR, "Peak ÷ start", 25.0),
        "final_div_factor": Parameter(
            "number", "Start ÷ end", "×", least=1.0, most=1e12, low=1.0, high=1e6, scale="log", start=1e4
        ),
        "three_phase": flag("Three phases", False),
    },
)
def one_cycle(
    peak: float,
    total_steps: int,
    pct_start: float = 0.3,
    anneal_strategy: str = "cos",
    cycle_momentum: bool = True,
    base_momentum: float = 0.85,
    max_momentum: float = 0.95,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
    three_phase: bool = False,
) -> Schedule:
    r"""A rise to the peak and a long fall far below the start, momentum the other way round (PyTorch's OneCycleLR).

    With init = peak / `div_factor` and end = init / `final_div_factor`, the learning rate goes from init at step 0 to
    the peak at step :math:`pT - 1` and to the end at step :math:`T - 1`; with three phases from init to the peak at
    :math:`pT - 1`, back to init at :math:`2pT - 2` and to the end at :math:`T - 1`. Between A and B, q from 0 to 1,

    .. math:: B + \tfrac{A - B}{2} (1 + \cos \pi q) \quad (cos), \qquad A + (B - A) q \quad (linear).

    Parameters
    ----------
    peak
        The largest learning rate.
    total_steps
        T, the number of optimizer steps of the training.
    pct_start
        p, the share of the steps spent rising.
    anneal_strategy
        The shape of rise and fall, "cos" or "linear".
    cycle_momentum
        Whether the momentum (beta1 for Adam's family) moves as well.
    base_momentum
        The momentum at the peak of the learning rate.
    max_momentum
        The momentum at both ends.
    div_factor
        How many times smaller than the peak the first learning rate is.
    final_div_factor
        How many times smaller than the first learning rate the last one is.
    three_phase
        Whether the fall goes back to the first learning rate, as steep as the rise, before the rest.

    Raises
    ------
    ValueError
        If `pct_start * total_steps == 1`, where the rise would have no length; if a three-phase cycle does not fit.

    References
    ----------
    Smith and Topin, "Super-convergence", https://arxiv.org/abs/1708.07120
    """
    rise = pct_start * total_steps
    if rise == 1.0:
        raise ValueError(
            f"need pct_start * total_steps != 1, got pct_start={pct_start:g}, total_steps={total_steps}; "
            "the rise would end at step 0 where it begins: choose a larger share or train longer"
        )
    if three_phase and not 1.0 < rise <= total_steps / 2:
        raise ValueError(
            f"need 1 < pct_start * total_steps <= total_steps / 2 for three phases, got pct_start={pct_start:g}, "
            f"total_steps={total_steps}; choose a share up to 0.5 or two phases"
        )
    init, end = peak / div_factor, peak / div_factor / final_div_factor
    last = float(total_steps - 1)
    ends: tuple[float, ...] = (
        (0.0, rise - 1.0, 2.0 * pct_start * total_steps - 2.0, last) if three_phase else (0.0, rise - 1.0, last)
    )
    levels: tuple[float, ...] = (init, peak, init, end) if three_phase else (init, peak, end)
    momenta: tuple[float, ...] = (max_momentum, base_momentum, max_momentum, max_momentum)[: len(ends)]
    if ends[-1] == ends[-2]:  # all rise: PyTorch never comes to the fall either
        ends, levels, momenta = ends[:-1], levels[:-1], momenta[:-1]
    function = formulas.one_cycle_cos if anneal_strategy == "cos" else formulas.one_cycle_linear
    return Schedule(
        Formula(function, {"ends": ends, "levels": levels}, last),
        peak,
        end,
        lambda: _one_cycle_phases(ends, total_steps),
        last,
        total_steps,
        Formula(function, {"ends": ends, "levels": momenta}, last) if cycle_momentum else None,
    )


def _one_cycle_phases(ends: tuple[float, ...], total_steps: int) -> Iterator[Phase]:
    """Give the phases that have steps of their own, the last one to the end of the last step."""
    names = ("rise", "fall", "annihilation") if len(ends) == 4 else ("rise", "fall")
    for i, (start, end) in enumerate(pairwise(ends)):
        end = end if i < len(ends) - 2 else total_steps
        if end > 0:
            yield Phase(names[i], max(start, 0.0), end, "rising" if i == 0 else "falling")


@register(
    "Cosine with warm restarts (PyTorch)",
    {
        "peak": PEAK,
        "first_cycle_steps": steps("First cycle", 0.25),
        "cycle_factor": Parameter("count", "Cycle growth", "×", least=1, low=1, high=4, start=1),
        "floor": FLOOR,
    },
)
def cosine_warm_restarts(peak: float, first_cycle_steps: int, cycle_factor: int = 1, floor: float = 0.0) -> Schedule:
    r"""Half cosine waves from the peak to the floor, again and again (PyTorch's CosineAnnealingWarmRestarts).

    .. math:: lr(t) = floor + (peak - floor) (1 + \cos(\pi t_i / T_i)) / 2

    with :math:`t_i` the steps since the last restart and :math:`T_i = T_0 \, m^i` the length of cycle i.

    Parameters
    ----------
    peak
        The learning rate at each restart.
    first_cycle_steps
        T_0, the number of steps of the first cycle.
    cycle_factor
        m, how many times longer each cycle is than the one before, a whole number.
    floor
        The learning rate towards which each cycle falls.

    References
    ----------
    Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", https://arxiv.org/abs/1608.03983
    """

    def cycles() -> Iterator[Phase]:
        start, length = 0, first_cycle_steps
        for i in count():
            yield Phase(f"cycle {i + 1}", start, start + length, "falling", continuous=i == 0)
            start, length = start + length, length * cycle_factor

    if cycle_factor == 1:
        arguments = {"peak": peak, "floor": floor, "cycle_steps": first_cycle_steps}
        return Schedule(Formula(formulas.equal_restarts, arguments), peak, floor, cycles)
    starts, lengths = [0.0], [float(first_cycle_steps)]
    while starts[-1] < _FAR:
        starts.append(starts[-1] + lengths[-1])
        lengths.append(lengths[-1] * cycle_factor)
    growing = {"peak": peak, "floor": floor, "starts": tuple(starts), "lengths": tuple(lengths)}
    return Schedule(Formula(formulas.growing_restarts, growing), peak, floor, cycles)


@register(
    "Cyclic (PyTorch)",
    {
        "floor": named(FLOOR, "Base LR", 0.1),
        "peak": PEAK,
        "step_size_up": steps("Rise", 0.1),
        "step_size_down": steps("Fall (0: as rise)", 0.0, none_at_zero=True),
        "mode": choice("Mode", "triangular", "triangular2", "exp_range"),
        "gamma": Parameter(
            "number", "Shrink γ", "per step", least=0.0, above=True, most=1.0, low=0.99, high=1.0, start=1.0
        ),
        "cycle_momentum": flag("Cycle momentum", True),
        "base_momentum": named(MOMENTUM, "Lowest momentum", 0.8),
        "max_momentum": named(MOMENTUM, "Highest momentum", 0.9),
    },
)
def cyclic(
    floor: float,
    peak: float,
    step_size_up: int = 2000,
    step_size_down: int | None = None,
    mode: str = "triangular",
    gamma: float = 1.0,
    cycle_momentum: bool = True,
    base_momentum: float = 0.8,
    max_momentum: float = 0.9,
) -> Schedule:
    r"""Triangles between a base and a peak, momentum the other way round, without end (PyTorch's CyclicLR).

    .. math:: lr(t) = floor + (peak - floor) \, h(t) \, s(t)

    with the height h going from 0 to 1 in `step_size_up` steps and back in `step_size_down`, and the scale s = 1
    (triangular), :math:`2^{-c}` in cycle c = 0, 1, ... (triangular2) or :math:`\gamma^t` (exp_range).

    Parameters
    ----------
    floor
        The learning rate at the foot of each triangle.
    peak
        The learning rate at the top of the first triangle.
    step_size_up
        The number of steps from foot to top.
    step_size_down
        The number of steps from top to foot; None for as many as up.
    mode
        "triangular": all tops alike; "triangular2": each half as high; "exp_range": shrinking with every step.
    gamma
        The factor per step of "exp_range"; the other modes ignore it.
    cycle_momentum
        Whether the momentum (beta1 for Adam's family) moves as well.
    base_momentum
        The momentum at the peak.
    max_momentum
        The momentum at the foot.

    References
    ----------
    Smith, "Cyclical learning rates for training neural networks", https://arxiv.org/abs/1506.01186
    """
    down = step_size_up if step_size_down is None else step_size_down
    size = float(step_size_up + down)
    scale = {"gamma": gamma if mode == "exp_range" else 1.0, "shrink": 0.5 if mode == "triangular2" else 1.0}
    cycle = {"size": size, "ratio": step_size_up / size, **scale}
    # A rise times a shrinking scale may turn before the top, and jumps of the halving scale happen at height 0.
    rise: Trend = "rising" if mode != "exp_range" or gamma == 1.0 else "mixed"

    def triangles() -> Iterator[Phase]:
        for i in count():
            start = i * size
            yield Phase(f"rise {i + 1}", start, start + step_size_up, rise)
            yield Phase(f"fall {i + 1}", start + step_size_up, start + size, "falling")

    momentum = Formula(formulas.cyclic, {"low": max_momentum, "high": base_momentum, **cycle})
    formula = Formula(formulas.cyclic, {"low": floor, "high": peak, **cycle})
    return Schedule(formula, peak, floor, triangles, momentum_formula=momentum if cycle_momentum else None)
