"""Short trainings side by side: their ranking and its uncertainty."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lrwidget import StopReason
from lrwidget.scatter import deviation, scatter, standard_error
from lrwidget.trials import WINDOW, Trial, is_hopeless, is_without_effect, rank, tail_length


def trial(lr, losses, reason=StopReason.COMPLETED, is_hopeless=False):
    losses = np.array(losses, dtype=float)
    return Trial(lr, np.full(len(losses), lr), losses, reason, is_hopeless)


def falling_to(level, n=100, noise=0.0):
    """From 2 to `level` within half of the steps, then flat; with this noise added, shape (n,) or 0."""
    return np.maximum(2.0 - (2.0 - level) * np.arange(n) / (n / 2), level) + noise


# ------------------------------------------------------------------------------------------------- standard error


def test_the_standard_error_of_independent_noise_is_that_of_a_mean():
    """Over many draws it is close to sigma / sqrt(n)."""
    rng = np.random.default_rng(0)
    errors = [standard_error(rng.normal(size=400)) for _ in range(200)]
    assert np.mean(errors) == pytest.approx(1 / math.sqrt(400), rel=0.1)


def test_the_standard_error_sees_that_neighbouring_steps_depend_on_each_other():
    """For a moving sum of four the long-run standard deviation is 4 sigma, twice that of the values themselves."""
    rng = np.random.default_rng(0)
    draws = [np.convolve(rng.normal(size=1003), np.ones(4), "valid") for _ in range(200)]
    errors = np.array([standard_error(values) for values in draws])
    assert np.mean(errors) == pytest.approx(4 / math.sqrt(1000), rel=0.15)


def test_a_trend_is_no_noise():
    """A straight line has no standard error, however steep; three values tell nothing."""
    assert standard_error(np.linspace(5.0, -3.0, 20)) == pytest.approx(0.0, abs=1e-12)
    assert standard_error(np.array([1.0, 2.0, 3.0])) == math.inf


@pytest.mark.parametrize("n", [15, 25, 50])
def test_two_standard_errors_hold_the_mean_about_as_often_as_they_should(n):
    """For noise that depends on its neighbour, more than 85 of 100 such intervals hold the truth (95 for large n)."""
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(500):
        noise = np.convolve(rng.normal(size=n + 1), [1.0, 0.3], "valid")
        held += abs(noise.mean()) <= 2 * standard_error(noise)
    assert held / 500 > 0.85


def test_a_few_spikes_do_not_raise_the_scatter():
    """Of normal noise both measures are its standard deviation, whatever the trend; three spikes raise one of them."""
    noise = np.random.default_rng(0).normal(size=1000)
    assert deviation(noise + np.arange(1000)) == pytest.approx(1.0, rel=0.1)
    assert scatter(noise) == pytest.approx(1.0, rel=0.1)
    noise[[100, 500, 900]] = 1e4
    assert deviation(noise) > 100
    assert scatter(noise) == pytest.approx(1.0, rel=0.1)
    assert scatter(np.arange(50.0)) == pytest.approx(0.0, abs=1e-12)
    assert deviation(noise[:3]) == scatter(noise[:3]) == math.inf


# -------------------------------------------------------------------------------------------------------- ranking


def test_the_final_loss_is_the_mean_of_the_last_quarter():
    """Of 40 steps the last 10 count; of few steps at least 5."""
    losses = np.arange(40.0, 0.0, -1.0)
    (standing,) = rank([trial(0.1, losses)])
    assert standing.final_loss == pytest.approx(np.mean(losses[30:]))
    assert (tail_length(40), tail_length(8), tail_length(3)) == (10, 5, 3)


def test_trainings_are_ranked_by_their_final_loss():
    """Lowest first; those without an end last, in the order given."""
    noise = 0.01 * np.random.default_rng(0).normal(size=100)
    trials = [
        trial(1e-4, falling_to(1.5, noise=noise)),
        trial(1e-3, falling_to(0.5, noise=noise)),
        trial(1e-2, falling_to(1.0, noise=noise)),
        trial(1e-1, [2.0, 3.0, math.nan], StopReason.NOT_FINITE),
        trial(1.0, [2.0, 1.9], StopReason.STOPPED),
        trial(2.0, [2.0, 1.9], StopReason.STOPPED, is_hopeless=True),
    ]
    ranking = rank(trials)
    assert [s.lr for s in ranking] == [1e-3, 1e-2, 1e-4, 1e-1, 1.0, 2.0]
    assert [s.rank for s in ranking] == [1, 2, 3, None, None, None]
    verdicts = ["best", "worse", "worse", "diverged", "not finished", "clearly worse"]
    assert [s.verdict for s in ranking] == verdicts
    assert [s.trial for s in ranking] == [1, 2, 0, 3, 4, 5]
    assert [s.num_steps for s in ranking] == [100, 100, 100, 3, 2, 2]


def test_noise_of_shared_batches_drops_out_of_the_comparison():
    """Two trainings .01 apart under noise of .2 are told apart if they saw the same batches, and tied if not."""
    rng = np.random.default_rng(0)
    shared, other = rng.normal(size=(2, 100)) * 0.2
    own = 0.002 * rng.normal(size=100)
    same = rank([trial(0.1, falling_to(0.5, noise=shared)), trial(0.2, falling_to(0.55, noise=shared + own))])
    different = rank([trial(0.1, falling_to(0.5, noise=shared)), trial(0.2, falling_to(0.55, noise=other))])
    assert same[0].final_error > 20 * same[1].excess_error
    assert (same[1].verdict, same[1].excess) == ("worse", pytest.approx(0.05, abs=0.002))
    assert different[1].verdict == "as good"


def test_a_two_hundredth_of_the_fall_is_no_difference():
    """Without any noise, a final loss is as good as the best one if it is higher by less than 0.5 % of its fall."""
    best = falling_to(0.5)
    assert rank([trial(0.1, best), trial(0.2, falling_to(0.5 + 0.0074))])[1].verdict == "as good"
    assert rank([trial(0.1, best), trial(0.2, falling_to(0.5 + 0.0076))])[1].verdict == "worse"


def excess_in_quarters(third, last):
    """Losses of 100 steps that lie so far above those of `falling_to(0.5)` in the last two quarters."""
    losses = falling_to(0.5)
    losses[50:75] += third
    losses[75:] += last
    return losses


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (1e-6, 1e3), (1e6, -100.0)])
def test_a_lower_rate_whose_excess_melts_away_is_catching_up(scale, shift):
    """By hand: .3 and then .15 goes on to 0, .3 and then .2 to .1; a higher rate is not waited for."""
    best = trial(0.2, scale * falling_to(0.5) + shift)
    for lr, quarters, verdict in (
        (0.1, (0.3, 0.15), "catching up"),
        (0.1, (0.3, 0.2), "worse"),
        (0.1, (0.2, 0.2), "worse"),
        (0.4, (0.3, 0.15), "worse"),
    ):
        ranking = rank([best, trial(lr, scale * excess_in_quarters(*quarters) + shift)])
        assert [s.verdict for s in ranking] == ["best", verdict]


def test_a_short_horizon_does_not_decide_for_the_higher_rate():
    """On f(x) = x^2 / 2 with noise in the gradient the higher rate is ahead after 40 steps, and behind in the end."""

    def train(lr, num_steps):
        rng = np.random.default_rng(5)
        x, losses = np.full(400, 10.0), []
        for _ in range(num_steps):
            losses.append(float(np.mean(x**2) / 2))
            x -= lr * (x + 2 * rng.normal(size=400))
        return trial(lr, losses)

    low, high = 0.06, 0.25
    assert [(s.lr, s.verdict) for s in rank([train(low, 40), train(high, 40)])] == [
        (high, "best"),
        (low, "catching up"),
    ]
    assert rank([train(low, 400), train(high, 400)])[0].lr == low


def test_independent_trainings_of_one_rate_are_called_worse_no_more_often_than_chance():
    """Where nothing differs but the noise, the runner-up is "worse" in at most one of ten cases."""
    rng = np.random.default_rng(2)
    worse = sum(
        rank([trial(lr, falling_to(0.5, noise=0.1 * rng.normal(size=100))) for lr in (0.1, 0.2)])[1].verdict == "worse"
        for _ in range(300)
    )
    assert worse / 300 < 0.1


def test_trainings_are_compared_over_the_steps_that_all_have():
    """One that ran out of data after 60 steps is compared with the others at their steps 45 to 60."""
    long, short = np.linspace(2.0, 0.0, 100), np.linspace(2.0, 0.5, 100)[:60]
    ranking = rank([trial(0.1, long), trial(0.2, short, StopReason.DATA_EXHAUSTED)])
    assert [s.final_loss for s in ranking] == [pytest.approx(long[45:60].mean()), pytest.approx(short[45:].mean())]


def test_a_training_that_ends_above_its_start_has_diverged():
    """It came to an end with finite losses and is ranked, but nobody would train with it."""
    noise = 0.05 * np.random.default_rng(0).normal(size=100)
    rising = trial(1.0, np.linspace(1.0, 5.0, 100) + noise)
    flat = trial(0.1, 1.0 + noise)
    assert [(s.rank, s.verdict) for s in rank([rising])] == [(1, "diverged")]
    assert rank([flat])[0].verdict == "best"


@pytest.mark.parametrize("spikes", [[80], [80, 90], [78, 85, 92], list(range(76, 100, 3))])
def test_a_training_that_ends_in_spikes_is_no_tie(spikes):
    """Spikes of 1e5 raise the standard error as they raise the mean: that is no noise, and no end below the start."""
    noise = 0.02 * np.random.default_rng(0).normal(size=(2, 100))
    spiky = np.linspace(2.0, 1.8, 100) + noise[1]
    spiky[spikes] = 1e5
    ranking = rank([trial(0.01, falling_to(0.3, noise=noise[0])), trial(0.1, spiky)])
    assert [(s.lr, s.verdict, s.is_within_noise) for s in ranking] == [(0.01, "best", True), (0.1, "diverged", False)]
    assert [s.verdict for s in rank([trial(0.1, spiky)])] == ["diverged"]


def test_one_high_spike_is_no_noise():
    """By hand: .05 above the best one and 30 at one of 25 steps are 1.25 above it in the mean, of a fall of 1.5."""
    spiky = falling_to(0.55)
    spiky[90] += 30.0
    ranking = rank([trial(0.1, falling_to(0.5)), trial(0.2, spiky)])
    assert (ranking[1].verdict, ranking[1].excess) == ("worse", pytest.approx(1.25))
    assert ranking[1].excess <= 2 * ranking[1].excess_error


def test_ties_under_noise_larger_than_the_fall_stay_ties():
    """A fall of .1 under noise of 1: what differs is chance, and hardly ever told apart or taken for a rise."""
    rng = np.random.default_rng(6)
    told_apart = risen = 0
    for _ in range(300):
        first, second = rank([trial(lr, falling_to(1.9, noise=rng.normal(size=100))) for lr in (0.1, 0.2)])
        told_apart += second.verdict == "worse"
        risen += "diverged" in (first.verdict, second.verdict)
    assert told_apart / 300 < 0.1
    assert risen / 300 < 0.05


@pytest.mark.parametrize("spike", [60, 90])
def test_a_spike_that_passes_is_no_catching_up(spike):
    """The mean excess falls by what the spike has raised it by, the usual one does not: .3 stays .3."""
    losses = excess_in_quarters(0.3, 0.3)
    losses[spike] += 12.0
    assert rank([trial(0.2, falling_to(0.5)), trial(0.1, losses)])[1].verdict == "worse"


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (1e-6, 1e3), (1e6, -100.0)])
def test_chaos_far_above_the_start_has_diverged(scale, shift):
    """It scatters as far as it lies above its start, from the first update on or after a fall."""
    chaos = 100 * np.exp(np.random.default_rng(1).normal(size=100))
    from_the_first_update = np.concatenate([[2.0], chaos[1:]])
    after_a_fall = np.concatenate([falling_to(0.5)[:60], chaos[60:]])
    for losses in (from_the_first_update, after_a_fall):
        assert [s.verdict for s in rank([trial(1.0, scale * losses + shift)])] == ["diverged"]


def test_a_level_above_the_start_is_a_rise_whatever_the_spikes():
    """From 2 to .5 and to 5 ± .1; spikes of 1e4 before and after raise any standard deviation, but no median."""
    losses = falling_to(0.5)
    losses[60:] = 5.0 + 0.1 * np.random.default_rng(0).normal(size=40)
    losses[[20, 50, 80, 90]] = 1e4
    assert [s.verdict for s in rank([trial(1.0, losses)])] == ["diverged"]


@pytest.mark.parametrize(("num_steps", "most"), [(10, 0.05), (20, 0.08), (100, 0.03)])
@pytest.mark.parametrize("kind", ["normal", "exponential"])
def test_a_low_first_loss_is_no_rise(num_steps, most, kind):
    """Under noise alone the first of n losses is the lowest in one of n cases: little more is taken for a rise."""
    rng = np.random.default_rng(7)
    draws = getattr(rng, kind)(size=(1000, num_steps))
    risen = sum(rank([trial(0.1, losses)])[0].verdict == "diverged" for losses in draws)
    assert risen / 1000 < most


def test_what_ends_above_a_training_that_has_diverged_has_diverged_too():
    """From the same start, even if its own scatter would hide it."""
    noise = 0.05 * np.random.default_rng(0).normal(size=100)
    rising = trial(0.1, np.linspace(1.0, 5.0, 100) + noise)
    wild = np.full(100, 1.0)
    wild[1::2] = 11.0
    ranking = rank([rising, trial(0.2, wild)])
    assert [(s.lr, s.verdict) for s in ranking] == [(0.1, "diverged"), (0.2, "diverged")]


def test_the_same_losses_at_all_rates_have_no_best():
    """Bit by bit the same: nobody is ahead. One rate alone, and one rate twice, say nothing of that."""
    losses = falling_to(0.5, noise=0.1 * np.random.default_rng(0).normal(size=100))
    same = [trial(lr, losses) for lr in (0.1, 0.2, 0.3)]
    assert is_without_effect(same)
    assert [s.verdict for s in rank(same)] == ["as good"] * 3
    other = losses.copy()
    other[99] = np.nextafter(other[99], 0)
    for trials in ([], same[:1], [same[0], same[0]], [*same, trial(0.4, other)]):
        assert not is_without_effect(trials)


def test_trainings_that_have_not_come_far_do_not_show_that_nothing_changes():
    """The first loss is the same at any rate, as it is measured before the first update."""
    stopped = trial(0.2, [2.0], StopReason.STOPPED)
    assert not is_without_effect([trial(0.1, falling_to(0.5)), stopped])
    assert not is_without_effect([trial(0.1, [2.0, 2.0]), trial(0.2, [2.0, math.nan], StopReason.NOT_FINITE)])


@pytest.mark.parametrize(("scale", "shift"), [(1e-6, 0.0), (1e6, 0.0), (1.0, -100.0), (1e3, 1e3)])
def test_the_ranking_does_not_depend_on_the_unit_and_the_zero_of_the_loss(scale, shift):
    """c * loss + d has the same order and verdicts, final losses and errors to scale."""
    rng = np.random.default_rng(3)
    levels = {1e-3: 1.0, 1e-2: 0.5, 3e-2: 0.51, 1e-1: 0.8}
    curves = {lr: falling_to(level, noise=0.05 * rng.normal(size=100)) for lr, level in levels.items()}
    curves[1.0] = np.linspace(2.0, 9.0, 100) + 0.1 * rng.normal(size=100)
    plain = rank([trial(lr, losses) for lr, losses in curves.items()])
    moved = rank([trial(lr, scale * losses + shift) for lr, losses in curves.items()])
    assert [(s.lr, s.verdict) for s in moved] == [(s.lr, s.verdict) for s in plain]
    assert [s.excess for s in moved] == pytest.approx([scale * s.excess for s in plain], rel=1e-6)
    assert [s.final_error for s in moved] == pytest.approx([scale * s.final_error for s in plain], rel=1e-6)


def test_no_trials_have_no_ranking():
    """Nothing gives nothing."""
    assert rank([]) == []


# ------------------------------------------------------------------------------------------------------- hopeless


def hopeless_at(losses, leader):
    """The first step after which the training is given up, or None."""
    n = len(leader)
    ends = (k for k in range(1, len(losses) + 1) if is_hopeless(losses[max(0, k - 2 * WINDOW) : k], leader, k, n))
    return next(ends, None)


LEADER = np.maximum(2.0 - 0.3 * np.arange(100), 0.5)  # falls by 1.5 in five steps, then stays


@pytest.mark.parametrize(("level", "end"), [(9.0, 20), (2.01, 20), (1.99, 40), (1.11, 40), (1.09, None), (0.3, None)])
def test_a_training_far_above_the_best_one_is_given_up(level, end):
    """By all of the best one's fall (1.5) after a fifth of the steps, by 0.4 of it after two fifths."""
    assert hopeless_at(np.full(100, level), LEADER) == end


