"""The curve in words, what to do about it, and what has broken."""

from __future__ import annotations

from collections.abc import Callable

from ipywidgets import HTML, Box, VBox

from lrwidget.axes import short_number
from lrwidget.live.frames import Frame
from lrwidget.live.session import Session
from lrwidget.repeat_result import RepeatedResult
from lrwidget.ui import markup
from lrwidget.ui.failure_box import FailureBox
from lrwidget.ui.parts import Act, button, set_traits

_NUM_REPEATS = 3


class VerdictView:
    """One line in words with its sign, buttons for the remedies, and the exception if there was one.

    Parameters
    ----------
    session
        Takes the remedy.
    act
        Carries out what the user asks for.
    repeat
        Runs so many range tests; None where nobody can.

    Attributes
    ----------
    error, box
        The exception, and the words with their buttons.
    """

    def __init__(self, session: Session, act: Act, repeat: Callable[[int], object] | None) -> None:
        self._session = session
        self._frame: Frame | None = None
        self._words = HTML()
        self.extend = button("Raise max LR", "Set max LR for the next run", "extend", act, self._extend)
        self._can_repeat = repeat is not None
        tip = "Run range tests on other batches from the same state: one suggestion from all of them"
        action = repeat or (lambda num_runs: None)
        self.repeat = button(f"Run {_NUM_REPEATS} range tests", tip, "resume", act, lambda: action(_NUM_REPEATS))
        self._remedies = Box([self.repeat, self.extend]).add_class("lrw-remedies")
        self._failure = FailureBox(act, session.dismiss_failure)
        self.error = self._failure.box.add_class("lrw-error")
        self.box = VBox([self._words, self._remedies]).add_class("lrw-words")

    def render(self, frame: Frame) -> None:
        """Show this frame's verdict."""
        last, self._frame = self._frame, frame
        if last is None or frame.verdict != last.verdict:
            self._words.value = markup.verdict(frame.verdict.mood, frame.verdict.text, frame.verdict.advice)
        if last is None or frame.failure is not last.failure:
            self._failure.render(frame.failure)
        self._render_remedies(frame)

    def _render_remedies(self, frame: Frame) -> None:
        lr, result = frame.verdict.extend_to, frame.result
        can_extend = lr is not None and lr > frame.settings.max_lr
        if lr is not None and can_extend:
            set_traits(self.extend, description=f"Raise max LR to {short_number(lr)}")
        is_single = result is not None and not isinstance(result, RepeatedResult)
        can_repeat = self._can_repeat and frame.verdict.needs_repeats and is_single
        for remedy, is_offered in ((self.extend, can_extend), (self.repeat, can_repeat)):
            set_traits(remedy.layout, display=None if is_offered else "none")
        set_traits(self._remedies.layout, display="flex" if can_extend or can_repeat else "none")

    def _extend(self) -> None:
        if self._frame is not None and self._frame.verdict.extend_to is not None:
            self._session.change(max_lr=self._frame.verdict.extend_to)
