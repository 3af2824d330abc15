"""Everything the Verify tab knows, without a widget: the rates to try, the trainings under way, what came out."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import groupby
from time import perf_counter
from typing import Any

from lrwidget.finder import LearningRateFinder
from lrwidget.live import verify_words
from lrwidget.live.budget import DrawBudget
from lrwidget.live.failure import Failure
from lrwidget.live.frames import Frame
from lrwidget.live.run import Run, RunState
from lrwidget.live.series import Series
from lrwidget.live.verify_frames import TrialRow, VerifyFrame
from lrwidget.live.verify_lines import LineMaker
from lrwidget.result import RangeTestResult, StepRecord
from lrwidget.steps import TrainStep
from lrwidget.trials import Standing
from lrwidget.verify import TrialRecord, Verification
from lrwidget.verify_plan import FACTOR, lrs_around, plan
from lrwidget.verify_result import VerifyResult

MOST_LRS = 9
_SAME = 1e-6  # relative: two rates that read the same are the same


class VerifyModel:
    """The state behind the Verify tab.

    Parameters
    ----------
    settings
        The finder's, until a frame tells other ones.
    clock
        Seconds, rising.
    """

    def __init__(self, settings: LearningRateFinder, clock: Callable[[], float] = perf_counter) -> None:
        self._lock = threading.RLock()
        self._clock = clock
        self._settings = settings
        self._selected_lr: float | None = None
        self._range_test: RangeTestResult | None = None
        self._num_range_tests = 0
        self._is_range_test_busy = False
        self._lrs: list[float] = []
        self._is_around = True
        self._num_steps: int | None = None
        self._refusal = ""
        self._note = ""
        self._failure: Failure | None = None
        self._run: Run[TrialRecord] | None = None
        self._job: Verification | None = None
        self._series: list[Series] = []
        self._num_followed = 0
        self._state = RunState.IDLE
        self._result: VerifyResult | None = None
        self._lines = LineMaker()
        self._budget = DrawBudget()

    # --- intents: any thread, no waiting ---

    def add(self, text: str) -> None:
        """Add the rate that was typed; what is none leaves its reason in the frames."""
        try:
            lr = float(text)
        except ValueError:
            lr = math.nan
        with self._lock:
            self._plan_around()
            if not 0 < lr < math.inf:
                self._refusal = f"need a learning rate > 0, got {text!r}; write it as 3.2e-2 or 0.032"
            elif any(_is_same(lr, other) for other in self._lrs):
                self._refusal = f"need another learning rate, got {text!r}, which is in the list"
            elif len(self._lrs) >= MOST_LRS:
                self._refusal = f"need at most {MOST_LRS} learning rates; remove one first"
            else:
                self._lrs = sorted([*self._lrs, lr])
                self._is_around, self._refusal = False, ""

    def remove(self, lr: float) -> None:
        """Take a rate out of the list."""
        with self._lock:
            self._plan_around()
            self._lrs = [other for other in self._lrs if not _is_same(lr, other)]
            self._is_around, self._refusal = False, ""

    def follow_selected(self) -> None:
        """Forget what came out; try five rates around the selected one, and follow it from now on."""
        with self._lock:
            if not self.is_busy:
                self._forget()
                self._is_around, self._refusal = True, ""

    def set_num_steps(self, text: str) -> None:
        """Take the number of steps that was typed; nothing for that of the range test."""
        with self._lock:
            try:
                num_steps = int(text) if text.strip() else None
                plan(self._settings, [1.0], num_steps)
            except ValueError:
                self._refusal = f"need a whole number of steps >= 2, got {text!r}"
            else:
                self._num_steps, self._refusal = num_steps, ""

    def show_log(self, log: bool) -> None:
        """Draw logarithms of the losses, or the losses again."""
        with self._lock:
            self._lines.show_log(log)

    def dismiss_failure(self) -> None:
        """Show the exception no longer."""
        with self._lock:
            self._failure = None

    def follow(self, frame: Frame) -> None:
        """Take in what the rest of the widget shows: the selected rate, the settings, the newest range test."""
        with self._lock:
            self._settings = frame.settings
            self._selected_lr = frame.guide.selected_lr
            self._range_test = frame.result or self._range_test
            self._is_range_test_busy = frame.state in (RunState.RUNNING, RunState.PAUSED)
            if frame.num_begun != self._num_range_tests:
                self._num_range_tests = frame.num_begun
                self.follow_selected()  # another curve: what came out before was about another suggestion

    def make_job(self, train_step: TrainStep) -> Verification:
        """The verification of the rates in the list.

        Raises
        ------
        ValueError
            If there is no rate in it.
        """
        with self._lock:
            self._plan_around()
            self._note = "" if isinstance(train_step, AbstractContextManager) else verify_words.NOT_RESTORED
            # Among rates that are equally good the one that the marker stands on, or stands nearest to, is kept.
            return Verification(self._settings, train_step, self._lrs, self._steps_of_each(), around=self._selected_lr)

    def begin(self, run: Run[Any], job: Verification) -> None:
        """Follow this run of that job; it need not have started.

        Raises
        ------
        RuntimeError
            If one is under way.
        """
        with self._lock:
            self._follow_run()
            if self._run is not None:
                raise RuntimeError("a verification is under way; stop it or wait for it first")
            self._forget()
            self._run, self._job, self._state = run, job, RunState.RUNNING
            self._is_around = False  # what is compared must not change with the marker
            self._budget = DrawBudget()

    # --- what there is to know ---

    @property
    def is_busy(self) -> bool:
        """Whether a verification is under way."""
        run = self._run
        return run is not None and not run.has_ended()

    @property
    def lrs(self) -> list[float]:
        """The rates in the list, rising."""
        with self._lock:
            self._plan_around()
            return list(self._lrs)

    @property
    def result(self) -> VerifyResult | None:
        """Of the last verification, once it has ended."""
        return self._result

    def frame(self) -> VerifyFrame:
        """What is to be seen now. Takes in what the run has recorded, and its end."""
        with self._lock:
            self._follow_run()
            self._plan_around()
            self._draw()
            result = self._result
            conclusion = "" if result is None else verify_words.conclusion(result)
            best = None if result is None else result.best_lr
            fraction, progress = self._progress()
            return VerifyFrame(
                state=self._state,
                rows=self._rows(),
                lines=dict(self._lines.lines),
                num_steps=self._steps_of_each(),
                step_range=(0.0, float(max(1, self._lines.num_steps - 1))),
                loss_range=self._lines.loss_range,
                log=self._lines.log,
                budget=self._budget_words(),
                progress=progress,
                fraction=fraction,
                conclusion=conclusion,
                mood="neutral" if result is None else "good" if best is not None else "bad",
                best_lr=best,
                beyond_lr=_beyond(result, self._lrs),
                is_around=self._is_around,
                can_start=bool(self._lrs) and self._is_idle,
                can_repeat=self._is_idle,
                note=self._note,
                refusal=self._refusal,
                failure=self._failure,
                result=result,
            )

    # --- inside: the lock is held ---

    def _forget(self) -> None:
        self._result, self._failure, self._job = None, None, None
        self._series, self._num_followed = [], 0
        self._state = RunState.IDLE
        self._lines.begin(self._steps_of_each())

    def _plan_around(self) -> None:
        if self._is_around:
            lr = self._selected_lr
            self._lrs = [] if lr is None else lrs_around(lr).tolist()

    def _steps_of_each(self) -> int:
        return self._settings.num_steps if self._num_steps is None else self._num_steps

    def _follow_run(self) -> None:
        run = self._run
        if run is None:
            return
        ended = run.has_ended()  # asked first: what is recorded after it is seen next time
        new = run.records[self._num_followed :]
        for index, group in groupby(new, lambda record: record.trial):
            while index is not None and index >= len(self._series):
                self._series.append(Series())
            self._series[index or 0].extend([StepRecord(*record[1:]) for record in group])
        self._num_followed += len(new)
        self._state = run.state if ended or run.is_active else RunState.RUNNING
        if ended:
            self._run, self._result, self._failure = None, run.result, run.failure

    @property
    def _is_idle(self) -> bool:
        """Whether the model to be trained is free."""
        return self._run is None and not self._is_range_test_busy

    def _begun_lrs(self) -> list[float]:
        return [] if self._job is None else self._job.begun_lrs[: len(self._series)]

    def _draw(self) -> None:
        now = self._clock()
        total = max(1, self._steps_of_each() * len(self._lrs))
        if self._run is not None and not self._budget.allows(now, min(1.0, self._num_followed / total)):
            return
        places = [self._place(lr) for lr in self._begun_lrs()]
        losses = {place: s.losses for place, s in zip(places, self._series, strict=False) if place is not None}
        if self._lines.draw(losses, is_final=self._run is None) and self._run is not None:
            self._budget.note(now)
            self._budget.note_cost(self._clock() - now)

    def _place(self, lr: float) -> int | None:
        return next((place for place, other in enumerate(self._lrs) if _is_same(lr, other)), None)

    def _budget_words(self) -> str:
        if not self._lrs:
            return "Run a range test, or add the learning rates to try."
        return verify_words.budget(plan(self._settings, self._lrs, self._steps_of_each()), self._range_test)

    def _progress(self) -> tuple[float, str]:
        run = self._run
        if run is None or not self._series:
            return (0.0, "starting") if run is not None else (0.0, "")
        each, num_trials = self._steps_of_each(), len(self._lrs)
        trial, step = len(self._series) - 1, len(self._series[-1])
        done = trial * each + step  # the steps that early ends have saved count as done
        rate = run.steps_per_second()
        left = None if rate is None else (each * num_trials - done) / rate
        return done / (each * num_trials), verify_words.progress(trial, num_trials, done, each * num_trials, left)

    def _rows(self) -> tuple[TrialRow, ...]:
        result = self._result or (self._job.result if self._job is not None else None)
        standings = {} if result is None else {self._place(s.lr): s for s in result.ranking}
        best = None if self._result is None else self._result.best_lr
        rows = [self._row(place, lr, standings.get(place), best) for place, lr in enumerate(self._lrs)]
        if self._result is not None:
            order = {place: i for i, place in enumerate(standings)}
            rows.sort(key=lambda row: order.get(row.place, len(order)))
        return tuple(rows)

    def _row(self, place: int, lr: float, standing: Standing | None, best: float | None) -> TrialRow:
        begun = self._begun_lrs()
        is_active = self._run is not None and bool(begun) and _is_same(begun[-1], lr)
        words, detail, rank = "", "", None
        if is_active:
            words, detail = f"step {len(self._series[-1]):,}", "training"
        elif standing is not None:
            (words, detail), rank = verify_words.standing(standing), standing.rank
        elif self._run is not None:
            detail = "waiting"
        return TrialRow(
            lr=lr,
            place=place,
            rank=rank if self._result is not None else None,
            words=words,
            detail=detail,
            is_active=is_active,
            is_best=best is not None and _is_same(best, lr),
            is_tied=best is not None and standing is not None and standing.verdict in ("best", "as good"),
            is_selected=self._selected_lr is not None and _is_same(self._selected_lr, lr),
        )


def _is_same(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=_SAME)


def _beyond(result: VerifyResult | None, lrs: list[float]) -> float | None:
    """A rate beyond the edge at which the best one lies, if it is not in the list already."""
    if result is None or result.best_lr is None or result.edge is None:
        return None
    lr = result.best_lr / FACTOR if result.edge == "lowest" else result.best_lr * FACTOR
    lies_beyond = lrs and (lr < lrs[0] if result.edge == "lowest" else lr > lrs[-1])
    return float(f"{lr:.1e}") if lies_beyond and len(lrs) < MOST_LRS else None
