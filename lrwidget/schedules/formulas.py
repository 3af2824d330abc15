"""The formulas of the schedules, one plain function of the step each.

Only arithmetic and functions that NumPy, `jax.numpy` and `keras.ops` share are used, no formula calls another but one
that it is given, and all parameters are numbers: `code.py` hands the very text of these functions to other frameworks.
Steps arrive as an array (n,) of floats within the schedule's range; where both branches of a `where` are computed, the
one not taken must do no harm. Each formula is explained where its schedule is made.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Array = Any  # an array of NumPy, JAX or Keras: the same text serves all three
Function = Callable[..., Array]


def constant(step: Array, value: float) -> Array:
    return value + 0.0 * step


def linear(step: Array, peak: float, floor: float, total_steps: int) -> Array:
    return floor + (peak - floor) * (1.0 - step / total_steps)


def cosine(step: Array, peak: float, floor: float, total_steps: int) -> Array:
    return floor + (peak - floor) * (1.0 + np.cos(math.pi * step / total_steps)) / 2.0


def polynomial(step: Array, peak: float, floor: float, total_steps: int, power: float) -> Array:
    return floor + (peak - floor) * (1.0 - step / total_steps) ** power


def exponential(step: Array, peak: float, gamma: float, decay_steps: int) -> Array:
    return peak * gamma ** (step / decay_steps)


def step_decay(step: Array, peak: float, gamma: float, step_size: int) -> Array:
    return peak * gamma ** np.floor(step / step_size)


def multi_step(step: Array, peak: float, gamma: float, milestones: tuple[int, ...]) -> Array:
    lr = peak + 0.0 * step
    for milestone in milestones:
        lr = np.where(step >= milestone, lr * gamma, lr)
    return lr


def flat_cosine(step: Array, peak: float, floor: float, flat_steps: float, total_steps: int) -> Array:
    progress = np.maximum(step - flat_steps, 0.0) / (total_steps - flat_steps)
    return floor + (peak - floor) * (1.0 + np.cos(math.pi * progress)) / 2.0


def noam(step: Array, peak: float, warmup_steps: int) -> Array:
    count = step + 1.0
    return peak * np.minimum(count / warmup_steps, np.sqrt(warmup_steps / count))


# How a warm-up rises: from 0 to 1 as the progress goes from 0 to 1.


def rise_linear(progress: Array) -> Array:
    return progress


def rise_cosine(progress: Array) -> Array:
    return 0.5 * (1.0 - np.cos(math.pi * progress))


def rise_sqrt(progress: Array) -> Array:
    return 1.0 - np.sqrt(1.0 - progress)


# How a decay falls: from 1 to 0.


def fall_linear(progress: Array) -> Array:
    return 1.0 - progress


def fall_cosine(progress: Array, num_cycles: float) -> Array:
    return 0.5 * (1.0 + np.cos(math.pi * num_cycles * 2.0 * progress))


def fall_sqrt(progress: Array) -> Array:
    return 1.0 - np.sqrt(progress)


def warmup(step: Array, start_lr: float, end_lr: float, warmup_steps: int, rise: Function, after: Function) -> Array:
    ramp = start_lr + (end_lr - start_lr) * rise(step / warmup_steps)
    return np.where(step < warmup_steps, ramp, after(step - warmup_steps))


def join(step: Array, boundary: int, before: Function, after: Function) -> Array:
    return np.where(step < boundary, before(step), after(step - boundary))


# PyTorch's cycles, in the order of operations of PyTorch so that no digit differs.


def one_cycle_cos(step: Array, ends: tuple[float, ...], levels: tuple[float, ...]) -> Array:
    value = levels[-1] + 0.0 * step
    for i in range(len(ends) - 1, 0, -1):
        progress = (step - ends[i - 1]) / (ends[i] - ends[i - 1])
        half = (levels[i - 1] - levels[i]) / 2.0
        value = np.where(step <= ends[i], levels[i] + half * (np.cos(math.pi * progress) + 1.0), value)
    return value


def one_cycle_linear(step: Array, ends: tuple[float, ...], levels: tuple[float, ...]) -> Array:
    value = levels[-1] + 0.0 * step
    for i in range(len(ends) - 1, 0, -1):
        progress = (step - ends[i - 1]) / (ends[i] - ends[i - 1])
        value = np.where(step <= ends[i], (levels[i] - levels[i - 1]) * progress + levels[i - 1], value)
    return value


def equal_restarts(step: Array, peak: float, floor: float, cycle_steps: int) -> Array:
    return floor + (peak - floor) * (1.0 + np.cos(math.pi * (step % cycle_steps) / cycle_steps)) / 2.0


def growing_restarts(
    step: Array, peak: float, floor: float, starts: tuple[float, ...], lengths: tuple[float, ...]
) -> Array:
    cycle = np.searchsorted(np.array(starts), step, side="right") - 1
    progress = (step - np.take(np.array(starts), cycle)) / np.take(np.array(lengths), cycle)
    return floor + (peak - floor) * (1.0 + np.cos(math.pi * progress)) / 2.0


def cyclic(step: Array, low: float, high: float, size: float, ratio: float, gamma: float, shrink: float) -> Array:
    cycle = np.floor(1.0 + step / size)
    place = 1.0 + step / size - cycle
    height = np.where(place <= ratio, place / ratio, (place - 1.0) / (ratio - 1.0))
    return low + (high - low) * height * gamma**step * shrink ** (cycle - 1.0)


# transformers' schedules: a linear warm-up from 0 in front, `max(1, ...)` for a warm-up of no steps.


def cosine_with_warmup(
    step: Array, peak: float, floor: float, warmup_steps: int, total_steps: int, num_cycles: float
) -> Array:
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    decay = floor + (peak - floor) * 0.5 * (1.0 + np.cos(math.pi * num_cycles * 2.0 * progress))
    return np.where(step < warmup_steps, peak * step / max(1, warmup_steps), decay)


def linear_with_warmup(step: Array, peak: float, warmup_steps: int, total_steps: int) -> Array:
    decay = peak * (total_steps - step) / (total_steps - warmup_steps)
    return np.where(step < warmup_steps, peak * step / max(1, warmup_steps), decay)


def cosine_with_restarts(step: Array, peak: float, warmup_steps: int, total_steps: int, num_cycles: int) -> Array:
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    decay = peak * 0.5 * (1.0 + np.cos(math.pi * ((num_cycles * progress) % 1.0)))
    decay = np.where(progress >= 1.0, 0.0, decay)
    return np.where(step < warmup_steps, peak * step / max(1, warmup_steps), decay)


def polynomial_with_warmup(
    step: Array, peak: float, floor: float, warmup_steps: int, total_steps: int, power: float
) -> Array:
    remaining = 1.0 - np.maximum(step - warmup_steps, 0.0) / (total_steps - warmup_steps)
    decay = (peak - floor) * remaining**power + floor
    return np.where(step < warmup_steps, peak * step / max(1, warmup_steps), decay)


def inverse_sqrt(step: Array, peak: float, warmup_steps: int, timescale: int) -> Array:
    decay = peak / np.sqrt((np.maximum(step, warmup_steps) + (timescale - warmup_steps)) / timescale)
    return np.where(step < warmup_steps, peak * step / max(1, warmup_steps), decay)


def constant_with_warmup(step: Array, peak: float, warmup_steps: int) -> Array:
    return np.where(step < warmup_steps, peak * step / max(1, warmup_steps), peak)


def warmup_stable_decay(
    step: Array, peak: float, floor: float, warmup_steps: int, decay_start: int, total_steps: int,
    rise: Function, fall: Function,
) -> Array:  # fmt: skip
    rising = floor + (peak - floor) * rise(step / max(1, warmup_steps))
    falling = floor + (peak - floor) * fall((step - decay_start) / max(1, total_steps - decay_start))
    falling = np.where(step < total_steps, falling, floor)
    return np.where(step < warmup_steps, rising, np.where(step < decay_start, peak, falling))


# The tutorial's one-cycle; its warm-up with cosine is `cosine_with_warmup` at floor 0, to the last bit.


def one_cycle_quadratic(step: Array, base_lr: float, max_lr: float, total_steps: int) -> Array:
    share = step / total_steps
    rising = base_lr + (max_lr - base_lr) * (share / 0.3)
    # Not `** 2`, for which NumPy takes x * x: the tutorial's plain Python asks the C library's pow, and one value in a
    # thousand differs in its last bit.
    falling = max_lr * np.float_power(1 - (share - 0.3) / 0.7, 2)
    return np.where(share < 0.3, rising, falling)
