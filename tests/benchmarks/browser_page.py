"""A notebook in a real JupyterLab for the benchmarks, and what the browser itself can tell of its speed."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, WebSocket, sync_playwright

from tests.browser import chromium
from tests.browser.conftest import ARGUMENTS
from tests.browser.pages import LabPage
from tests.browser.servers import Server, serve
from tests.browser.widget import Widget

# A PyTorch step of about 0.3 ms that holds Python's lock for nearly all of it, and when its training ended (seconds
# since 1970, restoring included). Gentle rates, so that no run ends early.
TRAINING = """
import gc, os, threading, time
import torch
from lrwidget import LearningRateFinder, LRFinderWidget, TorchStep

torch.set_num_threads(1)
model = torch.nn.Sequential(torch.nn.Linear(20, 64), torch.nn.ReLU(), torch.nn.Linear(64, 5))
batches = [(torch.randn(32, 20), torch.randint(0, 5, (32,))) for _ in range(20)]
optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
ended = 0.0

class Timed(TorchStep):
    def __exit__(self, *error):
        global ended
        super().__exit__(*error)
        ended = time.time()

step = Timed(model, optimizer, torch.nn.functional.cross_entropy, batches)

def make_widget(num_steps=100):
    return LRFinderWidget(step, finder=LearningRateFinder(1e-6, 1e-3, num_steps, divergence="never"))

def resident_mb():
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

def threads_left():
    deadline = time.time() + 10
    while (left := [t.name for t in threading.enumerate() if t.name.startswith("lrwidget")]) and time.time() < deadline:
        time.sleep(0.1)
    return left
"""

# Notes in the browser's clock, which is the kernel's: every redrawing of the curve, every change of the number, every
# change of the widget at all, every task that held the page up.
_NOTE = """root => {
    const now = () => Date.now() / 1000
    const noted = window.noted = {drawings: [], numbers: [], keys: [], changed: 0, busy: 0}
    const curve = () => [...root.querySelectorAll('.lrw-figure')]
        .find(figure => [...figure.querySelectorAll('.axislabel')].some(label => label.textContent === 'loss'))
        ?.querySelector('path.line[style*="--lrw-curve"]')?.getAttribute('d') ?? ''
    const box = [...root.querySelectorAll('input')].find(input => input.closest('.lrw-selected'))
    let path = curve(), number = box?.value
    new MutationObserver(() => {
        noted.changed = now()
        const next = curve()
        if (next !== path) { path = next; noted.drawings.push(now()) }
    }).observe(root, {subtree: true, attributes: true, childList: true, characterData: true})
    root.addEventListener('keydown', () => noted.keys.push(now()), true)
    const look = () => {
        if (box && box.value !== number) { number = box.value; noted.numbers.push(now()) }
        requestAnimationFrame(look)
    }
    look()
    new PerformanceObserver(list => { for (const task of list.getEntries())
        noted.busy = Math.max(noted.busy, (performance.timeOrigin + task.startTime + task.duration) / 1000)
    }).observe({type: 'longtask'})
}"""

# As in a tab that nobody looks at: no frame is drawn, what is to be drawn piles up, until the tab is looked at again.
_HIDE = """() => {
    const draw = window.requestAnimationFrame.bind(window)
    let hidden = false, waiting = []
    window.requestAnimationFrame = callback => hidden ? waiting.push(callback) : draw(callback)
    window.hide = () => { hidden = true }
    window.look = () => { hidden = false; const all = waiting; waiting = []; all.forEach(callback => draw(callback)) }
}"""


class BenchPage(LabPage):
    """A page of JupyterLab that counts what it receives and can be hidden."""

    num_messages = 0

    def count_messages(self) -> None:
        """Count what the kernel sends from now on."""

        def follow(socket: WebSocket) -> None:
            socket.on("framereceived", lambda _: setattr(self, "num_messages", self.num_messages + 1))

        self.page.on("websocket", follow)

    def heap_mb(self) -> float:
        """The page's memory for scripts, garbage collected."""
        session = self.page.context.new_cdp_session(self.page)
        session.send("HeapProfiler.collectGarbage")
        session.send("Performance.enable")
        metrics = session.send("Performance.getMetrics")["metrics"]
        session.detach()
        return next(float(m["value"]) for m in metrics if m["name"] == "JSHeapUsedSize") / 1e6

    def note(self, widget: Widget) -> None:
        """Begin to note what happens in that display."""
        self.page.evaluate(_NOTE, widget.root.element_handle())

    @property
    def noted(self) -> dict[str, Any]:
        """What has been noted so far: moments in seconds since 1970."""
        return dict(self.page.evaluate("() => window.noted"))

    def wait_until_quiet(self, seconds: float = 1.0, timeout_seconds: float = 120) -> float:
        """Wait until nothing has changed or held the page up for so long; return when it last did."""
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            noted = self.noted
            last = max(noted["changed"], noted["busy"])
            if time.time() - last > seconds:
                return float(last)
            self.page.wait_for_timeout(100)
        raise TimeoutError(f"the page has not come to rest within {timeout_seconds} s")


@contextmanager
def lab_server() -> Iterator[tuple[Browser, Server]]:
    """A JupyterLab of its own and a browser."""
    path = chromium.find()
    if path is None:
        raise RuntimeError("need Chromium for the benchmarks in the browser, got none: run `make bench`")
    with (
        tempfile.TemporaryDirectory() as scratch,
        serve("lab", Path(scratch)) as server,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        try:
            yield browser, server
        finally:
            browser.close()


@contextmanager
def notebook(browser: Browser, server: Server, *cells: str) -> Iterator[BenchPage]:
    """A notebook with these cells, run, on a page of its own with a fresh kernel."""
    context = browser.new_context(viewport={"width": 1200, "height": 1000})
    context.set_default_timeout(120_000)
    context.add_init_script(f"({_HIDE})()")
    lab = BenchPage(context.new_page(), server)
    lab.count_messages()
    try:
        lab.open(server.add_notebook(f"bench{time.monotonic_ns()}.ipynb", *cells))
        lab.run_all()
        yield lab
    finally:
        context.close()
        server.stop_kernels()
