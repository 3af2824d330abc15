"""The settings and the loop of the range test."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gc
import math

import numpy as np
import pytest

from lrwidget import SKIPPED, LearningRateFinder, RestoringStep, StepOutput, StopReason


def quadratic_step():
    """Gradient descent on f(w) = w**2 / 2 from w = 3: the loss before each update."""
    state = {"w": 3.0}

    def train_step(lr):
        loss = state["w"] ** 2 / 2
        state["w"] -= lr * state["w"]
        return loss

    return state, train_step


class Scripted:
    """A train step that gives listed losses (exceptions are raised) and counts how it is entered and left."""

    def __init__(self, losses, lag=0):
        self.losses = losses
        self.lag = lag
        self.lrs = []
        self.entered = self.left = 0

    def __enter__(self):
        self.entered += 1
        self.lrs = []

    def __exit__(self, *exc_info):
        self.left += 1

    def __call__(self, lr):
        if len(self.lrs) == len(self.losses):
            raise StopIteration
        loss = self.losses[len(self.lrs)]
        self.lrs.append(lr)
        if isinstance(loss, BaseException):
            raise loss
        return loss


def falling(n):
    return [2.0 - i / n for i in range(n)]


# ------------------------------------------------------------------------------------------------------ settings


def test_defaults_are_those_of_the_original_recipe():
    """The defaults are a sweep from 1e-7 to 10 in 100 exponential steps with smoothing 0.05."""
    settings = dataclasses.asdict(LearningRateFinder())
    assert settings == {
        "min_lr": 1e-7,
        "max_lr": 10.0,
        "num_steps": 100,
        "smooth_factor": 0.05,
        "spacing": "exponential",
        "divergence": "auto",
    }


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"min_lr": 0}, ValueError, r"need 0 < min_lr < max_lr, got min_lr=0.0, max_lr=10.0"),
        ({"min_lr": -1e-3}, ValueError, r"need 0 < min_lr < max_lr, got min_lr=-0.001"),
        ({"min_lr": 1.0, "max_lr": 0.5}, ValueError, r"need 0 < min_lr < max_lr, got min_lr=1.0, max_lr=0.5"),
        ({"min_lr": 0.1, "max_lr": 0.1}, ValueError, r"need 0 < min_lr < max_lr"),
        ({"min_lr": 1e-3, "max_lr": math.nextafter(1e-3, 1)}, ValueError, r"need 100 different learning rates, got"),
        ({"min_lr": 5e-324, "max_lr": 1e-320}, ValueError, r"need 100 different learning rates.* raise max_lr$"),
        ({"min_lr": math.nan}, ValueError, r"need a finite min_lr, got min_lr=nan"),
        ({"max_lr": math.inf}, ValueError, r"need a finite max_lr, got max_lr=inf"),
        ({"min_lr": "1e-5"}, TypeError, r"need a real number min_lr, got min_lr='1e-5'; pass a float"),
        ({"max_lr": None}, TypeError, r"need a real number max_lr, got max_lr=None"),
        ({"max_lr": 1j}, TypeError, r"need a real number max_lr"),
        ({"min_lr": True}, TypeError, r"need a real number min_lr"),
        ({"num_steps": 1}, ValueError, r"need num_steps >= 2, got num_steps=1; 100 is a good start"),
        ({"num_steps": -5}, ValueError, r"need num_steps >= 2"),
        ({"num_steps": 30.0}, TypeError, r"need a whole number num_steps >= 2, got num_steps=30.0; pass an int"),
        ({"num_steps": True}, TypeError, r"need a whole number num_steps"),
        ({"smooth_factor": 0}, ValueError, r"need 0 < smooth_factor <= 1, got smooth_factor=0.0; 1 does not smooth"),
        ({"smooth_factor": 1.01}, ValueError, r"need 0 < smooth_factor <= 1"),
        ({"spacing": "cubic"}, ValueError, r"need spacing \"exponential\" or \"linear\", got spacing='cubic'"),
        ({"divergence": "often"}, ValueError, r"need divergence \"auto\", \"never\" or a factor > 1, got 'often'"),
        ({"divergence": 1}, ValueError, r"need divergence .* got divergence=1.0"),
        ({"divergence": None}, TypeError, r"need a real number divergence, got divergence=None"),
    ],
)
def test_bad_settings_are_refused_with_wanted_got_and_remedy(settings, error, message):
    """A setting outside its range is refused when the finder is made, in words."""
    with pytest.raises(error, match=message):
        LearningRateFinder(**settings)


def test_numbers_of_any_real_type_are_taken():
    """Ints and numpy scalars are numbers too, and are kept as float and int."""
    finder = LearningRateFinder(min_lr=np.float32(0.5), max_lr=1, num_steps=np.int64(3), smooth_factor=1)
    assert (finder.min_lr, finder.max_lr, finder.num_steps) == (0.5, 1.0, 3)
    assert [type(v) for v in (finder.min_lr, finder.max_lr, finder.num_steps)] == [float, float, int]


def test_replace_meets_the_same_validator():
    """A control makes a new finder with `dataclasses.replace`, which checks again."""
    with pytest.raises(ValueError, match="need 0 < min_lr < max_lr"):
        dataclasses.replace(LearningRateFinder(), max_lr=1e-8)


@pytest.mark.parametrize("num_steps", [2, 3, 100, 1000])
def test_exponential_rates_have_equal_ratios_and_exact_ends(num_steps):
    """lr_i = min * (max / min) ** (i / (n - 1)), the ends to the last bit."""
    lrs = LearningRateFinder(min_lr=1e-7, max_lr=10.0, num_steps=num_steps).learning_rates()
    i = np.arange(num_steps)
    np.testing.assert_allclose(lrs, 1e-7 * 1e8 ** (i / (num_steps - 1)), rtol=1e-12)
    assert lrs[0] == 1e-7
    assert lrs[-1] == 10.0


@pytest.mark.parametrize("num_steps", [2, 3, 100, 1001])
@pytest.mark.parametrize(("spacing", "of_numpy"), [("exponential", np.geomspace), ("linear", np.linspace)])
def test_rates_are_those_of_numpy(spacing, of_numpy, num_steps):
    """Bit for bit what ``geomspace`` and ``linspace`` give, whose way round them saves time at each run's start."""
    for low, high in ((1e-7, 10.0), (3e-5, 7.7e-2), (0.9, 0.91)):
        lrs = LearningRateFinder(low, high, num_steps, spacing=spacing).learning_rates()
        np.testing.assert_array_equal(lrs, of_numpy(low, high, num_steps))


