"""Progress bars for all that trains, in scripts and cells."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from lrwidget.result import StepRecord, StopReason

if TYPE_CHECKING:
    from lrwidget.repeats import RepeatRecord
    from lrwidget.sweep_result import SweepRun
    from lrwidget.verify import TrialRecord


class Watched(Protocol):
    """What a bar shows the end of."""

    @property
    def stop_reason(self) -> StopReason | None: ...


class ProgressBar:
    """A tqdm bar with the newest rate and loss.

    Parameters
    ----------
    run
        What it shows.
    name
        What it is called.
    num_steps
        How many steps there will be, at most.

    Raises
    ------
    ImportError
        If tqdm is not installed.
    """

    def __init__(self, run: Watched, name: str, num_steps: int) -> None:
        self._bar = _open_bar(num_steps, name, "step")
        self._run = run

    def __enter__(self) -> ProgressBar:
        return self

    def write(self, record: StepRecord | RepeatRecord | TrialRecord) -> None:
        """Count one step; tqdm itself limits how often it draws."""
        self._bar.set_postfix_str(f"lr {record.lr:.1e}, loss {record.loss:.4g}", refresh=False)
        self._bar.update()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self._bar.total = self._bar.n  # a run is meant to end early; a notebook paints the rest red
        self._bar.set_postfix_str(str(self._run.stop_reason), refresh=True)
        self._bar.close()


class SweepProgressBar:
    """A tqdm bar that counts the range tests of a sweep.

    Parameters
    ----------
    num_runs
        How many there will be.

    Raises
    ------
    ImportError
        If tqdm is not installed.
    """

    def __init__(self, num_runs: int) -> None:
        self._bar = _open_bar(num_runs, "sweep", "run")

    def __enter__(self) -> SweepProgressBar:
        return self

    def update(self, run: SweepRun) -> None:
        """Count one range test and name it."""
        self._bar.set_postfix_str(f"{run.label}: {run.end}", refresh=False)
        self._bar.update()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.close()


def _open_bar(total: int, name: str, unit: str) -> Any:
    try:
        from tqdm.auto import tqdm
    except ImportError as error:
        raise ImportError("progress=True needs tqdm: pip install lrwidget[progress]") from error
    return tqdm(total=total, desc=name, unit=unit)
