"""Where a run stands."""

from __future__ import annotations

from enum import StrEnum

from lrwidget.result import StopReason


class RunState(StrEnum):
    """Where a run, and with it the widget, stands."""

    IDLE = "idle"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    DONE = "done"
    FAILED = "failed"

    @property
    def is_active(self) -> bool:
        """Whether the run has begun and not ended."""
        return self in (RunState.RUNNING, RunState.PAUSED)

    @classmethod
    def after(cls, reason: StopReason) -> RunState:
        """Where a run stands that has ended for that reason."""
        if reason in (StopReason.STOPPED, StopReason.INTERRUPTED):
            return cls.STOPPED
        return cls.FAILED if reason is StopReason.FAILED else cls.DONE
