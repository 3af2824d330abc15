"""Where the range tests of a sweep run: worker processes of its own, or an executor that was given."""

from __future__ import annotations

import os
import pickle
import signal
import sys
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, Protocol

_THREAD_SETTINGS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")

_KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # no training may refuse; Windows has the other alone


class Workers(Protocol):
    """What a sweep needs of the place where its work is done. One thread calls it."""

    survives_deaths: bool

    def has_room(self) -> bool: ...
    def submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]: ...
    def release(self, future: Future[Any]) -> None: ...
    def kill(self) -> None: ...
    def close(self) -> None: ...


class WorkerProcesses:
    """Fresh processes of this machine, each a pool of one: when one dies, its own work is all that is lost.

    They are spawned, not forked: a copy of a process that has started threads of PyTorch may hang.

    Parameters
    ----------
    num_workers
        How many at once. The processors are shared out among their numerical threads, unless ``OMP_NUM_THREADS`` says
        otherwise.
    """

    survives_deaths = True

    def __init__(self, num_workers: int) -> None:
        self._num_workers = num_workers
        self._num_threads = max(1, num_processors() // num_workers)
        self._idle: list[ProcessPoolExecutor] = []
        self._busy: dict[Future[Any], ProcessPoolExecutor] = {}
        self._pids: dict[ProcessPoolExecutor, Future[int]] = {}

    def has_room(self) -> bool:
        """Whether a worker is free."""
        return len(self._busy) < self._num_workers

    def submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        """Let a free worker call the function; cloudpickle takes it there where it is installed."""
        work = portable(function, *args)
        while True:
            pool = self._idle.pop() if self._idle else self._start()
            try:
                future = pool.submit(call, work)
            except BrokenExecutor:  # it died while it was idle
                self._drop(pool)
                continue
            self._busy[future] = pool
            return future

    def release(self, future: Future[Any]) -> None:
        """Take back the worker of a future that is done; a dead one is replaced when it is needed."""
        pool = self._busy.pop(future)
        if not future.cancelled() and isinstance(future.exception(), BrokenExecutor):
            self._drop(pool)
        else:
            self._idle.append(pool)

    def kill(self) -> None:
        """End the processes of all that are busy, in the middle of whatever they do."""
        for pool in self._busy.values():
            pid = self._pids[pool]
            if pid.done() and pid.exception() is None:
                os.kill(pid.result(), _KILL)

    def close(self) -> None:
        """Wait for what is under way and let the processes end."""
        for pool in [*self._idle, *self._busy.values()]:
            self._drop(pool)
        self._idle.clear()

    def _start(self) -> ProcessPoolExecutor:
        pool = ProcessPoolExecutor(1, get_context("spawn"), _prepare_worker, (self._num_threads,))
        self._pids[pool] = pool.submit(os.getpid)
        return pool

    def _drop(self, pool: ProcessPoolExecutor) -> None:
        self._pids.pop(pool, None)
        pool.shutdown(wait=True, cancel_futures=True)


class GivenExecutor:
    """An executor that someone else made and will close: it has its own queue, and its own care for the dead.

    Parameters
    ----------
    executor
        A process pool, ``dask.distributed.Client.get_executor()``, ...
    """

    survives_deaths = False

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._futures: set[Future[Any]] = set()

    def has_room(self) -> bool:
        """It takes whatever comes."""
        return True

    def submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        """Hand the call to the executor; where it refuses, the future holds its reason."""
        try:
            future = self._executor.submit(function, *args)
        except RuntimeError as error:  # broken, or shut down
            future = Future()
            future.set_exception(error)
        self._futures.add(future)
        return future

    def release(self, future: Future[Any]) -> None:
        """Forget a future that is done."""
        self._futures.discard(future)

    def kill(self) -> None:
        """Cancel what can be cancelled; the processes are someone else's."""
        for future in list(self._futures):
            future.cancel()

    def close(self) -> None:
        """Leave the executor as it is."""


def portable(function: Callable[..., Any], *args: Any) -> bytes:
    """A call as bytes for another process.

    Raises
    ------
    TypeError
        If it cannot be sent there; the message says what to do.
    """
    try:
        import cloudpickle as pickler  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        pickler = pickle
        made_here = [a for a in args if getattr(a, "__module__", None) == "__main__"]
        if made_here and not hasattr(sys.modules["__main__"], "__file__"):
            raise TypeError(
                f"need functions that worker processes can import, got {made_here[0]!r} of this notebook; "
                "pip install cloudpickle, or move it into a module"
            ) from None
    try:
        return bytes(pickler.dumps((function, args)))
    except Exception as error:  # whatever the objects raise when they are asked for their state
        raise TypeError(
            f"need what can be sent to a worker process, got {type(error).__name__}: {error}; "
            "make models, loaders and open files inside make_train_step"
        ) from error


def call(work: bytes) -> Any:
    """In the worker: do what `portable` has packed."""
    function, args = pickle.loads(work)
    return function(*args)


def num_processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _prepare_worker(num_threads: int) -> None:
    """In the worker, first of all: Ctrl-C is the parent's matter; numerical libraries share the processors."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if "OMP_NUM_THREADS" in os.environ:
        return
    os.environ.update(dict.fromkeys(_THREAD_SETTINGS, str(num_threads)))
    torch = sys.modules.get("torch")  # loaded already where the main script imports it
    if torch is not None:
        torch.set_num_threads(num_threads)
