"""A run of another process, read while it is written."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest

from lrwidget import LearningRateFinder, RangeTestResult, StepRecord, StopReason, lock
from lrwidget.follow import WriterState, follow
from lrwidget.log import LogWriter
from lrwidget.recording import Recording

FINDER = LearningRateFinder(min_lr=1e-3, max_lr=1.0, num_steps=6, divergence="never")

FATES = ["ends", "dies", "cut", "removed", "replaced"]

WRITER = """
import sys, time
from lrwidget.finder import LearningRateFinder
finder = LearningRateFinder(num_steps=int(sys.argv[2]), divergence="never")
def train_step(lr):
    time.sleep(float(sys.argv[3]))
    return time.time()  # the loss is the moment at which the step ended
finder.range_test(train_step, log=sys.argv[1])
"""


def writer(path, num_steps, step_seconds):
    return subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(num_steps), str(step_seconds)])


def collect(job):
    """Iterate in a thread; the list fills while the job goes on."""
    records = []
    thread = threading.Thread(target=lambda: records.extend(job), daemon=True)
    thread.start()
    return records, thread


def wait_for(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def test_a_finished_log_is_read_to_its_end(tmp_path):
    """The log of a run that has ended gives its records and its result, and says why it ended."""
    result = FINDER.range_test(lambda lr: lr * 2, log=tmp_path / "run.jsonl")
    job = follow(tmp_path / "run.jsonl")
    assert list(job) == [StepRecord(i, lr, lr * 2) for i, lr in enumerate(result.lrs.tolist())]
    assert job.result == result
    assert job.stop_reason == StopReason.COMPLETED
    assert job.status == "run.jsonl: the run has ended: completed"


def test_records_arrive_while_another_process_writes(tmp_path):
    """The file need not exist yet; each record is there within 300 ms of its step, and the end is seen."""
    job = follow(tmp_path / "run.jsonl")
    assert job.writer == WriterState.AWAITED
    assert job.status == "run.jsonl: waiting for a run to begin"
    with writer(tmp_path / "run.jsonl", 15, 0.05) as process:
        delays = [time.time() - record.loss for record in job]
    assert process.returncode == 0
    assert len(delays) == 15
    # The median: on a busy machine this process may itself have to wait for its turn.
    assert np.median(delays) < 0.3
    assert job.writer == WriterState.ENDED
    assert job.recording.settings["num_steps"] == 15


def test_a_killed_writer_has_ended(tmp_path):
    """When the writer is killed the watch ends at once, with all that was written and no wait for a silence."""
    job = follow(tmp_path / "run.jsonl", silence_seconds=1000)
    with writer(tmp_path / "run.jsonl", 100_000, 0.01) as process:
        _, thread = collect(job)
        wait_for(lambda: len(job.recording.records) >= 5)
        assert job.writer == WriterState.WRITING
        process.send_signal(signal.SIGKILL)
    thread.join(20)
    assert not thread.is_alive()
    assert job.stop_reason == StopReason.INTERRUPTED
    assert job.status == "run.jsonl: the run has ended: interrupted (the log ends before the run did)"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it may have been killed in the middle of a line
        assert RangeTestResult.load(tmp_path / "run.jsonl") == job.result


class Clock:
    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr("lrwidget.follow.time.monotonic", lambda: self.now)


def test_a_writer_that_pauses_is_silent_until_it_writes_again(tmp_path, monkeypatch):
    """Nothing for longer than the threshold is a silence, said with its length; the next line ends it."""
    clock = Clock(monkeypatch)
    recording = Recording(settings={})
    job = follow(tmp_path / "run.jsonl", silence_seconds=10)
    with LogWriter(tmp_path / "run.jsonl", recording) as log:
        log.write(recording.append(0, 0.1, 1.0))
        assert next(job).loss == 1.0
        clock.now += 9
        assert job.writer == WriterState.WRITING
        assert job.status == "run.jsonl: being written"
        clock.now += 2
        assert job.writer == WriterState.SILENT
        assert job.status == "run.jsonl: nothing written for 11 s"
        log.write(recording.append(1, 0.2, 2.0))
        assert next(job).loss == 2.0
        assert job.writer == WriterState.WRITING
    assert list(job) == []


def test_slow_steps_are_no_silence(tmp_path, monkeypatch):
    """A run whose steps take a minute counts as silent after five of them, not after ten seconds."""
    clock = Clock(monkeypatch)
    recording = Recording(settings={})
    job = follow(tmp_path / "run.jsonl", silence_seconds=10)
    with LogWriter(tmp_path / "run.jsonl", recording) as log:
        clock.now += 1000  # the writer was late to begin: that says nothing of its steps
        for step in range(2):
            clock.now += 60
            log.write(recording.append(step, 0.1, 1.0))
            next(job)
        clock.now += 299
        assert job.writer == WriterState.WRITING
        clock.now += 2
        assert job.writer == WriterState.SILENT


def test_lines_cut_anywhere_are_put_together(tmp_path):
    """However the bytes of the log arrive, one by one, the records are the same."""
    result = FINDER.range_test(lambda lr: lr, log=tmp_path / "whole.jsonl")
    whole = (tmp_path / "whole.jsonl").read_bytes()
    path = tmp_path / "run.jsonl"
    job = follow(path, poll_seconds=1e-4)
    records, thread = collect(job)
    with path.open("ab", buffering=0) as file:
        lock.take(file)
        for at in range(len(whole)):
            file.write(whole[at : at + 1])
    thread.join(20)
    assert records == [StepRecord(i, lr, lr) for i, lr in enumerate(result.lrs.tolist())]
    assert job.result == result


def test_a_malformed_line_ends_the_watch_with_its_number(tmp_path):
    """What is no log is an error that names the line; what came before it stays in the result."""
    path = tmp_path / "run.jsonl"
    FINDER.range_test(lambda lr: lr, log=path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:3], b"Traceback\n", *lines[3:]]))
    job = follow(path)
    with pytest.raises(ValueError, match=r"run\.jsonl, line 4: need a line of a range test's log, got b'Traceback'"):
        list(job)
    assert len(job.result) == 2
    assert job.stop_reason == StopReason.FAILED


def test_stop_wakes_the_one_who_waits(tmp_path):
    """`stop` from another thread ends a watch that waits for a record or for the file, with the given reason."""
    with LogWriter(tmp_path / "begun.jsonl", Recording(settings={})):
        for name in ("begun.jsonl", "never.jsonl"):
            job = follow(tmp_path / name, poll_seconds=1000)
            _, thread = collect(job)
            wait_for(lambda job=job: job.silent_seconds > 0.05)
            job.stop()
            thread.join(20)
            assert not thread.is_alive()
            assert job.stop_reason == StopReason.STOPPED
            job.stop(StopReason.INTERRUPTED)
            assert job.stop_reason == StopReason.STOPPED


@pytest.mark.parametrize("what", ["replaced", "removed"])
def test_another_run_in_the_same_file_is_not_mixed_in(tmp_path, what):
    """When the file is removed or taken by a new run, the watch ends and says so; its curve stays one run's."""
    path = tmp_path / "run.jsonl"
    recording = Recording(settings={})
    job = follow(path)
    with LogWriter(path, recording) as log:
        log.write(recording.append(0, 0.1, 1.0))
        assert next(job).loss == 1.0
        log.write(recording.append(1, 0.1, 1.0))
        if what == "removed":
            path.unlink()
    if what == "replaced":
        FINDER.range_test(lambda lr: lr, log=path)
    assert list(job) == []
    assert len(job.result) == 1
    assert job.stop_reason == StopReason.INTERRUPTED
    assert what in job.status


