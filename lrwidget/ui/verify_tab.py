"""The Verify tab: short trainings at several learning rates side by side, and which of them trains best."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ipywidgets import HTML, Box, Dropdown, Text, VBox

from lrwidget.axes import short_number
from lrwidget.live.frames import Frame
from lrwidget.live.verify_frames import TrialRow, VerifyFrame
from lrwidget.live.verify_model import MOST_LRS, VerifyModel
from lrwidget.ui import verify_markup as words
from lrwidget.ui.parts import Act, Explained, button, set_class, set_traits
from lrwidget.ui.trials_view import TrialsView
from lrwidget.ui.verify_style import STYLES, css

_NUM_RUNS = (2, 3, 5, 10)


class VerifyTab(TrialsView):
    """The tab, a part of the widget as the others are.

    Parameters
    ----------
    model
        Takes the rates and steps, and gives what is shown.
    act
        Carries out an intent, shows the exception it may raise, and has `render` called soon after.
    start, stop
        Begin and end a verification: what ``model.make_job(train_step)`` makes is driven by a `Run`, which
        ``model.begin`` follows.
    choose
        Moves the marker to a learning rate.
    repeat
        Repeats the range test so many times; None where nobody can.

    Attributes
    ----------
    box
        What is shown.
    """

    def __init__(
        self,
        model: VerifyModel,
        act: Act,
        *,
        start: Callable[[], object],
        stop: Callable[[], object],
        choose: Callable[[float], object],
        repeat: Callable[[int], object] | None = None,
    ) -> None:
        super().__init__(
            *(model, act, start, stop),
            start_words=("Verify", "Train for a short while at each of these rates, then put the model back"),
            stop_words=("Stop verifying", "End the training under way and keep what has been recorded"),
            num_steps_tip="Train steps at each rate; empty for as many as the range test has",
            styles=STYLES,
        )
        self._model = model
        self._act = act
        self._choose = choose
        self._frame: VerifyFrame | None = None
        self._make_list()
        self._make_conclusion()
        self._make_repeat(repeat)
        self.stop.add_class("lrw-verify-stop")
        self.log.add_class("lrw-verify-log")
        self._actions.add_class("lrw-verify-actions")
        areas = [
            VBox([self._trials, self._adding]).add_class("lrw-verify-list"),
            self._picture.add_class("lrw-verify-picture"),
            VBox([self._failure.box, self._says, self._buttons]).add_class("lrw-verify-says"),
        ]
        style = HTML(f"<style>{css()}</style>").add_class("lrw-style")
        parts = [style, self._actions, Box(areas).add_class("lrw-verify-areas"), self._repeat]
        self.box = VBox(parts).add_class("lrw-verify")

    def _make_list(self) -> None:
        self.rows = [_Row(self._act, partial(self._on_remove_click, i)) for i in range(MOST_LRS)]
        self._trials = VBox([row.box for row in self.rows]).add_class("lrw-trials")
        tip = "Another learning rate to try; press Enter"
        self.new_lr = Text(placeholder="another LR", continuous_update=False, tooltip=tip)
        self._inputs.listen(self.new_lr, self._add)
        tip = "Try five rates around the selected one, and follow it; forgets what came out"
        self.around = button("Around the selected LR", tip, "back", self._act, self._model.follow_selected)
        self._adding = Box([self.new_lr, self.around]).add_class("lrw-verify-add")

    def _make_conclusion(self) -> None:
        self._says = HTML()
        tip = "Move the marker to the learning rate to train with"
        self.use = button("Use the recommended LR", tip, "link", self._act, self._on_use_click)
        tip = "Put a rate beyond the edge into the list; then verify again"
        self.beyond = button("Add", tip, "extend", self._act, self._on_beyond_click)
        self._buttons = Box([self.use, self.beyond]).add_class("lrw-verify-buttons")

    def _make_repeat(self, repeat: Callable[[int], object] | None) -> None:
        self.num_runs = Dropdown(options=_NUM_RUNS, value=3, description="Range tests")
        num_runs = Explained(self.num_runs, "How many range tests, each from the same state on other batches")
        tip = "Run so many range tests: their median curve, its band, one suggestion from all"
        action = partial(self._on_repeat_click, repeat or (lambda num_runs: None))
        self.repeat = button("Repeat", tip, "resume", self._act, action)
        why = HTML(
            '<span class="lrw-verify-note">How much of the suggestion is chance? Range tests on other batches.</span>'
        )
        self._repeat = Box([num_runs, self.repeat, why]).add_class("lrw-verify-repeat")
        set_traits(self._repeat.layout, display="none" if repeat is None else None)

    # Inputs: any thread; they call intents and nothing else

    def _add(self, text: str) -> None:
        if text.strip():
            self._model.add(text)

    def _on_remove_click(self, i: int) -> None:
        if self._frame is not None and i < len(self._frame.rows):
            self._model.remove(self._frame.rows[i].lr)

    def _on_use_click(self) -> None:
        if self._frame is not None and self._frame.best_lr is not None:
            self._choose(self._frame.best_lr)

    def _on_beyond_click(self) -> None:
        if self._frame is not None and self._frame.beyond_lr is not None:
            self._model.add(str(self._frame.beyond_lr))

    def _on_repeat_click(self, repeat: Callable[[int], object]) -> None:
        repeat(self.num_runs.value)

    # Output: written here alone

    def render(self, frame: Frame) -> None:
        """Show what this frame of the widget means for the trainings, and how they are."""
        self._model.follow(frame)
        self._frame = self._model.frame()
        with self._inputs.quiet():
            self._write(self._frame)

    def _write(self, frame: VerifyFrame) -> None:
        is_busy = frame.state.is_active
        self._render_trials(frame, "Steps of the verification")
        set_traits(self.new_lr, value="", disabled=is_busy)
        set_traits(self.around, disabled=is_busy)
        set_traits(self.repeat, disabled=is_busy or not frame.can_repeat)
        for i, row in enumerate(self.rows):
            row.render(frame.rows[i] if i < len(frame.rows) else None, is_busy)
        set_traits(self._says, value=words.says(frame))
        set_traits(self.use.layout, display=None if frame.best_lr is not None else "none")
        is_there = any(row.is_best and row.is_selected for row in frame.rows)
        set_traits(self.use, disabled=is_busy or is_there)
        set_traits(self.beyond.layout, display=None if frame.beyond_lr is not None else "none")
        if frame.beyond_lr is not None:
            set_traits(self.beyond, description=f"Add {short_number(frame.beyond_lr)}", disabled=is_busy)


class _Row:
    """One learning rate, and the button that takes it out of the list."""

    def __init__(self, act: Act, remove: Callable[[], None]) -> None:
        self._words = HTML()
        self.remove = button("", "Take this learning rate out of the list", "dismiss", act, remove)
        self.box = Box([self._words, self.remove]).add_class("lrw-trial")

    def render(self, shown: TrialRow | None, is_busy: bool) -> None:
        set_traits(self.box.layout, display="none" if shown is None else None)
        if shown is None:
            return
        set_traits(self._words, value=words.row(shown))
        set_traits(self.remove, disabled=is_busy)
        set_class(self.box, "lrw-trial-best", shown.is_best)
