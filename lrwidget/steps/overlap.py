"""Runs that overlap: random states belong to the process, and each run would put back what it found of another's."""

from __future__ import annotations

import random
import threading
import weakref
from collections.abc import Iterable, Iterator

import numpy as np

from lrwidget.steps.parts import Part

STREAM = 0x6C7277  # a number that nobody seeds with: a repeat must not be the run it is compared with

_lock = threading.RLock()  # a forgotten run may be collected, and so end, while its own thread holds it
_under_way: list[weakref.ref[RandomStates]] = []


class RandomStates:
    """The random states that a run puts back: what it has found, or in the background what an earlier run has found.

    So when several runs in the background are over, in whichever order, each state is what it was before the first of
    them. A run in the main thread gives back to the code around it what that had, and so does one within another run.

    Parameters
    ----------
    found
        The states as they are now, each told from the others by its path.

    Attributes
    ----------
    parts
        What to restore.
    """

    def __init__(self, found: Iterable[Part]) -> None:
        self.parts = list(found)
        self._thread = threading.current_thread()
        with _lock:
            others = [other for reference in _under_way if (other := reference()) is not None]
            is_inner = any(other._thread is self._thread for other in others)
            if others and not is_inner and self._thread is not threading.main_thread():
                earliest = {part.path: part for part in others[0].parts}
                self.parts = [earliest.get(part.path, part) for part in self.parts]
            _under_way.append(weakref.ref(self))

    def end(self) -> None:
        """The run is over. One that is dropped is, too."""
        with _lock:
            _under_way[:] = [reference for reference in _under_way if reference() not in (None, self)]


def global_states() -> Iterator[Part]:
    """The states of the sources that user code draws from without naming one, but for a framework's."""
    python_state = random.getstate()
    numpy_state = np.random.get_state(legacy=False)  # noqa: NPY002 - as a tuple it costs twice as much
    yield Part(("Python RNG",), lambda: random.setstate(python_state))
    yield Part(("NumPy RNG",), lambda: np.random.set_state(numpy_state))  # noqa: NPY002


def seed_globals(seed: int) -> None:
    """Seed those sources."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
