"""The schedules against the real objects of PyTorch and transformers, and against the tutorial's formulas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from torch.optim import lr_scheduler

from lrwidget import schedules
from tests.schedule_cases import random_arguments

NUM_SETTINGS = 40
NUM_STEPS = 1000

# What makes the real scheduler from our arguments, on an optimizer whose rate is the peak.
REFERENCES: dict[str, Callable[..., Any]] = {
    "constant": lambda opt, peak: transformers.get_constant_schedule(opt),
    "linear": lambda opt, peak, total_steps, floor: lr_scheduler.LinearLR(opt, 1.0, floor / peak, total_steps),
    "cosine": lambda opt, peak, total_steps, floor: lr_scheduler.CosineAnnealingLR(opt, total_steps, floor),
    "exponential": lambda opt, peak, gamma, decay_steps: lr_scheduler.ExponentialLR(opt, gamma ** (1 / decay_steps)),
    "step_decay": lambda opt, peak, step_size, gamma: lr_scheduler.StepLR(opt, step_size, gamma),
    "multi_step": lambda opt, peak, milestones, gamma: lr_scheduler.MultiStepLR(opt, milestones, gamma),
    "cosine_warm_restarts": lambda opt, peak, first_cycle_steps, cycle_factor, floor: (
        lr_scheduler.CosineAnnealingWarmRestarts(opt, first_cycle_steps, cycle_factor, floor)
    ),
    "one_cycle": lambda opt, peak, **settings: lr_scheduler.OneCycleLR(opt, peak, **settings),
    "cyclic": lambda opt, floor, peak, **settings: lr_scheduler.CyclicLR(opt, floor, peak, **settings),
    "constant_with_warmup": lambda opt, peak, warmup_steps: transformers.get_constant_schedule_with_warmup(
        opt, warmup_steps
    ),
    "linear_with_warmup": lambda opt, peak, total_steps, warmup_steps: transformers.get_linear_schedule_with_warmup(
        opt, warmup_steps, total_steps
    ),
    "warmup_cosine": lambda opt, peak, total_steps, warmup_steps: transformers.get_cosine_schedule_with_warmup(
        opt, warmup_steps, total_steps
    ),
    "cosine_with_warmup": lambda opt, peak, total_steps, warmup_steps, num_cycles: (
        transformers.get_cosine_schedule_with_warmup(opt, warmup_steps, total_steps, num_cycles)
    ),
    "cosine_with_restarts": lambda opt, peak, total_steps, warmup_steps, num_cycles: (
        transformers.get_cosine_with_hard_restarts_schedule_with_warmup(opt, warmup_steps, total_steps, num_cycles)
    ),
    "cosine_with_min_lr": lambda opt, peak, total_steps, warmup_steps, floor, num_cycles: (
        transformers.get_cosine_with_min_lr_schedule_with_warmup(
            opt, warmup_steps, total_steps, num_cycles, min_lr=floor
        )
    ),
    "polynomial_with_warmup": lambda opt, peak, total_steps, warmup_steps, floor, power: (
        transformers.get_polynomial_decay_schedule_with_warmup(opt, warmup_steps, total_steps, floor, power)
    ),
    "inverse_sqrt": lambda opt, peak, warmup_steps, timescale: transformers.get_inverse_sqrt_schedule(
        opt, warmup_steps, timescale
    ),
    "warmup_stable_decay": lambda opt, peak, total_steps, warmup_steps, decay_steps, warmup_kind, decay_kind, **rest: (
        transformers.get_wsd_schedule(
            opt,
            warmup_steps,
            decay_steps,
            total_steps,
            warmup_type=warmup_kind,
            decay_type=decay_kind,
            min_lr_ratio=rest["floor"] / peak,
            num_cycles=rest["num_cycles"],
        )
    ),
}


def stepped(make: Callable[[Any], Any], lr: float, num_steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Step a real scheduler on a real optimizer: the rates and the momenta of steps 0 to num_steps - 1."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=lr, momentum=0.5)
    scheduler = make(optimizer)
    optimizer.step()
    group, lrs, momenta = optimizer.param_groups[0], [], []
    for _ in range(num_steps):
        lrs.append(group["lr"])
        momenta.append(group["momentum"])
        scheduler.step()
    return np.array(lrs), np.array(momenta)


@pytest.mark.parametrize("name", REFERENCES)
def test_equals_the_real_scheduler(name: str) -> None:
    """In 40 random settings, 1,000 steps give the real object's rates and momenta to a relative error of 1e-9."""
    rng = np.random.default_rng(sum(name.encode()))
    for _ in range(NUM_SETTINGS):
        # Room for one step past the last: PyTorch's one-cycle refuses more.
        arguments = random_arguments(name, rng, total_steps=int(rng.integers(NUM_STEPS, 1.5 * NUM_STEPS)))
        schedule = schedules.make(name, arguments)
        lrs, momenta = stepped(lambda opt, a=arguments: REFERENCES[name](opt, **a), arguments["peak"], NUM_STEPS)
        # Where the rate falls to 0, what is left there is the reference's own rounding: 1e-16 of the peak a step.
        np.testing.assert_allclose(
            schedule.values(NUM_STEPS), lrs, rtol=1e-9, atol=1e-13 * schedule.peak, err_msg=str(schedule)
        )
        if schedule.has_momentum:
            np.testing.assert_allclose(schedule.momenta(NUM_STEPS), momenta, rtol=1e-9, err_msg=str(schedule))
        else:
            assert (momenta == 0.5).all()


