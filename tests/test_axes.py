"""The layout that every drawing of a curve shares."""

import numpy as np
import pytest

from lrwidget.axes import loss_range, loss_ticks, lr_ticks, short_number, tick_labels, with_margin
from lrwidget.smoothing import smooth

LRS = np.geomspace(1e-6, 1.0, 61)


def falling_curve(explosion: float, noise: float = 0.0) -> np.ndarray:
    """A loss that falls from 2 to 1 around 1e-3 and, in its last four steps, rises by `explosion`."""
    losses = 2 - 1 / (1 + (1e-3 / LRS) ** 2)
    losses[-4:] += explosion * np.array([0.05, 0.2, 0.5, 1.0])
    return losses + noise * np.random.default_rng(0).standard_normal(len(LRS))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.2e-2, "3.2e-2"),
        (1e-7, "1e-7"),
        (0.1, "0.1"),
        (0.0996, "0.1"),
        (0.996, "1"),
        (1.0, "1"),
        (1.25, "1.2"),
        (10.0, "10"),
        (99.6, "100"),
        (0.998, "1"),
        (1234.0, "1200"),
        (3e5, "3e5"),
        (0.0, "0"),
        (float("inf"), "inf"),
        (float("nan"), "nan"),
    ],
)
def test_short_number(value: float, text: str) -> None:
    """A rate is written with two digits and no padding."""
    assert short_number(value) == text


def test_loss_range_is_not_squashed_by_an_explosion() -> None:
    """However high the loss explodes, the fall from 2 to 1 takes at least half of the picture."""
    for explosion in (10.0, 1e4, 1e12):
        losses = falling_curve(explosion)
        low, high = loss_range(losses, losses)
        assert low < 1 < 2 < high
        assert high - low < 2


@pytest.mark.parametrize("spread", [3e-16, 1e-9, 1e-7, 1e-5])
@pytest.mark.parametrize("loss", [0.6931, 2.302585, 98.7, -1000.0])
def test_losses_that_hardly_change_have_ticks_that_can_be_read(loss: float, spread: float) -> None:
    """An axis has room for seven characters, and two ticks with the same number say nothing."""
    labels = tick_labels(loss_ticks(*with_margin(loss - spread * abs(loss), loss + spread * abs(loss))))
    assert len(labels) == len(set(labels)) >= 3
    assert max(map(len, labels)) <= 7 + (loss < 0)


def test_loss_range_of_a_fall_among_noise_is_not_squashed_either() -> None:
    """A fall of two noise levels takes a fifth of the picture, however high the loss explodes after it."""
    for explosion in (10.0, 1e4, 1e12):
        losses = falling_curve(explosion, noise=0.5)
        low, high = loss_range(losses, smooth(LRS, losses))
        assert low < 1 < 2 < high
        assert high - low < 5


def test_loss_range_of_what_only_rises_shows_the_rise() -> None:
    """Without noise, and up to where it explodes."""
    losses = 1 + 0.2 * np.maximum(np.log10(LRS) + 4, 0)
    losses[-3:] = [5.0, 500.0, 5e5]
    low, high = loss_range(losses, losses)
    assert low < 1
    assert losses[-4] < high < 10


def test_loss_range_shows_all_of_a_gentle_rise() -> None:
    """A rise that does not squash the fall is shown whole."""
    losses = falling_curve(1.2)
    low, high = loss_range(losses, losses)
    assert low < losses.min() < losses.max() < high


def test_loss_range_of_noise_shows_the_points() -> None:
    """Where nothing falls, the scatter is what there is to see."""
    losses = 2 + 0.1 * np.random.default_rng(1).standard_normal(len(LRS))
    low, high = loss_range(losses, smooth(LRS, losses))
    assert np.mean((losses > low) & (losses < high)) > 0.9


@pytest.mark.parametrize(("scale", "shift"), [(1e-6, 0.0), (1e6, -5e6), (3.0, -7.0)])
def test_loss_range_follows_scale_and_shift(scale: float, shift: float) -> None:
    """The range of c * loss + d is c * range + d."""
    losses = falling_curve(50.0, noise=0.02)
    wanted = scale * np.array(loss_range(losses, smooth(LRS, losses))) + shift
    moved = scale * losses + shift
    np.testing.assert_allclose(loss_range(moved, smooth(LRS, moved)), wanted, rtol=1e-9)


@pytest.mark.parametrize("losses", [[], [np.nan, np.inf], [2.0], [0.0, 0.0], [-3.0, -3.0], [2.0, np.inf]])
def test_loss_range_of_next_to_nothing(losses: list[float]) -> None:
    """There is a range to draw in, around whatever is finite, for any curve."""
    low, high = loss_range(np.array(losses), np.array(losses))
    assert np.isfinite([low, high]).all()
    assert low < high
    assert all(low < loss < high for loss in losses if np.isfinite(loss))


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (1e-7, 10.0, [1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0]),
        (1e-12, 10.0, [1e-11, 1e-9, 1e-7, 1e-5, 1e-3, 1e-1, 10.0]),
        (3e-4, 0.2, [1e-3, 1e-2, 1e-1]),
        (1e-3, 2e-2, [1e-3, 2e-3, 5e-3, 1e-2, 2e-2]),
        (1.2e-3, 4e-3, [2e-3, 3e-3, 4e-3]),
        (0.12, 0.13, [0.12, 0.13]),
    ],
)
def test_lr_ticks(low: float, high: float, ticks: list[float]) -> None:
    """Decades where there are three, finer round numbers where there are not, the ends where there is nothing else."""
    assert lr_ticks(low, high) == pytest.approx(ticks, rel=1e-12)


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0.0, 1.0, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (2.13, 2.48, ["2.15", "2.20", "2.25", "2.30", "2.35", "2.40", "2.45"]),
        (-3.2, 7.0, ["-2", "0", "2", "4", "6"]),
        (-0.3, 0.2, ["-0.3", "-0.2", "-0.1", "0.0", "0.1", "0.2"]),
        (1e-6, 5e-6, ["1e-6", "2e-6", "3e-6", "4e-6", "5e-6"]),
        (1e6, 3e6, ["1.0e6", "1.5e6", "2.0e6", "2.5e6", "3.0e6"]),
    ],
)
def test_loss_ticks(low: float, high: float, labels: list[str]) -> None:
    """A handful of round losses, each with the digits that tell it from its neighbour."""
    assert tick_labels(loss_ticks(low, high)) == labels


def test_tick_labels_of_one_tick() -> None:
    """A lone tick is labelled too."""
    assert tick_labels([]) == []
    assert tick_labels([0.0]) == ["0"]
    assert tick_labels([5.0]) == ["5"]


def test_the_range_of_scattered_losses_is_that_of_numpys_quantiles() -> None:
    """Of noise without a fall the second and the last but second hundredth, with a margin of a twentieth."""
    losses = np.random.default_rng(4).standard_normal(61)
    flat = np.zeros(61)
    low, high = np.quantile(losses, [0.02, 0.98])
    margin = 0.05 * (high - low)
    assert loss_range(losses, flat) == pytest.approx((low - margin, high + margin))
