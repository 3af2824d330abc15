"""Smoothing: quiet, and without lag."""

import numpy as np
import pytest

from lrwidget.smoothing import _local_lines, centred_mean, running_mean, smooth
from tests.curves import noise, sweep


def s_curve(log10_lrs: np.ndarray, steepness: float, growth: float, middle: float = -2.5) -> np.ndarray:
    """A loss that falls from 2.3 to 0.5 around 10^middle and explodes from about 10^-0.3."""
    fall = 1.8 / (1 + np.exp(-steepness * (log10_lrs - middle)))
    return 2.3 - fall + np.exp(np.minimum(growth * (log10_lrs + 0.3), 8))


def midpoint(x: np.ndarray, y: np.ndarray, level: float) -> float:
    """Where y first crosses the level, by linear interpolation."""
    k = int(np.argmax(y < level))
    return float(x[k - 1] + (y[k - 1] - level) / (y[k - 1] - y[k]) * (x[k] - x[k - 1]))


@pytest.mark.parametrize("num_steps", [50, 100, 300])
@pytest.mark.parametrize("steepness", [1.5, 2.5, 4.0, 6.0])
@pytest.mark.parametrize("growth", [3.0, 6.0, 15.0])
@pytest.mark.parametrize("middle", [-4.0, -2.5])
def test_minimum_and_midpoint_stay_within_a_tenth_of_a_decade(
    num_steps: int, steepness: float, growth: float, middle: float
) -> None:
    """The default smoothing moves neither the midpoint nor the minimum of a noise-free curve, nor of a long valley."""
    x = np.linspace(-7, 1, num_steps)
    fine = np.linspace(-7, 1, 200_001)
    truth = s_curve(fine, steepness, growth, middle)
    half = (truth[0] + truth.min()) / 2
    smoothed = smooth(10**x, s_curve(x, steepness, growth, middle))
    assert abs(x[smoothed.argmin()] - fine[truth.argmin()]) <= 0.1
    assert abs(midpoint(x, smoothed, half) - midpoint(fine, truth, half)) <= 0.1


@pytest.mark.parametrize("smooth_factor", [0.5, 0.2, 0.05, 0.02])
def test_noise_is_reduced_as_much_as_by_the_running_mean(smooth_factor: float) -> None:
    """On white noise both smoothers leave the share f / (2 - f) of the variance."""
    rng = np.random.default_rng(0)
    lrs = np.geomspace(1e-7, 10, 1000)
    shares = [np.var(smooth(lrs, rng.normal(size=1000), smooth_factor)) for _ in range(30)]
    assert np.mean(shares) == pytest.approx(smooth_factor / (2 - smooth_factor), rel=0.1)


def test_a_straight_line_is_left_alone() -> None:
    """A straight line in log lr comes back as it was, up to its ends."""
    line = 3 - 0.25 * np.arange(60.0)
    np.testing.assert_allclose(smooth(np.geomspace(1e-5, 1, 60), line), line, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("factor", "offset"), [(1e-6, 0.0), (1e6, -100.0), (3.0, 1e3)])
def test_shift_and_scale_pass_through(factor: float, offset: float) -> None:
    """Smoothing c * loss + d gives c * smoothed + d."""
    lrs = np.geomspace(1e-7, 10, 100)
    losses = s_curve(np.log10(lrs), 4, 6) + np.random.default_rng(1).normal(0, 0.05, 100)
    np.testing.assert_allclose(
        (smooth(lrs, factor * losses + offset) - offset) / factor, smooth(lrs, losses), rtol=1e-6, atol=1e-6
    )


def test_a_factor_of_one_returns_the_losses() -> None:
    """smooth_factor=1 means no smoothing, for both smoothers, and the input is not changed in place."""
    losses = np.array([3.0, np.nan, 1.0, np.inf, 7.0, 2.0])
    np.testing.assert_array_equal(smooth(np.arange(1.0, 7.0), losses, 1.0), losses)
    np.testing.assert_array_equal(running_mean(losses, 1.0), losses)