def test_a_run_that_comes_while_the_file_is_read_is_not_mixed_in(tmp_path, monkeypatch):
    """A file that a new run takes between two looks of one poll gives not one record of that run."""
    path = tmp_path / "run.jsonl"
    recording = Recording(settings={})
    job = follow(path)
    with LogWriter(path, recording) as log:
        log.write(recording.append(0, 0.1, 1.0))
        assert next(job).loss == 1.0

    def replace_first(file, header):
        FINDER.range_test(lambda lr: lr, log=path)
        return False

    monkeypatch.setattr("lrwidget.follow.is_written", replace_first)
    assert list(job) == []
    assert "replaced" in job.status
    assert len(job.result) == 1


def test_a_log_that_becomes_shorter_ends_the_watch(tmp_path):
    """A file cut by someone else is no longer the log that was read: the watch ends and says so."""
    path = tmp_path / "run.jsonl"
    recording = Recording(settings={})
    job = follow(path)
    with LogWriter(path, recording) as log:
        for step in range(3):
            log.write(recording.append(step, 0.1, 1.0))
        assert [next(job).step for _ in range(3)] == [0, 1, 2]
        with path.open("r+b") as file:
            file.truncate(path.stat().st_size - 10)
        assert list(job) == []
    assert job.stop_reason == StopReason.INTERRUPTED
    assert job.status.endswith("(the file has become shorter; watch it anew)")


