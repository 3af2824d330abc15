"""Gradient descent on a loss surface: what one number, the learning rate, does to a walk, and what the walk says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from lrwidget.live.surfaces import START_LOSS, Surface
from lrwidget.result import FloatArray

Direction = Callable[[FloatArray], FloatArray]

FAR = 1e3 * START_LOSS  # a walk this high up has left for good
MOMENTUM = 0.9
_ADAM_BETAS, _ADAM_EPSILON = (0.9, 0.999), 1e-8
_ARRIVED = 0.01 * START_LOSS  # this far above the bottom of its well a walk has arrived
_QUICK = 8  # steps within which no one asks for fewer
_RESTLESS = 0.25  # the share of steps that turn back or climb, from which on a walk swings


def _sgd() -> Direction:
    return lambda gradient: gradient


def _momentum() -> Direction:
    velocity = np.zeros(())

    def direction(gradient: FloatArray) -> FloatArray:
        nonlocal velocity
        velocity = MOMENTUM * velocity + gradient
        return velocity

    return direction


def _adam() -> Direction:
    mean, square, step = np.zeros(()), np.zeros(()), 0

    def direction(gradient: FloatArray) -> FloatArray:
        nonlocal mean, square, step
        first, second = _ADAM_BETAS
        step += 1
        mean = first * mean + (1 - first) * gradient
        square = second * square + (1 - second) * gradient**2
        return (mean / (1 - first**step)) / (np.sqrt(square / (1 - second**step)) + _ADAM_EPSILON)

    return direction


_RULES: dict[str, Callable[[], Direction]] = {"SGD": _sgd, "momentum": _momentum, "Adam": _adam}
OPTIMIZERS = tuple(_RULES)


def lr_limit(curvature: float, optimizer: str) -> float | None:
    """The learning rate above which an optimizer cannot settle in a minimum of this curvature.

    ``2 / curvature`` for SGD and ``2 (1 + momentum) / curvature`` with momentum. None for Adam: its steps are about
    one learning rate long whatever the slope, so it keeps bouncing at that length but does not fly off.

    References
    ----------
    B. T. Polyak, "Some methods of speeding up the convergence of iteration methods", 1964.
    """
    factors = {"SGD": 2.0, "momentum": 2.0 * (1 + MOMENTUM)}
    return factors[optimizer] / curvature if optimizer in factors else None


def _march(surface: Surface, lrs: FloatArray, optimizer: str, num_steps: int) -> FloatArray:
    """Walks at all these rates (m,) at once: weights of shape (num_steps + 1, m, num_weights), NaN once far away."""
    if optimizer not in _RULES:
        raise ValueError(f"need an optimizer, one of {', '.join(OPTIMIZERS)}, got {optimizer!r}")
    if num_steps < 1:
        raise ValueError(f"need num_steps >= 1, got num_steps={num_steps}")
    if not (np.isfinite(lrs) & (lrs > 0)).all():
        raise ValueError(f"need finite learning rates > 0, got {lrs.tolist()}")
    direction = _RULES[optimizer]()
    weights = np.tile(surface.start, (len(lrs), 1))
    march = [weights]
    for _ in range(num_steps):
        weights = weights - lrs[:, None] * direction(surface.gradient(weights))
        weights[~(surface.loss(weights) <= FAR)] = np.nan
        march.append(weights)
    return np.stack(march)


@dataclass(frozen=True, eq=False)
class Walk:
    """A walk down a surface at one learning rate.

    Parameters
    ----------
    surface, optimizer, lr
        Where and how it went.
    weights
        Shape (num_steps + 1, num_weights), the start first; NaN from where it left for good.
    losses
        Shape (num_steps + 1,).
    """

    surface: Surface
    optimizer: str
    lr: float
    weights: FloatArray
    losses: FloatArray

    @property
    def num_steps(self) -> int:
        """How many steps it took."""
        return len(self.losses) - 1


def take_walk(surface: Surface, lr: float, optimizer: str = "SGD", num_steps: int = 100) -> Walk:
    """Walk down the surface from its start.

    Raises
    ------
    ValueError
        If the rate is not a finite number above 0, there is no such optimizer, or ``num_steps`` is below 1.
    """
    weights = _march(surface, np.array([lr], dtype=float), optimizer, num_steps)[:, 0]
    return Walk(surface, optimizer, lr, weights, surface.loss(weights))


def final_losses(surface: Surface, lrs: ArrayLike, optimizer: str = "SGD", num_steps: int = 100) -> FloatArray:
    """The loss after ``num_steps`` at each of these rates (m,): shape (m,), inf where the walk has left for good."""
    last = surface.loss(_march(surface, np.asarray(lrs, dtype=float), optimizer, num_steps)[-1])
    return np.where(np.isnan(last), np.inf, last)


@dataclass(frozen=True)
class Judgement:
    """How a walk went.

    Parameters
    ----------
    kind
        One word for programs.
    message
        One or two plain sentences.
    """

    kind: Literal["crawls", "converges", "overshoots", "diverges"]
    message: str


def judge(walk: Walk) -> Judgement:
    """Say how a walk went, from what it did; the theory's limit serves to explain, not to decide.

    It has arrived when it stays within 1% of its start's height above the bottom of a well. Too large a rate is one
    at which it turns back and climbs without arriving, or at which half the rate would arrive in half the steps.
    """
    limit = lr_limit(walk.surface.curvature, walk.optimizer)
    is_above = limit is not None and walk.lr > limit
    if np.isnan(walk.losses).any():
        return Judgement("diverges", _explain_divergence(walk, is_above))
    num_steps, well, swings = _arrival(walk), _well(walk), _swings(walk)
    if num_steps is None and swings:
        remark = " Above the limit it cannot." if is_above else ""
        return Judgement("overshoots", f"Overshoots: it jumps past the bottom{well} and does not settle.{remark}")
    if num_steps is None:
        share = walk.losses[-1] - _bottom(walk)
        return Judgement("crawls", f"Crawls: after {_steps(walk.num_steps)} {share:.0%} of the height is still to go.")
    steps = _steps(num_steps)
    if swings and num_steps > _QUICK:
        half = _arrival(take_walk(walk.surface, walk.lr / 2, walk.optimizer, walk.num_steps))
        if half is not None and half <= num_steps / 2:
            faster = f"half the learning rate would need {half}"
            return Judgement(
                "overshoots", f"Overshoots: it jumps to and fro over the bottom{well} for {steps}; {faster}."
            )
    manner = ", swinging past it on the way" if swings else ""
    return Judgement("converges", f"Converges: it is at the bottom{well} after {steps}{manner}.")


def _explain_divergence(walk: Walk, is_above: bool) -> str:
    steps = _steps(int(np.argmax(np.isnan(walk.losses))))
    text = f"Diverges: it jumps higher and higher up, and after {steps} it has left for good."
    if not is_above:
        text += " The limit is that of the bottom; this walk met a steeper place before."
    return text


def _steps(number: int) -> str:
    return f"{number} step{'s' * (number != 1)}"


def _bottom(walk: Walk) -> float:
    """The loss at the bottom of the well that the last point lies in."""
    return float(walk.surface.profile(walk.surface.minima[walk.surface.basin(walk.weights[-1])]))


def _well(walk: Walk) -> str:
    """Which well the last point lies in, in words; nothing to say where there is one."""
    surface = walk.surface
    if len(surface.minima) == 1:
        return ""
    return " of the deeper well" if surface.basin(walk.weights[-1]) == 0 else " of the nearer, higher well"


def _arrival(walk: Walk) -> int | None:
    """The step from which on the walk stays at the bottom of its well, or None."""
    late = np.flatnonzero(~(walk.losses - _bottom(walk) <= _ARRIVED))
    arrival = int(late[-1]) + 1 if len(late) else 0
    return arrival if arrival <= walk.num_steps else None


def _swings(walk: Walk) -> bool:
    """Whether, until it has arrived, many steps turn back on the one before, or climb."""
    end = _arrival(walk) or walk.num_steps
    moves = np.diff(walk.weights[: end + 1], axis=0)
    turns_back = (moves[1:] * moves[:-1]).sum(axis=-1) < 0
    climbs = np.diff(walk.losses[: end + 1])[1:] > 0
    return bool(len(moves) > 1 and (turns_back | climbs).mean() > _RESTLESS)
