"""`Race`: the same training at several learning rates, live, side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import RLock
from time import monotonic
from typing import Any

import ipywidgets as widgets
import numpy as np
import traitlets

from lrwidget.live.budget import DrawBudget
from lrwidget.live.driver import Driver
from lrwidget.live.failure import Failure
from lrwidget.live.race import RaceJob
from lrwidget.live.run import Run
from lrwidget.live.run_state import RunState
from lrwidget.result import FloatArray
from lrwidget.steps import TrainStep
from lrwidget.ui import markup
from lrwidget.ui.parts import button, close_tree, guard_messages, set_traits
from lrwidget.ui.pump import Pump
from lrwidget.ui.race_lanes import CSS, Lanes
from lrwidget.ui.running import run_here, start_or_run, wait_for
from lrwidget.ui.style import style_sheet
from lrwidget.verify import TrialRecord
from lrwidget.verify_result import VerifyResult


class Race(widgets.VBox):
    """A race between learning rates: copies of one training side by side, a step of each in turn.

    Parameters
    ----------
    make_train_step
        Called once for each lane. Every call must make a fresh training in the same state with the same batches: a new
        model from the same seed, its optimizer, its loader.
    lrs
        The rate of each lane, rising.
    num_steps
        Steps of each lane, six or more.

    Attributes
    ----------
    state
        Trait, read-only: ``"idle"``, ``"running"``, ``"stopped"``, ``"done"`` or ``"failed"``.
    result
        Trait, read-only: the `VerifyResult` of the newest race once it has ended.

    Raises
    ------
    TypeError, ValueError
        If ``make_train_step`` cannot be called, the rates are no rising rates, or the steps are fewer than six.

    Examples
    --------
    >>> race = Race(make_train_step, lrs=[1e-3, 1e-1, 10.0])  # doctest: +SKIP
    >>> race  # the last line of a cell shows it  # doctest: +SKIP
    """

    state = traitlets.Unicode("idle", read_only=True)
    result = traitlets.Instance(VerifyResult, allow_none=True, read_only=True)

    _is_closed = True  # until it is made: a half-made one is closed by the garbage collector

    def __init__(
        self,
        make_train_step: Callable[[], TrainStep],
        lrs: Sequence[float] = (1e-3, 1e-1, 10.0),
        num_steps: int = 150,
    ) -> None:
        self._make_job = lambda: RaceJob(make_train_step, lrs, num_steps)
        self._next_job: RaceJob | None = self._make_job()  # now, so that what cannot race is refused at once
        self._num_steps = num_steps
        self._pump = Pump(self._tick)
        self._driver = Driver(self._take_job, self._follow, self, self._pump.hurry)
        self._failure: Failure | None = None
        self._budget = DrawBudget()
        self._num_drawn = -1
        self._lock = RLock()
        self._lanes = Lanes(lrs, num_steps)
        self._run_button = button("Run", "Train in every lane", "run", self._act, self._on_run_click)
        self._run_button.button_style = "primary"
        self._stop_button = button("Stop", "Stop after the step under way", "stop", self._act, self.stop)
        self._progress, self._message = widgets.HTML().add_class("lrw-progress"), widgets.HTML()
        toolbar = widgets.Box([self._run_button, self._stop_button, self._progress]).add_class("lrw-toolbar")
        super().__init__(
            [
                style_sheet(),
                widgets.HTML(f"<style>{CSS}</style>").add_class("lrw-style"),
                widgets.VBox([toolbar]).add_class("lrw-controls"),
                self._lanes.box,
                widgets.VBox([self._message]).add_class("lrw-footer"),
            ]
        )
        self.add_class("lrwidget").add_class("lrw-race")
        self._is_closed = False
        guard_messages(self, self._lock)
        self._tick()

    def start(self) -> None:
        """Start the race: in the background in a live notebook, else here and now to its end.

        Raises
        ------
        RuntimeError
            If one is under way.
        """
        start_or_run(self._begin(), self._pump)

    def run(self) -> VerifyResult:
        """Run to the end, here and now, and return the result.

        Raises
        ------
        RuntimeError
            If a race is under way.
        BaseException
            What a train step raises, with ``partial_result``.
        """
        return run_here(self._begin(), self._pump)  # type: ignore[no-any-return]

    def stop(self) -> None:
        """Stop after the step under way and restore every lane; returns at once."""
        self._driver.stop()
        self._pump.request()

    def wait(self, timeout: float | None = None) -> VerifyResult | None:
        """Wait for the end of the race and return its result; None if none was ever started.

        Parameters
        ----------
        timeout
            Seconds, or None for as long as it takes.

        Raises
        ------
        TimeoutError
            If it has not ended by then.
        BaseException
            What a train step raised.
        """
        run = self._driver.newest
        return None if run is None else wait_for(run, self._pump, timeout)

    def close(self) -> None:
        """Stop the race, wait until every lane is restored, and close every widget of the tree."""
        if self._is_closed:
            return
        self._is_closed = True
        self._driver.close()
        self._pump.close()
        self._publish(self._driver.newest, is_active=False)  # of a race that this has stopped, what it recorded
        close_tree(self, but=self)
        super().close()

    def __repr__(self) -> str:
        return f"<Race: {self.state}>"

    # --- inside ---

    def _take_job(self) -> RaceJob:
        """The one that was made to see whether it can race; for later races new ones."""
        job, self._next_job = self._next_job, None
        return job or self._make_job()

    def _follow(self, run: Run[TrialRecord], job: RaceJob) -> None:
        self._failure = None
        self._budget, self._num_drawn = DrawBudget(), -1

    def _begin(self) -> Run[TrialRecord]:
        if self._is_racing:
            raise RuntimeError("a race is under way; stop() it or wait for its end")
        return self._driver.begin()

    @property
    def _is_racing(self) -> bool:
        return self._driver.newest is not None and self._driver.newest.is_active

    def _on_run_click(self) -> None:
        if not self._is_racing:  # the second of two quick clicks
            self._begin().start()

    def _act(self, intent: Callable[[], object]) -> None:
        """Carry out what the user asks for; an exception is shown in the widget, nowhere else would anyone see it."""
        try:
            intent()
        except Exception as error:
            self._failure = Failure.of(error)
        self._pump.request()

    def _tick(self) -> bool:
        """Draw the present. Called by the pump alone, once the widget is made."""
        run, now = self._driver.newest, monotonic()
        is_active = run is not None and run.is_active
        num_records = 0 if run is None else len(run.records)
        share = num_records / (len(self._lanes) * self._num_steps)
        if not is_active or self._budget.allows(now, share):
            self._budget.note(now)
            with self._lock:
                self._draw(run, num_records, is_active)
            self._budget.note_cost(monotonic() - now)
        self._publish(run, is_active)
        return is_active

    def _draw(self, run: Run[TrialRecord] | None, num_records: int, is_active: bool) -> None:
        result = None if run is None else run.result
        if num_records != self._num_drawn or not is_active:
            self._num_drawn = num_records
            losses = _losses([] if run is None else run.records[:num_records], len(self._lanes))
            self._lanes.draw(losses, None if result is None else result.ranking)
            words = f"step {max(map(len, losses))} of {self._num_steps}" if run is not None else ""
            set_traits(self._progress, value=markup.text(words))
        failure = self._failure or (None if run is None else run.failure)
        set_traits(self._message, value=markup.failure(failure))
        set_traits(self._run_button, disabled=is_active)
        set_traits(self._stop_button, disabled=not is_active)

    def _publish(self, run: Run[Any] | None, is_active: bool) -> None:
        """Set the traits that others observe, the state last."""
        if run is not None:
            self.set_trait("result", None if is_active else run.result)
            self.set_trait("state", str(RunState.RUNNING if is_active else run.state))


def _losses(records: Sequence[TrialRecord], num_lanes: int) -> list[FloatArray]:
    """The losses of each lane, shapes (n,), from the records of all."""
    return [np.array([r.loss for r in records if r.trial == lane], dtype=float) for lane in range(num_lanes)]
