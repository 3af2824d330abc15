"""The widget without a browser: messages from the front end are played, what it sends is counted."""

from __future__ import annotations

import base64
import gc
import random
import re
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import comm
import ipywidgets
import numpy as np
import pytest
import torch
from comm.base_comm import BaseComm
from ipywidgets.widgets.widget import _instances

from lrwidget import LearningRateFinder, LRFinderWidget, RestoringStep, StopReason
from lrwidget.live.runs import MOST_PAST_RUNS
from lrwidget.ui import pump as pump_module
from lrwidget.ui.marks import PAST, past_colour
from lrwidget.ui.parts import tree
from lrwidget.ui.pump import Pump

SECONDS = 10


class FakeComm(BaseComm):
    """Keeps what a widget sends, and plays what a browser would send back."""

    log: list[tuple[float, str, dict[str, Any]]]

    def publish_msg(self, msg_type: str, data: Any = None, **rest: Any) -> None:
        if msg_type == "comm_msg" and data is not None:
            self.log.append((time.monotonic(), self.comm_id, data))

    def play(self, data: dict[str, Any], buffers: list[memoryview] | None = None) -> None:
        self.handle_msg({"content": {"data": data}, "buffers": buffers or []})


@pytest.fixture
def messages(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, str, dict[str, Any]]]:
    """All messages that widgets send to the browser: when, from which comm, what."""
    log: list[tuple[float, str, dict[str, Any]]] = []
    monkeypatch.setattr(FakeComm, "log", log, raising=False)
    monkeypatch.setattr(comm, "create_comm", lambda *args, **kwargs: FakeComm(*args, **kwargs))
    return log


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch, messages: list[Any]) -> None:
    """As in a notebook that somebody looks at: runs go on in the background."""
    monkeypatch.setenv("LRWIDGET_BLOCK", "0")


@pytest.fixture(autouse=True)
def _no_thread_left() -> Iterator[None]:
    yield
    wait_until(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("lrwidget")])
    ipywidgets.Widget.close_all()


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "not within the time"
        time.sleep(0.002)


def good_curve(lr: float) -> float:
    place = np.log10(lr)
    return float(2.3 - 1.2 / (1 + np.exp(-2.5 * (place + 2.5))) + 3 * max(0.0, place + 0.7) ** 2)


def slow_curve(lr: float) -> float:
    time.sleep(0.002)
    return good_curve(lr)


def widget_of(widget: Any, kind: type, **traits: object) -> Any:
    """The one widget in the tree of this type whose traits have these values."""
    found = [w for w in tree(widget) if type(w) is kind and all(getattr(w, k) == v for k, v in traits.items())]
    assert len(found) == 1
    return found[0]


def click(widget: Any, name: str) -> None:
    button = widget_of(widget, ipywidgets.Button, description=name)
    button.comm.play({"method": "custom", "content": {"event": "click"}})


def is_shown(part: Any) -> bool:
    """Whether a part that takes itself away is there."""
    return bool(part.layout.display != "none")


def move(widget: Any, value: object) -> None:
    widget.comm.play({"method": "update", "state": {"value": value}, "buffer_paths": []})


def slider(widget: LRFinderWidget, label: str) -> Any:
    (found,) = [w for w in tree(widget) if getattr(w, "description", "") == label]
    return found


def html(widget: LRFinderWidget) -> str:
    return "".join(w.value for w in tree(widget) if type(w) is ipywidgets.HTML and "<style>" not in w.value)


def test_blocks_where_nobody_looks() -> None:
    """Without a live front end `start` runs to the end, and everything is set when it returns."""
    widget = LRFinderWidget(good_curve)
    widget.start()
    expected = LearningRateFinder().range_test(good_curve)
    assert widget.state == "done"
    assert widget.result.losses.tolist() == expected.losses.tolist()
    assert widget.suggested_lr == widget.selected_lr == expected.suggested_lr
    assert widget.wait() is widget.result


