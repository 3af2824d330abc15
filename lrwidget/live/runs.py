"""The curves a widget keeps: that of the newest run, and the earlier ones to compare it with."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from lrwidget.finder import LearningRateFinder
from lrwidget.live.frames import RunEntry
from lrwidget.live.measurement import Measurement
from lrwidget.live.words import run_summary

if TYPE_CHECKING:
    import pandas as pd

MOST_PAST_RUNS = 8


class Runs:
    """A list of measurements, the last of which may still grow.

    Parameters
    ----------
    lock
        Held while the list is read or changed.

    Attributes
    ----------
    current
        The newest one, or None.
    num_begun
        How many there ever were.
    """

    def __init__(self, lock: AbstractContextManager[object]) -> None:
        self._lock = lock
        self._past: list[Measurement] = []
        self._num_named = 0
        self.current: Measurement | None = None
        self.num_begun = 0

    # --- intents: any thread, no waiting ---

    def rename(self, number: int, name: str) -> None:
        """Give a run another name; an empty one brings the first name back."""
        with self._lock:
            self.find(number).name = name.strip() or f"Run {number}"

    def show(self, number: int, is_shown: bool) -> None:
        """Show or hide an earlier run's curve."""
        with self._lock:
            self.find(number).is_shown = is_shown

    def delete(self, number: int) -> None:
        """Forget an earlier run."""
        with self._lock:
            measurement = self.find(number)
            self._past = [m for m in self._past if m is not measurement]

    # --- for the session, which holds the lock ---

    def begin(self, settings: LearningRateFinder) -> Measurement:
        """Begin another one; the one before joins the earlier ones, if it has any steps."""
        if self.current is not None and self.current.num_points:
            self._past = [*self._past, self.current][-MOST_PAST_RUNS:]
        self.num_begun += 1
        self._num_named += 1
        self.current = Measurement(self._num_named, settings)
        return self.current

    def clear(self) -> None:
        """Forget them all, and begin to count again."""
        self._past, self.current, self._num_named = [], None, 0

    @property
    def shown(self) -> list[Measurement]:
        """The earlier ones that are to be seen."""
        return [m for m in self._past if m.is_shown]

    def entries(self) -> tuple[RunEntry, ...]:
        """All of them for the legend, the earliest first."""
        return tuple(
            RunEntry(m.number, m.name, m.is_shown, m is self.current, run_summary(m.settings, m.result))
            for m in self._all()
        )

    def find(self, number: int) -> Measurement:
        """The one of that number.

        Raises
        ------
        KeyError
            If there is none.
        """
        for measurement in self._all():
            if measurement.number == number:
                return measurement
        raise KeyError(f"need the number of a run that is kept, got {number}")

    def to_dataframe(self, smooth_factor: float, all_runs: bool) -> pd.DataFrame:
        """The newest curve as a table, or all; see `Measurement.to_dataframe`."""
        import pandas as pd

        chosen = self._all() if all_runs else [self.current] if self.current is not None else []
        tables = [m.to_dataframe(smooth_factor) for m in chosen or [Measurement(1, LearningRateFinder())]]
        return tables[0] if len(tables) == 1 else pd.concat(tables, ignore_index=True)

    def _all(self) -> list[Measurement]:
        return [*self._past, *([self.current] if self.current is not None else [])]
