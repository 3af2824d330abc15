"""The public traits of the widget: set by code, published by the pump."""

from __future__ import annotations

import dataclasses
from typing import Any

from ipywidgets import VBox
from traitlets import Float, Instance, Int, Unicode, validate

from lrwidget.live.frames import Frame
from lrwidget.live.guidance import check_choice
from lrwidget.live.run_state import RunState
from lrwidget.live.session import Session
from lrwidget.result import RangeTestResult

SETTINGS = ("min_lr", "max_lr", "num_steps", "smooth_factor")


class PublicTraits(VBox):
    """A box whose traits are the session's values, in both directions.

    Who sets a trait hands the value to the session; what the session has become is published here. A trait that is
    being published is told apart from one that is set by its name and value, not by a flag: an observer of the one may
    well set the other.
    """

    state = Unicode("idle", read_only=True)
    min_lr = Float(1e-7)
    max_lr = Float(10.0)
    num_steps = Int(100)
    smooth_factor = Float(0.05)
    selected_lr = Float(None, allow_none=True)
    suggested_lr = Float(None, allow_none=True, read_only=True)
    result = Instance(RangeTestResult, allow_none=True, read_only=True)

    _session: Session

    def _listen(self) -> None:
        """Begin to hand on what is set."""
        self._published: tuple[str, object] | None = None
        self._num_seen = 0  # runs whose beginning has been published
        self.observe(self._on_setting_change, list(SETTINGS))
        self.observe(self._on_selected_lr_change, "selected_lr")

    def _settle(self) -> None:
        """Have a change by code drawn."""
        raise NotImplementedError

    def _publish(self, frame: Frame) -> None:
        """Set the traits to what the frame says, the state last. No lock is held: their observers are the user's."""
        if frame.num_begun != self._num_seen:
            self._num_seen = frame.num_begun
            self._set("state", str(RunState.RUNNING))  # also of a run that was over before anybody looked
        for name in SETTINGS:
            self._set(name, getattr(frame.settings, name))
        self._set("suggested_lr", frame.guide.suggested_lr)
        self._set("selected_lr", frame.guide.selected_lr)
        self._set("result", frame.result)
        self._set("state", str(frame.state))

    def _set(self, name: str, value: object) -> None:
        if getattr(self, name) == value:
            return
        self._published = (name, value)
        try:
            self.set_trait(name, value)
        except Exception as error:  # an observer's: it is the user's code that failed, and the widget goes on
            self._session.note_failure(error)
            self._settle()
        finally:
            self._published = None

    @validate(*SETTINGS)
    def _check_setting(self, proposal: Any) -> Any:
        name = proposal["trait"].name
        return getattr(dataclasses.replace(self._session.settings, **{name: proposal["value"]}), name)

    @validate("selected_lr")
    def _check_selected_lr(self, proposal: Any) -> Any:
        check_choice(proposal["value"])
        return proposal["value"]

    def _on_setting_change(self, change: Any) -> None:
        if (change["name"], change["new"]) != self._published:
            self._session.change(**{change["name"]: change["new"]})
            self._settle()

    def _on_selected_lr_change(self, change: Any) -> None:
        if ("selected_lr", change["new"]) != self._published:
            self._session.choose(change["new"])
            self._settle()
