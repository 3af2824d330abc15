"""Who is told each step of a run: its log, its progress bar."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from os import PathLike

    from lrwidget.progress import Watched
    from lrwidget.recording import Recording
    from lrwidget.steps import TrainStep


class Watcher(AbstractContextManager[object], Protocol):
    """Is told each record of a run, from entering on until it is left."""

    def write(self, record: Any, /) -> object: ...


def log_of(train_step: TrainStep, recording: Recording, path: str | PathLike[str] | None) -> list[Watcher]:
    """The log at this path, if there is to be one and this process is the one that writes."""
    if path is None or not _is_first(train_step):
        return []
    from lrwidget.log import LogWriter

    return [LogWriter(path, recording)]


def bar_of(train_step: TrainStep, run: Watched, name: str, num_steps: int, progress: bool) -> list[Watcher]:
    """The progress bar of a run, if there is to be one and this process is the one that draws."""
    if not progress or not _is_first(train_step):
        return []
    from lrwidget.progress import ProgressBar

    return [ProgressBar(run, name, num_steps)]


def _is_first(train_step: TrainStep) -> bool:
    """Whether this is the first of several processes that train together, or the only one."""
    return getattr(train_step, "rank", 0) == 0
