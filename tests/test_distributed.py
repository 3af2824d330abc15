"""Range tests of several processes: one curve, one end, no hanging; two ranks on gloo, started by torchrun."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lrwidget import RangeTestResult, TorchStep
from tests import distributed_ranks
from tests.distributed_ranks import FINDER, cross_entropy, global_batches, make_net, make_optimizer, own_batches

ROOT = Path(__file__).parent.parent
IN_STEP = ["plain", "adam_clipped", "nan", "data_fail", "loss_fails", "fewer_batches"]
SCENES = [
    *(f"{kind}:{scene}" for kind in ("ddp", "fsdp") for scene in [*IN_STEP, "backward_fails"]),
    *("ddp:all_fail", "ddp:shorter_list", "ddp:one_leaves", "ddp:own_step", "ddp:one_skips", "ddp:line_search"),
    *(
        "ddp:logged",
        "ddp:only_rank_0",
        "ddp:old_sharding",
        "ddp:interrupted",
        "ddp:sizes",
        "fsdp:sizes",
        *("ddp:repeated_and_verified", "fsdp:repeated_and_verified", "ddp:other_finder"),
    ),
    "ddp:killed",  # the last: nothing can follow it
]
KINDS = pytest.mark.parametrize("kind", ["ddp", "fsdp"])


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """All scenes, one after the other in two processes: what torchrun said, and the ranks' reports by their names."""
    folder = tmp_path_factory.mktemp("reports")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["-m", "tests.distributed_ranks", str(folder), *SCENES]
    run = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, timeout=200
    )
    reports = {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}
    stderr = run.stderr.decode()
    names = {f"{scene.replace(':', '-')}-{rank}" for scene in SCENES for rank in (0, 1)}
    assert names - set(reports) == {"ddp-killed-1"}, stderr[-3000:]
    return folder, stderr, reports


@pytest.fixture
def reports(played):
    """The two reports of a scene, by its name."""
    return lambda kind, scene: [played[2][f"{kind}-{scene}-{rank}"] for rank in (0, 1)]


def alone(name="SGD", **options):
    """The range test of one process with the same global batches."""
    net = make_net()
    return FINDER.range_test(TorchStep(net, make_optimizer(net, name), cross_entropy, global_batches(), **options))


# Reductions of float32 in another order: a few units in the last place, which training at small rates keeps small.
TOLERANCE = 2e-6


@KINDS
def test_the_curve_is_that_of_one_process_with_the_same_batches(reports, kind):
    """Every rank records the mean loss; the curve equals one process's on the global batches."""
    first, second = reports(kind, "plain")
    assert first["losses"] == second["losses"]
    np.testing.assert_allclose(first["losses"], alone().losses, rtol=TOLERANCE)


@KINDS
def test_clipping_and_accumulation_are_those_of_one_process(reports, kind):
    """With Adam, clipping and accumulation the losses and the gradient norms equal one process's."""
    first, second = reports(kind, "adam_clipped")
    expected = alone("Adam", max_grad_norm=0.5, accumulation_steps=2)
    assert first["losses"] == second["losses"]
    np.testing.assert_allclose(first["losses"], expected.losses, rtol=TOLERANCE)
    np.testing.assert_allclose(first["grad_norms"], expected.grad_norms, rtol=1e-5)


@KINDS
def test_a_nan_on_one_rank_stops_all_at_that_step(reports, kind):
    """When rank 1 computes NaN in its eighth step, both end there as not finite."""
    for report in reports(kind, "nan"):
        assert len(report["losses"]) == 8
        assert np.isnan(report["losses"]).tolist() == [False] * 7 + [True]
        assert report["stop_reason"] == "not finite"


@KINDS
@pytest.mark.parametrize(
    ("scene", "num_steps", "error"),
    [("data_fail", 5, "OSError: disk gone"), ("loss_fails", 6, "ValueError: bad target")],
)
def test_an_exception_on_one_rank_ends_all_with_it(reports, kind, scene, num_steps, error):
    """The failing rank raises its own error; the others raise one that names rank, step and error, at once."""
    other, failing = reports(kind, scene)
    assert failing["error"] == error
    assert other["error"] == f"RankError: rank 1 failed after {num_steps} steps: {error}"
    for report in (other, failing):
        assert len(report["losses"]) == num_steps
        assert report["stop_reason"] == "failed"
        assert report["seconds"] < 10  # of the 30 that the group would wait


