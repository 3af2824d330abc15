"""What a mouse and a keyboard can do in JupyterLab."""

import pytest

from tests.browser.cells import RUN, TRAINING, WIDGET
from tests.browser.pages import LabPage
from tests.browser.widget import Widget


@pytest.fixture
def widget(lab: LabPage) -> Widget:
    """A widget that has not run yet."""
    lab.open(lab.server.add_notebook("widget.ipynb", TRAINING, WIDGET))
    lab.run_all()
    return Widget(lab)


@pytest.fixture
def measured(lab: LabPage, widget: Widget) -> Widget:
    """A widget after a run."""
    return after_a_run(lab, widget)


def after_a_run(lab: LabPage, widget: Widget) -> Widget:
    """Run it, and wait until all is drawn."""
    widget.button("Run").click()
    lab.wait_until("widget.state == 'done'")
    widget.wait_until_drawn(lab.evaluate("len(widget.result)"))
    return widget


def test_states_are_right_from_run_to_clear(lab: LabPage, widget: Widget) -> None:
    """Idle, running, paused, running, stopped, idle: what is shown, what can be pressed and what the kernel says."""
    assert lab.evaluate("widget.state") == "idle"
    lab.evaluate("0", before="seconds = 0.1; widget.num_steps = 1000")
    widget.button("Run").click()
    widget.wait_until_it_grows(times=2)
    assert lab.evaluate("widget.state") == "running"
    assert widget.button("Run").is_disabled()
    assert not widget.button("Resume").is_visible()

    widget.button("Pause").click()
    widget.wait_for_state("paused")
    assert lab.evaluate("widget.state") == "paused"
    assert lab.evaluate("weights['steps']", before="now = weights['steps']; time.sleep(0.3)") == lab.evaluate("now")
    assert not widget.button("Pause").is_visible()

    num_points = widget.num_points()
    widget.button("Resume").click()
    lab.wait_until("weights['steps'] > now")
    widget.wait_until_it_grows(times=1)
    assert widget.num_points() > num_points

    widget.button("Stop").click()
    widget.wait_for_state("stopped")
    lab.wait_until("widget.state == 'stopped'")
    assert lab.evaluate("weights['steps']") == 0  # restored
    kept = lab.evaluate("len(widget.result)")
    assert 0 < kept < 1000
    widget.wait_for_points(kept)

    widget.button("Clear").click()
    widget.wait_for_state("idle")
    lab.wait_until("widget.state == 'idle' and widget.result is None")
    widget.wait_for_points(0)


def test_a_stop_while_paused_restores_too(lab: LabPage, widget: Widget) -> None:
    """Stop acts from a pause."""
    lab.evaluate("0", before="seconds = 0.1; widget.num_steps = 1000")
    widget.button("Run").click()
    lab.wait_until("weights['steps'] > 3")
    widget.button("Pause").click()
    widget.wait_for_state("paused")
    widget.button("Stop").click()
    widget.wait_for_state("stopped")
    assert lab.evaluate("weights['steps']") == 0


def test_stop_is_dimmed_at_once(lab: LabPage, widget: Widget) -> None:
    """While the step under way goes on, Stop is dimmed, and the progress says what is waited for."""
    lab.evaluate("0", before="import threading; go = threading.Event(); wait = lambda seconds: go.wait(60)")
    widget.button("Run").click()
    widget.wait_for_state("running")
    widget.button("Stop").click()
    widget.root.get_by_text("0/100 · stopping after this step").wait_for()
    assert widget.button("Stop").evaluate("button => getComputedStyle(button).opacity") == "0.4"
    lab.evaluate("0", before="go.set()")
    widget.wait_for_state("stopped")


def test_smoothing_redraws_and_never_trains(lab: LabPage, widget: Widget) -> None:
    """Moving the smoothing slider changes the line through a noisy curve on the screen without a single step."""
    lab.evaluate("0", before="curve = loss_at; loss_at = lambda lr: curve(lr) + 0.05 * (-1) ** num_calls")
    measured = after_a_run(lab, widget)
    num_calls = lab.evaluate("num_calls")
    drawn = measured.curve_path()
    for _ in range(5):
        measured.slider("smooth").press("ArrowLeft")
    lab.wait_until("widget.smooth_factor < 0.05")
    measured.wait_for_another_curve(drawn)
    assert lab.evaluate("num_calls") == num_calls
    assert measured.num_points() == lab.evaluate("len(widget.result)")


def test_settings_apply_to_the_next_run(lab: LabPage, measured: Widget) -> None:
    """Sliders and boxes change the next sweep, not the curve that is shown."""
    drawn = measured.curve_path()
    measured.slider("min LR").press("ArrowRight")
    measured.type_into("max LR", "0.5")
    measured.type_into("steps", "60")
    lab.wait_until("widget.num_steps == 60 and widget.max_lr == 0.5 and widget.min_lr > 1e-7")
    assert measured.curve_path() == drawn
    measured.button("Run").click()
    lab.wait_until("widget.result is not None and len(widget.result) == 60")
    assert lab.evaluate("[widget.result.lrs[0], widget.result.lrs[-1]] == [widget.min_lr, widget.max_lr]")
    measured.wait_for_points(60)


def test_settings_that_a_slider_cannot_show_stay(lab: LabPage, widget: Widget) -> None:
    """What lies between a slider's steps or beyond its ends stays as it was set or typed; keys move on from there."""
    settings = "[widget.num_steps, widget.min_lr, widget.max_lr, widget.smooth_factor]"
    odd = [75, 3e-11, 5.55e5, 1e-3]
    lab.evaluate("0", before=f"{settings} = {odd}")
    lab.page.wait_for_timeout(1000)  # time for the browser to answer
    assert lab.evaluate(settings) == odd
    for label, text in (("steps", "2"), ("min LR", "2e-12"), ("max LR", "1234"), ("smooth", "1e-5")):
        widget.type_into(label, text)
    lab.page.wait_for_timeout(1000)
    assert lab.evaluate(settings) == [2, 2e-12, 1234, 1e-5]
    widget.slider("steps").press("ArrowRight")
    widget.slider("max LR").press("ArrowLeft")
    lab.wait_until("(widget.num_steps, widget.max_lr) == (20, 79.0)")  # a step from where they stood, 10 and 100


