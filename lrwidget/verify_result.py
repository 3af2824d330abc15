"""What a verification leaves behind: the trainings, their ranking, and the rate to train with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from lrwidget.result import RangeTestResult, StopReason
from lrwidget.trials import TIED, Standing, Trial, is_without_effect, rank
from lrwidget.verify_plan import of_trainings

if TYPE_CHECKING:
    import pandas as pd

NO_EFFECT = (
    "The learning rate changes nothing: all trainings have the same losses. Is optimizer.step() called, and does the "
    "optimizer hold this model's parameters?"
)
_COLUMNS = ["trial", "lr", "step", "step_lr", "loss", "smoothed_loss"]


@dataclass(frozen=True, eq=False, repr=False)
class VerifyResult:
    """What short trainings at several learning rates have shown.

    Parameters
    ----------
    trials
        The trainings, by rising learning rate.
    num_steps
        How many steps each training was to take.
    centre_lr
        The rate that they were to verify, or None.
    range_test
        The range test that came first, or None.
    stop_reason
        Why the verification ended.
    error
        What broke it, as text, where its reason is failed or interrupted.
    seconds
        Wall time of all together.
    """

    trials: tuple[Trial, ...]
    num_steps: int
    centre_lr: float | None = None
    range_test: RangeTestResult | None = None
    stop_reason: StopReason = StopReason.COMPLETED
    error: str | None = None
    seconds: float = 0.0

    @property
    def ranking(self) -> list[Standing]:
        """The trials, best first; those that came to no end last, by rising learning rate."""
        return rank(self.trials)

    @property
    def tied_lrs(self) -> list[float]:
        """The rates that cannot be told from the best one, itself included, rising; none where there is no best one."""
        return sorted(standing.lr for standing in _tied(self.ranking)) if self.is_compared else []

    @property
    def best(self) -> Trial | None:
        """The one to train with: a suggestion that nothing speaks against, or else the best of the trials.

        A suggestion (`centre_lr`) is left only for a rate that is surely better: it is kept if it cannot be told from
        the lowest final loss, or is catching up with it, as a lead that melts away may turn around. Otherwise it is
        the trial with the lowest final loss; of several that cannot be told apart the one nearest to the geometric
        mean of their rates, and of two as near to it the lower: what a short training does not tell apart, a longer
        one does by what the higher rate no longer gains. None if no training came to an end, if even the lowest one
        ended above its start, if the rate changes nothing, and if nothing `is_compared`; see `reason`.
        """
        tied = _tied(self.ranking) if self.is_compared else []
        if not tied:
            return None
        logs = [math.log(standing.lr) for standing in tied]
        middle = float(np.mean(logs))
        place = min(range(len(tied)), key=lambda i: (round(abs(logs[i] - middle), 9), logs[i]))
        kept = next((s for s in self.ranking if self._is_centre(s.lr) and s.verdict in (*TIED, "catching up")), None)
        return self.trials[(kept or tied[place]).trial]

    def _is_centre(self, lr: float) -> bool:
        return self.centre_lr is not None and math.isclose(lr, self.centre_lr, rel_tol=1e-6)

    @property
    def best_lr(self) -> float | None:
        """The learning rate of `best`: the one to train with."""
        best = self.best
        return None if best is None else best.lr

    @property
    def is_compared(self) -> bool:
        """Whether there is anything to compare: two trainings of a verification that was cut short, all of a whole."""
        num_told = sum(standing.verdict != "not finished" for standing in self.ranking)
        return self.stop_reason is StopReason.COMPLETED or num_told > 1

    @property
    def is_without_effect(self) -> bool:
        """Whether all trainings have the same losses, whatever their rates."""
        return is_without_effect(self.trials)

    @property
    def reason(self) -> str | None:
        """Why there is no rate to train with; None where there is one."""
        if self.best is not None:
            return None
        if self.is_without_effect:
            return NO_EFFECT
        if not self.trials:
            found = None if self.range_test is None else self.range_test.suggest()
            return found.reason if found is not None and found.lr is None else "No training was begun."
        if all(standing.verdict == "not finished" for standing in self.ranking):
            return "No training came to its end."
        if not self.is_compared:
            return "Only one training came to its end."
        return "No training ended with a lower loss than it began with."

    @property
    def leading_lr(self) -> float | None:
        """The rate with the lowest final loss where `best_lr` is catching up with it, else None."""
        best = self.best
        is_behind = any(s.verdict == "catching up" for s in self.ranking if best is self.trials[s.trial])
        return self.ranking[0].lr if is_behind else None

    @property
    def edge(self) -> Literal["lowest", "highest"] | None:
        """Whether the best rate is the lowest or the highest one tried, so that a better one may lie beyond.

        None also where it cannot be told from others: then the end of the range is not where it gets better; and where
        not all rates have been tried.
        """
        best = self.best if self.stop_reason is StopReason.COMPLETED else None
        if best is None or len(self.trials) < 2 or len(self.tied_lrs) > 1 or self.leading_lr is not None:
            return None
        return "lowest" if best is self.trials[0] else "highest" if best is self.trials[-1] else None

    @property
    def num_steps_taken(self) -> int:
        """Steps trained in all, the range test's included."""
        return sum(len(trial.losses) for trial in self.trials) + len(self.range_test or ())

    def to_dataframe(self) -> pd.DataFrame:
        """One row per step: trial, lr (of the trial), step, step_lr, loss, smoothed_loss."""
        import pandas as pd

        frames = [pd.DataFrame(_columns(index, trial)) for index, trial in enumerate(self.trials)]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=_COLUMNS)

    def ranking_dataframe(self) -> pd.DataFrame:
        """One row per trial, best first: the fields of `lrwidget.trials.Standing`."""
        import pandas as pd

        rows = [vars(standing) for standing in self.ranking]
        return pd.DataFrame(rows, columns=list(Standing.__dataclass_fields__)).astype({"rank": "Int64"})

    def __repr__(self) -> str:
        best = f"best_lr={self.best_lr}" if self.reason is None else f"best_lr=None ({self.reason})"
        trainings = "1 training" if len(self.trials) == 1 else f"{len(self.trials)} trainings"
        return f"<VerifyResult: {trainings}, {best}, {self.stop_reason}>"

    def __str__(self) -> str:
        return "\n".join([_headline(self), *_table(self.ranking), *_conclusion(self)])


