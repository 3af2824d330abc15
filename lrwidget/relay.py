"""Logs of a sweep's workers that share no folder with it, sent through the scheduler of their Dask cluster.

A worker writes its log on its own disk and posts what it has written under a topic named after the sweep; the sweep
writes that into its folder, where it is read like any other log. A stop goes the other way, as an event of that name.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, BinaryIO

from lrwidget import lock

_POST_SECONDS = 0.2  # between two messages of a worker
_ASK_SECONDS = 0.5  # between two questions whether to stop: each goes to the scheduler and back


class WorkerLink:
    """In a task of a Dask worker: where its log goes, and whether the sweep has been stopped.

    Parameters
    ----------
    topic
        The name of the sweep.
    """

    def __init__(self, topic: str) -> None:
        from distributed import Event, get_worker  # type: ignore[import-untyped, unused-ignore]

        self._topic = topic
        self._worker = get_worker()
        self._stop: Any = Event(topic)  # type: ignore[no-untyped-call, unused-ignore]
        self._folder = tempfile.TemporaryDirectory(prefix="lrwidget-", ignore_cleanup_errors=True)
        self._log: Path | None = None
        self._num_posted = 0
        self._posted_at = 0.0
        self._asked_at = float("-inf")
        self._is_stopped = False

    def __enter__(self) -> WorkerLink:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._post()
        self._folder.cleanup()

    def path(self, name: str) -> Path:
        """Where to write the log with this name."""
        self._log = Path(self._folder.name, name)
        return self._log

    def note(self) -> None:
        """A record has been written."""
        if time.monotonic() - self._posted_at > _POST_SECONDS:
            self._post()

    def is_stopped(self) -> bool:
        """Whether the range test is to end, as far as is known."""
        if time.monotonic() - self._asked_at > _ASK_SECONDS:
            self._is_stopped = bool(self._stop.is_set())
            self._asked_at = time.monotonic()
        return self._is_stopped

    def _post(self) -> None:
        self._posted_at = time.monotonic()
        if self._log is None or not self._log.exists():
            return
        with self._log.open("rb") as file:
            file.seek(self._num_posted)
            data = file.read()
        if data:
            self._worker.log_event(self._topic, {"log": self._log.name, "data": data})
            self._num_posted += len(data)


def worker_link(topic: str) -> WorkerLink | None:
    """The link of this task to its sweep; None where it is no task of a Dask worker."""
    if "distributed" not in sys.modules:
        return None
    try:
        return WorkerLink(topic)
    except (ImportError, ValueError):  # another module of that name; what `get_worker` raises outside of a task
        return None


class SweepLink:
    """In the process of the sweep: writes what the workers post into its folder, and tells them to stop.

    Parameters
    ----------
    client
        A `dask.distributed.Client`.
    folder
        The folder of the sweep; its name is the topic.
    """

    def __init__(self, client: Any, folder: Path) -> None:
        self._client = client
        self._folder = folder
        self._files: dict[str, BinaryIO] = {}
        self._lock = threading.Lock()
        self._is_closed = False
        client.subscribe_topic(folder.name, self._take)

    def ask_to_stop(self) -> None:
        """Let the workers end after their steps. Returns at once."""
        if self._client.status == "running":
            self._client.loop.add_callback(self._client.scheduler.event_set, name=self._folder.name)

    def close(self) -> None:
        """Take no more; the logs stay."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            for file in self._files.values():
                lock.release(file)
                file.close()
        if self._client.status == "running":
            self._client.unsubscribe_topic(self._folder.name)
            self._client.loop.add_callback(self._client.scheduler.event_clear, name=self._folder.name)

    def _take(self, event: tuple[float, dict[str, Any]]) -> None:
        """Called by the client's event loop."""
        message = event[1]
        name = Path(message["log"]).name
        with self._lock:
            if self._is_closed:
                return
            if name not in self._files:
                self._files[name] = file = (self._folder / name).open("ab")
                lock.take(file)  # as its writer would: it is being written
            self._files[name].write(message["data"])
            self._files[name].flush()


def sweep_link(executor: Executor | None, folder: Path) -> SweepLink | None:
    """The sweep's end of the links to the workers of an executor; None if that is none of Dask's."""
    client = getattr(executor, "_client", None)
    return SweepLink(client, folder) if hasattr(client, "subscribe_topic") else None