@pytest.mark.parametrize("spacing", ["exponential", "linear"])
def test_the_rates_of_a_narrow_range_are_different_or_refused(spacing):
    """From any number on, a range of some hundred neighbouring floats is too narrow for 100 rates, one of 1e-9 not."""
    for low in (5e-324, 1e-300, 1e-3, 1.0, 1e300):
        for width in 10.0 ** np.arange(-16, 2):
            with contextlib.suppress(ValueError):
                finder = LearningRateFinder(low, low + low * width, spacing=spacing)
                assert (np.diff(finder.learning_rates()) > 0).all()
                continue
            assert width < 1e-9 or low == 5e-324


def test_linear_rates_have_equal_differences_and_exact_ends():
    """lr_i = min + (max - min) * i / (n - 1)."""
    lrs = LearningRateFinder(min_lr=0.1, max_lr=0.7, num_steps=7, spacing="linear").learning_rates()
    np.testing.assert_allclose(lrs, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7], rtol=1e-14)
    assert (lrs[0], lrs[-1]) == (0.1, 0.7)


# ---------------------------------------------------------------------------------------------------- the records


def test_each_record_holds_the_rate_that_made_its_loss():
    """The rate in a record is the one the train step was called with, the loss the one it returned."""
    step = Scripted(falling(20))
    finder = LearningRateFinder(num_steps=20)
    records = list(finder.steps(step))
    assert [r.step for r in records] == list(range(20))
    assert [r.lr for r in records] == step.lrs == finder.learning_rates().tolist()
    assert [r.loss for r in records] == step.losses
    assert {r.grad_norm for r in records} == {None}


def test_the_curve_of_a_quadratic_is_the_one_computed_by_hand():
    """On f(w) = w**2 / 2 the weight before step k is 3 * prod(1 - lr_i, i < k)."""
    _, train_step = quadratic_step()
    finder = LearningRateFinder(min_lr=1e-3, max_lr=1.5, num_steps=30, divergence="never")
    result = finder.range_test(train_step)
    weights = 3.0 * np.concatenate([[1.0], np.cumprod(1 - finder.learning_rates())[:-1]])
    np.testing.assert_allclose(result.losses, weights**2 / 2, rtol=1e-9)
    assert result.stop_reason is StopReason.COMPLETED


def test_the_caller_drives_the_steps():
    """Nothing is trained before the first record is asked for, and nothing ahead of the caller."""
    step = Scripted(falling(10))
    run = LearningRateFinder(num_steps=10).steps(step)
    assert (step.entered, step.lrs) == (0, [])
    next(run)
    next(run)
    assert (step.entered, len(step.lrs)) == (1, 2)
    assert run.stop_reason is None
    assert len(run.result) == 2


