"""The picture of the stride, without a browser: what the controls do and what is drawn."""

import math

import numpy as np
import pytest

from lrwidget.live.descent import final_losses, judge, lr_limit, take_walk
from lrwidget.live.surfaces import SURFACES, make_surface
from lrwidget.ui.stride import Stride


@pytest.fixture
def stride() -> Stride:
    return Stride("valley", lr=0.03)


def from_browser(widget: object, **state: object) -> None:
    """Play a message of the front end that sets these traits."""
    widget._handle_msg({"content": {"data": {"method": "update", "state": state, "buffer_paths": []}}, "buffers": []})


def shown_path(stride: Stride) -> tuple[np.ndarray, np.ndarray]:
    return stride._landscape._path.x, stride._landscape._path.y


@pytest.mark.parametrize("name", SURFACES)
def test_the_walk_is_drawn_on_the_surface(name: str) -> None:
    """On every surface the path drawn is the walk at these settings, all of it from the beginning."""
    stride = Stride(name, lr=0.05, num_steps=30)
    walk = take_walk(make_surface(name, 10.0), 0.05, "SGD", 30)
    x, y = shown_path(stride)
    np.testing.assert_array_equal(x, walk.weights[:, 0])
    np.testing.assert_array_equal(y, walk.losses if walk.surface.num_weights == 1 else walk.weights[:, 1])
    assert stride._landscape._now.x == x[-1:]


def test_the_loss_over_the_steps_is_drawn(stride: Stride) -> None:
    """The second picture has the walk's losses, as far as its logarithmic axis reaches."""
    losses = stride._losses._losses
    np.testing.assert_array_equal(losses.x, np.arange(61))
    np.testing.assert_allclose(losses.y, np.maximum(stride.walk.losses, 1e-5))


def test_the_last_loss_at_every_rate_is_drawn(stride: Stride) -> None:
    """The third picture has the loss after the walk at each rate; where the walk leaves for good the curve does too."""
    ends = stride._ends._ends
    expected = final_losses(make_surface("valley", 10.0), ends.x, "SGD", 60)
    np.testing.assert_allclose(ends.y, np.clip(expected, 1e-5, 1e3))
    assert (ends.y[ends.x > 1.1 * stride.limit] == 1e3).all()


def test_dragging_the_slider_moves_the_whole_walk(stride: Stride) -> None:
    """A value from the browser's slider becomes the rate, in three digits, and everything follows."""
    from_browser(stride._slider, value=0.19054607)
    assert stride.lr == 0.191
    assert stride._lr_box.value == 0.191
    np.testing.assert_array_equal(
        shown_path(stride)[0], take_walk(make_surface("valley"), 0.191, num_steps=60).weights[:, 0]
    )
    assert stride._ends._lr.x.tolist() == [0.191, 0.191]
    assert "Overshoots" in stride._message.value


def test_the_browsers_rounding_is_not_taken_for_a_wish(stride: Stride) -> None:
    """A slider shows only values of its grid and sends them back; the rate stays what it was set to."""
    from_browser(stride._slider, value=10 ** round(math.log10(0.03), 2))
    assert stride.lr == 0.03


def test_the_text_box_takes_any_rate(stride: Stride) -> None:
    """A typed rate is taken to the last digit, and the slider goes to its nearest step."""
    from_browser(stride._lr_box, value=0.123456)
    assert stride.lr == 0.123456
    assert stride._slider.value == pytest.approx(10**-0.91)


def test_traits_move_the_controls(stride: Stride) -> None:
    """Surface, optimizer, curvature and rate set by code appear in the controls and in the picture."""
    stride.surface, stride.optimizer, stride.curvature, stride.lr = "Rosenbrock 2-D", "momentum", 20.0, 0.01
    assert stride._surface.value == "Rosenbrock 2-D"
    assert stride._optimizer.value == "momentum"
    assert stride._curvature.value == pytest.approx(10**1.3)
    assert stride._slider.value == pytest.approx(0.01)
    assert stride._landscape._contours.visible
    assert not stride._landscape._ground.visible
    expected = take_walk(make_surface("Rosenbrock 2-D", 20.0), 0.01, "momentum", 60).weights
    np.testing.assert_array_equal(np.stack(shown_path(stride), axis=-1), expected)


def test_controls_set_the_traits(stride: Stride) -> None:
    """Surface, optimizer and curvature chosen in the browser become the traits."""
    from_browser(stride._surface, index=SURFACES.index("double well 2-D"))
    from_browser(stride._optimizer, index=2)
    from_browser(stride._curvature, value=31.622776)
    assert (stride.surface, stride.optimizer, stride.curvature) == ("double well 2-D", "Adam", 31.6)


