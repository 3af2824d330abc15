"""What a range test leaves behind."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from lrwidget import LearningRateFinder, RangeTestResult, StepRecord, StopReason, diagnose, suggest
from lrwidget.recording import Recording


def s_curve(n=100, noise=0.01, seed=0):
    """Flat at 2.3, down to 0.5 around lr 1e-3, exploding from 0.3."""
    rng = np.random.default_rng(seed)
    lrs = np.geomspace(1e-7, 10, n)
    x = np.log10(lrs)
    losses = 2.3 - 1.8 / (1 + np.exp(-(x + 3) * 4)) + 10 ** np.clip((x + 0.5) * 4, -9, 3)
    return lrs, losses + noise * rng.normal(size=n)


def result(**changes):
    lrs, losses = s_curve()
    return RangeTestResult(**({"lrs": lrs, "losses": losses, "settings": {"smooth_factor": 0.2}} | changes))


def test_arrays_are_copies_and_read_only():
    """What is recorded can neither be changed through the result nor through the caller's arrays."""
    losses = np.ones(3)
    r = RangeTestResult([0.1, 0.2, 0.3], losses)
    losses[0] = 5
    assert r.losses.tolist() == [1, 1, 1]
    with pytest.raises(ValueError, match="read-only"):
        r.losses[0] = 2
    with pytest.raises(AttributeError):
        r.losses = losses


@pytest.mark.parametrize(
    ("lrs", "losses", "norms"),
    [([0.1], [1, 2], None), ([[0.1]], [[1]], None), ([0.1, 0.2], [1, 2], [1])],
)
def test_arrays_must_agree(lrs, losses, norms):
    """Rates, losses and norms have one dimension and one length."""
    with pytest.raises(ValueError, match=r"need lrs, losses and grad_norms of one shape \(n,\), got"):
        RangeTestResult(lrs, losses, grad_norms=norms)


def test_views_are_the_pure_functions_of_the_curve():
    """Suggestion, diagnosis and `[...]` say what the functions say of the same arrays."""
    r = result()
    assert r.suggested_lr == r["suggested_lr"] == suggest(r.lrs, r.losses).lr
    assert r.suggest("steepest") == suggest(r.lrs, r.losses, rule="steepest")
    assert r.suggest(schedule="decaying") == suggest(r.lrs, r.losses, schedule="decaying")
    assert r.diagnosis == diagnose(r.lrs, r.losses)
    assert r["losses"] is r.losses
    with pytest.raises(KeyError, match="need one of suggested_lr, lrs, losses"):
        r["lr"]


def test_the_running_mean_is_the_original_recipe():
    """s_0 = loss_0, s_i = factor * loss_i + (1 - factor) * s_(i-1)."""
    r = RangeTestResult([0.1, 0.2, 0.4], [4.0, 2.0, 8.0])
    np.testing.assert_allclose(r.smoothed(0.25, "running mean"), [4.0, 3.5, 4.625], rtol=1e-15)


def test_smoothing_takes_the_finders_factor_unless_told():
    """The default strength is the one the run was set to; 1 gives the raw losses."""
    r = result()
    np.testing.assert_array_equal(r.smoothed(), r.smoothed(0.2))
    assert not np.array_equal(r.smoothed(), r.smoothed(0.05))
    np.testing.assert_array_equal(r.smoothed(1.0), r.losses)
    with pytest.raises(ValueError, match='need method "zero lag" or "running mean", got \'median\''):
        r.smoothed(method="median")


def test_dataframe_has_a_row_per_step():
    """The columns are step, lr, loss, smoothed_loss, and grad_norm where there is one."""
    frame = result().to_dataframe()
    assert list(frame.columns) == ["step", "lr", "loss", "smoothed_loss"]
    assert frame["step"].tolist() == list(range(100))
    np.testing.assert_array_equal(frame["loss"], s_curve()[1])
    assert list(result(grad_norms=np.ones(100)).to_dataframe().columns)[-1] == "grad_norm"


@pytest.mark.parametrize("reason", list(StopReason))
def test_saving_and_loading_gives_an_equal_result(tmp_path, reason):
    """A round trip through the file keeps every bit: rates, losses that are not finite, norms, reason, settings."""
    lrs, losses = s_curve(40)
    losses[-3:] = [math.inf, -math.inf, math.nan]
    norms = np.full(40, 0.1)
    norms[3] = math.nan
    finder = LearningRateFinder(num_steps=40)
    r = RangeTestResult(lrs, losses, reason, norms, vars(finder), "E: <b>ü</b>", 1.25)
    r.save(tmp_path / "r.jsonl")
    loaded = RangeTestResult.load(tmp_path / "r.jsonl")
    assert loaded == r
    assert LearningRateFinder(**loaded.settings) == finder


