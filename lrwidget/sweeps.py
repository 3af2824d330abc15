"""Grids of range tests: optimizers, batch sizes, weight decays, seeds, side by side on any executor.

Each point is a range test of its own in a worker, with a log in a shared folder. The folder is how the curves are seen
while they run, how a stop reaches the workers between two steps, and what is left of a run whose worker was killed.
"""

from __future__ import annotations

import queue
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import ExitStack
from os import PathLike
from typing import Any

from lrwidget.finder import LearningRateFinder
from lrwidget.recording import error_text
from lrwidget.relay import sweep_link
from lrwidget.result import RangeTestResult, StopReason
from lrwidget.steps import TrainStep
from lrwidget.sweep_grid import Grid, check_means, check_points, points_of
from lrwidget.sweep_point import SweepFolder, run_point
from lrwidget.sweep_result import SweepResult, SweepRun
from lrwidget.workers import GivenExecutor, WorkerProcesses, Workers, num_processors

_DIED = (
    "its process died, each time that it was begun; is there enough memory? "
    'In a script, sweep() must be called under `if __name__ == "__main__":`'
)
_GRACE_SECONDS = 3.0  # for the steps under way when a sweep is stopped


def sweep(
    make_train_step: Callable[..., TrainStep],
    grid: Grid,
    *,
    finder: LearningRateFinder | None = None,
    executor: Executor | None = None,
    num_workers: int | None = None,
    num_attempts: int = 2,
    log_folder: str | PathLike[str] | None = None,
    progress: bool = False,
) -> SweepResult:
    """Run a range test at each point of a grid, and wait for all of them.

    Parameters
    ----------
    make_train_step
        Called in the worker with a point's settings by name; returns a train step. Seeds, data and model are made
        there: what it is called with and what it refers to must be small enough to be sent.
    grid
        Values to combine by name, each with each, e.g. ``{"weight_decay": [0, 0.1], "seed": range(3)}``; or a list
        of settings.
    finder
        The settings of each range test; the finder's defaults if absent.
    executor
        Where to run: anything with the interface of ``concurrent.futures.Executor``, such as
        ``dask.distributed.Client.get_executor()``; it stays open. By default fresh processes of this machine, whose
        number is ``num_workers``. A process runs one range test at a time, for its random states are one.
    num_workers
        How many processes, where no executor is given; one per processor by default.
    num_attempts
        How often a point is begun whose process dies. With an executor this is the executor's own affair.
    log_folder
        Where to keep the log of each range test; by default they are gone after the sweep. Curves are seen live, and a
        stop arrives between two steps, where this folder, or else the one for temporary files, is shared with the
        workers, and on a Dask cluster in any case.
    progress
        Show a progress bar that counts the finished range tests (needs tqdm).

    Returns
    -------
    SweepResult
        The range test of each point, and why one has failed that has.

    Raises
    ------
    TypeError, ValueError
        If a point is nothing that ``make_train_step`` could be called with, or cannot be sent to a process; if another
        argument is no such thing.
    ImportError
        If a progress bar is wanted and tqdm is not installed.
    RuntimeError
        If not one of the range tests gave a curve; it carries the first one's traceback, and ``partial_result``.
    """
    job = Sweep(
        make_train_step,
        grid,
        finder=finder,
        executor=executor,
        num_workers=num_workers,
        num_attempts=num_attempts,
        log_folder=log_folder,
    )
    with ExitStack() as stack:
        stack.enter_context(job)
        bar = None
        if progress:
            from lrwidget.progress import SweepProgressBar

            bar = stack.enter_context(SweepProgressBar(len(job)))
        try:
            for run in job:
                if bar is not None:
                    bar.update(run)
        except BaseException as error:
            job.close()
            error.partial_result = job.result  # type: ignore[attr-defined]
            raise
    return _with_curves(job.result)


