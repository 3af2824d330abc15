"""Runs that end in another way than by themselves: each ends well, and leaves the training as it was."""

from tests.browser.cells import TRAINING, WIDGET
from tests.browser.pages import LabPage
from tests.browser.widget import Widget

# A run that no machine is too slow to interrupt: the tests end it long before its 100 seconds.
SLOW = "seconds = 0.1; widget.num_steps = 1000"

# What is put before the parts of a widget whose kernel is gone: text and colour, each once.
_SIGNS = """root => [...new Set([root, ...root.querySelectorAll('.jupyter-widgets-disconnected')]
    .map(element => getComputedStyle(element, '::before')).filter(sign => sign.display !== 'none')
    .map(sign => sign.content + sign.color))]"""


# Keeps the kernel busy until the run ends, for a minute at most.
UNTIL_IT_ENDED = """
began = time.monotonic()
print("busy", flush=True)
while widget.state == "running" and time.monotonic() - began < 60:
    time.sleep(0.05)
print("then", widget.state)
"""


def start(lab: LabPage) -> Widget:
    """Open a widget and start a run that goes on until it is ended."""
    lab.open(lab.server.add_notebook("endings.ipynb", TRAINING, WIDGET))
    lab.run_all()
    lab.evaluate("0", before=SLOW)
    widget = Widget(lab)
    widget.button("Run").click()
    widget.wait_until_it_grows(times=2)
    return widget


def test_page_reload_during_a_run(lab: LabPage) -> None:
    """After a reload the widget is there again, goes on drawing, and Stop works."""
    start(lab)
    lab.save()
    lab.load("endings.ipynb")
    widget = Widget(lab)
    widget.wait_for_state("running")
    widget.wait_until_it_grows(times=2)
    widget.button("Stop").click()
    widget.wait_for_state("stopped")
    lab.wait_until("widget.state == 'stopped'")
    assert lab.evaluate("weights['steps']") == 0


def test_running_the_cell_again_during_a_run(lab: LabPage) -> None:
    """The new widget is idle and the run of the old one is stopped; then the new one measures undisturbed."""
    start(lab)
    lab.evaluate("0", before="first = widget")
    lab.run_cell(1)
    widget = Widget(lab)
    widget.wait_for_state("idle")
    lab.wait_until("first.state == 'stopped'")
    assert lab.evaluate("[widget is first, weights['steps']]") == [False, 0]
    lab.evaluate("0", before="seconds = 0.002")
    widget.button("Run").click()
    widget.wait_for_state("done")
    lab.wait_until("widget.state == 'done'")  # a moment after the page
    assert lab.evaluate("weights['steps']") == 0
    assert lab.evaluate("list(widget.result.losses) == [loss_at(lr) for lr in widget.result.lrs]")


def test_closing_the_widget_during_a_run(lab: LabPage) -> None:
    """`close()` stops, restores, takes the widget off the page and leaves no thread."""
    widget = start(lab)
    threads = lab.evaluate("[t.name for t in __import__('threading').enumerate() if 'lrwidget' in t.name]")
    assert threads
    lab.evaluate("0", before="widget.close()")
    assert lab.evaluate("weights['steps']") == 0
    widget.root.wait_for(state="detached")
    lab.wait_until("not [t for t in __import__('threading').enumerate() if 'lrwidget' in t.name]")


def test_kernel_restart_during_a_run(lab: LabPage) -> None:
    """A restart ends everything, and one line in the widget says so; run again, the notebook works as before."""
    widget = start(lab)
    lab.restart_kernel()
    widget.root.locator(".jupyter-widgets-disconnected").first.wait_for(state="attached")
    signs = "".join(widget.root.evaluate(_SIGNS))
    assert "The kernel is gone: run the cell again" in signs
    assert "\uf127" not in signs  # ipywidgets' broken link,
    assert "217, 83, 79" not in signs  # and its red, in which the icons of buttons would be
    lab.run_all()
    widget = Widget(lab)
    widget.button("Run").click()
    widget.wait_for_state("done")
    lab.wait_until("widget.state == 'done'")  # a moment after the page
    assert lab.evaluate("weights['steps']") == 0
    widget.wait_for_points(lab.evaluate("len(widget.result)"))


def test_interrupting_a_blocking_run(lab: LabPage) -> None:
    """The kernel's own stop button ends `run()` with its curve kept and the training restored."""
    lab.open(lab.server.add_notebook("interrupt.ipynb", TRAINING, WIDGET, f"{SLOW}\nwidget.run()"))
    lab.run_cell(0)
    lab.run_cell(1)
    lab.start_cell(2)
    widget = Widget(lab)
    widget.wait_until_it_grows(times=2)
    lab.command("notebook:interrupt-kernel")
    widget.wait_for_state("stopped")
    lab.cell(2).get_by_text("KeyboardInterrupt").first.wait_for()
    lab.wait_for_kernel()  # what is asked before the failing cell is over is aborted
    assert lab.evaluate("str(widget.result.stop_reason)") == "interrupted"
    assert lab.evaluate("weights['steps']") == 0


def test_stop_while_another_cell_is_busy(lab: LabPage) -> None:
    """Stop is heard while another cell computes, because its clicks take another way into the kernel."""
    lab.open(lab.server.add_notebook("busy.ipynb", TRAINING, WIDGET, UNTIL_IT_ENDED))
    lab.run_cell(0)
    lab.run_cell(1)
    lab.evaluate("0", before=SLOW)
    widget = Widget(lab)
    widget.button("Run").click()
    widget.wait_until_it_grows(times=2)
    lab.start_cell(2)
    lab.cell(2).locator(".jp-OutputArea").get_by_text("busy").wait_for()
    widget.button("Stop").click()
    widget.wait_for_state("stopped")
    lab.cell(2).locator(".jp-OutputArea").get_by_text("then stopped").wait_for()
    assert lab.evaluate("weights['steps']") == 0
