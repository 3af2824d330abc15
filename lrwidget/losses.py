"""One loss as one number, whatever a train step returns it as."""

from __future__ import annotations

from math import prod


def as_float(value: object, step: int) -> float:
    """The loss (or norm) of a step as a float.

    Parameters
    ----------
    value
        A float, a numpy scalar, an array or tensor of one element: anything that stands for one real number.
    step
        Which step it came from, for the message.

    Raises
    ------
    TypeError
        If it is complex, None, text, or an array of several elements.
    """
    if type(value) is float:
        return value
    # Not only `complex`: numpy's and torch's own complex scalars would lose their imaginary part with a mere warning.
    is_text_or_complex = isinstance(value, str | bytes | complex) or "complex" in str(getattr(value, "dtype", ""))
    if is_text_or_complex or prod(getattr(value, "shape", ())) != 1:
        raise _no_loss(value, step)
    try:
        # `item` where there is one: float() of a tensor that wants gradients warns.
        item = getattr(value, "item", None)
        return float(item() if item is not None else value)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise _no_loss(value, step) from error


def _no_loss(value: object, step: int) -> TypeError:
    shape = tuple(getattr(value, "shape", ()))
    got = f"{type(value).__name__} of shape {shape}" if shape else f"{type(value).__name__} {value!r:.80}"
    remedy = "return its mean" if shape else "return the loss of the batch"
    return TypeError(
        f"step {step}: need one real number as the loss, got {got}; {remedy}, e.g. `return loss.mean().item()`"
    )
