"""Does a suggested learning rate train well? Rules scored on recorded range tests and recorded trainings.

`data/public.json` holds 30 small training tasks. For each there are recorded range tests from 1e-7 to 10 (three of 100
steps on other batches, one of 300 steps, one that repeats a single batch) and the final loss of real training at each
of 27 to 45 constant learning rates from the same start.

The regret of a rate is (L(lr) - L_best) / (L_start - L_best), interpolated in log lr between the trained rates: 0 is
as good as the best of them, 1 is no better than not training. A run that ends above its start, or diverges, counts as
its start; no suggestion counts as 1.

`data/further.json` holds 40 others of the same kinds, made later: of the default rule only the signs of an unstable
training, and the share of the fall that is most of it with its lag, were set with them in view (the latter on two
hundred more). They have no range test that repeats a single batch.

`data/pathological.json` holds curves with an expected diagnosis, and a band for the suggestion or none.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lrwidget.suggestions import suggest

Floats: TypeAlias = NDArray[np.float64]
Kind: TypeAlias = Literal["single", "mean", "vote", "long", "fixed"]
Tasks: TypeAlias = Literal["public", "further"]

MIN_LR, MAX_LR = 1e-7, 10.0
_DATA = Path(__file__).parent / "data"


@dataclass(frozen=True)
class RecordedCurve:
    """One range test up to its last finite loss: rates and raw losses, shape (n,)."""

    lrs: Floats
    losses: Floats


@dataclass(frozen=True)
class Task:
    """One training task: the regret of each trained rate, shape (k,), and the recorded range tests."""

    name: str
    trained_lrs: Floats
    regrets: Floats
    singles: tuple[RecordedCurve, ...]
    long: RecordedCurve
    fixed: RecordedCurve | None

    def regret(self, lr: float | None) -> float:
        """The regret of a rate, 1 for none."""
        if lr is None:
            return 1.0
        inside = min(max(lr, MIN_LR), MAX_LR)
        return float(np.interp(math.log(inside), np.log(self.trained_lrs), self.regrets))

    def curves(self, kind: Kind) -> list[RecordedCurve]:
        """The curves that a rule sees: the three of 100 steps, their mean, the one of 300, or the single batch's."""
        if kind in ("single", "vote"):
            return list(self.singles)
        if kind == "mean":
            shortest = min(len(curve.losses) for curve in self.singles)
            losses = np.mean([curve.losses[:shortest] for curve in self.singles], axis=0)
            return [RecordedCurve(self.singles[0].lrs[:shortest], losses)]
        if kind == "long":
            return [self.long]
        return [] if self.fixed is None else [self.fixed]


@dataclass(frozen=True)
class Pathology:
    """A curve with its expected verdict; `band` is None where there should be no rate, `may_be_none` where none will
    do."""

    name: str
    curve: RecordedCurve
    kind: str
    band: tuple[float, float] | None
    may_be_none: bool


@dataclass(frozen=True)
class Score:
    """Regrets of one rule on one kind of curve: shape (number of tasks, suggestions per task), and the rates."""

    regrets: Floats
    lrs: tuple[tuple[float | None, ...], ...]

    @property
    def mean(self) -> float:
        return float(self.regrets.mean())

    @property
    def num_none(self) -> int:
        return sum(lr is None for task_lrs in self.lrs for lr in task_lrs)

    def share_below(self, limit: float) -> float:
        """The share of suggestions with a regret under a limit."""
        return float((self.regrets < limit).mean())

    def share_above(self, limit: float) -> float:
        """The share of suggestions with a regret over a limit."""
        return float((self.regrets > limit).mean())

    def interval(self, num_samples: int = 4000) -> tuple[float, float]:
        """A 95% bootstrap interval of the mean: tasks are drawn anew, with all of their suggestions."""
        per_task = self.regrets.mean(axis=1)
        draws = np.random.default_rng(0).integers(0, len(per_task), (num_samples, len(per_task)))
        low, high = np.quantile(per_task[draws].mean(axis=1), [0.025, 0.975])
        return float(low), float(high)


def load_tasks(name: Tasks = "public") -> list[Task]:
    """The recorded tasks."""
    return [_task(entry) for entry in json.loads((_DATA / f"{name}.json").read_text())["tasks"]]


def load_pathologies() -> list[Pathology]:
    """The curves with an expected verdict."""
    return [
        Pathology(
            case["name"],
            RecordedCurve(_floats(case["lr"], math.nan), _floats(case["loss"], math.nan)),
            case["diagnosis"],
            None if case["expect_lr"] is None else (case["expect_lr"][0], case["expect_lr"][1]),
            case["none_ok"],
        )
        for case in json.loads((_DATA / "pathological.json").read_text())["cases"]
    ]


def score(rule: str, tasks: Sequence[Task], kind: Kind) -> Score:
    """Score a rule of `lrwidget.suggestions.RULES` on all tasks."""
    lrs = tuple(_suggested(rule, task.curves(kind), kind) for task in tasks)
    regrets = [[task.regret(lr) for lr in found] for task, found in zip(tasks, lrs, strict=True)]
    return Score(np.array(regrets), lrs)


def _suggested(rule: str, curves: Sequence[RecordedCurve], kind: Kind) -> tuple[float | None, ...]:
    """One rate per curve; for a vote the geometric mean of those that are there."""
    with np.errstate(all="ignore"):  # other tools' rules overflow where losses do
        lrs = tuple(suggest(curve.lrs, curve.losses, rule).lr for curve in curves)
    if kind != "vote":
        return lrs
    found = [lr for lr in lrs if lr is not None]
    return (math.exp(np.mean(np.log(found))) if found else None,)


def _task(entry: dict[str, Any]) -> Task:
    window = entry["windows"].index("final")
    final = np.array([[_number(w[window], math.inf) for w in seeds] for seeds in entry["loss_at"]])  # (rate, seed)
    start = np.array([seed[window] for seed in entry["init_loss"]])
    reached = np.minimum(final, start).mean(axis=1)
    span = start.mean() - reached.min()
    curves = entry["curves"]
    return Task(
        entry["name"],
        np.array(entry["lr"]),
        np.clip((reached - reached.min()) / span, 0, 1),
        tuple(_curve(curve) for curve in curves["single"]),
        _curve(curves["long"]),
        _curve(curves["fixed"]) if "fixed" in curves else None,
    )


def _curve(entry: dict[str, Any]) -> RecordedCurve:
    losses = np.array(entry["loss"], dtype=float)
    return RecordedCurve(np.geomspace(MIN_LR, MAX_LR, entry["n"])[: len(losses)], losses)


def _floats(values: Sequence[float | None], missing: float) -> Floats:
    return np.array([_number(value, missing) for value in values], dtype=float)


def _number(value: float | None, missing: float) -> float:
    return missing if value is None else value