def test_limits_cannot_cross(lab: LabPage, widget: Widget) -> None:
    """A max LR below the min LR is refused in words and nothing changes; so is what is no number."""
    widget.type_into("max LR", "1e-9")
    widget.root.get_by_text("need 0 < min LR < max LR").wait_for()
    assert lab.evaluate("[widget.min_lr, widget.max_lr]") == [1e-7, 10.0]
    widget.type_into("max LR", "ten")
    widget.root.get_by_text("ten").first.wait_for()
    assert lab.evaluate("[widget.min_lr, widget.max_lr]") == [1e-7, 10.0]
    widget.type_into("max LR", "5")
    lab.wait_until("widget.max_lr == 5")
    widget.root.get_by_role("alert").first.wait_for(state="detached")


def test_marker_by_mouse_keyboard_and_code(lab: LabPage, measured: Widget) -> None:
    """Dragging, clicking, arrow keys, typing and code all set the same number; one click goes back."""
    suggested = lab.evaluate("widget.suggested_lr")
    assert lab.evaluate("widget.selected_lr") == suggested

    under_the_mouse = measured.drag_marker(3e-5)
    lab.wait_until("widget.selected_lr < 1e-4")
    assert lab.evaluate("widget.selected_lr") == pytest.approx(under_the_mouse, rel=0.05)
    measured.wait_until_shown(lab.evaluate("widget.selected_lr"))
    assert lab.evaluate("widget.suggested_lr") == suggested

    under_the_mouse = measured.click_plot(2e-2)
    lab.wait_until("widget.selected_lr > 1e-2")
    assert lab.evaluate("widget.selected_lr") == pytest.approx(under_the_mouse, rel=0.05)
    measured.wait_until_shown(lab.evaluate("widget.selected_lr"))

    before = lab.evaluate("widget.selected_lr")
    measured.marker_slider.press("ArrowRight")
    lab.wait_until(f"widget.selected_lr > {before}")
    assert lab.evaluate("widget.selected_lr") == pytest.approx(before * 10**0.1, rel=0.2)

    measured.number_box.fill("1.2345e-3")
    measured.number_box.press("Enter")
    lab.wait_until("widget.selected_lr == 1.2345e-3")
    measured.wait_for_marker(1.2345e-3)

    measured.number_box.fill("fast")
    measured.number_box.press("Enter")
    measured.root.get_by_role("alert").first.wait_for()
    assert lab.evaluate("widget.selected_lr") == 1.2345e-3

    lab.evaluate("0", before="widget.selected_lr = 4e-3")
    measured.wait_until_shown(4e-3)
    measured.wait_for_marker(4e-3)

    measured.button("suggestion").click()
    lab.wait_until("widget.selected_lr == widget.suggested_lr")
    measured.wait_for_marker(suggested)


def test_the_choice_outlives_smoothing_and_another_run(lab: LabPage, measured: Widget) -> None:
    """Once chosen, a rate stays where the user has put it; the suggestion goes its own way."""
    measured.drag_marker(3e-5)
    lab.wait_until("widget.selected_lr < 1e-4")
    chosen = lab.evaluate("widget.selected_lr")
    measured.slider("smooth").press("ArrowLeft")
    measured.button("Run").click()
    lab.wait_until("widget.state == 'done' and widget.to_dataframe(all_runs=True).run.nunique() == 2")
    assert lab.evaluate("widget.selected_lr") == chosen
    measured.wait_for_marker(chosen)


def test_a_marker_dragged_over_the_edge_stays_in_the_plot(lab: LabPage, measured: Widget) -> None:
    """Beyond the last rate there is nothing to choose."""
    measured.drag_marker(9.0, beyond=300)
    lab.wait_until("widget.selected_lr > 1")
    assert lab.evaluate("widget.selected_lr") <= 10.0
    measured.wait_until_shown(lab.evaluate("widget.selected_lr"))
    measured.wait_for_marker(lab.evaluate("widget.selected_lr"))


def test_two_displays_agree(lab: LabPage) -> None:
    """A drag in one display of a widget moves the marker of the other, and both show the run."""
    lab.open(lab.server.add_notebook("two.ipynb", TRAINING, WIDGET, "widget"))
    lab.run_all()
    first, second = Widget(lab, 0), Widget(lab, 1)
    first.button("Run").click()
    second.wait_for_state("done")
    lab.wait_until("widget.state == 'done'")
    first.wait_for_points(lab.evaluate("len(widget.result)"))
    second.wait_for_points(lab.evaluate("len(widget.result)"))
    second.drag_marker(5e-5)
    lab.wait_until("widget.selected_lr < 1e-4")
    shown = lab.evaluate("widget.selected_lr")
    first.wait_until_shown(shown)
    first.wait_for_marker(shown)
    second.wait_for_marker(shown)


def test_a_result_shows_itself_as_a_picture(lab: LabPage) -> None:
    """A result as the last line of a cell is an image with its verdict, no widget."""
    lab.open(lab.server.add_notebook("result.ipynb", TRAINING, WIDGET.replace("\nwidget\n", ""), RUN))
    lab.run_all()
    image = lab.output.locator("img").first
    image.wait_for()
    assert image.evaluate("image => image.complete && image.naturalWidth") == 640
