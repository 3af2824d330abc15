"""A schedule that is tried, without a widget: the rates and momenta that reach the training, and what is said of it."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from lrwidget import LearningRateFinder, RestoringStep, StopReason, TorchStep, schedules
from lrwidget.live.driver import Driver
from lrwidget.live.run import Run
from lrwidget.live.run_state import RunState
from lrwidget.live.schedule_model import ScheduleModel
from lrwidget.live.schedule_trial import ScheduleTrial, TriedSchedule
from lrwidget.live.schedule_trial_frames import CONSTANT, SCHEDULE, ScheduleTrialFrame
from lrwidget.live.schedule_trial_model import ScheduleTrialModel
from lrwidget.live.schedule_trial_words import ending, plan
from lrwidget.live.session import Session
from lrwidget.schedules import Schedule
from lrwidget.steps import SKIPPED
from lrwidget.trials import Trial
from lrwidget.verify_result import VerifyResult

SECONDS = 10
FINDER = LearningRateFinder(num_steps=40)


def tried(schedule: Schedule, total_steps: int) -> TriedSchedule:
    return TriedSchedule(schedule, total_steps, float(schedule.values(total_steps).max()), schedule.name)


class Descent:
    """Gradient descent with momentum on w**2 / 2, from w = 4; notes what it is given."""

    lag = 0

    def __init__(self) -> None:
        self.w, self.speed, self.momentum = 4.0, 0.0, 0.0
        self.given: list[tuple[float, float]] = []
        self.starts: list[tuple[float, float, float]] = []
        self.skips: set[int] = set()
        self.reached, self.go = threading.Event(), threading.Event()
        self.waits_at = self.fails_at = -1

    def set_momentum(self, momentum: float) -> None:
        self.momentum = momentum

    def __enter__(self) -> Descent:
        self.saved = self.w, self.speed, self.momentum
        self.starts.append(self.saved)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.w, self.speed, self.momentum = self.saved

    def __call__(self, lr: float) -> Any:
        if len(self.given) == self.waits_at:
            self.reached.set()
            assert self.go.wait(SECONDS)
        if len(self.given) == self.fails_at:
            raise ZeroDivisionError("<injected>")
        self.given.append((lr, self.momentum))
        if len(self.given) in self.skips:
            self.skips.remove(len(self.given))
            return SKIPPED
        loss = self.w**2 / 2
        self.speed = self.momentum * self.speed + self.w
        self.w -= lr * self.speed
        return loss


# ------------------------------------------------------------------------------------------ the rates of the trainings


def test_as_many_steps_are_pytorchs_one_cycle() -> None:
    """The rates and momenta that reach the step are those of OneCycleLR stepped for real; then the peak, 40 times."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=40)
    expected = []
    for _ in range(40):
        expected.append((optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["momentum"]))
        optimizer.step()
        scheduler.step()
    step = Descent()
    records = list(ScheduleTrial(step, TriedSchedule(schedules.one_cycle(0.1, 40), 40, 0.1, ""), 40))
    np.testing.assert_allclose(step.given[:40], expected, rtol=1e-9)
    assert step.given[40:] == [(0.1, 0.0)] * 40
    assert [record.trial for record in records] == [0] * 40 + [1] * 40


@pytest.mark.parametrize("num_steps", [6, 26, 51, 201])
def test_another_number_of_steps_is_the_same_shape(num_steps: int) -> None:
    """A straight line over 101 steps is a straight line over fewer or more, from the first rate to the last."""
    step = Descent()
    list(ScheduleTrial(step, tried(schedules.linear(0.2, 100, floor=0.1), 101), num_steps))
    expected = [0.2 - 0.1 * i / (num_steps - 1) for i in range(num_steps)]
    np.testing.assert_allclose([lr for lr, _ in step.given[:num_steps]], expected, rtol=1e-12)


def test_both_start_alike_and_neither_ends_early() -> None:
    """Each begins where the training stands, and takes all its steps, however far it lies behind."""
    step = Descent()
    job = ScheduleTrial(step, tried(schedules.exponential(0.9, gamma=0.01, decay_steps=20), 100), 100)
    records = list(job)
    assert step.starts == [(4.0, 0.0, 0.0)] * 2
    assert (records[0].loss, records[100].loss, len(records)) == (8.0, 8.0, 200)
    assert [len(trial.losses) for trial in job.result.trials] == [100, 100]
    assert (step.w, step.speed, step.momentum) == (4.0, 0.0, 0.0)


