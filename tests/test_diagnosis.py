"""The diagnosis: the expected verdict for every curve, and nothing that depends on the unit of the loss."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lrwidget import LearningRateFinder
from lrwidget.analysis import analyse
from lrwidget.diagnosis import SIGNIFICANT_FALL, TYPICAL_RANGES, UPHILL, diagnose
from lrwidget.suggestions import suggest
from tests.curves import noise, s_curve, sweep
from tests.regret.scoring import Pathology, load_pathologies

PATHOLOGIES = {case.name: case for case in load_pathologies()}


@pytest.mark.parametrize("case", PATHOLOGIES.values(), ids=PATHOLOGIES)
def test_recorded_pathologies_get_their_verdict(case: Pathology) -> None:
    """Each recorded curve gets its diagnosis."""
    assert diagnose(case.curve.lrs, case.curve.losses).kind == case.kind


def test_a_tiny_loss_that_only_fluctuates_needs_higher_rates() -> None:
    """The same noise is a range too small where a step can hardly move a weight; there is advice, but no rate."""
    case = PATHOLOGIES["still_falling"]
    diagnosis = diagnose(case.curve.lrs, case.curve.losses)
    assert diagnosis.kind == "range_too_small"
    assert diagnosis.extend_to == 100
    assert "Raise max_lr to 100" in diagnosis.advice
    assert suggest(case.curve.lrs, case.curve.losses).lr is None
    larger = diagnose(case.curve.lrs, 1e4 * case.curve.losses)
    assert (larger.kind, larger.extend_to) == ("noise", 100)
    assert "raise max_lr to 100" in larger.advice


@pytest.mark.parametrize("case", PATHOLOGIES.values(), ids=PATHOLOGIES)
def test_recorded_pathologies_get_a_rate_in_their_band_or_none(case: Pathology) -> None:
    """None for all that deserve none, in band for all others."""
    lr = suggest(case.curve.lrs, case.curve.losses).lr
    if lr is None:
        assert case.may_be_none
    else:
        assert case.band is not None
        assert case.band[0] <= lr <= case.band[1]


def rise(shape: str, num_steps: int) -> np.ndarray:
    """What a loss may do without ever falling."""
    lrs = sweep(num_steps)
    x = np.log10(lrs)
    return {
        "flat": np.zeros(num_steps),
        "rising evenly": np.linspace(0, 2, num_steps),
        "rising with lr": lrs,
        "rising late": np.maximum(0, x + 1),
        "rising and levelling off": 4 / (1 + np.exp(-3 * (x + 2))),
    }[shape]


@pytest.mark.parametrize("num_steps", [12, 20, 50, 100, 300])
@pytest.mark.parametrize(
    "shape", ["flat", "rising evenly", "rising with lr", "rising late", "rising and levelling off"]
)
def test_curves_without_evidence_get_no_rate(shape: str, num_steps: int) -> None:
    """On 200 seeds of noise, flat or on a rise, there is no suggestion in at least 97% of them."""
    lrs, level = sweep(num_steps), 2.3 + rise(shape, num_steps)
    found = [suggest(lrs, level + 0.05 * noise(seed, num_steps)).lr for seed in range(200)]
    assert np.mean([lr is None for lr in found]) >= 0.97


@pytest.mark.parametrize("num_steps", [20, 100, 300])
@pytest.mark.parametrize("shape", ["rising with lr", "rising late"])
def test_a_rise_whose_noise_grows_with_it_gets_no_rate(shape: str, num_steps: int) -> None:
    """Real losses fluctuate by a share of themselves: nor is there any in 97% of 200 seeds of that."""
    lrs, level = sweep(num_steps), 2.3 + rise(shape, num_steps)
    found = [suggest(lrs, level * (1 + 0.05 * noise(seed, num_steps))).lr for seed in range(200)]
    assert np.mean([lr is None for lr in found]) >= 0.97


@pytest.mark.parametrize("share", [0.1, 0.2, 0.3])
@pytest.mark.parametrize("level", [lambda u: 3**u, lambda u: 10**u, lambda u: 1 + 9 * u], ids=["3^u", "10^u", "1+9u"])
def test_a_rise_all_along_gets_no_rate_however_it_scatters(level: Callable[[Any], Any], share: float) -> None:
    """Noise in proportion to a loss that goes up from the first step on drops as far as instability would."""
    heights = level(np.linspace(0, 1, 100))
    found = [suggest(LRS, heights * np.exp(share * noise(seed))).lr for seed in range(200)]
    assert np.mean([lr is None for lr in found]) >= 0.97


@pytest.mark.parametrize("share", [0.0, 0.01, 0.05])
@pytest.mark.parametrize(
    "level",
    [lambda u: 1 + 2 * u, lambda u: 1 + u**2, lambda u: 1 + u**3, np.exp, lambda u: np.exp(5 * u)],
    ids=["straight", "square", "cube", "exp", "exp 5"],
)
def test_a_steady_rise_is_no_explosion_at_the_start(level: Callable[[Any], Any], share: float) -> None:
    """However soon it leaves the noise, it takes decades to come up: nothing was learned, min_lr is not too high."""
    heights = level(np.linspace(0, 1, 100))
    diagnosis = diagnose(LRS, heights + share * np.ptp(heights) * noise(3))
    assert diagnosis.kind == "no_decrease"
    assert diagnosis.advice.endswith(UPHILL)


def after(losses: Any, end: float) -> Any:
    """The same losses, another value from a rate of 0.3 on."""
    return np.where(sweep(len(losses)) > 0.3, end, losses)


@pytest.mark.parametrize("num_steps", [20, 25, 30, 40])
@pytest.mark.parametrize("end", [None, np.nan, 2.3, 9.0], ids=["falls", "breaks off", "comes back", "jumps"])
def test_a_clear_fall_is_seen_in_few_steps(num_steps: int, end: float | None) -> None:
    """Of twenty losses that fall by ten noise levels there is a rate, where the fall ends within a decade or so."""
    lrs = sweep(num_steps)
    fall = 2.3 - 1.8 / (1 + np.exp(-3 * (np.log10(lrs) + 2.5)))
    found = []
    for seed in range(50):
        losses = fall + 0.18 * noise(seed, num_steps)
        found.append(suggest(lrs, losses if end is None else after(losses, end)).lr)
    rates = [lr for lr in found if lr is not None]
    assert len(rates) >= 43
    assert all(1e-3 < lr < 0.6 for lr in rates)


@pytest.mark.parametrize("num_before", [5, 6, 7, 8])
def test_a_few_losses_before_a_jump_show_no_fall(num_before: int) -> None:
    """Which of them is the lowest is chance: it is seen as a fall in one of a hundred at most."""
    found = []
    for seed in range(400):
        losses = 2.3 + 0.1 * noise(seed, 30)
        losses[num_before:] = 9.0 + np.arange(30 - num_before)
        curve = analyse(sweep(30), losses)
        assert curve is not None
        found.append(curve.significance >= SIGNIFICANT_FALL)
    assert np.mean(found) <= 0.01


def uphill(seed: int) -> Callable[[float], float]:
    """A train step of logistic regression on ten clouds of points, with a forgotten minus."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, 1800)
    inputs = 0.3 + 0.15 * rng.normal(size=(10, 64))[labels] + 0.3 * rng.normal(size=(1800, 64))
    weights = 0.2 * rng.normal(size=(64, 10))

    def train_step(lr: float) -> float:
        batch = rng.integers(0, len(labels), 128)
        logits = inputs[batch] @ weights
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        own = np.arange(128), labels[batch]
        loss = -np.log(np.maximum(shares[own], 1e-300)).mean()
        shares[own] -= 1
        weights[:] += lr * inputs[batch].T @ shares / 128
        return float(loss)

    return train_step


