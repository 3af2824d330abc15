"""Try it without a browser: in the Schedule tab, and in the whole widget."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from bqplot import Axis, LinearScale
from ipywidgets import Button

from lrwidget import LearningRateFinder, LRFinderWidget, RestoringStep, TorchStep
from lrwidget.live.run_state import RunState
from lrwidget.live.schedule_trial_frames import CONSTANT, SCHEDULE
from lrwidget.live.workbench import Workbench
from lrwidget.ui.parts import Explained, tree
from lrwidget.ui.schedule_tab import ScheduleTab
from lrwidget.ui.schedule_trial import ScheduleTrialView
from lrwidget.ui.ticks import set_ticks
from tests.test_verify_tab import from_browser, is_shown, text_of

FINDER = LearningRateFinder(num_steps=40)
SECONDS = 10


class Held:
    """Gradient descent on w**2 / 2 that can be held up at a step."""

    def __init__(self) -> None:
        self.weights = {"w": 4.0}
        self.num_calls = 0
        self.waits_at = -1
        self.reached, self.go = threading.Event(), threading.Event()

    def train(self, lr: float) -> float:
        if self.num_calls == self.waits_at:
            self.reached.set()
            assert self.go.wait(SECONDS)
        self.num_calls += 1
        loss = self.weights["w"] ** 2 / 2
        self.weights["w"] *= 1 - lr
        return loss

    def step(self) -> Any:
        return RestoringStep(self.train, save=self.weights.copy, restore=self.weights.update)


class Stage:
    """The tab of a workbench; renders after each intent."""

    def __init__(self, train_fn: Callable[[float], float] | None = None) -> None:
        self.held = Held()
        weights = self.held.weights
        step = self.held.step() if train_fn is None else RestoringStep(train_fn, save=dict, restore=weights.update)
        self.bench = Workbench(step, FINDER, None)
        driver = self.bench.schedule_driver
        self.view = ScheduleTrialView(self.bench.schedule_trial, self.act, driver.start, driver.stop)
        self.tab = ScheduleTab(self.bench.schedule, self.act, namespace={}, trial=self.view)
        self.bench.schedule.set_lr(0.1)
        self.render()

    def act(self, intent: Callable[[], object]) -> None:
        intent()
        self.render()

    def render(self) -> None:
        self.bench.frame()
        self.tab.render()

    def finish(self) -> None:
        run = self.bench.schedule_driver.newest
        assert run is not None
        assert run.has_ended(SECONDS)
        self.render()


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_a_trial_from_the_click_to_the_outcome(stage: Stage) -> None:
    """No picture before; then both curves with their names, the outcome, and the one that ended lower in bold."""
    assert "lrw-is-empty" in stage.view._picture._dom_classes
    assert "compressed to 40" in text_of(stage.view._plan)
    assert text_of(stage.view._progress) == "2 trainings of 40 steps: 80 steps"
    stage.view.start.click()
    stage.finish()
    assert "lrw-is-empty" not in stage.view._picture._dom_classes
    assert [len(line.x) for line in stage.view.plot.lines] == [40, 40]
    assert [label.text.tolist() for label in stage.view.plot.labels] == [["schedule"], ["constant"]]
    # w falls by 1 - lr at each step: with the peak throughout it falls furthest.
    assert "The constant LR ends lower" in text_of(stage.view._says)
    assert stage.view.plot.lines[CONSTANT].stroke_width > stage.view.plot.lines[SCHEDULE].stroke_width
    assert "One cycle (PyTorch), 0.1" in text_of(stage.view._rows)
    assert stage.held.weights == {"w": 4.0}


def test_the_number_of_steps_is_typed(stage: Stage) -> None:
    """A refused one is shown again as it stands, with the reason."""
    from_browser(stage.view.num_steps, value="25")
    assert text_of(stage.view._progress) == "2 trainings of 25 steps: 50 steps"
    from_browser(stage.view.num_steps, value="<b>all</b>")
    assert stage.view.num_steps.value == "25"
    assert "from 6 to 1,000,000, got '<b>all</b>'" in text_of(stage.view._plan)


def test_while_it_trains_only_stop_can_be_pressed(stage: Stage) -> None:
    """The bar grows, the curve too; after Stop there is nothing to compare, and all can be pressed again."""
    stage.held.waits_at = 30
    stage.view.start.click()
    assert stage.held.reached.wait(SECONDS)
    stage.render()
    assert stage.view.start.disabled
    assert stage.view.num_steps.disabled
    assert "lrw-is-busy" in stage.view.box._dom_classes
    assert "training 1 of 2 · 30/80 steps" in text_of(stage.view._progress)
    assert "waiting" in text_of(stage.view._rows)
    stage.view.stop.click()
    stage.held.go.set()
    stage.finish()
    assert stage.held.num_calls == 31
    assert not stage.view.start.disabled
    assert "lrw-is-busy" not in stage.view.box._dom_classes
    assert "at step 31 of 40: there is nothing to compare" in text_of(stage.view._says)
    assert stage.held.weights == {"w": 4.0}


def test_an_exception_is_shown_escaped() -> None:
    """The type, the message and the line, as text; Dismiss takes it away."""

    def train_fn(lr: float) -> float:
        raise ValueError("<script>alert(1)</script>")

    stage = Stage(train_fn)
    stage.view.start.click()
    stage.finish()
    assert is_shown(stage.view._failure.box)
    assert "<script>" not in stage.view._failure._words.value
    assert "ValueError : <script>alert(1)</script>" in text_of(stage.view._failure._words)
    stage.view._failure.box.children[1].click()
    assert not is_shown(stage.view._failure.box)


def test_logarithms_are_drawn_on_request(stage: Stage) -> None:
    """The losses become their logarithms, under ticks with the losses' own numbers."""
    stage.view.start.click()
    stage.finish()
    before = stage.view.plot.lines[SCHEDULE].y
    from_browser(stage.view.log, value=True)
    np.testing.assert_allclose(stage.view.plot.lines[SCHEDULE].y, np.log10(before))


