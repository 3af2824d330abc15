"""The promise of the project: a range test leaves no trace, however it ends. One table, ways out x things restored."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import os
import signal
import subprocess
import sys
import threading
from unittest import mock

import pytest
import torch

from lrwidget import LearningRateFinder, LRFinderWidget, StopReason, TorchStep
from lrwidget.live.run import Run
from lrwidget.steps import torch_parts
from tests.torch_training import THINGS, UNTOUCHED, Training, fingerprints, interrupted_at_line

NUM_STEPS = 12
NUM_FOLLOWING = 100
PATIENCE_SECONDS = 20
finder = LearningRateFinder(min_lr=1e-5, max_lr=1e-2, num_steps=NUM_STEPS, divergence="never")

PLACES = ("loader", "forward", "loss", "backward", "optimizer step")
MOMENTS = {"first": 0, "middle": NUM_STEPS // 2, "last": NUM_STEPS - 1}


def _range_test(training, step, finder=finder):
    return finder.range_test(step).stop_reason


def _diverge(training, step):
    return _range_test(training, step, LearningRateFinder(1e-3, 1e6, num_steps=60))


def _not_finite(training, step):
    training.fault.arm("loss", 6, lambda: training.model.norm.weight.data.fill_(torch.nan))
    return _range_test(training, step)


def _stop(training, step):
    run = finder.steps(step)
    for record in run:
        if record.step == 5:
            run.stop()
    return run.stop_reason


def _in_the_middle(training):
    """Hold the run up in its sixth step, in whichever thread it is: an event that says so, and one that lets it go."""
    reached, go = threading.Event(), threading.Event()
    training.fault.arm("loss", 5, lambda: (reached.set(), go.wait(PATIENCE_SECONDS)))
    return reached, go


def _pause_and_stop(training, step):
    reached, go = _in_the_middle(training)
    run = Run(finder.steps(step))
    run.start()
    assert reached.wait(PATIENCE_SECONDS)
    run.pause()
    go.set()
    run.stop()
    run.has_ended(PATIENCE_SECONDS)
    return run.stop_reason


def _close_widget(training, step):
    reached, go = _in_the_middle(training)
    widget = LRFinderWidget(step, finder=finder)
    with mock.patch.dict(os.environ, {"LRWIDGET_BLOCK": "0"}):
        widget.start()
    assert reached.wait(PATIENCE_SECONDS)
    threading.Timer(0.05, go.set).start()
    widget.close()
    return widget.wait(PATIENCE_SECONDS).stop_reason


def _break(training, step):
    for record in finder.steps(step):
        if record.step == 5:
            break


def _garbage(training, step):
    class Cycle:
        pass

    cycle = Cycle()
    cycle.run, cycle.itself = finder.steps(step), cycle
    next(cycle.run)
    del cycle
    gc.collect()


def _cancelled_task(training, step):
    async def drive():
        for _ in finder.steps(step):
            await asyncio.sleep(0)

    async def cancel():
        task = asyncio.create_task(drive())
        for _ in range(6):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())


def _kernel_interrupt(training, step):
    """A real signal, as the kernel gets it, in the middle of a step."""
    training.fault.arm("loss", 6, lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt) as caught:
        finder.range_test(step)
    return caught.value.partial_result.stop_reason


def _interrupt_when(method, number, training, step):
    """A real signal in the middle of saving or restoring: in the call of that number of a part's method."""
    original = getattr(torch_parts.Memory, method)
    calls = []

    def interrupted(memory, *args):
        calls.append(1)
        if len(calls) == number:
            signal.raise_signal(signal.SIGINT)
        original(memory, *args)

    with mock.patch.object(torch_parts.Memory, method, interrupted), pytest.raises(KeyboardInterrupt) as caught:
        finder.range_test(step)
    assert len(calls) >= number
    return caught.value.partial_result.stop_reason


def _fail(place, moment, kind, training, step):
    def action():
        raise kind(f"in the {place}")

    training.fault.arm(place, MOMENTS[moment], action)
    with pytest.raises(kind) as caught:
        finder.range_test(step)
    assert len(caught.value.partial_result) == MOMENTS[moment], "points were lost"
    return caught.value.partial_result.stop_reason


def _try_schedule(prepare, training, step):
    """One-cycle, momentum included, and then a constant rate; prepared to end in some other way, perhaps."""
    widget = LRFinderWidget(step, finder=finder)
    driver = widget._bench.schedule_driver
    close = prepare(training, driver)
    driver.start()
    close()
    assert driver.newest.has_ended(PATIENCE_SECONDS)
    widget.close()
    return driver.newest.stop_reason


def _to_the_end(training, driver):
    return lambda: None


def _stopped_in_the_middle(training, driver):
    reached, go = _in_the_middle(training)

    def stop():
        assert reached.wait(PATIENCE_SECONDS)
        driver.stop()
        go.set()

    return stop


def _failing_at_the_constant_rate(training, driver):
    def fail():
        raise ValueError("in the second training")

    training.fault.arm("optimizer step", NUM_STEPS + 3, fail)
    return lambda: None


