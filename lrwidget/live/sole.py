"""One active run per model: two workers on the same weights would ruin each other's curve, and what they restore."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

_POLL_SECONDS = 0.05
_EXIT_SECONDS = 2.0


class Stoppable(Protocol):
    """A run, as far as this file knows it."""

    def displace(self) -> None: ...
    def stop(self) -> None: ...
    def has_ended(self, timeout: float | None) -> bool: ...
    def is_mine(self) -> bool: ...
    def is_unwanted(self) -> bool: ...


_lock = threading.Lock()
_active: dict[int, tuple[object, Stoppable]] = {}


@contextmanager
def sole_run(run: Stoppable, subject: object) -> Iterator[None]:
    """Be the only run of the subject: an earlier one is stopped, and waited for until it has restored the subject.

    Parameters
    ----------
    run
        Whose turn it shall be. If it is stopped while it waits, it goes on at once; it must not touch the subject then.
    subject
        What the run changes; told apart by identity.

    Raises
    ------
    RuntimeError
        If the earlier run is driven by this very thread: it could never end.
    """
    while not (has_turn := _claim(run, subject)) and not run.is_unwanted():
        earlier = _active.get(id(subject))
        if earlier is None:
            continue
        if earlier[1].is_mine():
            raise RuntimeError("this model is in a run already, and that run waits for this line; end it first")
        earlier[1].displace()
        earlier[1].has_ended(_POLL_SECONDS)
    try:
        yield
    finally:
        if has_turn:
            with _lock:
                del _active[id(subject)]


def stop_run_of(subject: object) -> None:
    """Stop the run of that subject, if there is one, and wait until the subject is restored.

    Not from within that run, which could never end then.
    """
    entry = _active.get(id(subject))
    if entry is not None and entry[0] is subject and not entry[1].is_mine():
        entry[1].displace()
        entry[1].has_ended(None)


def _claim(run: Stoppable, subject: object) -> bool:
    with _lock:
        # The subject is kept beside the run: while it is alive, no other object can have its id.
        return _active.setdefault(id(subject), (subject, run))[1] is run


@atexit.register
def _stop_all() -> None:
    """Let runs in worker threads restore their models before the interpreter goes."""
    for _, run in list(_active.values()):
        run.stop()
    for _, run in list(_active.values()):
        if not run.is_mine():
            run.has_ended(_EXIT_SECONDS)