def test_an_interrupt_of_one_rank_ends_all(reports):
    """Ctrl-C that reaches one rank alone ends the others too, by name."""
    other, interrupted = reports("ddp", "interrupted")
    assert (interrupted["stop_reason"], interrupted["is_restored"]) == ("interrupted", True)
    assert other["error"] == "RankError: rank 1 failed after 4 steps: KeyboardInterrupt: "
    assert other["is_restored"]


@KINDS
def test_an_exception_inside_a_collective_ends_all_within_the_timeout(reports, kind):
    """A rank that fails where the other waits for its gradients frees it when the group's 2 s are over."""
    other, failing = reports(kind, "backward_fails")
    assert failing["error"] == "MemoryError: no room for gradients"
    assert other["error"] == "RankError: rank 1 failed after 3 steps: MemoryError: no room for gradients"
    for report in (other, failing):
        assert len(report["losses"]) == 3
        assert 2 <= report["seconds"] < 7


@KINDS
def test_the_end_of_one_ranks_data_is_the_end_for_all(reports, kind):
    """When rank 1 has nine batches and rank 0 more, both stop after nine with the same reason."""
    for report in reports(kind, "fewer_batches"):
        assert len(report["losses"]) == 9
        assert report["stop_reason"] == "data exhausted"
        assert report["error"] is None


@KINDS
def test_every_rank_is_restored(reports, kind):
    """However it ended: parameters, optimizer, gradients, modes and random states are what they were, bit for bit."""
    for scene in [*IN_STEP, "backward_fails"]:
        assert [report["is_restored"] for report in reports(kind, scene)] == [True, True], scene


@KINDS
def test_training_goes_on_as_if_nothing_had_been(reports, kind):
    """After any end that left the ranks in step, training gives what it gives without a range test."""
    net = make_net()
    optimizer = make_optimizer(net)
    expected = distributed_ranks.train_on(net, optimizer, global_batches(3))
    for scene in ["plain", "nan", "data_fail", "loss_fails", "fewer_batches"]:
        later = np.mean([report["later"] for report in reports(kind, scene)], axis=0)
        np.testing.assert_allclose(later, expected, rtol=TOLERANCE, err_msg=scene)


def test_a_snapshot_is_as_large_as_the_formula_says(reports):
    """Whole on each rank under DDP, a shard of it under FSDP2; with momentum twice as large as without."""
    num_bytes = 4 * (8 * 16 + 16 + 16 * 3 + 3)  # float32 weights and biases
    for report in reports("ddp", "sizes"):
        assert report["num_bytes"] == [num_bytes, 2 * num_bytes]
    shards = [report["num_bytes"] for report in reports("fsdp", "sizes")]
    assert np.sum(shards, axis=0).tolist() == [num_bytes, 2 * num_bytes]
    assert abs(shards[0][0] - shards[1][0]) <= 4 * (16 + 1)  # three rows, and three numbers, for two ranks


def test_the_same_error_everywhere_is_each_ranks_own(reports):
    """A mistake that all ranks make is raised on each as it is there."""
    assert [r["error"] for r in reports("ddp", "all_fail")] == [f"ValueError: bad target of rank {k}" for k in (0, 1)]


def test_a_shorter_list_begins_again(reports):
    """Batches that can be read again are, on each rank by itself: the run is whole."""
    for report in reports("ddp", "shorter_list"):
        assert len(report["losses"]) == 20
        assert report["stop_reason"] == "completed"


def test_a_rank_that_stops_alone_ends_the_others(reports):
    """When one rank's run is stopped the others end at that step and name it."""
    staying, leaving = reports("ddp", "one_leaves")
    assert (leaving["stop_reason"], leaving["is_restored"]) == ("stopped", True)
    assert staying["error"] == "RankError: rank 1 ended the range test after 4 steps"
    assert staying["losses"] == leaving["losses"]
    assert staying["is_restored"]


