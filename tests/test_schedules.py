"""What every schedule does: values, phases, table, copies, and what it refuses."""

from __future__ import annotations

import math
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from lrwidget import schedules
from lrwidget.schedules import Phase, Schedule
from tests.schedule_cases import PLAIN, random_schedule


def test_a_number_gives_a_float_and_an_array_an_array() -> None:
    """A step gives a Python float; an array of steps gives an array of its shape, integers as well as floats."""
    schedule = schedules.linear(1.0, 10)
    assert type(schedule(3)) is float
    assert schedule(3) == pytest.approx(0.7)
    grid = schedule(np.array([[0, 5], [10, 2.5]]))
    np.testing.assert_allclose(grid, [[1.0, 0.5], [0.0, 0.75]])
    assert type(schedules.one_cycle(1.0, 10).momentum(3)) is float


def test_values_are_those_of_the_single_steps() -> None:
    """`values()` holds the rate of each step of the training, the last one's at `total_steps` - 1."""
    schedule = schedules.cosine(0.1, 50, floor=0.01)
    assert schedule.values().tolist() == [schedule(step) for step in range(50)]
    assert len(schedule.values(7)) == 7


@pytest.mark.parametrize("name", PLAIN)
def test_before_the_start_and_past_the_end(name: str) -> None:
    """Before step 0 a schedule has its value at 0, and past its end, where it has one, the value of the end."""
    schedule = random_schedule(name, np.random.default_rng(1), 200)
    assert schedule(-5) == schedule(0)
    assert schedule.values(3)[0] == schedule(-0.5)
    if schedule.total_steps is None:
        assert schedule.last_step == math.inf
        assert np.isfinite(schedule(10.0**9))
    else:
        assert schedule.last_step in (199, 200)
        assert schedule(10_000) == schedule(schedule.last_step)
        assert len(schedule.values(300)) == 300
    if schedule.has_momentum:
        assert schedule.momentum(-5) == schedule.momentum(0)


def test_dataframe() -> None:
    """The table has a row per step: step, epoch where its length is known, lr, momentum where there is one."""
    schedule = schedules.one_cycle(0.1, 100)
    table = schedule.to_dataframe(steps_per_epoch=20)
    assert list(table.columns) == ["step", "epoch", "lr", "momentum"]
    assert table["step"].tolist() == list(range(100))
    assert table["epoch"].tolist() == [step / 20 for step in range(100)]
    assert table["lr"].tolist() == schedule.values().tolist()
    assert table["momentum"].tolist() == schedule.momenta().tolist()
    assert list(schedules.constant(0.1).to_dataframe(3).columns) == ["step", "lr"]


def test_without_an_end_the_length_is_asked_for() -> None:
    """A schedule that goes on for ever needs to be told how many steps are wanted."""
    schedule = schedules.step_decay(0.1, 10)
    for ask in (schedule.values, schedule.to_dataframe, schedule.phases):
        with pytest.raises(ValueError, match=r"need total_steps for step_decay.*pass it here"):
            ask()
    with pytest.raises(ValueError, match="need total_steps >= 1, got 0"):
        schedule.values(0)
    with pytest.raises(ValueError, match="need steps_per_epoch >= 1, got 0"):
        schedule.to_dataframe(10, steps_per_epoch=0)


def test_momentum_only_where_there_is_one() -> None:
    """Asking for a momentum that is not there is an error, and `has_momentum` tells beforehand."""
    assert not schedules.one_cycle(0.1, 100, cycle_momentum=False).has_momentum
    with pytest.raises(ValueError, match="need a schedule with momentum, got constant; one_cycle and cyclic"):
        schedules.constant(0.1).momentum(0)


@pytest.mark.parametrize("name", PLAIN)
def test_copies_are_equal(name: str) -> None:
    """A schedule survives pickling, equals another of the same arguments and shows how it was made."""
    schedule = random_schedule(name, np.random.default_rng(2), 100)
    copy = pickle.loads(pickle.dumps(schedule))
    assert copy == schedule
    assert hash(copy) == hash(schedule)
    assert copy.values(100).tolist() == schedule.values(100).tolist()
    assert eval(repr(schedule), vars(schedules).copy()) == schedule
    assert schedule != schedules.constant(123.0)
    assert schedule != name