def test_a_training_that_jumps_and_comes_back_is_not_given_up():
    """In the first fifth of the steps nothing is judged, however high the loss."""
    assert hopeless_at(np.where(np.arange(100) < 9, 50.0, LEADER), LEADER) is None


def test_a_training_that_crosses_the_best_one_is_not_given_up():
    """It must lie above in 18 of the last 20 steps; a few wild batches do not count."""
    losses = np.where(np.arange(100) % 5 == 0, 0.4, 1.9)  # 4 of 20 below
    assert hopeless_at(losses, LEADER) is None


def test_a_low_rate_that_falls_steadily_past_a_floor_is_not_given_up():
    """exp(-k / 73) is at .58 after 40 of 100 steps, .4 of the fall above a floor of .3, and ends at .26."""
    leader = np.maximum(1.0 - 0.1 * np.arange(100), 0.3)
    steps = np.arange(100)
    assert hopeless_at(np.exp(-steps / 73), leader) is None
    noise = 0.02 * np.random.default_rng(0).normal(size=(2, 100))
    assert hopeless_at(np.exp(-steps / 73) + noise[0], leader + noise[1]) is None


@pytest.mark.parametrize(("end", "step"), [(75, None), (115, 40), (1000, 40)])
def test_a_training_that_comes_too_late_is_given_up(end, step):
    """Straight down to the floor at step `end` of 100: before the last step that is in time."""
    leader = np.maximum(1.0 - 0.1 * np.arange(100), 0.3)
    assert hopeless_at(1.0 - 0.7 * np.arange(100) / end, leader) == step


