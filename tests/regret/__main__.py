"""Print how every rule does: ``python -m tests.regret``."""

from typing import get_args

import numpy as np

from lrwidget.suggestions import RULES
from tests.regret.scoring import Kind, Score, load_tasks, score

CAPTIONS: dict[Kind, str] = {
    "single": "one range test of 100 steps",
    "mean": "the mean curve of three range tests of 100 steps",
    "vote": "the geometric mean of the suggestions of three range tests of 100 steps",
    "long": "one range test of 300 steps",
    "fixed": "one range test of 100 steps on a single batch",
}
HEAD = f"{'rule':24}{'mean':>6}  {'95% interval':14}{'median':>8}{'p90':>7}{'<0.1':>6}{'>0.5':>6}{'none':>6}"


def line(rule: str, result: Score) -> str:
    """One row of the table."""
    low, high = result.interval()
    median, p90 = np.quantile(result.regrets, [0.5, 0.9])
    return (
        f"{rule:24}{result.mean:6.3f}  {low:.3f} - {high:.3f} {median:8.3f}{p90:7.2f}"
        f"{result.share_below(0.1):6.0%}{result.share_above(0.5):6.0%}{result.num_none:6d}"
    )


def main() -> None:
    """Print one table for each kind of curve, best rule first."""
    tasks = load_tasks()
    for kind in get_args(Kind):
        results = {rule: score(rule, tasks, kind) for rule in RULES}
        print(f"\nRegret of the suggestion, {len(tasks)} tasks, {CAPTIONS[kind]}\n{HEAD}")
        for rule in sorted(results, key=lambda rule: results[rule].mean):
            print(line(rule, results[rule]))


if __name__ == "__main__":
    main()
