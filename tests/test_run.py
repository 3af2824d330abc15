"""Runs: driven in a worker thread or in the caller's, paused, stopped, waited for."""

from __future__ import annotations

import contextvars
import gc
import signal
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lrwidget
from lrwidget import LearningRateFinder, RestoringStep, StepRecord, StopReason
from lrwidget.live.context import CallerContext
from lrwidget.live.failure import Failure
from lrwidget.live.run import Run
from lrwidget.live.run_state import RunState
from lrwidget.live.sole import stop_run_of
from lrwidget.live.stopwatch import Stopwatch

FINDER = LearningRateFinder(num_steps=20, divergence="never")
SECONDS = 10  # by when a thread must have done what it does at once


def make_run(train_step: Callable[[float], float], finder: LearningRateFinder = FINDER) -> Run[StepRecord]:
    return Run(finder.steps(train_step), train_step)


class Gate:
    """A train step that waits for a permit at each step, so that a test decides how far a run gets."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.permits = threading.Semaphore(0)
        self.lrs: list[float] = []
        self.weights = [1.0]
        self.num_restored = 0
        self.fails_at = fails_at

    def __enter__(self) -> Gate:
        self.saved = self.weights[:]
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.weights = self.saved
        self.num_restored += 1

    def __call__(self, lr: float) -> float:
        assert self.permits.acquire(timeout=SECONDS)
        if len(self.lrs) == self.fails_at:
            raise ValueError("boom")
        self.lrs.append(lr)
        self.weights[0] += 1
        return 2.0

    def let(self, num_steps: int) -> None:
        self.permits.release(num_steps)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "not within the time"
        time.sleep(0.001)


def test_worker_records_all() -> None:
    """A run in a worker thread records what the same range test records in a loop."""

    def train_step(lr: float) -> float:
        return float(np.log10(lr)) ** 2

    run = make_run(train_step)
    run.start()
    result = run.wait(SECONDS)
    assert result.losses.tolist() == FINDER.range_test(train_step).losses.tolist()
    assert [record.loss for record in run.records] == result.losses.tolist()
    assert (run.state, run.stop_reason) == (RunState.DONE, StopReason.COMPLETED)


def test_worker_thread() -> None:
    """`start` trains in another thread, `run` in this one."""
    threads = []

    def train_step(lr: float) -> float:
        threads.append(threading.current_thread())
        return 1.0

    background, inline = make_run(train_step), make_run(train_step)
    background.start()
    background.wait(SECONDS)
    assert set(threads) == {background._driver} != {threading.current_thread()}
    threads.clear()
    inline.run()
    assert set(threads) == {threading.current_thread()}


@pytest.mark.parametrize(
    ("losses", "state", "reason"),
    [
        ([1.0] * 20, RunState.DONE, StopReason.COMPLETED),
        ([1.0] * 5 + [float("nan")], RunState.DONE, StopReason.NOT_FINITE),
        ([1.0] * 5, RunState.DONE, StopReason.DATA_EXHAUSTED),
    ],
)
def test_final_states(losses: list[float], state: RunState, reason: StopReason) -> None:
    """A run that ends by itself is done, whatever the reason."""
    values = iter(losses)
    run = make_run(lambda lr: next(values))
    run.run()
    assert (run.state, run.stop_reason) == (state, reason)


def test_pause_holds_and_resume_goes_on() -> None:
    """While a run is paused no step begins; after resume it goes on where it was and loses nothing."""
    gate = Gate()
    run = make_run(gate)
    run.start()
    gate.let(5)
    wait_until(lambda: len(run.records) == 5)
    run.pause()
    assert run.state == "paused"
    gate.let(15)
    wait_until(lambda: len(run.records) == 6)  # the step that was under way
    time.sleep(0.05)
    assert len(run.records) == 6
    run.resume()
    assert run.state == "running"
    assert len(run.wait(SECONDS)) == 20
    assert gate.lrs == FINDER.learning_rates().tolist()


@pytest.mark.parametrize("is_paused", [False, True])
def test_stop_restores(is_paused: bool) -> None:
    """A stop, from a pause too, ends the run after the step under way, keeps the records and restores the weights."""
    gate = Gate()
    run = make_run(gate)
    run.start()
    gate.let(5)
    wait_until(lambda: len(run.records) == 5)
    if is_paused:
        run.pause()
    run.stop()
    run.pause()  # too late
    gate.let(15)
    result = run.wait(SECONDS)
    assert (run.state, result.stop_reason) == ("stopped", StopReason.STOPPED)
    assert len(result) == len(run.records) == 6
    assert (gate.weights, gate.num_restored) == ([1.0], 1)


def test_stop_before_first_step() -> None:
    """A run that is stopped before it begins never enters its train step."""
    gate = Gate()
    run = make_run(gate)
    run.stop()
    run.start()
    assert len(run.wait(SECONDS)) == 0
    assert (run.state, gate.num_restored) == ("stopped", 0)


def test_failure_is_kept_and_raised() -> None:
    """An exception in the worker ends the run as failed, is raised by `wait`, and leaves points and a description."""
    gate = Gate(fails_at=3)
    gate.let(20)
    run = make_run(gate)
    run.start()
    for _ in range(2):
        with pytest.raises(ValueError, match="boom") as caught:
            run.wait(SECONDS)
    assert len(caught.value.partial_result) == 3  # type: ignore[attr-defined]
    assert (run.state, run.stop_reason, len(run.result)) == ("failed", StopReason.FAILED, 3)
    assert run.failure is not None
    assert (run.failure.kind, run.failure.message) == ("ValueError", "boom")
    assert run.failure.line == 'raise ValueError("boom")'
    assert gate.weights == [1.0]


def test_failure_inline() -> None:
    """An exception in an inline run carries on from `run` with its traceback, and is not raised again by `wait`."""
    gate = Gate(fails_at=3)
    gate.let(20)
    run = make_run(gate)
    with pytest.raises(ValueError, match="boom") as caught:
        run.run()
    assert caught.traceback[-1].name == "__call__"
    assert len(run.wait()) == 3
    assert run.state == "failed"


def test_interrupt_inline() -> None:
    """Ctrl-C in an inline run restores, keeps the points, and carries on as KeyboardInterrupt."""
    gate = Gate()
    gate.let(20)

    def train_step(lr: float) -> float:
        if len(gate.lrs) == 7:
            signal.raise_signal(signal.SIGINT)
        return gate(lr)

    run = make_run(
        RestoringStep(train_step, save=lambda: gate.weights[:], restore=lambda w: setattr(gate, "weights", w))
    )
    with pytest.raises(KeyboardInterrupt):
        run.run()
    assert (run.state, run.stop_reason, len(run.result), gate.weights) == ("stopped", StopReason.INTERRUPTED, 7, [1.0])
    assert run.failure is None


def test_interrupt_while_waiting() -> None:
    """Ctrl-C in `wait` stops the worker, waits until it has restored, and carries on."""
    gate = Gate()
    run = make_run(gate)
    run.start()
    gate.let(3)
    wait_until(lambda: len(run.records) == 3)

    def interrupt() -> None:
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)  # type: ignore[arg-type]
        wait_until(lambda: run.is_unwanted())
        gate.let(1)

    timer = threading.Timer(0.05, interrupt)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        run.wait(SECONDS)
    timer.join()
    assert (run.state, run.stop_reason, gate.weights) == ("stopped", StopReason.INTERRUPTED, [1.0])


def test_wait_times_out() -> None:
    """`wait` with a timeout raises after it, and the run goes on."""
    gate = Gate()
    run = make_run(gate)
    run.start()
    with pytest.raises(TimeoutError, match="goes on"):
        run.wait(0.01)
    gate.let(20)
    assert len(run.wait(SECONDS)) == 20


def test_wait_from_inside() -> None:
    """A train step that waits for its own run is told so instead of hanging."""
    run: Run[StepRecord] = make_run(lambda lr: run.wait())
    run.start()
    with pytest.raises(RuntimeError, match="cannot wait for its own end"):
        run.wait(SECONDS)


def test_one_start_each() -> None:
    """A run cannot be started twice."""
    run = make_run(lambda lr: 1.0)
    run.run()
    with pytest.raises(RuntimeError, match="make another"):
        run.start()


def test_second_run_stops_the_first() -> None:
    """Of two runs of one model the later stops the earlier, which says so, and begins when the model is restored."""
    gate = Gate()
    first, second = make_run(gate), make_run(gate)
    first.start()
    gate.let(2)
    wait_until(lambda: len(first.records) == 2)
    second.start()
    wait_until(lambda: first.is_unwanted())
    assert len(second.records) == 0
    gate.let(40)
    assert len(second.wait(SECONDS)) == 20
    assert (first.state, second.state, gate.num_restored) == ("stopped", "done", 2)
    assert gate.lrs[3:] == FINDER.learning_rates().tolist()
    assert (first.is_displaced, second.is_displaced) == (True, False)


def test_waiting_run_can_be_stopped() -> None:
    """A run that waits for an earlier one to end can itself be stopped, without touching the model."""
    gate = Gate()
    first, second = make_run(gate), make_run(gate)
    first.start()
    gate.let(1)
    wait_until(lambda: len(first.records) == 1)
    second.start()
    wait_until(lambda: first.is_unwanted())
    second.stop()
    assert len(second.wait(SECONDS)) == 0
    assert not second.is_displaced  # stopped, but by its user
    assert first.is_active
    gate.let(1)
    first.wait(SECONDS)


def test_nested_run_is_refused() -> None:
    """A train step that runs its own model again gets an error instead of a deadlock."""

    def train_step(lr: float) -> float:
        make_run(train_step).run()
        return 1.0

    with pytest.raises(RuntimeError, match="in a run already"):
        make_run(train_step).run()


def test_stop_run_of() -> None:
    """The run of a model can be stopped by naming the model, and has restored it then."""
    gate = Gate()
    run = make_run(gate)
    run.start()
    gate.let(1)
    wait_until(lambda: len(run.records) == 1)
    gate.let(19)
    stop_run_of(gate)
    assert (run.state, gate.weights) == ("stopped", [1.0])
    stop_run_of(gate)  # there is none any more


def test_thread_that_cannot_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has no thread left, the run has failed and nobody waits for ever."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    run = make_run(lambda lr: 1.0)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(RuntimeError, match="new thread"):
        run.start()
    assert (run.state, run.has_ended()) == ("failed", True)


@pytest.mark.parametrize("fails", [False, True])
def test_lets_go(fails: bool) -> None:
    """After its end, a failed one too, a run keeps neither the train step nor what the step's frames held alive."""

    class Batch:
        pass

    seen: list[weakref.ref[Batch]] = []

    def train_step(lr: float) -> float:
        batch = Batch()
        seen.append(weakref.ref(batch))
        if fails:
            raise ValueError(lr)
        return 1.0

    step = RestoringStep(train_step, save=dict, restore=lambda state: None)
    run = Run(FINDER.steps(step), step)
    run.start()
    assert run.has_ended(SECONDS)
    wait_until(lambda: not run._driver.is_alive())  # type: ignore[union-attr]
    watched = weakref.ref(step)
    del step
    gc.collect()
    assert watched() is None
    assert seen[-1]() is None