@pytest.mark.parametrize("num_steps", [20, 40])
def test_a_training_that_has_come_to_its_end_is_not_given_up(num_steps):
    """After 20 of 20 steps there is nothing left to save, and where the data end after 20 of 40 there is not either."""
    high = np.full(20, 9.0)
    assert not is_hopeless(high, LEADER[:20], 20, num_steps)
    assert is_hopeless(high, LEADER[:21], 20, num_steps=21)


def test_noise_alone_is_not_given_up():
    """A training that is as good as the best one but for noise is hardly ever stopped."""
    rng = np.random.default_rng(4)
    pairs = [2.0 - 0.3 * np.arange(100) / 100 + 0.2 * rng.normal(size=(2, 100)) for _ in range(300)]
    assert sum(hopeless_at(a, b) is not None for a, b in pairs) <= 6


def test_nothing_is_hopeless_beside_a_leader_that_has_not_fallen():
    """Without a fall there is no yardstick."""
    assert hopeless_at(np.full(100, 3.0), np.full(100, 2.0)) is None


def test_nothing_is_hopeless_where_the_best_one_had_hardly_begun_to_fall():
    """On a plateau at the beginning, a training that rises a little is not given up."""
    leader = np.where(np.arange(100) < 60, 2.0, 0.5)
    assert hopeless_at(np.full(100, 2.3)[:60], leader) is None
