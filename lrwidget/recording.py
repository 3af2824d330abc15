"""What a run under way writes down: its records, and in the end why there are no more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite, nan
from typing import TYPE_CHECKING, Any

from lrwidget.result import RangeTestResult, StepRecord, StopReason

if TYPE_CHECKING:
    from lrwidget.divergence import DivergenceWatch

# What StepRecord(...) does at heart: the only thing that is made at every step, here without a Python call of its own.
new_record = tuple.__new__


@dataclass
class Recording:
    """A run under way: what has been recorded so far. One writer, the loop; anyone may read at any time."""

    settings: Mapping[str, Any]
    records: list[StepRecord] = field(default_factory=list)
    stop_reason: StopReason | None = None
    error: str | None = None
    seconds: float = 0.0
    paused_seconds: float = 0.0

    def append(self, step: int, lr: float, loss: float, grad_norm: float | None = None) -> StepRecord:
        """Keep one more record and return it."""
        record = new_record(StepRecord, (step, lr, loss, grad_norm))
        self.records.append(record)
        return record

    def judge(self, watch: DivergenceWatch) -> bool:
        """Whether the newest record ends the run; if so, note why."""
        loss = self.records[-1].loss
        if not isfinite(loss):
            self.stop_reason = StopReason.NOT_FINITE
        elif watch.has_diverged(loss):
            self.stop_reason = StopReason.DIVERGED
        return self.stop_reason is not None

    def note_failure(self, error: BaseException) -> None:
        """Note what broke the run, unless it had ended before."""
        if self.stop_reason is None:
            self.stop_reason = StopReason.of(error)
            self.error = error_text(error)

    def result(self) -> RangeTestResult:
        """The curve so far as a finished value."""
        _, lrs, losses, norms = zip(*self.records[:], strict=True) if self.records else ((),) * 4
        has_norms = any(norm is not None for norm in norms)
        return RangeTestResult(
            lrs=lrs,
            losses=losses,
            grad_norms=[nan if norm is None else norm for norm in norms] if has_norms else None,
            stop_reason=self.stop_reason or StopReason.STOPPED,
            settings=self.settings,
            error=self.error,
            seconds=self.seconds,
        )


def error_text(error: BaseException) -> str:
    """The kind of an error, and its message where it has one, as Ctrl-C has none."""
    return f"{type(error).__name__}: {error}".removesuffix(": ")