def test_losses_that_are_not_finite_stay_where_they_are_and_spoil_nothing() -> None:
    """NaN and inf are returned as they came, and their neighbours are smoothed without them."""
    lrs = np.geomspace(1e-7, 10, 80)
    line = np.linspace(5.0, 1.0, 80)
    broken = line.copy()
    broken[[7, 30]], broken[-1] = np.nan, np.inf
    smoothed = smooth(lrs, broken)
    assert np.isnan(smoothed[[7, 30]]).all()
    assert smoothed[-1] == np.inf
    finite = np.isfinite(broken)
    np.testing.assert_allclose(smoothed[finite], line[finite], rtol=1e-9)


def test_linear_spacing_is_smoothed_alike() -> None:
    """Windows count steps, so the same losses on a linear sweep smooth to the same values."""
    losses = np.random.default_rng(2).normal(size=100)
    np.testing.assert_array_equal(
        smooth(np.linspace(1e-7, 10, 100), losses), smooth(np.geomspace(1e-7, 10, 100), losses)
    )


@pytest.mark.parametrize("num_steps", [0, 1, 2])
def test_very_short_curves_come_back_as_they_are(num_steps: int) -> None:
    """With under three losses there is nothing to smooth."""
    losses = np.arange(num_steps, dtype=float)
    np.testing.assert_array_equal(smooth(np.arange(1.0, 1 + num_steps), losses), losses)


def test_huge_losses_neither_overflow_nor_hide_the_rest() -> None:
    """A loss of 1e300 at the end leaves the smoothed curve before it as it was, without a warning."""
    lrs = np.geomspace(1e-7, 10, 60)
    losses = np.linspace(2, 1, 60)
    exploded = losses.copy()
    exploded[-2:] = 1e30, 1e300
    np.testing.assert_allclose(smooth(lrs, exploded)[:-2], losses[:-2], rtol=1e-9)


def test_the_running_mean_is_the_tutorials() -> None:
    """First loss first, then f * loss + (1 - f) * mean; a NaN is passed over."""
    expected = [4.0, 0.25 * 8 + 0.75 * 4, np.nan, 0.25 * 1 + 0.75 * 5]
    np.testing.assert_allclose(running_mean([4.0, 8.0, np.nan, 1.0], 0.25), expected)


@pytest.mark.parametrize("half_width", [1.0, 3.0, 4.3, 60.0])
@pytest.mark.parametrize(("num_steps", "share"), [(40, 0.8), (40, 1.0), (400, 1.0)])
def test_lines_through_windows_are_those_of_least_squares(num_steps: int, share: float, half_width: float) -> None:
    """NumPy's weighted fit gives the same line at each step, wherever losses are missing, and the same noise gain."""
    rng = np.random.default_rng(5)
    steps, reach = np.arange(num_steps), int(np.ceil(half_width))
    usable = rng.random(num_steps) < share
    values, fit, gain = rng.normal(size=num_steps), np.full(num_steps, np.nan), np.full(num_steps, np.nan)
    (fit[usable],), (gain[usable],) = _local_lines(usable, values[usable], (half_width,))
    near_the_ends = np.minimum(steps, num_steps - 1 - steps) < 4
    for step in steps[usable & (near_the_ends | (steps % 13 == 0))]:
        inside = (np.abs(steps - step) <= reach) & usable
        offsets = steps[inside] - step
        if inside.sum() < 3:
            continue
        weights = np.where(np.abs(offsets) == reach, half_width - (reach - 1), 1.0)
        assert fit[step] == pytest.approx(np.polyfit(offsets, values[inside], 1, w=np.sqrt(weights))[1], abs=1e-9)
        # what each value counts: the line through a one among noughts
        ones = [np.polyfit(offsets, one, 1, w=np.sqrt(weights))[1] for one in np.eye(inside.sum())]
        assert gain[step] == pytest.approx(np.linalg.norm(ones), abs=1e-9)


