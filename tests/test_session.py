"""The session behind the widget: intents in, frames out, no widget anywhere."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest

from lrwidget import LearningRateFinder, StepOutput, StopReason, diagnose, suggest
from lrwidget.axes import exact_number
from lrwidget.live.budget import DrawBudget
from lrwidget.live.drawing import MOST_POINTS, drawable, evenly, shown_range, spikes_kept, steady
from lrwidget.live.frames import Frame, Progress
from lrwidget.live.run import Run
from lrwidget.live.run_state import RunState
from lrwidget.live.runs import MOST_PAST_RUNS
from lrwidget.live.series import Series
from lrwidget.live.session import Session
from lrwidget.live.verify_model import VerifyModel
from lrwidget.live.words import duration, progress_text, typical_remark, with_error
from lrwidget.result import StepRecord
from lrwidget.smoothing import smooth
from lrwidget.suggestions import RULES

FINDER = LearningRateFinder(num_steps=60)


def good_curve(lr: float) -> float:
    """A loss that falls around 1e-3 and explodes above 1e-1, without noise."""
    place = np.log10(lr)
    return float(2.3 - 1.2 / (1 + np.exp(-2.5 * (place + 2.5))) + 3 * max(0.0, place + 0.7) ** 2)


def measured(train_step: Callable[[float], object] = good_curve, settings: LearningRateFinder = FINDER) -> Session:
    """A session with one finished run."""
    session = Session(settings)
    add_run(session, train_step)
    return session


def add_run(session: Session, train_step: Callable[[float], object] = good_curve) -> Frame:
    run = Run(session.settings.steps(train_step))  # type: ignore[arg-type]
    session.begin(run)
    run.run()
    return session.frame()


class Paced:
    """A run whose steps a test takes one by one, in its own thread."""

    def __init__(self, session: Session, train_step: Callable[[float], object] = good_curve) -> None:
        self.job = session.settings.steps(train_step)  # type: ignore[arg-type]
        self.run = Run(self.job)
        session.begin(self.run)
        self.run._begin()

    def step(self, num_steps: int = 1) -> None:
        for _ in range(num_steps):
            self.run.records.append(next(self.job))

    def end(self) -> None:
        self.job.stop()
        self.run._end(self.job, None, keep_error=False)


def test_idle_frame() -> None:
    """Before any run a frame shows the settings, an empty curve over their range, and what to do."""
    frame = Session(FINDER).frame()
    assert (frame.state, frame.settings, frame.result, frame.failure) == ("idle", FINDER, None, None)
    assert len(frame.curve.points.lrs) == len(frame.curve.line.lrs) == 0
    assert frame.curve.lr_range == (FINDER.min_lr, FINDER.max_lr)
    assert frame.guide.selected_lr is None
    assert "Run" in frame.verdict.text


def test_finished_frame_agrees_with_the_engine() -> None:
    """What a frame shows of a finished run is what the engine's functions say of the same curve."""
    session = measured()
    frame = session.frame()
    result = FINDER.range_test(good_curve)
    assert frame.result is not None
    assert frame.result.losses.tolist() == result.losses.tolist()
    assert frame.guide.suggested_lr == frame.guide.selected_lr == suggest(result.lrs, result.losses).lr
    assert frame.verdict.mood == "good"
    assert diagnose(result.lrs, result.losses).message in frame.verdict.text
    inside = np.abs(frame.curve.line.values - frame.curve.loss_range[0]) < np.ptp(frame.curve.loss_range)
    smoothed = smooth(result.lrs, result.losses, FINDER.smooth_factor)
    assert frame.curve.line.values[inside] == pytest.approx(smoothed[inside])


def test_the_other_rules_are_asked_after_the_first_frame() -> None:
    """The frame that ends a run does not wait for what the other rules say; once asked, each has its tick."""
    session = measured()
    assert (session.frame().guide.ticks, session.frame().is_complete) == ((), False)
    session.complete()
    assert session.frame().is_complete
    result = session.frame().result
    assert result is not None
    expected = {rule: result.suggest(rule).lr for rule in RULES}
    assert {tick.rule: tick.lr for tick in session.frame().guide.ticks} == {k: v for k, v in expected.items() if v}


