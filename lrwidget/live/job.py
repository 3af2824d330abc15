"""What a run drives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, TypeVar

from lrwidget.result import StopReason

Record_co = TypeVar("Record_co", covariant=True)


class Job(Protocol[Record_co]):
    """An iterator that does one step each time a record is asked for. `lrwidget.RangeTest` is one.

    ``stop`` ends it at once for a reason and restores what it changed; it may be called before the first step and
    after the last one. ``result`` can be read at any time.

    A job that measures its own time may have ``note_pause(seconds)``, called after each pause. One that waits for
    others (a log that another process writes) may have three things more: ``can_stop_elsewhere``, true if any thread
    may call ``stop``, which wakes it; ``status``, in words; and ``settings``, the finder of what it watches, once that
    is known.
    """

    def __iter__(self) -> Iterator[Record_co]: ...
    def __next__(self) -> Record_co: ...
    def stop(self, reason: StopReason = ..., /) -> None: ...
    def close(self) -> None: ...
    @property
    def stop_reason(self) -> StopReason | None: ...
    @property
    def result(self) -> Any: ...
