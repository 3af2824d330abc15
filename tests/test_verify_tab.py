"""The Verify tab without a browser: inputs become intents, frames become widgets, nothing goes round in circles."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from functools import partial
from html import unescape
from typing import Any

import numpy as np
import pytest
from ipywidgets import Button, Dropdown, Widget

from lrwidget import LearningRateFinder, RestoringStep
from lrwidget.live.driver import Driver
from lrwidget.live.session import Session
from lrwidget.live.verify_frames import TrialRow
from lrwidget.live.verify_model import MOST_LRS, VerifyModel
from lrwidget.ui.parts import Explained, tree
from lrwidget.ui.trial_plot import _apart
from lrwidget.ui.verify_markup import row
from lrwidget.ui.verify_style import COLOURS, STROKES
from lrwidget.ui.verify_tab import VerifyTab

FINDER = LearningRateFinder(num_steps=40)
SECONDS = 10


def test_names_stay_in_the_picture() -> None:
    """Five trainings that leave at its top, three that end at its bottom: each name has a height of its own inside."""
    frame = VerifyModel(FINDER).frame()
    low, high = frame.loss_range
    ends = dict.fromkeys(range(5), (0.0, high)) | dict.fromkeys(range(5, 8), (frame.step_range[1], low))
    heights = _apart(ends, frame, 0.05)
    assert all(low <= height <= high for height in heights.values())
    for group in (range(5), range(5, 8)):
        assert np.diff(sorted(heights[place] for place in group)) == pytest.approx(0.05 * (high - low))


class Stage:
    """A tab with the session, the model and the train step around it; renders after each intent."""

    def __init__(self, train_fn: Callable[[float], float] | None = None) -> None:
        self.weights = {"w": 4.0}
        self.session = Session(FINDER)
        self.model = VerifyModel(FINDER)
        step = RestoringStep(train_fn or self.train, save=self.weights.copy, restore=self.weights.update)
        self.driver = Driver(partial(self.model.make_job, step), self.model.begin, self)
        self.repeats: list[int] = []
        self.errors: list[BaseException] = []
        self.tab = VerifyTab(
            self.model,
            self.act,
            start=self.driver.start,
            stop=self.driver.stop,
            choose=self.session.choose,
            repeat=self.repeats.append,
        )
        self.render()

    @property
    def lrs(self) -> list[float]:
        return sorted(row.lr for row in self.model.frame().rows)

    def train(self, lr: float) -> float:
        loss = self.weights["w"] ** 2 / 2
        self.weights["w"] *= 1 - lr
        return loss

    def act(self, intent: Callable[[], object]) -> None:
        try:
            intent()
        except Exception as error:
            self.errors.append(error)
        self.render()

    def render(self) -> None:
        self.tab.render(self.session.frame())

    def select(self, lr: float) -> None:
        self.session.choose(lr)
        self.render()

    def finish(self) -> None:
        assert self.driver.newest is not None
        assert self.driver.newest.has_ended(SECONDS)
        self.render()


@pytest.fixture
def stage() -> Stage:
    stage = Stage()
    stage.select(0.02)
    return stage


def from_browser(widget: Widget, **state: Any) -> None:
    """Play a message of the browser."""
    widget._handle_msg({"content": {"data": {"method": "update", "state": state, "buffer_paths": []}}, "buffers": []})


def text_of(html: Any) -> str:
    return " ".join(unescape(re.sub("<[^>]*>", " ", html.value)).split())


def is_shown(widget: Any) -> bool:
    return bool(widget.layout.display != "none")


def shown_rows(stage: Stage) -> list[str]:
    return [text_of(row._words) for row in stage.tab.rows if is_shown(row.box)]


def test_the_list_is_the_model(stage: Stage) -> None:
    """A row for each rate, the selected one marked, the others hidden; the cost beside the buttons."""
    assert shown_rows(stage) == ["5e-3", "1e-2", "2e-2 ▾", "4e-2", "8e-2"]
    assert text_of(stage.tab._progress) == "5 trainings of 40 steps: 200 steps"
    stage.select(0.1)
    assert shown_rows(stage)[2] == "0.1 ▾"


def test_rates_are_typed_and_taken_out(stage: Stage) -> None:
    """Enter adds the rate and empties the box; the cross takes its row out; what is none is refused in words."""
    from_browser(stage.tab.new_lr, value="3e-2")
    assert stage.lrs == [0.005, 0.01, 0.02, 0.03, 0.04, 0.08]
    assert stage.tab.new_lr.value == ""
    stage.tab.rows[0].remove.click()
    assert stage.lrs[0] == 0.01
    from_browser(stage.tab.new_lr, value="<b>fast</b>")
    assert "&lt;b&gt;fast" in stage.tab._says.value
    assert "need a learning rate > 0" in text_of(stage.tab._says)
    stage.tab.around.click()
    assert stage.lrs == [0.005, 0.01, 0.02, 0.04, 0.08]


def test_the_number_of_steps_is_typed(stage: Stage) -> None:
    """A refused one is shown again as it stands."""
    from_browser(stage.tab.num_steps, value="25")
    assert text_of(stage.tab._progress) == "5 trainings of 25 steps: 125 steps"
    from_browser(stage.tab.num_steps, value="1")
    assert stage.tab.num_steps.value == "25"
    assert "need a whole number of steps from 6 to 1,000,000, got '1'" in text_of(stage.tab._says)


def test_a_verification_from_the_first_click_to_the_marker(stage: Stage) -> None:
    """Verify trains, the ranking and the curves appear with the best one bold, and its rate is taken on request."""
    stage.tab.start.click()
    stage.finish()
    assert shown_rows(stage)[0].startswith("1. 8e-2")
    assert shown_rows(stage)[0].endswith("best")
    assert "ended early" in shown_rows(stage)[-1]
    widths = [line.stroke_width for line in stage.tab.plot.lines]
    assert widths[4] > max(widths[:4])
    best = stage.model.frame().result.trials[4]  # type: ignore[union-attr]
    np.testing.assert_allclose(stage.tab.plot.lines[4].y, best.smoothed())
    labels = [label.text for label in stage.tab.plot.labels if label.visible]
    assert labels == [["5e-3"], ["1e-2"], ["2e-2"], ["4e-2"], ["8e-2"]]
    assert "8e-2 trains best" in text_of(stage.tab._says)
    stage.tab.use.click()
    assert stage.session.frame().guide.selected_lr == 0.08
    assert stage.tab.use.disabled
    assert shown_rows(stage)[0].startswith("1. 8e-2 ▾")
    assert stage.weights == {"w": 4.0}


def test_a_rate_beyond_the_edge_is_a_click_away(stage: Stage) -> None:
    """The button names it, and goes when the rate is in the list."""
    assert not is_shown(stage.tab.beyond)
    stage.tab.start.click()
    stage.finish()
    assert (stage.tab.beyond.description, is_shown(stage.tab.beyond)) == ("Add 0.32", True)
    stage.tab.beyond.click()
    assert stage.lrs[-1] == 0.32
    assert not is_shown(stage.tab.beyond)


@pytest.mark.parametrize(("rank", "word"), [(1, "best"), (3, "recommended")])
def test_what_is_not_first_is_not_called_the_best(rank: int, word: str) -> None:
    """A suggestion that is kept, as nothing surely beats it, may be third by its loss."""
    shown = TrialRow(8e-3, 2, rank, "0.018 ± 0.001", "+0.012 ± 0.001, as good", False, is_best=True, is_selected=False)
    assert row(shown).removesuffix("</span></div>").endswith(f">{word}")


def test_while_it_runs_only_stop_can_be_pressed() -> None:
    """Inputs rest; afterwards they work again."""
    reached, gate = threading.Event(), threading.Event()
    calls = []

    def train_fn(lr: float) -> float:
        calls.append(lr)
        if len(calls) == 50:
            reached.set()
            assert gate.wait(SECONDS)
        return 1.0 / len(calls)

    stage = Stage(train_fn)
    stage.select(0.02)
    stage.tab.start.click()
    assert reached.wait(SECONDS)
    stage.render()
    resting = [stage.tab.start, stage.tab.num_steps, stage.tab.new_lr, stage.tab.around, stage.tab.repeat]
    assert all(control.disabled for control in [*resting, *(row.remove for row in stage.tab.rows[:5])])
    assert "lrw-is-busy" in stage.tab.box._dom_classes
    assert stage.model.is_under_way
    assert "training 2 of 5 · 49/200 steps" in text_of(stage.tab._progress)
    stage.tab.stop.click()
    stage.render()
    assert "stopping after this step" in text_of(stage.tab._progress)
    assert "lrw-is-busy" not in stage.tab.box._dom_classes  # once is enough
    gate.set()
    stage.finish()
    assert not any(control.disabled for control in resting)
    assert "lrw-is-busy" not in stage.tab.box._dom_classes
    assert any("not finished at step 10" in row for row in shown_rows(stage))


def test_an_exception_is_shown_escaped() -> None:
    """The type, the message and the line, as text; Dismiss takes it away."""

    def train_fn(lr: float) -> float:
        raise ValueError("<script>alert(1)</script>")

    stage = Stage(train_fn)
    stage.select(0.02)
    stage.tab.start.click()
    stage.finish()
    assert is_shown(stage.tab._failure.box)
    assert "<script>" not in stage.tab._failure._words.value
    assert "ValueError : <script>alert(1)</script>" in text_of(stage.tab._failure._words)
    stage.tab._failure.box.children[1].click()
    assert not is_shown(stage.tab._failure.box)


def test_repeats_are_asked_for(stage: Stage) -> None:
    """With as many range tests as the list says; without anyone to repeat them there is no such row."""
    stage.tab.num_runs.value = 5
    stage.tab.repeat.click()
    assert stage.repeats == [5]
    silent = VerifyTab(stage.model, stage.act, start=print, stop=print, choose=print)
    assert not is_shown(silent._repeat)


def test_logarithms_are_drawn_on_request(stage: Stage) -> None:
    """The axis has the losses' own numbers."""
    stage.tab.start.click()
    stage.finish()
    before = stage.tab.plot.lines[4].y
    from_browser(stage.tab.log, value=True)
    np.testing.assert_allclose(stage.tab.plot.lines[4].y, np.log10(before))
    labels = stage.tab.plot._y_axis.tick_labels.values()
    assert all(float(label) > 0 for label in labels)