def test_unchanged_parts_are_the_same_objects() -> None:
    """Two frames with nothing between them share their curve, so that nothing is drawn twice."""
    session = measured()
    first, second = session.frame(), session.frame()
    assert first.curve is second.curve
    assert first.guide == second.guide


def test_smoothing_redraws_and_never_trains() -> None:
    """Another smoothing changes the drawn line at once, and neither the points, the result nor the number of steps."""
    calls = []
    session = measured(lambda lr: calls.append(lr) or good_curve(lr))
    before, num_calls = session.frame(), len(calls)
    session.change(smooth_factor=1.0)
    after = session.frame()
    assert len(calls) == num_calls
    assert after.result is before.result
    assert after.curve.points.values.tolist() == before.curve.points.values.tolist()
    assert after.curve.line.values.tolist() == after.curve.points.values.tolist()
    assert after.curve.line.values.tolist() != before.curve.line.values.tolist()


@pytest.mark.parametrize("change", [{"min_lr": 20.0}, {"max_lr": 1e-8}, {"num_steps": 1}, {"smooth_factor": 0.0}])
def test_refused_settings(change: dict[str, float]) -> None:
    """A setting that the engine refuses stays as it was; the frames say why, with the widget's words for settings."""
    session = Session(FINDER)
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the words are compared with the frame's
        session.change(**change)
    words = str(caught.value).replace("min_lr", "min LR").replace("max_lr", "max LR")
    words = words.replace("num_steps", "steps").replace("smooth_factor", "smooth")
    assert (session.frame().settings, session.frame().refusal) == (FINDER, words)
    session.propose(num_steps=50)
    assert (session.frame().settings.num_steps, session.frame().refusal) == (50, "")


@pytest.mark.parametrize("loss", [lambda lr: 3 - lr, lambda lr: 1e3 * lr], ids=["falls", "rises"])
def test_advice_names_the_settings_as_the_widget_does(loss: Callable[[float], float]) -> None:
    """Who only clicks knows the labels of the sliders, not the names of parameters."""
    advice = measured(loss).frame().verdict.advice
    assert " LR" in advice
    assert "_lr" not in advice


def test_typed_settings() -> None:
    """Typed numbers count as the user wrote them; what is no number is refused with what to write instead."""
    session = Session(FINDER)
    session.propose_text("min_lr", " 3e-6 ")
    session.propose_text("num_steps", "250")
    assert (session.settings.min_lr, session.settings.num_steps) == (3e-6, 250)
    session.propose_text("max_lr", "ten")
    assert session.frame().refusal == "need a number for max LR, such as 3.2e-2, got 'ten'"
    session.propose_text("num_steps", "2.5")
    assert "whole number" in session.frame().refusal
    assert session.settings.num_steps == 250


@pytest.mark.parametrize("text", ["1000", "1,000", "1e3", " 1000.0 "])
def test_numbers_of_steps_as_people_type_them(text: str) -> None:
    """All of these are a thousand, in the settings of the sweep and in the trainings of the tabs."""
    session, trials = Session(FINDER), VerifyModel(FINDER)
    session.propose_text("num_steps", text)
    trials.set_num_steps(text)
    assert (session.settings.num_steps, trials.frame().num_steps) == (1000, 1000)


@pytest.mark.parametrize("text", ["2,5", "1,00", "10,000.5", "1,2,3", "nan", "inf", ""])
def test_what_is_no_number_of_steps_is_refused(text: str) -> None:
    """A comma that does not part thousands may be meant as a point: nothing is guessed."""
    session = Session(FINDER)
    session.propose_text("num_steps", text)
    assert f"got {text!r}" in session.frame().refusal
    assert session.settings == FINDER