def test_gradient_norms_are_recorded_where_reported():
    """A `StepOutput` brings the gradient norm along."""
    norms = iter([1.0, np.float32(2.0), None])
    result = LearningRateFinder(num_steps=3).range_test(lambda lr: StepOutput(1.0, next(norms)))
    np.testing.assert_array_equal(result.grad_norms, [1.0, 2.0, np.nan])


def test_a_skipped_step_leaves_no_record_and_is_taken_again():
    """After a skip the same rate is tried again, and the records stay one per rate."""
    answers = iter([1.0, SKIPPED, SKIPPED, 0.9, 0.8])
    seen = []

    def train_step(lr):
        seen.append(lr)
        return next(answers)

    finder = LearningRateFinder(num_steps=3)
    result = finder.range_test(train_step)
    a, b, c = finder.learning_rates().tolist()
    assert seen == [a, b, b, b, c]
    assert result.losses.tolist() == [1.0, 0.9, 0.8]


def test_endless_skipping_is_an_error():
    """A train step that never gets through is stopped with the cause."""
    with pytest.raises(RuntimeError, match=r"step 0 \(lr=1e-07\): the optimizer step was skipped 100 times in a row"):
        LearningRateFinder().range_test(lambda lr: SKIPPED)


# ------------------------------------------------------------------------------------------------- how a run ends


def test_the_tutorial_runs_as_written():
    """The recipe's own calls work: the class, `range_test(train_step)` and `result['suggested_lr']`."""
    _, train_step = quadratic_step()
    lr_finder = LearningRateFinder(min_lr=1e-7, max_lr=10.0)
    result = lr_finder.range_test(train_step)
    assert result["suggested_lr"] == result.suggested_lr
    assert 1e-7 < result["suggested_lr"] < 2.0  # f'' = 1: above 2 plain gradient descent diverges
    assert f"Suggested LR: {result['suggested_lr']:.2e}"


@pytest.mark.parametrize("lag", [0, 1, 4, 50])
@pytest.mark.parametrize(
    ("losses", "reason", "kept"),
    [
        (falling(20), StopReason.COMPLETED, 20),
        (falling(12), StopReason.DATA_EXHAUSTED, 12),
        ([], StopReason.DATA_EXHAUSTED, 0),
        ([*falling(8), math.nan, *falling(11)], StopReason.NOT_FINITE, 9),
        ([*falling(8), math.inf, *falling(11)], StopReason.NOT_FINITE, 9),
        ([-math.inf, *falling(19)], StopReason.NOT_FINITE, 1),
        # Start 1.775, scatter 0.45, no further fall: above 3.1 the median of five needs three high losses.
        ([*falling(20)[:10], *[9.0] * 10], StopReason.DIVERGED, 13),
    ],
)
def test_every_end_has_its_reason_and_keeps_its_points(losses, reason, kept, lag):
    """Each way a sweep can end by itself is named, with and without lag, and the step is left once."""
    step = Scripted(losses, lag)
    finder = LearningRateFinder(num_steps=20)
    run = finder.steps(step)
    records = list(run)
    assert run.stop_reason is reason
    assert len(records) == kept
    np.testing.assert_array_equal(run.result.losses, losses[:kept])
    np.testing.assert_array_equal(run.result.lrs, finder.learning_rates()[:kept])
    assert len(step.lrs) <= kept + lag
    assert (step.entered, step.left) == (1, 1)


@pytest.mark.parametrize("lag", [0, 3])
@pytest.mark.parametrize(
    ("error", "reason", "text"),
    [
        (RuntimeError("out of memory"), StopReason.FAILED, "RuntimeError: out of memory"),
        (KeyboardInterrupt(), StopReason.INTERRUPTED, "KeyboardInterrupt"),
        (asyncio.CancelledError(), StopReason.INTERRUPTED, "CancelledError"),
        (SystemExit(3), StopReason.FAILED, "SystemExit: 3"),
    ],
)
def test_an_exception_carries_on_with_all_points_kept(error, reason, text, lag):
    """What the train step raises reaches the caller itself, with the finished steps as its partial result."""
    step = Scripted([*falling(10), error], lag)
    with pytest.raises(type(error)) as caught:
        LearningRateFinder(num_steps=20).range_test(step)
    assert caught.value is error
    result = error.partial_result
    assert result.losses.tolist() == falling(10)
    assert result.stop_reason is reason
    assert result.error == text
    assert "what was recorded is kept in error.partial_result" in error.__notes__[0]
    assert (step.entered, step.left) == (1, 1)