def test_training_uphill_only_rises() -> None:
    """It explodes, but has been rising before: that is no edge of stability, and there is no rate."""
    found = [LearningRateFinder().range_test(uphill(seed)) for seed in range(20)]
    assert [result.diagnosis.kind for result in found].count("no_decrease") >= 18
    assert [result.suggested_lr for result in found].count(None) >= 18


@pytest.mark.parametrize("num_steps", [100, 300])
@pytest.mark.parametrize("fall_at", [-5.0, -4.0, -3.0])
def test_a_long_bottom_hides_no_fall(fall_at: float, num_steps: int) -> None:
    """A fall of five noise levels has a rate however early it comes and long the curve then stays low."""
    lrs = sweep(num_steps)
    x = np.log10(lrs)
    level = 1.3 - 1 / (1 + np.exp(-5 * (x - fall_at))) + np.exp(np.minimum(6 * (x - 0.5), 8))
    for seed in range(50):
        lr = suggest(lrs, level + 0.2 * noise(seed, num_steps)).lr
        assert lr is not None
        assert fall_at - 0.5 < np.log10(lr) < 0.5


@pytest.mark.parametrize("risen", [False, True], ids=["out of a calm", "after a rise"])
def test_a_run_that_ends_soon_shows_an_explosion_where_it_was_calm_before(risen: bool) -> None:
    """The loss of a trained model, stopped four steps into its divergence, has a rate; one on the rise has none."""
    lrs, found = sweep()[:82], []
    for seed in range(50):
        heights = noise(seed, 82)
        heights[-4:] = [6, 10, 14, 18]
        heights[-12:-4] += 3 * risen
        found.append(suggest(lrs, 0.4 + 0.06 * heights).lr)
    if risen:
        assert found.count(None) >= 48
    else:
        rates = [lr for lr in found if lr is not None]
        assert len(rates) >= 48
        assert all(0.01 < lr / lrs[-4] < 1 for lr in rates)