def test_settings_of_the_sweep_wait_for_the_next_run() -> None:
    """Changing the range after a run leaves its curve and its axis alone; the next run has them."""
    session = measured()
    curve = session.frame().curve
    session.change(min_lr=1e-5, max_lr=1.0)
    assert session.frame().curve is curve
    add_run(session)
    assert session.frame().result.lrs[0] == 1e-5  # type: ignore[union-attr]


def test_choice_sticks() -> None:
    """The user's choice stays through smoothing, rules and further runs, until it is taken back."""
    session = measured()
    suggested = session.frame().guide.suggested_lr
    session.choose(3e-4)
    session.change(smooth_factor=0.5)
    session.follow_rule("steepest")
    add_run(session)
    guide = session.frame().guide
    assert (guide.selected_lr, guide.is_choice, guide.rule) == (3e-4, True, "steepest")
    assert guide.suggested_lr != suggested
    session.choose(None)
    guide = session.frame().guide
    assert (guide.selected_lr, guide.is_choice) == (guide.suggested_lr, False)


@pytest.mark.parametrize("lr", [0.0, -1.0, float("nan"), float("inf")])
def test_refused_choice(lr: float) -> None:
    """A choice that is no learning rate is refused and changes nothing."""
    session = measured()
    session.choose(1e-3)
    with pytest.raises(ValueError, match="need a finite learning rate > 0"):
        session.choose(lr)
    assert session.frame().guide.selected_lr == 1e-3


def test_typed_choice() -> None:
    """The choice can be typed; an empty text follows the suggestion; nonsense is refused with a remedy."""
    session = measured()
    session.propose_choice("2e-3")
    assert session.frame().guide.selected_lr == 2e-3
    session.propose_choice("fast")
    assert (session.frame().guide.selected_lr, "'fast'" in session.frame().refusal) == (2e-3, True)
    session.propose_choice(" ")
    assert (session.frame().guide.is_choice, session.frame().refusal) == (False, "")


def test_unknown_words() -> None:
    """Rules and architectures that do not exist are refused with the list of those that do."""
    session = Session(FINDER)
    with pytest.raises(ValueError, match=r"default, .*got 'magic'"):
        session.follow_rule("magic")
    with pytest.raises(ValueError, match=r"MLP, .*got 'LSTM'"):
        session.show_typical("LSTM")
    with pytest.raises(KeyError, match="got 3"):
        session.runs.rename(3, "x")


def test_typical_range() -> None:
    """The usual range of an architecture is shown, with a remark while the selected rate lies outside of it."""
    session = measured()
    session.show_typical("fine-tuning")
    session.choose(1e-2)
    frame = session.frame()
    assert frame.guide.typical == (1e-6, 1e-4)
    assert "above the usual 1e-6 … 1e-4 (fine-tuning)" in frame.verdict.advice
    session.choose(1e-5)
    assert "usual" not in session.frame().verdict.advice
    assert "below" in typical_remark(1e-7, (1e-6, 1e-4), "CNN")


def test_live_frame() -> None:
    """While a run goes on, frames show how far it is, its newest points, and no verdict yet."""
    now = [0.0]
    session = Session(FINDER, clock=lambda: now[0])
    paced = Paced(session)
    assert session.frame().state == "running"
    paced.step(10)
    now[0] = 1.0
    frame = session.frame()
    assert (frame.progress.num_done, frame.progress.num_steps) == (10, 60)
    assert (frame.progress.lr, frame.progress.loss) == tuple(paced.run.records[-1][1:3])
    assert len(frame.curve.points.lrs) == 10
    assert (frame.guide.suggested_lr, frame.verdict.mood, frame.result) == (None, "neutral", None)


def test_live_suggestion() -> None:
    """A suggestion appears during a run once the curve has turned up, not while it only falls."""
    now = [0.0]
    session = Session(FINDER, clock=lambda: now[0])
    paced = Paced(session)
    paced.step(37)  # up to 8e-3: still falling
    assert session.frame().guide.suggested_lr is None
    paced.step(17)
    now[0] = 1.0
    assert session.frame().guide.suggested_lr == pytest.approx(FINDER.range_test(good_curve).suggested_lr, rel=2)