def test_a_frame_that_changes_nothing_sends_nothing(messages: list[dict[str, Any]]) -> None:
    """Neither before nor after a verification."""
    stage = Stage()
    stage.select(0.02)
    messages.clear()
    stage.render()
    assert messages == []
    stage.tab.start.click()
    stage.finish()
    stage.render()
    messages.clear()
    stage.render()
    assert messages == []


def test_x_and_y_of_a_curve_come_in_one_message(messages: list[dict[str, Any]]) -> None:
    """A curve is never drawn with the steps of one moment and the losses of another."""
    stage = Stage()
    stage.select(0.02)
    messages.clear()
    stage.tab.start.click()
    stage.finish()
    states = [m["state"] for m in messages if m.get("comm") == stage.tab.plot.lines[4].comm.comm_id and "state" in m]
    drawn = [state for state in states if "x" in state or "y" in state]
    assert drawn
    assert all({"x", "y"} <= set(state) for state in drawn)


def test_stop_is_written_to_only_by_the_click_that_starts(messages: list[dict[str, Any]]) -> None:
    """So that a kernel that is busy with another cell hears it where it has heard that click."""
    stage = Stage()
    stage.select(0.02)
    messages.clear()
    stage.tab.start.click()
    assert [m["method"] for m in messages if m.get("comm") == stage.tab.stop.comm.comm_id] == ["update"]
    messages.clear()
    stage.finish()
    assert not [m for m in messages if m.get("comm") == stage.tab.stop.comm.comm_id]


def test_every_control_is_explained(stage: Stage) -> None:
    """Each button and box has a tooltip; there is a colour and a stroke for each rate in both themes."""
    widgets = list(tree(stage.tab.box))
    controls = [w for w in widgets if isinstance(w, Button | Dropdown) or hasattr(w, "continuous_update")]
    assert len(controls) > MOST_LRS
    tooltips = {id(box.children[0]): box.tooltip for box in widgets if isinstance(box, Explained)}
    assert all(tooltips.get(id(control), control.tooltip) for control in controls)
    assert not [w for w in controls if w.tooltip and w.description and not isinstance(w, Button)]  # not shown then
    for colours in COLOURS.values():
        assert len(set(colours)) == len(STROKES) == MOST_LRS
