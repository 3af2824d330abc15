"""What the figure says and does: hovering, the log axis, ticks, bands, zoom, and pictures to take away."""

import json
import math
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from PIL import Image

from tests.browser.cells import TRAINING, WIDGET
from tests.browser.pages import LabPage
from tests.browser.widget import Widget

FAST = "seconds = 0"


@pytest.fixture
def measured(lab: LabPage) -> Widget:
    """A widget after a run."""
    lab.open(lab.server.add_notebook("figure.ipynb", TRAINING, FAST + WIDGET))
    lab.run_all()
    widget = Widget(lab)
    widget.button("Run").click()
    lab.wait_until("widget.state == 'done'")
    widget.wait_until_drawn(lab.evaluate("len(widget.result)"))
    widget.figure.scroll_into_view_if_needed()
    return widget


def test_what_is_pointed_at_says_what_it_is(lab: LabPage, measured: Widget) -> None:
    """A point says its step, rate and loss; a tick its rule and rate; the end of a diverged run is marked whole."""
    step, lr, loss = lab.evaluate("[40, float(widget.result.lrs[40]), float(widget.result.losses[40])]")
    area = measured.plot_area
    lab.page.mouse.move(area["x"] + 5, area["y"] + area["height"] / 2)
    lab.page.mouse.move(measured.x_of(lr), measured.y_of(loss), steps=4)
    measured.wait_for_tooltip(f"step {step} · LR {as_people_write_it(lr)} · loss {loss:.4g}")

    suggested = lab.evaluate(
        "{rule: s.lr for rule in RULES if (s := widget.result.suggest(rule)).lr}",
        before="from lrwidget.suggestions import RULES",
    )
    ticks = measured.figure.locator('.object_grp path[style*="--lrw-raw"]')
    ticks.nth(len(suggested) - 1).wait_for()  # the slow rules' come last
    assert ticks.count() == len(suggested)
    rule, lr = min(suggested.items(), key=lambda item: item[1])  # not covered by another one
    lab.page.mouse.move(measured.x_of(lr), area["y"] + area["height"] - 40)
    lab.page.mouse.move(measured.x_of(lr), area["y"] + area["height"] - 4, steps=4)
    measured.wait_for_tooltip(f"{rule}: {as_people_write_it(lr)}")

    assert lab.evaluate("str(widget.result.stop_reason)") == "diverged"
    cross = measured.figure.locator('.object_grp path[style*="--lrw-bad"]').last
    box = cross.bounding_box()
    assert box is not None
    assert box["x"] + box["width"] / 2 == pytest.approx(measured.x_of(lab.evaluate("widget.result.lrs[-1]")), abs=2)
    assert cross.evaluate("e => !e.closest('[clip-path]') && getComputedStyle(e).clipPath === 'none'")


def test_log_axis_and_usual_range(lab: LabPage, measured: Widget) -> None:
    """The log button spaces losses by their ratios; the usual range is shaded, and a rate beyond it remarked on."""
    assert is_evenly_spaced(measured.loss_ticks, lambda loss: loss)
    measured.button("log").click()
    wait_for_even_ticks(measured, math.log)
    assert not is_evenly_spaced(measured.loss_ticks, lambda loss: loss)
    measured.button("log").click()
    wait_for_even_ticks(measured, lambda loss: loss)

    measured.root.get_by_label("Usual for").select_option("transformer")
    band = measured.figure.locator('path.area[style*="--lrw-typical"]')
    band.wait_for()
    box = band.bounding_box()
    assert box is not None
    edges = [measured.lr_at(box["x"]), measured.lr_at(box["x"] + box["width"])]
    assert edges == pytest.approx([1e-5, 1e-3], rel=0.05)  # the tutorial's table
    measured.number_box.fill("2e-2")
    measured.number_box.press("Enter")
    measured.root.get_by_text("2e-2 lies above the usual 1e-5 … 1e-3 (transformer).").wait_for()
    measured.number_box.fill("5e-6")
    measured.number_box.press("Enter")
    measured.root.get_by_text("5e-6 lies below the usual 1e-5 … 1e-3 (transformer).").wait_for()
    measured.number_box.fill("5e-4")
    measured.number_box.press("Enter")
    measured.root.get_by_text("the usual").wait_for(state="detached")