def test_run_returns_the_result() -> None:
    """`run` trains in the calling thread and returns the result."""
    threads = set()
    widget = LRFinderWidget(lambda lr: threads.add(threading.current_thread()) or good_curve(lr))
    assert widget.run() is widget.result
    assert threads == {threading.current_thread()}


def test_buttons(live: None) -> None:
    """Run starts in the background; Pause, Resume and Stop act while it runs; the states say so."""
    states = []
    widget = LRFinderWidget(slow_curve, finder=LearningRateFinder(num_steps=1000))
    widget.observe(lambda change: states.append(change["new"]), "state")
    click(widget, "Run")
    wait_until(lambda: widget.state == "running" and len(widget.to_dataframe()) > 10)
    click(widget, "Run")  # the second of two clicks does nothing
    click(widget, "Pause")
    wait_until(lambda: widget.state == "paused")
    click(widget, "Resume")
    wait_until(lambda: widget.state == "running")
    click(widget, "Stop")
    result = widget.wait(SECONDS)
    assert result is not None
    assert result.stop_reason is StopReason.STOPPED
    assert states == ["running", "paused", "running", "stopped"]
    click(widget, "Clear")
    wait_until(lambda: widget.state == "idle")
    assert (widget.result, widget.selected_lr) == (None, None)
    widget.close()


def test_sliders_answer_while_it_runs(live: None) -> None:
    """Sliders moved during a run change the settings of the next; smoothing redraws this one."""
    widget = LRFinderWidget(slow_curve, finder=LearningRateFinder(num_steps=500))
    widget.start()
    move(slider(widget, "min LR"), 9.999999999999999e-06)  # as JavaScript computes 10 ** -5
    move(slider(widget, "smooth"), 10.0**-0.3)
    wait_until(lambda: widget.min_lr == 1e-5 and widget.smooth_factor == 0.5)
    assert widget.state == "running"
    widget.stop()
    assert widget.wait(SECONDS).lrs[0] == 1e-7  # type: ignore[union-attr]
    widget.close()


def test_sliders_cannot_cross(live: None) -> None:
    """A minimum above the maximum is refused: the reason is shown, the old value stays and the slider goes back."""
    widget = LRFinderWidget(good_curve)
    move(slider(widget, "min LR"), 100.0)
    wait_until(lambda: "need 0 &lt; min LR &lt; max LR, got min LR=100.0, max LR=10.0" in html(widget))
    assert widget.min_lr == 1e-7
    assert slider(widget, "min LR").value == pytest.approx(1e-7)
    widget.close()


def test_reports_of_sliders_are_no_wishes(live: None) -> None:
    """A slider between two of its steps reports the nearest one back; the setting stays what the code has set."""
    widget = LRFinderWidget(good_curve, finder=LearningRateFinder(min_lr=3.3e-7, num_steps=123))
    move(slider(widget, "min LR"), 10.0**-6.5)
    move(slider(widget, "steps"), 120)
    widget._pump.flush()
    assert (widget.min_lr, widget.num_steps) == (3.3e-7, 123)
    widget.close()


@pytest.mark.parametrize(("num_steps", "shown"), [(2, 10), (75, 80), (85, 90), (10_000, 1000)])
def test_a_slider_is_given_only_its_own_steps(live: None, num_steps: int, shown: int) -> None:
    """For any setting the slider stands on one of its steps, within ends that stay, and can be moved away."""
    widget = LRFinderWidget(good_curve)
    widget.num_steps = num_steps
    widget._pump.flush()
    steps = slider(widget, "steps")
    assert (steps.min, steps.max, steps.value) == (10, 1000, shown)
    move(steps, 500)
    assert widget.finder.num_steps == 500
    move(steps, shown)
    assert widget.finder.num_steps == shown
    widget.close()


