"""The exception that has broken something, until the user has read it."""

from __future__ import annotations

from collections.abc import Callable

from ipywidgets import HTML, VBox

from lrwidget.live.failure import Failure
from lrwidget.ui import markup
from lrwidget.ui.parts import Act, button, set_traits


class FailureBox:
    """What has broken, and a button that puts it away; nothing where nothing has.

    Parameters
    ----------
    act
        Carries out what the user asks for.
    dismiss
        Forgets the failure.
    """

    def __init__(self, act: Act, dismiss: Callable[[], object]) -> None:
        self._words = HTML()
        self.dismiss = button("Dismiss", "Show the error no longer", "dismiss", act, dismiss)
        self.box = VBox([self._words, self.dismiss])

    def render(self, failure: Failure | None) -> None:
        """Show this failure."""
        set_traits(self._words, value=markup.failure(failure))
        set_traits(self.box.layout, display="none" if failure is None else None)