@pytest.mark.parametrize("kind", [np.array, torch.tensor, pd.Series, list])
def test_a_recorded_schedule_keeps_its_own_rates(kind: Callable[[Any], Any]) -> None:
    """Whatever the rates came in: what changes there afterwards is not seen, and copies are equal."""
    rates = kind([0.5, 0.25])
    schedule = schedules.from_values(rates)
    rates[0] = 8.0
    copy = pickle.loads(pickle.dumps(schedule))
    assert copy.values().tolist() == schedule.values().tolist() == [0.5, 0.25]
    assert copy == schedule
    assert hash(copy) == hash(schedule)
    assert repr(copy) == "from_values(lrs=(0.5, 0.25), momenta=None)"


def test_schedules_in_a_row_may_come_from_a_generator() -> None:
    """They are still there when a copy is made."""
    schedule = schedules.join((schedules.constant(lr) for lr in (0.5, 0.25)), [3])
    assert pickle.loads(pickle.dumps(schedule)).values(4).tolist() == [0.5, 0.5, 0.5, 0.25]


def test_numpy_numbers_become_plain() -> None:
    """Arguments from NumPy or pandas are kept as plain Python numbers, so that written code reads well."""
    schedule = schedules.linear(np.float64(0.5), np.int64(10))
    assert repr(schedule) == "linear(peak=0.5, total_steps=10, floor=0.0)"


def test_every_parameter_is_described() -> None:
    """The list has a title and a summary for each schedule, a help for each parameter, a label for each control."""
    for entry in schedules.SCHEDULES.values():
        assert entry.title
        assert entry.summary.endswith(".")
        for parameter in entry.parameters:
            assert parameter.help.endswith("."), (entry.name, parameter.name)
            assert parameter.label or parameter.kind == "other"
            assert parameter.low < parameter.high


def test_phases_by_hand() -> None:
    """Phases follow each other from 0 to the end, the last one cut there, no more than asked for."""
    schedule = schedules.cosine_warm_restarts(0.1, 10, cycle_factor=2)
    assert schedule.phases(50) == (
        Phase("cycle 1", 0, 10, "falling"),
        Phase("cycle 2", 10, 30, "falling", continuous=False),
        Phase("cycle 3", 30, 50, "falling", continuous=False),
    )
    assert len(schedule.phases(10**6, limit=4)) == 4
    names = [phase.name for phase in schedules.one_cycle(0.1, 100, three_phase=True).phases()]
    assert names == ["rise", "fall", "annihilation"]


def test_warmup_in_front() -> None:
    """A warm-up rises from its start to the schedule's first rate, which then begins at its own step 0."""
    after = schedules.linear(1.0, 100)
    schedule = schedules.warmup(after, 20, start_lr=0.2)
    np.testing.assert_allclose(schedule([0, 5, 10, 20, 70]), [0.2, 0.4, 0.6, 1.0, 0.5])
    assert (schedule.total_steps, schedule.peak, schedule.floor) == (120, 1.0, 0.0)
    assert schedule.phases() == (Phase("warm-up", 0, 20, "rising"), Phase("decay", 20, 120, "falling"))
    assert schedules.warmup(after, 0).values().tolist() == after.values().tolist()


@pytest.mark.parametrize(("kind", "middle"), [("linear", 0.5), ("cosine", 0.5), ("1-sqrt", 1 - math.sqrt(0.5))])
def test_warmup_kinds(kind: str, middle: float) -> None:
    """Each kind of warm-up goes from 0 to the rate, by its own way."""
    schedule = schedules.warmup(schedules.constant(0.1), 10, kind)
    np.testing.assert_allclose(schedule([0, 5, 10, 11]), [0.0, 0.1 * middle, 0.1, 0.1], rtol=1e-12)


def test_warmup_keeps_the_momentum() -> None:
    """During a warm-up the momentum is the one with which the schedule begins."""
    after = schedules.one_cycle(0.1, 100)
    schedule = schedules.warmup(after, 10)
    assert schedule.momentum([0, 9, 10]).tolist() == [0.95, 0.95, 0.95]  # type: ignore[union-attr]
    assert schedule.momentum(40) == after.momentum(30)


def test_join() -> None:
    """Joined schedules follow each other, each from its own step 0, and stay where they ended until relieved."""
    schedule = schedules.join(
        [schedules.constant(0.5), schedules.linear(1.0, 10), schedules.step_decay(0.2, 4)], [5, 20]
    )
    np.testing.assert_allclose(
        schedule([0, 4, 5, 10, 15, 19, 20, 24, 400]), [0.5, 0.5, 1.0, 0.5, 0, 0, 0.2, 0.02, 0.2 * 0.1**95], atol=1e-15
    )
    assert (schedule.peak, schedule.floor, schedule.total_steps) == (1.0, 0.0, None)
    assert schedule.phases(26) == (
        Phase("constant", 0, 5, "flat"),
        Phase("decay", 5, 15, "falling", continuous=False),
        Phase("held", 15, 20, "flat"),
        Phase("level 1", 20, 24, "flat", continuous=False),
        Phase("level 2", 24, 26, "flat", continuous=False),
    )


