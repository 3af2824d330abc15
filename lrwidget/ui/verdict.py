"""The curve in words, what to do about it, and what has broken."""

from __future__ import annotations

from ipywidgets import HTML, Box, VBox

from lrwidget.axes import short_number
from lrwidget.live.frames import Frame
from lrwidget.live.session import Session
from lrwidget.ui import markup
from lrwidget.ui.failure_box import FailureBox
from lrwidget.ui.parts import Act, button, set_traits


class VerdictView:
    """One line in words with its sign, a button for the remedy, and the exception if there was one.

    Parameters
    ----------
    session
        Takes the remedy.
    act
        Carries out what the user asks for.

    Attributes
    ----------
    error, box
        The exception, and the words with their button.
    """

    def __init__(self, session: Session, act: Act) -> None:
        self._session = session
        self._frame: Frame | None = None
        self._words = HTML()
        self.extend = button("Raise max LR", "Set max LR for the next run", "extend", act, self._extend)
        self._remedies = Box([self.extend])
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
        lr = frame.verdict.extend_to
        can_extend = lr is not None and lr > frame.settings.max_lr
        if lr is not None and can_extend:
            set_traits(self.extend, description=f"Raise max LR to {short_number(lr)}")
        set_traits(self._remedies.layout, display="flex" if can_extend else "none")

    def _extend(self) -> None:
        if self._frame is not None and self._frame.verdict.extend_to is not None:
            self._session.change(max_lr=self._frame.verdict.extend_to)
