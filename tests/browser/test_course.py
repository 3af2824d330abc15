"""Every notebook of the course in JupyterLab: run from top to bottom, then used as a student uses it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import nbformat
from playwright.sync_api import Locator

from tests.browser.pages import LabPage
from tests.browser.widget import Widget

FOLDER = Path(__file__).parents[2] / "notebooks"

# The cells of the gallery with a curve each.
GALLERY = ("good", "flat", "flat-noise", "explosion", "falling", "noisy", "rising", "missing")

# The outputs of the code cells as the notebook keeps them, by the cell's id.
_OUTPUTS = """() => {
    const cells = [...window.jupyterapp.shell.currentWidget.content.model.cells].filter(cell => cell.type === 'code')
    return Object.fromEntries(cells.map(cell => [cell.id, cell.sharedModel.getOutputs()]))
}"""

# What stands in a cell, by its id.
_REWRITE = """([id, source]) => {
    const cells = [...window.jupyterapp.shell.currentWidget.content.model.cells]
    cells.find(cell => cell.id === id).sharedModel.setSource(source)
}"""


class Course:
    """A notebook of the course, opened in JupyterLab and run from top to bottom without an error."""

    def __init__(self, lab: LabPage, name: str) -> None:
        [path] = FOLDER.glob(f"{name}-*.ipynb")
        self.lab = lab
        self._cells = nbformat.read(path, as_version=4).cells
        self._ids = [cell.id for cell in self._cells if cell.cell_type == "code"]
        shutil.copy(path, lab.server.root)
        lab.open(path.name)
        self.command("notebook:run-all-cells")
        outputs = self.outputs
        bad = [o for of_cell in outputs.values() for o in of_cell if o["output_type"] == "error" or is_stderr(o)]
        assert bad == []
        assert lab.page.locator(".lrw-failure, .jupyter-widgets-error-widget").count() == 0

    @property
    def outputs(self) -> dict[str, list[dict[str, Any]]]:
        """What each code cell has put out, by its id."""
        return self.lab.page.evaluate(_OUTPUTS)

    def command(self, name: str) -> None:
        """Execute a command of JupyterLab and wait until it is done."""
        self.lab.page.evaluate("name => window.jupyterapp.commands.execute(name)", name)

    def cell(self, cell_id: str) -> Locator:
        """A code cell."""
        return self.lab.cell(self._ids.index(cell_id))

    def run(self, cell_id: str) -> str:
        """Run a cell and return what it prints."""
        self.lab.run_cell(self._ids.index(cell_id))
        return self.text(cell_id)

    def text(self, cell_id: str) -> str:
        """What a cell has printed."""
        return "".join(o["text"] for o in self.outputs[cell_id] if o.get("name") == "stdout")

    def solve(self, exercise: str) -> str:
        """Put an exercise's solution into its cell, run it and the check, and return what the check prints."""
        position = [cell.id for cell in self._cells].index(exercise)
        check, solution = self._cells[position + 1 : position + 3]
        code = re.search(r"```python\n(.*?)```", solution.source, re.DOTALL)
        assert code is not None
        self.lab.page.evaluate(_REWRITE, [exercise, code[1]])
        self.run(exercise)
        return self.run(check.id)


def is_stderr(output: dict[str, Any]) -> bool:
    return output.get("name") == "stderr"


def pictures(cell: Locator) -> list[int]:
    """The widths of the static pictures that a cell shows, 0 for one that the browser cannot draw."""
    return cell.locator(".jp-OutputArea-output img").evaluate_all("images => images.map(image => image.naturalWidth)")


# A figure's lines of more than one point.
LINES = ".lrw-figure path.line[d*='L']"


def test_the_strides_and_the_race(lab: LabPage) -> None:
    """02: four strides and three lanes are drawn, a button changes the optimizer, both solutions are accepted."""
    course = Course(lab, "02")
    strides = lab.page.locator(".lrw-stride")
    assert strides.count() == 4
    for i in range(4):
        strides.nth(i).locator(LINES).first.wait_for(state="attached")
    lab.page.locator(".lrw-lane-words").nth(1).get_by_text("trains best").wait_for()

    assert lab.evaluate("ravine.verdict.kind") == "crawls"
    strides.nth(1).get_by_role("button", name="momentum", exact=True).click()
    lab.wait_until("ravine.optimizer == 'momentum'")
    assert lab.evaluate("ravine.verdict.kind") == "converges"
    strides.nth(1).get_by_text(lab.evaluate("ravine.verdict.message")).wait_for()

    assert course.solve("first-exercise-answer").startswith("Right")
    assert "Right" in course.solve("second-exercise-answer")


