"""All of the widget at all widths: nothing is cut off, everything has a name and says what it does."""

import pytest

from tests.browser.cells import TRAINING, WIDGET
from tests.browser.pages import LabPage
from tests.browser.widget import Widget

TABS = ("Range test", "Schedule", "Verify", "Data")


@pytest.fixture
def widget(lab: LabPage) -> Widget:
    """A widget that shows as much as it can: two runs, the usual range and a remark on it."""
    lab.open(lab.server.add_notebook("look.ipynb", TRAINING, "seconds = 0" + WIDGET))
    lab.run_all()
    widget = Widget(lab)
    lab.evaluate("0", before="widget.run(); widget.run(); widget.selected_lr = 0.5")
    widget.root.get_by_label("Usual for").select_option("fine-tuning")
    widget.root.get_by_text("(fine-tuning)").wait_for()
    widget.legend.nth(1).wait_for()
    return widget


def test_nothing_is_cut_off(lab: LabPage, widget: Widget) -> None:
    """In no tab is anything cut off or wider than the window, from 380 to 1600 pixels, opened so or resized to."""
    widget.type_into("max LR", "1e-9")
    widget.root.get_by_text("need 0 < min LR < max LR").wait_for()
    for width in (480, 900, 1600, 380):
        lab.page.set_viewport_size({"width": width, "height": 1000})
        for tab in TABS:
            widget.tab(tab).click()
            widget.panel.wait_for()
            lab.page.wait_for_timeout(150)  # figures answer after the page
            widget.wait_until_it_fits()
            assert widget.cut_texts() == [], f"{tab} at {width} pixels"
            assert widget.covered_numbers() == [], f"{tab} at {width} pixels"
    widget.tab("Schedule").click()
    widget.root.locator(".lrw-schedule-choice select").select_option("Cyclic (PyTorch)")
    widget.root.get_by_text("per step", exact=True).wait_for()
    assert widget.cut_texts() == []


def test_every_control_has_a_name_and_a_tooltip(lab: LabPage, widget: Widget) -> None:
    """What can be pressed or typed into has a name for those who do not see it, and a tooltip for those who do."""
    for tab in TABS:
        widget.tab(tab).click()
        widget.panel.wait_for()
        lab.page.wait_for_timeout(150)
        assert widget.controls_without("name") == [], tab
        assert widget.controls_without("tooltip") == [], tab
    tip = "head => getComputedStyle(head, '::after').visibility"
    head = widget.tab("Schedule")
    assert head.evaluate(tip) == "hidden"
    head.hover()
    lab.page.wait_for_function(f"head => ({tip})(head) === 'visible'", arg=head.element_handle())
    head.click()
    lab.page.wait_for_timeout(800)
    assert head.evaluate(tip) == "hidden"  # it would cover the controls of the tab that is open now
    lab.page.keyboard.press("ArrowRight")
    widget.tab("Range test").hover()
    shown = "heads => heads.filter(head => getComputedStyle(head, '::after').visibility === 'visible').length"
    lab.page.wait_for_timeout(800)
    assert widget.root.get_by_role("tab").evaluate_all(shown) == 1
    box = widget.tab("Data").bounding_box()
    assert box is not None
    below = {"x": box["x"], "y": box["y"] + 40, "width": 100, "height": 20}
    before = lab.page.screenshot(clip=below)
    widget.tab("Data").hover()
    lab.page.wait_for_timeout(800)
    assert lab.page.screenshot(clip=below) != before  # the last one's too is seen


def test_tabs_by_keyboard(lab: LabPage, widget: Widget) -> None:
    """The arrow keys go from tab to tab; what the others hold cannot be reached by the Tab key."""
    widget.tab("Range test").focus()
    lab.page.keyboard.press("ArrowRight")
    lab.page.keyboard.press("Enter")
    widget.root.locator(".lrw-schedule").wait_for()
    assert not widget.button("PNG").is_visible()
    for _ in range(12):
        lab.page.keyboard.press("Tab")
        assert lab.page.evaluate("document.activeElement.checkVisibility({visibilityProperty: true})")


def test_a_run_moves_nothing(lab: LabPage) -> None:
    """Where the bar of the run has a row of its own, the room for it is there before."""
    lab.open(lab.server.add_notebook("look.ipynb", TRAINING, "seconds = 0.02" + WIDGET))
    lab.run_all()
    widget = Widget(lab)
    place = "root => root.querySelector('.lrw-figure').getBoundingClientRect().top - root.getBoundingClientRect().top"
    for width in (480, 700, 1000):
        lab.page.set_viewport_size({"width": width, "height": 1000})
        widget.wait_until_it_fits()
        before = widget.root.evaluate(place)
        widget.button("Run").click()
        widget.wait_until_it_grows(times=1)
        assert widget.root.evaluate(place) == before
        widget.wait_for_state("done")
        assert widget.root.evaluate(place) == before
        widget.button("Clear").click()
        widget.wait_for_state("idle")
