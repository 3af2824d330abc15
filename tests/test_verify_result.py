"""What a verification leaves behind."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lrwidget import RangeTestResult, StopReason
from lrwidget.trials import Trial
from lrwidget.verify_result import VerifyResult


def trial(lr, level, noise=0.0, n=60, reason=StopReason.COMPLETED):
    """Falls from 2 to `level` in half of its steps."""
    losses = np.maximum(2.0 - (2.0 - level) * np.arange(n) / 30, level) + noise
    return Trial(lr, np.full(n, lr), losses, reason)


def result_of(*trials, **fields):
    return VerifyResult(trials, 60, **fields)


def test_the_best_rate_is_the_one_with_the_lowest_final_loss():
    """Where the others are clearly worse, there is nothing else to consider."""
    result = result_of(trial(0.01, 1.5), trial(0.1, 0.5), trial(1.0, 1.0))
    assert (result.best_lr, result.tied_lrs, result.edge) == (0.1, [0.1], None)


def test_of_a_tie_the_middle_rate_is_the_best():
    """Four rates that differ by less than 0.5 % of the fall: the one nearest to their geometric mean, the lower one
    where two are equally near."""
    levels = {0.01: 1.5, 0.03: 0.501, 0.1: 0.502, 0.3: 0.5, 1.0: 0.503}
    result = result_of(*[trial(lr, level) for lr, level in levels.items()])
    assert result.tied_lrs == [0.03, 0.1, 0.3, 1.0]
    assert result.ranking[0].lr == 0.3
    assert result.best_lr == 0.1
    three = result_of(*[trial(lr, level) for lr, level in levels.items() if lr != 1.0])
    assert (three.tied_lrs, three.best_lr) == ([0.03, 0.1, 0.3], 0.1)


def test_a_suggestion_is_kept_if_next_to_nothing_is_gained_by_leaving_it():
    """Up to 0.5 % of the fall of the best one; beyond that, without noise, the suggestion is a rate as any other."""
    trials = trial(0.01, 1.5), trial(0.03, 0.507), trial(0.1, 0.502), trial(0.3, 0.5), trial(1.0, 0.52)
    assert result_of(*trials, centre_lr=0.03).best_lr == 0.03
    assert result_of(*trials, centre_lr=0.3).best_lr == 0.3
    assert result_of(*trials, centre_lr=1.0).best_lr == result_of(*trials).best_lr == 0.1


def test_a_suggestion_is_not_left_for_what_noise_may_have_put_ahead():
    """Of rates that cannot be told apart the suggestion is kept, wherever it lies; one surely worse is not."""
    rng = np.random.default_rng(0)
    levels = {0.1: 0.6, 0.2: 0.55, 0.4: 0.5, 0.8: 1.5}
    trials = [trial(lr, level, 0.3 * rng.normal(size=60)) for lr, level in levels.items()]
    kept = {lr: result_of(*trials, centre_lr=lr).best_lr for lr in levels}
    assert result_of(*trials).tied_lrs == [0.1, 0.2, 0.4]
    assert kept == {0.1: 0.1, 0.2: 0.2, 0.4: 0.4, 0.8: 0.2}
    assert result_of(*trials).best_lr == 0.2


def test_a_suggestion_that_is_catching_up_is_kept():
    """Where its excess melts away, the higher rate is ahead only for now; no other rate is kept for that."""
    late = trial(0.1, 0.5).losses.copy()
    late[30:45] += 0.3
    late[45:] += 0.12
    trials = Trial(0.1, np.full(60, 0.1), late, StopReason.COMPLETED), trial(0.4, 0.5), trial(1.6, 1.0)
    result = result_of(*trials, centre_lr=0.1)
    assert (result.ranking[0].lr, result.best_lr, result.tied_lrs) == (0.4, 0.1, [0.4])
    assert "catching up, by 0.12" in str(result)
    assert str(result).endswith("Best LR: 1.0e-01\nIt is catching up with 4.0e-01, whose lead melts away.")
    assert (result.leading_lr, result.edge) == (0.4, None)
    for centre_lr in (None, 0.4):
        other = result_of(*trials, centre_lr=centre_lr)
        assert (other.best_lr, other.leading_lr) == (0.4, None)


@pytest.mark.parametrize(("levels", "edge"), [((0.5, 1.0), "lowest"), ((1.0, 0.5), "highest")])
def test_a_best_rate_at_the_edge_is_told(levels, edge):
    """A better one may lie beyond, and the text says where."""
    result = result_of(trial(0.1, levels[0]), trial(1.0, levels[1]))
    assert result.edge == edge
    assert f"It is the {edge} rate tried" in str(result)


def test_one_rate_has_no_edge():
    """There is nothing to be at the edge of."""
    assert result_of(trial(0.1, 0.5)).edge is None


def test_one_training_of_a_verification_that_was_stopped_is_compared_with_nothing():
    """Of several rates it is not the best one because it was the first; two are compared, but have no edge."""
    cut = trial(0.2, 0.5, n=9, reason=StopReason.STOPPED)
    one = result_of(trial(0.1, 0.5), cut, stop_reason=StopReason.STOPPED)
    assert (one.best, one.tied_lrs, one.edge) == (None, [], None)
    assert one.reason == "Only one training came to its end."
    two = result_of(trial(0.1, 0.5), cut, trial(0.4, 1.0), stop_reason=StopReason.STOPPED)
    assert (two.best_lr, two.edge, two.reason) == (0.1, None, None)


def test_where_no_loss_fell_there_is_no_best_rate():
    """Diverged and unfinished trainings recommend nothing."""
    losses = np.linspace(1.0, 50.0, 60)
    rising = Trial(1.0, np.full(60, 1.0), losses, StopReason.COMPLETED)
    result = result_of(trial(0.1, 0.5, reason=StopReason.STOPPED), rising)
    assert (result.best_lr, result.best, result.tied_lrs, result.edge) == (None, None, [], None)
    assert "Best LR: none" in str(result)


def test_a_suggestion_that_ends_in_spikes_is_not_kept():
    """One loss of 1e5 among the last ones is no noise that a suggestion would be kept for."""
    spiky = trial(0.1, 1.0, 0.01 * np.random.default_rng(0).normal(size=60)).losses.copy()
    spiky[55] = 1e5
    result = result_of(trial(0.01, 0.5), Trial(0.1, np.full(60, 0.1), spiky, StopReason.COMPLETED), centre_lr=0.1)
    assert (result.best_lr, result.tied_lrs) == (0.01, [0.01])


def test_where_the_lowest_loss_has_diverged_there_is_no_best_rate():
    """What ends higher still is not as good as that, and no suggestion is kept for it."""
    rng = np.random.default_rng(0)
    rising = np.linspace(1.0, 50.0, 60)
    wild = np.concatenate([[1.0], 100 * np.exp(3 * rng.normal(size=59))])
    trials = [Trial(lr, np.full(60, lr), losses, StopReason.COMPLETED) for lr, losses in ((1.0, rising), (4.0, wild))]
    result = result_of(*trials, centre_lr=4.0)
    assert (result.best_lr, result.tied_lrs, result.edge) == (None, [], None)
    assert result.reason == "No training ended with a lower loss than it began with."
    assert "as good" not in str(result)


def test_where_the_rate_changes_nothing_the_text_says_so():
    """All trainings with the same losses recommend nothing; the text, the repr and the table agree."""
    noise = 0.1 * np.random.default_rng(0).normal(size=60)
    result = result_of(*[trial(lr, 0.5, noise) for lr in (0.01, 0.1, 1.0)], centre_lr=0.1)
    assert (result.best, result.best_lr, result.tied_lrs, result.edge, result.leading_lr) == (
        None,
        None,
        [],
        None,
        None,
    )
    assert result.reason.startswith("The learning rate changes nothing: all trainings have the same losses. ")
    assert "does the optimizer hold this model's parameters?" in result.reason
    assert str(result).endswith(f"Best LR: none\n{result.reason}")
    assert result.reason in repr(result)
    assert result.ranking_dataframe()["verdict"].tolist() == ["as good"] * 3


def test_where_nothing_came_to_its_end_the_text_says_so():
    """A best rate has no reason to be missing; trainings that were stopped have shown nothing."""
    assert result_of(trial(0.1, 0.5)).reason is None
    result = result_of(trial(0.1, 0.5, reason=StopReason.STOPPED))
    assert result.reason == "No training came to its end."


LRS = np.geomspace(1e-5, 1, 50)
NOISE = np.random.default_rng(0).normal(size=50)


@pytest.mark.parametrize(
    ("losses", "last"),
    [
        (np.ones(50), "are backward() and step() called?"),
        (NOISE, "verify(train_step, lrs=[1e-4, 1e-3, 1e-2])."),  # which a flat loss would not profit from
    ],
    ids=["flat", "noise"],
)
def test_without_a_suggestion_to_verify_the_text_says_why_and_what_would_help(losses, last):
    """The range test's reason stands where the best rate would, its advice follows; rates may also be named."""
    test = RangeTestResult(LRS, losses)
    headline, best, *words = str(VerifyResult((), 80, range_test=test)).splitlines()
    assert headline == "Verify: 1 range test and no training, 50 steps in all, completed"
    assert best == "Best LR: none"
    assert words[:2] == [test.suggest().reason, test.diagnosis.advice]
    assert words[-1].endswith(last)


