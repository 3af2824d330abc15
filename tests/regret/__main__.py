"""Print how every rule does: ``python -m tests.regret``; with ``--save`` the tables go to ``results.md`` too."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import numpy as np

from lrwidget.suggestions import RULES, suggest
from tests.regret.scoring import Kind, Score, Tasks, load_tasks, score

CAPTIONS: dict[Kind, str] = {
    "single": "one range test of 100 steps",
    "mean": "the mean curve of three range tests of 100 steps",
    "vote": "the geometric mean of the suggestions of three range tests of 100 steps",
    "long": "one range test of 300 steps",
    "fixed": "one range test of 100 steps on a single batch",
}
TASKS: dict[Tasks, str] = {"public": "tasks", "further": "further tasks"}
FURTHER: tuple[Kind, ...] = ("single", "mean", "vote", "long")
SAVED = Path(__file__).with_name("results.md")
PREFACE = """# How well the suggestions train, by the recorded trainings

Made by `python -m tests.regret --save`; for what is scored see `scoring.py`, for what short trainings add to a range
test `results_live.md`.
"""
HEAD = f"{'rule':24}{'mean':>6}  {'95% interval':14}{'median':>8}{'p90':>7}{'<0.1':>6}{'>0.5':>6}{'none':>6}"


def line(rule: str, result: Score) -> str:
    """One row of the table."""
    low, high = result.interval()
    median, p90 = np.quantile(result.regrets, [0.5, 0.9])
    return (
        f"{rule:24}{result.mean:6.3f}  {low:.3f} - {high:.3f} {median:8.3f}{p90:7.2f}"
        f"{result.share_below(0.1):6.0%}{result.share_above(0.5):6.0%}{result.num_none:6d}"
    )


def table(kind: Kind, name: Tasks = "public") -> str:
    """All rules on one kind of curve, best first."""
    tasks = load_tasks(name)
    results = {rule: score(rule, tasks, kind) for rule in RULES}
    rules = sorted(results, key=lambda rule: results[rule].mean)
    caption = f"Regret of the suggestion, {len(tasks)} {TASKS[name]}, {CAPTIONS[kind]}"
    return "\n".join([caption, HEAD, *(line(rule, results[rule]) for rule in rules)])


def evidence(name: Tasks = "public") -> str:
    """How often the default's interval holds a good rate, its width, and how far other batches move the suggestion."""
    holds, widths, spreads = [], [], []
    for task in load_tasks(name):
        found = [suggest(curve.lrs, curve.losses) for curve in task.singles]
        lrs = [s.lr for s in found if s.lr is not None]
        if len(lrs) > 1:
            spreads.append(np.std(np.log10(lrs), ddof=1))
        for low, high in ((s.low, s.high) for s in found if s.low is not None and s.high is not None):
            holds.append(min(task.regret(lr) for lr in np.geomspace(low, high, 200)) < 0.05)
            widths.append(np.log10(high / low))
    return (
        f"The default's interval, one range test of 100 steps: it holds a rate with regret under 0.05 in "
        f"{np.mean(holds):.0%}; {np.median(widths):.2f} decades wide (median).\n"
        f"Spread of the suggestion over three range tests: {np.median(spreads):.3f} decades (standard deviation, "
        "median)."
    )


def tables() -> Iterator[str]:
    """One table for each kind of curve, and the figures of the interval."""
    yield from (table(kind) for kind in get_args(Kind))
    yield evidence()
    yield from (table(kind, "further") for kind in FURTHER)
    yield evidence("further")


def main() -> None:
    """Print the tables, and keep them where asked to."""
    texts = []
    for text in tables():
        print(f"\n{text}", flush=True)
        texts.append(text)
    if "--save" in sys.argv[1:]:
        SAVED.write_text("\n".join([PREFACE, *(f"```\n{text}\n```\n" for text in texts)]))


if __name__ == "__main__":
    main()
