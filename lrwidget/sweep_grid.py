"""What a sweep is asked to do: its points and its means, checked before anything is trained."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from itertools import product
from typing import Any, TypeAlias

from lrwidget.checks import checked_count
from lrwidget.finder import LearningRateFinder

_RESERVED = ("run", "step", "lr", "loss", "smoothed_loss", "grad_norm", "suggested_lr", "best_loss", "num_steps",
             "stop_reason", "error")  # fmt: skip

Grid: TypeAlias = Mapping[str, Iterable[Any]] | Iterable[Mapping[str, Any]]


def points_of(grid: Grid) -> list[dict[str, Any]]:
    """The points of a grid, in order: the last name varies fastest.

    Raises
    ------
    TypeError
        If it is neither values by name nor a list of settings.
    ValueError
        If there is no point in it, or a name is one that the tables need.
    """
    if isinstance(grid, Mapping):
        for name, values in grid.items():
            if isinstance(values, str | bytes) or not isinstance(values, Iterable):
                raise TypeError(
                    f"need a list of values for each name of the grid, got {name}={values!r}; put it in a list"
                )
        points = [dict(zip(grid, values, strict=True)) for values in product(*grid.values())] if grid else []
    elif isinstance(grid, str | bytes) or not isinstance(grid, Iterable):
        raise TypeError(f'need a grid: values by name, or a list of settings, got {grid!r}; e.g. {{"seed": [0, 1]}}')
    else:
        given = list(grid)
        for point in given:
            if not isinstance(point, Mapping):
                raise TypeError(
                    f'need a dict of settings for each point of the grid, got {point!r}; e.g. {{"seed": 0}}'
                )
        points = [dict(point) for point in given]
    if not points:
        raise ValueError(f"need a grid with at least one point, got {grid!r}; give each name a value")
    strange = [name for point in points for name in point if not isinstance(name, str)]
    if strange:
        raise TypeError(f"need names of make_train_step's parameters in the grid, got {strange[0]!r}; pass text")
    taken = [name for point in points for name in point if name in _RESERVED]
    if taken:
        raise ValueError(f"need other names in the grid than the columns of the tables, got {taken[0]!r}; rename it")
    return points


def check_points(make_train_step: Callable[..., object], points: Sequence[Mapping[str, Any]]) -> None:
    """Whether each point is something that the function can be called with.

    Raises
    ------
    TypeError
        If one is not.
    """
    if not callable(make_train_step):
        raise TypeError(
            f"need a function that makes a train step, got make_train_step={make_train_step!r}; pass the function"
        )
    try:
        signature = inspect.signature(make_train_step)
    except ValueError:
        return  # a builtin: it will say so itself
    for point in points:
        try:
            signature.bind(**point)
        except TypeError as error:
            raise TypeError(f"need settings that make_train_step{signature} takes, got {point}: {error}") from None


def check_means(finder: object, executor: object, num_workers: object, num_attempts: object) -> None:
    """Whether the sweep has what it needs besides its points.

    Parameters
    ----------
    finder, executor, num_workers, num_attempts
        As for `lrwidget.sweep`.

    Raises
    ------
    TypeError, ValueError
        If not.
    """
    if finder is not None and not isinstance(finder, LearningRateFinder):
        raise TypeError(f"need a LearningRateFinder, got finder={finder!r}; pass LearningRateFinder(...)")
    if executor is not None and not isinstance(executor, Executor):
        hint = "; use its get_executor()" if hasattr(executor, "get_executor") else ""
        raise TypeError(f"need a concurrent.futures.Executor, got executor={executor!r}{hint}")
    if num_workers is not None:
        checked_count("num_workers", num_workers, 1, "None takes one for each processor")
    checked_count("num_attempts", num_attempts, 1, "1 begins a point once and no more")
