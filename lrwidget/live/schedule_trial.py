"""A schedule tried: a short training that follows it, and one at a constant rate, from the same state."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from lrwidget.checks import check_several_runs
from lrwidget.finder import LearningRateFinder
from lrwidget.live.trainings import Trainings
from lrwidget.result import FloatArray
from lrwidget.schedules import Schedule
from lrwidget.steps import SKIPPED, StepReturn, TrainStep
from lrwidget.verify import TrialRecord, Verification


@dataclass(frozen=True)
class TriedSchedule:
    """What is tried.

    Parameters
    ----------
    schedule
        The schedule of the whole training.
    total_steps
        How long that is.
    peak
        Its highest rate, at which the other training goes on constantly.
    title
        What tells it from others in few words.
    """

    schedule: Schedule
    total_steps: int
    peak: float
    title: str

    def places(self, num_steps: int) -> FloatArray:
        """Where in the whole schedule each step of a training of so many lies, shape (num_steps,).

        The first one at its beginning, the last one at its end, the others evenly between.
        """
        return np.linspace(0.0, self.total_steps - 1.0, num_steps)


class ScheduleTrial(Trainings):
    """The two trainings under way, the schedule's first: iterate it to train.

    Each enters and leaves the train step, so both start from the same state and see the same batches. Neither ends
    early because the other one is better: a schedule may lie behind to its last steps, and win in them.

    Parameters
    ----------
    train_step
        As for `LearningRateFinder.steps`; it should restore what it changes. Its ``set_momentum``, where it has one,
        is given the schedule's momentum.
    tried
        What to try; stretched or compressed to `num_steps`.
    num_steps
        Steps of each training.

    Attributes
    ----------
    tried
        As given.

    Raises
    ------
    TypeError
        If `train_step` cannot be called.
    ValueError
        If the schedule gives no usable rate, or the data can be read once only.
    """

    def __init__(self, train_step: TrainStep, tried: TriedSchedule, num_steps: int) -> None:
        check_several_runs(train_step, 2)
        self.tried = tried
        places = tried.places(num_steps)
        rate_at = np.atleast_1d(tried.schedule(places)).tolist().__getitem__
        finder = LearningRateFinder()
        trainings = [
            Verification(finder, _with_momentum(train_step, tried.schedule, places), [rate_at], num_steps),
            Verification(finder, train_step, [tried.peak], num_steps),
        ]
        super().__init__(trainings, _one_after_the_other(trainings), num_steps)


class MomentumStep:
    """A train step whose momentum follows its own course, one value a step that is taken; else it is as it was.

    Parameters
    ----------
    train_step
        What trains.
    set_momentum
        Sets its momentum; leaving the train step undoes that.
    momenta
        That of each step; the last one for all that follow.
    """

    def __init__(
        self, train_step: TrainStep, set_momentum: Callable[[float], object], momenta: Sequence[float]
    ) -> None:
        self._train_step = train_step
        self._set_momentum = set_momentum
        self._momenta = momenta
        self._num_taken = 0
        self._stack = ExitStack()

    def __call__(self, lr: float, /) -> StepReturn:
        self._set_momentum(self._momenta[min(self._num_taken, len(self._momenta) - 1)])
        output = self._train_step(lr)
        self._num_taken += output is not SKIPPED
        return output

    def __enter__(self) -> MomentumStep:
        if isinstance(self._train_step, AbstractContextManager):
            self._stack.enter_context(self._train_step)
        self._num_taken = 0
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self._stack.__exit__(*exc_info)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._train_step, name)


def _with_momentum(train_step: TrainStep, schedule: Schedule, places: FloatArray) -> TrainStep:
    set_momentum = getattr(train_step, "set_momentum", None)
    if not schedule.has_momentum or set_momentum is None:
        return train_step
    return MomentumStep(train_step, set_momentum, np.atleast_1d(schedule.momentum(places)).tolist())


def _one_after_the_other(trainings: Iterable[Verification]) -> Generator[TrialRecord, None, None]:
    with ExitStack() as stack:
        for training in trainings:
            stack.callback(training.close)
        for index, training in enumerate(trainings):
            for record in training:
                yield record._replace(trial=index)
