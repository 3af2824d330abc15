"""Other tools' rules, computed from one raw recorded curve so that they can be compared with the default.

Each smooths and stops as its tool does, in the precision its tool uses, and then picks a step. They are here to
teach and to compare: they lag, most take any curve for a good one, and none of them knows of negative losses.
A rule returns the index of a step and the factor its tool applies to that step's rate, or None where the tool raises.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from lrwidget.once import once_per_curve
from lrwidget.result import FloatArray

Pick: TypeAlias = tuple[int, float] | None
PeerRule: TypeAlias = Callable[[FloatArray, FloatArray], Pick]
Float32Array: TypeAlias = NDArray[np.float32]


# torch-lr-finder 0.2.2 and ignite 0.5.5: s_0 = l_0, s_i = 0.05 l_i + 0.95 s_(i-1), stop at s_i > 5 min s.


def torch_lr_finder(lrs: FloatArray, losses: FloatArray) -> Pick:
    """Steepest fall per step, without the first ten and the last five steps; needs 17 of them."""
    smoothed = _running_mean_until_divergence(lrs, losses)
    if len(smoothed) < 17:
        return None
    return 10 + int(np.argmin(np.gradient(smoothed[10:-5]))), 1.0


def ignite(lrs: FloatArray, losses: FloatArray) -> Pick:
    """Steepest fall per step before the lowest loss, by central differences in single precision."""
    smoothed = _running_mean_until_divergence(lrs, losses).astype(np.float32)
    fall = smoothed[: int(np.argmin(smoothed)) + 1] if len(smoothed) else smoothed
    if len(fall) < 3:
        return None
    return 1 + int(np.argmin(np.float32(0.5) * (fall[2:] - fall[:-2]))), 1.0


@once_per_curve
def _running_mean_until_divergence(lrs: FloatArray, losses: FloatArray) -> FloatArray:
    means: list[float] = []
    lowest = math.inf
    for loss in _played_on(lrs, losses).tolist():
        means.append(0.05 * loss + 0.95 * means[-1] if means else loss)
        lowest = min(lowest, means[-1])
        if means[-1] > 5 * lowest:
            break
    return np.array(means)


# Lightning 2.6: v_i = 0.98 v_(i-1) + 0.02 l_i from v = 0, s_i = v_i / (1 - 0.98^(i + 2)). The exponent is one too
# large (it counts the steps after the update), so the curve starts at half its height. Stop at s_i > 4 best.


def lightning(lrs: FloatArray, losses: FloatArray) -> Pick:
    """Steepest fall over the learning rate itself, not its logarithm (since 2.5.3): nearly always far left."""
    steps, smoothed = _lightning_curve(lrs, losses)
    if len(steps) < 2:
        return None
    return int(steps[np.argmin(np.gradient(smoothed, lrs[steps].astype(np.float32)))]), 1.0


def lightning_before_2_5_3(lrs: FloatArray, losses: FloatArray) -> Pick:
    """Steepest fall per step, in double precision."""
    steps, smoothed = _lightning_curve(lrs, losses)
    if len(steps) < 2:
        return None
    return int(steps[np.argmin(np.gradient(smoothed.astype(float)))]), 1.0


@once_per_curve
def _lightning_curve(lrs: FloatArray, losses: FloatArray) -> tuple[NDArray[np.intp], Float32Array]:
    """Steps and smoothed losses, without the first ten, the last one and what is not finite."""
    mean, best = 0.0, 0.0
    smoothed: list[float] = []
    for i, loss in enumerate(_played_on(lrs, losses).tolist()):
        mean = 0.98 * mean + (1 - 0.98) * loss
        smoothed.append(mean / (1 - 0.98 ** (i + 2)))
        if i > 0 and smoothed[-1] > 4 * best:
            break
        if i == 0 or smoothed[-1] < best:
            best = smoothed[-1]
    single = np.array(smoothed[10:-1], dtype=np.float32)
    kept = np.flatnonzero(np.isfinite(single))
    return 10 + kept, single[kept]


# fastai 2.8: the same mean with the right exponent, in single precision; stop at s_i > 4 min s; the first tenth of the
# planned steps and the last five are left out, and what follows the first NaN.


def fastai_valley(lrs: FloatArray, losses: FloatArray) -> Pick:
    """Half-way up the middle third of the longest falling subsequence: fastai's default.

    fastai finds the subsequence in time n^2; patience sorting finds the same lengths in n log n.
    """
    first, smoothed = _fastai_curve(lrs, losses)
    if len(smoothed) < 2:
        return None
    lengths = _falling_lengths(smoothed)
    end = int(np.argmax(lengths))
    start = end - int(lengths[end]) if lengths[end] > 1 else 0
    third = (end - start) / 3
    return first + (start + int(third) + int(third / 2)) % len(smoothed), 1.0


def fastai_slide(lrs: FloatArray, losses: FloatArray) -> Pick:
    """From the right end, slide a gap of 15 steps left until the slopes at its two sides differ by under 0.005.

    The threshold is absolute, so the answer changes with the unit of the loss.
    """
    first, smoothed = _fastai_curve(lrs, losses)
    num_points, gap = len(smoothed), 15
    if num_points < gap + 1:
        return None
    slopes = np.gradient(smoothed)
    right, left = num_points - 1, num_points - 1 - gap
    found = left
    while left >= 0 and abs(slopes[right] - slopes[left]) > 0.005:
        found = left
        right, left = right - 1, left - 1
    return first + found, 1.0


def fastai_steep(lrs: FloatArray, losses: FloatArray) -> Pick:
    """Steepest forward difference over log lr."""
    first, smoothed = _fastai_curve(lrs, losses)
    if len(smoothed) < 2:
        return None
    log_lrs = np.log(lrs[first : first + len(smoothed)].astype(np.float32))
    return first + int(np.argmin(np.diff(smoothed) / np.diff(log_lrs))), 1.0


def fastai_minimum(lrs: FloatArray, losses: FloatArray) -> Pick:
    """A tenth of the rate with the lowest loss."""
    first, smoothed = _fastai_curve(lrs, losses)
    return (first + int(np.argmin(smoothed)), 0.1) if len(smoothed) else None


@once_per_curve
def _fastai_curve(lrs: FloatArray, losses: FloatArray) -> tuple[int, Float32Array]:
    """The first step that fastai looks at, and its smoothed losses from there on."""
    mean, means = np.float32(0.0), []
    share = float(1 - np.float32(0.98))
    with np.errstate(over="ignore", invalid="ignore"):
        for loss in _played_on(lrs, losses).astype(np.float32):
            # torch.lerp(loss, mean, 0.98) with its rounding: product and sum are fused, so only the result is rounded
            mean = np.float32(float(mean) - float(mean - loss) * share)
            means.append(mean)
        weights: Float32Array = (1 - 0.98 ** np.arange(1, len(means) + 1)).astype(np.float32)
        smoothed: Float32Array = np.array(means, dtype=np.float32) / weights
        stops = np.flatnonzero(smoothed > 4 * np.fmin.accumulate(smoothed))
    end = stops[0] + 1 if len(stops) else len(smoothed)
    first = _num_planned_steps(lrs) // 10
    kept = smoothed[:end][first:-5]
    broken = np.flatnonzero(np.isnan(kept))
    return first, kept[: broken[0]] if len(broken) else kept


def _played_on(lrs: FloatArray, losses: FloatArray) -> FloatArray:
    """The losses that the tool would have seen: none of them stops at a NaN, so it gets NaN to the end of its plan."""
    num_missing = _num_planned_steps(lrs) - len(lrs) if len(lrs) and np.isnan(losses[-1]) else 0
    return np.concatenate([losses, np.full(num_missing, np.nan)])


def _num_planned_steps(lrs: FloatArray) -> int:
    """How many steps the sweep was to have.

    A curve does not say where it was to end. One that starts at the default of this package and of fastai, 1e-7, is
    taken to have been on its way to the default of both, 10; any other is taken for complete.
    """
    if len(lrs) < 2 or not math.isclose(lrs[0], 1e-7, rel_tol=1e-6) or lrs[-1] >= 10:
        return len(lrs)
    return 1 + round(math.log(10 / lrs[0]) / math.log(lrs[1] / lrs[0]))


def _falling_lengths(values: Float32Array) -> NDArray[np.intp]:
    """For each value, how many values the longest strictly falling subsequence that ends there has."""
    lengths = np.empty(len(values), dtype=np.intp)
    ends: list[float] = []  # ends[k]: the negated largest value that ends a falling subsequence of k + 1; rises with k
    for i, value in enumerate((-values).tolist()):
        k = bisect_left(ends, value)
        ends[k : k + 1] = [value]
        lengths[i] = k + 1
    return lengths


PEER_RULES: dict[str, tuple[str, PeerRule]] = {
    "torch_lr_finder": ("torch-lr-finder 0.2.2", torch_lr_finder),
    "ignite": ("ignite 0.5.5", ignite),
    "lightning": ("Lightning 2.5.3 and later", lightning),
    "lightning_before_2_5_3": ("Lightning before 2.5.3", lightning_before_2_5_3),
    "fastai_valley": ("fastai 2.8 valley", fastai_valley),
    "fastai_slide": ("fastai 2.8 slide", fastai_slide),
    "fastai_steep": ("fastai 2.8 steep", fastai_steep),
    "fastai_minimum": ("fastai 2.8 minimum", fastai_minimum),
}
