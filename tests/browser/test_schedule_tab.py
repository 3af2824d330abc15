"""The Schedule tab in a real browser: keys on its sliders move the schedule, and what it hands over is PyTorch's."""

from tests.browser.pages import LabPage
from tests.browser.widget import Widget

CELL = """
from ipywidgets import VBox
from lrwidget.live.schedule_model import ScheduleModel
from lrwidget.ui.schedule_tab import ScheduleTab
from lrwidget.ui.style import style_sheet
model = ScheduleModel(1e-2, total_steps=500)
tab = ScheduleTab(model)
VBox([style_sheet(), tab.widget]).add_class("lrwidget")
"""

# PyTorch's own one-cycle with the settings of now, stepped for real.
STEPPED = """
import numpy as np, torch
settings = dict(model.schedule.arguments)
optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0, momentum=0.9)
scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.pop("peak"), **settings)
optimizer.step()
lrs, momenta = [], []
for _ in range(model.total_steps):
    lrs.append(optimizer.param_groups[0]["lr"])
    momenta.append(optimizer.param_groups[0]["momentum"])
    scheduler.step()
"""


# Controls without a tooltip on themselves or their label. Lists have none in ipywidgets; a line of text explains them.
WITHOUT_TOOLTIP = """() => [...document.querySelectorAll('.lrw-schedule :is(button, input, textarea, [role=slider])')]
    .filter(e => e.checkVisibility())
    .filter(e => !e.title && !e.closest('.jupyter-widgets').querySelector('label[title]'))
    .map(e => e.outerHTML)"""


def open_tab(lab: LabPage) -> None:
    lab.open(lab.server.add_notebook("schedule.ipynb", CELL))
    lab.run_cell(0)
    lab.output.locator(".lrw-schedule .bqplot path.line").first.wait_for(state="attached")


def text_box(lab: LabPage, words: str):  # type: ignore[no-untyped-def]
    return lab.output.locator(f".lrw-value:has-text('{words}') input[type=text]").first


def test_one_cycle_by_keyboard_is_pytorchs(lab: LabPage) -> None:
    """Sliders moved by keys, a number typed, the table saved and asked about: it is OneCycleLR's, momentum included."""
    open_tab(lab)
    rise = lab.output.locator(".lrw-value:has-text('Rise')").get_by_role("slider")
    for _ in range(5):
        rise.press("ArrowRight")
    lab.wait_until("round(model.schedule.arguments['pct_start'], 6) == 0.35")
    total = text_box(lab, "Total steps")
    total.fill("640")
    total.press("Enter")
    lab.wait_until("model.total_steps == 640")
    lab.evaluate("0", before="model.set_lr(0.0321987); tab.render()")
    lab.page.wait_for_timeout(300)  # time for the browser to put the slider onto a step and to send that back
    assert lab.evaluate("(model.schedule.peak, model.frame().is_linked)") == [0.0321987, True]
    lab.button("DataFrame").click()
    lab.wait_until("'schedule_df' in globals()")
    lab.output.get_by_text("schedule_df has 640 rows").wait_for()
    assert lab.evaluate("np.allclose(schedule_df['lr'], lrs, rtol=1e-9, atol=0)", before=STEPPED)
    assert lab.evaluate("np.allclose(schedule_df['momentum'], momenta, rtol=1e-9, atol=0)")
    lab.button("DataFrame").click()
    lab.button("Overwrite").wait_for()


def test_download_and_copy(lab: LabPage) -> None:
    """The CSV comes as a file; the code can be selected by keyboard alone, and no cell is touched by the keys."""
    open_tab(lab)
    lab.button("CSV").click()
    with lab.page.expect_download() as download:
        lab.output.get_by_role("link", name="Download schedule.csv").click()
    lines = download.value.path().read_text().splitlines()
    assert (lines[0], len(lines)) == ("step,lr,momentum", 501)
    code = lab.output.get_by_label("Code of the schedule")
    code.focus()
    for key in ("x", "d", "d", "Control+a"):
        lab.page.keyboard.press(key)
    selected = "(box) => box.value.slice(box.selectionStart, box.selectionEnd)"
    assert code.evaluate(selected) == lab.evaluate("model.schedule.code('torch')")
    assert lab.page.locator(".jp-Notebook .jp-CodeCell").count() == 1


def test_axes_units_and_every_schedule(lab: LabPage) -> None:
    """Every schedule is drawn on both kinds of axis, in all units, without an error in the browser's console."""
    open_tab(lab)
    curve = "document.querySelectorAll('.lrw-schedule .bqplot path.line').length"
    assert lab.page.evaluate(curve) > 3
    lab.evaluate(
        "0",
        before="""
for log in (True, False):
    tab.log.value = log
    for name in tab.choice.options.values():
        tab.choice.value = name
    tab.length_unit.value = tab.step_unit.value = log
    tab.front.value = "cosine" if log else "none"
    tab.compare.click()
""",
    )
    lab.output.get_by_text("One cycle, quadratic (tutorial), 1e-2").first.wait_for()
    lab.page.wait_for_timeout(500)
    assert lab.errors == []


def test_narrow_and_wide(lab: LabPage) -> None:
    """From 480 to 1600 pixels no text is cut off, and where it is narrow the picture comes before the values."""
    open_tab(lab)
    widget = Widget(lab)
    for width in (480, 900, 1600):
        lab.page.set_viewport_size({"width": width, "height": 1000})
        lab.page.wait_for_timeout(400)
        widget.wait_until_it_fits()
        assert widget.cut_texts() == []
        picture = lab.output.locator(".lrw-schedule-picture").bounding_box()
        side = lab.output.locator(".lrw-schedule-side").bounding_box()
        assert picture is not None
        assert side is not None
        assert (picture["y"] < side["y"]) if width < 1000 else (picture["x"] > side["x"])
        assert picture["width"] > 300


def test_every_control_explains_itself(lab: LabPage) -> None:
    """Each control of each schedule has a name for those who do not see it, and a tooltip for those who do."""
    open_tab(lab)
    widget = Widget(lab)
    for name in ("one_cycle", "cyclic", "multi_step", "warmup_stable_decay"):
        lab.evaluate("0", before=f"tab.choice.value = '{name}'; tab.front.value = 'linear'; tab.compare.click()")
        lab.page.wait_for_timeout(300)
        assert widget.controls_without("name") == []
        assert lab.page.evaluate(WITHOUT_TOOLTIP) == []
