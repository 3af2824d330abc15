"""What is shown of short trainings side by side, whatever they are compared for, as plain values."""

from __future__ import annotations

from dataclasses import dataclass

from lrwidget.live.failure import Failure
from lrwidget.live.run_state import RunState
from lrwidget.result import FloatArray
from lrwidget.verify_result import VerifyResult


@dataclass(frozen=True, eq=False)
class TrialLine:
    """The smoothed losses of one training, drawable: steps and values, shape (k,)."""

    steps: FloatArray
    values: FloatArray


@dataclass(frozen=True, eq=False, kw_only=True)
class TrialsFrame:
    """What the frames of a verification and of a schedule that is tried have in common. A frame never changes.

    Parameters
    ----------
    state
        Where the newest run of them stands.
    is_stopping
        Whether it ends after the step under way.
    lines, names
        The curve of each training that has one, and what it is called, by its place.
    best_place
        The place of the training that has come out best, if they can be told apart.
    step_range, loss_range
        What the axes show.
    log
        Whether the losses are drawn as their decimal logarithms.
    num_steps
        Steps of each training of the next run.
    budget
        What that one will cost, in words.
    progress, fraction
        How far the run under way is: in words and as a share.
    conclusion
        What came out; empty before.
    mood
        "good", "bad", "even" (no telling them apart) or "neutral": how to show that.
    can_start
        Whether a run may begin now.
    refusal
        Why the last change was refused, or empty.
    failure
        What broke, or None.
    result
        Of the last run, or None.
    """

    state: RunState
    is_stopping: bool
    lines: dict[int, TrialLine]
    names: dict[int, str]
    best_place: int | None
    step_range: tuple[float, float]
    loss_range: tuple[float, float]
    log: bool
    num_steps: int
    budget: str
    progress: str
    fraction: float
    conclusion: str
    mood: str
    can_start: bool
    refusal: str
    failure: Failure | None
    result: VerifyResult | None
