"""An interactive picture of what the learning rate is: the length of the stride down a loss surface."""

from __future__ import annotations

import math
from threading import RLock
from typing import Any

import ipywidgets as widgets
import traitlets

from lrwidget.live.descent import OPTIMIZERS, Judgement, Walk, judge, lr_limit, take_walk
from lrwidget.live.surfaces import SURFACES, make_surface
from lrwidget.ui.parts import guard_messages, set_traits
from lrwidget.ui.stride_parts import (
    button,
    link_log_slider,
    log_slider,
    number_box,
    picture,
    ruler,
    setting,
    verdict_box,
)
from lrwidget.ui.stride_pictures import MAX_LR, MIN_LR, EndsByRate, Landscape, LossOverSteps
from lrwidget.ui.stride_style import CSS
from lrwidget.ui.style import style_sheet

MAX_CURVATURE = 50.0
_INTERVAL_MS = 80
_MOST_DRAWS = 150  # of one play: a tab that nobody looks at has to catch up with all of them
_OPTIMIZER_TOOLTIPS = ["Plain gradient descent", "With momentum 0.9", "Adam, with its usual betas"]


class Stride(widgets.VBox):
    """Gradient descent on a small loss surface, with the learning rate as a slider.

    Drag the learning rate and the whole walk follows at once; Play, Step and Reset show it step by step. A dashed
    line marks the rate above which theory says that no walk can settle, and one line of text says how it went.

    Parameters
    ----------
    surface
        One of ``"valley"`` and ``"double well"`` (over one weight), ``"valley 2-D"``, ``"double well 2-D"`` and
        ``"Rosenbrock 2-D"`` (over two).
    optimizer
        ``"SGD"``, ``"momentum"`` (0.9) or ``"Adam"``.
    lr
        The learning rate, from 1e-3 to 10.
    curvature
        The largest second derivative at the minima, from 1 to 50.
    num_steps
        Length of the walk.

    Attributes
    ----------
    surface, optimizer, lr, curvature
        Traits, two-way with the controls.
    position
        Trait: how many steps are shown.

    Raises
    ------
    ValueError
        If a value lies outside its range, also when a trait is set later.
    """

    surface = traitlets.Unicode()
    optimizer = traitlets.Unicode()
    lr = traitlets.Float()
    curvature = traitlets.Float()
    position = traitlets.Int()

    def __init__(
        self,
        surface: str = "valley",
        optimizer: str = "SGD",
        lr: float = 0.03,
        curvature: float = 10.0,
        num_steps: int = 60,
    ) -> None:
        if num_steps < 1:
            raise ValueError(f"need num_steps >= 1, got num_steps={num_steps}")
        self.num_steps = num_steps
        self._lock = RLock()
        self._drawn: dict[str, Any] = {}
        self._make_controls()
        self._landscape = Landscape()
        self._losses = LossOverSteps(num_steps)
        self._ends = EndsByRate(num_steps)
        super().__init__()
        self.surface, self.optimizer, self.lr, self.curvature = surface, optimizer, lr, curvature
        self.position = num_steps
        self._join_controls()
        self.children = self._layout()
        self.add_class("lrwidget").add_class("lrw-stride")
        self.observe(self._on_setting_change, ["surface", "optimizer", "lr", "curvature", "position"])
        self._render()
        guard_messages(self, self._lock)

    def __repr__(self) -> str:
        return f"Stride({self.surface!r}, {self.optimizer!r}, lr={self.lr}, curvature={self.curvature})"

    @property
    def walk(self) -> Walk:
        """The whole walk at the present settings."""
        return take_walk(make_surface(self.surface, self.curvature), self.lr, self.optimizer, self.num_steps)

    @property
    def verdict(self) -> Judgement:
        """What the walk says about its learning rate."""
        return judge(self.walk)

    @property
    def limit(self) -> float | None:
        """The learning rate above which no walk can settle, or None where theory knows of none."""
        return lr_limit(self.curvature, self.optimizer)

    def play(self) -> None:
        """Show the walk step by step, from the beginning if all of it is shown; the browser beats the time."""
        self._clock.playing = True

    def pause(self) -> None:
        """Stop playing."""
        self._clock.playing = False

    def step(self) -> None:
        """Show one step more; after the last one, start over."""
        self.pause()
        self.position = self.position + 1 if self.position < self.num_steps else 1

    def reset(self) -> None:
        """Back to the start."""
        self.pause()
        self.position = 0

    # The parts

    def _make_controls(self) -> None:
        self._surface = widgets.Dropdown(options=list(SURFACES), tooltip="The loss surface")
        self._optimizer = widgets.ToggleButtons(options=list(OPTIMIZERS), tooltips=_OPTIMIZER_TOOLTIPS)
        self._curvature = log_slider("curvature", "How sharp the bottom is", 1.0, MAX_CURVATURE)
        self._slider = log_slider("learning rate", "The length of the stride", MIN_LR, MAX_LR)
        self._curvature_box = number_box(1.0, MAX_CURVATURE)
        self._lr_box = number_box(MIN_LR, MAX_LR)
        self._ruler = widgets.HTML()
        self._clock = widgets.Play(interval=_INTERVAL_MS, max=self.num_steps, layout=widgets.Layout(display="none"))
        self._clock.step = math.ceil(self.num_steps / _MOST_DRAWS)
        self._play_button = button("Play", "run", "Show the walk step by step").add_class("lrw-play")
        self._play_button.button_style = "primary"
        self._step_button = button("Step", "step", "One step more")
        self._reset_button = button("Reset", "back", "Back to the start")
        self._words = widgets.HTML().add_class("lrw-stride-words")
        self._message = widgets.HTML()

    def _join_controls(self) -> None:
        for trait, control in (
            ("surface", self._surface),
            ("optimizer", self._optimizer),
            ("curvature", self._curvature_box),
            ("lr", self._lr_box),
            ("position", self._clock),
        ):
            traitlets.link((self, trait), (control, "value"))
        for trait, slider in (("lr", self._slider), ("curvature", self._curvature)):
            link_log_slider(self, trait, slider)
        self._clock.observe(self._on_clock_playing, "playing")
        self._play_button.on_click(self._on_play_click)
        self._step_button.on_click(self._on_step_click)
        self._reset_button.on_click(self._on_reset_click)

    def _layout(self) -> tuple[widgets.Widget, ...]:
        buttons = (self._play_button, self._step_button, self._reset_button, self._words)
        choices = widgets.Box([self._surface, self._optimizer]).add_class("lrw-stride-choices")
        toolbar = widgets.Box([*buttons, choices, self._clock]).add_class("lrw-toolbar")
        lr = widgets.VBox([setting(self._slider, self._lr_box), self._ruler]).add_class("lrw-stride-lr")
        settings = widgets.Box([lr, setting(self._curvature, self._curvature_box)]).add_class("lrw-stride-settings")
        pictures = [
            picture("The walk", self._landscape.figure, "lrw-stride-walk"),
            picture("Loss over the steps", self._losses.figure, "lrw-stride-chart"),
            picture(f"Loss after {self.num_steps} steps", self._ends.figure, "lrw-stride-chart"),
        ]
        return (
            style_sheet(),
            widgets.HTML(f"<style>{CSS}</style>").add_class("lrw-style"),
            widgets.VBox([toolbar, settings]).add_class("lrw-controls"),
            widgets.Box(pictures).add_class("lrw-stride-pictures"),
            widgets.VBox([self._message]).add_class("lrw-footer"),
        )

    @traitlets.validate("surface", "optimizer", "lr", "curvature", "position")
    def _is_possible(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        choices = {"surface": SURFACES, "optimizer": OPTIMIZERS}.get(name)
        if choices is not None and value not in choices:
            raise ValueError(f"need {name} to be one of {', '.join(choices)}, got {value!r}")
        ranges = {"lr": (MIN_LR, MAX_LR), "curvature": (1, MAX_CURVATURE), "position": (0, self.num_steps)}
        low, high = ranges.get(name, (-math.inf, math.inf))
        if choices is None and not low <= value <= high:
            raise ValueError(f"need {low} <= {name} <= {high}, got {name}={value}")
        return value

    # Input: any thread

    def _on_play_click(self, _: widgets.Button) -> None:
        self._clock.playing = not self._clock.playing

    def _on_step_click(self, _: widgets.Button) -> None:
        self.step()

    def _on_reset_click(self, _: widgets.Button) -> None:
        self.reset()

    def _on_clock_playing(self, _: Any) -> None:
        self._render()

    def _on_setting_change(self, _: Any) -> None:
        self._render()

    # Output: written here alone, one thread at a time

    def _render(self) -> None:
        with self._lock:
            walk = self.walk
            surface = (self.surface, self.curvature)
            if self._is_new("surface", surface):
                self._landscape.draw_surface(walk.surface)
            if self._is_new("ends", (*surface, self.optimizer)):
                self._ends.draw_ends(walk.surface, self.optimizer)
                self._ruler.value = ruler(self.limit, self.curvature, MIN_LR, MAX_LR)
            settings = (*surface, self.optimizer, self.lr)
            if self._is_new("settings", settings):
                self._ends.draw_lr(walk)
                self._message.value = verdict_box(judge(walk))
            if self._is_new("walk", (*settings, self.position)):
                self._landscape.draw_walk(walk, self.position)
                self._losses.draw_walk(walk, self.position)
                self._words.value = f"step {self.position} of {self.num_steps}"
            if self._is_new("playing", self._clock.playing):
                self._render_play_button(self._clock.playing)

    def _render_play_button(self, playing: bool) -> None:
        name, icon, other_icon = ("Pause", "pause", "run") if playing else ("Play", "run", "pause")
        set_traits(self._play_button, description=name)
        self._play_button.remove_class(f"lrw-icon-{other_icon}").add_class(f"lrw-icon-{icon}")

    def _is_new(self, part: str, value: object) -> bool:
        if self._drawn.get(part) == value:
            return False
        self._drawn[part] = value
        return True