@KINDS
def test_repeats_and_verifications_are_kept_in_step_too(reports, kind):
    """Both ranks have the same curves; those of a verification are one process's on the global batches."""
    first, second = reports(kind, "repeated_and_verified")
    for name in ("repeated", "verified"):
        assert first[name] == second[name]
    assert first["is_restored"]
    assert second["is_restored"]
    assert len(first["repeated"]) == 20
    net = make_net()
    step = TorchStep(net, make_optimizer(net), cross_entropy, global_batches())
    trials = FINDER.verify(step, **distributed_ranks.VERIFIED).trials
    for losses, trial in zip(first["verified"], trials, strict=True):
        np.testing.assert_allclose(losses, trial.losses, rtol=TOLERANCE)


def test_a_training_step_of_the_users_own_is_averaged_too(reports):
    """With `train_step=` the loss that it returns is averaged over the ranks."""
    first, second = reports("ddp", "own_step")
    assert first["losses"] == second["losses"]
    np.testing.assert_allclose(first["losses"], alone().losses, rtol=TOLERANCE)


def test_ranks_that_do_not_do_the_same_are_told(reports):
    """When one rank skips its update and the other does not, both end with what each did."""
    for report in reports("ddp", "one_skips"):
        assert "need ranks that all do the same, got rank 0: loss, rank 1: skipped" in report["error"]
        assert len(report["losses"]) == 2


def test_ranks_with_other_rates_are_told_before_they_train_with_them(reports):
    """When the finders differ, all end at the first rate that is not the same on all, and name the rates."""
    lr = 1e-4 * 2e4 ** (1 / 19)  # the second of twenty from 1e-4 to 2
    for report in reports("ddp", "other_finder"):
        assert report["error"] == (
            f"RankError: need one learning rate on all ranks, got rank 0: {1e-4 * 1e4 ** (1 / 19):g}, rank 1: {lr:g}; "
            "give all ranks one finder"
        )
        assert len(report["losses"]) == 1  # the first rate, 1e-4, is that of both
        assert report["is_restored"]


def test_what_cannot_be_kept_in_step_is_refused(reports):
    """LBFGS, whose line search differs between ranks, and the old sharding wrapper are refused before training."""
    for report in reports("ddp", "line_search"):
        assert report["error"].startswith("ValueError: need an optimizer without a closure where several processes")
    for report in reports("ddp", "old_sharding"):
        assert report["error"].startswith("TypeError: need a model sharded by torch.distributed.fsdp.fully_shard, got")


def test_a_range_test_on_one_rank_only_says_what_is_missing(reports):
    """If the others do not come, it ends after the timeout with the remedy."""
    report, _ = reports("ddp", "only_rank_0")
    assert report["error"].startswith("RankError: need all 2 ranks to begin the range test, and some did not come")
    assert report["error"].endswith("call it on every rank, not on rank 0 alone")
    assert report["is_restored"]


def test_one_bar_and_one_log(played, reports):
    """Rank 0 alone draws the bar and writes the log."""
    folder, stderr, _ = played
    (bar,) = [line for line in stderr.split("\n") if "range test:" in line]  # each drawing begins with a \\r
    assert "20/20" in bar
    result = RangeTestResult.load(folder / "run.jsonl")
    assert result.losses.tolist() == reports("ddp", "logged")[0]["losses"]
    assert len(reports("ddp", "logged")[1]["losses"]) == 20


def test_a_killed_rank_ends_the_others(played):
    """After kill -9 of rank 1 the survivor ends at once with a clear error, its points and its state restored."""
    _, stderr, reports = played
    assert "Signal 9 (SIGKILL)" in stderr  # torchrun says which rank, too
    report = reports["ddp-killed-0"]
    assert report["error"].startswith("RankError: lost contact with another rank after 5 steps: it has died or hangs")
    assert len(report["losses"]) == 5
    assert report["is_restored"]
    assert report["seconds"] < 10  # of the 30 that the group would wait


def test_own_batches_make_up_the_global_ones():
    """The tests' two halves are the global batch (they would prove nothing otherwise)."""
    for (x, y), (x0, y0), (x1, y1) in zip(global_batches(), own_batches(0), own_batches(1), strict=True):
        assert sorted(map(tuple, [*x0.tolist(), *x1.tolist()])) == sorted(map(tuple, x.tolist()))
        assert len(y0) + len(y1) == len(y)
