"""Range tests on disk: what is written, what is read back, and what a killed process leaves."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from lrwidget import LearningRateFinder, LRFinderWidget, RangeTestResult, StepOutput, StopReason
from lrwidget.log import LogWriter, read_result
from lrwidget.recording import Recording

FINDER = LearningRateFinder(min_lr=1e-3, max_lr=1.0, num_steps=6, divergence="never")


class Scripted:
    """A train step that gives these losses, and looks at its log before each step."""

    def __init__(self, losses, log=None):
        self.losses = iter(losses)
        self.log = log
        self.seen = []

    def __call__(self, lr):
        if self.log is not None:
            self.seen.append(self.log.read_bytes().count(b"\n"))
        return next(self.losses)


def finished_log(path):
    FINDER.range_test(Scripted([3.0, 2.0, 1.5, 1.2, 1.0, 1.1]), log=path)
    return path.read_bytes().splitlines(keepends=True)


def test_header_then_records_then_the_end(tmp_path):
    """The first line holds format, settings and versions, the last the stop reason, each in between one step."""
    path = tmp_path / "run.jsonl"
    header, *records, footer = map(json.loads, finished_log(path))
    assert header["format"] == 1
    assert header["settings"] == {
        "min_lr": 1e-3,
        "max_lr": 1.0,
        "num_steps": 6,
        "smooth_factor": 0.05,
        "spacing": "exponential",
        "divergence": "never",
    }
    assert header["versions"]["numpy"] == np.__version__
    assert header["versions"]["python"] == sys.version.split()[0]
    assert header["pid"] == os.getpid()
    assert [record["step"] for record in records] == [0, 1, 2, 3, 4, 5]
    assert [record["loss"] for record in records] == [3.0, 2.0, 1.5, 1.2, 1.0, 1.1]
    assert footer["stop_reason"] == "completed"
    assert footer["error"] is None
    assert footer["seconds"] > 0


def test_each_record_is_on_file_before_the_next_step(tmp_path):
    """When step k begins, another reader finds the header and k records."""
    path = tmp_path / "run.jsonl"
    step = Scripted([1.0] * 6, log=path)
    FINDER.range_test(step, log=path)
    assert step.seen == [1, 2, 3, 4, 5, 6]


def test_numbers_survive_to_the_last_bit(tmp_path):
    """Rates, losses and norms, NaN and infinities too, come back as they were."""
    losses = [0.1 + 0.2, 1e-300, -7.0, 5e-324, 1e308, math.inf]
    norms = [math.nan, math.inf, 0.0, 1 / 3, 2.0, 1.0]
    outputs = iter([StepOutput(*pair) for pair in zip(losses, norms, strict=True)])
    result = FINDER.range_test(lambda lr: next(outputs), log=tmp_path / "run.jsonl")
    assert RangeTestResult.load(tmp_path / "run.jsonl") == result
    result.save(tmp_path / "saved.jsonl")
    assert RangeTestResult.load(tmp_path / "saved.jsonl") == result


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_a_log_is_json_to_any_reader(tmp_path, loss):
    """No line uses the words NaN and Infinity, which JSON does not have."""
    FINDER.range_test(lambda lr: loss, log=tmp_path / "run.jsonl")
    lines = (tmp_path / "run.jsonl").read_text().splitlines()

    def refuse(word):
        raise AssertionError(word)

    assert [json.loads(line, parse_constant=refuse) for line in lines][1]["loss"] == str(loss)


def test_every_cut_of_a_log_loads_what_it_holds(tmp_path):
    """A log cut after any byte gives every whole record; half a line is dropped with a remark, no more."""
    path = tmp_path / "run.jsonl"
    lines = finished_log(path)
    whole = b"".join(lines)
    ends = np.cumsum([len(line) for line in lines])
    for cut in range(len(lines[0]) - 1, len(whole) + 1):
        path.write_bytes(whole[:cut])
        # A line without its newline is whole too: the closing brace is there.
        num_lines = int(np.sum(ends - 1 <= cut))
        if cut in ends or cut + 1 in ends:
            result = RangeTestResult.load(path)
        else:
            with pytest.warns(UserWarning, match=f"dropped the half-written last line {num_lines + 1}$"):
                result = RangeTestResult.load(path)
        assert result.losses.tolist() == [3.0, 2.0, 1.5, 1.2, 1.0, 1.1][: num_lines - 1]
        if num_lines == 8:
            assert result.stop_reason == StopReason.COMPLETED
        else:
            assert (result.stop_reason, result.error) == (StopReason.INTERRUPTED, "the log ends before the run did")


def test_the_remark_points_at_the_caller(tmp_path):
    """The warning about half a line names the file that called `load`."""
    path = tmp_path / "run.jsonl"
    path.write_bytes(b"".join(finished_log(path)[:3]) + b'{"step": 2, "l')
    with pytest.warns(UserWarning, match="half-written") as caught:
        RangeTestResult.load(path)
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("number", "line", "why"),
    [
        (3, b'{"step": 1, "lr": 0.1, "lo\n', "Unterminated string"),
        (3, b"\n", "Expecting value"),
        (3, b"\xff\xfe\n", "can't decode byte"),
        (3, b"[1, 2]\n", "need a JSON object"),
        (3, b'{"step": 1, "lr": 0.1}\n', "no 'loss'"),
        (3, b'{"step": 1, "lr": 0.1, "loss": NaN}\n', "NaN is no JSON"),
        (3, b'{"step": 1, "lr": 0.1, "loss": "low"}\n', "need a number, got 'low'"),
        (3, b'{"step": 1, "lr": 0.1, "loss": true}\n', "need a number, got True"),
        (3, b'{"step": 1, "lr": 0.1, "loss": null}\n', "need a number, got None"),
        (3, b'{"step": 4, "lr": 0.1, "loss": 1.0}\n', "need step 1, got step 4"),
        (3, b'{"stop_reason": "bored", "error": null, "seconds": 1}\n', "'bored' is not a valid StopReason"),
        (3, b'{"stop_reason": "completed", "error": null, "seconds": 1}\n', "nothing may follow the stop reason"),
        (1, b'{"format": 2, "settings": {}}\n', "need format 1, got 2: another version of lrwidget wrote it"),
        (1, b'{"settings": {}}\n', "no 'format'"),
        (1, b'{"format": 1, "settings": 7}\n', "'int' object is not iterable"),
    ],
)
def test_what_is_malformed_is_an_error_that_names_the_line(tmp_path, number, line, why):
    """Only the last line may be broken; any other is refused, with file, line and reason."""
    path = tmp_path / "run.jsonl"
    lines = finished_log(path)
    lines[number - 1] = line
    path.write_bytes(b"".join(lines))
    bad = number + 1 if "may follow" in why else number
    with pytest.raises(ValueError, match=rf"run\.jsonl, line {bad}: need .* of a range test's log, got .*{why}"):
        RangeTestResult.load(path)


@pytest.mark.parametrize("content", [b"", b'{"format": 1, "sett', b"\x80\x02}q\x00X"])
def test_a_log_without_a_header_is_no_log(tmp_path, content):
    """An empty file, one cut inside the header, and one of another kind are refused in words, and that is all."""
    (tmp_path / "run.jsonl").write_bytes(content)
    with pytest.raises(ValueError, match="need the log of a range test, got a file without a header"):
        RangeTestResult.load(tmp_path / "run.jsonl")


def test_losses_read_late_are_logged_too(tmp_path):
    """When a step fails, the losses of the steps before it that were still unread are in the log."""

    class Late(Scripted):
        lag = 2

    def losses():
        yield from [3.0, 2.0, 1.0]
        raise RuntimeError("the device is lost")

    with pytest.raises(RuntimeError, match="the device is lost"):
        FINDER.range_test(Late(losses()), log=tmp_path / "run.jsonl")
    result = RangeTestResult.load(tmp_path / "run.jsonl")
    assert result.losses.tolist() == [3.0, 2.0, 1.0]
    assert (result.stop_reason, result.error) == (StopReason.FAILED, "RuntimeError: the device is lost")


def test_two_runs_never_share_a_log(tmp_path):
    """A second run on the file of one under way is refused before it trains, and the first one's lines stay."""
    path = tmp_path / "run.jsonl"
    step = Scripted([1.0] * 6)
    with LogWriter(path, Recording(settings={})):
        before = path.read_bytes()
        with pytest.raises(RuntimeError, match=r"need a log of its own for each run, got .*run\.jsonl, which"):
            FINDER.range_test(step, log=path)
        assert path.read_bytes() == before
    assert len(list(step.losses)) == 6
    assert len(FINDER.range_test(Scripted([1.0] * 6), log=path)) == 6


