"""A race: copies of one training side by side, each at its own learning rate, a step of each in turn."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack

from lrwidget.finder import LearningRateFinder
from lrwidget.live.trainings import Trainings
from lrwidget.steps import TrainStep
from lrwidget.verify import TrialRecord, Verification


class RaceJob(Trainings):
    """Trainings under way side by side: iterate it to train.

    Each lane is a verification of one rate with a train step of its own. A lane whose loss is not finite rests; the
    others go on.

    Parameters
    ----------
    make_train_step
        Called once for each lane; every call makes a fresh training in the same state, with the same batches.
    lrs
        The rate of each lane, rising.
    num_steps
        Steps of each lane.

    Raises
    ------
    TypeError, ValueError
        As `lrwidget.verify.Verification`; also if the rates do not rise, or there are none.
    """

    def __init__(self, make_train_step: Callable[[], TrainStep], lrs: Sequence[float], num_steps: int) -> None:
        if not callable(make_train_step):
            raise TypeError(
                f"need a function that makes a train step, got {make_train_step!r}; pass the function itself"
            )
        if not len(lrs) or list(lrs) != sorted(set(lrs)):
            raise ValueError(f"need at least one learning rate, rising, got {list(lrs)}; sort them, each once")
        finder = LearningRateFinder()
        self.lanes = [Verification(finder, make_train_step(), lrs=[lr], num_steps=num_steps) for lr in lrs]
        super().__init__(self.lanes, _run(self.lanes, num_steps), num_steps)


def _run(lanes: Sequence[Verification], num_steps: int) -> Generator[TrialRecord, None, None]:
    """A step of each lane in turn. The lanes are left in the reverse of the order in which they were entered."""
    at_rest: set[int] = set()
    with ExitStack() as stack:
        for lane in lanes:
            stack.callback(lane.close)
        for _ in range(num_steps):
            for index, lane in enumerate(lanes):
                record = None if index in at_rest else next(lane, None)
                if record is None or not math.isfinite(record.loss):
                    at_rest.add(index)
                if record is not None:
                    yield record._replace(trial=index)
        for lane in reversed(lanes):
            next(lane, None)  # it has no step left, and comes to its end
