"""All that a widget knows and does, without a widget: the session, the schedule, the verification, and their runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from lrwidget.checks import checked_train_step
from lrwidget.finder import LearningRateFinder
from lrwidget.live.driver import Driver
from lrwidget.live.frames import Frame
from lrwidget.live.job import Job
from lrwidget.live.run import Run
from lrwidget.live.schedule_model import ScheduleModel
from lrwidget.live.schedule_trial_model import ScheduleTrialModel
from lrwidget.live.session import Session
from lrwidget.live.sole import stop_run_of
from lrwidget.live.verify_model import VerifyModel
from lrwidget.steps import TrainStep

MakeRangeTest = Callable[[LearningRateFinder], Job[Any]]


class Workbench:
    """What the parts of a widget work on.

    Parameters
    ----------
    train_step
        What is run; None where `make_job` watches something that runs elsewhere.
    settings
        Those of the first run.
    make_job
        Another way to run.
    on_end
        Called in a worker thread when a run has ended there.

    Attributes
    ----------
    session, schedule, schedule_trial, verify
        What the tabs show.
    driver, schedule_driver, verify_driver
        What starts and stops runs; no verification without a train step, and no trial either, which then says so.
    """

    def __init__(
        self,
        train_step: TrainStep | None,
        settings: LearningRateFinder,
        make_job: MakeRangeTest | None = None,
        on_end: Callable[[], None] | None = None,
    ) -> None:
        make_job = make_job or partial(LearningRateFinder.steps, train_step=checked_train_step(train_step))
        subject = _subject_of(train_step)
        stop_run_of(subject)  # a cell that is run again must not leave the run of its first widget behind
        self.train_step = train_step
        self.session = Session(settings)
        self.schedule = ScheduleModel(steps_per_epoch=getattr(train_step, "steps_per_epoch", None))
        self.schedule_trial = trial = ScheduleTrialModel(self.schedule, train_step, settings)
        self.verify = VerifyModel(settings)
        self.driver = Driver(lambda: make_job(self.session.settings), self._follow, subject, on_end)
        self.schedule_driver = Driver(lambda: trial.make_job(train_step), trial.begin, subject, on_end)
        self.verify_driver = None
        if train_step is not None:
            self.verify_driver = Driver(lambda: self.verify.make_job(train_step), self.verify.begin, subject, on_end)

    def begin(self, num_runs: int = 1) -> Run[Any]:
        """Make the next run, of so many range tests; it is to be started at once.

        Raises
        ------
        RuntimeError
            If one is under way, or all is closed.
        TypeError, ValueError
            If the number is no whole one from 1 on; if it is not 1 and the run is only watched.
        """
        if num_runs == 1:
            return self.driver.begin()
        if self.train_step is None:
            raise ValueError(
                f"need num_runs=1 for a run that is only watched, got num_runs={num_runs}; repeat where it trains"
            )
        step = self.train_step
        return self.driver.begin(lambda: self.session.settings.repeat_steps(step, num_runs))

    def clear(self) -> None:
        """Forget all curves, what trainings have shown, and the user's choice; the settings stay.

        Raises
        ------
        RuntimeError
            If a run, a verification or a trial of a schedule is under way.
        """
        if self._is_trying:
            raise RuntimeError("trainings are under way; stop them or wait for their end first")
        self.session.clear()
        self.verify.follow_selected()
        self.schedule_trial.clear()

    def can_clear(self, frame: Frame) -> bool:
        """Whether there is something to forget, and nothing under way."""
        is_there = bool(frame.runs) or frame.failure is not None or frame.guide.is_choice
        has_tried = self.verify.has_result or self.schedule_trial.has_result
        return (is_there or has_tried) and not (frame.state.is_active or self._is_trying)

    def frame(self) -> Frame:
        """What is to be seen now; the schedule hears of the selected rate."""
        self.session.complete()
        frame = self.session.frame()
        self.schedule.set_lr(frame.guide.selected_lr)
        self.verify.catch_up()
        self.schedule_trial.follow(frame, self.verify.is_under_way)
        return frame

    def has_more(self, frame: Frame) -> bool:
        """Whether, after this frame, there will be another one without anybody asking."""
        return frame.state.is_active or self._is_trying

    def close(self) -> None:
        """Stop all runs, and wait until the model is restored."""
        self.driver.close()
        self.schedule_driver.close()
        if self.verify_driver is not None:
            self.verify_driver.close()

    @property
    def _is_trying(self) -> bool:
        # Asked for an end that no frame has shown, not for one that has come: perhaps it came while this one was drawn.
        return self.verify.is_under_way or self.schedule_trial.is_under_way

    def _follow(self, run: Run[Any], job: Job[Any]) -> None:
        self.session.begin(run, getattr(job, "num_steps", None))


def _subject_of(train_step: object) -> object:
    """What a train step trains: two widgets on one model must know of each other."""
    return getattr(train_step, "model", getattr(train_step, "__self__", train_step))
