"""Everything the widget knows, without a widget: settings, the run, its curve, the suggestion, the user's choice.

What the user does arrives as an *intent*, a plain call from any thread that changes a value and returns. What is to be
seen leaves as a `Frame`, made from all of it at one moment. Neither side knows the other.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from contextlib import suppress
from time import perf_counter, thread_time
from typing import TYPE_CHECKING, Any

from lrwidget.checks import typed_count
from lrwidget.finder import LearningRateFinder
from lrwidget.live.budget import DrawBudget
from lrwidget.live.curves import CurveMaker
from lrwidget.live.failure import Failure
from lrwidget.live.frames import DrawnCurve, Frame, Progress
from lrwidget.live.guidance import Guidance
from lrwidget.live.progress import progress_of
from lrwidget.live.reading import Reader
from lrwidget.live.run import Run
from lrwidget.live.run_state import RunState
from lrwidget.live.runs import Runs
from lrwidget.live.words import LABELS, in_labels, verdict_on

if TYPE_CHECKING:
    import pandas as pd


class Session:
    """The state behind a widget.

    Parameters
    ----------
    settings
        What the first run runs with.
    clock
        Seconds, rising.

    Attributes
    ----------
    runs
        The curves of now and before.
    """

    def __init__(self, settings: LearningRateFinder, clock: Callable[[], float] = perf_counter) -> None:
        self._lock = threading.RLock()
        self._clock = clock
        self._settings = settings
        self._refusal = ""
        self._failure: Failure | None = None
        self._run: Run[Any] | None = None
        self.runs = Runs(self._lock)
        self._status = ""
        self._num_steps = settings.num_steps
        self._reader = Reader(clock)
        self._guidance = Guidance(self._reader)
        self._budget = DrawBudget()
        self._curves = CurveMaker(settings)
        self._progress = Progress(RunState.IDLE, 0, settings.num_steps)

    # --- intents: any thread, no waiting ---

    def change(self, **settings: Any) -> None:
        """Change settings; those of the sweep apply to the next run.

        Parameters
        ----------
        **settings
            Fields of `LearningRateFinder`.

        Raises
        ------
        TypeError, ValueError
            As the finder itself; the old settings stay, and the frames say why.
        """
        with self._lock:
            try:
                self._settings = dataclasses.replace(self._settings, **settings)
            except (TypeError, ValueError) as error:
                self._refusal = in_labels(str(error))
                raise
            self._refusal = ""

    def propose(self, **settings: Any) -> None:
        """As `change`, from a control: a value that makes no sense leaves only its reason in the frames."""
        with suppress(TypeError, ValueError):
            self.change(**settings)

    def propose_text(self, name: str, text: str) -> None:
        """As `propose`, of a number that was typed."""
        is_count = name == "num_steps"
        try:
            number = typed_count(text) if is_count else float(text)
        except ValueError:
            wanted = (
                "a whole number of steps, such as 100" if is_count else f"a number for {LABELS[name]}, such as 3.2e-2"
            )
            with self._lock:
                self._refusal = f"need {wanted}, got {text!r}"
            return
        self.propose(**{name: number})

    def propose_choice(self, text: str) -> None:
        """Take the rate that was typed, nothing for the suggestion; what is none leaves its reason in the frames."""
        with self._lock:
            try:
                self.choose(float(text) if text.strip() else None)
            except ValueError:
                self._refusal = f"need a selected LR > 0, such as 3.2e-2, got {text!r}"
            else:
                self._refusal = ""

    def choose(self, lr: float | None) -> None:
        """Take the user's learning rate, or None to follow the suggestion; errors as for `Guidance.choose`."""
        with self._lock:
            self._guidance.choose(lr)

    def follow_rule(self, rule: str) -> None:
        """Suggest by that rule from now on; the user's choice stays. Errors as for `Reader.follow_rule`."""
        with self._lock:
            self._reader.follow_rule(rule)

    def show_typical(self, architecture: str | None) -> None:
        """Show the usual range of that architecture, or none; errors as for `Guidance.show_typical`."""
        with self._lock:
            self._guidance.show_typical(architecture)

    def show_log(self, log: bool) -> None:
        """Put the losses on a logarithmic axis, or back on a linear one."""
        with self._lock:
            self._curves.show_log(log)

    def begin(self, run: Run[Any], num_steps: int | None = None) -> None:
        """Follow this run, made with the settings of now; the curve before it joins the earlier ones.

        Parameters
        ----------
        run
            It need not have started.
        num_steps
            How many records it will give, if that is not the sweep's number of steps.

        Raises
        ------
        RuntimeError
            If a run is under way.
        """
        with self._lock:
            self._check_idle()
            self._run = run
            self._num_steps = num_steps or self._settings.num_steps
            self.runs.begin(self._settings)
            self._reader.begin()
            self._budget = DrawBudget()
            self._curves.begin()
            self._failure = None

    def clear(self) -> None:
        """Forget all curves and the user's choice; the settings stay.

        Raises
        ------
        RuntimeError
            If a run is under way.
        """
        with self._lock:
            self._check_idle()
            self.runs.clear()
            self._reader.begin()
            self._guidance.choose(None)
            self._failure, self._status = None, ""
            self._progress = Progress(RunState.IDLE, 0, self._settings.num_steps)

    def restore_settings(self, number: int) -> None:
        """Take the settings of that run for the next one."""
        with self._lock:
            self._settings, self._refusal = self.runs.find(number).settings, ""

    def note_failure(self, error: BaseException) -> None:
        """Show an exception that no run is to blame for."""
        failure = Failure.of(error)
        with self._lock:
            self._failure = failure

    def dismiss_failure(self) -> None:
        """Show it no longer."""
        with self._lock:
            self._failure = None

    # --- what there is to know ---

    @property
    def settings(self) -> LearningRateFinder:
        """What the next run runs with."""
        return self._settings

    @property
    def is_busy(self) -> bool:
        """Whether a run is under way."""
        run = self._run
        return run is not None and not run.has_ended()

    def to_dataframe(self, all_runs: bool = False) -> pd.DataFrame:
        """The curve as a table, smoothed as it is shown; see `Measurement.to_dataframe`."""
        with self._lock:
            self._follow()
            return self.runs.to_dataframe(self._settings.smooth_factor, all_runs)

    def complete(self) -> None:
        """Look at what the last frame could wait for: the suggestions of all rules."""
        found = self._reader.completed()  # without the lock: it may take a while
        if found is not None:
            with self._lock:
                self._reader.complete(*found)

    def frame(self) -> Frame:
        """What is to be seen now. Takes in what the run has recorded, and its end."""
        with self._lock:
            self._follow()
            guide, progress = self._guidance.guide(), self._progress
            remark = " ".join(text for text in (self._status, self._guidance.remark(guide)) if text)
            return Frame(
                state=progress.state,
                num_begun=self.runs.num_begun,
                settings=self._settings,
                architecture=self._guidance.architecture,
                refusal=self._refusal,
                progress=progress,
                curve=self._curve(),
                guide=guide,
                verdict=verdict_on(progress, self._reader.reading, remark),
                runs=self.runs.entries(),
                failure=self._failure,
                result=self.runs.current.result if self.runs.current is not None else None,
                is_complete=not self._reader.is_incomplete,
            )

    # --- inside: the lock is held ---

    def _check_idle(self) -> None:
        self._follow()
        if self._run is not None:
            raise RuntimeError("a run is under way; call stop() or wait() first")

    def _follow(self) -> None:
        run, current = self._run, self.runs.current
        if run is None or current is None:
            return
        ended = run.has_ended()  # asked first: what is recorded after it is seen next time
        self._adopt(run)
        self._progress = progress_of(run, ended, self._num_steps)
        if not ended:
            current.follow(run.records)
            self._reader.look(current.lrs, current.losses)
        else:
            current.finish(run.result)
            self._run = None
            self._failure = run.failure
            self._reader.finish(run.result)

    def _adopt(self, run: Run[Any]) -> None:
        """Where the run only watches another one: take over that one's settings, and what is said of it."""
        self._status = run.status
        if self.runs.current is not None and run.settings not in (None, self.runs.current.settings):
            assert run.settings is not None
            self._settings = self.runs.current.settings = run.settings
            self._num_steps = run.settings.num_steps

    def _curve(self) -> DrawnCurve:
        """The curve to draw; while it grows no oftener than the budget allows, a change of view at once."""
        current, shown = self.runs.current, self.runs.shown
        now, last = self._clock(), self._curves.last
        is_growth = self._run is not None and self._curves.is_fresh(current, shown, self._settings)
        if is_growth and not self._budget.allows(now, self._progress.num_done / self._progress.num_steps):
            return last
        started = thread_time()  # not the clock's: a busy machine must not make the curve stutter
        curve = self._curves.make(current, shown, self._settings)
        self._budget.note_cost(thread_time() - started)
        if is_growth and curve is not last:
            self._budget.note(now)  # a look at a slow run that finds nothing new costs the browser nothing
        return curve
