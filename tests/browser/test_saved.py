"""What is left of a notebook without its kernel: saved, exported, reopened."""

import json
import re
from collections.abc import Iterator
from io import BytesIO

import nbclient
import nbformat
import pytest
from nbconvert import HTMLExporter
from PIL import Image

from tests.browser.cells import RUN, TRAINING, WIDGET
from tests.browser.pages import LabPage
from tests.browser.widget import Widget

NUM_POINTS = "print(len(widget.result))"


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[nbformat.NotebookNode]:
    """A notebook that was run from top to bottom without a screen, as nbconvert and papermill do."""
    cells = [nbformat.v4.new_code_cell(code) for code in (TRAINING, WIDGET, RUN, NUM_POINTS)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        nbclient.NotebookClient(notebook, kernel_name="python3", timeout=120).execute()
    return notebook


def test_html_export_holds_the_finished_curve(executed: nbformat.NotebookNode) -> None:
    """The page that nbconvert writes holds the widget with every point, and the result as a picture of its own."""
    num_points = int(executed.cells[3].outputs[0].text)
    page, _ = HTMLExporter().from_notebook_node(executed)
    [state] = re.findall(r'<script type="application/vnd.jupyter.widget-state\+json">(.*?)</script>', page, re.S)
    models = [model["state"] for model in json.loads(state)["state"].values()]
    lines = [model for model in models if model.get("_model_name") == "LinesModel"]
    assert num_points in [max((line["x"] or {}).get("shape", [0])) for line in lines]
    assert any("the loss exploded" in str(model.get("value")) for model in models)
    assert re.search(r'<svg[^>]+class="lrwidget-picture"', page) or "data:image/svg" in page


def test_saved_notebook_shows_its_last_picture(lab: LabPage, executed: nbformat.NotebookNode) -> None:
    """Opened again with nothing run, the widget stands there with its curve, its verdict and its number."""
    nbformat.write(executed, lab.server.root / "saved.ipynb")
    lab.server.trust("saved.ipynb")
    lab.load("saved.ipynb")
    widget = Widget(lab)
    widget.wait_for_points(int(executed.cells[3].outputs[0].text))
    widget.root.get_by_text("Good curve").wait_for()
    assert 1e-4 < widget.shown_lr < 1e-2
    lab.cell(2).locator("img").wait_for()  # the result


def test_picture_of_a_saved_notebook_follows_the_theme(lab: LabPage) -> None:
    """Opened again without its kernel, a notebook shows the picture in the dark theme's colours, and no state."""
    lab.open(lab.server.add_notebook("picture.ipynb", TRAINING, WIDGET, "_ = widget.run()"))
    lab.run_all()
    Widget(lab).wait_for_state("done")
    lab.save()
    lab.server.stop_kernels()
    lab.load("picture.ipynb")
    lab.set_theme("dark")
    picture = lab.cell(1).locator("img")
    picture.wait_for()
    with Image.open(BytesIO(picture.screenshot())) as image:
        brightness = max(image.convert("RGB").getpixel((8, 60)))
    lab.set_theme("light")  # the server keeps it for the tests after this one
    assert brightness < 0x40
    lab.errors[:] = [error for error in lab.errors if "widget model not found" not in error]  # that is the case here
    lab.page.goto("about:blank")  # where it can no longer be complained of