def test_a_loss_far_out_of_the_noise_does_not_show_in_the_smoothed_curve() -> None:
    """The small last batch of an epoch: ten noise levels move the curve by less than two, nearly anywhere."""
    lrs, moved = sweep(), []
    for step in range(98):  # a high loss among the last two may be where an explosion begins
        for seed in range(3):
            losses = 2.3 + 0.05 * noise(seed)
            losses[step] = 2.3 + 10 * 0.05
            moved.append(abs(smooth(lrs, losses)[step] - 2.3) > 2 * 0.05)
    assert np.mean(moved) < 0.03


@pytest.mark.parametrize(
    ("lrs", "losses", "smooth_factor", "message"),
    [
        ([1.0, 2.0], [1.0], 0.5, "same shape"),
        ([2.0, 1.0], [1.0, 1.0], 0.5, "rising"),
        ([0.0, 1.0], [1.0, 1.0], 0.5, "positive"),
        ([1.0, 2.0], [1.0, 1.0], 0.0, "smooth_factor=0.0"),
        ([1.0, 2.0], [1.0, 1.0], 1.5, "smooth_factor=1.5"),
    ],
)
def test_what_cannot_be_smoothed_is_refused(
    lrs: list[float], losses: list[float], smooth_factor: float, message: str
) -> None:
    """Wrong shapes, rates that do not rise and factors outside (0, 1] raise ValueError."""
    with pytest.raises(ValueError, match=message):
        smooth(lrs, losses, smooth_factor)


def test_losses_down_to_the_smallest_numbers_are_smoothed():
    """A loss that shrinks at each step until nothing is left is smoothed without a warning, and stays finite."""
    losses = 0.36 ** np.arange(1392.0)
    smoothed = smooth(np.arange(1.0, 1393.0), losses)
    assert np.isfinite(smoothed).all()
    assert smoothed[-1000:] == pytest.approx(0.0, abs=1e-12)


def test_a_centred_mean_is_a_mean_of_the_steps_around() -> None:
    """With f = 1/3 over five steps; fewer at the ends, at the beginning as many before as after."""
    losses = np.array([9.0, 4.0, 2.0, 7.0, 1.0, 3.0, 5.0])
    expected = [9.0, (9 + 4 + 2) / 3, (9 + 4 + 2 + 7 + 1) / 5, (4 + 2 + 7 + 1 + 3) / 5, (2 + 7 + 1 + 3 + 5) / 5]
    assert centred_mean(losses, 1 / 3).tolist() == pytest.approx([*expected, (7 + 1 + 3 + 5) / 4, (1 + 3 + 5) / 3])


def test_a_centred_mean_keeps_a_straight_line_away_from_the_end() -> None:
    """It does not lag: up to where the window is cut at the end, a line stays what it is."""
    line = np.linspace(5.0, 1.0, 50)
    assert centred_mean(line, 0.1)[:41] == pytest.approx(line[:41])


def test_a_centred_mean_is_as_quiet_as_a_running_mean() -> None:
    """The variance of noise falls by f / (2 - f)."""
    noise = np.random.default_rng(0).normal(size=20_000)
    assert centred_mean(noise, 0.1).var() == pytest.approx(0.1 / 1.9, rel=0.1)


def test_a_centred_mean_leaves_out_what_is_not_finite() -> None:
    """It is returned as it came, and the others are the means of the finite ones; one step is its own mean."""
    smoothed = centred_mean(np.array([1.0, np.nan, 3.0, np.inf]), 1 / 3)
    assert smoothed[[0, 2]].tolist() == [1.0, 2.0]
    assert np.isnan(smoothed[1])
    assert smoothed[3] == np.inf
    assert centred_mean(np.array([4.0])).tolist() == [4.0]
    assert centred_mean(np.array([])).tolist() == []
