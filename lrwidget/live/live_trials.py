"""Short trainings that can be watched: what one run of them has recorded, its lines, and how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from time import perf_counter

from lrwidget.live import verify_words
from lrwidget.live.budget import DrawBudget
from lrwidget.live.failure import Failure
from lrwidget.live.run import Run
from lrwidget.live.run_state import RunState
from lrwidget.live.series import Series
from lrwidget.live.trial_lines import LineMaker
from lrwidget.live.words import STOPPING, duration
from lrwidget.result import StepRecord
from lrwidget.verify import TrialRecord
from lrwidget.verify_result import VerifyResult


class LiveTrials:
    """Follows one run after the other. Knows no threads: whoever owns it holds a lock around each call.

    Parameters
    ----------
    name
        What a run is called where a second one is refused.

    Attributes
    ----------
    lines
        Draws them.
    series
        What each training has recorded, in the order in which they were begun.
    state, result, failure, is_displaced
        Of the newest run, as far as it has been followed.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._run: Run[TrialRecord] | None = None
        self._budget = DrawBudget()
        self._num_followed = 0
        self.lines = LineMaker()
        self.series: list[Series] = []
        self.state = RunState.IDLE
        self.result: VerifyResult | None = None
        self.failure: Failure | None = None
        self.is_displaced = False

    @property
    def is_under_way(self) -> bool:
        """Whether there is a run whose end has not been followed."""
        return self._run is not None

    @property
    def is_stopping(self) -> bool:
        """Whether the run ends after the step under way."""
        return self._run is not None and self._run.is_unwanted()

    def forget(self, num_steps: int) -> None:
        """Forget what came out; trainings of so many steps are next."""
        self.result, self.failure, self.state = None, None, RunState.IDLE
        self.series, self._num_followed = [], 0
        self.lines.begin(num_steps)

    def begin(self, run: Run[TrialRecord], num_steps: int) -> None:
        """Follow this run of trainings of so many steps; it need not have started.

        Raises
        ------
        RuntimeError
            If one is under way.
        """
        self.follow()
        if self._run is not None:
            raise RuntimeError(f"{self._name} is under way; stop it or wait for it first")
        self.forget(num_steps)
        self._run, self.state, self._budget = run, RunState.RUNNING, DrawBudget()

    def follow(self) -> None:
        """Take in what the run has recorded since, and its end."""
        run = self._run
        if run is None:
            return
        ended = run.has_ended()  # asked first: what is recorded after it is seen next time
        new = run.records[self._num_followed :]
        for index, group in groupby(new, lambda record: record.trial):
            while index is not None and index >= len(self.series):
                self.series.append(Series())
            self.series[index or 0].extend([StepRecord(*record[1:]) for record in group])
        self._num_followed += len(new)
        self.state = run.state if ended or run.is_active else RunState.RUNNING
        if ended:
            self._run, self.result, self.failure = None, run.result, run.failure
            self.is_displaced = run.is_displaced

    def draw(self, places: Sequence[int | None], num_trials: int) -> None:
        """Bring the lines up to date as often as may be; in the end always.

        Parameters
        ----------
        places
            Where each training belongs among the lines; None for one that is not drawn.
        num_trials
            How many there will be.
        """
        now, is_final = perf_counter(), self._run is None
        total = max(1, self.lines.num_steps * num_trials)
        if not is_final and not self._budget.allows(now, min(1.0, self._num_followed / total)):
            return
        losses = {place: s.losses for place, s in zip(places, self.series, strict=False) if place is not None}
        if self.lines.draw(losses, is_final) and not is_final:
            self._budget.note(now)
            self._budget.note_cost(perf_counter() - now)

    def progress(self, num_trials: int) -> tuple[float, str]:
        """How far the run of so many trainings is: as a share and in words."""
        run = self._run
        if run is None or not self.series:
            return 0.0, "" if run is None else STOPPING if self.is_stopping else "starting"
        each, trial = self.lines.num_steps, len(self.series) - 1
        done = trial * each + len(self.series[-1])  # the steps that early ends have saved count as done
        rate = run.steps_per_second()
        rest = "" if rate is None else f"{duration((each * num_trials - done) / rate)} left"
        rest = STOPPING if self.is_stopping else rest
        return done / (each * num_trials), verify_words.progress(trial, num_trials, done, each * num_trials, rest)
