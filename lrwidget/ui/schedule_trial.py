"""Try it: the chosen schedule trains for a short while, beside a constant rate at its peak."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ipywidgets import HTML, Box, Text, ToggleButton, VBox

from lrwidget.live.schedule_trial_frames import ScheduleTrialFrame
from lrwidget.live.schedule_trial_model import ScheduleTrialModel
from lrwidget.ui import markup
from lrwidget.ui import schedule_markup as words
from lrwidget.ui.parts import Act, Explained, answer_from_here, button, set_traits
from lrwidget.ui.schedule_style import TRAININGS
from lrwidget.ui.trial_plot import TrialPlot


class ScheduleTrialView:
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
        self._model = model
        self._act = act
        self._is_rendering = False
        self._was_busy = False
        tip = "Train for a short while with this schedule and with a constant LR at its peak, then put the model back"
        self.start = button("Try it", tip, "run", act, partial(self._on_start_click, start))
        self.start.button_style = "primary"
        tip = "End the training under way, and put the model back"
        self.stop = button("Stop trying", tip, "stop", act, stop).add_class("lrw-trial-stop")
        tip = "Train steps with each; empty for as many as the range test has"
        self.num_steps = Text(description="steps each", continuous_update=False)
        num_steps = Explained(self.num_steps, tip)
        self._listen(self.num_steps, model.set_num_steps)
        self._progress, self._plan, self._rows = HTML(), HTML(), HTML()
        self._failure, self._says = HTML(), HTML()
        self.plot = TrialPlot(TRAININGS, height=260)
        self.log = ToggleButton(description="log", tooltip="Losses on a logarithmic axis")
        self.log.add_class("lrw-toggle").add_class("lrw-trial-log")
        self._listen(self.log, model.show_log)
        dismiss = button("Dismiss", "Show the error no longer", "dismiss", act, model.dismiss_failure)
        self._error = VBox([self._failure, dismiss])
        self._picture = VBox([self.plot.figure, self.log]).add_class("lrw-trial-picture")
        head = HTML('<div class="lrw-trial-head">Does it train?</div>')
        actions = Box([self.start, self.stop, num_steps, self._progress]).add_class("lrw-trial-actions")
        parts = [head, actions, self._plan, self._error, self._says, self._rows, self._picture]
        self.box = VBox(parts).add_class("lrw-schedule-try")

    # Inputs: any thread; they call intents and nothing else

    def _on_start_click(self, start: Callable[[], object]) -> None:
        answer_from_here(self.stop)
        start()

    def _listen(self, source: Any, intent: Callable[[Any], None]) -> None:
        def on_source_value(change: Any) -> None:
            if not self._is_rendering:
                self._act(lambda: intent(change["new"]))

        source.observe(on_source_value, "value")

    # Output: written here alone

    def render(self) -> None:
        """Show the model as it is now; only what has changed is written."""
        self._is_rendering = True  # what is written here comes back as a change, but is nobody's wish
        try:
            self._write(self._model.frame())
        finally:
            self._is_rendering = False

    def _write(self, frame: ScheduleTrialFrame) -> None:
        if frame.state.is_active != self._was_busy:
            self._was_busy = frame.state.is_active
            (self.box.add_class if frame.state.is_active else self.box.remove_class)("lrw-is-busy")
        set_traits(self.start, disabled=not frame.can_start)
        set_traits(self.num_steps, value=str(frame.num_steps), disabled=frame.state.is_active)
        set_traits(self.log, value=frame.log)
        set_traits(self._progress, value=words.trial_progress(frame))
        set_traits(self._plan, value=words.trial_plan(frame))
        set_traits(self._failure, value=markup.failure(frame.failure))
        set_traits(self._error.layout, display=None if frame.failure else "none")
        set_traits(self._says, value=words.trial_says(frame))
        self.plot.render(frame)
        is_empty = not (frame.lines or frame.state.is_active)
        set_traits(self._rows, value="" if is_empty else words.trial_rows(frame))
        # Not taken out of the layout: bqplot cannot draw in no width.
        (self._picture.add_class if is_empty else self._picture.remove_class)("lrw-is-empty")