def test_messages(messages: list[dict[str, Any]]) -> None:
    """What changes nothing sends nothing; x and y of a curve travel together; Stop is written to by the click alone."""
    stage = Stage()
    messages.clear()
    stage.render()
    assert messages == []
    stage.view.start.click()
    stage.finish()
    line = stage.view.plot.lines[CONSTANT].comm.comm_id
    drawn = [m["state"] for m in messages if m["comm"] == line and {"x", "y"} & m["state"].keys()]
    assert drawn
    assert all({"x", "y"} <= state.keys() for state in drawn)
    assert [m["method"] for m in messages if m["comm"] == stage.view.stop.comm.comm_id] == ["update"]
    stage.render()
    messages.clear()
    stage.render()
    assert messages == []


def test_labels_reach_an_axis_before_its_ticks(messages: list[dict[str, Any]]) -> None:
    """A browser writes ticks with the labels that it has: in the one message the labels come first, by no chance."""

    class Backwards(set[str]):
        def __iter__(self) -> Iterator[str]:
            return iter(sorted(super().__iter__(), reverse=True))

    axis = Axis(scale=LinearScale())
    axis._states_to_send = Backwards()  # what ipywidgets holds back: a set, in any order
    messages.clear()
    set_ticks(axis, [0.5, 1e-7], ["half", "hardly"])
    assert [list(message["state"]) for message in messages] == [["tick_labels", "tick_values"]]
    assert messages[0]["state"]["tick_labels"] == {"0.5": "half", "1e-7": "hardly"}


def test_every_control_is_explained(stage: Stage) -> None:
    """Each button and box has a tooltip."""
    widgets = list(tree(stage.view.box))
    controls = [w for w in widgets if isinstance(w, Button) or hasattr(w, "continuous_update")]
    assert len(controls) == 4
    tooltips = {id(box.children[0]): box.tooltip for box in widgets if isinstance(box, Explained)}
    assert all(tooltips.get(id(control), control.tooltip) for control in controls)


@pytest.mark.parametrize("part", ["schedule", "verify"])
def test_there_is_more_until_the_end_is_in_a_frame(part: str) -> None:
    """A training that ends while a frame is drawn has another frame to come, or its end would never be seen."""
    held = Held()
    bench = Workbench(held.step(), FINDER, None)
    bench.session.choose(0.02)
    bench.verify.follow(bench.frame())
    driver = bench.schedule_driver if part == "schedule" else bench.verify_driver
    assert driver is not None
    held.waits_at = 5
    driver.start()
    assert held.reached.wait(SECONDS)
    frame = bench.frame()
    held.go.set()
    assert driver.newest is not None
    assert driver.newest.has_ended(SECONDS)
    assert bench.has_more(frame)
    assert not bench.has_more(bench.frame())
    bench.close()


