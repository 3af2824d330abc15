"""A sweep's runs arranged for the eye: which names of the grid vary, and tables of one number over two of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass

import numpy as np

from lrwidget.result import FloatArray
from lrwidget.sweep_result import SweepRun, label


@dataclass(frozen=True)
class Table:
    """One number over the grid.

    Parameters
    ----------
    title
        What the number is.
    rows, columns
        Their labels; one empty label where the grid does not vary that way.
    values
        Shape (num rows, num columns): means over all runs of a cell; NaN where no run has the number.
    shades
        The same shape, in [0, 1]: where each value stands between the lowest and the highest; NaN where there is none.
    num_missing
        The same shape: how many runs of a cell have no number: not yet, or they have ended without one.
    is_waiting
        The same shape: whether runs of a cell are still to end.
    is_rate
        Whether the values are learning rates.
    """

    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: FloatArray
    shades: FloatArray
    num_missing: tuple[tuple[int, ...], ...]
    is_waiting: tuple[tuple[bool, ...], ...]
    is_rate: bool


def varying_names(runs: Sequence[SweepRun]) -> list[str]:
    """The names of the grid that have more than one value, those with the most values first."""
    names = dict.fromkeys(name for run in runs for name in run.settings)
    counts = {name: len(values_of(runs, name)) for name in names}
    return sorted((name for name in names if counts[name] > 1), key=lambda name: -counts[name])


def values_of(runs: Sequence[SweepRun], name: str | None) -> list[str]:
    """The values of a name as labels, in the order of the grid; one empty label without a name."""
    return list(dict.fromkeys(value_of(run, name) for run in runs))


def value_of(run: SweepRun, name: str | None) -> str:
    """The label of a run's value; empty without a name, or where the run has none."""
    return "" if name is None or name not in run.settings else label(run.settings[name])


def table(
    title: str,
    runs: Sequence[SweepRun],
    numbers: Sequence[float],
    row: str | None,
    column: str | None,
    is_rate: bool = False,
    waiting: Container[int] = (),
) -> Table:
    """Arrange one number of each run over two names of the grid.

    Parameters
    ----------
    title
        What the number is.
    runs, numbers
        One number for each run; NaN where there is none.
    row, column
        The names that the rows and the columns stand for.
    is_rate
        Whether the numbers are learning rates: means and shades are those of their logarithms.
    waiting
        The indices of the runs that are still to end.
    """
    rows, columns = values_of(runs, row), values_of(runs, column)
    cells: list[list[list[float]]] = [[[] for _ in columns] for _ in rows]
    is_waiting = [[False for _ in columns] for _ in rows]
    for run, number in zip(runs, numbers, strict=True):
        i, j = rows.index(value_of(run, row)), columns.index(value_of(run, column))
        cells[i][j].append(number)
        is_waiting[i][j] |= run.index in waiting
    mean: Callable[[list[float]], float] = _geometric_mean if is_rate else _mean
    values = np.array([[mean(cell) for cell in line] for line in cells])
    missing = tuple(tuple(sum(map(math.isnan, cell)) for cell in line) for line in cells)
    shades = _shades(np.log(values) if is_rate else values)
    return Table(title, tuple(rows), tuple(columns), values, shades, missing, tuple(map(tuple, is_waiting)), is_rate)


def _mean(numbers: list[float]) -> float:
    present = [number for number in numbers if not math.isnan(number)]
    return sum(present) / len(present) if present else math.nan


def _geometric_mean(numbers: list[float]) -> float:
    return math.exp(_mean([math.log(number) for number in numbers]))


def _shades(values: FloatArray) -> FloatArray:
    present = values[np.isfinite(values)]
    if not present.size or np.ptp(present) == 0:
        return np.where(np.isfinite(values), 0.5, np.nan)
    return np.where(np.isfinite(values), (values - present.min()) / np.ptp(present), np.nan)
