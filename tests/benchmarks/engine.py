"""The whole range test, its saving and restoring included, against the bare loop on the same batches."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from statistics import median
from typing import TypeVar

from tests.benchmarks.engine_tasks import PEERS, Task, bare, bare_steps, make_task, our_steps
from tests.benchmarks.measuring import environment, ratios, rounds, rounds_of_steps, spread, table

TURNS = {"tiny MLP": 25, "small CNN": 1, "25M MLP": 1}  # steps of some ten milliseconds
# Model, optimizer, steps, rounds with the bare loop, rounds with the peers.
QUICK = [
    ("tiny MLP", "SGD", 100, 61, 5),
    ("tiny MLP", "Adam", 100, 61, 5),
    ("tiny MLP", "SGD", 1000, 9, 1),
    ("tiny MLP", "Adam", 1000, 9, 1),
    ("small CNN", "SGD", 100, 25, 3),
    ("small CNN", "Adam", 100, 25, 3),
    ("25M MLP", "SGD", 20, 3, 1),
    ("25M MLP", "Adam", 20, 3, 1),
]
FULL = [
    (model, optimizer, num_steps, num_rounds, peer_rounds)
    for model, num_steps, num_rounds, peer_rounds in [
        ("tiny MLP", 100, 101, 41),
        ("tiny MLP", 1000, 21, 11),
        ("small CNN", 100, 41, 11),
        ("small CNN", 1000, 7, 3),
        ("25M MLP", 100, 5, 3),
        ("25M MLP", 1000, 3, 1),
    ]
    for optimizer in ("SGD", "Adam")
]


T = TypeVar("T")


def ready(contender: Callable[[Task], T], *case: object) -> T:
    return contender(make_task(*case))  # type: ignore[arg-type]


def main(full: bool = False) -> None:
    """Print one row per training: ours in many rounds, the peers in fewer."""
    header = ["model", "optimizer", "steps", "bare ms/step", "ours, CPU", "ours, wall", "bare again, CPU"]
    print("# Whole range test / bare loop on the same batches\n")
    print(
        "Ours, the bare loop and the bare loop once more take turns after some ten milliseconds; the peers, which own "
        f"their loop, after whole runs. Medians of ratios within a round, quartiles in brackets. {environment()}.\n"
    )
    print(table([*header, *(f"{peer}, CPU" for peer in PEERS)], []))
    for model, optimizer, num_steps, num_rounds, peer_rounds in FULL if full else QUICK:
        case = (model, optimizer, num_steps)
        in_turn = {"bare": bare_steps, "ours": our_steps, "again": bare_steps}
        times = rounds_of_steps(
            {name: partial(ready, steps, *case) for name, steps in in_turn.items()}, num_rounds, TURNS[model]
        )
        contenders = {name: partial(ready, peer, *case) for name, peer in {"bare": bare, **PEERS}.items()}
        peer_times = rounds(contenders, peer_rounds)
        row = [
            model,
            optimizer,
            str(num_steps),
            f"{median(t.cpu for t in times['bare']) / num_steps * 1e3:.3f}",
            spread(ratios(times, "ours", "bare")),
            spread(ratios(times, "ours", "bare", "wall")),
            spread(ratios(times, "again", "bare")),
            *(spread(ratios(peer_times, name, "bare")) for name in PEERS),
        ]
        print("| " + " | ".join(row) + " |", flush=True)
