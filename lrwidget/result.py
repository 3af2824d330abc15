"""What a range test leaves behind: the raw curve and why it ended. Everything else is computed from these on demand."""

from __future__ import annotations

import math
from asyncio import CancelledError
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    import pandas as pd

    from lrwidget.diagnosis import Diagnosis
    from lrwidget.suggestions import ScheduleKind, Suggestion

FloatArray: TypeAlias = NDArray[np.float64]

_OF_THE_END = ("flat", "noise", "range_too_small", "too_few_points")  # diagnoses that higher rates might change


class StepRecord(NamedTuple):
    """One step of a range test.

    Parameters
    ----------
    step
        Counted from 0.
    lr
        The learning rate of this step's update.
    loss
        The raw loss of the step's batch, measured before that update. The last one of a run may not be finite.
    grad_norm
        The total gradient norm before clipping, where the train step reports it.
    """

    step: int
    lr: float
    loss: float
    grad_norm: float | None = None


class StopReason(StrEnum):
    """Why a range test ended."""

    COMPLETED = "completed"
    DIVERGED = "diverged"
    NOT_FINITE = "not finite"
    DATA_EXHAUSTED = "data exhausted"
    STOPPED = "stopped"
    INTERRUPTED = "interrupted"
    FAILED = "failed"

    @classmethod
    def of(cls, error: BaseException) -> StopReason:
        """The reason of a run that this exception has ended."""
        return cls.INTERRUPTED if isinstance(error, KeyboardInterrupt | CancelledError) else cls.FAILED

    @property
    def is_from_outside(self) -> bool:
        """Whether something cut the run that says nothing about its losses: a stop, an interrupt, an exception."""
        return self in (StopReason.STOPPED, StopReason.INTERRUPTED, StopReason.FAILED)


