"""`LRFinderWidget`: the parts put together, and the pump that renders frames."""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Callable, Iterable
from os import PathLike
from typing import TYPE_CHECKING, Any

from ipywidgets import VBox

from lrwidget.finder import LearningRateFinder
from lrwidget.live.driver import Driver, MakeJob, subject_of
from lrwidget.live.frames import Frame
from lrwidget.live.run import Job, RunState
from lrwidget.live.schedule_model import ScheduleModel
from lrwidget.live.session import Session
from lrwidget.result import RangeTestResult
from lrwidget.steps import TrainStep
from lrwidget.ui.controls import Controls
from lrwidget.ui.data_tab import DataTab
from lrwidget.ui.front_end import is_live
from lrwidget.ui.marker import Marker
from lrwidget.ui.parts import Part, guard_messages, tree
from lrwidget.ui.pump import Pump
from lrwidget.ui.range_test_tab import RangeTestTab
from lrwidget.ui.style import style_sheet
from lrwidget.ui.tabs import SchedulePart, Tabs
from lrwidget.ui.traits import SETTINGS, PublicTraits
from lrwidget.ui.verdict import VerdictView

if TYPE_CHECKING:
    import pandas as pd

    from lrwidget.schedules import Schedule

_log = logging.getLogger(__name__)