def test_stopped_before_the_trainings_the_text_does_not_praise_the_suggestion():
    """A range test that has a suggestion is no reason for having no best rate: nothing was trained with it."""
    lrs = np.geomspace(1e-5, 1, 50)
    test = RangeTestResult(lrs, 1 / (1 + (lrs / 0.01) ** 2), StopReason.STOPPED)
    assert test.suggested_lr is not None
    for range_test in (test, None):
        result = VerifyResult((), 80, range_test=range_test, stop_reason=StopReason.STOPPED)
        assert result.reason == "No training was begun."
        assert str(result).endswith("Best LR: none\nNo training was begun.")


def test_the_dataframe_has_a_row_per_step_of_each_trial():
    """Columns trial, lr, step, step_lr, loss, smoothed_loss; the smoothing is that of the trial."""
    a, b = trial(0.1, 0.5), trial(1.0, 1.0, n=20)
    frame = result_of(a, b).to_dataframe()
    assert list(frame.columns) == ["trial", "lr", "step", "step_lr", "loss", "smoothed_loss"]
    assert frame.groupby("trial").size().tolist() == [60, 20]
    part = frame[frame["trial"] == 1]
    assert part["loss"].tolist() == b.losses.tolist()
    assert part["smoothed_loss"].tolist() == b.smoothed().tolist()
    assert part["lr"].unique().tolist() == [1.0]
    assert part["step"].tolist() == list(range(20))


