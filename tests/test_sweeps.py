"""Grids of range tests on processes, threads and a Dask cluster; what dies, fails and is stopped among them."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from lrwidget import LearningRateFinder, RangeTestResult, StopReason
from lrwidget.sweep_grid import points_of
from lrwidget.sweeps import Sweep, sweep
from tests import sweep_steps

FINDER = LearningRateFinder(min_lr=1e-3, max_lr=10.0, num_steps=40)
ENDLESS = LearningRateFinder(num_steps=100_000, divergence="never")


def wait_for(condition, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@pytest.fixture
def one_thread():
    with ThreadPoolExecutor(1) as executor:
        yield executor


# The grid


def test_a_grid_is_every_combination_the_last_name_fastest():
    """Values by name are combined each with each, in the order of nested loops."""
    assert points_of({"a": [1, 2], "b": ["", "y"]}) == [
        {"a": 1, "b": ""},
        {"a": 1, "b": "y"},
        {"a": 2, "b": ""},
        {"a": 2, "b": "y"},
    ]
    assert points_of({"a": range(2)}) == [{"a": 0}, {"a": 1}]
    assert points_of([{"a": 1}, {"b": 2}]) == [{"a": 1}, {"b": 2}]


@pytest.mark.parametrize(
    ("grid", "error", "message"),
    [
        ({}, ValueError, "need a grid with at least one point"),
        ({"curvature": []}, ValueError, "need a grid with at least one point"),
        ({"curvature": 1.0}, TypeError, "need a list of values for each name of the grid, got curvature=1.0"),
        ({"curvature": "12"}, TypeError, "got curvature='12'"),
        (None, TypeError, "need a grid: values by name, or a list of settings, got None"),
        ("curvature", TypeError, "need a grid: values by name, or a list of settings, got 'curvature'"),
        ([1.0], TypeError, "need a dict of settings for each point of the grid, got 1.0"),
        ({1: [1.0]}, TypeError, "need names of make_train_step's parameters in the grid, got 1"),
        ({"lr": [1, 2]}, ValueError, "need other names in the grid than the columns of the tables, got 'lr'"),
        ([{"curvature": 1}, {"curve": 2}], TypeError, "need settings that make_train_step.* takes, got {'curve': 2}"),
    ],
)
def test_a_grid_is_checked_before_anything_runs(grid, error, message):
    """What is no grid, or no settings of the function, is refused with the point that is wrong."""
    with pytest.raises(error, match=message):
        Sweep(sweep_steps.parabola, grid)


class Client:
    """As Dask's: it has an executor, and is none."""

    def get_executor(self):
        raise AssertionError("it is for the caller to choose")

    def __repr__(self):
        return "<Client>"


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"num_workers": 0}, ValueError, "need num_workers >= 1, got num_workers=0"),
        ({"num_attempts": 0}, ValueError, "need num_attempts >= 1, got num_attempts=0"),
        ({"num_workers": "2"}, TypeError, "need a whole number num_workers >= 1, got num_workers='2'"),
        ({"num_workers": 1.5}, TypeError, "need a whole number num_workers >= 1, got num_workers=1.5"),
        ({"num_attempts": None}, TypeError, "need a whole number num_attempts >= 1, got num_attempts=None"),
        ({"finder": {"num_steps": 5}}, TypeError, "need a LearningRateFinder, got finder={'num_steps': 5}"),
        ({"executor": 4}, TypeError, "need a concurrent.futures.Executor, got executor=4"),
        ({"executor": Client()}, TypeError, r"got executor=<Client>; use its get_executor\(\)"),
    ],
)
def test_the_means_are_checked_before_anything_runs(options, error, message):
    """Counts, finder and executor that cannot work are refused in words."""
    with pytest.raises(error, match=message):
        Sweep(sweep_steps.parabola, {"curvature": [1.0]}, **options)


# What comes back


