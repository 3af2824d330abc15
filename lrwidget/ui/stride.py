"""An interactive picture of what the learning rate is: the length of the stride down a loss surface."""

from __future__ import annotations

import math
from html import escape
from threading import RLock
from typing import Any

import ipywidgets as widgets
import traitlets

from lrwidget.live.descent import MOMENTUM, OPTIMIZERS, Verdict, Walk, judge, lr_limit, take_walk
from lrwidget.live.surfaces import SURFACES, make_surface
from lrwidget.ui.stride_pictures import MAX_LR, MIN_LR, EndsByRate, Landscape, LossOverSteps

MAX_CURVATURE = 50.0
_INTERVAL_MS = 80
_SLIDER_STEP = 0.01  # decades
_MOST_DRAWS = 150  # of one play: a tab that nobody looks at has to catch up with all of them


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
        self.observe(self._on_setting_change, ["surface", "optimizer", "lr", "curvature", "position"])
        self._render()

    @property
    def walk(self) -> Walk:
        """The whole walk at the present settings."""
        return take_walk(make_surface(self.surface, self.curvature), self.lr, self.optimizer, self.num_steps)

    @property
    def verdict(self) -> Verdict:
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
        self._surface = widgets.Dropdown(options=list(SURFACES), description="Surface")
        self._optimizer = widgets.ToggleButtons(options=list(OPTIMIZERS), tooltips=_OPTIMIZER_TOOLTIPS)
        self._optimizer.style.button_width = "auto"
        self._curvature = widgets.FloatLogSlider(
            min=0, max=math.log10(MAX_CURVATURE), step=_SLIDER_STEP, description="Curvature", readout_format=".3g"
        )
        self._slider = widgets.FloatLogSlider(
            min=math.log10(MIN_LR),
            max=math.log10(MAX_LR),
            step=_SLIDER_STEP,
            readout=False,
            layout=widgets.Layout(width="auto"),
        )
        self._text = widgets.BoundedFloatText(min=MIN_LR, max=MAX_LR, step=None, layout=widgets.Layout(width="90px"))
        self._ruler = widgets.HTML()
        self._clock = widgets.Play(interval=_INTERVAL_MS, max=self.num_steps, layout=widgets.Layout(display="none"))
        self._clock.step = math.ceil(self.num_steps / _MOST_DRAWS)
        self._play_button = _button("Play", "play", "Show the walk step by step")
        self._step_button = _button("Step", "step-forward", "One step more")
        self._reset_button = _button("Reset", "undo", "Back to the start")
        self._progress = widgets.HTML()
        self._message = widgets.HTML()

    def _join_controls(self) -> None:
        for trait, control in (
            ("surface", self._surface),
            ("optimizer", self._optimizer),
            ("lr", self._text),
            ("position", self._clock),
        ):
            traitlets.link((self, trait), (control, "value"))
        for trait, slider in (("lr", self._slider), ("curvature", self._curvature)):
            _link_log_slider(self, trait, slider)
        self._clock.observe(self._on_clock_playing, "playing")
        self._play_button.on_click(self._on_play_click)
        self._step_button.on_click(self._on_step_click)
        self._reset_button.on_click(self._on_reset_click)

    def _layout(self) -> tuple[widgets.Widget, ...]:
        wrap = widgets.Layout(flex_flow="row wrap", align_items="center")
        slider = widgets.VBox([self._slider, self._ruler], layout=widgets.Layout(flex="1 1 200px", min_width="0"))
        buttons = (self._play_button, self._step_button, self._reset_button, self._progress, self._clock)
        return (
            widgets.Box([self._surface, self._optimizer, self._curvature], layout=wrap),
            widgets.Box(
                [widgets.Label("Learning rate"), slider, self._text], layout=widgets.Layout(align_items="flex-start")
            ),
            widgets.Box([*buttons], layout=wrap),
            self._message,
            widgets.Box([self._scene(), self._side()], layout=widgets.Layout(flex_flow="row wrap")),
        )

    def _scene(self) -> widgets.Widget:
        return widgets.VBox([widgets.HTML(_heading("The walk")), self._landscape.figure], layout=_column("3 1 400px"))

    def _side(self) -> widgets.Widget:
        losses = [widgets.HTML(_heading("Loss over the steps")), self._losses.figure]
        ends = [widgets.HTML(_heading(f"Loss after {self.num_steps} steps, at every learning rate")), self._ends.figure]
        return widgets.VBox([*losses, *ends], layout=_column("2 1 300px"))

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
                self._ruler.value = _ruler(self.limit, self.optimizer)
            settings = (*surface, self.optimizer, self.lr)
            if self._is_new("settings", settings):
                self._ends.draw_lr(walk)
                self._message.value = _verdict_html(judge(walk))
            if self._is_new("walk", (*settings, self.position)):
                self._landscape.draw_walk(walk, self.position)
                self._losses.draw_walk(walk, self.position)
                self._progress.value = f"step {self.position} of {self.num_steps}"
            playing = self._clock.playing
            self._play_button.description, self._play_button.icon = _PLAY_FACES[playing]

    def _is_new(self, part: str, value: object) -> bool:
        if self._drawn.get(part) == value:
            return False
        self._drawn[part] = value
        return True


