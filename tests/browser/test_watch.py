"""Runs and sweeps of other processes, seen in JupyterLab."""

import statistics

from tests.browser.pages import LabPage
from tests.browser.watching import Writer, delays, note_drawings
from tests.browser.widget import Widget


def test_another_process_is_watched_live(lab: LabPage) -> None:
    """Each flushed step is on the screen within 300 ms; a silence and the end of the writer are said."""
    path = lab.server.root / "run.jsonl"
    cell = f"widget = LRFinderWidget.watch({str(path)!r}, silence_seconds=1)\nwidget"
    lab.open(lab.server.add_notebook("watch.ipynb", "from lrwidget import LRFinderWidget", cell))
    lab.run_all()
    widget = Widget(lab)
    widget.root.get_by_text("run.jsonl: waiting for a run to begin").wait_for()
    note_drawings(widget)
    writer = Writer(path, num_steps=40, step_seconds=0.12, silent_seconds=2.5)
    writer.start()
    widget.root.get_by_text("run.jsonl: being written").wait_for()
    assert lab.evaluate("widget.num_steps") == 40  # the writer's
    widget.wait_for_points(40)
    # The median: a busy machine may hold one of the four processes up.
    assert statistics.median(delays(widget, writer)) < 0.3
    widget.root.get_by_text("run.jsonl: nothing written for").wait_for()
    writer.join()
    widget.root.get_by_text("run.jsonl: the run has ended: stopped").wait_for()
    widget.wait_for_state("stopped")


SWEEP = """
import time
from lrwidget import LearningRateFinder
from lrwidget.sweeps import Sweep
from lrwidget.ui.sweep_view import SweepWidget

def make_train_step(slope, seed):
    def train_step(lr):
        time.sleep(0.02)
        return 2.0 - slope * lr + 0.001 * seed
    return train_step

finder = LearningRateFinder(max_lr=1.0, num_steps=60)
view = SweepWidget(Sweep(make_train_step, {"slope": [0.5, 1.0], "seed": [0, 1]}, finder=finder, num_workers=2))
view.start()
view
"""


def test_a_sweep_of_functions_from_a_cell_is_seen_live(lab: LabPage) -> None:
    """Curves of two processes grow on the screen at once; in the end the table holds every point of the grid."""
    lab.open(lab.server.add_notebook("sweep.ipynb", SWEEP))
    lab.run_all()
    view = lab.page.locator(".lrw-sweep")
    view.get_by_text("2 running").wait_for(timeout=60_000)
    lines = view.locator(".lrw-figure path.line[d*='L']")
    lab.page.wait_for_function(
        "() => document.querySelectorAll(\".lrw-sweep .lrw-figure path.line[d*='L']\").length >= 2"
    )
    view.get_by_text("4/4 range tests · completed").wait_for(timeout=60_000)
    assert lines.count() == 4
    assert lab.evaluate("[len(result) for result in view.result.results]") == [60] * 4
    assert view.locator("table").nth(1).locator("td").all_text_contents()[-4:] == ["1.500", "1.501", "1.000", "1.001"]
    widget = Widget(lab)
    assert widget.controls_without("name") == []
    lab.page.set_viewport_size({"width": 480, "height": 1000})
    lab.page.wait_for_timeout(500)  # bqplot answers late
    assert widget.cut_texts() == []