# ------------------------------------------------------------------------------------------------- the whole widget


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a notebook that somebody looks at."""
    monkeypatch.setenv("LRWIDGET_BLOCK", "0")


def view_of(widget: LRFinderWidget) -> ScheduleTrialView:
    widget._body.tabs.open("Schedule")
    widget._pump.flush()
    found = widget._body.tabs._panes[1]._trial  # type: ignore[attr-defined]
    assert isinstance(found, ScheduleTrialView)
    return found


def test_run_ends_a_trial_and_both_leave_no_trace(live: None) -> None:
    """The button rests while the range test runs; Run pressed in a trial ends it first, and the trial says so."""
    held = Held()
    widget = LRFinderWidget(held.step(), finder=FINDER)
    view = view_of(widget)
    held.waits_at = 10
    view.start.click()
    assert held.reached.wait(SECONDS)
    widget.start()
    held.go.set()
    result = widget.wait(SECONDS)
    assert result is not None
    assert result.losses[0] == 8.0  # from the state before the trial
    widget._pump.flush()
    assert "Stopped, because another run of this model began" in text_of(view._says)
    held.waits_at, held.num_calls = 10, 0
    held.reached.clear()
    held.go.clear()
    widget.start()
    assert held.reached.wait(SECONDS)
    widget._pump.flush()
    assert view.start.disabled
    assert "A range test of this model is running" in text_of(view._plan)
    held.go.set()
    widget.wait(SECONDS)
    widget._pump.flush()
    assert not view.start.disabled
    assert held.weights == {"w": 4.0}
    widget.close()


def test_close_ends_a_trial(live: None) -> None:
    """It waits until the model is put back; nothing can be started afterwards."""
    held = Held()
    widget = LRFinderWidget(held.step(), finder=FINDER)
    view = view_of(widget)
    held.waits_at = 10
    view.start.click()
    assert held.reached.wait(SECONDS)
    threading.Timer(0.05, held.go.set).start()
    driver = widget._bench.schedule_driver
    widget.close()
    assert driver.newest is not None
    assert driver.newest.state is RunState.STOPPED
    assert held.weights == {"w": 4.0}
    assert view.plot.figure.comm is None
    with pytest.raises(RuntimeError, match="this widget is closed"):
        driver.start()


def test_the_length_of_an_epoch_is_that_of_the_loader() -> None:
    """The schedule's length is asked for in epochs, and the table has a column of them; without a loader in steps."""
    model = torch.nn.Linear(3, 1)
    data = torch.utils.data.TensorDataset(torch.randn(50, 3), torch.randn(50, 1))
    loader = torch.utils.data.DataLoader(data, batch_size=8)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    widget = LRFinderWidget.from_torch(model, optimizer, torch.nn.MSELoss(), loader)
    assert widget.schedule.total_steps == 10 * 7
    assert widget.schedule_dataframe()["epoch"].iloc[-1] == pytest.approx(69 / 7)
    widget.close()
    widget = LRFinderWidget(Held().step())
    assert "epoch" not in widget.schedule_dataframe()
    widget.close()


def test_what_is_only_watched_cannot_be_tried(live: None, tmp_path: Any) -> None:
    """The button cannot be pressed, and the reason stands beside it."""
    widget = LRFinderWidget.watch(tmp_path / "run.jsonl")
    view = view_of(widget)
    assert view.start.disabled
    assert "watches a run of another process" in text_of(view._plan)
    widget.close()


def test_a_real_training_is_left_as_it_was(live: None) -> None:
    """A PyTorch model with dropout and momentum: its state and the losses that follow are bitwise those without."""

    def training() -> tuple[Any, Any, Any]:
        torch.manual_seed(3)
        model = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Dropout(0.2), torch.nn.Linear(8, 1))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
        data = torch.utils.data.TensorDataset(torch.randn(64, 3), torch.randn(64, 1))
        return model, optimizer, torch.utils.data.DataLoader(data, batch_size=8, shuffle=True)

    def losses(model: Any, optimizer: Any, loader: Any) -> list[float]:
        found = []
        for inputs, targets in loader:
            optimizer.zero_grad()
            loss = ((model(inputs) - targets) ** 2).mean()
            loss.backward()
            optimizer.step()
            found.append(loss.item())
        return found

    undisturbed = training()
    expected = losses(*undisturbed) + losses(*undisturbed)
    model, optimizer, loader = training()
    found = losses(model, optimizer, loader)
    widget = LRFinderWidget(TorchStep(model, optimizer, torch.nn.MSELoss(), loader), finder=FINDER)
    view = view_of(widget)
    view.start.click()
    driver = widget._bench.schedule_driver
    assert driver.newest is not None
    result = driver.newest.wait(SECONDS)
    widget._pump.flush()
    assert "means of the last 10 of 40 steps" in text_of(view._says)
    first, second = result.trials
    assert first.losses[0] == second.losses[0]  # the same batch, the same dropout, the same weights
    assert optimizer.param_groups[0]["momentum"] == 0.9
    assert found + losses(model, optimizer, loader) == expected
    widget.close()
