"""Short real trainings at several learning rates from one state."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lrwidget import LearningRateFinder, StopReason

FINDER = LearningRateFinder(min_lr=1e-4, max_lr=100.0, num_steps=100)


class Bowl:
    """Gradient descent on w**2 / 2 from w = 4, with the noise of its batches on the loss; restores both.

    After t steps at a constant rate the loss is 8 (1 - lr)**(2 t): the best rate is 1, from 2 on it does not fall.
    """

    def __init__(self, noise=0.0, scale=1.0, shift=0.0):
        self.rng = np.random.default_rng(0)
        self.noise, self.scale, self.shift = noise, scale, shift
        self.w = 4.0
        self.entered = self.left = 0
        self.lrs = []
        self.fault = None

    def __enter__(self):
        self.saved = self.w, self.rng.bit_generator.state
        self.entered += 1
        self.lrs.append([])
        return self

    def __exit__(self, *exc_info):
        self.w, self.rng.bit_generator.state = self.saved
        self.left += 1

    def __call__(self, lr):
        if self.fault is not None and self.fault[:2] == (self.entered - 1, len(self.lrs[-1])):
            raise self.fault[2]
        self.lrs[-1].append(lr)
        loss = self.w**2 / 2 + self.noise * self.rng.normal()
        self.w -= lr * self.w
        return self.scale * loss + self.shift


def exact(lr, n):
    """The losses of the bowl without noise, shape (n,)."""
    return 8.0 * (1 - lr) ** (2 * np.arange(n))


# --------------------------------------------------------------------------------------------------- the trainings


def test_each_rate_trains_from_the_same_state_on_the_same_batches():
    """The losses of every trial are the closed form plus the same noise, and the state comes back."""
    step = Bowl(noise=0.01)
    result = FINDER.verify(step, lrs=[0.01, 0.02, 0.1], num_steps=30)
    noise = 0.01 * np.random.default_rng(0).normal(size=30)
    assert [t.lr for t in result.trials] == [0.01, 0.02, 0.1]
    for trial in result.trials:
        assert trial.losses == pytest.approx(exact(trial.lr, len(trial.losses)) + noise[: len(trial.losses)])
        assert set(trial.lrs) == {trial.lr}
    assert (step.entered, step.left, step.w) == (3, 3, 4.0)


def test_the_best_rate_is_the_one_that_trains_best():
    """For the bowl the rate nearest to 1; its final loss is the mean of the closed form over the last quarter."""
    result = FINDER.verify(Bowl(), lrs=[0.02, 0.05, 0.1, 1.99, 2.5], num_steps=40)
    assert result.best_lr == 0.1
    assert result.ranking[0].final_loss == pytest.approx(exact(0.1, 40)[30:].mean())
    assert [s.lr for s in result.ranking[:2]] == [0.1, 0.05]
    assert result.stop_reason is StopReason.COMPLETED


def test_the_middle_rate_trains_first():
    """From the middle outwards, so that the first trainings show which of the others are hopeless."""
    step = Bowl()
    FINDER.verify(step, lrs=[0.01, 0.02, 0.04, 0.08, 0.16], num_steps=6)
    assert [lrs[0] for lrs in step.lrs] == [0.04, 0.08, 0.02, 0.16, 0.01]


@pytest.mark.parametrize("num_steps", [6, 7, 10])
def test_the_shortest_trainings_tell_what_explodes(num_steps):
    """From 2 on the losses of the bowl rise from step to step: such a rate is never the best, nor as good as one."""
    result = FINDER.verify(Bowl(), lrs=[0.1, 2.05, 50.0], num_steps=num_steps)
    assert [s.verdict for s in result.ranking] == ["best", "diverged", "diverged"]
    assert FINDER.verify(Bowl(), lrs=[2.05], num_steps=num_steps).best_lr is None


def test_hopeless_trainings_end_early():
    """A rising loss after a fifth of the steps, one that hardly falls after two fifths."""
    result = FINDER.verify(Bowl(noise=0.01), lrs=[1e-4, 0.1, 2.1], num_steps=100)
    verdicts = {s.lr: (s.verdict, s.num_steps) for s in result.ranking}
    assert verdicts == {0.1: ("best", 100), 2.1: ("diverged", 20), 1e-4: ("clearly worse", 40)}
    assert result.num_steps_taken == 160


def test_a_training_that_has_taken_all_its_steps_is_ranked():
    """At the last of 20 steps nothing can be saved: the slow rate keeps its final loss."""
    result = FINDER.verify(Bowl(), lrs=[1e-3, 0.1], num_steps=20)
    slow = result.ranking[1]
    assert (slow.rank, slow.verdict, slow.num_steps) == (2, "worse", 20)
    assert slow.final_loss == pytest.approx(exact(1e-3, 20)[15:].mean())


def test_an_optimizer_that_changes_nothing_is_told():
    """Where no update is made, all rates see the losses of the same batches: none is the best."""

    class Frozen(Bowl):
        def __call__(self, lr):
            return super().__call__(0.0)

    result = FINDER.verify(Frozen(noise=0.3), lrs=[1e-3, 1e-2, 1e-1])
    assert (result.best_lr, result.tied_lrs) == (None, [])
    assert "The learning rate changes nothing" in str(result)


def test_an_overflowing_training_ends_there():
    """Rates far too large run into infinity; the others are not disturbed."""

    class Overflowing(Bowl):
        def __call__(self, lr):
            loss = super().__call__(lr)
            return math.inf if loss > 1e3 else loss

    result = FINDER.verify(Overflowing(), lrs=[0.1, 0.5, 50.0], num_steps=60)
    assert result.trials[-1].stop_reason is StopReason.NOT_FINITE
    assert result.trials[-1].losses.tolist() == [8.0, math.inf]  # 8 * 49**2 is beyond 1e3
    assert result.tied_lrs == [0.1, 0.5]  # both end next to zero


@pytest.mark.parametrize(("scale", "shift"), [(1e-6, 0.0), (1e6, 0.0), (1.0, -100.0), (1.0, 1e3)])
def test_the_unit_and_the_zero_of_the_loss_do_not_matter(scale, shift):
    """c * loss + d: the same trainings, ended at the same steps, in the same order."""
    lrs = [1e-3, 0.01, 0.1, 2.05, 3.0]
    plain = FINDER.verify(Bowl(noise=0.01), lrs, 60).ranking
    moved = FINDER.verify(Bowl(0.01, scale, shift), lrs, 60).ranking
    assert [(s.lr, s.verdict, s.num_steps) for s in moved] == [(s.lr, s.verdict, s.num_steps) for s in plain]


# ---------------------------------------------------------------------------------------------- rates by themselves


def test_around_a_rate_the_first_three_trainings_show_where_to_look():
    """From 0.004 the rates move up by a factor of four twice, always beyond the best."""
    step = Bowl()
    result = FINDER.verify(step, around=0.004, num_steps=20)
    assert [lrs[0] for lrs in step.lrs] == pytest.approx([0.004, 0.016, 0.001, 0.064, 0.256])
    assert result.best_lr == pytest.approx(0.256)


def test_around_the_best_rate_the_gaps_are_filled():
    """Of 0.15, 0.6 and 2.4 the middle one trains best: the next rates lie beside it, on the better side first."""
    step = Bowl()
    FINDER.verify(step, around=0.6, num_steps=10)
    assert [lrs[0] for lrs in step.lrs] == pytest.approx([0.6, 2.4, 0.15, 0.3, 1.2])


def test_trainings_that_end_early_leave_their_steps_to_others():
    """With two hopeless ones there are more than five, within the steps of five."""
    step = Bowl()
    job = FINDER.verify_steps(step, around=1.0, num_steps=40)
    assert job.plan.total_steps == 200
    for _ in job:
        pass
    assert [(lrs[0], len(lrs)) for lrs in step.lrs[:5]] == [(1.0, 40), (4.0, 20), (0.25, 40), (2.0, 20), (0.5, 40)]
    assert len(job.result.trials) == 6
    assert job.result.num_steps_taken <= 200
    assert len(step.lrs) == step.left == len(job.result.trials)


def test_trainings_that_all_come_to_nothing_have_an_end():
    """A loss that is never finite is tried at lower and lower rates, but not more than twice as often as planned."""

    class Broken(Bowl):
        def __call__(self, lr):
            super().__call__(lr)
            return math.nan

    result = FINDER.verify(Broken(), around=0.1)
    assert len(result.trials) == 10
    assert result.best_lr is None


def test_without_rates_a_range_test_comes_first():
    """The trainings lie around its suggestion, all together cost no more than five range tests."""
    step = Bowl(noise=0.01)
    result = FINDER.verify(step)
    assert np.array_equal(result.range_test.losses, FINDER.range_test(Bowl(noise=0.01)).losses)
    assert step.lrs[1][0] == result.range_test.suggested_lr
    assert len(result.trials) >= 4
    assert result.num_steps_taken <= 500
    assert result.best_lr is not None
    assert exact(result.best_lr, 100)[75:].mean() <= exact(result.range_test.suggested_lr, 100)[75:].mean()


def test_without_a_suggestion_nothing_is_verified():
    """A flat range test leads to no training and no rate, and the text says why."""

    class Flat(Bowl):
        def __call__(self, lr):
            super().__call__(0.0)
            return 1.0

    step = Flat()
    result = FINDER.verify(step)
    assert (result.trials, result.best_lr, step.entered) == ((), None, 1)
    assert result.stop_reason is StopReason.COMPLETED
    assert "Best LR: none" in str(result)


def test_a_schedule_is_tried_like_a_rate():
    """A function of the step trains beside constant rates; each step gets its rate."""
    step = Bowl()
    result = FINDER.verify(step, lrs=[0.1, lambda i: 0.5 / (1 + i)], num_steps=12)
    expected = pytest.approx([0.5 / (1 + i) for i in range(12)])
    assert step.lrs == [expected, [0.1] * 12]
    assert [t.lr for t in result.trials] == [0.1, 0.5]
    frame = result.to_dataframe()
    assert frame[frame["lr"] == 0.5]["step_lr"].tolist() == expected


def test_a_factor_applies_to_every_rate():
    """With schedule=factor each rate decays, under its own name."""
    step = Bowl()
    result = FINDER.verify(step, lrs=[0.1, 0.4], num_steps=10, schedule=lambda i: 1 - i / 10)
    assert sorted(lrs[0] for lrs in step.lrs) == [0.1, 0.4]
    assert step.lrs[0][5] == pytest.approx(step.lrs[0][0] / 2)
    assert [t.lr for t in result.trials] == [0.1, 0.4]


# -------------------------------------------------------------------------------------------------- ways out of it


def test_the_iterator_yields_one_record_per_step():
    """Records come as they happen: of the range test first, then of each training in its turn."""
    job = FINDER.verify_steps(Bowl(noise=0.01))
    records = list(job)
    result = job.result
    assert [r.trial for r in records[: len(result.range_test)]] == [None] * len(result.range_test)
    by_trial = {index: [r.loss for r in records if r.trial == index] for index in range(len(result.trials))}
    for index, lr in enumerate(job.begun_lrs):
        (trial,) = (t for t in result.trials if t.lr == lr)
        assert trial.losses.tolist() == by_trial[index]
    assert (job.stop_reason, len(records)) == (StopReason.COMPLETED, result.num_steps_taken)


def test_stop_ends_the_verification_and_keeps_what_was_recorded():
    """The training under way is kept as not finished; finished ones are ranked."""
    step = Bowl()
    job = FINDER.verify_steps(step, lrs=[0.05, 0.1, 0.2], num_steps=20)
    for record in job:
        if (record.trial, record.step) == (1, 4):
            job.stop()
    result = job.result
    assert [(s.lr, s.verdict, s.num_steps) for s in result.ranking] == [(0.1, "best", 20), (0.2, "not finished", 5)]
    assert (result.stop_reason, job.stop_reason) == (StopReason.STOPPED, StopReason.STOPPED)
    assert (step.entered, step.left, step.w) == (2, 2, 4.0)


@pytest.mark.parametrize("phase", [5, 150])
@pytest.mark.parametrize("end", ["close", "drop"])
def test_leaving_in_the_middle_restores(end, phase):
    """In the range test as well as in a training, closing and dropping the iterator restore at once."""
    step = Bowl(noise=0.01)
    job = FINDER.verify_steps(step)
    for _ in range(phase):
        next(job)
    if end == "close":
        job.close()
    else:
        del job
    assert (step.left, step.w) == (step.entered, 4.0)


def test_stopped_before_the_first_step_nothing_is_entered():
    """A verification that is stopped before it began never touched the train step."""
    step = Bowl()
    job = FINDER.verify_steps(step)
    job.stop()
    assert list(job) == []
    assert (step.entered, job.result.trials, job.stop_reason) == (0, (), StopReason.STOPPED)


@pytest.mark.parametrize(
    ("error", "reason"), [(ZeroDivisionError("injected"), "failed"), (KeyboardInterrupt(), "interrupted")]
)
@pytest.mark.parametrize("where", [0, 2])
def test_an_exception_carries_on_with_the_partial_result(error, reason, where):
    """In the range test (run 0) and in the second training: what was recorded is kept, the state restored."""
    step = Bowl(noise=0.01)
    step.fault = (where, 7, error)
    with pytest.raises(type(error)) as caught:
        FINDER.verify(step)
    partial = caught.value.partial_result
    assert (partial.stop_reason, step.w, step.left) == (reason, 4.0, where + 1)
    if where == 0:
        assert (len(partial.range_test), partial.trials) == (7, ())
    else:
        assert sorted(len(t.losses) for t in partial.trials) == [7, 100]
        assert (partial.best_lr, partial.reason) == (None, "Only one training came to its end.")


def test_data_that_run_out_end_each_training_at_the_same_step():
    """Every training gets the same 12 batches; that is enough for a ranking."""

    class Short(Bowl):
        def __call__(self, lr):
            if len(self.lrs[-1]) == 12:
                raise StopIteration
            return super().__call__(lr)

    result = FINDER.verify(Short(), lrs=[0.05, 0.1, 0.2], num_steps=40)
    assert [len(t.losses) for t in result.trials] == [12, 12, 12]
    assert {t.stop_reason for t in result.trials} == {StopReason.DATA_EXHAUSTED}
    assert result.best_lr == 0.2


def test_rates_may_come_from_a_generator():
    """Any iterable will do, also one that can be read only once."""
    result = FINDER.verify(Bowl(), lrs=(10.0**-i for i in (1, 2)), num_steps=10)
    assert [t.lr for t in result.trials] == [0.01, 0.1]


def test_losses_that_are_read_late_are_all_there():
    """With lag 3 each training has all its losses, and the same ones."""

    class Lagging(Bowl):
        lag = 3

    late, prompt = (FINDER.verify(kind(), lrs=[0.05, 0.1], num_steps=20) for kind in (Lagging, Bowl))
    assert [t.losses.tolist() for t in late.trials] == [t.losses.tolist() for t in prompt.trials]


def test_a_train_step_that_restores_nothing_is_warned_about():
    """A plain function goes on training from rate to rate: that is no comparison, and is said."""
    with pytest.warns(UserWarning, match="does not restore what it changes") as caught:
        FINDER.verify(lambda lr: 1.0, lrs=[0.1, 0.2], num_steps=6)
    assert caught[0].filename == __file__


def test_wrong_arguments_are_refused_before_any_training():
    """A bad rate, a bad schedule and a train step that is none raise at once."""
    step = Bowl()
    with pytest.raises(ValueError, match="need a positive, finite learning rate"):
        FINDER.verify(step, lrs=[0.1, -1.0])
    with pytest.raises(ValueError, match="got nan at step 2"):
        FINDER.verify(step, lrs=[0.1], num_steps=6, schedule=lambda i: math.nan if i == 2 else 1.0)
    with pytest.raises(TypeError, match="need a train step"):
        FINDER.verify("train")
    with pytest.raises(TypeError, match=r"need a list of learning rates, got lrs=0\.001; pass lrs=\[0\.001\]"):
        FINDER.verify(step, lrs=1e-3)
    with pytest.raises(TypeError, match="need a real number as learning rate, got 'x'; pass a float"):
        FINDER.verify(step, lrs=[1e-3, "x"])
    for arguments in ({"lrs": [0.1]}, {"around": 0.1}, {}):
        with pytest.raises(TypeError, match="need a function of the step as schedule, got 3; pass lambda step: 3"):
            FINDER.verify(step, schedule=3, **arguments)
    with pytest.raises(TypeError, match="need a number at each step, got 'x' at step 0"):
        FINDER.verify(step, schedule=lambda i: "x")
    with pytest.raises(ValueError, match="got nan at step 2"):
        FINDER.verify(step, schedule=lambda i: math.nan if i == 2 else 1.0)
    assert step.entered == 0
