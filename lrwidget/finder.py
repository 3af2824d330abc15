"""The range test: a sweep of learning rates, one train step at each, until the loss explodes."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from numbers import Integral, Real
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from lrwidget.divergence import Divergence, DivergenceWatch
from lrwidget.loop import train
from lrwidget.result import FloatArray, RangeTestResult, Recording, StepRecord, StopReason
from lrwidget.steps import TrainStep

if TYPE_CHECKING:
    from collections.abc import Sequence

Spacing: TypeAlias = Literal["exponential", "linear"]


@dataclass(frozen=True)
class LearningRateFinder:
    """The settings of a range test, checked once, and the loop that runs it.

    Parameters
    ----------
    min_lr, max_lr
        First and last learning rate of the sweep.
    num_steps
        How many rates, ends included: one train step each.
    smooth_factor
        Weight of the newest loss in the smoothed curve, in (0, 1]; 1 does not smooth. Only the view depends on it.
    spacing
        ``"exponential"`` (equal ratios) or ``"linear"`` (equal differences) between neighbouring rates.
    divergence
        When to stop: ``"auto"`` (the smoothed loss rises far above where it began, whatever its unit and zero),
        ``"never"``, or a factor above 1 (stop when loss > factor * lowest loss, as the original recipe does with 10).
        A loss that is not finite stops any run.

    Raises
    ------
    TypeError
        If a number is none, or ``num_steps`` is not whole.
    ValueError
        If a number lies outside its range.

    References
    ----------
    L. N. Smith, "Cyclical Learning Rates for Training Neural Networks", WACV 2017, section 3.3 (arXiv:1506.01186).

    Examples
    --------
    >>> finder = LearningRateFinder(min_lr=1e-4, max_lr=1.0, num_steps=5)
    >>> finder.learning_rates().round(6).tolist()
    [0.0001, 0.001, 0.01, 0.1, 1.0]
    """

    min_lr: float = 1e-7
    max_lr: float = 10.0
    num_steps: int = 100
    smooth_factor: float = 0.05
    spacing: Spacing = "exponential"
    divergence: Divergence = "auto"

    def __post_init__(self) -> None:
        for name in ("min_lr", "max_lr", "smooth_factor"):
            object.__setattr__(self, name, _finite_number(name, getattr(self, name)))
        if not 0 < self.min_lr < self.max_lr:
            raise ValueError(f"need 0 < min_lr < max_lr, got min_lr={self.min_lr}, max_lr={self.max_lr}")
        if isinstance(self.num_steps, bool) or not isinstance(self.num_steps, Integral):
            raise TypeError(f"need a whole number num_steps >= 2, got num_steps={self.num_steps!r}; pass an int")
        object.__setattr__(self, "num_steps", int(self.num_steps))
        if self.num_steps < 2:
            raise ValueError(f"need num_steps >= 2, got num_steps={self.num_steps}; 100 is a good start")
        if not 0 < self.smooth_factor <= 1:
            raise ValueError(f"need 0 < smooth_factor <= 1, got smooth_factor={self.smooth_factor}; 1 does not smooth")
        if self.spacing not in ("exponential", "linear"):
            raise ValueError(f'need spacing "exponential" or "linear", got spacing={self.spacing!r}')
        self._check_divergence()

    def _check_divergence(self) -> None:
        if isinstance(self.divergence, str):
            if self.divergence not in ("auto", "never"):
                raise ValueError(f'need divergence "auto", "never" or a factor > 1, got {self.divergence!r}')
            return
        object.__setattr__(self, "divergence", _finite_number("divergence", self.divergence))
        if float(self.divergence) <= 1:
            raise ValueError(f'need divergence "auto", "never" or a factor > 1, got divergence={self.divergence}')

    def learning_rates(self) -> FloatArray:
        """The rates of the sweep: shape (num_steps,), rising, the first ``min_lr``, the last ``max_lr``."""
        space = np.geomspace if self.spacing == "exponential" else np.linspace
        lrs = space(self.min_lr, self.max_lr, self.num_steps)
        lrs[0], lrs[-1] = self.min_lr, self.max_lr  # to the last bit
        return lrs

    def steps(self, train_step: TrainStep) -> RangeTest:
        """The range test as an iterator: one train step is run for each record that is asked for.

        Parameters
        ----------
        train_step
            Called with a learning rate, trains one batch, returns its loss. Where it is a context manager it is
            entered before the first step and left after the last one, on every way out.

        Returns
        -------
        RangeTest
            An iterator of `StepRecord`; its ``result`` can be read at any time.

        Raises
        ------
        TypeError
            If ``train_step`` cannot be called; while running, if it returns something that is no loss.
        """
        return RangeTest(self, train_step)

    def range_test(
        self, train_step: TrainStep, *, progress: bool = False, log: str | PathLike[str] | None = None
    ) -> RangeTestResult:
        """Run the whole test and return the recorded curve.

        Parameters
        ----------
        train_step
            As for `steps`.
        progress
            Show a progress bar with the rate and the loss (needs tqdm).
        log
            A file that gets one line per step as it happens; `RangeTestResult.load` reads it, also after a crash.
            An existing one is replaced. Where several processes train together, rank 0 alone draws and writes.

        Returns
        -------
        RangeTestResult
            The raw curve, why it ended, and everything derived from it.

        Raises
        ------
        TypeError
            If the train step cannot be called or returns something that is no loss.
        BaseException
            Whatever the train step raises carries on, with what was recorded so far as ``error.partial_result``.
        """
        run = self.steps(train_step)
        try:
            with ExitStack() as stack:
                is_first = getattr(train_step, "rank", 0) == 0
                observers = _observers(stack, run, progress, log) if is_first else []
                for record in run:
                    for observe in observers:
                        observe(record)
        except BaseException as error:
            run.recording.note_failure(error)
            run.close()
            error.partial_result = run.result  # type: ignore[attr-defined]
            error.add_note(f"lrwidget: {len(run.result.lrs)} recorded points are kept in error.partial_result")
            raise
        return run.result


class RangeTest(Iterator[StepRecord]):
    """One range test under way: iterate it to train; stop iterating, and the training state is restored.

    Made by `LearningRateFinder.steps`. Exhausting it, `stop`, `close`, an exception in the train step and dropping
    the last reference all end the run and leave the train step's context.

    Parameters
    ----------
    finder
        The settings.
    train_step
        As for `LearningRateFinder.steps`.
    seed
        For repeats: a train step that has ``reseed`` draws other batches.
    """

    def __init__(self, finder: LearningRateFinder, train_step: TrainStep, seed: int | None = None) -> None:
        if not callable(train_step):
            raise TypeError(f"need a train step, a callable lr -> loss, got {train_step!r}")
        self.recording = Recording(settings=dataclasses.asdict(finder))
        # The generator knows the recording but not this object: no cycle, so a `break` restores at once.
        lrs = finder.learning_rates().tolist()
        self._steps = train(train_step, lrs, DivergenceWatch(finder.divergence), self.recording, seed)

    def __next__(self) -> StepRecord:
        return next(self._steps)

    def stop(self, reason: StopReason = StopReason.STOPPED) -> None:
        """End the run now, for that reason, unless it has ended already."""
        if self.recording.stop_reason is None:
            self.recording.stop_reason = reason
        self._steps.close()

    def close(self) -> None:
        """End the run now."""
        self.stop()

    @property
    def stop_reason(self) -> StopReason | None:
        """Why the run ended; None while it goes on."""
        return self.recording.stop_reason

    @property
    def result(self) -> RangeTestResult:
        """What has been recorded so far. A run that goes on counts as stopped here."""
        return self.recording.result()


def _finite_number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"need a real number {name}, got {name}={value!r}; pass a float")
    if not math.isfinite(value):
        raise ValueError(f"need a finite {name}, got {name}={value}")
    return float(value)


def _observers(stack: ExitStack, run: RangeTest, progress: bool, log: str | PathLike[str] | None) -> Sequence[Any]:
    """Those who watch the loop in `range_test`: the log file and the progress bar."""
    observers: list[Any] = []
    if log is not None:
        from lrwidget.log import LogWriter

        observers.append(stack.enter_context(LogWriter(log, run.recording)).write)
    if progress:
        from lrwidget.progress import ProgressBar

        observers.append(stack.enter_context(ProgressBar(run.recording)).update)
    return observers