def test_settings_from_code(live: None) -> None:
    """Settings set in code move the sliders, to their ends at most; what makes no sense is refused on the spot."""
    widget = LRFinderWidget(good_curve)
    widget.max_lr = 1e4
    widget.num_steps = 5000
    widget._pump.flush()
    assert slider(widget, "max LR").value == pytest.approx(100)
    assert slider(widget, "steps").value == 1000
    assert (widget.max_lr, widget.num_steps) == (1e4, 5000)
    with pytest.raises(ValueError, match="need 0 < min_lr < max_lr"):
        widget.min_lr = 1e5
    with pytest.raises(ValueError, match="num_steps >= 2"):
        widget.num_steps = 1
    widget.finder = LearningRateFinder(min_lr=1e-3, max_lr=1.0)
    widget._pump.flush()
    assert (widget.min_lr, widget.max_lr, widget.num_steps) == (1e-3, 1.0, 100)
    widget.close()


def drag(widget: LRFinderWidget, event: str, lr: float) -> None:
    mark = widget._body.marker.marks[1]
    mark.comm.play({"method": "custom", "content": {"event": event, "point": {"x": lr, "y": 0.5}, "index": 0}})


def test_drag(live: None, messages: list[Any]) -> None:
    """Dragging the marker chooses; the text follows; the dragged mark itself is not written to until it is let go."""
    widget = LRFinderWidget(good_curve)
    widget.run()
    line = widget._body.marker.marks[1]
    drag(widget, "drag_start", 1e-2)
    del messages[:]
    for lr in (0.02, 0.0312345):
        drag(widget, "drag", lr)
        widget._pump.flush()
    assert [data for _, comm_id, data in messages if comm_id == line.comm.comm_id] == []
    assert widget.selected_lr == 0.0312
    assert slider(widget, "Selected LR").value == "3.12e-2"
    drag(widget, "drag_end", 500.0)  # beyond the figure
    widget._pump.flush()
    assert widget.selected_lr == line.x[0] == 10.0
    widget.smooth_factor = 1.0
    widget._pump.flush()
    assert widget.selected_lr == 10.0
    click(widget, "suggestion")
    wait_until(lambda: widget.selected_lr == widget.suggested_lr)
    widget.close()


def test_choice_by_click_slider_text_and_code(live: None) -> None:
    """A click in the figure, the slider under it, the text box and the trait all choose."""
    widget = LRFinderWidget(good_curve)
    widget.run()
    target = widget._body.marker.marks[0]
    arrays = [np.array([1e-3, 0.02]), np.array([-1.0, 0.4])]
    widget_state = {name: {"dtype": "float64", "shape": [2], "type": None} for name in "xy"}
    target.comm.play(
        {"method": "update", "state": widget_state, "buffer_paths": [["x", "value"], ["y", "value"]]},
        [memoryview(array) for array in arrays],
    )
    wait_until(lambda: widget.selected_lr == 0.02)
    wait_until(lambda: len(target.x) == 1)
    move(widget._body.marker.slider, 10.0**-2.5)
    wait_until(lambda: widget.selected_lr == 3.16e-3)
    move(slider(widget, "Selected LR"), "4e-4")
    wait_until(lambda: widget.selected_lr == 4e-4)
    widget.selected_lr = 0.123456
    widget._pump.flush()
    assert slider(widget, "Selected LR").value == "0.123456"
    with pytest.raises(ValueError, match="need a finite learning rate"):
        widget.selected_lr = -1.0
    assert widget.selected_lr == 0.123456
    move(slider(widget, "Selected LR"), "quick")
    wait_until(lambda: slider(widget, "Selected LR").value == "0.123456")
    widget.selected_lr = None
    wait_until(lambda: widget.selected_lr == widget.suggested_lr)
    widget.close()


