"""One range test of a sweep in its worker, and the folder through which worker and sweep see each other.

The sweep makes the folder with a mark in it; each range test writes its log there. A worker that finds the mark gone
ends after its step, so a stop arrives wherever the folder does, on any executor. A worker that does not see the folder
has `lrwidget.relay` if it belongs to a Dask cluster; else it sends its finished result and no more.
"""

from __future__ import annotations

import tempfile
import threading
import traceback
from collections.abc import Callable, Mapping
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import replace
from datetime import datetime
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from lrwidget.finder import LearningRateFinder
from lrwidget.follow import FollowedRangeTest, follow
from lrwidget.log import LogWriter
from lrwidget.recording import error_text
from lrwidget.relay import worker_link
from lrwidget.result import RangeTestResult
from lrwidget.steps import TrainStep
from lrwidget.sweep_result import SweepRun

_MARK = "running"

_one_at_a_time = threading.Lock()  # the random states belong to the process: two runs in it would mix theirs


class Outcome(NamedTuple):
    """What a worker sends back; the fields are those of `SweepRun`."""

    result: RangeTestResult | None
    error: str | None
    details: str


def run_point(
    make_train_step: Callable[..., TrainStep],
    settings: Mapping[str, Any],
    finder: LearningRateFinder,
    index: int,
    folder: str,
) -> Outcome:
    """Make the train step of one point and run its range test. What goes wrong with it is part of the outcome.

    Parameters
    ----------
    make_train_step, settings, finder
        As for `lrwidget.sweep`.
    index
        Which point; the name of its log begins with it.
    folder
        Where the logs go, if it exists on this machine.
    """
    with _one_at_a_time, ExitStack() as stack:
        link = _FolderLink(Path(folder)) if Path(folder).is_dir() else worker_link(Path(folder).name)
        if link is not None:
            stack.enter_context(link)
            if link.is_stopped():
                return Outcome(None, "stopped", "")
        run = None
        try:
            run = finder.steps(make_train_step(**settings))
            if link is not None:
                # Each attempt has a log of its own: a worker that was given up may not be dead.
                path = link.path(f"{index:04d}-{uuid4().hex[:8]}.jsonl")
                write = stack.enter_context(LogWriter(path, run.recording)).write
            for record in run:
                if link is not None:
                    write(record)
                    link.note()
                    if link.is_stopped():
                        run.stop()
                        return Outcome(run.result, "stopped", "")
        except Exception as error:
            details = "".join(traceback.format_exception(error))
            return Outcome(None if run is None else run.result, error_text(error), details)
        return Outcome(run.result, None, "")


class _FolderLink(nullcontext[None]):
    """The sweep as a worker sees it that sees its folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._mark = folder / _MARK

    def path(self, name: str) -> Path:
        return self._mark.with_name(name)

    def note(self) -> None:
        """Whoever looks into the folder sees the record."""

    def is_stopped(self) -> bool:
        return not self._mark.exists()


class SweepFolder:
    """The folder of one sweep, as the sweep sees it. Any thread may ask.

    Parameters
    ----------
    parent
        Where to make it; it stays. By default it is temporary.
    """

    def __init__(self, parent: str | PathLike[str] | None = None) -> None:
        self._temporary = None
        if parent is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="lrwidget-", ignore_cleanup_errors=True)
            parent = self._temporary.name
        self.path = Path(parent).absolute() / f"sweep-{datetime.now():%Y%m%d-%H%M%S}-{uuid4().hex[:4]}"
        self.path.mkdir(parents=True)
        self.address = str(self.path)  # as it is told to the workers
        (self.path / _MARK).touch()
        self._logs: dict[Path, FollowedRangeTest] = {}
        self._lock = threading.Lock()

    def ask_to_stop(self) -> None:
        """Let the workers end after their steps."""
        (self.path / _MARK).unlink(missing_ok=True)

    def newest_logs(self) -> dict[int, Path]:
        """The log of each run that has begun, by its index: that of its last attempt."""
        found: dict[int, tuple[int, Path]] = {}
        with suppress(FileNotFoundError):  # a log that goes while this looks, or the folder
            for path in self.path.glob("*.jsonl"):
                index, at = int(path.name.partition("-")[0]), path.stat().st_mtime_ns
                found[index] = max(found.get(index, (0, path)), (at, path))
        return {index: path for index, (_, path) in found.items()}

    def fill_in(self, run: SweepRun, path: Path | None) -> SweepRun:
        """The run with as much of its curve as this log of it holds."""
        if path is None:
            return run
        with self._lock:
            if path not in self._logs and not path.exists():
                return run  # the sweep has ended since it was found
            log = self._logs.setdefault(path, follow(path))
            with suppress(ValueError):  # no log any more: someone has written into it
                while log.poll():
                    pass
            return replace(run, result=log.result)

    def close(self) -> None:
        """Remove it, if it is temporary."""
        self.ask_to_stop()
        with self._lock:
            self._logs.clear()
            if self._temporary is not None:
                self._temporary.cleanup()