@dataclass(frozen=True, eq=False, repr=False, init=False)
class RangeTestResult:
    """The recorded curve of a range test, and views of it.

    Parameters
    ----------
    lrs, losses
        Shape (n,): the rates and the raw losses they produced, in the order of the steps. Read-only arrays.
    stop_reason
        Why the run ended.
    grad_norms
        Shape (n,): gradient norms where they were reported (NaN where not), or None.
    settings
        The finder's settings: ``LearningRateFinder(**result.settings)`` runs the same sweep again.
    error
        What broke the run, as text, where its reason is failed or interrupted.
    seconds
        Wall time of the run, saving and restoring included, pauses of the widget not.

    Raises
    ------
    ValueError
        If the arrays have not one dimension and one length.
    """

    lrs: FloatArray
    losses: FloatArray
    stop_reason: StopReason = StopReason.COMPLETED
    grad_norms: FloatArray | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None
    seconds: float = 0.0

    def __init__(
        self,
        lrs: ArrayLike,
        losses: ArrayLike,
        stop_reason: StopReason | str = StopReason.COMPLETED,
        grad_norms: ArrayLike | None = None,
        settings: Mapping[str, Any] | None = None,
        error: str | None = None,
        seconds: float = 0.0,
    ) -> None:
        lrs, losses = _frozen(lrs), _frozen(losses)
        grad_norms = None if grad_norms is None else _frozen(grad_norms)
        shapes = [a.shape for a in (lrs, losses, grad_norms) if a is not None]
        if any(shape != (lrs.size,) for shape in shapes):
            raise ValueError(f"need lrs, losses and grad_norms of one shape (n,), got {shapes}; one of each per step")
        values = (lrs, losses, StopReason(stop_reason), grad_norms, dict(settings or {}), error, float(seconds))
        for name, value in zip(self.__dataclass_fields__, values, strict=True):
            object.__setattr__(self, name, value)

    def smoothed(
        self, smooth_factor: float | None = None, method: Literal["zero lag", "running mean"] = "zero lag"
    ) -> FloatArray:
        """The smoothed losses, shape (n,).

        Parameters
        ----------
        smooth_factor
            Weight of the newest loss, in (0, 1]; the finder's own by default.
        method
            ``"zero lag"`` looks to both sides and leaves the curve where it is; ``"running mean"`` is the causal
            mean of the original recipe, which moves it to the right by half a decade and more.

        Raises
        ------
        ValueError
            If the factor lies outside (0, 1], or the method is neither.
        """
        from lrwidget.smoothing import running_mean, smooth

        factor = self.settings.get("smooth_factor", 0.05) if smooth_factor is None else smooth_factor
        if method == "zero lag":
            return smooth(self.lrs, self.losses, factor)
        if method == "running mean":
            return running_mean(self.losses, factor)
        raise ValueError(f'need method "zero lag" or "running mean", got {method!r}')

    def suggest(self, rule: str = "default", schedule: ScheduleKind = "constant") -> Suggestion:
        """The learning rate that a rule reads off this curve, with its interval and reason; see `lrwidget.suggest`.

        Parameters
        ----------
        rule
            One of `lrwidget.suggestions.RULES`.
        schedule
            What the rate is for: ``"constant"``, or ``"decaying"`` for the peak of one-cycle, cosine or linear decay.

        Raises
        ------
        ValueError
            For an unknown rule or schedule, a decaying schedule with a rule other than the default, and rates that are
            not positive and rising.
        """
        from lrwidget.suggestions import suggest

        suggestion = suggest(self.lrs, self.losses, rule, schedule)
        if suggestion.lr is None and rule == "default":
            return replace(suggestion, reason=f"No suggestion: {self.diagnosis.message}")
        return suggestion

    @property
    def suggested_lr(self) -> float | None:
        """The default rule's learning rate, or None where the curve gives no evidence for one."""
        return self.suggest().lr

    @property
    def diagnosis(self) -> Diagnosis:
        """What the curve says in words; see `lrwidget.diagnose`.

        Of a run that ended before its largest rate, for another reason than its losses, it is "too few points" where
        the rest of the range would tell more.
        """
        from lrwidget.axes import short_number
        from lrwidget.diagnosis import Diagnosis, diagnose

        diagnosis = diagnose(self.lrs, self.losses)
        if not self._is_cut_short or diagnosis.kind not in _OF_THE_END:
            return diagnosis
        message = "The run was cut short before its first step."
        if len(self):
            message = f"The run was cut short at {short_number(self.lrs[-1])}: the higher learning rates are missing."
        is_out_of_data = self.stop_reason is StopReason.DATA_EXHAUSTED
        advice = "Use fewer steps, or data that can be read again." if is_out_of_data else "Let it run to its end."
        return Diagnosis("too_few_points", message, advice)

    @property
    def _is_cut_short(self) -> bool:
        is_early = not len(self) or self.lrs[-1] < self.settings.get("max_lr", math.inf)
        return is_early and (self.stop_reason.is_from_outside or self.stop_reason is StopReason.DATA_EXHAUSTED)

    def to_dataframe(self) -> pd.DataFrame:
        """One row per step: step, lr, loss, smoothed_loss, and grad_norm where it was recorded."""
        import pandas as pd

        columns = {
            "step": np.arange(len(self.lrs)),
            "lr": self.lrs,
            "loss": self.losses,
            "smoothed_loss": self.smoothed(),
        }
        if self.grad_norms is not None:
            columns["grad_norm"] = self.grad_norms
        return pd.DataFrame(columns)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the result as JSON lines, readable by `load` and by any tool; an existing file is replaced."""
        from lrwidget.log import write_results

        write_results([self], path)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> RangeTestResult:
        """Read what `save`, or the log of a run that may have been cut short, has written.

        Raises
        ------
        ValueError
            If the file is no such log; the message names the line.
        """
        from lrwidget.log import read_result

        return read_result(path)

    def plot(self, ax: Any = None) -> Any:
        """Draw the curve on a matplotlib axes (a new one by default) and return it. Needs matplotlib."""
        from lrwidget.picture import plot

        return plot(self, ax)

    def save_plot(self, path: str | PathLike[str]) -> None:
        """Write the picture of the curve to a file: ``.svg`` with nothing installed, other kinds with matplotlib."""
        from lrwidget.picture import save_plot

        save_plot(self, path)

    def _repr_svg_(self) -> str:
        from lrwidget.picture import to_svg

        return to_svg(self)

    def __getitem__(self, name: str) -> Any:
        if name in ("suggested_lr", *self.__dataclass_fields__):
            return getattr(self, name)
        raise KeyError(f"need one of suggested_lr, {', '.join(self.__dataclass_fields__)}, got {name!r}")

    def __len__(self) -> int:
        return len(self.lrs)

    def __bool__(self) -> bool:
        return True  # an empty curve is a result too

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RangeTestResult):
            return NotImplemented
        return all(_equal(getattr(self, name), getattr(other, name)) for name in self.__dataclass_fields__)

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        # From its parts: arrays that have been pickled by themselves come back writable.
        return type(self), tuple(getattr(self, name) for name in self.__dataclass_fields__)

    def __repr__(self) -> str:
        return f"<RangeTestResult: {len(self)} steps, {self.stop_reason}>"

    def __str__(self) -> str:
        suggestion = self.suggest()
        steps = "1 step" if len(self) == 1 else f"{len(self)} steps"
        span = f", lr {self.lrs[0]:.1e} to {self.lrs[-1]:.1e}" if len(self) else ""
        lines = [
            f"Range test: {steps}{span}, {self.stop_reason}" + (f" ({self.error})" if self.error else ""),
            "Suggested LR: none" if suggestion.lr is None else f"Suggested LR: {suggestion.lr:.1e}",
            self.diagnosis.message,
            *([] if suggestion.lr is None else [suggestion.reason]),
            *([self.diagnosis.advice] if self.diagnosis.advice else []),
        ]
        return "\n".join(lines)


def _frozen(values: ArrayLike) -> FloatArray:
    array = np.array(values, dtype=np.float64)
    array.setflags(write=False)
    return array


def _equal(a: object, b: object) -> bool:
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return np.array_equal(a, b, equal_nan=True)
    return a is b or (not isinstance(a, np.ndarray) and not isinstance(b, np.ndarray) and a == b)
