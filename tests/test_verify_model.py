"""What the Verify tab knows, without a widget."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from lrwidget import LearningRateFinder, StopReason
from lrwidget.live import verify_words
from lrwidget.live.driver import Driver
from lrwidget.live.run import Run
from lrwidget.live.run_state import RunState
from lrwidget.live.session import Session
from lrwidget.live.trial_lines import LineMaker
from lrwidget.live.verify_frames import VerifyFrame
from lrwidget.live.verify_model import MOST_LRS, VerifyModel
from lrwidget.trials import Trial
from lrwidget.verify_result import VerifyResult

SECONDS = 10
FINDER = LearningRateFinder(min_lr=1e-4, max_lr=10.0, num_steps=40)


class Bowl:
    """Gradient descent on w**2 / 2 from w = 4; can be held up and made to fail."""

    def __init__(self) -> None:
        self.w = 4.0
        self.num_calls = 0
        self.gate = threading.Event()
        self.gate.set()
        self.waits_at: int | None = None
        self.fails_at: int | None = None
        self.is_frozen = False

    def __enter__(self) -> Bowl:
        self.saved = self.w
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.w = self.saved

    def __call__(self, lr: float) -> float:
        if self.num_calls == self.fails_at:
            raise ZeroDivisionError("<injected>")
        if self.num_calls == self.waits_at:
            assert self.gate.wait(SECONDS)
        self.num_calls += 1
        loss = self.w**2 / 2
        self.w -= 0.0 if self.is_frozen else lr * self.w
        return loss


class Stage:
    """A model with the session and the train step around it."""

    def __init__(self, selected_lr: float | None = 0.1) -> None:
        self.session = Session(FINDER)
        self.model = VerifyModel(FINDER)
        self.step = Bowl()
        self.driver = Driver(partial(self.model.make_job, self.step), self.model.begin, self.step)
        if selected_lr is not None:
            self.select(selected_lr)

    def select(self, lr: float) -> None:
        self.session.choose(lr)
        self.model.follow(self.session.frame())

    @property
    def lrs(self) -> list[float]:
        return sorted(row.lr for row in self.model.frame().rows)

    def stop_at(self, num_steps: int) -> None:
        """Verify, and stop while the step after so many is taken."""
        self.step.gate.clear()
        self.step.waits_at = num_steps
        self.driver.start()
        run = self.driver.newest
        assert run is not None
        wait_until(lambda: len(run.records) == num_steps)
        self.driver.stop()
        self.step.gate.set()
        assert run.has_ended(SECONDS)

    def verify(self) -> VerifyFrame:
        self.driver.start()
        assert self.driver.newest is not None
        assert self.driver.newest.has_ended(SECONDS)
        return self.model.frame()


# --------------------------------------------------------------------------------------------------------- the list


def test_the_rates_lie_around_the_selected_one_and_follow_it() -> None:
    """Half and double of it, and half and double of those."""
    stage = Stage(0.1)
    assert stage.lrs == [0.025, 0.05, 0.1, 0.2, 0.4]
    stage.select(0.01)
    assert [row.lr for row in stage.model.frame().rows] == [0.0025, 0.005, 0.01, 0.02, 0.04]
    assert [row.is_selected for row in stage.model.frame().rows] == [False, False, True, False, False]


def test_without_a_selected_rate_there_is_nothing_to_verify() -> None:
    """The frame says what to do, and Verify cannot be pressed; a rate that is typed is enough."""
    stage = Stage(None)
    frame = stage.model.frame()
    assert (frame.rows, frame.can_start) == ((), False)
    assert "Run a range test" in frame.budget
    stage.model.add("0.05")
    assert stage.model.frame().can_start


def test_rates_are_added_and_removed() -> None:
    """In rising order; from then on the list no longer follows the selected rate, until it is asked to."""
    stage = Stage(0.1)
    stage.model.add(" 3e-2 ")
    stage.model.remove(0.4)
    stage.select(0.7)
    assert stage.lrs == [0.025, 0.03, 0.05, 0.1, 0.2]
    stage.model.follow_selected()
    assert stage.lrs == [0.175, 0.35, 0.7, 1.4, 2.8]


@pytest.mark.parametrize("text", ["", "fast", "0", "-1", "nan", "inf", "0.1"])
def test_what_is_no_further_rate_is_refused(text: str) -> None:
    """The frame says why; the list stays; the next good rate clears the reason."""
    stage = Stage(0.1)
    stage.model.add(text)
    assert f"got {text!r}" in stage.model.frame().refusal
    assert len(stage.lrs) == 5
    stage.model.add("0.3")
    assert stage.model.frame().refusal == ""


def test_there_are_no_more_rates_than_colours() -> None:
    """Nine at most."""
    stage = Stage(0.1)
    for i in range(MOST_LRS):
        stage.model.add(str(0.001 * (i + 1)))
    assert len(stage.lrs) == MOST_LRS
    assert "at most 9" in stage.model.frame().refusal


# ---------------------------------------------------------------------------------------------------------- the cost


def test_the_cost_is_told_beforehand() -> None:
    """Steps at once; the time as soon as a range test has told how long a step takes."""
    stage = Stage(0.1)
    assert stage.model.frame().budget == "5 trainings of 40 steps: 200 steps"
    run = Run(FINDER.steps(stage.step))
    stage.session.begin(run)
    run.run()
    stage.model.follow(stage.session.frame())
    assert stage.model.frame().budget.startswith("5 trainings of 40 steps: 200 steps, about ")


def test_the_number_of_steps_is_the_range_tests_or_ones_own() -> None:
    """It follows the settings until one is typed, and again when it is emptied; what is none is refused."""
    stage = Stage(0.1)
    stage.session.change(num_steps=70)
    stage.model.follow(stage.session.frame())
    assert stage.model.frame().num_steps == 70
    stage.model.set_num_steps("25")
    assert (stage.model.frame().num_steps, stage.model.frame().budget) == (25, "5 trainings of 25 steps: 125 steps")
    for text in ("many", "5", "2.5", "2,5"):
        stage.model.set_num_steps(text)
        assert f"got {text!r}" in stage.model.frame().refusal
    stage.model.set_num_steps("")
    assert (stage.model.frame().num_steps, stage.model.frame().refusal) == (70, "")
    stage.session.change(num_steps=3)  # of so few no training can be judged
    stage.model.follow(stage.session.frame())
    assert stage.model.frame().num_steps == 6


# ------------------------------------------------------------------------------------------------------- a whole one


def test_a_verification_ranks_the_rates() -> None:
    """Best first, with colours by rate; the result is the engine's; the model is put back."""
    stage = Stage(0.02)
    frame = stage.verify()
    assert (frame.state, stage.step.w) == (RunState.DONE, 4.0)
    assert frame.result is not None
    assert [row.lr for row in frame.rows] == [s.lr for s in frame.result.ranking]
    best = frame.rows[0]
    assert (best.lr, best.rank, best.is_best, best.place, best.detail) == (0.08, 1, True, 4, "lowest loss")
    assert best.words == "0.028 ± 0.001"
    assert frame.result.ranking[0].final_loss == pytest.approx(0.028, abs=0.0005)
    assert (frame.rows[-1].words, frame.rows[-1].detail) == ("clearly worse at step 21", "ended early")
    assert frame.conclusion.startswith("8e-2 trains best. It is the highest rate tried")
    assert (frame.best_lr, frame.beyond_lr, frame.mood) == (0.08, 0.32, "good")
    assert stage.model.frame().result is frame.result


