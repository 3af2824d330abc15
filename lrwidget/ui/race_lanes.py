"""The lanes of a race: one small figure for each rate, on the same axes."""

from __future__ import annotations

from collections.abc import Sequence

import bqplot as bq
import ipywidgets as widgets
import numpy as np

from lrwidget.axes import short_number, unpadded, with_margin
from lrwidget.live.drawing import Range, drawable, spikes_kept
from lrwidget.result import FloatArray
from lrwidget.smoothing import smooth
from lrwidget.trials import Standing
from lrwidget.ui.figures import AXIS_COLOURS, figure
from lrwidget.ui.marks import CURVE, RAW
from lrwidget.ui.markup import text
from lrwidget.ui.parts import set_range, set_traits
from lrwidget.ui.ticks import set_even_ticks, set_ticks

CSS = """
.lrw-lanes { display: grid; grid-template-columns: minmax(0, 1fr); gap: 0 8px; padding: 0 var(--lrw-gap);
  overflow: visible; }
.lrw-lane { min-width: 0; overflow: visible; }
.lrw-lane .lrw-figure { height: 190px; }
.lrw-lane-words { display: flex; justify-content: space-between; gap: 8px; padding: 6px 10px 0 48px;
  font-variant-numeric: tabular-nums; }
.lrw-lane-words strong { font-weight: 600; }
.lrw-lane-good { color: var(--lrw-good); }
.lrw-lane-bad { color: var(--lrw-bad); }
@container (min-width: 600px) { .lrw-lanes { grid-template-columns: repeat(3, minmax(0, 1fr)); }
  .lrw-lane .lrw-figure { height: 230px; } }
"""

_SMOOTH_FACTOR = 0.1
_BLANK = (0.0, 0.25, 0.5, 0.75, 1.0)  # lines of the grid that have no number while there are no losses
_HEADROOM = 0.5  # share of the fall that is shown above the start
_WORDS = {
    "best": ("trains best", "good"),
    "as good": ("as good", "good"),
    "catching up": ("catching up", ""),
    "worse": ("behind", ""),
    "clearly worse": ("far behind", ""),
    "diverged": ("diverged", "bad"),
    "not finished": ("not finished", ""),
}


class Lanes:
    """All lanes.

    Parameters
    ----------
    lrs
        The rate of each.
    num_steps
        How long they are.
    """

    def __init__(self, lrs: Sequence[float], num_steps: int) -> None:
        self._x = bq.LinearScale(min=0.0, max=float(num_steps), allow_padding=False)
        self._y = bq.LinearScale(min=0.0, max=1.0, allow_padding=False)
        self._lanes = [_Lane(lr, self._x, self._y) for lr in lrs]
        for lane in self._lanes:
            set_even_ticks(lane.x_axis, 0, num_steps, about=4)
            set_ticks(lane.y_axis, _BLANK, [""] * len(_BLANK))
        self.box = widgets.Box([lane.box for lane in self._lanes]).add_class("lrw-lanes")

    def __len__(self) -> int:
        return len(self._lanes)

    def draw(self, losses: Sequence[FloatArray], ranking: Sequence[Standing] | None) -> None:
        """Show the losses of each lane, shapes (n,), and in the end how the lanes stand."""
        smoothed = [smooth(np.arange(1.0, len(lane) + 1), lane, _SMOOTH_FACTOR) for lane in losses]
        shown = _shown(smoothed)
        if shown is not None:
            set_range(self._y, *shown)
            for lane in self._lanes:
                set_even_ticks(lane.y_axis, *shown)
        standings = {standing.trial: standing for standing in ranking or ()}
        for index, lane in enumerate(self._lanes):
            lane.draw(losses[index], smoothed[index], shown or (0.0, 1.0), standings.get(index))


class _Lane:
    """The figure of one rate, with its words above."""

    def __init__(self, lr: float, x: bq.LinearScale, y: bq.LinearScale) -> None:
        self._lr = lr
        scales = {"x": x, "y": y}
        self._raw = bq.Lines(x=[], y=[], scales=scales, colors=[RAW], stroke_width=1, opacities=[0.5])
        self._line = bq.Lines(x=[], y=[], scales=scales, colors=[CURVE], stroke_width=2.5)
        self.x_axis = bq.Axis(scale=x, label="step", label_offset="30px", grid_lines="none", **AXIS_COLOURS)
        self.y_axis = bq.Axis(scale=y, side="left", **AXIS_COLOURS)
        margin = {"top": 10, "bottom": 40, "left": 44, "right": 18}
        picture = figure([self._raw, self._line], [self.x_axis, self.y_axis], margin)
        self._words = widgets.HTML()
        self.box = widgets.VBox([self._words, picture]).add_class("lrw-lane")

    def draw(self, losses: FloatArray, smoothed: FloatArray, shown: Range, standing: Standing | None) -> None:
        steps = np.arange(float(len(losses)))
        for mark, values in ((self._raw, losses), (self._line, smoothed)):
            kept = spikes_kept(steps, values)
            kept = kept[np.isfinite(values[kept])]
            with mark.hold_sync():
                mark.x, mark.y = steps[kept], drawable(values[kept], shown, log=False)
        set_traits(self._words, value=self._words_of(smoothed, standing))

    def _words_of(self, smoothed: FloatArray, standing: Standing | None) -> str:
        finite = smoothed[np.isfinite(smoothed)]
        words, mood = (unpadded(f"loss {finite[-1]:.3g}") if len(finite) else ""), ""
        if standing is not None:
            words, mood = _WORDS[standing.verdict]
        return (
            f'<div class="lrw-lane-words"><strong>LR {text(short_number(self._lr))}</strong>'
            f'<span class="lrw-lane-{mood}">{text(words)}</span></div>'
        )


def _shown(smoothed: Sequence[FloatArray]) -> Range | None:
    """The losses worth showing: where the lanes begin and fall to; one that explodes leaves the picture."""
    curves = [curve[np.isfinite(curve)] for curve in smoothed]
    curves = [curve for curve in curves if len(curve)]
    if not curves:
        return None
    low, start = min(float(curve.min()) for curve in curves), max(float(curve[0]) for curve in curves)
    return with_margin(low, start + _HEADROOM * (start - low))
