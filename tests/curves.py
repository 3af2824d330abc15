"""Curves of range tests made from formulas, for the tests of everything that reads a curve."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def sweep(num_steps: int = 100) -> Floats:
    """The default sweep's rates."""
    return np.geomspace(1e-7, 10, num_steps)


def s_curve(lrs: Floats) -> Floats:
    """A loss that falls from 2.3 to 0.5 around 10^-2.5 and explodes from about 10^-0.3."""
    x = np.log10(lrs)
    return 2.3 - 1.8 / (1 + np.exp(-4 * (x + 2.5))) + np.exp(np.minimum(6 * (x + 0.3), 8))


def noise(seed: int, num_steps: int = 100) -> Floats:
    """Normal noise of standard deviation 1."""
    return np.random.default_rng(seed).normal(size=num_steps)
