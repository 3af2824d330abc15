"""How a widget runs: in the background where somebody watches, elsewhere here and now; its end is drawn either way."""

from __future__ import annotations

from typing import Any

from lrwidget.live.budget import PERIOD_SECONDS
from lrwidget.live.run import Run
from lrwidget.ui.front_end import is_live
from lrwidget.ui.pump import Pump


def start_or_run(run: Run[Any], pump: Pump) -> None:
    """Start a run in a worker thread; where nobody could press Stop, run it to its end."""
    if is_live():
        run.start()
        pump.request()
    else:
        run_here(run, pump)


def run_here(run: Run[Any], pump: Pump) -> Any:
    """Run to the end in this thread and return the result; what the job raises carries on."""
    pump.request(delay_seconds=PERIOD_SECONDS)  # of a shorter run the end alone is worth its time
    try:
        return run.run()
    finally:
        pump.flush()


def wait_for(run: Run[Any], pump: Pump, timeout: float | None) -> Any:
    """Wait for the end of a run and return its result; errors as for `Run.wait`."""
    try:
        return run.wait(timeout)
    finally:
        if run.has_ended():
            pump.flush()
