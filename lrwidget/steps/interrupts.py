"""Ctrl-C must wait while a training state is being put back: half a model restored is worse than a slow interrupt.

A flag set at the start of the restoring code would leave a gap, the moment between the call and the flag. So the
handler stands for the whole run and looks at the stack instead: an interrupt that finds a shielded function there is
kept until the run has been left, any other goes where it would have gone.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])

_shielded: set[CodeType] = set()


def shielded(function: Function) -> Function:
    """Mark a function as one that Ctrl-C must not cut short while an `InterruptShield` is up."""
    _shielded.add(function.__code__)
    return function


class InterruptShield:
    """The Ctrl-C handler of a run; up from `raise_` to `lower`. Does nothing outside the main thread."""

    def __init__(self) -> None:
        self._previous: Callable[[int, FrameType | None], Any] | None = None
        self._waiting = False

    @property
    def is_waiting(self) -> bool:
        """Whether an interrupt is being held back."""
        return self._waiting

    def raise_(self) -> None:
        """Begin to hold interrupts back, where Python code handles them at all."""
        if threading.current_thread() is not threading.main_thread():
            return  # only the main thread sees signals
        previous = signal.getsignal(signal.SIGINT)
        if callable(previous):
            self._previous = previous
            signal.signal(signal.SIGINT, self._on_interrupt)

    def lower(self) -> None:
        """Put the former handler back, then let the interrupt through that had to wait."""
        previous, self._previous = self._previous, None
        if previous is None:
            return
        if signal.getsignal(signal.SIGINT) == self._on_interrupt:
            signal.signal(signal.SIGINT, previous)
        if self._waiting:
            self._waiting = False
            previous(signal.SIGINT, None)

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        caller = frame
        while caller is not None:
            if caller.f_code in _shielded:
                self._waiting = True
                return
            caller = caller.f_back
        if self._previous is not None:
            self._previous(number, frame)
