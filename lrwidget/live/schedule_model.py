"""The schedule that a user puts together: chosen, set, linked to the learning rate, compared. No widgets here."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lrwidget import schedules
from lrwidget.axes import short_number
from lrwidget.live.schedule_preview import Overlay, Preview, ScheduleFrame, make_preview, warnings_about
from lrwidget.live.schedule_values import (
    BATCHES,
    COMMON,
    EPOCHS,
    FRONT,
    PEAK,
    TOTAL,
    Control,
    Scale,
    Slot,
    as_argument,
    as_control,
    converted,
    slot,
    start_value,
    typed_value,
)
from lrwidget.schedules import SCHEDULES, Parameter, Schedule

if TYPE_CHECKING:
    import pandas as pd
    from torch.optim import Optimizer

    from lrwidget.schedules import ScheduledLR

MOST_OVERLAYS = 4


class ScheduleModel:
    """The state behind the Schedule tab.

    Intents may come from any thread. They never raise: what cannot be taken is explained by the next frame.

    Parameters
    ----------
    lr
        The peak to begin with.
    total_steps
        The length of the training to begin with.
    steps_per_epoch
        The number of batches in an epoch where it is known: the length is then asked for in epochs.
    """

    def __init__(self, lr: float = 1e-3, total_steps: int = 1000, steps_per_epoch: int | None = None) -> None:
        self._lock = threading.RLock()
        self._name = "one_cycle"
        self._kept: dict[Slot, tuple[Parameter, Any]] = {}
        self._by_share = False
        self._by_epochs = steps_per_epoch is not None
        self._is_linked = True
        self._front_kind: str | None = None
        self._log = False
        self._refusal = ""
        self._preview: Preview | None = None
        self._overlays: tuple[Overlay, ...] = ()
        self._num_overlays = 0
        self._keep(PEAK, PEAK.checked(lr))
        self._keep(TOTAL, TOTAL.checked(total_steps))
        if steps_per_epoch is not None:
            self._keep(BATCHES, BATCHES.checked(steps_per_epoch))

    # --- intents: any thread, no waiting ---

    def choose(self, name: str) -> None:
        """Take another schedule of the list; values that it has in common with the last one stay."""
        with self._lock:
            self._refusal = "" if _is_choice(name) else f"need a schedule of the list, got {name!r}"
            self._name = name if _is_choice(name) else self._name

    def set_lr(self, lr: float | None) -> None:
        """Take the selected learning rate as the peak, unless the link is locked or there is none."""
        with self._lock:
            if self._is_linked and lr is not None and math.isfinite(lr) and lr > 0:
                self._keep(PEAK, float(lr))

    def link(self, is_linked: bool) -> None:
        """Let the peak follow the selected learning rate, or lock it where it is."""
        with self._lock:
            self._is_linked = is_linked

    def set_value(self, key: str, value: Any) -> None:
        """Take the value to which a control was moved, by the name of its parameter. Moving the peak locks it."""
        with self._lock:
            self._take(self._parameter(key), lambda: value)

    def type_value(self, key: str, text: str) -> None:
        """Take what was typed for a control; what cannot be read is explained, and the last value stays."""
        with self._lock:
            parameter = self._parameter(key)
            if text.strip() == self._control(parameter).text:
                return  # what is shown is rounded: it must not come back as the value
            self._take(parameter, lambda: typed_value(parameter, text, self._scale()))

    def measure_by_epochs(self, by_epochs: bool) -> None:
        """Ask for the length in epochs, or in steps; it stays as near to what it was as it can."""
        with self._lock:
            if by_epochs and not self._by_epochs:
                self._keep(EPOCHS, max(1, round(self._value(TOTAL) / self._value(BATCHES))))
            if not by_epochs and self._by_epochs:
                self._keep(TOTAL, self._total_steps())
            self._by_epochs = by_epochs

    def measure_by_share(self, by_share: bool) -> None:
        """Ask for numbers of steps as shares of the total, which then grow with it, or as numbers."""
        with self._lock:
            scale = self._scale()
            for parameter, value in list(self._kept.values()):
                self._keep(parameter, converted(parameter, value, scale, by_share))
            self._by_share = by_share

    def put_in_front(self, kind: str | None) -> None:
        """Put a warm-up of that shape in front of the schedule, or none."""
        with self._lock:
            self._front_kind = kind

    def show_log(self, log: bool) -> None:
        """Put the learning rates on a logarithmic axis, or back on a linear one."""
        with self._lock:
            self._log = log

    def add_overlay(self) -> None:
        """Keep the schedule of now to compare others with; the oldest gives way when there are too many."""
        with self._lock:
            self._look()
            if self._preview is None:
                return
            self._num_overlays += 1
            overlay = Overlay(self._num_overlays, self._title(), self._preview)
            self._overlays = (*self._overlays, overlay)[-MOST_OVERLAYS:]

    def remove_overlay(self, number: int) -> None:
        """Compare no longer with that one."""
        with self._lock:
            self._overlays = tuple(overlay for overlay in self._overlays if overlay.number != number)

    # --- what there is to know ---

    @property
    def schedule(self) -> Schedule:
        """The schedule with the values of now.

        Raises
        ------
        ValueError
            If they make no sense together.
        """
        with self._lock:
            return self._make()

    @property
    def total_steps(self) -> int:
        """The length of the training."""
        with self._lock:
            return self._total_steps()

    @property
    def steps_per_epoch(self) -> int | None:
        """The length of an epoch where it is asked for, else None."""
        with self._lock:
            return self._value(BATCHES) if self._by_epochs else None

    def to_dataframe(self) -> pd.DataFrame:
        """Give one row per step of the training; see `Schedule.to_dataframe`."""
        with self._lock:
            return self._make().to_dataframe(self._total_steps(), self.steps_per_epoch)

    def make_scheduler(self, optimizer: Optimizer) -> ScheduledLR:
        """Give a PyTorch scheduler for an optimizer; see `Schedule.to_torch`."""
        return self.schedule.to_torch(optimizer)

    def frame(self) -> ScheduleFrame:
        """Give what is to be seen now."""
        with self._lock:
            problem = self._look()
            entry, preview = SCHEDULES[self._name], self._preview
            own = [parameter for parameter in entry.parameters if parameter.name not in COMMON]
            length = (EPOCHS, BATCHES) if self._by_epochs else (TOTAL,)
            return ScheduleFrame(
                name=self._name,
                title=self._title(),
                summary=entry.summary,
                controls=tuple(map(self._control, own)),
                length=tuple(map(self._control, length)),
                peak=self._control(PEAK),
                front_kind=self._front_kind,
                front=self._control(FRONT),
                by_epochs=self._by_epochs,
                by_share=self._by_share,
                is_linked=self._is_linked,
                preview=preview,
                overlays=self._overlays,
                problem=problem,
                refusal=self._refusal,
                warnings=() if problem or preview is None else self._warnings(preview.schedule),
                total_steps=self._total_steps(),
                steps_per_epoch=self.steps_per_epoch,
                log=self._log,
            )

    # --- inside: the lock is held ---

    def _look(self) -> str:
        """Bring the preview up to date and give "", or keep the last one and say why there is none of now."""
        try:
            schedule, total_steps = self._make(), self._total_steps()
        except (TypeError, ValueError) as error:
            return str(error)
        seen = self._preview
        if seen is None or seen.schedule != schedule or seen.total_steps != total_steps:
            self._preview = make_preview(schedule, total_steps)
        return ""

    def _make(self) -> Schedule:
        scale = self._scale()
        in_front = 0 if self._front_kind is None else as_argument(FRONT, self._value(FRONT), scale)
        if in_front >= scale.total_steps:
            raise ValueError(
                f"need warm-up in front < total steps, got {in_front:,} of {scale.total_steps:,}; "
                "shorten the warm-up or train longer"
            )
        arguments = {p.name: as_argument(p, self._value(p), scale) for p in SCHEDULES[self._name].parameters}
        if "total_steps" in arguments:
            arguments["total_steps"] = scale.total_steps - in_front
        schedule = schedules.make(self._name, arguments)
        if self._front_kind is None:
            return schedule
        return schedules.warmup(schedule, in_front, self._front_kind)

    def _warnings(self, schedule: Schedule) -> tuple[str, ...]:
        scale = self._scale()
        asked = [p for p in SCHEDULES[self._name].parameters if p.kind == "steps"]
        lengths = {p.label: as_argument(p, self._value(p), scale) or 0 for p in asked}
        return warnings_about(schedule, scale.total_steps, lengths)

    def _title(self) -> str:
        """Tell the schedule of now from others in few words."""
        scale = self._scale()
        words = [SCHEDULES[self._name].title, short_number(scale.peak)]
        if self._front_kind is not None:
            words.append(f"after {as_argument(FRONT, self._value(FRONT), scale):,} steps of warm-up")
        return ", ".join(words)

    def _total_steps(self) -> int:
        if self._by_epochs:
            return int(self._value(EPOCHS) * self._value(BATCHES))
        return int(self._value(TOTAL))

    def _scale(self) -> Scale:
        return Scale(self._total_steps(), float(self._kept[slot(PEAK)][1]), self._by_share)

    def _parameter(self, key: str) -> Parameter:
        own = {parameter.name: parameter for parameter in SCHEDULES[self._name].parameters}
        return {**own, **COMMON}[key]

    def _value(self, parameter: Parameter) -> Any:
        kept = self._kept.get(slot(parameter))
        if kept is not None:
            return kept[1]
        return (
            parameter.start
            if parameter.name in COMMON and parameter is not FRONT
            else start_value(parameter, self._scale())
        )

    def _control(self, parameter: Parameter) -> Control:
        return as_control(parameter, self._value(parameter), self._scale())

    def _take(self, parameter: Parameter, read: Callable[[], Any]) -> None:
        """Keep a user's value, unless it cannot be read or is impossible whatever the other values are."""
        try:
            value = read()
            if parameter.kind in ("lr", "total", "count") or parameter.scale == "log":
                value = parameter.checked(value)
        except (TypeError, ValueError) as error:
            self._refusal = str(error)
            return
        self._refusal = ""
        if parameter is PEAK:
            self._is_linked = False
        self._keep(parameter, value)

    def _keep(self, parameter: Parameter, value: Any) -> None:
        self._kept[slot(parameter)] = (parameter, value)


def _is_choice(name: str) -> bool:
    return name in SCHEDULES and SCHEDULES[name].is_plain
