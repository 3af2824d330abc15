"""What is read off a curve once and asked for several times."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

import numpy as np

from lrwidget.result import FloatArray

T = TypeVar("T")


def once_per_curve(read: Callable[[FloatArray, FloatArray], T]) -> Callable[[FloatArray, FloatArray], T]:
    """Remember what a function of a curve has given for the newest one: rules and the diagnosis ask in turn, of one.

    Parameters
    ----------
    read
        Takes learning rates and losses, both of shape (n,), which it must not change; what it returns nobody may.

    Returns
    -------
    callable
        The same, reading a curve anew only where it differs from the newest one.
    """

    @lru_cache(maxsize=1)
    def read_bytes(lrs: bytes, losses: bytes) -> T:
        return read(np.frombuffer(lrs), np.frombuffer(losses))

    @wraps(read)
    def read_once(lrs: FloatArray, losses: FloatArray) -> T:
        return read_bytes(lrs.tobytes(), losses.tobytes())

    return read_once
