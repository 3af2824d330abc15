"""What is drawn along the learning rates: the suggestion, the user's choice, the usual range of an architecture."""

from __future__ import annotations

import math

from lrwidget.diagnosis import TYPICAL_RANGES
from lrwidget.live.frames import Guide
from lrwidget.live.reading import Reader
from lrwidget.live.words import typical_remark


class Guidance:
    """Keeps what the user has chosen, and makes a `Guide` of it and of what the curve suggests.

    Parameters
    ----------
    reader
        Knows the suggestion.

    Attributes
    ----------
    architecture
        Whose usual range is shown, or None.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._choice: float | None = None
        self.architecture: str | None = None

    def choose(self, lr: float | None) -> None:
        """Take the user's learning rate, or None to follow the suggestion.

        Raises
        ------
        ValueError
            If it is not a finite number above 0.
        """
        check_choice(lr)
        self._choice = None if lr is None else float(lr)

    def show_typical(self, architecture: str | None) -> None:
        """Show the usual range of that architecture, or none.

        Raises
        ------
        ValueError
            If it is not in the table.
        """
        if architecture is not None and architecture not in TYPICAL_RANGES:
            raise ValueError(f"need one of {', '.join(TYPICAL_RANGES)}, got {architecture!r}")
        self.architecture = architecture

    def guide(self) -> Guide:
        """What is to be seen now."""
        reading = self._reader.reading
        found = reading.suggestion if reading else None
        suggested = found.lr if found else None
        return Guide(
            selected_lr=suggested if self._choice is None else self._choice,
            is_choice=self._choice is not None,
            suggested_lr=suggested,
            low=found.low if found else None,
            high=found.high if found else None,
            rule=self._reader.rule,
            ticks=(reading.ticks or ()) if reading else (),
            typical=TYPICAL_RANGES[self.architecture] if self.architecture else None,
        )

    def remark(self, guide: Guide) -> str:
        """What is to be said where the selected rate is not usual; else empty."""
        return typical_remark(guide.selected_lr, guide.typical, self.architecture or "")


def check_choice(lr: float | None) -> None:
    """Raise ValueError unless it is a finite number above 0, or None."""
    if lr is not None and not (math.isfinite(lr) and lr > 0):
        raise ValueError(f"need a finite learning rate > 0, got {lr}; None follows the suggestion")
