"""What the Verify tab shows at one moment, as plain values. Made by `VerifyModel`."""

from __future__ import annotations

from dataclasses import dataclass

from lrwidget.live.trial_frames import TrialsFrame


@dataclass(frozen=True)
class TrialRow:
    """One learning rate in the list.

    Parameters
    ----------
    lr
        The rate.
    place
        Its place among all rates, by rising rate: it decides the colour.
    rank
        Its rank among the finished trainings, or None.
    words
        What is known of it: planned, training, its final loss, or why it ended early.
    detail
        More of that: how far it lies above the best one.
    is_active
        Whether it is training now.
    is_best
        Whether it is the one to train with.
    is_selected
        Whether the marker stands on it.
    """

    lr: float
    place: int
    rank: int | None
    words: str
    detail: str
    is_active: bool
    is_best: bool
    is_selected: bool


@dataclass(frozen=True, eq=False, kw_only=True)
class VerifyFrame(TrialsFrame):
    """All of it: what is said of any trainings side by side, and what of several learning rates.

    Parameters
    ----------
    rows
        The learning rates: as planned, or best first once they have been compared.
    best_lr
        The rate to train with, or None.
    beyond_lr
        A rate worth adding, because the best one lies at the edge; or None.
    can_repeat
        Whether range tests may be repeated now.
    note
        What the user should know before beginning; may be empty.
    """

    rows: tuple[TrialRow, ...]
    best_lr: float | None
    beyond_lr: float | None
    can_repeat: bool
    note: str