def test_the_list_does_not_change_when_the_winner_is_selected() -> None:
    """What came out stays to be seen until the user asks for other rates, or runs another range test."""
    stage = Stage(0.02)
    stage.verify()
    stage.select(0.08)
    frame = stage.model.frame()
    assert [row.lr for row in frame.rows if row.is_selected] == [0.08]
    assert frame.result is not None
    run = Run(FINDER.steps(stage.step))
    stage.session.begin(run)
    run.run()
    stage.model.follow(stage.session.frame())
    frame = stage.model.frame()
    assert (frame.result, frame.lines) == (None, {})
    assert stage.lrs == [0.02, 0.04, 0.08, 0.16, 0.32]


def test_a_rate_beyond_the_edge_is_offered_once() -> None:
    """Added, it stands in the list as planned, behind what is known; the next verification tries it."""
    stage = Stage(0.02)
    beyond = stage.verify().beyond_lr
    assert beyond == 0.32
    stage.model.add(str(beyond))
    frame = stage.model.frame()
    assert frame.beyond_lr is None
    assert [(row.lr, row.words) for row in frame.rows if row.rank is None][-1] == (0.32, "")
    assert stage.verify().rows[0].lr == 0.32


def test_ties_are_said() -> None:
    """Both rates converge: the one at the marker is kept, and it is said that the other is as good."""
    stage = Stage(0.8)
    stage.model.remove(3.2)
    stage.model.remove(1.6)
    stage.model.remove(0.2)
    frame = stage.verify()
    assert frame.conclusion == "0.8 trains well; 0.4 does about as well."


