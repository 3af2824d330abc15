"""How the widget feels: JupyterLab in a real browser, during and after runs of a PyTorch step of 0.3 ms."""

from __future__ import annotations

import time
from statistics import median

from tests.benchmarks.browser_page import TRAINING, BenchPage, lab_server, notebook
from tests.benchmarks.measuring import environment, table
from tests.browser.widget import Widget

CELL = "widget = make_widget()\nwidget"
NUM_KEYS = 15
DRAG_SECONDS = 2.0
RUN_LENGTHS = (100, 1_000, 10_000)
FREE_DRAWS = 35  # within those that the draw budget of a run gives freely; it rations what follows

Row = tuple[str, str, str]
"""What was measured, the figure, what is wanted."""


def main(full: bool = False) -> None:
    """Print one row per figure, beside what is wanted of it."""
    rows: list[Row] = []
    with lab_server() as (browser, server), notebook(browser, server, TRAINING, CELL) as lab:
        widget = Widget(lab)
        lab.note(widget)
        run(lab, widget, 200)  # not counted: imports, first drawings
        for num_steps in RUN_LENGTHS:
            rows += at_the_end_of_a_run(lab, widget, num_steps, 9 if full else 3)
        rows.append(stops(lab, widget, 15 if full else 5))
        run(lab, widget, 1_000)
        rows.append(slider(lab, widget))
        rows.append(drag(lab, widget))
        rows.append(hidden(lab, widget))
        errors = lab.errors
    print("# The widget in the browser, at a PyTorch step of about 0.3 ms\n")
    print(f"JupyterLab in headless Chromium. Medians, in brackets the worst. {environment()}.\n")
    print(table(["", "measured", "wanted"], [list(row) for row in rows]))
    print(f"\nErrors in the browser's console: {errors or 'none'}.")


def run(lab: BenchPage, widget: Widget, num_steps: int) -> tuple[float, float]:
    """One run from the Run button to rest: when its training ended, and when the page had come to rest."""
    lab.evaluate("0", before=f"widget.num_steps = {num_steps}; ended = 0.0")
    lab.wait_until_quiet(0.5)
    widget.button("Run").click()
    lab.wait_until("ended > 0", 300)
    rest = lab.wait_until_quiet()
    return float(lab.evaluate("ended")), rest


def at_the_end_of_a_run(lab: BenchPage, widget: Widget, num_steps: int, num_runs: int) -> list[Row]:
    """How fast the curve was refreshed, and how long after the training's end the page came to rest."""
    lags, rates = [], []
    for _ in range(num_runs):
        began = time.time()
        ended, rest = run(lab, widget, num_steps)
        lags.append(rest - ended)
        drawn = [moment for moment in lab.noted["drawings"] if began < moment <= ended][:FREE_DRAWS]
        if len(drawn) > 8:  # shorter runs are over before there is a rate
            rates.append((len(drawn) - 1) / (drawn[-1] - drawn[0]))
    rows = [(f"at rest after the end of {num_steps:,} steps", in_ms(lags), "<= 300 ms")]
    if rates:
        figure = f"{median(rates):.1f} a second [{min(rates):.1f}]"
        rows.append((f"refreshes of the curve, the first {FREE_DRAWS} of {num_steps:,} steps", figure, ">= 8 a second"))
    return rows


def stops(lab: BenchPage, widget: Widget, num_runs: int) -> Row:
    """From the click on Stop to the end of the training, the model restored."""
    delays = []
    for _ in range(num_runs):
        lab.evaluate("0", before="widget.num_steps = 50000; ended = 0.0")
        lab.wait_until_quiet(0.5)
        num_drawings = len(lab.noted["drawings"])
        widget.button("Run").click()
        lab.page.wait_for_function("count => window.noted.drawings.length > count + 3", arg=num_drawings)
        clicked = widget.button("Stop").evaluate("button => { button.click(); return Date.now() / 1000 }")
        lab.wait_until("ended > 0")
        delays.append(lab.evaluate("ended") - clicked)
    lab.wait_until_quiet()
    return "from the click on Stop to the restored model", in_ms(delays), "<= 300 ms + a step"


def slider(lab: BenchPage, widget: Widget) -> Row:
    """From a key on the smoothing slider to the curve drawn anew."""
    delays = []
    handle = widget.slider("smooth")
    for number in range(NUM_KEYS):
        num_drawings = len(lab.noted["drawings"])
        handle.press("ArrowRight" if number % 2 else "ArrowLeft")
        lab.page.wait_for_function("count => window.noted.drawings.length > count", arg=num_drawings)
        noted = lab.noted
        delays.append(noted["drawings"][num_drawings] - noted["keys"][-1])
        lab.wait_until_quiet(0.3)
    return "from a key on the smoothing slider to 1,000 points redrawn", in_ms(delays), "<= 150 ms"


def drag(lab: BenchPage, widget: Widget) -> Row:
    """How often the number beside a dragged marker changes."""
    lab.evaluate("0", before="widget.selected_lr = 1e-5")
    widget.wait_for_marker(1e-5)
    widget.figure.scroll_into_view_if_needed()
    area = widget.plot_area
    y = area["y"] + area["height"] / 2
    start, end = widget.x_of(1e-5), widget.x_of(5e-4)
    lab.page.mouse.move(start, y)
    lab.page.mouse.down()
    began = time.time()
    while (share := (time.time() - began) / DRAG_SECONDS) < 1:
        lab.page.mouse.move(start + share * (end - start), y)
        lab.page.wait_for_timeout(10)
    moved = time.time()
    lab.page.mouse.up()
    lab.wait_until_quiet()
    changes = [moment for moment in lab.noted["numbers"] if began < moment < moved]
    rate = len(changes) / (moved - began)
    return "changes of the number while the marker is dragged", f"{rate:.1f} a second", ">= 10 a second"


def hidden(lab: BenchPage, widget: Widget) -> Row:
    """From looking at a tab that was hidden during a whole run to the answer to a key."""
    lab.page.evaluate("() => window.hide()")
    lab.evaluate("0", before="widget.num_steps = 50000; ended = 0.0; widget.start()")
    lab.wait_until("ended > 0", 300)
    lab.page.wait_for_timeout(2_000)
    num_drawings = len(lab.noted["drawings"])
    looked = lab.page.evaluate("() => { window.look(); return Date.now() / 1000 }")
    lab.page.wait_for_function("count => window.noted.drawings.length > count", arg=num_drawings)
    num_drawings = len(lab.noted["drawings"])
    widget.slider("smooth").press("ArrowLeft")
    lab.page.wait_for_function("count => window.noted.drawings.length > count", arg=num_drawings)
    answered = lab.noted["drawings"][-1]
    return "answer of a tab that was hidden during a run of 50,000 steps", f"{answered - looked:.2f} s", "<= 2 s"


def in_ms(seconds: list[float]) -> str:
    """Median and worst."""
    return f"{median(seconds) * 1e3:.0f} ms [{max(seconds) * 1e3:.0f}]"