def test_zoom_pan_and_reset(lab: LabPage, measured: Widget) -> None:
    """The wheel zooms where the mouse is, dragging pans, then the marker can be dragged in there; reset shows all."""
    assert measured.lr_range == pytest.approx((1e-7, 10.0), rel=0.05)
    area = measured.plot_area
    x, y = area["x"] + area["width"] / 2, area["y"] + area["height"] / 2
    middle = measured.lr_at(x)
    measured.button("zoom").click()
    lab.page.mouse.move(x, y)
    for _ in range(3):
        lab.page.mouse.wheel(0, -200)
        lab.page.wait_for_timeout(100)
    wait_for_range(measured, lambda low, high: high / low < 1e6)
    low, high = measured.lr_range
    assert low < middle < high
    measured.marker_slider.wait_for(state="hidden")  # it would stand under another rate than its own

    lab.page.mouse.down()
    lab.page.mouse.move(x + 120, y, steps=6)
    lab.page.mouse.up()
    wait_for_range(measured, lambda new_low, _: new_low < low / 1.5)
    panned = measured.lr_range
    assert panned[1] / panned[0] == pytest.approx(high / low, rel=0.3)

    measured.button("zoom").click()
    target = math.sqrt(panned[0] * panned[1])
    measured.number_box.fill(f"{target:.3e}")
    measured.number_box.press("Enter")
    lab.wait_until("widget.selected_lr is not None")
    measured.wait_for_marker(target)
    under_the_mouse = measured.drag_marker(target * 3)
    lab.wait_until(f"widget.selected_lr > {target * 1.5}")
    assert lab.evaluate("widget.selected_lr") == pytest.approx(under_the_mouse, rel=0.05)

    measured.button("reset").click()
    wait_for_range(measured, lambda low, high: high / low > 0.9e8)
    assert measured.lr_range == pytest.approx((1e-7, 10.0), rel=0.05)
    measured.marker_slider.wait_for(state="visible")


def test_pictures_to_save(lab: LabPage, measured: Widget, tmp_path: Path) -> None:
    """PNG and SVG are downloads of the figure as it is: twice its size, its axes, its curve in its colour."""
    figure = measured.figure.bounding_box()
    assert figure is not None
    with lab.page.expect_download() as download:
        measured.button("PNG").click()
    assert download.value.suggested_filename == "range_test.png"
    download.value.save_as(tmp_path / "figure.png")
    with Image.open(tmp_path / "figure.png") as image:
        assert image.size == pytest.approx((2 * figure["width"], 2 * figure["height"]), abs=4)
        colours = image.convert("RGB").getcolors(1 << 20)
    assert dict(map(reversed, colours)).get((0x00, 0x72, 0xB2), 0) > 500  # type: ignore[arg-type]

    with lab.page.expect_download() as download:
        measured.button("SVG").click()
    assert download.value.suggested_filename == "range_test.svg"
    download.value.save_as(tmp_path / "figure.svg")
    root = ElementTree.parse(tmp_path / "figure.svg").getroot()
    texts = {element.text for element in root.iter() if element.tag.endswith("text")}
    assert {"learning rate", "loss", "1e-3"} <= texts
    paths = [element.get("d", "") for element in root.iter() if "--lrw-curve" in element.get("style", "")]
    assert measured.curve_path() in paths


def as_people_write_it(lr: float) -> str:
    """Two digits, no padding: ``3.2e-2``, ``1e-7``, and from 0.1 to 99 no exponent."""
    if 0.1 <= lr < 99.5:
        return f"{lr:.2g}"
    mantissa, exponent = f"{lr:.1e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"


def is_evenly_spaced(ticks: list[tuple[float, float]], scale: Any) -> bool:
    """Whether the ticks stand where a scale puts them, to half a pixel or two."""
    if len(ticks) < 3:
        return False  # two are evenly spaced on any scale
    (first, y_first), (last, y_last) = ticks[0], ticks[-1]
    slope = (y_last - y_first) / (scale(last) - scale(first))
    return all(abs(y - y_first - slope * (scale(value) - scale(first))) < 2 for value, y in ticks)


def wait_for_even_ticks(widget: Widget, scale: Any) -> None:
    """Wait until the ticks of the losses stand where a scale puts them: they may come after the curve."""
    deadline = time.monotonic() + 20
    while not is_evenly_spaced(widget.loss_ticks, scale):
        assert time.monotonic() < deadline, f"the ticks should be evenly spaced, but stand at {widget.loss_ticks}"
        widget.page.wait_for_timeout(50)


def wait_for_range(widget: Widget, condition: Any) -> None:
    """Wait until the rates at the edges of the figure satisfy the condition."""
    for _ in range(100):
        if condition(*widget.lr_range):
            return
        widget.page.wait_for_timeout(50)
    raise AssertionError(f"the figure should show another range, not {json.dumps(widget.lr_range)}")
