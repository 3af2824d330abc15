"""Rules that read a learning rate off a recorded curve."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from lrwidget.analysis import analyse
from lrwidget.diagnosis import diagnose_curve
from lrwidget.peer_rules import PEER_RULES
from lrwidget.smoothing import Floats, checked_curve

Rule: TypeAlias = Callable[[Floats, Floats], "Suggestion"]


@dataclass(frozen=True)
class Suggestion:
    """A learning rate and the reason for it.

    Parameters
    ----------
    lr
        The suggested rate, or None where the curve gives no evidence for one.
    low, high
        The interval in which training is expected to go well, or None.
    rule
        The name of the rule.
    reason
        One readable sentence.
    confidence
        In [0, 1], or None where the rule has no notion of it.
    index
        The step of the curve nearest to `lr`, or None.
    """

    lr: float | None
    low: float | None
    high: float | None
    rule: str
    reason: str
    confidence: float | None = None
    index: int | None = None


def suggest(lrs: ArrayLike, losses: ArrayLike, rule: str = "default") -> Suggestion:
    """Suggest a learning rate for a recorded curve.

    Parameters
    ----------
    lrs, losses
        Shape (n,): the rates, positive and rising, and the raw losses.
    rule
        One of `RULES`.

    Returns
    -------
    Suggestion
        Its `lr` is None where the rule finds nothing.

    Raises
    ------
    ValueError
        For an unknown rule, and as `lrwidget.smoothing.smooth`.
    """
    if rule not in RULES:
        raise ValueError(f"need a rule of {', '.join(RULES)}, got {rule!r}")
    return RULES[rule](*checked_curve(lrs, losses))


def _default(lrs: Floats, losses: Floats) -> Suggestion:
    curve = analyse(lrs, losses)
    diagnosis = diagnose_curve(curve, losses)
    if curve is None or diagnosis.kind not in ("ok", "range_too_small"):
        return Suggestion(None, None, None, "default", f"No suggestion: {diagnosis.message}")
    lr = float(curve.lrs[curve.minimum]) / 7
    low, high = lr / 10**0.5, lr * 10**0.5
    reason = f"{low:.1e} … {high:.1e} trains well; the loss is lowest at {curve.lrs[curve.minimum]:.1e}."
    return Suggestion(lr, low, high, "default", reason, index=int(np.argmin(np.abs(np.log(lrs / lr)))))


def _steepest(lrs: Floats, losses: Floats) -> Suggestion:
    lrs, losses = _finite(lrs, losses)
    if len(lrs) < 2:
        return _too_few("steepest")
    steepest = int(np.argmin(np.gradient(losses, np.log(lrs))))
    index = max(0, steepest - len(losses) // 10)
    return _at(lrs, index, "steepest", f"A tenth of the steps before the steepest fall at {lrs[steepest]:.1e}.")


def _explosion_tenth(lrs: Floats, losses: Floats) -> Suggestion:
    lrs, losses = _finite(lrs, losses)
    if len(lrs) < 2:
        return _too_few("explosion_tenth")
    lowest = int(np.argmin(losses))
    above = np.flatnonzero(losses[lowest:] > losses[0])
    index = lowest + int(above[0]) if len(above) else len(losses) - 1
    lr = float(lrs[index]) / 10
    return Suggestion(lr, None, None, "explosion_tenth", f"A tenth of where the loss explodes, {lrs[index]:.1e}.")


def _minimum_tenth(lrs: Floats, losses: Floats) -> Suggestion:
    lrs, losses = _finite(lrs, losses)
    if len(lrs) < 2:
        return _too_few("minimum_tenth")
    index = int(np.argmin(losses))
    return Suggestion(
        float(lrs[index]) / 10, None, None, "minimum_tenth", f"A tenth of where the loss is lowest, {lrs[index]:.1e}."
    )


def _peer(rule: str) -> Rule:
    """A peer's rule as one of ours."""
    tool, pick_step = PEER_RULES[rule]

    def suggest_as_peer(lrs: Floats, losses: Floats) -> Suggestion:
        pick = pick_step(lrs, losses)
        if pick is None:
            return Suggestion(None, None, None, rule, f"No suggestion: {tool} finds nothing on this curve.")
        index, factor = pick
        return Suggestion(float(lrs[index]) * factor, None, None, rule, f"What {tool} suggests.", index=index)

    return suggest_as_peer


def _finite(lrs: Floats, losses: Floats) -> tuple[Floats, Floats]:
    finite = np.isfinite(losses)
    return lrs[finite], losses[finite]


def _at(lrs: Floats, index: int, rule: str, reason: str) -> Suggestion:
    return Suggestion(float(lrs[index]), None, None, rule, reason, index=index)


def _too_few(rule: str) -> Suggestion:
    return Suggestion(None, None, None, rule, "No suggestion: the curve has fewer than two finite losses.")


RULES: dict[str, Rule] = {
    "default": _default,
    "steepest": _steepest,
    "explosion_tenth": _explosion_tenth,
    "minimum_tenth": _minimum_tenth,
    **{rule: _peer(rule) for rule in PEER_RULES},
}