def test_end_is_seen_whole() -> None:
    """The frame that says that a run is over has its result and all of its points, however late it is made."""
    session = Session(FINDER)
    paced = Paced(session)
    paced.step(30)
    assert session.frame().state == "running"
    paced.step(5)
    paced.end()
    frame = session.frame()
    assert (frame.state, frame.progress.stop_reason) == ("stopped", StopReason.STOPPED)
    assert len(frame.result) == len(frame.curve.points.lrs) == 35  # type: ignore[arg-type]


def test_a_stopped_run_does_not_offer_a_max_lr() -> None:
    """Stopped at 3.8e-5 of 10, it is to run on: nothing is known of the rates up to the max_lr that it has."""
    session = Session(FINDER)
    paced = Paced(session)
    paced.step(20)
    paced.end()
    verdict = session.frame().verdict
    assert verdict.extend_to is None
    assert "cut short" in verdict.text
    assert "Let it run to its end." in verdict.advice
    assert "max_lr" not in f"{verdict.text} {verdict.advice}"


def test_run_without_a_step() -> None:
    """A run that is stopped before its first step is over too, with an empty result."""
    session = Session(FINDER)
    paced = Paced(session)
    paced.end()
    frame = session.frame()
    assert (frame.state, frame.result is not None and len(frame.result)) == ("stopped", 0)
    assert [run.is_current for run in frame.runs] == [True]


def test_one_run_at_a_time() -> None:
    """While a run is under way neither another can begin nor the curves be cleared."""
    session = Session(FINDER)
    paced = Paced(session)
    with pytest.raises(RuntimeError, match="under way"):
        Paced(session)
    with pytest.raises(RuntimeError, match="under way"):
        session.clear()
    paced.end()
    add_run(session)


def test_earlier_runs() -> None:
    """Earlier runs are kept, drawn and listed; they can be renamed, hidden, deleted, and their settings taken back."""
    session = measured()
    session.change(min_lr=1e-5)
    add_run(session)
    frame = session.frame()
    assert [(run.name, run.is_current) for run in frame.runs] == [("Run 1", False), ("Run 2", True)]
    assert [line.name for line in frame.curve.past] == ["Run 1"]
    assert frame.curve.lr_range == (1e-7, 10.0)
    session.runs.rename(1, "  <b>warm</b> ")
    assert session.frame().curve.past[0].name == "<b>warm</b>"
    session.runs.show(1, False)
    assert session.frame().curve.past == ()
    session.restore_settings(1)
    assert session.settings == FINDER
    session.runs.delete(1)
    assert [run.name for run in session.frame().runs] == ["Run 2"]


def test_most_runs() -> None:
    """Of many runs the newest are kept, and no name is used twice."""
    session = Session(LearningRateFinder(num_steps=8))
    for _ in range(MOST_PAST_RUNS + 3):
        add_run(session)
    runs = session.frame().runs
    assert len(runs) == MOST_PAST_RUNS + 1
    assert [run.number for run in runs] == list(range(3, MOST_PAST_RUNS + 4))


def test_clear() -> None:
    """Clearing forgets curves and choice, and keeps the settings."""
    session = measured()
    session.choose(1e-3)
    session.clear()
    frame = session.frame()
    assert (frame.state, frame.runs, frame.result, frame.guide.selected_lr) == ("idle", (), None, None)
    assert frame.settings == FINDER


def test_failed_run() -> None:
    """A run that fails shows what happened and keeps its points; the next one starts clean."""

    def train_step(lr: float) -> float:
        if lr > 1e-4:
            raise ValueError("boom")
        return 1.0

    session = Session(FINDER)
    run = Run(FINDER.steps(train_step))
    session.begin(run)
    with pytest.raises(ValueError, match="boom"):
        run.run()
    frame = session.frame()
    assert (frame.state, frame.failure.message) == ("failed", "boom")  # type: ignore[union-attr]
    assert len(frame.result) == len(run.records) > 0  # type: ignore[arg-type]
    session.dismiss_failure()
    assert session.frame().failure is None
    session.note_failure(RuntimeError("later"))
    assert add_run(session).failure is None