def test_files_are_json_lines(tmp_path):
    """Any tool can read them: strict JSON, one object per line."""

    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    result(losses=np.full(100, np.nan)).save(tmp_path / "r.jsonl")
    lines = (tmp_path / "r.jsonl").read_text().splitlines()
    objects = [json.loads(line, parse_constant=refuse) for line in lines]
    assert len(objects) == 102
    assert objects[1] == {"step": 0, "lr": 1e-07, "loss": "nan"}


def test_equality_looks_at_every_field():
    """Two results are equal when all they hold is."""
    assert result() == result()
    assert result() != result(seconds=1.0)
    assert result() != result(stop_reason=StopReason.STOPPED)
    assert result() != result(grad_norms=np.ones(100))
    assert result() != "result"


def test_an_empty_result_is_a_result():
    """No points: no suggestion, a diagnosis that says so, and it is still true."""
    r = RangeTestResult([], [])
    assert r
    assert len(r) == 0
    assert r.suggested_lr is None
    assert r.diagnosis.kind == "too_few_points"
    assert "Suggested LR: none" in str(r)


def test_printing_says_the_verdict():
    """`print(result)` gives the run, the suggestion and the diagnosis as lines of text."""
    text = str(result(stop_reason=StopReason.FAILED, error="ValueError: boom"))
    lines = text.splitlines()
    assert lines[0] == "Range test: 100 steps, lr 1.0e-07 to 1.0e+01, failed (ValueError: boom)"
    assert lines[1] == f"Suggested LR: {result().suggested_lr:.1e}"
    assert result().diagnosis.message in text
    assert result().suggest().reason in text
    assert repr(result()) == "<RangeTestResult: 100 steps, completed>"


CUT = [StopReason.STOPPED, StopReason.INTERRUPTED, StopReason.FAILED, StopReason.DATA_EXHAUSTED]


@pytest.mark.parametrize("reason", CUT)
@pytest.mark.parametrize(
    ("n", "at", "factor", "kind"),
    [(50, "9.1e-4", 1, "range_too_small"), (20, "3.4e-6", 0, "flat"), (20, "3.4e-6", 1e4, "noise")],
)
def test_a_run_cut_short_is_not_told_to_raise_a_max_lr_it_never_reached(n, at, factor, kind, reason):
    """The rate of step i of 100 is 10^(8 i / 99 - 7); what is missing is the rest up to 10."""
    lrs, losses = s_curve()[0][:n], factor * s_curve()[1][:n]
    cut = RangeTestResult(lrs, losses, reason, settings=vars(LearningRateFinder()))
    whole = RangeTestResult(lrs, losses, reason, settings={"max_lr": lrs[-1]})
    assert whole.diagnosis == RangeTestResult(lrs, losses).diagnosis == diagnose(lrs, losses)
    assert whole.diagnosis.kind == kind
    diagnosis = cut.diagnosis
    assert (diagnosis.kind, diagnosis.extend_to, diagnosis.needs_repeats) == ("too_few_points", None, False)
    assert diagnosis.message == f"The run was cut short at {at}: the higher learning rates are missing."
    assert ("Let it run" in diagnosis.advice) == (reason is not StopReason.DATA_EXHAUSTED)
    assert (cut.suggest().reason == f"No suggestion: {diagnosis.message}") == (kind != "range_too_small")


def test_what_a_run_has_shown_before_it_was_cut_short_stands():
    """A fall and an explosion are there, whatever rates are missing."""
    lrs, losses = s_curve()
    cut = RangeTestResult(lrs[:95], losses[:95], StopReason.STOPPED, settings=vars(LearningRateFinder()))
    assert cut.diagnosis == diagnose(lrs[:95], losses[:95])
    assert cut.diagnosis.kind == "ok"


def test_a_recording_gives_norms_only_where_there_are_any():
    """Without any gradient norm the result has none; with some, the others are NaN."""
    recording = Recording(settings={})
    assert recording.append(0, 0.1, 2.0) == StepRecord(0, 0.1, 2.0, None)
    assert recording.result().grad_norms is None
    recording.append(1, 0.2, 1.0, 7.0)
    np.testing.assert_array_equal(recording.result().grad_norms, [np.nan, 7.0])


@pytest.mark.parametrize(
    ("error", "text"),
    [(KeyboardInterrupt(), "KeyboardInterrupt"), (ValueError("no: such: thing"), "ValueError: no: such: thing")],
)
def test_an_error_without_a_message_is_told_by_its_kind(error, text):
    """Ctrl-C and a bare assert have no message: no colon leads to one."""
    recording = Recording(settings={})
    recording.note_failure(error)
    assert recording.error == text
    assert f"({text})" in str(recording.result())
