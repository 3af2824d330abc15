"""Several range tests from one saved state."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Sequence
from time import perf_counter

import numpy as np
import pytest
import torch

from lrwidget import LearningRateFinder, RangeTestResult, RestoringStep, StopReason, TorchStep, diagnose
from lrwidget.live import words
from lrwidget.live.frames import Progress
from lrwidget.live.reading import Reader
from lrwidget.live.run_state import RunState
from lrwidget.repeat_result import RepeatedResult

FINDER = LearningRateFinder(min_lr=1e-4, max_lr=10.0, num_steps=60)


class NoisyBowl:
    """SGD on w**2 / 2 from w = 4 with noisy losses; restores w and its noise, and takes other noise on request."""

    def __init__(self, noise=0.1):
        self.noise = noise
        self.rng = np.random.default_rng(0)
        self.w = 4.0
        self.seeds, self.entered, self.left = [], 0, 0
        self.fails_at = None

    def __enter__(self):
        self.saved = self.w, self.rng.bit_generator.state
        self.entered += 1
        self.calls = 0
        return self

    def __exit__(self, *exc_info):
        self.w, self.rng.bit_generator.state = self.saved
        self.left += 1

    def reseed(self, seed):
        self.seeds.append(seed)
        self.rng = np.random.default_rng(100 + seed)

    def __call__(self, lr):
        if self.fails_at == (self.entered - 1, self.calls):
            raise ZeroDivisionError("injected")
        self.calls += 1
        loss = self.w**2 / 2 + self.noise * self.rng.normal()
        self.w -= lr * self.w
        return loss


def make_batches(num_batches):
    """So many batches of eight, always the same."""
    inputs = torch.randn(num_batches, 8, 4, generator=torch.Generator().manual_seed(0))
    return [(x, x.sum(1, keepdim=True)) for x in inputs]


def step_on(batches):
    """A linear model that learns them by heart."""
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 1)
    return TorchStep(model, torch.optim.SGD(model.parameters(), 0.1), torch.nn.functional.mse_loss, batches)


class InOrder(torch.utils.data.IterableDataset):
    """Batches as a stream, always the same."""

    def __init__(self, batches):
        self.batches = batches

    def __iter__(self):
        return iter(self.batches)


def results_of(*rows, reasons=None):
    """Results with these losses on one sweep."""
    lrs = np.geomspace(1e-3, 1.0, 10)
    reasons = reasons or [StopReason.COMPLETED] * len(rows)
    return [RangeTestResult(lrs[: len(row)], row, reason) for row, reason in zip(rows, reasons, strict=True)]


# ------------------------------------------------------------------------------------------------------------ runs


def test_each_run_starts_from_the_same_state_and_the_last_one_restores_it():
    """Without noise all runs are equal to one range test; the train step is entered and left once for each."""
    step = NoisyBowl(noise=0.0)
    result = FINDER.repeat(step, num_runs=4)
    single = FINDER.range_test(NoisyBowl(noise=0.0))
    assert [r.losses.tolist() for r in result.results] == [single.losses.tolist()] * 4
    assert (step.entered, step.left, step.w) == (4, 4, 4.0)


def test_the_first_run_is_the_plain_range_test_and_the_others_draw_other_batches():
    """`reseed` is called with a new seed for each run after the first."""
    step = NoisyBowl()
    result = FINDER.repeat(step, num_runs=3)
    assert step.seeds == [1, 2]
    assert np.array_equal(result.results[0].losses, FINDER.range_test(NoisyBowl()).losses)
    assert not np.array_equal(result.results[1].losses[:20], result.results[2].losses[:20])


class Loading(Sequence):
    """Batches that are loaded when they are asked for; knows how many were."""

    def __init__(self, num_batches):
        self.batches, self.num_loaded = make_batches(num_batches), 0

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        self.num_loaded += 1
        return self.batches[index]


class AnyOrder:
    """Somebody's own batch sampler: it may shuffle or not."""

    def __iter__(self):
        return iter([[index] for index in torch.randperm(len(self)).tolist()])

    def __len__(self):
        return 2000