@pytest.mark.parametrize(("optimizer", "factor"), [("SGD", "2"), ("momentum", "3.8")])
def test_the_limit_is_marked(stride: Stride, optimizer: str, factor: str) -> None:
    """The dashed line and the text under the slider give theory's limit of this optimizer and curvature."""
    stride.optimizer, stride.curvature = optimizer, 40.0
    limit = lr_limit(40.0, optimizer)
    assert stride.limit == limit
    assert stride._ends._limit.visible
    assert stride._ends._limit.x.tolist() == [limit, limit]
    assert f"{factor}/curvature = {limit:.3g}<" in stride._ruler.value


def test_adam_has_no_mark(stride: Stride) -> None:
    """For Adam no limit is drawn, and the text says why."""
    stride.optimizer = "Adam"
    assert stride.limit is None
    assert not stride._ends._limit.visible
    assert "no fixed limit" in stride._ruler.value


def test_step_and_reset_show_parts_of_the_walk(stride: Stride) -> None:
    """Reset goes to the start, each Step adds one, and after the last step it starts over."""
    stride._reset_button.click()
    assert stride.position == 0
    assert len(shown_path(stride)[0]) == 1
    for expected in (1, 2, 3):
        stride._step_button.click()
        assert stride.position == expected
        assert len(shown_path(stride)[0]) == expected + 1
        assert f"step {expected} of 60" in stride._words.value
    stride.position = 60
    stride._step_button.click()
    assert stride.position == 1


def test_play_and_pause_are_one_button(stride: Stride) -> None:
    """Play starts the browser's clock, whose ticks move the walk on; pressed again it stops the clock."""
    stride._play_button.click()
    assert stride._clock.playing
    assert stride._play_button.description == "Pause"
    from_browser(stride._clock, value=17)
    assert stride.position == 17
    assert len(shown_path(stride)[0]) == 18
    stride._play_button.click()
    assert not stride._clock.playing
    assert stride._play_button.description == "Play"


def test_the_button_follows_a_clock_that_stops_by_itself(stride: Stride) -> None:
    """At the end of the walk the browser stops its clock, and the button says Play again."""
    stride.play()
    from_browser(stride._clock, value=60, playing=False)
    assert stride._play_button.description == "Play"


@pytest.mark.parametrize("num_steps", [10, 150, 151, 4000])
def test_one_play_draws_at_most_150_times(num_steps: int) -> None:
    """The clock takes larger steps on longer walks, so that a hidden tab has little to catch up with."""
    clock = Stride(num_steps=num_steps)._clock
    assert num_steps / clock.step <= 150
    assert clock.max == num_steps


def test_a_walk_that_leaves_is_drawn_with_finite_points() -> None:
    """Beyond the limit all that is drawn is finite, and the verdict is that of the walk."""
    stride = Stride("valley", lr=0.5)
    assert np.isfinite(shown_path(stride)).all()
    assert np.isfinite(stride._losses._losses.y).all()
    assert stride.verdict == judge(stride.walk)
    assert stride.verdict.kind == "diverges"
    assert stride.verdict.message in stride._message.value


def test_only_what_has_changed_is_drawn(stride: Stride) -> None:
    """A step forward touches neither the surface nor the curve of the rates."""
    written = []
    for mark in (stride._landscape._ground, stride._ends._ends, stride._ends._lr):
        mark.observe(written.append, ["x", "y"])
    stride.position = 5
    assert written == []
    stride.lr = 0.04
    assert {change["owner"] for change in written} == {stride._ends._lr}


@pytest.mark.parametrize(
    "settings",
    [
        {"surface": "mountain"},
        {"optimizer": "RMSprop"},
        {"lr": 0.0},
        {"lr": 11.0},
        {"curvature": 0.5},
        {"curvature": 51.0},
        {"num_steps": 0},
    ],
    ids=str,
)
def test_impossible_settings_are_refused(settings: dict) -> None:
    """A value outside its range raises ValueError that says what is wanted and what came."""
    with pytest.raises(ValueError, match=r"need .*got"):
        Stride(**settings)


def test_a_refused_setting_leaves_the_old_one(stride: Stride) -> None:
    """A trait set to an impossible value keeps its value, and the picture stays."""
    with pytest.raises(ValueError, match="need"):
        stride.lr = 100.0
    assert stride.lr == 0.03
    assert stride._lr_box.value == 0.03