def test_dataframe() -> None:
    """The table holds every step of the run with its smoothing as shown, and of all runs on request."""

    def train_step(lr: float) -> StepOutput:
        return StepOutput(good_curve(lr), grad_norm=lr)

    session = measured(train_step)
    session.change(smooth_factor=1.0)
    table = session.to_dataframe()
    assert list(table.columns) == ["run", "step", "lr", "loss", "smoothed_loss", "grad_norm"]
    assert table["smoothed_loss"].tolist() == table["loss"].tolist() == [good_curve(lr) for lr in table["lr"]]
    assert table["grad_norm"].tolist() == table["lr"].tolist()
    add_run(session, train_step)
    assert set(session.to_dataframe(all_runs=True)["run"]) == {"Run 1", "Run 2"}
    assert len(Session(FINDER).to_dataframe()) == 0


def test_series_grows() -> None:
    """Records become arrays, each once, and arrays handed out earlier do not change."""
    series, records = Series(), [StepRecord(i, 1e-3 + i, float(i)) for i in range(1000)]
    series.extend(records[:100])
    early = series.losses
    assert series.grad_norms is None
    series.extend(records[100:])
    assert early.tolist() == list(range(100))
    assert series.lrs.tolist() == [record.lr for record in records]
    series.extend([StepRecord(1000, 2e3, 5.0, grad_norm=7.0)])
    assert np.isnan(series.grad_norms[:-1]).all()  # type: ignore[index]
    assert series.grad_norms[-1] == 7.0  # type: ignore[index]
    with pytest.raises(ValueError, match="read-only"):
        series.losses[0] = 1.0


def test_decimation_keeps_spikes_and_ends() -> None:
    """Of many points few are drawn: every spike, the first stretch and the very last point among them."""
    losses = np.zeros(100_000)
    losses[[777, 50_123]] = 9.0, -9.0
    losses[5] = np.nan
    lrs = np.geomspace(1e-7, 10, len(losses))
    kept = spikes_kept(lrs, losses)
    assert len(kept) <= MOST_POINTS
    assert {777, 50_123, 99_999} <= set(kept.tolist())
    assert (np.diff(kept) > 0).all()
    assert spikes_kept(lrs[:10], losses[:10]).tolist() == list(range(10))
    few, _ = evenly(lrs, losses)
    assert (len(few), few[0], few[-1]) == (MOST_POINTS, lrs[0], lrs[-1])


def test_drawable() -> None:
    """What goes to the browser is finite or NaN, near the picture, and positive on a logarithmic axis."""
    values = np.array([1.0, np.nan, np.inf, -np.inf, 1e30, 5.0])
    assert drawable(values, (0.0, 2.0), log=False).tolist()[0] == 1.0
    assert np.nanmax(drawable(values, (0.0, 2.0), log=False)) == 8.0
    assert np.isnan(drawable(values, (0.0, 2.0), log=False)).tolist() == [False, True, True, True, False, False]
    logs = drawable(np.array([10.0, 0.0, -1.0]), (0.0, 2.0), log=True)
    assert logs[0] == 1.0
    assert np.isnan(logs[1:]).all()


def test_logarithmic_axis() -> None:
    """On a logarithmic axis a frame holds the logarithms of the losses; what has none is not drawn."""
    session = measured(lambda lr: -1.0 if 1e-4 < lr < 1e-3 else good_curve(lr))
    session.show_log(True)
    curve = session.frame().curve
    assert curve.log
    negative = curve.losses < 0
    assert np.isnan(curve.points.values[negative]).all()
    inside = ~negative & (curve.points.values < curve.loss_range[1])
    assert curve.points.values[inside] == pytest.approx(np.log10(curve.losses[inside]))
    low, high = shown_range(np.array([1.0, 0.1, -5.0]), np.array([1.0, 0.1, np.nan]), log=True)
    assert low < -1 < 0 < high


