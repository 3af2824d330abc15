"""Times as ratios: contenders run in turn within each round, so that what slows the machine slows all of them."""

from __future__ import annotations

import gc
import os
import platform
import random
import time
from collections.abc import Callable, Iterator, Mapping
from statistics import median, quantiles
from typing import NamedTuple

_END = object()


class Times(NamedTuple):
    """Seconds of one call: of the whole process, on the wall, and of the calling thread alone."""

    cpu: float
    wall: float
    thread: float = 0.0


def once(function: Callable[[], object]) -> Times:
    """Time one call, without the garbage of the calls before it."""
    gc.collect()
    wall, cpu, thread = time.perf_counter(), time.process_time(), time.thread_time()
    function()
    thread = time.thread_time() - thread
    return Times(time.process_time() - cpu, time.perf_counter() - wall, thread)


def rounds(contenders: Mapping[str, Callable[[], Callable[[], object]]], num_rounds: int) -> dict[str, list[Times]]:
    """Time every contender once in each round, in an order drawn anew; one round before does not count.

    Parameters
    ----------
    contenders
        By name, a function that makes ready and returns the function to time.
    num_rounds
        How many rounds count.
    """
    times: dict[str, list[Times]] = {name: [] for name in contenders}
    order = list(contenders)
    shuffle = random.Random(0).shuffle
    for number in range(num_rounds + 1):
        shuffle(order)
        for name in order:
            taken = once(contenders[name]())
            if number:
                times[name].append(taken)
    return times


def rounds_of_steps(
    contenders: Mapping[str, Callable[[], Iterator[object]]], num_rounds: int, steps_per_turn: int = 1
) -> dict[str, list[Times]]:
    """As `rounds`, of iterators that take turns after a few steps: what slows the machine hits all of them alike.

    Parameters
    ----------
    contenders
        By name, a function that makes an iterator. What its steps, its beginning and its end take is added up.
    num_rounds
        How many rounds count.
    steps_per_turn
        Of short steps as many as take some milliseconds: each turn begins with what others have left in the caches.
    """
    times: dict[str, list[Times]] = {name: [] for name in contenders}
    shuffle = random.Random(0).shuffle
    for number in range(num_rounds + 1):
        gc.collect()
        under_way = {name: make() for name, make in contenders.items()}
        taken = dict.fromkeys(contenders, Times(0.0, 0.0))
        order = list(contenders)
        while order:
            shuffle(order)
            for name in order[:]:
                wall, thread = time.perf_counter(), time.thread_time()
                is_over = any(next(under_way[name], _END) is _END for _ in range(steps_per_turn))
                thread = time.thread_time() - thread
                taken[name] = Times(taken[name].cpu + thread, taken[name].wall + time.perf_counter() - wall)
                if is_over:
                    order.remove(name)
        if number:
            for name in contenders:
                times[name].append(taken[name])
    return times


def spread(values: list[float]) -> str:
    """Median and quartiles: ``1.02 [1.01-1.04]``."""
    if len(values) < 2:
        return f"{values[0]:.3f}"
    low, _, high = quantiles(values, n=4, method="inclusive")
    return f"{median(values):.3f} [{low:.3f}-{high:.3f}]"


def ratios(times: Mapping[str, list[Times]], name: str, reference: str, clock: str = "cpu") -> list[float]:
    """What a contender took in each round, divided by what the reference took in it."""
    pairs = zip(times[name], times[reference], strict=True)
    return [getattr(mine, clock) / getattr(other, clock) for mine, other in pairs]


def table(header: list[str], rows: list[list[str]]) -> str:
    """A markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def environment() -> str:
    """Versions and machine in one line."""
    import numpy
    import torch

    return (
        f"Python {platform.python_version()}, numpy {numpy.__version__}, torch {torch.__version__}, "
        f"{torch.get_num_threads()} thread, {os.cpu_count()} cores, {platform.machine()}"
    )
