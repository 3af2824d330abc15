"""`LRFinderWidget`: the parts put together, and the pump that renders frames."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterable
from os import PathLike
from typing import TYPE_CHECKING, Any

from ipywidgets import VBox
from traitlets import Float, Instance, Int, Unicode, validate

from lrwidget.finder import LearningRateFinder
from lrwidget.live.context import CallerContext
from lrwidget.live.frames import Frame
from lrwidget.live.run import Job, Run, RunState
from lrwidget.live.schedule_model import ScheduleModel
from lrwidget.live.session import Session, check_choice
from lrwidget.live.sole import stop_run_of
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
from lrwidget.ui.verdict import VerdictView

if TYPE_CHECKING:
    import pandas as pd

    from lrwidget.schedules import Schedule

_SETTINGS = ("min_lr", "max_lr", "num_steps", "smooth_factor")


class LRFinderWidget(VBox):
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

    state = Unicode("idle", read_only=True)
    min_lr = Float(1e-7)
    max_lr = Float(10.0)
    num_steps = Int(100)
    smooth_factor = Float(0.05)
    selected_lr = Float(None, allow_none=True)
    suggested_lr = Float(None, allow_none=True, read_only=True)
    result = Instance(RangeTestResult, allow_none=True, read_only=True)

    _is_closed = True  # until it is made: a half-made one is closed by the garbage collector

    def __init__(
        self,
        train_step: TrainStep | None,
        *,
        finder: LearningRateFinder | None = None,
        make_job: Callable[[LearningRateFinder], Job[Any]] | None = None,
    ) -> None:
        if make_job is None and not callable(train_step):
            raise TypeError(f"need a train step, a callable lr -> loss, got {train_step!r}")
        self._train_step = train_step
        self._make_job = make_job or self._make_range_test
        self._session = Session(finder or LearningRateFinder())
        self._context = CallerContext()
        self._schedule = ScheduleModel()
        self._run: Run[Any] | None = None
        self._num_seen = 0  # runs whose beginning has been published
        self._lock = threading.RLock()
        self._published: tuple[str, object] | None = None
        self._pump = Pump(self._tick)
        stop_run_of(self._subject())  # a cell that is run again must not leave the run of its first widget behind
        self._make_parts()
        settings = {name: getattr(self._session.settings, name) for name in _SETTINGS}
        super().__init__([style_sheet(), self._controls.box, self._tabs.box, self._footer], **settings)
        self.add_class("lrwidget")
        self._is_closed = False
        guard_messages(self, self._lock)
        self.observe(self._on_setting_change, list(_SETTINGS))
        self.observe(self._on_selected_lr_change, "selected_lr")
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
        self._begin().start()
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
        run = self._begin()
        self._pump.request()
        try:
            run.run()
        finally:
            self._pump.flush()
        return run.result  # type: ignore[no-any-return]

    def pause(self) -> None:
        """Begin no further step until `resume`."""
        self._do(Run.pause)

    def resume(self) -> None:
        """Go on after a pause."""
        self._do(Run.resume)

    def stop(self) -> None:
        """Stop after the step under way and restore the model; returns at once, `wait` waits for it."""
        self._do(Run.stop)

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
        run = self._run
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
        run, self._is_closed = self._run, True
        if run is not None and run.is_active:
            run.stop()
            if not run.is_mine():
                run.has_ended(None)
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
            clear=self.clear,
        )
        self._marker = Marker(session, act)
        self._range_test = RangeTestTab(session, act, self._marker)
        self._schedule_tab = SchedulePart(self._schedule, act, self._lock)
        self._data = DataTab(session, act, getattr(self._train_step, "set_lr", None))
        parts = {"Range test": self._range_test, "Schedule": self._schedule_tab, "Data": self._data}
        self._tabs = Tabs(parts, act)
        self._verdict = VerdictView(session, act)
        self._footer = VBox([self._marker.box, self._verdict.box]).add_class("lrw-footer")
        self._parts: list[Part] = [self._controls, self._tabs, self._marker, self._verdict]

    def _subject(self) -> object:
        """What is trained: two widgets on one model must know of each other."""
        step = self._train_step
        return getattr(step, "model", getattr(step, "__self__", step))

    def _make_range_test(self, settings: LearningRateFinder) -> Job[Any]:
        assert self._train_step is not None
        return settings.steps(self._train_step)

    def _begin(self) -> Run[Any]:
        if self._is_closed:
            raise RuntimeError("this widget is closed; make a new one")
        if threading.current_thread() is threading.main_thread():
            # A click may come in on a thread of the kernel's that knows nothing of what the cells have set.
            self._context = CallerContext()
        run = Run(self._make_job(self._session.settings), self._subject(), context=self._context)
        self._session.begin(run)
        self._run = run
        return run

    def _do(self, change: Callable[[Run[Any]], None]) -> None:
        if self._run is not None:
            change(self._run)
            self._pump.request()

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
        with self._lock:
            frame = self._session.frame()
            self._schedule.set_lr(frame.guide.selected_lr)
            for part in self._parts:
                part.render(frame)
        self._publish(frame)
        return frame.state in (RunState.RUNNING, RunState.PAUSED)

    def _publish(self, frame: Frame) -> None:
        """Set the traits that others observe, the state last. The lock is not held: observers are the user's."""
        if frame.num_begun != self._num_seen:
            self._num_seen = frame.num_begun
            self._set("state", str(RunState.RUNNING))  # also of a run that was over before anybody looked
        for name in _SETTINGS:
            self._set(name, getattr(frame.settings, name))
        self._set("suggested_lr", frame.guide.suggested_lr)
        self._set("selected_lr", frame.guide.selected_lr)
        self._set("result", frame.result)
        self._set("state", str(frame.state))

    def _set(self, name: str, value: object) -> None:
        if getattr(self, name) == value:
            return
        self._published = (name, value)
        try:
            self.set_trait(name, value)
        except Exception as error:  # an observer's: it is the user's code that failed, and the widget goes on
            self._session.note_failure(error)
            self._pump.request()
        finally:
            self._published = None

    def _on_run_click(self) -> None:
        if not self._session.is_busy:  # the second of two quick clicks
            self._begin().start()

    @validate(*_SETTINGS)
    def _check_setting(self, proposal: Any) -> Any:
        name = proposal["trait"].name
        return getattr(dataclasses.replace(self._session.settings, **{name: proposal["value"]}), name)

    @validate("selected_lr")
    def _check_selected_lr(self, proposal: Any) -> Any:
        check_choice(proposal["value"])
        return proposal["value"]

    def _on_setting_change(self, change: Any) -> None:
        if (change["name"], change["new"]) != self._published:
            self._session.change(**{change["name"]: change["new"]})
            self._settle()

    def _on_selected_lr_change(self, change: Any) -> None:
        if ("selected_lr", change["new"]) != self._published:
            self._session.choose(change["new"])
            self._settle()
