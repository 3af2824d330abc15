"""Everything the Verify tab knows, without a widget: the rates to try, the trainings under way, what came out."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager
from typing import Any

from lrwidget.axes import short_number
from lrwidget.finder import LearningRateFinder
from lrwidget.live import verify_words
from lrwidget.live.frames import Frame
from lrwidget.live.run import Run
from lrwidget.live.trials_model import TrialsModel
from lrwidget.live.verify_frames import TrialRow, VerifyFrame
from lrwidget.steps import TrainStep
from lrwidget.trials import Standing
from lrwidget.verify import Verification
from lrwidget.verify_plan import FACTOR, lrs_around, plan
from lrwidget.verify_result import VerifyResult

MOST_LRS = 9
_SAME = 1e-6  # relative: two rates that read the same are the same


class VerifyModel(TrialsModel):
    """The state behind the Verify tab.

    Parameters
    ----------
    settings
        The finder's, until a frame tells other ones.
    """

    def __init__(self, settings: LearningRateFinder) -> None:
        super().__init__(settings, "a verification")
        self._selected_lr: float | None = None
        self._num_range_tests = 0
        self._lrs: list[float] = []
        self._is_around = True
        self._note = ""
        self._job: Verification | None = None

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
            self._trials.follow()
            if not self._trials.is_under_way:
                self._forget()
                self._is_around, self._refusal, self._note = True, "", ""

    def follow(self, frame: Frame) -> None:
        """Take in what the rest of the widget shows: the selected rate, the settings, the newest range test."""
        with self._lock:
            self._heed(frame)
            self._selected_lr = frame.guide.selected_lr
            self._trials.follow()
            # A range test ends a verification under way, and what has become of that is seen first.
            if frame.num_begun != self._num_range_tests and not self._trials.is_under_way:
                is_overtaken = self._trials.result is not None and self._trials.is_displaced
                self._num_range_tests = frame.num_begun
                self.follow_selected()  # another curve: what came out before was about another suggestion
                self._note = verify_words.OVERTAKEN if is_overtaken else ""

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
            return Verification(self._settings, train_step, self._lrs, self._steps_of_each, around=self._selected_lr)

    def begin(self, run: Run[Any], job: Verification) -> None:
        """Follow this run of that job; it need not have started.

        Raises
        ------
        RuntimeError
            If one is under way.
        """
        with self._lock:
            self._trials.begin(run, job.plan.num_steps)
            self._job = job
            self._is_around, self._refusal = False, ""  # what is compared must not change with the marker

    # --- what there is to know ---

    def catch_up(self) -> None:
        """Take in what the run has recorded, and its end, whether anybody looks or not."""
        with self._lock:
            self._trials.follow()

    def frame(self) -> VerifyFrame:
        """What is to be seen now. Takes in what the run has recorded, and its end."""
        with self._lock:
            trials = self._trials
            trials.follow()
            self._plan_around()
            trials.draw([self._place(lr) for lr in self._begun_lrs()], len(self._lrs))
            result = trials.result
            conclusion = "" if result is None else verify_words.conclusion(result, len(self._lrs), trials.is_displaced)
            best = None if result is None else result.best_lr
            fraction, progress = trials.progress(len(self._lrs))
            rows = self._rows()
            return VerifyFrame(
                state=trials.state,
                is_stopping=trials.is_stopping,
                rows=rows,
                lines=dict(trials.lines.lines),
                names={row.place: short_number(row.lr) for row in rows},
                best_place=next((row.place for row in rows if row.is_best), None),
                num_steps=self._steps_of_each,
                step_range=(0.0, float(max(1, trials.lines.num_steps - 1))),
                loss_range=trials.lines.loss_range,
                log=trials.lines.log,
                budget=self._budget_words(),
                progress=progress,
                fraction=fraction,
                conclusion=conclusion,
                mood="good" if best is not None else "bad" if result is not None and result.is_compared else "neutral",
                best_lr=best,
                beyond_lr=_beyond(result, self._lrs),
                can_start=bool(self._lrs) and self._is_idle,
                can_repeat=self._is_idle,
                note=self._note,
                refusal=self._refusal,
                failure=trials.failure,
                result=result,
            )

    # --- inside: the lock is held ---

    def _forget(self) -> None:
        self._job = None
        self._trials.forget(self._steps_of_each)

    def _plan_around(self) -> None:
        if self._is_around:
            lr = self._selected_lr
            self._lrs = [] if lr is None else lrs_around(lr).tolist()

    @property
    def _is_idle(self) -> bool:
        """Whether the model to be trained is free."""
        return not self._trials.is_under_way and not self._is_range_test_busy

    def _begun_lrs(self) -> list[float]:
        return [] if self._job is None else self._job.begun_lrs[: len(self._trials.series)]

    def _place(self, lr: float) -> int | None:
        return next((place for place, other in enumerate(self._lrs) if _is_same(lr, other)), None)

    def _budget_words(self) -> str:
        if not self._lrs:
            return "Run a range test, or add the learning rates to try."
        return verify_words.budget(plan(self._settings, self._lrs, self._steps_of_each), self._range_test)

    def _rows(self) -> tuple[TrialRow, ...]:
        result = self._trials.result or (self._job.result if self._job is not None else None)
        standings = {} if result is None else {self._place(s.lr): s for s in result.ranking}
        best = None if self._trials.result is None else self._trials.result.best_lr
        rows = [self._row(place, lr, standings.get(place), best) for place, lr in enumerate(self._lrs)]
        if self._trials.result is not None:
            order = {place: i for i, place in enumerate(standings)}
            rows.sort(key=lambda row: order.get(row.place, len(order)))
        return tuple(rows)

    def _row(self, place: int, lr: float, standing: Standing | None, best: float | None) -> TrialRow:
        begun, result = self._begun_lrs(), self._trials.result
        is_compared = result is not None and result.is_compared
        is_active = self._trials.is_under_way and bool(begun) and _is_same(begun[-1], lr)
        words, detail, rank = "", "", None
        if is_active:
            words, detail = f"step {len(self._trials.series[-1]):,}", "training"
        elif standing is not None:
            (words, detail), rank = verify_words.standing(standing, self._trials.lines.num_steps), standing.rank
        elif self._trials.is_under_way:
            detail = "waiting"
        return TrialRow(
            lr=lr,
            place=place,
            rank=rank if is_compared else None,
            words=words,
            detail=detail if is_compared or self._trials.is_under_way else "",
            is_active=is_active,
            is_best=best is not None and _is_same(best, lr),
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
