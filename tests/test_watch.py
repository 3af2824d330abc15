"""A widget that draws the run of another process from its log."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from lrwidget import LearningRateFinder, LRFinderWidget
from lrwidget.live.session import Session
from lrwidget.log import LogWriter
from lrwidget.recording import Recording
from tests.test_session import Paced

FINDER = LearningRateFinder(min_lr=1e-4, max_lr=2.0, num_steps=60, smooth_factor=0.2, divergence="never")

WRITER = """
import sys, time
from lrwidget.finder import LearningRateFinder
finder = LearningRateFinder(num_steps=5000, divergence="never")
def train_step(lr):
    time.sleep(0.01)
    return 2.0 + lr
finder.range_test(train_step, log=sys.argv[1])
"""


@pytest.fixture(autouse=True)
def background(monkeypatch):
    """As in a live notebook: what watches goes on while the cell has returned."""
    monkeypatch.setenv("LRWIDGET_BLOCK", "0")


@pytest.fixture
def watch(tmp_path):
    widgets = []

    def start(**options):
        widgets.append(LRFinderWidget.watch(tmp_path / "run.jsonl", **options))
        return widgets[-1]

    yield start
    for widget in widgets:
        widget.close()


def wait_for(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def verdict(widget):
    """The texts under the curve."""
    widget._pump.flush()
    return widget._session.frame().verdict.advice


def drawn(widget):
    """How many points the drawn curve has."""
    return len(widget._body.range_test.curve._line.x)


def test_the_log_of_a_finished_run_is_drawn_whole(watch, tmp_path):
    """The widget has the run's curve, result and settings, and says that it has ended."""
    expected = FINDER.range_test(lambda lr: 3.0 - lr, log=tmp_path / "run.jsonl")
    widget = watch()
    assert widget.wait(timeout=20) == expected
    assert widget.state == "done"
    assert (widget.min_lr, widget.max_lr, widget.num_steps, widget.smooth_factor) == (1e-4, 2.0, 60, 0.2)
    assert drawn(widget) == 60
    assert "run.jsonl: the run has ended: completed" in verdict(widget)
    np.testing.assert_array_equal(widget.to_dataframe()["loss"], expected.losses)


def test_a_run_is_seen_from_before_its_beginning_to_its_violent_end(watch, tmp_path):
    """The widget waits for the file, draws what another process writes, and says that it was killed."""
    widget = watch(silence_seconds=1000)
    assert "run.jsonl: waiting for a run to begin" in verdict(widget)
    with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path / "run.jsonl")]) as process:
        wait_for(lambda: drawn(widget) > 10)
        assert widget.state == "running"
        assert widget.num_steps == 5000
        assert "being written" in verdict(widget)
        process.send_signal(signal.SIGKILL)
    result = widget.wait(timeout=20)
    assert widget.state == "stopped"
    assert str(result.stop_reason) == "interrupted"
    assert "the run has ended: interrupted (the log ends before the run did)" in verdict(widget)
    assert drawn(widget) > 10


def test_a_silence_is_said_and_ended_by_the_next_line(watch, tmp_path):
    """A writer that writes nothing for longer than the threshold is called silent, with the time."""
    recording = Recording(settings={"num_steps": 60})
    widget = watch(silence_seconds=0.3)
    with LogWriter(tmp_path / "run.jsonl", recording) as log:
        log.write(recording.append(0, 0.1, 1.0))
        wait_for(lambda: "run.jsonl: nothing written for 0 s" in verdict(widget))
        log.write(recording.append(1, 0.2, 1.0))
        wait_for(lambda: "nothing written" not in verdict(widget))
    widget.wait(timeout=20)


def test_stop_ends_the_watching_alone(watch, tmp_path):
    """Stop works while there is nothing to read; the writer goes on."""
    recording = Recording(settings={"num_steps": 60})
    with LogWriter(tmp_path / "run.jsonl", recording) as log:
        widget = watch()
        widget.stop()
        widget.wait(timeout=20)
        assert widget.state == "stopped"
        log.write(recording.append(0, 0.1, 1.0))
    widget.start()  # to read it again
    assert len(widget.wait(timeout=20)) == 1


def test_every_step_of_a_slow_run_is_drawn_at_once():
    """Looking ten times a second at a run that takes a second for each step does not use up what may be drawn."""
    now = 0.0
    session = Session(LearningRateFinder(num_steps=100, divergence="never"), clock=lambda: now)
    paced = Paced(session)
    for num_steps in range(1, 101):
        paced.step()
        for _ in range(10):
            now += 0.1
            assert len(session.frame().curve.line.lrs) == num_steps


def test_what_is_no_log_is_shown_as_an_error(watch, tmp_path):
    """A malformed line ends the watching, with the error in the widget."""
    (tmp_path / "run.jsonl").write_text("Epoch 1: loss 2.3\n")
    widget = watch()
    with pytest.raises(ValueError, match=r"run\.jsonl, line 1: need the header of a range test's log"):
        widget.wait(timeout=20)
    assert widget.state == "failed"
