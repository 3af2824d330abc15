"""What is shown of a schedule: few points, its phases, its numbers in words, and what looks like a mistake."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lrwidget.axes import short_number
from lrwidget.live.drawing import MOST_POINTS, spikes_kept
from lrwidget.live.schedule_values import Control
from lrwidget.result import FloatArray
from lrwidget.schedules import Phase, Schedule

MOST_PHASES = 24  # beyond that no shading: bands too narrow to tell apart
_MOST_SAMPLES = 20_000  # steps evaluated for a picture; a longer schedule is sampled
_GOLDEN = 0.6180339887498949


@dataclass(frozen=True, eq=False)
class Preview:
    """A schedule as it is drawn.

    Parameters
    ----------
    schedule, total_steps
        What is drawn, and how much of it.
    steps, lrs
        Shape (k,), k at most 500: rising steps, the first and the last among them, and their rates.
    momenta
        Shape (k,), or None.
    phases
        In order; empty where there are too many to shade.
    low, high
        The smallest rate above 0 and the largest.
    mean
        The mean rate over the steps.
    words
        The first, the highest, the last and the mean rate in a sentence.
    """

    schedule: Schedule
    total_steps: int
    steps: FloatArray
    lrs: FloatArray
    momenta: FloatArray | None
    phases: tuple[Phase, ...]
    low: float
    high: float
    mean: float
    words: str

    def phase_at(self, step: float) -> str:
        """The name of the phase of a step; empty where there are too many."""
        return next((phase.name for phase in reversed(self.phases) if phase.start <= step), "")


@dataclass(frozen=True, eq=False)
class Overlay:
    """A schedule kept for comparison: its number, the words that tell it from others, and its picture."""

    number: int
    words: str
    preview: Preview


@dataclass(frozen=True, eq=False)
class ScheduleFrame:
    """All that the tab shows at one moment. Parts that have not changed are the same objects as before.

    Parameters
    ----------
    name, summary
        The chosen schedule and one line about it.
    title
        What tells it from others in few words.
    controls
        The values of the schedule, in order.
    length
        The controls of the length of the training: total steps, or epochs and batches.
    peak
        The control of the peak learning rate.
    front_kind, front
        The warm-up in front, None or its shape, and its length.
    by_epochs, by_share, is_linked
        How the length is given, how numbers of steps are given, whether the peak follows the selected learning rate.
    preview
        The picture; the last one that could be made, where the values make no sense now.
    overlays
        Schedules to compare with.
    problem
        Why the schedule cannot be made with these values; empty if it can.
    refusal
        Why the last thing typed was not taken; empty if it was.
    warnings
        What looks like a mistake.
    total_steps, steps_per_epoch
        The length of the training; None where the length of an epoch is not known.
    log
        Whether the learning rates are on a logarithmic axis.
    """

    name: str
    title: str
    summary: str
    controls: tuple[Control, ...]
    length: tuple[Control, ...]
    peak: Control
    front_kind: str | None
    front: Control
    by_epochs: bool
    by_share: bool
    is_linked: bool
    preview: Preview | None
    overlays: tuple[Overlay, ...]
    problem: str
    refusal: str
    warnings: tuple[str, ...]
    total_steps: int
    steps_per_epoch: int | None
    log: bool

    @property
    def has_parts(self) -> bool:
        """Whether any number of steps is asked for but the total."""
        return self.front_kind is not None or any(
            control.parameter.kind in ("steps", "milestones") for control in self.controls
        )


def make_preview(schedule: Schedule, total_steps: int) -> Preview:
    """Look at a schedule over a training of so many steps; takes some milliseconds, however many they are."""
    phases = schedule.phases(total_steps, limit=MOST_PHASES + 1)
    edges = np.array([phase.start for phase in phases])
    steps = _sampled_steps(total_steps, edges)
    lrs = np.atleast_1d(schedule(steps))
    kept = _kept(steps, lrs, edges)
    positive = lrs[lrs > 0]
    return Preview(
        schedule,
        total_steps,
        steps[kept],
        lrs[kept],
        np.atleast_1d(schedule.momentum(steps[kept])) if schedule.has_momentum else None,
        phases if len(phases) <= MOST_PHASES else (),
        float(positive.min()) if positive.size else schedule.peak,
        float(lrs.max()),
        float(lrs.mean()),
        _words(steps, lrs),
    )


def _sampled_steps(total_steps: int, edges: FloatArray) -> FloatArray:
    """All steps of a short training; of a long one one step in each of many stretches, and those around the edges.

    Where in its stretch a step lies changes from one to the next, or cycles as long as a stretch would look flat.
    """
    if total_steps <= _MOST_SAMPLES:
        return np.arange(total_steps, dtype=np.float64)
    places = np.arange(_MOST_SAMPLES)
    spread = (places + places * _GOLDEN % 1.0) * (total_steps / _MOST_SAMPLES)
    steps = np.concatenate([[0, total_steps - 1], spread, edges, edges - 1, edges + 1])
    return np.asarray(np.unique(np.clip(np.floor(steps), 0, total_steps - 1)), dtype=np.float64)


def _kept(steps: FloatArray, lrs: FloatArray, edges: FloatArray) -> NDArray[np.intp]:
    """Indices of the points to draw: the extremes of each stretch, both ends, and the steps around the edges."""
    if len(steps) <= MOST_POINTS:
        return np.arange(len(steps))
    around = np.concatenate([[0], np.searchsorted(steps, edges), np.searchsorted(steps, edges) - 1])
    most = MOST_POINTS - len(around)
    return np.unique(np.clip(np.concatenate([spikes_kept(steps, lrs, most), around]), 0, len(steps) - 1))


def _words(steps: FloatArray, lrs: FloatArray) -> str:
    top = int(lrs.argmax())
    first, last, high, mean = float(lrs[0]), float(lrs[-1]), float(lrs[top]), float(lrs.mean())
    if lrs.min() == high:
        return f"{short_number(first)} at every step."
    peak = f", peaks at {short_number(high)} (step {steps[top]:,.0f})" if 0 < top < len(lrs) - 1 else ""
    return (
        f"Starts at {short_number(first)}{peak}, ends at {short_number(last)}. "
        f"Mean {short_number(mean)}, {100 * mean / high:.0f} % of the peak."
    )


def warnings_about(schedule: Schedule, total_steps: int, lengths: dict[str, int]) -> tuple[str, ...]:
    """What looks like a mistake, though the schedule can be made.

    Parameters
    ----------
    schedule
        The schedule of the whole training.
    total_steps
        How long the training is.
    lengths
        The numbers of steps that were asked for, by the words of their control.
    """
    found = [
        f"{words} takes {steps:,} steps, the training only {total_steps:,}: it is not over when the training ends."
        for words, steps in lengths.items()
        if steps >= total_steps
    ]
    if schedule.name == "warmup" and schedule.arguments["schedule"](0) == 0.0:
        found.append("The schedule begins at 0 with a warm-up of its own: the one in front stays at 0.")
    last_lr = schedule(total_steps - 1)
    before = schedule(total_steps - 2) if total_steps > 1 else last_lr
    if not found and last_lr > before:
        found.append(f"The training ends while the learning rate is rising, at {short_number(last_lr)}.")
    return tuple(found)
