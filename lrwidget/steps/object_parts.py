"""The pieces of what Python objects hold, each knowing how to put itself back; no framework is needed for them."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, MutableSequence
from operator import is_
from threading import Thread
from types import SimpleNamespace
from typing import Any

import numpy as np

from lrwidget.steps.parts import Part, Path

ITEMS_TYPES = (list, set, deque)  # whose items an `ItemsPart` puts back

# What no training owns: threads, locks, loggers, process groups, layers and their variables, trainers, widgets.
_FRAMEWORKS = {"torch", "keras", "lightning", "lightning_fabric", "pytorch_lightning"}
_MACHINERY = sys.stdlib_module_names | _FRAMEWORKS | {"ipywidgets", "lrwidget"}


def is_plain(value: Any) -> bool:
    """Whether an object's attributes are state of a training, be it of a class that nobody here has heard of."""
    kind = type(value)
    if isinstance(value, Thread) or str(kind.__module__).partition(".")[0] in _MACHINERY:
        return kind is SimpleNamespace
    return isinstance(getattr(value, "__dict__", None), dict)


def is_torch_data(value: object) -> bool:
    """Whether this is a loader, a sampler or a data set of PyTorch's, or of a class derived from one."""
    return any(str(kind.__module__).startswith("torch.utils.data") for kind in type(value).__mro__)


class DictPart(Part):
    """The entries of a dictionary and their order. Attributes of an object are one, too."""

    __slots__ = ("_keys", "_live", "_values")

    def __init__(self, path: Path, live: dict[Any, Any]) -> None:
        super().__init__(path)
        self._live = live
        self._keys = list(live)
        self._values = list(live.values())

    def restore(self) -> None:
        """Write the entries back, if they are others now: what compiled code watches is not touched in vain."""
        live, keys, values = self._live, self._keys, self._values
        if len(live) == len(keys) and all(map(is_, live, keys)) and all(map(is_, live.values(), values)):
            return
        live.clear()
        for key, value in zip(keys, values, strict=True):
            live[key] = value  # a Counter's update would count the pairs


class ItemsPart(Part):
    """The items of a list, deque or set."""

    __slots__ = ("_items", "_live")

    def __init__(self, path: Path, live: MutableSequence[Any] | set[Any]) -> None:
        super().__init__(path)
        self._live = live
        self._items = list(live)

    def restore(self) -> None:
        """Write the items back, if they are others now."""
        live, items = self._live, self._items
        if len(live) == len(items) and all(map(is_, live, items)):
            return
        live.clear()
        add: Callable[[Iterable[Any]], None] = live.update if isinstance(live, set) else live.extend
        add(items)


class ArrayPart(Part):
    """The contents of a NumPy array."""

    __slots__ = ("_live", "_saved")

    def __init__(self, path: Path, live: np.ndarray[Any, Any]) -> None:
        super().__init__(path)
        self._live = live
        self._saved = live.copy()

    def restore(self) -> None:
        """Copy the contents back."""
        if self._live.flags.writeable:
            self._live[...] = self._saved


class ObjectPart(DictPart):
    """The attributes of an object and its class: lazy modules change theirs when they are first used."""

    __slots__ = ("_class", "_object")

    def __init__(self, path: Path, live: Any) -> None:
        super().__init__(path, vars(live))
        self._object = live
        self._class = type(live)

    def restore(self) -> None:
        """Give the object its attributes, in the dictionary that they were in, and its class back."""
        super().restore()
        if vars(self._object) is not self._live:
            object.__setattr__(self._object, "__dict__", self._live)
        if type(self._object) is not self._class:
            self._object.__class__ = self._class
