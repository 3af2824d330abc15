"""The reading of a curve: its level, its noise, its fall and its explosion."""

import numpy as np
import pytest

from lrwidget.analysis import Curve, analyse
from tests.curves import noise, s_curve, sweep


def read(lrs: np.ndarray, losses: np.ndarray) -> Curve:
    """The curve, which has to be readable."""
    curve = analyse(lrs, losses)
    assert curve is not None
    return curve


@pytest.mark.parametrize("num_steps", [50, 100, 300, 2000])
def test_the_places_are_those_of_the_formula(num_steps: int) -> None:
    """Start, fall, the end of the fall and the explosion are where the noise-free curve has them."""
    lrs = sweep(num_steps)
    curve = read(lrs, s_curve(lrs))
    fine = sweep(200_001)
    truth = s_curve(fine)
    most, end = (np.log10(fine[np.argmax(truth <= 2.3 - share * (2.3 - truth.min()))]) for share in (0.8, 0.9))
    past = np.argmin(truth)
    half_way_up = np.log10(fine[past + np.argmax(truth[past:] - truth.min() > 0.5 * (2.3 - truth.min()))])
    assert curve.start == pytest.approx(2.3, abs=0.01)
    assert curve.fall == pytest.approx(2.3 - truth.min(), rel=0.02)
    assert curve.log10_lr(curve.fall_end) == pytest.approx(end, abs=0.1)
    assert curve.log10_lr(curve.most_of_fall) == pytest.approx(most, abs=0.1)
    assert curve.explosion is not None
    assert curve.log10_lr(curve.explosion) == pytest.approx(half_way_up, abs=8 / num_steps + 0.05)


def test_the_noise_is_that_of_the_batches() -> None:
    """The noise level is the standard deviation of what was added to the curve."""
    lrs = sweep(300)
    assert read(lrs, s_curve(lrs) + 0.1 * noise(0, 300)).noise == pytest.approx(0.1, rel=0.25)


def test_a_very_fine_sweep_is_read_in_blocks() -> None:
    """Of 10,000 steps at most some 40 points a decade are left, and a point knows how many steps it stands for."""
    lrs = sweep(10_000)
    curve = read(lrs, s_curve(lrs))
    assert len(curve.lrs) <= 8 * 41
    assert curve.steps_per_point == 10_000 // len(curve.lrs)


def test_the_onset_lies_by_the_explosion() -> None:
    """The mean of stricter and laxer views is within a step of the middle one where the loss rises steeply."""
    curve = read(sweep(), s_curve(sweep()))
    assert curve.explosion is not None
    assert curve.onset == pytest.approx(curve.explosion, abs=1)
    flat = read(sweep(), np.linspace(2, 1, 100))
    assert (flat.explosion, flat.onset) == (None, 100)


@pytest.mark.parametrize("num_losses", [0, 3, 7])
def test_too_few_losses_are_not_read(num_losses: int) -> None:
    """Under eight finite losses there is no reading."""
    assert analyse(sweep(num_losses), np.ones(num_losses)) is None
    assert analyse(sweep(20), np.where(np.arange(20) < num_losses, 1.0, np.nan)) is None


def test_a_missing_loss_in_between_moves_nothing() -> None:
    """Isolated NaN leaves the places where they are; NaN at the end is noted."""
    lrs = sweep()
    losses = s_curve(lrs)
    whole = read(lrs, losses)
    losses[[20, 50]] = np.nan
    holed = read(lrs, losses)
    assert holed.explosion == whole.explosion
    assert holed.fall_end == pytest.approx(whole.fall_end, abs=0.1)
    assert not holed.is_cut
    losses[-1] = np.nan
    assert read(lrs, losses).is_cut


def test_the_sweep_is_continued_beyond_its_ends() -> None:
    """A place before the first or after the last step has the rate that the sweep would have had."""
    lrs = np.geomspace(1e-6, 1, 13)
    curve = read(lrs, s_curve(lrs))
    assert curve.log10_lr(-2) == pytest.approx(-7)
    assert curve.log10_lr(2.5) == pytest.approx(-4.75)
    assert curve.log10_lr(14) == pytest.approx(1)


def test_noise_alone_is_no_fall() -> None:
    """The significance stays under 1 on at least 97 of 100 noise curves, and a clear fall has over 2."""
    lrs = sweep()
    assert np.mean([read(lrs, noise(seed)).significance < 1 for seed in range(200)]) >= 0.97
    assert read(lrs, s_curve(lrs) + 0.1 * noise(0)).significance > 2


@pytest.mark.parametrize("num_steps", [100, 300])
def test_a_steady_rise_is_no_instability(num_steps: int) -> None:
    """A loss that rises with lr, or evenly along the sweep, is not taken for training at the edge of stability."""
    lrs = sweep(num_steps)
    for rise in (lrs, np.linspace(0, 2, num_steps)):
        assert not read(lrs, 2.3 + rise + 0.05 * noise(1, num_steps)).is_unstable


def test_an_explosion_of_training_is_unstable() -> None:
    """A flat, noisy loss that is thrown up and down, or up steeply, is."""
    lrs = sweep()
    thrown = 2.3 + 0.05 * noise(2)
    thrown[-12::2] += 1.0
    steep = 2.3 + 0.05 * noise(3) + np.exp(np.minimum(8 * (np.log10(lrs) + 1), 20))
    assert read(lrs, thrown).is_unstable
    assert read(lrs, steep).is_unstable


@pytest.mark.parametrize("num_steps", [100, 300])
def test_losses_thrown_between_nothing_and_much_are_an_explosion(num_steps: int) -> None:
    """Small batches of a wrecked classifier have losses of 0 in between; such a level is kept by none of them."""
    lrs, found = sweep(num_steps), []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        thrown = np.where(rng.random(num_steps) < 0.2, 0.0, rng.uniform(5, 20, num_steps))
        curve = read(lrs, np.where(lrs > 2, thrown, 0.7 + 0.08 * noise(seed, num_steps)))
        found.append(curve.is_unstable and abs(curve.log10_lr(curve.onset) - np.log10(2)) < 0.3)
    assert np.mean(found) >= 0.95


def test_a_jump_to_a_plateau_is_unstable() -> None:
    """A model that dies at once does not go on to rise; so high within so few steps is no mere rise."""
    found = []
    for seed in range(50):
        heights = noise(seed)
        heights[-12:] += 20
        found.append(read(sweep(), 2.3 + 0.03 * heights).is_unstable)
    assert np.mean(found) >= 0.9
