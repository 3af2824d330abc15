"""Random raw curves that any tool can be made to see."""

import numpy as np
from numpy.typing import NDArray

START_LR, END_LR = 1e-7, 10.0


def random_curves(num_curves: int = 100) -> list[NDArray[np.float64]]:
    """Raw losses of exponential sweeps from 1e-7 to 10, positive, of 60 to 150 steps.

    Most fall and explode; some never fall, some never explode, some end in NaN for good. They are rounded to single
    precision, which is what a loss has when it leaves the training.
    """
    rng = np.random.default_rng(20)
    curves = []
    for i in range(num_curves):
        x = np.linspace(-7, 1, int(rng.integers(60, 151)))
        height = 10 ** rng.uniform(-1, 2)
        depth = 0 if i % 10 == 0 else rng.uniform(0.2, 0.95)
        knee = rng.uniform(-4.5, -1)
        fall = depth / (1 + np.exp(-rng.uniform(1.5, 6) * (x - knee)))
        rise = 0 if i % 7 == 0 else np.exp(np.minimum(rng.uniform(3, 10) * (x - knee - rng.uniform(1, 3)), 12))
        noise = 10 ** rng.uniform(-4, -1) * rng.normal(size=len(x))
        losses = height * np.abs(1 - fall + rise + noise)
        if i % 9 == 0:
            losses[int(rng.integers(len(x) * 2 // 3, len(x))) :] = np.nan
        curves.append(losses.astype(np.float32).astype(float))
    return curves
