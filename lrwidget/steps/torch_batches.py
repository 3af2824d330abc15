"""Where a PyTorch train step's batches come from: loaders, lists, generators, one batch for ever."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, SequentialSampler

from lrwidget.steps.torch_random import GENERATOR_TYPES

_EMPTY = "need at least one batch, got an empty source; check the dataset and drop_last"


class Batches:
    """Batches without end where the source can be read again, until it is used up where it cannot.

    Parameters
    ----------
    source
        A DataLoader, a list or any other iterable of batches; a generator (read once); or one batch by itself,
        that is a dict, or a tuple or list that ends with a tensor.
    single_allowed
        Whether a list that ends with a tensor is one batch. False leaves it a list of batches.

    Raises
    ------
    TypeError
        If it cannot be iterated.
    """

    def __init__(self, source: Any, *, single_allowed: bool = True) -> None:
        if isinstance(source, Mapping) or (single_allowed and _is_single(source)):
            source = [source]
        if isinstance(source, Tensor) or not isinstance(source, Iterable):
            raise TypeError(
                f"need batches, a DataLoader or another iterable of (inputs, targets), got {describe(source)}; "
                "pass a list of batches, or one batch in a list"
            )
        self.source: Iterable[Any] = source
        self.one_shot = iter(source) is source if isinstance(source, Iterator) else False
        self._used = False
        self._outer: list[Any] = []
        self._stream: Iterator[Any] = iter(())

    def start(self) -> Any:
        """Begin a run: return the first batch; it is still the first that `stream` gives.

        Raises
        ------
        ValueError
            If there is none, or an earlier run has read a source that can be read once only.
        """
        if self.one_shot and self._used:
            raise ValueError(
                "need batches that can be read again for another run, got an iterator that an earlier run has read; "
                "pass a list or a DataLoader, e.g. `list(batches)`"
            )
        self._used = True
        if isinstance(self.source, DataLoader):
            # Persistent workers hang on the loader; a run has its own, and the user's pass is not begun anew.
            self._outer.append(self.source._iterator)
            self.source._iterator = None
        batches = _cycle(self.source)
        first = list(islice(batches, 1))
        if not first:
            raise ValueError(_EMPTY)
        self._stream = chain(first, batches)
        return first[0]

    @property
    def stream(self) -> Iterator[Any]:
        """The batches of the run, from where it is."""
        return self._stream

    def reseed(self, seed: int) -> None:
        """Begin again with other batches; the generators have been seeded."""
        if self.one_shot:
            raise ValueError(
                "need batches that can be read again for repeated runs, got an iterator that can be read once; "
                "pass a list or a DataLoader, e.g. `list(batches)`"
            )
        rng = np.random.default_rng(seed)
        source = self.source
        if isinstance(source, Sequence):
            shuffled = [source[index] for index in rng.permutation(len(source))]
            self._stream = _cycle(shuffled)
        elif isinstance(source, DataLoader) and isinstance(source.sampler, SequentialSampler):
            self._stream = islice(_cycle(source), int(rng.integers(len(source))), None)
        else:
            self._stream = _cycle(source)

    def take(self, num_batches: int) -> list[Any]:
        """The first batches of the source, at most so many."""
        first = list(islice(self.source, num_batches))
        if not first:
            raise ValueError(_EMPTY)
        return first

    def end(self) -> None:
        """Let go of the batches: a loader's workers stop, and a pass of the user's that is under way goes on."""
        self._stream = iter(())
        if self._outer:
            vars(self.source)["_iterator"] = self._outer.pop()


def _cycle(source: Iterable[Any]) -> Iterator[Any]:
    """Batch after batch, from the start again at the end. A second pass that yields none ends it."""
    found = True
    while found:
        found = False
        for batch in source:
            found = True
            yield batch


def _is_single(source: Any) -> bool:
    return isinstance(source, tuple | list) and len(source) > 1 and isinstance(source[-1], Tensor)


def generator_holders(source: Any) -> Iterator[tuple[str, object]]:
    """The generators behind a loader: its own, its samplers', its dataset's. Data are not looked into."""
    holders = {
        "batches": source,
        "sampler": getattr(source, "sampler", None),
        "batch_sampler": getattr(source, "batch_sampler", None),
        "dataset": getattr(source, "dataset", None),
    }
    for name, holder in holders.items():
        for attribute, value in getattr(holder, "__dict__", {}).items():
            if isinstance(value, GENERATOR_TYPES):
                yield f"{name}.{attribute}", value


def describe(value: Any) -> str:
    """The form of a batch in one line: ``(Tensor float32 [8, 3], Tensor int64 [8])``."""
    if isinstance(value, Tensor):
        return f"Tensor {str(value.dtype).removeprefix('torch.')} {list(value.shape)}"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key!r}: {describe(item)}" for key, item in value.items()) + "}"
    if isinstance(value, tuple | list):
        inner = ", ".join(describe(item) for item in value[:4]) + (", ..." if len(value) > 4 else "")
        return f"[{inner}]" if isinstance(value, list) else f"({inner})"
    return f"{type(value).__name__} {value!r:.40}"


def to_device(value: Any, device: torch.device) -> Any:
    """The same structure with every tensor, and whatever else has ``to``, on a device."""
    if isinstance(value, Tensor):
        return value.to(device, non_blocking=True)
    if isinstance(value, Mapping) and not hasattr(value, "to"):
        return {key: to_device(item, device) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(to_device(item, device) for item in value))
    if isinstance(value, tuple | list):
        return type(value)(to_device(item, device) for item in value)
    return value.to(device) if hasattr(value, "to") else value


def is_elsewhere(value: Any, device: torch.device) -> bool:
    """Whether any tensor in the structure lives on another device."""
    if isinstance(value, Tensor):
        return value.device != device
    if isinstance(value, Mapping):
        return any(is_elsewhere(item, device) for item in value.values())
    if isinstance(value, tuple | list):
        return any(is_elsewhere(item, device) for item in value)
    return device.type != "cpu" and hasattr(value, "to")