@pytest.mark.parametrize(
    ("batches", "most_left_out"),
    [
        (lambda data: data, 0),
        (lambda data: torch.utils.data.DataLoader(data, batch_size=None, shuffle=True), 0),
        (lambda data: torch.utils.data.DataLoader(data, batch_size=None), 200),
        (lambda data: torch.utils.data.DataLoader(data, batch_sampler=AnyOrder(), collate_fn=lambda b: b[0]), 200),
        (InOrder, 200),
    ],
    ids=["sequence", "shuffled loader", "loader in order", "own batch sampler", "stream"],
)
def test_repeats_see_other_batches_without_reading_all(batches, most_left_out):
    """Of 2,000 batches three runs of 9 steps read hardly more than they train on, and no two runs the same."""
    data = Loading(2000)
    result = LearningRateFinder(1e-6, 1e-5, num_steps=9).repeat(step_on(batches(data)), num_runs=3)
    assert len({tuple(r.losses) for r in result.results}) == 3
    assert data.num_loaded <= 27 + 3 + most_left_out  # each run looks at its first batch before it is reseeded


def test_what_can_be_read_once_is_refused_before_anything_is_trained():
    """Several runs need batches for each: told at once, not when the second one begins."""
    message = r"^need batches that can be read again for {} runs, got an iterator .* once; pass a list or a DataLoader"
    batches = iter(make_batches(40))
    step = step_on(batches)
    with pytest.raises(ValueError, match=message.format(3)):
        FINDER.repeat(step)
    with pytest.raises(ValueError, match=message.format(2)):
        FINDER.verify(step, lrs=[1e-3, 1e-2], num_steps=6)
    with pytest.raises(ValueError, match=message.format(5)):
        FINDER.verify(step)
    assert len(list(batches)) == 40
    assert len(FINDER.repeat(step_on(iter(make_batches(40))), num_runs=1)) == 40
    assert FINDER.verify(step_on(iter(make_batches(40))), lrs=[1e-3], num_steps=6).best_lr is not None


def test_a_train_step_without_reseed_goes_on_in_its_data():
    """A source of batches that the step does not restore gives each run the next ones."""
    batches = iter(range(10_000))
    seen = []

    def train_fn(lr):
        seen.append(next(batches))
        return 1.0

    step = RestoringStep(train_fn, save=dict, restore=lambda state: None)
    FINDER.repeat(step, num_runs=2)
    assert seen == list(range(120))


def test_a_train_step_that_restores_nothing_is_warned_about():
    """A plain function goes on training from run to run: that is no repetition, and is said."""
    with pytest.warns(UserWarning, match="does not restore what it changes") as caught:
        FINDER.repeat(lambda lr: 1.0, num_runs=2)
    assert caught[0].filename == __file__


def test_the_iterator_yields_one_record_per_step_with_its_run():
    """Records come as they happen, with run, step, lr and loss."""
    job = FINDER.repeat_steps(NoisyBowl(), num_runs=2)
    assert job.stop_reason is None
    records = list(job)
    assert job.num_steps == 120
    for run in (0, 1):
        mine = [r for r in records if r.run == run]
        assert [r.step for r in mine] == list(range(len(mine)))
        assert [(r.lr, r.loss) for r in mine] == [
            (lr, loss) for lr, loss in zip(job.result.results[run].lrs, job.result.results[run].losses, strict=True)
        ]
    assert job.stop_reason is job.result.stop_reason


def test_stop_ends_all_runs_and_keeps_what_was_recorded():
    """Stopped in the second run, the first is whole, the second is cut, the third is not there."""
    step = NoisyBowl(noise=0.0)
    job = FINDER.repeat_steps(step, num_runs=3)
    for record in job:
        if (record.run, record.step) == (1, 4):
            job.stop()
    first, second = job.result.results
    assert first.stop_reason is not StopReason.STOPPED
    assert (len(second), second.stop_reason, job.stop_reason) == (5, StopReason.STOPPED, StopReason.STOPPED)
    assert (step.entered, step.left, step.w) == (2, 2, 4.0)


