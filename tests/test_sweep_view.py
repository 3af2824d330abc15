"""A sweep as a widget: tables over the grid, curves one over the other, while it runs and after."""

from __future__ import annotations

import gc
import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from lrwidget import LearningRateFinder, RangeTestResult
from lrwidget.live.sweep_tables import table, varying_names
from lrwidget.sweep_result import SweepResult, SweepRun
from lrwidget.sweeps import Sweep
from lrwidget.ui.sweep_markup import CSS, colour, failures, tables
from lrwidget.ui.sweep_view import SweepWidget
from tests import sweep_steps

FINDER = LearningRateFinder(min_lr=1e-3, max_lr=10.0, num_steps=40)
NAN = math.nan


def runs_of(*points):
    return [SweepRun(index, point) for index, point in enumerate(points)]


GRID = runs_of(
    {"optimizer": "SGD", "decay": 0.1, "seed": 0, "epochs": 1},
    {"optimizer": "SGD", "decay": 0.1, "seed": 1, "epochs": 1},
    {"optimizer": "SGD", "decay": 0.2, "seed": 0, "epochs": 1},
    {"optimizer": "Adam", "decay": 0.1, "seed": 0, "epochs": 1},
    {"optimizer": "Adam", "decay": 0.3, "seed": 0, "epochs": 1},
)


@pytest.fixture
def background(monkeypatch):
    """As in a live notebook: a run goes on while the cell has returned."""
    monkeypatch.setenv("LRWIDGET_BLOCK", "0")


@pytest.fixture
def one_thread():
    with ThreadPoolExecutor(1) as executor:
        yield executor