@pytest.fixture(scope="module")
def parabolas():
    return sweep(sweep_steps.parabola, {"curvature": [0.5, 1.0, 2.0], "start": [1.0, 4.0]}, finder=FINDER)


def test_results_are_those_of_single_range_tests(parabolas):
    """Each point's curve is bit for bit the one of a range test by itself, in the order of the grid."""
    points = list(product([0.5, 1.0, 2.0], [1.0, 4.0]))
    assert [tuple(run.settings.values()) for run in parabolas.runs] == points
    for (curvature, start), result in zip(points, parabolas.results, strict=True):
        alone = FINDER.range_test(sweep_steps.parabola(curvature, start))
        np.testing.assert_array_equal(result.losses, alone.losses)
        np.testing.assert_array_equal(result.lrs, alone.lrs)
        assert result.stop_reason == alone.stop_reason
        assert result.settings == alone.settings
        assert not result.losses.flags.writeable


def test_one_tidy_table(parabolas):
    """One row per step with the grid's columns; each run's rows are its curve."""
    table = parabolas.to_dataframe()
    assert list(table.columns) == ["run", "curvature", "start", "step", "lr", "loss", "smoothed_loss"]
    assert len(table) == sum(map(len, parabolas.results))
    rows = table[(table.curvature == 2.0) & (table.start == 4.0)]
    np.testing.assert_array_equal(rows["loss"], parabolas.results[5].losses)
    np.testing.assert_array_equal(rows["smoothed_loss"], parabolas.results[5].smoothed())
    assert set(rows["run"]) == {5}


def test_the_summary_has_one_row_per_point(parabolas):
    """Suggested rate, best loss, steps and end stand beside the settings."""
    table = parabolas.summary()
    assert list(table.columns) == [
        "curvature",
        "start",
        "suggested_lr",
        "best_loss",
        "num_steps",
        "stop_reason",
        "error",
    ]
    assert table["start"].tolist() == [1.0, 4.0] * 3
    for (_, row), result in zip(table.iterrows(), parabolas.results, strict=True):
        assert row.suggested_lr == result.suggested_lr
        assert row.best_loss == np.nanmin(result.smoothed())
        assert row.num_steps == len(result)
        assert row.stop_reason == result.stop_reason
    assert table["error"].isna().all()
    # The start only scales the loss, and a suggestion does not depend on its unit.
    assert table["suggested_lr"][::2].tolist() == pytest.approx(table["suggested_lr"][1::2].tolist())


def test_a_sweep_prints_its_table(parabolas):
    """`print(result)` counts the ends and shows the summary."""
    lines = str(parabolas).splitlines()
    assert lines[0] == "Sweep: 6 range tests"
    assert lines[1] == f"6 x {parabolas.results[0].stop_reason}"
    assert "suggested_lr" in lines[2]


def test_points_may_have_different_names(one_thread):
    """In a list of settings a point may leave a name out: its cells are empty."""
    result = sweep(sweep_steps.parabola, [{"curvature": 2.0}, {"start": 1.0}], finder=FINDER, executor=one_thread)
    table = result.summary()
    assert math.isnan(table.loc[0, "start"])
    assert table.loc[1, "start"] == 1.0
    assert set(result.to_dataframe().columns) >= {"curvature", "start"}


def test_progress_counts_the_runs(one_thread, capsys):
    """`progress=True` shows one bar that names the newest run and its end."""
    grid = {"curvature": [1.0, 2.0]}
    result = sweep(sweep_steps.parabola, grid, finder=FINDER, executor=one_thread, progress=True)
    err = capsys.readouterr().err
    last = err.rstrip().split("\r")[-1]
    assert last.startswith("sweep: 100%")
    assert "2/2" in last
    assert f"curvature=2.0: {result.results[1].stop_reason}" in last


# While it runs


