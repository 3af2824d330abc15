"""The door for any framework."""

from __future__ import annotations

import contextlib
import functools
import signal

import pytest

from lrwidget import LearningRateFinder, RestoringStep
from tests.torch_training import interrupted_at_line


def make(fail_at=None):
    calls = []
    weights = {"w": 3.0}

    def train_fn(lr):
        if fail_at is not None and len(calls) > fail_at:
            raise RuntimeError("boom")
        calls.append(lr)
        weights["w"] -= lr * weights["w"]
        return weights["w"] ** 2

    def save():
        calls.append("save")
        return dict(weights)

    def restore(saved):
        calls.append("restore")
        weights.update(saved)

    return calls, weights, RestoringStep(train_fn, save=save, restore=restore)


def test_hooks_are_called_once_around_a_run():
    """Save comes first, restore last, once each, with the rates in between."""
    calls, weights, step = make()
    finder = LearningRateFinder(num_steps=5)
    finder.range_test(step)
    assert calls == ["save", *finder.learning_rates().tolist(), "restore"]
    assert weights == {"w": 3.0}


@pytest.mark.parametrize("fail_at", [0, 3])
def test_hooks_are_called_once_on_failure_too(fail_at):
    """An exception in training restores before it reaches the caller."""
    calls, weights, step = make(fail_at)
    with pytest.raises(RuntimeError, match="boom"):
        LearningRateFinder(num_steps=5).range_test(step)
    assert (calls.count("save"), calls.count("restore")) == (1, 1)
    assert weights == {"w": 3.0}


def test_a_failing_save_trains_nothing():
    """When saving fails no step is run and restore, which has nothing to restore, is not called."""
    calls = []

    def save():
        raise OSError("no space")

    step = RestoringStep(lambda lr: calls.append(lr) or 1.0, save=save, restore=calls.append)
    with pytest.raises(OSError, match="no space"):
        LearningRateFinder().range_test(step)
    assert calls == []


def test_ctrl_c_waits_for_restore():
    """An interrupt while the hook restores lets it finish; one in training, or while saving, comes through at once."""
    handler = signal.getsignal(signal.SIGINT)
    done = []

    def restore(saved):
        signal.raise_signal(signal.SIGINT)
        done.append(saved)

    with pytest.raises(KeyboardInterrupt):
        LearningRateFinder(num_steps=5).range_test(RestoringStep(lambda lr: 1.0, save=dict, restore=restore))
    assert done == [{}]

    def interrupt(lr=None):
        signal.raise_signal(signal.SIGINT)

    for hooks in ({"train_fn": interrupt, "save": dict}, {"train_fn": float, "save": interrupt}):
        with pytest.raises(KeyboardInterrupt) as caught:
            LearningRateFinder(num_steps=5).range_test(RestoringStep(**hooks, restore=done.append))
        assert len(caught.value.partial_result) == 0
    assert done == [{}, {}]
    assert signal.getsignal(signal.SIGINT) is handler


def test_an_interrupt_at_any_line_of_entering_leaves_no_trace():
    """Ctrl-C before the first line, after the last, or between: the handler is back, and another run may begin."""
    handler, number, is_within = signal.getsignal(signal.SIGINT), 0, True
    _, weights, step = make()
    while is_within:
        number += 1
        with contextlib.ExitStack() as run:
            came_through, is_within = interrupted_at_line(
                RestoringStep.__enter__, number, functools.partial(run.enter_context, step)
            )
            assert came_through == is_within
        assert signal.getsignal(signal.SIGINT) is handler
    assert number > 5
    assert weights == {"w": 3.0}


def test_one_run_at_a_time():
    """Entering a step that is in a run is refused, and the first run goes on to restore."""
    _, weights, step = make()
    with step:
        step(0.1)
        with pytest.raises(RuntimeError, match="this step is already in a run; end that one first"), step:
            pass
    assert weights == {"w": 3.0}


@pytest.mark.parametrize("name", ["train_fn", "save", "restore"])
def test_hooks_must_be_callable(name):
    """What cannot be called is refused with its name."""
    hooks = {"train_fn": float, "save": dict, "restore": print} | {name: 3}
    with pytest.raises(TypeError, match=f"need a callable {name}, got 3; pass a function"):
        RestoringStep(hooks["train_fn"], save=hooks["save"], restore=hooks["restore"])
