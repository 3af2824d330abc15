"""What the log and the progress bar cost at each step."""

from __future__ import annotations

import contextlib
import io
import os
import statistics
import tempfile
import time
from pathlib import Path

from lrwidget import LearningRateFinder
from tests.benchmarks.measuring import table

NUM_STEPS = 2000
NUM_ROUNDS = 15
FINDER = LearningRateFinder(num_steps=NUM_STEPS, divergence="never")


def seconds_per_step(**options: object) -> float:
    """The whole range test of a step that does nothing, for each of its steps."""
    started = time.perf_counter()
    with contextlib.redirect_stderr(io.StringIO()):
        FINDER.range_test(lambda lr: 1.0, **options)
    return (time.perf_counter() - started) / NUM_STEPS


def line_and_flush(path: Path) -> float:
    """The least that a crash-safe log could cost: a line of that length, written and flushed."""
    line = b'{"step": 1000, "lr": 0.0010000000000000000, "loss": 1.0000000000000000}\n'
    with path.open("ab") as file:
        started = time.perf_counter()
        for _ in range(NUM_STEPS):
            file.write(line)
            file.flush()
        return (time.perf_counter() - started) / NUM_STEPS


def main() -> None:
    """Measure each in turn, several times over; print what is added to a step, and to one of 1 ms."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "run.jsonl")
        times: dict[str, list[float]] = {"bare": [], "log": [], "progress": [], "line and flush": []}
        for _ in range(NUM_ROUNDS):
            times["bare"].append(seconds_per_step())
            times["log"].append(seconds_per_step(log=path))
            times["progress"].append(seconds_per_step(progress=True))
            times["line and flush"].append(line_and_flush(path))
    bare, *_, line = (statistics.median(values) for values in times.values())
    print(f"Added to each step (median of {NUM_ROUNDS} rounds of {NUM_STEPS} steps, {os.cpu_count()} processors):\n")
    rows = []
    for name in ("log", "progress"):
        added = statistics.median(times[name]) - bare
        rows.append([name, f"{added / line:.2f}", f"{added / 1e-3:.1%}"])
    print(table(["", "of a bare line written and flushed", "of a step of 1 ms"], rows))


if __name__ == "__main__":
    main()