def test_the_range_test_by_hand(lab: LabPage) -> None:
    """03: the result draws itself as a picture; a student's own train step is accepted."""
    course = Course(lab, "03")
    assert min(pictures(course.cell("picture"))) > 600
    assert course.solve("first-exercise-answer").startswith("Right")
    assert course.solve("second-exercise-answer").startswith("Right")


def test_the_gallery_and_a_repair(lab: LabPage) -> None:
    """04: all eight curves are pictures; a fault named by its check is repaired, and the check says so."""
    course = Course(lab, "04")
    shown = [pictures(course.cell(cell_id)) for cell_id in GALLERY]
    assert [len(of_cell) for of_cell in shown] == [1] * 8
    assert min(map(min, shown)) > 600
    assert course.text("flat-check").startswith("Still flat")
    assert course.solve("flat").startswith("Repaired")
    assert pictures(course.cell("flat")) == shown[0]


def test_the_optimizers(lab: LabPage) -> None:
    """05: two results and a stride are shown; the stride swings once momentum is pressed; a solution is accepted."""
    course = Course(lab, "05")
    assert len(pictures(course.cell("pictures"))) == 2
    stride = course.cell("momentum").locator(".lrw-stride")
    stride.locator(LINES).first.wait_for(state="attached")
    path = stride.locator(f".lrw-stride-walk {LINES}").last
    before = path.get_attribute("d")
    stride.get_by_role("button", name="momentum", exact=True).click()
    lab.page.wait_for_function(
        "([path, before]) => path.getAttribute('d') !== before", arg=[path.element_handle(), before]
    )
    assert course.solve("first-exercise-answer").count("Right") == 2


def test_the_schedules(lab: LabPage) -> None:
    """06: both schedules are drawn; a student's own function and the beaten constant rate are accepted."""
    course = Course(lab, "06")
    course.cell("picture").locator(".bqplot path.line[d*='L']").nth(1).wait_for(state="attached")
    assert course.solve("first-exercise-answer").startswith("Right")
    assert course.solve("third-exercise-answer").startswith("Right")


def test_before_a_full_training(lab: LabPage) -> None:
    """07: the widget, run by its cell, is run again by hand and finds the same rate; a solution is accepted."""
    course = Course(lab, "07")
    widget = Widget(lab)
    widget.wait_for_state("done")
    lab.wait_until("widget.state == 'done'")  # a moment after the page
    found = lab.evaluate("[widget.selected_lr, len(widget.result)]")
    widget.button("Run").click()
    lab.wait_until("widget.state == 'done' and widget.result is not None")
    widget.wait_until_shown(found[0])
    widget.wait_for_points(found[1])
    assert course.solve("exercise-answer").startswith("Right")


def test_other_frameworks(lab: LabPage) -> None:
    """08: each framework's range test has run and Keras' is shown; a framework of one's own is accepted."""
    course = Course(lab, "08")
    for cell_id in ("keras", "sklearn", "hf", "lightning"):
        assert "Suggested LR: " in course.text(cell_id)
    assert len(pictures(course.cell("keras"))) == 1
    assert course.solve("exercise-answer").startswith("Right")


def test_large_runs(lab: LabPage) -> None:
    """09: the watched run has arrived, the sweep is drawn and can be regrouped, a solution is accepted."""
    course = Course(lab, "09")
    watched = course.cell("watch")
    watched.get_by_text("run.jsonl: the run has ended").wait_for()
    watched.locator(LINES).first.wait_for(state="attached")
    assert len(pictures(course.cell("torchrun"))) == 1
    sweep = course.cell("sweep").locator(".lrw-sweep")
    sweep.get_by_text("8/8 range tests · completed").wait_for()
    assert sweep.locator(LINES).count() == 8
    sweep.get_by_label("Rows").select_option("seed")
    sweep.locator("caption", has_text="seed × weight_decay").first.wait_for()
    assert course.solve("exercise-answer").startswith("Right")
