"""A picture of the curve beside the widget, for where no kernel answers: a notebook reopened, or exported to a page.

Notebooks save what was displayed, but not the state of widgets. So the widget displays a second thing, a static picture
that is replaced when a run ends, and that a style rule hides for as long as the widget itself is there.
"""

from __future__ import annotations

from typing import Any

from lrwidget.live.frames import Frame
from lrwidget.picture import to_svg
from lrwidget.result import RangeTestResult

HIDING_RULE = """
:is(.jp-OutputArea, .output_wrapper, .cell-output):has(.lrw-controls) .lrw-picture { display: none; }
"""


class SavedPicture:
    """The pictures of all displays of one widget."""

    def __init__(self) -> None:
        self._handles: list[Any] = []
        self._result: RangeTestResult | None = None

    def display(self) -> None:
        """Display the picture of now, below what was displayed before."""
        from IPython.display import HTML, display

        handle = display(HTML(self._markup()), display_id=True)
        if handle is not None:
            self._handles.append(handle)

    def render(self, frame: Frame) -> None:
        """Show this frame's result, once a run has ended; nothing of one that goes on."""
        if frame.result is self._result:
            return
        self._result = frame.result
        if self._handles:
            from IPython.display import HTML

            for handle in self._handles:
                handle.update(HTML(self._markup()))

    def _markup(self) -> str:
        if self._result is None:
            return ""
        return f'<div class="lrw-picture"><style>{HIDING_RULE}</style>{to_svg(self._result)}</div>'