def test_a_run_does_not_wipe_out_what_is_typed(live: None, messages: list[Any]) -> None:
    """The browser drops what is being typed with any message to the box: there is none while a run goes on."""
    gate, num_steps = threading.Event(), 0

    def train_fn(lr: float) -> float:
        nonlocal num_steps
        num_steps += 1
        assert num_steps < 90 or gate.wait(SECONDS)
        time.sleep(0.005)
        return good_curve(lr)

    widget = LRFinderWidget(train_fn)
    box = slider(widget, "Selected LR")
    click(widget, "Run")
    wait_until(lambda: num_steps > 5)
    widget._pump.flush()
    del messages[:]
    wait_until(lambda: num_steps == 90 and widget.suggested_lr is not None)
    widget._pump.flush()
    assert [data for _, comm_id, data in messages if comm_id == box.comm.comm_id] == []
    move(box, "4e-4")
    wait_until(lambda: widget.selected_lr == 4e-4)
    widget.selected_lr = None
    wait_until(lambda: box.value == "")
    gate.set()
    wait_until(lambda: widget.state == "done")
    assert float(box.value) == pytest.approx(widget.suggested_lr, rel=0.005)
    widget.close()


def test_observer_that_chooses(live: None) -> None:
    """An observer may choose, and start the next run, from within the notification."""
    widget = LRFinderWidget(good_curve)
    num_runs = []

    def on_state(change: Any) -> None:
        if change["new"] == "done":
            num_runs.append(1)
            widget.wait()
            widget.selected_lr = widget.suggested_lr / 2
            if len(num_runs) < 3:
                widget.start()

    widget.observe(on_state, "state")
    widget.start()
    wait_until(lambda: len(num_runs) == 3 and widget.selected_lr == widget.suggested_lr / 2)
    widget.close()


def test_observer_that_fails(live: None) -> None:
    """An exception in an observer of the user's is shown, and nothing hangs."""
    widget = LRFinderWidget(good_curve)
    widget.observe(lambda change: 1 / 0, "state")
    widget.run()
    wait_until(lambda: "ZeroDivisionError" in html(widget))
    assert widget.state == "done"
    widget.close()


def test_failure_is_shown_escaped() -> None:
    """An exception of the train step is raised by `run`, and shown with its type, message and line, as text."""

    def train_step(lr: float) -> float:
        raise ValueError("<script>alert(1)</script>")

    widget = LRFinderWidget(train_step)
    with pytest.raises(ValueError, match="alert"):
        widget.run()
    page = html(widget)
    assert widget.state == "failed"
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "raise ValueError(" in page
    assert "<details>" in page


def test_failure_in_the_background(live: None) -> None:
    """An exception in the background is shown, keeps the points, and is raised by `wait`."""

    def train_step(lr: float) -> float:
        if lr > 1e-4:
            raise ValueError("boom")
        return 1.0

    widget = LRFinderWidget(train_step)
    click(widget, "Run")
    with pytest.raises(ValueError, match="boom"):
        widget.wait(SECONDS)
    assert (widget.state, widget.result.stop_reason) == ("failed", StopReason.FAILED)
    assert len(widget.to_dataframe()) == len(widget.result) > 0
    click(widget._body.verdict.error, "Dismiss")
    wait_until(lambda: "boom" not in html(widget))
    widget.close()


def test_interrupt() -> None:
    """Ctrl-C during `run` stops, restores, keeps the points and carries on."""
    weights = {"w": 1.0}

    def train_step(lr: float) -> float:
        weights["w"] += 1
        if weights["w"] == 30:
            raise KeyboardInterrupt
        return 1.0

    widget = LRFinderWidget(RestoringStep(train_step, save=weights.copy, restore=weights.update))
    with pytest.raises(KeyboardInterrupt):
        widget.run()
    assert (widget.state, len(widget.result), weights) == ("stopped", 28, {"w": 1.0})


def test_messages_are_few(live: None, messages: list[Any]) -> None:
    """However fast the steps, no widget sends more than 15 updates in any second, and the whole run few."""
    widget = LRFinderWidget(lambda lr: time.sleep(2e-4) or 1.0, finder=LearningRateFinder(num_steps=8000))
    del messages[:]
    widget.start()
    widget.wait(60)
    times: dict[str, list[float]] = {}
    for moment, comm_id, _ in messages:
        times.setdefault(comm_id, []).append(moment)
    for moments in times.values():
        busiest = max(np.searchsorted(moments, t + 1.0) - i for i, t in enumerate(moments))
        assert busiest <= 15
    widget.close()