class Sweep(Iterator[SweepRun]):
    """A sweep under way: an iterator of its runs, each as soon as it has finished.

    The parameters are those of `sweep`. The thread that iterates does the work of the sweep; `stop`, `snapshot` and
    `result` may be used from any. Leaving it as a context manager stops what still runs.
    """

    can_stop_elsewhere = True

    def __init__(
        self,
        make_train_step: Callable[..., TrainStep],
        grid: Grid,
        *,
        finder: LearningRateFinder | None = None,
        executor: Executor | None = None,
        num_workers: int | None = None,
        num_attempts: int = 2,
        log_folder: str | PathLike[str] | None = None,
    ) -> None:
        points = points_of(grid)
        check_points(make_train_step, points)
        check_means(finder, executor, num_workers, num_attempts)
        self._work = make_train_step, finder or LearningRateFinder()
        self._workers: Workers = (
            WorkerProcesses(num_workers or min(len(points), num_processors()))
            if executor is None
            else GivenExecutor(executor)
        )
        self._runs = [SweepRun(index, settings) for index, settings in enumerate(points)]
        self._attempts_left = [num_attempts] * len(points)
        self._waiting = deque(range(len(points)))
        self._running: dict[Future[Any], int] = {}
        self._ended: set[int] = set()
        self._done: queue.SimpleQueue[Future[Any] | None] = queue.SimpleQueue()
        self._stop_reason: StopReason | None = None
        self._deadline = float("inf")  # of what still runs after a stop
        self._killed = False
        self._folder = SweepFolder(log_folder)
        self._link = sweep_link(executor, self._folder.path)
        self._closed = False

    def __len__(self) -> int:
        return len(self._runs)

    def __next__(self) -> SweepRun:
        while True:
            self._fill()
            if not self._running:
                self._end()
                raise StopIteration
            index = self._collect()
            if index is not None:
                return self._runs[index]

    def stop(self, reason: StopReason = StopReason.STOPPED) -> None:
        """Begin no further range test and end those under way after their steps. Returns at once; iterate to drain."""
        if self._stop_reason is None:
            self._deadline = time.monotonic() + _GRACE_SECONDS
            self._stop_reason = reason
            self._folder.ask_to_stop()
            if self._link is not None:
                self._link.ask_to_stop()
            self._done.put(None)  # wakes the one who waits for a run

    def close(self) -> None:
        """Stop, and wait until nothing of the sweep runs any more."""
        self.stop()
        for _ in self:
            pass

    def __enter__(self) -> Sweep:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    @property
    def finder(self) -> LearningRateFinder:
        """The settings of each range test."""
        return self._work[1]

    @property
    def done(self) -> frozenset[int]:
        """The indices of the runs that have ended, one way or another."""
        return frozenset(self._ended)

    @property
    def stop_reason(self) -> StopReason | None:
        """Why it ended; None while it goes on."""
        return self._stop_reason if self._closed else None

    @property
    def result(self) -> SweepResult:
        """What there is so far; where the logs can be seen, the curves of what still runs too."""
        return SweepResult(tuple(self.snapshot()))

    def snapshot(self) -> list[SweepRun]:
        """Each run as it stands now, in the order of the grid; of those under way what their logs hold."""
        logs = self._folder.newest_logs()
        return [r if r.index in self._ended else self._folder.fill_in(r, logs.get(r.index)) for r in self._runs]

    def _fill(self) -> None:
        while self._waiting and self._stop_reason is None and self._workers.has_room():
            index = self._waiting[0]
            make_train_step, finder = self._work
            settings = dict(self._runs[index].settings)
            future = self._workers.submit(run_point, make_train_step, settings, finder, index, self._folder.address)
            self._waiting.popleft()
            self._attempts_left[index] -= 1
            self._running[future] = index
            future.add_done_callback(self._done.put)

    def _collect(self) -> int | None:
        """Wait for the next run that ends; None if something else happened."""
        try:
            patience = None if self._stop_reason is None else max(0.0, self._deadline - time.monotonic())
            future = self._done.get(timeout=patience)
        except queue.Empty:
            self._give_up()
            return None
        if future is None or future not in self._running:
            return None
        index = self._running.pop(future)
        self._workers.release(future)
        return self._file(index, future)

    def _file(self, index: int, future: Future[Any]) -> int | None:
        """Keep what a run has left; None if it is to be begun again."""
        if future.cancelled():
            return self._keep(index, error="cancelled")
        error = future.exception()
        if error is None:
            return self._keep(index, *future.result())
        has_died = isinstance(error, BrokenExecutor) and self._workers.survives_deaths
        if has_died and self._attempts_left[index] and self._stop_reason is None:
            self._waiting.appendleft(index)
            return None
        why = _DIED if has_died else error_text(error)
        return self._keep(index, error=why, details="".join(traceback.format_exception(error)))

    def _keep(
        self, index: int, result: RangeTestResult | None = None, error: str | None = None, details: str = ""
    ) -> int:
        run = SweepRun(index, self._runs[index].settings, result, error, details)
        if result is None:
            run = self._folder.fill_in(run, self._folder.newest_logs().get(index))
        self._runs[index] = run
        self._ended.add(index)
        return index

    def _give_up(self) -> None:
        """The grace is over: end what still runs by force; where even that did not help, wait for it no longer."""
        if not self._killed:
            self._workers.kill()
            self._killed = True
            self._deadline = time.monotonic() + _GRACE_SECONDS
            return
        for index in self._running.values():
            self._keep(index, error="cancelled")
        self._running.clear()

    def _end(self) -> None:
        if self._closed:
            return
        for index in self._waiting:
            self._keep(index, error="not run: the sweep was stopped before")
        self._waiting.clear()
        self._workers.close()
        if self._link is not None:
            self._link.close()
        self._folder.close()
        self._stop_reason = self._stop_reason or StopReason.COMPLETED
        self._closed = True


def _with_curves(result: SweepResult) -> SweepResult:
    """The result, if there is a curve in it."""
    if any(run.result is not None and len(run.result) for run in result.runs):
        return result
    first = result.failed[0]
    error = RuntimeError(
        f"need at least one range test with a curve, got {len(result)} failures; the first, of {first.label}: "
        f"{first.error}\n{first.details}"
    )
    error.partial_result = result  # type: ignore[attr-defined]
    raise error
