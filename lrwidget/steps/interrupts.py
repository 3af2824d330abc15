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
from typing import Any, TypeAlias, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])

Handler: TypeAlias = Callable[[int, FrameType | None], Any]

_shielded: set[CodeType] = set()


def shielded(function: Function) -> Function:
    """Mark a function as one that Ctrl-C must not cut short while an `InterruptShield` is up."""
    _shielded.add(function.__code__)
    return function


class InterruptShield:
    """The Ctrl-C handler of one run; up from `raise_` to `lower`. Does nothing outside the main thread."""

    def __init__(self) -> None:
        self._previous: Handler | None = None
        self._is_up = False
        self._waiting = False

    @property
    def is_waiting(self) -> bool:
        """Whether an interrupt is being held back."""
        return self._waiting

    def raise_(self) -> None:
        """Begin to hold interrupts back, where Python code handles them at all."""
        if threading.current_thread() is not threading.main_thread():
            return  # only the main thread sees signals
        previous = _below_lowered(signal.getsignal(signal.SIGINT))
        if callable(previous):
            self._previous, self._is_up = previous, True
            signal.signal(signal.SIGINT, self._on_interrupt)

    @shielded
    def lower(self) -> None:
        """Put the former handler back, then let the interrupt through that had to wait.

        Runs may end in another order than they began, or in another thread, which may not set handlers: a lowered
        shield that stays where it is passes interrupts on, until one in the main thread takes it off.
        """
        if not self._is_up:
            return
        try:
            self._take_off()
        finally:  # a second interrupt may come as soon as the former handler is back
            self._is_up = False
        if self._waiting:
            self._waiting = False
            self._pass_on(signal.SIGINT, None)

    def _take_off(self) -> None:
        if threading.current_thread() is threading.main_thread():
            handler = signal.getsignal(signal.SIGINT)
            if (below := _below_lowered(handler, self)) is not handler:
                signal.signal(signal.SIGINT, below)

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        caller = frame if self._is_up else None
        while caller is not None:
            if caller.f_code in _shielded:
                self._waiting = True
                return
            caller = caller.f_back
        self._pass_on(number, frame)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        if self._previous is not None:
            self._previous(number, frame)


def _below_lowered(handler: Any, leaving: InterruptShield | None = None) -> Any:
    """The handler, or the first one below it that is no lowered shield's, nor that of the one about to be."""
    while isinstance(shield := getattr(handler, "__self__", None), InterruptShield):
        if shield._is_up and shield is not leaving:
            break
        handler = shield._previous
    return handler
