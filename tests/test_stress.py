"""A thousand random sequences of what users and their code can do to a widget while it runs."""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import comm
import ipywidgets
import pytest
from comm.base_comm import BaseComm
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lrwidget import LearningRateFinder, LRFinderWidget, RestoringStep
from lrwidget.suggestions import RULES
from lrwidget.ui import pump
from lrwidget.ui.parts import tree

SECONDS = 20
START = LearningRateFinder(num_steps=40, divergence="never")

rates = st.floats(1e-9, 10.0)
actions = st.one_of(
    st.sampled_from(["Run", "Pause", "Resume", "Stop", "Clear", "suggestion"]).map(lambda name: ("click", name)),
    st.sampled_from(["start", "pause", "resume", "stop", "clear"]).map(lambda name: ("call", name)),
    st.tuples(st.sampled_from(["min LR", "max LR"]), rates),
    st.tuples(st.just("steps"), st.integers(2, 60)),
    st.tuples(st.just("smooth"), st.floats(0.01, 1.0)),
    st.tuples(st.just("Rule"), st.integers(0, len(RULES) - 1)),
    st.tuples(st.just("Selected LR"), rates.map(str) | st.sampled_from(["", "nonsense", "-1"])),
    st.tuples(st.sampled_from(["drag_start", "drag", "drag_end"]), rates),
    st.tuples(st.just("choose"), rates | st.none()),
    st.tuples(st.just("let"), st.integers(0, 30)),
)


class QuietComm(BaseComm):
    """Swallows what a widget sends."""

    def publish_msg(self, *args: Any, **kwargs: Any) -> None:
        pass


class Training:
    """A train step that remembers each loss of each run, and whose weights must come back."""

    def __init__(self) -> None:
        self.weights = [0]
        self.losses: dict[float, list[float]] = {}  # of each run, by the first one: no two losses are equal
        self._counter = itertools.count(1)
        self._run: list[float] = []
        self._permits = threading.Semaphore(0)
        self.is_free = False
        self.step = RestoringStep(self._train, save=self._save, restore=self._restore)

    def let(self, num_steps: int) -> None:
        """Allow that many further steps."""
        for _ in range(num_steps):
            self._permits.release()

    def _save(self) -> list[int]:
        self._run = []
        return self.weights[:]

    def _restore(self, saved: list[int]) -> None:
        self.weights = saved

    def _train(self, lr: float) -> float:
        while not self.is_free and not self._permits.acquire(timeout=0.0005):
            pass  # a step takes a while, and a stop comes in its middle
        self.weights[0] += 1
        loss = float(next(self._counter))
        self._run.append(loss)
        self.losses[self._run[0]] = self._run
        return loss


class Bench:
    """One widget over all sequences, and the ways to it."""

    def __init__(self) -> None:
        self.training = Training()
        self.widget = LRFinderWidget(self.training.step, finder=START)
        self._named = {w.description: w for w in tree(self.widget) if getattr(w, "description", "")}

    def do(self, action: tuple[str, Any]) -> None:
        """Carry out one action, as a browser's message or as a line of the user's code."""
        name, value = action
        if name == "click":
            self._named[value].comm.handle_msg(_message({"method": "custom", "content": {"event": "click"}}))
        elif name == "call":
            self._call(getattr(self.widget, value))
        elif name == "choose":
            self.widget.selected_lr = value
        elif name == "let":
            self.training.let(value)
        elif name.startswith("drag"):
            content = {"event": name, "point": {"x": value, "y": 0.5}, "index": 0}
            mark = self.widget._body.marker.marks[1]
            mark.comm.handle_msg(_message({"method": "custom", "content": content}))
        else:
            key = "index" if name == "Rule" else "value"
            data = {"method": "update", "state": {key: value}, "buffer_paths": []}
            self._named[name].comm.handle_msg(_message(data))

    def _call(self, method: Callable[[], object]) -> None:
        try:
            method()
        except RuntimeError as error:
            if "under way" not in str(error):
                raise

    def end(self) -> None:
        """Stop what still runs, and wait."""
        self.training.is_free = True
        self.widget.stop()
        if self.widget._bench.driver.newest is not None:
            self.widget._bench.driver.newest.has_ended(SECONDS)
        self.widget._pump.flush()
        self.training.is_free = False


def _message(data: dict[str, Any]) -> dict[str, Any]:
    return {"content": {"data": data}, "buffers": []}


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LRWIDGET_BLOCK", "0")
        patch.setattr(comm, "create_comm", QuietComm)
        patch.setattr(pump, "PERIOD_SECONDS", 0.001)
        patch.setattr(pump, "REST_SECONDS", 0.0)
        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-5)  # threads change places a thousand times oftener than usual
        bench = Bench()
        yield bench
        bench.widget.close()
        sys.setswitchinterval(interval)
    ipywidgets.Widget.close_all()


@settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
@given(st.lists(actions, max_size=10), st.lists(actions, max_size=10))
def test_any_sequence_ends_well(bench: Bench, here: list[tuple[str, Any]], there: list[tuple[str, Any]]) -> None:
    """Whatever two threads do to a running widget, it ends, in the right state, with every point and its model."""
    failures: list[BaseException] = []

    def act(sequence: list[tuple[str, Any]]) -> None:
        try:
            for action in sequence:
                bench.do(action)
        except BaseException as error:
            failures.append(error)

    other = threading.Thread(target=act, args=(there,))
    other.start()
    act(here)
    other.join(SECONDS)
    assert not other.is_alive(), "deadlock"
    bench.end()
    assert failures == []
    check(bench)


def check(bench: Bench) -> None:
    widget, training = bench.widget, bench.training
    newest = widget._bench.driver.newest
    assert newest is None or newest.has_ended(), "the run goes on"
    assert training.weights == [0]
    frame = widget._session.frame()
    assert frame.failure is None, frame.failure
    assert widget.state == frame.state
    assert widget.state in ("idle", "stopped", "done")
    assert (widget.state == "idle") == (widget.result is None) == (not frame.runs)
    assert widget.selected_lr == frame.guide.selected_lr
    for entry in frame.runs:
        losses = widget._session.runs.find(entry.number).losses.tolist()
        assert not losses or losses == training.losses[losses[0]]
    if widget.result is not None:
        assert widget.result.losses.tolist() == newest.result.losses.tolist()