def test_join_knows_a_jump_hidden_at_the_boundary() -> None:
    """A drop that falls together with a boundary is a jump, though the next schedule begins where the drop ends."""
    schedule = schedules.join([schedules.step_decay(1.0, 10), schedules.constant(0.1)], [10])
    assert [phase.continuous for phase in schedule.phases(20)] == [True, False]
    schedule = schedules.join([schedules.linear(1.0, 20), schedules.constant(0.5)], [10])
    assert [phase.continuous for phase in schedule.phases(20)] == [True, True]


def test_join_fills_momenta() -> None:
    """Parts without a momentum keep the one before them, or before all the first that comes."""
    cycle = schedules.one_cycle(0.1, 10, pct_start=0.5)
    schedule = schedules.join([schedules.constant(0.1), cycle, schedules.constant(0.1)], [5, 9])
    assert schedule.momentum(0) == 0.95
    assert schedule.momentum(7) == cycle.momentum(2)
    assert schedule.momentum(50) == cycle.momentum(4)
    assert not schedules.join([schedules.constant(0.1)], []).has_momentum


def test_from_values() -> None:
    """A recorded curve gives its values back, the last one past its end, and keeps its own copy of them."""
    lrs = np.array([0.1, 0.3, 0.2])
    schedule = schedules.from_values(lrs, [0.9, 0.8, 0.7])
    lrs[:] = 9.0
    assert schedule.values().tolist() == [0.1, 0.3, 0.2]
    assert schedule([-1, 1.5, 7]).tolist() == [0.1, 0.3, 0.2]  # type: ignore[union-attr]
    assert schedule.momenta().tolist() == [0.9, 0.8, 0.7]
    assert (schedule.peak, schedule.floor, schedule.total_steps) == (0.3, 0.1, 3)
    assert pickle.loads(pickle.dumps(schedule)) == schedule
    assert "<1000 values, 0.5 first>" in repr(schedules.from_values(np.full(1000, 0.5)))


