"""The Range test tab: the figure, what belongs to it, and the legend."""

from __future__ import annotations

from ipywidgets import VBox

from lrwidget.live.frames import Frame
from lrwidget.live.session import Session
from lrwidget.ui.curve import CurveView
from lrwidget.ui.legend import Legend
from lrwidget.ui.marker import Marker
from lrwidget.ui.parts import Act, set_traits
from lrwidget.ui.view_bar import ViewBar


class RangeTestTab:
    """The tab with the curve.

    Parameters
    ----------
    session
        Takes what the user chooses.
    act
        Carries out what the user asks for.
    marker
        The selected rate, which is drawn in the figure.
    """

    def __init__(self, session: Session, act: Act, marker: Marker) -> None:
        self.curve = CurveView(marker, act)
        self.view_bar = ViewBar(session, act, self.curve)
        self.legend = Legend(session, act)
        self._slider_box = marker.slider_box
        self.box = VBox([self.view_bar.box, self.curve.box, self._slider_box, self.legend.box])

    def render(self, frame: Frame) -> None:
        """Show this frame."""
        self.view_bar.render(frame)
        self.curve.render(frame)
        # It spans the whole range, so under a part of it the slider would stand where the marker is not.
        set_traits(self._slider_box.layout, visibility="hidden" if self.curve.is_zoomed else None)
        self.legend.render(frame)