def wait_for(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def test_names_that_vary_are_offered_those_with_most_values_first():
    """A name with one value is no way to arrange a table."""
    assert varying_names(GRID) == ["decay", "optimizer", "seed"]


def test_a_cell_is_the_mean_of_its_runs():
    """Runs that differ in other names share a cell; cells without a run, or without a number, are empty."""
    made = table("Best loss", GRID, [1.0, 3.0, 5.0, NAN, 9.0], "optimizer", "decay")
    assert (made.rows, made.columns) == (("SGD", "Adam"), ("0.1", "0.2", "0.3"))
    np.testing.assert_array_equal(made.values, [[2.0, 5.0, NAN], [NAN, NAN, 9.0]])
    assert made.num_missing == ((0, 0, 0), (1, 0, 0))
    assert made.is_waiting == ((False,) * 3,) * 2
    # From the lowest, 2, to the highest, 9.
    np.testing.assert_allclose(made.shades, [[0.0, 3 / 7, NAN], [NAN, NAN, 1.0]])


def test_a_cell_waits_for_each_of_its_runs():
    """What is still to come is told from what will not."""
    made = table("Best loss", GRID, [1.0, NAN, 5.0, NAN, 9.0], "optimizer", "decay", waiting={1})
    assert made.is_waiting == ((True, False, False), (False, False, False))
    html = tables([made], "optimizer", "decay", [])
    assert "1.000<sup>…</sup></td>" in html  # one of its two runs has not ended
    assert '<td class="lrw-faint">–</td>' in html  # Adam with 0.1 has ended without
    assert html.endswith('<div class="lrw-faint lrw-notes">– none &nbsp; … not yet</div>')


def test_the_lowest_loss_is_marked_but_no_rate():
    """In the table of losses the best cell stands out, unless all are equal."""
    assert tables([table("Best loss", GRID[:3], [3.0, 1.0, 5.0], "decay", None)], "decay", None, []).count("best") == 1
    assert tables([table("Best loss", GRID[:3], [2.0] * 3, "decay", None)], "decay", None, []).count("best") == 0
    rates = table("Suggested LR", GRID[:3], [1e-3, 1e-3, 1e-2], "decay", None, is_rate=True)
    assert tables([rates], "decay", None, []).count("best") == 0


def test_runs_with_the_same_error_are_told_together():
    """A mistake in many points is one line that opens to their settings and the first traceback."""
    html = failures(
        [("seed=0", "ValueError: no", "Trace<back>"), ("seed=1", "ValueError: no", "x"), ("a=2", "gone", "")]
    )
    assert "<summary>2 × ValueError: no</summary><ul><li>seed=0</li><li>seed=1</li></ul><pre>Trace&lt;back&gt;" in html
    assert "<div>a=2: gone</div>" in html
    assert failures([]) == ""


def test_learning_rates_are_averaged_as_decades():
    """The mean of 1e-4 and 1e-2 is 1e-3, and lies halfway between them."""
    made = table("Suggested LR", GRID[:3], [1e-4, 1e-2, 1e-2], None, "decay", is_rate=True)
    np.testing.assert_allclose(made.values, [[1e-3, 1e-2]])
    made = table("Suggested LR", GRID[:3], [1e-4, 1e-3, 1e-2], "seed", "decay", is_rate=True)
    np.testing.assert_allclose(made.shades, [[0.0, 1.0], [0.5, NAN]])


def test_one_value_everywhere_is_half_shaded():
    """Without a difference no cell looks better than another."""
    made = table("Best loss", GRID, [2.0] * 5, "seed", None)
    np.testing.assert_array_equal(made.shades, [[0.5], [0.5]])


def finished_sweep():
    steps = {c: sweep_steps.parabola(c) for c in (0.5, 1.0, 2.0)}
    runs = [SweepRun(i, {"curvature": c}, FINDER.range_test(s)) for i, (c, s) in enumerate(steps.items())]
    return SweepResult((*runs, SweepRun(3, {"curvature": 4.0}, error="ValueError: <b>no</b>", details="Trace<back>")))


def test_what_is_no_sweep_is_refused(monkeypatch):
    """A grid without its Sweep is told so, and leaves no half-made widget that fails when it is collected."""
    unraisable = []
    monkeypatch.setattr("sys.unraisablehook", unraisable.append)
    with pytest.raises(TypeError, match=r"need a Sweep .* got \{'seed': \[0, 1\]\}"):
        SweepWidget({"seed": [0, 1]})
    gc.collect()
    assert unraisable == []


def test_a_finished_sweep_is_drawn_whole():
    """Each curve is the smoothed one; the table holds what the results suggest; failures are told, escaped."""
    result = finished_sweep()
    widget = SweepWidget(result)
    for line, run in zip(widget._lines, result.runs, strict=True):
        if run.result is None:
            assert len(line.x) == 0
            continue
        np.testing.assert_array_equal(line.x, run.result.lrs[: len(line.x)])
        inside = line.y < widget._y.max
        np.testing.assert_allclose(line.y[inside], run.result.smoothed()[: len(line.y)][inside])
        assert inside[0]
    colours = [line.colors[0] for line in widget._lines]
    assert len(set(colours)) == 4
    assert "4/4 range tests · done · 1 failed" in widget._progress.value
    for run in result.runs[:3]:
        assert f"{run.best_loss:#.4g}</td>".replace("e-0", "e-") in widget._tables.value
    assert widget._tables.value.count("–</td>") == 2  # no rate and no loss of the failed one
    assert "curvature=4.0: ValueError: &lt;b&gt;no&lt;/b&gt;" in widget._failures.value
    assert "Trace&lt;back&gt;" in widget._failures.value
    widget.close()


def test_colours_of_many_values_go_from_one_to_the_other():
    """Eight values have a colour each; more are shades between two, in their order, none of them twice."""
    assert [colour(i, 8).partition(",")[0] for i in range(8)] == [f"var(--lrw-sweep-{i}" for i in range(8)]
    curve = RangeTestResult([0.1, 0.2], [2.0, 1.0])
    widget = SweepWidget(SweepResult(tuple(SweepRun(i, {"seed": i}, curve) for i in range(11))))
    names = [line.colors[0].partition(",")[0] for line in widget._lines]
    assert names == [f"var(--lrw-shade-{2 * i}" for i in range(11)]
    assert all(f"{name[4:]}: color-mix(" in CSS for name in names)
    widget.close()


def test_a_grid_without_a_choice_says_so():
    """Where only one name varies the box for the columns shows a dash, not nothing; without any, all do."""
    result = finished_sweep()
    for runs, indices in ((result.runs, [1, 0, 1]), (result.runs[:1], [0, 0, 0])):
        widget = SweepWidget(SweepResult(runs))
        assert [box.index for box in (widget._rows, widget._columns, widget._colours)] == indices
        assert [box.value for box in (widget._rows, widget._columns)] == ["curvature" if indices[0] else None, None]
        widget.close()


def test_the_losses_have_no_axis_before_there_are_any():
    """A sweep without a curve shows no made-up losses."""
    widget = SweepWidget(SweepResult((SweepRun(0, {"seed": 0}, error="ValueError: no"),)))
    assert not widget._y_axis.visible
    widget.close()
    widget = SweepWidget(finished_sweep())
    assert widget._y_axis.visible
    widget.close()


def test_the_choices_arrange_tables_and_colours(background):
    """Rows, columns and colours follow the boxes; what no box names is averaged, and that is said."""
    curve = RangeTestResult([0.1, 0.2], [2.0, 1.0], settings={"smooth_factor": 1.0})
    points = [{"a": a, "b": b, "c": c} for a in (1, 2, 3) for b in "xy" for c in (0, 1)]
    widget = SweepWidget(SweepResult(tuple(SweepRun(i, point, curve) for i, point in enumerate(points))))
    assert (widget._rows.value, widget._columns.value, widget._colours.value) == ("a", "b", "a")
    assert "a × b, mean over c" in widget._tables.value
    widget._rows.value, widget._columns.value, widget._colours.value = "c", None, "b"
    widget._pump.flush()
    assert "<span>c, mean over a, b</span>" in widget._tables.value
    assert widget._tables.value.count("<tr>") == 4  # two rows in each of the two tables
    assert [line.colors[0] for line in widget._lines[:4]] == [widget._lines[0].colors[0]] * 2 + [
        widget._lines[2].colors[0]
    ] * 2
    widget.close()


def test_a_sweep_is_seen_while_it_runs(background, one_thread):
    """Curves grow before their runs have ended; afterwards the widget has the result and says so."""
    finder = LearningRateFinder(num_steps=60, divergence="never")
    widget = SweepWidget(Sweep(sweep_steps.timed, {"seconds": [0.01, 0.02]}, finder=finder, executor=one_thread))
    assert "0/2 range tests · not begun" in widget._progress.value
    assert [button.disabled for button in (widget._run, widget._stop)] == [False, True]
    widget._run.click()
    widget._run.click()  # of a double click
    wait_for(lambda: 0 < len(widget._lines[0].x) < 60)
    assert [button.disabled for button in (widget._run, widget._stop)] == [True, False]
    assert "1 running" in widget._progress.value
    result = widget.wait(timeout=30)
    assert [len(each) for each in result.results] == [60, 60]
    assert "2/2 range tests · completed" in widget._progress.value
    assert [len(line.x) for line in widget._lines] == [60, 60]
    with pytest.raises(RuntimeError, match="need a sweep that has not been begun"):
        widget.start()
    widget.close()


def test_every_step_of_a_slow_sweep_is_drawn_at_once(monkeypatch, background, one_thread):
    """Looking ten times a second at steps that take a second does not use up what may be drawn."""
    now = 100.0
    monkeypatch.setattr("lrwidget.ui.sweep_view.monotonic", lambda: now)
    may_go, has_gone = threading.Semaphore(0), threading.Semaphore(0)

    def make_train_step(seed):
        def train_step(lr):
            has_gone.release()  # that the step before is in the log
            may_go.acquire()
            return 2.0

        return train_step

    finder = LearningRateFinder(num_steps=100, divergence="never")
    widget = SweepWidget(Sweep(make_train_step, {"seed": [0]}, finder=finder, executor=one_thread))
    monkeypatch.setattr(widget._pump, "request", lambda: None)  # the ticks are ours
    widget.start()
    try:
        assert has_gone.acquire(timeout=20)
        for num_steps in range(1, 100):
            may_go.release()
            assert has_gone.acquire(timeout=20)
            for _ in range(10):
                now += 0.1
                widget._tick()
                assert len(widget._lines[0].x) == num_steps
    finally:
        may_go.release(1000)
    widget._drive.wait(20)
    widget.close()


def test_stop_ends_it(background, one_thread):
    """The Stop button ends the run under way and begins no other."""
    finder = LearningRateFinder(num_steps=100_000, divergence="never")
    widget = SweepWidget(Sweep(sweep_steps.timed, {"seconds": [0.01, 0.02]}, finder=finder, executor=one_thread))
    widget.start()
    wait_for(lambda: len(widget._lines[0].x) > 3)
    widget._stop.click()
    assert widget._state(ended=False) == "stopping"
    result = widget.wait(timeout=30)
    assert result.runs[0].error == "stopped"
    assert len(result.results[0]) > 3
    assert "stopped" in widget._progress.value
    assert widget._stop.disabled
    widget.close()


def test_where_nobody_watches_it_blocks(monkeypatch, one_thread):
    """In a notebook that is run for nobody the sweep is over when `start` returns."""
    monkeypatch.setenv("LRWIDGET_BLOCK", "1")
    widget = SweepWidget(Sweep(sweep_steps.parabola, {"curvature": [1.0, 2.0]}, finder=FINDER, executor=one_thread))
    widget.start()
    assert "2/2 range tests · completed" in widget._progress.value
    assert widget.result.failed == []
    widget.close()
