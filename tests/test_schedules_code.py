"""The source text that schedules write: it is executed, and must give the schedule's values."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
import torch

from lrwidget import schedules
from lrwidget.schedules import Schedule
from tests.schedule_cases import PLAIN, random_arguments

NUM_STEPS = 90
# Frameworks that compute in single precision: a few units in its last place, relative to the peak.
SINGLE = 3e-6


def cases() -> list[Schedule]:
    """Three random settings of each schedule of the list, and some made of others."""
    rng = np.random.default_rng(3)
    made = [schedules.make(name, random_arguments(name, rng, NUM_STEPS)) for name in PLAIN for _ in range(3)]
    one_cycle = schedules.one_cycle(0.3, 60, three_phase=True)
    made += [
        schedules.one_cycle(0.02, NUM_STEPS, anneal_strategy="linear"),
        schedules.cyclic(0.01, 0.1, 7, 11, mode="triangular2"),
        schedules.cosine_warm_restarts(0.1, 10, 2, 0.01),
        schedules.warmup(one_cycle, 20, kind="cosine"),
        schedules.warmup(schedules.step_decay(0.1, 20), 30, kind="1-sqrt", start_lr=0.01),
        schedules.join([schedules.constant(0.1), one_cycle, schedules.exponential(0.05, 0.9)], [10, 60]),
        schedules.join([schedules.warmup(schedules.linear(0.1, 40), 10), schedules.polynomial(0.1, 50)], [45]),
    ]
    return made


CASES = cases()
IDS = [f"{i}-{schedule.name}" for i, schedule in enumerate(CASES)]


def run(text: str, names: dict[str, Any]) -> dict[str, Any]:
    exec(compile(text, "<schedule code>", "exec"), names)
    return names


def smooth_steps(schedule: Schedule) -> np.ndarray:
    """The steps of a run but those at a jump, which single precision may put one step to either side."""
    jumps = [phase.start for phase in schedule.phases(NUM_STEPS) if not phase.continuous]
    steps = np.arange(NUM_STEPS)
    return np.array([step for step in steps if all(abs(step - jump) > 1 for jump in jumps)])


@pytest.mark.parametrize("framework", ["torch", "transformers"])
@pytest.mark.parametrize("schedule", CASES, ids=IDS)
def test_torch_and_transformers_code(schedule: Schedule, framework: str) -> None:
    """The text makes a scheduler that gives the same rates and momenta, whatever rate the optimizer was made with."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.777, momentum=0.5)
    scheduler = run(schedule.code(framework), {"optimizer": optimizer})["scheduler"]
    assert isinstance(scheduler, torch.optim.lr_scheduler.LRScheduler)
    optimizer.step()
    group, lrs, momenta = optimizer.param_groups[0], [], []
    for _ in range(NUM_STEPS):
        lrs.append(group["lr"])
        momenta.append(group["momentum"])
        scheduler.step()
    np.testing.assert_allclose(lrs, schedule.values(NUM_STEPS), rtol=1e-9, atol=1e-13 * schedule.peak)
    expected = schedule.momenta(NUM_STEPS) if schedule.has_momentum else np.full(NUM_STEPS, 0.5)
    np.testing.assert_allclose(momenta, expected, rtol=1e-9)


@pytest.mark.parametrize("schedule", CASES, ids=IDS)
def test_optax_code(schedule: Schedule) -> None:
    """The text makes functions of the step that give the same values, also when compiled."""
    import jax
    import jax.numpy as jnp

    names = run(schedule.code("optax"), {})
    steps = smooth_steps(schedule)
    lrs = jax.jit(jax.vmap(names["schedule"]))(jnp.asarray(steps))
    np.testing.assert_allclose(lrs, schedule(steps), atol=SINGLE * schedule.peak, rtol=SINGLE)
    assert schedule.has_momentum == ("momentum_schedule" in names)
    if schedule.has_momentum:
        momenta = jax.jit(jax.vmap(names["momentum_schedule"]))(jnp.asarray(steps))
        np.testing.assert_allclose(momenta, schedule.momentum(steps), rtol=SINGLE)


@pytest.mark.parametrize("schedule", CASES, ids=IDS)
def test_keras_code(schedule: Schedule, monkeypatch: pytest.MonkeyPatch) -> None:
    """The text makes a rate that a Keras optimizer takes and that gives the same values."""
    monkeypatch.setenv("KERAS_BACKEND", os.environ.get("KERAS_BACKEND", "torch"))
    import keras

    text = schedule.code("keras")
    learning_rate = run(text, {})["learning_rate"]
    steps = smooth_steps(schedule)[::4]
    optimizer = keras.optimizers.SGD(learning_rate)
    lrs = []
    for step in steps:
        optimizer.iterations.assign(int(step))
        lrs.append(float(optimizer.learning_rate))
    np.testing.assert_allclose(lrs, schedule(steps), atol=SINGLE * schedule.peak, rtol=SINGLE)
    assert schedule.has_momentum == ("momentum of this schedule is left out" in text)


def test_says_where_a_framework_lacks_it() -> None:
    """The frameworks' own schedules are called where they exist; elsewhere a comment says that they do not."""
    assert "torch.optim.lr_scheduler.OneCycleLR(" in schedules.one_cycle(0.1, 100).code("torch")
    assert "transformers.get_wsd_schedule(" in schedules.warmup_stable_decay(0.1, 100, 10, 20).code("transformers")
    assert "keras.optimizers.schedules.CosineDecay(" in schedules.cosine(0.1, 100).code("keras")
    assert "optax.cosine_decay_schedule(" in schedules.cosine(0.1, 100).code("optax")
    noam = schedules.noam(0.1, 10)
    for framework, name in (("torch", "PyTorch"), ("transformers", "transformers"), ("keras", "Keras")):
        assert f"# {name} has no schedule of just this kind" in noam.code(framework)
    assert "transformers has none of its own" in schedules.one_cycle(0.1, 100).code("transformers")


def test_needs_no_lrwidget() -> None:
    """Nothing that is written imports this package."""
    for schedule in CASES:
        for framework in ("torch", "transformers", "keras", "optax"):
            assert "lrwidget" not in schedule.code(framework)


@pytest.mark.parametrize("framework", ["torch", "transformers", "keras", "optax"])
def test_a_recorded_schedule_has_no_formula(framework: str) -> None:
    """Code for a recorded curve is refused, also where it is part of another schedule."""
    recorded = schedules.from_values([0.1, 0.2])
    for schedule in (recorded, schedules.warmup(recorded, 3)):
        with pytest.raises(ValueError, match="need a schedule with a formula, got a recorded one; keep"):
            schedule.code(framework)


def test_unknown_framework() -> None:
    """A framework without a writer is named, with those that have one."""
    with pytest.raises(ValueError, match="'torch', 'transformers', 'keras', 'optax', got 'mxnet'"):
        schedules.constant(0.1).code("mxnet")  # type: ignore[arg-type]
