"""What is shown of a schedule that is tried, as plain values. Made by `ScheduleTrialModel`; a frame never changes."""

from __future__ import annotations

from dataclasses import dataclass

from lrwidget.live.failure import Failure
from lrwidget.live.run_state import RunState
from lrwidget.live.verify_frames import TrialLine
from lrwidget.verify_result import VerifyResult

SCHEDULE, CONSTANT = 0, 1  # the places of the two trainings
NAMES = {SCHEDULE: "schedule", CONSTANT: "constant"}


@dataclass(frozen=True)
class TrainingRow:
    """One of the two trainings: its place, what it trains with, and what is known of it."""

    place: int
    name: str
    words: str


@dataclass(frozen=True, eq=False)
class ScheduleTrialFrame:
    """All of it.

    Parameters
    ----------
    state
        Where the trial stands.
    rows
        The two trainings; empty where none has been tried.
    lines
        The curve of each that has one, by place.
    step_range, loss_range
        What the axes show.
    log
        Whether the losses are drawn as their decimal logarithms.
    best_place
        The place of the training that ended lower, if they can be told apart.
    num_steps
        Steps of each training.
    plan
        What is going to be done, in words: how the schedule is fitted to so many steps, what becomes of its momentum.
    budget
        What that will cost.
    progress, fraction
        How far this trial is: in words and as a share.
    conclusion, caution
        What came out, and what that does not say; empty before.
    mood
        "good", "bad", "even" (no telling them apart) or "neutral": how to show that.
    can_start
        Whether a trial may begin now.
    obstacle
        Why none may, where the reason is not a trial under way; else empty.
    refusal
        Why the last change was refused, or empty.
    failure
        What broke, or None.
    result
        Of the last trial, or None.
    """

    state: RunState
    rows: tuple[TrainingRow, ...]
    lines: dict[int, TrialLine]
    step_range: tuple[float, float]
    loss_range: tuple[float, float]
    log: bool
    best_place: int | None
    num_steps: int
    plan: str
    budget: str
    progress: str
    fraction: float
    conclusion: str
    caution: str
    mood: str
    can_start: bool
    obstacle: str
    refusal: str
    failure: Failure | None
    result: VerifyResult | None

    @property
    def names(self) -> dict[int, str]:
        """What each line is called, by place."""
        return NAMES

    @property
    def is_busy(self) -> bool:
        """Whether a trial is under way."""
        return self.state.is_active