@pytest.mark.parametrize("end", ["close", "drop"])
def test_leaving_in_the_middle_restores(end):
    """Closing the iterator, and dropping it, restore the state at once."""
    step = NoisyBowl()
    job = FINDER.repeat_steps(step)
    for _ in range(10):
        next(job)
    if end == "close":
        job.close()
    else:
        del job
    assert (step.left, step.w) == (1, 4.0)


def test_stopped_before_the_first_step_nothing_is_entered():
    """A run that is stopped before it began has an empty result and never touched the train step."""
    step = NoisyBowl()
    job = FINDER.repeat_steps(step)
    job.stop()
    assert list(job) == []
    assert (step.entered, len(job.result), job.stop_reason) == (0, 0, StopReason.STOPPED)


@pytest.mark.parametrize(("error", "reason"), [(None, StopReason.FAILED), (KeyboardInterrupt(), "interrupted")])
def test_an_exception_carries_on_with_the_partial_result(error, reason):
    """What was recorded before the failure in the second run is kept, and the state is restored."""
    step = NoisyBowl(noise=0.0)
    step.fails_at = (1, 7)
    if error is not None:
        call = type(step).__call__

        class Interrupted(NoisyBowl):
            def __call__(self, lr):
                try:
                    return call(self, lr)
                except ZeroDivisionError:
                    raise error from None

        step.__class__ = Interrupted
    with pytest.raises(BaseException) as caught:  # noqa: PT011
        FINDER.repeat(step, num_runs=3)
    assert isinstance(caught.value, type(error) if error is not None else ZeroDivisionError)
    partial = caught.value.partial_result
    assert [len(r) for r in partial.results][1:] == [7]
    assert (partial.stop_reason, step.w, step.left) == (reason, 4.0, 2)


def test_wrong_arguments_are_refused_before_any_training():
    """num_runs must be a whole number of at least 1, the train step a callable."""
    with pytest.raises(ValueError, match="need num_runs >= 1, got num_runs=0"):
        FINDER.repeat(NoisyBowl(), num_runs=0)
    with pytest.raises(TypeError, match=r"num_runs=2\.5"):
        FINDER.repeat(NoisyBowl(), num_runs=2.5)
    with pytest.raises(TypeError, match="need a train step"):
        FINDER.repeat(3.0)


# --------------------------------------------------------------------------------------------------------- the curve


def test_the_curve_is_the_median_and_the_band_its_quartiles():
    """Of three runs at each rate: the middle one; the lowest and the highest."""
    result = RepeatedResult(results_of([3.0, 2.0, 9.0], [1.0, 5.0, 7.0], [2.0, 4.0, 8.0]))
    assert result.losses.tolist() == [2.0, 4.0, 8.0]
    assert result.low_losses.tolist() == [1.0, 2.0, 7.0]
    assert result.high_losses.tolist() == [3.0, 5.0, 9.0]


def test_five_runs_have_inner_quartiles():
    """Of five runs the band goes from the second to the fourth."""
    result = RepeatedResult(results_of([5.0], [1.0], [3.0], [2.0], [4.0]))
    assert (result.low_losses.tolist(), result.losses.tolist(), result.high_losses.tolist()) == ([2.0], [3.0], [4.0])


def test_a_diverged_run_counts_as_infinite_afterwards():
    """The median goes on until half of the runs have diverged, and says so with one infinite loss."""
    diverged, completed = StopReason.DIVERGED, StopReason.COMPLETED
    rows = [1.0, 1.0, 1.0, 1.0, 1.0], [2.0, 2.0, 2.0], [3.0, 3.0]
    result = RepeatedResult(results_of(*rows, reasons=[completed, diverged, diverged]))
    assert result.losses.tolist() == [2.0, 2.0, 2.0, math.inf]
    assert result.high_losses.tolist() == [3.0, 3.0, math.inf, math.inf]


