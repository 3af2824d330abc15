"""Which learning rates a verification tries, for how many steps, and what that costs beforehand."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TypeAlias

import numpy as np

from lrwidget.checks import checked_count
from lrwidget.finder import LearningRateFinder
from lrwidget.result import FloatArray, RangeTestResult
from lrwidget.suggestions import Suggestion

Rate: TypeAlias = float | Callable[[int], float]
"""A learning rate, or one that depends on the step: a schedule."""
Around: TypeAlias = float | Suggestion | RangeTestResult

FEWEST_STEPS = 6  # of a training: the last five make the final loss, the first is what it is to have come down from
BUDGET_FACTOR = 5  # what a verification costs by default, in range tests, unless trainings would be too short
FACTOR = 4.0  # between the first rates: far enough to see the optimum, near enough not to step over it
NUM_FIRST = 3
_SAFE = 2.0  # factor below a rate that explodes, within which none is tried
_NARROWEST = 1.5  # factor between two rates with nothing of interest between them
_MIN_STEPS = 10


@dataclass(frozen=True)
class VerifyPlan:
    """What a verification will train, and what it will cost.

    Parameters
    ----------
    lrs
        The rates that are certain, rising (of schedules the highest of their steps); none where a range test has to
        find them first.
    num_steps
        Steps of each training.
    total_steps
        Steps in all, the range test's included: the most that it may cost.
    range_test_steps
        Steps of the range test that comes first; 0 if there is none.
    is_open
        Whether the trainings themselves show which rates to try next, for as long as the steps last.
    """

    lrs: tuple[float, ...]
    num_steps: int
    total_steps: int
    range_test_steps: int = 0
    is_open: bool = False

    @property
    def num_lrs(self) -> int:
        """How many trainings there will be; more, where hopeless ones end early and others may take their steps."""
        return (self.total_steps - self.range_test_steps) // self.num_steps

    def seconds(self, result: RangeTestResult) -> float | None:
        """Time in all, if a step takes as long as in this range test; None if it has no step."""
        return self.total_steps * result.seconds / len(result) if len(result) else None

    def __str__(self) -> str:
        first = f"1 range test of {self.range_test_steps:,} steps, " if self.range_test_steps else ""
        rates = ", ".join(f"{lr:.1e}" for lr in self.lrs)
        at = f" at {rates}" if rates else ""
        after = " and where these point" if rates and self.is_open else ""
        return f"{first}{of_trainings(self.num_lrs, self.num_steps)}{at}{after}: {self.total_steps:,} steps in all"


@dataclass(frozen=True)
class PlannedTrial:
    """A training to come: its name, the rate, and the rate of each step, shape (n,)."""

    lr: float
    lrs: FloatArray


def plan(
    finder: LearningRateFinder,
    lrs: Iterable[Rate] | None = None,
    num_steps: int | None = None,
    around: Around | None = None,
) -> VerifyPlan:
    """The plan of a verification; for the parameters and errors see `lrwidget.verify.Verification`."""
    budget = BUDGET_FACTOR * finder.num_steps
    if lrs is not None:
        lrs = listed(lrs)
        num_steps = _checked_steps(max(_MIN_STEPS, budget // len(lrs)) if num_steps is None else num_steps)
        certain = tuple(trial.lr for trial in planned_trials(lrs, num_steps))
        return VerifyPlan(certain, num_steps, num_steps * len(lrs))
    centre = None if around is None else centre_of(around)
    test_steps = finder.num_steps if centre is None else 0
    if num_steps is None:
        num_steps = max(_MIN_STEPS, finder.num_steps)
        total = max(budget, test_steps + NUM_FIRST * num_steps)
    else:
        num_steps = _checked_steps(num_steps)
        total = test_steps + BUDGET_FACTOR * num_steps
    return VerifyPlan(() if centre is None else first_lrs(centre), num_steps, total, test_steps, is_open=True)


def of_trainings(num_lrs: int, num_steps: int) -> str:
    """So many trainings in words."""
    return f"{num_lrs:,} training{'' if num_lrs == 1 else 's'} of {num_steps:,} steps"


def _checked_steps(num_steps: int) -> int:
    return checked_count("num_steps", num_steps, FEWEST_STEPS, "leave it out for the cost of five range tests")


def centre_of(around: Around) -> float:
    """The rate that is to be verified.

    Raises
    ------
    ValueError
        If there is none.
    """
    if isinstance(around, RangeTestResult):
        around = around.suggest()
    if isinstance(around, Suggestion):
        if around.lr is None:
            raise ValueError(f"need a suggestion with a learning rate, got none ({around.reason}); pass lrs=[...]")
        return around.lr
    return checked_rate("around", around)


def lrs_around(lr: float) -> FloatArray:
    """Five learning rates in ratios of two, the given one in the middle: shape (5,), rising."""
    return np.array([lr * 2.0**power for power in range(-2, 3)])


def first_lrs(lr: float) -> tuple[float, ...]:
    """The rates that are tried whatever they show, rising: one, and one on either side of it."""
    return lr / FACTOR, lr, lr * FACTOR


def next_lr(final_losses: Mapping[float, float], tied_lrs: Collection[float] = ()) -> float | None:
    """Where to look next: beyond the edge while the best rate lies there, else in the wider gap beside it.

    Parameters
    ----------
    final_losses
        By learning rate; infinite where a training came to no end. At least one.
    tied_lrs
        The rates that cannot be told from the best one.

    Returns
    -------
    float or None
        A new rate, none within a factor of two below one that explodes. Where all came to nothing, one well below;
        None where the gaps are too narrow to matter.
    """
    lrs = sorted(final_losses)
    best = min(range(len(lrs)), key=lambda i: final_losses[lrs[i]])
    if math.isinf(final_losses[lrs[best]]):
        return lrs[0] / FACTOR**2
    if best == 0:
        return lrs[0] / FACTOR
    if best == len(lrs) - 1:
        return lrs[-1] * FACTOR
    lower, lr, upper = lrs[best - 1 : best + 2]
    below, above = (round(math.log(ratio), 6) for ratio in (lr / lower, upper / lr))  # equal gaps are equal
    explodes = math.isinf(final_losses[upper])
    # What holds out for a short training so close below a rate that explodes may explode in a longer one.
    is_risky = explodes and above <= math.log(_SAFE)
    if max(below, 0.0 if is_risky else above) < math.log(_NARROWEST):
        return None
    # Losses fall towards the explosion: where that is the upper neighbour, it pays to go down only from a plateau.
    is_better_above = lower not in tied_lrs if explodes else final_losses[upper] < final_losses[lower]
    goes_up = not is_risky and (above > below or (above == below and is_better_above))
    return math.sqrt(lr * (upper if goes_up else lower))


def listed(lrs: Iterable[Rate]) -> list[Rate]:
    """The rates as a list, whatever they come in; at least one.

    Raises
    ------
    TypeError
        If they are no several things, as a number and a text.
    ValueError
        If there is none.
    """
    try:
        each = None if isinstance(lrs, str | bytes) else iter(lrs)
    except TypeError:
        each = None
    if each is None:
        remedy = f"lrs=[{lrs!r}]" if isinstance(lrs, Real) else "a list of numbers or functions of the step"
        raise TypeError(f"need a list of learning rates, got lrs={lrs!r}; pass {remedy}")
    rates = list(each)
    if not rates:
        raise ValueError("need at least one learning rate, got lrs=[]; None chooses them around the suggestion")
    return rates


def planned_trials(
    lrs: Sequence[Rate], num_steps: int, schedule: Callable[[int], float] | None = None
) -> list[PlannedTrial]:
    """The trainings at these rates, by rising rate.

    Raises
    ------
    TypeError, ValueError
        As `planned_trial`, and if a constant rate is given twice.
    """
    constant = sorted(checked_rate("learning rate", rate) for rate in lrs if not callable(rate))
    if len(set(constant)) < len(constant):
        raise ValueError(f"need different learning rates, got {constant}; give each once")
    return sorted((planned_trial(rate, num_steps, schedule) for rate in lrs), key=lambda trial: trial.lr)


def planned_trial(rate: Rate, num_steps: int, schedule: Callable[[int], float] | None = None) -> PlannedTrial:
    """The rate of every step, checked before anything is trained.

    Raises
    ------
    TypeError
        If the rate is neither a real number nor a function, the schedule none, or what they return no number.
    ValueError
        If a constant rate is not positive and finite, or that of a step not finite or negative.
    """
    lr = None if callable(rate) else checked_rate("learning rate", rate)
    lrs = np.full(num_steps, 1.0 if lr is None else lr)
    for factor in (rate if callable(rate) else None, schedule):
        if factor is not None:
            lrs = lrs * _values(factor, num_steps)
    sound = np.isfinite(lrs) & (lrs >= 0)
    if not sound.all():
        step = int(np.argmin(sound))
        raise ValueError(
            f"need a finite learning rate >= 0 at each step, got {lrs[step]} at step {step}; mend the schedule"
        )
    if not lrs.any():
        raise ValueError("need a learning rate above 0 at some step, got 0 at all of them; mend the schedule")
    return PlannedTrial(float(lrs.max()) if lr is None else lr, lrs)


def _values(schedule: Callable[[int], float], num_steps: int) -> FloatArray:
    """What a function of the step gives at each of them, shape (num_steps,)."""
    if not callable(schedule):
        raise TypeError(f"need a function of the step as schedule, got {schedule!r}; pass lambda step: {schedule!r}")
    values = np.empty(num_steps)
    for step in range(num_steps):
        value = schedule(step)
        try:
            values[step] = float(value)
        except (TypeError, ValueError):
            raise TypeError(f"need a number at each step, got {value!r} at step {step}; return a float") from None
    return values


def checked_rate(name: str, value: object) -> float:
    """A positive, finite learning rate, or the error that says what came instead."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"need a real number as {name}, got {value!r}; pass a float")
    if not 0 < float(value) < math.inf:
        raise ValueError(f"need a positive, finite {name}, got {value}; pass a number such as 1e-3")
    return float(value)
