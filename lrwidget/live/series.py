"""The records of a run as arrays that grow with it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from lrwidget.result import FloatArray

_COLUMNS = 3  # lr, loss, gradient norm


class Measured(Protocol):
    """What of a record is measured."""

    @property
    def lr(self) -> float: ...
    @property
    def loss(self) -> float: ...
    @property
    def grad_norm(self) -> float | None: ...


class Series:
    """Learning rates, losses and gradient norms of the records so far.

    Each record is converted once, so following a run of n steps costs n in all. The arrays handed out are never
    written again: what is added goes behind their end.
    """

    def __init__(self) -> None:
        self._table = np.empty((_COLUMNS, 128))
        self._length = 0
        self._has_norms = False

    def __len__(self) -> int:
        return self._length

    def extend(self, new: Sequence[Measured]) -> None:
        """Take in further records."""
        end = self._length + len(new)
        if end > self._table.shape[1]:
            larger = np.empty((_COLUMNS, max(end, 2 * self._table.shape[1])))
            larger[:, : self._length] = self._table[:, : self._length]
            self._table = larger
        if new:
            block = self._table[:, self._length : end]
            block[0] = [record.lr for record in new]
            block[1] = [record.loss for record in new]
            block[2] = [math.nan if record.grad_norm is None else record.grad_norm for record in new]
            self._has_norms = self._has_norms or any(record.grad_norm is not None for record in new)
        self._length = end

    @property
    def lrs(self) -> FloatArray:
        """Shape (n,)."""
        return self._column(0)

    @property
    def losses(self) -> FloatArray:
        """Shape (n,), raw."""
        return self._column(1)

    @property
    def grad_norms(self) -> FloatArray | None:
        """Shape (n,), NaN where none was reported; None where none ever was."""
        return self._column(2) if self._has_norms else None

    def _column(self, index: int) -> FloatArray:
        column = self._table[index, : self._length]
        column.setflags(write=False)
        return column
