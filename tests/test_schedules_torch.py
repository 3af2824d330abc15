"""Schedules as PyTorch schedulers, and any PyTorch scheduler as a schedule."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import torch
from torch.optim import Optimizer, lr_scheduler

from lrwidget import schedules
from tests.schedule_cases import PLAIN, random_schedule


def weights() -> list[torch.Tensor]:
    return [torch.zeros(2, requires_grad=True)]


@pytest.mark.parametrize("name", PLAIN)
def test_a_training_follows_the_schedule(name: str) -> None:
    """Stepped after the optimizer, the scheduler sets the schedule's rate and momentum for every step."""
    schedule = random_schedule(name, np.random.default_rng(4), 50)
    optimizer = torch.optim.SGD(weights(), lr=123.0, momentum=0.5)
    scheduler = schedule.to_torch(optimizer)
    assert isinstance(scheduler, lr_scheduler.LRScheduler)
    lrs, momenta = [], []
    for _ in range(60):
        lrs.append(optimizer.param_groups[0]["lr"])
        momenta.append(optimizer.param_groups[0]["momentum"])
        assert scheduler.get_last_lr() == [lrs[-1]]
        optimizer.step()
        scheduler.step()
    assert lrs == schedule.values(60).tolist()
    assert momenta == (schedule.momenta(60).tolist() if schedule.has_momentum else [0.5] * 60)


def test_adam_gets_beta1() -> None:
    """In Adam's family the momentum is beta1; beta2 stays."""
    schedule = schedules.one_cycle(0.1, 20)
    optimizer = torch.optim.AdamW(weights(), betas=(0.9, 0.98))
    scheduler = schedule.to_torch(optimizer)
    for step in range(20):
        assert optimizer.param_groups[0]["betas"] == (schedule.momentum(step), 0.98)
        optimizer.step()
        scheduler.step()


def test_state_round_trip() -> None:
    """A state saved in the middle, through a file and back, goes on as if nothing had happened."""
    schedule = schedules.one_cycle(0.1, 100)

    def start() -> tuple[Optimizer, Any]:
        optimizer = torch.optim.SGD(weights(), lr=1.0, momentum=0.9)
        return optimizer, schedule.to_torch(optimizer)

    optimizer, scheduler = start()
    for _ in range(37):
        optimizer.step()
        scheduler.step()
    file = io.BytesIO()
    torch.save(scheduler.state_dict(), file)
    file.seek(0)
    other_optimizer, other = start()
    other.load_state_dict(torch.load(file, weights_only=True))
    for _ in range(20):
        assert other_optimizer.param_groups[0]["lr"] == optimizer.param_groups[0]["lr"]
        assert other_optimizer.param_groups[0]["momentum"] == optimizer.param_groups[0]["momentum"]
        for each in (optimizer, other_optimizer, scheduler, other):
            each.step()
    assert scheduler.last_epoch == other.last_epoch == 57


def test_state_of_another_schedule_is_refused() -> None:
    """The state of another schedule is refused before anything changes, with the way to go on all the same."""
    optimizer = torch.optim.SGD(weights(), lr=1.0)
    scheduler = schedules.linear(0.1, 100).to_torch(optimizer)
    for _ in range(10):
        optimizer.step()
        scheduler.step()
    other = schedules.linear(0.1, 200).to_torch(torch.optim.SGD(weights(), lr=1.0))
    with pytest.raises(ValueError, match=r"same schedule and groups, got rates .* first_step=10"):
        other.load_state_dict(scheduler.state_dict())
    assert other.last_epoch == 0


def test_first_step() -> None:
    """`first_step` begins in the middle."""
    schedule = schedules.linear(0.1, 100)
    optimizer = torch.optim.SGD(weights(), lr=1.0)
    scheduler = schedule.to_torch(optimizer, first_step=40)
    assert optimizer.param_groups[0]["lr"] == schedule(40)
    optimizer.step()
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] == schedule(41)


