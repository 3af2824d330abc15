"""The main story: open the quickstart, run it, watch, stop, run again, drag, take the number away."""

import shutil
from pathlib import Path

import pytest

from tests.browser.pages import LabPage
from tests.browser.widget import Widget

[QUICKSTART] = (Path(__file__).parents[2] / "notebooks").glob("*quickstart.ipynb")

REMEMBER = """
import copy
remembered = copy.deepcopy([model.state_dict(), optimizer.state_dict(), torch.get_rng_state()])
def equal(a, b):
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    return torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b
"""
UNTRAIN = "[layer.reset_parameters() for layer in model if hasattr(layer, 'reset_parameters')]"
UNCHANGED = "equal(remembered, [model.state_dict(), optimizer.state_dict(), torch.get_rng_state()])"


def test_quickstart_from_run_to_the_number(lab: LabPage) -> None:
    """The curve grows while it trains; Stop stops and restores; the marker dragged by hand is the kernel's number."""
    shutil.copy(QUICKSTART, lab.server.root)
    lab.open(QUICKSTART.name)
    lab.run_all()
    widget = Widget(lab)
    widget.wait_for_state("done")  # the last cell, run at once, has run the test itself
    assert "of the unseen digits are read correctly" in lab.output.last.text_content()
    lab.evaluate("0", before=REMEMBER)

    steps = widget.root.get_by_role("slider").nth(2)
    steps.press("End")  # as many as there are, for time to stop
    lab.wait_until("widget.num_steps == 1000")
    widget.button("Run").click()
    widget.wait_for_state("running")
    widget.wait_until_it_grows(times=3)
    widget.button("Stop").click()
    lab.wait_until("widget.state == 'stopped'")
    assert lab.evaluate("str(widget.result.stop_reason)") == "stopped"
    assert 3 < lab.evaluate("len(widget.result)") < 1000
    assert lab.evaluate(UNCHANGED)

    steps.press("Home")
    lab.evaluate("0", before="widget.num_steps = 150")
    lab.evaluate("0", before=UNTRAIN + REMEMBER)  # the loss of a trained model hardly falls
    widget.button("Run").click()
    lab.wait_until("widget.state == 'done' and widget.result.settings['num_steps'] == 150")
    widget.wait_for_state("done")
    lab.wait_until("widget.state == 'done'")  # a moment after the page
    assert lab.evaluate(UNCHANGED)
    assert lab.evaluate("widget.selected_lr == widget.suggested_lr")
    num_points = lab.evaluate("len(widget.result)")
    assert (widget.num_points(), widget.num_points("raw")) == (num_points, num_points)

    under_the_mouse = widget.drag_marker(2e-4)
    lab.wait_until("widget.selected_lr < 1e-3")
    assert widget.button("suggestion").is_enabled()  # the way back
    selected_lr = lab.evaluate("widget.selected_lr")
    assert widget.shown_lr == selected_lr
    assert selected_lr == pytest.approx(under_the_mouse, rel=0.05)