def test_a_suggestion_that_is_catching_up_is_explained() -> None:
    """The marker's rate is behind by .1, a third of what it was: the list and the sentence say why it stays."""
    leading = np.maximum(2.0 - 0.1 * np.arange(40), 0.5)
    late = leading + np.where(np.arange(40) < 30, 0.3, 0.1)
    trials = [Trial(lr, np.full(40, lr), losses, StopReason.COMPLETED) for lr, losses in ((0.1, late), (0.4, leading))]
    result = VerifyResult(tuple(trials), 40, centre_lr=0.1)
    assert (
        verify_words.conclusion(result, 3) == "0.1 is catching up with 0.4, so a longer training may go better with it."
    )
    assert verify_words.standing(result.ranking[1], 40)[1].endswith(", catching up")


def test_a_training_that_exploded_in_its_last_step_has_not_ended_early() -> None:
    """What took all of its 40 steps and what took half of them diverged, but only the latter saved some."""
    losses = np.geomspace(1.0, 1e200, 40)
    exploded = [Trial(lr, np.full(n, lr), losses[40 - n :], StopReason.COMPLETED) for lr, n in ((1.0, 40), (2.0, 20))]
    ranking = VerifyResult(tuple(exploded), 40).ranking
    assert [verify_words.standing(place, 40) for place in ranking] == [
        ("diverged at step 40", ""),
        ("diverged at step 20", "ended early"),
    ]


def test_where_nothing_trains_lower_rates_are_advised() -> None:
    """Rates far too large have no best one."""
    stage = Stage(50.0)
    frame = stage.verify()
    assert (frame.best_lr, frame.mood) == (None, "bad")
    assert frame.conclusion == "No training ended with a lower loss than it began with: try lower rates."


def test_a_rate_that_changes_nothing_is_told() -> None:
    """Where the train step makes no update there is no best rate, and the sentence says what to check."""
    stage = Stage(0.1)
    stage.step.is_frozen = True
    frame = stage.verify()
    assert (frame.best_lr, frame.beyond_lr, frame.mood) == (None, None, "bad")
    assert frame.conclusion.startswith("The learning rate changes nothing: all trainings have the same losses. ")
    assert "try lower rates" not in frame.conclusion
    assert not any(row.is_best for row in frame.rows)


# ------------------------------------------------------------------------------------------------------ on its way


def wait_until(condition: Callable[[], object]) -> None:
    event = threading.Event()
    for _ in range(1000):
        if condition():
            return
        event.wait(SECONDS / 1000)
    raise AssertionError("not within the time")