_PLAY_FACES = {False: ("Play", "play"), True: ("Pause", "pause")}
_OPTIMIZER_TOOLTIPS = ["Plain gradient descent", "With momentum 0.9", "Adam, with its usual betas"]


def _button(name: str, icon: str, tooltip: str) -> widgets.Button:
    return widgets.Button(description=name, icon=icon, tooltip=tooltip, layout=widgets.Layout(width="92px"))


def _column(flex: str) -> widgets.Layout:
    return widgets.Layout(flex=flex, min_width="0")


def _heading(text: str) -> str:
    return f'<div class="lrw-heading" style="font-weight:600;padding:8px 0 0 52px;line-height:1.4">{escape(text)}</div>'


def _link_log_slider(widget: traitlets.HasTraits, trait: str, slider: widgets.FloatLogSlider) -> None:
    """Keep a trait and a slider together.

    The browser rounds the slider's value to its grid and sends that back. Such a value is no wish of the user's: only
    what lies more than half a step from the trait is taken over, in three digits.
    """

    def is_apart() -> bool:
        return bool(abs(math.log10(slider.value / getattr(widget, trait))) > 0.51 * slider.step)

    def on_slider_value(_: Any) -> None:
        if is_apart():
            setattr(widget, trait, float(f"{slider.value:.3g}"))

    def on_trait_change(_: Any) -> None:
        if is_apart():
            slider.value = getattr(widget, trait)

    on_trait_change(None)
    slider.observe(on_slider_value, "value")
    widget.observe(on_trait_change, trait)


def _ruler(limit: float | None, optimizer: str) -> str:
    """The line under the slider: where theory's limit lies, and all that is beyond it in red."""
    inset = "margin:0 8px;position:relative;line-height:1.3;height:1.6em;font-size:var(--jp-widgets-font-size)"
    if limit is None:
        return f'<div style="{inset}">{optimizer}: no fixed limit, a step is about as long as the learning rate</div>'
    share = (math.log10(limit) - math.log10(MIN_LR)) / (math.log10(MAX_LR) - math.log10(MIN_LR))
    formula = "2/curvature" if optimizer == "SGD" else f"2(1 + {MOMENTUM})/curvature"
    return (
        f'<div style="{inset}">'
        f'<div style="margin-left:{share:.2%};height:4px;background:#cc3311;opacity:.7"></div>'
        f'<div style="text-align:right">limit {formula} = {limit:.3g}</div></div>'
    )


def _verdict_html(verdict: Verdict) -> str:
    return f'<div class="lrw-verdict lrw-{verdict.kind}">{escape(verdict.message)}</div>'
