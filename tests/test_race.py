"""The race: several trainings side by side, each at its own rate, and its picture."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest

from lrwidget import RestoringStep, StopReason
from lrwidget.live.race import RaceJob
from lrwidget.ui.race import Race


class Parabola:
    """A train step on loss = weight² from weight 1: each step multiplies the weight by 1 - 2 lr."""

    def __init__(self, journal: list[str] | None = None, name: str = "") -> None:
        self.weight = 1.0
        self.journal = [] if journal is None else journal
        self.name = name
        self.entered = 0

    def __call__(self, lr: float) -> float:
        self.journal.append(self.name)
        loss = self.weight**2
        self.weight *= 1 - 2 * lr
        return loss

    def __enter__(self) -> Parabola:
        self.entered += 1
        self.saved = self.weight
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.weight = self.saved
        self.journal.append(f"leave {self.name}")


def lanes(names: str) -> tuple[list[str], list[Parabola]]:
    journal: list[str] = []
    return journal, [Parabola(journal, name) for name in names]


def test_lanes_take_turns_and_end_in_reverse() -> None:
    """Each lane trains one step in turn; all are left at the end, the last one first."""
    journal, steps = lanes("abc")
    remaining = iter(steps)
    job = RaceJob(lambda: next(remaining), [0.1, 0.2, 0.3], num_steps=6)
    records = list(job)
    assert journal == [*"abc" * 6, "leave c", "leave b", "leave a"]
    assert [(r.trial, r.step, r.lr) for r in records[:4]] == [(0, 0, 0.1), (1, 0, 0.2), (2, 0, 0.3), (0, 1, 0.1)]
    assert job.stop_reason is StopReason.COMPLETED


def test_each_lane_is_the_training_at_its_rate() -> None:
    """The losses of a lane are those of gradient descent at that rate alone."""
    job = RaceJob(Parabola, [0.01, 0.4, 1.1], num_steps=20)
    list(job)
    result = job.result
    for trial, lr in zip(result.trials, [0.01, 0.4, 1.1], strict=True):
        assert trial.lr == lr
        np.testing.assert_allclose(trial.losses, (1 - 2 * lr) ** (2 * np.arange(20)))
    assert [s.verdict for s in result.ranking] == ["best", "worse", "diverged"]
    assert result.best_lr == 0.4


def test_the_time_of_a_race_is_that_of_its_steps(monkeypatch) -> None:
    """A widget makes its first race before anybody presses Run: the wait for that is none of the race's time."""
    now = iter([7.0, 9.0])
    job = RaceJob(Parabola, [0.1], 6)
    monkeypatch.setattr("lrwidget.live.trainings.perf_counter", lambda: next(now))
    for _ in job:
        pass
    assert job.result.seconds == 2.0


def test_a_lane_without_a_finite_loss_rests_while_the_others_go_on() -> None:
    """After a loss that is not finite a lane trains no more; the others finish."""
    calls: list[float] = []

    def step(lr: float) -> float:
        calls.append(lr)
        return math.inf if lr == 2.0 and calls.count(2.0) == 3 else 1.0 / len(calls)

    make = lambda: RestoringStep(step, save=lambda: None, restore=lambda _: None)  # noqa: E731
    job = RaceJob(make, [1.0, 2.0], num_steps=10)
    list(job)
    slow, fast = job.result.trials
    assert (len(slow.losses), slow.stop_reason) == (10, StopReason.COMPLETED)
    assert (len(fast.losses), fast.stop_reason) == (3, StopReason.NOT_FINITE)


def test_stopping_restores_every_lane() -> None:
    """Stop in the middle leaves every lane, the last one first, and names the reason."""
    journal, steps = lanes("ab")
    remaining = iter(steps)
    job = RaceJob(lambda: next(remaining), [0.1, 0.2], num_steps=100)
    for _ in range(5):
        next(job)
    job.stop()
    assert journal[-2:] == ["leave b", "leave a"]
    assert [step.weight for step in steps] == [1.0, 1.0]
    assert job.stop_reason is StopReason.STOPPED
    assert [len(trial.losses) for trial in job.result.trials] == [3, 2]


def test_an_error_in_one_lane_restores_all() -> None:
    """What a step raises carries on, after every lane has been left."""
    journal, steps = lanes("ab")
    remaining = iter(steps)

    class Breaking(Parabola):
        def __call__(self, lr: float) -> float:
            if len(self.journal) > 6:
                raise OSError("the disk is full")
            return super().__call__(lr)

    steps[0].__class__ = Breaking
    job = RaceJob(lambda: next(remaining), [0.1, 0.2], num_steps=100)
    with pytest.raises(OSError, match="the disk is full"):
        list(job)
    assert {"leave a", "leave b"} <= set(journal)
    assert [step.weight for step in steps] == [1.0, 1.0]


