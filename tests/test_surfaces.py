"""The loss surfaces: slopes and curvatures held against automatic differentiation."""

import numpy as np
import pytest
import torch

from lrwidget.live.surfaces import START_LOSS, SURFACES, Surface, make_surface

CURVATURES = (1.0, 10.0, 50.0)


@pytest.fixture(params=[(name, curvature) for name in SURFACES for curvature in CURVATURES], ids=str)
def surface(request: pytest.FixtureRequest) -> Surface:
    return make_surface(*request.param)


def torch_loss(surface: Surface, weights: torch.Tensor) -> torch.Tensor:
    """The surface's formula once more, in torch: weights of shape (num_weights,)."""

    def polynomial(coefficients: np.ndarray) -> torch.Tensor:
        return sum(float(c) * weights[0] ** power for power, c in enumerate(coefficients))

    loss = polynomial(surface.profile.convert().coef)
    if surface.across is None:
        return loss
    return loss + surface.across / 2 * (weights[1] - polynomial(surface.floor.coef)) ** 2


def bottom(surface: Surface, x: float) -> np.ndarray:
    return np.array([x]) if surface.across is None else np.array([x, surface.floor(x)])


def test_loss_and_gradient_are_those_of_autograd(surface):
    """Losses and gradients of many points at once are what torch computes for each."""
    points = np.random.default_rng(0).normal(size=(4, 3, surface.num_weights))
    losses, gradients = surface.loss(points), surface.gradient(points)
    assert losses.shape == (4, 3)
    assert gradients.shape == points.shape
    for index in np.ndindex(4, 3):
        weights = torch.tensor(points[index], requires_grad=True)
        loss = torch_loss(surface, weights)
        loss.backward()
        assert losses[index] == pytest.approx(loss.item(), rel=1e-9, abs=1e-12)
        np.testing.assert_allclose(gradients[index], weights.grad.numpy(), rtol=1e-9, atol=1e-9)


def test_every_minimum_has_the_curvature_asked_for(surface):
    """At each minimum the slope is zero and the largest eigenvalue of torch's Hessian is the curvature."""
    for x in surface.minima:
        weights = torch.tensor(bottom(surface, x))
        np.testing.assert_allclose(surface.gradient(weights.numpy()), 0, atol=1e-9)
        hessian = torch.autograd.functional.hessian(lambda w: torch_loss(surface, w), weights)
        eigenvalues = torch.linalg.eigvalsh(hessian.reshape(surface.num_weights, surface.num_weights))
        assert eigenvalues[0] > 0
        assert eigenvalues[-1].item() == pytest.approx(surface.curvature)


def test_walks_begin_at_one_height_and_the_lowest_point_is_zero(surface):
    """The start's loss is START_LOSS on every surface; the first minimum is the global one, at loss zero."""
    assert surface.loss(surface.start) == pytest.approx(START_LOSS)
    assert surface.loss(bottom(surface, surface.minima[0])) == pytest.approx(0, abs=1e-12)
    grid = np.stack(np.meshgrid(*[np.linspace(-4, 4, 161)] * surface.num_weights), axis=-1)
    assert surface.loss(grid).min() >= -1e-12


def test_double_well_has_a_higher_well_beside_the_start():
    """The well nearer to the start is the higher one, and a ridge below the start separates the two."""
    surface = make_surface("double well", 10.0)
    deep, near = surface.minima
    assert surface.basin(surface.start) == 1
    assert 0 < surface.loss([near]) < surface.loss(np.linspace(near, deep, 99)[:, None]).max() < START_LOSS


def test_contours_lie_on_their_level(surface):
    """Every point of a contour has its level; closed curves, two of them only between two wells."""
    if surface.across is None:
        with pytest.raises(ValueError, match="over two weights"):
            surface.contour(0.5)
        return
    for level in (0.05, 0.6, 3.0):
        curves = surface.contour(level)
        for curve in curves:
            assert curve.shape == (160, 2)
            np.testing.assert_allclose(surface.loss(curve), level, rtol=1e-6)
            np.testing.assert_allclose(curve[0], curve[-1], atol=1e-6)
        higher_bottom = surface.profile(surface.minima[-1])
        ridge = max(surface.profile(np.linspace(*sorted((surface.minima[0], surface.minima[-1])), 999)))
        assert len(curves) == (2 if higher_bottom < level < ridge else 1)


@pytest.mark.parametrize(
    ("name", "curvature"), [("mountain", 10.0), ("valley", 0.5), ("valley", np.inf), ("valley", np.nan)]
)
def test_unknown_surfaces_are_refused(name, curvature):
    """A name that is none and a curvature below 1 or not finite raise ValueError and say what came."""
    with pytest.raises(ValueError, match=r"need a .*got"):
        make_surface(name, curvature)
