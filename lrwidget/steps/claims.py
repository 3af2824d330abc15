"""One run at a time: two over the same weights would ruin each other's curve, and what they restore."""

from __future__ import annotations

import threading
from collections.abc import Iterable

_claimed: set[int] = set()
_lock = threading.RLock()  # as in `overlap`: a run may end while its own thread begins another


def claim(parts: Iterable[object], name: str) -> set[int]:
    """Take the parts of a model for a run; hand what is returned to `release` at its end.

    Parameters
    ----------
    parts
        What is told apart by identity; the caller keeps it alive until it is released.
    name
        What to call the model in the message.

    Raises
    ------
    RuntimeError
        If another run has one of them.
    """
    taken = {id(part) for part in parts}
    with _lock:
        if not _claimed.isdisjoint(taken):
            raise RuntimeError(
                f"need a model that no other run is training, got a {name} in use; "
                "stop that run first, or train a copy, with an optimizer of its own"
            )
        _claimed.update(taken)
    return taken


def release(taken: set[int]) -> None:
    """Let other runs have what `claim` took."""
    with _lock:
        _claimed.difference_update(taken)
