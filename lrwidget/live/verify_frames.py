"""What the Verify tab shows at one moment, as plain values. Made by `VerifyModel`; a frame never changes."""

from __future__ import annotations

from dataclasses import dataclass

from lrwidget.axes import short_number
from lrwidget.live.failure import Failure
from lrwidget.live.run_state import RunState
from lrwidget.result import FloatArray
from lrwidget.verify_result import VerifyResult


@dataclass(frozen=True, eq=False)
class TrialLine:
    """The smoothed losses of one training, drawable: steps and values, shape (k,)."""

    steps: FloatArray
    values: FloatArray


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
    is_tied
        Whether it cannot be told from the best.
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
    is_tied: bool
    is_selected: bool


@dataclass(frozen=True, eq=False)
class VerifyFrame:
    """All of it.

    Parameters
    ----------
    state
        Where the verification stands.
    rows
        The learning rates: as planned, or best first once they have been compared.
    lines
        The curve of each row that has one, by place.
    num_steps
        Steps of each training.
    step_range, loss_range
        What the axes show.
    log
        Whether the losses are drawn as their decimal logarithms.
    budget
        What the next verification will cost, in words.
    progress, fraction
        How far this one is: in words and as a share.
    conclusion
        What came out, one sentence or two; empty before.
    mood
        "good", "bad" or "neutral": how to show that.
    best_lr
        The rate to train with, or None.
    beyond_lr
        A rate worth adding, because the best one lies at the edge; or None.
    is_around
        Whether the rates are those around the selected one, and follow it.
    can_start
        Whether a verification may begin now.
    can_repeat
        Whether range tests may.
    note
        What the user should know before beginning; may be empty.
    refusal
        Why the last change was refused, or empty.
    failure
        What broke, or None.
    result
        Of the last verification, or None.
    """

    state: RunState
    rows: tuple[TrialRow, ...]
    lines: dict[int, TrialLine]
    num_steps: int
    step_range: tuple[float, float]
    loss_range: tuple[float, float]
    log: bool
    budget: str
    progress: str
    fraction: float
    conclusion: str
    mood: str
    best_lr: float | None
    beyond_lr: float | None
    is_around: bool
    can_start: bool
    can_repeat: bool
    note: str
    refusal: str
    failure: Failure | None
    result: VerifyResult | None

    @property
    def names(self) -> dict[int, str]:
        """What each line is called, by place."""
        return {row.place: short_number(row.lr) for row in self.rows}

    @property
    def best_place(self) -> int | None:
        """The place of the rate to train with."""
        return next((row.place for row in self.rows if row.is_best), None)
