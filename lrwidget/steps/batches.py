"""Where a train step's batches come from: loaders, lists, generators, one batch for ever."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from itertools import chain, cycle, islice
from typing import Any

import numpy as np

# Loading batches only to leave them out takes its time: about that of a range test.
_MOST_LEFT_OUT = 100


class Batches:
    """Batches without end where the source can be read again, until it is used up where it cannot.

    Parameters
    ----------
    source
        A loader, a list or any other iterable of batches, or what has a length and items; a generator, or another
        iterator without a length (read once); or one batch by itself, that is a dict, or a tuple or list that ends
        with an array or tensor.
    single_allowed
        Whether a list that ends with an array or tensor is one batch. False leaves it a list of batches.
    name
        The argument that they came in, for messages.

    Raises
    ------
    TypeError
        If it cannot be iterated.
    """

    def __init__(self, source: Any, *, single_allowed: bool = True, name: str = "batches") -> None:
        if isinstance(source, Mapping) or (single_allowed and _is_single(source)):
            source = [source]
        elif hasattr(source, "__getitem__") and hasattr(source, "__len__") and not hasattr(source, "__iter__"):
            source = _Indexed(source)
        if hasattr(source, "shape") or isinstance(source, str | bytes) or not isinstance(source, Iterable):
            raise TypeError(
                f"need {name}, a loader or another iterable of (inputs, targets), got {describe(source)}; "
                "pass a list of batches, or one batch in a list"
            )
        self.source: Iterable[Any] = source
        # One with a length is a loader that gives out itself and begins again.
        self.one_shot = isinstance(source, Iterator) and not isinstance(source, Sized)
        self._used = False
        self._empty = f"need at least one batch, got an empty source; check the dataset and drop_last of {name}"
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
        batches = _cycle(self.source)
        first = list(islice(batches, 1))
        if not first:
            raise ValueError(self._empty)
        self._stream = chain(first, batches)
        return first[0]

    @property
    def stream(self) -> Iterator[Any]:
        """The batches of the run, from where it is."""
        return self._stream

    @property
    def num_batches(self) -> int | None:
        """How many there are in one pass over the source; None where it does not say, or has only one."""
        length = self._length()
        return length if length is not None and length > 1 else None

    def reseed(self, seed: int) -> None:
        """Begin again with other batches; the generators have been seeded.

        Items are taken in another order. What does not say that it shuffles may give the same batches again: of these,
        some at the beginning are left out.

        Raises
        ------
        ValueError
            If the source can be read once only.
        """
        if self.one_shot:
            raise ValueError(
                "need batches that can be read again for repeated runs, got an iterator that can be read once; "
                "pass a list or a DataLoader, e.g. `list(batches)`"
            )
        rng = np.random.default_rng(seed)
        source = self.source
        if isinstance(source, Sequence):
            self._stream = (source[index] for index in cycle(rng.permutation(len(source)).tolist()))
        elif self._is_shuffled():
            self._stream = _cycle(source)
        else:
            length = self._length() or _MOST_LEFT_OUT
            self._stream = islice(_cycle(source), int(rng.integers(min(length, _MOST_LEFT_OUT))), None)

    def _is_shuffled(self) -> bool:
        """Whether each pass over the source is known to follow the generators."""
        return False

    def _length(self) -> int | None:
        try:
            return len(self.source)  # type: ignore[arg-type]
        except (TypeError, NotImplementedError):  # no length, or that of a loader whose data have none
            return None

    def take(self, num_batches: int) -> list[Any]:
        """The first batches of the source, at most so many.

        Raises
        ------
        ValueError
            If there is none.
        """
        first = list(islice(self.source, num_batches))
        if not first:
            raise ValueError(self._empty)
        return first

    def end(self) -> None:
        """Let go of the batches; a loader's workers stop."""
        self._stream = iter(())


class _Indexed:
    """Items in their order, of what has a length and no iterator of its own."""

    def __init__(self, items: Any) -> None:
        self._items = items

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Any]:
        return (self._items[index] for index in range(len(self._items)))


def _cycle(source: Iterable[Any]) -> Iterator[Any]:
    """Batch after batch, from the start again at the end. A second pass that yields none ends it."""
    found = True
    while found:
        found = False
        for batch in source:
            found = True
            yield batch


def _is_single(source: Any) -> bool:
    return isinstance(source, tuple | list) and len(source) > 1 and hasattr(source[-1], "shape")


def note_batch(error: Exception, batch: object) -> None:
    """Have the error say what the batch was that it came with."""
    error.add_note(f"lrwidget: the batch was {describe(batch)}")


def describe(value: Any) -> str:
    """The form of a batch in one line: ``(Tensor float32 [8, 3], Tensor int64 [8])``."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{type(value).__name__} {str(value.dtype).removeprefix('torch.')} {list(value.shape)}"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key!r}: {describe(item)}" for key, item in value.items()) + "}"
    if isinstance(value, tuple | list):
        inner = ", ".join(describe(item) for item in value[:4]) + (", ..." if len(value) > 4 else "")
        return f"[{inner}]" if isinstance(value, list) else f"({inner})"
    return f"{type(value).__name__} {value!r:.40}"
