"""The state behind the batches: what draws their order, their augmentations, their noise, and what counts along."""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Iterable, Iterator
from functools import partial
from types import FunctionType, GeneratorType, MethodType, ModuleType
from typing import Any

import numpy as np

from lrwidget.steps.closures import held_by
from lrwidget.steps.generators import generator_part, is_generator, loaded_torch
from lrwidget.steps.object_parts import (
    ITEMS_TYPES,
    ArrayPart,
    DictPart,
    ItemsPart,
    ObjectPart,
    is_plain,
    is_torch_data,
)
from lrwidget.steps.parts import Part, Path

# So many objects are looked at, the nearest first, and a list of more items is data: a search must not take its time.
_MOST_OBJECTS, _MOST_ITEMS = 1000, 32
_MOST_COPIED = 10_000_000  # the longest order of samples that is copied; what is longer is data, too
_CONSTANTS = frozenset((str, bytes, int, float, bool, type(None)))  # most of what there is
_OPAQUE = (type, ModuleType, np.ndarray)  # and tensors
_CONTAINERS = (list, tuple, dict)  # no subclass: it may load an item when it is asked for one
# What draws a batch or a sample.
_METHODS = ("__iter__", "__getitem__", "__getitems__", "__call__")


def found_behind(name: str, source: object) -> Iterator[tuple[str, Any]]:
    """Every object that is found from a source of batches on, itself first, with its path from there; no containers.

    Looked into are attributes, short lists and dicts, what functions refer to, and the variables of a generator
    function.

    Parameters
    ----------
    name
        What the source is called where something cannot be put back.
    source
        A loader, or whatever else gives batches.
    """
    opaque = (*_OPAQUE, *loaded_torch("Tensor"))
    todo: deque[tuple[str, object]] = deque([(name, source)])
    seen: set[int] = set()
    while todo and len(seen) < _MOST_OBJECTS:
        path, value = todo.popleft()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if type(value) not in _CONTAINERS:
            yield path, value
            if is_generator(value):
                continue
        place, parts = _parts(value)
        todo += [(path + place.format(name), part) for name, part in parts if not _is_opaque(part, opaque)]


def source_parts(path: str, value: Any) -> Iterator[Part]:
    """What puts back a loader, a sampler, a data set, or what else is behind the batches.

    Of a generator it is the state; of other objects the attributes, so that one that counts its passes, shuffles a list
    of indices in place or keeps its place in the data is where it was. The data themselves are not copied.
    """
    if is_generator(value):
        yield generator_part((path,), value)
        return
    if not (is_torch_data(value) or is_plain(value)):
        return
    yield ObjectPart((path,), value)
    todo: list[tuple[Path, Any]] = [((path, name), item) for name, item in vars(value).items()]
    seen: set[int] = set()
    while todo:
        place, item = todo.pop()
        if isinstance(item, np.ndarray):
            if item.ndim == 1 and item.dtype.kind in "iu" and item.size <= _MOST_COPIED and item.flags.writeable:
                yield ArrayPart(place, item)
        elif type(item) in (dict, *ITEMS_TYPES) and len(item) <= _MOST_COPIED and id(item) not in seen:
            seen.add(id(item))
            yield DictPart(place, item) if isinstance(item, dict) else ItemsPart(place, item)
            if len(item) <= _MOST_ITEMS:
                items = item.items() if isinstance(item, dict) else enumerate(item)
                todo += [((*place, key), part) for key, part in items]


def _parts(value: Any) -> tuple[str, Iterable[tuple[object, object]]]:
    """How to write the place of a part, and what a value is made of, with names."""
    if type(value) in _CONTAINERS:
        if len(value) > _MOST_ITEMS:
            return "", ()
        return "[{!r}]", value.items() if isinstance(value, dict) else enumerate(value)
    if isinstance(value, FunctionType | MethodType | partial):
        return "", enumerate(held_by(value))
    if isinstance(value, GeneratorType):
        return ".{}", inspect.getgeneratorlocals(value).items()
    return ".{}", _attributes(value).items()


def _attributes(value: object) -> dict[str, object]:
    """What an object is made of and what draws from it."""
    # A loader's own pass under way is the user's, and set aside.
    attributes = {name: item for name, item in getattr(value, "__dict__", {}).items() if name != "_iterator"}
    if not _is_torch(type(value)):
        methods = {name: getattr(type(value), name, None) for name in _METHODS}
        attributes |= {name: method for name, method in methods.items() if isinstance(method, FunctionType)}
    return attributes


def _is_opaque(value: object, opaque: tuple[type, ...]) -> bool:
    """Whether there is nothing to find in it: a tensor, a function of PyTorch's, which draws from what it is given."""
    if type(value) in _CONSTANTS or isinstance(value, opaque):
        return True
    return isinstance(value, FunctionType) and _is_torch(value)


def _is_torch(value: FunctionType | type) -> bool:
    return value.__module__.startswith("torch.")