@pytest.mark.parametrize("begin", ["steps", "repeat_steps", "verify_steps"])
@pytest.mark.parametrize(
    ("error", "reason"),
    [(None, StopReason.STOPPED), (asyncio.CancelledError(), StopReason.INTERRUPTED), (ValueError(), StopReason.FAILED)],
)
def test_leaving_a_with_ends_a_run_that_is_still_held(begin, error, reason):
    """Its name, or the traceback of an exception in the body of the loop, would hold it: the state is back at once."""
    step = Scripted(falling(20))
    run = getattr(LearningRateFinder(num_steps=20), begin)(step)
    with contextlib.suppress(asyncio.CancelledError, ValueError), run:
        next(run)
        if error is not None:
            raise error
    assert (step.entered, step.left) == (1, 1)
    assert run.stop_reason is run.result.stop_reason is reason


def test_losses_that_cannot_be_read_any_more_do_not_hide_the_error():
    """When the device dies with losses unread, its error carries on and the points read before are kept."""

    class Lost:
        def __float__(self):
            raise RuntimeError("device lost")

    failure = RuntimeError("kernel launch failed")
    step = Scripted([2.0, 1.9, Lost(), Lost(), failure], lag=2)
    with pytest.raises(RuntimeError, match="kernel launch failed") as caught:
        LearningRateFinder(num_steps=20).range_test(step)
    assert caught.value.partial_result.losses.tolist() == [2.0, 1.9]


def test_breaking_out_of_the_loop_leaves_the_step_at_once():
    """A `break` drops the iterator, and with it the context, without waiting for the garbage collector."""
    gc.disable()
    try:
        step = Scripted(falling(10))
        for record in LearningRateFinder(num_steps=10).steps(step):
            if record.step == 3:
                break
        assert (step.entered, step.left) == (1, 1)
    finally:
        gc.enable()


def test_stopping_ends_the_run_with_a_reason_of_choice():
    """`stop` leaves the step and names the reason; a later stop changes nothing."""
    step = Scripted(falling(10))
    run = LearningRateFinder(num_steps=10).steps(step)
    next(run)
    run.stop(StopReason.INTERRUPTED)
    run.close()
    assert run.stop_reason is StopReason.INTERRUPTED
    assert step.left == 1
    assert list(run) == []
    assert len(run.result) == 1


def test_stopping_before_the_first_step_enters_nothing():
    """A run that never began has nothing to restore."""
    step = Scripted(falling(10))
    run = LearningRateFinder(num_steps=10).steps(step)
    run.close()
    assert (step.entered, step.left) == (0, 0)
    assert run.stop_reason is StopReason.STOPPED


def test_a_failed_restore_is_not_hidden():
    """When leaving the step raises, the caller gets that error, and the curve with it."""

    def fail(saved):
        raise OSError("disk full")

    step = RestoringStep(lambda lr: 1.0, save=dict, restore=fail)
    with pytest.raises(OSError, match="disk full") as caught:
        LearningRateFinder(num_steps=5).range_test(step)
    assert len(caught.value.partial_result) == 5


def test_what_cannot_be_called_is_refused():
    """A train step must be callable."""
    with pytest.raises(TypeError, match=r"need a train step, a callable lr -> loss, got 3"):
        LearningRateFinder().range_test(3)


def test_a_return_that_is_no_loss_fails_at_its_step():
    """A wrong return value names the step and what to return; the points before it are kept."""
    with pytest.raises(TypeError, match=r"step 2: need one real number as the loss, got NoneType None") as caught:
        LearningRateFinder().range_test(Scripted([2.0, 1.9, None]))
    assert caught.value.partial_result.losses.tolist() == [2.0, 1.9]


def test_one_finder_serves_any_number_of_runs():
    """A finder is a value: runs do not touch it."""
    finder = LearningRateFinder(num_steps=8)
    step = Scripted(falling(8))
    assert finder.range_test(step).losses.tolist() == finder.range_test(step).losses.tolist()
    assert step.left == 2
    assert finder == LearningRateFinder(num_steps=8)


# ------------------------------------------------------------------------------------------------------ watching


def test_the_log_of_a_run_loads_as_its_result(tmp_path):
    """`log=` writes what `RangeTestResult.load` reads back as the same result."""
    from lrwidget import RangeTestResult

    path = tmp_path / "run.jsonl"
    result = LearningRateFinder(num_steps=10).range_test(Scripted([*falling(6), math.nan]), log=path)
    loaded = RangeTestResult.load(path)
    assert loaded.losses[:6].tolist() == falling(6)
    assert math.isnan(loaded.losses[6])
    assert loaded == result


def test_a_full_disk_ends_the_run_and_restores(tmp_path):
    """An error of the log is an error of the run: the step is left and the points are kept."""
    step = Scripted(falling(10))
    with pytest.raises(OSError, match=r"need a file as log, got the folder") as caught:
        LearningRateFinder(num_steps=10).range_test(step, log=tmp_path)
    assert caught.value.partial_result.stop_reason is StopReason.FAILED
    assert step.entered == step.left == 0
