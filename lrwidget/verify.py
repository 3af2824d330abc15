"""Verification: short real trainings at several learning rates, from the same state and on the same batches."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from time import perf_counter
from typing import NamedTuple

import numpy as np

from lrwidget.checks import check_several_runs, checked_train_step
from lrwidget.divergence import DivergenceWatch
from lrwidget.finder import LearningRateFinder
from lrwidget.loop import EndsOnLeaving, train
from lrwidget.range_test import RangeTest
from lrwidget.recording import Recording
from lrwidget.result import FloatArray, StepRecord, StopReason
from lrwidget.steps import TrainStep
from lrwidget.trials import WINDOW, Trial, is_hopeless, rank
from lrwidget.verify_plan import (
    Around,
    PlannedTrial,
    Rate,
    VerifyPlan,
    centre_of,
    first_lrs,
    listed,
    next_lr,
    plan,
    planned_trial,
    planned_trials,
)
from lrwidget.verify_result import VerifyResult

_MOST_TIMES = 2  # as many trainings as planned, where one after the other ends early


class TrialRecord(NamedTuple):
    """One step of a verification.

    Parameters
    ----------
    trial
        Which training, in the order in which they are run, counted from 0; None for the range test that comes first.
    step, lr, loss, grad_norm
        As in `lrwidget.StepRecord`; ``lr`` is the rate of this step.
    """

    trial: int | None
    step: int
    lr: float
    loss: float
    grad_norm: float | None = None


class Verification(EndsOnLeaving, Iterator[TrialRecord]):
    """Short trainings under way: iterate it to train. Made by `LearningRateFinder.verify_steps`.

    Each training enters and leaves the train step, so all start from the same state and see the same batches, and the
    last one restores it; exhausting it, `stop`, `close`, an exception in the train step and dropping the last
    reference all do. One that is clearly worse than the best one was at the same step ends early.

    Parameters
    ----------
    finder
        The settings of the range test that comes first, where there is nothing else to go by.
    train_step
        As for `LearningRateFinder.steps`; it should restore what it changes.
    lrs
        The rates to try: numbers, or functions of the step (schedules). None: rates around `around`, and where these
        point.
    num_steps
        Steps of each training, six or more. None: as many as a range test has, or, with `lrs`, an equal share of five
        range tests, but ten at least.
    around
        The rate to verify, or a suggestion or a range test's result that tells it; it is kept if the others
        gain next to nothing. None (and no `lrs`): a range test is run first; where that suggests nothing, nothing is
        trained, and the result says what would help.
    schedule
        ``schedule(step)`` is a factor on each rate. None: constant rates.

    Raises
    ------
    TypeError
        If an argument is no such thing.
    ValueError
        If a rate is not positive and finite, or is given twice, or `around` tells none; if data for several trainings
        can be read once only.

    Notes
    -----
    Without `lrs`, the suggestion trains first, then a quarter and four times of it. While the steps of the plan last
    (five range tests, or five trainings of `num_steps`), there is one more: four times beyond the edge while the best
    rate lies there, or else in the middle of the wider gap beside the best. Trainings that end early leave their
    steps to others.
    """

    def __init__(
        self,
        finder: LearningRateFinder,
        train_step: TrainStep,
        lrs: Iterable[Rate] | None = None,
        num_steps: int | None = None,
        *,
        around: Around | None = None,
        schedule: Callable[[int], float] | None = None,
    ) -> None:
        train_step = checked_train_step(train_step)
        lrs = None if lrs is None else listed(lrs)
        self.plan = plan(finder, lrs, num_steps, around)
        check_several_runs(train_step, self.plan.num_lrs + bool(self.plan.range_test_steps))
        planned_trial(1.0, self.plan.num_steps, schedule)  # a schedule that is none shows before the range test
        self._course = _Course(self.plan, schedule)
        if lrs is not None:
            self._course.centre_lr = None if around is None else centre_of(around)
            self._course.planned = _middle_first(planned_trials(lrs, self.plan.num_steps, schedule))
        elif around is not None:
            self._course.centre(centre_of(around))
        else:
            self._course.range_test = RangeTest(finder, train_step)
        self._steps = _verify(self._course, train_step)

    def __next__(self) -> TrialRecord:
        return next(self._steps)

    def stop(self, reason: StopReason = StopReason.STOPPED) -> None:
        """End the run now, for that reason, unless it has ended already."""
        self._course.notes.stop_reason = self._course.notes.stop_reason or reason
        self._steps.close()

    def close(self) -> None:
        """End the run now."""
        self.stop()

    def note_failure(self, error: BaseException) -> None:
        """Note what broke the run from outside of its steps, unless it had ended before."""
        self._course.notes.note_failure(error)

    @property
    def begun_lrs(self) -> list[float]:
        """The rates of the trainings begun so far, in their order; `TrialRecord.trial` counts them."""
        return [run.planned.lr for run in self._course.begun]

    @property
    def stop_reason(self) -> StopReason | None:
        """Why the run ended; None while it goes on."""
        return self._course.notes.stop_reason

    @property
    def result(self) -> VerifyResult:
        """What has been recorded so far."""
        return self._course.result()


@dataclass
class _TrialRun:
    """A training under way or done."""

    planned: PlannedTrial
    recording: Recording = field(default_factory=lambda: Recording(settings={}))
    is_hopeless: bool = False

    def trial(self) -> Trial:
        records, reason = self.recording.records[:], self.recording.stop_reason or StopReason.STOPPED
        lrs, losses = np.array([r.lr for r in records]), np.array([r.loss for r in records])
        return Trial(self.planned.lr, lrs, losses, reason, self.is_hopeless, self.recording.seconds)


@dataclass
class _Course:
    """What a verification has done and will do: all that its generator knows, so that dropping it restores at once."""

    plan: VerifyPlan
    schedule: Callable[[int], float] | None
    planned: list[PlannedTrial] = field(default_factory=list)
    begun: list[_TrialRun] = field(default_factory=list)
    range_test: RangeTest | None = None
    centre_lr: float | None = None
    notes: Recording = field(default_factory=lambda: Recording(settings={}))

    def centre(self, lr: float) -> None:
        """Plan the first trials around this rate."""
        self.centre_lr = lr
        trials = [planned_trial(rate, self.plan.num_steps, self.schedule) for rate in first_lrs(lr)]
        self.planned = _middle_first(trials)

    def next(self) -> PlannedTrial | None:
        """The next training, or None where all are done. The later ones are placed by what the first have shown."""
        if len(self.begun) < len(self.planned):
            return self.planned[len(self.begun)]
        if not (self.begun and self.plan.is_open) or self.steps_left() < self.plan.num_steps:
            return None
        if len(self.begun) >= _MOST_TIMES * self.plan.num_lrs:
            return None
        ranking = rank(self.trials())
        losses = {s.lr: math.inf if s.final_loss is None else s.final_loss for s in ranking}
        lr = next_lr(losses, {s.lr for s in ranking if s.is_within_noise})
        return None if lr is None else planned_trial(lr, self.plan.num_steps, self.schedule)

    def steps_left(self) -> int:
        """How many steps the plan still allows; a range test counts in full, however soon it ended."""
        taken = sum(len(run.recording.records) for run in self.begun)
        return self.plan.total_steps - self.plan.range_test_steps - taken

    def trials(self) -> list[Trial]:
        return [run.trial() for run in self.begun]

    def leader(self) -> FloatArray | None:
        """Losses of the best finished training, shape (n,)."""
        trials = self.trials()
        best = next((s for s in rank(trials) if s.rank == 1), None)
        return None if best is None else trials[best.trial].losses

    def result(self) -> VerifyResult:
        return VerifyResult(
            tuple(sorted(self.trials(), key=lambda trial: trial.lr)),
            self.plan.num_steps,
            self.centre_lr,
            None if self.range_test is None else self.range_test.result,
            self.notes.stop_reason or StopReason.STOPPED,
            self.notes.error,
            self.notes.seconds,
        )


def _middle_first(trials: list[PlannedTrial]) -> list[PlannedTrial]:
    """From the middle outwards: what comes first shows what is hopeless."""
    middle = (len(trials) - 1) / 2
    return [trials[i] for i in sorted(range(len(trials)), key=lambda i: (abs(i - middle), -i))]


def _verify(course: _Course, train_step: TrainStep) -> Generator[TrialRecord, None, None]:
    """The range test where one is needed, then the trainings; note how it ended."""
    started = perf_counter()
    try:
        if course.range_test is not None:
            yield from _range_test(course, course.range_test)
        while (planned := course.next()) is not None:
            leader = course.leader()
            course.begun.append(_TrialRun(planned))
            for record in _train(course.begun[-1], train_step, leader):
                yield TrialRecord(len(course.begun) - 1, *record)
        course.notes.stop_reason = StopReason.COMPLETED
    except GeneratorExit:
        course.notes.stop_reason = course.notes.stop_reason or StopReason.STOPPED
        raise
    except BaseException as error:
        course.notes.note_failure(error)
        raise
    finally:
        course.notes.seconds = perf_counter() - started


def _range_test(course: _Course, test: RangeTest) -> Generator[TrialRecord, None, None]:
    """Find the suggestion and plan the trainings around it; there are none where it finds none."""
    try:
        for record in test:
            yield TrialRecord(None, *record)
    finally:
        test.close()
    suggestion = test.result.suggest()
    if suggestion.lr is not None:
        course.centre(suggestion.lr)


def _train(run: _TrialRun, train_step: TrainStep, leader: FloatArray | None) -> Generator[StepRecord, None, None]:
    """One training, ended early where the losses of the best one so far, shape (n,), leave no hope for it."""
    lrs, records = run.planned.lrs.tolist(), run.recording.records
    steps = train(train_step, lrs, DivergenceWatch("never"), run.recording)
    try:
        for record in steps:
            yield record
            recent = np.array([r.loss for r in records[-2 * WINDOW :]])
            if leader is not None and is_hopeless(recent, leader, len(records), len(lrs)):
                has_risen = float(np.median(recent[-WINDOW:])) > leader[0]
                run.recording.stop_reason = StopReason.DIVERGED if has_risen else StopReason.STOPPED
                run.is_hopeless = True
                return
    finally:
        steps.close()
