"""`SweepWidget`: the curves of a sweep one over the other while they run, and tables of what they say over the grid."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic
from typing import Any

import numpy as np
from bqplot import Axis, LinearScale, Lines, LogScale
from ipywidgets import HTML, Dropdown, HBox, VBox

from lrwidget.live.budget import PERIOD_SECONDS, DrawBudget
from lrwidget.live.drawing import Range, drawable
from lrwidget.live.run import Run
from lrwidget.live.sweep_curves import SweepCurve, curve_of, shown_of_all
from lrwidget.live.sweep_tables import table, value_of, values_of, varying_names
from lrwidget.sweep_result import SweepResult, SweepRun
from lrwidget.sweeps import Sweep
from lrwidget.ui import sweep_markup as markup
from lrwidget.ui.figures import AXIS_COLOURS, figure
from lrwidget.ui.marks import NONE
from lrwidget.ui.parts import button, close_tree, guard_messages, set_range, set_traits
from lrwidget.ui.pump import Pump
from lrwidget.ui.running import start_or_run, wait_for
from lrwidget.ui.style import style_sheet
from lrwidget.ui.ticks import set_even_ticks, set_lr_ticks


class SweepWidget(VBox):
    """A sweep as a live widget for notebooks.

    Parameters
    ----------
    sweep
        A sweep that has not been begun (`lrwidget.sweeps.Sweep`), or the result of one.

    Raises
    ------
    TypeError
        If it is neither.

    Examples
    --------
    >>> widget = SweepWidget(Sweep(make_train_step, {"optimizer": ["SGD", "Adam"], "seed": range(3)}))  # doctest: +SKIP
    >>> widget  # the last line of a cell shows it; Run begins the sweep, as `start` does  # doctest: +SKIP
    """

    _is_closed = True  # until it is made: a half-made one is closed by the garbage collector

    def __init__(self, sweep: Sweep | SweepResult) -> None:
        if not isinstance(sweep, Sweep | SweepResult):
            raise TypeError(f"need a Sweep or a SweepResult, got {sweep!r}; pass Sweep(make_train_step, grid)")
        self._sweep = sweep if isinstance(sweep, Sweep) else None
        self._runs = list(sweep.runs) if isinstance(sweep, SweepResult) else sweep.snapshot()
        self._done = {run.index for run in self._runs} if self._sweep is None else set()
        self._drive: Run[Any] | None = None
        self._is_stopping = False
        self._next_look = 0.0
        self._num_steps: list[int] = []
        self._numbers: dict[int, tuple[float, float]] = {}
        self._curves: dict[int, SweepCurve] = {}
        self._drawn: dict[int, tuple[int, Range]] = {}
        self._shown: tuple[float, float, Range] | None = None
        self._budget = DrawBudget()
        self._lock = threading.RLock()
        self._pump = Pump(self._tick)
        self._make_parts()
        toolbar = HBox([self._run, self._stop, self._progress]).add_class("lrw-toolbar")
        view = VBox([toolbar, self._figure, self._legend, self._choices, self._tables, self._failures])
        view.add_class("lrw-sweep")
        super().__init__([style_sheet(), HTML(f"<style>{markup.CSS}</style>").add_class("lrw-style"), view])
        self.add_class("lrwidget")
        self._is_closed = False
        guard_messages(self, self._lock)
        self._tick()

    def start(self) -> None:
        """Begin the sweep: in the background in a live notebook, else here and now to its end.

        Raises
        ------
        RuntimeError
            If there is nothing to begin, or it has been begun.
        """
        start_or_run(self._begin(), self._pump)

    def stop(self) -> None:
        """End the range tests under way after their steps and begin no other; returns at once."""
        if self._drive is not None:
            self._is_stopping = True
            self._drive.stop()
            self._pump.request()

    def wait(self, timeout: float | None = None) -> SweepResult:
        """Wait for the end and return the result.

        Parameters
        ----------
        timeout
            Seconds, or None for as long as it takes.

        Raises
        ------
        TimeoutError
            If it has not ended by then; it goes on.
        """
        if self._drive is not None:
            wait_for(self._drive, self._pump, timeout)
        return self.result

    @property
    def result(self) -> SweepResult:
        """What there is so far."""
        return SweepResult(tuple(self._runs)) if self._sweep is None else self._sweep.result

    def close(self) -> None:
        """Stop the sweep, wait for its end, and close every widget of the tree."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._drive is not None:
            self._drive.close()
        self._pump.close()
        close_tree(self, but=self)
        super().close()

    # --- inside ---

    def _make_parts(self) -> None:
        self._names = names = varying_names(self._runs)
        self._run = button("Run", "Begin the range tests of the sweep", "run", self._act, self._on_run_click)
        self._run.button_style = "primary"
        self._stop = button("Stop", "End the range tests under way", "stop", self._act, self.stop)
        self._progress = HTML().add_class("lrw-progress")
        self._legend, self._tables, self._failures = HTML(), HTML(), HTML()
        self._rows = _choice("Rows", "What the rows of the tables stand for", names, 0, self._pump)
        self._columns = _choice("Columns", "What the columns of the tables stand for", names, 1, self._pump)
        self._colours = _choice("Colour by", "What the colours of the curves stand for", names, 0, self._pump)
        self._choices = HBox([self._colours, self._rows, self._columns]).add_class("lrw-choices")
        self._x = LogScale(min=1e-7, max=10.0, allow_padding=False)
        self._y = LinearScale(min=0.0, max=1.0, allow_padding=False)
        self._x_axis = Axis(scale=self._x, label="learning rate", label_offset="30px", **AXIS_COLOURS)
        self._y_axis = Axis(
            scale=self._y, side="left", label="loss, smoothed", label_offset="42px", visible=False, **AXIS_COLOURS
        )
        scales = {"x": self._x, "y": self._y}
        self._lines = [Lines(x=NONE, y=NONE, scales=scales, stroke_width=1.8, opacities=[0.85]) for _ in self._runs]
        margin = {"top": 12, "bottom": 42, "left": 56, "right": 16}
        self._figure = figure(self._lines, [self._x_axis, self._y_axis], margin, 320)
        self._lrs = None if self._sweep is None else (self._sweep.finder.min_lr, self._sweep.finder.max_lr)
        if self._lrs is not None:
            self._set_rates(*self._lrs)

    def _begin(self) -> Run[Any]:
        if self._sweep is None or self._drive is not None:
            raise RuntimeError("need a sweep that has not been begun, got one that has; make another")
        self._drive = Run(self._sweep, on_end=self._pump.hurry)
        return self._drive

    def _on_run_click(self) -> None:
        if self._drive is None:  # else it is the second of two quick clicks
            self._begin().start()

    def _act(self, intent: Callable[[], object]) -> None:
        intent()
        self._pump.request()

    def _tick(self) -> bool:
        """Draw the present. Called by the pump alone, once the widget is made."""
        drive, sweep = self._drive, self._sweep
        ended = drive is None or drive.has_ended()
        if sweep is not None:
            self._look(sweep, ended)
        started = monotonic()
        with self._lock:
            self._draw(ended)
        self._budget.note_cost(monotonic() - started)
        return not ended

    def _look(self, sweep: Sweep, ended: bool) -> None:
        """Take in how far the sweep is, where that is news and may be drawn."""
        now = monotonic()
        if now < self._next_look and not ended:
            return
        done, runs = set(sweep.done), sweep.snapshot()  # in this order: a run that ends in between counts the next time
        num_steps = [0 if run.result is None else len(run.result) for run in runs]
        share = sum(
            1.0 if run.index in done else n / sweep.finder.num_steps for run, n in zip(runs, num_steps, strict=True)
        )
        self._next_look = now + max(0.99 * PERIOD_SECONDS, 10 * (monotonic() - now))  # logs may be far away
        is_news = (done, num_steps) != (self._done, self._num_steps)
        if ended or (is_news and self._budget.allows(now, share / len(runs))):
            self._budget.note(now)
            self._done, self._runs, self._num_steps = done, runs, num_steps

    def _draw(self, ended: bool) -> None:
        failed = [(run.label, run.error, run.details) for run in self._runs if run.error is not None]
        words = markup.progress(len(self._done), len(self._runs), len(failed), self._state(ended))
        set_traits(self._progress, value=words)
        set_traits(self._run, disabled=self._sweep is None or self._drive is not None)
        set_traits(self._stop, disabled=ended)
        self._draw_curves()
        self._draw_tables()
        if self._drive is not None and self._drive.failure is not None:
            failed.append(("the sweep itself", self._drive.failure.message, self._drive.failure.details))
        set_traits(self._failures, value=markup.failures(failed))

    def _state(self, ended: bool) -> str:
        """What the sweep does, in words."""
        if self._drive is None:
            return "not begun" if self._sweep else "done"
        if ended:
            return str(self._drive.stop_reason)
        if self._is_stopping:
            return "stopping"
        num_active = sum(run.index not in self._done and run.result is not None for run in self._runs)
        return f"{num_active} running" if num_active else "starting"

    def _draw_curves(self) -> None:
        name = self._colours.value
        values = values_of(self._runs, name)
        set_traits(self._legend, value=markup.legend(name, values))
        for run, line in zip(self._runs, self._lines, strict=True):
            set_traits(line, colors=[markup.colour(values.index(value_of(run, name)), len(values))])
        curves = [self._curve(run) for run in self._runs]
        drawn = [curve for curve in curves if len(curve.lrs)]
        if not drawn:
            return
        shown = shown_of_all(drawn)
        self._draw_axes(drawn, shown)
        for index, (curve, line) in enumerate(zip(curves, self._lines, strict=True)):
            if self._drawn.get(index) != (curve.num_steps, shown):
                self._drawn[index] = curve.num_steps, shown
                with line.hold_sync():
                    line.x, line.y = curve.lrs.copy(), drawable(curve.smoothed, shown, log=False)

    def _draw_axes(self, curves: list[SweepCurve], shown: Range) -> None:
        lrs = self._lrs or (min(curve.lrs[0] for curve in curves), max(curve.lrs[-1] for curve in curves))
        if self._shown != (*lrs, shown) and lrs[0] < lrs[1]:
            self._shown = *lrs, shown
            self._set_rates(*lrs)
            set_range(self._y, *shown)
            set_even_ticks(self._y_axis, *shown)
            set_traits(self._y_axis, visible=True)

    def _set_rates(self, low: float, high: float) -> None:
        set_range(self._x, low, high)
        set_lr_ticks(self._x_axis, low, high)

    def _curve(self, run: SweepRun) -> SweepCurve:
        """The curve of a run, made anew where it has grown."""
        num_steps = 0 if run.result is None else len(run.result)
        made = self._curves.get(run.index)
        if made is None or made.num_steps != num_steps:
            made = self._curves[run.index] = curve_of(run, num_steps)
        return made

    def _draw_tables(self) -> None:
        row, column = self._rows.value, self._columns.value
        numbers = [self._numbers_of(run) for run in self._runs]
        waiting = {run.index for run in self._runs} - self._done
        made = [
            table("Suggested LR", self._runs, [lr for lr, _ in numbers], row, column, True, waiting),
            table("Best loss", self._runs, [loss for _, loss in numbers], row, column, False, waiting),
        ]
        averaged = [name for name in self._names if name not in (row, column)]
        set_traits(self._tables, value=markup.tables(made, row, column, averaged))

    def _numbers_of(self, run: SweepRun) -> tuple[float, float]:
        """Suggested rate and best loss of a run, once it is done; reading a curve takes its time."""
        if run.index not in self._done:
            return np.nan, np.nan
        if run.index not in self._numbers:
            lr = run.suggested_lr
            self._numbers[run.index] = np.nan if lr is None else lr, run.best_loss
        return self._numbers[run.index]


def _choice(label: str, tooltip: str, names: list[str], index: int, pump: Pump) -> Dropdown:
    """A box with the names of the grid, one of them chosen where there are as many."""
    options = [("–", None), *((name, name) for name in names)]
    # By its index: the value None would leave the box empty.
    made = Dropdown(description=label, tooltip=tooltip, options=options, index=index + 1 if index < len(names) else 0)
    made.observe(lambda _: pump.request(), "value")
    return made