def test_job_that_cannot_restore() -> None:
    """Where restoring itself fails, the run has failed and says why."""

    def restore(state: object) -> None:
        raise OSError("disk full")

    run = make_run(RestoringStep(lambda lr: 1.0, save=dict, restore=restore))
    run.start()
    with pytest.raises(OSError, match="disk full"):
        run.wait(SECONDS)
    assert (run.state, len(run.result)) == ("failed", 20)


def test_a_pause_is_no_time_of_the_run() -> None:
    """The result's seconds, from which the cost of a verification is told, leave out what the user has paused."""
    gate = Gate()
    run = make_run(gate)
    started = time.perf_counter()
    run.start()
    run.pause()
    gate.let(20)
    wait_until(lambda: len(gate.lrs) == 1)
    time.sleep(0.3)
    run.resume()
    result = run.wait(SECONDS)
    assert len(result) == 20
    assert 0 < result.seconds <= time.perf_counter() - started - 0.3


def test_elapsed_without_pauses() -> None:
    """Pauses count neither for the time that a run took nor for its speed."""
    now = [0.0]
    watch = Stopwatch(lambda: now[0])
    watch.start()
    now[0] = 2.0
    watch.note_first()
    now[0] = 4.0
    watch.stop()
    now[0] = 100.0
    assert watch.elapsed() == 4.0
    watch.start()
    now[0] = 102.0
    assert watch.elapsed() == 6.0
    assert watch.rate(8) == 2.0
    assert Stopwatch(lambda: 0.0).rate(3) is None


