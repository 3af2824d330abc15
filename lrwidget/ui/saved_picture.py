"""A picture of the curve beside the widget, for where no kernel answers: a notebook reopened, or exported to a page.

Notebooks save what was displayed, but not the state of widgets. So the widget displays a second thing, a static picture
that is replaced when a run ends or another rate is chosen, and that a style rule hides for as long as the widget itself
is there.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Any

from lrwidget.live.frames import Frame
from lrwidget.picture import to_svg
from lrwidget.result import RangeTestResult
from lrwidget.ui import markup

HIDING_RULE = """
:is(.jp-OutputArea, .output_wrapper, .cell-output):has(.lrw-controls) .lrw-picture { display: none; }
"""


class SavedPicture:
    """The pictures of all displays of one widget.

    Parameters
    ----------
    is_choosing
        Says whether the user is choosing just now: pictures are no small messages, and wait for what is chosen.
    """

    def __init__(self, is_choosing: Callable[[], bool]) -> None:
        self._is_choosing = is_choosing
        self._handles: list[Any] = []
        self._result: RangeTestResult | None = None
        self._choice: float | None = None

    def display(self) -> None:
        """Display the picture of now, below what was displayed before."""
        from IPython.display import HTML, display

        handle = display(HTML(self._markup()), display_id=True)
        if handle is not None:
            self._handles.append(handle)

    def render(self, frame: Frame) -> None:
        """Show this frame's result, once a run has ended; nothing of one that goes on."""
        choice = frame.guide.selected_lr if frame.result is not None and frame.guide.is_choice else None
        is_news = frame.result is not self._result or choice != self._choice
        if not is_news or not frame.is_complete or self._is_choosing():
            return
        self._result, self._choice = frame.result, choice
        if self._handles:
            from IPython.display import HTML

            for handle in self._handles:
                handle.update(HTML(self._markup()))

    def _markup(self) -> str:
        """An image, as an SVG element would follow the theme of the system and not that of the page around it."""
        if self._result is None:
            return ""
        svg = b64encode(to_svg(self._result, self._choice).encode()).decode()
        words = markup.text(self._result.diagnosis.message)
        image = f'<img alt="{words}" src="data:image/svg+xml;base64,{svg}">'
        return f'<div class="lrw-picture"><style>{HIDING_RULE}</style>{image}</div>'