def test_while_it_runs_the_frame_tells_how_far_it_is() -> None:
    """The trainings done, the one under way, those that wait; the share of the steps; curves of as many points."""
    stage = Stage(0.1)
    stage.step.gate.clear()
    stage.step.waits_at = 55  # the first trained whole, the second 15 steps
    stage.driver.start()
    run = stage.driver.newest
    assert run is not None
    wait_until(lambda: len(run.records) == 55)
    frame = stage.model.frame()
    assert frame.state is RunState.RUNNING
    assert {row.lr: row.detail for row in frame.rows} == {
        **dict.fromkeys((0.025, 0.05, 0.4), "waiting"),
        0.1: "lowest loss",
        0.2: "training",
    }
    assert [row.words for row in frame.rows if row.is_active] == ["step 15"]
    assert [row.lr for row in frame.rows] == [0.025, 0.05, 0.1, 0.2, 0.4]
    assert frame.fraction == pytest.approx(55 / 200)
    assert frame.progress.startswith("training 2 of 5 · 55/200 steps")
    assert {place: len(line.steps) for place, line in frame.lines.items()} == {2: 40, 3: 15}
    assert not frame.can_start
    stage.step.gate.set()
    assert run.has_ended(SECONDS)


@pytest.mark.parametrize(
    ("num_steps", "best", "words"),
    [
        (55, None, "Stopped after 1 of 5 trainings. There is nothing to compare."),
        (95, 0.1, "Stopped after 2 of 5 trainings. 0.1 trains well; 0.2 does about as well."),
    ],
)
def test_stop_keeps_what_was_recorded_and_ranks_what_is_whole(num_steps: int, best: float | None, words: str) -> None:
    """The training under way is not finished; one alone is not the best; the model is put back."""
    stage = Stage(0.1)
    stage.stop_at(num_steps)
    frame = stage.model.frame()
    assert (frame.state, stage.step.w, frame.best_lr, frame.conclusion) == (RunState.STOPPED, 4.0, best, words)
    assert frame.beyond_lr is None
    assert sum(row.rank is not None for row in frame.rows) == (2 if best else 0)
    assert [row.words for row in frame.rows if "not finished" in row.words] == ["not finished at step 16"]


def test_a_verification_that_another_run_has_stopped_says_so() -> None:
    """Beside what it had shown; with the words alone where it was a range test of this widget, whose curve is new."""
    stage = Stage(0.1)
    stage.step.gate.clear()
    stage.step.waits_at = 55
    stage.driver.start()
    run, other = stage.driver.newest, Run(FINDER.steps(stage.step), stage.step)
    assert run is not None
    wait_until(lambda: len(run.records) == 55)
    stage.session.begin(other)
    other.start()
    wait_until(run.is_unwanted)
    stage.model.follow(stage.session.frame())  # it has not ended yet
    stage.step.gate.set()
    assert run.has_ended(SECONDS)
    words = "Stopped after 1 of 5 trainings, because another run of this model began. There is nothing to compare."
    assert stage.model.frame().conclusion == words
    stage.model.follow(stage.session.frame())
    frame = stage.model.frame()
    assert (frame.conclusion, frame.note) == ("", verify_words.OVERTAKEN)
    assert other.has_ended(SECONDS)
    stage.model.follow_selected()
    assert stage.model.frame().note == ""


def test_a_refusal_does_not_outlive_the_start() -> None:
    """What was said of the list is over when a verification of it begins."""
    stage = Stage(0.1)
    stage.model.add("no rate")
    assert stage.model.frame().refusal
    assert stage.verify().refusal == ""


def test_a_second_verification_waits_for_the_first() -> None:
    """It is refused while one is under way, and possible afterwards."""
    stage = Stage(0.1)
    stage.step.gate.clear()
    stage.step.waits_at = 5
    stage.driver.start()
    with pytest.raises(RuntimeError, match="a verification is under way"):
        stage.driver.start()
    stage.step.gate.set()
    run = stage.driver.newest
    assert run is not None
    assert run.has_ended(SECONDS)
    assert stage.verify().state is RunState.DONE