def test_runs_arrive_as_they_finish_and_curves_before():
    """The quick run comes first; meanwhile the slow one's curve grows, seen from another thread."""
    finder = LearningRateFinder(num_steps=100, divergence="never")
    seen = []
    with Sweep(sweep_steps.timed, {"seconds": [0.012, 0.0]}, finder=finder, num_workers=2) as job:
        first = next(job)
        assert first.index == 1
        slow = threading.Thread(target=lambda: seen.extend(job))
        slow.start()
        lengths = []
        while slow.is_alive():
            run = job.snapshot()[0]
            lengths.append(0 if run.result is None else len(run.result))
            time.sleep(0.05)
        slow.join()
    assert len(set(lengths)) > 5
    assert lengths == sorted(lengths)
    assert [run.index for run in seen] == [0]
    assert job.stop_reason == StopReason.COMPLETED
    assert [len(result) for result in job.result.results] == [100, 100]


def test_logs_are_kept_where_asked(tmp_path, one_thread):
    """With a folder each run's log stays there and loads as its result."""
    result = sweep(
        sweep_steps.parabola, {"curvature": [1.0, 2.0]}, finder=FINDER, executor=one_thread, log_folder=tmp_path
    )
    for index, expected in enumerate(result.results):
        (path,) = tmp_path.glob(f"sweep-*/{index:04d}-*.jsonl")
        assert RangeTestResult.load(path) == expected


@pytest.mark.parametrize("module", ["none", "of Dask", "another"])
def test_workers_that_see_no_folder_send_their_results(one_thread, tmp_path, monkeypatch, module):
    """Without a shared folder and a cluster a finished range test arrives whole, and nothing before it."""
    if module == "none":
        monkeypatch.delitem(sys.modules, "distributed", raising=False)
    elif module == "another":  # a file of the user's with that name
        monkeypatch.setitem(sys.modules, "distributed", ModuleType("distributed"))
    else:
        pytest.importorskip("distributed")
    job = Sweep(sweep_steps.parabola, {"curvature": [2.0]}, finder=FINDER, executor=one_thread, log_folder=tmp_path)
    job._folder.address = "/elsewhere/sweep"
    (run,) = job
    assert run.result.losses.tolist() == FINDER.range_test(sweep_steps.parabola(2.0)).losses.tolist()
    assert list(tmp_path.glob("*/*.jsonl")) == []


def test_threads_of_a_process_take_turns():
    """Two threads never train at once: they share their random states."""
    active, most = [], []

    def make_train_step(number):
        def train_step(lr):
            active.append(number)
            most.append(len(active))
            time.sleep(0.002)
            active.remove(number)
            return lr

        return train_step

    with ThreadPoolExecutor(4) as executor:
        result = sweep(make_train_step, {"number": range(4)}, finder=FINDER, executor=executor)
        assert max(most) == 1
        assert len(result.failed) == 0
        assert executor.submit(int).result() == 0  # it stays open


# What dies and fails


def test_a_worker_that_dies_is_replaced_and_its_run_begun_again(tmp_path):
    """A killed process costs its own run one attempt and the others nothing."""
    grid = {"folder": [str(tmp_path)], "name": ["a", "b", "c"], "num_deaths": [0]}
    points = points_of(grid)
    points[1]["num_deaths"] = 1
    result = sweep(sweep_steps.mortal, points, finder=FINDER, num_workers=2)
    assert [len(r) for r in result.results] == [40] * 3
    assert result.failed == []
    begun = sorted(path.name for path in tmp_path.iterdir())
    assert begun == ["a-0", "b-0", "b-1", "c-0"]


def test_a_run_that_kills_every_worker_is_reported_with_its_settings(tmp_path):
    """After its attempts it fails with what its log holds; the other runs are whole."""
    points = [{"folder": str(tmp_path), "name": name, "num_deaths": deaths} for name, deaths in [("a", 9), ("b", 0)]]
    result = sweep(sweep_steps.mortal, points, finder=FINDER, num_workers=1, num_attempts=2)
    (run,) = result.failed
    assert run.settings["name"] == "a"
    assert run.error.startswith("its process died")
    assert run.result.losses.tolist() == (-FINDER.learning_rates()[:3]).tolist()
    assert run.result.stop_reason == StopReason.INTERRUPTED
    assert len(result.results[1]) == 40
    assert len(list(tmp_path.glob("a-*"))) == 2


