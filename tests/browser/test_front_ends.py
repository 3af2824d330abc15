"""The same story in Notebook 7 and in Voila: run, stop, run, drag, look at the schedule, take the table away."""

import csv
from pathlib import Path
from typing import cast

import pytest

from tests.browser.cells import TRAINING, WIDGET
from tests.browser.pages import FrontEnd, NotebookPage, VoilaPage
from tests.browser.widget import Widget

SLOW = "seconds = 0.02"


@pytest.mark.parametrize("front_end", ["notebook", "voila"])
def test_the_story(front_end: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Everything that is done with the mouse works as in JupyterLab."""
    page = cast(FrontEnd, request.getfixturevalue(front_end))
    notebook = page.server.add_notebook("story.ipynb", TRAINING, SLOW + WIDGET)
    if isinstance(page, NotebookPage):
        page.open(notebook)
        page.run_all()
    elif isinstance(page, VoilaPage):
        page.open(notebook)
    widget = Widget(page)

    widget.type_into("steps", "1000")  # twenty seconds, time to stop it
    widget.button("Run").click()
    widget.wait_until_it_grows(times=3)
    widget.button("Stop").click()
    widget.wait_for_state("stopped")
    assert 0 < widget.num_points() < 1000
    widget.type_into("steps", "50")
    widget.button("Run").click()
    widget.wait_for_state("done")

    under_the_mouse = widget.drag_marker(1e-4)
    widget.button("suggestion").and_(page.page.locator(":enabled")).wait_for()
    assert widget.shown_lr == pytest.approx(under_the_mouse, rel=0.05)
    widget.wait_for_marker(widget.shown_lr)

    widget.tab("Schedule").click()
    line = widget.root.locator('.lrw-schedule path.line[style*="--lrw-curve"]').first
    line.wait_for(state="attached")
    one_cycle = line.get_attribute("d")
    widget.root.get_by_label("Schedule", exact=True).select_option("Cosine decay")
    page.page.wait_for_function("([line, d]) => line.getAttribute('d') !== d", arg=[line.element_handle(), one_cycle])
    widget.button("DataFrame").click()
    widget.root.get_by_text("schedule_df has 1,000 rows").wait_for()

    widget.tab("Data").click()
    widget.button("DataFrame").click()
    widget.root.get_by_text("lr_curve has").wait_for()
    with page.page.expect_download() as download:
        widget.root.get_by_role("link", name="Download CSV").click()
    download.value.save_as(tmp_path / "curve.csv")
    with (tmp_path / "curve.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[-1].keys() >= {"step", "lr", "loss", "smoothed_loss"}
    assert float(rows[-1]["lr"]) > 0.1
