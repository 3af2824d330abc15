"""The progress bar: once, with the newest numbers, in a terminal and in a notebook."""

from __future__ import annotations

import subprocess
import sys
from functools import partial

import nbformat
import pytest
import tqdm.auto
from nbclient import NotebookClient

from lrwidget import LearningRateFinder, RestoringStep

FINDER = LearningRateFinder(min_lr=1e-3, max_lr=1.0, num_steps=6, divergence="never")


def last_state(text):
    """The bar as it stood at the end: tqdm goes back to the line's start to draw it anew."""
    return text.rstrip("\n").split("\r")[-1]


def test_the_bar_counts_the_steps_and_shows_rate_and_loss(capsys, monkeypatch):
    """On a terminal one line shows step, learning rate and loss."""
    monkeypatch.setattr("tqdm.auto.tqdm", partial(tqdm.auto.tqdm, mininterval=0))
    FINDER.range_test(lambda lr: lr * 2, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "range test:  50%" in err
    assert "3/6" in err
    assert "lr 1.6e-02, loss 0.0317" in err  # the third of six rates from 1e-3 to 1: 10 ** (-3 + 2 * 3 / 5)
    assert last_state(err).startswith("range test: 100%")
    assert "completed" in last_state(err)
    assert err.count("\n") == 1


def test_a_run_that_ends_early_is_whole(capsys):
    """A test that has seen enough ends with a full bar and its reason."""
    losses = iter([1.0, 2.0, float("nan")])
    FINDER.range_test(lambda lr: next(losses), progress=True)
    assert "100%" in last_state(capsys.readouterr().err)
    losses = iter([1.0, 2.0, float("nan")])
    FINDER.range_test(lambda lr: next(losses), progress=True)
    err = capsys.readouterr().err
    assert "3/3" in last_state(err)
    assert "not finite" in last_state(err)


def test_a_run_that_fails_leaves_its_bar_where_it_was(capsys):
    """After an error the bar stands at the step reached and says so."""

    def train_step(lr):
        if lr > 0.01:
            raise ZeroDivisionError
        return lr

    with pytest.raises(ZeroDivisionError):
        FINDER.range_test(train_step, progress=True)
    err = capsys.readouterr().err
    assert "2/6" in last_state(err)
    assert "failed" in last_state(err)


def test_one_bar_for_several_range_tests_and_for_a_verification(capsys):
    """Each counts all steps of the call: 3 tests of 6, and 2 trainings of 7 that do not fall, so that none is left."""
    step = RestoringStep(lambda lr: 1.0, save=lambda: None, restore=lambda _: None)
    FINDER.repeat(step, num_runs=3, progress=True)
    err = capsys.readouterr().err
    assert "range tests: 100%" in last_state(err)
    assert "18/18" in last_state(err)
    assert "completed" in last_state(err)
    FINDER.verify(step, lrs=[0.1, 0.2], num_steps=7, progress=True)
    err = capsys.readouterr().err
    assert "verification: 100%" in last_state(err)
    assert "14/14" in last_state(err)
    assert "completed" in last_state(err)


def test_other_ranks_neither_draw_nor_write(capsys, tmp_path):
    """Where several processes train together only rank 0 shows a bar and writes the log."""

    class Rank1:
        rank = 1

        def __call__(self, lr):
            return lr

    result = FINDER.range_test(Rank1(), progress=True, log=tmp_path / "run.jsonl")
    assert len(result) == 6
    assert capsys.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []


def test_without_tqdm_the_error_says_what_to_install(monkeypatch):
    """`progress=True` without tqdm is an error with the command that helps, before any training."""
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    calls = []
    with pytest.raises(ImportError, match=r"progress=True needs tqdm: pip install lrwidget\[progress\]"):
        FINDER.range_test(calls.append, progress=True)
    assert calls == []


def test_a_log_is_left_alone_where_the_bar_cannot_be_drawn(monkeypatch, tmp_path):
    """Without tqdm nothing begins: the earlier run's log is still there."""
    path = tmp_path / "run.jsonl"
    FINDER.range_test(lambda lr: lr, log=path)
    before = path.read_bytes()
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with pytest.raises(ImportError, match="tqdm"):
        FINDER.range_test(lambda lr: lr, progress=True, log=path)
    assert path.read_bytes() == before


def test_the_result_prints_as_a_few_readable_lines():
    """`print(result)` gives the run, the suggestion and the verdict, in at most six lines."""
    result = FINDER.range_test(lambda lr: 2.0)
    first, second, *rest = str(result).splitlines()
    assert first == "Range test: 6 steps, lr 1.0e-03 to 1.0e+00, completed"
    assert second == "Suggested LR: none"
    assert result.diagnosis.message in rest
    assert len(rest) <= 4


def test_one_bar_in_a_notebook(tmp_path):
    """In a notebook's cell there is one bar, a widget, green also where the run diverged, and no text beside it."""
    source = (
        "from lrwidget import LearningRateFinder\n"
        "finder = LearningRateFinder(num_steps=30, divergence=2.0)\n"
        "losses = iter([1.0] * 20 + [3.0])\n"
        "result = finder.range_test(lambda lr: next(losses), progress=True)"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    NotebookClient(notebook, timeout=60, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    (output,) = notebook.cells[0].outputs
    state = notebook.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]
    assert "application/vnd.jupyter.widget-view+json" in output["data"]
    bars = [w["state"] for w in state.values() if w["model_name"] == "FloatProgressModel"]
    assert [(bar["value"], bar["bar_style"]) for bar in bars] == [(21, "success")]


def test_a_script_without_a_terminal_prints_one_line(tmp_path):
    """A run whose output goes to a file writes the bar to stderr alone; stdout stays the script's own."""
    code = (
        "from lrwidget import LearningRateFinder\n"
        "LearningRateFinder(num_steps=30).range_test(lambda lr: 1.0, progress=True)\nprint('done')"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert run.stdout == b"done\n"
    assert run.stderr.count(b"\n") == 1
    assert "30/30" in last_state(run.stderr.decode())