def test_a_reader_that_looks_in_does_not_keep_a_writer_out(tmp_path):
    """Readers who test the lock again and again never make a writer fail."""
    from lrwidget.lock import is_held

    path = tmp_path / "run.jsonl"
    path.touch()
    done = threading.Event()

    def look():
        with path.open("rb") as file:
            while not done.wait(0.0005):
                is_held(file)

    readers = [threading.Thread(target=look) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for _ in range(20):
            with LogWriter(path, Recording(settings={})):
                pass
    finally:
        done.set()
        for reader in readers:
            reader.join()


def test_a_log_that_cannot_be_written_stops_before_training(tmp_path):
    """A folder that is not there is an error before the first step."""
    step = Scripted([1.0] * 6)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        FINDER.range_test(step, log=tmp_path / "nowhere" / "run.jsonl")
    assert len(list(step.losses)) == 6


@pytest.mark.parametrize("log", [3, True, b"run.jsonl"])
def test_a_log_that_is_no_path_is_refused(log):
    """In words, before the first step."""
    step = Scripted([1.0] * 6)
    with pytest.raises(TypeError, match=rf'^need a path as log, got log={log!r}; pass the name of a file, e.g. "run'):
        FINDER.range_test(step, log=log)
    assert len(list(step.losses)) == 6


def test_a_folder_is_no_log(tmp_path):
    """An empty name is the folder that one is in."""
    step = Scripted([1.0] * 6)
    for folder, named in ((tmp_path, tmp_path / "run.jsonl"), ("", "run.jsonl")):
        words = f"need a file as log, got the folder {str(Path(folder))!r}; pass one in it, e.g. {str(named)!r}"
        with pytest.raises(IsADirectoryError, match=re.escape(words)):
            FINDER.range_test(step, log=folder)
    assert len(list(step.losses)) == 6


@pytest.mark.parametrize("is_flushed", [False, True])
def test_ctrl_c_while_a_line_is_written_keeps_each_record_once(tmp_path, monkeypatch, is_flushed):
    """Handing a line to the system is where most of Ctrl-C arrives in a run of fast steps."""
    path, write = tmp_path / "run.jsonl", LogWriter._write
    lines = []

    def interrupted(self, line):
        lines.append(line)
        if len(lines) != 4:  # the header and two records are there
            return write(self, line)
        self._file.write(line)
        if is_flushed:
            self._file.flush()
        raise KeyboardInterrupt

    monkeypatch.setattr(LogWriter, "_write", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        FINDER.range_test(Scripted([3.0, 2.0, 1.5, 1.2, 1.0, 1.1]), log=path)
    result = RangeTestResult.load(path)
    assert result == caught.value.partial_result  # the time that it took, too
    assert result.losses.tolist() == [3.0, 2.0, 1.5]
    assert result.stop_reason is StopReason.INTERRUPTED


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_ends_the_run_and_keeps_its_points(tmp_path):
    """When a line cannot be written the run ends with that error and the points so far."""
    path = tmp_path / "run.jsonl"
    recording = Recording(settings={})
    writer = LogWriter(path, recording)
    full = Path("/dev/full").open("ab")  # noqa: SIM115 - closed by the writer

    def run():
        with writer:
            writer._file.close()
            writer._file = full
            writer.write(recording.append(0, 0.1, 1.0))

    with pytest.raises(OSError, match="No space left"):
        run()
    assert recording.result().losses.tolist() == [1.0]


def test_saving_replaces_a_file_as_a_whole(tmp_path, monkeypatch):
    """If saving fails, what was there before is untouched and nothing else is left behind."""
    path = tmp_path / "result.jsonl"
    RangeTestResult([0.1], [1.0]).save(path)
    before = path.read_bytes()
    with pytest.raises(TypeError, match="not JSON serializable"):
        RangeTestResult([0.1], [2.0], settings={"min_lr": object()}).save(path)

    def fail(self, data):
        self.touch()
        raise OSError("No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OSError, match="No space"):
        RangeTestResult([0.1], [3.0]).save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


KILLED = """
import os, random, signal, sys, time
from pathlib import Path
from lrwidget.finder import LearningRateFinder
from lrwidget import log, result  # loaded before the forks

folder, num_kills = Path(sys.argv[1]), int(sys.argv[2])
finder = LearningRateFinder(num_steps=100_000, divergence="never")

def run(name):
    begun = os.open(folder / f"{name}.begun", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    def train_step(lr):
        os.write(begun, b".")  # one byte for each step that begins
        return lr * 7
    finder.range_test(train_step, log=folder / f"{name}.jsonl")

random.seed(0)
for first in range(0, num_kills, 5):
    children = {}
    for name in range(first, first + 5):
        children[name] = os.fork()
        if children[name] == 0:
            run(name)
    for name, child in children.items():
        begun = folder / f"{name}.begun"
        while not (begun.exists() and begun.stat().st_size):
            time.sleep(0.001)
    for child in children.values():
        time.sleep(random.uniform(0, 0.02))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*half-written")
def test_fifty_killed_processes_lose_no_finished_step(tmp_path):
    """After kill -9 at a random moment each log loads and is drawn, with every record whose step had finished."""
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), "50"], check=True, timeout=120)
    lengths = []
    shown = tmp_path / "shown.jsonl"
    shutil.copy(tmp_path / "0.jsonl", shown)
    widget = LRFinderWidget.watch(shown)
    for name in range(50):
        num_begun = (tmp_path / f"{name}.begun").stat().st_size
        result = read_result(tmp_path / f"{name}.jsonl")
        lengths.append(len(result))
        # The newest step that began need not have finished; all before it had.
        assert num_begun - 1 <= len(result) <= num_begun
        assert result.stop_reason == StopReason.INTERRUPTED
        lrs = LearningRateFinder(num_steps=100_000).learning_rates()[: len(result)]
        assert result.lrs.tolist() == lrs.tolist()
        assert result.losses.tolist() == (lrs * 7).tolist()
        shutil.copy(tmp_path / f"{name}.jsonl", shown)
        widget.clear()
        assert widget.run() == result
        assert widget._body.range_test.curve._line.x[-1:].tolist() == lrs[-1:].tolist()
    widget.close()
    assert len(set(lengths)) > 10  # they were killed at different steps
