"""Objects of classes that nobody here has heard of: whether what they hold may be state of a training."""

from __future__ import annotations

import sys
from threading import Thread
from types import SimpleNamespace
from typing import Any

from torch.utils.data import DataLoader, Dataset

# What no training owns: threads, locks, loggers, process groups, trainers, widgets; and data, which may be large.
_LIGHTNING = {"lightning", "lightning_fabric", "pytorch_lightning"}
_MACHINERY = sys.stdlib_module_names | {"torch", "ipywidgets", "lrwidget"} | _LIGHTNING
_FOREIGN_TYPES = (Thread, Dataset, DataLoader)


def is_plain(value: Any) -> bool:
    """Whether an object's attributes are state of a training, whatever its class is."""
    kind = type(value)
    if isinstance(value, _FOREIGN_TYPES) or str(kind.__module__).partition(".")[0] in _MACHINERY:
        return kind is SimpleNamespace
    return isinstance(getattr(value, "__dict__", None), dict)
