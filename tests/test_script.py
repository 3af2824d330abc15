"""The script of the documentation, as printed: alone and under torchrun."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from lrwidget import RangeTestResult

ROOT = Path(__file__).parents[1]
NOTEBOOK = nbformat.read(ROOT / "notebooks" / "09-large-runs.ipynb", as_version=4)
[PRINTED] = [cell.source for cell in NOTEBOOK.cells if cell.source.startswith("%%writefile")]
SCRIPT = PRINTED.partition("\n")[2] + "\n"
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def test_it_is_short() -> None:
    """A whole run takes fewer than 25 lines."""
    assert SCRIPT.count("\n") < 25


@pytest.mark.parametrize("launcher", [[], TORCHRUN], ids=["alone", "torchrun"])
def test_it_runs_as_printed(tmp_path: Path, launcher: list[str]) -> None:
    """Bar, verdict, log and picture appear once, however many processes there are."""
    (tmp_path / "lr_finder.py").write_text(SCRIPT)
    run = subprocess.run(
        [sys.executable, *launcher, "lr_finder.py"],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        timeout=150,
    )
    assert run.returncode == 0, run.stderr.decode()
    first, second, *verdict = run.stdout.decode().splitlines()
    assert re.fullmatch(r"Range test: \d+ steps, lr 1\.0e-07 to \S+, diverged", first)
    assert re.fullmatch(r"Suggested LR: \S+e-0\d", second)
    assert 0 < len(verdict) <= 4
    # Each drawing of the bar begins with a carriage return; a second bar would begin another line.
    assert len([line for line in run.stderr.decode().split("\n") if "range test:" in line]) == 1
    result = RangeTestResult.load(tmp_path / "lr.jsonl")
    assert str(result).splitlines() == [first, second, *verdict]
    assert (tmp_path / "lr.svg").read_text().startswith("<svg")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lr.jsonl", "lr.svg", "lr_finder.py"]