def test_a_run_that_ran_out_of_data_has_no_say_afterwards():
    """A short run that did not diverge leaves the median to the others."""
    exhausted, completed = StopReason.DATA_EXHAUSTED, StopReason.COMPLETED
    rows = [1.0, 1.0, 1.0], [2.0, 2.0, 2.0], [9.0]
    result = RepeatedResult(results_of(*rows, reasons=[completed, completed, exhausted]))
    assert result.losses.tolist() == [2.0, 1.5, 1.5]


def test_one_run_is_its_own_median():
    """With a single run curve, suggestion and diagnosis are those of the range test."""
    single = FINDER.range_test(NoisyBowl())
    result = FINDER.repeat(NoisyBowl(), num_runs=1)
    assert np.array_equal(result.losses, single.losses)
    assert (result.suggest(), result.diagnosis, result.spread_decades) == (single.suggest(), single.diagnosis, None)


def test_runs_of_other_sweeps_do_not_mix():
    """Range tests with other learning rates are refused, as is none at all."""
    a, b = RangeTestResult([0.1, 0.2], [1.0, 2.0]), RangeTestResult([0.1, 0.3], [1.0, 2.0])
    with pytest.raises(ValueError, match="need range tests of one sweep"):
        RepeatedResult([a, b])
    with pytest.raises(ValueError, match="need at least one range test"):
        RepeatedResult([])


# ---------------------------------------------------------------------------------------------------- the suggestion


def test_the_suggestion_is_the_geometric_mean_of_the_single_ones():
    """So are its interval's ends; the spread is the standard deviation of their logarithms."""
    finder = LearningRateFinder(num_steps=100)
    result = finder.repeat(NoisyBowl(noise=0.3), num_runs=5)
    single = [r.suggest() for r in result.results]
    assert len({s.lr for s in single}) > 1
    logs = np.log10([s.lr for s in single])
    suggestion = result.suggest()
    assert suggestion.lr == pytest.approx(10 ** logs.mean())
    assert suggestion.low == pytest.approx(10 ** np.log10([s.low for s in single]).mean())
    assert suggestion.high == pytest.approx(10 ** np.log10([s.high for s in single]).mean())
    assert result.spread_decades == pytest.approx(logs.std(ddof=1))
    assert result.suggested_lr == result["suggested_lr"] == suggestion.lr
    assert result.lrs[suggestion.index] == pytest.approx(suggestion.lr, rel=0.1)


def test_runs_on_the_same_batches_claim_no_agreement():
    """One batch for ever makes one run of all: there is its suggestion, no spread, and a word about it."""
    result = LearningRateFinder().repeat(step_on([make_batches(1)[0]]), num_runs=3)
    assert result.is_one_run
    assert result.spread_decades is None
    assert result.suggested_lr == result.results[0].suggested_lr is not None
    assert result.suggest().reason.startswith("The 3 runs are the same, loss by loss: shuffle")
    assert "are the same, loss by loss" in str(result)
    other = [*result.results[:2], LearningRateFinder().range_test(NoisyBowl())]
    assert not RepeatedResult(other).is_one_run
    assert not RepeatedResult(other[:1]).is_one_run
    assert not RepeatedResult(results_of([], [])).is_one_run  # stopped before anything was recorded


