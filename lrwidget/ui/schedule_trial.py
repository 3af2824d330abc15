"""Try it: the chosen schedule trains for a short while, beside a constant rate at its peak."""

from __future__ import annotations

from collections.abc import Callable

from ipywidgets import HTML, VBox

from lrwidget.live.schedule_trial_frames import ScheduleTrialFrame
from lrwidget.live.schedule_trial_model import ScheduleTrialModel
from lrwidget.ui import schedule_markup as words
from lrwidget.ui.parts import Act, set_class, set_traits
from lrwidget.ui.schedule_style import TRAININGS
from lrwidget.ui.trials_view import TrialsView


class ScheduleTrialView(TrialsView):
    """The lower part of the Schedule tab.

    Parameters
    ----------
    model
        Takes the number of steps, and gives what is shown.
    act
        Carries out an intent, shows the exception it may raise, and has `render` called soon after.
    start, stop
        Begin and end a trial: what ``model.make_job(train_step)`` makes is driven by a `Run`, which ``model.begin``
        follows.

    Attributes
    ----------
    box
        What is shown.
    """

    def __init__(
        self, model: ScheduleTrialModel, act: Act, start: Callable[[], object], stop: Callable[[], object]
    ) -> None:
        tip = "Train for a short while with this schedule and with a constant LR at its peak, then put the model back"
        super().__init__(
            *(model, act, start, stop),
            start_words=("Try it", tip),
            stop_words=("Stop trying", "End the training under way, and put the model back"),
            num_steps_tip="Train steps with each; empty for as many as the range test has",
            styles=TRAININGS,
            height=260,
        )
        self._model = model
        self._plan, self._rows, self._says = HTML(), HTML(), HTML()
        self.stop.add_class("lrw-trial-stop")
        self.log.add_class("lrw-trial-log")
        self._actions.add_class("lrw-trial-actions")
        self._picture.add_class("lrw-trial-picture")
        head = HTML('<div class="lrw-trial-head">Does it train?</div>')
        parts = [head, self._actions, self._plan, self._failure.box, self._says, self._rows, self._picture]
        self.box = VBox(parts).add_class("lrw-schedule-try")

    def render(self) -> None:
        """Show the model as it is now; only what has changed is written."""
        with self._inputs.quiet():
            self._write(self._model.frame())

    def _write(self, frame: ScheduleTrialFrame) -> None:
        self._render_trials(frame, "Steps of the trial")
        set_traits(self._plan, value=words.trial_plan(frame))
        set_traits(self._says, value=words.trial_says(frame))
        is_empty = not (frame.lines or frame.state.is_active)
        set_traits(self._rows, value="" if is_empty else words.trial_rows(frame))
        # Not taken out of the layout: bqplot cannot draw in no width.
        set_class(self._picture, "lrw-is-empty", is_empty)
