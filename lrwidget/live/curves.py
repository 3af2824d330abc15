"""Curves as they are drawn, made from what was measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lrwidget.finder import LearningRateFinder
from lrwidget.live.drawing import Range, drawable, evenly, spikes_kept, steady
from lrwidget.live.frames import DrawnCurve, Line, PastLine
from lrwidget.live.measurement import Measurement
from lrwidget.result import FloatArray, StopReason
from lrwidget.smoothing import smooth

_NOTHING: Range = (0.0, 1.0)


class CurveMaker:
    """Makes a `DrawnCurve` when something it shows has changed, and hands out the last one while nothing has.

    Attributes
    ----------
    last
        The newest curve.
    """

    def __init__(self, settings: LearningRateFinder) -> None:
        self._log = False
        self._loss_range: Range | None = None  # of the run under way
        self._view: object = None
        self._key: object = None
        self.last = self.make(None, [], settings)

    def show_log(self, log: bool) -> None:
        """Draw logarithms of the losses, or the losses again."""
        self._log, self._loss_range = log, None

    def begin(self) -> None:
        """Start a new curve: the range of the old one does not hold it up."""
        self._loss_range = None

    def is_fresh(self, current: Measurement | None, past: Sequence[Measurement], settings: LearningRateFinder) -> bool:
        """Whether the last curve is of this view; it may still lack the newest points."""
        return self._view == _view(current, past, settings, self._log)

    def make(
        self, current: Measurement | None, past: Sequence[Measurement], settings: LearningRateFinder
    ) -> DrawnCurve:
        """The curve of all these; the last one where nothing has changed."""
        self._view = _view(current, past, settings, self._log)
        key = (
            self._view,
            None if current is None else (current.num_points, len(current.earlier_tests), current.result is None),
        )
        if key != self._key:
            self._key = key
            self.last = self._draw(current, past, settings)
        return self.last

    def _draw(
        self, current: Measurement | None, past: Sequence[Measurement], settings: LearningRateFinder
    ) -> DrawnCurve:
        factor, log = settings.smooth_factor, self._log
        drawn = [m for m in (*past, current) if m is not None and m.num_points]
        ranges = [m.shown_range(factor, log) for m in drawn]
        shown = _hull(ranges) if ranges else _NOTHING
        if ranges and current is not None and current.result is None:
            shown = steady(self._loss_range, shown)
            self._loss_range = shown
        sweeps = [m.settings for m in (*past, current) if m is not None] or [settings]
        empty = np.empty(0)
        lrs, losses = (current.lrs, current.losses) if current is not None else (empty, empty)
        smoothed = current.smoothed(factor) if current is not None else empty
        chosen = spikes_kept(lrs, losses)
        norms = None if current is None else current.grad_norms
        tests = [] if current is None else current.earlier_tests
        return DrawnCurve(
            points=Line(lrs[chosen], drawable(losses[chosen], shown, log)),
            line=_line(lrs, smoothed, shown, log),
            norms=None if norms is None else Line(*evenly(lrs, norms[: len(lrs)])),
            tests=tuple(_line(t.lrs, smooth(t.lrs, t.losses, factor), shown, log) for t in tests),
            band=_band(current, shown, log),
            past=tuple(PastLine(m.number, m.name, _line(m.lrs, m.smoothed(factor), shown, log)) for m in past),
            steps=chosen,
            losses=losses[chosen],
            end=_explosion(current, smoothed, shown, log),
            lr_range=(min(s.min_lr for s in sweeps), max(s.max_lr for s in sweeps)),
            loss_range=shown,
            log=log,
        )


def _view(
    current: Measurement | None, past: Sequence[Measurement], settings: LearningRateFinder, log: bool
) -> tuple[object, ...]:
    """What a curve shows, but for the points that come with time."""
    sweep = settings if current is None and not past else None  # a curve's axis is that of its own sweep
    return sweep, current, tuple((m.number, m.name) for m in past), settings.smooth_factor, log


def _line(lrs: FloatArray, smoothed: FloatArray, shown: Range, log: bool) -> Line:
    lrs, smoothed = evenly(lrs, smoothed)
    return Line(lrs, drawable(smoothed, shown, log))


def _band(measurement: Measurement | None, shown: Range, log: bool) -> tuple[Line, Line] | None:
    edges = None if measurement is None else measurement.band
    if measurement is None or edges is None:
        return None
    usable = np.isfinite(edges[0])
    lrs, low = measurement.lrs[usable], edges[0][usable]
    high = np.where(np.isfinite(edges[1][usable]), edges[1][usable], 1e100)  # where a quarter has diverged
    return _line(lrs, low, shown, log), _line(lrs, high, shown, log)


def _explosion(
    measurement: Measurement | None, smoothed: FloatArray, shown: Range, log: bool
) -> tuple[float, float] | None:
    """Where a run that ended by itself with an explosion ended, within the shown range."""
    result = None if measurement is None else measurement.result
    if result is None or result.stop_reason not in (StopReason.DIVERGED, StopReason.NOT_FINITE) or not len(result):
        return None
    last = drawable(smoothed[-1:], shown, log)[0]
    height = shown[1] if np.isnan(last) else min(max(last, shown[0]), shown[1])
    return float(result.lrs[-1]), float(height)


def _hull(ranges: Sequence[Range]) -> Range:
    return min(low for low, _ in ranges), max(high for _, high in ranges)
