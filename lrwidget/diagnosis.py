"""What a curve says, in words: what is the matter, and what to check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from lrwidget.analysis import MIN_POINTS, SIGNIFICANT, Curve, analyse

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


@dataclass(frozen=True)
class Diagnosis:
    """What a curve says.

    Parameters
    ----------
    kind
        One word for programs; ``"ok"`` where the curve shows a fall and its end.
    message
        One plain sentence.
    advice
        What to check or to change; empty where there is nothing to do.
    extend_to
        The max_lr to try next where the range was too small, else None.
    """

    kind: Kind
    message: str
    advice: str = ""
    extend_to: float | None = None


def diagnose(lrs: ArrayLike, losses: ArrayLike) -> Diagnosis:
    """Say what a recorded curve shows.

    Parameters
    ----------
    lrs, losses
        Shape (n,): the rates, positive and rising, and the raw losses.

    Returns
    -------
    Diagnosis
        The same for ``c * losses + d`` with any c > 0.

    Raises
    ------
    ValueError
        As `lrwidget.smoothing.smooth`.
    """
    return diagnose_curve(analyse(lrs, losses), np.asarray(losses, dtype=float))


def diagnose_curve(curve: Curve | None, losses: np.ndarray) -> Diagnosis:
    """As `diagnose`, of a curve that has been read already."""
    if curve is None:
        return _of_few_points(losses)
    if curve.explosion is not None and curve.explosion < 3:
        return _explodes()
    error = curve.noise / np.sqrt(3)
    if np.ptp(curve.losses) <= 1e-9 * np.abs(curve.losses).max():
        return Diagnosis(
            "flat",
            "The loss never changes.",
            "Check that the optimizer holds the model's parameters and that they require gradients.",
        )
    if curve.fall <= SIGNIFICANT * error:
        if curve.explosion is not None:
            return Diagnosis(
                "no_decrease",
                "The loss never falls below its start.",
                "Check the sign of the loss and the labels, or whether the model is already trained.",
            )
        return Diagnosis(
            "noise",
            "The loss only fluctuates from batch to batch.",
            "Check that the optimizer holds the model's parameters, and use more steps or repeats.",
        )
    if curve.minimum >= len(curve.lrs) - 2 and not curve.is_cut:
        extend_to = 10 * float(curve.lrs[-1])
        return Diagnosis(
            "range_too_small",
            "The loss is still falling at the largest learning rate.",
            f"Raise max_lr to {extend_to:.1g}.",
            extend_to,
        )
    return Diagnosis("ok", "Good curve.")


def _of_few_points(losses: np.ndarray) -> Diagnosis:
    """Of a curve with too few finite losses for any other verdict."""
    finite = losses[np.isfinite(losses)]
    if len(losses) and not len(finite):
        return Diagnosis(
            "nonfinite",
            "No loss is finite.",
            "Check the data for NaN and infinities, the initialisation, and logarithms or divisions in the loss.",
        )
    if len(finite) > 1 and finite[-1] > finite[0] and len(finite) < len(losses):
        return _explodes()
    return Diagnosis(
        "too_few_points",
        f"{len(finite)} losses are too few to read a curve; at least {MIN_POINTS} are needed.",
        "Use more steps.",
    )


def _explodes() -> Diagnosis:
    return Diagnosis(
        "explodes_from_start",
        "The loss explodes from the first steps.",
        "Check the initialisation and the normalisation of the data, or lower min_lr.",
    )
