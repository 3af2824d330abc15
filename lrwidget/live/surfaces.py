"""Loss surfaces small enough to look at: valleys, two wells, Rosenbrock's bend.

Every surface here has one form, ``f(x, y) = profile(x) + across/2 * (y - floor(x))**2`` with polynomials ``profile``
and ``floor`` (in one dimension the profile alone). So slopes, curvatures, minima and contour lines are all exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.polynomial import Polynomial
from numpy.typing import ArrayLike, NDArray

from lrwidget.result import FloatArray

FLAT = 0.5  # the curvature along the floor of the two-dimensional valleys
_NUM_HALF = 80  # points of each half of a contour
START_LOSS = 1.0  # every walk begins this high above the lowest point


@dataclass(frozen=True)
class Surface:
    """A loss surface over one or two weights.

    Parameters
    ----------
    name
        What people call it.
    curvature
        The largest second derivative at each of its minima, whatever the surface.
    profile
        The loss along the floor, zero at the lowest point.
    minima
        Where the profile is lowest: x, the global one first.
    start_x
        x where walks begin; over two weights they begin beside the floor, at the loss `START_LOSS`.
    across
        The curvature across the floor, or None for a surface over one weight.
    floor
        y of the floor of the valley, above each x.
    """

    name: str
    curvature: float
    profile: Polynomial
    minima: tuple[float, ...]
    start_x: float
    across: float | None = None
    floor: Polynomial = field(default_factory=lambda: Polynomial([0]))

    @property
    def num_weights(self) -> int:
        """1 or 2."""
        return 1 if self.across is None else 2

    @property
    def start(self) -> FloatArray:
        """Where walks begin: shape (num_weights,), at the loss `START_LOSS`."""
        if self.across is None:
            return np.array([self.start_x])
        rise = math.sqrt(2 * (START_LOSS - self.profile(self.start_x)) / self.across)
        return np.array([self.start_x, self.floor(self.start_x) + rise])

    def loss(self, weights: ArrayLike) -> FloatArray:
        """The loss at each point: weights of shape (..., num_weights) give shape (...)."""
        weights = np.asarray(weights, dtype=float)
        x = weights[..., 0]
        if self.across is None:
            return np.asarray(self.profile(x))
        return np.asarray(self.profile(x) + self.across / 2 * (weights[..., 1] - self.floor(x)) ** 2)

    def gradient(self, weights: ArrayLike) -> FloatArray:
        """The slope at each point, of the shape of the weights, (..., num_weights)."""
        weights = np.asarray(weights, dtype=float)
        x = weights[..., 0]
        slope = self.profile.deriv()(x)
        if self.across is None:
            return np.asarray(slope)[..., None]
        pull = self.across * (weights[..., 1] - self.floor(x))
        return np.stack([slope - pull * self.floor.deriv()(x), pull], axis=-1)

    def basin(self, weights: ArrayLike) -> NDArray[np.intp]:
        """Which of ``minima`` lies nearest in x: weights (..., num_weights) give indices (...)."""
        x = np.asarray(weights, dtype=float)[..., 0]
        return np.asarray(np.argmin(np.abs(x[..., None] - np.array(self.minima)), axis=-1))

    def contour(self, level: float) -> list[FloatArray]:
        """The closed curves on which the loss equals ``level``, each of shape (k, 2).

        Raises
        ------
        ValueError
            If the surface is one over a single weight.
        """
        if self.across is None:
            raise ValueError(f"need a surface over two weights for contours, got {self.name!r} over one")
        roots = (self.profile - level).roots()
        ends = np.sort(roots[np.abs(roots.imag) < 1e-9].real)
        half_turn = np.linspace(0, np.pi, _NUM_HALF)
        curves = []
        for left, right in pairwise(ends):
            if self.profile((left + right) / 2) > level:
                continue
            x = (left + right) / 2 - (right - left) / 2 * np.cos(half_turn)  # dense where the curve turns round
            height = np.sqrt(np.maximum(level - self.profile(x), 0) * 2 / self.across)
            upper = np.stack([x, self.floor(x) + height], axis=-1)
            lower = np.stack([x, self.floor(x) - height], axis=-1)
            curves.append(np.concatenate([upper, lower[::-1]]))
        return curves


def _valley(curvature: float) -> Surface:
    """A parabola: the sharper, the narrower, and always entered at the same height."""
    start_x = -math.sqrt(2 * START_LOSS / curvature)
    return Surface("valley", curvature, Polynomial([0, 0, curvature / 2]), minima=(0.0,), start_x=start_x)


def _valley_2d(curvature: float) -> Surface:
    """A long valley: `FLAT` along its floor, steep across."""
    floor = Polynomial([0, 0, FLAT / 2])
    return Surface("valley", curvature, floor, minima=(0.0,), start_x=-1.6, across=curvature)


def _double_well_profile(curvature: float) -> tuple[Polynomial, float]:
    """The profile of two wells of one curvature and two depths, and where the wells lie, at -x and x.

    In u = x / well its slope is proportional to (u² - 1)(u - ridge)(u² + 2 ridge u + 1); the last factor has no root
    and gives both wells the same second derivative, 4 (1 - ridge²).
    """
    ridge, start_u = -0.2, -1.37  # from here a short step ends in the nearer, higher well, a longer one in the other
    slope = Polynomial([-1, 0, 1]) * Polynomial([-ridge, 1]) * Polynomial([1, 2 * ridge, 1])
    wells = slope.integ()
    wells -= wells(1)
    height = START_LOSS / wells(start_u)
    well = math.sqrt(4 * (1 - ridge**2) * height / curvature)
    return height * wells(Polynomial([0, 1 / well])), well


def _double_well(curvature: float) -> Surface:
    """Two wells, the nearer one higher."""
    profile, well = _double_well_profile(curvature)
    return Surface("double well", curvature, profile, minima=(well, -well), start_x=-1.37 * well)


def _double_well_2d(curvature: float) -> Surface:
    """Two wells, the nearer one higher, in a trough that is half as curved across."""
    profile, well = _double_well_profile(curvature)
    return Surface("double well", curvature, profile, (well, -well), start_x=-1.3 * well, across=curvature / 2)


def _rosenbrock(curvature: float) -> Surface:
    """Rosenbrock's bent valley, a/2 (1 - x)² + k/2 (y - x²)², with k such that its minimum has this curvature.

    The Hessian at (1, 1) is [[a + 4k, -2k], [-2k, k]]; its larger eigenvalue c satisfies c² - (a + 5k) c + ak = 0.
    """
    across = curvature * (curvature - FLAT) / (5 * curvature - FLAT)
    profile = FLAT / 2 * Polynomial([1, -1]) ** 2
    bend = Polynomial([0, 0, 1])
    return Surface("Rosenbrock", curvature, profile, minima=(1.0,), start_x=-0.8, across=across, floor=bend)


_SHAPES: dict[str, Callable[[float], Surface]] = {
    "valley": _valley,
    "double well": _double_well,
    "valley 2-D": _valley_2d,
    "double well 2-D": _double_well_2d,
    "Rosenbrock 2-D": _rosenbrock,
}
SURFACES = tuple(_SHAPES)


def make_surface(name: str, curvature: float = 10.0) -> Surface:
    """One of `SURFACES`, with this curvature (largest second derivative) at its minima.

    Raises
    ------
    ValueError
        If there is no such surface, or the curvature is below 1 or not finite.
    """
    if name not in _SHAPES:
        raise ValueError(f"need a surface, one of {', '.join(SURFACES)}, got {name!r}")
    if not 1 <= curvature < math.inf:
        raise ValueError(f"need a finite curvature >= 1, got curvature={curvature}")
    return _SHAPES[name](float(curvature))
