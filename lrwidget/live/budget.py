"""How often a live curve may be drawn."""

from __future__ import annotations

PERIOD_SECONDS = 0.1  # between two looks at a run, and two draws of it
_FREE_DRAWS = 40
_SHARED_DRAWS = 60


class DrawBudget:
    """Allows about 100 draws over a run, ten a second at most.

    A browser tab that nobody looks at keeps every drawing for later and has to catch up with all of them. So the
    number of draws of a run is bounded: the first 40 come as fast as they are allowed to, and by the time a share p of
    the steps is done there have been no more than 40 + 60 p.
    """

    def __init__(self) -> None:
        self._draws = 0
        self._last = float("-inf")
        self._pause = PERIOD_SECONDS

    def allows(self, now: float, done_fraction: float) -> bool:
        """Whether a draw may be made now, in seconds of a rising clock."""
        if now - self._last < self._pause * 0.999:
            return False
        return self._draws < _FREE_DRAWS + _SHARED_DRAWS * done_fraction

    def note(self, now: float) -> None:
        """Count a draw that is made now."""
        self._draws += 1
        self._last = now

    def note_cost(self, seconds: float) -> None:
        """Making a drawing took so long; it may take a tenth of the time."""
        self._pause = max(PERIOD_SECONDS, 10 * seconds)
