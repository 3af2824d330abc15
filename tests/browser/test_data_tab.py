"""The Data tab: the numbers as table, variable, file and code, and the optimizer that is set on request only."""

import csv
import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.pages import LabPage
from tests.browser.widget import Widget

CELL = """
import torch
from lrwidget import LRFinderWidget
torch.manual_seed(0)
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.125, momentum=0.9)
inputs = torch.randn(64, 4)
batch = inputs, inputs.sum(1, keepdim=True)
widget = LRFinderWidget.from_torch(model, optimizer, torch.nn.functional.mse_loss, [batch], num_steps=50)
widget
"""


@pytest.fixture
def widget(lab: LabPage) -> Widget:
    """A widget with a PyTorch optimizer after a run, its Data tab open."""
    lab.open(lab.server.add_notebook("data.ipynb", CELL))
    lab.run_all()
    widget = Widget(lab)
    widget.tab("Data").click()
    widget.root.get_by_text("No steps yet.").wait_for()
    assert widget.button("DataFrame").is_disabled()
    widget.tab("Range test").click()
    widget.button("Run").click()
    widget.wait_for_state("done")
    widget.tab("Data").click()
    widget.root.get_by_role("table").wait_for()
    return widget


def test_numbers_to_take_along(lab: LabPage, widget: Widget, tmp_path: Path) -> None:
    """Table, variable and file hold the same rows; no name is overwritten unasked, and what is no name is refused."""
    expected = json.loads(lab.evaluate("widget.to_dataframe(all_runs=True).to_json(orient='records')"))
    rows = widget.root.get_by_role("table").get_by_role("row")
    assert rows.count() == 1 + len(expected)
    assert rows.nth(0).get_by_role("columnheader").all_text_contents() == ["run", "step", "lr", "loss", "smoothed loss"]
    for place in (0, len(expected) - 1):
        cells = rows.nth(1 + place).get_by_role("cell").all_text_contents()
        record = expected[place]
        assert cells[:2] == [record["run"], str(record["step"])]
        assert [float(cell) for cell in cells[2:]] == pytest.approx(list(record.values())[2:], rel=0.05)

    name = widget.root.get_by_label("Save as")
    assert name.input_value() == "lr_curve"
    widget.button("DataFrame").click()
    widget.root.get_by_text(f"lr_curve has {len(expected)} rows").wait_for()
    assert lab.evaluate("lr_curve.equals(widget.to_dataframe(all_runs=True))")

    lab.evaluate("0", before="lr_curve = 'mine'")
    widget.button("DataFrame").click()
    widget.root.get_by_text("lr_curve exists (str).").wait_for()
    assert lab.evaluate("lr_curve") == "mine"
    name.fill("lr_curve_2")
    name.press("Enter")
    widget.button("DataFrame").click()  # another name, so nothing is asked any more
    widget.root.get_by_text("lr_curve_2 has").wait_for()
    name.fill("lr_curve")
    name.press("Enter")
    widget.root.get_by_text("lr_curve_2 has").wait_for(state="detached")
    widget.button("DataFrame").click()
    widget.button("Overwrite").click()
    widget.root.get_by_text("lr_curve has").wait_for()
    assert lab.evaluate("lr_curve.equals(lr_curve_2)")

    for wrong in ("2nd curve", "class"):
        name.fill(wrong)
        name.press("Enter")
        widget.button("DataFrame").click()
        widget.root.get_by_text(f"need a name such as lr_curve, got '{wrong}'").wait_for()
        assert not lab.evaluate(f"{wrong!r} in globals()")

    with lab.page.expect_download() as download:
        widget.root.get_by_role("link", name="Download CSV").click()
    assert download.value.suggested_filename == "lr_curve.csv"
    download.value.save_as(tmp_path / "curve.csv")
    with (tmp_path / "curve.csv").open(newline="") as file:
        saved = list(csv.DictReader(file))
    assert [list(row) for row in saved] == [list(record) for record in expected]
    assert [float(row["loss"]) for row in saved] == pytest.approx([record["loss"] for record in expected], rel=1e-9)


def test_the_rate_to_take_along(lab: LabPage, widget: Widget) -> None:
    """The line of code makes this optimizer with the selected rate, is copied whole; Apply alone sets the optimizer."""
    lab.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    widget.number_box.fill("3.25e-2")
    widget.number_box.press("Enter")
    code = widget.root.get_by_role("textbox", name="Code", exact=True)
    line = "optimizer = torch.optim.SGD(model.parameters(), lr=3.25e-2, momentum=0.9)"
    expect(code).to_have_value(line)
    widget.button("Copy").click()
    widget.button("Copied").wait_for()
    assert lab.page.evaluate("navigator.clipboard.readText()") == line
    code.focus()  # by the keyboard alone: nothing of the notebook may hear these keys
    for key in ("x", "d", "d", "Control+a"):
        lab.page.keyboard.press(key)
    assert code.evaluate("box => box.value.slice(box.selectionStart, box.selectionEnd)") == line
    assert lab.page.locator(".jp-Notebook .jp-CodeCell").count() == 1

    assert lab.evaluate("[group['lr'] for group in optimizer.param_groups]") == [0.125]
    widget.button("Apply").click()
    lab.wait_until("optimizer.param_groups[0]['lr'] == 3.25e-2")
    widget.root.get_by_text("The optimizer's learning rate is 3.25e-2 now;").wait_for()
    widget.number_box.fill("1e-3")
    widget.number_box.press("Enter")
    widget.root.get_by_text("The optimizer's learning rate is").wait_for(state="detached")  # it is not this one
    assert lab.evaluate("optimizer.param_groups[0]['lr']") == 3.25e-2
