"""How well range test and verification choose together, by real training: ``python -m tests.regret.live``.

For each task, from three initial states: one range test of 100 steps, and its suggestion verified at the cost of five
of them (``finder.verify(step, around=result)``); beside it both within that cost (``finder.verify(step)``). Each chosen
rate is then really trained with, from all three states and on other batches. Its regret is what these trainings end
above those at the best rate of a fine grid, as a share of what the latter gain. The grid's losses are kept in
``live_truth.json``; ``--truth`` computes them anew (half an hour). The table takes some minutes; with ``--save`` it
goes to ``results_live.md`` too.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import torch

from lrwidget import LearningRateFinder
from tests.regret.live_tasks import TASKS, LiveTask, Training

TRUTH = Path(__file__).with_name("live_truth.json")
GRID = 10.0 ** np.arange(-5, 1.01, 0.125)
SEEDS = (0, 1, 2)
OTHER_BATCHES = 99
Truth = dict[str, list[float]]
NOISE = 0.0075  # of a mean regret
SAVED = Path(__file__).with_name("results_live.md")
PREFACE = """# What verification adds, by real training

Made by `python -m tests.regret.live --save`. Mean regret over three initial states of: the suggestion of one range
test of 100 steps; that suggestion verified, at the cost of five range tests (`finder.verify(step, around=result)`);
range test and verification together within that cost (`finder.verify(step)`).
"""
NUM_LOOKS = 6  # at the whole data, over the last tenth of a training


def final_loss(training: Training, lr: float, budget: int) -> float:
    """The mean loss over the whole data in the last tenth of a training; infinite if it came to no end."""
    looks = set(np.linspace(0.9 * budget, budget - 1, NUM_LOOKS).astype(int).tolist())
    losses = []
    with training:
        for step in range(budget):
            if not math.isfinite(training(lr)):
                return math.inf
            if step in looks:
                losses.append(training.evaluate())
    return float(np.mean(losses))


def mean_end(task: LiveTask, lr: float) -> float:
    """The final loss, a mean over initial states; a training that ends above its start counts as not trained."""
    ends = []
    for seed in SEEDS:
        training = Training(task, seed)
        start = training.evaluate()
        ends.append(min(start, final_loss(training, lr, task.budget)))
    return float(np.mean(ends))


def truth_of(task: LiveTask) -> Truth:
    """The losses before training and, rate by rate of the grid, after it."""
    start = float(np.mean([Training(task, seed).evaluate() for seed in SEEDS]))
    return {"start": [start], "end": [round(mean_end(task, lr), 6) for lr in GRID.tolist()]}


def regret(task: LiveTask, truth: Truth, lr: float | None) -> float:
    """0 for the best rate of the grid, 1 for not training; no rate counts as not training."""
    if lr is None:
        return 1.0
    start, best = truth["start"][0], min(truth["end"])
    return max(0.0, (mean_end(task, lr) - best) / (start - best))


def score(task: LiveTask, truth: Truth) -> dict[str, float]:
    """Mean regrets of one task: of the suggestion, of the verified one, and of both within five range tests."""
    finder = LearningRateFinder()
    regrets = []
    for seed in SEEDS:
        training = Training(task, seed)
        training.reseed(OTHER_BATCHES)
        test = finder.range_test(training)
        verified = None if test.suggested_lr is None else finder.verify(training, around=test).best_lr
        rates = (test.suggested_lr, verified, finder.verify(training).best_lr)
        known = {lr: regret(task, truth, lr) for lr in set(rates)}
        regrets.append([known[lr] for lr in rates])
    means = np.mean(regrets, axis=0).tolist()
    return dict(zip(("suggested", "verified", "within five"), means, strict=True))


def compute_truth() -> None:
    """Train every task at every rate, and keep the losses."""
    truths = {}
    for task in TASKS:
        started = time.perf_counter()
        truths[task.name] = truth_of(task)
        print(f"{task.name:24s} {time.perf_counter() - started:5.0f} s", flush=True)
    write_truth(truths)


def write_truth(truths: dict[str, Truth]) -> None:
    """One line per task."""
    lines = [f"  {json.dumps(name)}: {json.dumps(truth)}" for name, truth in truths.items()]
    TRUTH.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def print_table(is_kept: bool) -> None:
    """Score all tasks, and keep the table where asked to."""
    truths = json.loads(TRUTH.read_text())
    lines: list[str] = []

    def put(text: str) -> None:
        print(text, flush=True)
        lines.append(text)

    put(f"{'mean regret':24s} {'suggested':>10s} {'verified':>10s} {'within 5':>10s}")
    rows = []
    for task in TASKS:
        rows.append(list(score(task, truths[task.name]).values()))
        put(f"{task.name:24s} " + " ".join(f"{value:10.3f}" for value in rows[-1]))
    for name, values in {"all": np.mean(rows, 0), "worst": np.max(rows, 0)}.items():
        put(f"{name:24s} " + " ".join(f"{value:10.3f}" for value in values))
    for column, name in ((1, "verified"), (2, "within 5")):
        worse = [task.name for task, row in zip(TASKS, rows, strict=True) if row[column] > row[0] + NOISE]
        put(f"{name}: worse than suggested, beyond the noise of {NOISE}: {', '.join(worse) or 'none'}")
    if is_kept:
        SAVED.write_text(PREFACE + "\n```\n" + "\n".join(lines) + "\n```\n")


def main() -> None:
    """What the command does."""
    parser = argparse.ArgumentParser(prog="python -m tests.regret.live", description="score verification by training")
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--save", action="store_true", help=f"write the table to {SAVED.name} too")
    choice.add_argument("--truth", action="store_true", help=f"make {TRUTH.name} anew (half an hour)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.truth:
        compute_truth()
    else:
        print_table(options.save)


if __name__ == "__main__":
    main()
