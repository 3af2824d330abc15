"""Runs that overlap: random states belong to the process, and each run would put back what it found of another's."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable

from lrwidget.steps.parts import Part

_lock = threading.Lock()
_under_way: list[weakref.ref[RandomStates]] = []


class RandomStates:
    """The random states that a run puts back: those it has found, or the ones from before an earlier run in its way.

    So when all runs of several threads are over, each state is what it was before the first of them. Runs within
    another one, in the same thread, put back what they have found.

    Parameters
    ----------
    found
        The states as they are now, each told from the others by its path.

    Attributes
    ----------
    parts
        What to restore.
    """

    parts: list[Part]

    def __init__(self, found: Iterable[Part]) -> None:
        self._thread = threading.get_ident()
        with _lock:
            others = [other for reference in _under_way if (other := reference()) is not None]
            is_inner = any(other._thread == self._thread for other in others)
            earliest = {part.path: part for part in others[0].parts} if others and not is_inner else {}
            self.parts = [earliest.get(part.path, part) for part in found]
            _under_way[:] = [*map(weakref.ref, others), weakref.ref(self)]

    def end(self) -> None:
        """The run is over. One that is dropped is, too."""
        with _lock:
            _under_way[:] = [reference for reference in _under_way if reference() not in (None, self)]