SENSELESS: list[tuple[Callable[[], Schedule], str]] = [
    (lambda: schedules.cosine(0.1, 0), "need total_steps >= 1, got total_steps=0; give the number of optimizer steps"),
    (lambda: schedules.one_cycle(0.1, -5), "need total_steps >= 1, got total_steps=-5; give"),
    (lambda: schedules.cosine(0.0, 10), "need peak > 0, got peak=0; usual values"),
    (lambda: schedules.cosine(math.nan, 10), "need peak > 0, got peak=nan; usual"),
    (lambda: schedules.cosine(math.inf, 10), "need peak > 0, got peak=inf; usual"),
    (lambda: schedules.cosine(0.1, 10, floor=0.2), "need floor <= peak, got floor=0.2, peak=0.1; lower the floor or"),
    (lambda: schedules.cyclic(0.2, 0.1), "need floor <= peak, got floor=0.2, peak=0.1; lower"),
    (lambda: schedules.cosine(0.1, 10, floor=-1.0), "need floor >= 0, got floor=-1; usual"),
    (
        lambda: schedules.linear_with_warmup(0.1, 10, 11),
        "need warmup_steps < total_steps, got warmup_steps=11, total_steps=10; shorten the warm-up or train longer",
    ),
    (lambda: schedules.warmup_cosine(0.1, 10, 10), "need warmup_steps < total_steps, got warmup_steps=10"),
    (lambda: schedules.warmup_cosine(0.1, 10, -1), "need warmup_steps >= 0, got warmup_steps=-1; usual"),
    (
        lambda: schedules.one_cycle(0.1, 10, pct_start=0.1),
        r"need pct_start \* total_steps != 1, got pct_start=0.1, total_steps=10; .* choose a larger share or train",
    ),
    (lambda: schedules.one_cycle(0.1, 10, pct_start=1.5), "need 0 <= pct_start <= 1, got pct_start=1.5; usual values"),
    (lambda: schedules.one_cycle(0.1, 100, pct_start=0.7, three_phase=True), "choose a share up to 0.5 or two phases"),
    (lambda: schedules.one_cycle(0.1, 100, anneal_strategy="sin"), "anneal_strategy to be 'cos' or 'linear', got"),
    (lambda: schedules.one_cycle(0.1, 100, max_momentum=1.0), "need 0 <= max_momentum <= 0.9999, got max_momentum=1"),
    (lambda: schedules.cosine_warm_restarts(0.1, 0), "need first_cycle_steps >= 1, got first_cycle_steps=0; usual"),
    (lambda: schedules.cosine_warm_restarts(0.1, 5, 0), "need cycle_factor >= 1, got cycle_factor=0"),
    (lambda: schedules.cyclic(0.1, 0.2, 0), "need step_size_up >= 1, got step_size_up=0"),
    (lambda: schedules.exponential(0.1, 1.5), "need 0 < gamma <= 1, got gamma=1.5; usual values lie between"),
    (lambda: schedules.step_decay(0.1, 0), "need step_size >= 1, got step_size=0; usual values lie between"),
    (lambda: schedules.multi_step(0.1, [5, 5]), r"need milestones increasing and at least 1, got milestones=\[5, 5\]"),
    (lambda: schedules.multi_step(0.1, []), "need milestones increasing and at least 1"),
    (lambda: schedules.noam(0.1, 0), "need warmup_steps >= 1, got warmup_steps=0"),
    (lambda: schedules.flat_cosine(0.1, 10, 1.0), "need 0 <= flat_fraction <= 0.99, got flat_fraction=1"),
    (
        lambda: schedules.warmup_stable_decay(0.1, 100, 60, 50),
        r"need warmup_steps \+ decay_steps <= total_steps, got warmup_steps=60, decay_steps=50, total_steps=100; short",
    ),
    (lambda: schedules.inverse_sqrt(0.1, 10, 0), "need timescale >= 1, got timescale=0"),
    (lambda: schedules.warmup(schedules.constant(0.1), 5, start_lr=0.2), "need start_lr <= the schedule's first"),
    (lambda: schedules.join([], []), "need one boundary less than schedules, got 0 schedules, 0 boundaries"),
    (lambda: schedules.join([schedules.constant(0.1)] * 2, [5, 9]), "got 2 schedules, 2 boundaries; give the step"),
    (lambda: schedules.join([schedules.constant(0.1)] * 3, [9, 5]), r"need boundaries increasing .*\[9, 5\]; sort"),
    (lambda: schedules.from_values([]), r"need lrs as a row of finite numbers, none negative, got shape \(0,\)"),
    (lambda: schedules.from_values([0.1, -0.1]), "need lrs as a row of finite numbers, none negative"),
    (lambda: schedules.from_values([0.1, 0.1], [0.9]), "need as many momenta as lrs, got 1 and 2"),
    (lambda: schedules.make("cosin", {}), "need one of .*cosine.*, got 'cosin'; see lrwidget.schedules"),
]


@pytest.mark.parametrize(("make", "message"), SENSELESS, ids=[message[:40] for _, message in SENSELESS])
def test_senseless_arguments(make: Callable[[], Schedule], message: str) -> None:
    """A senseless argument is refused with what is wanted, what came and what to do."""
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: schedules.cosine("0.1", 10), "need a number for peak, got '0.1'"),  # type: ignore[arg-type]
        (lambda: schedules.cosine(0.1, 10.0), "need a whole number for total_steps, got 10.0"),  # type: ignore[arg-type]
        (lambda: schedules.cosine(0.1, True), "need a whole number for total_steps, got True"),
        (lambda: schedules.one_cycle(0.1, 10, three_phase=1), "need True or False for three_phase, got 1"),  # type: ignore[arg-type]
        (lambda: schedules.multi_step(0.1, 5), "need a sequence of steps for milestones, got 5"),  # type: ignore[arg-type]
        (lambda: schedules.multi_step(0.1, [5.0]), "need whole numbers of steps for milestones"),  # type: ignore[list-item]
        (lambda: schedules.warmup(0.1, 5), "need a schedule for schedule, got 0.1; make one"),  # type: ignore[arg-type]
        (lambda: schedules.join([0.1], []), r"need a schedule for schedules\[0\], got 0.1"),  # type: ignore[list-item]
    ],
)
def test_arguments_of_the_wrong_sort(make: Callable[[], Any], message: str) -> None:
    """An argument of the wrong sort is a TypeError that names it."""
    with pytest.raises(TypeError, match=message):
        make()


def test_neither_torch_nor_pandas_is_imported() -> None:
    """Schedules are made, evaluated and written as code without PyTorch or pandas."""
    program = (
        "import sys\n"
        "from lrwidget import schedules\n"
        "schedule = schedules.warmup(schedules.one_cycle(0.1, 100), 10)\n"
        "schedule.values(); schedule.phases(); schedule.code('torch')\n"
        "print(sorted({'torch', 'pandas', 'ipywidgets'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