@pytest.mark.parametrize("lrs", [[], [0.1, 0.1], [0.2, 0.1]], ids=str)
def test_rates_that_do_not_rise_are_refused(lrs: list[float]) -> None:
    """Lanes are told apart by their rates, which have to rise."""
    with pytest.raises(ValueError, match="need at least one learning rate, rising"):
        RaceJob(Parabola, lrs, num_steps=10)


@pytest.fixture
def race() -> Iterator[Race]:
    race = Race(Parabola, [0.01, 0.4, 1.01], num_steps=60)
    yield race
    race.close()


def lines(race: Race) -> list[tuple[np.ndarray, np.ndarray]]:
    """The raw losses as drawn in each lane."""
    return [(lane._raw.x, lane._raw.y) for lane in race._lanes._lanes]


def test_a_race_is_idle_until_it_is_run(race: Race) -> None:
    """Making the widget trains nothing and draws nothing."""
    assert (race.state, race.result) == ("idle", None)
    assert all(len(x) == 0 for x, _ in lines(race))
    assert race._stop_button.disabled


def test_run_draws_every_lane_and_says_how_it_stands(race: Race) -> None:
    """After a run each lane shows all its losses that fit the picture, and its place."""
    result = race.run()
    assert race.state == "done"
    assert race.result is result
    assert result.best_lr == 0.4
    low, high = race._lanes._y.min, race._lanes._y.max
    for (x, y), lr in zip(lines(race), [0.01, 0.4, 1.01], strict=True):
        losses = (1 - 2 * lr) ** (2 * np.arange(60))
        np.testing.assert_array_equal(x, np.arange(60))
        shown = (losses >= low) & (losses <= high)
        np.testing.assert_allclose(y[shown], losses[shown])
        assert np.isfinite(y).all()
    words = [lane._words.value for lane in race._lanes._lanes]
    assert "behind" in words[0]
    assert "trains best" in words[1]
    assert "diverged" in words[2]
    assert "LR 0.4" in words[1]


def test_run_button_races_in_the_background_and_again(race: Race) -> None:
    """Run starts a race in a worker thread; when it has ended, Run starts another from fresh trainings."""
    for _ in range(2):
        race._run_button.click()
        result = race.wait(30)
        assert [len(trial.losses) for trial in result.trials] == [60, 60, 60]
        assert result.trials[1].losses[0] == 1.0


def test_stop_button_ends_a_race() -> None:
    """Stop ends the race after the step under way; its result says so and every lane is restored."""
    made: list[Parabola] = []

    def make() -> Parabola:
        made.append(Parabola())
        return made[-1]

    race = Race(make, [0.1, 0.2], num_steps=10**5)
    race._run_button.click()
    race._stop_button.click()
    assert race.wait(30).stop_reason is StopReason.STOPPED
    assert race.state == "stopped"
    assert [step.weight for step in made] == [1.0] * len(made)
    race.close()


def test_an_error_is_shown_in_the_widget() -> None:
    """What a train step raises appears, escaped, under the lanes, and is raised by wait."""

    def broken(lr: float) -> float:
        raise OSError("<no disk>")

    race = Race(lambda: RestoringStep(broken, save=lambda: None, restore=lambda _: None), [0.1], num_steps=6)
    race._run_button.click()
    with pytest.raises(OSError, match="no disk"):
        race.wait(30)
    assert race.state == "failed"
    assert "&lt;no disk&gt;" in race._message.value
    race.close()


def test_two_races_of_one_widget_are_refused() -> None:
    """While a race is under way, run raises and the button does nothing."""
    race = Race(Parabola, [0.1], num_steps=10**5)
    race._run_button.click()
    with pytest.raises(RuntimeError, match="under way"):
        race.run()
    race.stop()
    race.wait(30)
    race.close()


def test_what_cannot_race_is_refused_at_once() -> None:
    """A thing that makes no train step, and rates that do not rise, raise before the widget exists."""
    with pytest.raises(TypeError, match="need a function that makes a train step"):
        Race("model")
    with pytest.raises(ValueError, match="rising"):
        Race(Parabola, [0.2, 0.1])


def test_closing_ends_the_race_and_restores() -> None:
    """Close stops a race under way and waits for every lane to be left."""
    steps: list[Parabola] = []

    def make() -> Parabola:
        steps.append(Parabola())
        return steps[-1]

    race = Race(make, [0.1, 0.2], num_steps=10**5)
    race._run_button.click()
    race.close()
    assert [step.weight for step in steps] == [1.0] * len(steps)
    assert race.state == "stopped"
    assert race.result is not None
