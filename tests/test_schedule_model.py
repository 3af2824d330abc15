"""The schedule a user puts together, without a widget: values, units, link, comparison, what is wrong."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
import torch

from lrwidget import schedules
from lrwidget.live.schedule_model import MOST_OVERLAYS, ScheduleModel
from lrwidget.schedules import SCHEDULES

PLAIN = [name for name, entry in SCHEDULES.items() if entry.is_plain]


def texts(model: ScheduleModel) -> dict[str, str]:
    """What stands in the boxes, by parameter."""
    frame = model.frame()
    return {control.key: control.text for control in (frame.peak, *frame.length, *frame.controls, frame.front)}


@pytest.mark.parametrize("name", PLAIN)
def test_every_schedule_begins_with_sensible_values(name: str) -> None:
    """Chosen from the list, each schedule can be made at once, looks right and is what its functions make."""
    model = ScheduleModel(1e-2)
    model.choose(name)
    frame = model.frame()
    assert (frame.problem, frame.refusal, frame.warnings) == ("", "", ())
    assert frame.preview is not None
    assert model.schedule == frame.preview.schedule
    assert model.schedule.name == name
    assert model.schedule.peak == 1e-2
    for control in (frame.peak, *frame.length, *frame.controls):
        assert control.parameter.label
        if control.parameter.kind not in ("choice", "flag", "milestones"):
            assert control.low <= control.value <= control.high


def test_one_cycle_is_the_first_and_torchs_defaults() -> None:
    """Nothing touched, the schedule is one-cycle as PyTorch makes it."""
    assert ScheduleModel(0.1, 500).schedule == schedules.one_cycle(0.1, 500)


def test_the_peak_follows_the_selected_lr_until_it_is_locked() -> None:
    """The peak is the selected learning rate; locked, or moved by the user, it stays."""
    model = ScheduleModel()
    model.set_lr(3.2e-2)
    assert model.schedule.peak == 3.2e-2
    model.link(False)
    model.set_lr(0.5)
    assert model.schedule.peak == 3.2e-2
    model.link(True)
    model.set_lr(0.4)
    assert model.schedule.peak == 0.4
    model.set_value("peak", 0.2)
    assert not model.frame().is_linked
    model.set_lr(0.9)
    assert model.schedule.peak == 0.2


@pytest.mark.parametrize("lr", [None, float("nan"), float("inf"), 0.0, -1.0])
def test_no_selected_lr_changes_nothing(lr: float | None) -> None:
    """Where there is no selected learning rate the last one stays."""
    model = ScheduleModel(0.3)
    model.set_lr(lr)
    assert model.schedule.peak == 0.3


def test_common_values_stay_when_the_schedule_changes() -> None:
    """Peak, length and warm-up mean the same in each schedule and are kept; others have their own."""
    model = ScheduleModel()
    model.choose("linear_with_warmup")
    model.set_value("warmup_steps", 77)
    model.choose("cosine_with_warmup")
    assert model.schedule.arguments["warmup_steps"] == 77
    model.choose("cyclic")
    assert model.schedule.arguments["base_momentum"] == 0.8
    model.choose("one_cycle")
    assert model.schedule.arguments["base_momentum"] == 0.85


def test_length_in_epochs() -> None:
    """Epochs times steps per epoch give the total; going back and forth keeps the length as near as it can."""
    model = ScheduleModel(total_steps=1000)
    assert (model.total_steps, model.steps_per_epoch) == (1000, None)
    model.measure_by_epochs(True)
    assert (model.total_steps, model.steps_per_epoch) == (1000, 100)
    model.set_value("num_epochs", 3)
    model.set_value("steps_per_epoch", 250)
    assert model.total_steps == 750
    assert list(model.to_dataframe().columns) == ["step", "epoch", "lr", "momentum"]
    assert model.to_dataframe()["epoch"].iloc[-1] == 749 / 250
    model.measure_by_epochs(False)
    assert (model.total_steps, model.steps_per_epoch) == (750, None)


def test_a_known_epoch_is_asked_for_in_epochs() -> None:
    """Where the number of batches is known the length is in epochs from the beginning."""
    model = ScheduleModel(steps_per_epoch=47)
    assert (model.total_steps, model.steps_per_epoch) == (470, 47)


def test_parts_in_steps_or_shares() -> None:
    """Numbers of steps stay when the total changes; shares grow with it; switching changes nothing."""
    model = ScheduleModel(total_steps=1000)
    model.choose("warmup_stable_decay")
    model.set_value("warmup_steps", 150)
    model.set_value("total_steps", 2000)
    assert model.schedule.arguments["warmup_steps"] == 150
    before = model.schedule
    model.measure_by_share(True)
    assert model.schedule == before
    assert texts(model)["warmup_steps"] == "7.5 %"
    model.set_value("total_steps", 4000)
    assert model.schedule.arguments["warmup_steps"] == 300
    model.measure_by_share(False)
    assert texts(model)["warmup_steps"] == "300"


def test_warmup_in_front_is_part_of_the_total() -> None:
    """A warm-up in front takes its steps from the schedule's own, so that the training stays as long."""
    model = ScheduleModel(0.1, 1000)
    model.choose("cosine")
    model.put_in_front("1-sqrt")
    model.set_value("front_steps", 200)
    assert model.schedule == schedules.warmup(schedules.cosine(0.1, 800), 200, "1-sqrt")
    assert model.schedule.total_steps == 1000
    model.put_in_front(None)
    assert model.schedule == schedules.cosine(0.1, 1000)


