"""How far a run is."""

from __future__ import annotations

from typing import Any

from lrwidget.live.frames import Progress
from lrwidget.live.run import Run
from lrwidget.live.run_state import RunState


def progress_of(run: Run[Any], ended: bool, num_steps: int) -> Progress:
    """How far a run is; one that has ended since `ended` was asked still counts as running."""
    state = run.state if ended or run.is_active else RunState.RUNNING
    num_done = len(run.records)
    last = run.records[num_done - 1] if num_done else None
    rate = run.steps_per_second()
    return Progress(
        state=state,
        num_done=num_done,
        num_steps=num_steps,
        lr=last.lr if last else None,
        loss=last.loss if last else None,
        elapsed_seconds=run.elapsed_seconds(),
        left_seconds=None if rate is None or ended else max(0, num_steps - num_done) / rate,
        stop_reason=run.stop_reason if ended else None,
        is_displaced=run.is_displaced,
        is_stopping=run.is_unwanted() and not ended,
    )
