"""Time that a run has taken, pauses left out."""

from __future__ import annotations

from collections.abc import Callable


class Stopwatch:
    """Counts seconds from its start to its stop, without the pauses.

    Parameters
    ----------
    clock
        Seconds, rising.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._counted = 0.0  # up to the last pause or stop
        self._since: float | None = None  # what runs on top of it
        self._first: float | None = None

    def start(self) -> None:
        """Begin to count, or go on after a pause."""
        if self._since is None:
            self._since = self._clock()

    def stop(self) -> None:
        """Stop counting: a pause, or the end."""
        self._counted, self._since = self.elapsed(), None

    def elapsed(self) -> float:
        """Seconds counted so far."""
        since = self._since
        return self._counted + (0.0 if since is None else self._clock() - since)

    def note_first(self) -> None:
        """Remember when the first step was done; later calls change nothing."""
        if self._first is None:
            self._first = self.elapsed()

    def rate(self, num_steps: int) -> float | None:
        """Steps per second, of so many steps since the first one; None while unknown."""
        if self._first is None or num_steps < 1:
            return None
        seconds = self.elapsed() - self._first
        return num_steps / seconds if seconds > 0 else None
