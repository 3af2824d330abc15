"""The tabs: one part of the widget is seen at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from threading import RLock

from ipywidgets import HTML, Tab, VBox

from lrwidget.live.frames import Frame
from lrwidget.ui.parts import Act, Pane, guard_messages

# What each tab is for. The heads have no tooltips in ipywidgets, so the style sheet draws them.
TIPS = {
    "Range test": "The loss at each learning rate, and the rate to train with",
    "Schedule": "A learning-rate schedule around the selected LR, as a table and as code",
    "Verify": "Short trainings at several learning rates, side by side",
    "Data": "The curve as a table, a variable, a file and a line of code",
}


class Tabs:
    """Parts of which one is seen at a time: only that one is rendered, and each is made when it is first opened.

    Parameters
    ----------
    makers
        What makes each part, by the title of its tab; the first one is open.
    act
        Has the next frame drawn.
    lock
        Held while widgets are written to.

    Attributes
    ----------
    box, style
        The tabs, and the style sheet with what their heads say when they are pointed at.
    """

    def __init__(self, makers: Mapping[str, Callable[[], Pane]], act: Act, lock: RLock) -> None:
        self._makers = list(makers.values())
        self._titles = list(makers)
        self._lock = lock
        self._panes: dict[int, Pane] = {}
        self.box = Tab([VBox([]) for _ in makers], titles=self._titles, selected_index=0).add_class("lrw-tabs")
        # Widgets on one page may have different tabs, and style sheets hold for all of them.
        self.box.add_class(f"lrw-{len(self._titles)}-tabs")
        self.style = HTML(f"<style>{_tips(self._titles)}</style>").add_class("lrw-style")
        self.box.observe(lambda _: act(lambda: None), "selected_index")

    def open(self, title: str) -> None:
        """Bring that tab to the front."""
        self.box.selected_index = self._titles.index(title)

    def render(self, frame: Frame) -> None:
        """Show this frame in the open tab."""
        place = self.box.selected_index or 0
        pane = self._panes.get(place)
        if pane is None:
            pane = self._panes[place] = self._makers[place]()
            pane.render(frame)
            guard_messages(pane.box, self._lock)
            self.box.children[place].children = (pane.box,)
        else:
            pane.render(frame)


def _tips(titles: Sequence[str]) -> str:
    """A rule for the tooltip of each tab, which adds nothing to the name that is read out."""
    heads = f".lrwidget .lrw-{len(titles)}-tabs > .lm-TabBar .lm-TabBar-tab"
    return "\n".join(
        f'{heads}:nth-child({place})::after {{ content: "{TIPS[title]}" / ""; }}'
        for place, title in enumerate(titles, start=1)
    )
