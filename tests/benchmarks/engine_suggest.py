"""CPU time to read a learning rate off a curve of 100 to 10,000 points."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable
from statistics import median

import numpy as np

from lrwidget import diagnose, suggest
from tests.benchmarks.measuring import environment, once, table

SIZES = (100, 1_000, 10_000)


def curve(num_points: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A noisy range test: flat, falling, exploding. Another one for each call: what has been read is remembered."""
    rng = np.random.default_rng(seed)
    decades = np.linspace(-6, 1, num_points)
    losses = 2.3 - 2 / (1 + np.exp(-3 * (decades + 2.5))) + np.exp(6 * (decades - 0.4))
    return 10**decades, losses + 0.05 * rng.normal(size=num_points)


def torch_lr_finder(lrs: np.ndarray, losses: np.ndarray) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from torch_lr_finder import LRFinder

    finder = LRFinder.__new__(LRFinder)
    finder.history = {"lr": lrs.tolist(), "loss": losses.tolist()}
    _, ax = pyplot.subplots()
    with contextlib.redirect_stdout(io.StringIO()):
        finder.plot(ax=ax, suggest_lr=True)
    pyplot.close("all")


def ignite(lrs: np.ndarray, losses: np.ndarray) -> None:
    from ignite.handlers import FastaiLRFinder

    finder = FastaiLRFinder()
    finder._history = {"lr": [[lr] for lr in lrs.tolist()], "loss": losses.tolist()}
    finder.lr_suggestion()


def lightning(lrs: np.ndarray, losses: np.ndarray) -> None:
    from lightning.pytorch.tuner.lr_finder import _LRFinder

    finder = _LRFinder("exponential", lrs[0], lrs[-1], len(lrs))
    finder.results = {"lr": lrs.tolist(), "loss": losses.tolist()}
    assert finder.suggestion() is not None


CONTENDERS: dict[str, Callable[[np.ndarray, np.ndarray], object]] = {
    "lrwidget suggest": suggest,
    "lrwidget diagnose": diagnose,
    "ignite": ignite,
    "Lightning": lightning,
    "torch-lr-finder (draws a plot with it)": torch_lr_finder,
}


def main() -> None:
    """Print the median of seven calls of each."""
    print("# Time to suggest: CPU ms, median of 7\n")
    print(f"{environment()}. fastai's default rule takes about 118,000 ms for 10,000 points by its own measure.\n")
    rows = []
    for name, function in CONTENDERS.items():
        row = [name]
        for size in SIZES:
            curves = [curve(size, seed) for seed in range(8)]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                times = [once(lambda f=function, c=each: f(*c)).cpu for each in curves]
            row.append(f"{median(times[1:]) * 1e3:.2f}")
        rows.append(row)
    print(table(["", *(f"{size:,} points" for size in SIZES)], rows))
