"""Runs and sweeps of other processes, seen in JupyterLab."""

import dataclasses
import statistics
import threading
import time
from pathlib import Path

from lrwidget import LearningRateFinder
from lrwidget.log import LogWriter
from lrwidget.result import Recording
from tests.browser.pages import LabPage
from tests.browser.widget import Widget

FINDER = LearningRateFinder(num_steps=40, divergence="never")

# Notes, for each number of points that the smoothed curve has had on the screen, when that was (seconds since 1970).
_NOTE_DRAWINGS = """root => {
    const seen = window.drawings = {}
    const look = () => {
        const line = root.querySelector('.lrw-figure path.line[style*="--lrw-curve"]')
        const num_points = (line?.getAttribute('d')?.match(/[ML]/g) ?? []).length
        seen[num_points] ??= Date.now() / 1000
    }
    new MutationObserver(look).observe(root, {subtree: true, attributes: true, childList: true})
}"""


class Writer(threading.Thread):
    """A run of this process, a step every 120 ms: the kernel of the notebook is another one."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.flushed: list[float] = []

    def run(self) -> None:
        recording = Recording(settings=dataclasses.asdict(FINDER))
        with LogWriter(self.path, recording) as log:
            for step, lr in enumerate(FINDER.learning_rates().tolist()):
                time.sleep(0.12)
                log.write(recording.append(step, lr, 2.0 - step / 40))
                self.flushed.append(time.time())
            time.sleep(2.5)


def test_another_process_is_watched_live(lab: LabPage) -> None:
    """Each flushed step is on the screen within 300 ms; a silence and the end of the writer are said."""
    path = lab.server.root / "run.jsonl"
    cell = f"widget = LRFinderWidget.watch({str(path)!r}, silence_seconds=1)\nwidget"
    lab.open(lab.server.add_notebook("watch.ipynb", "from lrwidget import LRFinderWidget", cell))
    lab.run_all()
    widget = Widget(lab)
    widget.root.get_by_text("run.jsonl: waiting for a run to begin").wait_for()
    widget.root.evaluate(_NOTE_DRAWINGS)
    writer = Writer(path)
    writer.start()
    widget.root.get_by_text("run.jsonl: being written").wait_for()
    assert lab.evaluate("widget.num_steps") == 40  # the writer's
    widget.wait_for_points(40)
    drawn = lab.page.evaluate("() => window.drawings")
    delays = [
        min(drawn_at for count, drawn_at in drawn.items() if int(count) > step) - flushed_at
        for step, flushed_at in enumerate(writer.flushed)
    ]
    assert statistics.median(delays) < 0.3  # the median: a busy machine may hold one of the four processes up
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