def test_a_broken_pool_of_the_callers_loses_no_run_that_ended(tmp_path):
    """In a pool that was given a death ends what is unfinished, and every run says what became of it."""
    points = [{"folder": str(tmp_path), "name": n, "num_deaths": d} for n, d in [("a", 0), ("b", 9), ("c", 0)]]
    with ProcessPoolExecutor(1, get_context("spawn")) as executor:
        result = sweep(sweep_steps.mortal, points, finder=FINDER, executor=executor)
    assert [run.error is None for run in result.runs] == [True, False, False]
    assert len(result.results[0]) == 40
    assert "BrokenProcessPool" in result.runs[1].error
    assert len(result.results[1]) == 3


def test_an_error_is_its_runs_alone(one_thread):
    """A point whose step cannot be made, or fails, keeps its error, its traceback and its points."""
    result = sweep(sweep_steps.faulty, {"where": ["making", "training", "nowhere"]}, finder=FINDER, executor=one_thread)
    making, training, nowhere = result.runs
    assert (making.error, making.result) == ("ValueError: no such optimizer", None)
    assert training.error == "ZeroDivisionError: loss over nothing"
    assert "train_step" in training.details
    assert len(training.result) == 2
    assert training.result.stop_reason == StopReason.FAILED
    assert nowhere.error is None
    assert result.failed == [making, training]
    errors = result.summary()["error"]
    assert errors.tolist()[:2] == [making.error, training.error]
    assert errors.isna().tolist() == [False, False, True]


def test_no_curve_at_all_is_an_error(one_thread):
    """When no point gives a curve the first traceback is raised, with the settings it belongs to."""
    with pytest.raises(RuntimeError, match=r"(?s)got 2 failures; the first, of where=making: ValueError: no such") as e:
        sweep(sweep_steps.faulty, {"where": ["making", "making"]}, finder=FINDER, executor=one_thread)
    assert "raise ValueError" in str(e.value)
    assert len(e.value.partial_result.failed) == 2


# Stopping


def test_stop_ends_a_sweep_after_the_steps_under_way():
    """A stop from another thread ends running runs with their curves, and begins no other."""
    with Sweep(sweep_steps.timed, {"seconds": [0.01] * 5}, finder=ENDLESS, num_workers=2) as job:
        driver = threading.Thread(target=lambda: list(job))
        driver.start()
        wait_for(lambda: sum(run.result is not None and len(run.result) > 3 for run in job.snapshot()) == 2)
        begun = time.monotonic()
        job.stop()
        driver.join()
        assert time.monotonic() - begun < 3  # before anything would have been killed
    errors = [run.error for run in job.result.runs]
    assert errors == ["stopped"] * 2 + ["not run: the sweep was stopped before"] * 3
    assert [run.result.stop_reason for run in job.result.runs[:2]] == [StopReason.STOPPED] * 2
    assert all(len(run.result) > 3 for run in job.result.runs[:2])
    assert job.stop_reason == StopReason.STOPPED


def test_a_step_that_hangs_is_ended_by_force(monkeypatch):
    """When the grace is over the worker is killed, whatever it ignores; what it had recorded stays."""
    monkeypatch.setattr("lrwidget.sweeps._GRACE_SECONDS", 0.2)

    def hangs():
        steps = iter(range(1000))
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

        def train_step(lr):
            time.sleep(1000 if next(steps) == 4 else 0)
            return lr

        return train_step

    job = Sweep(hangs, [{}], finder=FINDER, num_workers=1)
    driver = threading.Thread(target=lambda: list(job))
    driver.start()
    wait_for(lambda: job.snapshot()[0].result is not None and len(job.snapshot()[0].result) == 4)
    job.stop()
    driver.join(20)
    assert not driver.is_alive()
    (run,) = job.result.runs
    assert run.error is not None
    assert len(run.result) == 4