def test_a_front_before_another_warmup_is_remarked() -> None:
    """A warm-up before a schedule that begins at 0 has nowhere to go, and the tab says so."""
    model = ScheduleModel()
    model.choose("linear_with_warmup")
    model.put_in_front("linear")
    assert "stays at 0" in model.frame().warnings[0]


@pytest.mark.parametrize(
    ("name", "key", "text", "expected"),
    [
        ("one_cycle", "peak", "3e-3", 3e-3),
        ("one_cycle", "peak", " 0.5 ", 0.5),
        ("one_cycle", "pct_start", "45 %", 0.45),
        ("one_cycle", "pct_start", "45", 0.45),
        ("one_cycle", "total_steps", "1 234", 1234),
        ("one_cycle", "div_factor", "1e6", 1e6),
        ("cosine", "floor", "1e-4", 1e-4),
        ("noam", "warmup_steps", "33", 33),
        ("cosine_with_restarts", "num_cycles", "5", 5),
        ("multi_step", "milestones", "100, 200 300", (100, 200, 300)),
        ("inverse_sqrt", "timescale", "0", None),
    ],
)
def test_typing(name: str, key: str, text: str, expected: Any) -> None:
    """Numbers are typed as people write them, beyond a slider's range too."""
    model = ScheduleModel(1e-2)
    model.choose(name)
    model.type_value(key, text)
    assert model.frame().refusal == ""
    assert model.schedule.arguments[key] == (pytest.approx(expected) if isinstance(expected, float) else expected)


def test_beyond_a_slider() -> None:
    """A slider stands at its end for what lies beyond; the text and the schedule have the very value."""
    model = ScheduleModel()
    for key, text, end in (("base_momentum", "0.37", 0.5), ("div_factor", "2000", 1000)):
        model.type_value(key, text)
        [control] = [control for control in model.frame().controls if control.key == key]
        assert (control.value, control.text) == (end, text)
        assert model.schedule.arguments[key] == float(text)


def test_typing_shares() -> None:
    """With parts as shares, percentages are typed, with their sign or without."""
    model = ScheduleModel(total_steps=1000)
    model.measure_by_share(True)
    model.choose("multi_step")
    model.type_value("milestones", "20 %, 40")
    assert model.schedule.arguments["milestones"] == (200, 400)
    assert texts(model)["milestones"] == "20 %, 40 %"


