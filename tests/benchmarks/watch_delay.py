"""From the flush of a step in another process to its drawing in a real browser: how long a watched run takes."""

from __future__ import annotations

import os
import statistics
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.benchmarks.measuring import table
from tests.browser import chromium
from tests.browser.conftest import ARGUMENTS
from tests.browser.pages import LabPage
from tests.browser.servers import serve
from tests.browser.watching import Writer, delays, note_drawings
from tests.browser.widget import Widget

RUNS = {0.02: 300, 0.12: 100, 0.5: 40}  # seconds for each step: how many steps
ASKED = 0.3  # seconds from the flush to the screen


def main() -> None:
    """Watch runs of different speeds and print how late their steps are on the screen."""
    path = chromium.find()
    assert path is not None, "make installs Chromium first"
    load = os.getloadavg()[0]
    rows = []
    with (
        tempfile.TemporaryDirectory() as scratch,
        serve("lab", Path(scratch)) as server,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        for step_seconds, num_steps in RUNS.items():
            log = server.root / f"{num_steps}.jsonl"
            lab = LabPage(browser.new_page(), server)
            cell = f"widget = LRFinderWidget.watch({str(log)!r})\nwidget"
            lab.open(server.add_notebook(f"watch-{num_steps}.ipynb", "from lrwidget import LRFinderWidget", cell))
            lab.run_all()
            widget = Widget(lab)
            widget.root.get_by_text("waiting for a run to begin").wait_for()
            note_drawings(widget)
            writer = Writer(log, num_steps, step_seconds)
            writer.start()
            writer.join()
            widget.wait_for_points(num_steps)
            seconds = sorted(delays(widget, writer))
            lab.page.close()
            server.stop_kernels()
            rows.append([
                f"{step_seconds * 1e3:.0f} ms",
                str(num_steps),
                *(f"{1e3 * value:.0f} ms" for value in (statistics.median(seconds), seconds[len(seconds) * 9 // 10])),
                f"{1e3 * seconds[-1]:.0f} ms",
                f"{statistics.mean(value <= ASKED for value in seconds):.0%}",
            ])  # fmt: skip
        browser.close()
    print(f"From the flush in another process to the screen of Chromium, on {os.cpu_count()} processors (load when it "
          f"began: {load:.1f}):\n")  # fmt: skip
    print(table(["a step takes", "steps", "median", "90 %", "slowest", f"within {ASKED * 1e3:.0f} ms"], rows))


if __name__ == "__main__":
    main()