class LRFinderWidget(PublicTraits):
    """The learning-rate finder as a live widget for notebooks.

    Parameters
    ----------
    train_step
        A callable ``lr -> loss`` that trains one batch, and restores what it trained if it is a context manager;
        see `LearningRateFinder.steps`.
    finder
        The settings of the first run, and where the sliders stand.
    make_job
        Another way to run: given the settings, an iterator of records that knows how to stop (see
        `lrwidget.live.run.Job`); ``train_step`` is then only what tells which model is trained.

    Attributes
    ----------
    state : str
        ``"idle"``, ``"running"``, ``"paused"``, ``"stopped"``, ``"done"`` or ``"failed"``. Read-only, observable.
    min_lr, max_lr, num_steps, smooth_factor
        As the sliders; those of the sweep apply to the next run. Values that make no sense are refused.
    selected_lr : float or None
        The user's choice, or the suggestion where there is none. Setting it is choosing; None follows the suggestion.
    suggested_lr : float or None
        The suggestion. Read-only, observable.
    result : RangeTestResult or None
        The curve of the newest run once it has ended. Read-only, observable.

    Raises
    ------
    TypeError
        If ``train_step`` cannot be called.

    Examples
    --------
    >>> widget = LRFinderWidget(train_step)  # doctest: +SKIP
    >>> widget  # the last line of a cell shows it  # doctest: +SKIP
    """

    _is_closed = True  # until it is made: a half-made one is closed by the garbage collector

    def __init__(
        self,
        train_step: TrainStep | None,
        *,
        finder: LearningRateFinder | None = None,
        make_job: MakeJob | None = None,
    ) -> None:
        if make_job is None and not callable(train_step):
            raise TypeError(f"need a train step, a callable lr -> loss, got {train_step!r}")
        self._train_step = train_step
        self._session = Session(finder or LearningRateFinder())
        self._schedule = ScheduleModel()
        # A cell that is run again must not leave the run of its first widget behind: the driver ends it.
        self._driver = Driver(self._session, make_job or self._make_range_test, subject_of(train_step))
        self._lock = threading.RLock()
        self._pump = Pump(self._tick)
        self._make_parts()
        settings = {name: getattr(self._session.settings, name) for name in SETTINGS}
        super().__init__([style_sheet(), self._controls.box, self._tabs.box, self._footer], **settings)
        self.add_class("lrwidget")
        self._is_closed = False
        guard_messages(self, self._lock)
        self._listen()
        self._tick()

    @classmethod
    def from_torch(
        cls,
        model: Any,
        optimizer: Any,
        loss_fn: Callable[..., Any],
        batches: Iterable[Any],
        **finder_settings: Any,
    ) -> LRFinderWidget:
        """A widget for a PyTorch model.

        Parameters
        ----------
        model, optimizer, loss_fn, batches
            As for `lrwidget.TorchStep`, which saves and restores them.
        **finder_settings
            Fields of `LearningRateFinder`.
        """
        from lrwidget.steps.torch import TorchStep

        return cls(TorchStep(model, optimizer, loss_fn, batches), finder=LearningRateFinder(**finder_settings))

    @classmethod
    def watch(cls, path: str | PathLike[str], *, silence_seconds: float = 10.0) -> LRFinderWidget:
        """A widget that draws the run of another process or machine, from its log, while it is written.

        Parameters
        ----------
        path
            What that run writes with ``range_test(..., log=path)``. It need not exist yet.
        silence_seconds
            After how long without a line the widget says that the writer is silent; see `lrwidget.follow.follow`.
        """
        from lrwidget.follow import follow

        widget = cls(None, make_job=lambda settings: follow(path, silence_seconds=silence_seconds))
        widget.start()
        return widget

    # --- running ---

    def start(self) -> None:
        """Start a run.

        In a live notebook it goes on in the background, and this returns at once. Where nobody could press Stop
        (nbconvert, papermill, a script), it runs to its end first, as `run` does.

        Raises
        ------
        RuntimeError
            If a run is under way, or the widget is closed.
        """
        if not is_live():
            self.run()
            return
        self._driver.begin().start()
        self._pump.request()

    def run(self) -> RangeTestResult:
        """Run to the end, here and now, and return the result.

        Raises
        ------
        RuntimeError
            If a run is under way, or the widget is closed.
        BaseException
            What the train step raises, Ctrl-C too; the widget shows it, and ``partial_result`` holds what there is.
        """
        run = self._driver.begin()
        self._pump.request()
        try:
            run.run()
        finally:
            self._pump.flush()
        return run.result  # type: ignore[no-any-return]

    def pause(self) -> None:
        """Begin no further step until `resume`."""
        self._driver.pause()
        self._pump.request()

    def resume(self) -> None:
        """Go on after a pause."""
        self._driver.resume()
        self._pump.request()

    def stop(self) -> None:
        """Stop after the step under way and restore the model; returns at once, `wait` waits for it."""
        self._driver.stop()
        self._pump.request()

    def wait(self, timeout: float | None = None) -> RangeTestResult | None:
        """Wait for the end of the run and return its result; None if none was ever started.

        Parameters
        ----------
        timeout
            Seconds, or None for as long as it takes.

        Raises
        ------
        TimeoutError
            If the run has not ended by then.
        BaseException
            What the train step raised; Ctrl-C, which stops the run.
        """
        run = self._driver.newest
        if run is None:
            return None
        try:
            return run.wait(timeout)  # type: ignore[no-any-return]
        finally:
            if run.has_ended():
                self._pump.flush()

    def clear(self) -> None:
        """Forget all curves and the user's choice.

        Raises
        ------
        RuntimeError
            If a run is under way.
        """
        self._session.clear()
        self._settle()

    def close(self) -> None:
        """Stop the run, wait until the model is restored, and close every widget of the tree."""
        if self._is_closed:
            return
        self._is_closed = True
        self._driver.close()
        self._pump.close()
        self._schedule_tab.close()
        for widget in [*tree(self._range_test.spare_widgets), *tree(self)]:
            if widget is not self:
                widget.close()
        super().close()

    # --- what came out ---

    @property
    def finder(self) -> LearningRateFinder:
        """The settings of the next run."""
        return self._session.settings

    @finder.setter
    def finder(self, settings: LearningRateFinder) -> None:
        self._session.change(**dataclasses.asdict(settings))
        self._settle()

    def to_dataframe(self, all_runs: bool = False) -> pd.DataFrame:
        """The curve so far: run, step, lr, loss, smoothed_loss (as shown), and grad_norm where it was recorded.

        Parameters
        ----------
        all_runs
            Also the earlier runs that the widget has kept.
        """
        return self._session.to_dataframe(all_runs)

    @property
    def schedule(self) -> Schedule:
        """The schedule of the Schedule tab, its peak at the selected learning rate; see `lrwidget.schedules`.

        Raises
        ------
        ValueError
            If its values make no sense together.
        """
        return self._schedule.schedule

    def schedule_dataframe(self) -> pd.DataFrame:
        """The schedule as a table, one row per step of the training."""
        return self._schedule.to_dataframe()

    def make_scheduler(self, optimizer: Any) -> Any:
        """The schedule as a PyTorch scheduler for this optimizer."""
        return self._schedule.make_scheduler(optimizer)

    def __repr__(self) -> str:
        return f"<LRFinderWidget: {self.state}>"

    # --- inside ---

    def _make_parts(self) -> None:
        session, act = self._session, self._act
        self._controls = Controls(
            session,
            act,
            start=self._on_run_click,
            pause=self.pause,
            resume=self.resume,
            stop=self.stop,
            clear=session.clear,  # drawn by itself; waiting for the frame here would wait for this very click
        )
        self._marker = Marker(session, act)
        self._range_test = RangeTestTab(session, act, self._marker)
        self._schedule_tab = SchedulePart(self._schedule, act, self._lock)
        self._data = DataTab(session, act, getattr(self._train_step, "set_lr", None))
        parts: dict[str, Part] = {"Range test": self._range_test, "Schedule": self._schedule_tab, "Data": self._data}
        self._tabs = Tabs(parts, act)
        self._verdict = VerdictView(session, act)
        self._footer = VBox([self._marker.box, self._verdict.box]).add_class("lrw-footer")
        self._parts: list[Part] = [self._controls, self._tabs, self._marker, self._verdict]

    def _make_range_test(self, settings: LearningRateFinder) -> Job[Any]:
        assert self._train_step is not None
        return settings.steps(self._train_step)

    def _act(self, intent: Callable[[], object]) -> None:
        """Carry out what the user asks for; an exception is shown in the widget, nowhere else would anyone see it."""
        try:
            intent()
        except Exception as error:
            self._session.note_failure(error)
        self._pump.request()

    def _settle(self) -> None:
        """Have a change by code drawn; where cells run for nobody, before the next one begins."""
        if is_live():
            self._pump.request()
        else:
            self._pump.flush()

    def _tick(self) -> bool:
        """Render and publish the present. Called by the pump alone, once the widget is made."""
        self._session.complete()
        with self._lock:
            frame = self._session.frame()
            self._schedule.set_lr(frame.guide.selected_lr)
            for part in self._parts:
                self._render(part, frame)
        self._publish(frame)
        return frame.state in (RunState.RUNNING, RunState.PAUSED) or self._session.is_incomplete

    def _render(self, part: Part, frame: Frame) -> None:
        """Have a part drawn. One that fails must not keep the others from showing how the run ends."""
        try:
            part.render(frame)
        except Exception as error:
            _log.exception("drawing the widget failed")
            self._session.note_failure(error)

    def _on_run_click(self) -> None:
        if not self._session.is_busy:  # the second of two quick clicks
            self._driver.begin().start()