def test_a_skipped_step_takes_no_momentum() -> None:
    """A step that a gradient scaler refuses is taken again, at the same rate with the same momentum."""
    step = Descent()
    step.skips = {3}
    list(ScheduleTrial(step, tried(schedules.one_cycle(0.1, 10), 10), 10))
    assert step.given[3] == step.given[2]
    momenta = [momentum for _, momentum in step.given[:11]]
    np.testing.assert_allclose(np.delete(momenta, 3), schedules.one_cycle(0.1, 10).momenta(), rtol=1e-12)


@pytest.mark.parametrize("make", [torch.optim.SGD, torch.optim.Adam])
def test_pytorch_optimizers_train_with_the_momentum(make: Any) -> None:
    """Whichever of its names the momentum has, each step trains with the schedule's; afterwards it is as it was."""
    model = torch.nn.Linear(2, 1)
    optimizer = make(model.parameters(), lr=0.1)
    group = optimizer.param_groups[0]
    seen = []

    def loss_fn(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        seen.append(group["betas"][0] if "betas" in group else group["momentum"])
        return ((outputs - targets) ** 2).mean()

    step = TorchStep(model, optimizer, loss_fn, [(torch.ones(4, 2), torch.ones(4, 1))])
    before = dict(group)
    list(ScheduleTrial(step, tried(schedules.one_cycle(0.1, 12), 12), 12))
    np.testing.assert_allclose(seen[:12], schedules.one_cycle(0.1, 12).momenta(), rtol=1e-12)
    assert seen[12:] == [before["betas"][0] if "betas" in group else before["momentum"]] * 12
    assert group == before


def test_the_momentum_of_a_compiled_optimizer_is_filled() -> None:
    """A momentum that is a tensor stays that tensor."""
    model = torch.nn.Linear(2, 1)
    beta = torch.tensor(0.9)
    optimizer = torch.optim.Adam(
        model.parameters(), lr=torch.tensor(0.1), betas=(beta, torch.tensor(0.99)), capturable=True
    )
    step = TorchStep(model, optimizer, torch.nn.MSELoss(), [(torch.ones(4, 2), torch.ones(4, 1))])
    assert step.set_momentum is not None
    step.set_momentum(0.5)
    assert optimizer.param_groups[0]["betas"][0] is beta
    assert beta.item() == 0.5


def test_an_optimizer_without_momentum_has_none_to_set() -> None:
    """Adagrad's step says so."""
    model = torch.nn.Linear(2, 1)
    step = TorchStep(model, torch.optim.Adagrad(model.parameters(), lr=0.1), torch.nn.MSELoss(), [torch.ones(2)])
    assert step.set_momentum is None


# ------------------------------------------------------------------------------------------------------------ the words


def test_the_plan_tells_how_the_schedule_is_fitted() -> None:
    """Compressed, stretched or as it is; what becomes of the momentum; phases too short to be tried."""
    one_cycle = tried(schedules.one_cycle(0.1, 1000), 1000)
    assert "compressed to 100" in plan(one_cycle, 100, True)
    assert "10 times as fast" in plan(one_cycle, 100, True)
    assert "stretched to 1,500" in plan(one_cycle, 1500, True)
    assert "run as they are" in plan(one_cycle, 1000, True)
    assert "moves the momentum too" in plan(one_cycle, 100, True)
    assert "momentum cannot be set" in plan(one_cycle, 100, False)
    warmed = tried(schedules.warmup(schedules.cosine(0.1, 990), 10), 1000)
    assert "momentum" not in plan(warmed, 100, True)
    assert "takes less than 2 of them" in plan(warmed, 100, True)
    assert "less than" not in plan(warmed, 300, True)


def result_of(*losses: Any, reason: StopReason = StopReason.COMPLETED, num_steps: int = 100) -> VerifyResult:
    trials = []
    for values in losses:
        ended = StopReason.COMPLETED if np.isfinite(values).all() else StopReason.NOT_FINITE
        ended = ended if len(values) == num_steps or ended is StopReason.NOT_FINITE else reason
        trials.append(Trial(0.1, np.full(len(values), 0.1), np.asarray(values, dtype=float), ended))
    return VerifyResult(tuple(trials), num_steps, stop_reason=reason)


FALL = np.linspace(2.0, 1.0, 100)


def test_the_lower_end_is_told_with_its_lead() -> None:
    """Half a unit on all of the last 25 steps: by 0.5, with the means by hand; the schedule's lead is good news."""
    found = ending(result_of(FALL, FALL + 0.5 * (np.arange(100) > 10)))
    mean = float(np.mean(FALL[-25:]))
    assert found.conclusion.startswith("The schedule ends lower, by 0.5: ")  # alike on every step: without an error
    assert f"{mean:.4g} against {mean + 0.5:.4g}, means of the last 25 of 100 steps" in found.conclusion
    assert (found.mood, found.best_place) == ("good", SCHEDULE)
    assert "One short training of each" in found.caution
    found = ending(result_of(FALL + 0.5 * (np.arange(100) > 10), FALL))
    assert found.conclusion.startswith("The constant LR ends lower, by 0.5: ")
    assert (found.mood, found.best_place) == ("bad", CONSTANT)


@pytest.mark.parametrize(
    ("lead", "noise", "expected"),
    [(350.0, 100.0, r"by 3\d0 ± \d0:"), (0.5, 0.1, r"by 0\.5\d? ± 0\.0\d:"), (5e-5, 1e-6, r"by 5e-5 ± \de-\d:")],
)
def test_a_lead_is_rounded_to_its_uncertainty(lead: float, noise: float, expected: str) -> None:
    """Large, small and tiny ones: no digit beyond the first one of the error."""
    rng = np.random.default_rng(0)
    fall = FALL * lead
    found = ending(result_of(fall, fall + lead * (np.arange(100) > 10) + noise * rng.standard_normal(100)))
    assert re.search(expected, found.conclusion), found.conclusion


def test_what_chance_may_have_done_is_no_lead() -> None:
    """A lead below twice its standard error, or below a hundredth of the fall, is told as what it is."""
    rng = np.random.default_rng(0)
    found = ending(result_of(FALL + 0.3 * rng.standard_normal(100), FALL + 0.3 * rng.standard_normal(100)))
    assert found.conclusion.startswith("They cannot be told apart")
    assert (found.mood, found.best_place) == ("even", None)
    found = ending(result_of(FALL, FALL + 0.004 * (np.arange(100) > 10)))
    assert "less than 1 % of what the loss has fallen" in found.conclusion
    assert found.best_place is None
    assert ending(result_of(FALL, FALL)).conclusion == "Both end exactly alike."


def test_explosions_are_told() -> None:
    """Of one, of the other, of both; a training that ends above its start has not trained either."""
    exploded = [2.0, 3.0, np.inf]
    found = ending(result_of(FALL, exploded))
    assert "with the constant LR it explodes at step 3" in found.conclusion
    assert (found.mood, found.best_place) == ("good", SCHEDULE)
    found = ending(result_of(exploded, FALL))
    assert "with the schedule it explodes at step 3" in found.conclusion
    assert (found.mood, found.best_place) == ("bad", CONSTANT)
    assert "the peak is too high" in ending(result_of(exploded, exploded)).conclusion
    assert "the constant LR ends above its start" in ending(result_of(FALL, 4 - FALL)).conclusion
    assert "Both end above" in ending(result_of(4 - FALL, 5 - FALL)).conclusion
    assert "the peak is too high" in ending(result_of(4 - FALL, exploded)).conclusion


def test_what_was_cut_short_is_not_compared() -> None:
    """Stopped before, in the first or in the second training, by whom; and data that were used up."""
    stopped = StopReason.STOPPED
    assert "before the first step" in ending(result_of(reason=stopped)).conclusion
    found = ending(result_of(FALL[:30], reason=stopped), is_displaced=True)
    assert (
        "Stopped, because another run of this model began, in the training with the schedule, at step 30 of 100"
        in found.conclusion
    )
    found = ending(result_of(FALL, FALL[:7], reason=stopped))
    assert "with the constant LR, at step 7 of 100: there is nothing to compare" in found.conclusion
    assert found.best_place is None
    assert "data were used up" in ending(result_of(FALL, [])).conclusion


# ------------------------------------------------------------------------------------------------------------ the model


class Stage:
    """The model with a schedule, a session and a driver around it."""

    def __init__(self, step: Any = None, can_train: bool = True) -> None:
        self.step: Any = (step or Descent()) if can_train else None
        self.schedule = ScheduleModel(0.1, total_steps=1000)
        self.session = Session(FINDER)
        self.model = ScheduleTrialModel(self.schedule, self.step, FINDER)
        self.driver = Driver(partial(self.model.make_job, self.step), self.model.begin, self.step)

    def frame(self) -> ScheduleTrialFrame:
        self.model.follow(self.session.frame(), is_verifying=False)
        return self.model.frame()

    def finish(self) -> ScheduleTrialFrame:
        assert self.driver.newest is not None
        assert self.driver.newest.has_ended(SECONDS)
        return self.frame()


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_what_it_will_cost_is_told_before(stage: Stage) -> None:
    """As many steps as the range test has, until another number is typed; an impossible one is refused in words."""
    assert stage.frame().budget == "2 trainings of 40 steps: 80 steps"
    stage.model.set_num_steps("1,250")
    assert (stage.frame().num_steps, stage.frame().refusal) == (1250, "")
    for text in ("1", "-5", "many", "2000000", "10.5"):
        stage.model.set_num_steps(text)
        assert f"from 6 to 1,000,000, got {text!r}" in stage.frame().refusal
    assert stage.frame().num_steps == 1250
    stage.model.set_num_steps(" ")
    assert (stage.frame().num_steps, stage.frame().refusal) == (40, "")


def test_a_trial_from_the_plan_to_the_outcome(stage: Stage) -> None:
    """Names with the peak, curves of all steps, the final losses, what ended lower; the step is put back."""
    assert stage.frame().rows == ()
    stage.driver.start()
    frame = stage.finish()
    assert frame.state is RunState.DONE
    assert [row.name for row in frame.rows] == ["One cycle (PyTorch), 0.1", "constant 0.1"]
    assert {place: len(line.steps) for place, line in frame.lines.items()} == {SCHEDULE: 40, CONSTANT: 40}
    assert all("±" in row.words for row in frame.rows)
    assert "means of the last 10 of 40 steps" in frame.conclusion
    assert stage.step.w == 4.0
    assert frame.can_start


def test_a_schedule_changed_since_is_said_to_be(stage: Stage) -> None:
    """The outcome stays that of the schedule that was tried, and says that another one is shown now."""
    stage.driver.start()
    assert "changed" not in stage.finish().caution
    stage.schedule.choose("cosine")
    frame = stage.frame()
    assert frame.caution.endswith("The schedule has been changed since.")
    assert frame.rows[0].name == "One cycle (PyTorch), 0.1"
    stage.schedule.choose("one_cycle")
    assert "changed" not in stage.frame().caution


def test_progress_and_stop(stage: Stage) -> None:
    """While it trains: which training, how many steps, the rate. Stop ends it after the step under way."""
    stage.step.waits_at = 55
    stage.driver.start()
    assert stage.step.reached.wait(SECONDS)
    frame = stage.frame()
    assert frame.progress.startswith("training 2 of 2 · 55/80 steps")
    assert frame.fraction == pytest.approx(55 / 80)
    assert [row.words for row in frame.rows] == ["step 40, LR 4e-7", "step 15, LR 0.1"]
    assert not frame.can_start
    with pytest.raises(RuntimeError, match="a trial of a schedule is under way"):
        stage.driver.start()
    stage.driver.stop()
    assert stage.frame().progress == "training 2 of 2 · 55/80 steps · stopping after this step"
    stage.step.go.set()
    frame = stage.finish()
    assert len(stage.step.given) == 56
    assert frame.state is RunState.STOPPED
    assert "at step 16 of 40" in frame.conclusion
    assert (stage.step.w, stage.step.momentum) == (4.0, 0.0)
    stage.step.waits_at = -1
    stage.driver.start()
    assert stage.finish().state is RunState.DONE


def test_an_exception_is_shown_and_dismissed(stage: Stage) -> None:
    """Its type and text; the model is put back; the next trial clears it."""
    stage.step.fails_at = 50
    stage.driver.start()
    frame = stage.finish()
    assert frame.failure is not None
    assert (frame.failure.kind, frame.failure.message.splitlines()[0]) == ("ZeroDivisionError", "<injected>")
    assert (frame.state, frame.conclusion, stage.step.w) == (RunState.FAILED, "", 4.0)
    stage.model.dismiss_failure()
    assert stage.frame().failure is None


def test_a_training_without_a_single_step_is_told() -> None:
    """Where the data are used up at once in one of the two, the frame says so and shows the other."""
    weights, calls = {"w": 4.0}, []

    def train_fn(lr: float) -> float:
        calls.append(lr)
        if len(calls) == 1:
            raise StopIteration
        return 1.0

    stage = Stage(RestoringStep(train_fn, save=weights.copy, restore=weights.update))
    stage.driver.start()
    frame = stage.finish()
    assert "data were used up" in frame.conclusion
    assert frame.rows[SCHEDULE].words.startswith("not finished")
    assert len(frame.lines[CONSTANT].steps) == 40


def held_up(stage: Stage, start: Callable[[], object]) -> None:
    stage.step.waits_at = len(stage.step.given) + 5
    stage.step.reached.clear()
    start()
    assert stage.step.reached.wait(SECONDS)


def test_none_begins_beside_a_range_test(stage: Stage) -> None:
    """While one runs the reason is told and nothing can be started; the same beside a verification."""
    run = Run(FINDER.steps(stage.step), stage.step)
    stage.session.begin(run)
    held_up(stage, run.start)
    frame = stage.frame()
    assert (frame.can_start, frame.obstacle) == (
        False,
        "A range test of this model is running: wait for its end, or stop it.",
    )
    with pytest.raises(ValueError, match="A range test"):
        stage.driver.start()
    stage.step.go.set()
    assert run.has_ended(SECONDS)
    assert stage.frame().can_start
    stage.model.follow(stage.session.frame(), is_verifying=True)
    assert "A verification of this model is running" in stage.model.frame().obstacle


def test_a_range_test_ends_a_trial(stage: Stage) -> None:
    """The later run stops the earlier, which puts the model back first; the trial says what has stopped it."""
    held_up(stage, stage.driver.start)
    run = Run(FINDER.steps(stage.step), stage.step)
    stage.session.begin(run)
    run.start()
    stage.frame()
    stage.step.go.set()
    frame = stage.finish()
    assert frame.conclusion.startswith(
        "Stopped, because another run of this model began, in the training with the schedule"
    )
    assert run.has_ended(SECONDS)
    assert run.stop_reason is not StopReason.FAILED
    assert stage.step.starts[-1] == (4.0, 0.0, 0.0)
    assert stage.frame().conclusion == frame.conclusion


def test_where_nothing_can_be_trained_the_reason_is_told() -> None:
    """A log that is watched, a step that restores nothing, a schedule whose values make no sense."""
    stage = Stage(can_train=False)
    assert "watches a run of another process" in stage.frame().obstacle
    with pytest.raises(ValueError, match="watches"):
        stage.driver.start()
    stage = Stage(step=lambda lr: 1.0)
    assert "does not restore" in stage.frame().obstacle
    stage = Stage()
    stage.schedule.choose("one_cycle")
    stage.schedule.type_value("pct_start", "0.1 %")
    assert "no schedule to try" in stage.frame().obstacle
    assert not stage.frame().can_start
    assert stage.frame().plan == ""


def test_a_step_without_momentum_says_so() -> None:
    """The plan tells that both train with what the optimizer has."""
    weights = {"w": 4.0}
    stage = Stage(RestoringStep(lambda lr: 1.0, save=weights.copy, restore=weights.update))
    assert "momentum cannot be set" in stage.frame().plan
    stage.schedule.choose("cosine")
    assert "momentum" not in stage.frame().plan
