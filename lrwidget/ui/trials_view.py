"""What the tabs have in common that train for a short while: buttons, number of steps, picture, what broke."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from ipywidgets import HTML, Box, Text, ToggleButton, VBox

from lrwidget.live.trial_frames import TrialsFrame
from lrwidget.live.trials_model import TrialsModel
from lrwidget.ui import markup
from lrwidget.ui.failure_box import FailureBox
from lrwidget.ui.parts import Act, Explained, Inputs, answer_from_here, button, set_class, set_traits
from lrwidget.ui.trial_plot import TrialPlot

Words: TypeAlias = tuple[str, str]
"""What a button is called, and a sentence on what it does."""


class TrialsView:
    """The parts from which such a tab makes its box; it calls `_render_trials` to show what they share.

    Parameters
    ----------
    model
        Takes the number of steps and the axis.
    act
        Carries out an intent, shows the exception it may raise, and has the next frame drawn.
    start, stop
        Begin and end a run of trainings.
    start_words, stop_words
        The buttons, for the user.
    num_steps_tip
        What the number of steps is.
    styles, height
        As for `TrialPlot`.
    """

    box: Box

    def __init__(
        self,
        model: TrialsModel,
        act: Act,
        start: Callable[[], object],
        stop: Callable[[], object],
        *,
        start_words: Words,
        stop_words: Words,
        num_steps_tip: str,
        styles: Sequence[tuple[str, str]],
        height: int = 320,
    ) -> None:
        self._inputs = Inputs(act)

        def on_start_click() -> None:
            answer_from_here(self.stop)
            start()

        self.start = button(*start_words, "run", act, on_start_click)
        self.start.button_style = "primary"
        self.stop = button(*stop_words, "stop", act, stop)
        self.num_steps = Text(description="steps each", continuous_update=False)
        self._inputs.listen(self.num_steps, model.set_num_steps)
        self._progress = HTML()
        self._actions = Box([self.start, self.stop, Explained(self.num_steps, num_steps_tip), self._progress])
        self.plot = TrialPlot(styles, height)
        self.log = ToggleButton(description="log", tooltip="Losses on a logarithmic axis").add_class("lrw-toggle")
        self._inputs.listen(self.log, model.show_log)
        self._picture = VBox([self.plot.figure, self.log])
        self._failure = FailureBox(act, model.dismiss_failure)

    def _render_trials(self, frame: TrialsFrame, name_of_bar: str) -> None:
        is_busy = frame.state.is_active
        set_class(self.box, "lrw-is-busy", is_busy and not frame.is_stopping)  # there is something to stop
        set_traits(self.start, disabled=not frame.can_start)
        set_traits(self.num_steps, value=str(frame.num_steps), disabled=is_busy)
        set_traits(self.log, value=frame.log)
        set_traits(self._progress, value=markup.trials_progress(frame, name_of_bar))
        self._failure.render(frame.failure)
        self.plot.render(frame)