def test_groups_and_tensor_rates() -> None:
    """Each parameter group has its factor; a rate held in a tensor is written in place, as compiled steps need it."""
    groups = [{"params": weights()}, {"params": weights(), "lr": torch.tensor(1.0)}]
    optimizer = torch.optim.Adam(groups, lr=1.0)
    held = optimizer.param_groups[1]["lr"]
    scheduler = schedules.linear(0.2, 10).to_torch(optimizer, group_factors=[1.0, 0.5])
    assert optimizer.param_groups[0]["lr"] == 0.2
    assert optimizer.param_groups[1]["lr"] is held
    assert float(held) == pytest.approx(0.1)
    state = scheduler.state_dict()
    optimizer.step()
    scheduler.step()
    assert float(held) == pytest.approx(0.09)
    scheduler.load_state_dict(state)
    assert optimizer.param_groups[1]["lr"] is held


def test_refusals() -> None:
    """What cannot be followed is refused with what to do."""
    schedule = schedules.one_cycle(0.1, 20)
    with pytest.raises(
        ValueError, match=r"need an optimizer with momentum or betas, got Adagrad; .*cycle_momentum=False"
    ):
        schedule.to_torch(torch.optim.Adagrad(weights()))
    optimizer = torch.optim.SGD(weights(), lr=1.0)
    with pytest.raises(ValueError, match="need first_step >= 0, got -1"):
        schedule.to_torch(optimizer, first_step=-1)
    with pytest.raises(ValueError, match="need one group factor per parameter group, got 2 for 1"):
        schedule.to_torch(optimizer, group_factors=[1.0, 2.0])


def test_simulate_any_scheduler() -> None:
    """A scheduler that nobody here knows gives its curve, step by step."""
    schedule = schedules.simulate(lambda opt: lr_scheduler.LambdaLR(opt, lambda step: 1 / (1 + step)), 50, lr=0.3)
    np.testing.assert_allclose(schedule.values(), 0.3 / np.arange(1, 51), rtol=1e-12)
    assert not schedule.has_momentum


def test_simulate_gives_the_momentum() -> None:
    """A scheduler that moves the momentum shows it."""
    recorded = schedules.simulate(lambda opt: lr_scheduler.OneCycleLR(opt, 0.1, total_steps=50), 50)
    known = schedules.one_cycle(0.1, 50)
    np.testing.assert_allclose(recorded.values(), known.values(), rtol=1e-9)
    np.testing.assert_allclose(recorded.momenta(), known.momenta(), rtol=1e-9)


def test_simulate_like_the_users_optimizer() -> None:
    """With an optimizer given, the stand-in has its groups and rates, and it is not touched itself."""
    groups = [{"params": weights(), "lr": 0.02}, {"params": weights()}]
    optimizer = torch.optim.AdamW(groups, lr=0.3, betas=(0.8, 0.9))
    before = [dict(group) for group in optimizer.param_groups]
    factory = lambda opt: lr_scheduler.LambdaLR(opt, [lambda step: 0.5**step, lambda step: 1.0])  # noqa: E731
    schedule = schedules.simulate(factory, 4, optimizer=optimizer)
    assert schedule.values().tolist() == [0.02, 0.01, 0.005, 0.0025]
    assert [dict(group) for group in optimizer.param_groups] == before
    cycle = schedules.simulate(
        lambda opt: lr_scheduler.OneCycleLR(opt, 0.1, total_steps=20, max_momentum=0.9), 20, optimizer=optimizer
    )
    assert cycle.momentum(0) == pytest.approx(0.9)


def test_simulate_on_a_measured_value() -> None:
    """ReduceLROnPlateau is drawn for given metrics, and refused without."""
    factory = lambda opt: lr_scheduler.ReduceLROnPlateau(opt, factor=0.1, patience=1)  # noqa: E731
    schedule = schedules.simulate(factory, 5, lr=1.0, metrics=[3.0, 3.0, 3.0, 3.0, 3.0])
    np.testing.assert_allclose(schedule.values(), [1.0, 1.0, 1.0, 0.1, 0.1])
    with pytest.raises(ValueError, match=r"need metrics for ReduceLROnPlateau.*pass metrics="):
        schedules.simulate(factory, 5)
    with pytest.raises(ValueError, match="need 5 metrics, one per step, got 2; give more or run fewer"):
        schedules.simulate(factory, 5, metrics=[1.0, 1.0])
    with pytest.raises(ValueError, match="need total_steps >= 1, got 0"):
        schedules.simulate(factory, 0)
