"""`LRFinderWidget`: what users name, and the pump that renders frames."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterable
from os import PathLike
from typing import TYPE_CHECKING, Any

from lrwidget.finder import LearningRateFinder
from lrwidget.live.workbench import MakeRangeTest, Workbench
from lrwidget.result import RangeTestResult
from lrwidget.steps import TrainStep
from lrwidget.ui.body import Body
from lrwidget.ui.front_end import is_live
from lrwidget.ui.parts import close_tree, guard_messages
from lrwidget.ui.pump import Pump
from lrwidget.ui.running import run_here, start_or_run, wait_for
from lrwidget.ui.traits import SETTINGS, PublicTraits

if TYPE_CHECKING:
    import pandas as pd

    from lrwidget.live.frames import Frame
    from lrwidget.schedules import Schedule


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
        `lrwidget.live.job.Job`); ``train_step`` is then only what tells which model is trained.

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
        make_job: MakeRangeTest | None = None,
    ) -> None:
        self._pump = Pump(self._tick)
        self._bench = Workbench(train_step, finder or LearningRateFinder(), make_job, self._pump.hurry)
        self._session = self._bench.session
        self._lock = threading.RLock()
        self._body = Body(self._bench, self._act, self._lock)
        settings = {name: getattr(self._session.settings, name) for name in SETTINGS}
        super().__init__(self._body.boxes, **settings)
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

    def start(self, num_runs: int = 1) -> None:
        """Start a run; parameters and errors as for `run`.

        In a live notebook it goes on in the background, and this returns at once. Where nobody could press Stop
        (nbconvert, papermill, a script), it runs to its end first, as `run` does.
        """
        start_or_run(self._bench.begin(num_runs), self._pump)

    def run(self, num_runs: int = 1) -> RangeTestResult:
        """Run to the end, here and now, and return the result.

        Parameters
        ----------
        num_runs
            How many range tests, each from the same state on other batches: their median is the curve, with a band; see
            `LearningRateFinder.repeat`.

        Raises
        ------
        RuntimeError
            If a run is under way, or the widget is closed.
        TypeError, ValueError
            If ``num_runs`` is no whole number from 1 on; in a widget that only watches, if it is not 1.
        BaseException
            What the train step raises, Ctrl-C too; the widget shows it, and ``partial_result`` holds what there is.
        """
        return run_here(self._bench.begin(num_runs), self._pump)  # type: ignore[no-any-return]

    def pause(self) -> None:
        """Begin no further step until `resume`."""
        self._bench.driver.pause()
        self._pump.request()

    def resume(self) -> None:
        """Go on after a pause."""
        self._bench.driver.resume()
        self._pump.request()

    def stop(self) -> None:
        """Stop after the step under way and restore the model; returns at once, `wait` waits for it."""
        self._bench.driver.stop()
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
        RuntimeError
            If the train step itself calls it.
        BaseException
            What the train step raised; Ctrl-C, which stops the run.
        """
        run = self._bench.driver.newest
        return None if run is None else wait_for(run, self._pump, timeout)

    def clear(self) -> None:
        """Forget all curves, what the Verify and Schedule tabs have tried, and the user's choice.

        Raises
        ------
        RuntimeError
            If a run, a verification or a trial of a schedule is under way.
        """
        self._bench.clear()
        self._settle()

    def close(self) -> None:
        """Stop the run, wait until the model is restored, and close every widget of the tree."""
        if self._is_closed:
            return
        self._is_closed = True
        self._bench.close()
        self._pump.close()
        self._publish(self._bench.frame())  # of a run that this has stopped, what it recorded
        close_tree([self, self._body], but=self)
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
        return self._bench.schedule.schedule

    def schedule_dataframe(self) -> pd.DataFrame:
        """The schedule as a table, one row per step of the training."""
        return self._bench.schedule.to_dataframe()

    def make_scheduler(self, optimizer: Any) -> Any:
        """The schedule as a PyTorch scheduler for this optimizer."""
        return self._bench.schedule.make_scheduler(optimizer)

    def _ipython_display_(self) -> None:
        from IPython.display import display

        # The text is kept with the notebook, above the picture, and the state of today would be wrong there.
        display(self._repr_mimebundle_() | {"text/plain": "LRFinderWidget"}, raw=True)
        self._body.picture.display()

    def __repr__(self) -> str:
        return f"<LRFinderWidget: {self.state}>"

    # --- inside ---

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
        frame = self._draw()
        if not frame.is_complete:  # a run has ended: what its last picture did not wait for
            if is_live():
                self._pump.request()  # follows when the training's thread has gone on
            else:
                frame = self._draw()
        return self._bench.has_more(frame)

    def _draw(self) -> Frame:
        with self._lock:
            frame = self._bench.frame()
            self._body.render(frame)
        self._publish(frame)
        return frame