def _tied(ranking: Sequence[Standing]) -> list[Standing]:
    """The best one and what cannot be told from it; none where the first one is not worth training with."""
    if not ranking or ranking[0].verdict != "best":
        return []
    return [standing for standing in ranking if standing.verdict in TIED]


def _columns(index: int, trial: Trial) -> dict[str, object]:
    values = (index, trial.lr, np.arange(len(trial.losses)), trial.lrs, trial.losses, trial.smoothed())
    return dict(zip(_COLUMNS, values, strict=True))


def _headline(result: VerifyResult) -> str:
    test = "1 range test and " if result.range_test is not None else ""
    trainings = f"{of_trainings(len(result.trials), result.num_steps)} from the same state"
    what = test + (trainings if result.trials else "no training")
    early = sum(standing.rank is None and standing.num_steps < result.num_steps for standing in result.ranking)
    saved = f", {early} ended early" if early else ""
    return f"Verify: {what}, {result.num_steps_taken:,} steps in all{saved}, {result.stop_reason}"


def _table(ranking: Sequence[Standing]) -> list[str]:
    lines = ["rank  lr       final loss"]
    for s in ranking:
        if s.final_loss is None or s.excess is None:
            lines.append(f"   -  {s.lr:.1e}  {s.verdict} at step {s.num_steps}")
            continue
        above = "" if s.rank == 1 else f", by {s.excess:.2g} ± {s.excess_error:.1g}"
        verdict = "lowest" if s.verdict == "best" else s.verdict  # the best LR may be another, that is as good
        lines.append(f"{s.rank:>4}  {s.lr:.1e}  {s.final_loss:.4g} ± {s.final_error:.1g}  {verdict}{above}")
    return lines if ranking else []


def _conclusion(result: VerifyResult) -> list[str]:
    if result.best_lr is None:
        return ["Best LR: none", *([] if result.reason is None else [result.reason]), *_remedies(result)]
    lines = [f"Best LR: {result.best_lr:.1e}"]
    if result.leading_lr is not None:
        lines.append(f"It is catching up with {result.leading_lr:.1e}, whose lead melts away.")
        return lines
    others = [lr for lr in result.tied_lrs if lr != result.best_lr]
    if others:
        lines.append("As good, as far as this shows: " + ", ".join(f"{lr:.1e}" for lr in others) + ".")
    if result.edge is not None:
        beyond = "lower" if result.edge == "lowest" else "higher"
        lines.append(f"It is the {result.edge} rate tried: a {beyond} one may train better still.")
    return lines


def _remedies(result: VerifyResult) -> list[str]:
    """What would help where the range test suggested nothing, so that nothing was trained."""
    test = result.range_test
    if result.trials or test is None or test.suggested_lr is not None:
        return []
    remedies = [test.diagnosis.advice]
    if test.diagnosis.needs_repeats:
        remedies.append("Short trainings may show more all the same: verify(train_step, lrs=[1e-4, 1e-3, 1e-2]).")
    return remedies
