"""The whole range test with the live widget on, against the bare loop on the same batches."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np
from comm.base_comm import BaseComm
from torch.nn.functional import cross_entropy

from lrwidget import LearningRateFinder, LRFinderWidget, TorchStep, suggest
from lrwidget.suggestions import RULES
from tests.benchmarks.engine import ready
from tests.benchmarks.engine_tasks import MAX_LR, MIN_LR, Task, bare
from tests.benchmarks.measuring import Times, environment, ratios, rounds, spread, table

# Model, optimizer, steps, rounds. A run of 0.3 s is drawn three times, one of 3 s thirty times.
QUICK = [
    ("tiny MLP", "SGD", 100, 21),
    ("tiny MLP", "SGD", 1_000, 9),
    ("tiny MLP", "Adam", 1_000, 9),
    ("tiny MLP", "SGD", 10_000, 3),
    ("small CNN", "SGD", 100, 7),
]
FULL = [
    (model, optimizer, num_steps, num_rounds)
    for model, num_steps, num_rounds in [
        ("tiny MLP", 100, 101),
        ("tiny MLP", 1_000, 21),
        ("tiny MLP", 10_000, 9),
        ("small CNN", 100, 21),
        ("small CNN", 1_000, 7),
    ]
    for optimizer in ("SGD", "Adam")
]


class SerialisingComm(BaseComm):  # type: ignore[misc]
    """Does with a message what a kernel does in the thread that sends it, and drops it."""

    def publish_msg(self, msg_type: str, data: Any = None, buffers: Any = None, **rest: Any) -> None:
        json.dumps([msg_type, data, rest], default=str).encode()
        for buffer in buffers or ():
            bytes(buffer)


@contextmanager
def comms() -> Iterator[None]:
    """Widgets made here believe that somebody shows them, and looks at them."""
    with (
        patch("comm.create_comm", lambda *args, **kwargs: SerialisingComm(*args, **kwargs)),
        patch.dict(os.environ, {"LRWIDGET_BLOCK": "0"}),
    ):
        yield


_shown: list[LRFinderWidget] = []


def with_widget(task: Task, to_the_last: bool = False) -> Callable[[], object]:
    """A run of the widget in this thread, while its pump draws in its own; or also what it draws after the end."""
    while _shown:
        _shown.pop().close()
    _forget_curves()
    finder = LearningRateFinder(MIN_LR, MAX_LR, task.num_steps)
    widget = LRFinderWidget(TorchStep(task.model, task.optimizer, cross_entropy, task.loader), finder=finder)
    _shown.append(widget)

    def run() -> object:
        result = widget.run()
        assert len(result) == task.num_steps
        if to_the_last:
            widget._pump.flush()
        return result

    return run


def _forget_curves() -> None:
    """Read another curve by all rules: each round records the same one, which would be remembered from the last."""
    lrs = np.geomspace(MIN_LR, MAX_LR, 60)
    for rule in RULES:
        suggest(lrs, 1 - lrs, rule)


def main(full: bool = False) -> None:
    """Print one row per training."""
    print("# Range test with the live widget on / bare loop on the same batches\n")
    print(
        "The training's own thread is what the widget adds to each step. The whole process and the wall also have "
        "the drawing, and what is computed once at the end: the whole curve, suggestion and verdict. To the last: also "
        "what follows in a live notebook a moment after the run has returned, as what the other rules suggest. "
        f"Medians of ratios within a round, quartiles in brackets. {environment()}.\n"
    )
    header = ["model", "optimizer", "steps", "training's thread, CPU", "whole process, CPU", "wall", "to the last, CPU"]
    print(table(header, []))
    with comms():
        for *case, num_rounds in FULL if full else QUICK:
            contenders = {
                "bare": partial(ready, bare, *case),
                "live": partial(ready, with_widget, *case),
                "last": partial(ready, partial(with_widget, to_the_last=True), *case),
            }
            print("| " + " | ".join([*map(str, case), *row(rounds(contenders, num_rounds))]) + " |", flush=True)
        while _shown:
            _shown.pop().close()


def row(times: dict[str, list[Times]]) -> list[str]:
    """The four ratios."""
    until_it_returns = [spread(ratios(times, "live", "bare", clock)) for clock in ("thread", "cpu", "wall")]
    return [*until_it_returns, spread(ratios(times, "last", "bare"))]
