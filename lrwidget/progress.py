"""Progress bars for range tests and sweeps, in scripts and cells."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any

from lrwidget.recording import Recording
from lrwidget.result import StepRecord

if TYPE_CHECKING:
    from lrwidget.sweep_result import SweepRun


class ProgressBar:
    """A tqdm bar with the newest rate and loss.

    Parameters
    ----------
    recording
        The run it shows.

    Raises
    ------
    ImportError
        If tqdm is not installed.
    """

    def __init__(self, recording: Recording) -> None:
        self._bar = _open_bar(recording.settings["num_steps"], "range test", "step")
        self._recording = recording

    def __enter__(self) -> ProgressBar:
        return self

    def update(self, record: StepRecord) -> None:
        """Count one step; tqdm itself limits how often it draws."""
        self._bar.set_postfix_str(f"lr {record.lr:.1e}, loss {record.loss:.4g}", refresh=False)
        self._bar.update()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self._bar.total = self._bar.n  # a range test is meant to end early; a notebook paints the rest red
        self._bar.set_postfix_str(str(self._recording.stop_reason), refresh=True)
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
