"""How much faster a sweep is on two processes than one range test after the other: process pool and Dask."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import get_context

from lrwidget import LearningRateFinder
from lrwidget.sweep_grid import points_of
from lrwidget.sweeps import sweep
from lrwidget.workers import num_processors
from tests import sweep_steps
from tests.benchmarks.measuring import table

NUM_WORKERS = 2
NUM_ROUNDS = 2
GRID = {"optimizer": ["SGD", "Adam"], "weight_decay": [0.0, 0.1], "seed": [0, 1, 2], "width": [1024]}
FINDER = LearningRateFinder(min_lr=1e-5, max_lr=10.0, num_steps=200, divergence="never")


def one_by_one() -> list[float]:
    """One range test after the other in this process."""
    return [FINDER.range_test(sweep_steps.digits_mlp(**point)).losses[-1] for point in points_of(GRID)]


def on(executor: Executor | None) -> list[float]:
    """The same points as a sweep."""
    result = sweep(sweep_steps.digits_mlp, GRID, finder=FINDER, executor=executor, num_workers=NUM_WORKERS)
    return [each.losses[-1] for each in result.results if each is not None]


def main() -> None:
    """Run each way in turn, several times over, and print the ratios."""
    from distributed import Client, LocalCluster

    load = os.getloadavg()[0]  # the speed-up is that of an idle machine only if it was one
    settings = {"n_workers": NUM_WORKERS, "threads_per_worker": 1, "dashboard_address": None}
    with (
        ProcessPoolExecutor(NUM_WORKERS, get_context("spawn")) as pool,
        LocalCluster(**settings) as cluster,
        Client(cluster) as client,
    ):
        ways: dict[str, Callable[[], list[float]]] = {
            "one by one": one_by_one,
            "two processes": lambda: on(pool),
            "Dask, two workers": lambda: on(client.get_executor()),
            "two processes, from their start": lambda: on(None),
        }
        ends = [way() for way in ways.values()]  # the workers import what they need
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(NUM_ROUNDS):
            for name, way in ways.items():
                started = time.perf_counter()
                ends.append(way())
                seconds[name].append(time.perf_counter() - started)
    best = {name: min(times) for name, times in seconds.items()}
    print(
        f"A sweep of {len(points_of(GRID))} range tests of {FINDER.num_steps} steps on {num_processors()} processors "
        f"(load when it began: {load:.1f}; best of {NUM_ROUNDS} rounds):\n"
    )
    rows = [[name, f"{taken:.1f} s", f"{best['one by one'] / taken:.2f}"] for name, taken in best.items()]
    print(table(["", "time", "times as fast"], rows))
    print(f"\nLast losses equal bit for bit everywhere: {all(end == ends[0] for end in ends)}")


if __name__ == "__main__":
    main()
