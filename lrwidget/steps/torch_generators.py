"""The generators behind a loader: whatever draws its order, its augmentations, its noise."""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Iterator
from functools import partial
from types import FunctionType, GeneratorType, MethodType, ModuleType
from typing import Any

import numpy as np
from torch import Tensor

from lrwidget.steps.closures import held_by
from lrwidget.steps.torch_random import GENERATOR_TYPES, Generator

# So many objects are looked at, the nearest first, and a list of more items is data: a search must not take its time.
_MOST_OBJECTS, _MOST_ITEMS = 1000, 32
_OPAQUE = (str, bytes, int, float, type(None), type, ModuleType, Tensor, np.ndarray)
# What draws a batch or a sample.
_METHODS = ("__iter__", "__getitem__", "__getitems__", "__call__")


def generators_behind(name: str, source: object) -> Iterator[tuple[str, Generator]]:
    """Every generator that is found from a loader on, with its path from there.

    Looked into are attributes, short lists and dicts, what functions refer to, and the variables of a generator
    function.

    Parameters
    ----------
    name
        What the source is called where a generator cannot be put back.
    source
        A loader, or whatever else gives batches.
    """
    todo: deque[tuple[str, object]] = deque([(name, source)])
    seen: set[int] = set()
    while todo and len(seen) < _MOST_OBJECTS:
        path, value = todo.popleft()
        if id(value) in seen or isinstance(value, _OPAQUE):
            continue
        seen.add(id(value))
        if isinstance(value, GENERATOR_TYPES):
            yield path, value
        else:
            todo.extend((path + place, part) for place, part in _parts(value))


def _parts(value: Any) -> Iterator[tuple[str, object]]:
    """What a value is made of, each with how to write its place."""
    if type(value) in (list, tuple, dict):  # no subclass: it may load an item when it is asked for one
        if len(value) <= _MOST_ITEMS:
            items = value.items() if isinstance(value, dict) else enumerate(value)
            yield from ((f"[{key!r}]", item) for key, item in items)
    elif isinstance(value, FunctionType | MethodType | partial):
        yield from (("", held) for held in held_by(value))
    else:
        variables = inspect.getgeneratorlocals(value) if isinstance(value, GeneratorType) else _attributes(value)
        yield from ((f".{name}", item) for name, item in variables.items())


def _attributes(value: object) -> dict[str, object]:
    """What an object is made of and what draws from it."""
    # A loader's own pass under way is the user's, and set aside.
    attributes = {name: item for name, item in getattr(value, "__dict__", {}).items() if name != "_iterator"}
    methods = {name: getattr(type(value), name, None) for name in _METHODS}
    return attributes | {name: method for name, method in methods.items() if isinstance(method, FunctionType)}
