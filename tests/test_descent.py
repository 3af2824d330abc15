"""Gradient descent on the surfaces: torch's own optimizers take the same walks, and theory's limit holds."""

import numpy as np
import pytest
import torch

from lrwidget.live.descent import MOMENTUM, OPTIMIZERS, final_losses, judge, lr_limit, take_walk
from lrwidget.live.surfaces import SURFACES, make_surface


def torch_walk(surface, lr, optimizer, num_steps):
    weights = torch.tensor(surface.start, requires_grad=True)
    torch_optimizer = {
        "SGD": lambda: torch.optim.SGD([weights], lr),
        "momentum": lambda: torch.optim.SGD([weights], lr, momentum=MOMENTUM),
        "Adam": lambda: torch.optim.Adam([weights], lr),
    }[optimizer]()
    points = [weights.detach().numpy().copy()]
    for _ in range(num_steps):
        weights.grad = torch.tensor(surface.gradient(weights.detach().numpy()))
        torch_optimizer.step()
        points.append(weights.detach().numpy().copy())
    return np.stack(points)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", SURFACES)
def test_walks_are_those_of_torch(name, optimizer):
    """Each optimizer goes where torch's goes, step by step."""
    surface = make_surface(name, 10.0)
    walk = take_walk(surface, 0.03, optimizer, num_steps=50)
    assert walk.weights.shape == (51, surface.num_weights)
    np.testing.assert_allclose(walk.weights, torch_walk(surface, 0.03, optimizer, 50), rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(walk.losses, surface.loss(walk.weights))


@pytest.mark.parametrize("curvature", [1.0, 10.0, 50.0])
def test_sgd_on_a_parabola_shrinks_by_one_factor(curvature):
    """On the valley SGD's distance is multiplied by 1 - lr * curvature at each step."""
    lr = 0.3 / curvature
    walk = take_walk(make_surface("valley", curvature), lr, num_steps=20)
    expected = walk.weights[0] * (1 - lr * curvature) ** np.arange(21)[:, None]
    np.testing.assert_allclose(walk.weights, expected, rtol=1e-9)


@pytest.mark.parametrize("optimizer", ["SGD", "momentum"])
@pytest.mark.parametrize("name", ["valley", "valley 2-D"])
@pytest.mark.parametrize("curvature", [1.0, 20.0])
def test_the_limit_parts_settling_from_leaving(name, optimizer, curvature):
    """In a valley a rate 2% below theory's limit ends at the bottom, one 2% above it leaves for good."""
    surface = make_surface(name, curvature)
    limit = lr_limit(curvature, optimizer)
    below, above = final_losses(surface, [0.98 * limit, 1.02 * limit], optimizer, num_steps=1500)
    assert below < 1e-6
    assert above == np.inf


def test_limits_are_the_formulas():
    """2 / curvature for SGD, 2 (1 + 0.9) / curvature with momentum, none for Adam."""
    assert lr_limit(8.0, "SGD") == 0.25
    assert lr_limit(8.0, "momentum") == pytest.approx(3.8 / 8)
    assert lr_limit(8.0, "Adam") is None


def test_adam_keeps_bouncing_far_above_the_limit():
    """At ten times SGD's limit Adam neither leaves nor is farther away than a few of its steps."""
    walk = take_walk(make_surface("valley", 10.0), 2.0, "Adam", num_steps=300)
    assert np.abs(walk.weights).max() < 5 * 2.0


def test_the_double_well_is_leapt_at_a_longer_stride():
    """From one start a short stride ends in the nearer well, a longer one below the limit in the deeper one."""
    surface = make_surface("double well", 10.0)
    ends = [surface.basin(take_walk(surface, factor * lr_limit(10.0, "SGD")).weights[-1]) for factor in (0.3, 0.8)]
    assert ends == [1, 0]


def test_final_losses_are_the_ends_of_the_walks():
    """Many rates at once give the last loss of each walk, inf for a walk that has left."""
    surface = make_surface("Rosenbrock 2-D", 10.0)
    lrs = np.geomspace(1e-3, 10, 30)
    for optimizer in OPTIMIZERS:
        ends = np.array([take_walk(surface, lr, optimizer, 40).losses[-1] for lr in lrs])
        np.testing.assert_array_equal(final_losses(surface, lrs, optimizer, 40), np.where(np.isnan(ends), np.inf, ends))


def test_a_walk_that_leaves_is_cut_off_without_a_warning():
    """Beyond the limit the points are NaN from where the walk has left, and finite before."""
    walk = take_walk(make_surface("double well", 10.0), 5.0, num_steps=100)
    left = np.argmax(np.isnan(walk.losses))
    assert 0 < left < 100
    assert np.isfinite(walk.losses[:left]).all()
    assert np.isnan(walk.losses[left:]).all()


@pytest.mark.parametrize(
    ("factor", "kind", "words"),
    [
        (0.005, "crawls", "still to go"),
        (0.3, "converges", "at the bottom after"),
        (0.5, "converges", "after 1 step."),
        (0.95, "overshoots", "half the learning rate would need 1."),
        (1.1, "diverges", "left for good"),
    ],
)
def test_verdicts_on_a_parabola_go_with_the_limit(factor, kind, words):
    """Far below the limit SGD crawls, around half of it it converges, just below it overshoots, above it diverges."""
    verdict = judge(take_walk(make_surface("valley", 10.0), factor * lr_limit(10.0, "SGD")))
    assert verdict.kind == kind
    assert words in verdict.message


def test_verdict_names_the_well():
    """On the double well the verdict says in which well the walk ended, and that none holds it above the limit."""
    surface = make_surface("double well", 10.0)
    near, deep, none = (judge(take_walk(surface, factor * 0.2)) for factor in (0.3, 0.8, 1.2))
    assert "nearer, higher well" in near.message
    assert "deeper well" in deep.message
    assert none.kind == "overshoots"
    assert "Above the limit it cannot" in none.message


def test_verdict_explains_divergence_below_the_limit():
    """A walk that leaves although its rate is below the bottom's limit is told of the steeper place."""
    walk = take_walk(make_surface("double well", 10.0), 0.6 * lr_limit(10.0, "momentum"), "momentum")
    verdict = judge(walk)
    assert verdict.kind == "diverges"
    assert "steeper place" in verdict.message


def test_one_step_is_called_one_step():
    """At the highest rate and curvature the first step leaves for good: its factor is 1 - 500."""
    assert "after 1 step it has left for good" in judge(take_walk(make_surface("valley", 50.0), 10.0)).message
    assert "after 1 step 9" in judge(take_walk(make_surface("valley", 10.0), 1e-3, num_steps=1)).message


def test_momentum_is_said_to_swing():
    """Momentum swings past the bottom even at a good rate; that alone is not called overshooting."""
    verdict = judge(take_walk(make_surface("valley", 10.0), 0.1, "momentum"))
    assert verdict.kind == "converges"
    assert "swinging" in verdict.message


@pytest.mark.parametrize("lr", [0.0, -1.0, np.nan, np.inf])
def test_impossible_rates_are_refused(lr):
    """A rate that is not a finite positive number raises ValueError."""
    with pytest.raises(ValueError, match="need finite learning rates > 0, got"):
        take_walk(make_surface("valley"), lr)


def test_unknown_optimizers_and_empty_walks_are_refused():
    """The message names the optimizers there are, and the least number of steps."""
    with pytest.raises(ValueError, match="SGD, momentum, Adam, got 'RMSprop'"):
        take_walk(make_surface("valley"), 0.1, "RMSprop")
    with pytest.raises(ValueError, match="num_steps >= 1, got num_steps=0"):
        take_walk(make_surface("valley"), 0.1, num_steps=0)
