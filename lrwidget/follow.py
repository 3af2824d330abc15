"""The log of a run in another process, or on another machine, read while it is written.

The file is looked at again and again: notices of changes do not cross network file systems, a look costs little.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from enum import StrEnum
from os import SEEK_END, PathLike
from pathlib import Path

from lrwidget.finder import LearningRateFinder
from lrwidget.log import LogParser, feed_rest, is_written
from lrwidget.result import RangeTestResult, StepRecord, StopReason

_SLOW_FACTOR = 5.0  # a writer is silent when it takes this many times longer than its longest step


class WriterState(StrEnum):
    """What is known of the process that writes a log."""

    AWAITED = "awaited"
    WRITING = "writing"
    SILENT = "silent"
    ENDED = "ended"


def follow(
    path: str | PathLike[str], *, silence_seconds: float = 10.0, poll_seconds: float = 0.05
) -> FollowedRangeTest:
    """Watch the log of a run: an iterator of its records, those written already and those to come.

    Parameters
    ----------
    path
        The log. It need not exist yet.
    silence_seconds
        How long nothing may come before the writer counts as silent; slower where its steps have been slower.
    poll_seconds
        How often to look at the file: what is flushed is seen within that time.

    Returns
    -------
    FollowedRangeTest
        Waits for each record. It ends with the run; or when the writer is gone without a last line, as a killed one
        is, where a lock on the file tells (one machine, no Windows); else only `stop` ends it.

    Raises
    ------
    ValueError
        If a time is not positive; while it reads, if the file is no log.
    """
    return FollowedRangeTest(path, silence_seconds=silence_seconds, poll_seconds=poll_seconds)


class FollowedRangeTest(Iterator[StepRecord]):
    """A range test that runs elsewhere. Made by `follow`; any thread may read it and stop it while one iterates."""

    can_stop_elsewhere = True

    def __init__(self, path: str | PathLike[str], *, silence_seconds: float, poll_seconds: float) -> None:
        for name, value in {"silence_seconds": silence_seconds, "poll_seconds": poll_seconds}.items():
            if not value > 0:
                raise ValueError(f"need {name} > 0, got {name}={value}")
        self._path = Path(path)
        self._silence_seconds = silence_seconds
        self._poll_seconds = poll_seconds
        self._parser = LogParser(path)
        self._read_so_far = 0  # bytes, half a line at the end included
        self._head = b""  # the header's line: another one there means another run
        self._half_line = b""
        self._ready: deque[StepRecord] = deque()
        self._longest_gap = 0.0
        self._news_at = time.monotonic()
        self._stopped = threading.Event()
        self.recording = self._parser.recording  # its settings are the writer's, empty until the header has come

    @property
    def stop_reason(self) -> StopReason | None:
        """Why the run ended; None while it goes on."""
        return self.recording.stop_reason

    @property
    def result(self) -> RangeTestResult:
        """What has been read so far. A run that goes on counts as stopped here."""
        return self.recording.result()

    @property
    def settings(self) -> LearningRateFinder | None:
        """The settings of the run, once its header has come; None also where it has none that make a finder."""
        try:
            return LearningRateFinder(**self.recording.settings) if self.recording.settings else None
        except (TypeError, ValueError):
            return None

    @property
    def silent_seconds(self) -> float:
        """How long ago the file grew, or the watch began."""
        return time.monotonic() - self._news_at

    @property
    def writer(self) -> WriterState:
        """Whether the writer is awaited, writes, is silent, or has ended."""
        if self.stop_reason is not None:
            return WriterState.ENDED
        if not self._parser.header:
            return WriterState.AWAITED
        is_slow = self.silent_seconds > max(self._silence_seconds, _SLOW_FACTOR * self._longest_gap)
        return WriterState.SILENT if is_slow else WriterState.WRITING

    @property
    def status(self) -> str:
        """The same in words, for people."""
        match self.writer:
            case WriterState.ENDED:
                error = f" ({self.recording.error})" if self.recording.error else ""
                return f"{self._path.name}: the run has ended: {self.stop_reason}{error}"
            case WriterState.SILENT:
                return f"{self._path.name}: nothing written for {self.silent_seconds:.0f} s"
            case WriterState.WRITING:
                return f"{self._path.name}: being written"
        return f"{self._path.name}: waiting for a run to begin"

    def __next__(self) -> StepRecord:
        while not self._ready:
            if self.stop_reason is not None:
                raise StopIteration
            if not self.poll():
                self._stopped.wait(self._poll_seconds)
        return self._ready.popleft()

    def stop(self, reason: StopReason = StopReason.STOPPED) -> None:
        """Stop watching, unless the run has ended; what waits for a record wakes. The writer is left alone."""
        if self.stop_reason is None:
            self.recording.stop_reason = reason
        self._stopped.set()

    def close(self) -> None:
        """Stop watching."""
        self.stop()

    def poll(self) -> bool:
        """Read what is new, without waiting; whether anything was.

        Raises
        ------
        ValueError
            If the file is no log.
        """
        if self.stop_reason is not None:
            return False
        try:
            with self._path.open("rb", buffering=0) as file:
                gone = is_written(file, self._parser.header) is False  # asked first: its last words come before that
                is_shorter = file.seek(0, SEEK_END) < self._read_so_far
                file.seek(self._read_so_far)
                data = file.read()
                file.seek(0)  # looked at last: a run that came while this was read has a header of its own
                if file.read(len(self._head)) != self._head:
                    return self._end("another run has replaced the file; watch it anew")
                if is_shorter:
                    return self._end("the file has become shorter; watch it anew")
        except FileNotFoundError:
            return bool(self._head) and self._end("the file has been removed")
        try:
            if data:
                self._take(data)
            elif gone:
                num_records = len(self.recording.records)
                feed_rest(self._parser, self._half_line)
                self._ready.extend(self.recording.records[num_records:])
                self._parser.end()
        except ValueError as error:
            self.recording.note_failure(error)
            raise
        return bool(data)

    def _take(self, data: bytes) -> None:
        now = time.monotonic()
        if self.recording.records:
            self._longest_gap = max(self._longest_gap, now - self._news_at)
        self._news_at = now
        self._read_so_far += len(data)
        *lines, self._half_line = (self._half_line + data).split(b"\n")
        for line in lines:
            record = self._parser.feed(line)
            if record is not None:
                self._ready.append(record)
        if lines and not self._head:
            self._head = lines[0] + b"\n"

    def _end(self, error: str) -> bool:
        self.recording.stop_reason, self.recording.error = StopReason.INTERRUPTED, error
        return True