@pytest.fixture
def clean_torch() -> Iterator[None]:
    import torch

    yield
    torch.set_grad_enabled(True)
    torch.set_default_device(None)


def test_context_is_carried_over(clean_torch: None) -> None:
    """A worker trains under the grad mode, default device, autocast and context variables of who started it."""
    import torch

    variable = contextvars.ContextVar("variable", default=0)
    seen: list[object] = []

    def train_step(lr: float) -> float:
        seen.append((torch.is_grad_enabled(), torch.get_default_device().type, variable.get()))
        seen.append((torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")))
        return 1.0

    variable.set(7)
    with torch.no_grad(), torch.device("meta"), torch.autocast("cpu", dtype=torch.bfloat16):
        run = make_run(train_step, LearningRateFinder(num_steps=2))
        run.start()
    run.wait(SECONDS)
    assert seen[:2] == [(False, "meta", 7), (True, torch.bfloat16)]
    seen.clear()
    run = make_run(train_step, LearningRateFinder(num_steps=2))
    run.start()
    run.wait(SECONDS)
    assert seen[:2] == [(True, "cpu", 7), (False, torch.bfloat16)]


def test_context_with_inference_mode(clean_torch: None) -> None:
    """Inference mode is carried over too: a worker must fail where the cell would."""
    import torch

    with torch.inference_mode():
        context = CallerContext()
    assert context.run(torch.is_inference_mode_enabled)
    assert not torch.is_inference_mode_enabled()


def test_default_device_of_an_older_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """In PyTorch 2.6 `get_default_device` sees no context, and fails once the default has been set to None."""
    import torch

    def get_default_device() -> None:
        raise AttributeError("'NoneType' object has no attribute 'device'")

    monkeypatch.setattr(torch, "get_default_device", get_default_device)
    with torch.device("meta"):
        context = CallerContext()
    assert context.run(lambda: torch.empty(0).device.type) == "meta"


def test_context_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is asked of PyTorch where it has not been imported."""
    import sys

    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert CallerContext().run(lambda: 5) == 5
    assert "torch" not in sys.modules


def test_failure_names_the_users_line() -> None:
    """A failure points at the deepest line of the user's code, not at the library that the line calls."""
    try:
        np.linspace(0, 1, num="many")  # type: ignore[call-overload]
    except TypeError as error:
        failure = Failure.of(error)
    assert failure.where.startswith("test_run.py, line ")
    assert failure.line.startswith('np.linspace(0, 1, num="many")')
    assert "Traceback (most recent call last)" in failure.details


def test_failure_in_a_file_whose_name_begins_like_the_package() -> None:
    """A script beside a clone, such as lrwidget_try.py, is the user's code."""
    path = Path(lrwidget.__file__).parent.with_name("lrwidget_try.py")
    try:
        exec(compile("1 / 0", str(path), "exec"))
    except ZeroDivisionError as error:
        failure = Failure.of(error)
    assert failure.where == "lrwidget_try.py, line 1, in <module>"


@pytest.mark.parametrize("place", ["/home/me/.local/lib/python3.12/site-packages", "/usr/lib/python3/dist-packages"])
def test_failure_names_no_library_wherever_it_lies(place: str) -> None:
    """One of the user's own or of the system's, outside of the environment, is no code of the user's either."""
    library: dict[str, Any] = {}
    exec(compile("def fail():\n    raise ValueError", f"{place}/library.py", "exec"), library)
    with pytest.raises(ValueError, match=r"^$") as caught:
        library["fail"]()
    assert Failure.of(caught.value).line == 'library["fail"]()'


def test_failure_of_a_broken_exception() -> None:
    """An exception that cannot even say what it is can still be shown."""

    class BrokenError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    failure = Failure.of(BrokenError())
    assert failure.kind == "BrokenError"
    assert "its __str__ raised RuntimeError" in failure.message