def test_a_jump_is_an_explosion_whatever_the_noise_was_before() -> None:
    """Up from where the loss was at the start to twenty noise levels and on, within two steps: no rise does that."""
    lrs, found = sweep()[:82], []
    for seed in range(50):
        heights = noise(seed, 82)
        heights[-10:-4] += 2
        heights[-4:] = [0.5, 23, 110, 560]
        found.append(suggest(lrs, 0.4 + 0.06 * heights).lr)
    assert found.count(None) <= 2


def test_a_shift_of_the_level_is_no_repetition() -> None:
    """A loss that is a little higher from the middle on, as other data make it, is no round of batches."""
    for seed in range(20):
        losses = 2.3 + 0.1 * (LRS > 1e-3) + 0.05 * noise(seed)
        assert "repeats" not in diagnose(LRS, losses).message


def test_where_noise_may_hide_a_fall_no_rise_is_claimed() -> None:
    """A loss that is down by one noise level before it is thrown up has not "only risen": more is asked for."""
    low, found = (LRS > 0.01) & (LRS < 0.3), []
    for seed in range(20):
        losses = 1.0 + 0.3 * noise(seed) - 0.3 * low
        losses[LRS > 0.4] = 3.0
        found.append(diagnose(LRS, losses))
    without = [diagnosis for diagnosis in found if diagnosis.kind == "no_decrease"]
    assert len(without) > 5
    assert not any("only rises" in diagnosis.message for diagnosis in without)
    assert all("repeats" in diagnosis.advice and diagnosis.needs_repeats for diagnosis in without)


HEAVY = {
    "Student t, 3": lambda rng, n: rng.standard_t(3, n),
    "Laplace": lambda rng, n: rng.laplace(size=n),
    "exponential": lambda rng, n: rng.exponential(size=n),
    "negative exponential": lambda rng, n: -rng.exponential(size=n),
}