def test_an_exception_is_shown_and_the_rest_is_kept() -> None:
    """A failure in the second training leaves the first one's curve, the model put back, and the reason."""
    stage = Stage(0.1)
    stage.step.fails_at = 50
    frame = stage.verify()
    assert (frame.state, stage.step.w) == (RunState.FAILED, 4.0)
    assert frame.failure is not None
    assert frame.failure.message == "<injected>"
    assert {place: len(line.steps) for place, line in frame.lines.items()} == {2: 40, 3: 10}
    stage.model.dismiss_failure()
    assert stage.model.frame().failure is None


def test_closing_ends_it_and_nothing_begins_afterwards() -> None:
    """The model is put back before `close` returns."""
    stage = Stage(0.1)
    stage.step.gate.clear()
    stage.step.waits_at = 5
    stage.driver.start()
    threading.Timer(0.05, stage.step.gate.set).start()
    stage.driver.close()
    assert stage.step.w == 4.0
    with pytest.raises(RuntimeError, match="closed"):
        stage.driver.start()


def test_a_train_step_that_restores_nothing_is_noted() -> None:
    """The tab says that this is no comparison; nothing is warned on a console nobody sees."""
    model = VerifyModel(FINDER)
    model.add("0.1")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.make_job(lambda lr: 1.0)
    assert "does not restore what it changes" in model.frame().note


def test_while_a_range_test_runs_nothing_can_begin() -> None:
    """Both train the same model."""
    stage = Stage(0.1)
    stage.session.begin(Run(FINDER.steps(stage.step)))
    stage.model.follow(stage.session.frame())
    frame = stage.model.frame()
    assert (frame.can_start, frame.can_repeat) == (False, False)


# ----------------------------------------------------------------------------------------------------------- curves


def test_curves_have_at_most_500_points_and_nothing_that_breaks_a_scale() -> None:
    """Whatever the losses are; what is infinite is a gap."""
    maker = LineMaker()
    maker.begin(5000)
    losses = np.exp(np.linspace(0, 20, 5000))
    losses[4000:] = np.inf
    maker.draw({0: losses, 1: np.linspace(2.0, 1.0, 5000)})
    for line in maker.lines.values():
        assert len(line.steps) <= 500
        assert np.isfinite(line.values[~np.isnan(line.values)]).all()
    assert np.isnan(maker.lines[0].values[-1])


def test_a_training_that_explodes_does_not_squash_the_others() -> None:
    """The range is that of the training that came lowest, and a little more."""
    maker = LineMaker()
    maker.begin(100)
    good = np.linspace(2.0, 1.0, 100)
    maker.draw({0: good, 1: np.exp(np.linspace(0.7, 20, 100))})
    low, high = maker.loss_range
    assert 0.7 < low < 1.0
    assert 2.0 < high < 2.6


def test_the_range_rests_while_curves_grow_and_fits_in_the_end() -> None:
    """A little more than before does not move the axis; with the last losses it is as if drawn at once."""
    losses = np.linspace(2.0, 1.0, 100)
    maker = LineMaker()
    maker.begin(100)
    ranges = []
    for n in range(50, 100, 2):
        maker.draw({0: losses[:n]})
        ranges.append(maker.loss_range)
    assert len(set(ranges)) < len(ranges) / 2
    maker.draw({0: losses}, is_final=True)
    fresh = LineMaker()
    fresh.begin(100)
    fresh.draw({0: losses})
    assert maker.loss_range == fresh.loss_range


def test_only_changed_curves_are_made_anew() -> None:
    """The same losses give the same line; logarithms give others."""
    maker = LineMaker()
    maker.begin(50)
    done, growing = np.linspace(2.0, 1.0, 50), np.linspace(2.0, 1.5, 25)
    assert maker.draw({0: done, 1: growing})
    assert not maker.draw({0: done, 1: growing})
    before = maker.lines[1].values
    maker.show_log(True)
    assert maker.draw({0: done, 1: growing})
    assert maker.lines[1].values == pytest.approx(np.log10(before))