@pytest.mark.parametrize("reason", [StopReason.STOPPED, StopReason.INTERRUPTED, StopReason.FAILED])
@pytest.mark.parametrize("num_whole", [1, 2, 3])
def test_a_run_that_was_cut_while_it_fell_has_no_say_in_the_suggestion(num_whole, reason):
    """Cut before the rate that the others suggest, it would suggest less: all is as it was before it began."""
    *whole, last = LearningRateFinder().repeat(NoisyBowl(), num_runs=num_whole + 1).results
    num_steps = int(np.searchsorted(last.lrs, whole[0].suggested_lr / 3))
    cut = RangeTestResult(last.lrs[:num_steps], last.losses[:num_steps], reason)
    assert cut.suggested_lr < whole[0].suggested_lr / 10
    before, after = RepeatedResult(whole), RepeatedResult([*whole, cut])
    a, b = before.suggest(), after.suggest()
    assert (b.lr, b.low, b.high, b.confidence) == (a.lr, a.low, a.high, a.confidence)
    assert b.reason == f"{a.reason} Left out: 1 that was cut short."
    assert (after.spread_decades, after.diagnosis) == (before.spread_decades, before.diagnosis)
    assert len(after.results) == num_whole + 1


def test_runs_on_the_same_batches_are_still_one_where_the_last_was_cut():
    """Two whole runs that agree loss by loss claim no agreement, whatever became of the third."""
    whole = LearningRateFinder().repeat(NoisyBowl(noise=0.0), num_runs=2).results
    cut = RangeTestResult(whole[0].lrs[:60], whole[0].losses[:60], StopReason.STOPPED)
    result = RepeatedResult([*whole, cut])
    assert (result.is_one_run, result.spread_decades) == (True, None)
    assert "The 2 runs are the same" in result.suggest().reason


def test_where_all_runs_were_cut_they_have_their_say():
    """One that was stopped is what there is."""
    whole = LearningRateFinder().range_test(NoisyBowl())
    cut = RangeTestResult(whole.lrs[:90], whole.losses[:90], StopReason.STOPPED)
    assert RepeatedResult([cut]).suggest() == cut.suggest()
    assert cut.suggested_lr is not None


def test_a_decaying_schedule_moves_the_common_suggestion_too():
    """schedule="decaying" gives the peak, half a decade up, with its interval; a rule that knows none refuses."""
    result = LearningRateFinder().repeat(NoisyBowl(noise=0.3), num_runs=3)
    constant, decaying = result.suggest(), result.suggest(schedule="decaying")
    for a, b in ((constant.lr, decaying.lr), (constant.low, decaying.low), (constant.high, decaying.high)):
        assert np.log10(b / a) == pytest.approx(0.5, abs=0.005)
    assert "decaying" in decaying.reason
    assert f"confidence {constant.confidence:.0%}" in constant.reason
    with pytest.raises(ValueError, match="knows no schedules"):
        result.suggest("steepest", schedule="decaying")


def test_runs_that_show_nothing_give_no_suggestion():
    """Flat noise has no suggestion in any run, and none together."""
    rng = np.random.default_rng(0)
    step = RestoringStep(lambda lr: 1.0 + 0.1 * rng.normal(), save=dict, restore=lambda state: None)
    result = LearningRateFinder().repeat(step, num_runs=3)
    assert (result.suggested_lr, result.spread_decades) == (None, None)
    assert "Suggested LR: none" in str(result)


def runs_of_a_flat_median():
    """Two runs that fall at different rates, and one that does not: at each rate at least two stay at the start."""
    lrs = np.geomspace(1e-6, 1.0, 100)
    noise = 0.02 * np.random.default_rng(0).normal(size=(3, 100))
    falls = [(lrs > 1e-4) & (lrs < 1e-2), (lrs > 1e-2) & (lrs < 0.5), lrs < 0]
    return [RangeTestResult(lrs, 2.0 - 1.0 * fall + row) for fall, row in zip(falls, noise, strict=True)]


def test_suggestion_and_diagnosis_speak_of_the_same_curves():
    """Where two of three runs suggest a rate, the diagnosis is theirs, and not that of the flat median curve."""
    runs = runs_of_a_flat_median()
    result = RepeatedResult(runs)
    assert [run.suggested_lr is not None for run in runs] == [True, True, False]
    assert (runs[0].diagnosis.kind, diagnose(result.lrs, result.losses).kind) == ("ok", "noise")
    assert result.suggested_lr is not None
    assert result.diagnosis == runs[0].diagnosis
    assert "no learning rate in this range" not in str(result)


