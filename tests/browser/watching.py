"""How long a step that another process has written takes to the screen."""

from __future__ import annotations

import dataclasses
import threading
import time
from pathlib import Path

from lrwidget import LearningRateFinder
from lrwidget.log import LogWriter
from lrwidget.recording import Recording
from tests.browser.widget import Widget

# Notes, for each number of points that the smoothed curve has had on the screen, when that was (seconds since 1970).
_NOTE_DRAWINGS = """root => {
    const seen = window.drawings = {}
    const look = () => {
        const line = root.querySelector('.lrw-figure path.line[style*="--lrw-curve"]')
        const num_points = (line?.getAttribute('d')?.match(/[ML]/g) ?? []).length
        seen[num_points] ??= Date.now() / 1000
    }
    new MutationObserver(look).observe(root, {subtree: true, attributes: true, childList: true})
}"""


class Writer(threading.Thread):
    """A run of this process, which the kernel of the notebook watches from another.

    Parameters
    ----------
    path
        Its log.
    num_steps, step_seconds
        How many steps, and how long each takes.
    silent_seconds
        How long it holds its log open after the last one.
    """

    def __init__(self, path: Path, num_steps: int, step_seconds: float, silent_seconds: float = 0.0) -> None:
        super().__init__()
        self._path = path
        self._finder = LearningRateFinder(num_steps=num_steps, divergence="never")
        self._step_seconds = step_seconds
        self._silent_seconds = silent_seconds
        self.flushed: list[float] = []

    def run(self) -> None:
        recording = Recording(settings=dataclasses.asdict(self._finder))
        with LogWriter(self._path, recording) as log:
            for step, lr in enumerate(self._finder.learning_rates().tolist()):
                time.sleep(self._step_seconds)
                log.write(recording.append(step, lr, 2.0 - step / self._finder.num_steps))
                self.flushed.append(time.time())
            time.sleep(self._silent_seconds)


def note_drawings(widget: Widget) -> None:
    """Begin to note when the widget's curve grows on the screen."""
    widget.root.evaluate(_NOTE_DRAWINGS)


def delays(widget: Widget, writer: Writer) -> list[float]:
    """Seconds from the flush of each step to the first drawing that holds it."""
    drawn = widget.page.evaluate("() => window.drawings")
    return [
        min(drawn_at for count, drawn_at in drawn.items() if int(count) > step) - flushed_at
        for step, flushed_at in enumerate(writer.flushed)
    ]