def test_last_points_are_painted(live: None) -> None:
    """Whatever the draw budget, when a run has ended the whole curve is in the figure."""
    for num_steps in (7, 100, 3000):
        widget = LRFinderWidget(lambda lr: 1.0 + lr, finder=LearningRateFinder(num_steps=num_steps, divergence="never"))
        widget.start()
        widget.wait(SECONDS)
        points, line = widget._body.range_test.curve._points, widget._body.range_test.curve._line
        assert points.x[-1] == line.x[-1] == widget.max_lr
        assert np.isfinite(points.y[-1])
        assert len(line.x) <= 500
        widget.close()


def test_stop_is_seen_before_the_step_is_over(live: None) -> None:
    """A slow step goes on for a while after Stop: the progress says so, and nothing is left to be pressed."""
    gate = threading.Event()
    widget = LRFinderWidget(lambda lr: gate.wait(SECONDS) and 1.0, finder=LearningRateFinder(num_steps=5))
    toolbar = widget._body.controls._toolbar
    click(widget, "Run")
    wait_until(lambda: widget.state == "running")
    click(widget, "Stop")
    wait_until(lambda: "0/5 · stopping after this step" in html(widget))
    assert "lrw-is-stopping" in toolbar._dom_classes
    gate.set()
    wait_until(lambda: widget.state == "stopped")
    assert "lrw-is-stopping" not in toolbar._dom_classes
    widget.close()


def test_stop_and_pause_are_not_written_to(live: None, messages: list[Any]) -> None:
    """During a run nothing is sent to Pause, Resume and Stop: a busy kernel routes by who was spoken to last."""
    widget = LRFinderWidget(slow_curve, finder=LearningRateFinder(num_steps=100))
    names = ("Pause", "Resume", "Stop")
    quiet = {widget_of(widget, ipywidgets.Button, description=name).comm.comm_id for name in names}
    del messages[:]
    widget.start()
    widget.wait(SECONDS)
    assert not Counter(comm_id for _, comm_id, _ in messages).keys() & quiet
    widget.close()


def test_new_widget_ends_the_old_run(live: None) -> None:
    """A cell that is run again, making a widget of the same model, stops the run that goes on and has it restored."""
    weights = {"w": 1.0}

    def train_step(lr: float) -> float:
        weights["w"] += 1
        time.sleep(0.002)
        return 1.0

    step = RestoringStep(train_step, save=weights.copy, restore=weights.update)
    old = LRFinderWidget(step)
    old.start()
    wait_until(lambda: len(old.to_dataframe()) > 3)
    new = LRFinderWidget(step)
    assert weights == {"w": 1.0}
    wait_until(lambda: old.state == "stopped")
    assert "stopped, because another run of this model began" in html(old)
    for widget in (old, new):
        widget.close()


def test_close_during_a_run(live: None) -> None:
    """Closing stops the run, waits until the model is restored, closes every widget, and lets all of it go."""
    weights = {"w": 1.0}

    def train_step(lr: float) -> float:
        weights["w"] += 1
        time.sleep(0.002)
        return 1.0

    before = set(_instances)
    widget = LRFinderWidget(RestoringStep(train_step, save=weights.copy, restore=weights.update))
    widget.start()
    time.sleep(0.05)
    assert weights["w"] > 1
    widget.close()
    widget.close()
    assert weights == {"w": 1.0}
    assert widget.state == "stopped"
    assert widget.result is not None
    assert len(widget.result) > 0  # nothing that was recorded is lost
    assert set(_instances) == before
    with pytest.raises(RuntimeError, match="closed"):
        widget.start()
    seen = weakref.ref(widget)
    del widget
    gc.collect()
    assert seen() is None