@pytest.mark.parametrize(
    ("name", "key", "text", "words"),
    [
        ("one_cycle", "peak", "abc", "need a number for Peak LR, got 'abc'; the last value stays"),
        ("one_cycle", "peak", "nan", "need a number for Peak LR, got 'nan'; the last value stays"),
        ("one_cycle", "peak", "-1", "need peak > 0, got peak=-1"),
        (
            "one_cycle",
            "div_factor",
            "0",
            "need 1 <= div_factor <= 1e+12, got div_factor=0",
        ),  # its slider is logarithmic
        ("one_cycle", "div_factor", "-3", "need 1 <= div_factor <= 1e+12, got div_factor=-3"),
        ("one_cycle", "total_steps", "0", "need total_steps >= 1, got total_steps=0"),
        ("one_cycle", "total_steps", "10.5", "need a whole number for Total steps, got '10.5'"),
        ("cosine_with_restarts", "num_cycles", "-2", "need num_cycles >= 1, got num_cycles=-2"),
        ("multi_step", "milestones", " ", "need one step at least for Drop at steps, got ' '"),
    ],
)
def test_what_cannot_be_read_is_refused(name: str, key: str, text: str, words: str) -> None:
    """What is typed wrongly is explained, the last value stays, and the next good one clears the message."""
    model = ScheduleModel()
    model.choose(name)
    before = model.schedule
    model.type_value(key, text)
    assert words in model.frame().refusal
    assert model.schedule == before
    model.type_value("peak", "0.5")
    assert model.frame().refusal == ""


def test_the_rounded_text_is_not_taken_for_the_value() -> None:
    """The text of a value, sent back unchanged, does not round the value, and does not lock the link."""
    model = ScheduleModel(0.0321987)
    model.type_value("peak", texts(model)["peak"])
    assert model.schedule.peak == 0.0321987
    assert model.frame().is_linked


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("warmup_cosine", {"warmup_steps": 1000}, "need warmup_steps < total_steps, got warmup_steps=1000"),
        ("one_cycle", {"pct_start": 0.001}, "need pct_start * total_steps != 1, got pct_start=0.001"),
        ("cosine", {"floor": 1.5}, "need floor <= peak"),
        ("multi_step", {"milestones": (5, 5)}, "need milestones increasing"),
        ("cosine_warm_restarts", {"first_cycle_steps": 0}, "need first_cycle_steps >= 1, got first_cycle_steps=0"),
        ("noam", {"warmup_steps": 0}, "need warmup_steps >= 1"),
    ],
)
def test_values_that_make_no_sense_together(name: str, values: dict[str, Any], words: str) -> None:
    """The frame says what is wrong and keeps the last picture; the schedule itself is refused."""
    model = ScheduleModel(total_steps=1000)
    model.choose(name)
    picture = model.frame().preview
    for key, value in values.items():
        model.set_value(key, value)
    frame = model.frame()
    assert words in frame.problem
    assert frame.preview is picture
    with pytest.raises(ValueError, match=words.split(" ", 2)[1].replace("*", r"\*")):
        _ = model.schedule


def test_a_front_longer_than_the_training() -> None:
    """A warm-up in front that leaves no step for the schedule is refused in its own words."""
    model = ScheduleModel(total_steps=100)
    model.put_in_front("linear")
    model.set_value("front_steps", 100)
    assert "need warm-up in front < total steps, got 100 of 100; shorten" in model.frame().problem


