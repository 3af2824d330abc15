"""What a widget shows at one moment, as plain values. Made by `Session`, drawn by the parts of the widget.

A frame and its parts never change. What has not changed since the last frame is the same object, so whoever draws it
compares by identity.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lrwidget.finder import LearningRateFinder
from lrwidget.live.failure import Failure
from lrwidget.live.run_state import RunState
from lrwidget.result import FloatArray, RangeTestResult, StopReason


@dataclass(frozen=True, eq=False)
class Line:
    """Points to draw, finite or NaN: two arrays of shape (k,)."""

    lrs: FloatArray
    values: FloatArray


@dataclass(frozen=True, eq=False)
class PastLine:
    """The smoothed curve of an earlier run: its number, its name, its points."""

    number: int
    name: str
    line: Line


@dataclass(frozen=True, eq=False)
class DrawnCurve:
    """Everything that is drawn from losses.

    Parameters
    ----------
    points
        The raw losses.
    line
        The smoothed ones.
    norms
        Gradient norms, where there are any.
    tests
        Of repeats under way, the smoothed range tests before the newest.
    band
        Of finished repeats, the edges of their band.
    past
        Earlier runs that are shown.
    steps, losses
        Shape (k,): of each of `points` its step and its loss as recorded.
    end
        Where the run exploded: learning rate and shown loss; None if it did not.
    lr_range, loss_range
        What the axes show.
    log
        Whether all that is drawn of losses are their decimal logarithms.
    """

    points: Line
    line: Line
    norms: Line | None
    tests: tuple[Line, ...]
    band: tuple[Line, Line] | None
    past: tuple[PastLine, ...]
    steps: NDArray[np.int_]
    losses: FloatArray
    end: tuple[float, float] | None
    lr_range: tuple[float, float]
    loss_range: tuple[float, float]
    log: bool


@dataclass(frozen=True)
class Tick:
    """The suggestion of one rule."""

    rule: str
    lr: float


@dataclass(frozen=True)
class Guide:
    """Everything that is drawn along the learning rates.

    Parameters
    ----------
    selected_lr
        The user's choice, or the suggestion where there is none.
    is_choice
        Whether it is the user's.
    suggested_lr, low, high
        The suggestion of the rule and its interval, or None.
    rule
        The name of that rule.
    ticks
        What each rule suggests.
    typical
        The usual range of the chosen architecture, or None.
    """

    selected_lr: float | None = None
    is_choice: bool = False
    suggested_lr: float | None = None
    low: float | None = None
    high: float | None = None
    rule: str = "default"
    ticks: tuple[Tick, ...] = ()
    typical: tuple[float, float] | None = None


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Parameters
    ----------
    left_seconds
        None while unknown or over.
    stop_reason
        None while it goes on.
    is_displaced
        Whether another run of the model has stopped it.
    is_stopping
        Whether it ends after the step under way.
    """

    state: RunState
    num_done: int
    num_steps: int
    lr: float | None = None
    loss: float | None = None
    elapsed_seconds: float = 0.0
    left_seconds: float | None = None
    stop_reason: StopReason | None = None
    is_displaced: bool = False
    is_stopping: bool = False


@dataclass(frozen=True)
class CurveVerdict:
    """The curve in words.

    Parameters
    ----------
    mood
        "good", "bad", or "neutral" while there is nothing to judge.
    text
        One sentence or two.
    advice
        What to check or to do; may be empty.
    extend_to
        The max_lr to try next, or None.
    needs_repeats
        Whether several range tests may show what a single one does not.
    """

    mood: str
    text: str
    advice: str = ""
    extend_to: float | None = None
    needs_repeats: bool = False


@dataclass(frozen=True)
class RunEntry:
    """One run in the legend."""

    number: int
    name: str
    is_shown: bool
    is_current: bool
    summary: str


@dataclass(frozen=True, eq=False)
class Frame:
    """All that the widget shows at one moment, but for the Schedule and Verify tabs, which have frames of their own.

    Parameters
    ----------
    state
        Where the newest run stands.
    num_begun
        How many runs have begun; tells two runs apart that end alike.
    settings
        Those of the next run.
    architecture
        Whose usual range is shown, or None.
    refusal
        Why the last change of the settings was refused, or empty.
    progress
        How far the newest run is.
    curve
        What is drawn of losses.
    guide
        What is drawn along the learning rates.
    verdict
        The curve in words.
    runs
        The legend, the earliest run first.
    failure
        What broke, or None.
    result
        Of the newest run, once it has ended.
    is_complete
        Whether it has all that there is: the frame that ends a run does not wait for the suggestions of all rules, and
        what shows it need not do then what can wait either.
    """

    state: RunState
    num_begun: int
    settings: LearningRateFinder
    architecture: str | None
    refusal: str
    progress: Progress
    curve: DrawnCurve
    guide: Guide
    verdict: CurveVerdict
    runs: tuple[RunEntry, ...]
    failure: Failure | None
    result: RangeTestResult | None
    is_complete: bool
