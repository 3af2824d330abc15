"""The tabs, and the Schedule tab as a part of the widget."""

from __future__ import annotations

from collections.abc import Mapping
from threading import RLock

from ipywidgets import Tab

from lrwidget.live.frames import Frame
from lrwidget.live.schedule_model import ScheduleModel
from lrwidget.ui.parts import Act, Part, tree
from lrwidget.ui.schedule_tab import ScheduleTab


class Tabs:
    """Parts of which one is seen at a time, and only that one is rendered.

    Parameters
    ----------
    parts
        By the title of their tab; the first one is open.
    act
        Has the next frame drawn.
    """

    def __init__(self, parts: Mapping[str, Part], act: Act) -> None:
        self._parts = list(parts.values())
        self.box = Tab([part.box for part in self._parts], titles=list(parts), selected_index=0).add_class("lrw-tabs")
        self.box.observe(lambda _: act(lambda: None), "selected_index")

    def render(self, frame: Frame) -> None:
        """Show this frame in the open tab."""
        self._parts[self.box.selected_index or 0].render(frame)


class SchedulePart:
    """The Schedule tab, whose peak follows the selected learning rate.

    Parameters
    ----------
    model
        The schedule.
    act
        Carries out what the user asks for.
    lock
        Held while widgets are written to.
    """

    def __init__(self, model: ScheduleModel, act: Act, lock: RLock) -> None:
        self._tab = ScheduleTab(model, act, lock=lock)
        self.box = self._tab.widget

    def render(self, frame: Frame) -> None:
        """Show the schedule as it is now."""
        self._tab.render()

    def close(self) -> None:
        """Close what is not shown now as well: controls of other schedules, the figure's other scale."""
        self._tab.close()
        for widget in tree(list(vars(self._tab.plot).values())):
            widget.close()
