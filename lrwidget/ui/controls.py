"""The buttons, the progress and the sliders above the tabs."""

from __future__ import annotations

from collections.abc import Callable

from ipywidgets import HTML, Box, Button, FloatLogSlider, IntSlider, VBox

from lrwidget.live.frames import Frame, Progress
from lrwidget.live.run_state import RunState
from lrwidget.live.session import Session
from lrwidget.ui import markup
from lrwidget.ui.parts import Act, answer_from_here, button, set_class, set_traits
from lrwidget.ui.setting import Setting

_SMOOTH = (
    "Weight of the newest loss in the smoothed curve: smaller is smoother. Redraws, never retrains. "
    "A curve without noise stays as it is"
)


class Controls:
    """Run, Pause, Stop and Clear; the progress; the settings.

    Pause, Resume and Stop are written to when a click starts a run and never else, so that a kernel that is busy with
    another cell still answers them. Which can be seen and pressed is decided by the class of the box around them.

    Parameters
    ----------
    session
        Takes the settings.
    act
        Carries out what the user has asked for, and shows what goes wrong.
    start, pause, resume, stop, clear
        What the buttons do.
    can_clear
        Whether there is something to clear.
    """

    def __init__(
        self,
        session: Session,
        act: Act,
        *,
        start: Callable[[], None],
        pause: Callable[[], None],
        resume: Callable[[], None],
        stop: Callable[[], None],
        clear: Callable[[], None],
        can_clear: Callable[[Frame], bool],
    ) -> None:
        self._act = act
        self._can_clear = can_clear
        self._frame: Frame | None = None
        self.run = self._button("Run", "Measure the loss at each learning rate", start, "primary")
        self.pause = self._button("Pause", "Pause after the step under way", pause)
        self.resume = self._button("Resume", "Go on with the run", resume)
        self.stop = self._button("Stop", "Stop after the step under way and keep the curve", stop)
        self.clear = self._button("Clear", "Forget all curves, trainings and your choice", clear)
        self._progress = HTML().add_class("lrw-progress")
        self._toolbar = Box([self.run, self.pause, self.resume, self.stop, self.clear, self._progress])
        self._toolbar.add_class("lrw-toolbar").add_class("lrw-is-idle")
        self._state = RunState.IDLE
        self.settings = {
            "min_lr": Setting(
                session, act, "min_lr", "First learning rate of the next run", _log_slider(-10.0, 2.0, 0.1)
            ),
            "max_lr": Setting(
                session, act, "max_lr", "Last learning rate of the next run", _log_slider(-10.0, 2.0, 0.1)
            ),
            "num_steps": Setting(
                session, act, "num_steps", "Train steps of the next run", IntSlider(100, 10, 1000, 10)
            ),
            "smooth_factor": Setting(session, act, "smooth_factor", _SMOOTH, _log_slider(-2.5, 0.0, 0.05)),
        }
        self._refusal = HTML()
        grid = Box([setting.box for setting in self.settings.values()]).add_class("lrw-settings")
        self.box = VBox([self._toolbar, grid, self._refusal]).add_class("lrw-controls")

    def listen_from_here(self) -> None:
        """Called while a click is handled that starts a run."""
        answer_from_here(self.pause, self.resume, self.stop)

    def render(self, frame: Frame) -> None:
        """Show this frame."""
        last, self._frame = self._frame, frame
        if last is None or last.progress != frame.progress:
            self._render_progress(frame.progress)
        if last is None or last.refusal != frame.refusal:
            self._refusal.value = markup.refusal(frame.refusal)
        set_traits(self.run, disabled=frame.state.is_active)
        set_traits(self.clear, disabled=not self._can_clear(frame))
        for setting in self.settings.values():
            setting.render()

    def _render_progress(self, progress: Progress) -> None:
        self._progress.value = markup.progress(progress)
        if progress.state is not self._state:
            with self._toolbar.hold_sync():  # never seen without a state
                self._toolbar.remove_class(f"lrw-is-{self._state}").add_class(f"lrw-is-{progress.state}")
            self._state = progress.state
        set_class(self._toolbar, "lrw-is-stopping", progress.is_stopping)

    def _button(self, name: str, tooltip: str, action: Callable[[], None], style: str = "") -> Button:
        made = button(name, tooltip, name.lower(), self._act, action)
        made.button_style = style
        made.add_class(f"lrw-{name.lower()}")
        # Counting its views makes the browser send a first message, which mostly routes the clicks past a busy cell
        # for runs that were started by code too.
        made._view_count = 0
        return made


def _log_slider(low: float, high: float, step: float) -> FloatLogSlider:
    """A slider from 10**low to 10**high, in steps of so many decades."""
    return FloatLogSlider(10.0**low, min=low, max=high, step=step)
