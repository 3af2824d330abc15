"""The settings of a range test, and what is done with them: one test, several, and their verification."""

from __future__ import annotations

import math
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from lrwidget.checks import checked_count, finite_number
from lrwidget.divergence import Divergence
from lrwidget.loop import exhaust, warn_if_not_restoring
from lrwidget.range_test import RangeTest
from lrwidget.result import FloatArray, RangeTestResult
from lrwidget.smoothing import check_smooth_factor
from lrwidget.steps import TrainStep
from lrwidget.watchers import bar_of, log_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lrwidget.repeat_result import RepeatedResult
    from lrwidget.repeats import RepeatedTest
    from lrwidget.verify import Verification
    from lrwidget.verify_plan import Around, Rate, VerifyPlan
    from lrwidget.verify_result import VerifyResult

Spacing: TypeAlias = Literal["exponential", "linear"]

_ROOM = 1000  # floats from one rate to the next: a power of ten is exact to some hundreds of them


@dataclass(frozen=True)
class LearningRateFinder:
    """The settings of a range test, checked once, and the runs that they define.

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
        ``"never"``, or a factor above 1 (stop when loss > factor * lowest loss, as the original recipe does with 10;
        for losses above zero). A loss that is not finite stops any run.

    Raises
    ------
    TypeError
        If a setting is not a number, or ``num_steps`` is not whole.
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
            object.__setattr__(self, name, finite_number(name, getattr(self, name)))
        if not 0 < self.min_lr < self.max_lr:
            raise ValueError(f"need 0 < min_lr < max_lr, got min_lr={self.min_lr}, max_lr={self.max_lr}")
        object.__setattr__(self, "num_steps", checked_count("num_steps", self.num_steps, 2, "100 is a good start"))
        check_smooth_factor(self.smooth_factor)
        if self.spacing not in ("exponential", "linear"):
            raise ValueError(f'need spacing "exponential" or "linear", got spacing={self.spacing!r}')
        self._check_room()
        self._check_divergence()

    def _check_room(self) -> None:
        """Refuse a range so narrow that neighbouring rates would be the same number."""
        if self.spacing == "exponential":
            ratio = (math.log(self.max_lr) - math.log(self.min_lr)) / (self.num_steps - 1)
            room = self.min_lr * math.expm1(min(ratio, 700.0)) / math.ulp(self.min_lr)
        else:
            room = (self.max_lr - self.min_lr) / (self.num_steps - 1) / math.ulp(self.max_lr)
        if room < _ROOM:
            raise ValueError(
                f"need {self.num_steps} different learning rates, got min_lr={self.min_lr} and max_lr={self.max_lr} "
                "with hardly a number between them; raise max_lr"
            )

    def _check_divergence(self) -> None:
        if isinstance(self.divergence, str):
            if self.divergence not in ("auto", "never"):
                raise ValueError(f'need divergence "auto", "never" or a factor > 1, got {self.divergence!r}')
            return
        object.__setattr__(self, "divergence", finite_number("divergence", self.divergence))
        if float(self.divergence) <= 1:
            raise ValueError(f'need divergence "auto", "never" or a factor > 1, got divergence={self.divergence}')

    def learning_rates(self) -> FloatArray:
        """The rates of the sweep: shape (num_steps,), rising, the first ``min_lr``, the last ``max_lr``."""
        steps: FloatArray = np.arange(self.num_steps, dtype=np.float64)
        if self.spacing == "exponential":  # np.geomspace to the last bit, without what takes ten times as long there
            low, high = float(np.log10(self.min_lr)), float(np.log10(self.max_lr))
            lrs = 10.0 ** (steps * ((high - low) / (self.num_steps - 1)) + low)
        else:
            lrs = steps * ((self.max_lr - self.min_lr) / (self.num_steps - 1)) + self.min_lr
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
            An iterator of `StepRecord`; its ``result`` can be read at any time. In a ``with`` it ends where that is
            left, by an exception too, whose traceback would hold a run that has a name.

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
            If the train step cannot be called or returns something that is no loss, or the log is no path.
        ImportError
            If a progress bar is wanted and tqdm is not installed.
        RuntimeError, OSError
            If another run is writing to the log, or it is a folder or cannot be written.
        BaseException
            Whatever the train step raises carries on, with what was recorded so far as ``error.partial_result``.
        """
        run = self.steps(train_step)
        watchers = log_of(train_step, run.recording, log)
        watchers += bar_of(train_step, run, "range test", self.num_steps, progress)
        return exhaust(run, watchers)

    def repeat_steps(self, train_step: TrainStep, num_runs: int = 3) -> RepeatedTest:
        """Several range tests as one iterator, as `steps` is for one; see `lrwidget.repeats.RepeatedTest`."""
        from lrwidget.repeats import RepeatedTest

        warn_if_not_restoring(train_step)
        return RepeatedTest(self, train_step, num_runs)

    def repeat(self, train_step: TrainStep, num_runs: int = 3, *, progress: bool = False) -> RepeatedResult:
        """Run several range tests from the same state, on other batches each.

        Parameters
        ----------
        train_step
            As for `steps`. It should restore what it changes. Where it has ``reseed(seed)``, as `TorchStep` has, each
            run after the first shuffles and augments anew; without, the batches differ only if the data go on from
            run to run by themselves.
        num_runs
            How many.
        progress
            As for `range_test`, of all runs together.

        Returns
        -------
        RepeatedResult
            The median curve with all that a `RangeTestResult` has, its band, the scatter of the single suggestions and
            one suggestion from all; the single results as ``results``.

        Raises
        ------
        TypeError
            If the train step cannot be called or returns something that is no loss.
        ValueError
            If ``num_runs`` is below 1, or above it for data that can be read once only.
        BaseException
            Whatever the train step raises carries on, with what was recorded so far as ``error.partial_result``.
        """
        from lrwidget.repeats import RepeatedTest

        warn_if_not_restoring(train_step)
        run = RepeatedTest(self, train_step, num_runs)
        return exhaust(run, bar_of(train_step, run, "range tests", run.num_steps, progress))

    def verify_steps(
        self,
        train_step: TrainStep,
        lrs: Iterable[Rate] | None = None,
        num_steps: int | None = None,
        *,
        around: Around | None = None,
        schedule: Callable[[int], float] | None = None,
    ) -> Verification:
        """A verification as an iterator, as `steps` is for a range test; see `lrwidget.verify.Verification`."""
        from lrwidget.verify import Verification

        warn_if_not_restoring(train_step)
        return Verification(self, train_step, lrs, num_steps, around=around, schedule=schedule)

    def verify(
        self,
        train_step: TrainStep,
        lrs: Iterable[Rate] | None = None,
        num_steps: int | None = None,
        *,
        around: Around | None = None,
        schedule: Callable[[int], float] | None = None,
        progress: bool = False,
    ) -> VerifyResult:
        """Train for a short while at several learning rates, from the same state on the same batches, and compare.

        Parameters
        ----------
        train_step
            As for `steps`. It should restore what it changes, batches included.
        lrs
            The rates to try: numbers, or functions of the step (schedules). None: rates around `around`, and where
            these point.
        num_steps
            Steps of each training, six or more. None: as many as a range test has, or, with `lrs`, an equal share of
            five range tests, but ten at least. By default all together cost no more than five range tests, except
            where ten steps each come to more.
        around
            The rate to verify, or a suggestion or a range test's result that tells it; it is kept if the
            others gain next to nothing. None (and no `lrs`): a range test is run first; where that suggests nothing,
            nothing is trained, and the result says what would help.
        schedule
            ``schedule(step)`` is a factor on each rate. None: constant rates.
        progress
            As for `range_test`, of all trainings together.

        Returns
        -------
        VerifyResult
            ``best_lr``, ``ranking`` with uncertainties, ``to_dataframe()``; print it.

        Raises
        ------
        TypeError, ValueError
            If an argument is no such thing, before anything is trained.
        BaseException
            Whatever the train step raises carries on, with what was recorded so far as ``error.partial_result``.
        """
        from lrwidget.verify import Verification

        warn_if_not_restoring(train_step)
        run = Verification(self, train_step, lrs, num_steps, around=around, schedule=schedule)
        return exhaust(run, bar_of(train_step, run, "verification", run.plan.total_steps, progress))

    def verify_plan(
        self, lrs: Iterable[Rate] | None = None, num_steps: int | None = None, *, around: Around | None = None
    ) -> VerifyPlan:
        """What `verify` with these arguments would train: rates, ``total_steps``, ``seconds(result)``. Print it."""
        from lrwidget.verify_plan import plan

        return plan(self, lrs, num_steps, around)
