"""Several runs in one widget: their legend, and the remedy that one click takes."""

import pytest

from tests.browser.cells import TRAINING, WIDGET
from tests.browser.pages import LabPage
from tests.browser.widget import Widget

FAST = "seconds = 0"

NOISE = """
import random
from lrwidget import LRFinderWidget, RestoringStep
rng = random.Random(0)
step = RestoringStep(lambda lr: 2 + 0.1 * rng.gauss(0, 1), save=rng.getstate, restore=rng.setstate)
widget = LRFinderWidget(step)
widget
"""


@pytest.fixture
def widget(lab: LabPage) -> Widget:
    """A widget that has not run yet, with a fast training."""
    lab.open(lab.server.add_notebook("runs.ipynb", TRAINING, FAST + WIDGET))
    lab.run_all()
    return Widget(lab)


def test_earlier_runs_have_a_legend(lab: LabPage, widget: Widget) -> None:
    """A run can be renamed, hidden, shown, asked for its settings and forgotten; its name is plain text."""
    widget.button("Run").click()
    widget.wait_for_state("done")
    assert widget.legend.count() == 0  # nothing to tell apart yet
    widget.type_into("steps", "60")
    widget.button("Run").click()
    lab.wait_until("len(widget.result or ()) > 0 and len(widget.to_dataframe(all_runs=True)['run'].unique()) == 2")
    widget.legend.nth(1).wait_for()
    assert widget.num_lines("past") == 1

    name = widget.legend.nth(0).get_by_role("textbox")
    name.fill("<b>big</b> & bold")
    name.press("Enter")
    lab.wait_until("'<b>big</b> & bold' in set(widget.to_dataframe(all_runs=True)['run'])")
    assert name.input_value() == "<b>big</b> & bold"

    widget.legend.nth(0).get_by_role("button", name="show").click()
    widget.wait_for_lines("past", 0)
    widget.legend.nth(0).get_by_role("button", name="show").click()
    widget.wait_for_lines("past", 1)

    assert lab.evaluate("widget.num_steps") == 60
    widget.legend.nth(0).get_by_role("button", name="settings").click()
    lab.wait_until("widget.num_steps == 100")

    widget.tab("Data").click()
    widget.root.get_by_role("cell", name="<b>big</b> & bold").first.wait_for()
    widget.tab("Range test").click()
    widget.legend.nth(0).get_by_role("button", name="delete").click()
    widget.wait_for_lines("past", 0)
    lab.wait_until("len(widget.to_dataframe(all_runs=True)['run'].unique()) == 1")
    widget.legend.first.wait_for(state="detached")


def test_eight_earlier_runs_are_kept(lab: LabPage, widget: Widget) -> None:
    """Of ten runs the newest and the eight before it are kept, each with its curve and its row; at 480 pixels, too."""
    lab.evaluate("0", before="for _ in range(10): widget.run()")
    widget.legend.nth(8).wait_for()
    assert widget.legend.count() == 9
    widget.wait_for_lines("past", 8)
    names = [row.get_by_role("textbox").input_value() for row in widget.legend.all()]
    assert names == lab.evaluate("list(widget.to_dataframe(all_runs=True)['run'].unique())")
    lab.page.set_viewport_size({"width": 480, "height": 1000})
    widget.wait_until_it_fits()
    assert widget.cut_texts() == []


def test_a_loss_that_still_falls_has_its_remedy(lab: LabPage, widget: Widget) -> None:
    """Where the loss still falls at the last rate, a button in the verdict raises it, and the next run goes there."""
    widget.type_into("max LR", "2e-3")  # where the loss of this training falls most
    lab.wait_until("widget.max_lr == 2e-3")
    widget.button("Run").click()
    widget.wait_for_state("done")
    raises = widget.root.get_by_role("button", name="Raise max LR to ")
    raises.wait_for()
    wanted = float((raises.text_content() or "").split()[-1])
    assert wanted > 2e-3
    raises.click()
    lab.wait_until(f"widget.max_lr == {wanted}")
    raises.wait_for(state="hidden")
    widget.button("Run").click()
    lab.wait_until("widget.state == 'done' and len(widget.to_dataframe(all_runs=True)['run'].unique()) == 2")
    assert lab.evaluate("widget.result.lrs[-1]") == pytest.approx(wanted)


def test_where_noise_may_hide_a_fall_repeats_are_a_click_away(lab: LabPage) -> None:
    """Three range tests begin at once; their verdict no longer offers them."""
    lab.open(lab.server.add_notebook("noise.ipynb", NOISE))
    lab.run_cell(0)
    widget = Widget(lab)
    widget.button("Run").click()
    widget.wait_for_state("done")
    repeat = widget.button("Run 3 range tests")
    repeat.click()
    lab.wait_until("hasattr(widget.result, 'results') and len(widget.result.results) == 3")
    repeat.wait_for(state="hidden")
    assert lab.evaluate("widget.to_dataframe()['run'].nunique()") == 3
