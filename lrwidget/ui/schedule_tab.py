"""The Schedule tab: choose a schedule, set it, see it, compare it, take it away."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from functools import partial
from threading import RLock
from typing import Any

from ipywidgets import HTML, Box, Dropdown, ToggleButton, ToggleButtons, VBox

from lrwidget.live.schedule_model import MOST_OVERLAYS, ScheduleModel
from lrwidget.live.schedule_values import Control, slot
from lrwidget.schedules import SCHEDULES
from lrwidget.schedules.warmups import RISES
from lrwidget.ui import schedule_markup as words
from lrwidget.ui.parts import Act, Explained, Inputs, button, guard_messages, set_class, set_traits
from lrwidget.ui.schedule_controls import ValueControl
from lrwidget.ui.schedule_export import ScheduleExport
from lrwidget.ui.schedule_plot import SchedulePlot
from lrwidget.ui.schedule_style import CSS
from lrwidget.ui.schedule_trial import ScheduleTrialView

_NO_FRONT = "none"
_LINKS = {True: ("Follows the selected LR", "link"), False: ("Locked", "lock")}


class ScheduleTab:
    """The tab; its peak follows the selected learning rate.

    Parameters
    ----------
    model
        Takes what the user does, and gives what is shown. Whoever moves the selected learning rate calls its `set_lr`
        and then `render` here.
    act
        Carries out an intent and has `render` called soon after; by default both at once.
    namespace
        Where the table is saved under a name; the notebook's variables where None.
    lock
        Held while widgets are written to, here and by the owner; one of its own where None.
    trial
        Where the schedule is tried; None where it is not.

    Attributes
    ----------
    box
        What is shown.
    """

    def __init__(
        self,
        model: ScheduleModel,
        act: Act | None = None,
        namespace: MutableMapping[str, Any] | None = None,
        lock: RLock | None = None,
        trial: ScheduleTrialView | None = None,
    ) -> None:
        self.model = model
        self._act = act or self._act_at_once
        self._inputs = Inputs(self._act)
        self._lock = lock or RLock()
        self._trial = trial
        self._frame = model.frame()
        self._controls: dict[tuple[Any, ...], ValueControl] = {}
        self._make_choices()
        self.plot = SchedulePlot()
        self.export = ScheduleExport(model, self._act, namespace)
        self._overlays = [_OverlayEntry(self._act, partial(self._on_remove_click, i)) for i in range(MOST_OVERLAYS)]
        self.box = self._layout()
        self.render()
        guard_messages(self.box, self._lock)

    def _make_choices(self) -> None:
        model = self.model
        titles = {entry.title: name for name, entry in SCHEDULES.items() if entry.is_plain}
        self.choice = Dropdown(options=titles, value=self._frame.name, description="Schedule")
        self._inputs.listen(self.choice, model.choose)
        self.link = ToggleButton(value=True, tooltip="Keep the peak at the selected LR, or lock it where it is")
        self._inputs.listen(self.link, model.link)
        self.length_unit = ToggleButtons(options={"steps": False, "epochs": True}, description="Length in")
        self.length_unit.tooltip = "How the length of the training is given"
        self.length_unit.tooltips = ["The number of optimizer steps", "Epochs times steps per epoch"]
        self._inputs.listen(self.length_unit, model.measure_by_epochs)
        self.step_unit = ToggleButtons(options={"steps": False, "% of total": True}, description="Parts in")
        self.step_unit.tooltip = "How the lengths of its parts are given"
        self.step_unit.tooltips = ["Numbers of steps, whatever the total", "Shares, which grow with the total"]
        self._inputs.listen(self.step_unit, model.measure_by_share)
        self.front = ToggleButtons(options=[_NO_FRONT, *RISES], description="Warm-up in front")
        tip = "A warm-up before the schedule begins; its steps are part of the total"
        self.front.tooltips = ["The schedule as it is", *[tip] * len(RISES)]
        self._inputs.listen(self.front, lambda kind: model.put_in_front(None if kind == _NO_FRONT else kind))
        self.log = ToggleButton(description="log", tooltip="Learning rates on a logarithmic axis")
        self._inputs.listen(self.log, model.show_log)
        tip = f"Leave this curve in the picture while you try another one (at most {MOST_OVERLAYS})"
        self.compare = button("Keep to compare", tip, "keep", self._act, model.add_overlay)

    def _layout(self) -> VBox:
        self._summary, self._phases, self._says, self._legend = HTML(), HTML(), HTML(), HTML()
        self._peak, self._length, self._own, self._front = (Box([]).add_class("lrw-schedule-values") for _ in range(4))
        buttons = Box([self.log, self.compare]).add_class("lrw-schedule-buttons")
        overlays = Box([self._legend, *(overlay.box for overlay in self._overlays)]).add_class("lrw-overlays")
        areas = {
            "choice": [Explained(self.choice, "The shape of the learning rate over the training"), self._summary],
            "side": [
                *(self._peak, self.link, self.length_unit, self._length),
                *(self.step_unit, self._own, self.front, self._front),
            ],
            "picture": [buttons, self.plot.figure, self._phases, overlays, self._says],
            "export": [self.export.box],
        }
        boxes = [VBox(children).add_class(f"lrw-schedule-{area}") for area, children in areas.items()]
        if self._trial is not None:
            boxes.insert(-1, self._trial.box)
        style = HTML(f"<style>{CSS}</style>").add_class("lrw-style")
        return VBox([style, Box(boxes).add_class("lrw-schedule-areas")]).add_class("lrw-schedule")

    # Inputs: any thread; they call intents and nothing else

    def _act_at_once(self, intent: Callable[[], object]) -> None:
        intent()
        self.render()

    def _on_remove_click(self, i: int) -> None:
        if i < len(self._frame.overlays):
            self.model.remove_overlay(self._frame.overlays[i].number)

    # Output: written here alone, one thread at a time

    def render(self, frame: object = None) -> None:
        """Show the model as it is now, whatever the widget's frame; only what has changed is written."""
        with self._lock, self._inputs.quiet():
            self._frame = shown = self.model.frame()
            set_traits(self.choice, value=shown.name)
            set_traits(self._summary, value=words.summary(shown))
            self._render_link(shown.is_linked)
            set_traits(self.length_unit, value=shown.by_epochs)
            set_traits(self.step_unit, value=shown.by_share)
            set_traits(self.step_unit.layout, display=None if shown.has_parts else "none")
            set_traits(self.front, value=shown.front_kind or _NO_FRONT)
            set_traits(self.log, value=shown.log)
            set_traits(self.compare, disabled=bool(shown.problem))
            for box, controls in (
                (self._peak, (shown.peak,)),
                (self._length, shown.length),
                (self._own, shown.controls),
                (self._front, (shown.front,) if shown.front_kind is not None else ()),
            ):
                self._render_controls(box, controls)
            self.plot.render(shown)
            set_traits(self._phases, value=words.phases(shown))
            set_traits(self._says, value=words.says(shown))
            set_traits(self._legend, value=words.legend(shown))
            for i, entry in enumerate(self._overlays):
                entry.render(words.overlay(shown.overlays[i], i) if i < len(shown.overlays) else "")
            self.export.render(shown)
            if self._trial is not None:
                self._trial.render()

    def _render_link(self, is_linked: bool) -> None:
        for linked, (words_on_it, icon) in _LINKS.items():
            if linked is is_linked:
                set_traits(self.link, value=is_linked, description=words_on_it)
            set_class(self.link, f"lrw-icon-{icon}", linked is is_linked)

    def _render_controls(self, box: Box, controls: tuple[Control, ...]) -> None:
        shown = [self._value_control(control) for control in controls]
        for value, control in zip(shown, controls, strict=True):
            value.render(control)
        set_traits(box, children=tuple(value.box for value in shown))

    def _value_control(self, control: Control) -> ValueControl:
        """Give the inputs of a value, the same ones for as long as it means the same."""
        parameter = control.parameter
        key = (*slot(parameter), control.unit)
        if key not in self._controls:
            self._controls[key] = ValueControl(
                control,
                lambda value: self._act(lambda: self.model.set_value(parameter.name, value)),
                lambda text: self._act(lambda: self.model.type_value(parameter.name, text)),
            )
            guard_messages(self._controls[key].box, self._lock)
        return self._controls[key]


class _OverlayEntry:
    """One line of the legend: a curve kept to compare with, and the button that takes it away."""

    def __init__(self, act: Act, remove: Callable[[], None]) -> None:
        self._legend = HTML()
        self.button = button("", "Take this curve out of the picture", "dismiss", act, remove)
        self.box = Box([self._legend, self.button]).add_class("lrw-overlay")

    def render(self, legend: str) -> None:
        set_traits(self._legend, value=legend)
        set_traits(self.box.layout, display=None if legend else "none")