def test_an_error_in_the_loop_that_reads_stops_the_workers():
    """Leaving the with block early leaves nothing running."""
    job = Sweep(sweep_steps.timed, {"seconds": [0.01] * 2}, finder=ENDLESS, num_workers=2)

    def read():
        with job:
            job._fill()
            wait_for(lambda: all(run.result is not None for run in job.snapshot()))
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        read()
    assert [run.error for run in job.result.runs] == ["stopped"] * 2


INTERRUPTED = """
from lrwidget import LearningRateFinder
from lrwidget.sweeps import sweep
from tests import sweep_steps

if __name__ == "__main__":
    finder = LearningRateFinder(num_steps=100_000, divergence="never")
    try:
        sweep(sweep_steps.timed, {"seconds": [0.01] * 3}, finder=finder, num_workers=2, log_folder="logs")
    except KeyboardInterrupt as error:
        for run in error.partial_result.runs:
            print(run.error, 0 if run.result is None else len(run.result))
"""


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs process groups")
def test_ctrl_c_ends_a_sweep_and_keeps_what_there_is(tmp_path):
    """Ctrl-C on a terminal raises KeyboardInterrupt with `partial_result`, quietly, and leaves no process behind."""
    (tmp_path / "script.py").write_text(INTERRUPTED)
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    script = subprocess.Popen(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_for(lambda: sum(log.read_bytes().count(b"\n") > 5 for log in tmp_path.glob("logs/*/*.jsonl")) == 2)
    os.killpg(script.pid, signal.SIGINT)  # a terminal sends it to the script and to its workers
    out, err = script.communicate(timeout=60)
    assert err == ""
    assert script.returncode == 0
    *ended, not_begun = out.splitlines()
    assert not_begun == "not run: the sweep was stopped before 0"
    assert [line.split()[0] for line in ended] == ["stopped"] * 2
    assert all(int(line.split()[1]) >= 5 for line in ended)

    def is_gone():
        try:
            os.killpg(script.pid, 0)
        except ProcessLookupError:
            return True
        return False

    wait_for(is_gone)


# Functions of a notebook

NOTEBOOK = """
import sys
if "without" in sys.argv:
    sys.modules["cloudpickle"] = None
import lrwidget
from lrwidget.sweeps import sweep
offset = 2.0
def make_train_step(slope):
    return lambda lr: offset + slope * lr
finder = lrwidget.LearningRateFinder(num_steps=5)
print(sweep(make_train_step, {"slope": [1.0]}, finder=finder, num_workers=1).results[0].losses[0])
"""


def run_as_notebook(*args):
    """As in a notebook: the main module has no file that a worker could import."""
    return subprocess.run([sys.executable, "-c", NOTEBOOK, *args], capture_output=True, text=True, timeout=60)


def test_a_function_of_a_notebook_is_sent_by_value():
    """What is defined in a cell reaches the workers, with the names it refers to."""
    run = run_as_notebook()
    assert run.stderr == ""
    assert float(run.stdout) == 2.0 + 1e-7


def test_without_cloudpickle_a_function_of_a_notebook_is_refused():
    """The error says what to install, instead of workers that die."""
    run = run_as_notebook("without")
    assert "TypeError: need functions that worker processes can import" in run.stderr
    assert "pip install cloudpickle, or move it into a module" in run.stderr


def test_what_cannot_be_sent_is_refused():
    """A function that holds a lock, or an open file, cannot go to a process: the error says what to do."""
    lock = threading.Lock()

    def make_train_step(a):
        return lambda lr: lock.locked()

    with pytest.raises(TypeError, match=r"cannot pickle.*make models, loaders and open files inside make_train_step"):
        sweep(make_train_step, {"a": [1]})


# A cluster


@pytest.fixture(scope="module")
def cluster():
    distributed = pytest.importorskip("distributed")
    import dask

    settings = {"distributed.logging.distributed": "critical", "distributed.comm.timeouts.connect": "10s"}
    with (
        dask.config.set(settings),
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.mark.filterwarnings("ignore")  # what tornado and distributed leave open when a worker dies
def test_a_dask_cluster_survives_the_death_of_a_worker(cluster, tmp_path):
    """Twelve range tests of a network on two workers, one killed in the middle: all equal the sequential ones."""
    grid = {"optimizer": ["SGD", "Adam"], "weight_decay": [0.0, 0.1], "seed": [0, 1, 2], "note_in": [str(tmp_path)]}
    finder = LearningRateFinder(min_lr=1e-4, max_lr=10.0, num_steps=60)
    job = Sweep(sweep_steps.digits_mlp, grid, finder=finder, executor=cluster.get_executor())
    runs = [next(job), next(job)]
    known = set(tmp_path.iterdir())
    wait_for(lambda: set(tmp_path.iterdir()) - known)  # one that begins now: no worker is killed between two
    worker = int((set(tmp_path.iterdir()) - known).pop().name.split("-")[0])
    os.kill(worker, signal.SIGKILL)
    runs.extend(job)
    assert sorted(run.index for run in runs) == list(range(12))
    assert job.result.failed == []
    assert len(list(tmp_path.iterdir())) > 12  # what the dead worker was at has been begun again
    for run in job.result.runs:
        alone = finder.range_test(sweep_steps.digits_mlp(**{**run.settings, "note_in": None}))
        np.testing.assert_array_equal(run.result.losses, alone.losses)
        assert run.result.stop_reason == alone.stop_reason


@pytest.mark.filterwarnings("ignore")
def test_a_stop_reaches_the_workers_of_a_cluster(cluster):
    """Curves are seen while a cluster runs them, and a stop ends them after their steps."""
    job = Sweep(sweep_steps.timed, {"seconds": [0.01] * 3}, finder=ENDLESS, executor=cluster.get_executor())
    driver = threading.Thread(target=lambda: list(job))
    driver.start()
    wait_for(lambda: sum(run.result is not None and len(run.result) > 3 for run in job.snapshot()) == 2)
    job.stop()
    driver.join(20)
    assert sorted(run.error for run in job.result.runs) == ["stopped"] * 3
    assert sum(run.result is not None and len(run.result) > 3 for run in job.result.runs) == 2


@pytest.mark.filterwarnings("ignore")
def test_a_cluster_without_a_shared_folder_is_seen_and_stopped_too(cluster, tmp_path):
    """Where the workers do not see the sweep's folder their logs, and a stop, go through the scheduler."""
    job = Sweep(
        sweep_steps.timed,
        {"seconds": [0.0, 0.01, 0.01]},
        finder=LearningRateFinder(num_steps=2000, divergence="never"),
        executor=cluster.get_executor(),
        log_folder=tmp_path,
    )
    job._folder.address = f"/elsewhere/{job._folder.path.name}"
    quick = next(job)
    driver = threading.Thread(target=lambda: list(job))
    driver.start()
    wait_for(lambda: all(run.result is not None and len(run.result) > 3 for run in job.snapshot()))
    lengths = [len(run.result) for run in job.snapshot()]
    job.stop()
    driver.join(20)
    assert not driver.is_alive()
    assert [run.error for run in job.result.runs] == [None, "stopped", "stopped"]
    assert all(before <= len(run.result) < 2000 for before, run in zip(lengths[1:], job.result.runs[1:], strict=True))
    assert quick.index == 0
    for run in job.result.runs:
        (path,) = tmp_path.glob(f"sweep-*/{run.index:04d}-*.jsonl")
        assert RangeTestResult.load(path) == run.result