WAYS = {
    "normal end": (_range_test, StopReason.COMPLETED),
    "divergence": (_diverge, StopReason.DIVERGED),
    "not finite": (_not_finite, StopReason.NOT_FINITE),
    "stop": (_stop, StopReason.STOPPED),
    "pause, then stop": (_pause_and_stop, StopReason.STOPPED),
    "widget closed": (_close_widget, StopReason.STOPPED),
    "break": (_break, None),
    "garbage collection": (_garbage, None),
    "cancelled task": (_cancelled_task, None),
    "kernel interrupt": (_kernel_interrupt, StopReason.INTERRUPTED),
    "kernel interrupt while saving": (functools.partial(_interrupt_when, "__init__", 5), StopReason.INTERRUPTED),
    "kernel interrupt while restoring": (functools.partial(_interrupt_when, "restore", 5), StopReason.COMPLETED),
    "schedule tried": (functools.partial(_try_schedule, _to_the_end), StopReason.COMPLETED),
    "schedule tried and stopped": (functools.partial(_try_schedule, _stopped_in_the_middle), StopReason.STOPPED),
    "schedule tried and failed": (functools.partial(_try_schedule, _failing_at_the_constant_rate), StopReason.FAILED),
    "out of memory": (functools.partial(_fail, "forward", "middle", torch.OutOfMemoryError), StopReason.FAILED),
}
for _place in PLACES:
    for _moment in MOMENTS:
        for _kind, _reason in ((ValueError, StopReason.FAILED), (KeyboardInterrupt, StopReason.INTERRUPTED)):
            _name = f"{_kind.__name__} in {_place}, {_moment} step"
            WAYS[_name] = (functools.partial(_fail, _place, _moment, _kind), _reason)


def make_step(training):
    training.is_run = True
    return TorchStep(
        training.model,
        training.optimizer,
        training.loss_fn,
        training.loader,
        scaler=training.scaler,
        also=[training.scheduler, training.loader.dataset],
    )


@functools.cache
def undisturbed():
    """The fingerprints of a training in which no finder ran, and the losses that follow."""
    training = Training()
    return fingerprints(training), training.losses(NUM_FOLLOWING)


@functools.cache
def outcome(way):
    """Names of the things that are not what they were after this way out, and whether the losses that follow are."""
    leave, reason = WAYS[way]
    training = Training()
    before = fingerprints(training)
    step = make_step(training)
    assert leave(training, step) == reason
    training.is_run = False
    training.fault.disarm()
    after = fingerprints(training)
    damaged = {name for name in before if before[name] != after[name]}
    return damaged, training.losses(NUM_FOLLOWING) == undisturbed()[1]


@pytest.mark.parametrize("thing", [*THINGS, *UNTOUCHED])
@pytest.mark.parametrize("way", WAYS)
def test_every_thing_is_restored_on_every_way_out(way, thing):
    """However a range test ends, each thing is bit for bit what it was."""
    assert thing not in outcome(way)[0]


@pytest.mark.parametrize("way", WAYS)
def test_the_training_that_follows_is_undisturbed(way):
    """However a range test ends, the next 100 steps give bitwise the losses of a training without it."""
    assert outcome(way)[1]


@pytest.mark.parametrize("thing", THINGS)
def test_the_table_can_fail(thing):
    """In the middle of the run each thing of the table is another than before: it is the leaving that restores it."""
    training = Training()
    before = THINGS[thing](training)
    with make_step(training) as step:
        step(1e-3), step(1e-3)
        during = THINGS[thing](training)
    if thing == "parameter objects":  # never change: parameters are filled, not replaced
        assert before == during
    else:
        assert before != during


def test_three_runs_in_a_row_leave_the_same_state():
    """A snapshot is never aliased: after each of three runs everything is bitwise what it was before the first."""
    training = Training()
    before = fingerprints(training)
    step = make_step(training)
    for _ in range(3):
        finder.range_test(step)
        assert fingerprints(training) == before


def test_an_interrupt_at_any_line_of_entering_leaves_no_trace():
    """Ctrl-C before the first line, after the last, or between: all is as it was, and another run may begin."""
    training = Training()
    before, number, is_within = fingerprints(training), 0, True
    while is_within:
        step, number = make_step(training), number + 1
        with contextlib.ExitStack() as run:
            came_through, is_within = interrupted_at_line(
                TorchStep.__enter__, number, functools.partial(run.enter_context, step)
            )
            assert came_through == is_within
        assert fingerprints(training) == before
    assert number > 10


def test_a_script_may_end_in_the_middle_of_a_run():
    """A run that a `break` left with a name lives until the interpreter ends, when half of PyTorch is gone."""
    script = """
import torch
from lrwidget import LearningRateFinder, TorchStep

model = torch.nn.BatchNorm1d(4)
batches = [(torch.ones(8, 4), torch.zeros(8, 4))]
step = TorchStep(model, torch.optim.Adam(model.parameters()), torch.nn.functional.mse_loss, batches)
run = LearningRateFinder().steps(step)
for record in run:
    break
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stderr) == (0, "")
