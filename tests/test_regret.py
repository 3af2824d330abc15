"""What the default rule is worth in real training, by the recorded tasks."""

from typing import get_args

import numpy as np
import pytest

from lrwidget.suggestions import RULES, suggest
from tests.regret.__main__ import FURTHER, SAVED, line
from tests.regret.scoring import Kind, RecordedCurve, Task, load_tasks, score

TASKS = load_tasks()
FURTHER_TASKS = load_tasks("further")
SINGLES = [(task, curve) for task in TASKS for curve in task.singles]


def hand_made_task() -> Task:
    """Best at 1e-2, half as good at 1e-3 and 1e-1, useless at the ends."""
    curve = RecordedCurve(np.geomspace(1e-7, 10, 100), np.ones(100))
    lrs = np.array([1e-7, 1e-3, 1e-2, 1e-1, 10.0])
    return Task("by hand", lrs, np.array([1.0, 0.5, 0.0, 0.5, 1.0]), (curve,) * 3, curve, curve)


def test_regret_is_interpolated_in_log_lr() -> None:
    """Between two trained rates half-way in log lr is half-way in regret; none and outside count as useless."""
    task = hand_made_task()
    assert task.regret(1e-2) == 0
    assert task.regret(10**-2.5) == pytest.approx(0.25)
    assert [task.regret(lr) for lr in (None, 1e-9, 1e3)] == [1, 1, 1]


def test_the_scale_of_regret_runs_from_the_best_rate_to_no_training() -> None:
    """Every task has a rate with regret 0, and its smallest rate has trained nothing."""
    for task in (*TASKS, *FURTHER_TASKS):
        assert task.regrets.min() == 0
        assert task.regrets.max() <= 1
        assert task.regrets[0] > 0.95 or task.name == "mlp_wine_rawfeat_sgdm_b32"  # learns at 1e-7


def test_no_suggestion_costs_everything() -> None:
    """A rule that finds nothing on a flat curve has regret 1, and says so."""
    result = score("default", [hand_made_task()], "single")
    assert result.mean == 1
    assert result.num_none == 3
    assert result.interval() == (1, 1)


@pytest.mark.parametrize(("kind", "limit"), [("single", 0.035), ("long", 0.03), ("vote", 0.035), ("mean", 0.05)])
def test_the_default_trains_well(kind: Kind, limit: float) -> None:
    """Mean regret over the tasks; one test of 100 or 300 steps never ends over 0.5."""
    result = score("default", TASKS, kind)
    assert result.mean <= limit
    assert result.num_none == 0
    assert kind == "mean" or result.share_above(0.5) == 0


@pytest.mark.parametrize(("kind", "limit"), [("single", 0.065), ("long", 0.045), ("vote", 0.05), ("mean", 0.08)])
def test_the_default_trains_well_on_further_tasks(kind: Kind, limit: float) -> None:
    """Nearly all of it was set without them; one test of 100 steps ends over 0.5 in at most 2 of 100."""
    result = score("default", FURTHER_TASKS, kind)
    assert result.mean <= limit
    assert kind == "mean" or result.share_above(0.5) <= 0.02


def test_the_default_beats_every_other_rule() -> None:
    """On every kind of curve its mean regret is the lowest; the table shows it with its interval, and is kept."""
    kept = SAVED.read_text()
    for tasks, kind in (*((TASKS, kind) for kind in get_args(Kind)), *((FURTHER_TASKS, kind) for kind in FURTHER)):
        results = {rule: score(rule, tasks, kind) for rule in RULES}
        default = results.pop("default")
        assert default.mean < min(result.mean for result in results.values())
        low, high = default.interval()
        assert low < default.mean < high
        assert f"{low:.3f} - {high:.3f}" in line("default", default)
        assert line("default", default) in kept, "make it anew: python -m tests.regret --save"


def test_the_interval_holds_a_good_rate_and_is_not_wide() -> None:
    """It contains a rate with regret under 0.05 in at least 90% of the tests, and its median width is 1.5 decades."""
    holds, widths = [], []
    for task, curve in SINGLES:
        suggestion = suggest(curve.lrs, curve.losses)
        inside = np.geomspace(suggestion.low, suggestion.high, 200)
        holds.append(min(task.regret(lr) for lr in inside) < 0.05)
        widths.append(np.log10(suggestion.high / suggestion.low))
    assert np.mean(holds) >= 0.9
    assert np.median(widths) <= 1.5


def test_the_confidence_means_something() -> None:
    """Among surer suggestions a larger share trains well than among less sure ones."""
    sure, unsure = [], []
    for task, curve in SINGLES:
        suggestion = suggest(curve.lrs, curve.losses)
        (sure if suggestion.confidence > 0.7 else unsure).append(task.regret(suggestion.lr) < 0.1)
    assert np.mean(sure) > np.mean(unsure)
    assert np.mean(sure) >= 0.85


def test_other_batches_hardly_move_the_suggestion() -> None:
    """The standard deviation over three seeds is at most 0.12 decades, in the median over the tasks."""
    spreads = [
        np.std([np.log10(suggest(curve.lrs, curve.losses).lr) for curve in task.singles], ddof=1) for task in TASKS
    ]
    assert np.median(spreads) <= 0.12
