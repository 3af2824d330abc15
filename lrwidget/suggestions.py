"""Rules that read a learning rate off a recorded curve."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from lrwidget.analysis import Curve, analyse
from lrwidget.axes import short_number
from lrwidget.diagnosis import SIGNIFICANT_FALL, Diagnosis, diagnose, has_evidence
from lrwidget.peer_rules import PEER_RULES
from lrwidget.result import FloatArray
from lrwidget.smoothing import checked_curve

ScheduleKind: TypeAlias = Literal["constant", "decaying"]
Rule: TypeAlias = Callable[[FloatArray, FloatArray], "Suggestion"]

# A range test is a moving target: what a rate does to the loss is seen some steps later, when the rate is higher. An
# explosion takes longer to be one than a fall to be seen.
FALL_LAG_STEPS, EXPLOSION_LAG_STEPS = 2.5, 5.0
MAX_LAG_DECADES = 0.5
# The best constant rate lies at the end of the fall, and this far, in decades, below the explosion.
BELOW_EXPLOSION = 0.8
# A clear fall is better evidence than the explosion: the latter moves the suggestion half of the way to its own, and
# by no more than this many decades. Where the fall does not stand out from the noise, the explosion is all there is.
MAX_PULL_DECADES = 0.4
# From this significance on a fall is clear.
CLEAR_FALL = 2 * SIGNIFICANT_FALL
# From no visible fall to a clear one: half the width of the interval, and the share of suggestions with such evidence
# that trained well (regret under 0.1) on some 150 small trainings. The former also where the range ends in a fall.
HALF_WIDTH_DECADES = (1.0, 0.6)
CONFIDENCE = (0.5, 0.85)
# A schedule that decays to zero wants a higher peak than a constant rate: half a decade.
DECAYING_DECADES = 0.5


@dataclass(frozen=True)
class Suggestion:
    """A learning rate and the reason for it.

    Parameters
    ----------
    lr
        The suggested rate, or None where the curve gives no evidence for one.
    low, high
        The interval in which training is expected to go well, no wider than what was tried (and, as the peak of a
        decaying schedule, moved with `lr`); or None.
    rule
        The name of the rule.
    reason
        One readable sentence.
    confidence
        In [0, 1]: the share of tasks in which a suggestion with such evidence trained well; None where the rule has
        no notion of it.
    index
        The step of the curve that the suggestion was read off, or whose rate is nearest; None without a suggestion.
    """

    lr: float | None
    low: float | None
    high: float | None
    rule: str
    reason: str
    confidence: float | None = None
    index: int | None = None


def suggest(
    lrs: ArrayLike, losses: ArrayLike, rule: str = "default", schedule: ScheduleKind = "constant"
) -> Suggestion:
    """Suggest a learning rate for a recorded curve.

    Parameters
    ----------
    lrs, losses
        Shape (n,): the rates, positive and rising, and the raw losses.
    rule
        One of `RULES`. ``"default"`` is the only one that says none where there is no evidence, gives an interval, and
        does not change with the unit and the zero of the loss. The others are for comparison: those of the tutorial
        (``"steepest"``, ``"explosion_tenth"``), a tenth of the minimum's rate, and other tools'.
    schedule
        What the rate is for. ``"decaying"`` (one-cycle, cosine, linear) moves the default's suggestion, which then is
        the peak, and its interval up by half a decade; the other rules know no schedules.

    Returns
    -------
    Suggestion
        Its `lr` is None where the rule finds nothing.

    Raises
    ------
    ValueError
        For an unknown rule or schedule, a schedule with a rule that knows none, and as `lrwidget.smoothing.smooth`.

    Notes
    -----
    The default rule combines two places on the curve: where about four fifths of the fall are reached, and where
    the loss begins to explode, both as means over several thresholds, so that no single loss decides them. Each,
    moved back by the few steps that a loss lags behind its rate, gives an estimate of the best constant
    rate; where the fall is clear, the explosion moves the fall's estimate half-way to its own, and where the fall
    is lost in the noise, it is the estimate. The constants were set on the recorded trainings of ``tests/regret``
    and on some 350 other small ones; around their values the mean regret hardly changes.
    """
    if rule not in RULES:
        raise ValueError(f"need a rule of {', '.join(RULES)}, got {rule!r}")
    if schedule not in ("constant", "decaying"):
        raise ValueError(f'need schedule "constant" or "decaying", got {schedule!r}')
    if schedule == "decaying" and rule != "default":
        raise ValueError(f'the rule {rule!r} knows no schedules; use rule="default" or schedule="constant"')
    lrs, losses = checked_curve(lrs, losses)
    suggestion = RULES[rule](lrs, losses)
    return _for_decay(suggestion, lrs) if schedule == "decaying" else suggestion


def _default(lrs: FloatArray, losses: FloatArray) -> Suggestion:
    curve, diagnosis = analyse(lrs, losses), diagnose(lrs, losses)
    if curve is None or not has_evidence(curve, diagnosis):
        return Suggestion(None, None, None, "default", f"No suggestion: {diagnosis.message}")
    centre, half_width, confidence = _estimate(curve)
    if diagnosis.kind == "range_too_small":  # then the fall is clear, but where it would end is not
        half_width, confidence = HALF_WIDTH_DECADES[0], CONFIDENCE[0]
    first, last = (float(np.log10(lrs[index])) for index in (0, -1))
    # Of rates that were not tried nothing is claimed.
    low, high = max(centre - half_width, min(centre, first)), min(centre + half_width, max(centre, last))
    lr, low, high = (_three_digits(10**x) for x in (centre, low, high))
    interval = f"{short_number(low)} … {short_number(high)}"
    reason = f"{interval} trains well (confidence {confidence:.0%}); {_evidence(curve, diagnosis)}."
    return Suggestion(lr, low, high, "default", reason, confidence, nearest_step(lrs, lr))


def _estimate(curve: Curve) -> tuple[float, float, float]:
    """The suggestion and the half width of its interval, in log10 lr, and the confidence."""
    from_fall = _before(curve, curve.most_of_fall, FALL_LAG_STEPS)
    from_explosion = _before(curve, curve.onset, EXPLOSION_LAG_STEPS) - BELOW_EXPLOSION
    seen = 1.0 if curve.is_cut else curve.exploded_share
    # One that is not seen begins after the end at the earliest: that can hold the suggestion back, but not raise it.
    pull = min(max(0.5 * (from_explosion - from_fall), -MAX_PULL_DECADES), MAX_PULL_DECADES * seen)
    # 0 where the fall is lost in the noise, 1 where it is clear
    clarity = (curve.significance - SIGNIFICANT_FALL) / (CLEAR_FALL - SIGNIFICANT_FALL)
    clarity = min(max(clarity, 0.0), 1.0)
    centre = _between((from_fall + pull, from_explosion), (1 - clarity) * seen)
    return centre, _between(HALF_WIDTH_DECADES, clarity), _between(CONFIDENCE, clarity)


def _between(ends: tuple[float, float], fraction: float) -> float:
    return ends[0] + fraction * (ends[1] - ends[0])


def _before(curve: Curve, index: float, lag_steps: float) -> float:
    """log10 lr so many steps of the sweep before an event, as the loss lags behind."""
    lag = lag_steps / curve.steps_per_point
    return max(curve.log10_lr(index - lag), curve.log10_lr(index) - MAX_LAG_DECADES)


def _evidence(curve: Curve, diagnosis: Diagnosis) -> str:
    """What the suggestion rests on, as the second half of a sentence."""
    if diagnosis.kind == "range_too_small":
        return f"the loss still falls at {short_number(curve.lrs[-1])}, so a higher rate may train better"
    if curve.explosion is not None:
        end = f"explodes from {short_number(curve.lrs[curve.explosion])}"
    elif curve.is_cut:
        end = f"is not finite beyond {short_number(curve.lrs[-1])}"
    else:
        end = "does not explode in this range"
    if curve.significance < SIGNIFICANT_FALL:
        return f"no fall stands out from the noise, but the loss {end}"
    return f"the loss falls until {short_number(10 ** curve.log10_lr(curve.fall_end))} and {end}"


def _for_decay(suggestion: Suggestion, lrs: FloatArray) -> Suggestion:
    """The peak of a decaying schedule from a constant rate."""
    if suggestion.lr is None or suggestion.low is None or suggestion.high is None:
        return suggestion
    factor = 10**DECAYING_DECADES
    lr = _three_digits(suggestion.lr * factor)
    return replace(
        suggestion,
        lr=lr,
        low=_three_digits(suggestion.low * factor),
        high=_three_digits(suggestion.high * factor),
        reason=f"Half a decade up, as the peak of a decaying schedule; at a constant rate {suggestion.reason}",
        index=nearest_step(lrs, lr),
    )


def _tutorial(rule: str, pick: Callable[[FloatArray, FloatArray], tuple[float, str]]) -> Rule:
    """A rule that reads the losses up to where the tutorial stops; `pick` finds a rate there, and the reason for it."""

    def suggest_as_tutorial(lrs: FloatArray, losses: FloatArray) -> Suggestion:
        end = _tutorial_stop(losses)
        if end < 2:
            reason = "No suggestion: it takes two losses before the run ends, or more."
            return Suggestion(None, None, None, rule, reason)
        lr, reason = pick(lrs, losses[:end])
        return Suggestion(lr, None, None, rule, reason, index=nearest_step(lrs, lr))

    return suggest_as_tutorial


def _steepest(lrs: FloatArray, losses: FloatArray) -> tuple[float, str]:
    """The tutorial's rule: the steepest fall of the raw loss over log lr, then back by a tenth of the points."""
    steepest = int(np.argmin(np.gradient(losses, np.log(lrs[: len(losses)]))))
    reason = f"A tenth of the steps before the steepest fall, at {short_number(lrs[steepest])}."
    return float(lrs[max(0, steepest - len(losses) // 10)]), reason


def _explosion_tenth(lrs: FloatArray, losses: FloatArray) -> tuple[float, str]:
    """The tutorial's rule of thumb: ten times below where the loss, past its lowest, is above its first again."""
    lowest = int(np.argmin(losses))
    above = np.flatnonzero(losses[lowest:] > losses[0])
    explosion = float(lrs[lowest + int(above[0]) if len(above) else min(len(losses), len(lrs) - 1)])
    return explosion / 10, f"A tenth of where the explosion begins, {short_number(explosion)}."


def _minimum_tenth(lrs: FloatArray, losses: FloatArray) -> tuple[float, str]:
    """A tenth of the rate with the lowest raw loss."""
    minimum = float(lrs[np.argmin(losses)])
    return minimum / 10, f"A tenth of where the loss is lowest, {short_number(minimum)}."


def _peer(rule: str) -> Rule:
    """A peer's rule as one of `RULES`."""
    tool, pick_step = PEER_RULES[rule]

    def suggest_as_peer(lrs: FloatArray, losses: FloatArray) -> Suggestion:
        pick = pick_step(lrs, losses)
        if pick is None:
            return Suggestion(None, None, None, rule, f"No suggestion: {tool} finds nothing on this curve.")
        index, factor = pick
        return Suggestion(float(lrs[index]) * factor, None, None, rule, f"What {tool} suggests.", index=index)

    return suggest_as_peer


def _tutorial_stop(losses: FloatArray) -> int:
    """How many losses the tutorial records: those before the first that is not finite or over ten times the lowest.

    The factor says nothing where the lowest loss is not positive, so it is not applied there.
    """
    lowest = np.minimum.accumulate(losses)
    stops = np.flatnonzero(~np.isfinite(losses) | ((lowest > 0) & (losses > 10 * lowest)))
    return int(stops[0]) if len(stops) else len(losses)


def _three_digits(lr: float) -> float:
    """A rate without the digits that are not meant; rounding errors of the losses stay below the ones that are."""
    return float(f"{lr:.2e}")


def nearest_step(lrs: FloatArray, lr: float) -> int:
    """The step whose rate is nearest to this one, on a logarithmic scale."""
    return int(np.argmin(np.abs(np.log(lrs / lr))))


RULES: dict[str, Rule] = {
    "default": _default,
    "steepest": _tutorial("steepest", _steepest),
    "explosion_tenth": _tutorial("explosion_tenth", _explosion_tenth),
    "minimum_tenth": _tutorial("minimum_tenth", _minimum_tenth),
    **{rule: _peer(rule) for rule in PEER_RULES},
}
