"""Everything that is known of a schedule that is tried, without a widget: the plan, the two trainings, the outcome."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from lrwidget.axes import short_number
from lrwidget.finder import LearningRateFinder
from lrwidget.live import schedule_trial_words as words
from lrwidget.live import verify_words
from lrwidget.live.frames import Frame
from lrwidget.live.run import Run
from lrwidget.live.schedule_model import ScheduleModel
from lrwidget.live.schedule_preview import ScheduleFrame
from lrwidget.live.schedule_trial import ScheduleTrial, TriedSchedule
from lrwidget.live.schedule_trial_frames import CONSTANT, SCHEDULE, ScheduleTrialFrame, TrainingRow
from lrwidget.live.trials_model import TrialsModel
from lrwidget.result import StopReason
from lrwidget.steps import TrainStep
from lrwidget.trials import Standing
from lrwidget.verify_plan import VerifyPlan

_PLACES = (SCHEDULE, CONSTANT)
_NAMES = {SCHEDULE: "schedule", CONSTANT: "constant"}  # as short as fits beside a line


class ScheduleTrialModel(TrialsModel):
    """The state behind "Try it".

    Parameters
    ----------
    schedule
        What is tried.
    train_step
        What trains; None where nothing can.
    settings
        The finder's, until a frame tells other ones.
    """

    def __init__(
        self,
        schedule: ScheduleModel,
        train_step: TrainStep | None,
        settings: LearningRateFinder,
    ) -> None:
        super().__init__(settings, "a trial of a schedule")
        self._schedule = schedule
        self._train_step = train_step
        self._is_verifying = False
        self._tried: TriedSchedule | None = None
        self._ending: words.Ending | None = None

    # --- intents: any thread, no waiting ---

    def follow(self, frame: Frame, is_verifying: bool) -> None:
        """Take in what the rest of the widget does, and what the run has recorded.

        Parameters
        ----------
        frame
            The newest of the widget.
        is_verifying
            Whether a verification trains the model.
        """
        with self._lock:
            self._heed(frame)
            self._is_verifying = is_verifying
            self._trials.follow()

    def clear(self) -> None:
        """Forget what came out; a trial under way goes on."""
        with self._lock:
            if not self._trials.is_under_way:
                self._trials.forget(self._steps_of_each)
                self._tried = self._ending = None

    def make_job(self, train_step: TrainStep | None) -> ScheduleTrial:
        """The trial of the schedule as it stands.

        Raises
        ------
        ValueError
            If its values make no sense together, or nothing can train it now.
        """
        with self._lock:
            shown = self._schedule.frame()
            self._trials.follow()
            obstacle, tried = self._obstacle(shown), _tried(shown)
            if obstacle or train_step is None or tried is None:
                raise ValueError(obstacle)
            return ScheduleTrial(train_step, tried, self._steps_of_each)

    def begin(self, run: Run[Any], job: ScheduleTrial) -> None:
        """Follow this run of that job; it need not have started.

        Raises
        ------
        RuntimeError
            If one is under way.
        """
        with self._lock:
            self._trials.begin(run, job.num_steps)
            self._tried, self._ending = job.tried, None

    # --- what there is to know ---

    def frame(self) -> ScheduleTrialFrame:
        """What is to be seen now."""
        with self._lock:
            trials, shown = self._trials, self._schedule.frame()
            trials.follow()
            trials.draw(_PLACES, len(_PLACES))
            obstacle, ending = self._obstacle(shown), self._outcome(shown)
            fraction, progress = trials.progress(len(_PLACES))
            return ScheduleTrialFrame(
                state=trials.state,
                is_stopping=trials.is_stopping,
                rows=self._rows(),
                lines=dict(trials.lines.lines),
                names=_NAMES,
                step_range=(0.0, float(max(1, trials.lines.num_steps - 1))),
                loss_range=trials.lines.loss_range,
                log=trials.lines.log,
                best_place=ending.best_place,
                num_steps=self._steps_of_each,
                plan="" if obstacle else self._plan(shown),
                budget="" if obstacle else self._budget(),
                progress=progress,
                fraction=fraction,
                conclusion=ending.conclusion,
                caution=ending.caution,
                mood=ending.mood,
                can_start=not obstacle and not trials.is_under_way,
                obstacle=obstacle,
                refusal=self._refusal,
                failure=trials.failure,
                result=trials.result,
            )

    # --- inside: the lock is held ---

    def _obstacle(self, shown: ScheduleFrame) -> str:
        """Why nothing can be tried now, whatever the trial under way does."""
        if self._train_step is None:
            return words.NO_TRAINING
        if not isinstance(self._train_step, AbstractContextManager):
            return words.NOT_RESTORED
        if self._is_range_test_busy and not self._trials.is_under_way:
            return words.RANGE_TEST_RUNS
        if self._is_verifying and not self._trials.is_under_way:
            return words.VERIFICATION_RUNS
        return "" if _tried(shown) is not None else words.NO_SCHEDULE

    def _plan(self, shown: ScheduleFrame) -> str:
        tried, can_set_momentum = _tried(shown), getattr(self._train_step, "set_momentum", None) is not None
        return "" if tried is None else words.plan(tried, self._steps_of_each, can_set_momentum)

    def _budget(self) -> str:
        num_steps = self._steps_of_each
        cost = VerifyPlan((), num_steps, len(_PLACES) * num_steps)
        return verify_words.budget(cost, self._range_test)

    def _outcome(self, shown: ScheduleFrame) -> words.Ending:
        """What came out, and whether the schedule has been changed since."""
        result = self._trials.result
        if result is None:
            return words.Ending()
        if self._ending is None:
            self._ending = words.ending(result, self._trials.is_displaced)
        return self._ending if self._tried == _tried(shown) else self._ending.of_another_schedule()

    def _rows(self) -> tuple[TrainingRow, ...]:
        tried, result = self._tried, self._trials.result
        if tried is None or (result is None and not self._trials.is_under_way):
            return ()
        is_over = result is not None and result.stop_reason is StopReason.COMPLETED
        standings = {s.trial: s for s in result.ranking} if result is not None and is_over else {}
        names = (tried.title, f"constant {short_number(tried.peak)}")
        return tuple(
            TrainingRow(place, name, self._row(place, standings.get(place)))
            for place, name in zip(_PLACES, names, strict=True)
        )

    def _row(self, place: int, standing: Standing | None) -> str:
        series = self._trials.series
        if place >= len(series) or not len(series[place]):
            is_coming = self._trials.is_under_way
            return words.row(None, None, standing) if is_coming or standing is not None else ""
        return words.row(len(series[place]), float(series[place].lrs[-1]), standing)


def _tried(shown: ScheduleFrame) -> TriedSchedule | None:
    """What is tried of this frame; None where its values make no schedule."""
    if shown.problem or shown.preview is None:
        return None
    return TriedSchedule(shown.preview.schedule, shown.total_steps, shown.preview.high, shown.title)
