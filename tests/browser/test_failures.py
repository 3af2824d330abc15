"""Errors of the user's own training, shown where the user looks."""

from tests.browser.cells import TRAINING
from tests.browser.pages import LabPage
from tests.browser.widget import Widget

FAILING = """
class Broken(Exception):
    pass

def train(lr):
    if weights["steps"] == 30:
        raise Broken("<img src=x onerror='window.hacked = 1'><script>window.hacked = 1</script> & 1 < 2")
    weights["steps"] += 1
    return loss_at(lr)

step = RestoringStep(train, save=weights.copy, restore=weights.update)
widget = LRFinderWidget(step)
widget
"""


def test_an_exception_is_shown_as_text_with_its_line(lab: LabPage) -> None:
    """Type, message and the failing line of the user's code stand in the widget; the traceback is one click away."""
    lab.open(lab.server.add_notebook("failing.ipynb", TRAINING, FAILING))
    lab.run_all()
    widget = Widget(lab)
    widget.button("Run").click()
    widget.wait_for_state("failed")
    alert = widget.root.get_by_role("alert")
    assert "Broken" in alert.text_content()
    assert "<script>window.hacked = 1</script> & 1 < 2" in alert.text_content()
    assert "raise Broken(" in alert.text_content()
    assert not alert.get_by_text("Traceback (most recent call last)").is_visible()
    alert.get_by_text("Full traceback").click()
    alert.get_by_text("Traceback (most recent call last)").wait_for()
    assert lab.page.evaluate("window.hacked") is None
    assert not widget.root.locator("img[src=x]").count()

    assert lab.evaluate("[widget.state, len(widget.result), weights['steps']]") == ["failed", 30, 0]
    widget.wait_for_points(30)  # nothing that was recorded is lost
    assert lab.evaluate("str(widget.result.stop_reason)") == "failed"
    widget.button("Dismiss").click()
    alert.wait_for(state="detached")


def test_a_long_message_leaves_the_window_to_the_widget(lab: LabPage) -> None:
    """All of a message of pages can be scrolled to, in a box that leaves the button below it in sight."""
    long = FAILING.replace('"<img', '"many words " * 1000 + "<img')
    lab.open(lab.server.add_notebook("failing.ipynb", TRAINING, long))
    lab.run_all()
    widget = Widget(lab)
    widget.button("Run").click()
    widget.wait_for_state("failed")
    alert = widget.root.get_by_role("alert")
    alert.get_by_text("many words").first.wait_for()
    assert alert.bounding_box()["height"] < 400
    message = alert.locator("div").first
    scrolls = "box => box.scrollHeight > 2 * box.clientHeight && getComputedStyle(box).overflowY"
    assert message.evaluate(scrolls) == "auto"


def test_a_blocking_run_raises_too(lab: LabPage) -> None:
    """`run()` shows the error in the widget and raises it in the cell."""
    lab.open(lab.server.add_notebook("raising.ipynb", TRAINING, FAILING, "widget.run()"))
    lab.run_cell(0)
    lab.run_cell(1)
    lab.run_cell(2)
    widget = Widget(lab)
    widget.wait_for_state("failed")
    assert "Broken" in widget.root.get_by_role("alert").text_content()
    assert "Broken" in lab.cell(2).locator(".jp-OutputArea").text_content()
