"""Take the README's pictures and its animation from a real JupyterLab: ``make pictures``.

What the README shows goes to ``.github/``. The widget in every state and every tab, at three widths and in both themes,
goes to ``build/pictures/``, to be looked at.
"""

from __future__ import annotations

import io
import itertools
import shutil
import tempfile
import time
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser import chromium
from tests.browser.conftest import ARGUMENTS
from tests.browser.pages import LabPage
from tests.browser.servers import Server, serve
from tests.browser.widget import Widget

ROOT = Path(__file__).parents[1]
SHOWN = ROOT / ".github"
LOOKED_AT = ROOT / "build" / "pictures"
WIDTHS = (480, 900, 1600)
THEMES = ("light", "dark")
[QUICKSTART] = (ROOT / "notebooks").glob("*quickstart.ipynb")

# A training that fails, and says so with a long line.
FAILING = """
from lrwidget import LRFinderWidget, RestoringStep
num_steps = 0
def train(lr):
    global num_steps
    num_steps += 1
    if num_steps > 60:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied (64x20 and 19x64)")
    return 2 - 1 / (1 + (1e-4 / lr) ** 2)
widget = LRFinderWidget(RestoringStep(train, save=dict, restore=lambda saved: None))
widget
"""

# A pointer, which screenshots do not have.
_POINTER = """() => {
    const pointer = document.createElement('div')
    pointer.innerHTML = `<svg width="22" height="22" viewBox="0 0 22 22"><path d="M3 2v16l4.5-4 3 6.5 3-1.4-3-6.3h6z"
        fill="#111" stroke="#fff" stroke-width="1.5"/></svg>`
    Object.assign(pointer.style, {position: 'fixed', zIndex: 1e6, pointerEvents: 'none', left: '60%', top: '30%'})
    document.body.append(pointer)
    window.addEventListener('mousemove', event => {
        Object.assign(pointer.style, {left: `${event.clientX}px`, top: `${event.clientY}px`})
    }, true)
}"""


def main() -> None:
    """Take all of them."""
    SHOWN.mkdir(exist_ok=True)
    LOOKED_AT.mkdir(parents=True, exist_ok=True)
    path = chromium.find()
    assert path is not None, "make installs Chromium first"
    with (
        tempfile.TemporaryDirectory() as scratch,
        serve("lab", Path(scratch)) as server,
        sync_playwright() as playwright,
    ):
        shutil.copy(QUICKSTART, server.root)
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        take_stills(browser, server)
        for theme in THEMES:
            take_animation(browser, server, theme)
        browser.close()


def take_stills(browser: Browser, server: Server) -> None:
    """The widget before, during and after runs, and each of its tabs."""
    lab = open_quickstart(browser, server, scale=2)
    widget = Widget(lab)
    take("idle", lab, widget)
    widget.button("Run").click()
    lab.wait_until("len(widget.to_dataframe()) > 50")
    widget.button("Pause").click()
    widget.wait_for_state("paused")
    take("paused", lab, widget)
    widget.button("Resume").click()
    widget.wait_for_state("done")
    take("done", lab, widget)
    for theme in THEMES:
        shutil.copy(LOOKED_AT / f"done-{theme}-900.png", SHOWN / f"widget-{theme}.png")
    for tab in ("Schedule", "Verify", "Data"):
        widget.tab(tab).click()
        if tab == "Verify":
            widget.button("Verify").click()
            lab.wait_until("not widget._bench.verify.is_under_way", timeout_seconds=120)
        take(tab.lower(), lab, widget)
    widget.tab("Range test").click()
    lab.evaluate("0", before="widget.num_steps = 60; widget.run(); widget.num_steps = 150; widget.run()")
    widget.root.get_by_label("Usual for").select_option("CNN")
    widget.number_box.fill("0.5")
    widget.number_box.press("Enter")
    take("runs", lab, widget)
    lab.page.context.close()

    lab = open_notebook(browser, server, server.add_notebook("failing.ipynb", FAILING), scale=1)
    widget = Widget(lab)
    widget.button("Run").click()
    widget.wait_for_state("failed")
    take("failed", lab, widget)
    lab.page.context.close()


