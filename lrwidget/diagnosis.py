"""What a curve says, in words: what is the matter, and what to check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from lrwidget.analysis import MIN_LOSSES, Curve, analyse
from lrwidget.axes import short_number
from lrwidget.explosion import THROWN_BACK_NOISE
from lrwidget.instability import TAIL_RANK
from lrwidget.once import once_per_curve
from lrwidget.result import FloatArray
from lrwidget.robust import HUGE
from lrwidget.significance import WINDOW_DECADES
from lrwidget.smoothing import checked_curve

Kind: TypeAlias = Literal[
    "ok", "flat", "noise", "explodes_from_start", "nonfinite", "range_too_small", "no_decrease", "too_few_points"
]

# Where learning rates usually lie, (lowest, highest), by what is trained.
TYPICAL_RANGES: dict[str, tuple[float, float]] = {
    "MLP": (1e-4, 1e-2),
    "CNN": (1e-4, 1e-2),
    "transformer": (1e-5, 1e-3),
    "fine-tuning": (1e-6, 1e-4),
    "large batch": (1e-3, 1e-1),
}

MORE_EVIDENCE = "Use larger batches, more steps or repeats: they show what the noise hides."
UPHILL = "Check the sign of the loss and the labels; a model at its optimum looks like this too."

# The significance from which on a fall is one.
SIGNIFICANT_FALL = 1.0
# A loss that explodes within so many steps, or decades, gives no level to compare with.
OPENING_STEPS, OPENING_DECADES = 5, 0.6
# A loss that takes so many decades to come half as high as it ever comes does not explode, it rises.
SLOW_RISE_DECADES = 2.0
# A smoothed loss that is lower than at the start by such a share of the noise may hide a fall.
HIDDEN_FALL = 0.5
# The best rate lies about a decade below the explosion; so much of the range has to be there to show a fall.
FALLING_DECADES = 1.5
# Gradients are about as large as the loss. Where the largest rate times the loss is below this, a step of plain SGD
# moves weights of order one by less than a hundredth: no wonder that nothing happens.
STANDSTILL = 0.01
# Losses of a shuffled loader do not repeat; a correlation of this size over a fixed lag means that batches do.
REPETITION = 0.5


@dataclass(frozen=True)
class Diagnosis:
    """What a curve says.

    Parameters
    ----------
    kind
        One word for programs; ``"ok"`` where the curve shows what a range test is to show.
    message
        One plain sentence.
    advice
        What to check or to change; empty where there is nothing to do.
    extend_to
        The max_lr to try next where the range may be too small, else None.
    needs_repeats
        Whether noise may hide what repeats, or more steps, show.
    """

    kind: Kind
    message: str
    advice: str = ""
    extend_to: float | None = None
    needs_repeats: bool = False


def diagnose(lrs: ArrayLike, losses: ArrayLike) -> Diagnosis:
    """Say what a recorded curve shows.

    Parameters
    ----------
    lrs, losses
        Shape (n,): the rates, positive and rising, and the raw losses.

    Returns
    -------
    Diagnosis
        The same for ``c * losses + d`` with any c > 0, but for one case: a loss that only fluctuates is called noise
        or a range too small by its own size, as nothing else tells these two apart.

    Raises
    ------
    ValueError
        As `lrwidget.smoothing.smooth`.
    """
    return _diagnose(*checked_curve(lrs, losses))


@once_per_curve
def _diagnose(lrs: FloatArray, losses: FloatArray) -> Diagnosis:
    curve = analyse(lrs, losses)
    return _of_curve(curve) if curve else _of_few_losses(losses)


def _of_curve(curve: Curve) -> Diagnosis:
    if _explodes_too_early(curve):
        return _of_early_rise(curve)
    goes_on = curve.explosion is None and not curve.is_cut
    if goes_on and np.ptp(curve.losses) <= 4 * np.finfo(float).eps * np.abs(curve.losses).max():
        return Diagnosis(
            "flat",
            "The loss does not change at all.",
            "Check that the loss is connected to the optimizer: does it hold this model's parameters, do they require "
            "gradients, are backward() and step() called?",
        )
    if curve.significance < SIGNIFICANT_FALL:
        return _without_fall(curve)
    if goes_on and _is_still_falling(curve):
        extend_to = _one_decade_up(curve.lrs[-1])
        return Diagnosis(
            "range_too_small",
            f"The loss is still falling at the largest learning rate, {short_number(curve.lrs[-1])}.",
            f"Raise max_lr to {short_number(extend_to)}, and further if it still falls there.",
            extend_to,
        )
    return Diagnosis("ok", "Good curve.")


def has_evidence(curve: Curve, diagnosis: Diagnosis) -> bool:
    """Whether a curve with this diagnosis shows where to train: a fall, or where training becomes unstable."""
    if diagnosis.kind == "range_too_small":
        return curve.significance >= SIGNIFICANT_FALL
    return diagnosis.kind == "ok"


def _without_fall(curve: Curve) -> Diagnosis:
    """Of a curve whose loss does not fall by more than its noise explains."""
    if _repeats(curve):
        return Diagnosis(
            "noise",
            "The loss repeats itself from one round of batches to the next and shows nothing else.",
            "Shuffle the data: batches that come in a fixed order hide what the learning rate does.",
        )
    if curve.explosion is not None:
        return _of_explosion(curve, curve.explosion)
    if curve.is_cut:
        return Diagnosis(
            "nonfinite",
            f"The loss stops being finite at {short_number(curve.lrs[-1])}, and no fall is seen before.",
            "Check the data for NaN and infinities, and logarithms and divisions in the loss.",
        )
    return _of_fluctuations(curve)


def _of_explosion(curve: Curve, explosion: int) -> Diagnosis:
    """Of a curve that explodes without a visible fall before."""
    if curve.is_unstable and not curve.has_risen:
        if _decades_to(curve, explosion) < FALLING_DECADES:
            return _of_early_rise(curve)
        message = "The loss does not visibly fall, but it shows where training becomes unstable."
        return Diagnosis("ok", message, MORE_EVIDENCE, needs_repeats=True)
    if not curve.has_risen and curve.fall > HIDDEN_FALL * curve.noise:
        message = "No fall stands out from the noise before the loss is thrown up."
        return Diagnosis("no_decrease", message, f"{MORE_EVIDENCE} {UPHILL}", needs_repeats=True)
    return _only_rising()


def _of_early_rise(curve: Curve) -> Diagnosis:
    """Of a curve that goes up before a fall could be seen: at once, or all along."""
    half_way = curve.start + 0.5 * (float(curve.losses.max()) - curve.start)
    is_slow = _decades_to(curve, int(np.argmax(curve.losses >= half_way))) >= SLOW_RISE_DECADES
    return _only_rising() if is_slow else _explodes_from_start(curve.lrs[0])


def _only_rising() -> Diagnosis:
    return Diagnosis("no_decrease", "The loss never falls below its start, it only rises.", UPHILL)


def _of_fluctuations(curve: Curve) -> Diagnosis:
    """Of a curve that shows nothing but noise up to its end."""
    if float(np.sort(curve.losses)[-TAIL_RANK]) > curve.start + THROWN_BACK_NOISE * curve.noise:
        message = "The loss is thrown up here and there, and no fall stands out from it."
        return Diagnosis("noise", message, MORE_EVIDENCE, needs_repeats=True)
    extend_to = _one_decade_up(curve.lrs[-1])
    largest = float(np.abs(curve.losses).max())
    if curve.lrs[-1] * largest < STANDSTILL:
        return Diagnosis(
            "range_too_small",
            f"Nothing happens up to the largest learning rate, {short_number(curve.lrs[-1])}: for a loss of at most "
            f"{short_number(largest)} that is a small step.",
            f"Raise max_lr to {short_number(extend_to)}, and further if nothing happens there; if nothing ever does, "
            "check that the optimizer holds this model's parameters.",
            extend_to,
        )
    return Diagnosis(
        "noise",
        "The loss only fluctuates from batch to batch; no learning rate in this range changes it.",
        "Check that the optimizer holds this model's parameters; if it does, raise max_lr to "
        f"{short_number(extend_to)}, or use more steps or repeats.",
        extend_to,
        needs_repeats=True,
    )


def _of_few_losses(losses: FloatArray) -> Diagnosis:
    """Of a curve with too few usable losses for any other verdict."""
    usable = losses[np.abs(losses) <= HUGE]
    ends_badly = len(usable) < len(losses)
    if _shoots_up(usable, losses[-1:]):
        return _explodes_from_start(None)
    if ends_badly:
        return Diagnosis(
            "nonfinite",
            f"The loss is not finite after {len(usable)} steps." if len(usable) else "Not one loss is finite.",
            "Check the data for NaN and infinities, the initialisation, and logarithms and divisions in the loss.",
        )
    return Diagnosis(
        "too_few_points",
        f"Too few losses to read a curve: {len(usable)}." if len(usable) else "There is no loss to read.",
        f"Use more steps: at least {MIN_LOSSES}, better 100.",
    )


def _shoots_up(usable: FloatArray, last: FloatArray) -> bool:
    """Whether few losses look like an explosion: up to infinity, or the last one far above all before."""
    if len(usable) < 2 or usable[-1] <= usable[0]:
        return False
    if len(usable) == 2:
        return bool(np.isposinf(last).all())
    is_enough = len(usable) > 3 or not np.isfinite(last).all()
    return is_enough and bool(usable[-1] - usable[:-1].max() > 3 * np.ptp(usable[:-1]))


def _explodes_from_start(min_lr: float | None) -> Diagnosis:
    lower = "lower min_lr" if min_lr is None else f"lower min_lr to {short_number(min_lr / 100)}"
    return Diagnosis(
        "explodes_from_start",
        "The loss explodes within the first steps.",
        f"Check the initialisation and the normalisation of the inputs; if they are right, {lower}.",
    )


def _explodes_too_early(curve: Curve) -> bool:
    if curve.explosion is None:
        return False
    too_few_steps = curve.explosion * curve.steps_per_point < OPENING_STEPS
    return too_few_steps or _decades_to(curve, curve.explosion) < OPENING_DECADES


def _decades_to(curve: Curve, index: int) -> float:
    """How many decades of the sweep lie before a place on the curve."""
    return curve.log10_lr(index) - curve.log10_lr(0)


def _is_still_falling(curve: Curve) -> bool:
    """Whether the smoothed loss is as low as ever at the end, and the last tenth of the fall is not yet a plateau.

    It is none within half a decade, nor where it took hardly longer than a tenth did before it.
    """
    last = len(curve.lrs) - 1
    standard_error = curve.noise / np.sqrt(max(3.0, WINDOW_DECADES * curve.points_per_decade))
    if curve.smoothed[last] - curve.smoothed[curve.minimum] > 2 * standard_error:
        return False
    if curve.log10_lr(last) - curve.log10_lr(curve.fall_end) < 0.5:
        return True
    first_tenth = int(np.argmax(curve.smoothed < curve.start - 0.1 * curve.fall))
    # the last two levels are one and the same
    return last - 1 - curve.fall_end < 1.5 * (curve.fall_end - first_tenth) / 8


def _repeats(curve: Curve) -> bool:
    """Whether the losses before the explosion repeat with some period: batches in a fixed order."""
    # Of their changes: a shift of the level is alike at all lags, here one change is left of it.
    changes = np.diff(curve.losses[: curve.explosion])
    if len(changes) < 24:
        return False
    deviations = changes - changes.mean()
    largest = float(np.abs(deviations).max())
    if largest == 0:
        return False
    deviations = deviations / largest  # the squares of losses near the smallest number are 0
    total = float(deviations @ deviations)
    if total < 0.5 * len(changes) * (curve.noise / largest) ** 2:
        return False
    # Three periods at least; a correlation at a lag of 1 or 2 may be drift.
    by_lag = np.correlate(deviations, deviations, "full")[len(changes) - 1 :]
    return float(by_lag[3 : len(changes) // 3 + 1].max()) > REPETITION * total


def _one_decade_up(max_lr: float) -> float:
    """Ten times a rate, to one digit."""
    return float(f"{10 * max_lr:.0e}")
