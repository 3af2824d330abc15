"""Schedules made of schedules: a warm-up in front, one after another, and a recorded curve."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from operator import index

import numpy as np
from numpy.typing import ArrayLike

from lrwidget.result import FloatArray

from . import formulas
from .parameters import OTHER, WARMUP_STEPS, choice
from .registry import Parameter, register
from .schedule import Formula, Phase, Schedule

RISES = {"linear": formulas.rise_linear, "cosine": formulas.rise_cosine, "1-sqrt": formulas.rise_sqrt}


@register(
    "Warm-up in front",
    {
        "schedule": OTHER,
        "warmup_steps": WARMUP_STEPS,
        "kind": choice("Shape", *RISES),
        "start_lr": Parameter("lr", "Start LR", least=0.0),
    },
)
def warmup(schedule: Schedule, warmup_steps: int, kind: str = "linear", start_lr: float = 0.0) -> Schedule:
    r"""A warm-up in front of any schedule, which then begins with its own step 0.

    .. math:: lr(t) = start + (s(0) - start) \, f(t / W) \;\; (t < W), \qquad s(t - W)

    with f(q) = q (linear), :math:`(1 - \cos \pi q) / 2` (cosine) or :math:`1 - \sqrt{1 - q}` (1-sqrt). The momentum,
    where s has one, stays at its first value during the warm-up.

    Parameters
    ----------
    schedule
        s, the schedule that follows.
    warmup_steps
        W, the number of steps of the warm-up, added to those of the schedule.
    kind
        The shape of the rise: "linear", "cosine" or "1-sqrt".
    start_lr
        The learning rate of step 0, at most that of the schedule's own step 0.

    Raises
    ------
    TypeError
        If `schedule` is no schedule.
    ValueError
        If `start_lr` lies above the schedule's first learning rate.
    """
    _check_schedule("schedule", schedule)
    first = schedule(0)
    if start_lr > first:
        raise ValueError(
            f"need start_lr <= the schedule's first learning rate, got start_lr={start_lr:g}, first={first:g}; "
            "start the warm-up lower"
        )
    rise = Formula(RISES[kind], {}, 1.0)
    arguments = {
        "start_lr": start_lr, "end_lr": first, "warmup_steps": max(1, warmup_steps), "rise": rise,
        "after": schedule.formula,
    }  # fmt: skip
    last = schedule.last_step + warmup_steps
    formula = Formula(formulas.warmup, arguments, last) if warmup_steps else schedule.formula
    total = None if schedule.total_steps is None else schedule.total_steps + warmup_steps
    momentum = schedule.momentum_formula
    if momentum is not None and warmup_steps:
        before = Formula(formulas.constant, {"value": schedule.momentum(0)})
        momentum = Formula(formulas.join, {"boundary": warmup_steps, "before": before, "after": momentum}, last)

    def phases() -> Iterator[Phase]:
        if warmup_steps:
            yield Phase("warm-up", 0, warmup_steps, "rising")
        yield from _shifted(schedule, warmup_steps)

    floor = min(start_lr, schedule.floor) if warmup_steps else schedule.floor
    return Schedule(formula, schedule.peak, floor, phases, last, total, momentum)


@register("One after another", {"schedules": OTHER, "boundaries": OTHER})
def join(schedules: Sequence[Schedule], boundaries: Sequence[int]) -> Schedule:
    r"""Schedules one after another, each beginning with its own step 0 at its boundary.

    .. math:: lr(t) = s_i(t - b_i) \quad (b_i \le t < b_{i + 1}), \; b_0 = 0

    Where some have a momentum and others none, those without keep the momentum at which the one before ended (or, at
    the beginning, the first one of those that follow).

    Parameters
    ----------
    schedules
        The schedules, in order, one at least.
    boundaries
        The steps at which the second and each further one takes over, increasing.

    Raises
    ------
    TypeError
        If one of `schedules` is no schedule.
    ValueError
        If there is no schedule, or not one boundary less than schedules; if the boundaries do not increase from 1 on.
    """
    parts, edges = tuple(schedules), tuple(index(boundary) for boundary in boundaries)
    for i, part in enumerate(parts):
        _check_schedule(f"schedules[{i}]", part)
    if not parts or len(edges) != len(parts) - 1:
        raise ValueError(
            f"need one boundary less than schedules, got {len(parts)} schedules, {len(edges)} boundaries; "
            "give the step at which each but the first takes over"
        )
    starts = (0, *edges)
    if any(later <= earlier for earlier, later in zip(starts, edges, strict=False)):
        raise ValueError(f"need boundaries increasing and at least 1, got boundaries={list(edges)}; sort them")
    last = starts[-1] + parts[-1].last_step
    total = None if parts[-1].total_steps is None else starts[-1] + parts[-1].total_steps
    momenta = _fill_momenta(parts, [*(b - a for a, b in zip(starts, edges, strict=False)), 0])

    def phases() -> Iterator[Phase]:
        for i, (part, start) in enumerate(zip(parts, starts, strict=True)):
            end = starts[i + 1] if i + 1 < len(starts) else math.inf
            meets = i == 0 or _meets(parts[i - 1], start - starts[i - 1], part(0))
            for phase in _shifted(part, start):
                if phase.start >= end:
                    break
                continuous = phase.continuous if phase.start > start else meets
                yield phase._replace(end=min(phase.end, end), continuous=continuous)
            else:  # the part ends before its boundary and stays where it ended
                if i + 1 < len(starts) and part.total_steps is not None and start + part.total_steps < end:
                    meets = _meets(part, part.total_steps, part(part.total_steps))
                    yield Phase("held", start + part.total_steps, end, "flat", continuous=meets)

    return Schedule(
        _chain([part.formula for part in parts], starts, last),
        max(part.peak for part in parts),
        min(part.floor for part in parts),
        phases,
        last,
        total,
        _chain(momenta, starts, last) if momenta else None,
    )


@register("Recorded", {"lrs": OTHER, "momenta": OTHER})
def from_values(lrs: ArrayLike, momenta: ArrayLike | None = None) -> Schedule:
    """The learning rates of a recorded training, step by step.

    Parameters
    ----------
    lrs
        The learning rate of each step, array (n,), finite and not negative.
    momenta
        The momentum of each step, array (n,), or None.

    Raises
    ------
    ValueError
        If either is not a row of finite numbers, none negative, or they differ in length.
    """
    rates = _recorded("lrs", lrs)
    moving = None if momenta is None else _recorded("momenta", momenta)
    if moving is not None and len(moving) != len(rates):
        raise ValueError(f"need as many momenta as lrs, got {len(moving)} and {len(rates)}; give one of each per step")
    phases = [Phase("recorded", 0, len(rates), "mixed")]
    return Schedule(
        _lookup(rates), float(rates.max()), float(rates.min()), lambda: phases, len(rates) - 1, len(rates),
        None if moving is None else _lookup(moving),
    )  # fmt: skip


def _lookup(values: FloatArray) -> Formula:
    def value_of_step(step: FloatArray) -> FloatArray:
        return values[np.floor(step).astype(np.intp)]

    return Formula(value_of_step, {}, len(values) - 1)


def _recorded(name: str, values: ArrayLike) -> FloatArray:
    array = np.array(values, dtype=np.float64)
    if array.ndim != 1 or array.size == 0 or not np.isfinite(array).all() or array.min() < 0:
        raise ValueError(
            f"need {name} as a row of finite numbers, none negative, got shape {array.shape}; "
            "give the value of each step"
        )
    array.setflags(write=False)
    return array


def _check_schedule(name: str, value: object) -> None:
    if not isinstance(value, Schedule):
        raise TypeError(f"need a schedule for {name}, got {value!r}; make one with lrwidget.schedules")


def _meets(schedule: Schedule, step: int, lr: float) -> bool:
    """Tell whether a schedule comes to a rate just before a step (as near as the steepest, a square root, lets it)."""
    return math.isclose(schedule(math.nextafter(step, 0.0)), lr, rel_tol=1e-9, abs_tol=1e-6 * schedule.peak)


def _shifted(schedule: Schedule, by: int) -> Iterator[Phase]:
    for phase in schedule.phase_rule():
        yield phase._replace(start=phase.start + by, end=phase.end + by)


def _chain(formulas_in_order: Sequence[object], starts: Sequence[int], last_step: float) -> Formula:
    """Join formulas from the last one back, each boundary counted from the start of the formula before it."""
    chained = formulas_in_order[-1]
    for i in range(len(starts) - 2, -1, -1):
        arguments = {"boundary": starts[i + 1] - starts[i], "before": formulas_in_order[i], "after": chained}
        chained = Formula(formulas.join, arguments, last_step - starts[i])
    assert isinstance(chained, Formula)
    return chained


def _fill_momenta(parts: Sequence[Schedule], lengths: Sequence[int]) -> list[object]:
    """Give each part's momentum, or the value that it has to keep; empty where no part has one."""
    having = [part for part in parts if part.momentum_formula is not None]
    if not having:
        return []
    held = having[0].momentum(0)
    filled: list[object] = []
    for part, length in zip(parts, lengths, strict=True):
        if part.momentum_formula is None:
            filled.append(Formula(formulas.constant, {"value": held}))
        else:
            filled.append(part.momentum_formula)
            held = part.momentum(length)
    return filled


def after_warmup(warmup_steps: int, *phases: Phase) -> list[Phase]:
    """Give the phases with that of the warm-up in front, if it takes any step."""
    return [*([Phase("warm-up", 0, warmup_steps, "rising")] if warmup_steps else []), *phases]