def test_without_a_common_suggestion_the_diagnosis_is_that_of_the_median_curve():
    """One of three runs suggests nothing for all of them."""
    runs = runs_of_a_flat_median()
    result = RepeatedResult([runs[0], runs[2], runs[2]])
    assert result.suggested_lr is None
    assert result.diagnosis == diagnose(result.lrs, result.losses)
    assert result.diagnosis.kind == "noise"


def test_the_widgets_words_on_several_runs_agree_with_their_suggestion():
    """The verdict shows the runs' suggestion beside their diagnosis."""
    result = RepeatedResult(runs_of_a_flat_median())
    reader = Reader(perf_counter)
    reader.finish(result)
    progress = Progress(RunState.DONE, 100, 100, 1.0, None, None, None, StopReason.COMPLETED)
    verdict = words.verdict_on(progress, reader.reading, "")
    assert verdict.mood == "good"
    assert verdict.text == f"{result.results[0].diagnosis.message} {result.suggest().reason}"


# ------------------------------------------------------------------------------------------------- tables and files


def test_the_dataframe_has_a_row_per_step_of_each_run():
    """Columns run, step, lr, loss, smoothed_loss, in the order of the runs."""
    result = FINDER.repeat(NoisyBowl(), num_runs=2)
    frame = result.to_dataframe()
    assert list(frame.columns) == ["run", "step", "lr", "loss", "smoothed_loss"]
    for run, single in enumerate(result.results):
        part = frame[frame["run"] == run].drop(columns="run").reset_index(drop=True)
        assert part.equals(single.to_dataframe())


def test_saved_runs_are_loaded_as_they_were(tmp_path):
    """Losses that are not finite, reasons, settings and times come back; a single test's file is one run."""
    results = results_of([1.0, math.nan], [2.0, math.inf, 1.0], reasons=["not finite", "completed"])
    RepeatedResult(results).save(tmp_path / "runs.jsonl")
    assert RepeatedResult.load(tmp_path / "runs.jsonl") == RepeatedResult(results)
    results[0].save(tmp_path / "one.jsonl")
    assert RepeatedResult.load(tmp_path / "one.jsonl") == RepeatedResult(results[:1])


def test_a_file_of_several_runs_is_no_single_range_test(tmp_path):
    """`RangeTestResult.load` names the line at which the second run begins."""
    RepeatedResult(results_of([1.0], [2.0])).save(tmp_path / "runs.jsonl")
    with pytest.raises(ValueError, match="line 4"):
        RangeTestResult.load(tmp_path / "runs.jsonl")


def test_printing_tells_the_number_of_runs_and_their_scatter():
    """The text has the runs, the suggestion and how far the runs lie apart."""
    result = LearningRateFinder().repeat(NoisyBowl(noise=0.3), num_runs=3)
    assert "3 range tests" in str(result)
    assert f"{result.suggested_lr:.1e}" in str(result)
    assert f"{result.spread_decades:.2f} decades" in str(result)


def test_one_run_is_printed_as_one():
    """No "1 range tests", and no median of them."""
    result = RepeatedResult(results_of([1.0, 2.0]))
    assert str(result).startswith("1 range test: 2 steps, lr 1.0e-03 to 2.2e-03, completed\n")
    assert repr(result) == "<RepeatedResult: 1 run, 2 steps, completed>"


def test_copies_have_all_runs() -> None:
    """Pickled, or copied, several runs are several runs."""
    step = RestoringStep(lambda lr: 1.0 - lr, save=dict, restore=dict.copy)
    repeated = LearningRateFinder(num_steps=10).repeat(step, num_runs=2)
    for twin in (pickle.loads(pickle.dumps(repeated)), copy.deepcopy(repeated)):
        assert [result.losses.tolist() for result in twin.results] == [[*r.losses.tolist()] for r in repeated.results]
        assert twin.suggest() == repeated.suggest()