def test_polynomial_equals_torch() -> None:
    """Without a floor the polynomial decay is PyTorch's PolynomialLR."""
    rng = np.random.default_rng(5)
    for _ in range(NUM_SETTINGS):
        total_steps, power = int(rng.integers(NUM_STEPS, 1500)), float(rng.uniform(0.3, 4))
        lrs, _ = stepped(lambda opt, t=total_steps, p=power: lr_scheduler.PolynomialLR(opt, t, p), 0.3, NUM_STEPS)
        values = schedules.polynomial(0.3, total_steps, power).values(NUM_STEPS)
        np.testing.assert_allclose(values, lrs, rtol=1e-9, atol=1e-13)


def test_warmup_then_cosine_equals_sequential() -> None:
    """A linear warm-up in front of a cosine is PyTorch's SequentialLR of LinearLR and CosineAnnealingLR."""
    rng = np.random.default_rng(6)
    for _ in range(NUM_SETTINGS):
        warmup_steps, total_steps = int(rng.integers(1, 400)), int(rng.integers(NUM_STEPS, 1500))
        factor, floor = float(rng.uniform(0.001, 0.5)), float(rng.uniform(0, 0.01))

        def make(opt: Any, w: int = warmup_steps, t: int = total_steps, s: float = factor, f: float = floor) -> Any:
            parts = [lr_scheduler.LinearLR(opt, s, 1.0, w), lr_scheduler.CosineAnnealingLR(opt, t - w, f)]
            return lr_scheduler.SequentialLR(opt, parts, [w])

        lrs, _ = stepped(make, 0.02, NUM_STEPS)
        after = schedules.cosine(0.02, total_steps - warmup_steps, floor)
        schedule = schedules.warmup(after, warmup_steps, start_lr=0.02 * factor)
        np.testing.assert_allclose(schedule.values(NUM_STEPS), lrs, rtol=1e-9, atol=1e-15)


def tutorial_warmup_cosine(step: int, warmup_steps: int, total_steps: int, base_lr: float) -> float:
    """The tutorial's formula, as printed there."""
    if step < warmup_steps:
        return base_lr * step / warmup_steps
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    return base_lr * 0.5 * (1 + np.cos(np.pi * progress))


def tutorial_one_cycle(step: int, total_steps: int, base_lr: float, max_lr: float) -> float:
    """The tutorial's formula, as printed there."""
    pct = step / total_steps
    if pct < 0.3:
        return base_lr + (max_lr - base_lr) * (pct / 0.3)
    return max_lr * (1 - (pct - 0.3) / 0.7) ** 2


def test_tutorial_warmup_cosine_to_the_last_bit() -> None:
    """`warmup_cosine` gives exactly the floats of the tutorial's `warmup_cosine_schedule`."""
    rng = np.random.default_rng(7)
    for _ in range(NUM_SETTINGS):
        total_steps = int(rng.integers(10, 3000))
        warmup_steps, peak = int(rng.integers(0, total_steps)), float(10 ** rng.uniform(-6, 1))
        schedule = schedules.warmup_cosine(peak, total_steps, warmup_steps)
        steps = np.arange(min(total_steps + 1, 1000))
        expected = [tutorial_warmup_cosine(step, warmup_steps, total_steps, peak) for step in steps.tolist()]
        assert schedule(steps).tolist() == expected
        assert [schedule(step) for step in steps.tolist()] == expected


def test_tutorial_one_cycle_to_the_last_bit() -> None:
    """`one_cycle_quadratic` gives exactly the floats of the tutorial's `one_cycle_schedule`."""
    rng = np.random.default_rng(8)
    for _ in range(NUM_SETTINGS):
        total_steps, peak = int(rng.integers(10, 3000)), float(10 ** rng.uniform(-6, 1))
        start = peak * float(rng.uniform(0, 1))
        schedule = schedules.one_cycle_quadratic(peak, total_steps, start)
        steps = np.arange(min(total_steps + 1, 1000))
        expected = [tutorial_one_cycle(step, total_steps, start, peak) for step in steps.tolist()]
        assert schedule(steps).tolist() == expected
        assert [schedule(step) for step in steps.tolist()] == expected


def test_noam_equals_the_paper() -> None:
    """With the peak (d_model * warmup_steps) ** -0.5 the schedule is the paper's formula, whose steps count from 1."""
    d_model, warmup_steps = 512, 400
    count = np.arange(1, 2001)
    paper = d_model**-0.5 * np.minimum(count**-0.5, count * warmup_steps**-1.5)
    schedule = schedules.noam((d_model * warmup_steps) ** -0.5, warmup_steps)
    np.testing.assert_allclose(schedule.values(2000), paper, rtol=1e-12)


def test_flat_cosine_by_hand() -> None:
    """Flat to the given share, half way down in the middle of the rest, at the floor at the end."""
    schedule = schedules.flat_cosine(1.0, 100, flat_fraction=0.6, floor=0.2)
    np.testing.assert_allclose(schedule([0, 59, 60, 80, 100]), [1.0, 1.0, 1.0, 0.6, 0.2], rtol=1e-12)