@pytest.mark.parametrize("seed", range(20))
def test_whatever_a_writer_does_what_is_read_is_the_beginning_of_its_run(tmp_path, seed):
    """Chunks of any size at any pace, then the end, a death, a cut, a removal or a new run: no record is made up."""
    rng = random.Random(seed)
    path, fate = tmp_path / "run.jsonl", FATES[seed % len(FATES)]
    losses = [rng.uniform(0, 3) for _ in range(rng.randrange(1, 60))]
    recording = Recording(settings={})
    with LogWriter(tmp_path / "whole.jsonl", recording) as log:
        for step, loss in enumerate(losses):
            log.write(recording.append(step, 0.1 * (step + 1), loss))
    whole = (tmp_path / "whole.jsonl").read_bytes()
    end = len(whole) if fate == "ends" else rng.randrange(whole.index(b"\n") + 1, len(whole) - 1)
    job = follow(path, poll_seconds=1e-4)
    records, thread = collect(job)
    with path.open("ab", buffering=0) as file:
        lock.take(file)
        at = 0
        while at < end:
            to = min(end, at + rng.choice([1, 7, 80, 500]))
            file.write(whole[at:to])
            at = to
            if rng.random() < 0.1:
                time.sleep(rng.uniform(0, 2e-3))
        wait_for(lambda: job.silent_seconds > 0.01 and job._read_so_far == end)
        if fate == "cut":
            file.truncate(rng.randrange(end))
        elif fate == "removed":
            path.unlink()
    if fate == "replaced":
        FINDER.range_test(lambda lr: 7.0, log=path)
    thread.join(20)
    assert not thread.is_alive()
    lacks_newline = fate == "dies" and whole[end : end + 1] == b"\n"  # its last line is whole all the same
    expected = losses[: whole[:end].count(b"\n") - 1 + lacks_newline]
    assert [record.loss for record in records] == expected
    assert job.result.losses.tolist() == expected
    assert job.stop_reason == (StopReason.STOPPED if fate == "ends" else StopReason.INTERRUPTED)


def test_a_log_of_another_machine_never_counts_as_ended(tmp_path):
    """A torn log whose writer ran on another host may still grow: only silence is reported, and it can be stopped."""
    path = tmp_path / "run.jsonl"
    FINDER.range_test(lambda lr: lr, log=path)
    header, *records, _ = path.read_bytes().splitlines(keepends=True)
    elsewhere = json.dumps(json.loads(header) | {"host": "elsewhere"}).encode() + b"\n"
    path.write_bytes(b"".join([elsewhere, *records]))
    job = follow(path, silence_seconds=0.05)
    seen, thread = collect(job)
    wait_for(lambda: job.writer == WriterState.SILENT)
    assert thread.is_alive()
    job.close()
    thread.join(20)
    assert len(seen) == 6


@pytest.mark.parametrize("name", ["silence_seconds", "poll_seconds"])
def test_times_are_checked(name):
    """Both times must be positive."""
    with pytest.raises(ValueError, match=f"need {name} > 0, got {name}=0"):
        follow("run.jsonl", **{name: 0})
