"""When a run has diverged."""

from __future__ import annotations

import numpy as np
import pytest

from lrwidget.divergence import DivergenceWatch


def first_stop(losses, rule="auto"):
    watch = DivergenceWatch(rule)
    return next((i for i, loss in enumerate(losses) if watch.has_diverged(float(loss))), None)


def curve(seed=0, noise=0.05):
    """A typical curve: flat at 2.3, down to 0.5 at step 60, exploding from step 75."""
    rng = np.random.default_rng(seed)
    i = np.arange(100)
    clean = 2.3 - 1.8 / (1 + np.exp(-(i - 50) / 4)) + np.where(i > 75, 0.5 * 1.6 ** (i - 75.0), 0)
    return clean + noise * rng.normal(size=100)


@pytest.mark.parametrize("shift", [-100.0, 0.0, 1e3])
@pytest.mark.parametrize("scale", [1e-6, 1e-3, 1.0, 1e3, 1e6])
@pytest.mark.parametrize("seed", range(5))
def test_shift_and_scale_do_not_move_the_stop(scale, shift, seed):
    """c * loss + d stops at the same step as loss."""
    losses = curve(seed)
    stop = first_stop(losses)
    assert stop is not None
    assert first_stop(scale * losses + shift) == stop


def test_it_stops_in_the_explosion_and_not_before():
    """The clean curve passes 2.3 + 3 * 1.8 at step 82 (0.5 * 1.6**k > 7.2 from k = 6), its median two steps later."""
    assert first_stop(curve(noise=0.0)) in (82, 83, 84)


@pytest.mark.parametrize("position", range(100))
def test_one_spike_does_not_stop_it(position):
    """A single wild batch anywhere before the explosion moves the stop by no more than the explosion's two steps."""
    losses = curve(noise=0.02)[:80]
    losses[min(position, 79)] *= 100
    assert first_stop(losses) is None


@pytest.mark.parametrize("seed", range(50))
def test_noise_alone_does_not_stop_it(seed):
    """Pure noise of any seed runs to its end."""
    assert first_stop(np.random.default_rng(seed).normal(size=300)) is None


def test_a_constant_loss_never_stops():
    """A loss that does not move at all, or only in its last digit, does not diverge."""
    assert first_stop([0.7] * 100) is None
    assert first_stop([1e3 + (i % 2) * 1e-13 for i in range(100)]) is None


def test_an_explosion_from_the_start_stops():
    """A loss that grows tenfold a step is stopped once the opening is seen."""
    stop = first_stop([10.0**i for i in range(40)])
    assert stop is not None
    assert stop <= 14


def test_the_factor_is_the_original_recipe():
    """A number f stops at the first loss above f times the lowest one so far."""
    losses = [2.0, 1.0, 9.9, 0.5, 5.0, 5.1]
    assert first_stop(losses, 10.0) == 5


@pytest.mark.parametrize("losses", [[-3.0, -2.9, -4.0, -1.0, 2.0], [0.2, 0.0, 0.1, 0.3]])
def test_a_factor_says_nothing_of_losses_that_are_not_positive(losses):
    """Ten times a loss of -3 lies below it, and any loss above ten times 0: neither is an explosion."""
    assert first_stop(losses, 10.0) is None


def test_never_means_never():
    """With "never" only a loss that is not finite ends a run."""
    assert first_stop([10.0**i for i in range(300)], "never") is None


def stop_by_the_rule(losses):
    """The rule word by word, looked at after every loss."""
    for n in range(5, len(losses) + 1):
        opening = losses[: min(n, 10)]
        start, scatter = np.median(opening), np.ptp(opening)
        levels = [np.median(losses[end - 5 : end]) for end in range(5, n + 1)]
        rise = levels[-1] - start
        if rise > 3 * (start - min(levels)) and rise > 3 * scatter and rise > 0:
            return n - 1
    return None


@pytest.mark.parametrize("seed", range(60))
def test_what_is_passed_over_decides_nothing(seed):
    """Most losses are not looked at closely; the run still stops where the rule, applied to every one, says."""
    rng = np.random.default_rng(seed)
    walk = np.cumsum(rng.normal(size=80)) + rng.normal(size=80) * rng.choice([0.1, 1, 10])
    losses = walk if seed % 2 else curve(seed, noise=rng.choice([0.02, 0.3]))
    assert first_stop(losses) == stop_by_the_rule(losses)
