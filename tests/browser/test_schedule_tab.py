"""The Schedule tab in a real browser: keys on its sliders move the schedule, and what it hands over is PyTorch's."""

import time

import pytest

from tests.browser.cells import TRAINING, WIDGET
from tests.browser.pages import LabPage
from tests.browser.test_quickstart import REMEMBER, UNCHANGED
from tests.browser.widget import Widget

CELL = """
from ipywidgets import VBox
from lrwidget.live.schedule_model import ScheduleModel
from lrwidget.ui.schedule_tab import ScheduleTab
from lrwidget.ui.style import style_sheet
model = ScheduleModel(1e-2, total_steps=500)
tab = ScheduleTab(model)
VBox([style_sheet(), tab.box]).add_class("lrwidget")
"""

# PyTorch's own one-cycle with the settings of now, stepped for real.
STEPPED = """
import numpy as np, torch
settings = dict(schedule.arguments)
optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0, momentum=0.9)
scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.pop("peak"), **settings)
optimizer.step()
lrs, momenta = [], []
for _ in range(settings["total_steps"]):
    lrs.append(optimizer.param_groups[0]["lr"])
    momenta.append(optimizer.param_groups[0]["momentum"])
    scheduler.step()
"""
SHORT_PEAK = "__import__('lrwidget.axes', fromlist=['short_number']).short_number(widget.schedule.peak)"
SAME_LRS = "np.allclose(schedule_df['lr'], lrs, rtol=1e-9, atol=0)"
SAME_MOMENTA = "np.allclose(schedule_df['momentum'], momenta, rtol=1e-9, atol=0)"

# A training that takes as long as `pause` says.
TORCH_TRAINING = """
import time, torch
from lrwidget import LearningRateFinder, LRFinderWidget, TorchStep
torch.manual_seed(0)
inputs = torch.randn(256, 8)
targets = inputs @ torch.randn(8, 1) + 0.1 * torch.randn(256, 1)
data = torch.utils.data.TensorDataset(inputs, targets)
model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Dropout(0.1), torch.nn.Linear(16, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
pause = 0.03
def loss_fn(outputs, targets):
    time.sleep(pause)
    return torch.nn.functional.mse_loss(outputs, targets)
loader = torch.utils.data.DataLoader(data, batch_size=16, shuffle=True)
widget = LRFinderWidget(TorchStep(model, optimizer, loss_fn, loader), finder=LearningRateFinder(num_steps=60))
widget
"""

# Whether each of the two curves of a trial has so many points.
HAVE_POINTS = """counts => ['curve', 'mark'].every((colour, i) => {
    const line = document.querySelector(`.lrw-trial-picture path.line[style*="--lrw-${colour}"]`)
    return (line?.getAttribute('d')?.match(/[ML]/g)?.length ?? 0) >= counts[i]
})"""


