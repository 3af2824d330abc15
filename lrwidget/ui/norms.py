"""The gradient norm as a second line, on an axis of its own."""

from __future__ import annotations

import numpy as np
from bqplot import Axis, Lines, LogScale

from lrwidget.live.frames import Line
from lrwidget.ui.marks import NONE, NORM, draw, ending_finite
from lrwidget.ui.parts import set_range, set_traits
from lrwidget.ui.ticks import set_lr_ticks

_NO_NORMS = Line(NONE, NONE)


class NormLine:
    """A thin line and the axis on the right.

    Parameters
    ----------
    lr_scale
        The figure's learning rates.
    """

    def __init__(self, lr_scale: LogScale) -> None:
        self._scale = LogScale(min=0.1, max=1.0, allow_padding=False)
        self._norms = _NO_NORMS
        self._drawn: Line | None = None
        self.is_wanted = False
        self.line = Lines(
            x=NONE,
            y=NONE,
            scales={"x": lr_scale, "y": self._scale},
            colors=[NORM],
            stroke_width=1.3,
            opacities=[0.8],
            visible=False,
        )
        self.axis = Axis(
            scale=self._scale,
            side="right",
            label="gradient norm",
            label_offset="40px",
            label_color=NORM,
            grid_lines="none",
            tick_style={"fill": NORM},
            visible=False,
        )

    @property
    def is_shown(self) -> bool:
        """Whether they are wanted and there are any."""
        return self.is_wanted and bool(len(self._norms.lrs))

    def render(self, norms: Line | None, has_changed: bool) -> None:
        """Show these norms where they are wanted.

        Parameters
        ----------
        norms
            None where there are none.
        has_changed
            Whether they are others than last time.
        """
        if has_changed:
            self._norms = norms or _NO_NORMS
        if self.is_shown and self._drawn is not self._norms:
            self._drawn = self._norms
            self._draw()
        set_traits(self.line, visible=self.is_shown)
        set_traits(self.axis, visible=self.is_shown)

    def _draw(self) -> None:
        usable = np.isfinite(self._norms.values) & (self._norms.values > 0)
        values = np.where(usable, self._norms.values, np.nan)
        if usable.any():
            low, high = float(np.nanmin(values)), float(np.nanmax(values))
            low, high = low / 1.3, high * 1.3
            set_range(self._scale, low, high)
            set_lr_ticks(self.axis, low, high, most=5)
        draw(self.line, *ending_finite(self._norms.lrs, values))
