"""Long use of the widget in JupyterLab: many widgets, many runs, one very long run. What it leaves behind."""

from __future__ import annotations

from collections.abc import Iterator

from playwright.sync_api import Browser

from tests.benchmarks.browser_page import TRAINING, BenchPage, lab_server, notebook
from tests.benchmarks.measuring import environment, table
from tests.browser.servers import Server

NUM_WIDGETS = 50
NUM_RUNS = 200
LONG_RUN = 100_000
EVERY = {NUM_WIDGETS: (1, 10, 30, 50), NUM_RUNS: (1, 10, 50, 100, 150, 200)}

PLAIN = """
from ipywidgets import HTML, VBox
from ipywidgets.widgets.widget import _instances as instances
from IPython.display import display

def plain(num_texts):
    return VBox([HTML(str(number)) for number in range(num_texts)])
"""
# Displayed, not returned: IPython keeps what a cell returns.
AGAIN = """
for each in list(instances.values()):
    each.close()
widget = {make}()
display(widget)
"""

_HEADER = ["", "kernel MB", "page MB", "messages since the row above", "threads left"]


def main() -> None:
    """Print memory, messages and threads as use goes on."""
    print("# Long use in JupyterLab, a PyTorch step of about 0.3 ms\n")
    print(f"Resident memory of the kernel, scripts' heap of the page after garbage collection. {environment()}.\n")
    with lab_server() as (browser, server):
        for rows in (many_runs, many_widgets, one_cell_again, one_long_run):
            print(table(_HEADER, [list(row) for row in rows(browser, server)]) + "\n", flush=True)


def measured(lab: BenchPage, what: str) -> tuple[str, ...]:
    """One row: what there is now."""
    lab.page.wait_for_timeout(1_500)  # the pump of the newest run lingers for a second
    kernel, left = lab.evaluate("[resident_mb(), threads_left()]")
    num_messages, lab.num_messages = lab.num_messages, 0
    return what, f"{kernel:.0f}", f"{lab.heap_mb():.0f}", f"{num_messages}", ", ".join(left) or "none"


def run(lab: BenchPage, num_runs: int, name: str = "widget") -> None:
    """Run a widget in the background, as the button does, each time when the run before has been drawn."""
    for _ in range(num_runs):
        lab.evaluate(f"len({name}.wait())", before=f"{name}.start()")


def many_runs(browser: Browser, server: Server) -> Iterator[tuple[str, ...]]:
    """Run after run in one widget."""
    with notebook(browser, server, TRAINING, "widget = make_widget()\nwidget") as lab:
        yield measured(lab, "one widget, not run")
        done = 0
        for target in EVERY[NUM_RUNS]:
            run(lab, target - done)
            done = target
            yield measured(lab, f"{done} runs of 100 steps in it")


def many_widgets(browser: Browser, server: Server) -> Iterator[tuple[str, ...]]:
    """Widget after widget in one notebook, all of them kept, each run once."""
    cells = [f"widgets.append(make_widget())\nwidgets[{i}]" for i in range(NUM_WIDGETS)]
    with notebook(browser, server, TRAINING + "\nwidgets = []", *cells) as lab:
        yield measured(lab, f"a notebook of {NUM_WIDGETS} widgets, none run")
        done = 0
        for target in EVERY[NUM_WIDGETS]:
            for index in range(done, target):
                run(lab, 1, f"widgets[{index}]")
            done = target
            yield measured(lab, f"{done} of them run once")
        for again in range(2, 4):
            for index in range(0, NUM_WIDGETS, 5):
                run(lab, 1, f"widgets[{index}]")
            yield measured(lab, f"every fifth run a {again}. time")


def one_cell_again(browser: Browser, server: Server) -> Iterator[tuple[str, ...]]:
    """One cell that makes a widget, run again and again; the widget before is closed."""
    with notebook(browser, server, TRAINING + PLAIN, AGAIN.format(make="make_widget")) as lab:
        for number in range(1, NUM_WIDGETS + 1):
            if number > 1:
                lab.run_cell(1)
            run(lab, 1)
            if number in EVERY[NUM_WIDGETS]:
                yield measured(lab, f"a cell that closes its widget and makes another, run {number} times")
        num_models = lab.evaluate("len(instances)")
    # What ipywidgets itself keeps in the page of widgets that were closed: as many models, without anything of ours.
    num_models //= 3  # a text is three: itself, its layout, its style
    with notebook(browser, server, TRAINING + PLAIN, AGAIN.format(make=f"(lambda: plain({num_models}))")) as lab:
        for number in range(1, NUM_WIDGETS + 1):
            if number > 1:
                lab.run_cell(1)
            if number in EVERY[NUM_WIDGETS]:
                yield measured(lab, f"the same of {num_models} plain texts of ipywidgets in a box, run {number} times")


def one_long_run(browser: Browser, server: Server) -> Iterator[tuple[str, ...]]:
    """One run of very many steps, and a second one."""
    with notebook(browser, server, TRAINING, f"widget = make_widget({LONG_RUN})\nwidget") as lab:
        yield measured(lab, f"a widget for {LONG_RUN:,} steps, not run")
        for number in (1, 2):
            run(lab, 1)
            yield measured(lab, f"{number} run{'s' if number > 1 else ''} of {LONG_RUN:,} steps")
