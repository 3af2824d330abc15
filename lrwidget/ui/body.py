"""The parts of the widget, put together."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import RLock

from ipywidgets import Box, VBox, Widget

from lrwidget.live.frames import Frame
from lrwidget.live.workbench import Workbench
from lrwidget.ui.controls import Controls
from lrwidget.ui.data_tab import DataTab
from lrwidget.ui.marker import Marker
from lrwidget.ui.parts import Act, Pane, Renders
from lrwidget.ui.range_test_tab import RangeTestTab
from lrwidget.ui.saved_picture import SavedPicture
from lrwidget.ui.schedule_tab import ScheduleTab
from lrwidget.ui.schedule_trial import ScheduleTrialView
from lrwidget.ui.style import style_sheet
from lrwidget.ui.tabs import Tabs
from lrwidget.ui.verdict import VerdictView
from lrwidget.ui.verify_tab import VerifyTab

_log = logging.getLogger(__name__)


class Body:
    """Makes the parts, and has each show the frames.

    Parameters
    ----------
    bench
        What they work on.
    act
        Carries out what the user asks for.
    lock
        Held while widgets are written to.

    Attributes
    ----------
    boxes
        What the widget shows, from top to bottom.
    """

    def __init__(self, bench: Workbench, act: Act, lock: RLock) -> None:
        self._bench = bench
        self._act = act
        self._lock = lock
        driver, session = bench.driver, bench.session
        self.controls = Controls(
            *(session, act),
            start=self._on_run_click,
            pause=driver.pause,
            resume=driver.resume,
            stop=driver.stop,
            clear=bench.clear,
            can_clear=bench.can_clear,
        )
        self.marker = Marker(session, act)
        self.range_test = RangeTestTab(session, act, self.marker)
        self.tabs = Tabs(self._tab_makers(), act, lock)
        self.verdict = VerdictView(session, act, None if bench.train_step is None else self._on_repeat_click)
        self.picture = SavedPicture(self.marker.is_held)
        chosen = Box([self.marker.box, self.verdict.box]).add_class("lrw-chosen")
        footer = VBox([self.verdict.error, chosen]).add_class("lrw-footer")
        self.boxes: list[Widget] = [style_sheet(), self.tabs.style, self.controls.box, self.tabs.box, footer]
        self._parts: list[Renders] = [self.controls, self.tabs, self.marker, self.verdict, self.picture]

    def render(self, frame: Frame) -> None:
        """Show this frame. A part that fails must not keep the others from showing how the run ends."""
        for part in self._parts:
            try:
                part.render(frame)
            except Exception as error:
                _log.exception("drawing the widget failed")
                self._bench.session.note_failure(error)

    def _tab_makers(self) -> dict[str, Callable[[], Pane]]:
        bench = self._bench
        makers: dict[str, Callable[[], Pane]] = {
            "Range test": lambda: self.range_test,
            "Schedule": self._make_schedule_tab,
        }
        if bench.verify_driver is not None:
            makers["Verify"] = self._make_verify_tab
        makers["Data"] = self._make_data_tab
        return makers

    def _make_schedule_tab(self) -> Pane:
        bench, driver = self._bench, self._bench.schedule_driver
        trial = ScheduleTrialView(bench.schedule_trial, self._act, driver.start, driver.stop)
        return ScheduleTab(bench.schedule, self._act, lock=self._lock, trial=trial)

    def _make_verify_tab(self) -> Pane:
        driver = self._bench.verify_driver
        assert driver is not None
        return VerifyTab(
            *(self._bench.verify, self._act),
            start=driver.start,
            stop=driver.stop,
            choose=self._bench.session.choose,
            repeat=self._on_repeat_click,
        )

    def _make_data_tab(self) -> Pane:
        step = self._bench.train_step
        code = getattr(step, "code", "lr = {}".format)
        return DataTab(self._bench.session, self._act, getattr(step, "set_lr", None), code)

    def _on_run_click(self) -> None:
        if not self._bench.session.is_busy:  # the second of two quick clicks
            self.controls.listen_from_here()
            self._bench.begin().start()

    def _on_repeat_click(self, num_runs: int) -> None:
        if not self._bench.session.is_busy:
            self.controls.listen_from_here()
            self._bench.begin(num_runs).start()
            self.tabs.open("Range test")