# Controls without a tooltip on themselves, their label or what is around them.
WITHOUT_TOOLTIP = """() => [...document.querySelectorAll('.lrw-schedule :is(button, input, textarea, [role=slider])')]
    .filter(e => e.checkVisibility())
    .filter(e => !e.closest('[title]:not([title=""])'))
    .filter(e => !e.closest('.jupyter-widgets').querySelector('label[title]'))
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
    assert lab.evaluate(SAME_LRS, before=f"schedule = model.schedule{STEPPED}")
    assert lab.evaluate(SAME_MOMENTA)
    lab.button("DataFrame").click()
    lab.button("Overwrite").wait_for()


def test_what_is_typed_beyond_a_slider_stays(lab: LabPage) -> None:
    """A number beyond a slider's ends or between its steps stays as typed; keys move on from the slider's end."""
    open_tab(lab)
    typed = {"Lowest momentum": 0.37, "Peak ÷ start": 2000.0, "Start ÷ end": 12345678.0, "Peak LR": 1.234e-9}
    arguments = "[model.schedule.arguments[key] for key in ('base_momentum', 'div_factor', 'final_div_factor', 'peak')]"
    for label, value in typed.items():
        box = text_box(lab, label)
        box.fill(str(value))
        box.press("Enter")
    lab.page.wait_for_timeout(1000)  # time for the browser to answer
    assert lab.evaluate(arguments) == list(typed.values())
    lab.output.locator(".lrw-value:has-text('Lowest momentum')").get_by_role("slider").press("ArrowRight")
    lab.wait_until("model.schedule.arguments['base_momentum'] == 0.501")


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


def test_the_marker_moves_one_cycle_to_what_pytorch_does(lab: LabPage) -> None:
    """One-cycle picked, its sliders moved, the marker dragged on the other tab: the table is that of OneCycleLR."""
    lab.open(lab.server.add_notebook("link.ipynb", TRAINING, WIDGET))
    lab.run_all()
    widget = Widget(lab)
    widget.button("Run").click()
    widget.wait_for_state("done")
    lab.wait_until("widget.state == 'done'")  # a moment after the page
    widget.wait_until_drawn(lab.evaluate("len(widget.result)"))
    widget.tab("Schedule").click()
    choice = widget.root.get_by_role("combobox", name="Schedule")
    choice.select_option("Cosine decay")
    lab.wait_until("widget.schedule.name == 'cosine'")
    choice.select_option("One cycle (PyTorch)")
    lab.wait_until("widget.schedule.name == 'one_cycle'")
    rise = widget.root.locator(".lrw-value:has-text('Rise')").get_by_role("slider")
    for _ in range(5):
        rise.press("ArrowRight")
    lab.wait_until("round(widget.schedule.arguments['pct_start'], 6) == 0.35")
    total = text_box(lab, "Total steps")
    total.fill("800")
    total.press("Enter")
    lab.wait_until("widget.schedule.total_steps == 800")
    widget.root.get_by_text(f"peaks at {lab.evaluate(SHORT_PEAK)} ").wait_for()

    widget.tab("Range test").click()
    under_the_mouse = widget.drag_marker(3e-2)
    lab.wait_until("widget.schedule.peak == widget.selected_lr")
    widget.tab("Schedule").click()
    widget.root.get_by_text(f"peaks at {lab.evaluate(SHORT_PEAK)} (step 279)").wait_for()  # 0.35 * 800 - 1
    assert float(text_box(lab, "Peak LR").input_value()) == pytest.approx(under_the_mouse, rel=0.06)
    ticks = widget.root.locator(".lrw-schedule-picture").first.locator(".axis").nth(1).locator(".tick")
    assert max(float(text) for text in ticks.all_text_contents()) == pytest.approx(under_the_mouse, rel=0.35)

    widget.button("DataFrame").click()
    lab.wait_until("'schedule_df' in globals() and len(schedule_df) == 800")
    assert lab.evaluate(SAME_LRS, before=f"schedule = widget.schedule{STEPPED}")
    assert lab.evaluate(SAME_MOMENTA)
    assert lab.evaluate("bool(np.isclose(schedule_df['lr'].max(), widget.selected_lr, rtol=1e-12))")


def test_try_it_stopped_and_to_the_end(lab: LabPage) -> None:
    """Both curves grow on the screen; Stop acts at once and restores the model; a second trial tells what came out."""
    lab.open(lab.server.add_notebook("try.ipynb", TORCH_TRAINING))
    lab.run_cell(0)
    lab.evaluate("0", before=REMEMBER)
    widget = Widget(lab)
    widget.tab("Schedule").click()
    widget.root.get_by_text("compressed to 60").wait_for()
    widget.button("Try it").click()
    for counts in ([5, 0], [20, 0], [60, 0]):
        lab.page.wait_for_function(HAVE_POINTS, arg=counts)
    lab.evaluate("0", before="pause = 0.3")  # time to stop the second one
    lab.page.wait_for_function(HAVE_POINTS, arg=[60, 3])
    assert widget.button("Try it").is_disabled()
    widget.root.get_by_text("training 2 of 2").wait_for()
    widget.button("Stop trying").click()
    widget.root.get_by_text("there is nothing to compare").wait_for()
    taken = lab.evaluate("len(widget._bench.schedule_trial.frame().result.trials[1].losses)")
    assert 3 <= taken < 60
    assert lab.evaluate(UNCHANGED)

    lab.evaluate("0", before="pause = 0.005")
    widget.root.get_by_role("combobox", name="Schedule").select_option("Cosine decay")
    steps = widget.root.get_by_label("steps each").locator("visible=true")
    steps.fill("30")
    steps.press("Enter")
    widget.root.get_by_text("compressed to 30").wait_for()
    widget.button("Try it").click()
    widget.root.get_by_text("means of the last 8 of 30 steps").wait_for()
    lab.page.wait_for_function(HAVE_POINTS, arg=[30, 30])
    assert lab.evaluate(UNCHANGED)
    assert widget.controls_without("name") == []
    for width in (480, 1600):
        lab.page.set_viewport_size({"width": width, "height": 2400})  # what is out of sight does not answer
        deadline = time.monotonic() + 10
        while widget.cut_texts() and time.monotonic() < deadline:  # figures answer a while later
            lab.page.wait_for_timeout(100)
        assert widget.cut_texts() == []