def test_an_empty_result_has_an_empty_dataframe():
    """The columns are there all the same."""
    frame = VerifyResult((), 80).to_dataframe()
    assert list(frame.columns) == ["trial", "lr", "step", "step_lr", "loss", "smoothed_loss"]
    assert len(frame) == len(VerifyResult((), 80).ranking_dataframe()) == 0


def test_the_ranking_is_a_dataframe_too():
    """One row per trial, best first; whole ranks, missing where a training came to no end."""
    broken = Trial(3.0, np.full(2, 3.0), np.array([2.0, math.inf]), StopReason.NOT_FINITE)
    frame = result_of(trial(0.1, 1.0), trial(1.0, 0.5), broken).ranking_dataframe()
    assert frame["lr"].tolist() == [1.0, 0.1, 3.0]
    assert frame["rank"].tolist()[:2] == [1, 2]
    assert frame["rank"].isna().tolist() == [False, False, True]
    assert frame["verdict"].tolist() == ["best", "worse", "diverged"]


def test_the_text_tells_ranks_losses_uncertainties_and_what_ended_early():
    """Exactly, for trainings without noise."""
    broken = Trial(3.0, np.full(2, 3.0), np.array([2.0, math.inf]), StopReason.NOT_FINITE)
    result = result_of(trial(0.1, 1.0), trial(1.0, 0.5), broken)
    assert str(result).splitlines() == [
        "Verify: 3 trainings of 60 steps from the same state, 122 steps in all, 1 ended early, completed",
        "rank  lr       final loss",
        "   1  1.0e+00  0.5 ± 0  lowest",
        "   2  1.0e-01  1 ± 0  worse, by 0.5 ± 0",
        "   -  3.0e+00  diverged at step 2",
        "Best LR: 1.0e+00",
    ]


def test_only_what_saved_steps_has_ended_early():
    """One training is one; losses beyond all reason in the last of its 60 steps end nothing early."""
    exploded = Trial(3.0, np.full(60, 3.0), np.geomspace(1.0, 1e200, 60), StopReason.COMPLETED)
    text = str(result_of(exploded))
    assert text.startswith("Verify: 1 training of 60 steps from the same state, 60 steps in all, completed\n")
    assert "diverged at step 60" in text
    assert repr(result_of(exploded)).startswith("<VerifyResult: 1 training, best_lr=None")


def test_a_tie_is_said():
    """The rates that are as good as the best are named."""
    result = result_of(trial(0.03, 0.5), trial(0.1, 0.501), trial(0.3, 0.502), trial(1.0, 1.5))
    assert "Best LR: 1.0e-01\nAs good, as far as this shows: 3.0e-02, 3.0e-01." in str(result)
    assert "best" not in str(result)  # no row is called so: the lowest one is 3.0e-02
