"""Properties that hold for every schedule and all settings."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrwidget import schedules
from lrwidget.schedules import Schedule
from tests.schedule_cases import PLAIN, random_schedule

seeds = st.integers(0, 2**32 - 1)


def some_schedule(name: str, seed: int) -> tuple[Schedule, int]:
    """Draw a schedule, often a short one, where off-by-one errors show; and a number of steps to look at."""
    rng = np.random.default_rng(seed)
    total_steps = int(rng.choice([rng.integers(4, 20), rng.integers(20, 2000)]))
    schedule = random_schedule(name, rng, total_steps)
    composed = rng.random()
    if composed < 0.15:
        schedule = schedules.warmup(schedule, int(rng.integers(0, 50)), str(rng.choice(["linear", "cosine", "1-sqrt"])))
    elif composed < 0.3:
        other = random_schedule(str(rng.choice(PLAIN)), rng, total_steps)
        schedule = schedules.join([schedule, other], [int(rng.integers(1, 2 * total_steps))])
    return schedule, int(rng.integers(1, 4 * total_steps))


@pytest.mark.parametrize("name", PLAIN)
@settings(max_examples=60, deadline=None)
@given(seed=seeds)
def test_finite_and_within_bounds(name: str, seed: int) -> None:
    """Every rate is finite, not negative and between the declared floor and peak; every momentum is in [0, 1)."""
    schedule, num_steps = some_schedule(name, seed)
    lrs = schedule(np.linspace(-10, num_steps, 500))
    slack = 1e-12 * schedule.peak
    assert np.isfinite(lrs).all()
    assert (lrs >= 0).all()
    assert (lrs >= schedule.floor - slack).all()
    assert (lrs <= schedule.peak + slack).all()
    if schedule.has_momentum:
        momenta = schedule.momenta(num_steps)
        assert ((momenta >= 0) & (momenta < 1)).all()


@pytest.mark.parametrize("name", PLAIN)
@settings(max_examples=60, deadline=None)
@given(seed=seeds)
def test_phases_cover_the_training(name: str, seed: int) -> None:
    """Phases begin at 0, follow each other without a gap and end with the training."""
    schedule, num_steps = some_schedule(name, seed)
    phases = schedule.phases(num_steps)
    assert phases[0].start == 0
    assert phases[0].continuous
    for before, after in pairwise(phases):
        assert before.end == pytest.approx(after.start, rel=1e-12)
        assert before.start < before.end
    assert phases[-1].end == num_steps or phases[-1].end == pytest.approx(schedule.total_steps)


@pytest.mark.parametrize("name", PLAIN)
@settings(max_examples=60, deadline=None)
@given(seed=seeds)
def test_continuous_and_monotone_as_declared(name: str, seed: int) -> None:
    """Within a phase the rate goes the way it declares; into a continuous one it does not jump."""
    schedule, num_steps = some_schedule(name, seed)
    slack = 1e-9 * schedule.peak
    for phase in schedule.phases(num_steps, limit=40):
        inside = np.linspace(phase.start, math.nextafter(phase.end, 0.0), 50)[1:-1]
        change = np.diff(schedule(inside))
        if phase.trend in ("rising", "flat"):
            assert (change >= -slack).all(), phase
        if phase.trend in ("falling", "flat"):
            assert (change <= slack).all(), phase
        if phase.continuous and phase.start > 0:
            around = schedule(np.array([phase.start - 1e-7, phase.start + 1e-7]))
            # The steepest of all, a rise by 1 - sqrt(1 - q) in one step, still moves by the root of that distance.
            assert abs(around[1] - around[0]) <= 1e-3 * schedule.peak, phase


@settings(max_examples=200, deadline=None)
@given(seed=seeds, step=st.floats(-1e6, 1e9))
def test_scalar_and_array_agree(seed: int, step: float) -> None:
    """A step alone and the same step in an array have the same rate."""
    name = PLAIN[seed % len(PLAIN)]
    schedule, _ = some_schedule(name, seed)
    assert schedule(step) == schedule(np.array([step, 0.0]))[0]  # type: ignore[index]