@pytest.mark.parametrize(
    ("name", "key", "words"),
    [
        ("inverse_sqrt", "warmup_steps", "Warm-up takes 2,000 steps, the training only 1,000"),
        ("step_decay", "step_size", "Drop every takes 2,000 steps"),
        ("cosine_warm_restarts", "first_cycle_steps", "First cycle takes 2,000 steps"),
    ],
)
def test_parts_longer_than_the_training_are_remarked(name: str, key: str, words: str) -> None:
    """What is possible but ends after the training is remarked, and drawn all the same."""
    model = ScheduleModel(total_steps=1000)
    model.choose(name)
    model.set_value(key, 2000)
    frame = model.frame()
    assert frame.problem == ""
    assert words in frame.warnings[0]


def test_an_end_on_the_rise_is_remarked() -> None:
    """A training that ends while the rate rises is remarked."""
    model = ScheduleModel(total_steps=1000)
    model.choose("cyclic")
    model.set_value("step_size_up", 400)
    assert "ends while the learning rate is rising" in model.frame().warnings[0]


def test_overlays() -> None:
    """Schedules are kept to compare with, the oldest giving way, and taken away one by one."""
    model = ScheduleModel()
    for name in PLAIN[: MOST_OVERLAYS + 1]:
        model.choose(name)
        model.add_overlay()
    overlays = model.frame().overlays
    assert [overlay.preview.schedule.name for overlay in overlays] == PLAIN[1 : MOST_OVERLAYS + 1]
    assert SCHEDULES[PLAIN[1]].title in overlays[0].words
    model.remove_overlay(overlays[0].number)
    model.remove_overlay(12345)
    assert model.frame().overlays == overlays[1:]


def test_unknown_schedule() -> None:
    """A name that is not on the list is refused and changes nothing."""
    model = ScheduleModel()
    for name in ("nonsense", "join"):
        model.choose(name)
        assert f"need a schedule of the list, got {name!r}" in model.frame().refusal
        assert model.schedule.name == "one_cycle"


def test_the_picture_is_made_anew_only_when_it_changes() -> None:
    """A frame without a change has the same picture, by identity; a change of the axis alone too."""
    model = ScheduleModel()
    picture = model.frame().preview
    model.show_log(True)
    model.set_lr(1e-3)
    assert model.frame().preview is picture
    model.set_value("total_steps", 999)
    assert model.frame().preview is not picture


def test_scheduler_and_table_are_those_of_the_schedule() -> None:
    """What is handed over is the schedule that is seen."""
    model = ScheduleModel(0.1, 50)
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0, momentum=0.9)
    scheduler = model.make_scheduler(optimizer)
    table = model.to_dataframe()
    assert table["lr"].tolist() == model.schedule.values().tolist()
    for lr in table["lr"]:
        assert optimizer.param_groups[0]["lr"] == lr
        optimizer.step()
        scheduler.step()


def test_bad_beginnings() -> None:
    """Senseless first values are refused when the model is made."""
    with pytest.raises(ValueError, match="need peak > 0"):
        ScheduleModel(0.0)
    with pytest.raises(ValueError, match="need total_steps >= 1"):
        ScheduleModel(total_steps=0)
    with pytest.raises(ValueError, match="need steps_per_epoch >= 1"):
        ScheduleModel(steps_per_epoch=0)


def test_intents_from_many_threads() -> None:
    """Frames made while others change everything are whole: their picture is that of one schedule."""
    model = ScheduleModel()
    stop = threading.Event()
    errors: list[BaseException] = []

    def change() -> None:
        rng = np.random.default_rng(threading.get_ident() % 1000)
        try:
            while not stop.is_set():
                model.choose(str(rng.choice(PLAIN)))
                model.set_lr(float(10 ** rng.uniform(-5, 0)))
                model.set_value("total_steps", int(rng.integers(10, 5000)))
                model.measure_by_share(bool(rng.integers(2)))
                model.measure_by_epochs(bool(rng.integers(2)))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=change) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(100):
            frame = model.frame()
            if frame.preview is not None and not frame.problem:
                assert frame.preview.schedule.name == frame.name
                assert frame.preview.total_steps == frame.total_steps
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert errors == []