def test_from_torch() -> None:
    """A PyTorch model is trained, measured and restored bit for bit."""
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    batch = (torch.randn(32, 4), torch.randn(32, 1))
    before = [p.clone() for p in model.parameters()]
    widget = LRFinderWidget.from_torch(model, optimizer, torch.nn.functional.mse_loss, batch, num_steps=40, min_lr=1e-5)
    result = widget.run()
    assert (result.lrs[0], len(result) > 10, widget.state) == (1e-5, True, "done")
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_no_train_step() -> None:
    """Something that cannot be called is refused at once."""
    with pytest.raises(TypeError, match="need a train step"):
        LRFinderWidget(3.0)  # type: ignore[arg-type]


def test_make_job() -> None:
    """Another kind of job can be driven: whatever iterates records and can be stopped."""
    made = []

    def make_job(settings: LearningRateFinder) -> Any:
        made.append(settings)
        return settings.steps(lambda lr: 2 * good_curve(lr))

    widget = LRFinderWidget(None, make_job=make_job)
    assert widget.run().losses[0] == 2 * good_curve(1e-7)
    assert made == [LearningRateFinder()]


def test_pump_counts() -> None:
    """The pump serves many requests with few ticks, and its thread ends when nobody asks any more."""
    ticks: list[int] = []
    pump = Pump(lambda: bool(ticks.append(1)))
    for _ in range(1000):
        pump.request()
    pump.flush()
    assert 1 <= len(ticks) < 20
    wait_until(lambda: pump._thread is None)
    pump.flush()
    pump.close()
    pump.request()
    pump.flush()
    assert pump._thread is None


def test_whoever_waits_for_a_tick_gets_it_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two ticks the pump rests, but not while somebody stands still until the next one."""
    monkeypatch.setattr(pump_module, "PERIOD_SECONDS", 3600.0)
    pump = Pump(lambda: True)  # always wants to be called again
    pump.flush()
    waiting = threading.Thread(target=lambda: [pump.flush() for _ in range(3)], daemon=True)
    waiting.start()
    waiting.join(60)
    assert not waiting.is_alive()
    pump.close()


def test_the_end_of_a_run_is_drawn_at_once(live: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not when the pump would look again: a run that takes an hour to be looked at is shown as done when it is."""
    monkeypatch.setattr(pump_module, "PERIOD_SECONDS", 3600.0)
    widget = LRFinderWidget(slow_curve)
    widget.start()
    wait_until(lambda: widget.state == "done")
    assert widget.result is not None
    widget.close()


def test_a_tick_may_wait_but_nobody_for_it() -> None:
    """Of two requests that may wait and a flush only the flush ticks; one that is closed meanwhile does not tick."""
    ticks: list[int] = []
    pump = Pump(lambda: bool(ticks.append(1)))
    pump.request(delay_seconds=3600)
    pump.request(delay_seconds=3600)
    pump.flush()
    assert len(ticks) == 1
    pump.close()
    closed = Pump(lambda: bool(ticks.append(1)))
    closed.request(delay_seconds=3600)
    closed.close()
    assert len(ticks) == 1
    late = Pump(lambda: bool(ticks.append(1)))
    late.request(delay_seconds=0.01)
    wait_until(lambda: len(ticks) == 2)
    late.close()


def test_pump_survives_a_failing_tick(caplog: pytest.LogCaptureFixture) -> None:
    """A tick that fails is logged, and whoever waits for it is not left waiting."""

    def tick() -> bool:
        raise ValueError("broken figure")

    pump = Pump(tick)
    pump.flush()
    pump.close()
    assert "broken figure" in caplog.text


def test_short_earlier_runs_are_drawn(live: None) -> None:
    """Earlier curves of any length, one point or none included, can be drawn together."""
    values: list[float] = []

    def train_step(lr: float) -> float:
        if not values:
            raise StopIteration
        return values.pop()

    widget = LRFinderWidget(train_step)
    for num_points in (1, 2, 0, 30):
        values[:] = [1.0] * num_points
        widget.run()
    past = widget._body.range_test.curve._past
    assert past.x.shape == past.y.shape == (2, 2)
    assert "Error" not in html(widget)
    widget.close()


