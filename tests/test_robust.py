"""Levels and noise: no single loss moves them."""

import numpy as np
import pytest

from lrwidget.robust import noise_level, quantiles, running_median, running_trimmed_mean, without_spikes
from tests.curves import s_curve


def test_a_trimmed_mean_forgets_the_highest_and_the_lowest() -> None:
    """By hand, for windows of seven; towards the end of five and of three, at the start that of the first window."""
    values = np.array([5.0, 1.0, 4.0, 100.0, 2.0, 3.0, 6.0, 0.0, 9.0])
    first = (5 + 4 + 2 + 3 + 6) / 5
    expected = [first] * 4 + [(1 + 4 + 2 + 3 + 6) / 5, (4 + 2 + 3 + 6 + 9) / 5, (2 + 3 + 6) / 3, 6.0, 6.0]
    np.testing.assert_allclose(running_trimmed_mean(values, 7), expected)
    np.testing.assert_array_equal(running_trimmed_mean(values[:6], 7), values[:6])


@pytest.mark.parametrize("order", [2, 3])
def test_the_noise_level_is_that_of_the_noise(order: int) -> None:
    """The estimate finds the standard deviation under a curve, with a spike in it."""
    x = np.linspace(-7, 1, 2000)
    values = np.minimum(s_curve(10**x), 3) + np.random.default_rng(3).normal(0, 0.1, 2000)
    values[500] = 1e6
    assert noise_level(values, order) == pytest.approx(0.1, rel=0.1)


def test_a_single_spike_is_removed_and_a_sharp_minimum_is_not() -> None:
    """A lone outlier takes its neighbours' median; the tip of a V stays."""
    spiked = np.full(9, 2.0)
    spiked[4] = 200.0
    np.testing.assert_array_equal(without_spikes(spiked), np.full(9, 2.0))
    tip = np.abs(np.arange(9.0) - 4)
    np.testing.assert_array_equal(without_spikes(tip), tip)


@pytest.mark.parametrize("width", [3, 5])
@pytest.mark.parametrize("place", [0, 1, 15, 28, 29])
def test_no_single_value_makes_a_running_median(width: int, place: int) -> None:
    """Whatever one value becomes, at the ends too, each median stays within what the others span."""
    values = np.random.default_rng(5).normal(size=30)
    others = np.delete(values, place)
    for height in (-1e9, 1e9):
        values[place] = height
        medians = running_median(values, width)
        assert others.min() <= medians.min()
        assert medians.max() <= others.max()


def test_running_medians_follow_a_line_up_to_its_last_steps() -> None:
    """A falling line comes back as it is, but for the first window and the last step, which lags by one."""
    line = 30.0 - np.arange(30)
    expected = [line[2]] * 2 + line[2:-1].tolist() + [line[-2]]
    np.testing.assert_array_equal(running_median(line, 5), expected)


@pytest.mark.parametrize("num_values", [1, 2, 3, 10, 101])
def test_quantiles_are_those_of_numpy(num_values: int) -> None:
    """Between two values they are interpolated as NumPy does."""
    values, shares = np.random.default_rng(0).normal(size=num_values), (0.0, 0.02, 0.5, 0.98, 1.0)
    assert quantiles(values, shares) == pytest.approx(np.quantile(values, shares), rel=1e-12)
