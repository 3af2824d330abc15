"""How learning rates are written, and how a loss curve is laid out, wherever it is drawn: its range and its ticks."""

from __future__ import annotations

import math

import numpy as np

from lrwidget.result import FloatArray
from lrwidget.robust import noise_level, quantiles

_MEANINGFUL = 4.0  # a fall of that many noise levels is what the curve is about
_HEADROOM = 0.5  # share of that fall by which the rise after it stays visible
_TYPICAL, _ROOM = (0.1, 0.9), 3.0  # without one: so many times the distance of these quantiles
_FIRST_PLAIN, _LAST_PLAIN = -1, 3  # decimal exponents of the rates that are written without one
_FINEST = 2e-4  # of the losses themselves: their ticks differ in the fifth digit at the latest
_SCATTER = (0.02, 0.98)  # the quantiles of the raw losses that are to be seen


def short_number(value: float) -> str:
    """A learning rate with two digits, as people write it: ``1e-7``, ``3.2e-2``, ``0.5``, ``10``."""
    return as_written(f"{value:.1e}") if math.isfinite(value) else str(value)


def rate_text(lr: float, is_exact: bool) -> str:
    """A learning rate as it stands in a box: three digits, and all of them where the very number was chosen."""
    return exact_number(lr) if is_exact else as_written(f"{lr:.2e}")


def exact_number(value: float) -> str:
    """A learning rate with three digits, and with as many more as it takes to give the same number back."""
    for digits in range(2, 17):
        text = as_written(f"{value:.{digits}e}")
        if float(text) == value:
            return text
    return repr(value)


def as_written(text: str) -> str:
    """A rate in scientific notation as people write it: ``3.20e-02`` as ``3.2e-2``, ``5.0e-01`` as ``0.5``."""
    mantissa, _, exponent = text.partition("e")
    if _FIRST_PLAIN <= int(exponent) <= _LAST_PLAIN:
        return repr(float(text)).removesuffix(".0")
    return unpadded(f"{mantissa.rstrip('0').rstrip('.')}e{exponent}")


def unpadded(text: str) -> str:
    """A number without what pads its exponent: ``1e-07`` as ``1e-7``."""
    return text.replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")


def loss_range(losses: FloatArray, smoothed: FloatArray) -> tuple[float, float]:
    """The losses worth showing: an explosion at the end must not squash the fall before it.

    Parameters
    ----------
    losses, smoothed
        Shape (n,): the raw and the smoothed curve; what is not finite is left out.

    Returns
    -------
    tuple
        (low, high), low < high. Scaling or shifting the losses scales and shifts the range with them.
    """
    finite = np.isfinite(smoothed)
    if not finite.any():
        return 0.0, 1.0
    raw, curve = losses[finite], smoothed[finite]
    lowest = int(curve.argmin())
    bottom, start = float(curve[lowest]), float(curve[: lowest + 1].max())
    top, fall = float(curve.max()), start - bottom
    if fall > _MEANINGFUL * noise_level(raw):
        top = min(top, start + _HEADROOM * fall)
        raw = raw[: lowest + 1]
    else:
        usual_low, usual_high = quantiles(curve, _TYPICAL)
        if usual_low < usual_high:
            top = min(top, start + _ROOM * (usual_high - usual_low))
            raw = raw[curve <= top]
    # The raw points scatter about the line; single wild ones may fall off the picture.
    raw_low, raw_high = quantiles(raw, _SCATTER)
    low, high = min(bottom, raw_low), max(top, raw_high)
    return with_margin(low, high)


def with_margin(low: float, high: float) -> tuple[float, float]:
    """The range with a twentieth of it on either side; more room around a single value, and where ticks would need
    more digits than an axis has room for."""
    size = max(abs(low), abs(high))
    margin = max(0.05 * (high - low), _FINEST * size) if low < high else 0.05 * size or 0.5
    return low - margin, high + margin


def lr_ticks(low: float, high: float, most: int = 9) -> list[float]:
    """Round rates within [low, high] for a logarithmic axis: decades, finer where there are few of them."""
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    if last - first >= 2:
        every = math.ceil((last - first + 1) / most)
        return [10.0**d for d in range(first, last + 1) if (last - d) % every == 0]
    for mantissas in ((1, 2, 5), range(1, 10)):
        finer = [float(f"{m}e{d}") for d in range(first - 1, last + 1) for m in mantissas]
        inside = [lr for lr in finer if low * (1 - 1e-9) <= lr <= high * (1 + 1e-9)]
        if len(inside) >= 3:
            return inside
    return [low, high]


def loss_ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round losses within [low, high] for a linear axis, in steps of 1, 2 or 5 times a power of ten."""
    rough = 0.7 * (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * (1 - 1e-9))
    return [i * step for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def tick_labels(ticks: list[float]) -> list[str]:
    """Evenly spaced ticks as text, all with as many digits as their distance asks for."""
    size = max(map(abs, ticks), default=0.0)
    step = ticks[1] - ticks[0] if len(ticks) > 1 else size
    if step == 0:
        return [f"{tick:g}" for tick in ticks]
    last_digit = math.floor(math.log10(step) + 1e-9)
    if size >= 1e5 or size < 1e-3:
        digits = max(0, math.floor(math.log10(size) + 1e-9) - last_digit)
        return [unpadded(f"{tick:.{digits}e}") for tick in ticks]
    return [f"{tick:.{max(0, -last_digit)}f}" for tick in ticks]
