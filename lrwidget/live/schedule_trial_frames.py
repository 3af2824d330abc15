"""What is shown of a schedule that is tried, as plain values. Made by `ScheduleTrialModel`."""

from __future__ import annotations

from dataclasses import dataclass

from lrwidget.live.trial_frames import TrialsFrame

SCHEDULE, CONSTANT = 0, 1  # the places of the two trainings


@dataclass(frozen=True)
class TrainingRow:
    """One of the two trainings: its place, what it trains with, and what is known of it."""

    place: int
    name: str
    words: str


@dataclass(frozen=True, eq=False, kw_only=True)
class ScheduleTrialFrame(TrialsFrame):
    """All of it: what is said of any trainings side by side, and what of these two.

    Parameters
    ----------
    rows
        The two trainings; empty where none has been tried.
    plan
        What is going to be done, in words: how the schedule is fitted to so many steps, what becomes of its momentum.
    caution
        What the conclusion does not say; empty before.
    obstacle
        Why no trial may begin, where the reason is not a trial under way; else empty.
    """

    rows: tuple[TrainingRow, ...]
    plan: str
    caution: str
    obstacle: str