def test_steady_range() -> None:
    """A growing curve's axis stays while the curve fits, grows with room to spare, and follows when far too wide."""
    assert steady(None, (0.0, 1.0)) == (0.0, 1.0)
    assert steady((0.0, 1.0), (0.1, 0.9)) == (0.0, 1.0)
    low, high = steady((0.0, 1.0), (0.0, 2.0))
    assert (low, high > 2.0) == (0.0, True)
    assert steady((0.0, 100.0), (0.0, 1.0)) == (0.0, 1.0)


def test_draw_budget() -> None:
    """Over a long run no more than 100 curves are drawn, never two within a tenth of a second, the first freely."""
    budget, draws = DrawBudget(), []
    for now in np.arange(0.0, 120.0, 0.01):
        if budget.allows(now, now / 120):
            budget.note(now)
            draws.append(now)
    assert len(draws) <= 100
    assert np.diff(draws).min() >= 0.0999
    assert 39 <= sum(now < 4 for now in draws) <= 42
    assert draws[-1] > 118


def test_dear_draws_are_rarer() -> None:
    """A curve that takes long to make is made less often, so that the training keeps nine tenths of the time."""
    budget = DrawBudget()
    budget.note(0.0)
    budget.note_cost(0.05)
    assert not budget.allows(0.4, 1.0)
    assert budget.allows(0.5, 1.0)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.44, "0.4 s"), (9.97, "10 s"), (59.4, "59 s"), (200, "3 min 20 s"), (3900, "1 h 5 min")]
)
def test_duration(seconds: float, text: str) -> None:
    """Times read as people say them."""
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.032, "3.2e-2"), (1e-7, "1e-7"), (0.0123456, "1.23456e-2"), (1 / 3, "0.3333333333333333"), (2.075, "2.075")],
)
def test_exact_number(value: float, text: str) -> None:
    """A chosen rate is shown so that the text means the very same number."""
    assert exact_number(value) == text
    assert float(text) == value


@pytest.mark.parametrize(
    ("value", "error", "sign", "text"),
    [
        (1.0724, 0.0, "", "1.072"),
        (5.63, 4e-16, "", "5.63"),
        (296.2, 0.0, "+", "+296.2"),
        (0.02839, 0.001, "", "0.028 ± 0.001"),
        (1234.5, 20.0, "", "1230 ± 20"),
        (5.1e-5, 2e-6, "+", "+5.1e-5 ± 2e-6"),
    ],
)
def test_a_number_with_its_error(value: float, error: float, sign: Literal["", "+"], text: str) -> None:
    """No digit beyond the first one of the error; an error that four digits do not show is left out."""
    assert with_error(value, error, sign) == text


def test_progress_texts() -> None:
    """The line beside the bar says how far, how long, and how it ended."""
    progress = Progress(RunState.RUNNING, 63, 100, 1e-3, 2.0, 3.0, 12.0, None)
    assert progress_text(progress) == "63/100 · 12 s left"
    assert progress_text(dataclasses.replace(progress, state=RunState.PAUSED)) == "63/100 · paused"
    ended = dataclasses.replace(progress, state=RunState.DONE, stop_reason=StopReason.DIVERGED)
    assert progress_text(ended) == "63/100 · the loss exploded · 3.0 s"
    assert progress_text(dataclasses.replace(progress, num_done=0)) == "0/100 · starting"
    assert progress_text(dataclasses.replace(progress, is_stopping=True)) == "63/100 · stopping after this step"
    displaced = dataclasses.replace(ended, stop_reason=StopReason.STOPPED, is_displaced=True)
    assert progress_text(displaced) == "63/100 · stopped, because another run of this model began · 3.0 s"
    assert progress_text(dataclasses.replace(progress, state=RunState.IDLE)) == ""