class Handle:
    """What IPython gives for a display that can be replaced."""

    def __init__(self, content: Any) -> None:
        self.contents = [content.data]

    def update(self, content: Any) -> None:
        self.contents.append(content.data)


def test_picture_beside_the_widget(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is saved with a notebook is the widget and, beside it, a picture that follows each run and each clearing."""
    shown: list[Any] = []
    handles: list[Handle] = []

    def display(content: Any, raw: bool = False, display_id: bool = False) -> Handle | None:
        if raw:
            shown.append(content)
            return None
        handles.append(Handle(content))
        return handles[-1]

    monkeypatch.setattr("IPython.display.display", display)
    widget = LRFinderWidget(good_curve)
    widget._ipython_display_()
    assert list(shown[0]) == ["text/plain", "application/vnd.jupyter.widget-view+json"]
    assert "idle" not in shown[0]["text/plain"]  # which is still there after a run
    widget.run()
    widget._ipython_display_()
    widget.selected_lr = 1e-3
    widget.clear()
    empty, picture, chosen, cleared = handles[0].contents
    assert (empty, cleared) == ("", "")
    assert "Selected" not in drawn(picture)
    assert "Selected LR 1e-3" in drawn(chosen)
    assert handles[1].contents == [picture, chosen, ""]


def test_each_run_that_is_kept_has_a_colour_of_its_own() -> None:
    """In both themes there are as many colours as earlier runs, and the numbers of those follow each other."""
    assert len({past_colour(number) for number in range(3, 3 + MOST_PAST_RUNS)}) == MOST_PAST_RUNS
    assert [len(set(colours)) for colours in PAST.values()] == [MOST_PAST_RUNS] * 2


def test_versions_in_the_names_of_rules_are_written_as_versions() -> None:
    """The list of rules says 2.5.3, and a blank where a name has an underscore."""
    names = set(LRFinderWidget(good_curve)._body.range_test.view_bar.rule.options)
    assert {"lightning before 2.5.3", "explosion tenth"} <= names


def drawn(page: str) -> str:
    """The SVG in the image of a page."""
    [code] = re.findall(r'<img [^>]*src="data:image/svg\+xml;base64,([^"]*)">', page)
    return base64.b64decode(code).decode()


def test_verify_and_repeat(live: None) -> None:
    """The Verify tab trains at several rates, chooses the best, and repeats the range test; all leave no trace."""
    weights = {"w": 4.0}

    def train_fn(lr: float) -> float:
        loss = weights["w"] ** 2
        weights["w"] -= lr * 2 * weights["w"]
        return loss

    step = RestoringStep(train_fn, save=weights.copy, restore=weights.update)
    widget = LRFinderWidget(step, finder=LearningRateFinder(num_steps=60))
    widget.run()
    widget._body.tabs.open("Verify")
    widget._pump.flush()
    click(widget, "Verify")
    wait_until(lambda: widget._bench.verify_driver.newest is not None and not widget._bench.verify.is_under_way)
    widget._pump.flush()
    assert widget._bench.verify.frame().result is not None
    click(widget, "Use the recommended LR")
    wait_until(lambda: widget.selected_lr == widget._bench.verify.frame().result.best_lr)
    click(widget, "Repeat")
    result = widget.wait(SECONDS)
    assert len(result.results) == 3  # type: ignore[union-attr]
    assert widget._body.tabs.box.selected_index == 0
    assert set(widget.to_dataframe()["run"]) == {"Run 2.1", "Run 2.2", "Run 2.3"}
    assert widget.run(num_runs=2) is widget.result
    assert weights == {"w": 4.0}
    widget.close()


@pytest.mark.parametrize(("tab", "name"), [("Verify", "Verify"), ("Schedule", "Try it")])
def test_clear_forgets_what_was_tried_too(live: None, tab: str, name: str) -> None:
    """It rests while trainings go on; afterwards it takes what they have shown with the curves."""
    gate, weights = threading.Event(), {"w": 4.0}

    def train_fn(lr: float) -> float:
        assert gate.wait(SECONDS)
        weights["w"] *= 1 - lr
        return weights["w"] ** 2

    widget = LRFinderWidget(
        RestoringStep(train_fn, save=weights.copy, restore=weights.update), finder=LearningRateFinder(num_steps=40)
    )
    bench, button = widget._bench, widget_of(widget, ipywidgets.Button, description="Clear")
    model = bench.verify if tab == "Verify" else bench.schedule_trial
    widget.selected_lr = 0.1
    widget._body.tabs.open(tab)
    widget._pump.flush()
    click(widget, name)
    wait_until(lambda: model.is_under_way and button.disabled)
    with pytest.raises(RuntimeError, match="trainings are under way"):
        widget.clear()
    gate.set()
    wait_until(lambda: model.has_result and not button.disabled)
    click(widget, "Clear")
    wait_until(lambda: button.disabled and widget.selected_lr is None)  # one thread writes both, one after the other
    frame = model.frame()
    assert (frame.result, frame.lines, frame.conclusion) == (None, {}, "")
    widget.close()


def test_where_noise_may_hide_a_fall_three_range_tests_are_offered(live: None) -> None:
    """A button by the verdict runs them, and is gone once they have been run; nor is it where nobody can repeat."""
    rng = random.Random(0)
    step = RestoringStep(lambda lr: 2 + 0.1 * rng.gauss(0, 1), save=rng.getstate, restore=rng.setstate)
    widget = LRFinderWidget(step)
    offered = widget._body.verdict.repeat
    assert not is_shown(offered)
    assert widget.run().diagnosis.kind == "noise"
    assert is_shown(offered)
    click(widget, "Run 3 range tests")
    assert len(widget.wait(SECONDS).results) == 3  # type: ignore[union-attr]
    assert not is_shown(offered)
    widget.run()
    assert is_shown(offered)
    widget.close()


def test_further_runs_make_no_further_widgets(live: None) -> None:
    """Once the legend is full, runs come and go in its rows: a browser keeps something of each widget ever made."""
    widget = LRFinderWidget(good_curve, finder=LearningRateFinder(num_steps=10))
    for _ in range(MOST_PAST_RUNS + 1):
        widget.run()
    before = set(_instances)
    for _ in range(2):
        widget.run()
    assert set(_instances) == before
    names = [box.value for box in tree(widget) if "lrw-run-name" in getattr(box, "_dom_classes", ())]
    assert sorted(names) == sorted(f"Run {number}" for number in range(3, MOST_PAST_RUNS + 4))


def test_a_legend_row_acts_on_the_run_it_shows(live: None) -> None:
    """A row that has come to show another run renames, hides and deletes that one."""
    widget = LRFinderWidget(good_curve, finder=LearningRateFinder(num_steps=10))
    for _ in range(MOST_PAST_RUNS + 2):
        widget.run()
    rows = widget._body.range_test.legend._rows
    rows[0].name.value = "first kept"
    rows[1].show.value = False
    rows[2].delete.click()
    widget._pump.flush()
    entries = [(e.number, e.name, e.is_shown) for e in widget._session.frame().runs]
    assert entries[:3] == [(2, "first kept", True), (3, "Run 3", False), (5, "Run 5", True)]
    assert [row.name.value for row in rows[:3]] == ["first kept", "Run 3", "Run 5"]


def test_clear_by_mouse_waits_for_nobody(messages: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where runs go inline, a click on Clear comes back at once: its frame needs the lock that the click holds."""
    monkeypatch.setenv("LRWIDGET_BLOCK", "1")
    widget = LRFinderWidget(good_curve)
    widget.start()
    clicking = threading.Thread(target=click, args=(widget, "Clear"), daemon=True)
    clicking.start()
    clicking.join(SECONDS)
    assert not clicking.is_alive()
    wait_until(lambda: widget.state == "idle")
    assert (widget.result, widget.selected_lr) == (None, None)
    widget.close()
