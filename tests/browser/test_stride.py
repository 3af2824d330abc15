"""The course's own widgets in JupyterLab: the stride under mouse and keyboard, the race while it trains."""

import pytest

from tests.browser.pages import LabPage

STRIDE = "from lrwidget import Stride\nstride = Stride({settings})\nstride"

RACE = """
import time
from lrwidget import Race

class Parabola:
    weight = 1.0
    def __call__(self, lr):
        time.sleep(seconds)
        loss = self.weight**2
        self.weight *= 1 - 2 * lr
        return loss
    def __enter__(self):
        self.saved = self.weight
        return self
    def __exit__(self, *exc_info):
        self.weight = self.saved

seconds = 0.001
race = Race(Parabola, lrs=[0.001, 0.3, 1.01], num_steps=100)
race
"""

# What bqplot does to axes on a busy page, a moment after the marks of a figure have come: ticks where they were while
# the figure had no width.
_MISPLACE = """() => (window.misplacing = new MutationObserver(() => {
    for (const figure of document.querySelectorAll('.lrw-figure:has(.g_legend):not([data-misplaced])')) {
        figure.dataset.misplaced = ''
        const misplace = tick => tick.setAttribute('transform', 'translate(-9,0)')
        setTimeout(() => figure.querySelectorAll('.tick').forEach(misplace))
    }
})).observe(document.body, {childList: true, subtree: true})"""

_TICKS = """[...document.querySelectorAll('.lrw-figure[data-misplaced] g.axis .tick')]
    .map(tick => tick.getAttribute('transform'))"""


def open_cell(lab: LabPage, code: str) -> None:
    lab.open(lab.server.add_notebook("course.ipynb", code))
    lab.run_cell(0)


@pytest.mark.parametrize("surface", ["valley", "Rosenbrock 2-D"])
def test_the_stride_plays_steps_and_follows_the_slider(lab: LabPage, surface: str) -> None:
    """Reset, Step, Play and Pause move the walk; arrow keys on the slider change the rate and redraw the whole path."""
    open_cell(lab, STRIDE.format(settings=f"{surface!r}, lr=0.03"))
    walk = lab.page.locator(".lrw-stride-walk .lrw-figure")
    dots = walk.locator(".object_grp")
    walk.locator("path.line").last.wait_for()

    lab.button("Reset").click()
    lab.wait_until("stride.position == 0")
    lab.page.wait_for_function("document.querySelectorAll('.lrw-stride-walk .object_grp').length < 5")
    at_rest = dots.count()  # the start, where the walk is, and the bottom
    lab.button("Step").click()
    lab.wait_until("stride.position == 1")
    lab.page.wait_for_function(f"document.querySelectorAll('.lrw-stride-walk .object_grp').length === {at_rest + 1}")

    lab.button("Play").click()
    lab.wait_until("stride.position > 5")
    lab.button("Pause").click()
    lab.wait_until("not stride._clock.playing")
    lab.page.wait_for_timeout(300)  # a step may still be on its way to the kernel
    stopped = lab.evaluate("stride.position")
    lab.page.wait_for_timeout(300)
    assert lab.evaluate("stride.position") == stopped < 60
    lab.button("Play").click()
    lab.wait_until("stride.position == 60")
    lab.button("Play").wait_for()  # the button has become Play again by itself

    drawn = walk.locator("path.line").last.get_attribute("d")
    slider = lab.output.get_by_role("slider").first
    for _ in range(10):
        slider.press("ArrowRight")
    lab.wait_until("stride.lr > 0.035")
    lab.page.wait_for_function(
        "before => [...document.querySelectorAll('.lrw-stride-walk path.line')].at(-1).getAttribute('d') !== before",
        arg=drawn,
    )
    assert lab.evaluate("stride.verdict.message") in lab.page.locator(".lrw-verdict").inner_text()


def test_axes_that_bqplot_has_misplaced_are_drawn_anew(lab: LabPage) -> None:
    """Ticks that are left where they were before a figure had a width are where they belong a moment later."""
    lab.open(lab.server.add_notebook("course.ipynb", STRIDE.format(settings="")))
    lab.page.evaluate(_MISPLACE)
    lab.run_cell(0)
    lab.page.wait_for_function("document.querySelectorAll('.lrw-figure[data-misplaced]').length === 3")
    lab.page.wait_for_function(f"(ticks => ticks.length > 15 && !ticks.includes('translate(-9,0)'))({_TICKS})")
    lab.page.evaluate("misplacing.disconnect()")


def test_what_is_drawn_out_of_sight_is_laid_out_at_once(lab: LabPage) -> None:
    """Chromium keeps wrong axes of figures that it need not lay out at first, so it must lay out those far away too."""
    lab.open(lab.server.add_notebook("course.ipynb", "print(400 * '\\n')", STRIDE.format(settings="")))
    lab.run_all()
    lab.page.wait_for_function("document.querySelectorAll('.lrw-figure:has(.g_legend)').length === 3")
    lab.cell(0).locator(".jp-InputArea-editor").click()
    lab.page.wait_for_timeout(500)  # until the browser has given up what it need not show
    figure = lab.page.locator(".lrw-stride-walk .lrw-figure")
    assert figure.evaluate("figure => figure.getBoundingClientRect().top > 3 * innerHeight")
    assert figure.evaluate("figure => figure.checkVisibility({contentVisibilityAuto: true})")


@pytest.mark.parametrize("lr", [0.002, 0.00123])
def test_a_small_rate_fits_its_box(lab: LabPage, lr: float) -> None:
    """All digits that the slider gives a rate are seen, also the last."""
    open_cell(lab, STRIDE.format(settings=f"lr={lr}"))
    box = lab.page.locator(".lrw-stride-lr input")
    assert box.input_value() == str(lr)
    assert box.evaluate("box => box.scrollWidth <= box.clientWidth")


def test_the_rate_that_was_asked_for_is_not_rounded_by_the_browser(lab: LabPage) -> None:
    """A rate between two steps of the slider is still exactly that after the browser has shown it."""
    open_cell(lab, STRIDE.format(settings="lr=0.0333"))
    lab.page.locator(".lrw-stride-walk path.line").last.wait_for()
    lab.page.wait_for_timeout(500)
    assert lab.evaluate("stride.lr") == 0.0333
    assert lab.page.locator(".lrw-stride-lr input").input_value() == "0.0333"


def test_a_race_grows_stops_and_runs_again(lab: LabPage) -> None:
    """Run draws all lanes while they train, Stop ends them, and a second run says which lane trains best."""
    open_cell(lab, RACE)
    lab.evaluate("0", before="seconds = 0.3")
    lab.button("Run").click()
    lab.page.wait_for_function(
        """() => [...document.querySelectorAll('.lrw-lane')].every(
            lane => ([...lane.querySelectorAll('path.line')].at(-1)?.getAttribute('d') || '').includes('L'))"""
    )
    lab.button("Stop").click()
    lab.wait_until("race.state == 'stopped'")

    lab.evaluate("0", before="seconds = 0.0")
    lab.button("Run").click()
    lab.wait_until("race.state == 'done'")
    words = lab.page.locator(".lrw-lane-words")
    words.nth(1).get_by_text("trains best").wait_for()
    assert words.nth(0).inner_text().split() == ["LR", "1e-3", "behind"]
    assert words.nth(2).inner_text().split() == ["LR", "1", "diverged"]
    assert lab.evaluate("race.result.best_lr") == 0.3