def take(name: str, lab: LabPage, widget: Widget) -> None:
    """What the widget looks like now, at each width in each theme."""
    for theme in THEMES:
        lab.set_theme(theme)
        for width in WIDTHS:
            lab.page.set_viewport_size({"width": width, "height": 1800})  # a screenshot is not put together of parts
            settle(lab.page)
            widget.root.screenshot(path=LOOKED_AT / f"{name}-{theme}-{width}.png")
    lab.set_theme("light")
    lab.page.set_viewport_size({"width": 900, "height": 1100})


def take_animation(browser: Browser, server: Server, theme: str) -> None:
    """A run that draws itself, and the marker dragged along the curve."""
    lab = open_quickstart(browser, server, scale=1)
    lab.set_theme(theme)
    widget = Widget(lab)
    widget.root.scroll_into_view_if_needed()
    lab.page.evaluate(_POINTER)
    film = Film(lab.page, widget)
    run = widget.button("Run").bounding_box()
    assert run is not None
    film.move_to(run["x"] + run["width"] / 2, run["y"] + run["height"] / 2)
    lab.page.mouse.down()
    lab.page.mouse.up()
    while not lab.page.locator(".lrw-is-done").count():
        film.take()
    film.hold(1.0)
    area = widget.plot_area
    y = area["y"] + area["height"] / 2
    film.move_to(widget.x_of(widget.shown_lr), y)
    lab.page.mouse.down()
    for lr in (1e-3, 3e-2, 8e-3):
        film.move_to(widget.x_of(lr), y)
    lab.page.mouse.up()
    film.hold(2.0)
    film.save(SHOWN / f"widget-{theme}.gif")
    lab.page.context.close()


class Film:
    """Screenshots of a widget with the times at which they were taken."""

    def __init__(self, page: Page, widget: Widget) -> None:
        self._page = page
        self._widget = widget
        self._frames: list[tuple[float, Image.Image]] = []
        self._mouse = (700.0, 300.0)
        self._held = 0.0

    def take(self) -> None:
        """One frame, now."""
        shot = Image.open(io.BytesIO(self._widget.root.screenshot())).convert("RGB")
        self._frames.append((time.monotonic() + self._held, shot))

    def move_to(self, x: float, y: float, steps: int = 12) -> None:
        """Move the mouse there, with a frame at every step."""
        start_x, start_y = self._mouse
        for step in range(1, steps + 1):
            share = step / steps
            self._page.mouse.move(start_x + share * (x - start_x), start_y + share * (y - start_y))
            self.take()
        self._mouse = (x, y)

    def hold(self, seconds: float) -> None:
        """Let the viewer look."""
        self.take()
        self._held += seconds

    def save(self, path: Path) -> None:
        """Write the animation: few colours, and only what changes from frame to frame."""
        times = [moment for moment, _ in self._frames]
        durations = [1000 * (after - before) for before, after in itertools.pairwise(times)] + [2000]
        width, height = self._frames[-1][1].size
        palette = self._frames[-1][1].quantize(64, dither=Image.Dither.NONE)
        images = [
            shot.resize((width, height)).quantize(palette=palette, dither=Image.Dither.NONE) for _, shot in self._frames
        ]
        images[0].save(path, save_all=True, append_images=images[1:], duration=durations, loop=0, optimize=True)


def open_quickstart(browser: Browser, server: Server, scale: float) -> LabPage:
    """The quickstart with its widget shown and not yet run."""
    return open_notebook(browser, server, QUICKSTART.name, scale, num_cells=3)


def open_notebook(browser: Browser, server: Server, name: str, scale: float, num_cells: int = 1) -> LabPage:
    """A notebook whose first cells have been run."""
    context = browser.new_context(viewport={"width": 900, "height": 1100}, device_scale_factor=scale)
    lab = LabPage(context.new_page(), server)
    lab.open(name)
    for cell in range(num_cells):
        lab.run_cell(cell)
    return lab


def settle(page: Page) -> None:
    """Wait until the page has drawn twice: resizing is answered in the frame after."""
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    page.wait_for_timeout(800)  # bqplot answers later


if __name__ == "__main__":
    main()