@pytest.mark.parametrize("num_steps", [100, 300])
@pytest.mark.parametrize("shape", ["flat", "rising with lr"])
@pytest.mark.parametrize("distribution", HEAVY)
def test_wild_batches_are_no_evidence(distribution: str, shape: str, num_steps: int) -> None:
    """Nor is there any, in 97% of 200 seeds, where the noise has heavy tails or lies to one side."""
    lrs, level = sweep(num_steps), 2.3 + rise(shape, num_steps)
    draw = HEAVY[distribution]
    found = [suggest(lrs, level + 0.05 * draw(np.random.default_rng(seed), num_steps)).lr for seed in range(200)]
    assert np.mean([lr is None for lr in found]) >= 0.97


LRS = sweep()
KINDS = {
    "ok": s_curve(LRS),
    "flat": np.full(100, 0.7),
    "noise": 2.3 + 0.05 * noise(7),
    "explodes_from_start": 2.3 * np.exp(np.minimum(np.arange(100.0) ** 2, 300)),
    "nonfinite": np.full(100, np.nan),
    "range_too_small": 2.3 - 10 * LRS / (10 + 10 * LRS) + 0.005 * noise(8),
    "no_decrease": 0.5 + np.exp(np.minimum(6 * np.log10(LRS), 8)) * (LRS > 0.5),
    "too_few_points": np.linspace(2.3, 2.2, 5),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("factor", [1e-300, 1e90])
@pytest.mark.parametrize("num_steps", [10, 100, 300])
def test_losses_near_the_ends_of_the_numbers_are_read(num_steps: int, factor: float) -> None:
    """Squares that vanish and quotients that overflow neither raise nor warn: it is the verdict of the same losses.

    But for a loss that only fluctuates: that is a range too small where it is tiny.
    """
    lrs = sweep(num_steps)

    def kind(losses: np.ndarray) -> str:
        found = diagnose(lrs, losses).kind
        return "noise" if found == "range_too_small" else found

    for seed in range(20):
        losses = noise(seed, num_steps)
        assert kind(factor * losses) == kind(losses)
        losses[num_steps // 2 :: 3] = 1e10
        assert kind(factor * losses) == kind(losses)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("factor", "offset"), [(1.0, 0.0), (1e-6, 1e3), (1e6, -100.0)])
def test_every_kind_is_found_in_any_unit_and_advised_on(kind: str, factor: float, offset: float) -> None:
    """c * loss + d gets the verdict of the loss: one sentence, and advice for all but a good curve."""
    losses = KINDS[kind]
    diagnosis = diagnose(LRS[: len(losses)], factor * losses + offset)
    assert diagnosis.kind == kind
    assert diagnosis.message.endswith(".")
    assert diagnosis.message.count(". ") == 0
    assert (diagnosis.advice == "") == (kind == "ok")
    assert diagnosis.needs_repeats == ("repeats" in diagnosis.advice)


def test_a_range_that_is_too_small_says_how_far_to_go() -> None:
    """A loss that still falls at the end asks for ten times the largest rate."""
    lrs = np.geomspace(1e-7, 3e-3, 80)
    diagnosis = diagnose(lrs, s_curve(lrs))
    assert diagnosis.kind == "range_too_small"
    assert diagnosis.extend_to == pytest.approx(0.03)
    assert "3e-2" in diagnosis.advice


@pytest.mark.parametrize("num_steps", [50, 100, 300])
def test_a_fall_that_goes_on_to_the_end_is_no_good_curve(num_steps: int) -> None:
    """A straight line over all eight decades has its last tenth .8 decades from the end, and is no plateau."""
    lrs = sweep(num_steps)
    falling = diagnose(lrs, 2 - np.linspace(0, 1, num_steps))
    assert (falling.kind, falling.extend_to) == ("range_too_small", 100)
    level = np.log10(lrs[-1]) - 2  # the same fall, at its end two decades before that of the sweep
    levelled = diagnose(lrs, 2 - np.interp(np.log10(lrs), [-7, level], [0, 1]))
    assert levelled.kind == "ok"


@pytest.mark.parametrize(
    ("num_steps", "share"), [(25, 0.0), (30, 0.0), (40, 0.0), (30, 0.02), (100, 0.02), (300, 0.02)]
)
def test_a_fall_to_the_end_is_seen_through_some_noise(num_steps: int, share: float) -> None:
    """Six decades straight down: the last one is as steep as the others."""
    lrs = sweep(num_steps)
    fall = -np.clip(np.log10(lrs) + 5, 0, None) / 6
    kinds = [diagnose(lrs, fall + share * noise(seed, num_steps)).kind for seed in range(20)]
    assert kinds.count("range_too_small") >= 19


def test_a_constant_loss_that_breaks_off_is_not_flat() -> None:
    """The optimizer does reach the loss; something in it overflows."""
    assert diagnose(LRS, np.where(LRS > 0.1, np.inf, 2.3)).kind == "nonfinite"


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("offset", [0.0, 1.0, -100.0])
def test_a_loss_of_exactly_nothing_is_read_as_any_other(offset: float) -> None:
    """A model that fits its data bit for bit has no noise and no level to compare with."""
    for losses in (np.maximum(np.log10(LRS) + 1, 0), np.where(LRS > 0.1, np.abs(noise(1)), 0.0)):
        assert diagnose(LRS, losses + offset).kind == "no_decrease"


def test_a_range_of_almost_nothing_is_read_at_once() -> None:
    """A hundred rates within a millionth: a decade of such steps would be hundreds of millions."""
    lrs = np.linspace(1e-3, 1e-3 + 1e-9, 100)
    assert diagnose(lrs, 2.3 + 0.05 * noise(5)).kind in ("noise", "range_too_small")


def test_a_loss_that_breaks_off_without_having_fallen_is_not_finite() -> None:
    """Flat and then NaN points to the data, not to the learning rate."""
    losses = np.append(2.3 + 0.05 * noise(9)[:60], np.nan)
    assert diagnose(LRS[:61], losses).kind == "nonfinite"


def test_few_losses_that_only_rise_explode_from_the_start() -> None:
    """A run that was stopped after some exploding steps is no run with too few points."""
    losses = [2.3, 80.0, 4e3, 2e5, 1e7]
    assert diagnose(LRS[:5], losses).kind == "explodes_from_start"
    assert diagnose(LRS[:2], [2.3, 2.4]).kind == "too_few_points"
    assert diagnose(LRS[:3], [2.3, 50.0, np.inf]).kind == "explodes_from_start"


@pytest.mark.parametrize("num_losses", [1, 2, 4, 7])
def test_a_few_usual_losses_before_a_nan_are_no_explosion(num_losses: int) -> None:
    """Which of them is the highest is chance: the data or the loss are to be looked at, not the rate."""
    kinds = [diagnose(LRS[: num_losses + 1], [*2.3 + 0.02 * noise(s, num_losses), np.nan]).kind for s in range(50)]
    assert kinds.count("nonfinite") >= 47


def test_batches_in_a_fixed_order_are_noticed() -> None:
    """A loss that repeats every ten steps asks for shuffling."""
    rounds = np.tile(noise(10, 10), 10) + 0.1 * noise(11)
    diagnosis = diagnose(LRS, rounds)
    assert diagnosis.kind == "noise"
    assert "Shuffle" in diagnosis.advice


def test_typical_ranges_are_the_tutorials() -> None:
    """The table of architectures and their usual rates."""
    assert TYPICAL_RANGES == {
        "MLP": (1e-4, 1e-2),
        "CNN": (1e-4, 1e-2),
        "transformer": (1e-5, 1e-3),
        "fine-tuning": (1e-6, 1e-4),
        "large batch": (1e-3, 1e-1),
    }
